"""Runs: who they are, where they are seen, run now, middleware; and that nobody pays for what nobody asks."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest

from rapscheduler._runs import Run, current, new_run_id
from rapscheduler.errors import (
    JobLookupError,
    NoResultError,
    SchedulerNotRunningError,
)
from rapscheduler.events import (
    EVENT_ALL,
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MISSED,
    EVENT_JOB_STARTED,
)
from rapscheduler.executors._tracked import Tracker
from rapscheduler.executors.pool import ProcessPoolExecutor
from rapscheduler.schedulers.asyncio import AsyncIOScheduler
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.testing import ManualScheduler


def current_run() -> Run | None:
    """As the public one, whose import would turn runs on for all tests of this process."""
    return current.get()


def seen_id() -> str | None:
    run = current.get()
    return None if run is None else run.id


def add(a: int, b: int = 0) -> int:
    return a + b


def fail() -> None:
    raise ValueError("no")


@pytest.fixture
def scheduler() -> Any:
    with BackgroundScheduler(timezone="UTC") as scheduler:
        yield scheduler


def paused(scheduler: Any, func: Any, **options: Any) -> Any:
    return scheduler.add_job(func, "interval", hours=1, next_run_time=None, **options)


# Ids


def test_ids_are_uuids_of_version_7_that_sort() -> None:
    ids = [new_run_id() for _ in range(5000)]
    assert ids == sorted(ids) and len(set(ids)) == len(ids)
    assert all(UUID(one).version == 7 and UUID(one).variant == "specified in RFC 4122" for one in ids[:50])
    stamp_ms = int(ids[0].replace("-", "")[:12], 16)
    assert abs(stamp_ms / 1000 - time.time()) < 60


# Run now


def test_run_now_gives_a_run_whose_result_can_be_waited_for(scheduler: Any) -> None:
    paused(scheduler, add, args=[1, 2], id="sum")
    run = scheduler.run_job("sum")
    assert run.result(5) == 3
    assert (run.job_id, run.state, run.attempt, run.jobstore) == ("sum", "done", 1, "default")
    assert run.scheduled_time <= run.started <= run.ended
    assert run.duration >= 0 and run.lateness >= 0


def test_it_leaves_the_schedule_alone(scheduler: Any) -> None:
    at = datetime(2099, 1, 1, tzinfo=timezone.utc)
    job = scheduler.add_job(add, "interval", hours=1, args=[1], next_run_time=at)
    job.run().result(5)
    assert scheduler.get_job(job.id).next_run_time == at
    still = paused(scheduler, add, args=[1])
    still.run().result(5)
    assert scheduler.get_job(still.id).next_run_time is None


def test_arguments_of_one_run(scheduler: Any) -> None:
    job = paused(scheduler, add, args=[1])
    assert job.run(args=[5], kwargs={"b": 6}).result(5) == 11
    assert job.run(kwargs={"b": 2}).result(5) == 3
    assert scheduler.get_job(job.id).args == (1,)
    with pytest.raises(ValueError, match="arguments"):
        job.run(args=[])


def test_what_the_job_raised_is_raised(scheduler: Any) -> None:
    run = paused(scheduler, fail).run()
    with pytest.raises(ValueError, match="no"):
        run.result(5)
    assert run.state == "failed" and run.as_dict()["error"] == "ValueError: no"


def test_waiting_has_an_end_and_the_run_goes_on(scheduler: Any) -> None:
    gate = threading.Event()
    run = paused(scheduler, gate.wait, args=[10]).run()
    with pytest.raises(TimeoutError, match="is still"):
        run.result(0.05)
    gate.set()
    assert run.result(5) is True


def test_no_more_runs_than_allowed_at_once(scheduler: Any) -> None:
    gate, told = threading.Event(), []
    scheduler.add_listener(told.append, EVENT_JOB_MAX_INSTANCES)
    job = paused(scheduler, gate.wait, args=[10])
    first, second = job.run(), job.run()
    assert second.state == "skipped" and len(told) == 1
    with pytest.raises(NoResultError, match="skipped: as many runs of it as allowed"):
        second.result()
    gate.set()
    first.result(5)


def test_what_can_not_be_run(scheduler: Any) -> None:
    with pytest.raises(JobLookupError):
        scheduler.run_job("nobody")
    job = paused(scheduler, add, args=[1], executor="elsewhere")
    with pytest.raises(KeyError, match="elsewhere"):
        job.run()
    assert scheduler.get_running() == []
    stopped = BackgroundScheduler()
    stopped.add_job(add, "interval", hours=1, args=[1], id="a")
    with pytest.raises(SchedulerNotRunningError):
        stopped.run_job("a")


def test_waiting_for_a_worker_is_not_missing_the_run() -> None:
    gate = threading.Event()
    with BackgroundScheduler(executors={"default": {"type": "threadpool", "max_workers": 1}}) as scheduler:
        blocking = paused(scheduler, gate.wait, args=[10]).run()
        late = paused(scheduler, add, args=[1], misfire_grace_time=1).run()
        time.sleep(1.2)
        gate.set()
        assert blocking.result(5) is True and late.result(5) == 1


def test_a_store_of_rows_runs_now(tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/jobs.db"
    with BackgroundScheduler(jobstores={"default": {"type": "sqlalchemy", "url": url}}) as scheduler:
        job = paused(scheduler, "operator:add", args=[1, 2])
        assert job.run().result(5) == 3
        assert scheduler.get_job(job.id).next_run_time is None


def test_a_manual_scheduler_runs_now_in_this_thread() -> None:
    with ManualScheduler() as scheduler:
        run = paused(scheduler, add, args=[1]).run()
        assert run.state == "done" and run.retval == 1


# Starting at once


def test_a_new_job_may_start_at_once_and_go_on_from_there() -> None:
    ran: list[Any] = []
    scheduler = ManualScheduler()
    early = scheduler.add_job(ran.append, "interval", hours=1, args=[1], id="early", start_immediately=True)
    scheduler.clock.advance(timedelta(minutes=5))
    scheduler.start()
    start = scheduler.clock.now()
    assert early.next_run_time == start  # when it is scheduled, not when it was drafted
    scheduler.add_jobs(
        [{"id": "b"}], func=ran.append, trigger="cron", hour=3, args=[2], start_immediately=True
    )
    scheduler.advance(0)
    assert ran == [1, 2]
    assert scheduler.get_job("early").next_run_time == start + timedelta(hours=1)
    assert scheduler.get_job("early")._extras is None
    with pytest.raises(AttributeError, match="runs a job now"):
        early.modify(start_immediately=True)


# Awaiting


def test_a_run_can_be_awaited() -> None:
    async def work(x: int) -> int:
        await asyncio.sleep(0)
        return x * 2

    async def main() -> Any:
        async with AsyncIOScheduler() as scheduler:
            job = paused(scheduler, work, args=[21])
            first = await (await scheduler.run_job_async(job.id))
            return first, await job.run()

    assert asyncio.run(main()) == (42, 42)


def test_giving_up_waiting_does_not_cancel_the_run() -> None:
    async def work() -> str:
        await asyncio.sleep(0.1)
        return "made"

    async def main() -> Any:
        async with AsyncIOScheduler() as scheduler:
            run = paused(scheduler, work).run()
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(run, 0.01)
            return await run

    assert asyncio.run(main()) == "made"


# The run in the job


def test_a_thread_knows_its_run(scheduler: Any) -> None:
    run = paused(scheduler, seen_id).run()
    assert run.result(5) == run.id
    assert current_run() is None


def test_a_coroutine_knows_its_run_and_so_do_its_tasks() -> None:
    async def work() -> Any:
        await asyncio.sleep(0)
        run = current_run()
        return run and run.id, await asyncio.create_task(asyncio.to_thread(seen_id))

    async def main() -> Any:
        async with AsyncIOScheduler() as scheduler:
            run = paused(scheduler, work).run()
            return run.id, await run

    mine, seen = asyncio.run(main())
    assert seen == (mine, mine)


def test_a_process_knows_its_run() -> None:
    with BackgroundScheduler(executors={"default": ProcessPoolExecutor(1)}) as scheduler:
        told: list[Any] = []
        scheduler.add_listener(told.append, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)
        run = paused(scheduler, "tests.unit.schedulers.test_runs:seen_id").run()
        assert run.result(30) == run.id
        bad = paused(scheduler, "tests.unit.schedulers.test_runs:fail").run()
        with pytest.raises(ValueError):
            bad.result(30)
    assert [event.run_id for event in told] == [run.id, bad.id]
    assert run.started is not None and run.started <= run.ended


def test_a_greenlet_knows_its_run() -> None:
    import gevent  # noqa: F401 (without it, this is skipped here and not red there)

    code = """
