"""The configuration of the project that a command line names."""

from __future__ import annotations

import argparse
import os
from typing import Any

from crackerjack.config import Config, find_project, load_config


def configure(arguments: argparse.Namespace) -> Config:
    """The configuration of the project that the command line names, with its overrides."""
    root = find_project(arguments.project)
    return load_config(root, environment=os.environ, overrides=overrides_of(arguments))


def overrides_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """The settings that the command line gives."""
    chosen = {
        "check": getattr(arguments, "check", None),
        "strip_code": getattr(arguments, "strip_code", None),
        "fail_fast": getattr(arguments, "fail_fast", None),
        "jobs": getattr(arguments, "jobs", None),
        "timeout": getattr(arguments, "timeout", None),
        "cache": False if getattr(arguments, "no_cache", False) else None,
    }
    return {key: value for key, value in chosen.items() if value is not None}
