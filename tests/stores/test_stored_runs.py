"""`runs`, `peers` and `top` on real servers: what schedulers wrote is found by those who only look."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from tests.stores.test_conformance_servers import fresh_name

from rapscheduler.cli import main
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.testing import ManualScheduler

pytestmark = pytest.mark.servers
BEGUN, GO_ON = threading.Event(), threading.Event()


def fail() -> None:
    raise ValueError("no")


def wait() -> None:
    BEGUN.set()
    GO_ON.wait(60)


def document(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def a_run_is_seen(
    scheduler: BackgroundScheduler, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    """While it is under way; then the scheduler is shut down."""
    BEGUN.clear()
    GO_ON.clear()
    try:
        scheduler.add_job(wait, id="waits", misfire_grace_time=None)
        assert BEGUN.wait(60)
        (peer,) = document(capsys, "peers", *words)["peers"]
        assert (peer["pid"], peer["alive"], peer["running"]) == (os.getpid(), True, 1)
        assert [one["job_id"] for one in peer["runs"]] == ["waits"]
        frame = document(capsys, "top", *words)
        assert [one["job_id"] for one in frame["running"]] == ["waits"]
    finally:
        GO_ON.set()
        scheduler.shutdown()


@pytest.fixture(params=["postgresql", "mariadb"])
def sql(request: pytest.FixtureRequest, server_url: Callable[[str], str]) -> Iterator[tuple[str, str]]:
    import sqlalchemy as sa

    url, table = server_url(request.param), fresh_name()
    yield url, table
    engine = sa.create_engine(url)
    for end in ("", "_history", "_schedulers", "_runs", "_requests", "_zones"):
        sa.Table(f"{table}{end}", sa.MetaData()).drop(engine, checkfirst=True)
    engine.dispose()


def test_sql(sql: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    url, table = sql
    words = (url, "-o", f"tablename={table}")
    scheduler = BackgroundScheduler(timezone="UTC", history="jobstore")
    scheduler.add_jobstore("sqlalchemy", url=url, tablename=table, shared=True)
    scheduler.start()
    a_run_is_seen(scheduler, capsys, words)
    (run,) = document(capsys, "runs", *words, "--job", "waits", "--since", "1h")["runs"]
    assert run["state"] == "done" and run["who"].endswith(f":{os.getpid()}")
    assert document(capsys, "peers", *words)["peers"] == []
    assert document(capsys, "top", *words)["ended"] == {"done": 1}


def test_redis(server_url: Callable[[str], str], scratch: Any, capsys: pytest.CaptureFixture[str]) -> None:
    from redis import Redis

    url, name = server_url("redis"), fresh_name()
    keys = {"jobs_key": name, "run_times_key": f"{name}.times"}
    client = Redis.from_url(url)
    scratch(lambda: client.delete(*client.keys(f"{name}*")))
    now = datetime.now(timezone.utc)
    scheduler = ManualScheduler(now, history="jobstore")
    scheduler.add_jobstore("redis", client=client, **keys)
    scheduler.start()
    scheduler.add_job(fail, "date", run_date=now + timedelta(seconds=1), id="bad")
    scheduler.add_job("os:getpid", "interval", minutes=1, id="well")
    scheduler.advance(timedelta(minutes=2, seconds=30))
    scheduler.shutdown()
    words = (url, "-o", f"jobs_key={name}", "-o", f"run_times_key={name}.times")
    found = document(capsys, "runs", *words)
    assert sorted(one["job_id"] for one in found["runs"]) == ["bad", "well", "well"]
    assert found["history"] == f"{name}.history"
    assert [one["error"] for one in document(capsys, "runs", *words, "--state", "failed")["runs"]] == [
        "ValueError: no"
    ]
    frame = document(capsys, "top", *words)
    assert frame["ended"] == {"done": 2, "failed": 1} and [one["id"] for one in frame["next"]] == ["well"]


def test_who_shares_a_redis_store(
    server_url: Callable[[str], str], scratch: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    from redis import Redis

    url, name = server_url("redis"), fresh_name()
    client = Redis.from_url(url)
    scratch(lambda: client.delete(f"{name}.times", *client.keys(f"{name}*")))
    words = (url, "-o", f"jobs_key={name}", "-o", f"run_times_key={name}.times")
    client.hset(name, "paused", "{}")  # a job that cannot be read is one, too
    assert main(["peers", *words]) != 0
    assert f"there is no key {name}.schedulers" in capsys.readouterr().err
    client.delete(name)
    scheduler = BackgroundScheduler(timezone="UTC")
    options = {"jobs_key": name, "run_times_key": f"{name}.times", "shared": True}
    scheduler.add_jobstore("redis", client=Redis.from_url(url), **options)
    scheduler.start()
    a_run_is_seen(scheduler, capsys, words)
