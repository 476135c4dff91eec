"""``crackerjack serve``: every job of the store, live, to every client."""

from __future__ import annotations

import argparse
import os
import sys

from crackerjack.cli.open_page import open_page
from crackerjack.cli.store_option import VARIABLE, open_store
from crackerjack.errors import UsageError
from crackerjack.server_container import open_web
from crackerjack.types import ExitCode
from crackerjack.web.admission import Admission, parse_origins
from crackerjack.web.server import listen
from crackerjack.web.server import serve as serve_app


def serve(arguments: argparse.Namespace) -> int:
    """Serve until a signal ends it."""
    admission = Admission(
        token=arguments.token or os.environ.get("CRACKERJACK_TOKEN", ""),
        origins=parse_origins(arguments.allowed_origin),
        hosts=frozenset({arguments.host.lower(), *map(str.lower, arguments.allowed_host)}),
    )
    admission.check_token()
    if arguments.broker:
        os.environ[VARIABLE] = arguments.broker  # for the runs that clients start
    admission.check_binding(arguments.host)
    roots = project_roots(arguments.project_root)
    with (
        open_store(arguments, live=True) as container,
        listen(arguments.host, arguments.port) as listener,
        open_web(container, admission, roots=roots) as web,
    ):
        host, port = listener.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        print(f"Serving at http://{shown}:{port} (Ctrl-C ends it)", file=sys.stderr, flush=True)
        if arguments.open:
            reached = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, shown)  # noqa: S104
            open_page(f"http://{reached}:{port}/")
        serve_app(web.app, listener, web.bridge.drain)
    return ExitCode.PASSED


def project_roots(directories: list[str]) -> list[str]:
    """The directories that ``--project-root`` names, or this one. Raises :exc:`UsageError`."""
    for directory in directories:
        if not os.path.isdir(directory):
            raise UsageError(f"--project-root {directory} is not a directory")
    return directories or [os.getcwd()]
