"""The contract in asyncio's loop (RAPSCHEDULER_TEST_UVLOOP: in uvloop's), and what is promised beyond it."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import os
import threading

import pytest
from tests.conformance.loops.contract import LoopContract
from tests.conformance.scheduler_contract import TIMEOUT_S

from rapscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED, EVENT_JOB_MAX_INSTANCES
from rapscheduler.schedulers.asyncio import AsyncIOScheduler
from rapscheduler.schedulers.base import STATE_STOPPED


class TestAsyncIOScheduler(LoopContract):
    def new_loop(self):
        if os.environ.get("RAPSCHEDULER_TEST_UVLOOP"):
            import uvloop

            return uvloop.new_event_loop()
        return asyncio.new_event_loop()

    @pytest.fixture(autouse=True)
    def loop(self):
        self._loop = self.new_loop()
        yield self._loop
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def make(self, **options):
        return AsyncIOScheduler(**options)

    def in_loop(self, function):
        async def call():
            return function()

        return self._loop.run_until_complete(call())

    def later(self, seconds, function):
        self._loop.call_later(seconds, function)

    def wait(self, event):
        return self._loop.run_until_complete(asyncio.wait_for(self._signal(event), TIMEOUT_S * 2))

    async def _signal(self, event):
        signalled = asyncio.get_running_loop().create_future()

        def watch():
            result = event.wait(TIMEOUT_S)
            self._loop.call_soon_threadsafe(signalled.set_result, result)

        threading.Thread(target=watch, daemon=True).start()
        return await signalled

    def stop(self, scheduler):
        self._loop.run_until_complete(scheduler.shutdown_async())


class AsyncCallable:
    async def __call__(self, told):
        told.append(asyncio.get_running_loop())


async def coroutine(told):
    told.append(asyncio.get_running_loop())


def returns_awaitable(told):
    return coroutine(told)


def run(main):
    """Run a test's coroutine with a scheduler in a loop of its own."""

    async def with_scheduler():
        scheduler = AsyncIOScheduler(timezone="UTC")
        try:
            await asyncio.wait_for(main(scheduler), TIMEOUT_S)
        finally:
            if scheduler.running:
                scheduler.shutdown(wait=False)

    asyncio.run(with_scheduler())


def signal_of(scheduler, code, job_id=None):
    """A future with the next event of this code."""
    future = asyncio.get_running_loop().create_future()

    def listen(event):
        if not future.done() and job_id in (None, event.job_id):
            future.set_result(event)

    scheduler.add_listener(listen, code)
    return future


@pytest.mark.parametrize(
    "func",
    [coroutine, functools.partial(coroutine), AsyncCallable(), returns_awaitable],
    ids=["async def", "partial", "async __call__", "returns an awaitable"],
)
def test_whatever_can_be_awaited_is_awaited_in_the_loop(func):
    async def main(scheduler):
        told, executed = [], signal_of(scheduler, EVENT_JOB_EXECUTED)
        scheduler.start()
        scheduler.add_job(func, args=[told])
        await executed
        assert told == [asyncio.get_running_loop()]

    run(main)


def test_what_an_awaitable_raises_is_an_error_event():
    async def fail():
        raise ZeroDivisionError("no")

    async def main(scheduler):
        error = signal_of(scheduler, EVENT_JOB_ERROR)
        scheduler.start()
        scheduler.add_job(lambda: fail())
        assert isinstance((await error).exception, ZeroDivisionError)

    run(main)


@pytest.mark.parametrize("leave", ["async with", "shutdown_async"])
def test_running_coroutines_are_waited_for(leave):
    async def main(_):
        begun, ended = asyncio.Event(), []

        async def job():
            begun.set()
            for _ in range(20):
                await asyncio.sleep(0.001)
            ended.append(1)

        if leave == "async with":
            async with AsyncIOScheduler(timezone="UTC") as scheduler:
                scheduler.add_job(job)
                await begun.wait()
        else:
            scheduler = AsyncIOScheduler(timezone="UTC")
            scheduler.start()
            scheduler.add_job(job)
            await begun.wait()
            await scheduler.shutdown_async()
        assert ended == [1]

    run(main)


def test_after_the_timeout_coroutines_are_cancelled_and_the_rest_goes_on():
    async def main(scheduler):
        begun, error = asyncio.Event(), signal_of(scheduler, EVENT_JOB_ERROR)

        async def job():
            begun.set()
            await asyncio.get_running_loop().create_future()

        scheduler.start()
        scheduler.add_job(job)
        await begun.wait()
        await scheduler.shutdown_async(timeout=0.01)
        assert isinstance((await error).exception, asyncio.CancelledError)

    run(main)


def test_shutdown_in_the_loop_returns_at_once_and_lets_jobs_end():
    async def main(scheduler):
        begun, go_on, executed = asyncio.Event(), asyncio.Event(), signal_of(scheduler, EVENT_JOB_EXECUTED)

        async def job():
            begun.set()
            await go_on.wait()
            return 7

        scheduler.start()
        scheduler.add_job(job)
        await begun.wait()
        scheduler.shutdown()
        assert scheduler.state == STATE_STOPPED
        go_on.set()
        assert (await executed).retval == 7

    run(main)


