"""What every scheduler in an event loop does beyond the contract of all schedulers. Joins by `in_loop`."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.conformance.scheduler_contract import FAR, SchedulerContract

from rapscheduler.events import EVENT_ALL, EVENT_JOB_EXECUTED, EVENT_SCHEDULER_SHUTDOWN
from rapscheduler.executors.base import BaseExecutor, run_job
from rapscheduler.executors.pool import ThreadPoolExecutor
from rapscheduler.jobstores.base import BaseJobStore
from rapscheduler.jobstores.memory import MemoryJobStore
from rapscheduler.schedulers.base import STATE_STOPPED

SLOW_S = 0.2  # a call of the slow store
BLOCKED_S = 0.02  # no pass may hold the loop up for so long by waiting


def thread_ident() -> int:
    """The ident of the native thread, also where gevent has patched ``threading``."""
    monkey = sys.modules.get("gevent.monkey")
    get_ident = threading.get_ident if monkey is None else monkey.get_original("_thread", "get_ident")
    return int(get_ident())


class SlowStore(BaseJobStore):
    """A store of somebody else's, in memory, whose every call waits like a database far away.

    `waited_in` collects in which threads it waited; only what the scheduler does by itself is slow, the user's own
    calls are not (they set `patient`).
    """

    def __init__(self) -> None:
        super().__init__()
        self._inner = MemoryJobStore()
        self.waited_in: list[int] = []
        self.patient = True
        self.waiting = threading.Event()

    def start(self, scheduler: Any, alias: str) -> None:
        super().start(scheduler, alias)
        self._inner.start(scheduler, alias)

    def _wait(self) -> None:
        if not self.patient:
            self.waited_in.append(thread_ident())
            self.waiting.set()
            time.sleep(SLOW_S)

    def get_due_jobs(self, now: Any) -> Any:
        self._wait()
        return self._inner.get_due_jobs(now)

    def get_next_run_time(self) -> Any:
        self._wait()
        return self._inner.get_next_run_time()

    def update_job(self, job: Any) -> None:
        self._wait()
        self._inner.update_job(job)

    def remove_job(self, job_id: str) -> None:
        self._wait()
        self._inner.remove_job(job_id)

    def lookup_job(self, job_id: str) -> Any:
        return self._inner.lookup_job(job_id)

    def get_all_jobs(self) -> Any:
        return self._inner.get_all_jobs()

    def add_job(self, job: Any) -> None:
        self._inner.add_job(job)

    def remove_all_jobs(self) -> None:
        self._inner.remove_all_jobs()


class ForeignExecutor(BaseExecutor):
    """Somebody's executor that must be called in the loop, as APScheduler does."""

    def __init__(self) -> None:
        super().__init__()
        self.submitted_in: list[int] = []

    def _do_submit_job(self, job: Any, run_times: Any) -> None:
        self.submitted_in.append(thread_ident())
        self._run_job_success(job.id, run_job(job, job._jobstore_alias, run_times, self._logger.name))


