"""Access tokens whose form is unmistakable.

Only forms that their issuers gave a prefix and a length, so that a finding is certain: what merely
looks random, or stands behind the word "password", is left to the scanners that weigh it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from crackerjack.hooks.builtin.content import Content
from crackerjack.hooks.diagnostic import Diagnostic

_VARIETY: Final = 10
"""Different characters: a placeholder such as ``ghp_xxxx`` has fewer, a random token has more."""

_TOKENS: Final = {
    b"AKIA": ("an AWS access key", rb"AKIA[A-Z2-7]{16}"),
    b"ghp_": ("a GitHub token", rb"ghp_[A-Za-z0-9]{36}"),
    b"github_pat_": ("a GitHub token", rb"github_pat_[A-Za-z0-9_]{82}"),
    b"glpat-": ("a GitLab token", rb"glpat-[A-Za-z0-9_-]{20}"),
    b"xoxb-": ("a Slack token", rb"xoxb-[0-9]{10,13}-[0-9]{10,13}-[A-Za-z0-9]{24}"),
    b"hooks.slack.com": (
        "a Slack webhook",
        rb"hooks\.slack\.com/services/T[A-Z0-9]{8,11}/B[A-Z0-9]{8,11}/[A-Za-z0-9]{24}",
    ),
    b"k_live_": ("a live Stripe key", rb"[rs]k_live_[A-Za-z0-9]{24,}"),
    b"pypi-AgE": ("a PyPI token", rb"pypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,}"),
    b"npm_": ("an npm token", rb"npm_[A-Za-z0-9]{36}"),
    b"SG.": ("a SendGrid key", rb"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"),
    b"T3BlbkFJ": ("an OpenAI key", rb"sk-[A-Za-z0-9_-]{20,}T3BlbkFJ[A-Za-z0-9_-]{20,}"),
    b"sk-ant-": ("an Anthropic key", rb"sk-ant-(?:api|admin)\d\d-[A-Za-z0-9_-]{93}AA"),
    b"dop_v1_": ("a DigitalOcean token", rb"dop_v1_[a-f0-9]{64}"),
}
"""Text that every token of a kind holds -> its name and its form. Few: each costs a search of every
file, some 3 ms per MiB."""


def access_token(content: Content) -> Iterator[Diagnostic]:
    """Find tokens that open something, without repeating them."""
    for mark, (name, form) in _TOKENS.items():
        if mark not in content.data:
            continue
        for match in re.finditer(rb"(?<![A-Za-z0-9_-])" + form + rb"(?![A-Za-z0-9])", content.data):
            if _can_be_real(match[0].removeprefix(mark)):
                line = content.line_at(match.start())
                yield content.finding("access-token", f"{name} in a file", line=line)


def _can_be_real(secret: bytes) -> bool:
    return len(set(secret)) >= _VARIETY and b"EXAMPLE" not in secret
