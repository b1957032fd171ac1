"""The page of one run: what it says, where it leads, that it can be cancelled; and the same as JSON."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from tests.unit.dashboard.test_dashboard import HOSTILE, form_of, request, tags
from tests.unit.dashboard.test_work_pages import api

from rapscheduler import Retry
from rapscheduler.dashboard._app import Dashboard
from rapscheduler.dashboard._sources import SchedulerSource, StoreSource
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.testing import ManualScheduler

START = datetime(2025, 3, 1, tzinfo=timezone.utc)


def fail() -> None:
    raise ValueError(f"{HOSTILE}\nand so on")


def page_of(dashboard: Dashboard, run_id: str) -> str:
    answer = dashboard.answer(request(f"/runs/{quote(run_id, safe='')}"))
    assert answer.status == 200, answer.body
    found = tags(answer.body)
    assert [tag for tag, _ in found if tag in ("script", "img", "style")] == ["script"]
    assert not any(name.startswith("on") or name == "style" for _, one in found for name in one)
    return answer.body.decode()


def tried(**options: Any) -> Any:
    """A job with a hostile name that failed at three attempts, and one that goes well each minute."""
    scheduler = ManualScheduler(START, **options)
    scheduler.add_job(
        fail,
        "date",
        run_date=START + timedelta(seconds=30),
        id=HOSTILE,
        retry=Retry(3, wait="fixed", first=10),
    )
    scheduler.add_job(os.getpid, "interval", minutes=1, id="good")
    scheduler.start()
    return scheduler


@pytest.fixture
def kept() -> Iterator[Any]:
    scheduler = tried(history="memory")
    yield scheduler
    scheduler.shutdown()


def test_a_run_with_its_traceback_and_its_other_attempts(kept: Any) -> None:
    dashboard = Dashboard(SchedulerSource(kept))
    kept.advance(timedelta(minutes=5))
    last, second, first = api(dashboard, f"runs?job={quote(HOSTILE)}")["runs"]
    page = page_of(dashboard, second["id"])
    assert "2025-03-01 00:00:30" in page and second["who"] in page and "10.000 s" in page
    assert "Traceback (most recent call last)" in page and "in fail" in page and "\u202e" not in page
    links = [one.get("href") for tag, one in tags(page.encode()) if tag == "a"]
    assert f"/runs/{first['id']}" in links and f"/runs/{last['id']}" in links
    assert f"/runs/{second['id']}" not in links and f"/jobs/{quote(HOSTILE, safe='')}" in links
    found = api(dashboard, f"runs/{second['id']}")
    assert [(one["attempt"], one["id"]) for one in found["attempts"]] == [
        (1, first["id"]),
        (2, second["id"]),
        (3, last["id"]),
    ]
    assert found["lateness"] == 10.0 and found["attempt"] == 2 and found["retry_at"] is not None
    assert "ValueError" in found["traceback"] and "last_run" not in found


def test_a_run_alone_that_went_well(kept: Any) -> None:
    dashboard = Dashboard(SchedulerSource(kept))
    kept.advance(timedelta(minutes=3))
    (run, *_) = api(dashboard, "runs?job=good")["runs"]
    page = page_of(dashboard, run["id"])
    assert "done" in page and "Attempts" not in page and "<h2>Error" not in page and "<form" not in page
    assert api(dashboard, f"runs/{run['id']}")["attempts"] == [run]


def test_the_pages_of_runs_and_of_a_job_lead_to_it(kept: Any) -> None:
    dashboard = Dashboard(SchedulerSource(kept))
    kept.advance(timedelta(minutes=8))
    runs = api(dashboard, "runs?job=good")["runs"]
    listed = dashboard.answer(request("/runs?job=good")).body
    assert {f"/runs/{one['id']}" for one in runs} <= {one.get("href") for _, one in tags(listed)}
    of_job = [one.get("href") for _, one in tags(dashboard.answer(request("/jobs/good")).body)]
    assert [one for one in of_job if str(one).startswith("/runs/")] == [
        f"/runs/{one['id']}" for one in runs[:5]
    ]


@pytest.mark.parametrize("run_id", ["nobody", HOSTILE, "a/b c?d#e", "0" * 5000])
def test_a_run_that_is_not_there(run_id: str, kept: Any) -> None:
    dashboard = Dashboard(SchedulerSource(kept))
    answer = dashboard.answer(request(f"/runs/{quote(run_id, safe='')}"))
    assert answer.status == 404 and "there is no run" in answer.body.decode()
    assert [tag for tag, _ in tags(answer.body) if tag in ("script", "img", "style")] == []
    assert "there is no run" in api(dashboard, f"runs/{quote(run_id, safe='')}", 404)["error"]


def test_without_a_history_only_runs_under_way_are_known() -> None:
    scheduler = ManualScheduler(START)
    scheduler.start()
    dashboard = Dashboard(SchedulerSource(scheduler))
    assert "keeps no history" in api(dashboard, "runs/nobody", 404)["error"]
    assert api(dashboard, "running") == {"runs": []}
    assert not scheduler._watched.every  # a look makes no runs to be kept
    scheduler.shutdown()


class Held:
    """A job that waits until it is let go, or finds that it is to end."""

    def __init__(self) -> None:
        self.begun, self.go = threading.Event(), threading.Event()

    def __call__(self) -> None:
        from rapscheduler.runs import current_run

        run = current_run()
        assert run is not None
        self.begun.set()
        while not self.go.wait(0.01):
            run.check()


@pytest.fixture
def held() -> Iterator[tuple[Any, Held]]:
    scheduler, job = BackgroundScheduler(timezone="UTC", history="memory"), Held()
    scheduler.add_job(job, "cron", year=2099, id="long")
    scheduler.start()
    yield scheduler, job
    job.go.set()
    scheduler.shutdown()


def poster(dashboard: Dashboard, path: str) -> Callable[[str], int]:
    cookie, token = form_of(dashboard, path)
    headers = {"cookie": cookie, "origin": "http://localhost:8642"}
    return lambda path: dashboard.answer(request(path, "POST", f"token={token}", headers=headers)).status


@pytest.mark.parametrize("place", ["", "/api"])
def test_a_run_under_way_is_listed_and_cancelled(place: str, held: tuple[Any, Held]) -> None:
    scheduler, job = held
    dashboard = Dashboard(SchedulerSource(scheduler), allow_changes=True)
    quiet = dashboard.mark()
    run = scheduler.run_job("long")
    assert job.begun.wait(60)
    assert dashboard.mark() != quiet
    (listed,) = api(dashboard, "running")["runs"]
    assert (listed["id"], listed["state"], listed["ended"]) == (run.id, "running", None)
    assert f"/runs/{run.id}" in dashboard.answer(request("/runs")).body.decode()
    page = page_of(dashboard, run.id)
    assert f'action="/runs/{run.id}/cancel"' in page and "running" in page
    post = poster(dashboard, f"/runs/{run.id}")
    assert post(f"{place}/runs/{run.id}/cancel") == (200 if place else 303)
    with pytest.raises(Exception, match="cancelled"):
        run.result(60)
    assert api(dashboard, f"runs/{run.id}")["state"] == "cancelled"
    assert "/cancel" not in page_of(dashboard, run.id) and api(dashboard, "running") == {"runs": []}
    assert post(f"{place}/runs/{run.id}/cancel") == 404
    assert post(f"{place}/runs/{run.id}/remove") == 404 and post(f"{place}/jobs/long/cancel") == 404


def test_nobody_cancels_unless_told(held: tuple[Any, Held]) -> None:
    scheduler, job = held
    run = scheduler.run_job("long")
    assert job.begun.wait(60)
    dashboard = Dashboard(SchedulerSource(scheduler))
    assert "/cancel" not in page_of(dashboard, run.id)
    assert dashboard.answer(request(f"/runs/{run.id}/cancel", "POST")).status == 403
    open_to_changes = Dashboard(SchedulerSource(scheduler), allow_changes=True)
    assert open_to_changes.answer(request(f"/runs/{run.id}/cancel", "POST")).status == 403  # no token
    assert not run.cancelled


def test_of_a_store_by_itself(tmp_path: Path) -> None:
    pytest.importorskip("sqlalchemy")
    from rapscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore

    url = f"sqlite:///{tmp_path}/jobs.sqlite"
    scheduler = tried(history="jobstore", jobstores={"default": {"type": "sqlalchemy", "url": url}})
    scheduler.advance(timedelta(minutes=5))
    scheduler.shutdown()
    store = SQLAlchemyJobStore(url)
    store._open(write=False)
    dashboard = Dashboard(StoreSource(store, "here"), allow_changes=True)
    last = api(dashboard, f"runs?job={quote(HOSTILE)}")["runs"][0]
    assert [one["attempt"] for one in api(dashboard, f"runs/{last['id']}")["attempts"]] == [1, 2, 3]
    page = page_of(dashboard, last["id"])
    assert f"The traceback is in the log of {last['who']}" in page and "and so on" in page
    post = poster(dashboard, "/jobs/good")
    assert post(f"/runs/{last['id']}/cancel") == 404
    store.shutdown()


def test_the_document_has_what_is_said_of_a_run(kept: Any) -> None:
    dashboard = Dashboard(SchedulerSource(kept))
    kept.advance(timedelta(minutes=2))
    document = api(dashboard, "openapi.json")
    schema = document["components"]["schemas"]["RunInFull"]
    run = api(dashboard, f"runs/{api(dashboard, 'runs?limit=1')['runs'][0]['id']}")
    assert run.keys() == schema["properties"].keys() and set(schema["required"]) <= run.keys()
    assert {"/api/runs/{id}", "/api/running", "/api/runs/{id}/cancel"} <= document["paths"].keys()
