"""Triggers made of arguments that make no sense: the exceptions of APScheduler, or stricter ones that are listed."""

from __future__ import annotations

from datetime import time

from tests.oracles.differential import Package, Programs, Record, at, compare

programs = Programs()
BUILTIN = "a message of Python itself"
UNNOTICED = "wrong types that went unnoticed"
ACCIDENT = "accepted by accident"

FIELDS = {
    "year": ["2025-", "x", -1, "1969", "10000", "2030-2020"],
    "month": [0, 13, "foo", "jan-foo", "mar-jan", "1-13", "*/0", "*/13", 1.5, "jan/2"],
    "day": [0, 32, "6th fri", "1st foo", "last foo", "xlast", "31-1", "", "1,,2", "5/0", "*/40"],
    "week": [0, 54, "x", "53-1"],
    "day_of_week": [7, "foo", "sun-mon", "mon-7", -1, "0-7"],
    "hour": [24, "25", "1-24", "a", "1/x", "*/24"],
    "minute": [60, "-5", "* *", "5-", "/5", "*/60"],
    "second": [60, "1;2", "1-2-3", "?", [], "٣"],
}


@programs({"day_of_week 'mon-7'": ACCIDENT, "second '٣'": ACCIDENT, "month 'jan/2'": ACCIDENT})
def bad_fields(ap: Package, out: Record) -> None:
    make = ap("triggers.cron:CronTrigger")
    for name, values in FIELDS.items():
        out.attempts(name, lambda value, name=name: make(**{name: value}, timezone="UTC"), values)


@programs(
    {
        "interval start []": UNNOTICED,
        "calendar start 5": UNNOTICED,
        "calendar start []": UNNOTICED,
        "calendar start datetime.time(1, 0)": UNNOTICED,
        "calendar start b'2025-01-01'": UNNOTICED,
        "calendar end []": UNNOTICED,
        "calendar end 5": BUILTIN,
        "calendar end datetime.time(1, 0)": BUILTIN,
        "calendar end b'2025-01-01'": BUILTIN,
        "calendar hour '3'": BUILTIN,
        "calendar hour 1.5": BUILTIN,
        "calendar hour None": BUILTIN,
    }
)
def bad_arguments(ap: Package, out: Record) -> None:
    cron_, interval_ = ap("triggers.cron:CronTrigger"), ap("triggers.interval:IntervalTrigger")
    calendar = ap("triggers.calendarinterval:CalendarIntervalTrigger")
    date_ = ap("triggers.date:DateTrigger")
    bad_dates = ["x", 5, [], "2025-02-30", "2025-06-02 25:00:00", time(1), b"2025-01-01"]
    bad_zones = ["Nowhere/Land", 5, [], b"UTC"]
    for label, make in (
        ("cron", cron_),
        ("interval", interval_),
        ("calendar", lambda **o: calendar(days=1, **o)),
    ):
        out.attempts(
            f"{label} start", lambda value, make=make: make(start_date=value, timezone="UTC"), bad_dates
        )
        out.attempts(f"{label} end", lambda value, make=make: make(end_date=value, timezone="UTC"), bad_dates)
        out.attempts(f"{label} zone", lambda value, make=make: make(timezone=value), bad_zones)
        out.attempt(f"{label} unknown", lambda make=make: make(foo=1))
    out.attempts("date", lambda value: date_(value, "UTC"), bad_dates)
    out.attempts("date zone", lambda value: date_(None, value), bad_zones)
    out.attempt("date unknown", lambda: date_(foo=1))
    out.attempts("interval count", lambda value: interval_(hours=value, timezone="UTC"), ["5", None, []])
    out.attempt("calendar nothing", calendar)
    out.attempt("calendar order", lambda: calendar(days=1, start_date="2025-02-01", end_date="2025-01-01"))
    out.attempts("calendar hour", lambda value: calendar(days=1, hour=value), [24, -1, "3", 1.5, None])
    out.attempt("calendar positional", lambda: calendar(1))


COUNTS = "negative intervals and counts"
JITTER = "a jitter that is negative, not a number, or above"
COMBINED = "something that is no trigger in a combination"


@programs(
    {
        "negative interval": COUNTS,
        "negative days": COUNTS,
        "fractional days": COUNTS,
        "shorter than a microsecond": "an interval under one microsecond",
        "jitter*": JITTER,
        "and []": COMBINED,
        "or [1]": COMBINED,
    }
)
def stricter(ap: Package, out: Record) -> None:
    """What is taken there and makes no sense is refused here."""
    with at():
        interval_ = ap("triggers.interval:IntervalTrigger")
        calendar = ap("triggers.calendarinterval:CalendarIntervalTrigger")
        out.attempt("negative interval", lambda: interval_(seconds=-5, timezone="UTC"))
        out.attempt("shorter than a microsecond", lambda: interval_(seconds=1e-9, timezone="UTC"))
        out.attempt("negative days", lambda: calendar(days=-1, timezone="UTC"))
        out.attempt("fractional days", lambda: calendar(days=1.5, timezone="UTC"))
        cron_ = ap("triggers.cron:CronTrigger")
        out.attempts("jitter", lambda value: cron_(jitter=value, timezone="UTC"), [-1, "5", [1], 1e10])
        out.attempt("and []", lambda: ap("triggers.combining:AndTrigger")([]))
        out.attempt("or [1]", lambda: ap("triggers.combining:OrTrigger")([1]))


@programs.parametrize()
def test_as_there(program, differs):
    compare(program, differs)
