"""A writer to the store that a client's server serves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.web.serving import Writer


@pytest.fixture
def writer() -> Iterator[Writer]:
    with Writer() as writer:
        yield writer
