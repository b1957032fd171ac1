"""Many threads at once: nothing is lost, nothing runs twice, the loop stays alive, the index stays whole."""

from __future__ import annotations

import collections
import random
import threading
from datetime import datetime, timezone

import pytest

from rapscheduler.errors import JobLookupError
from rapscheduler.events import EVENT_JOB_ADDED, EVENT_JOB_ERROR, EVENT_JOB_EXECUTED, EVENT_JOB_SUBMITTED
from rapscheduler.schedulers.background import BackgroundScheduler

FAR = datetime(2200, 1, 1, tzinfo=timezone.utc)
THREADS = 50

pytestmark = pytest.mark.faults


@pytest.mark.parametrize("due", [2000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_adding_changing_and_removing_while_jobs_fire(due):
    ran, lock, all_ran = collections.Counter(), threading.Lock(), threading.Event()

    def run(name):
        with lock:
            ran[name] += 1
            if len(ran) == due:
                all_ran.set()

    scheduler = BackgroundScheduler(timezone="UTC", job_defaults={"misfire_grace_time": None})
    errors = []
    scheduler.add_listener(lambda event: errors.append(event.exception), EVENT_JOB_ERROR)
    scheduler.start()
    kept = [[] for _ in range(THREADS)]
    failures = []

    def churn(number):
        draw = random.Random(number)
        try:
            for step in range(due // THREADS):
                scheduler.add_job(run, args=[(number, step)])
                job = scheduler.add_job(int, "date", run_date=FAR, id=f"{number}-{step}")
                if step % 4 == 0:
                    scheduler.modify_job(job.id, name="changed")
                elif step % 4 == 1:
                    scheduler.reschedule_job(job.id, trigger="interval", weeks=draw.randrange(1, 100))
                elif step % 4 == 2:
                    scheduler.pause_job(job.id)
                else:
                    scheduler.remove_job(job.id)
                    with pytest.raises(JobLookupError):
                        scheduler.pause_job(job.id)
                    continue
                kept[number].append(job.id)
        except BaseException as exc:
            failures.append(exc)

    threads = [threading.Thread(target=churn, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert all_ran.wait(60)
    scheduler.pause()
    assert set(ran.values()) == {1}
    assert {job.id for job in scheduler.get_jobs()} == {job_id for ids in kept for job_id in ids}
    assert scheduler.health()["alive"]
    scheduler._jobstores["default"]._check()
    scheduler.shutdown()
    assert errors == []


def test_the_events_of_each_job_are_in_order_whichever_thread_tells_them():
    told, lock, done = collections.defaultdict(list), threading.Lock(), threading.Event()
    count, finished = 300, []

    def listen(event):
        with lock:
            told[event.job_id].append(event.code)
            if event.code == EVENT_JOB_EXECUTED:
                finished.append(event.job_id)
                if len(finished) == count:
                    done.set()

    scheduler = BackgroundScheduler(timezone="UTC", job_defaults={"misfire_grace_time": None})
    scheduler.add_listener(listen, EVENT_JOB_ADDED | EVENT_JOB_SUBMITTED | EVENT_JOB_EXECUTED)
    scheduler.start()
    for _ in range(count):
        scheduler.add_job(int)
    assert done.wait(30)
    scheduler.shutdown()
    assert {tuple(codes) for codes in told.values()} == {
        (EVENT_JOB_ADDED, EVENT_JOB_SUBMITTED, EVENT_JOB_EXECUTED)
    }


def test_shutdown_from_many_threads_at_once_stops_once():
    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.start()
    outcomes = []

    def stop():
        try:
            scheduler.shutdown()
            outcomes.append("stopped")
        except Exception as exc:
            outcomes.append(type(exc).__name__)

    threads = [threading.Thread(target=stop) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(outcomes) == ["SchedulerNotRunningError"] * 9 + ["stopped"]
