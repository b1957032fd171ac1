"""Civil calendar: days since 1970-01-01 to and from year, month, day, and what months look like.

Proleptic Gregorian, years 1 to 9999, weekday 0 = Monday. ``days`` 0 is 1970-01-01.
Plain on purpose: the standard library's ``date`` does the counting. The compiled twin has its own arithmetic.
"""

from __future__ import annotations

import calendar as _stdlib_calendar
from datetime import date

MIN_DAYS = -719162  # 0001-01-01
MAX_DAYS = 2932896  # 9999-12-31

_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


def _check(name: str, value: int, low: int, high: int) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{name} must be an int, not {type(value).__name__}")
    if not low <= value <= high:
        raise ValueError(f"{name} must be in {low}..{high}, not {value}")
    return value


def _check_month(y: int, m: int) -> None:
    _check("year", y, 1, 9999)
    _check("month", m, 1, 12)


def days_from_civil(y: int, m: int, d: int) -> int:
    """Days since 1970-01-01 of a date."""
    _check_month(y, m)
    _check("day", d, 1, days_in_month(y, m))
    return date(y, m, d).toordinal() - _EPOCH_ORDINAL


def civil_from_days(days: int) -> tuple[int, int, int]:
    """Year, month, day of a count of days since 1970-01-01."""
    _check("days", days, MIN_DAYS, MAX_DAYS)
    day = date.fromordinal(days + _EPOCH_ORDINAL)
    return day.year, day.month, day.day


def weekday(days: int) -> int:
    """0 = Monday … 6 = Sunday."""
    _check("days", days, MIN_DAYS, MAX_DAYS)
    return date.fromordinal(days + _EPOCH_ORDINAL).weekday()


def iso_week(days: int) -> tuple[int, int]:
    """ISO 8601 year and week number."""
    _check("days", days, MIN_DAYS, MAX_DAYS)
    iso = date.fromordinal(days + _EPOCH_ORDINAL).isocalendar()
    return iso[0], iso[1]


def is_leap(y: int) -> bool:
    """Whether the year has a 29 February."""
    _check("year", y, 1, 9999)
    return _stdlib_calendar.isleap(y)


def days_in_month(y: int, m: int) -> int:
    """28 to 31."""
    _check_month(y, m)
    return _stdlib_calendar.monthrange(y, m)[1]


def nth_weekday(y: int, m: int, n: int, weekday: int) -> int:
    """Day of the month of its ``n``-th (1 to 5) weekday; 0 when the month has no fifth one."""
    _check_month(y, m)
    _check("n", n, 1, 5)
    _check("weekday", weekday, 0, 6)
    days = [day for day in range(1, days_in_month(y, m) + 1) if date(y, m, day).weekday() == weekday]
    return days[n - 1] if n <= len(days) else 0


def last_weekday(y: int, m: int, weekday: int) -> int:
    """Day of the month of its last such weekday."""
    _check_month(y, m)
    _check("weekday", weekday, 0, 6)
    days = [day for day in range(1, days_in_month(y, m) + 1) if date(y, m, day).weekday() == weekday]
    return days[-1]


def nearest_workday(y: int, m: int, day: int) -> int:
    """Monday-to-Friday day of the month nearest to ``day``, never in another month (the ``W`` of Quartz)."""
    _check_month(y, m)
    length = days_in_month(y, m)
    _check("day", day, 1, length)
    on = date(y, m, day).weekday()
    if on == 5:  # Saturday: the Friday before, else the Monday after
        return day - 1 if day > 1 else day + 2
    if on == 6:  # Sunday: the Monday after, else the Friday before
        return day + 1 if day < length else day - 2
    return day
