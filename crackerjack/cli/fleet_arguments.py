"""The arguments about brokers and workers."""

from __future__ import annotations

import argparse

from crackerjack.cli.values import job_id, priority, said, slots


def add_broker(parser: argparse._ActionsContainer) -> None:
    """Which broker, for a command that works on a store."""
    parser.add_argument(
        "--broker",
        metavar="URL",
        type=said,
        help="a NATS server, say nats://host:4222, instead of the store of this machine (default:"
        " CRACKERJACK_BROKER where it is set; `none` for this machine's)",
    )


def add_remote_run(parser: argparse.ArgumentParser) -> None:
    """How a run is to be done by workers."""
    fleet = parser.add_argument_group("to run it on workers")
    add_broker(fleet)
    fleet.add_argument(
        "--detach", action="store_true", help="with a broker: print the job's id and leave"
    )
    fleet.add_argument(
        "--priority",
        metavar="N",
        type=priority,
        help="0 to 9: who has a higher one goes first (default: 5)",
    )
    fleet.add_argument(
        "--needs",
        metavar="KEY=VALUE",
        type=said,
        action="append",
        default=[],
        help="only on a worker with this label; may be repeated",
    )


def add_worker(parser: argparse.ArgumentParser) -> None:
    """``crackerjack worker``."""
    add_broker(parser)
    parser.add_argument(
        "--slots", metavar="N", type=slots, default=1, help="jobs at the same time (default: 1)"
    )
    parser.add_argument(
        "--label",
        metavar="KEY=VALUE",
        type=said,
        action="append",
        default=[],
        help="what this worker has or is, for runs that need it; may be repeated",
    )


def add_apply(parser: argparse.ArgumentParser) -> None:
    """``crackerjack apply``."""
    parser.add_argument("job", metavar="JOB", type=job_id, help="the job's id")
    add_broker(parser)
    parser.add_argument(
        "--project", metavar="DIR", type=said, help="the project (default: the one around here)"
    )


def add_queue(parser: argparse.ArgumentParser) -> None:
    """``crackerjack queue``."""
    add_broker(parser)
    parser.add_argument("--json", action="store_true", help="print JSON for machines")
