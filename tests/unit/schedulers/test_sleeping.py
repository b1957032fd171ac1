"""How the schedulers with a thread sleep: until the next job by the wall clock, in slices, on a virtual clock here."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from rapscheduler._clock import SystemClock
from rapscheduler.schedulers import blocking
from rapscheduler.schedulers.blocking import BlockingScheduler
from rapscheduler.testing import ManualScheduler, VirtualClock

START = datetime(2025, 3, 1, tzinfo=timezone.utc)


class RecordingEvent:
    """Stands for ``threading.Event``: waiting moves the clock, by what ``passes`` says, and is written down."""

    def __init__(self, clock, passes):
        self.clock, self.passes, self.waits = clock, passes, []

    def is_set(self):
        return False

    def wait(self, timeout_s):
        self.waits.append(timeout_s)
        self.clock.advance(self.passes(timeout_s))


@pytest.fixture
def scheduler():
    scheduler = BlockingScheduler(timezone="UTC")
    scheduler._clock = VirtualClock(START)
    return scheduler


def sleep(scheduler, seconds, passes):
    scheduler._event = RecordingEvent(scheduler._clock, passes)
    scheduler._sleep(seconds)
    return scheduler._event.waits


def test_a_long_sleep_is_cut_into_slices(scheduler):
    assert sleep(scheduler, 12, lambda timeout_s: timedelta(seconds=timeout_s)) == [5, 5, 2]
    assert blocking.MAX_SLEEP_S == 5


def test_a_clock_set_forward_ends_the_sleep_after_one_slice(scheduler):
    assert sleep(scheduler, 3600, lambda timeout_s: timedelta(days=1)) == [5]


def test_a_clock_set_back_lengthens_the_sleep_by_a_second_at_most(scheduler):
    moves = iter([timedelta(seconds=1), None])

    def passes(timeout_s):
        move = next(moves, timedelta(seconds=timeout_s))
        if move is None:
            scheduler._clock.set(START - timedelta(seconds=4))
            return timedelta(0)
        return move

    # six seconds have passed: stores that failed are tried again
    assert sleep(scheduler, 5, passes) == [5, 4, 5]


def test_a_clock_set_back_by_years_does_not_keep_the_loop_from_looking(scheduler):
    years = iter([START - timedelta(days=3650)])

    def passes(timeout_s):
        back = next(years, None)
        if back is not None:
            scheduler._clock.set(back)
        return timedelta(seconds=timeout_s)

    assert sleep(scheduler, 10, passes) == [5, 5, 5]


def test_no_time_is_no_wait(scheduler):
    assert sleep(scheduler, 0, None) == []


def test_jobs_that_are_not_next_do_not_wake_it(monkeypatch):
    scheduler = ManualScheduler(timezone="UTC")
    woken = []
    scheduler.start()
    # Not put on the instance: that would be a hook, which is told every change.
    monkeypatch.setattr(ManualScheduler, "wakeup", lambda self: woken.append(1))
    scheduler._wake_at_us = scheduler._clock.now_us() + 60_000_000
    scheduler.add_job(int, "interval", hours=1)
    scheduler.add_job(int, "interval", hours=1).pause()
    assert woken == []
    scheduler.add_job(int, "interval", seconds=30)
    assert woken == [1]
    scheduler.shutdown()


class ClockByHand(SystemClock):
    """Stands for the machine's clock."""

    def __init__(self):
        self.us = int(START.timestamp()) * 1_000_000

    def now_us(self):
        return self.us

    def monotonic(self):
        return self.us / 1_000_000


def passes(apart_us: int, count: int) -> list[float]:
    """Seconds that a loop waits after each pass, by turns, while jobs come due so far apart."""
    scheduler, clock = ManualScheduler(timezone="UTC"), ClockByHand()
    scheduler._clock = clock
    scheduler.start()
    for number in range(count):
        run_date = START + timedelta(microseconds=number * apart_us)
        scheduler.add_job(int, "date", run_date=run_date, misfire_grace_time=None)
    waits: list[float] = []
    while (wait_s := scheduler._process_jobs()) is not None:
        waits.append(wait_s)
        clock.us += round(wait_s * 1_000_000)
    scheduler.shutdown()
    return waits


def test_jobs_that_come_seldom_are_made_as_they_come():
    assert passes(1_000, 40) == pytest.approx([0.001] * 39, abs=2e-6)


def test_under_a_load_jobs_gather_for_a_breath():
    waits = passes(100, 200)  # 20 ms of them
    assert waits[:5] == pytest.approx([0.0001] * 5, abs=2e-6)
    assert waits[-5:] == pytest.approx([0.001] * 5, abs=2e-6)
    assert len(waits) < 20 + 10


def test_a_pass_that_takes_long_is_followed_at_once():
    scheduler, clock = ManualScheduler(timezone="UTC"), ClockByHand()
    scheduler._clock = clock
    scheduler.start()

    def run():
        clock.us += 2_000

    for number in range(30):
        for job, after_us in ((run, 0), (int, 100)):
            run_date = START + timedelta(microseconds=2_000 * number + after_us)
            scheduler.add_job(job, "date", run_date=run_date, misfire_grace_time=None)
    waits = [scheduler._process_jobs() for _ in range(30)]
    assert waits[:-1] == [0.0] * 29
    scheduler.shutdown()
