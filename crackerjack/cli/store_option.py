"""Which store a command works on: the user's own, or a broker's."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from crackerjack.container import Container, open_container
from crackerjack.errors import UsageError

if TYPE_CHECKING:
    from crackerjack.events.broker_address import BrokerAddress
    from crackerjack.fleet_container import Fleet

VARIABLE: Final = "CRACKERJACK_BROKER"
"""As in `broker_address`, which is imported only where there is a broker: it takes TLS in."""

NO_BROKER = "none"
"""In the place of an address: the user's own store, whatever the environment says."""


def chosen_broker(arguments: argparse.Namespace) -> BrokerAddress | None:
    """The broker that ``--broker`` or the environment names; None for the user's own store."""
    named = arguments.broker or os.environ.get(VARIABLE, "")
    if named in {"", NO_BROKER}:
        return None
    from crackerjack.events.broker_address import broker_address, broker_in_environment

    if arguments.broker:
        return broker_address(arguments.broker, os.environ)
    return broker_in_environment(os.environ)


@contextmanager
def open_store(arguments: argparse.Namespace, *, live: bool = False) -> Iterator[Container]:
    """Open the store that the command line names; `live` to hear of events as they come."""
    address = chosen_broker(arguments)
    if address is None:
        with open_container(os.environ) as container:
            yield container
        return
    with open_fleet_at(address, arguments.command) as fleet:
        if live:
            fleet.log.follow(fleet.container.hub)
        yield fleet.container


@contextmanager
def open_fleet_at(address: BrokerAddress, role: str) -> Iterator[Fleet]:
    """Connect to a broker; `role`, the command, is what it shows of us. Raises :exc:`StoreUnavailable`."""
    from crackerjack.fleet_container import open_fleet

    with open_fleet(address, os.environ, role=role) as fleet:
        yield fleet


def needed_broker(arguments: argparse.Namespace) -> BrokerAddress:
    """The broker that is named; raises :exc:`UsageError` where none is."""
    address = chosen_broker(arguments)
    if address is None:
        raise UsageError(
            f"`crackerjack {arguments.command}` needs a broker: give --broker nats://host:4222, or"
            f" set {VARIABLE}"
        )
    return address
