"""Where a run takes place: in this process, or on a worker."""

from __future__ import annotations

from typing import Protocol

from crackerjack.config import Config
from crackerjack.container import Container
from crackerjack.errors import StoreError
from crackerjack.events.event import WorkflowEvent
from crackerjack.hooks.process import Cancellation
from crackerjack.types import ExitCode, JobId
from crackerjack.workflow.options import RunOptions


class Followed(Protocol):
    """A job that was begun, here or elsewhere."""

    trouble: StoreError | None
    elsewhere: bool
    """Whether it goes on when this process cannot reach its store."""

    @property
    def job_id(self) -> JobId:
        """Its id."""
        ...

    @property
    def cancellation(self) -> Cancellation:
        """Whether it was interrupted."""
        ...

    def handle(self, event: WorkflowEvent) -> None:
        """Take in an event of the job."""
        ...

    def wait(self, timeout: float | None = None) -> ExitCode | None:
        """The exit code once the job has ended; None when `timeout` seconds pass before."""
        ...

    def stop(self, why: str) -> None:
        """Interrupt it."""
        ...

    def stop_now(self) -> None:
        """End without grace what runs here."""
        ...


class Place(Protocol):
    """Where a job is to run."""

    container: Container
    notes: list[str]
    """What the user should know of how it began."""
    keeps_house: bool
    """Whether a run forgets the jobs before it that are too many."""

    def begin(self, config: Config, options: RunOptions, job_id: str | None) -> Followed:
        """Begin a job."""
        ...

    def settle(self, config: Config, job: Followed) -> list[str]:
        """Do what is left to do when it has ended; returns what the user should know."""
        ...
