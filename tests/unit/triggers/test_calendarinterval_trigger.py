"""``CalendarIntervalTrigger``: APScheduler's surface, and right where 3.11.3 fires at once after a restart."""

from __future__ import annotations

import pickle
from datetime import date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from apscheduler.triggers.calendarinterval import CalendarIntervalTrigger as Theirs

from rapscheduler.triggers.calendarinterval import CalendarIntervalTrigger

UTC = timezone.utc
BERLIN = ZoneInfo("Europe/Berlin")
SAME: list[dict[str, Any]] = [
    {"months": 1, "timezone": "Europe/Berlin", "start_date": "2026-01-31"},
    {"years": 1, "months": 1, "weeks": 2, "days": 3, "hour": 4, "minute": 5, "second": 6, "timezone": BERLIN}
    | {"start_date": date(2026, 1, 31), "end_date": "2027-06-01", "jitter": 5},
    {"days": 1, "timezone": "UTC", "start_date": "2026-01-01"},
    {"weeks": 1, "timezone": timezone(timedelta(hours=2)), "start_date": "2026-01-01"},
]


@pytest.mark.parametrize("arguments", SAME)
def test_as_apscheduler(arguments: dict[str, Any]) -> None:
    ours, theirs = CalendarIntervalTrigger(**arguments), Theirs(**arguments)
    assert (repr(ours), str(ours)) == (repr(theirs), str(theirs))
    assert ours.__getstate__() == theirs.__getstate__()
    for name in ("years", "months", "weeks", "days", "_time", "start_date", "end_date", "timezone", "jitter"):
        assert getattr(ours, name) == getattr(theirs, name)
    loaded = CalendarIntervalTrigger.__new__(CalendarIntervalTrigger)
    loaded.__setstate__(theirs.__getstate__())
    assert loaded.__getstate__() == theirs.__getstate__()
    assert pickle.loads(pickle.dumps(ours)).__getstate__() == ours.__getstate__()
    now = datetime(2025, 12, 31, tzinfo=UTC)
    if not ours.jitter:
        fire = ours.get_next_fire_time(None, now)
        for _ in range(5):
            assert fire == theirs.get_next_fire_time(None, now) or fire > now
            following = ours.get_next_fire_time(fire, now)
            assert following == theirs.get_next_fire_time(fire, now)
            fire = following


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, ValueError, "interval must be at least 1 day long"),
        ({"days": -1}, ValueError, "days=-1 would go backwards"),
        ({"days": 1.5}, TypeError, "days=1.5 is not a whole number"),
        ({"days": 1, "hour": 25}, ValueError, r"hour must be in 0\.\.23, not 25"),
        ({"days": 1, "second": "5"}, TypeError, "second='5' is not a whole number"),
        ({"days": 1, "start_date": "2026-13-01"}, ValueError, "Invalid date '2026-13-01' for start_date"),
        ({"days": 1, "start_date": 5}, TypeError, "Unsupported type for start_date: int"),
        (
            {"days": 1, "start_date": "2026-01-02", "end_date": "2026-01-01"},
            ValueError,
            "end_date cannot be earlier",
        ),
        ({"days": 1, "timezone": "Foo"}, KeyError, "No time zone found with key Foo"),
        ({"days": 1, "jitter": -1}, ValueError, "jitter=-1 makes no sense"),
    ],
)
def test_refused_with_advice(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        CalendarIntervalTrigger(**arguments)


def test_after_a_restart_it_waits_for_its_next_date() -> None:
    trigger = CalendarIntervalTrigger(weeks=2, hour=9, start_date="2020-01-01", timezone=BERLIN)
    now = datetime(2026, 3, 30, 12, tzinfo=BERLIN)
    fire = trigger.get_next_fire_time(None, now)
    assert fire == datetime(2026, 4, 1, 9, tzinfo=BERLIN)
    assert (fire.date() - date(2020, 1, 1)).days % 14 == 0


def test_previous_bulk_and_words() -> None:
    trigger = CalendarIntervalTrigger(months=1, hour=2, minute=30, start_date="2025-01-30", timezone=BERLIN)
    start = datetime(2025, 2, 1, tzinfo=BERLIN)
    days = [fire.strftime("%m-%d") for fire in trigger.fire_times(start, limit=3)]
    assert days == ["04-30", "05-30", "06-30"]  # no 30 February, and no half past two on 30 March
    previous = trigger.get_previous_fire_time(start)
    assert previous == datetime(2025, 1, 30, 2, 30, tzinfo=BERLIN)
    assert trigger.explain() == "every 1 month at 02:30:00 (Europe/Berlin), from 2025-01-30 on"


def test_a_state_from_the_future_is_refused() -> None:
    with pytest.raises(
        ValueError, match="version 9 of CalendarIntervalTrigger, but only versions up to 1 can"
    ):
        CalendarIntervalTrigger.__new__(CalendarIntervalTrigger).__setstate__({"version": 9})
