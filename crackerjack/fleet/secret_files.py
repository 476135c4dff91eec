"""Files that hold secrets: they stay at home unless the user says otherwise.

Told by their names, and for a few kinds by their content. Like the masking of output this is a net,
not a promise: a password in a source file travels with it.
"""

from __future__ import annotations

import fnmatch
import re
from typing import Final

SNIFFED: Final = 64 * 1024
"""Bytes at the beginning of a file that are searched for a key."""

_EXAMPLES: Final = (".example", ".sample", ".template")

_NAMES: Final = (
    # Settings of the deployment, and what direnv loads.
    (".env", "an environment file"),
    (".env.*", "an environment file"),
    (".envrc", "an environment file"),
    # Private keys, and stores of them.
    ("id_rsa", "a private key"),
    ("id_dsa", "a private key"),
    ("id_ecdsa", "a private key"),
    ("id_ed25519", "a private key"),
    ("*.key", "a private key"),
    ("*.ppk", "a private key"),
    ("*.p12", "a key store"),
    ("*.pfx", "a key store"),
    ("*.jks", "a key store"),
    ("*.keystore", "a key store"),
    # Passwords and tokens of tools.
    (".netrc", "a file of passwords"),
    ("_netrc", "a file of passwords"),
    (".pypirc", "a file of passwords"),
    (".pgpass", "a file of passwords"),
    (".git-credentials", "a file of passwords"),
    ("credentials.json", "a file of credentials"),
    ("client_secret*.json", "a file of credentials"),
    ("service[-_]account*.json", "a file of credentials"),
)
_ANY_NAME: Final = re.compile("|".join(fnmatch.translate(pattern) for pattern, _ in _NAMES))
"""One search for all: there are thousands of files, and hardly ever a secret among them."""
_PATHS: Final = (
    "/.aws/credentials",
    "/.docker/config.json",
    "/.kube/config",
    "/.streamlit/secrets.toml",
)

_SOURCES: Final = frozenset(
    {"c", "cc", "cpp", "css", "go", "h", "html", "ipynb", "java", "js", "jsx", "md", "pxd"}
    | {"py", "pyi", "pyx", "rb", "rs", "rst", "sh", "ts", "tsx"}
)
"""Suffixes of files that may show a key as an example, or look for one: without them nothing runs."""

_KEY: Final = re.compile(
    rb'^(?:\s{0,99}"private_key"\s?:\s?")?-----BEGIN [A-Z ]{0,32}PRIVATE KEY-----', re.MULTILINE
)
"""A key on lines of its own, or the one in the JSON of a service account."""
_TOKENS: Final = {
    ".npmrc": rb"(?i)_auth(?:token)?\s*=|_password\s*=",
    ".yarnrc.yml": rb"(?i)npmAuth(?:Token|Ident)\s*:",
    "pip.conf": rb"://[^\s/:@]{0,255}:[^\s/@]{1,255}@",
}


def secret_by_name(path: str) -> str:
    """Return what kind of secret a file of this name is, such as ``a private key``; empty for none."""
    name = path.rpartition("/")[2].lower()
    if _ANY_NAME.match(name) and not name.endswith(_EXAMPLES):
        return next(kind for pattern, kind in _NAMES if fnmatch.fnmatchcase(name, pattern))
    whole = f"/{path.lower()}"
    return "a file of credentials" if whole.endswith(_PATHS) else ""


def secret_by_content(path: str, beginning: bytes) -> str:
    """Return what kind of secret a file is that begins so, at most :data:`SNIFFED` bytes of it.

    A key inside of source code is none.
    """
    name = path.rpartition("/")[2].lower()
    if name.rpartition(".")[2] not in _SOURCES and _KEY.search(beginning):
        return "a private key"
    tokens = _TOKENS.get(name)
    return "a file with a token" if tokens and re.search(tokens, beginning) else ""