class LoopContract(SchedulerContract):
    """Inherit, and give ``make``, ``in_loop``, ``wait`` and ``later``."""

    #: Whether stores wait in the loop's own thread, where waiting lets others run.
    cooperative = False

    def in_loop(self, function: Callable[[], Any]) -> Any:
        """Call something in the loop, from the test; its result."""
        raise NotImplementedError

    def later(self, seconds: float, function: Callable[[], None]) -> None:
        """Let the loop call something after that many seconds. Called in the loop."""
        raise NotImplementedError

    def beat(self, until: threading.Event) -> list[float]:
        """Let the loop beat every millisecond until the event is set: the seconds by which each beat came late."""
        gaps: list[float] = []

        def start() -> None:
            last = [time.perf_counter()]

            def tick() -> None:
                now = time.perf_counter()
                gaps.append(now - last[0])
                last[0] = now
                if not until.is_set():
                    self.later(0.001, tick)

            self.later(0.001, tick)

        self.in_loop(start)
        return gaps

    def start(self, scheduler: Any, **kwargs: Any) -> None:
        self.in_loop(lambda: scheduler.start(**kwargs))

    def ident(self) -> int:
        return int(self.in_loop(thread_ident))

    def test_a_slow_store_does_not_hold_the_loop_up(self, scheduler):
        store, ran, ended = SlowStore(), threading.Event(), threading.Event()
        scheduler.add_jobstore(store)
        self.start(scheduler)
        gaps = self.beat(ended)
        scheduler.add_listener(lambda event: ran.set(), EVENT_JOB_EXECUTED)
        scheduler.add_job(int, "interval", seconds=0.05, misfire_grace_time=None)
        store.patient = False
        scheduler.wakeup()
        assert self.wait(ran)
        store.patient = True
        ended.set()
        assert store.waited_in
        if not self.cooperative:
            assert self.ident() not in store.waited_in
        # The machine may be busy: but had the loop waited for the store, it would have lost SLOW_S more than once.
        assert sorted(gaps)[-2] < SLOW_S
        assert sorted(gaps)[len(gaps) // 2] < BLOCKED_S

    def test_shutdown_in_the_loop_during_a_pass_comes_after_it(self, scheduler):
        store, stopped = SlowStore(), threading.Event()
        scheduler.add_jobstore(store)
        scheduler.add_listener(lambda event: stopped.set(), EVENT_SCHEDULER_SHUTDOWN)
        scheduler.add_job(int, "date", run_date=FAR)
        self.start(scheduler)
        self._let_it_sleep(scheduler)
        store.patient = False
        store.waiting.clear()
        scheduler.wakeup()
        assert self.wait(store.waiting)
        self.in_loop(scheduler.shutdown)
        assert scheduler.state == STATE_STOPPED
        assert self.wait(stopped)

    def test_an_executor_of_others_is_called_in_the_loop(self, scheduler):
        executor, ran = ForeignExecutor(), threading.Event()
        scheduler.add_jobstore(SlowStore())
        scheduler.add_executor(executor, "foreign")
        self.start(scheduler)
        scheduler.add_job(ran.set, executor="foreign")
        assert self.wait(ran)
        assert executor.submitted_in == [self.ident()]

    @pytest.mark.parametrize("store", [MemoryJobStore, SlowStore])
    def test_listeners_are_called_in_the_loop(self, scheduler, store):
        told, done = [], threading.Event()

        def listen(event: Any) -> None:
            told.append((event.code, thread_ident()))
            if event.code == EVENT_JOB_EXECUTED and event.job_id == "threads":
                done.set()

        scheduler.add_jobstore(store())
        scheduler.add_executor(ThreadPoolExecutor(2), "threads")
        scheduler.add_listener(listen, EVENT_ALL)
        self.start(scheduler)
        thread = threading.Thread(target=lambda: self._let_it_sleep_from_afar(scheduler))
        self.in_loop(lambda: self.later(0.001, thread.start))  # the loop runs when the thread adds its jobs
        assert self.wait(done)
        thread.join()
        assert {ident for _, ident in told} == {self.ident()}

    def _let_it_sleep_from_afar(self, scheduler: Any) -> None:
        scheduler.add_job(int)
        scheduler.add_job(int, executor="threads", id="threads")

    def test_shutdown_in_another_thread_waits(self, scheduler):
        begun, end, ended, stopped = (threading.Event() for _ in range(4))

        def job() -> None:
            begun.set()
            end.wait(20)
            ended.set()

        scheduler.add_executor(ThreadPoolExecutor(2), "threads")
        self.start(scheduler)
        scheduler.add_job(job, executor="threads")
        assert self.wait(begun)

        def stop() -> None:
            scheduler.shutdown()
            assert ended.is_set()
            stopped.set()

        thread = threading.Thread(target=stop)
        thread.start()
        end.set()
        assert self.wait(stopped)
        thread.join()

    def test_its_timer_is_stopped(self, scheduler):
        self.start(scheduler)
        scheduler.add_job(int, "date", run_date=FAR)
        self._let_it_sleep(scheduler)
        self.stop(scheduler)
        assert self.in_loop(lambda: scheduler._timer_handle) is None
