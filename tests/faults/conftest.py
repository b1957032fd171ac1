"""A scheduler on a virtual clock that is checked at the end; the real servers, as tests/stores finds them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.faults.breakable import START
from tests.faults.port import Port
from tests.stores.conftest import server_url

from rapscheduler.jobstores.memory import MemoryJobStore
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.testing import ManualScheduler

__all__ = ["port", "runs", "scheduler", "server_url"]


@pytest.fixture
def runs() -> list[str]:
    return []


@pytest.fixture
def scheduler() -> Iterator[ManualScheduler]:
    scheduler = ManualScheduler(
        START,
        jobstore_retry_interval=10,
        job_defaults={"misfire_grace_time": None},
    )
    scheduler.start()
    yield scheduler
    for store in scheduler._jobstores.values():
        if isinstance(store, MemoryJobStore):
            store._check()
    assert len(scheduler._running_counts) == 0
    if scheduler.state:
        scheduler.shutdown()


@pytest.fixture
def background() -> Iterator[BackgroundScheduler]:
    late = {"misfire_grace_time": None}
    scheduler = BackgroundScheduler(timezone="UTC", job_defaults=late, jobstore_retry_interval=0.01)
    yield scheduler
    if scheduler.running:
        scheduler.shutdown()


@pytest.fixture
def port() -> Port:
    return Port()
