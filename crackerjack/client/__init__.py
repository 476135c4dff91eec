"""A client of ``crackerjack serve``: every event of a job, once, in order, across lost connections.

::

    from crackerjack.client import stream

    async for event in stream("http://127.0.0.1:8675", "job123"):
        print(event.seq, event.event_type, event.data)
"""

from crackerjack.client.jobs import latest_job
from crackerjack.client.stream import State, snapshot, stream

__all__ = ["State", "latest_job", "snapshot", "stream"]
