"""Prompts that people pick in their client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import mcp_types as types
from mcp.shared.exceptions import MCPError

from crackerjack.errors import InvalidJobId
from crackerjack.mcp.digest import shortened
from crackerjack.types import parse_job_id

_LONGEST: Final = 4096  # characters of a path
PROMPTS: Final = (
    types.Prompt(
        name="fix_findings",
        title="Fix what the checks find",
        description="Run the checks, and fix what they find while they still run.",
        arguments=[
            types.PromptArgument(
                name="project", description="absolute path; by default the server's", required=False
            )
        ],
    ),
    types.Prompt(
        name="review_run",
        title="Review a run",
        description="Say what a run found, what is new, and what to do first.",
        arguments=[types.PromptArgument(name="job_id", description="the job", required=True)],
    ),
)


def prompt(name: str, arguments: Mapping[str, str]) -> types.GetPromptResult:
    """The prompt, filled in. Raises :exc:`MCPError` for one that there is not, and for a bad job id."""
    if name == "fix_findings":
        project = shortened(arguments.get("project", ""), _LONGEST)
        where = f" for the project {project}" if project else ""
        return _said(
            "Fix what the checks find",
            f"Call run_checks{where} with wait_s=50. Fix the first thing that it tells you at its root, "
            "not by silencing the rule. Then call wait with since=next for what comes next, and go on "
            "like this until the job has finished. Call run_checks again and compare: you are done when "
            "nothing new is left and what you fixed shows as fixed. Say what you could not fix and why.",
        )
    if name == "review_run":
        try:
            job_id = parse_job_id(arguments.get("job_id", ""))
        except InvalidJobId as error:
            raise MCPError(types.INVALID_PARAMS, str(error)) from None
        return _said(
            "Review a run",
            f"Call wait(job_id={job_id!r}, until='finished'), then compare(job_id={job_id!r}) and "
            f"findings(job_id={job_id!r}, only='new'). Say in a few sentences whether the project is in "
            "order, what is new since the last run, which failing test or finding to look at first and "
            "why. Change nothing.",
        )
    known = ", ".join(one.name for one in PROMPTS)
    raise MCPError(types.INVALID_PARAMS, f"no prompt {name[:80]!r}; there are: {known}")


def _said(description: str, text: str) -> types.GetPromptResult:
    message = types.PromptMessage(role="user", content=types.TextContent(text=text))
    return types.GetPromptResult(description=description, messages=[message])
