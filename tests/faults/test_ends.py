"""What must not end the loop or a pool, and starts and stops at awkward moments."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any, ClassVar

import pytest

from rapscheduler.errors import ConflictingIdError, SchedulerAlreadyRunningError, SchedulerNotRunningError
from rapscheduler.events import EVENT_JOB_EXECUTED, EVENT_JOB_PARKED, EVENT_JOB_SUBMITTED
from rapscheduler.executors._workers import WorkerPool
from rapscheduler.executors.debug import DebugExecutor
from rapscheduler.executors.pool import ThreadPoolExecutor
from rapscheduler.jobstores.memory import MemoryJobStore
from rapscheduler.schedulers.asyncio import AsyncIOScheduler
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.schedulers.blocking import BlockingScheduler
from rapscheduler.testing import ManualScheduler
from rapscheduler.triggers.base import BaseTrigger

pytestmark = pytest.mark.faults

WAIT_S = 20.0
LATE = {"misfire_grace_time": None}
PAST = datetime(2020, 1, 1, tzinfo=timezone.utc)


class Slow(MemoryJobStore):
    """Says what is due when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.answer = threading.Event(), threading.Event()

    def get_due_jobs(self, now: datetime) -> Any:
        self.asked.set()
        self.answer.wait(WAIT_S)
        return super().get_due_jobs(now)


class Exiting(BaseTrigger):
    def get_next_fire_time(self, previous_fire_time: Any, now: datetime) -> datetime:
        if previous_fire_time is None:
            return now
        raise SystemExit(3)


class ExitingStore(MemoryJobStore):
    calls = 0

    def get_due_jobs(self, now: datetime) -> Any:
        self.calls += 1
        if self.calls == 1:
            raise SystemExit(3)
        return super().get_due_jobs(now)


def test_an_exit_in_a_trigger_parks_its_job_alone(background: BackgroundScheduler) -> None:
    parked, ran = threading.Event(), threading.Event()
    background.add_listener(lambda event: parked.set(), EVENT_JOB_PARKED)
    background.start()
    background.add_job(int, Exiting(), id="exits")
    assert parked.wait(WAIT_S)
    background.add_job(ran.set)
    assert ran.wait(WAIT_S) and background.health()["alive"]
    assert [one.job_id for one in background.get_parked_jobs()] == ["exits"]


def test_an_exit_in_a_store_does_not_end_the_loop(background: BackgroundScheduler) -> None:
    ran = threading.Event()
    background.add_jobstore(ExitingStore())
    background.start()
    background.add_job(ran.set)
    assert ran.wait(WAIT_S)


def test_a_job_with_a_broken_limit_keeps_no_other_back(background: BackgroundScheduler) -> None:
    ran: Any = threading.Semaphore(0)
    # its place was given back before
    background.add_listener(lambda event: ran.release(), EVENT_JOB_EXECUTED)
    background.start(paused=True)
    good = background.add_job(int, "interval", hours=1, next_run_time=PAST)
    background.add_job(int, "interval", hours=1, next_run_time=PAST).max_instances = None
    for _ in range(3):  # its place is given back each time
        background.resume()
        assert ran.acquire(timeout=WAIT_S)
        background.pause()
        assert background._loop.wait_idle(WAIT_S)
        good.modify(next_run_time=PAST)


def test_an_executor_that_comes_late_wakes_the_loop(background: BackgroundScheduler) -> None:
    parked, ran = threading.Event(), threading.Event()
    background.add_listener(lambda event: parked.set(), EVENT_JOB_PARKED)
    background.start()
    background.add_job(ran.set, executor="late")
    assert parked.wait(WAIT_S)
    background._loop.wait_idle()
    background.add_executor(ThreadPoolExecutor(1), "late")
    assert ran.wait(WAIT_S)


def test_an_executor_that_comes_while_its_jobs_are_parked_runs_them() -> None:
    class Late(MemoryJobStore):
        def _settle(self, changes: Any) -> None:
            if "late" not in scheduler._executors:
                scheduler.add_executor(DebugExecutor(), "late")  # looks for parked jobs: there is none yet
            super()._settle(changes)

    ran: list[int] = []
    scheduler = ManualScheduler(jobstores={"default": Late()})
    scheduler.start()
    scheduler.add_job(ran.append, "interval", minutes=1, args=[1], executor="late", misfire_grace_time=None)
    scheduler.advance(timedelta(seconds=60))
    assert ran == [1] and scheduler.get_parked_jobs() == []


