"""The contract in gevent's hub: unpatched, and with RAPSCHEDULER_TEST_PATCHED in a patched interpreter."""

from __future__ import annotations

import os
import warnings

import gevent
from gevent import monkey

if os.environ.get("RAPSCHEDULER_TEST_PATCHED"):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pytest's plugins are imported already
        monkey.patch_all()

import asyncio
import threading

from tests.conformance.loops.contract import LoopContract, thread_ident
from tests.conformance.scheduler_contract import TIMEOUT_S

from rapscheduler.events import EVENT_JOB_EXECUTED
from rapscheduler.schedulers.base import STATE_STOPPED
from rapscheduler.schedulers.gevent import GeventScheduler

PATCHED = monkey.is_module_patched("threading")


class TestGeventScheduler(LoopContract):
    cooperative = PATCHED

    def make(self, **options):
        return GeventScheduler(**options)

    def in_loop(self, function):
        return function()

    def later(self, seconds, function):
        gevent.spawn_later(seconds, function)

    def wait(self, event):
        if PATCHED:
            return event.wait(TIMEOUT_S)
        return gevent.get_hub().threadpool.apply(event.wait, (TIMEOUT_S,))

    def ident(self):
        return thread_ident()

    def test_start_gives_the_greenlet_that_ends_with_the_scheduler(self, scheduler):
        greenlet = scheduler.start()
        self._let_it_sleep(scheduler)
        assert not greenlet.dead
        scheduler.shutdown()
        assert scheduler.state == STATE_STOPPED
        assert greenlet.dead

    def test_jobs_are_greenlets_side_by_side(self, scheduler):
        done, together = threading.Event(), []

        def job():
            together.append(1)
            while len(together) < 3:
                gevent.sleep(0.001)
            done.set()

        for _ in range(3):
            scheduler.add_job(job)
        scheduler.start()
        assert self.wait(done)

    def test_coroutine_jobs_are_awaited_side_by_side(self, scheduler):
        told, done = [], threading.Event()

        async def job():
            told.append(1)
            while len(told) < 2:
                await asyncio.sleep(0.001)
            return 7

        values = []

        def listen(event):
            values.append(event.retval)
            if len(values) == 2:
                done.set()

        scheduler.add_listener(listen, EVENT_JOB_EXECUTED)
        for _ in range(2):
            scheduler.add_job(job)
        scheduler.start()
        assert self.wait(done)
        assert values == [7, 7]

    def test_shutdown_waits_for_greenlets(self, scheduler):
        begun, ended = threading.Event(), []

        def job():
            begun.set()
            gevent.sleep(0.02)
            ended.append(1)

        scheduler.start()
        scheduler.add_job(job)
        assert self.wait(begun)
        scheduler.shutdown()
        assert ended == [1]
