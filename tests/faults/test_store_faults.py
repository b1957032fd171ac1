"""Connections cut at every step, servers killed between every two steps: nothing lost, nothing run twice while the
process lives, and the scheduler goes on by itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from tests.faults import jobs_of_stores as jobs
from tests.faults.private_servers import Missing, PostgresServer, RedisServer
from tests.faults.proxy import Proxy
from tests.stores.test_conformance_servers import fresh_name

from rapscheduler.errors import ConflictingIdError
from rapscheduler.testing import ManualScheduler

pytestmark = [pytest.mark.faults, pytest.mark.servers, pytest.mark.slow]
START = datetime(2025, 6, 1, tzinfo=timezone.utc)
MINUTE = timedelta(minutes=1)
HALF = timedelta(seconds=30)
INTERVALS = [f"every-{number}" for number in range(3)]


def make_store(kind: str, url: str, name: str) -> Any:
    if kind == "redis":
        import redis

        from rapscheduler.jobstores.redis import RedisJobStore

        return RedisJobStore(
            client=redis.Redis.from_url(url), jobs_key=f"{name}.jobs", run_times_key=f"{name}.times"
        )
    from rapscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore

    return SQLAlchemyJobStore(url, tablename=name)


def drop(kind: str, store: Any) -> None:
    if kind == "redis":
        store.remove_all_jobs()
    else:
        store.jobs_t.drop(store.engine, checkfirst=True)
    store.shutdown()


def scheduler_on(store: Any) -> ManualScheduler:
    """Three jobs every minute on the minute; the clock is half a minute before the first."""
    scheduler = ManualScheduler(start=START - HALF, jobstore_retry_interval=1)
    scheduler.add_jobstore(store)
    scheduler.start()
    for job_id in INTERVALS:
        scheduler.add_job(
            jobs.note,
            "interval",
            minutes=1,
            start_date=START,
            id=job_id,
            args=[job_id],
            misfire_grace_time=None,
        )
    return scheduler


def run_one_minute(scheduler: ManualScheduler, job_id: str) -> None:
    """A minute in which each interval job and a date job, added before, are due; each must run once."""
    jobs.RUNS.clear()
    scheduler.advance(MINUTE)
    assert Counter(jobs.RUNS) == Counter([*INTERVALS, job_id])


def add_date_job(scheduler: ManualScheduler, job_id: str, **options: Any) -> None:
    moment = scheduler.clock.now() + HALF
    scheduler.add_job(
        jobs.note, "date", run_date=moment, id=job_id, args=[job_id], misfire_grace_time=None, **options
    )


def assert_stored(store: Any, scheduler: ManualScheduler) -> None:
    """The three interval jobs at their next minute, and nothing else."""
    due = scheduler.clock.now() + HALF
    assert {job.id: job.next_run_time for job in store.get_all_jobs()} == dict.fromkeys(INTERVALS, due)


class Behind:
    """A scheduler whose store is behind a proxy, and a store of the test's own on the direct way."""

    def __init__(self, kind: str, url: str) -> None:
        self.kind, name = kind, fresh_name("fault")
        if kind == "redis":
            from redis.connection import parse_url

            where = parse_url(url)
            host, port = where.get("host", "127.0.0.1"), where.get("port", 6379)
            self.proxy = Proxy(host, port)
            proxied = url.replace(f"{host}:{port}", f"127.0.0.1:{self.proxy.port}")
        else:
            import sqlalchemy as sa

            parsed = sa.engine.make_url(url)
            self.proxy = Proxy(
                parsed.host or "127.0.0.1",
                parsed.port or {"mysql": 3306}.get(parsed.get_backend_name(), 5432),
            )
            local = parsed.set(host="127.0.0.1", port=self.proxy.port)
            if local.get_backend_name() == "postgresql":
                local = local.update_query_dict({"sslmode": "disable", "gssencmode": "disable"})
            proxied = local.render_as_string(hide_password=False)
        self.direct = make_store(kind, url, name)
        self.direct.start(None, "direct")
        self.store = make_store(kind, proxied, name)
        self.scheduler = scheduler_on(self.store)

    def close(self) -> None:
        self.proxy.heal()
        self.scheduler.shutdown()
        drop(self.kind, self.direct)
        self.proxy.close()