import gevent
from rapscheduler.schedulers.gevent import GeventScheduler
from rapscheduler import current_run
def work():
    gevent.sleep(0)
    return current_run().id
scheduler = GeventScheduler()
scheduler.start()
def until(true):
    with gevent.Timeout(60):
        while not true():
            gevent.sleep(0.01)
run = scheduler.add_job(work, "interval", hours=1).run()
until(lambda: run.ended)
assert run.result(0) == run.id
def slow():
    gevent.sleep(600)
late = scheduler.add_job(slow, "interval", hours=1, timeout=0.05).run()
stopped = scheduler.add_job(slow, "interval", hours=1).run()
until(lambda: late.ended)
assert late.state == "timed_out", late
until(lambda: stopped.state == "running")
assert gevent.get_hub().threadpool.apply(scheduler.cancel_run, (stopped.id,))  # from another thread
until(lambda: stopped.ended)
assert stopped.state == "cancelled", stopped
print("fine")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=100
    )
    assert done.stdout == "fine\n", done.stderr


def test_importing_current_run_turns_runs_on_and_nothing_else_does() -> None:
    code = """
import time
from rapscheduler.schedulers.background import BackgroundScheduler
import rapscheduler.runs
seen = []
def work():
    from rapscheduler._runs import current
    seen.append(current.get())
with BackgroundScheduler() as before:
    assert not before._watched.every
    from rapscheduler import current_run
    assert before._watched.every
    with BackgroundScheduler() as after:
        assert after._watched.every
        before.add_job(work); after.add_job(work)
        while len(seen) < 2: time.sleep(0.01)
assert [run.state for run in seen] == ["done", "done"], seen
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# Events


def test_a_start_is_told_to_those_who_ask_for_it(scheduler: Any) -> None:
    told: list[Any] = []
    scheduler.add_listener(told.append, EVENT_JOB_STARTED | EVENT_JOB_EXECUTED)
    scheduler.add_job(add, args=[1], id="a")
    wait_for(lambda: len(told) == 2)
    assert [event.code for event in told] == [EVENT_JOB_STARTED, EVENT_JOB_EXECUTED]
    assert told[0].run_id == told[1].run_id == told[1].run.id
    assert told[0].job_id == "a" and told[1].run.state == "done" and told[1].retval == 1


def test_a_listener_for_everything_is_told_what_it_was_told_before(scheduler: Any) -> None:
    assert not EVENT_ALL & EVENT_JOB_STARTED
    scheduler.add_listener(print, EVENT_ALL)
    assert not scheduler._watched.every


def test_every_outcome_has_an_id_of_its_run(scheduler: Any) -> None:
    told: list[Any] = []
    scheduler.add_listener(told.append, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)
    scheduler.add_job(add, args=[1])
    scheduler.add_job(fail)
    wait_for(lambda: len(told) == 2)
    assert told[0].run_id == told[0].run_id != told[1].run_id
    assert told[0].run is None and told[0].attempt == 1


def test_a_missed_run_is_one_too() -> None:
    told: list[Any] = []
    scheduler = ManualScheduler()
    scheduler.add_listener(told.append, EVENT_JOB_STARTED | EVENT_JOB_MISSED)
    scheduler.add_job(add, "interval", minutes=1, args=[1], id="a")
    scheduler.start()
    scheduler.pause()
    scheduler.clock.advance(timedelta(hours=1, seconds=30))
    scheduler.resume()
    scheduler.advance(0)
    assert [event.run.state for event in told] == ["missed"]
    assert "downtime" in told[0].run.reason


# What is under way


def test_running_shows_what_is_under_way_since_when(scheduler: Any) -> None:
    gate, begun = threading.Event(), threading.Barrier(3)

    def work() -> None:
        begun.wait(10)
        gate.wait(10)

    assert scheduler.get_running() == []
    scheduler.add_job(work, id="a")
    scheduler.add_job(work, id="b")
    begun.wait(10)
    runs = scheduler.get_running()
    assert sorted(run.job_id for run in runs) == ["a", "b"]
    assert [run.started for run in runs] == sorted(run.started for run in runs)
    gate.set()
    wait_for(lambda: scheduler.get_running() == [])


# Nobody pays for what nobody asks


def test_a_plain_scheduler_makes_no_runs(monkeypatch: Any, scheduler: Any) -> None:
    made: list[Any] = []
    monkeypatch.setattr(Tracker, "open", lambda *args: made.append(args))
    monkeypatch.setattr(Run, "__init__", lambda *args: made.append("run"))
    ran, told = [], []
    scheduler.add_job(ran.append, args=[1])
    wait_for(lambda: ran)
    scheduler.add_listener(told.append, EVENT_ALL)
    scheduler.add_job(ran.append, args=[1])
    wait_for(lambda: any(event.code == EVENT_JOB_EXECUTED for event in told))
    assert made == [] and scheduler._watched.tracker is None


def test_one_that_never_asks_does_not_load_them() -> None:
    code = """
import sys, threading
from rapscheduler.schedulers.background import BackgroundScheduler
ran = threading.Event()
with BackgroundScheduler() as scheduler:
    scheduler.add_job(ran.set)
    assert ran.wait(10)
loaded = [name for name in sys.modules if name.endswith(("._runs", "runbook", "_tracked", "run_now", "_extras"))]
assert loaded == [], loaded
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def wait_for(condition: Any, seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def test_tags_leave_a_job_on_the_quick_path(scheduler: Any) -> None:
    ran: list[Any] = []
    scheduler.add_job(ran.append, args=[1], tags={"eu"}, metadata={"a": 1}, owner="me")
    wait_for(lambda: ran)
    assert scheduler._watched.tracker is None
