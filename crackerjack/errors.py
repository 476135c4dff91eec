"""The errors that a user or a caller can meet.

::

    CrackerjackError
    ├── UsageError
    │   ├── InvalidJobId
    │   ├── NotComparable
    │   ├── StillRunning
    │   └── ProjectBusy
    ├── ConfigError
    ├── StoreError
    │   ├── JobExists
    │   ├── UnknownJob
    │   ├── JobEnded
    │   ├── FutureCursor
    │   ├── StoreUnavailable
    │   └── StoreTooNew
    └── ServerError
        ├── ServerUnreachable
        ├── ServerRefused
        └── StreamBroken

Each carries its data as attributes; ``str(error)`` is the sentence for a person, with what to do
next. The command line prints it and exits with 2; nothing else needs a traceback.
"""

from __future__ import annotations


class CrackerjackError(Exception):
    """A condition that is explained to the user in one sentence, never with a traceback."""


class UsageError(CrackerjackError):
    """What was asked for cannot be done; the message says what to ask for instead."""


class InvalidJobId(UsageError):
    """A job id outside the allowed alphabet."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return (
            f"invalid job id {self.text[:80]!r}: use a UUID or 1-64 characters of A-Z a-z 0-9 _ -"
        )


class NotComparable(UsageError):
    """There is no run to compare a job with, or none of the same project."""


class StillRunning(UsageError):
    """What can be done with a job that has ended only."""

    def __init__(self, job_id: str) -> None:
        super().__init__(job_id)
        self.job_id = job_id

    def __str__(self) -> str:
        return f"job {self.job_id} is still running; `crackerjack cancel {self.job_id}` stops it"


class ProjectBusy(UsageError):
    """Somebody else works on the project, and the caller does not wait."""

    def __init__(self, holder: str) -> None:
        super().__init__(holder)
        self.holder = holder
        """Who that is, such as ``job 6c1f``; empty where it is not known."""

    def __str__(self) -> str:
        return f"{self.holder or 'another run'} goes on in the same project: try again when it has ended"


class ConfigError(CrackerjackError):
    """A configuration file that cannot be used."""

    def __init__(self, where: str, problem: str, hint: str = "") -> None:
        super().__init__(where, problem, hint)
        self.where = where
        """File, and line and column or key where known: ``pyproject.toml:3:7``."""
        self.problem = problem
        self.hint = hint

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.where}: {self.problem}{hint}"


class StoreError(CrackerjackError):
    """The event log refused something."""


class JobExists(StoreError):
    """A job id names one run for ever."""

    def __init__(self, job_id: str) -> None:
        super().__init__(job_id)
        self.job_id = job_id

    def __str__(self) -> str:
        return (
            f"job {self.job_id} exists already: a job id names one run for ever. "
            f"Choose another --job-id, or see `crackerjack show {self.job_id}`"
        )


class UnknownJob(StoreError):
    """No job has this id."""

    def __init__(self, job_id: str) -> None:
        super().__init__(job_id)
        self.job_id = job_id

    def __str__(self) -> str:
        return f"no job {self.job_id} in this store; `crackerjack jobs --all` lists what it has"


class JobEnded(StoreError):
    """The job's log has its terminal event; nothing comes after it."""

    def __init__(self, job_id: str, terminal: str) -> None:
        super().__init__(job_id, terminal)
        self.job_id = job_id
        self.terminal = terminal

    def __str__(self) -> str:
        return f"job {self.job_id} has ended ({self.terminal})"


class FutureCursor(StoreError):
    """A cursor beyond the last event of its job: it was never given out for this log."""

    def __init__(self, job_id: str, since: int, head: int) -> None:
        super().__init__(job_id, since, head)
        self.job_id = job_id
        self.since = since
        self.head = head

    def __str__(self) -> str:
        return (
            f"job {self.job_id} has {self.head} events, none after {self.since}: "
            f"ask for those since 0 to {self.head}"
        )


class StoreUnavailable(StoreError):
    """The store cannot be opened, read or written: corrupt, locked, read-only, disk full."""

    def __init__(self, path: str, problem: str, hint: str) -> None:
        super().__init__(path, problem, hint)
        self.path = path
        self.problem = problem
        self.hint = hint

    def __str__(self) -> str:
        return f"the store {self.path} {self.problem}: {self.hint}"


class StoreTooNew(StoreError):
    """A newer crackerjack wrote this store."""

    def __init__(self, path: str, found: int, supported: int) -> None:
        super().__init__(path, found, supported)
        self.path = path
        self.found = found
        self.supported = supported

    def __str__(self) -> str:
        return (
            f"the store {self.path} has version {self.found}, this crackerjack knows up to "
            f"{self.supported}: upgrade crackerjack, or set CRACKERJACK_STATE_DIR to another directory"
        )


class ServerError(CrackerjackError):
    """A server of crackerjack did not do what a client asked."""


class ServerUnreachable(ServerError):
    """Nothing that is a server of crackerjack answers there."""

    def __init__(self, url: str, problem: str) -> None:
        super().__init__(url, problem)
        self.url = url
        self.problem = problem

    def __str__(self) -> str:
        return (
            f"no crackerjack server answers at {self.url}: {self.problem}. "
            "`crackerjack serve` starts one"
        )


class ServerRefused(ServerError):
    """The server will not serve this client, also not when it comes again."""

    def __init__(self, url: str, code: int, reason: str) -> None:
        super().__init__(url, code, reason)
        self.url = url
        self.code = code
        """An HTTP status, or the code that closed the WebSocket."""
        self.reason = reason

    def __str__(self) -> str:
        hint = ": give its --token, or set CRACKERJACK_TOKEN" if self.code == 401 else ""
        return f"the server at {self.url} refused ({self.code} {self.reason}){hint}"


class StreamBroken(ServerError):
    """Events are missing in a stream, which must never be: what came before is all that is sure."""

    def __init__(self, job_id: str, seq: int, found: int) -> None:
        super().__init__(job_id, seq, found)
        self.job_id = job_id
        self.seq = seq
        self.found = found

    def __str__(self) -> str:
        return (
            f"after event {self.seq} of job {self.job_id} came {self.found}: events are missing; "
            f"please report it. `crackerjack events {self.job_id} --since {self.seq}` reads on"
        )
