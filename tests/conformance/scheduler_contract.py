"""What every scheduler does, whatever it sleeps on. A scheduler joins by a subclass that can start it and wait.

``wait`` must let the scheduler's loop run until the event is set (an event loop that lives in this thread is run
there), and return whether it was set. Nothing here sleeps or looks at the time.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from rapscheduler.errors import SchedulerAlreadyRunningError, SchedulerNotRunningError
from rapscheduler.events import (
    EVENT_ALL,
    EVENT_JOB_ADDED,
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_REMOVED,
    EVENT_JOB_SUBMITTED,
    EVENT_SCHEDULER_SHUTDOWN,
    EVENT_SCHEDULER_STARTED,
)
from rapscheduler.schedulers.base import STATE_PAUSED, STATE_RUNNING, STATE_STOPPED

FAR = datetime(2200, 1, 1, tzinfo=timezone.utc)
TIMEOUT_S = 20.0


class SchedulerContract:
    """Inherit, and give ``make``; override ``start``, ``wait`` and ``stop`` where the scheduler needs it."""

    def make(self, **options: Any) -> Any:
        raise NotImplementedError

    def start(self, scheduler: Any, **kwargs: Any) -> None:
        scheduler.start(**kwargs)

    def wait(self, event: threading.Event) -> bool:
        return event.wait(TIMEOUT_S)

    def stop(self, scheduler: Any) -> None:
        scheduler.shutdown()

    @pytest.fixture
    def scheduler(self) -> Any:
        scheduler = self.make(timezone="UTC")
        yield scheduler
        if scheduler.state != STATE_STOPPED:
            self.stop(scheduler)

    def test_a_job_added_before_the_start_runs(self, scheduler):
        ran = threading.Event()
        job = scheduler.add_job(ran.set)
        assert job.pending
        self.start(scheduler)
        assert self.wait(ran)

    def test_a_job_added_while_it_sleeps_wakes_it(self, scheduler):
        scheduler.add_job(print, "date", run_date=FAR)
        self.start(scheduler)
        self._let_it_sleep(scheduler)
        ran = threading.Event()
        scheduler.add_job(ran.set)
        assert self.wait(ran)

    def test_a_job_added_by_another_thread_wakes_it(self, scheduler):
        self.start(scheduler)
        self._let_it_sleep(scheduler)
        ran = threading.Event()
        thread = threading.Thread(target=scheduler.add_job, args=(ran.set,))
        thread.start()
        assert self.wait(ran)
        thread.join()

    def test_a_job_brought_forward_wakes_it(self, scheduler):
        ran = threading.Event()
        scheduler.add_job(ran.set, "date", run_date=FAR, id="late")
        self.start(scheduler)
        self._let_it_sleep(scheduler)
        scheduler.modify_job("late", next_run_time=datetime.now(timezone.utc))
        assert self.wait(ran)

    def _let_it_sleep(self, scheduler: Any) -> None:
        """One job has run, so the loop has computed how long it will sleep at least once."""
        ran = threading.Event()
        scheduler.add_job(ran.set)
        assert self.wait(ran)

    def test_an_interval_job_runs_again_and_again(self, scheduler):
        runs, enough = [], threading.Event()

        def count() -> None:
            runs.append(1)
            if len(runs) >= 3:
                enough.set()

        scheduler.add_job(count, "interval", seconds=0.02)
        self.start(scheduler)
        assert self.wait(enough)

    def test_paused_it_runs_nothing_and_resumed_it_does(self, scheduler):
        ran, first = threading.Event(), []
        scheduler.add_job(lambda: (first.append(scheduler.state), ran.set()), misfire_grace_time=None)
        self.start(scheduler, paused=True)
        assert scheduler.state == STATE_PAUSED
        assert scheduler.running
        scheduler.wakeup()
        scheduler.resume()
        assert self.wait(ran)
        assert first == [STATE_RUNNING], "it ran only after the resume"

    def test_a_removed_job_does_not_run(self, scheduler):
        ran, removed_ran = threading.Event(), threading.Event()
        self.start(scheduler)
        soon = datetime.now(timezone.utc) + timedelta(milliseconds=100)
        scheduler.add_job(removed_ran.set, "date", run_date=soon, id="gone")
        scheduler.add_job(ran.set, "date", run_date=soon + timedelta(milliseconds=50))
        scheduler.remove_job("gone")
        assert self.wait(ran)
        assert not removed_ran.is_set()

    def test_a_job_that_raises_is_told_and_the_next_one_runs(self, scheduler):
        failed, ran, errors = threading.Event(), threading.Event(), []

        def fail() -> None:
            raise ZeroDivisionError("no")

        scheduler.add_listener(lambda event: (errors.append(event.exception), failed.set()), EVENT_JOB_ERROR)
        scheduler.add_job(fail)
        self.start(scheduler)
        assert self.wait(failed)
        assert isinstance(errors[0], ZeroDivisionError)
        scheduler.add_job(ran.set)
        assert self.wait(ran)

    def test_a_job_with_a_broken_limit_keeps_no_other_back(self, scheduler):
        runs, enough = [], threading.Event()

        def count() -> None:
            runs.append(1)
            if len(runs) == 3:  # its place was given back each time
                enough.set()

        scheduler.add_job(count, "interval", seconds=0.02, max_instances=1)
        self.start(scheduler, paused=True)
        scheduler.add_job(print, "interval", seconds=0.02).max_instances = None
        scheduler.resume()
        assert self.wait(enough)

    def test_events_come_in_the_order_of_what_happened(self, scheduler):
        told, done = [], threading.Event()

        def listen(event: Any) -> None:
            told.append(event.code)
            if {EVENT_JOB_EXECUTED, EVENT_JOB_REMOVED} <= set(told):
                done.set()

        scheduler.add_listener(listen, EVENT_ALL)
        self.start(scheduler)
        scheduler.add_job(int)
        assert self.wait(done)
        assert told.index(EVENT_SCHEDULER_STARTED) < told.index(EVENT_JOB_ADDED)
        assert told.index(EVENT_JOB_ADDED) < told.index(EVENT_JOB_SUBMITTED) < told.index(EVENT_JOB_EXECUTED)

    def test_states_and_errors(self, scheduler):
        for method in (scheduler.shutdown, scheduler.pause, scheduler.resume):
            with pytest.raises(SchedulerNotRunningError):
                method()
        self.start(scheduler)
        assert (scheduler.state, scheduler.running) == (STATE_RUNNING, True)
        with pytest.raises(SchedulerAlreadyRunningError):
            scheduler.start()
        with pytest.raises(SchedulerAlreadyRunningError):
            scheduler.configure()
        self.stop(scheduler)
        assert (scheduler.state, scheduler.running) == (STATE_STOPPED, False)

    def test_it_starts_again_after_a_shutdown(self, scheduler):
        for _ in range(2):
            ran = threading.Event()
            scheduler.add_job(ran.set)
            self.start(scheduler)
            assert self.wait(ran)
            self.stop(scheduler)

    def test_a_job_may_shut_the_scheduler_down(self, scheduler):
        stopped = threading.Event()
        scheduler.add_listener(lambda event: stopped.set(), EVENT_SCHEDULER_SHUTDOWN)
        scheduler.add_job(scheduler.shutdown)
        self.start(scheduler)
        assert self.wait(stopped)
        assert scheduler.state == STATE_STOPPED

    def test_a_listener_may_shut_the_scheduler_down(self, scheduler):
        stopped = threading.Event()
        scheduler.add_listener(lambda event: scheduler.shutdown(), EVENT_JOB_EXECUTED)
        scheduler.add_listener(lambda event: stopped.set(), EVENT_SCHEDULER_SHUTDOWN)
        scheduler.add_job(int)
        self.start(scheduler)
        assert self.wait(stopped)
        assert scheduler.state == STATE_STOPPED

    def test_a_listener_may_shut_it_down_while_it_starts(self, scheduler):
        stopped = threading.Event()
        scheduler.add_listener(lambda event: scheduler.shutdown(), EVENT_JOB_ADDED)
        scheduler.add_listener(lambda event: stopped.set(), EVENT_SCHEDULER_SHUTDOWN)
        scheduler.add_job(int, "date", run_date=FAR)
        self.start(scheduler)
        assert self.wait(stopped)
        assert scheduler.state == STATE_STOPPED

    def test_a_listener_may_remove_the_job(self, scheduler):
        removed, told = threading.Event(), []
        scheduler.add_listener(lambda event: scheduler.remove_job(event.job_id), EVENT_JOB_EXECUTED)
        scheduler.add_listener(lambda event: (told.append(event.job_id), removed.set()), EVENT_JOB_REMOVED)
        scheduler.add_job(int, "interval", seconds=0.02, id="once")
        self.start(scheduler)
        assert self.wait(removed)
        assert told == ["once"]
        assert scheduler.get_job("once") is None
