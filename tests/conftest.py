"""What holds for every test: a store of its own, and none of the caller's settings."""

from __future__ import annotations

import random
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A busy machine is no reason to fail, so no example has a deadline. `make soak` tries many more
# examples, and `make test` fewer with the interpreters that are not the first.
settings.register_profile("default", deadline=None, max_examples=50)
settings.register_profile("few", deadline=None, max_examples=10)
settings.register_profile(
    "soak", deadline=None, max_examples=5_000, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("default")

# Started in the background, or under nohup, we ignore these, and so would every process of the tests.
for _number, _handler in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _handler)

INHERITED = ("CI", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "PYTEST_ADDOPTS", "VIRTUAL_ENV")


@pytest.fixture(autouse=True)
def _own_surroundings(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    state: Path = tmp_path_factory.mktemp("state")
    monkeypatch.setenv("CRACKERJACK_STATE_DIR", str(state))
    for name in INHERITED:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def soak() -> bool:
    """Whether there is time for many rounds: in ``make soak``, as for the property tests."""
    return settings.get_current_profile_name().startswith("soak")


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> str:
    """The seed of what a test does at random, the one of the property tests where that is given.

    It is printed, and so is seen with what failed.
    """
    given: str | None = request.config.getoption("--hypothesis-seed")
    seed = given or str(random.SystemRandom().randrange(1 << 32))
    print(f"at random, again with --hypothesis-seed={seed}")
    return seed
