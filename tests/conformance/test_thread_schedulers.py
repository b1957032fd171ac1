"""The contract of schedulers, run by the two that have a thread of their own."""

from __future__ import annotations

import threading
import time

from tests.conformance.scheduler_contract import TIMEOUT_S, SchedulerContract

from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.schedulers.base import STATE_STOPPED
from rapscheduler.schedulers.blocking import BlockingScheduler


class TestBackgroundScheduler(SchedulerContract):
    def make(self, **options):
        return BackgroundScheduler(**options)


class TestBlockingScheduler(SchedulerContract):
    """``start`` blocks, so it runs in a thread here; it has started when the state says so."""

    def make(self, **options):
        return BlockingScheduler(**options)

    def start(self, scheduler, **kwargs):
        ended = threading.Event()

        def run() -> None:
            try:
                scheduler.start(**kwargs)
            finally:
                ended.set()

        self._thread = threading.Thread(target=run)
        self._thread.start()
        deadline = time.monotonic() + TIMEOUT_S
        while scheduler.state == STATE_STOPPED and not ended.is_set() and time.monotonic() < deadline:
            ended.wait(0.001)

    def stop(self, scheduler):
        scheduler.shutdown()
        self._thread.join(TIMEOUT_S)
        assert not self._thread.is_alive()
