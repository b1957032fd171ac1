"""Jobs that wait for a start which fails: all of them wait again, and nothing of them is left in a store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rapscheduler.errors import ConflictingIdError
from rapscheduler.events import EVENT_JOB_ADDED, EVENT_JOB_REMOVED
from rapscheduler.jobstores.memory import MemoryJobStore
from rapscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from rapscheduler.schedulers.background import BackgroundScheduler


def work() -> None: ...


@pytest.fixture
def make(tmp_path: Path) -> Any:
    """A maker of schedulers with a memory store and a file, in which the id `taken` is."""

    def make() -> BackgroundScheduler:
        file = SQLAlchemyJobStore(f"sqlite:///{tmp_path}/jobs.db")
        return BackgroundScheduler(jobstores={"default": MemoryJobStore(), "file": file}, timezone="UTC")

    with make() as first:
        add(first, "taken")
    return make


def add(scheduler: BackgroundScheduler, job_id: str, jobstore: str = "file", **options: Any) -> None:
    scheduler.add_job(work, "interval", days=1, id=job_id, jobstore=jobstore, **options)


def stored(make: Any) -> set[str]:
    with make() as other:
        return {job.id for job in other.get_jobs()}


def waiting(scheduler: BackgroundScheduler) -> list[str]:
    return [job.id for job, _, _ in scheduler._pending_jobs]


def test_a_start_that_fails_at_a_taken_id_takes_everything_back(make: Any) -> None:
    scheduler = make()
    balance: list[str] = []
    scheduler.add_listener(lambda event: balance.append(event.job_id), EVENT_JOB_ADDED)
    scheduler.add_listener(lambda event: balance.remove(event.job_id), EVENT_JOB_REMOVED)
    add(scheduler, "early")
    add(scheduler, "replacing", replace_existing=True)
    add(scheduler, "light", "default")
    add(scheduler, "other")
    add(scheduler, "taken")
    ids = waiting(scheduler)
    with pytest.raises(ConflictingIdError, match="taken"):
        scheduler.start()
    assert not scheduler.running and scheduler._thread is None
    assert waiting(scheduler) == ids and all(job.pending for job in scheduler.get_jobs())
    assert balance == ["replacing"] and stored(make) == {"taken", "replacing"}
    scheduler.remove_job("taken")
    scheduler.start()
    assert {job.id for job in scheduler.get_jobs()} == {*ids}
    assert waiting(scheduler) == []
    scheduler.shutdown()


def test_a_job_that_comes_during_the_start_makes_no_half_of_one(make: Any) -> None:
    """It is added when the others are stored already; its id is taken."""
    scheduler = make()

    def add_late(event: Any) -> None:
        scheduler.remove_listener(add_late)
        add(scheduler, "taken")

    scheduler.add_listener(add_late, EVENT_JOB_ADDED)
    add(scheduler, "light", "default")
    add(scheduler, "early")
    with pytest.raises(ConflictingIdError, match="taken"):
        scheduler.start()
    assert not scheduler.running and waiting(scheduler) == ["light", "early", "taken"]
    assert stored(make) == {"taken"}
    scheduler.remove_job("taken")
    scheduler.start()
    assert {job.id for job in scheduler.get_jobs()} == {"light", "early", "taken"}
    scheduler.shutdown()


def test_a_thread_that_can_not_be_started_leaves_the_jobs_waiting(make: Any, monkeypatch: Any) -> None:
    scheduler = make()
    add(scheduler, "early")

    def refuse() -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as full:
        full.setattr(scheduler, "_start_loop", refuse)
        with pytest.raises(RuntimeError, match="new thread"):
            scheduler.start()
    assert not scheduler.running and waiting(scheduler) == ["early"] and stored(make) == {"taken"}
    scheduler.start()
    assert scheduler.get_job("early").pending is False
    scheduler.shutdown()