@pytest.fixture(params=["postgresql", "mariadb", "redis"])
def behind(request: pytest.FixtureRequest, server_url: Any) -> Iterator[Behind]:
    made = Behind(request.param, server_url(request.param))
    yield made
    made.close()


@pytest.mark.parametrize("refuse", [0, 7])
@pytest.mark.parametrize("lost", ["request", "answer"])
def test_a_pass_that_is_cut_at_any_message(behind, lost, refuse):
    scheduler, proxy = behind.scheduler, behind.proxy
    # what a longer outage does hardly depends on where it began
    for message in range(1, 200, 5 if refuse else 1):
        job_id = f"once-{message}"
        add_date_job(scheduler, job_id)
        proxy.cut_at(message, lost, refuse)
        run_one_minute(scheduler, job_id)
        fired = proxy.fired
        proxy.heal()
        assert_stored(behind.direct, scheduler)
        if not fired:
            assert message > 2
            return
    raise AssertionError("a pass takes more than 200 messages")


@pytest.mark.parametrize("lost", ["request", "answer"])
def test_adding_while_the_connection_is_cut_is_not_noticed(behind, lost):
    for message in range(1, 50):
        behind.proxy.cut_at(message, lost)
        add_date_job(behind.scheduler, f"added-{message}")
        fired = behind.proxy.fired
        behind.proxy.heal()
        assert behind.direct.lookup_job(f"added-{message}") is not None
        if not fired:
            return
    raise AssertionError("adding a job takes more than 50 messages")


@pytest.mark.parametrize("lost", ["request", "answer"])
def test_an_addition_that_failed_can_be_made_again(behind, lost):
    behind.proxy.cut_at(1, lost, refuse=1000)
    with pytest.raises(Exception) as caught:
        add_date_job(behind.scheduler, "added")
    assert not isinstance(caught.value, ConflictingIdError)
    behind.proxy.heal()
    add_date_job(behind.scheduler, "added", replace_existing=True)
    run_one_minute(behind.scheduler, "added")
    assert_stored(behind.direct, behind.scheduler)


STEPS = [
    (name, moment) for name in ("_take_due", "_settle", "_earliest_us") for moment in ("before", "after")
]


@pytest.mark.parametrize("kind", ["redis", "postgresql"])
def test_a_server_killed_and_restarted_between_any_two_steps(kind, monkeypatch):
    try:
        server = RedisServer() if kind == "redis" else PostgresServer()
    except Missing as reason:
        pytest.skip(f"NOT RUN: {reason}")
    try:
        server.start()
        store = make_store(kind, server.url, "apscheduler_jobs")
        scheduler = scheduler_on(store)
        for name, moment in STEPS:
            add_date_job(scheduler, f"once-{name}-{moment}")
            with monkeypatch.context() as patch:
                restarts = restart_once(patch, store, server, name, moment)
                run_one_minute(scheduler, f"once-{name}-{moment}")
            assert restarts == [1]
            assert_stored(store, scheduler)
        scheduler.shutdown()
    finally:
        server.close()


def restart_once(patch: Any, store: Any, server: Any, name: str, moment: str) -> list[int]:
    """Kill and restart the server once: before or after the first call in which something was due."""
    original = getattr(store, name)
    restarts: list[int] = []

    def call(*args: Any) -> Any:
        if moment == "before" and not restarts:
            server.restart()
            restarts.append(1)
        result = original(*args)
        if moment == "after" and not restarts:
            server.restart()
            restarts.append(1)
        return result

    patch.setattr(store, name, call)
    return restarts
