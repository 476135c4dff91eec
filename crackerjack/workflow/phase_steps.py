"""The steps ``run_configuration``, ``run_code_cleaning`` and ``run_test_workflow``."""

from __future__ import annotations

import time

from crackerjack.events.payload import (
    ConfigCompleted,
    ConfigStarted,
    CoverageMeasured,
    EventType,
    FileFixed,
    HookOutput,
    PhaseEnded,
    PhaseStarted,
    TestCompleted,
    TestsCollected,
)
from crackerjack.types import HookStatus
from crackerjack.workflow.open_step import OpenStep
from crackerjack.workflow.run import Limit
from crackerjack.workflow.scheduler import Task
from crackerjack.workflow.verdict import GOOD, Part
