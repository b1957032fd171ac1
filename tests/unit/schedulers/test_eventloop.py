"""What all schedulers in event loops share, in a loop that the test turns by hand."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone

import pytest

from rapscheduler.errors import SchedulerNotRunningError
from rapscheduler.events import EVENT_JOB_ADDED, EVENT_JOB_EXECUTED, EVENT_JOB_SUBMITTED
from rapscheduler.executors.debug import DebugExecutor
from rapscheduler.jobstores.memory import MemoryJobStore
from rapscheduler.schedulers._eventloop import MAX_SLEEP_S, EventLoopScheduler, run_in_loop
from rapscheduler.testing import VirtualClock

START = datetime(2025, 1, 1, tzinfo=timezone.utc)


class HandLoop(EventLoopScheduler):
    """`turn()` calls what was posted; `timers` are the seconds that timers were set to."""

    def __init__(self, **options):
        self.posted, self.timers, self.inside = [], [], False
        self.live = None
        super().__init__(timezone="UTC", executors={"default": DebugExecutor()}, **options)
        self._clock = VirtualClock(START)

    def _post(self, callback, *args):
        self.posted.append((callback, args))

    def _in_loop(self):
        return self.inside

    def _loop_runs(self):
        return True

    def _set_timer(self, seconds):
        self.timers.append(seconds)
        self.live = object()
        return self.live

    def _cancel_timer(self, handle):
        assert handle is self.live
        self.live = None

    def turn(self):
        self.inside = True
        try:
            posted, self.posted = self.posted, []
            for callback, args in posted:
                callback(*args)
        finally:
            self.inside = False

    def let_timer_run_down(self):
        self.live = None
        self.inside = True
        self._tick()
        self.inside = False

    @run_in_loop
    def note(self, text, times=1):
        self.noted = text * times


@pytest.fixture
def scheduler():
    scheduler = HandLoop()
    yield scheduler
    if scheduler.running:
        scheduler.inside = True
        scheduler.shutdown()


def test_timers_are_bounded_and_the_wall_clock_decides(scheduler):
    ran = []
    scheduler.add_job(ran.append, "date", run_date=START + timedelta(hours=1), args=[1])
    scheduler.start()
    scheduler.turn()
    assert scheduler.timers == [MAX_SLEEP_S]
    scheduler.let_timer_run_down()  # nothing is due yet: the timer is set anew, without a pass
    passes = scheduler.health()["passes"]
    assert scheduler.timers == [MAX_SLEEP_S, MAX_SLEEP_S]
    scheduler._clock.set(START + timedelta(hours=1))  # the machine slept, or the clock was set
    scheduler.let_timer_run_down()
    assert ran == [1]
    assert scheduler.health()["passes"] == passes + 1


def test_a_clock_set_back_by_years_does_not_keep_the_loop_from_looking(scheduler):
    scheduler.add_job(int, "date", run_date=START + timedelta(seconds=10))
    scheduler.start()
    scheduler.turn()
    passes = scheduler.health()["passes"]
    scheduler._clock.set(START - timedelta(days=3650))
    scheduler._clock.advance(timedelta(seconds=10))
    scheduler.let_timer_run_down()
    assert scheduler.health()["passes"] == passes
    scheduler._clock.advance(timedelta(seconds=1))  # longer than planned: a store may wait to be tried again
    scheduler.let_timer_run_down()
    assert scheduler.health()["passes"] == passes + 1


def test_without_jobs_no_timer_is_set(scheduler):
    scheduler.start()
    scheduler.turn()
    assert scheduler.timers == []


def test_wake_ups_before_the_loop_turns_are_one(scheduler):
    scheduler.start()
    scheduler.turn()
    for _ in range(100):
        scheduler.add_job(int)
    assert len([callback for callback, _ in scheduler.posted if callback == scheduler._look]) == 1


def test_the_loop_alone_begins_passes(scheduler):
    ran = []
    scheduler.start()
    scheduler.add_job(ran.append, "date", run_date=START, args=[1])
    assert ran == [], "the loop has not turned"
    scheduler.turn()
    assert ran == [1]


def test_shutdown_stops_the_timer(scheduler):
    scheduler.add_job(int, "date", run_date=START + timedelta(seconds=1))
    scheduler.start()
    scheduler.turn()
    assert scheduler.live is not None
    scheduler.inside = True
    scheduler.shutdown()
    assert scheduler.live is None
    with pytest.raises(SchedulerNotRunningError):
        scheduler.shutdown()


def test_events_from_other_threads_are_told_in_order_when_the_loop_turns(scheduler):
    told = []
    scheduler.add_listener(
        lambda event: told.append((event.code, scheduler.inside)),
        EVENT_JOB_ADDED | EVENT_JOB_SUBMITTED | EVENT_JOB_EXECUTED,
    )
    scheduler.start()
    scheduler.turn()
    thread = threading.Thread(target=scheduler.add_job, args=(int, "date"), kwargs={"run_date": START})
    thread.start()
    thread.join()
    assert told == []
    scheduler.turn()
    assert told == [(EVENT_JOB_ADDED, True), (EVENT_JOB_SUBMITTED, True), (EVENT_JOB_EXECUTED, True)]


def test_a_listener_in_the_loop_hears_of_its_own_doing_at_once(scheduler):
    told = []
    scheduler.add_listener(lambda event: told.append(event.job_id), EVENT_JOB_ADDED)
    scheduler.start()
    scheduler.turn()
    scheduler.inside = True
    scheduler.add_job(int, "date", run_date=START + timedelta(days=1), id="here")
    assert told == ["here"]


class OtherStore(MemoryJobStore):
    """It overrides a public method, so nobody knows how long its calls take."""

    def get_all_jobs(self):
        return super().get_all_jobs()


def test_passes_over_stores_that_may_wait_follow_one_another_in_the_private_thread(scheduler):
    passes = []
    scheduler.add_jobstore(OtherStore())
    scheduler._off_loop = passes.append
    scheduler.start()
    scheduler.turn()
    assert len(passes) == 1
    scheduler.wakeup()
    scheduler.turn()
    assert len(passes) == 1, "one is under way"
    thread = threading.Thread(target=passes.pop())
    thread.start()
    thread.join()
    scheduler.turn()
    assert len(passes) == 1, "the wake-up in the meantime was not forgotten"


def test_a_shutdown_during_such_a_pass_is_carried_out_at_its_end(scheduler):
    passes, stopped = [], []
    store = OtherStore()
    store.shutdown = lambda: stopped.append(1)
    scheduler.add_jobstore(store)
    scheduler._off_loop = passes.append
    scheduler.start()
    scheduler.turn()
    scheduler.inside = True
    scheduler.shutdown()
    assert (scheduler.running, stopped) == (False, [])
    scheduler.inside = False
    thread = threading.Thread(target=passes.pop())
    thread.start()
    while thread.is_alive():  # the loop turns: the executor is called there
        scheduler.turn()
    assert stopped == [1]


def test_a_decorated_method_is_called_in_the_loop(scheduler):
    scheduler.note("a", times=2)
    assert not hasattr(scheduler, "noted")
    scheduler.turn()
    assert scheduler.noted == "aa"
