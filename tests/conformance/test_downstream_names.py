"""The half-public names that other packages use, and classes of others that follow APScheduler's contracts."""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timedelta, timezone
from unittest import mock

import pytest

from rapscheduler.errors import ConflictingIdError, JobLookupError
from rapscheduler.events import EVENT_JOB_ADDED, EVENT_JOB_REMOVED, JobEvent, SchedulerEvent
from rapscheduler.executors.base import BaseExecutor, run_job
from rapscheduler.job import Job
from rapscheduler.jobstores.base import BaseJobStore
from rapscheduler.jobstores.memory import MemoryJobStore
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.schedulers.base import STATE_STOPPED, BaseScheduler
from rapscheduler.triggers.base import BaseTrigger
from rapscheduler.triggers.date import DateTrigger

FAR = datetime(2200, 1, 1, tzinfo=timezone.utc)


class OldStyleScheduler(BaseScheduler):
    """Written as for APScheduler: ``_process_jobs`` returns the seconds to wait, ``wakeup`` ends the waiting."""

    def start(self, *args, **kwargs):
        self._wake = threading.Event()
        super().start(*args, **kwargs)
        self._runner = threading.Thread(target=self._run)
        self._runner.start()

    def shutdown(self, wait=True):
        super().shutdown(wait)
        self._wake.set()
        self._runner.join()

    def wakeup(self):
        self._wake.set()

    def _run(self):
        while self.state != STATE_STOPPED:
            wait_seconds = self._process_jobs()
            self._wake.wait(wait_seconds)
            self._wake.clear()


class OldStyleStore(BaseJobStore):
    """A sorted list without locks: APScheduler promises that calls never overlap, so that is checked."""

    def __init__(self):
        super().__init__()
        self.jobs = {}
        self.inside = threading.Lock()

    def _alone(self):
        assert self.inside.acquire(blocking=False), "two calls at once"
        return self

    def __enter__(self):
        return self._alone()

    def __exit__(self, *exc):
        self.inside.release()

    def lookup_job(self, job_id):
        with self:
            return self.jobs.get(job_id)

    def get_due_jobs(self, now):
        with self:
            due = [job for job in self.jobs.values() if job.next_run_time and job.next_run_time <= now]
            return sorted(due, key=lambda job: job.next_run_time)

    def get_next_run_time(self):
        with self:
            return min((job.next_run_time for job in self.jobs.values() if job.next_run_time), default=None)

    def get_all_jobs(self):
        with self:
            jobs = sorted(self.jobs.values(), key=lambda job: job.next_run_time or FAR)
            self._fix_paused_jobs_sorting(jobs)
            return jobs

    def add_job(self, job):
        with self:
            if job.id in self.jobs:
                raise ConflictingIdError(job.id)
            self.jobs[job.id] = job

    def update_job(self, job):
        with self:
            if job.id not in self.jobs:
                raise JobLookupError(job.id)
            self.jobs[job.id] = job

    def remove_job(self, job_id):
        with self:
            if job_id not in self.jobs:
                raise JobLookupError(job_id)
            del self.jobs[job_id]

    def remove_all_jobs(self):
        with self:
            self.jobs.clear()


class OldStyleExecutor(BaseExecutor):
    """Runs a job in a thread of its own and reports as APScheduler's executors do."""

    def _do_submit_job(self, job, run_times):
        def run():
            try:
                events = run_job(job, job._jobstore_alias, run_times, self._logger.name)
            except BaseException as exc:
                self._run_job_error(job.id, exc, exc.__traceback__)
            else:
                self._run_job_success(job.id, events)

        threading.Thread(target=run).start()


class EveryFewMilliseconds(BaseTrigger):
    def get_next_fire_time(self, previous_fire_time, now):
        return now if previous_fire_time is None else previous_fire_time + timedelta(milliseconds=20)


