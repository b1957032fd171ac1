"""The pages of runs and of schedulers, and what the JSON API says of them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from tests.unit.dashboard.test_dashboard import HOSTILE, asgi, request, tags, wsgi

from rapscheduler.dashboard import asgi_app, wsgi_app
from rapscheduler.dashboard._app import Dashboard
from rapscheduler.dashboard._sources import SchedulerSource, StoreSource
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.testing import ManualScheduler

START = datetime(2025, 3, 1, tzinfo=timezone.utc)


def fail() -> None:
    raise ValueError(f"{HOSTILE}\nand {'so ' * 60}on")


@pytest.fixture
def kept() -> Iterator[Any]:
    """60 runs of a job with a hostile name, by the minute, and one that failed."""
    scheduler = ManualScheduler(START, history="memory")
    scheduler.add_job(os.getpid, "interval", minutes=1, id=HOSTILE)
    scheduler.add_job(fail, "date", run_date=START + timedelta(seconds=90), id="bad")
    scheduler.start()
    scheduler.advance(timedelta(hours=1, seconds=30))
    yield scheduler
    scheduler.shutdown()


def api(dashboard: Dashboard, path: str, status: int = 200) -> Any:
    answer = dashboard.answer(request(f"/api/{path}"))
    assert answer.status == status, answer.body
    return json.loads(answer.body)


def test_runs_by_job_state_and_time_page_by_page(kept: Any) -> None:
    dashboard = Dashboard(SchedulerSource(kept))
    pages = [api(dashboard, f"runs?job={quote(HOSTILE)}&page={number}") for number in range(2)]
    assert [(len(one["runs"]), one["page"], one["more"]) for one in pages] == [(50, 0, True), (10, 1, False)]
    every = [one for page in pages for one in page["runs"]]
    assert len({one["id"] for one in every}) == 60
    ended = [one["ended"] for one in every]
    assert ended == sorted(ended, reverse=True)
    (failed,) = api(dashboard, "runs?state=failed")["runs"]
    assert failed["job_id"] == "bad" and failed["error"].startswith("ValueError: ")
    late = quote((START + timedelta(minutes=58, seconds=30)).isoformat())
    assert len(api(dashboard, f"runs?since={late}")["runs"]) == 2
    assert api(dashboard, "runs?job=nobody") == {"runs": [], "page": 0, "more": False}
    assert len(api(dashboard, "runs?limit=7")["runs"]) == 7
    assert "'late' is no time" in api(dashboard, "runs?since=late", 422)["error"]
    assert "'odd' is none of" in api(dashboard, "runs?state=odd", 422)["error"]


def test_the_page_of_runs(kept: Any) -> None:
    dashboard = Dashboard(SchedulerSource(kept))
    answer = dashboard.answer(request("/runs?state=failed"))
    page, found = answer.body.decode(), tags(answer.body)
    assert [tag for tag, _ in found if tag in ("script", "img", "style")] == ["script"]
    assert [tag for tag, _ in found if tag in ("details", "summary")] == ["details", "summary"]
    assert page.count("so so so") >= 1 and "failed" in page and "\u202e" not in page
    assert ("option", {"value": "failed", "selected": None}) in found
    second = dashboard.answer(request("/runs?page=1&since=2025-02-01")).body.decode()
    assert "Previous page" in second and "/runs?page=0&amp;since=2025-02-01" in second
    assert 'aria-current="page">Runs' in second
    assert dashboard.answer(request("/runs?since=late")).status == 422


def test_a_job_leads_to_its_runs(kept: Any) -> None:
    dashboard = Dashboard(SchedulerSource(kept))
    found = tags(dashboard.answer(request(f"/jobs/{quote(HOSTILE, safe='')}")).body)
    (link,) = [str(one["href"]) for tag, one in found if tag == "a" and "/runs?" in str(one.get("href"))]
    page = dashboard.answer(request(link)).body.decode()
    assert page.count("<tr>") == 51 and "ValueError" not in page


def test_without_a_history_it_says_how_to_keep_one() -> None:
    scheduler = ManualScheduler(START)
    scheduler.start()
    dashboard = Dashboard(SchedulerSource(scheduler))
    answer = dashboard.answer(request("/runs"))
    assert answer.status == 200 and "keeps no history" in answer.body.decode()
    assert "keeps no history" in api(dashboard, "runs", 404)["error"]
    scheduler.shutdown()


def test_a_scheduler_alone(kept: Any) -> None:
    dashboard = Dashboard(SchedulerSource(kept))
    found = api(dashboard, "schedulers")
    assert found["peers"] == [] and f":{os.getpid()} is alone" in found["notes"][0]
    assert "is alone" in dashboard.answer(request("/schedulers")).body.decode()


def test_whether_it_leads(tmp_path: Path) -> None:
    scheduler = BackgroundScheduler(timezone="UTC", leader=f"file://{tmp_path}/lock")
    dashboard = Dashboard(SchedulerSource(scheduler))
    assert "does not lead" in api(dashboard, "schedulers")["notes"][0]
    scheduler.start()
    try:
        for _ in range(600):
            if scheduler.is_leader:
                break
            time.sleep(0.1)
        assert " leads" in api(dashboard, "schedulers")["notes"][0]
    finally:
        scheduler.shutdown()


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Any]:
    """A scheduler on a shared store, with one run of its own, one of somebody gone, and a hostile peer."""
    sa = pytest.importorskip("sqlalchemy")
    scheduler = BackgroundScheduler(timezone="UTC", history="jobstore")
    scheduler.add_jobstore("sqlalchemy", url=f"sqlite:///{tmp_path}/shared.sqlite", shared=True)
    scheduler.start(paused=True)
    store = scheduler._jobstores["default"]
    rows, me = store._shared, store._claims.me
    run = {"run_us": 1_000_000, "from_us": 1_000_000, "last_us": 1_000_000, "epoch": me.epoch}
    gone = {
        "id": "gone",
        "epoch": 1,
        "host": HOSTILE,
        "pid": 7,
        "started": 0.0,
        "heartbeat": 1.0,
        "lease": 5.0,
    }
    with rows._engine.begin() as connection:
        connection.execute(sa.insert(rows.schedulers_t), gone)
        for job_id, owner in ((HOSTILE, me.id), ("left-over", "nobody-known")):
            connection.execute(sa.insert(rows.runs_t), run | {"job_id": job_id, "owner": owner})
    yield scheduler
    scheduler.shutdown()


def test_who_shares_a_store(shared: Any) -> None:
    """Of the scheduler, and of its store seen from elsewhere."""
    store = shared._jobstores["default"]
    for source in (SchedulerSource(shared), StoreSource(store, "here")):
        dashboard = Dashboard(source)
        found = api(dashboard, "schedulers")
        mine, gone = found["peers"]
        assert (mine["pid"], mine["alive"], mine["running"]) == (os.getpid(), True, 1)
        assert mine["runs"][0]["job_id"] == HOSTILE and gone["alive"] is False and found["notes"] == []
        assert [one["job_id"] for one in found["left"]] == ["left-over"]
        answer = dashboard.answer(request("/schedulers"))
        assert [tag for tag, _ in tags(answer.body) if tag in ("script", "img", "style")] == ["script"]
        assert b"left-over" in answer.body and b"\xe2\x80\xae" not in answer.body and b">no<" in answer.body


def test_a_store_whose_runs_are_kept_and_one_where_nothing_is(tmp_path: Path) -> None:
    pytest.importorskip("sqlalchemy")
    from rapscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore

    url = f"sqlite:///{tmp_path}/jobs.sqlite"
    scheduler = ManualScheduler(START, history="jobstore")
    scheduler.add_jobstore("sqlalchemy", url=url)
    scheduler.start()
    store = SQLAlchemyJobStore(url)
    store._open(write=False)
    dashboard = Dashboard(StoreSource(store, "here"))
    assert "there is no history there" in api(dashboard, "runs", 404)["error"]
    assert "no scheduler shares" in api(dashboard, "schedulers")["notes"][0]
    before = dashboard.mark()
    scheduler.add_job(os.getpid, "date", run_date=START + timedelta(seconds=1), id="once")
    scheduler.advance(2)
    scheduler.shutdown()
    assert [one["job_id"] for one in api(dashboard, "runs")["runs"]] == ["once"]
    assert dashboard.mark() != before
    store.shutdown()


def test_a_run_that_ended_renews_the_pages(kept: Any) -> None:
    dashboard = Dashboard(SchedulerSource(kept))
    before = dashboard.mark()
    assert dashboard.mark() == before
    kept.pause_job(HOSTILE)
    paused = dashboard.mark()
    kept.run_job("bad" if kept.get_job("bad") else HOSTILE)
    kept.advance(0)
    assert dashboard.mark() != paused


def test_asgi_and_wsgi_serve_them(kept: Any) -> None:
    for path in ("/runs", "/schedulers"):
        status, body = asgi(asgi_app(kept), path, "/deep")
        assert status == 200 and b'href="/deep/runs' in body
        told, found = wsgi(wsgi_app(kept), path, "/deep")
        assert told == "200 OK" and b'href="/deep/schedulers"' in b"".join(found)


def test_the_document_has_what_the_api_answers(kept: Any) -> None:
    dashboard = Dashboard(SchedulerSource(kept))
    schemas = api(dashboard, "openapi.json")["components"]["schemas"]
    run = api(dashboard, "runs?limit=1")["runs"][0]
    assert (
        run.keys() == schemas["Run"]["properties"].keys()
        and run["state"] in schemas["Run"]["properties"]["state"]["enum"]
    )


def test_the_document_has_what_is_said_of_schedulers(shared: Any) -> None:
    dashboard = Dashboard(SchedulerSource(shared))
    document = api(dashboard, "openapi.json")
    schemas = document["components"]["schemas"]
    found = api(dashboard, "schedulers")
    assert found["peers"][0].keys() == schemas["Scheduler"]["properties"].keys()
    assert found["left"][0].keys() == schemas["UnderWay"]["properties"].keys()
