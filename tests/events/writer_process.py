"""A process that writes one job of a store; run as ``python -m tests.events.writer_process``.

Arguments: store, job id, number of events (-1: without end). It says ``ready`` and waits for a line on
its standard input before it opens the store, so that many can begin at once.
"""

from __future__ import annotations

import itertools
import sys

from crackerjack.events.bus import WorkflowEventBus
from crackerjack.events.hub import Hub
from crackerjack.events.payload import EventType
from crackerjack.events.sqlite_log import SqliteEventLog
from tests.events.writing import END, line, new_job


def main(path: str, name: str, count: int) -> None:
    print("ready", flush=True)
    sys.stdin.readline()
    log = SqliteEventLog(path)
    job = new_job(log, name, owner=name)
    bus = WorkflowEventBus(log, Hub(), owner=name)
    for number in range(count) if count >= 0 else itertools.count():
        bus.publish(job, EventType.HOOK_OUTPUT, line(number))
    bus.publish(job, EventType.WORKFLOW_COMPLETED, END)
    bus.close()
    log.close()
    if bus.trouble:
        sys.exit(str(bus.trouble))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
