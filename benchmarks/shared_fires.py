"""Fires a second, end to end and acknowledged, of shared stores and of their peers: no-op jobs, one server.

    python -m benchmarks.shared_fires --peers /path/to/an/environment/bin/python --node /path/to/a/folder --rounds 3

The environment has `apscheduler==4.0.0a6 procrastinate pgqueuer asyncpg psycopg[binary] sqlalchemy[asyncio] sniffio`,
and in the folder somebody said `npm install graphile-worker@0.18 pg-boss@12.38`; without them only ours are measured.
Rounds are interleaved; at the end come the medians.

For each library a database of its own is made, filled with `count` due jobs, and given to so many processes, which are
ready before the clock starts. It stops when the database says that all of them ended: no job is due or queued, and no
run under way. All commit as the server says (`synchronous_commit` is left alone), at their fastest documented settings.
Counts differ, so that each takes seconds. `ours redis …` is our own store in Redis, beside that in PostgreSQL.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from statistics import median
from typing import Any

MODULE = "benchmarks.shared_fires"
NODE = Path(__file__).parent / "peers" / "fires.mjs"
JAVASCRIPT = ("graphile", "pgboss")
DATABASE = "rapscheduler_bench_fires"
SERVER = os.environ.get("RAPSCHEDULER_TEST_POSTGRESQL_URL", "postgresql://postgres@127.0.0.1:5432/test")
PLAIN = SERVER.replace("+psycopg", "").rpartition("/")[0] + f"/{DATABASE}"
ALCHEMY = PLAIN.replace("postgresql://", "postgresql+psycopg://")
REDIS = os.environ.get("RAPSCHEDULER_TEST_REDIS_URL", "redis://127.0.0.1:6379/9")
KEYS = {"jobs_key": f"{DATABASE}.jobs", "run_times_key": f"{DATABASE}.run_times"}
DUE = "next_run_time < extract(epoch from now())"
RUNS = "(select count(*) from jobs_runs) + (select count(*) from jobs_packs)"
#: how many jobs, and what is still to be done
WORK: dict[str, tuple[int, str]] = {
    "ours date": (40_000, f"select (select count(*) from jobs) + {RUNS}"),
    "ours interval": (40_000, f"select (select count(*) from jobs where {DUE}) + {RUNS}"),
    "ours redis date": (40_000, ""),
    "ours redis interval": (40_000, ""),
    "graphile": (40_000, "select count(*) from graphile_worker._private_jobs"),
    "pgboss": (20_000, "select count(*) from pgboss.job where name = 'nothing' and state < 'completed'"),
    "pgqueuer": (20_000, "select count(*) from pgqueuer"),
    "procrastinate": (1_000, "select count(*) from procrastinate_jobs where status in ('todo', 'doing')"),
    "apscheduler 4": (
        500,
        "select (select count(*) from schedules where next_fire_time is not null) + (select count(*) from jobs)",
    ),
}


def nothing() -> None:
    """What every job does."""


def past() -> datetime:
    return datetime.now(timezone.utc) - timedelta(seconds=1)


# Ours


def scheduler(name: str) -> Any:
    from rapscheduler.jobstores.redis import RedisJobStore
    from rapscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
    from rapscheduler.schedulers.background import BackgroundScheduler

    if in_redis(name):
        import redis

        store: Any = RedisJobStore(client=redis.Redis.from_url(REDIS), shared=True, **KEYS)
    else:
        store = SQLAlchemyJobStore(ALCHEMY, tablename="jobs", shared=True)
    return BackgroundScheduler(timezone="UTC", jobstores={"default": store})


def in_redis(name: str) -> bool:
    return name.startswith("ours redis")


def fill_ours(name: str, count: int) -> None:
    kind = name.split()[-1]
    when = {"run_date": past()} if kind == "date" else {"hours": 1, "start_date": past()}
    one = scheduler(name)
    one.start(paused=True)
    ids = [{"id": str(number), "next_run_time": past()} for number in range(count)]
    one.add_jobs(ids, func=nothing, trigger=kind, misfire_grace_time=None, **when)
    one.shutdown()


def work_ours(name: str, ready: Callable[[], None]) -> None:
    one = scheduler(name)
    one.start(paused=True)
    ready()
    one.resume()
    time.sleep(600)


# Peers


async def pgqueuer_of() -> Any:
    import asyncpg
    from pgqueuer.db import AsyncpgDriver

    return AsyncpgDriver(await asyncpg.connect(PLAIN))


async def fill_pgqueuer(count: int) -> None:
    from pgqueuer.queries import Queries

    driver = await pgqueuer_of()
    queries = Queries(driver)
    await queries.install()
    await queries.enqueue(["nothing"] * count, [None] * count, [0] * count)


async def work_pgqueuer(ready: Callable[[], None]) -> None:
    from pgqueuer.qm import QueueManager
    from pgqueuer.queries import Queries

    driver = await pgqueuer_of()
    manager = QueueManager(Queries(driver))

    @manager.entrypoint("nothing")
    async def take(job: Any) -> None:
        nothing()

    ready()
    await manager.run(batch_size=1000)


def procrastinate_app() -> Any:
    import procrastinate

    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=PLAIN))

    @app.task(name="nothing")
    async def take() -> None:
        nothing()

    return app


async def fill_procrastinate(count: int) -> None:
    app = procrastinate_app()
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        await app.tasks["nothing"].batch_defer_async(*({} for _ in range(count)))


async def work_procrastinate(ready: Callable[[], None]) -> None:
    app = procrastinate_app()
    async with app.open_async():
        ready()
        await app.run_worker_async(concurrency=20, delete_jobs="successful", install_signal_handlers=False)


def apscheduler_of() -> Any:
    from apscheduler import AsyncScheduler
    from apscheduler.datastores.sqlalchemy import SQLAlchemyDataStore
    from apscheduler.eventbrokers.psycopg import PsycopgEventBroker
    from sqlalchemy.ext.asyncio import create_async_engine

    engine = create_async_engine(ALCHEMY)
    return AsyncScheduler(
        SQLAlchemyDataStore(engine), PsycopgEventBroker.from_async_sqla_engine(engine), cleanup_interval=None
    )


async def fill_apscheduler(count: int) -> None:
    from apscheduler.triggers.date import DateTrigger

    async with apscheduler_of() as one:
        for number in range(count):
            await one.add_schedule(nothing, DateTrigger(past()), id=str(number), misfire_grace_time=None)


async def work_apscheduler(ready: Callable[[], None]) -> None:
    async with apscheduler_of() as one:
        ready()
        await one.run_until_stopped()


# The measurement


def fill(name: str, count: int) -> None:
    if name.startswith("ours"):
        fill_ours(name, count)
    else:
        asyncio.run(globals()[f"fill_{name.split()[0]}"](count))


def work(name: str) -> None:
    def ready() -> None:
        print("ready", flush=True)
        sys.stdin.readline()

    if name.startswith("ours"):
        work_ours(name, ready)
    else:
        asyncio.run(globals()[f"work_{name.split()[0]}"](ready))


@contextmanager
def place(name: str) -> Iterator[Callable[[], bool]]:
    """An empty database for a library; whether all is done there."""
    if in_redis(name):
        import redis

        client = redis.Redis.from_url(REDIS)
        jobs, times = KEYS["jobs_key"], KEYS["run_times_key"]

        def drop() -> None:
            for key in client.scan_iter(f"{DATABASE}*"):
                client.delete(key)

        def is_over() -> bool:
            due = client.hlen(jobs) if name.endswith("date") else client.zcount(times, "-inf", time.time())
            return due == 0 and client.hlen(f"{jobs}.runs") == 0

        drop()
        yield is_over
        drop()
        return
    import psycopg

    with psycopg.connect(SERVER.replace("+psycopg", ""), autocommit=True) as server:
        server.execute(f"drop database if exists {DATABASE} with (force)")
        server.execute(f"create database {DATABASE}")
        with psycopg.connect(PLAIN, autocommit=True) as looking:
            yield lambda: looking.execute(WORK[name][1]).fetchone() == (0,)  # type: ignore[call-overload]
        server.execute(f"drop database if exists {DATABASE} with (force)")


def measure(command: Sequence[str], name: str, processes: int) -> float:
    """Fires a second."""
    with place(name) as is_over:
        subprocess.run(ready_made(command, "fill", name), check=True)
        begun = [
            subprocess.Popen(
                ready_made(command, "work", name), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            for _ in range(processes)
        ]
        try:
            for one in begun:
                assert one.stdout is not None
                while one.stdout.readline().strip() != "ready":
                    assert one.poll() is None, f"{name} ended before it began"
            took_s = timed(begun, is_over)
        finally:
            for one in begun:
                one.kill()
                one.wait()
    return WORK[name][0] / took_s


def ready_made(command: Sequence[str], verb: str, name: str) -> list[str]:
    """The command that fills a database, or works."""
    if command[0] == "node":
        return ["node", str(NODE), verb, name, command[1], PLAIN, str(WORK[name][0])]
    return [*command, f"--{verb}", name]


def timed(begun: list[subprocess.Popen[str]], is_over: Callable[[], bool]) -> float:
    """Seconds from the word until nothing is left."""
    start_s = time.perf_counter()
    for one in begun:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    while not is_over():
        assert time.perf_counter() - start_s < 300, "it does not end"
        time.sleep(0.02)
    return time.perf_counter() - start_s


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peers", help="a Python that has the peers")
    parser.add_argument("--node", help="a folder whose node_modules has the peers of JavaScript")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=WORK, default=list(WORK))
    parser.add_argument("--fill", help=argparse.SUPPRESS)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.fill or options.work:
        fill(options.fill, WORK[options.fill][0]) if options.fill else work(options.work)
        return
    rates: dict[tuple[str, int], list[float]] = {}
    for _ in range(options.rounds):
        for name in options.only:
            if name in JAVASCRIPT:
                command = ["node", options.node]
            else:
                command = [sys.executable if name.startswith("ours") else options.peers, "-m", MODULE]
            for processes in options.processes if all(command) else ():
                rate = measure(command, name, processes)
                rates.setdefault((name, processes), []).append(rate)
                print(f"{name:19} {processes} process(es): {rate:10,.0f} fires/s", flush=True)
    for (name, processes), found in rates.items() if options.rounds > 1 else ():
        print(f"median of {len(found)}: {name:19} {processes} process(es): {median(found):10,.0f} fires/s")


if __name__ == "__main__":
    main()
