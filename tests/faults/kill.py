"""SIGKILL for the scheduler's process at random instants, and the account of every job and every run afterwards.

    python -m tests.faults.kill --kills 100 --store sqlite
    python -m tests.faults.kill --kills 100 --store postgresql --url postgresql+psycopg://…

One process after another (a life) works on the same store: interval jobs whose slots are all to be run (coalesce off),
and date jobs that a thread of the process adds all the time. Jobs run where the loop is, so that a run that was
submitted was made. Every fact is a line appended to one file, written at once and kept whatever happens to the process:

    R id µs   this run was made          A id   add_job() returned
    S         a batch was committed      L n    life n begins

Afterwards: a job is lost if it was added, did not run and is not stored; a run is lost if the store is past its time
and no life made it. A run made in two lives is a repeat; it must belong to the batch in flight when the first of them
was killed, that is, come after the last S of that life. Jobs take half a millisecond, so that many kills come between
submitting and committing.

Servers are behind a proxy (`proxy.Proxy`, in the parent), which is cut in every life, at a message picked at random,
and refuses connections for a while: while it is away, and after it came back, lives are killed too.
"""

from __future__ import annotations

import argparse
import os
import pickle
import random
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.faults.proxy import Proxy

from rapscheduler.executors.base import BaseExecutor
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.testing import ManualScheduler

_MODULES = {
    "sqlite": ("rapscheduler.jobstores.sqlalchemy",),
    "postgresql": ("rapscheduler.jobstores.sqlalchemy", "psycopg"),
    "mariadb": ("rapscheduler.jobstores.sqlalchemy", "pymysql"),
    "redis": ("rapscheduler.jobstores.redis",),
    "zookeeper": ("rapscheduler.jobstores.zookeeper",),
    "etcd": ("rapscheduler.jobstores.etcd",),
}
STORES = ("sqlite", "postgresql", "mariadb", "redis", "zookeeper", "etcd")
JOBS = 100
EVERY = timedelta(milliseconds=100)
DUE_AFTER = timedelta(milliseconds=150)  # date jobs, after they were added
WORK_S = 0.0004
MOST_DELAY_S = 0.25
LIFE_TIMEOUT_S = 30.0
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_log = -1
_times: Iterator[datetime] = iter(())


def run(job_id: str) -> None:
    """What every job does."""
    _write(f"R {job_id} {_us(next(_times))}")
    time.sleep(WORK_S)


def _write(line: str) -> None:
    os.write(_log, f"{line}\n".encode())


