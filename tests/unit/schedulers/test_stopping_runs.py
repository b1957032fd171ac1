"""Runs are stopped, and middleware is around them."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest
from tests.unit.schedulers.test_runs import add, current_run, paused, scheduler, wait_for

from rapscheduler._runs import Run
from rapscheduler.errors import RunCancelledError, RunTimeoutError
from rapscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED
from rapscheduler.schedulers.asyncio import AsyncIOScheduler
from rapscheduler.schedulers.background import BackgroundScheduler

__all__ = ("scheduler",)


# Cancelling, and time-outs


def test_a_job_in_a_thread_is_told_to_end(scheduler: Any) -> None:
    begun = threading.Event()

    def work() -> None:
        begun.set()
        for _ in range(1000):
            time.sleep(0.01)
            current_run().check()  # type: ignore[union-attr]

    run = paused(scheduler, work).run()
    begun.wait(5)
    assert scheduler.cancel_run(run.id)
    with pytest.raises(RunCancelledError, match="is to end: cancelled by"):
        run.result(5)
    assert run.state == "cancelled"
    assert not scheduler.cancel_run(run.id) and not scheduler.cancel_run("nobody")


def test_a_run_that_waits_for_a_worker_is_not_begun() -> None:
    gate, made = threading.Event(), []
    with BackgroundScheduler(executors={"default": {"type": "threadpool", "max_workers": 1}}) as scheduler:
        paused(scheduler, gate.wait, args=[10]).run()
        run = paused(scheduler, made.append, args=[1]).run()
        assert run.state == "queued"
        assert scheduler.cancel_run(run.id) and run.state == "cancelled"
        gate.set()
    assert made == []


def test_a_coroutine_is_cancelled() -> None:
    async def work() -> None:
        await asyncio.sleep(60)

    async def main() -> Any:
        async with AsyncIOScheduler() as scheduler:
            run = paused(scheduler, work).run()
            await asyncio.sleep(0.05)
            assert scheduler.cancel_run(run.id)
            with pytest.raises(RunCancelledError):
                await run
            return run.state

    assert asyncio.run(main()) == "cancelled"


def test_a_coroutine_ends_when_its_time_is_over() -> None:
    ended = []

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(1)

    async def main() -> Any:
        told: list[Any] = []
        async with AsyncIOScheduler() as scheduler:
            scheduler.add_listener(told.append, EVENT_JOB_ERROR)
            run = paused(scheduler, work, timeout=0.05).run()
            with pytest.raises(RunTimeoutError, match="longer than its timeout"):
                await run
        return run.state, [type(event.exception) for event in told]

    assert asyncio.run(main()) == ("timed_out", [RunTimeoutError])
    assert ended == [1]


def test_a_thread_that_takes_too_long_is_told_at_once_and_goes_on(scheduler: Any) -> None:
    gate, told, saw = threading.Event(), [], []

    def work() -> str:
        gate.wait(10)
        saw.append(current_run().cancelled)  # type: ignore[union-attr]
        return "late"

    scheduler.add_listener(told.append, EVENT_JOB_ERROR | EVENT_JOB_EXECUTED)
    job = paused(scheduler, work, timeout=0.05)
    run = job.run()
    with pytest.raises(RunTimeoutError, match="its thread still runs"):
        run.result(5)
    assert [run.id for run in scheduler.get_running()] == [run.id]
    assert job.run().state == "skipped"  # its place is taken as long as it runs
    gate.set()
    wait_for(lambda: scheduler.get_running() == [])
    assert [event.code for event in told] == [EVENT_JOB_ERROR] and told[0].run is run
    assert saw == [True] and run.state == "timed_out"


def test_a_job_in_time_is_not_interrupted(scheduler: Any) -> None:
    assert paused(scheduler, add, args=[1], timeout=30).run().result(5) == 1
    time.sleep(0.05)
    assert not [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]


# Middleware


def test_middleware_is_around_each_run(scheduler: Any) -> None:
    seen: list[Any] = []

    def outer(run: Run, call: Any) -> Any:
        seen.append(("outer", run.job_id, run.state))
        value = call()
        seen.append("outer ends")
        return value + 1

    def inner(run: Run, call: Any) -> Any:
        seen.append("inner")
        return call()

    scheduler.add_middleware(outer)
    scheduler.add_middleware(inner)
    told: list[Any] = []
    scheduler.add_listener(lambda event: told.append(event.retval), EVENT_JOB_EXECUTED)
    scheduler.add_job(add, args=[1], id="a")
    wait_for(lambda: told == [2])
    assert seen == [("outer", "a", "running"), "inner", "outer ends"]
    scheduler.remove_middleware(outer)
    scheduler.remove_middleware(inner)
    assert not scheduler._watched.every


def test_what_middleware_raises_is_the_runs_failure(scheduler: Any) -> None:
    def refuse(run: Run, call: Any) -> Any:
        raise PermissionError("not now")

    scheduler.add_middleware(refuse)
    run = paused(scheduler, add, args=[1]).run()
    with pytest.raises(PermissionError):
        run.result(5)


@pytest.mark.parametrize("kind", ["coroutine", "plain"])
def test_async_middleware_awaits_the_call(kind: str) -> None:
    seen: list[Any] = []

    async def around(run: Run, call: Any) -> Any:
        seen.append(current_run() is run)
        value = await call()
        seen.append(value)
        return value

    async def twice(x: int) -> int:
        await asyncio.sleep(0)
        return 2 * x

    def plainly(x: int) -> int:
        assert threading.current_thread() is not threading.main_thread()
        return 2 * x

    async def main() -> Any:
        async with AsyncIOScheduler() as scheduler:
            scheduler.add_middleware(around)
            scheduler.add_middleware(around)
            return await paused(scheduler, twice if kind == "coroutine" else plainly, args=[4]).run()

    assert asyncio.run(main()) == 8
    assert seen == [True, True, 8, 8]


def test_async_middleware_around_a_plain_job_in_a_thread(scheduler: Any) -> None:
    async def around(run: Run, call: Any) -> Any:
        return await call() + 1

    scheduler.add_middleware(around)
    assert paused(scheduler, add, args=[1]).run().result(5) == 2
