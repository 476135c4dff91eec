"""A server and a writer to its store, for every test that asks for them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.web.serving import Served, Writer, serving


@pytest.fixture
def writer() -> Iterator[Writer]:
    with Writer() as writer:
        yield writer


@pytest.fixture
def server() -> Iterator[Served]:
    with serving() as served:
        yield served