def test_classes_of_others_work_together():
    scheduler = OldStyleScheduler(timezone="UTC")
    scheduler.add_jobstore(OldStyleStore(), "default")
    scheduler.add_executor(OldStyleExecutor(), "default")
    runs, enough = [], threading.Event()

    def count():
        runs.append(1)
        if len(runs) >= 3:
            enough.set()

    scheduler.add_job(count, EveryFewMilliseconds(), id="count", misfire_grace_time=None)
    scheduler.start()
    woken = threading.Event()
    scheduler.add_job(woken.set, "date", run_date=FAR, id="late")
    scheduler.modify_job("late", next_run_time=datetime.now(timezone.utc))
    threads = [threading.Thread(target=lambda n=n: scheduler.add_job(int, id=f"job {n}")) for n in range(20)]
    for thread in threads:
        thread.start()
    assert enough.wait(20)
    assert woken.wait(20)
    for thread in threads:
        thread.join()
    scheduler.shutdown()


def test_hooks_that_a_subclass_overrides_are_called():
    called = []

    class Hooked(BackgroundScheduler):
        def _configure(self, config):
            called.append(("configure", config.pop("mine", None)))
            super()._configure(config)

        def _create_lock(self):
            called.append("lock")
            return super()._create_lock()

        def _create_default_executor(self):
            called.append("executor")
            return super()._create_default_executor()

        def _create_default_jobstore(self):
            called.append("jobstore")
            return super()._create_default_jobstore()

        def _create_trigger(self, trigger, trigger_args):
            called.append("trigger")
            return super()._create_trigger(trigger, trigger_args)

        def _real_add_job(self, job, jobstore_alias, replace_existing):
            called.append(("add", job.id, jobstore_alias, replace_existing))
            super()._real_add_job(job, jobstore_alias, replace_existing)

        def _dispatch_event(self, event):
            called.append(("event", event.code))
            super()._dispatch_event(event)

    scheduler = Hooked(mine=5, timezone="UTC")
    assert ("configure", 5) in called
    assert "lock" in called
    scheduler.add_job(int, "date", run_date=FAR, id="pending")
    assert called[-1] == "trigger"
    scheduler.start(paused=True)
    scheduler.add_job(int, "date", run_date=FAR, id="late", replace_existing=True)
    scheduler.shutdown()
    assert {
        "executor",
        "jobstore",
        ("add", "pending", "default", False),
        ("add", "late", "default", True),
    } <= set(called)
    assert ("event", EVENT_JOB_ADDED) in called


@pytest.fixture
def scheduler():
    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.start(paused=True)
    yield scheduler
    scheduler.shutdown()


@pytest.mark.parametrize(
    "change",
    [
        lambda scheduler, pair: scheduler._listeners.append(pair),
        lambda scheduler, pair: scheduler._listeners.extend([pair]),
        lambda scheduler, pair: setattr(scheduler, "_listeners", [pair]),
        lambda scheduler, pair: setattr(scheduler, "_listeners", [*scheduler._listeners, pair]),
    ],
    ids=["append", "extend", "replace", "more"],
)
def test_listeners_that_come_and_go_by_the_list_itself(scheduler, change):
    heard = []
    scheduler.add_job(print, "interval", hours=1, id="before")
    change(scheduler, (heard.append, EVENT_JOB_ADDED))
    scheduler.add_job(print, "interval", hours=1, id="a")
    assert [event.job_id for event in heard] == ["a"]
    with scheduler._listeners_lock:
        scheduler._listeners = []
    scheduler.add_job(print, "interval", hours=1, id="b")
    assert len(heard) == 1 and scheduler._listeners == []


