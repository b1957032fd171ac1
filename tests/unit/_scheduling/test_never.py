"""A job that will never run is told of once, when it is defined, with the reason; it is kept, as APScheduler does."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from rapscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from rapscheduler.testing import ManualScheduler
from rapscheduler.triggers.base import BaseTrigger
from rapscheduler.triggers.cron import CronTrigger

NOW = datetime(2026, 11, 28, 12, tzinfo=timezone.utc)
IMPOSSIBLE = {"month": 2, "day": 31}


def work() -> None:
    raise AssertionError("never runs")


@pytest.fixture(params=["memory", "sqlalchemy"])
def scheduler(request: pytest.FixtureRequest) -> Iterator[ManualScheduler]:
    made = ManualScheduler(NOW)
    if request.param == "sqlalchemy":
        made.add_jobstore(SQLAlchemyJobStore("sqlite://"))
    made.start()
    yield made
    made.shutdown()


def warned(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_add_job_tells_once_and_keeps_the_job_paused(
    scheduler: ManualScheduler, caplog: pytest.LogCaptureFixture
) -> None:
    scheduler.add_job(work, "cron", id="report", name="the report", **IMPOSSIBLE)
    expected = (
        "Job \"the report\" (id report) will never run, as no time has month='2' and day='31'; "
        "it is kept, paused, until it is rescheduled or removed"
    )
    assert warned(caplog) == [expected]
    job = scheduler.get_job("report")
    assert job is not None and job.next_run_time is None
    scheduler.advance(timedelta(days=400))
    assert len(warned(caplog)) == 1


def test_a_job_that_waits_for_the_start_is_told_of_then(caplog: pytest.LogCaptureFixture) -> None:
    scheduler = ManualScheduler(NOW)
    scheduler.add_job(work, "cron", year=2020, id="old")
    assert warned(caplog) == []
    scheduler.start()
    assert len(warned(caplog)) == 1 and "year='2020' is over" in warned(caplog)[0]
    scheduler.shutdown()


def test_add_jobs_tells_once_for_each_trigger(
    scheduler: ManualScheduler, caplog: pytest.LogCaptureFixture
) -> None:
    trigger = CronTrigger(timezone="UTC", **IMPOSSIBLE)
    specs: list[dict[str, Any]] = [{"id": f"j{number}", "trigger": trigger} for number in range(3)]
    specs += [
        {"id": "fine", "trigger": "interval"},
        {"id": "old", "trigger": CronTrigger(year=2020, timezone="UTC")},
    ]
    scheduler.add_jobs(specs, func=work)
    first, second = warned(caplog)
    assert '"work" (id j0) (and 2 more jobs with this trigger) will never run' in first
    assert "(id old) will never run" in second
    assert len(scheduler.get_jobs()) == 5


def test_reschedule_job_tells(scheduler: ManualScheduler, caplog: pytest.LogCaptureFixture) -> None:
    scheduler.add_job(work, "interval", days=1, id="report")
    scheduler.reschedule_job("report", trigger="cron", hour=1, end_date="2026-11-28")
    assert len(warned(caplog)) == 1 and "end_date='2026-11-28 00:00:00 UTC' is over" in warned(caplog)[0]
    scheduler.reschedule_job("report", trigger="interval", days=1)
    assert len(warned(caplog)) == 1


def test_a_job_that_is_paused_on_purpose_or_runs_is_not_told_of(
    scheduler: ManualScheduler, caplog: pytest.LogCaptureFixture
) -> None:
    scheduler.add_job(work, "cron", next_run_time=None, **IMPOSSIBLE)
    scheduler.add_job(work, "cron", month=2, day=29)
    scheduler.add_job(work, "cron", hour=1, jitter=5)
    assert warned(caplog) == []


def test_triggers_of_others_and_with_jitter_are_told_of(
    scheduler: ManualScheduler, caplog: pytest.LogCaptureFixture
) -> None:
    scheduler.add_job(work, CronTrigger(jitter=5, timezone="UTC", **IMPOSSIBLE), id="late")
    assert "(id late) will never run, as no time has" in warned(caplog)[0]
    if "default" not in scheduler._jobstores or isinstance(
        scheduler._jobstores["default"], SQLAlchemyJobStore
    ):
        return  # a class of this function can't be stored
    scheduler.add_job(work, _Silent(), id="foreign")
    assert "will never run, as <silent> has no fire time from now on" in warned(caplog)[1]


class _Silent(BaseTrigger):
    def get_next_fire_time(self, previous_fire_time: Any, now: datetime) -> None:
        return None

    def __str__(self) -> str:
        return "<silent>"
