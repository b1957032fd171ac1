"""Rows of a shared store, on their way to becoming claims."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from rapscheduler import _engine
from rapscheduler._instants import us_of
from rapscheduler._scheduling import keeper
from rapscheduler._serialization import reading
from rapscheduler.schedulers.background import BackgroundScheduler

SQLAlchemyJobStore = pytest.importorskip("rapscheduler.jobstores.sqlalchemy").SQLAlchemyJobStore


def work():
    pass


@pytest.mark.skipif(
    _engine.NAME == "reference", reason="the reference engine leaves all rows to the long way"
)
def test_rows_that_are_alike_are_read_once(tmp_path, monkeypatch):
    read, read_one, now = [], reading.job_from_row, datetime.now(timezone.utc)
    monkeypatch.setattr(reading, "job_from_row", lambda *told: read.append(told) or read_one(*told))
    url = f"sqlite:///{tmp_path}/jobs.db"
    writer = BackgroundScheduler(timezone="UTC", jobstores={"default": SQLAlchemyJobStore(url, shared=True)})
    writer.start(paused=True)
    spec = {"func": work, "trigger": "interval", "hours": 1, "next_run_time": now}
    writer.add_jobs([spec for _ in range(100)])
    writer.shutdown()
    store = SQLAlchemyJobStore(url, shared=True)
    store.start(BackgroundScheduler(timezone="UTC"), "default")
    kept = keeper.Keeper(store._scheduler, "default", store)
    store._shared.join(kept.me)
    assert len(kept.take(us_of(now) + 1, 200)) == 100
    assert 0 < len(read) < 5
    store.shutdown()
