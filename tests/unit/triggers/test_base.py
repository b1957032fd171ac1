"""What every trigger gets from `BaseTrigger`, shown on triggers that only keep the public contract."""

from __future__ import annotations

import pickle
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from rapscheduler.triggers.base import BaseTrigger
from rapscheduler.triggers.calendarinterval import CalendarIntervalTrigger
from rapscheduler.triggers.combining import OrTrigger
from rapscheduler.triggers.cron import CronTrigger
from rapscheduler.triggers.date import DateTrigger
from rapscheduler.triggers.interval import IntervalTrigger

UTC = timezone.utc
START = datetime(2026, 1, 1, tzinfo=UTC)


class Hourly(BaseTrigger):
    """Every full hour, written to APScheduler's contract only."""

    asked = 0

    def get_next_fire_time(self, previous_fire_time, now):
        type(self).asked += 1
        after = now if previous_fire_time is None else previous_fire_time + timedelta(microseconds=1)
        floor = after.replace(minute=0, second=0, microsecond=0)
        return floor if floor == after else floor + timedelta(hours=1)


class Once(BaseTrigger):
    def get_next_fire_time(self, previous_fire_time, now):
        return START if previous_fire_time is None else None


class Stuck(BaseTrigger):
    def get_next_fire_time(self, previous_fire_time, now):
        return START


def test_base_trigger_is_abstract() -> None:
    with pytest.raises(TypeError):
        BaseTrigger()


def test_fire_times_are_lazy_bounded_and_inclusive() -> None:
    hours = [START + timedelta(hours=n) for n in range(4)]
    assert list(Hourly().fire_times(START, hours[3])) == hours
    assert list(Hourly().fire_times(START, limit=2)) == hours[:2]
    assert list(Hourly().fire_times(START, hours[3], limit=0)) == []
    assert next(Hourly().fire_times(hours[1])) == hours[1]


def test_fire_times_leave_out_what_is_before_start() -> None:
    assert list(Once().fire_times(START)) == [START]
    assert list(Once().fire_times(START + timedelta(seconds=1))) == []


def test_fire_times_refuse_a_trigger_that_stands_still() -> None:
    with pytest.raises(ValueError, match="must return a later time than previous"):
        list(Stuck().fire_times(START))


def test_fire_times_refuse_naive_datetimes_and_negative_limits() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        Hourly().fire_times(datetime(2026, 1, 1))
    with pytest.raises(ValueError, match="limit=-1"):
        Hourly().fire_times(START, limit=-1)


def test_previous_fire_time_by_bisection_asks_a_bounded_number_of_questions() -> None:
    Hourly.asked = 0
    assert Hourly().get_previous_fire_time(START) == START - timedelta(hours=1)
    assert Hourly.asked < 80
    assert Once().get_previous_fire_time(START + timedelta(days=40_000)) == START
    assert Once().get_previous_fire_time(START) is None


def test_jitter_delays_by_elapsed_time_across_a_gap() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    before = datetime(2026, 3, 29, 1, 59, 59, tzinfo=berlin)
    for _ in range(50):
        later = Hourly()._apply_jitter(before, 10, before)
        delay = later.astimezone(UTC) - before.astimezone(UTC)
        assert timedelta(0) <= delay <= timedelta(seconds=10)
        assert later == later.astimezone(UTC).astimezone(berlin)
    assert Hourly()._apply_jitter(None, 10, before) is None
    assert Hourly()._apply_jitter(before, None, before) is before


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "trigger",
    [
        CronTrigger(hour=3, timezone="UTC"),
        IntervalTrigger(hours=3, start_date="2026-01-01", timezone="UTC"),
        CalendarIntervalTrigger(months=1, start_date="2026-01-01", timezone="UTC"),
        DateTrigger("2026-01-01", "UTC"),
        OrTrigger([DateTrigger("2026-01-01", "UTC"), CronTrigger(day="last", timezone="UTC")]),
    ],
    ids=lambda trigger: type(trigger).__name__,
)
def test_triggers_are_pickled_with_every_protocol(trigger: BaseTrigger, protocol: int) -> None:
    again = pickle.loads(pickle.dumps(trigger, protocol))
    assert (type(again), repr(again)) == (type(trigger), repr(trigger))


@pytest.mark.parametrize(
    ("trigger", "expected"),
    [
        (CronTrigger(hour="*", start_date=START, timezone=UTC), START),
        (CalendarIntervalTrigger(days=1, start_date=START, timezone=UTC), START),
        (IntervalTrigger(hours=1, start_date=START, timezone=UTC), START - timedelta(days=365, hours=-1)),
    ],
    ids=["cron", "calendar interval", "interval"],
)
def test_a_previous_fire_time_before_the_start_date(trigger: BaseTrigger, expected: datetime) -> None:
    """Only an interval goes on from it (docs/migration.md); APScheduler's triggers all do."""
    previous = START - timedelta(days=365)
    assert trigger.get_next_fire_time(previous, previous + timedelta(seconds=1)) == expected


def test_years_before_1970() -> None:
    early = datetime(1960, 5, 5, 5, 5, tzinfo=UTC)
    for year in (None, "*"):
        trigger = CronTrigger(year=year, month="*", day="*", hour="*", timezone=UTC)
        assert trigger.get_next_fire_time(None, early) == datetime(1960, 5, 5, 6, tzinfo=UTC)
    with pytest.raises(ValueError, match="lower than the minimum value"):
        CronTrigger(year=1960, timezone=UTC)
