"""The servers that fan events out: ours and its peers. ``python -m benches.stream_servers KIND PORT``.

Each reads commands from stdin and answers each with a line: ``burst N`` publishes N events,
``pace N RATE`` so many a second, ``settle`` waits for their commit, ``rss`` tells the resident KiB.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from benches.stream_load import connect

JOB: Final = "bench"
_NGINX_PATH: Final = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])
_MODULE: Final = "modules/ngx_nchan_module.so"


def event(seq: int) -> dict[str, Any]:
    """What our own events look like, for servers that do not have them."""
    now = time.time()
    data = {
        "timestamp": now,
        "step_id": "run_fast_hooks_001",
        "hook": "ruff-check",
        "path": "src/package/module.py",
        "line": 120,
        "column": 17,
        "code": "E501",
        "severity": "error",
        "message": "Line too long",
        "fixable": False,
        "fingerprint": "0123456789abcdef01234567",
    }
    return {
        "event_type": "diagnostic_found",
        "data": data,
        "timestamp": now,
        "job_id": JOB,
        "seq": seq,
    }


def compact(seq: int) -> bytes:
    """An event in as many bytes as ours take."""
    return json.dumps(event(seq), separators=(",", ":")).encode()


def obey(
    publish: Callable[[int], object],
    *,
    send: Callable[[], object] = lambda: None,
    settle: Callable[[], object] = lambda: None,
) -> None:
    """Publish as stdin says, on a thread of its own, until it ends.

    `send` is called when there is nothing more to publish at once, `settle` for the command.
    """

    def read() -> None:
        seq = 0
        for line in sys.stdin:
            word, *numbers = line.split()
            answer = "done"
            if word == "burst":
                for _ in range(int(numbers[0])):
                    publish(seq := seq + 1)
                send()
            elif word == "pace":
                started = time.perf_counter()
                for number in range(int(numbers[0])):
                    time.sleep(max(0.0, started + number / float(numbers[1]) - time.perf_counter()))
                    publish(seq := seq + 1)
                    send()
            elif word == "settle":
                settle()
            elif word == "rss":
                with open("/proc/self/statm") as file:
                    answer = str(int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024)
            print(answer, flush=True)
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()


def crackerjack(port: int) -> None:
    """Ours, publishing in its own process, every event committed."""
    from crackerjack.container import open_container
    from crackerjack.events.log import JobHeader
    from crackerjack.events.payload import DiagnosticFound, EventType
    from crackerjack.jobs.process_identity import this_process
    from crackerjack.server_container import open_web
    from crackerjack.types import JobId
    from crackerjack.web.admission import Admission
    from crackerjack.web.server import listen, serve

    finding = DiagnosticFound(**{**event(0)["data"], "timestamp": 0.0})
    job_id = JobId(JOB)
    with (
        tempfile.TemporaryDirectory() as directory,
        open_container({"CRACKERJACK_STATE_DIR": directory}) as container,
        listen("127.0.0.1", port) as listener,
        open_web(container, Admission()) as web,
    ):
        header = JobHeader(
            job_id=job_id, project="/", workflow="", created=time.time(), owner=this_process()
        )
        container.log.create_job(header, time.time() + 3600)
        obey(
            lambda _: container.bus.publish(job_id, EventType.DIAGNOSTIC_FOUND, finding),
            settle=container.bus.flush,
        )
        serve(web.app, listener, web.bridge.drain)


def writer(_port: int) -> None:
    """What a run does: publish to the store of ``CRACKERJACK_STATE_DIR``, without any server."""
    from crackerjack.container import open_container
    from crackerjack.events.log import JobHeader
    from crackerjack.events.payload import DiagnosticFound, EventType
    from crackerjack.jobs.process_identity import this_process
    from crackerjack.types import JobId

    finding = DiagnosticFound(**{**event(0)["data"], "timestamp": 0.0})
    job_id = JobId(JOB)
    with open_container(os.environ) as container:
        header = JobHeader(
            job_id=job_id, project="/", workflow="", created=time.time(), owner=this_process()
        )
        container.log.create_job(header, time.time() + 3600)
        obey(lambda _: container.bus.publish(job_id, EventType.DIAGNOSTIC_FOUND, finding))
        threading.Event().wait()


@contextmanager
def fleet_runner(
    address: str, directory: str
) -> Iterator[tuple[Callable[[], object], Callable[[], object]]]:
    """What a run on a worker does: gives what publishes an event of its job to a broker, and what settles."""
    from crackerjack.events.broker_address import broker_in_environment
    from crackerjack.events.log import JobHeader
    from crackerjack.events.payload import DiagnosticFound, EventType
    from crackerjack.fleet_container import open_fleet
    from crackerjack.jobs.process_identity import this_process
    from crackerjack.types import JobId

    finding = DiagnosticFound(**{**event(0)["data"], "timestamp": 0.0})
    job_id = JobId(JOB)
    environment = {"CRACKERJACK_STATE_DIR": directory, "CRACKERJACK_BROKER": address}
    named = broker_in_environment(environment)
    assert named is not None
    with open_fleet(named, environment, role="worker") as fleet:
        bus = fleet.container.bus
        header = JobHeader(
            job_id=job_id, project="/", workflow="", created=time.time(), owner=this_process()
        )
        fleet.log.create_job(header, time.time() + 3600)
        yield lambda: bus.publish(job_id, EventType.DIAGNOSTIC_FOUND, finding), bus.flush


def fleet_writer(_port: int) -> None:
    """The same as a process, for the broker of ``CRACKERJACK_BROKER``."""
    place = os.environ["CRACKERJACK_BROKER"], os.environ["CRACKERJACK_STATE_DIR"]
    with fleet_runner(*place) as (publish, settle):
        obey(lambda _: publish(), settle=settle)
        threading.Event().wait()


def naive(port: int) -> None:
    """As one would first write it: FastAPI, uvicorn's defaults, and a loop over the clients."""
    import uvicorn
    from fastapi import FastAPI, WebSocket  # type: ignore[import-not-found, unused-ignore]

    app = FastAPI()
    clients: list[WebSocket] = []
    loops: list[asyncio.AbstractEventLoop] = []

    async def progress(websocket: WebSocket) -> None:
        await websocket.accept()
        loops[:] = [asyncio.get_running_loop()]
        clients.append(websocket)
        async for _ in websocket.iter_text():
            pass

    progress.__annotations__["websocket"] = WebSocket  # where FastAPI looks for the class itself
    app.websocket("/ws/progress/bench")(progress)

    async def broadcast(seq: int) -> None:
        message = event(seq)
        for websocket in clients:
            await websocket.send_json(message)

    obey(lambda seq: asyncio.run_coroutine_threadsafe(broadcast(seq), loops[0]).result())
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


