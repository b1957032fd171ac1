"""What a store did not take while the scheduler ran is written before it is closed, or named."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from tests.faults import jobs_of_stores as jobs
from tests.faults.breakable import MINUTE, START, break_for

from rapscheduler._scheduling import last_writes
from rapscheduler.events import EVENT_JOB_REMOVED
from rapscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from rapscheduler.testing import ManualScheduler

pytestmark = pytest.mark.faults


@pytest.fixture
def stored(tmp_path: Path) -> Any:
    """A maker of schedulers on one file; jobs `every` and `once` are in it, both due after a minute."""

    def make() -> ManualScheduler:
        scheduler = ManualScheduler(START, jobstore_retry_interval=600)
        scheduler.add_jobstore(SQLAlchemyJobStore(f"sqlite:///{tmp_path}/jobs.db"))
        return scheduler

    with make() as first:
        first.add_job(jobs.note, "interval", seconds=60, id="every", args=["every"])
        first.add_job(jobs.note, "date", run_date=START + MINUTE, id="once", args=["once"])
    return make


def run_times(make: Any) -> dict[str, Any]:
    with make() as scheduler:
        return {job.id: job.next_run_time for job in scheduler.get_jobs()}


def test_what_was_not_taken_is_written_at_shutdown(stored: Any, monkeypatch: Any, caplog: Any) -> None:
    scheduler = stored()
    removed: list[str] = []
    scheduler.add_listener(lambda event: removed.append(event.job_id), EVENT_JOB_REMOVED)
    scheduler.start()
    calls = break_for(scheduler._jobstores["default"], "_settle", 1, monkeypatch)
    scheduler.advance(MINUTE)
    assert len(calls) == 1 and removed == [] and scheduler.health()["unsettled"] == 2
    scheduler.shutdown()
    assert len(calls) == 2 and removed == ["once"] and "is closed before" not in caplog.text
    assert run_times(stored) == {"every": START + 2 * MINUTE}


def test_what_can_not_be_written_is_named(stored: Any, monkeypatch: Any, caplog: Any) -> None:
    monkeypatch.setattr(last_writes, "NAMED_JOBS", 1)
    scheduler = stored()
    scheduler.start()
    calls = break_for(scheduler._jobstores["default"], "_settle", 2, monkeypatch)
    scheduler.advance(MINUTE)
    scheduler.shutdown()
    assert len(calls) == 2
    (line,) = (record.message for record in caplog.records if "is closed before" in record.message)
    assert "2 jobs that have run: every… (_settle is broken)" in line or "2 jobs that have run: once…" in line
    scheduler.start()  # in this process they are still known
    scheduler.clock.advance(10 * MINUTE)
    scheduler.advance(MINUTE)
    assert scheduler.get_job("once") is None
    scheduler.shutdown()


def test_a_store_that_does_not_answer_does_not_hold_the_end_up(
    stored: Any, monkeypatch: Any, caplog: Any
) -> None:
    monkeypatch.setattr(last_writes, "LAST_WRITE_S", 0.02)
    scheduler = stored()
    scheduler.start()
    store = scheduler._jobstores["default"]
    break_for(store, "_settle", 1, monkeypatch)
    scheduler.advance(MINUTE)
    gate = threading.Event()
    monkeypatch.setattr(store, "_settle", lambda changes: gate.wait(60))
    scheduler.shutdown()
    assert "no answer for 0.02 s" in caplog.text and not gate.is_set()
    gate.set()
