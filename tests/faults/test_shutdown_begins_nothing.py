"""A backlog under way: after a shutdown, or without its job, no other run begins, and what was not run stays due."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from rapscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED, EVENT_JOB_MISSED
from rapscheduler.executors.debug import DebugExecutor
from rapscheduler.executors.pool import ProcessPoolExecutor, ThreadPoolExecutor
from rapscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from rapscheduler.schedulers.asyncio import AsyncIOScheduler
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.testing import ManualScheduler
from rapscheduler.triggers.base import BaseTrigger

pytestmark = pytest.mark.faults

WAIT_S = 5.0
RUNS = 40
ALL: dict[str, Any] = {"coalesce": False, "misfire_grace_time": None}


class Gate:
    """A job that says when it begins, and ends when it may."""

    def __init__(self) -> None:
        self.began, self.may_end = threading.Semaphore(0), threading.Semaphore(0)
        self.runs = 0

    def run(self) -> None:
        self.runs += 1
        self.began.release()
        assert self.may_end.acquire(timeout=WAIT_S)


GATE = Gate()


@pytest.fixture
def gate() -> Any:
    GATE.__init__()  # type: ignore[misc]
    return GATE


def pass_gate() -> None:
    GATE.run()


def count() -> None:
    GATE.runs += 1


def past(runs: int = RUNS) -> datetime:
    """When an hourly job began that has missed so many runs by now."""
    return datetime.now(timezone.utc) - timedelta(hours=runs - 1, minutes=30)


class Hourly(BaseTrigger):
    """A trigger of others."""

    def __init__(self, start: datetime) -> None:
        self.start = start

    def get_next_fire_time(self, previous_fire_time: Any, now: datetime) -> datetime:
        if previous_fire_time is None:
            return self.start
        return previous_fire_time + timedelta(hours=1)  # type: ignore[no-any-return]

    def __getstate__(self) -> dict[str, Any]:
        return {"start": self.start.timestamp()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.start = datetime.fromtimestamp(state["start"], timezone.utc)


def add_hourly(scheduler: Any, func: Callable[..., Any], runs: int = RUNS, **options: Any) -> datetime:
    start = past(runs)
    scheduler.add_job(
        func, "interval", hours=1, start_date=start, next_run_time=start, id="j", **{**ALL, **options}
    )
    return start


def store_in(tmp_path: Path) -> SQLAlchemyJobStore:
    return SQLAlchemyJobStore(url=f"sqlite:///{tmp_path / 'jobs.sqlite'}")


def due_in(tmp_path: Path) -> Any:
    """The job of a closed scheduler, as the next one finds it."""
    scheduler = BackgroundScheduler(timezone="UTC", jobstores={"default": store_in(tmp_path)})
    scheduler.start(paused=True)
    try:
        return scheduler.get_job("j")
    finally:
        scheduler.shutdown()


@pytest.mark.parametrize("ending", ["waits", "timeout", "no wait"])
def test_what_a_shutdown_left_of_a_backlog_stays_due(tmp_path: Path, gate: Gate, ending: str) -> None:
    scheduler = BackgroundScheduler(timezone="UTC", jobstores={"default": store_in(tmp_path)})
    start = add_hourly(scheduler, pass_gate)
    scheduler.start()
    for _ in range(3):
        assert gate.began.acquire(timeout=WAIT_S)
        if _ < 2:
            gate.may_end.release()
    if ending == "waits":
        thread = threading.Thread(target=scheduler.shutdown)
        thread.start()
        while scheduler.running:
            threading.Event().wait(0.001)
        gate.may_end.release(RUNS)
        thread.join(WAIT_S)
    elif ending == "timeout":
        scheduler.shutdown(timeout=0.01)
    else:
        scheduler.shutdown(wait=False)
    gate.may_end.release(RUNS)
    scheduler._executors["default"]._pool.shutdown(wait=True)
    assert gate.runs == 3
    job = due_in(tmp_path)
    assert job.next_run_time == start + timedelta(hours=3)
    again = BackgroundScheduler(timezone="UTC", jobstores={"default": store_in(tmp_path)})
    again.start()
    for _ in range(RUNS - 3):
        assert gate.began.acquire(timeout=WAIT_S)
    again.shutdown()
    assert gate.runs == RUNS
    assert due_in(tmp_path).next_run_time == start + timedelta(hours=RUNS)


def test_a_job_whose_schedule_was_over_comes_back_for_what_was_left(tmp_path: Path, gate: Gate) -> None:
    scheduler = BackgroundScheduler(timezone="UTC", jobstores={"default": store_in(tmp_path)})
    start = add_hourly(scheduler, pass_gate, end_date=datetime.now(timezone.utc))
    scheduler.start()
    assert gate.began.acquire(timeout=WAIT_S)
    while scheduler.get_job("j") is not None:
        threading.Event().wait(0.001)
    scheduler.shutdown(wait=False)
    gate.may_end.release(RUNS)
    assert due_in(tmp_path).next_run_time == start + timedelta(hours=1)
    scheduler._executors["default"]._pool.shutdown(wait=True)
    assert gate.runs == 1


def test_the_backlog_of_a_trigger_of_others_stays_due(gate: Gate) -> None:
    scheduler = BackgroundScheduler(timezone="UTC")
    start = past(5)
    job = scheduler.add_job(pass_gate, Hourly(start), next_run_time=start, id="j", **ALL)
    scheduler.start()
    assert gate.began.acquire(timeout=WAIT_S)
    seen: list[Any] = []
    close = scheduler._jobstores["default"].shutdown
    scheduler._jobstores["default"].shutdown = lambda: (seen.append(job.next_run_time), close())
    scheduler.shutdown(wait=False)
    gate.may_end.release(RUNS)
    assert seen == [start + timedelta(hours=1)]


@pytest.mark.parametrize("how", ["remove", "remove all", "pause", "remove store"])
def test_a_backlog_ends_with_its_job(gate: Gate, how: str) -> None:
    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.add_jobstore("memory", "own")
    add_hourly(scheduler, pass_gate, jobstore="own")
    scheduler.start()
    assert gate.began.acquire(timeout=WAIT_S)
    if how == "remove":
        scheduler.remove_job("j")
    elif how == "remove all":
        scheduler.remove_all_jobs()
    elif how == "pause":
        scheduler.pause_job("j")
    else:
        scheduler.remove_jobstore("own")
    gate.may_end.release(RUNS)
    while scheduler._running_counts.count("j"):
        threading.Event().wait(0.001)
    assert gate.runs == 1
    scheduler.shutdown()
    assert gate.runs == 1


def test_a_queued_backlog_of_a_removed_job_does_not_begin(gate: Gate) -> None:
    scheduler = BackgroundScheduler(timezone="UTC", executors={"default": ThreadPoolExecutor(1)})
    scheduler.add_job(pass_gate)
    scheduler.start()
    assert gate.began.acquire(timeout=WAIT_S)
    add_hourly(scheduler, count)
    while not scheduler._running_counts.count("j"):
        threading.Event().wait(0.001)
    scheduler.remove_job("j")
    gate.may_end.release()
    scheduler.shutdown()
    assert gate.runs == 1


def test_events_go_out_as_runs_end(gate: Gate) -> None:
    scheduler = BackgroundScheduler(timezone="UTC")
    told = threading.Semaphore(0)
    scheduler.add_listener(lambda event: told.release(), EVENT_JOB_EXECUTED)
    add_hourly(scheduler, pass_gate, 3)
    scheduler.start()
    for _ in range(3):
        assert gate.began.acquire(timeout=WAIT_S)
        gate.may_end.release()
        if _ < 2:
            assert gate.began.acquire(timeout=WAIT_S)  # the next one runs, and this one
            assert told.acquire(timeout=WAIT_S)
            gate.began.release()
    assert told.acquire(timeout=WAIT_S)
    scheduler.shutdown()


def test_an_executor_that_looks_at_the_events_gets_all_of_a_backlog_at_once(gate: Gate) -> None:
    groups: list[int] = []

    class Looking(DebugExecutor):
        def _run_job_success(self, job_id: str, events: Any) -> None:
            groups.append(len(events))
            super()._run_job_success(job_id, events)

    scheduler = ManualScheduler(executors={"default": Looking()})
    scheduler.start()
    scheduler.add_job(count, "interval", hours=1, id="j", **ALL)
    scheduler.clock.advance(timedelta(hours=4))
    scheduler.advance(0)
    assert groups == [4] and gate.runs == 4


def test_a_job_of_a_backlog_that_shuts_its_scheduler_down(gate: Gate) -> None:
    scheduler = ManualScheduler()
    scheduler.start()

    def last() -> None:
        gate.runs += 1
        if gate.runs == 2:
            scheduler.shutdown()

    job = scheduler.add_job(last, "interval", hours=1, id="j", **ALL)
    first = job.next_run_time
    seen: list[Any] = []
    close = scheduler._jobstores["default"].shutdown
    scheduler._jobstores["default"].shutdown = lambda: (seen.append(job.next_run_time), close())
    scheduler.clock.advance(timedelta(hours=5))
    scheduler.advance(0)
    assert gate.runs == 2 and seen == [first + timedelta(hours=2)]


def test_what_can_not_stay_due_is_told(gate: Gate, caplog: Any) -> None:
    """A later run of the job was made meanwhile: putting it back would make that one twice."""
    scheduler = ManualScheduler(executors={"default": ThreadPoolExecutor(2)})
    missed: list[Any] = []
    scheduler.add_listener(missed.append, EVENT_JOB_MISSED)
    scheduler.start()
    job = scheduler.add_job(pass_gate, "interval", hours=1, id="j", max_instances=2, **ALL)
    first = job.next_run_time
    scheduler.clock.advance(timedelta(hours=5))
    scheduler.advance(0)
    assert gate.began.acquire(timeout=WAIT_S)
    scheduler.advance(timedelta(hours=1))
    assert gate.began.acquire(timeout=WAIT_S)
    gate.may_end.release(2)
    scheduler.shutdown(wait=False)
    left = [first + timedelta(hours=i) for i in range(1, 5)]
    told = [event.scheduled_run_time for event in missed]
    assert told == left[-len(told) :] and len(told) >= 2
    assert [event.cause for event in missed] == ["shutdown"] * len(told)
    assert "are not made" in caplog.text
    gate.may_end.release(RUNS)


async def wait_at_gate() -> None:
    GATE.runs += 1
    await asyncio.sleep(0)
    if GATE.runs == 2:
        await asyncio.Event().wait()


@pytest.mark.parametrize("func", [wait_at_gate, pass_gate])
def test_a_backlog_in_an_event_loop(tmp_path: Path, gate: Gate, func: Any) -> None:
    errors: list[Any] = []

    async def program() -> datetime:
        scheduler = AsyncIOScheduler(timezone="UTC", jobstores={"default": store_in(tmp_path)})
        scheduler.add_listener(errors.append, EVENT_JOB_ERROR)
        start = add_hourly(scheduler, func)
        scheduler.start()
        gate.may_end.release()
        while gate.runs < 2:
            await asyncio.sleep(0.001)
        scheduler.shutdown(wait=False)
        gate.may_end.release()
        while scheduler._is_stopping() or scheduler._executors["default"]._pending_futures:
            await asyncio.sleep(0.001)
        return start

    start = asyncio.run(program())
    assert gate.runs == 2
    assert len(errors) == (1 if func is wait_at_gate else 0)  # the run that was cancelled
    assert due_in(tmp_path).next_run_time == start + timedelta(hours=2)


def test_a_backlog_in_processes(tmp_path: Path) -> None:
    scheduler = BackgroundScheduler(
        timezone="UTC",
        jobstores={"default": store_in(tmp_path)},
        executors={"default": ProcessPoolExecutor(1)},
    )
    told = threading.Semaphore(0)
    scheduler.add_listener(lambda event: told.release(), EVENT_JOB_EXECUTED)
    database = str(tmp_path / "runs.sqlite")
    with sqlite3.connect(database) as connection:
        connection.execute("create table runs (n int)")
    connection.close()
    start = add_hourly(scheduler, note, runs=2000, args=[database])
    scheduler.start()
    for _ in range(3):
        assert told.acquire(timeout=WAIT_S)  # long before the last
    scheduler.shutdown()
    with sqlite3.connect(database) as connection:
        ((runs,),) = connection.execute("select count(*) from runs").fetchall()
    connection.close()
    assert 3 <= runs < 2000
    assert due_in(tmp_path).next_run_time == start + timedelta(hours=runs)


def note(database: str) -> None:
    with sqlite3.connect(database) as connection:
        connection.execute("insert into runs values (1)")
    connection.close()
