"""``IntervalTrigger``: APScheduler's surface, exact answers, states and pickles."""

from __future__ import annotations

import pickle
from datetime import date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from apscheduler.triggers.interval import IntervalTrigger as Theirs

from rapscheduler._engine.interval import IntervalCore
from rapscheduler.triggers.base import BaseTrigger
from rapscheduler.triggers.interval import IntervalTrigger

UTC = timezone.utc
BERLIN = ZoneInfo("Europe/Berlin")
SAME: list[dict[str, Any]] = [
    {"seconds": 5, "timezone": "Europe/Berlin", "start_date": "2026-01-01"},
    {
        "minutes": 5.5,
        "timezone": BERLIN,
        "start_date": "2026-01-01",
        "end_date": date(2027, 1, 1),
        "jitter": 3,
    },
    {"timezone": BERLIN, "start_date": datetime(2026, 1, 1, tzinfo=UTC)},
    {
        "start_date": datetime(2026, 1, 1, tzinfo=BERLIN),
        "end_date": datetime(2026, 7, 1, 0, 0, 1, tzinfo=BERLIN),
    },
    {"weeks": 1, "days": 1, "hours": 1, "start_date": datetime(2026, 1, 1), "timezone": "UTC", "jitter": 2.5},
]


@pytest.mark.parametrize("arguments", SAME)
def test_as_apscheduler(arguments: dict[str, Any]) -> None:
    ours, theirs = IntervalTrigger(**arguments), Theirs(**arguments)
    assert (repr(ours), str(ours)) == (repr(theirs), str(theirs))
    assert ours.__getstate__() == theirs.__getstate__()
    for name in ("interval", "interval_length", "start_date", "end_date", "timezone", "jitter"):
        assert getattr(ours, name) == getattr(theirs, name)
    loaded = IntervalTrigger.__new__(IntervalTrigger)
    loaded.__setstate__(theirs.__getstate__())
    assert loaded.__getstate__() == theirs.__getstate__()
    assert pickle.loads(pickle.dumps(ours)).__getstate__() == ours.__getstate__()
    now = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)
    if not ours.jitter:
        fire = ours.get_next_fire_time(None, now)
        assert fire == theirs.get_next_fire_time(None, now)
        assert ours.get_next_fire_time(fire, now) == theirs.get_next_fire_time(fire, now)


def test_from_a_fire_time_before_the_start_date_it_goes_on_as_there() -> None:
    """So a job that was given a run time before the start date keeps to that; the grid is for who has none yet."""
    arguments = {"hours": 1, "start_date": datetime(2026, 6, 1, tzinfo=UTC), "timezone": "UTC"}
    ours, theirs = IntervalTrigger(**arguments), Theirs(**arguments)
    for previous in (datetime(2026, 5, 1, 0, 20, tzinfo=UTC), datetime(2026, 5, 31, 23, 30, tzinfo=UTC)):
        for now in (previous, datetime(2026, 6, 2, tzinfo=UTC)):
            fire = ours.get_next_fire_time(previous, now)
            assert fire == theirs.get_next_fire_time(previous, now) == previous + timedelta(hours=1)
            assert ours.get_next_fire_time(None, now) >= ours.start_date


@pytest.mark.parametrize(
    "arguments",
    [
        {"seconds": "5"},
        {"timezone": "X/Y"},
        {"timezone": 3},
        {"start_date": 3},
        {"start_date": "foo"},
        {"end_date": "2026-02-30"},
    ],
)
def test_wrong_arguments_raise_what_apscheduler_raises(arguments: dict[str, Any]) -> None:
    with pytest.raises(Exception) as theirs:
        Theirs(**arguments)
    with pytest.raises(theirs.type):
        IntervalTrigger(**arguments)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"seconds": -5}, ValueError, "must be longer than zero, not -5 s"),
        ({"seconds": 1e-9}, ValueError, "shorter than a microsecond"),
        ({"seconds": 1, "jitter": "x"}, TypeError, "jitter='x' is not a number"),
        ({"seconds": 1, "jitter": -1}, ValueError, "jitter=-1 makes no sense"),
        ({"days": 99_999_999}, OverflowError, "outside of the years 1 to 9999"),
    ],
)
def test_refused_with_advice(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        IntervalTrigger(timezone="UTC", **arguments)


def test_elapsed_time_over_changes_of_the_clock() -> None:
    trigger = IntervalTrigger(hours=1, start_date="2025-10-26 00:30:00", timezone=BERLIN)
    times = list(trigger.fire_times(datetime(2025, 10, 26, tzinfo=BERLIN), limit=5))
    assert [time.strftime("%H:%M%z") for time in times] == [
        "00:30+0200",
        "01:30+0200",
        "02:30+0200",
        "02:30+0100",
        "03:30+0100",
    ]
    assert [time.fold for time in times] == [0, 0, 0, 1, 0]


def test_the_default_start_is_one_interval_of_real_time_away() -> None:
    before = datetime.now(UTC)
    trigger = IntervalTrigger(days=200, timezone=BERLIN)
    after = datetime.now(UTC)
    assert before <= trigger.start_date.astimezone(UTC) - timedelta(days=200) <= after


def test_previous_and_bulk() -> None:
    trigger = IntervalTrigger(seconds=0.1, start_date="2026-01-01", timezone="UTC", jitter=1000)
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=30)
    assert trigger.get_previous_fire_time(at) == at - timedelta(seconds=0.1)
    assert list(trigger.fire_times(at, limit=2)) == [at, at + timedelta(seconds=0.1)]
    assert trigger.explain().startswith("every 0.1 seconds of elapsed time, from 2026-01-01 00:00:00 UTC on")
    assert trigger.explain().endswith(", up to 1000 s late")


def test_jitter_stays_within_its_bounds_and_the_end_date() -> None:
    trigger = IntervalTrigger(
        minutes=1, start_date="2026-01-01", end_date="2026-01-01 00:01:05", timezone="UTC", jitter=30
    )
    now = datetime(2026, 1, 1, 0, 0, 30, tzinfo=UTC)
    nominal = datetime(2026, 1, 1, 0, 1, tzinfo=UTC)
    fires = {trigger.get_next_fire_time(None, now) for _ in range(50)}
    assert len(fires) > 1
    assert all(fire is not None and nominal <= fire <= nominal + timedelta(seconds=5) for fire in fires)


class Twice(IntervalTrigger):
    """A subclass with a schedule of its own."""

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        fire = super().get_next_fire_time(previous_fire_time, now)
        return super().get_next_fire_time(fire, now) if fire is not None else None


def test_subclasses() -> None:
    trigger = Twice(minutes=1, start_date="2026-01-01", timezone="UTC")
    assert isinstance(trigger, BaseTrigger)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert trigger.get_next_fire_time(None, now) == now + timedelta(minutes=1)
    assert [fire.minute for fire in trigger.fire_times(now, limit=3)] == [1, 3, 5]
    assert isinstance(pickle.loads(pickle.dumps(trigger)), Twice)
    assert IntervalTrigger.get_next_fire_time is IntervalCore.get_next_fire_time


def test_a_state_from_the_future_is_refused() -> None:
    with pytest.raises(ValueError, match="version 9 of IntervalTrigger, but only versions up to 2"):
        IntervalTrigger.__new__(IntervalTrigger).__setstate__({"version": 9})
