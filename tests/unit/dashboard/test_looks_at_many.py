"""A look at a page costs what it shows, whatever the number of jobs: counted, not timed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from tests.unit.dashboard.test_dashboard import request

from rapscheduler._engine.planning import Change
from rapscheduler._scheduling.asking import first
from rapscheduler.dashboard._app import Dashboard
from rapscheduler.dashboard._sources import SchedulerSource, letting_run
from rapscheduler.jobstores.base import BaseJobStore
from rapscheduler.jobstores.memory import MemoryJobStore
from rapscheduler.schedulers.background import BackgroundScheduler

LATER = datetime.now(timezone.utc) + timedelta(hours=1)
MANY = 2000


@pytest.fixture
def scheduler() -> Iterator[Any]:
    """Jobs every minute, ten at each instant."""
    made = BackgroundScheduler(timezone="UTC", jobstores={"other": MemoryJobStore()})
    made.start(paused=True)
    for number in range(MANY):
        made.add_job(
            print, "interval", minutes=1, id=f"{number * 7 % MANY:04}", name="night" if number % 500 == 3 else "day",
            next_run_time=LATER + timedelta(seconds=number // 10),
        )  # fmt: skip
    yield made
    made.shutdown()


def store_of(scheduler: Any) -> Any:
    return scheduler._jobstores["default"]


def ids(dashboard: Dashboard, query: str) -> list[str]:
    return [one["id"] for one in json.loads(dashboard.answer(request(f"/api/jobs?{query}")).body)["jobs"]]


def test_no_page_lists_all_jobs(scheduler: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    dashboard = Dashboard(SchedulerSource(scheduler))
    asked: list[int] = []
    true_first = MemoryJobStore._first
    monkeypatch.setattr(MemoryJobStore, "get_all_jobs", lambda self: pytest.fail("it lists all jobs"))
    monkeypatch.setattr(MemoryJobStore, "_index_of_ids", lambda self: pytest.fail("it orders all ids"))
    monkeypatch.setattr(
        MemoryJobStore, "_first", lambda self, limit: asked.append(limit) or true_first(self, limit)
    )
    for path in ("/", "/jobs", "/jobs?page=3", "/jobs?state=scheduled", "/health", "/schedulers", "/parked"):
        assert dashboard.answer(request(path)).status == 200
    dashboard.mark()
    assert asked and max(asked) <= 4 * 50 + 101


def test_pages_show_each_job_once_by_run_time(scheduler: Any) -> None:
    dashboard = Dashboard(SchedulerSource(scheduler))
    shown = [one for page in range(50) for one in ids(dashboard, f"page={page}")]
    times = {job.id: job.run_at_us for job in scheduler.get_jobs()}
    assert len(shown) == len(set(shown)) == MANY
    assert [times[one] for one in shown] == sorted(times.values())


def test_a_search_finds_by_words_and_state(scheduler: Any) -> None:
    dashboard = Dashboard(SchedulerSource(scheduler))
    for one in ("0005", "0004"):
        scheduler.pause_job(one)
    night = {job.id for job in scheduler.get_jobs() if job.name == "night"}
    assert set(ids(dashboard, "search=NIGHT")) == night and len(night) == 4
    assert ids(dashboard, "search=every+night") == [] and len(ids(dashboard, "search=interval+day")) == 50
    assert ids(dashboard, "state=paused") == ["0004", "0005"]
    assert ids(dashboard, "state=paused&search=0005") == ["0005"]
    assert ids(dashboard, "state=unreadable") == ids(dashboard, "state=parked") == []


def test_jobs_of_several_stores_are_merged(scheduler: Any) -> None:
    near = LATER - timedelta(minutes=5)
    scheduler.add_job(print, "interval", minutes=1, id="near", jobstore="other", next_run_time=near)
    scheduler.add_job(print, "interval", minutes=1, id="still", jobstore="other", next_run_time=None)
    scheduler.add_job(
        print,
        "interval",
        minutes=1,
        id="amid",
        jobstore="other",
        next_run_time=LATER + timedelta(seconds=0.5),
    )
    found = json.loads(Dashboard(SchedulerSource(scheduler)).answer(request("/api/jobs?limit=13")).body)
    shown = [(one["id"], one["store"]) for one in found["jobs"]]
    assert shown[0] == ("near", "other") and shown[11] == ("amid", "other") and len(shown) == 13


def test_a_job_that_was_set_aside_says_so(scheduler: Any) -> None:
    store = store_of(scheduler)
    job = store.lookup_job("0007")
    store._settle([Change(job, job.run_at_us, park="its trigger raised")])
    dashboard = Dashboard(SchedulerSource(scheduler))
    assert ids(dashboard, "state=parked") == ["0007"]
    page = dashboard.answer(request("/jobs?state=parked")).body.decode()
    assert 'class="state parked"' in page


def test_the_first_of_a_store_in_memory() -> None:
    """By run time; what a pass is at work on too; then paused ones by id, then those set aside."""
    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.start(paused=True)
    for job_id, minutes in (("c", 3), ("b", 2), ("a", 1), ("d", 4)):
        scheduler.add_job(
            print, "interval", minutes=9, id=job_id, next_run_time=LATER + timedelta(minutes=minutes)
        )
    for job_id in ("z", "y"):
        scheduler.add_job(print, "interval", minutes=9, id=job_id, next_run_time=None)
    store = store_of(scheduler)

    def order(limit: int) -> str:
        return "".join(job.id for job in first(scheduler, "default", limit))

    assert [order(limit) for limit in (0, 1, 3, 5, 99)] == ["", "a", "abc", "abcdy", "abcdyz"]
    (taken,) = store._take_due(store.lookup_job("a").run_at_us, 1)
    assert order(2) == "ab" and order(99) == "abcdyz"
    store._settle([Change(taken, taken.run_at_us, park="set aside")])
    assert order(99) == "bcdyza"
    store._take_due(store.lookup_job("b").run_at_us, 1)
    scheduler.remove_job("b")
    assert order(99) == "cdyza"
    scheduler.shutdown()


def test_of_jobs_that_wait_the_first_are_those_that_run_first() -> None:
    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.add_job(print, "interval", minutes=9, id="still", next_run_time=None)
    scheduler.add_job(print, "interval", minutes=9, id="not known")
    for minutes in (3, 1, 2):
        scheduler.add_job(
            print, "interval", minutes=9, id=f"{minutes}", next_run_time=LATER + timedelta(minutes=minutes)
        )
    assert [job.id for job in first(scheduler, "default", 2)] == ["1", "2"]
    assert [job.id for job in first(scheduler, "default", 9)] == ["1", "2", "3", "not known", "still"]
    dashboard = Dashboard(SchedulerSource(scheduler))
    assert ids(dashboard, "state=paused&limit=1") == ["still"]
    assert ids(dashboard, "state=scheduled&limit=1") == ["1"]
    assert ids(dashboard, "limit=1&page=2") == ["3"]


class TheirStore(BaseJobStore):
    """A store of somebody's: by run time, and what is set aside keeps its place."""

    def __init__(self) -> None:
        super().__init__()
        self.jobs: dict[str, Any] = {}

    def lookup_job(self, job_id: str) -> Any:
        return self.jobs.get(job_id)

    def get_all_jobs(self) -> list[Any]:
        return sorted(self.jobs.values(), key=lambda job: (job.run_at_us is None, job.run_at_us or 0))

    def get_due_jobs(self, now: datetime) -> list[Any]:
        return []

    def get_next_run_time(self) -> Any:
        return None

    def add_job(self, job: Any) -> None:
        self.jobs[job.id] = job

    update_job = add_job

    def remove_job(self, job_id: str) -> None:
        del self.jobs[job_id]

    def remove_all_jobs(self) -> None:
        self.jobs.clear()