def test_a_start_that_fails_twice_over_can_be_repeated() -> None:
    class Unstartable(MemoryJobStore):
        fails = True

        def start(self, scheduler: Any, alias: str) -> None:
            if self.fails:
                raise OSError("no server")
            super().start(scheduler, alias)

    class Unstoppable(ThreadPoolExecutor):
        def shutdown(self, wait: bool = True, timeout: float | None = None) -> None:
            super().shutdown(wait, timeout)
            raise RuntimeError("can't stop")

    store = Unstartable()
    scheduler = BackgroundScheduler(executors={"default": Unstoppable(1)}, jobstores={"default": store})
    with pytest.raises(OSError, match="no server"):
        scheduler.start()
    store.fails = False
    scheduler.start()
    scheduler.shutdown()


def test_no_start_while_a_shutdown_waits_for_its_pass(background: BackgroundScheduler) -> None:
    outcome: list[Any] = []

    def stop_and_start(event: Any) -> None:
        background.shutdown()
        with pytest.raises(SchedulerAlreadyRunningError):
            background.start()
        outcome.append("refused")

    background.add_listener(stop_and_start, EVENT_JOB_SUBMITTED)
    background.start()
    thread: Any = background._thread
    background.add_job(int)
    thread.join(WAIT_S)
    assert not thread.is_alive() and outcome == ["refused"] and not background.running
    background.start()  # now it can


def test_no_start_while_another_thread_shuts_down(background: BackgroundScheduler) -> None:
    """The shutdown would close the pools and stores that the start opens, and wait for the wrong loop."""
    begun, end = threading.Event(), threading.Event()

    def job() -> None:
        begun.set()
        end.wait(WAIT_S)

    background.start()
    background.add_job(job)
    assert begun.wait(WAIT_S)
    stopping = threading.Thread(target=background.shutdown)
    stopping.start()
    while background.running:
        stopping.join(0.001)
    with pytest.raises(SchedulerAlreadyRunningError, match="a shutdown is under way"):
        background.start()
    end.set()
    stopping.join(WAIT_S)
    ran = threading.Event()
    background.add_job(ran.set)
    background.start()
    assert ran.wait(WAIT_S)


