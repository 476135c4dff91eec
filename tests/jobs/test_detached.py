"""Runs in processes of their own."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest

from crackerjack.errors import UsageError
from crackerjack.events.sqlite_log import SqliteEventLog
from crackerjack.jobs import detached
from crackerjack.types import JobId


def test_a_run_that_does_not_begin_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detached, "BEGINS_WITHIN", 0.0)
    with closing(SqliteEventLog(os.path.join(os.environ["CRACKERJACK_STATE_DIR"], "x.db"))) as log:
        with pytest.raises(UsageError, match="did not begin within 0 s"):
            detached.start_detached(
                log, str(tmp_path), "standard", detached.DetachedOptions(), JobId("hangs")
            )
        assert log.jobs() == []