def test_a_page_is_full_though_the_first_jobs_were_set_aside() -> None:
    scheduler = BackgroundScheduler(timezone="UTC", jobstores={"default": TheirStore()})
    scheduler.start(paused=True)
    for minutes in range(6):
        scheduler.add_job(
            print, "interval", minutes=9, id=f"{minutes}", next_run_time=LATER + timedelta(minutes=minutes)
        )
    store = store_of(scheduler)
    for one in ("0", "1", "2"):
        store._settle([Change(store.jobs[one], store.jobs[one].run_at_us, park="its trigger raised")])
    dashboard = Dashboard(SchedulerSource(scheduler))
    assert ids(dashboard, "state=scheduled&limit=2") == ["3", "4"]
    assert ids(dashboard, "state=parked&limit=2") == ["0", "1"]
    scheduler.shutdown()


def test_waiting_jobs_are_shown() -> None:
    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.add_job(print, "interval", minutes=9, id="waits")
    assert [job.id for job in first(scheduler, "default", 5)] == ["waits"]
    assert ids(Dashboard(SchedulerSource(scheduler)), "state=scheduled") == ["waits"]


def test_the_loop_may_run_between_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("rapscheduler.dashboard._sources.sleep", slept.append)
    assert list(letting_run(range(100), 16)) == list(range(100))
    assert len(slept) == 6
    assert list(letting_run(range(100), 0)) == list(range(100)) and len(slept) == 6
