"""The contract in Tornado's IOLoop."""

from __future__ import annotations

import asyncio
import threading

import pytest
from tests.conformance.loops.contract import LoopContract
from tests.conformance.scheduler_contract import TIMEOUT_S
from tornado import gen
from tornado.ioloop import IOLoop

from rapscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED
from rapscheduler.schedulers.tornado import TornadoScheduler


class TestTornadoScheduler(LoopContract):
    @pytest.fixture(autouse=True)
    def loop(self):
        self._loop = IOLoop(make_current=False)
        yield self._loop
        self._loop.asyncio_loop.run_until_complete(self._loop.asyncio_loop.shutdown_default_executor())
        self._loop.close()

    def make(self, **options):
        return TornadoScheduler(io_loop=self._loop, **options)

    def in_loop(self, function):
        async def call():
            return function()

        return self._loop.run_sync(call)

    def later(self, seconds, function):
        self._loop.call_later(seconds, function)

    def wait(self, event):
        async def signal():
            return await asyncio.get_running_loop().run_in_executor(None, event.wait, TIMEOUT_S)

        return self._loop.run_sync(signal)

    def stop(self, scheduler):
        self._loop.run_sync(scheduler.shutdown_async)

    @pytest.mark.parametrize("kind", ["async def", "gen.coroutine", "function"])
    def test_coroutines_run_in_the_loop_and_functions_in_threads(self, scheduler, kind):
        told, executed = [], threading.Event()

        async def coroutine():
            await asyncio.sleep(0)
            told.append(threading.get_ident())

        @gen.coroutine
        def old_coroutine():
            yield coroutine()

        def function():
            told.append(threading.get_ident())

        scheduler.add_listener(lambda event: executed.set(), EVENT_JOB_EXECUTED)
        scheduler.add_job(
            {"async def": coroutine, "gen.coroutine": old_coroutine, "function": function}[kind]
        )
        self.start(scheduler)
        assert self.wait(executed)
        assert (told == [self.ident()]) == (kind != "function")

    def test_a_function_whose_awaitable_ends_after_a_shutdown_has_succeeded(self, scheduler):
        outcomes, begun, end, told = [], threading.Event(), asyncio.Event(), threading.Event()

        def function():
            async def rest():
                begun.set()
                await end.wait()
                return 7

            return rest()

        scheduler.add_listener(
            lambda event: (outcomes.append(event), told.set()), EVENT_JOB_EXECUTED | EVENT_JOB_ERROR
        )
        scheduler.add_job(function)
        self.start(scheduler)
        assert self.wait(begun)
        self.in_loop(scheduler.shutdown)
        self.in_loop(end.set)
        assert self.wait(told)
        assert (outcomes[0].code, outcomes[0].retval) == (EVENT_JOB_EXECUTED, 7)