def _us(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


class InPlace(BaseExecutor):
    """Runs jobs in the loop's thread and lets them know their run time."""

    def _do_submit_job(self, job: Any, run_times: list[datetime]) -> None:
        global _times
        _times = iter(run_times)
        self._run_here(self._accept(job, run_times))


def make_store(kind: str, url: str) -> Any:
    if kind == "redis":
        import redis

        from rapscheduler.jobstores.redis import RedisJobStore

        client = redis.Redis.from_url(url, socket_timeout=5)
        return RedisJobStore(client=client, jobs_key="killtest.jobs", run_times_key="killtest.times")
    host, _, port = url.rpartition("://")[2].partition("/")[0].rpartition(":")
    if kind == "zookeeper":
        from rapscheduler.jobstores.zookeeper import ZooKeeperJobStore

        return ZooKeeperJobStore(
            path="/killtest", hosts=f"{host}:{port}", timeout=4.0, close_connection_on_exit=True
        )
    if kind == "etcd":
        from rapscheduler.jobstores.etcd import EtcdJobStore

        return EtcdJobStore(path="/killtest", host=host, port=int(port), timeout=3)
    from rapscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore

    return SQLAlchemyJobStore(url, tablename="rapscheduler_killtest")


def proxied(kind: str, url: str) -> tuple[Proxy | None, str]:
    """A proxy before the server, and its URL; None for a file."""
    if kind == "sqlite":
        return None, url
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    usual = {"postgresql": 5432, "mariadb": 3306, "redis": 6379}.get(kind, 0)
    proxy = Proxy(parts.hostname or "127.0.0.1", parts.port or usual)
    user = parts.netloc.rpartition("@")
    changed = parts._replace(netloc=f"{user[0]}{user[1]}127.0.0.1:{proxy.port}").geturl()
    if kind == "postgresql":
        changed += ("&" if parts.query else "?") + "sslmode=disable&gssencmode=disable"
    return proxy, changed


def live(number: int, kind: str, url: str, path: Path, adds: bool, for_s: float | None) -> None:
    """One life: until it is killed, or for some seconds."""
    global _log
    _log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    _write(f"L {number}")
    store = make_store(kind, url)
    settle = store._settle

    def settled(changes: Any) -> None:
        settle(changes)
        _write("S")

    store._settle = settled
    scheduler = BackgroundScheduler(timezone="UTC", jobstore_retry_interval=0.1)
    scheduler.add_jobstore(store)
    scheduler.add_executor(InPlace(), "default")
    scheduler.start()
    deadline = None if for_s is None else time.monotonic() + for_s
    pause = threading.Event()
    added = 0
    while deadline is None or time.monotonic() < deadline:
        if adds:
            job_id = f"once-{number}-{added}"
            moment = datetime.now(timezone.utc) + DUE_AFTER
            options = {"run_date": moment, "id": job_id, "args": [job_id], "misfire_grace_time": None}
            try:
                scheduler.add_job(run, "date", **options)
            except Exception:  # the server is away: nothing was promised
                pause.wait(0.05)
            else:
                _write(f"A {job_id}")
            added += 1
        pause.wait(0.01)
    scheduler.shutdown()


@dataclass
class Account:
    """The figures of a kill test."""

    store: str
    kills: int = 0
    outages: int = 0
    jobs: int = 0
    runs: int = 0
    jobs_lost: list[str] = field(default_factory=list)
    runs_lost: list[tuple[str, int]] = field(default_factory=list)
    repeated: int = 0
    most_repeated: int = 0  # by one kill
    repeated_outside: list[tuple[str, int]] = field(default_factory=list)  # not of the batch in flight

    def __str__(self) -> str:
        return (
            f"{self.store}: {self.kills} kills, {self.outages} outages; {self.jobs:,} jobs, "
            f"{len(self.jobs_lost)} lost; {self.runs:,} runs, "
            f"{len(self.runs_lost)} lost, {self.repeated} repeated (at most {self.most_repeated} by one kill, "
            f"{len(self.repeated_outside)} outside the batch in flight)"
        )

    @property
    def clean(self) -> bool:
        return not (self.jobs_lost or self.runs_lost or self.repeated_outside)


class KillTest:
    """Lives, kills and the account. ``url``: of a database in which the test may use a table of its own."""

    def __init__(self, kind: str, url: str, folder: Path, seed: int = 0) -> None:
        self.kind, self.path = kind, folder / "log"
        for module in _MODULES[kind]:  # once, not in each life
            import_module(module)
        self.proxy, self.url = proxied(kind, url)
        self.random = random.Random(seed)
        self.start = datetime.now(timezone.utc)
        self.outages = 0

    def carry_out(self, kills: int) -> Account:
        self._in_child(self._fill)
        try:
            for number in range(kills):
                self._life_that_is_killed(number)
            self._fork(kills, adds=False, for_s=1.0, wait=True)
            return self._account(kills)
        finally:
            self._in_child(self._drop)
            if self.proxy is not None:
                self.proxy.close()

    def _in_child(self, function: Callable[[], Any]) -> Any:
        """What a function returns in a process of its own: clients with threads (gRPC) don't survive a fork."""
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.close(reading)
                with os.fdopen(writing, "wb") as answer:
                    pickle.dump(function(), answer)
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        os.close(writing)
        with os.fdopen(reading, "rb") as answer:
            data = answer.read()
        if os.waitpid(pid, 0)[1] != 0:
            raise RuntimeError(f"{function.__name__} ended with an error")
        return pickle.loads(data)

    def _fill(self) -> None:
        self._drop()
        scheduler = ManualScheduler(start=self.start)
        scheduler.add_jobstore(make_store(self.kind, self.url))
        scheduler.start(paused=True)
        for number in range(JOBS):
            job_id = f"every-{number}"
            options = {"misfire_grace_time": None, "coalesce": False, "max_instances": 1}
            trigger = {"seconds": EVERY.total_seconds(), "start_date": self.start + EVERY}
            scheduler.add_job(run, "interval", id=job_id, args=[job_id], **options, **trigger)
        scheduler.shutdown()

    def _drop(self) -> None:
        store = make_store(self.kind, self.url)
        if hasattr(store, "jobs_t"):
            store.jobs_t.metadata.drop_all(store.engine)  # the rules of time, too
        else:
            store._open(write=True)
            store.remove_all_jobs()
        store.shutdown()

    def _fork(self, number: int, adds: bool, for_s: float | None, wait: bool = False) -> int:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                live(number, self.kind, self.url, self.path, adds, for_s)
                code = 0
            finally:
                os._exit(code)
        if wait and os.waitpid(pid, 0)[1] != 0:
            raise RuntimeError("the last life ended with an error")
        return pid

    def _life_that_is_killed(self, number: int) -> None:
        before = self._settled()
        pid = self._fork(number, adds=True, for_s=None)
        try:
            self._wait_for_a_batch(number, before)
            self._pause()
            if self.proxy is not None:
                self._cut(number, self.proxy)
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            if self.proxy is not None:
                self.proxy.heal()

    def _cut(self, number: int, proxy: Proxy) -> None:
        """The server goes away in the middle of something; every other time it comes back before the kill."""
        self.outages += 1
        proxy.cut_at(self.random.randint(1, 6), self.random.choice(("request", "answer")), refuse=10**9)
        self._pause()
        if self.random.random() < 0.5:
            before = self._settled()
            proxy.heal()
            self._wait_for_a_batch(number, before)
            self._pause()

    def _pause(self) -> None:
        time.sleep(self.random.uniform(0, MOST_DELAY_S))

    def _wait_for_a_batch(self, number: int, before: int) -> None:
        """It lives: a batch was committed."""
        deadline = time.monotonic() + LIFE_TIMEOUT_S
        while self._settled() == before:
            if time.monotonic() > deadline:
                raise RuntimeError(f"life {number} did nothing")
            time.sleep(0.002)

    def _settled(self) -> int:
        return self.path.read_bytes().count(b"\nS\n") if self.path.exists() else 0

    def _account(self, kills: int) -> Account:
        account = Account(self.kind, kills, self.outages)
        lives, added = self._read_log()
        stored = self._in_child(self._stored)
        made: dict[tuple[str, int], int] = {}
        for runs, _ in lives:
            for run_key in runs:
                made[run_key] = made.get(run_key, 0) + 1
        for number, (runs, in_flight_from) in enumerate(lives):
            later = {key for other, _ in lives[number + 1 :] for key in other}
            again = [(at, key) for at, key in enumerate(runs) if key in later]
            account.most_repeated = max(account.most_repeated, len(again))
            account.repeated_outside += [key for at, key in again if at < in_flight_from]
            # while it lived
            account.repeated_outside += [key for key, times in Counter(runs).items() if times > 1]
        ran = {job_id for job_id, _ in made}
        account.jobs = JOBS + len(added)
        account.runs = sum(made.values())
        account.repeated = account.runs - len(made)
        account.jobs_lost = [job_id for job_id in added if job_id not in ran and job_id not in stored]
        account.jobs_lost += [f"every-{n}" for n in range(JOBS) if f"every-{n}" not in stored]
        account.runs_lost = [key for key in self._slots(stored) if key not in made]
        return account

    def _read_log(self) -> tuple[list[tuple[list[tuple[str, int]], int]], list[str]]:
        """Of each life its runs and the index of the first after its last commit; and the ids that were added."""
        lives: list[tuple[list[tuple[str, int]], int]] = []
        added: list[str] = []
        runs: list[tuple[str, int]] = []
        in_flight_from = 0
        for line in self.path.read_text().splitlines():
            word, *rest = line.split()
            if word == "L":
                lives.append((runs, in_flight_from))
                runs, in_flight_from = [], 0
            elif word == "S":
                in_flight_from = len(runs)
            elif word == "R":
                runs.append((rest[0], int(rest[1])))
            else:
                added.append(rest[0])
        return [*lives[1:], (runs, in_flight_from)], added

    def _stored(self) -> dict[str, int | None]:
        store = make_store(self.kind, self.url)
        store.start(None, "default")
        found = {job.id: job.run_at_us for job in store.get_all_jobs()}
        store.shutdown()
        return found

    def _slots(self, stored: dict[str, int | None]) -> Iterator[tuple[str, int]]:
        """Every run that the store says is over."""
        first_us, step_us = _us(self.start + EVERY), EVERY // timedelta(microseconds=1)
        for number in range(JOBS):
            job_id = f"every-{number}"
            for time_us in range(first_us, stored.get(job_id) or first_us, step_us):
                yield job_id, time_us


def main() -> int:
    global JOBS
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--store", choices=STORES, default="sqlite")
    parser.add_argument(
        "--jobs", type=int, default=JOBS, help="interval jobs; fewer on a machine that is busy"
    )
    parser.add_argument("--url", help="of the database (default: as in the tests)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    given = parser.parse_args()
    JOBS = given.jobs
    with tempfile.TemporaryDirectory(prefix="rapscheduler-kill-") as folder:
        url, server = given.url or f"sqlite:///{folder}/jobs.db", None
        if given.store != "sqlite" and not given.url:
            from tests.stores.servers import PRIVATE, given_url

            url = given_url(given.store)
            if url is None and given.store in PRIVATE:
                server = PRIVATE[given.store](Path(folder))
                url = server and server.url
            if url is None:
                parser.error(f"no {given.store} server here; give --url")
        try:
            account = KillTest(given.store, url, Path(folder), given.seed).carry_out(given.kills)
        finally:
            if server is not None:
                server.stop()
    print(f"{account}; seed {given.seed}")
    for title in ("jobs_lost", "runs_lost", "repeated_outside"):
        for one in getattr(account, title)[:10]:
            print(f"  {title}: {one}", file=sys.stderr)
    return 0 if account.clean else 1


if __name__ == "__main__":
    # under its own name, so that stored jobs name a function that can be imported
    from tests.faults import kill

    sys.exit(kill.main())
