"""Thousands of jobs due at one instant: small batches, and runs that begin between two of them."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone

from rapscheduler._scheduling.dueloop import BATCH
from rapscheduler.executors.debug import DebugExecutor
from rapscheduler.executors.pool import ThreadPoolExecutor
from rapscheduler.jobstores.memory import MemoryJobStore
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.testing import ManualScheduler

START = datetime(2025, 3, 1, tzinfo=timezone.utc)
MINUTE = timedelta(minutes=1)
BURST = 2 * MemoryJobStore._due_batch + 1


class CountingStore(MemoryJobStore):
    """Notes how many jobs each call took."""

    def __init__(self):
        super().__init__()
        self.taken = []

    def _take_due(self, now_us, limit):
        jobs = super()._take_due(now_us, limit)
        self.taken.append(len(jobs))
        return jobs


class ListingStore(MemoryJobStore):
    """Overrides the public method, which looks at every job: it must not be called for each few of them."""

    def __init__(self):
        super().__init__()
        self.listed = 0

    def get_due_jobs(self, now):
        self.listed += 1
        return super().get_due_jobs(now)


def burst(store):
    """How often the scheduler let others run while it ran a burst from this store."""
    lets = []
    scheduler = ManualScheduler(START, jobstores={"default": store}, executors={"default": DebugExecutor()})
    scheduler._let_run = lambda: lets.append(None)
    ran = []
    with scheduler:
        for number in range(BURST):
            scheduler.add_job(ran.append, "date", run_date=START + MINUTE, args=[number])
        scheduler.advance(MINUTE)
    assert sorted(ran) == list(range(BURST))
    return len(lets)


def test_memory_gives_a_burst_in_batches_and_others_run_between_them():
    store = CountingStore()
    assert burst(store) == 2
    assert [count for count in store.taken if count] == [512, 512, 1]


def test_a_store_that_lists_its_due_jobs_is_asked_for_all_at_once():
    assert ListingStore._due_batch is None and BURST < BATCH
    store = ListingStore()
    assert burst(store) == 0
    assert store.listed <= 2


def test_runs_of_the_first_batch_begin_before_the_second_is_taken():
    begun, ended = threading.Event(), threading.Event()
    order, waits = [], []

    class Scheduler(BackgroundScheduler):
        def _let_run(self):
            waits.append(begun.wait(10))
            order.append("batch")

    def run(number):
        order.append(number)
        begun.set()
        if len(order) == BURST + 2:
            ended.set()

    # One worker, so that the order is that of the queue.
    scheduler = Scheduler(timezone="UTC", executors={"default": ThreadPoolExecutor(1)})
    scheduler.start(paused=True)
    for number in range(BURST):
        scheduler.add_job(run, "date", run_date=START, args=[number], misfire_grace_time=None)
    scheduler.resume()
    assert ended.wait(30)
    scheduler.shutdown()
    assert waits == [True, True]
    assert 0 < order.index("batch") <= 512
    assert [entry for entry in order if entry != "batch"] == list(range(BURST))
