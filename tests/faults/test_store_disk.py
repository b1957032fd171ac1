"""A full disk and a database that may not be written: a clear error, nothing corrupted, and it goes on afterwards."""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from tests.faults import jobs_of_stores as jobs
from tests.stores.test_conformance_servers import fresh_name

from rapscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from rapscheduler.testing import ManualScheduler

pytestmark = pytest.mark.faults
START = datetime(2025, 6, 1, tzinfo=timezone.utc)
MINUTE = timedelta(minutes=1)
COUNT = 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    if os.getuid() != 0 or shutil.which("mount") is None:
        pytest.skip("NOT RUN: a small file system can only be mounted by root")
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder],
        check=False,
        capture_output=True,
        text=True,
    )
    if mounted.returncode != 0:
        pytest.skip(f"NOT RUN: no small file system here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def fill(folder: Path) -> None:
    """Leave no byte free."""
    with (folder / "ballast").open("ab", buffering=0) as ballast:
        for size in (65536, 4096, 1):
            try:
                while True:
                    ballast.write(b"x" * size)
            except OSError:
                continue


def filled_store(url: str, **options: Any) -> tuple[ManualScheduler, SQLAlchemyJobStore]:
    """Twenty jobs due every minute."""
    store = SQLAlchemyJobStore(url, **options)
    scheduler = ManualScheduler(start=START, jobstore_retry_interval=10)
    scheduler.add_jobstore(store)
    scheduler.start()
    for number in range(COUNT):
        job_id = f"job-{number}"
        trigger = {"minutes": 1, "start_date": START + MINUTE}
        scheduler.add_job(
            jobs.note, "interval", id=job_id, args=[job_id], misfire_grace_time=None, coalesce=True, **trigger
        )
    return scheduler, store


def ids() -> Counter[str]:
    return Counter(f"job-{number}" for number in range(COUNT))


def test_a_full_disk(small_disk, caplog):
    path = small_disk / "jobs.db"
    scheduler, store = filled_store(f"sqlite:///{path}")
    jobs.RUNS.clear()
    scheduler.advance(MINUTE)
    assert Counter(jobs.RUNS) == ids()

    # No room: each job of the next minute runs once; what could not be written is kept and holds back the rest.
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    fill(small_disk)
    jobs.RUNS.clear()
    with caplog.at_level(logging.WARNING):
        scheduler.advance(3 * MINUTE)
    assert Counter(jobs.RUNS) == ids()
    cures = [
        record for record in caplog.records if "free space on the database's disk" in record.getMessage()
    ]
    assert len(cures) == 1
    with pytest.raises(Exception, match="full"):
        scheduler.add_job(jobs.note, "date", run_date=START + 9 * MINUTE, id="big", args=["x" * 200_000])
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT count(*) FROM apscheduler_jobs").fetchone() == (COUNT,)
    connection.close()

    (small_disk / "ballast").unlink()
    jobs.RUNS.clear()
    scheduler.advance(2 * MINUTE)
    assert set(jobs.RUNS) == set(ids())
    assert scheduler.health()["failing_stores"] == []
    assert {job.next_run_time for job in store.get_all_jobs()} == {START + 7 * MINUTE}
    scheduler.shutdown()


def check_read_only(url: str, unlock: Any, caplog: Any, **options: Any) -> None:
    """The store at ``url`` can be read and not written until ``unlock()``; twenty jobs are due."""
    store = SQLAlchemyJobStore(url, **options)
    scheduler = ManualScheduler(start=START, jobstore_retry_interval=10)
    scheduler.add_jobstore(store)
    scheduler.start()
    jobs.RUNS.clear()
    with caplog.at_level(logging.WARNING):
        scheduler.advance(3 * MINUTE)
    assert Counter(jobs.RUNS) == ids()  # once, and then nothing more of this store
    cures = [record for record in caplog.records if "make the database writable" in record.getMessage()]
    assert len(cures) == 1
    with pytest.raises(Exception, match=r"read-?only"):
        scheduler.add_job(jobs.note, "date", run_date=START, id="new", args=["new"])
    unlock(store)
    scheduler.advance(2 * MINUTE)
    assert Counter(jobs.RUNS) > ids()
    assert {job.next_run_time for job in store.get_all_jobs()} == {START + 6 * MINUTE}
    scheduler.shutdown()


def test_a_sqlite_file_that_may_not_be_written(tmp_path, caplog):
    url = f"sqlite:///{tmp_path}/jobs.db"
    filled_store(url)[0].shutdown()
    import sqlalchemy as sa

    locked = sa.create_engine(url)

    @sa.event.listens_for(locked, "connect")
    def lock(connection: Any, record: Any) -> None:
        connection.execute("PRAGMA query_only=ON")

    def unlock(store: Any) -> None:
        sa.event.remove(locked, "connect", lock)
        locked.dispose()

    check_read_only("", unlock, caplog, engine=locked)


@pytest.mark.servers
def test_a_postgresql_server_that_is_read_only(server_url, caplog):
    import sqlalchemy as sa

    url, name = server_url("postgresql"), fresh_name("readonly")
    scheduler, store = filled_store(url, tablename=name)
    scheduler.shutdown()
    engine = sa.create_engine(url)
    state = {"on": True}

    @sa.event.listens_for(engine, "checkout")
    def lock(connection: Any, record: Any, proxy: Any) -> None:
        connection.rollback()
        connection.autocommit = True
        connection.execute(f"SET default_transaction_read_only = {'on' if state['on'] else 'off'}")
        connection.autocommit = False

    def unlock(store: Any) -> None:
        state["on"] = False

    try:
        check_read_only("", unlock, caplog, engine=engine, tablename=name)
    finally:
        store.jobs_t.drop(store.engine)
        store.shutdown()
