"""Answers and failures as results of a tool call."""

from __future__ import annotations

from typing import Final

import mcp_types as types

from crackerjack.mcp.models import Answer
from crackerjack.mcp.texts import text_of
from crackerjack.reports.safe_text import one_line

_LONGEST: Final = 1000  # characters of a failure


def told(answer: Answer) -> types.CallToolResult:
    """An answer: its fields, and for clients that show nothing else, as text."""
    return types.CallToolResult(
        content=[types.TextContent(text=text_of(answer))],
        structured_content=answer.model_dump(mode="json", exclude_defaults=True),
    )


def failed(sentence: str) -> types.CallToolResult:
    """A failure, with what to do now."""
    text = one_line(sentence)[:_LONGEST]
    return types.CallToolResult(content=[types.TextContent(text=text)], is_error=True)
