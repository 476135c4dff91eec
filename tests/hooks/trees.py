"""Small projects for tests, made on the spot."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path


def make_tree(root: Path, *paths: str) -> Path:
    """Make a file at each path, holding its own name; a path that ends in ``/`` is a directory."""
    for path in paths:
        if path.endswith("/"):
            (root / path).mkdir(parents=True, exist_ok=True)
        else:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(os.fsencode(f"# {path}\n"))
    return root


def git(root: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=root, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def make_repository(root: Path, *paths: str) -> Path:
    """Make a repository with these files committed."""
    root.mkdir(parents=True, exist_ok=True)
    git(root, "init", "-q", "-b", "main")
    make_tree(root, *paths)
    if paths:
        commit(root)
    return root


def commit(root: Path) -> str:
    """Commit everything and return the revision."""
    git(root, "add", "--all", "--force")
    git(root, "commit", "-q", "-m", "test")
    return git(root, "rev-parse", "HEAD")


def age(root: Path, paths: Iterable[str], seconds: float = 60.0) -> None:
    """Set the modification times back."""
    for path in paths:
        found = (root / path).stat()
        os.utime(root / path, (found.st_atime - seconds, found.st_mtime - seconds))
