"""The contract in Twisted's reactor. A reactor runs once in a process, so it runs in a thread of its own here."""

from __future__ import annotations

import threading

import pytest
from tests.conformance.loops.contract import LoopContract
from tests.conformance.scheduler_contract import TIMEOUT_S
from twisted.internet import defer, reactor, task, threads

from rapscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED
from rapscheduler.schedulers.twisted import TwistedScheduler


@pytest.fixture(scope="module", autouse=True)
def reactor_thread():
    running = threading.Event()
    reactor.callWhenRunning(running.set)
    thread = threading.Thread(target=reactor.run, kwargs={"installSignalHandlers": False})
    thread.start()
    assert running.wait(TIMEOUT_S)
    yield
    reactor.callFromThread(reactor.stop)
    thread.join(TIMEOUT_S)


class TestTwistedScheduler(LoopContract):
    def make(self, **options):
        return TwistedScheduler(**options)

    def in_loop(self, function):
        return threads.blockingCallFromThread(reactor, function)

    def later(self, seconds, function):
        reactor.callLater(seconds, function)

    @pytest.mark.parametrize("kind", ["async def", "function that returns a Deferred", "function"])
    def test_coroutines_run_in_the_reactor_and_functions_in_threads(self, scheduler, kind):
        told, executed = [], threading.Event()

        async def coroutine():
            await task.deferLater(reactor, 0, lambda: None)
            told.append(threading.get_ident())
            return 7

        def returns_deferred():
            return threads.blockingCallFromThread(reactor, lambda: [defer.ensureDeferred(coroutine())])[0]

        def function():
            told.append(threading.get_ident())
            return 7

        outcomes = []
        scheduler.add_listener(
            lambda event: (outcomes.append(event), executed.set()), EVENT_JOB_EXECUTED | EVENT_JOB_ERROR
        )
        jobs = {"async def": coroutine, "function": function}
        self.start(scheduler)
        scheduler.add_job(jobs.get(kind, returns_deferred))
        assert self.wait(executed)
        assert outcomes[0].code == EVENT_JOB_EXECUTED
        assert outcomes[0].retval == 7
        assert (told == [self.ident()]) == (kind != "function")

    def test_without_wait_coroutines_are_cancelled(self, scheduler, caplog):
        begun, failed = threading.Event(), threading.Event()

        async def forever():
            begun.set()
            await defer.Deferred()

        scheduler.add_listener(lambda event: failed.set(), EVENT_JOB_ERROR)
        self.start(scheduler)
        scheduler.add_job(forever)
        assert self.wait(begun)
        self.in_loop(lambda: scheduler.shutdown(wait=False))
        assert self.wait(failed)
        assert [record.exc_info for record in caplog.records if "was cancelled" in record.getMessage()] == [
            None
        ]