def test_shutdown_without_wait_cancels():
    async def main(scheduler):
        begun, error = asyncio.Event(), signal_of(scheduler, EVENT_JOB_ERROR)

        async def job():
            begun.set()
            await asyncio.get_running_loop().create_future()

        scheduler.start()
        scheduler.add_job(job, id="forever")
        await begun.wait()
        executor = scheduler._executors["default"]
        assert len(executor._pending_futures) == 1
        scheduler.shutdown(wait=False)
        assert isinstance((await error).exception, asyncio.CancelledError)
        assert not executor._pending_futures
        assert scheduler._running_counts.count("forever") == 0

    run(main)


@pytest.mark.parametrize("where", ["in the loop", "in a thread of the job's"])
def test_a_coroutine_job_may_shut_the_scheduler_down_and_does_not_wait_for_itself(where):
    async def main(scheduler):
        executed = signal_of(scheduler, EVENT_JOB_EXECUTED)

        async def job():
            if where == "in the loop":
                await scheduler.shutdown_async()
            else:
                await asyncio.to_thread(scheduler.shutdown)
            return scheduler.state

        scheduler.start()
        scheduler.add_job(job)
        assert (await executed).retval == STATE_STOPPED

    run(main)


def test_jobs_see_the_context_of_the_start_not_of_whoever_added_them():
    who = contextvars.ContextVar("who", default="nobody")

    async def main(scheduler):
        seen, executed = [], signal_of(scheduler, EVENT_JOB_EXECUTED, "look")

        async def job():
            seen.append(who.get())

        async def request():
            who.set("a request")
            scheduler.add_job(job, id="look")

        who.set("the start")
        scheduler.start()
        await asyncio.create_task(request())
        await executed
        assert seen == ["the start"]

    run(main)


def test_thousands_of_coroutines_at_once_leave_turns_to_others():
    async def main(scheduler):
        count, done, turns = 3000, asyncio.Event(), []
        ran = []

        async def job():
            ran.append(len(turns))
            if len(ran) == count:
                done.set()

        async def others():
            while not done.is_set():
                turns.append(1)
                await asyncio.sleep(0)

        scheduler.start(paused=True)
        for _ in range(count):
            scheduler.add_job(job, misfire_grace_time=None)
        other = asyncio.create_task(others())
        scheduler.resume()
        await done.wait()
        await other
        assert len(set(ran)) > 5, "the jobs ran in several turns of the loop"

    run(main)


def test_without_a_loop_the_error_names_the_cure():
    with pytest.raises(RuntimeError, match=r"no running event loop.*event_loop=loop"):
        AsyncIOScheduler().start()


def test_a_loop_that_is_named_is_used_before_it_runs():
    loop = asyncio.new_event_loop()
    ran = loop.create_future()

    async def job():
        ran.set_result(asyncio.get_running_loop())

    scheduler = AsyncIOScheduler(event_loop=loop, timezone="UTC")
    scheduler.add_job(job)
    scheduler.start()
    assert not scheduler.health()["alive"]
    assert loop.run_until_complete(asyncio.wait_for(ran, TIMEOUT_S)) is loop
    scheduler.shutdown()
    loop.close()


def test_a_scheduler_whose_loop_is_closed_says_so_and_starts_in_a_new_one(caplog):
    scheduler = AsyncIOScheduler(timezone="UTC")

    async def begin():
        scheduler.start()

    asyncio.run(begin())
    scheduler.add_job(int)
    assert "loop of this scheduler is closed" in caplog.text
    scheduler.shutdown()

    async def again():
        executed = signal_of(scheduler, EVENT_JOB_EXECUTED)
        scheduler.start()
        scheduler.add_job(int)
        await asyncio.wait_for(executed, TIMEOUT_S)
        await scheduler.shutdown_async()

    asyncio.run(again())


@pytest.mark.parametrize("quiet", [True, False])
@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, ZeroDivisionError, asyncio.CancelledError])
def test_nothing_that_a_coroutine_raises_ends_the_loop_or_keeps_its_place(quiet, error):
    async def main(scheduler):
        async def job():
            await asyncio.sleep(0)
            raise error("no")

        told = signal_of(scheduler, EVENT_JOB_ERROR)
        if not quiet:
            # the run loop then drives the coroutine
            scheduler.add_listener(lambda event: None, EVENT_JOB_EXECUTED)
        scheduler.start()
        scheduler.add_job(job, id="job")
        event = await told
        assert isinstance(event.exception, error)
        assert scheduler._running_counts.count("job") == 0

    run(main)


@pytest.mark.parametrize("quiet", [True, False])
def test_max_instances_hold_while_a_coroutine_runs(quiet):
    async def main(scheduler):
        begun, go_on, skipped = [], asyncio.Event(), signal_of(scheduler, EVENT_JOB_MAX_INSTANCES)

        async def job():
            begun.append(1)
            await go_on.wait()

        if not quiet:
            scheduler.add_listener(lambda event: None, EVENT_JOB_EXECUTED)
        scheduler.start()
        scheduler.add_job(job, "interval", seconds=0.01, id="job")
        await skipped
        assert begun == [1]
        scheduler.pause()
        go_on.set()
        await scheduler.shutdown_async()
        assert scheduler._running_counts.count("job") == 0

    run(main)


def test_while_the_loop_is_wound_up_jobs_stay_due(caplog):
    async def main(scheduler):
        scheduler.start()
        await asyncio.get_running_loop().shutdown_default_executor()  # as asyncio.run() does at the end
        scheduler.add_job(int, id="due")
        for _ in range(10):
            await asyncio.sleep(0)
        assert scheduler.get_job("due") is not None
        assert caplog.records == []

    if os.environ.get("RAPSCHEDULER_TEST_UVLOOP"):
        pytest.skip("uses asyncio.run()")
    run(main)
