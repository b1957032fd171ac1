"""Days and dates, against the standard library's ``date``, over the whole calendar."""

from __future__ import annotations

import calendar as stdlib_calendar
from datetime import date
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

EPOCH = date(1970, 1, 1).toordinal()
DATES = st.dates(date(1, 1, 1), date(9999, 12, 31))


@given(DATES)
def test_days_and_dates(engine: SimpleNamespace, day: date) -> None:
    days = day.toordinal() - EPOCH
    assert engine.calendar.days_from_civil(day.year, day.month, day.day) == days
    assert engine.calendar.civil_from_days(days) == (day.year, day.month, day.day)
    assert engine.calendar.weekday(days) == day.weekday()
    assert engine.calendar.iso_week(days) == tuple(day.isocalendar())[:2]


@pytest.mark.parametrize(
    "text", ["0001-01-01", "1899-12-31", "2000-02-29", "2100-02-28", "2100-03-01", "9999-12-31"]
)
def test_edges(engine: SimpleNamespace, text: str) -> None:
    day = date.fromisoformat(text)
    days = day.toordinal() - EPOCH
    assert engine.calendar.civil_from_days(days) == (day.year, day.month, day.day)
    assert engine.calendar.days_from_civil(day.year, day.month, day.day) == days


@given(st.integers(1, 9999), st.integers(1, 12), st.integers(0, 6))
def test_months(engine: SimpleNamespace, year: int, month: int, weekday: int) -> None:
    length = stdlib_calendar.monthrange(year, month)[1]
    assert engine.calendar.days_in_month(year, month) == length
    assert engine.calendar.is_leap(year) == stdlib_calendar.isleap(year)
    matching = [day for day in range(1, length + 1) if date(year, month, day).weekday() == weekday]
    for n in range(1, 6):
        expected = matching[n - 1] if n <= len(matching) else 0
        assert engine.calendar.nth_weekday(year, month, n, weekday) == expected
    assert engine.calendar.last_weekday(year, month, weekday) == matching[-1]


@given(DATES)
def test_nearest_workday_is_the_nearest_and_stays_in_the_month(engine: SimpleNamespace, day: date) -> None:
    found = engine.calendar.nearest_workday(day.year, day.month, day.day)
    length = stdlib_calendar.monthrange(day.year, day.month)[1]
    workdays = [n for n in range(1, length + 1) if date(day.year, day.month, n).weekday() < 5]
    assert found in workdays
    assert abs(found - day.day) == min(abs(n - day.day) for n in workdays)


@pytest.mark.parametrize(
    ("call", "arguments", "message"),
    [
        ("days_from_civil", (2026, 13, 1), "month must be in 1..12, not 13"),
        ("days_from_civil", (2026, 2, 29), "day must be in 1..28, not 29"),
        ("days_from_civil", (0, 1, 1), "year must be in 1..9999, not 0"),
        ("civil_from_days", (10**30,), f"days must be in -719162..2932896, not {10**30}"),
        ("weekday", (2932897,), "days must be in -719162..2932896, not 2932897"),
        ("nth_weekday", (2026, 1, 6, 0), "n must be in 1..5, not 6"),
        ("last_weekday", (2026, 1, 7), "weekday must be in 0..6, not 7"),
        ("nearest_workday", (2026, 4, 31), "day must be in 1..30, not 31"),
    ],
)
def test_outside_of_the_calendar(
    engine: SimpleNamespace, call: str, arguments: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message.replace(".", r"\.")):
        getattr(engine.calendar, call)(*arguments)


def test_wrong_type(engine: SimpleNamespace) -> None:
    with pytest.raises(TypeError, match="days must be an int, not str"):
        engine.calendar.weekday("1")
