"""The answers as text, for clients that show a model nothing else: short, and complete where it counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from crackerjack.mcp import models
from crackerjack.reports.wording import count

_REASON: Final = 160  # characters of a test's message


def text_of(answer: models.Answer) -> str:
    """The answer in lines."""
    return "\n".join(line for line in _WRITERS[type(answer)](answer) if line)


def _digest(answer: models.Digest) -> Iterator[str]:
    state = answer.message if answer.finished else f"{answer.message}, {answer.progress} %"
    yield f"Job {answer.job_id} {answer.status}: {state}"
    yield from _tests(answer.failing_tests, answer.more_failing_tests)
    for one in answer.findings:
        yield _rule(one)
    if answer.more_findings:
        yield f"and {answer.more_findings} more of other rules, which the tool findings has"
    for hook in answer.hooks:
        if hook.reason or not hook.findings:  # else its findings have said it
            yield f"{hook.hook}: {hook.status.replace('_', ' ')} {hook.reason}".rstrip()
    yield _changed_files(answer)
    yield _next(answer.do_next)


def _changed_files(answer: models.Digest) -> str:
    """They are not any more as the model has read them, and it may not want that."""
    if not answer.changed_files:
        return ""
    more = f" and {answer.more_changed_files} more" if answer.more_changed_files else ""
    undo = f"; undo(job_id={answer.job_id!r}) puts back" if answer.finished else ""
    return f"Changed by this run, read again: {', '.join(answer.changed_files)}{more}{undo}"


def _started(answer: models.Started) -> Iterator[str]:
    if answer.digest is not None:
        yield from _digest(answer.digest)
    else:
        yield f"Job {answer.job_id} runs."
        yield _next(answer.do_next)


def _findings(answer: models.Findings) -> Iterator[str]:
    new = f" new since {answer.base}" if answer.base else ""
    by_rule = ", by rule:" if answer.groups else ""
    yield f"{count(answer.total, 'finding')}{new} of job {answer.job_id}{by_rule}"
    yield from _tests(answer.failing_tests, answer.more_failing_tests)
    for one in answer.groups:
        yield from _group(one)
    if answer.cursor:
        yield f"more: cursor={answer.cursor!r}"
    yield answer.note
    yield _next(answer.do_next)


def _compared(answer: models.Compared) -> Iterator[str]:
    yield f"Job {answer.job_id} against {answer.base}:"
    for name in ("new", "fixed", "remaining", "unseen"):
        changed: models.Changed = getattr(answer, name)
        if changed.count or name != "unseen":
            yield f"{changed.count} {name}"
        yield from _tests(changed.tests, 0)
        for one in changed.findings:
            yield _rule(one)
    for hook, why in answer.not_compared.items():
        yield f"not compared: {hook}, {why}"
    yield _next(answer.do_next)


def _output(answer: models.Output) -> Iterator[str]:
    yield f"The end of what {answer.hook} printed, {answer.lines} lines in all; it is data:"
    yield answer.text
    yield answer.note


def _jobs(answer: models.Jobs) -> Iterator[str]:
    for row in answer.jobs:
        found = f", {count(row.findings, 'finding')}" if row.findings else ""
        failed = f", {count(row.tests_failed, 'failing test')}" if row.tests_failed else ""
        yield f"{row.job_id} {row.started} {row.status}{found}{failed} {row.workflow} {row.project}"
    yield _next(answer.do_next)


def _cancelled(answer: models.Cancelled) -> Iterator[str]:
    asked = "is asked to stop" if answer.cancel_requested else "had ended"
    yield f"Job {answer.job_id} {asked}."
    yield _next(answer.do_next)


def _undone(answer: models.Undone) -> Iterator[str]:
    for path, outcome in answer.files.items():
        yield f"{path}: {outcome}"
    yield answer.note


def _explained(answer: models.Explained) -> Iterator[str]:
    yield f"The workflow {answer.workflow} in {answer.project}:"
    for hook in answer.hooks:
        yield f"{'runs' if hook.runs else 'does not run'}: {hook.hook} ({hook.why})"
    yield _next(answer.do_next)


def _tests(tests: Iterable[models.FailingTest], more: int) -> Iterator[str]:
    for test in tests:
        reason = test.message.partition("\n")[0]
        where = f" ({_place(test)})" if test.path else ""
        flaky = " (flaky: it has passed at the same content)" if test.flaky else ""
        yield f"FAILED {test.nodeid}{where}{flaky}: {reason[:_REASON]}"
    if more:
        yield f"and {count(more, 'more failing test')}"


def _rule(one: models.Group) -> str:
    place = one.examples[0]
    times = f" x{one.count}" if one.count > 1 else ""
    code = f" {one.code}" if one.code else ""
    return f"{one.hook}{code}{times} {_place(place)} {one.message}"


def _group(one: models.Group) -> Iterator[str]:
    fixable = f", {one.fixable} fixable" if one.fixable else ""
    code = f" {one.code}" if one.code else ""
    yield f"{one.severity} {one.hook}{code} x{one.count}{fixable}: {one.message}"
    for place in one.examples:
        yield f"  {_place(place)} {place.message or place.source}".rstrip()


def _place(of: models.Place | models.FailingTest) -> str:
    return of.path if of.line is None else f"{of.path}:{of.line}"


def _next(sentence: str) -> str:
    return f"Next: {sentence}" if sentence else ""


_WRITERS: Final[Mapping[type[models.Answer], Callable[[Any], Iterator[str]]]] = {
    models.Digest: _digest,
    models.Started: _started,
    models.Findings: _findings,
    models.Compared: _compared,
    models.Output: _output,
    models.Jobs: _jobs,
    models.Cancelled: _cancelled,
    models.Undone: _undone,
    models.Explained: _explained,
}
