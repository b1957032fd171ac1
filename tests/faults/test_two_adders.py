"""Two adders racing for one id: exactly one wins, whatever the store, in threads and in processes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from tests.faults import jobs_of_stores as jobs
from tests.stores.test_conformance_servers import fresh_name

from rapscheduler.errors import ConflictingIdError
from rapscheduler.testing import ManualScheduler

pytestmark = [pytest.mark.faults, pytest.mark.servers, pytest.mark.slow]
START = datetime(2025, 6, 1, tzinfo=timezone.utc)
ROUNDS = 25
ROOT = Path(__file__).parents[2]


def make_store(kind: str, url: str, name: str) -> Any:
    if kind == "redis":
        import redis

        from rapscheduler.jobstores.redis import RedisJobStore

        client = redis.Redis.from_url(url)
        return RedisJobStore(client=client, jobs_key=f"{name}.jobs", run_times_key=f"{name}.times")
    from rapscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore

    return SQLAlchemyJobStore(url, tablename=name)


def adder(kind: str, url: str, name: str) -> ManualScheduler:
    scheduler = ManualScheduler(start=START)
    scheduler.add_jobstore(make_store(kind, url, name))
    scheduler.start(paused=True)
    return scheduler


def add_each(scheduler: ManualScheduler, who: str, wait: Callable[[], Any]) -> list[int]:
    """The rounds that this adder won."""
    won = []
    for number in range(ROUNDS):
        wait()
        try:
            scheduler.add_job(jobs.note, "date", run_date=START, id=f"job-{number}", args=[who])
        except ConflictingIdError:
            continue
        won.append(number)
    return won


@pytest.fixture(params=["sqlite", "postgresql", "mariadb", "redis"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str, str]]:
    kind, name = request.param, fresh_name("adders")
    url = f"sqlite:///{tmp_path}/jobs.db" if kind == "sqlite" else request.getfixturevalue("server_url")(kind)
    yield kind, url, name
    store = make_store(kind, url, name)
    if kind == "redis":
        store.remove_all_jobs()
    else:
        store.jobs_t.drop(store.engine, checkfirst=True)
    store.shutdown()


def assert_one_winner(shared: tuple[str, str, str], won: dict[str, list[int]]) -> None:
    assert sorted(number for numbers in won.values() for number in numbers) == list(range(ROUNDS))
    scheduler = adder(*shared)
    winners = {job.id: job.args[0] for job in scheduler.get_jobs()}
    assert winners == {f"job-{number}": who for who, numbers in won.items() for number in numbers}
    scheduler.shutdown()


def test_threads_with_a_scheduler_each(shared):
    together = threading.Barrier(2)
    schedulers = {who: adder(*shared) for who in ("one", "two")}
    with ThreadPoolExecutor(2) as pool:
        racing = {
            who: pool.submit(add_each, scheduler, who, together.wait) for who, scheduler in schedulers.items()
        }
        won = {who: future.result() for who, future in racing.items()}
    for scheduler in schedulers.values():
        scheduler.shutdown()
    assert_one_winner(shared, won)


def test_threads_of_one_scheduler(shared):
    together = threading.Barrier(2)
    scheduler = adder(*shared)
    with ThreadPoolExecutor(2) as pool:
        racing = {who: pool.submit(add_each, scheduler, who, together.wait) for who in ("one", "two")}
        won = {who: future.result() for who, future in racing.items()}
    scheduler.shutdown()
    assert_one_winner(shared, won)


def test_processes(shared):
    """Each waits for a line before it begins; they also create the table together."""
    command = [sys.executable, "-m", "tests.faults.test_two_adders", *shared]
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    racing = {
        who: subprocess.Popen(
            [*command, who],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": paths},
        )
        for who in ("one", "two")
    }
    for process in racing.values():
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in racing.values():
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    told = {who: process.communicate(timeout=60)[0] for who, process in racing.items()}
    assert_one_winner(shared, {who: [int(word) for word in text.split()] for who, text in told.items()})


def main(kind: str, url: str, name: str, who: str) -> None:
    scheduler = adder(kind, url, name)
    print("ready", flush=True)
    sys.stdin.readline()
    print(*add_each(scheduler, who, lambda: None))
    scheduler.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
