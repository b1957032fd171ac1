"""Runs of a shared store that nobody listens to are claimed, asked whether they begin, and told when they ended."""

from __future__ import annotations

import asyncio
import time

import pytest

from rapscheduler._scheduling.claims import Claim
from rapscheduler.schedulers.asyncio import AsyncIOScheduler
from rapscheduler.schedulers.background import BackgroundScheduler

sa = pytest.importorskip("sqlalchemy")
SQLAlchemyJobStore = pytest.importorskip("rapscheduler.jobstores.sqlalchemy").SQLAlchemyJobStore
made = []


def work():
    made.append(1)


async def work_in_loop():
    made.append(1)


@pytest.fixture
def begun(monkeypatch):
    made.clear()
    asked, begin = [], Claim.begin
    monkeypatch.setattr(Claim, "begin", lambda self, i: asked.append(self.key) or begin(self, i))
    return asked


def left(store):
    with store.engine.connect() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(store._shared.runs_t)).scalar()


def test_in_a_pool_of_threads(tmp_path, begun):
    store = SQLAlchemyJobStore(f"sqlite:///{tmp_path}/jobs.db", shared=True)
    with BackgroundScheduler(timezone="UTC", jobstores={"default": store}) as scheduler:
        scheduler.add_job(work, "date", id="a", misfire_grace_time=None)
        until_s = time.monotonic() + 20
        while not (made and left(store) == 0) and time.monotonic() < until_s:
            time.sleep(0.02)
        assert [job_id for job_id, _ in begun] == ["a"]
        assert (made, left(store)) == ([1], 0)


@pytest.mark.parametrize("func", [work, work_in_loop])
def test_in_an_event_loop(tmp_path, begun, func):
    store = SQLAlchemyJobStore(f"sqlite:///{tmp_path}/jobs.db", shared=True)

    async def main():
        scheduler = AsyncIOScheduler(timezone="UTC", jobstores={"default": store})
        scheduler.start()
        scheduler.add_job(func, "date", id="a", misfire_grace_time=None)
        until_s = time.monotonic() + 20
        while not (made and left(store) == 0) and time.monotonic() < until_s:
            await asyncio.sleep(0.02)
        await scheduler.shutdown_async()

    asyncio.run(main())
    assert [job_id for job_id, _ in begun] == ["a"]
    assert (made, left(store)) == ([1], 0)
