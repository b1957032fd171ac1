"""A Redis that is killed and comes back under two schedulers that share it: no due time is left out."""

from __future__ import annotations

import time
from collections import Counter
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from tests.faults.private_servers import Missing, RedisServer

from rapscheduler._instants import us_of
from rapscheduler.events import EVENT_JOB_EXECUTED, EVENT_JOB_LOST
from rapscheduler.jobstores.redis import RedisJobStore
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.testing.stores import noop

pytestmark = pytest.mark.servers
STEP_US = 500_000


def until(condition: Any, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that in time"
        time.sleep(0.02)


@pytest.fixture
def server() -> Any:
    try:
        server = RedisServer()
    except Missing as exc:
        pytest.skip(str(exc))
    server.start()
    yield server
    server.close()


def test_the_server_is_killed_and_comes_back(server: RedisServer) -> None:
    made: list[tuple[str, int]] = []
    lost: list[tuple[str, int]] = []
    schedulers = []
    for _ in range(2):
        store = RedisJobStore(host="127.0.0.1", port=server.port, shared=True, lease=5, poll_interval=0.2)
        scheduler = BackgroundScheduler(
            timezone="UTC", jobstores={"default": store}, jobstore_retry_interval=0.2
        )
        scheduler.add_listener(
            lambda event: made.append((event.job_id, us_of(event.scheduled_run_time))), EVENT_JOB_EXECUTED
        )
        scheduler.add_listener(
            lambda event: lost.append((event.job_id, us_of(event.scheduled_run_time))), EVENT_JOB_LOST
        )
        scheduler.start()
        schedulers.append(scheduler)
    options: Any = {"coalesce": False, "misfire_grace_time": None, "max_instances": 100}
    for number in range(4):
        start = datetime.now(timezone.utc) + timedelta(milliseconds=100 * number)
        schedulers[number % 2].add_job(
            noop, "interval", seconds=0.5, start_date=start, id=f"job{number}", **options
        )
    until(lambda: len(made) >= 20)
    for _ in range(2):
        before = len(made)
        server.restart()
        until(lambda: len(made) >= before + 30)  # noqa: B023
    for scheduler in schedulers:
        scheduler.shutdown()
    times = Counter(made)
    assert {run for run, number in times.items() if number > 1} <= set(lost)
    for number in range(4):
        own = sorted(at for job_id, at in times if job_id == f"job{number}")
        assert {later - earlier for earlier, later in zip(own, own[1:], strict=False)} == {STEP_US}
