"""Every page of the dashboard, looked at by axe: light and dark, on a desk and on a phone.

Needs axe-core-python, which brings axe-core along; nothing is loaded from elsewhere.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from tests.browser.conftest import served
from tests.browser.pages import HOSTILE, screen, until

from rapscheduler.dashboard._app import Dashboard
from rapscheduler.dashboard._sources import SchedulerSource
from rapscheduler.schedulers.background import BackgroundScheduler

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
LOOK = """
const done = arguments[0];
axe.run(document, {resultTypes: ['violations']}).then(found => done(found.violations.map(one =>
    [one.impact, one.id, one.nodes.map(node => node.html + ' ' + node.failureSummary).join('; ')])),
    error => done([['critical', 'axe itself', String(error)]]));
"""


class Still(Dashboard):
    """Its pages do not renew themselves while they are looked at."""

    def mark(self) -> str:
        return ""


@pytest.fixture(scope="module")
def axe() -> str:
    if os.environ.get("RAPSCHEDULER_REQUIRE_BROWSER"):
        import axe_core_python as package
    else:
        package = pytest.importorskip("axe_core_python")
    return Path(str(package.__file__)).with_name("axe.min.js").read_text(encoding="utf-8")


@pytest.fixture
def shared(scheduler: Any, tmp_path: Path) -> Any:
    """The same scheduler, with a shared store beside, where one job is parked and one scheduler has gone."""
    sa = pytest.importorskip("sqlalchemy")
    path = tmp_path / "shared.sqlite"
    writer = BackgroundScheduler(timezone="UTC")
    writer.add_jobstore("sqlalchemy", url=f"sqlite:///{path}")
    writer.start(paused=True)
    writer.add_job(print, "date", run_date=datetime(2050, 1, 1, tzinfo=timezone.utc), id="broken")
    writer.shutdown()
    with sqlite3.connect(path) as connection:
        connection.execute("update apscheduler_jobs set job_state = ?", (b"\x00garbage",))
    connection.close()
    scheduler.add_jobstore("sqlalchemy", "shared", url=f"sqlite:///{path}", shared=True)
    rows = scheduler._jobstores["shared"]._shared
    gone = {"id": "x", "epoch": 1, "host": HOSTILE, "pid": 7, "started": 0.0, "heartbeat": 1.0, "lease": 5.0}
    with rows._engine.begin() as connection:
        connection.execute(sa.insert(rows.schedulers_t), gone)
    return scheduler


@pytest.fixture
def still(shared: Any, browser: Any) -> Iterator[str]:
    with served(Still(SchedulerSource(shared), allow_changes=True), browser) as where:
        yield where


def paths(scheduler: Any) -> list[str]:
    failed, long = scheduler.run_job("newsletter"), scheduler.run_job("long")
    with pytest.raises(ConnectionError):
        failed.result(60)
    return [
        "/", "/jobs", "/jobs?state=paused", "/jobs/newsletter", f"/jobs/{quote(HOSTILE, safe='')}",
        "/jobs/backup?line=30+9+*+*+1-5&timezone=Europe/Berlin", "/jobs/backup?line=99+9+*+*+*", "/runs",
        f"/runs/{failed.id}", f"/runs/{long.id}", "/failures", "/parked", "/schedulers", "/health", "/nowhere",
    ]  # fmt: skip


def found_by(axe: str, browser: Any) -> list[tuple[str, str, str]]:
    browser.execute_script(axe)
    return [tuple(one) for one in browser.execute_async_script(LOOK)]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing(axe: str, browser: Any, still: str, shared: Any, scheme: str, width: int) -> None:
    browser.set_script_timeout(60)
    found = {}
    with screen(browser, scheme, width):
        for path in paths(shared):
            browser.get(still + path)
            until(browser, lambda driver: driver.find_element("tag name", "h1").is_displayed())
            wrong = found_by(axe, browser)
            if wrong:
                found[path] = wrong
    assert found == {}


def test_axe_is_there_and_finds_what_is_wrong(axe: str, browser: Any, still: str) -> None:
    browser.get(f"{still}/jobs")
    browser.execute_script(
        "document.querySelector('label').remove(); document.querySelector('h1').style.color = '#eee';"
    )
    assert {"label", "color-contrast"} <= {kind for _, kind, _ in found_by(axe, browser)}
