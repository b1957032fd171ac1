"""Operations on stores that write to a database: adds, loads, committed fires per second, the first due job.

Both libraries get the same server, a table or key of their own, and the same jobs. Fires count when committed: the
timed work is a pass of the loop (``_process_jobs``) with an executor that takes every run and does nothing.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from benchmarks.work_scheduler import SchedulerWorkload, await_runs, expect, tick
from benchmarks.workloads import Unsupported, nothing

# How many jobs the peer works on: it commits each row by itself, and 100k of them would take minutes.
PEER_COUNT = 500
URLS = {
    "postgresql": os.environ.get(
        "RAPSCHEDULER_TEST_POSTGRESQL_URL", "postgresql+psycopg://postgres@127.0.0.1:5432/test"
    ),
    "mariadb": os.environ.get("RAPSCHEDULER_TEST_MARIADB_URL", "mysql+pymysql://root@127.0.0.1:3306/test"),
}


class StoreWorkload(SchedulerWorkload):
    """A scheduler on one store. ``backend`` is sqlite, postgresql, mariadb or redis."""

    def open(self, *, backend: str, count: int, peer_count: int = PEER_COUNT) -> None:
        self.backend = backend
        self.count = count if self.library == "rapscheduler" else min(count, peer_count)
        self.table = f"bench_{self.library}"
        self.folder = Path(tempfile.mkdtemp(prefix="rapscheduler-bench-"))
        self.probe()

    def probe(self) -> None:
        """Whether the server is there, before anything is timed."""
        try:
            self.clear()
        except Unsupported:
            raise
        except Exception as error:
            raise Unsupported(f"no {self.backend} here: {type(error).__name__}: {error}") from error

    def store(self) -> Any:
        if self.backend == "redis":
            keys = {"jobs_key": f"{self.table}.jobs", "run_times_key": f"{self.table}.run_times"}
            return self.module("jobstores.redis").RedisJobStore(db=9, **keys)
        url = URLS.get(self.backend, f"sqlite:///{self.folder}/jobs.sqlite")
        return self.module("jobstores.sqlalchemy").SQLAlchemyJobStore(url=url, tablename=self.table)

    def clear(self) -> None:
        """An empty store."""
        if self.backend == "redis":
            import redis

            redis.Redis(db=9).delete(f"{self.table}.jobs", f"{self.table}.run_times")
        elif self.backend == "sqlite":
            for path in self.folder.glob("jobs.sqlite*"):
                path.unlink()
        else:
            import sqlalchemy

            engine = sqlalchemy.create_engine(URLS[self.backend])
            with engine.begin() as connection:
                connection.execute(sqlalchemy.text(f"drop table if exists {self.table}"))
            engine.dispose()

    def fill(
        self,
        scheduler: Any,
        due: datetime,
        func: Any = nothing,
        first: int = 0,
        apart: timedelta = timedelta(0),
    ) -> None:
        """``count`` interval jobs with next runs at ``due``, or so much ``apart``; in bulk where the library can."""
        _, interval = self.triggers()
        specs = [
            {
                "func": func,
                "trigger": interval(hours=1, start_date=due + i * apart, timezone=timezone.utc),
                "id": str(first + i),
                "next_run_time": due + i * apart,
                "misfire_grace_time": None,
            }
            for i in range(self.count)
        ]
        if hasattr(scheduler, "add_jobs"):
            scheduler.add_jobs(specs)
        else:
            for spec in specs:
                scheduler.add_job(**spec)

    def close(self) -> None:
        super().close()
        try:
            self.clear()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)


class StoreFires(StoreWorkload):
    """Fires per second, committed: every job is due, one pass of the loop takes, submits and writes them all."""

    name = "store_fires"

    def prepare(self) -> None:
        self.end_scheduler()
        self.clear()
        self.stepping(jobstores={"default": self.store()}, executors={"default": self.null_executor()})
        self.fill(self.scheduler, datetime.now(timezone.utc) - timedelta(seconds=1))

    def run(self) -> int:
        self.scheduler._process_jobs()
        return self.count

    def facts(self) -> dict[str, Any]:
        now = datetime.now(timezone.utc)
        due = sum(job.next_run_time <= now for job in self.scheduler.get_jobs())
        if due:
            raise AssertionError(f"{due} of {self.count} jobs are still due after the pass")
        return {"count": self.count}


class StoreAdds(StoreWorkload):
    """Adding jobs: ``add_jobs`` where there is one, else one by one."""

    name = "store_adds"

    def prepare(self) -> None:
        self.end_scheduler()
        self.clear()
        self.stepping(jobstores={"default": self.store()})
        self.due = datetime.now(timezone.utc) + timedelta(hours=1)

    def run(self) -> int:
        self.fill(self.scheduler, self.due)
        return self.count

    def facts(self) -> dict[str, Any]:
        stored = len(self.scheduler.get_jobs())
        if stored != self.count:
            raise AssertionError(f"{stored} of {self.count} jobs were stored")
        return {"count": self.count}


class StoreAddsOneByOne(StoreWorkload):
    """``add_job`` for each job, by one thread or by several at once; each call returns when its job is stored."""

    name = "store_adds_one_by_one"

    def open(self, *, threads: int, **params: Any) -> None:
        super().open(**params)
        self.threads = threads

    def prepare(self) -> None:
        self.end_scheduler()
        self.clear()
        self.stepping(jobstores={"default": self.store()})
        self.due = datetime.now(timezone.utc) + timedelta(hours=1)
        _, self.interval = self.triggers()

    def run(self) -> int:
        with ThreadPoolExecutor(self.threads) as pool:
            list(pool.map(self.add_part, range(self.threads)))
        return self.count

    def add_part(self, first: int) -> None:
        add_job, interval, due = self.scheduler.add_job, self.interval, self.due
        for number in range(first, self.count, self.threads):
            trigger = interval(hours=1, start_date=due, timezone=timezone.utc)
            add_job(nothing, trigger, id=str(number), misfire_grace_time=None)

    def facts(self) -> dict[str, Any]:
        stored = {job.id: job.next_run_time for job in self.scheduler.get_jobs()}
        if stored != {str(number): self.due for number in range(self.count)}:
            raise AssertionError(f"{len(stored)} of {self.count} jobs were stored, or not as they were given")
        return {"count": self.count}


class StoreLoads(StoreWorkload):
    """Loading every stored job: ``get_jobs`` of a scheduler. ``apart``: each trigger has a start of its own."""

    name = "store_loads"

    def open(self, *, apart: bool = False, **params: Any) -> None:
        super().open(**params)
        self.stepping(jobstores={"default": self.store()})
        due = datetime.now(timezone.utc) + timedelta(hours=1)
        self.fill(self.scheduler, due, apart=timedelta(microseconds=997 * apart))

    def run(self) -> int:
        return len(self.scheduler.get_jobs())


class StoreStart(StoreWorkload):
    """A start with ``count`` stored jobs, of which one is due: until that one has run. One operation each round."""

    name = "store_start"

    def open(self, **params: Any) -> None:
        super().open(**params)
        scheduler = self.stepping(jobstores={"default": self.store()})
        self.fill(scheduler, datetime.now(timezone.utc) + timedelta(days=1))
        self.end_scheduler()

    def prepare(self) -> None:
        self.end_scheduler()
        scheduler = self.module("schedulers.background").BackgroundScheduler(timezone="UTC")
        scheduler.add_jobstore(self.store())
        due = datetime.now(timezone.utc) - timedelta(milliseconds=1)
        # Added before the start, so it is what the scheduler finds due at its first pass.
        self.due_id = f"due-{time.time_ns()}"
        scheduler.add_job(tick, "date", run_date=due, id=self.due_id, misfire_grace_time=None)
        expect(1)
        self.scheduler = scheduler

    def run(self) -> int:
        self.scheduler.start()
        await_runs(120)
        return 1

    def facts(self) -> dict[str, Any]:
        # APScheduler's loop dies of a shutdown in the middle of its pass
        while self.scheduler.get_job(self.due_id):
            time.sleep(0.01)
        return {"count": self.count}
