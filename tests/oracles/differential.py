"""One program, two packages: what a small program shows under APScheduler 3.11.3 and under rapscheduler.

Here: what a program is given, how what it shows is written down, how two records are compared. Not here: programs
(`test_programs_*`).

A program is a function `program(ap, out)`. `ap("schedulers.base:BaseScheduler")` is that object of the package it
runs with; `out(label, value)` records a value, `out.attempt(label, call)` the outcome of a call, exceptions included.
Labels are unique in a program. Everything a program shows must be equal, but for

* messages: ours have the words of theirs in their order, and may say more (the value, the cure);
* labels in the `differs` of the program (`start*`: those that begin so), each with the words under which
  `docs/migration.md` lists the difference. One that does not differ any more fails, so that the list stays true.
"""

from __future__ import annotations

import datetime as dt
import importlib
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import time_machine

THEIRS, OURS = "apscheduler", "rapscheduler"
NOON = dt.datetime(2025, 6, 2, 12, 0, tzinfo=dt.timezone.utc)  # a Monday
MIGRATION = Path(__file__).parents[2] / "docs" / "migration.md"
_WORD = re.compile(r"\w+|[^\w\s]")
_CURE = re.compile(r"(?<=\d) \((nobody looked|it waited) .*\)$")
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


class Package:
    """One of the two packages. Call it with `module:name`."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, path: str) -> Any:
        module, _, names = path.partition(":")
        value: Any = importlib.import_module(f"{self.name}.{module}")
        for name in names.split(".") if names else ():
            value = getattr(value, name)
        return value

    def scheduler(self, **options: Any) -> Any:
        """A scheduler that moves only when `_process_jobs()` is called; jobs run in that call."""
        base = self("schedulers.base:BaseScheduler")

        class ManualScheduler(base):
            wakeups = 0

            def shutdown(self, wait=True):
                super().shutdown(wait)

            def wakeup(self):
                type(self).wakeups += 1

        options.setdefault("timezone", "UTC")
        options.setdefault("executors", {"default": {"type": "debug"}})
        return ManualScheduler(**options)


class Raised:
    """An exception as it is compared: its class by name, the built-in classes it is caught by, its text."""

    def __init__(self, exc: BaseException) -> None:
        self.name = type(exc).__name__
        self.builtins = {cls.__name__ for cls in type(exc).__mro__ if cls.__module__ == "builtins"}
        self.text = plain(str(exc.args[0]) if isinstance(exc, KeyError) and exc.args else str(exc))

    def __repr__(self) -> str:
        return f"{self.name}({self.text})"


def plain(text: str) -> str:
    """A text without what must differ: the name of the package, addresses."""
    return _ADDRESS.sub("", text).replace(OURS, THEIRS)


def shown(value: Any) -> Any:
    """A value as it is compared. Datetimes by what they are, not only by their instant; objects by their texts."""
    if isinstance(value, dt.datetime):
        return ("datetime", value.isoformat(), value.fold, str(value.tzinfo))
    if isinstance(value, (bool, int, float, bytes, type(None), Raised, dt.date, dt.timedelta)):
        return value
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, *map(shown, value)]
    if isinstance(value, dict):
        return {shown_key(key): shown(item) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(map(repr, map(shown, value)))
    if isinstance(value, type):
        return f"class {value.__name__}"
    return (type(value).__name__, plain(repr(value)), plain(str(value)))


def shown_key(key: Any) -> Any:
    return plain(key) if isinstance(key, str) else key


class Record:
    """What a program showed, by label, in order."""

    def __init__(self) -> None:
        self.shown: dict[str, Any] = {}

    def __call__(self, label: str, value: Any) -> None:
        assert label not in self.shown, f"two values are labelled {label!r}"
        self.shown[label] = shown(value)

    def attempt(self, label: str, call: Callable[[], Any]) -> Any:
        """Record what a call returns or raises; return its value, or the exception."""
        try:
            value = call()
        except Exception as exc:
            self(label, Raised(exc))
            return exc
        self(label, value)
        return value

    def attempts(self, label: str, call: Callable[[Any], Any], values: list[Any]) -> None:
        """`attempt` with each of many values."""
        for value in values:
            self.attempt(f"{label} {value!r}", lambda value=value: call(value))


class Told:
    """A listener that writes down every event, as class name, code and its data."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def __call__(self, event: Any) -> None:
        data = {
            key: value
            for key, value in vars(event).items()
            if key not in ("traceback", "lateness_s", "cause")
        }
        if data.get("exception") is not None:
            data["exception"] = Raised(data["exception"])
        self.events.append([type(event).__name__, data])

    def in_any_order(self) -> list[Any]:
        """The events sorted: their order is a difference of its own."""
        return sorted(self.events, key=lambda event: repr(shown(event)))

    def names(self) -> list[str]:
        return [f"{data['code']} {data.get('job_id') or data['alias']}" for _, data in self.events]


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        line = f"{record.name.partition('.')[2]} {record.levelname} {record.getMessage()}"
        if "The clock moved by" not in line:  # ours alone says so
            self.lines.append(_CURE.sub("", line))


