"""What jobs in memory hold: schedulers that nobody shut down are freed; what alike jobs share is no other job's."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import weakref
from datetime import timedelta

import pytest

from rapscheduler._engine import NAME
from rapscheduler.executors.pool import ThreadPoolExecutor
from rapscheduler.schedulers.asyncio import AsyncIOScheduler
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.testing import ManualScheduler
from rapscheduler.triggers.cron import CronTrigger


def work(x=1):
    pass


def pending_one():
    scheduler = BackgroundScheduler()
    scheduler.add_job(work, "interval", seconds=1)
    return scheduler


def pending_many():
    scheduler = BackgroundScheduler()
    scheduler.add_jobs([{}, {"args": (2,)}], func=work, trigger="interval", seconds=1)
    return scheduler


def started():
    scheduler = ManualScheduler()
    scheduler.add_job(work, "interval", seconds=1)
    scheduler.start()
    scheduler.add_jobs([{}, {"args": (2,)}], func=work, trigger="cron", second="*")
    job = scheduler.add_job(work, "interval", seconds=2)
    job.modify(args=(3,))
    job.reschedule("interval", seconds=3)
    scheduler.add_job(work, "interval", seconds=1).pause()
    scheduler.add_job(work)
    scheduler.advance(timedelta(seconds=5))
    return scheduler


def paused():
    scheduler = ManualScheduler()
    scheduler.start(paused=True)
    scheduler.add_job(work, "interval", seconds=1)
    for _ in range(2):  # the second is made like the first
        scheduler.add_job(work, "cron", [1], hour=3)
        scheduler.add_job(work, "cron", (1,), hour=3)
    return scheduler


async def in_a_loop():
    scheduler = AsyncIOScheduler()
    scheduler.start()
    scheduler.add_job(work, "interval", days=1)
    await asyncio.sleep(0)
    return weakref.ref(scheduler)


@pytest.mark.parametrize("make", [pending_one, pending_many, started, paused])
def test_a_dropped_scheduler_is_freed(make):
    left = weakref.ref(make())
    gc.collect()
    assert left() is None


def test_a_scheduler_is_freed_with_its_event_loop():
    left = asyncio.run(in_a_loop())
    gc.collect()
    assert left() is None


def test_idle_workers_do_not_hold_the_scheduler():
    ran = threading.Event()

    async def main():
        scheduler = AsyncIOScheduler(executors={"default": ThreadPoolExecutor(2)})
        scheduler.start()
        scheduler.add_job(ran.set)
        await asyncio.get_running_loop().run_in_executor(None, ran.wait, 30)
        return weakref.ref(scheduler), list(scheduler._executors["default"]._pool._threads)

    left, threads = asyncio.run(main())
    for _ in range(1000):
        gc.collect()
        if left() is None:
            break
        threading.Event().wait(0.01)  # the worker is on its way to its rest
    assert left() is None
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()


def test_a_job_outlives_its_scheduler_and_says_so():
    scheduler = ManualScheduler()
    scheduler.start()
    job = scheduler.add_job(work, "interval", seconds=1, id="alone")
    del scheduler
    gc.collect()
    with pytest.raises(RuntimeError, match='scheduler of job "alone" is gone'):
        job.pause()
    assert job.next_run_time is not None


def test_a_job_that_has_left_its_store_holds_its_scheduler():
    scheduler = ManualScheduler()
    scheduler.start()
    job = scheduler.add_job(work, "interval", seconds=1)
    job.remove()
    left = weakref.ref(scheduler)
    del scheduler
    gc.collect()
    assert job._scheduler is left() is not None


# Triggers that alike jobs share in memory


def test_a_trigger_is_each_job_s_own_however_many_are_alike():
    scheduler = ManualScheduler(timezone="UTC")
    scheduler.start()
    spec = {"func": work, "trigger": "cron", "hour": 7, "minute": 30}
    jobs = scheduler.add_jobs([dict(spec) for _ in range(4)])
    jobs += [scheduler.add_job(work, "cron", hour=7, minute=30) for _ in range(4)]
    assert len({id(job.trigger) for job in jobs}) == 8
    assert all(job.trigger is job.trigger for job in jobs)
    jobs[1].trigger.jitter = 5
    jobs[6].trigger.timezone = "Europe/Berlin"
    fresh = scheduler.add_job(work, "cron", hour=7, minute=30)
    assert [job.trigger.jitter for job in (*jobs, fresh)] == [None, 5, *[None] * 7]
    assert [str(job.trigger.timezone) for job in (*jobs, fresh)] == [
        *["UTC"] * 6,
        "Europe/Berlin",
        "UTC",
        "UTC",
    ]
    assert {str(job.trigger) for job in jobs} == {"cron[hour='7', minute='30']"}


def test_a_trigger_that_somebody_has_stays_the_job_s():
    scheduler = ManualScheduler()
    scheduler.start()
    given = [CronTrigger(hour=7) for _ in range(3)]
    jobs = [scheduler.add_job(work, trigger) for trigger in given]
    alike = scheduler.add_job(work, "cron", hour=7)
    alike.reschedule(given[0])
    assert [job.trigger for job in (*jobs, alike)] == [*given, given[0]]
    assert all(
        job.trigger is trigger for job, trigger in zip([*jobs, alike], [*given, given[0]], strict=True)
    )


def test_alike_jobs_in_memory_are_small():
    if NAME == "reference":
        pytest.skip("the compiled engine is the lean one")
    scheduler = ManualScheduler()
    scheduler.start()
    scheduler.add_job(work, "cron", hour=7)
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(1000):
        scheduler.add_job(work, "cron", hour=7)
    # the job and its id; ids are made 256 at a time
    assert sys.getallocatedblocks() - before < 2 * 1000 + 600
