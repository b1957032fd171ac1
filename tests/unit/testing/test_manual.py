"""The virtual clock and the manual scheduler of ``rapscheduler.testing``."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from rapscheduler.events import EVENT_JOB_EXECUTED
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.testing import ManualScheduler, VirtualClock
from rapscheduler.triggers.cron import CronTrigger

START = datetime(2025, 3, 1, tzinfo=timezone.utc)


@pytest.fixture
def scheduler():
    with ManualScheduler(START, raise_errors=True) as scheduler:
        yield scheduler


def test_jobs_run_at_their_times_in_this_thread(scheduler):
    seen = []
    scheduler.add_job(lambda: seen.append(scheduler.clock.now()), "cron", hour=7)
    scheduler.advance(timedelta(days=2))
    assert seen == [START + timedelta(hours=7), START + timedelta(days=1, hours=7)]
    assert scheduler.clock.now() == START + timedelta(days=2)


def test_now_is_the_virtual_now(scheduler):
    seen = []
    scheduler.add_job(seen.append, args=["at once"])
    scheduler.add_job(seen.append, "interval", minutes=10, args=["ten"])
    scheduler.run_until(START)
    assert seen == ["at once"]
    scheduler.run_until(START + timedelta(minutes=20))
    assert seen == ["at once", "ten", "ten"]


@pytest.mark.parametrize("zone", [None, "Pacific/Kiritimati"])
def test_today_is_the_virtual_today(scheduler, zone):
    seen = []
    options = {"timezone": zone} if zone else {}
    scheduler.add_job(
        lambda: seen.append(scheduler.clock.now()), "calendarinterval", days=2, hour=1, **options
    )
    scheduler.advance(timedelta(days=3))
    first = datetime(2025, 3, 1, 1, tzinfo=ZoneInfo(zone or "UTC"))  # it was this day in both zones
    if zone:  # 14 hours ahead, so that 1 o'clock was over: two days later
        first += timedelta(days=2)
    assert seen[0] == first and len(seen) == (1 if zone else 2)


@pytest.mark.parametrize(
    ("length", "cls", "text"),
    [({"minutes": "5"}, TypeError, "minutes"), ({"minute": 5}, TypeError, "IntervalTrigger takes: weeks")],
)
def test_a_wrong_interval_is_told_as_elsewhere(scheduler, length, cls, text):
    with pytest.raises(cls, match=text) as told:
        scheduler.add_job(int, "interval", **length)
    with pytest.raises(cls) as elsewhere:
        BackgroundScheduler(timezone="UTC").add_job(int, "interval", **length)
    assert str(told.value) == str(elsewhere.value)


def test_a_job_may_add_a_job_that_is_due_before_the_end(scheduler):
    seen = []

    def first():
        run_date = scheduler.clock.now() + timedelta(seconds=1)
        scheduler.add_job(seen.append, "date", run_date=run_date, args=["second"])

    scheduler.add_job(first)
    scheduler.advance(timedelta(seconds=1))
    assert seen == ["second"]


def test_jobs_without_end_at_one_instant_are_an_error(scheduler):
    def again():
        scheduler.add_job(again)

    scheduler.add_job(again)
    with pytest.raises(RuntimeError, match="without time passing"):
        scheduler.advance(timedelta(seconds=1))


def test_a_job_that_takes_time_makes_others_late(scheduler):
    missed = []
    scheduler.add_listener(lambda event: missed.append(event.lateness_s), 2**14)
    scheduler.add_job(
        scheduler.clock.advance, "date", run_date=START + timedelta(seconds=1), args=[timedelta(minutes=1)]
    )
    scheduler.add_job(int, "date", run_date=START + timedelta(seconds=2))
    scheduler.advance(timedelta(seconds=5))
    assert missed == [59.0]


def test_what_a_job_raises_is_raised(scheduler):
    scheduler.add_job(int, args=["no number"])
    with pytest.raises(ValueError, match="no number"):
        scheduler.advance(timedelta(0))


def test_time_does_not_go_backwards(scheduler):
    with pytest.raises(ValueError, match="backwards"):
        scheduler.advance(timedelta(seconds=-1))
    with pytest.raises(ValueError, match="is over"):
        scheduler.run_until(START - timedelta(seconds=1))


def test_a_paused_scheduler_lets_time_pass_and_resumed_runs_the_last_missed_time():
    with ManualScheduler(START) as scheduler:
        seen = []
        scheduler.add_job(seen.append, "interval", hours=1, args=[1], misfire_grace_time=None)
        scheduler.pause()
        scheduler.advance(timedelta(hours=5))
        assert seen == []
        scheduler.resume()
        scheduler.advance(timedelta(0))
        assert seen == [1]


def test_a_clock_that_is_set_back_delays_and_one_set_forward_hurries(scheduler):
    seen = []
    scheduler.add_job(
        seen.append, "date", run_date=START + timedelta(hours=1), args=[1], misfire_grace_time=None
    )
    scheduler.clock.set(START - timedelta(days=1))
    scheduler.advance(timedelta(hours=2))
    assert seen == []
    scheduler.clock.set(START + timedelta(days=400))
    scheduler.advance(timedelta(0))
    assert seen == [1]


def test_a_month_of_a_thousand_jobs_is_the_same_each_time():
    def replay() -> list[tuple[str, datetime]]:
        log = []
        with ManualScheduler(START) as scheduler:
            scheduler.add_listener(
                lambda event: log.append((event.job_id, event.scheduled_run_time)), EVENT_JOB_EXECUTED
            )
            scheduler.add_jobs(
                {
                    "func": int,
                    "trigger": CronTrigger(hour=n % 24, minute=n % 60, timezone="Europe/Berlin"),
                    "id": f"{n:03}",
                }
                for n in range(1000)
            )
            scheduler.run_until(datetime(2025, 4, 1, tzinfo=ZoneInfo("Europe/Berlin")))
        return log

    first = replay()
    assert first == replay()
    assert [moment for _, moment in first] == sorted(moment for _, moment in first)
    in_the_gap = sum(n % 24 == 2 for n in range(1000))  # between two and three o'clock on 30 March 2025
    before_the_start = sum(n % 24 == 0 for n in range(1000))  # it is one o'clock in Berlin then
    at_the_end = sum(n % 24 == 0 and n % 60 == 0 for n in range(1000))  # midnight of 1 April is included
    assert len(first) == 1000 * 31 - in_the_gap - before_the_start + at_the_end


def test_the_clock_alone():
    clock = VirtualClock(START)
    clock.advance(timedelta(microseconds=1))
    assert clock.now() - START == timedelta(microseconds=1)
    clock.set(START - timedelta(hours=1))
    clock.advance(timedelta(seconds=2))
    assert clock.monotonic() == pytest.approx(2.000001)
    with pytest.raises(ValueError, match="aware"):
        VirtualClock(datetime(2025, 1, 1))
    with pytest.raises(ValueError, match="backwards"):
        clock.advance(timedelta(seconds=-1))
