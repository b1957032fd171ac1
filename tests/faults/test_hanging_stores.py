"""A store that hangs delays its own jobs only, `health()` names it, and it goes on when it answers."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any

import pytest
from tests.faults.breakable import PublicStore

from rapscheduler._scheduling import hangs
from rapscheduler.executors.debug import DebugExecutor
from rapscheduler.jobstores.base import BaseJobStore
from rapscheduler.jobstores.memory import MemoryJobStore
from rapscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from rapscheduler.schedulers.asyncio import AsyncIOScheduler
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.schedulers.blocking import BlockingScheduler
from rapscheduler.testing import ManualScheduler

pytestmark = pytest.mark.faults
WAIT_S = 20.0
CALLS = ["_take_due", "_settle", "_earliest_us"]


class Hanging(SQLAlchemyJobStore):
    """SQLite, of which one call hangs when it is told to."""

    def __init__(self) -> None:
        super().__init__("sqlite://")
        self.open = threading.Event()
        self.open.set()
        self.call = ""
        self.inside = threading.Event()
        self.settled: list[str] = []

    def hang(self, call: str) -> None:
        self.call = call
        self.open.clear()

    def _wait(self, call: str) -> None:
        if call == self.call and not self.open.is_set():
            self.inside.set()
            self.open.wait(60)

    def _take_due(self, now_us: int, limit: int) -> Any:
        self._wait("_take_due")
        return super()._take_due(now_us, limit)

    def _settle(self, changes: Any) -> None:
        self._wait("_settle")
        super()._settle(changes)
        self.settled += [change.job.id for change in changes]

    def _earliest_us(self) -> int | None:
        self._wait("_earliest_us")
        return super()._earliest_us()

    def _update_if(self, job: Any, due_us: int | None, times: Any) -> bool:
        self._wait("_update_if")
        return super()._update_if(job, due_us, times)


class HangingPublic(PublicStore):
    """A store of somebody else, under the lock of its shelf."""

    def __init__(self) -> None:
        super().__init__()
        self.open, self.inside = threading.Event(), threading.Event()

    def get_due_jobs(self, now: datetime) -> Any:
        self.inside.set()
        self.open.wait(60)
        return super().get_due_jobs(now)


RUNS: dict[str, list[float]] = {}


def note(name: str) -> None:
    RUNS.setdefault(name, []).append(time.monotonic())


def until(wanted: Callable[[], Any]) -> None:
    end_s = time.monotonic() + WAIT_S
    while not wanted():
        assert time.monotonic() < end_s, "it took too long"
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def _no_runs(monkeypatch: Any) -> None:
    RUNS.clear()
    monkeypatch.setattr(hangs, "HANG_S", 0.3)
    monkeypatch.setattr(hangs, "LOOK_S", 0.05)


@contextmanager
def running(bad: Any, good: BaseJobStore, make: Callable[[], Any] = BackgroundScheduler) -> Iterator[Any]:
    scheduler = make()
    scheduler.add_jobstore(bad, "bad")
    scheduler.add_jobstore(good, "good")
    scheduler.start()
    try:
        yield scheduler
    finally:
        bad.open.set()
        if scheduler.running:
            scheduler.shutdown()


def every_tenth(scheduler: Any, name: str) -> Any:
    return scheduler.add_job(note, "interval", seconds=0.1, args=[name], id=name, jobstore=name)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("good", ["memory", "sqlite"])
def test_the_jobs_of_other_stores_go_on(call: str, good: str, caplog: Any) -> None:
    caplog.set_level(logging.INFO)
    bad = Hanging()
    other: BaseJobStore = MemoryJobStore() if good == "memory" else SQLAlchemyJobStore("sqlite://")
    with running(bad, other) as scheduler:
        every_tenth(scheduler, "bad")
        every_tenth(scheduler, "good")
        until(lambda: len(RUNS.get("bad", ())) > 2 and len(RUNS.get("good", ())) > 2)
        bad.hang(call)
        assert bad.inside.wait(WAIT_S)
        until(lambda: scheduler.health()["hanging_stores"])
        before = len(RUNS["good"])
        until(lambda: len(RUNS["good"]) >= before + 5)
        of_bad = len(RUNS["bad"])
        health = scheduler.health()
        assert list(health["hanging_stores"]) == health["failing_stores"] == ["bad"]
        age_s = (datetime.now(timezone.utc) - health["hanging_stores"]["bad"]).total_seconds()
        assert 0.25 < age_s < WAIT_S and "good" in health["due"] and health["alive"]
        assert len(RUNS["bad"]) == of_bad
        scheduler.add_job(note, args=["now"], jobstore="good", misfire_grace_time=None)  # the loop is woken
        until(lambda: "now" in RUNS)
        bad.open.set()
        until(lambda: len(RUNS["bad"]) >= of_bad + 3)
        until(lambda: not scheduler.health()["hanging_stores"])
        before = len(RUNS["good"])
        until(lambda: len(RUNS["good"]) >= before + 3)
    said = [record for record in caplog.records if record.module == "hangs" and "'bad'" in record.message][:2]
    assert [record.levelno for record in said] == [logging.WARNING, logging.INFO]
    assert "'bad' has not answered" in said[0].message and "'bad' answers again" in said[1].message


def test_no_run_is_made_twice_because_its_write_hung() -> None:
    bad = Hanging()
    with running(bad, MemoryJobStore()) as scheduler:
        bad.hang("_settle")
        scheduler.add_job(note, args=["once"], id="once", jobstore="bad", misfire_grace_time=None)
        assert bad.inside.wait(WAIT_S)
        until(lambda: scheduler.health()["hanging_stores"])
        assert scheduler.health()["unsettled"] == 1
        for _ in range(5):
            scheduler.wakeup()
            time.sleep(0.05)
        bad.open.set()
        until(lambda: bad.settled == ["once"])
        assert len(RUNS["once"]) == 1 and scheduler.get_job("once") is None


def test_two_stores_hang_and_a_third_goes_on() -> None:
    bad, worse = Hanging(), HangingPublic()
    with running(bad, MemoryJobStore()) as scheduler:
        bad.hang("_take_due")
        assert bad.inside.wait(WAIT_S) or True
        scheduler.add_jobstore(worse, "worse")
        until(lambda: len(scheduler.health()["hanging_stores"]) == 2)
        every_tenth(scheduler, "good")
        until(lambda: len(RUNS.get("good", ())) > 5)
        worse.open.set()
        until(lambda: list(scheduler.health()["hanging_stores"]) == ["bad"])
        before = len(RUNS["good"])
        until(lambda: len(RUNS["good"]) > before + 5)
        bad.open.set()
        until(lambda: not scheduler.health()["hanging_stores"])


@pytest.mark.parametrize("call", ["_take_due", "_settle"])
@pytest.mark.parametrize("restart", [False, True])
def test_a_shutdown_does_not_wait_for_ever(call: str, restart: bool, caplog: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("rapscheduler._scheduling.last_writes.LAST_WRITE_S", 0.2)
    bad, before = Hanging(), set(threading.enumerate())
    with running(bad, MemoryJobStore()) as scheduler:
        bad.hang(call)
        scheduler.add_job(note, args=["once"], id="once", jobstore="bad", misfire_grace_time=None)
        assert bad.inside.wait(WAIT_S)
        ended = threading.Thread(target=scheduler.shutdown)
        ended.start()
        ended.join(WAIT_S)
        assert not ended.is_alive()
        named = [
            record.message for record in caplog.records if "before it took the changes" in record.message
        ]
        assert len(named) == (call == "_settle") and all("once" in message for message in named)
        if restart:
            bad.call = ""
            scheduler.start()
            every_tenth(scheduler, "good")
            until(lambda: len(RUNS.get("good", ())) > 2)
        bad.open.set()
        if restart:
            until(lambda: not scheduler.health()["hanging_stores"])
            every_tenth(scheduler, "bad")
            until(lambda: len(RUNS.get("bad", ())) > 2)
    ours = ("rapscheduler-watch", "APScheduler")
    until(lambda: not [one for one in set(threading.enumerate()) - before if one.name in ours])


def test_shutdown_with_a_timeout_does_not_wait_for_a_store_that_hangs() -> None:
    bad = Hanging()
    with running(bad, MemoryJobStore()) as scheduler:
        bad.hang("_take_due")
        scheduler.wakeup()
        assert bad.inside.wait(WAIT_S)
        begun_s = time.monotonic()
        scheduler.shutdown(timeout=0.5)
        assert time.monotonic() - begun_s < 5


def test_in_an_event_loop() -> None:
    bad = Hanging()

    async def main() -> None:
        scheduler = AsyncIOScheduler()
        scheduler.add_jobstore(bad, "bad")
        scheduler.add_jobstore(MemoryJobStore(), "good")
        scheduler.start()
        try:
            every_tenth(scheduler, "good")
            every_tenth(scheduler, "bad")
            while len(RUNS.get("bad", ())) < 3:
                await asyncio.sleep(0.01)
            bad.hang("_take_due")
            while not bad.inside.is_set():
                await asyncio.sleep(0.01)
            while not scheduler._loop.stuck:
                await asyncio.sleep(0.01)
            before = len(RUNS["good"])
            while len(RUNS["good"]) < before + 5:
                await asyncio.sleep(0.01)
            assert list(scheduler.health()["hanging_stores"]) == ["bad"]
            before = len(RUNS["bad"])
            bad.open.set()
            while len(RUNS["bad"]) < before + 3:
                await asyncio.sleep(0.01)
        finally:
            bad.open.set()
            await scheduler.shutdown_async()

    asyncio.run(asyncio.wait_for(main(), WAIT_S * 3))


def test_a_blocking_scheduler_whose_own_thread_is_stuck() -> None:
    bad = Hanging()
    scheduler = BlockingScheduler()
    scheduler.add_jobstore(bad, "bad")
    scheduler.add_jobstore(MemoryJobStore(), "good")
    every_tenth(scheduler, "good")
    thread = threading.Thread(target=scheduler.start, daemon=True)
    thread.start()
    until(lambda: len(RUNS.get("good", ())) > 2)
    bad.hang("_take_due")
    assert bad.inside.wait(WAIT_S)
    until(lambda: scheduler._loop.stuck)
    before = len(RUNS["good"])
    until(lambda: len(RUNS["good"]) > before + 5)
    bad.open.set()
    before = len(RUNS["good"])
    until(lambda: len(RUNS["good"]) > before + 5 and not scheduler._loop.stuck)
    scheduler.shutdown()
    thread.join(WAIT_S)
    assert not thread.is_alive()


def test_a_job_run_inline_may_shut_down_while_a_store_hangs(monkeypatch: Any) -> None:
    monkeypatch.setattr("rapscheduler._scheduling.last_writes.LAST_WRITE_S", 0.2)
    bad = Hanging()
    with running(bad, MemoryJobStore()) as scheduler:
        scheduler.add_executor(DebugExecutor(), "inline")
        bad.hang("_take_due")
        scheduler.wakeup()
        assert bad.inside.wait(WAIT_S)
        until(lambda: scheduler._loop.stuck)
        bad.shutdown = lambda: None  # type: ignore[method-assign]
        scheduler.add_job(
            scheduler.shutdown, executor="inline", jobstore="good", misfire_grace_time=None, args=[False]
        )
        until(lambda: not scheduler.running and not scheduler._lifecycle.stopping)


def test_health_asks_a_store_that_owes_an_answer_once() -> None:
    bad = HangingPublic()
    scheduler = BackgroundScheduler()
    scheduler.add_jobstore(bad, "bad")
    scheduler.start(paused=True)
    try:
        bad.get_next_run_time = lambda: bad.open.wait(60) and None  # type: ignore[method-assign,func-returns-value]
        first = scheduler.health()["hanging_stores"]["bad"]
        threads = threading.active_count()
        assert scheduler.health()["hanging_stores"]["bad"] == first
        assert threading.active_count() == threads
        bad.open.set()
        until(lambda: not scheduler.health()["hanging_stores"])
    finally:
        bad.open.set()
        scheduler.shutdown()


def test_stores_in_memory_are_not_watched() -> None:
    scheduler = ManualScheduler()
    scheduler.add_job(note, "interval", seconds=1, args=["memory"])
    scheduler.start()
    scheduler.advance(5)
    assert len(RUNS["memory"]) == 5 and scheduler._loop._watches == []
    shelf = scheduler._shelves.all()[0]
    assert shelf.door is shelf.lock
    scheduler.shutdown()


def test_a_store_that_answers_is_asked_in_the_thread_that_makes_the_pass() -> None:
    idents: list[int] = []

    class Asked(PublicStore):
        def get_due_jobs(self, now: datetime) -> Any:
            idents.append(threading.get_ident())
            return super().get_due_jobs(now)

    scheduler = ManualScheduler()
    scheduler.add_jobstore(Asked(), "default")
    scheduler.add_job(note, "interval", seconds=1, args=["own"])
    scheduler.start()
    scheduler.advance(5)
    scheduler.shutdown()
    assert set(idents) == {threading.get_ident()}


@pytest.mark.parametrize("good", ["memory", "sqlite", "public"])
def test_a_change_that_hangs_keeps_nobody_from_changing_jobs_of_other_stores(good: str) -> None:
    """The lock of a change is of the job's store."""
    bad = Hanging()
    others: dict[str, Any] = {
        "memory": MemoryJobStore,
        "sqlite": lambda: SQLAlchemyJobStore("sqlite://"),
        "public": PublicStore,
    }
    with running(bad, others[good]()) as scheduler:
        scheduler.add_job(note, "interval", days=1, id="stuck", jobstore="bad", args=["stuck"])
        for name in ("a", "b"):
            scheduler.add_job(note, "interval", days=1, id=name, jobstore="good", args=[name])
        bad.hang("_update_if")
        stuck = threading.Thread(target=scheduler.modify_job, args=("stuck",), kwargs={"name": "changed"})
        stuck.start()
        assert bad.inside.wait(WAIT_S)
        done: list[str] = []

        def change() -> None:
            for alias in ("good", None):
                scheduler.modify_job("a", alias, name="changed")
                scheduler.pause_job("a", alias)
                scheduler.resume_job("a", alias)
                scheduler.reschedule_job("a", alias, "interval", hours=1)
            scheduler.remove_job("a", "good")
            scheduler.remove_all_jobs("good")
            done.extend(job.id for job in scheduler.get_jobs("good"))
            done.append("all")

        other = threading.Thread(target=change, daemon=True)
        other.start()
        other.join(WAIT_S)
        assert done == ["all"] and stuck.is_alive()
        bad.open.set()
        stuck.join(WAIT_S)
        assert scheduler.get_job("stuck").name == "changed"


@pytest.mark.parametrize("alias", ["bad", None])
@pytest.mark.parametrize("more", [0, 1])
def test_two_changes_of_one_job_at_once_are_both_kept(alias: str | None, more: int) -> None:
    """The second one reads what the first has written, with one store and with several."""
    bad = Hanging()
    scheduler = BackgroundScheduler(
        jobstores={"bad": bad, **dict.fromkeys(["more"] * more, MemoryJobStore())}
    )
    scheduler.start(paused=True)
    scheduler.add_job(note, "interval", days=1, args=["a"], id="a", jobstore="bad")
    bad.hang("_update_if")
    changes: list[dict[str, Any]] = [{"name": "changed"}, {"max_instances": 7}]
    threads = [
        threading.Thread(target=scheduler.modify_job, args=("a", alias), kwargs=one) for one in changes
    ]
    threads[0].start()
    assert bad.inside.wait(WAIT_S)
    threads[1].start()
    threads[1].join(0.3)
    bad.open.set()
    for thread in threads:
        thread.join(WAIT_S)
    job = scheduler.get_job("a")
    scheduler.shutdown()
    assert (job.name, job.max_instances) == ("changed", 7)
