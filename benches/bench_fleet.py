"""A fleet: events from a worker to a browser by way of the broker, replicas of the server, runs on workers."""

from __future__ import annotations

from benches import fleet_runs, fleet_stream
from benches.paired import print_table


def main() -> None:
    header = ("what", "came to", "bar")
    print_table("Events by way of a broker", header, list(fleet_stream.rows()))
    print_table("Runs on workers", header, list(fleet_runs.rows()))
