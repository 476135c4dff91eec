"""Staleness: a look that a later change concerns is repeated, once, after the last writer."""

from collections.abc import Collection

from crackerjack.workflow.staleness import Looked, Staleness


def look(staleness: Staleness[None], name: str, saw: int, *paths: str) -> None:
    def concerns(changed: Collection[str]) -> bool:
        return bool(set(paths) & set(changed))

    staleness.looked(Looked(name=name, saw=saw, concerns=concerns, again=lambda _: None))


def test_only_what_a_later_change_concerns_is_overtaken() -> None:
    staleness = Staleness[None]()
    staleness.writer_queued()
    look(staleness, "python", staleness.now(), "a.py")
    look(staleness, "markdown", staleness.now(), "a.md")
    assert [stale.name for stale in staleness.writer_ended(["a.py"])] == ["python"]


def test_a_look_after_the_change_is_not_overtaken() -> None:
    staleness = Staleness[None]()
    staleness.writer_queued()
    staleness.writer_queued()
    assert staleness.writer_ended(["a.py"]) == []
    look(staleness, "late", staleness.now(), "a.py")
    assert staleness.writer_ended([]) == []


def test_nothing_is_repeated_before_the_last_writer_has_ended() -> None:
    staleness = Staleness[None]()
    staleness.writer_queued()
    staleness.writer_queued()
    look(staleness, "early", 0, "a.py")
    assert staleness.writer_ended(["a.py"]) == []
    assert [stale.name for stale in staleness.writer_ended([])] == ["early"]


def test_a_look_is_repeated_once() -> None:
    staleness = Staleness[None]()
    look(staleness, "early", 0, "a.py")
    staleness.writer_queued()
    assert len(staleness.writer_ended(["a.py"])) == 1
    staleness.writer_queued()
    assert staleness.writer_ended(["a.py"]) == []