def broadcast(port: int) -> None:
    """The `websockets` library's own broadcast()."""
    import websockets
    from websockets.asyncio.server import ServerConnection, serve

    async def main() -> None:
        loop = asyncio.get_running_loop()
        clients: set[ServerConnection] = set()
        room = threading.Semaphore(1000)  # events on their way, so that memory stays bounded

        async def handle(connection: ServerConnection) -> None:
            clients.add(connection)
            await connection.wait_closed()

        def send(seq: int) -> None:
            websockets.broadcast(clients, compact(seq).decode())
            room.release()

        def publish(seq: int) -> None:
            room.acquire()
            loop.call_soon_threadsafe(send, seq)

        obey(publish)
        async with serve(handle, "127.0.0.1", port, compression=None) as server:
            await server.serve_forever()

    asyncio.run(main())


NGINX: Final = """
load_module {module};
daemon off;
worker_processes 1;
error_log stderr;
pid nginx.pid;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    nchan_shared_memory_size 512m;
    nchan_message_buffer_length 100000;  # by default it loses what is more than ten messages old
    nchan_message_timeout 1h;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location = /ws/progress/bench {{ nchan_subscriber websocket; nchan_channel_id bench; }}
        location = /publish {{ nchan_publisher websocket; nchan_channel_id bench; }}
    }}
}}
"""


def nchan_module() -> str | None:
    """Where the module for nginx is; None where it or nginx is not installed."""
    places = [path for lib in ("lib", "lib64") for path in Path("/usr", lib, "nginx").glob(_MODULE)]
    return str(places[0]) if places and shutil.which("nginx", path=_NGINX_PATH) else None


def nchan(port: int) -> None:
    """nginx with nchan, one worker, its messages in memory; published over one WebSocket."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)  # the worker gives up its rights
        configuration = Path(directory, "nginx.conf")
        configuration.write_text(NGINX.format(module=nchan_module(), port=port))
        nginx = str(shutil.which("nginx", path=_NGINX_PATH))
        argv = [nginx, "-p", directory, "-c", str(configuration), "-e", "stderr"]
        with subprocess.Popen(argv, stdin=subprocess.DEVNULL) as process:
            publisher = _publisher(port)
            threading.Thread(target=_pass_over, args=(publisher,), daemon=True).start()
            frames = publisher.makefile("wb", buffering=1 << 20)
            obey(lambda seq: frames.write(_masked(compact(seq))), send=frames.flush)
            process.wait()


def _publisher(port: int) -> socket.socket:
    while True:
        try:
            return connect(port, path="/publish")
        except ConnectionRefusedError:
            time.sleep(0.05)


def _pass_over(publisher: socket.socket) -> None:
    while publisher.recv(1 << 20):  # nchan answers every message
        pass


def _masked(payload: bytes) -> bytes:
    """A client's text frame of 126 to 65,535 bytes, with a mask that changes nothing."""
    return b"\x81\xfe%b\0\0\0\0%b" % (len(payload).to_bytes(2, "big"), payload)


if __name__ == "__main__":
    os.sched_setaffinity(0, {0})
    kinds = {
        "crackerjack": crackerjack,
        "writer": writer,
        "fleet_writer": fleet_writer,
        "naive": naive,
        "broadcast": broadcast,
        "nchan": nchan,
    }
    kinds[sys.argv[1]](int(sys.argv[2]))