@pytest.mark.parametrize(
    ("change", "order"),
    [
        (lambda pairs: pairs.reverse(), "ba"),
        (lambda pairs: pairs.sort(key=lambda pair: pair[1], reverse=True), "ba"),
        (lambda pairs: pairs.__imul__(2), "abab"),
    ],
    ids=["reverse", "sort", "twice"],
)
def test_listeners_are_told_in_the_order_of_their_list(scheduler, change, order):
    heard = []
    for name, mask in (("a", EVENT_JOB_ADDED), ("b", EVENT_JOB_ADDED | EVENT_JOB_REMOVED)):
        scheduler.add_listener(lambda event, name=name: heard.append(name), mask)
    scheduler.add_job(print, "interval", hours=1)
    assert "".join(heard) == "ab"
    heard.clear()
    change(scheduler._listeners)
    scheduler.add_job(print, "interval", hours=1)
    assert "".join(heard) == order


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("_lookup_job", lambda scheduler: scheduler.get_job("a")),
        ("modify_job", lambda scheduler: scheduler.pause_job("a")),
        ("remove_job", lambda scheduler: scheduler.remove_jobs(["a"])),
        ("_real_add_job", lambda scheduler: scheduler.add_jobs([{"func": print, "id": "b"}])),
        ("_dispatch_event", lambda scheduler: scheduler.modify_job("a", name="other")),
    ],
)
def test_methods_that_are_replaced_in_the_base_class_are_called(scheduler, name, call):
    scheduler.add_job(print, "interval", hours=1, id="a")
    call_before = getattr(BaseScheduler, name)
    scheduler.get_job("a")  # the quick way is known
    with mock.patch.object(BaseScheduler, name, autospec=True, side_effect=call_before) as replaced:
        call(scheduler)
    assert replaced.call_count >= 1


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("lookup_job", lambda scheduler: scheduler.get_job("a")),
        ("update_job", lambda scheduler: scheduler.modify_job("a", name="other")),
        ("update_job", lambda scheduler: scheduler.modify_jobs({"name": "other"}, ids=["a"])),
        ("remove_job", lambda scheduler: scheduler.remove_job("a")),
        ("add_job", lambda scheduler: scheduler.add_job(print, "interval", hours=1)),
    ],
)
def test_methods_that_are_replaced_on_a_store_after_the_start_are_called(scheduler, name, call):
    store = scheduler._lookup_jobstore("default")
    scheduler.add_job(print, "interval", hours=1, id="a")
    scheduler.get_job("a")
    with mock.patch.object(store, name, side_effect=getattr(store, name)) as replaced:
        call(scheduler)
    assert replaced.call_count == 1


def test_attributes_that_are_read(scheduler):
    def listener(event):
        pass

    scheduler.add_listener(listener, EVENT_JOB_ADDED)
    assert scheduler._listeners == [(listener, EVENT_JOB_ADDED)]
    assert list(scheduler._jobstores) == list(scheduler._executors) == ["default"]
    assert type(scheduler._jobstores["default"]) is MemoryJobStore
    assert scheduler._jobstores["default"]._scheduler is scheduler
    assert scheduler._jobstores["default"]._alias == "default"
    assert isinstance(scheduler._jobstores["default"]._logger, logging.Logger)
    assert scheduler._pending_jobs == []
    assert isinstance(scheduler._logger, logging.Logger)
    assert scheduler.timezone is timezone.utc
    assert scheduler.jobstore_retry_interval == 10
    for lock in (
        scheduler._create_lock(),
        scheduler._jobstores_lock,
        scheduler._executors_lock,
        scheduler._listeners_lock,
    ):
        with lock, lock:
            pass


def test_methods_that_are_called(scheduler):
    job = scheduler.add_job(int, "date", run_date=FAR, id="a")
    assert scheduler._lookup_job("a", None) == (job, "default")
    assert scheduler._lookup_jobstore("default") is scheduler._jobstores["default"]
    assert scheduler._lookup_executor("default") is scheduler._executors["default"]
    assert scheduler._process_jobs() is None, "paused"
    told = []
    scheduler.add_listener(told.append)
    scheduler._dispatch_event(SchedulerEvent(EVENT_JOB_ADDED))
    scheduler._dispatch_event(JobEvent(EVENT_JOB_ADDED, "a", "default"))
    assert [event.code for event in told] == [EVENT_JOB_ADDED] * 2
    scheduler.resume()
    assert scheduler._process_jobs() > 3600
    assert (job._jobstore_alias, job._scheduler, job.pending) == ("default", scheduler, False)


def test_pending_jobs_are_tuples():
    scheduler = BackgroundScheduler(timezone="UTC")
    job = scheduler.add_job(int, replace_existing=True, jobstore="other")
    assert scheduler._pending_jobs == [(job, "other", True)]


def test_a_job_made_by_hand(scheduler):
    """As django-apscheduler restores one from its rows."""
    original = scheduler.add_job(int, DateTrigger(FAR), id="a", args=["5"])
    job = Job.__new__(Job)
    job.__setstate__(original.__getstate__())
    job._scheduler = scheduler
    job._jobstore_alias = "default"
    assert (job, job.next_run_time, job.args) == (
        original,
        FAR,
        ["5"] if isinstance(job.args, list) else ("5",),
    )
    job.pause()
    assert original.next_run_time is None
