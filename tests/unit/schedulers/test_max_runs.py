"""`max_runs`: a job is over after so many runs of its schedule, wherever it is kept."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from rapscheduler.errors import JobLookupError
from rapscheduler.events import EVENT_JOB_MAX_INSTANCES, EVENT_JOB_REMOVED
from rapscheduler.jobstores.memory import MemoryJobStore
from rapscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from rapscheduler.runs import Retry
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.testing import ManualScheduler
from rapscheduler.triggers.base import BaseTrigger

START = datetime(2025, 3, 1, tzinfo=timezone.utc)
calls: list[str] = []


@pytest.fixture(autouse=True)
def _forget() -> None:
    calls.clear()


def work(name: str = "work") -> None:
    calls.append(name)


def fails() -> None:
    calls.append("fails")
    raise OSError


stopping: list[Any] = []


def stops() -> None:
    calls.append("stops")
    if stopping:
        stopping.pop().shutdown(wait=False)


def told(scheduler: Any, mask: int) -> list[tuple[int, str]]:
    events: list[tuple[int, str]] = []
    scheduler.add_listener(lambda event: events.append((event.code, event.job_id)), mask)
    return events


@pytest.fixture(params=["memory", "rows"])
def scheduler(request: Any, tmp_path: Any) -> Any:
    store = (
        MemoryJobStore() if request.param == "memory" else SQLAlchemyJobStore(f"sqlite:///{tmp_path}/jobs.db")
    )
    with ManualScheduler(START, jobstores={"default": store}) as scheduler:
        yield scheduler


def test_a_job_is_removed_after_so_many_runs_and_that_is_told(scheduler: Any) -> None:
    events = told(scheduler, EVENT_JOB_REMOVED)
    scheduler.add_job(work, "interval", minutes=1, id="a", max_runs=3)
    scheduler.advance(120)
    assert (len(calls), scheduler.get_job("a").runs_begun, events) == (2, 2, [])
    scheduler.advance(3600)
    assert (len(calls), scheduler.get_job("a"), events) == (3, None, [(EVENT_JOB_REMOVED, "a")])


def test_run_now_does_not_count(scheduler: Any) -> None:
    scheduler.add_job(work, "interval", minutes=1, id="a", max_runs=2)
    for _ in range(5):
        scheduler.run_job("a").result(10)
    assert scheduler.get_job("a").runs_begun == 0
    scheduler.advance(3600)
    assert len(calls) == 7


def test_each_run_time_of_a_job_that_does_not_coalesce_counts(scheduler: Any) -> None:
    scheduler.add_job(
        work, "interval", minutes=1, id="a", max_runs=3, coalesce=False, misfire_grace_time=None
    )
    scheduler.pause()
    scheduler.advance(600)
    scheduler.resume()
    scheduler.advance(1)
    assert (len(calls), scheduler.get_job("a")) == (3, None)


def test_what_was_missed_does_not_count(scheduler: Any) -> None:
    scheduler.add_job(work, "interval", minutes=1, id="a", max_runs=3, coalesce=False, misfire_grace_time=90)
    scheduler.pause()
    scheduler.advance(300)
    scheduler.resume()
    scheduler.advance(1)  # of five, two are in time
    assert (len(calls), scheduler.get_job("a").runs_begun) == (2, 2)
    scheduler.advance(3600)
    assert len(calls) == 3


class Odd(BaseTrigger):
    """A trigger that the engine does not know."""

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        return now + timedelta(minutes=1) if previous is None else previous + timedelta(minutes=1)


@pytest.mark.parametrize("coalesce", [True, False])
def test_a_trigger_of_somebody_elses_is_limited_too(coalesce: bool) -> None:
    with ManualScheduler(START) as scheduler:
        scheduler.add_job(work, Odd(), id="a", max_runs=3, coalesce=coalesce, misfire_grace_time=None)
        scheduler.advance(60)
        scheduler.pause()
        scheduler.advance(600)
        scheduler.resume()
        scheduler.advance(3600)
        assert (len(calls), scheduler.get_job("a")) == (3, None)


def test_the_count_survives_a_restart(tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/jobs.db"
    with ManualScheduler(START, jobstores={"default": SQLAlchemyJobStore(url)}) as first:
        first.add_job(work, "interval", minutes=1, id="a", max_runs=5)
        first.advance(180)
    with ManualScheduler(
        START + timedelta(minutes=3), jobstores={"default": SQLAlchemyJobStore(url)}
    ) as second:
        assert (second.get_job("a").max_runs, second.get_job("a").runs_begun) == (5, 3)
        second.advance(3600)
        assert (len(calls), second.get_job("a")) == (5, None)


def test_the_count_of_a_store_that_fails_is_written_later(tmp_path: Any, monkeypatch: Any) -> None:
    store = SQLAlchemyJobStore(f"sqlite:///{tmp_path}/jobs.db")
    with ManualScheduler(START, jobstores={"default": store}, jobstore_retry_interval=5) as scheduler:
        scheduler.add_job(work, "interval", minutes=1, id="a", max_runs=3)
        scheduler.add_job(work, "interval", minutes=1, id="b", args=["b"])
        with monkeypatch.context() as broken:
            broken.setattr(store, "_replace_if", lambda *_: 1 / 0)
            scheduler.advance(61)
        scheduler.advance(10)
        assert (scheduler.get_job("a").runs_begun, calls.count("work"), calls.count("b")) == (1, 1, 1)
        scheduler.advance(3600)
        assert (scheduler.get_job("a"), calls.count("work"), calls.count("b")) == (None, 3, 61)


def test_other_options_and_the_limit_can_be_changed_on_the_way(scheduler: Any) -> None:
    scheduler.add_job(work, "interval", minutes=1, id="a", max_runs=3)
    scheduler.advance(120)
    scheduler.modify_job("a", tags={"x"}, max_runs=4)
    assert scheduler.get_job("a").runs_begun == 2
    with pytest.raises(ValueError, match="max_runs=2: 2 runs of this job began already"):
        scheduler.modify_job("a", max_runs=2)
    scheduler.advance(60)
    assert scheduler.get_job("a").tags == {"x"}
    scheduler.modify_job("a", max_runs=None)
    scheduler.advance(600)
    assert (len(calls), scheduler.get_job("a").runs_begun) == (13, 0)


@pytest.mark.parametrize("value", [0, -1, "3", 1.5, True])
def test_a_wrong_number_is_named(scheduler: Any, value: Any) -> None:
    with pytest.raises(TypeError, match=f"max_runs must be a positive integer or None, got {value!r}"):
        scheduler.add_job(work, "interval", minutes=1, max_runs=value)


def test_a_decorated_job_and_many_at_once_may_have_it(scheduler: Any) -> None:
    scheduler.scheduled_job("interval", minutes=1, id="a", max_runs=1)(work)
    scheduler.add_jobs([{"id": "b", "max_runs": 2}, {"id": "c"}], func=work, trigger="interval", hours=1)
    scheduler.advance(4 * 3600)
    assert (len(calls), [job.id for job in scheduler.get_jobs()]) == (1 + 2 + 4, ["c"])


def test_attempts_after_the_last_run_are_made_and_do_not_count(scheduler: Any) -> None:
    scheduler.add_job(
        fails, "interval", minutes=1, id="a", max_runs=2, retry=Retry(attempts=3, wait="fixed", first=5)
    )
    scheduler.advance(3600)
    assert (len(calls), scheduler.get_jobs()) == (6, [])


def test_a_run_that_is_skipped_does_not_count() -> None:
    begun, go_on = threading.Event(), threading.Event()
    seen = threading.Event()

    def waits() -> None:
        begun.set()
        go_on.wait(60)

    with BackgroundScheduler(timezone="UTC") as scheduler:
        scheduler.add_listener(lambda event: seen.set(), EVENT_JOB_MAX_INSTANCES)
        job = scheduler.add_job(waits, "interval", seconds=0.05, max_runs=2, misfire_grace_time=None)
        assert begun.wait(60) and seen.wait(60)
        assert scheduler.get_job(job.id).runs_begun == 1
        removed = threading.Event()
        scheduler.add_listener(lambda event: removed.set(), EVENT_JOB_REMOVED)
        go_on.set()
        assert removed.wait(60)
        with pytest.raises(JobLookupError):
            scheduler.remove_job(job.id)


def test_what_a_shutdown_left_of_a_backlog_does_not_count(tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/jobs.db"
    stores = {"default": SQLAlchemyJobStore(url)}
    with ManualScheduler(START, jobstores=stores) as first:
        first.add_job(
            stops,
            "interval",
            minutes=1,
            id="a",
            max_runs=4,
            coalesce=False,
            misfire_grace_time=None,
        )
        first.pause()
        first.advance(600)
        stopping.append(first)
        first.resume()
        first.advance(1)
    with ManualScheduler(
        START + timedelta(minutes=11), jobstores={"default": SQLAlchemyJobStore(url)}
    ) as second:
        assert (len(calls), second.get_job("a").runs_begun) == (1, 1)
        second.advance(3600)
        assert (len(calls), second.get_job("a")) == (4, None)


def test_a_shared_store_counts_too(tmp_path: Any) -> None:
    store = SQLAlchemyJobStore(f"sqlite:///{tmp_path}/jobs.db", shared=True)
    removed = threading.Event()
    with BackgroundScheduler(timezone="UTC", jobstores={"default": store}) as scheduler:
        scheduler.add_listener(lambda event: removed.set(), EVENT_JOB_REMOVED)
        scheduler.add_job(work, "interval", seconds=0.1, id="a", max_runs=3, misfire_grace_time=None)
        assert removed.wait(60)
        assert scheduler.get_job("a") is None
    assert len(calls) == 3
