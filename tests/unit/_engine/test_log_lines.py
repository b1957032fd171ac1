"""Who takes an INFO line, and its record, on both twins."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import pytest

DUE = datetime(2026, 3, 4, 5, 6, 7, tzinfo=timezone.utc)
BEGUN, ENDED = f'Running job "text" (scheduled at {DUE})', 'Job "text" executed successfully'


@pytest.fixture
def loggers() -> Iterator[tuple[logging.Logger, logging.Logger]]:
    """A logger and its parent, apart from all others."""
    outer, inner = logging.getLogger("test.lines"), logging.getLogger("test.lines.inner")
    outer.propagate, outer.handlers = False, []
    yield inner, outer
    for logger in (inner, outer):
        logger.__dict__.update(propagate=True, handlers=[], filters=[], disabled=False)


def test_who_takes_an_info_line(engine: Any, loggers: Any) -> None:
    inner, outer = loggers
    takers = engine.log_lines.info_takers
    inner.handlers, outer.handlers = [], []  # without pytest's own
    assert takers(inner) is None  # `logging` has something to say about that
    one, other, quiet = logging.NullHandler(), logging.NullHandler(), logging.NullHandler(logging.WARNING)
    outer.handlers = [quiet]
    assert takers(inner) == []
    inner.handlers, outer.handlers = [one], [quiet, other]
    assert takers(inner) == [one, other]
    inner.propagate = False
    assert takers(inner) == [one]


@pytest.mark.parametrize("name", ["handle", "callHandlers", "makeRecord", "_log", "info"])
def test_a_line_goes_through_logging_where_a_part_of_that_was_replaced(
    engine: Any, loggers: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner, outer = loggers
    takers, inner.handlers, outer.handlers = engine.log_lines.info_takers, [logging.NullHandler()], []
    assert takers(inner) == inner.handlers
    with monkeypatch.context() as patch:
        patch.setattr(logging.Logger, name, lambda *args: None)
        assert takers(inner) is None
    assert takers(inner) == inner.handlers
    setattr(inner, name, print)
    try:
        assert takers(inner) is None
    finally:
        delattr(inner, name)
    assert takers(inner) == inner.handlers


def test_a_line_goes_through_filters_factories_and_loggers_of_others(engine: Any, loggers: Any) -> None:
    inner, outer = loggers
    takers, inner.handlers, outer.handlers = engine.log_lines.info_takers, [logging.NullHandler()], []
    inner.addFilter(print)
    assert takers(inner) is None
    inner.removeFilter(print)
    assert takers(inner) == inner.handlers
    logging.setLogRecordFactory(lambda *args: logging.LogRecord(*args))
    try:
        assert takers(inner) is None
    finally:
        logging.setLogRecordFactory(logging.LogRecord)
    inner.disabled = True
    assert takers(inner) is None
    assert takers(type("Own", (logging.Logger,), {})("own")) is None


def test_values_of_a_record_are_those_of_logging(engine: Any, loggers: Any) -> None:
    inner, _ = loggers
    values = engine.log_lines.line_values
    values(inner, "%s", ("first",))
    second = values(inner, "%s", ("second",))
    plain = vars(inner.makeRecord(inner.name, logging.INFO, "", 0, "%s", ("second",), None, "info"))
    place = {"created", "msecs", "relativeCreated", "pathname", "filename", "module", "lineno", "funcName"}
    assert second.keys() == plain.keys()
    assert {key: second[key] for key in second.keys() - place} == {
        key: plain[key] for key in plain.keys() - place
    }
    assert 0 <= plain["created"] - second["created"] < 60
    assert abs(second["created"] * 1000 % 1000 - second["msecs"]) < 1.01
    assert abs(plain["relativeCreated"] - second["relativeCreated"]) < 60_000
    names: list[str] = []
    thread = threading.Thread(
        target=lambda: names.append(values(inner, "%s", ("x",))["threadName"]), name="other"
    )
    thread.start()
    thread.join()
    engine.log_lines.forget_lines()
    assert names == ["other"] and values(inner, "%s", ("third",))["args"] == ("third",)


class Keeping(logging.Handler):
    """Keeps the texts of the records."""

    def __init__(self, level: int = logging.INFO) -> None:
        super().__init__(level)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


class Text:
    """A job, as far as log lines are concerned."""

    id = "id"

    def __str__(self) -> str:
        return "text"


class Broken(Text):
    def __str__(self) -> str:
        raise ValueError("of somebody's own")


def submission(engine: Any, job: Any) -> Any:
    return engine.planning.Submission(job, [int(DUE.timestamp()) * 1_000_000], 0, [DUE])


def no_flush() -> None:
    raise AssertionError("nothing was left")


def not_failed(exc: BaseException) -> None:
    raise exc


def test_both_lines_of_a_run_go_to_each_handler(engine: Any, loggers: Any) -> None:
    inner, outer = loggers
    lines = engine.log_lines.RunLines(lambda *args: False, no_flush, lambda job: f"job {job.id}", not_failed)
    one, other, quiet = Keeping(), Keeping(), Keeping(logging.WARNING)
    inner.handlers, outer.handlers = [one, quiet], [other]
    assert lines.begun(inner, submission(engine, Text())) == "text"
    lines.ended(inner, "text", True)
    assert (one.texts, other.texts, quiet.texts) == ([BEGUN, ENDED], [BEGUN, ENDED], [])
    assert lines.begun(inner, submission(engine, Broken())) == "job id"
    inner.handlers, outer.handlers = [quiet], []
    assert lines.begun(inner, submission(engine, Broken())) == ""
    lines.ended(inner, "text", False)
    assert quiet.texts == [] and len(one.texts) == 3


def test_there_is_no_line_of_a_submission_without_run_times(engine: Any, loggers: Any) -> None:
    inner, _ = loggers
    inner.handlers = [logging.NullHandler()]
    lines = engine.log_lines.RunLines(lambda *args: False, no_flush, str, not_failed)
    with pytest.raises(IndexError):
        lines.begun(inner, engine.planning.Submission(Text(), [], 0))


def test_lines_go_through_logging_where_a_part_of_it_was_replaced(engine: Any, loggers: Any) -> None:
    inner, outer = loggers
    lines = engine.log_lines.RunLines(lambda *args: False, no_flush, str, not_failed)
    keeping, told = Keeping(), []
    inner.setLevel(logging.INFO)
    inner.handlers, outer.handlers = [keeping], []
    inner.info = lambda message, *args: told.append(message % args)
    try:
        assert lines.begun(inner, submission(engine, Text())) == "text"
        lines.ended(inner, "text", False)
    finally:
        del inner.info
    assert told == [BEGUN, ENDED] and keeping.texts == []
    inner.addFilter(lambda record: "Running" in record.msg)
    lines.begun(inner, submission(engine, Text()))
    lines.ended(inner, "text", False)
    assert keeping.texts == [BEGUN]


def test_plain_streams_are_written_to_until_a_handler_had_the_record(engine: Any, loggers: Any) -> None:
    inner, outer = loggers
    written: list[Any] = []
    takes = [True]

    def write(handler: Any, values: dict[str, Any], later: bool) -> bool:
        written.append((handler, values["args"], later))
        return takes[0]

    lines = engine.log_lines.RunLines(write, no_flush, str, not_failed)
    first, second, own = logging.StreamHandler(), logging.StreamHandler(), Keeping()
    own_stream = type("Own", (Keeping, logging.StreamHandler), {})()
    inner.handlers, outer.handlers = [first, own_stream, own, second], []
    other = Keeping()
    second.emit = other.emit  # type: ignore[method-assign]
    lines.ended(inner, "text", True)
    assert written == [(first, ("text",), True)]
    assert own.texts == own_stream.texts == other.texts == [ENDED]
    takes[0], first.emit = False, other.emit  # type: ignore[method-assign]
    lines.ended(inner, "text", False)
    assert written[1:] == [(first, ("text",), False)] and other.texts == [ENDED] * 3


def test_what_this_thread_left_is_written_once_a_first_line_was_told(engine: Any, loggers: Any) -> None:
    inner, outer = loggers
    left = engine.log_lines.left_lines()
    lines = engine.log_lines.RunLines(lambda *args: False, left.clear, str, not_failed)
    inner.handlers, outer.handlers = [Keeping()], []
    left.append("line")
    lines.ended(inner, "text", True)
    assert engine.log_lines.left_lines() == ["line"]
    lines.begun(inner, submission(engine, Text()))
    assert engine.log_lines.left_lines() == []
    others: list[Any] = []
    thread = threading.Thread(target=lambda: others.append(engine.log_lines.left_lines()))
    thread.start()
    thread.join()
    assert others[0] is not left


def test_what_a_handler_or_a_logger_raises_is_given_away_and_others_are_told(
    engine: Any, loggers: Any
) -> None:
    inner, outer = loggers
    failed: list[BaseException] = []
    lines = engine.log_lines.RunLines(lambda *args: False, no_flush, str, failed.append)
    full, keeping = Keeping(), Keeping()
    full.emit = lambda record: 1 // 0  # type: ignore[assignment, method-assign, return-value]
    inner.handlers, outer.handlers = [full, keeping], []
    assert lines.begun(inner, submission(engine, Text())) == "text"
    lines.ended(inner, "text", False)
    assert [type(exc) for exc in failed] == [ZeroDivisionError] * 2 and keeping.texts == [BEGUN, ENDED]
    inner.setLevel(logging.INFO)
    inner.info = lambda *args: {}[args]
    try:
        lines.ended(inner, "text", False)
    finally:
        del inner.info
    assert type(failed[2]) is KeyError