@contextmanager
def logged(ap: Package) -> Iterator[list[str]]:
    """Every line that the package logs in the block: logger (below the root of the package), level, message."""
    lines, logger = _Lines(), logging.getLogger(ap.name)
    before, logger.level = logger.level, logging.DEBUG
    logger.addHandler(lines)
    logging.root.manager._clear_cache()
    try:
        yield lines.lines
    finally:
        logger.removeHandler(lines)
        logger.setLevel(before)


@contextmanager
def at(moment: dt.datetime = NOON) -> Iterator[Any]:
    """The clock stands still at a time, as it does at noon in every program; `.shift(seconds)` moves it."""
    with time_machine.travel(moment, tick=False) as traveller:
        yield traveller


def says(text: str, less: str) -> bool:
    """Whether a text has the words of another one, in their order."""
    words = iter(_WORD.findall(text))
    return all(word in words for word in _WORD.findall(less.rstrip(".")))


def same(theirs: Any, ours: Any) -> bool:
    if isinstance(theirs, Raised) and isinstance(ours, Raised):
        return (
            theirs.builtins <= ours.builtins
            and (theirs.name == ours.name or theirs.name in ours.builtins)
            and says(ours.text, theirs.text)
        )
    if type(theirs) is not type(ours):
        return {type(theirs), type(ours)} == {int, float} and bool(theirs == ours)
    if isinstance(theirs, list):
        return len(theirs) == len(ours) and all(map(same, theirs, ours))
    if isinstance(theirs, dict):
        return theirs.keys() == ours.keys() and all(same(theirs[key], ours[key]) for key in theirs)
    return bool(theirs == ours)


def first_difference(theirs: Any, ours: Any, place: str = "") -> tuple[str, Any, Any]:
    """Where two values first differ, and what is there in each."""
    if type(theirs) is type(ours) and isinstance(theirs, (list, dict)) and len(theirs) == len(ours):
        for key in theirs if isinstance(theirs, dict) else range(len(theirs)):
            if key not in ours if isinstance(ours, dict) else False:
                break
            if not same(theirs[key], ours[key]):
                return first_difference(theirs[key], ours[key], f"{place}[{key!r}]")
    return place, theirs, ours


def fits(label: str, announced: str) -> bool:
    return label.startswith(announced[:-1]) if announced.endswith("*") else label == announced


def compare(program: Callable[[Package, Record], None], differs: dict[str, str]) -> None:
    """Run a program with both packages; fail with every difference that is not announced."""
    theirs, ours = Record(), Record()
    for record, name in ((theirs, THEIRS), (ours, OURS)):
        with at():
            program(Package(name), record)
    assert list(theirs.shown) == list(ours.shown), "the programs took different ways"
    unequal = {label for label in theirs.shown if not same(theirs.shown[label], ours.shown[label])}
    report = [
        "{}{}\n    there: {!r}\n    here:  {!r}".format(
            label, *first_difference(theirs.shown[label], ours.shown[label])
        )
        for label in theirs.shown
        if label in unequal and not any(fits(label, announced) for announced in differs)
    ]
    assert not report, "\n" + "\n".join(report)
    stale = [announced for announced in differs if not any(fits(label, announced) for label in unequal)]
    assert not stale, f"announced, but equal: {stale}"
    listed = " ".join(MIGRATION.read_text(encoding="utf-8").split())
    unlisted = [words for words in differs.values() if words not in listed]
    assert not unlisted, f"docs/migration.md does not say: {unlisted}"


Program = Callable[[Package, Record], None]


class Programs:
    """The programs of one test module."""

    def __init__(self) -> None:
        self._all: list[Any] = []

    def __call__(self, differs: dict[str, str] | None = None) -> Callable[[Program], Program]:
        def enter(program: Program) -> Program:
            self._all.append(pytest.param(program, differs or {}, id=program.__name__))
            return program

        return enter

    def parametrize(self) -> Any:
        return pytest.mark.parametrize(("program", "differs"), self._all)
