"""The errors that a user or a caller can meet.

::

    CrackerjackError
    ├── UsageError
    │   ├── InvalidJobId
    │   ├── NotComparable
    │   ├── StillRunning
    │   ├── FilesElsewhere
    │   └── ProjectBusy
    ├── ConfigError
    ├── StoreError
    │   ├── JobExists
    │   ├── UnknownJob
    │   ├── JobEnded
    │   ├── FutureCursor
    │   ├── StoreUnavailable
    │   │   └── StoreForbids
    │   └── StoreTooNew
    ├── ServerError
    │   ├── ServerUnreachable
    │   ├── ServerRefused
    │   └── StreamBroken
    ├── BundleError
    │   ├── ObjectMissing
    │   ├── ObjectDamaged
    │   ├── BundleTooLarge
    │   ├── BundleBroken
    │   ├── PatchBroken
    │   └── ProjectUnsettled
    └── EnvironmentFailed

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


class FilesElsewhere(UsageError):
    """What can be done only on the machine whose files a job has changed."""

    def __init__(self, job_id: str) -> None:
        super().__init__(job_id)
        self.job_id = job_id

    def __str__(self) -> str:
        return (
            f"job {self.job_id} has changed no files here: it ran for another machine, where "
            f"`crackerjack undo {self.job_id}` takes back what it changed"
        )


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


class StoreForbids(StoreUnavailable):
    """A broker does not let this user do it: trying again is of no use."""


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


class BundleError(CrackerjackError):
    """A project, or what a run changed in it, cannot travel to another machine."""


class ObjectMissing(BundleError):
    """The object store does not hold what was asked for."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return (
            f"the object store has no object {self.name[:80]}: it was never sent or has been dropped; "
            "submit the job again"
        )


class ObjectDamaged(BundleError):
    """What an object store answered is not what the name stands for."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(name, problem)
        self.name = name
        self.problem = problem

    def __str__(self) -> str:
        return (
            f"the object {self.name[:80]} is damaged in its store ({self.problem}): "
            "submit the job again"
        )


class BundleTooLarge(BundleError):
    """A project goes beyond a bound of what may travel."""

    def __init__(self, what: str, where: str, setting: str) -> None:
        super().__init__(what, where, setting)
        self.what = what
        """What is too much, and how much it may be."""
        self.where = where
        """A path of the project."""
        self.setting = setting
        """The key of ``[tool.crackerjack.bundle]`` that sets the bound; empty where none does."""

    def __str__(self) -> str:
        raised = f", or raise {self.setting} in [tool.crackerjack.bundle]" if self.setting else ""
        return (
            f"the project cannot be sent: {self.what} ({self.where}). "
            f"Add what need not travel to .gitignore{raised}"
        )


class BundleBroken(BundleError):
    """A bundle that no crackerjack has made, or that goes beyond the bounds of who unpacks it."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(name, problem)
        self.name = name
        self.problem = problem

    def __str__(self) -> str:
        return (
            f"the bundle {self.name[:80]} was refused: {self.problem}. Nothing of it was kept; "
            "submit the job again, with the version of crackerjack that the worker has"
        )


class PatchBroken(BundleError):
    """What came back as the changes of a run cannot be read, or goes beyond its bounds."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return (
            f"the changes that the worker sent back were refused: {self.problem}. No file was "
            "changed; run it here to have the fixes"
        )


class ProjectUnsettled(BundleError):
    """Somebody writes to the project all the time while it is read."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        return (
            f"{self.path} changed each time that it was read to be sent: "
            "try again when nothing writes to the project"
        )


class EnvironmentFailed(CrackerjackError):
    """The environment of a project could not be made."""

    def __init__(self, what: str, reason: str, output: str = "") -> None:
        super().__init__(what, reason, output)
        self.what = what
        """The files that it was to be made from, or the command."""
        self.reason = reason
        self.output = output
        """The last lines that the tool said; empty when it said nothing."""

    def __str__(self) -> str:
        said = f":\n{self.output}" if self.output else ""
        return (
            f"the environment of the project cannot be made from {self.what}: {self.reason}{said}"
        )