def test_starts_and_shutdowns_from_many_threads_leave_one_scheduler(background: BackgroundScheduler) -> None:
    def both() -> None:
        for _ in range(100):
            for call in (background.start, background.shutdown):
                with contextlib.suppress(SchedulerAlreadyRunningError, SchedulerNotRunningError):
                    call()

    threads = [threading.Thread(target=both, daemon=True) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
        assert not thread.is_alive()
    ran = threading.Event()
    background.add_job(ran.set)
    background.start()
    assert ran.wait(WAIT_S)
    background.shutdown()
    assert not [thread for thread in threading.enumerate() if thread.name == "APScheduler"]


def test_a_shutdown_that_does_not_wait_for_a_slow_store_says_so(caplog: Any) -> None:
    store = Slow()
    scheduler = BackgroundScheduler(timezone="UTC", jobstores={"default": store})
    scheduler.start()
    assert store.asked.wait(WAIT_S)
    scheduler.shutdown(timeout=0.01)
    assert "looking for due jobs still after 0.01 s" in caplog.text
    store.answer.set()


def test_a_job_that_looks_for_jobs_itself_can_still_shut_down() -> None:
    scheduler = BlockingScheduler(executors={"default": DebugExecutor()}, job_defaults=LATE)

    def job() -> None:
        scheduler._process_jobs()  # a pass inside a pass finds the loop busy
        scheduler.shutdown()

    scheduler.add_job(job)
    thread = threading.Thread(target=scheduler.start, daemon=True)
    thread.start()
    thread.join(WAIT_S)
    assert not thread.is_alive()


def test_a_loop_that_outlived_its_shutdown_ends_after_the_next_start(background: BackgroundScheduler) -> None:
    entered, gate = threading.Event(), threading.Event()

    def hang(event: Any) -> None:
        entered.set()
        gate.wait(WAIT_S)

    background.add_listener(hang, EVENT_JOB_SUBMITTED)
    background.start()
    old: Any = background._thread
    background.add_job(int)
    assert entered.wait(WAIT_S)
    background.shutdown(timeout=0.01)
    background.remove_listener(hang)
    background.start()
    gate.set()
    old.join(WAIT_S)
    assert not old.is_alive() and background.health()["alive"]


def test_the_loop_never_sees_a_job_without_its_store() -> None:
    class Looking(MemoryJobStore):
        """As if the loop took the job as soon as it is there."""

        seen: ClassVar[list[Any]] = []

        def add_job(self, job: Any) -> None:
            super().add_job(job)
            self.seen.append(job._jobstore_alias)

        def _add_jobs(self, jobs: Any) -> None:
            for job in jobs:
                self.add_job(job)

    scheduler = ManualScheduler(jobstores={"default": Looking()})
    scheduler.start()
    scheduler.add_job(int, id="a")
    scheduler.add_jobs([{"id": "b"}], func=int)
    assert Looking.seen == ["default", "default"]
    with pytest.raises(ConflictingIdError):
        scheduler.add_job(int, id="a")


def test_health_takes_nothing_from_what_the_loop_remembers() -> None:
    scheduler = ManualScheduler()
    scheduler.start()
    scheduler._process_jobs()
    before = scheduler._shelves.all()
    scheduler.add_jobstore(MemoryJobStore(), "new")
    assert "new" in scheduler.health()["due"]
    assert scheduler._shelves.all()[:1] == before


def test_a_worker_survives_whatever_its_work_raises() -> None:
    done: list[int] = []
    all_done = threading.Event()

    def work(task: int) -> None:
        if task == 0:
            raise SystemExit
        done.append(task)
        all_done.set()

    pool = WorkerPool(1, work=work, lost=lambda task, error: None)
    pool.put([0, 1])
    assert all_done.wait(WAIT_S) and done == [1]
    assert pool.shutdown(timeout=WAIT_S) and pool.unfinished() == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_pool_whose_lock_was_held_at_a_fork_works_in_the_child() -> None:
    done: list[int] = []
    pool = WorkerPool(1, work=done.append, lost=lambda task, error: None)
    with pool._lock:
        child = os.fork()
        if child == 0:
            _in_child(lambda: (pool.put([1]), pool.shutdown(timeout=WAIT_S) and done == [1])[1])
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert pool.shutdown() and done == []


def _in_child(check: Callable[[], bool]) -> None:
    import signal

    signal.alarm(int(WAIT_S))
    try:
        os._exit(0 if check() else 1)
    finally:
        os._exit(2)


def test_a_listener_may_shut_down_a_pool_of_processes(caplog: Any) -> None:
    scheduler = BackgroundScheduler(executors={"default": {"type": "processpool", "max_workers": 1}})
    ended = threading.Event()

    def stop(event: Any) -> None:
        scheduler.shutdown()
        ended.set()

    scheduler.add_listener(stop, EVENT_JOB_EXECUTED)
    scheduler.start()
    scheduler.add_job(os.getpid, misfire_grace_time=None)
    assert ended.wait(60)
    assert [record for record in caplog.records if "Error shutting down" in record.message] == []


class Raising(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if "skipped" in record.getMessage():
            raise RuntimeError("a filter of the user's")
        return True


def test_what_was_submitted_is_settled_whatever_is_raised_then() -> None:
    ran: list[str] = []
    scheduler = ManualScheduler(jobstore_retry_interval=10, job_defaults=LATE)
    scheduler.start()
    scheduler._running_counts.acquire("busy", 1)
    for name in ("busy", "good"):
        scheduler.add_job(ran.append, "interval", args=[name], minutes=1, id=name)
    raising = Raising()
    scheduler._logger.addFilter(raising)
    try:
        scheduler.advance(timedelta(seconds=90))  # 60, and three tries of the other one
    finally:
        scheduler._logger.removeFilter(raising)
    assert ran == ["good"]


def test_jobs_that_come_due_while_the_interpreter_ends_make_no_noise() -> None:
    program = """
import logging, threading
from rapscheduler.schedulers.background import BackgroundScheduler
logging.basicConfig(level=logging.WARNING)
scheduler = BackgroundScheduler()
scheduler.start()
began, refused = threading.Event(), threading.Event()
pool = scheduler._executors["default"]._pool
put = pool.put
def noting(tasks):
    try:
        put(tasks)
    except RuntimeError:
        refused.set()
        raise
pool.put = noting
def last():
    began.set()
    while not pool._shutdown:  # until the interpreter ends
        threading.main_thread().join(0.01)
    scheduler.add_job(print, args=["too late"])
    refused.wait(5)
scheduler.add_job(last)
began.wait()
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=60
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_a_pass_that_finds_its_event_loop_closed_makes_no_noise(caplog: Any) -> None:
    """A program ends while the private thread of its scheduler asks a store: the job stays due, nobody need know."""
    store = Slow()

    async def program() -> None:
        scheduler.start()
        await asyncio.to_thread(store.asked.wait, WAIT_S)

    scheduler = AsyncIOScheduler(timezone="UTC", jobstores={"default": store})
    scheduler.add_job(int, id="due", **LATE)
    asyncio.run(program())
    worker: Any = scheduler._worker
    store.answer.set()
    worker.shutdown(wait=True)
    assert scheduler._loop.figures.submitted == 0 and scheduler.get_job("due") is not None
    assert [record.getMessage() for record in caplog.records if record.levelno > logging.INFO] == []
