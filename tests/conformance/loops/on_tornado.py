"""The contract in Tornado's IOLoop."""

from __future__ import annotations

import asyncio
import threading

import pytest
from tests.conformance.loops.contract import LoopContract
from tests.conformance.scheduler_contract import TIMEOUT_S
from tornado import gen
from tornado.ioloop import IOLoop

from rapscheduler.events import EVENT_JOB_EXECUTED
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
