"""What a client sends to start a run."""

from __future__ import annotations

import msgspec

from crackerjack.jobs.detached import DetachedOptions, Text


class StartRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of ``POST /jobs``."""

    project: Text
    """A directory below one of the server's project roots."""
    workflow: Text = ""
    options: DetachedOptions = DetachedOptions()
    job_id: str = ""
    """One is made up where it is empty."""
