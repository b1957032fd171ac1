"""What a cron schedule says, as plain data, and what it means, by the plainest possible code.

Rules of this room: it imports nothing of ours, so that it shares no mistake with the engine. A ``Schedule`` is
drawn as data first; from it come the *text* (in one of three dialects) that the engine parses, and the *meaning*
(questions about one ``datetime.date`` and sets of hours, minutes and seconds) that the walker uses.

A ``Term`` holds numbers of its own dialect, as they stand in the text: in ``fields`` Monday is 0, in ``vixie``
Sunday is 0 and 7, in ``quartz`` Sunday is 1. Kinds of term:

* ``any``    — ``*`` or ``*/step``
* ``range``  — ``a``, ``a-b``, ``a-b/step``; ``open`` is ``a/step`` (to the end of the field); ``first > last``
  wraps around
* ``last``   — the last day of the month, ``first`` days before it
* ``nth``    — the ``first``-th weekday ``last`` (Monday 0) of the month; ``last_weekday`` — the last weekday ``last``
* ``near``   — the workday nearest to day ``first``; ``last_workday`` — the last workday of the month
* ``none``   — ``?``
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import lru_cache

FIELDS = ("year", "month", "day", "week", "day_of_week", "hour", "minute", "second")
LOW = {"year": 1970, "month": 1, "day": 1, "week": 1, "day_of_week": 0, "hour": 0, "minute": 0, "second": 0}
HIGH = {
    "year": 9999,
    "month": 12,
    "day": 31,
    "week": 53,
    "day_of_week": 6,
    "hour": 23,
    "minute": 59,
    "second": 59,
}
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ORDINALS = ("1st", "2nd", "3rd", "4th", "5th")


@dataclass(frozen=True)
class Term:
    kind: str
    first: int = 0
    last: int = 0
    step: int = 1
    open: bool = False
    named: bool = False


Field = tuple[Term, ...]
ANY: Field = (Term("any"),)


def one(value: int) -> Field:
    return (Term("range", value, value),)


def span(first: int, last: int, step: int = 1) -> Field:
    return (Term("range", first, last, step),)


@dataclass(frozen=True)
class Schedule:
    """The fields that are set (name -> terms), in one dialect: ``fields`` (APScheduler's), ``vixie`` or
    ``quartz``.
    """

    fields: dict[str, Field] = field(default_factory=dict)
    dialect: str = "fields"

    def __hash__(self) -> int:
        return hash((tuple(sorted(self.fields.items())), self.dialect))

    def effective(self, name: str) -> Field:
        """The terms of a field, unset ones by the rule: above the lowest set field ``*``, below it the minimum."""
        if name in self.fields:
            return self.fields[name]
        if not self.fields or self.dialect != "fields":
            return one(0) if name == "second" and self.dialect == "vixie" else ANY
        lowest = max(FIELDS.index(each) for each in self.fields)
        if FIELDS.index(name) < lowest or name in ("week", "day_of_week"):
            return ANY
        return one(LOW[name])

    # --- meaning -----------------------------------------------------------------------------------------------

    @property
    def rhythm(self) -> bool:
        """Does the hour or minute field begin with ``*``?"""
        return self.effective("hour")[0].kind == "any" or self.effective("minute")[0].kind == "any"

    def times(self) -> tuple[list[int], list[int], list[int]]:
        """The hours, minutes and seconds of a matching day."""
        hours, minutes, seconds = (
            list(_contained(self.effective(name), name)) for name in ("hour", "minute", "second")
        )
        return hours, minutes, seconds

    def on_date(self, day: date) -> bool:
        """Do all the date fields match this civil date?"""
        if not any(_holds(term, day.year, "year") for term in self.effective("year")):
            return False
        if not any(_holds(term, day.month, "month") for term in self.effective("month")):
            return False
        if not any(_holds(term, day.isocalendar()[1], "week") for term in self.effective("week")):
            return False
        day_terms, weekday_terms = self.effective("day"), self.effective("day_of_week")
        day_hit = any(_day_holds(term, day) for term in day_terms)
        weekday_hit = any(self._weekday_holds(term, day) for term in weekday_terms)
        if self.dialect == "vixie" and day_terms[0].kind != "any" and weekday_terms[0].kind != "any":
            return day_hit or weekday_hit
        return day_hit and weekday_hit

    def has(self, name: str, value: int) -> bool:
        """Does a field, but the weekday, contain a number? Terms that depend on the month contain none."""
        return any(_holds(term, value, name) for term in self.effective(name))

    def has_weekday(self, monday_first: int) -> bool:
        return any(self._weekday_number_holds(term, monday_first) for term in self.effective("day_of_week"))

    def _weekday_holds(self, term: Term, day: date) -> bool:
        if term.kind in ("nth", "last_weekday", "none"):
            return _day_holds(term, day)
        return self._weekday_number_holds(term, day.weekday())

    def _weekday_number_holds(self, term: Term, monday_first: int) -> bool:
        if self.dialect == "fields":
            return _holds(term, monday_first, "day_of_week")
        sunday_first = (monday_first + 1) % 7
        if self.dialect == "quartz":
            return _holds(
                replace(term, first=term.first - 1, last=term.last - 1), sunday_first, "day_of_week"
            )
        numbers = (0, 7) if sunday_first == 0 else (sunday_first,)
        return any(_holds(term, number, "day_of_week") for number in numbers)

    # --- text --------------------------------------------------------------------------------------------------

    def arguments(self) -> dict[str, str]:
        """Keyword arguments of ``CronTrigger`` (dialect ``fields``)."""
        return {name: self._text(name, terms) for name, terms in self.fields.items()}

    def expression(self) -> str:
        """The crontab line (dialects ``vixie``: five fields, ``quartz``: six, or seven with a year)."""
        names = ["minute", "hour", "day", "month", "day_of_week"]
        if self.dialect == "quartz":
            names = ["second", *names] + (["year"] if "year" in self.fields else [])
        return " ".join(self._text(name, self.effective(name)) for name in names)

    def _text(self, name: str, terms: Field) -> str:
        return ",".join(_term_text(term, name, self.dialect) for term in terms)

    def __str__(self) -> str:
        if self.dialect != "fields":
            return f"{self.dialect}: {self.expression()}"
        return ", ".join(f"{name}={text!r}" for name, text in self.arguments().items())


@lru_cache(4096)
def _contained(terms: Field, name: str) -> tuple[int, ...]:
    """The values of a field that counts from 0; asked for every day that is walked."""
    return tuple(value for value in range(HIGH[name] + 1) if any(_holds(t, value, name) for t in terms))


def _holds(term: Term, value: int, name: str) -> bool:
    """Does a numeric term contain the value? Steps count from the beginning of the term."""
    low, high = LOW[name], HIGH[name]
    if term.kind in ("any", "none"):
        return (value - low) % term.step == 0
    if term.kind != "range":
        return False
    if term.open:
        return value >= term.first and (value - term.first) % term.step == 0
    if term.first <= term.last:
        return term.first <= value <= term.last and (value - term.first) % term.step == 0
    if term.last < value < term.first:
        return False
    return (value - term.first) % (high - low + 1) % term.step == 0


def _day_holds(term: Term, day: date) -> bool:
    """Does a term of the day field match this date?"""
    length = calendar.monthrange(day.year, day.month)[1]
    if term.kind == "last":
        return day.day == length - term.first
    if term.kind == "nth":
        return day.weekday() == term.last and (day.day + 6) // 7 == term.first
    if term.kind == "last_weekday":
        return day.weekday() == term.last and day.day + 7 > length
    if term.kind == "near":
        return term.first <= length and day == _nearest_workday(day.replace(day=term.first))
    if term.kind == "last_workday":
        return day == _nearest_workday(day.replace(day=length))
    return _holds(term, day.day, "day")


def _nearest_workday(day: date) -> date:
    """Monday to Friday nearest to the day, without leaving its month."""
    for away in (0, -1, 1, -2, 2):
        near = day + timedelta(days=away)
        if near.month == day.month and near.weekday() < 5:
            return near
    raise AssertionError("every five days in a row hold a workday")


def _term_text(term: Term, name: str, dialect: str) -> str:
    if term.kind == "none":
        return "?"
    if term.kind == "last":
        if dialect == "quartz":
            return "L" if not term.first else f"L-{term.first}"
        return "last"
    if term.kind == "nth":
        if dialect == "quartz":
            return f"{(term.last + 1) % 7 + 1}#{term.first}"
        return f"{ORDINALS[term.first - 1]} {WEEKDAYS[term.last]}"
    if term.kind == "last_weekday":
        return f"{(term.last + 1) % 7 + 1}L" if dialect == "quartz" else f"last {WEEKDAYS[term.last]}"
    if term.kind == "near":
        return f"{term.first}W"
    if term.kind == "last_workday":
        return "LW"
    step = f"/{term.step}" if term.step != 1 else ""
    if term.kind == "any":
        return "*" + step
    first, last = (
        _number(term.first, name, dialect, term.named),
        _number(term.last, name, dialect, term.named),
    )
    if term.open:
        return f"{first}/{term.step}"
    if term.first == term.last and not step:
        return first
    return f"{first}-{last}{step}"


def _number(value: int, name: str, dialect: str, named: bool) -> str:
    if not named or name not in ("month", "day_of_week"):
        return str(value)
    if name == "month":
        return MONTHS[value - 1]
    monday_first = {"fields": value, "vixie": (value - 1) % 7, "quartz": (value - 2) % 7}[dialect]
    return WEEKDAYS[monday_first]
