"""Who takes an INFO line, and its record, on both twins."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest


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
