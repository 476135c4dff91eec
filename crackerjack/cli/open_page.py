"""``--open``: the dashboard in the browser of the person who asked."""

from __future__ import annotations

import threading
from http.client import HTTPException
from typing import Final

DEFAULT: Final = "http://127.0.0.1:8675"
"""Where ``crackerjack serve`` serves when it is told nothing else."""
_PATIENCE: Final = 1.0  # seconds, for a server on this machine


def open_page(url: str) -> None:
    """Open a page, and don't wait: a browser of the terminal stays until it is left."""
    import webbrowser

    # Without the server's token, which would stand in the list of processes: the page asks for it.
    threading.Thread(target=webbrowser.open, args=[url], daemon=True).start()


def open_job(job_id: str) -> str:
    """Open the page of a job, where a server has it; else what to do, for the person who waits."""
    page = f"{DEFAULT}/#/job/{job_id}"
    found = _status(f"{DEFAULT}/jobs/{job_id}")
    if found in {200, 401}:
        import webbrowser

        try:
            webbrowser.get()
        except webbrowser.Error:
            return f"No browser was found here: the job is at {page}"
        open_page(page)
        return ""
    if found is None:
        return (
            f"No server at {DEFAULT}: `crackerjack serve` starts one, and then the job is at {page}"
        )
    return f"The server at {DEFAULT} does not know this job: it serves another store"


def _status(url: str) -> int | None:
    """The HTTP status of an answer; None without one."""
    from urllib.error import HTTPError
    from urllib.request import ProxyHandler, build_opener

    try:
        with build_opener(ProxyHandler({})).open(url, timeout=_PATIENCE) as answer:
            status: int = answer.status
            return status
    except HTTPError as error:
        with error:
            return error.code
    except (OSError, HTTPException):
        return None
