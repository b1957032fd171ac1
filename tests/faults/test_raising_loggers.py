"""A handler of the user's that raises: no thread of ours ends by that, and nothing is left undone."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep
from types import SimpleNamespace
from typing import Any

import pytest

from rapscheduler._serialization.rows import RowChange
from rapscheduler.alerts import webhook
from rapscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED, EVENT_JOB_LOST, EVENT_JOB_REMOVED
from rapscheduler.executors.base import BaseExecutor
from rapscheduler.jobstores._shared import ClaimRow, Me
from rapscheduler.jobstores.memory import MemoryJobStore
from rapscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from rapscheduler.leader import LeaderLock
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.testing import ManualScheduler


class Full(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        raise OSError(f"no space left for {record.getMessage()!r}")


@pytest.fixture(autouse=True)
def lines_raise(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Iterator[Callable[[], None]]:
    """``lines_raise()`` — from now on every line does, those for debugging too."""
    ended: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: ended.append((args.thread, args.exc_value)))
    handler, logger = Full(), logging.getLogger("rapscheduler")
    with caplog.at_level(logging.DEBUG, "rapscheduler"):
        yield lambda: logger.addHandler(handler)
    logger.removeHandler(handler)
    assert ended == []


def until(condition: Callable[[], Any], seconds: float = 30.0) -> None:
    deadline = monotonic() + seconds
    while not condition():
        assert monotonic() < deadline, "it did not come to that in time"
        sleep(0.01)


def works() -> None:
    pass


def fails() -> None:
    raise ValueError("a job's own error")


def test_the_loop_goes_on_and_runs_end_as_they_ended(lines_raise: Any) -> None:
    told: Counter[tuple[str, int]] = Counter()

    def listener(event: Any) -> None:
        told[event.job_id, event.code] += 1
        raise RuntimeError("a listener of the user's")

    scheduler = BackgroundScheduler()
    try:
        scheduler.start()
        scheduler.add_listener(listener, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)
        scheduler.add_job(works, "interval", seconds=0.05, id="works", max_instances=9)
        scheduler.add_job(fails, "interval", seconds=0.05, id="fails", max_instances=9)
        lines_raise()
        until(lambda: min(told["works", EVENT_JOB_EXECUTED], told["fails", EVENT_JOB_ERROR]) >= 3)
        assert len(told) == 2
    finally:
        scheduler.shutdown()


class Strange(BaseExecutor):
    def _do_submit_job(self, job: Any, run_times: Any) -> None:
        raise AssertionError

    def shutdown(self, wait: bool = True) -> None:
        raise RuntimeError("an executor of the user's")


class Closed(MemoryJobStore):
    closed = False

    def shutdown(self) -> None:
        self.closed = True
        super().shutdown()


def test_a_shutdown_goes_on_to_the_end(lines_raise: Any) -> None:
    store = Closed()
    scheduler = ManualScheduler(jobstores={"default": store}, executors={"default": Strange()})
    scheduler.start()
    lines_raise()
    scheduler.shutdown()
    assert store.closed


class Lock(LeaderLock):
    interval_s = 0.01

    def __init__(self) -> None:
        self.tries = 0

    def acquire(self) -> bool:
        self.tries += 1
        if self.tries % 2:
            raise ConnectionError("the server is gone")
        return self.tries > 3

    def renew(self) -> bool:
        self.tries += 1
        return True

    def release(self) -> None:
        raise ConnectionError("the server is gone")


def test_a_leader_lock_is_asked_again_and_renewed(lines_raise: Any) -> None:
    lock = Lock()
    scheduler = BackgroundScheduler(leader=lock)
    try:
        scheduler.start()
        lines_raise()
        lock.tries = 0
        until(lambda: lock.tries > 6)
    finally:
        scheduler.shutdown()


def test_alerts_go_on(lines_raise: Any) -> None:
    lines_raise()
    alert = webhook("http://127.0.0.1:9/", timeout=1)
    for number in (1, 2):
        alert(SimpleNamespace(code=EVENT_JOB_ERROR, job_id="job", jobstore="default"))
        until(lambda: alert.failed == number)  # noqa: B023
        alert.wait()


def test_the_thread_of_a_history_goes_on(lines_raise: Any) -> None:
    history: Any = ManualScheduler(history="sqlite://")._history
    calls: list[Any] = []

    def write(batch: Any) -> None:
        calls.append(batch)
        if len(calls) == 1:
            raise ConnectionError("the server is gone")

    history._place = SimpleNamespace(write=write, sweep=calls.append)
    lines_raise()
    history.record(SimpleNamespace(record=lambda: "a record"))
    thread = history._thread
    until(lambda: len(calls) > 1)
    assert history._thread is thread


class Keeping:
    """A scheduler on a shared table, and somebody else there."""

    def __init__(self, path: Path) -> None:
        self.store = SQLAlchemyJobStore(f"sqlite:///{path}/jobs.db", shared=True, lease=1, poll_interval=0.05)
        self.events: list[Any] = []
        self.scheduler = BackgroundScheduler(jobstores={"default": self.store})
        self.scheduler.add_listener(self.events.append, EVENT_JOB_EXECUTED | EVENT_JOB_LOST)
        self.scheduler.start()
        self.rows = self.store._shared

    def leases_over(self, me: Me) -> None:
        with self.store.engine.begin() as connection:
            table = self.rows.schedulers_t
            connection.execute(table.update().where(table.c.id == me.id).values(heartbeat=1.0))


@pytest.fixture
def keeping(tmp_path: Path) -> Iterator[Keeping]:
    keeping = Keeping(tmp_path)
    yield keeping
    keeping.scheduler.shutdown()


def test_a_lease_is_kept_after_an_error(lines_raise: Any, keeping: Keeping) -> None:
    lines_raise()
    look, failed = keeping.rows.look, []

    def fails_twice(me: Me) -> Any:
        if len(failed) < 2:
            failed.append(me)
            raise ConnectionError("the server is gone")
        return look(me)

    keeping.rows.look = fails_twice
    until(lambda: len(failed) == 2)
    claims: Any = keeping.store._claims
    heard_s = claims.until_s
    until(lambda: claims.until_s > heard_s + 1)
    assert claims.holds_lease()


def test_who_lost_its_lease_joins_again(lines_raise: Any, keeping: Keeping) -> None:
    lines_raise()
    claims: Any = keeping.store._claims
    other = Me(30.0)
    keeping.rows.join(other)
    keeping.leases_over(claims.me)
    keeping.rows.take_over(other, claims.me.id, claims.me.epoch)
    until(lambda: claims.me.epoch > 1 and claims.holds_lease())


def test_all_runs_of_who_died_are_told_and_run_again(lines_raise: Any, keeping: Keeping) -> None:
    due_us, other = 4_000_000_000_000_000, Me(30.0)
    keeping.rows.join(other)
    jobs = [f"job{number}" for number in range(3)]
    for job_id in jobs:
        keeping.scheduler.add_job(
            works, "interval", hours=1, next_run_time="2096-10-02 07:06:40+00:00", id=job_id
        )
    lines_raise()
    changes = [RowChange(job_id, due_us, due_us + 1, None) for job_id in jobs]
    assert keeping.rows.claim(other, [ClaimRow(one, due_us, due_us, 1) for one in changes], []).out == set()
    keeping.leases_over(other)
    until(lambda: len(keeping.events) == 6)
    codes = Counter((event.job_id, event.code) for event in keeping.events)
    assert codes == Counter(
        (job_id, code) for job_id in jobs for code in (EVENT_JOB_LOST, EVENT_JOB_EXECUTED)
    )


def test_a_run_that_was_claimed_beside_one_that_is_skipped_is_made(
    lines_raise: Any, keeping: Keeping
) -> None:
    claim = keeping.rows.claim

    def one_is_busy(me: Me, rows: Any, others: Any) -> Any:
        lines_raise()
        refused = claim(me, [row for row in rows if row.change.id != "busy"], others)
        return refused and refused._replace(busy=refused.busy | {"busy"})

    keeping.rows.claim = one_is_busy  # type: ignore[method-assign]
    keeping.scheduler.pause()
    for job_id in ("busy", "free"):
        keeping.scheduler.add_job(works, "date", id=job_id, misfire_grace_time=None)
    keeping.scheduler.add_listener(keeping.events.append, EVENT_JOB_REMOVED)
    keeping.scheduler.resume()
    until(lambda: len(keeping.events) == 2)
    assert {(event.job_id, event.code) for event in keeping.events} == {
        ("free", EVENT_JOB_EXECUTED),
        ("free", EVENT_JOB_REMOVED),
    }
