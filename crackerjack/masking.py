"""Secrets that tools print, made unreadable before they reach the log.

What is masked: values of secret environment variables, tokens that can be told by their shape,
passwords in URLs, authorization headers, private keys, and values given to names such as
``password``. It is a safety net, not a promise: a secret of no known shape goes through.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Final

_MASK: Final = "***"
_LEAST: Final = 8
"""Characters of an environment variable's value: shorter ones stand in ordinary words."""
_NAMED_SO: Final = r"(?:TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|API_?KEY|ACCESS_?KEY|SECRET_?KEY|PRIVATE_?KEY|CREDENTIALS?)$"

# What must stand in a text, in lower case, for the pattern to be tried on it; each pattern keeps what
# says which kind of secret it was, and has bounded repetitions: no text is slow.
_SHAPES: Final = (
    ("gh", r"\b(gh[pousr]_)[A-Za-z0-9]{36,255}"),
    ("github_pat_", r"\b(github_pat_)[A-Za-z0-9_]{22,255}"),
    ("glpat-", r"\b(glpat-)[A-Za-z0-9_-]{20,255}"),
    ("npm_", r"\b(npm_)[A-Za-z0-9]{36}\b"),
    ("pypi-age", r"\b(pypi-)AgE[A-Za-z0-9_-]{16,512}"),
    ("xox", r"\b(xox[abeprs]-)[A-Za-z0-9-]{10,255}"),
    ("k_live_", r"\b([sr]k_live_)[A-Za-z0-9]{16,255}"),
    ("sk-", r"\b(sk-(?:ant-|proj-)?)(?=[A-Za-z_-]{0,99}[0-9])[A-Za-z0-9_-]{20,255}"),
    ("aiza", r"\b(AIza)[A-Za-z0-9_-]{35}"),
    ("kia", r"\b(AKIA)[A-Z0-9]{16}\b"),
    ("sia", r"\b(ASIA)[A-Z0-9]{16}\b"),
    # Of each word its first "eyJ" alone: another would run to the same end.
    (".eyj", r"(?<![\w-])((?>[\w-]*?\beyJ))[\w-]{8,4096}+\.eyJ[\w-]{8,4096}+\.[\w-]{1,4096}"),
    ("://", r"(://[^\s/:@]{0,255}:)[^\s/@]{1,255}(?=@)"),
    (
        "authorization",
        r"(?i)(\bauthorization[\"']?\s{0,4}[:=]\s{0,4}[\"']?(?:basic|bearer)?\s{0,4})[^\s\"',;]{8,4096}",
    ),
    ("bearer", r"(?i)(\bbearer\s{1,4})(?=[^\s\"']{0,99}[0-9])[A-Za-z0-9._~+/=-]{16,4096}"),
)
_KEY_BLOCK: Final = (
    r"(-----BEGIN [A-Z ]{0,32}PRIVATE KEY-----).*?(-----END [A-Z ]{0,32}PRIVATE KEY-----|\Z)"
)
_KEY_END: Final = r"\A[A-Za-z0-9+/=\s]{16,}(?=-----END [A-Z ]{0,32}PRIVATE KEY-----)"
"""The rest of a key whose beginning was in an earlier piece of the output."""
_NAMES: Final = ("passw", "passphrase", "secret", "token", "key")
_ASSIGNED: Final = r"""(?ix)
    ((?:password|passwd|passphrase|secret|token|(?:api|access|private)[_-]?key)
    ["']?\s{0,4}[:=]\s{0,4})
    (?: (["'])[^"'\s]{6,4096}\2               # quoted: a value, not code
      | (?=[^\s"',;()\[\]{}]{0,99}[0-9])[A-Za-z0-9+/_=.~-]{12,4096}(?![\w(\[.]) )
"""


class Masker:
    """Masks text; made once for a run, of the environment that its tools inherit."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        is_secret = re.compile(_NAMED_SO, re.IGNORECASE)
        values = {
            value.strip()
            for name, value in environment.items()
            if is_secret.search(name) and len(value.strip()) >= _LEAST
        }
        self._values = sorted(values, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """The text, each secret in it replaced with ``***``; masking it again changes nothing."""
        for value in self._values:
            text = text.replace(value, _MASK)
        lowered = text.lower()
        for needle, shape in _SHAPES:
            if needle in lowered:
                text = _compiled(shape).sub(rf"\1{_MASK}", text)
        if "private key-----" in lowered:
            text = _compiled(_KEY_END).sub(_MASK, text)
            text = _compiled(_KEY_BLOCK).sub(rf"\1{_MASK}\2", text)
        if any(name in lowered for name in _NAMES):
            text = _compiled(_ASSIGNED).sub(_keep_name, text)
        return text


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Compiled at first use: a run whose tools say nothing needs none of them."""
    return re.compile(pattern, re.DOTALL)


def _keep_name(match: re.Match[str]) -> str:
    quote = match[2] or ""
    return f"{match[1]}{quote}{_MASK}{quote}"
