"""`overlap=`: what becomes of a run that is due while as many as allowed are under way."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from rapscheduler.errors import NoResultError, RunCancelledError
from rapscheduler.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MISSED,
    EVENT_JOB_REMOVED,
)
from rapscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from rapscheduler.runs import current_run
from rapscheduler.schedulers.asyncio import AsyncIOScheduler
from rapscheduler.schedulers.background import BackgroundScheduler

WAIT_S = 60


class Gate:
    """A job that begins, and ends when it is let."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.most = self._now = 0
        self._more = threading.Condition()
        self._open = 0

    def __call__(self, number: int = 0) -> int:
        with self._more:
            self.begun.append(number)
            self._now += 1
            self.most = max(self.most, self._now)
            self._more.notify_all()
            self._more.wait_for(lambda: self._open > 0, WAIT_S)
            self._open -= 1
            self._now -= 1
        return number

    def let(self, many: int = 1) -> None:
        with self._more:
            self._open += many
            self._more.notify_all()

    def wait_begun(self, many: int) -> bool:
        with self._more:
            return self._more.wait_for(lambda: len(self.begun) >= many, WAIT_S)


class Told:
    """The events of a scheduler, to be waited for."""

    def __init__(self, scheduler: Any) -> None:
        self.events: list[Any] = []
        self._more = threading.Condition()
        scheduler.add_listener(self)

    def __call__(self, event: Any) -> None:
        with self._more:
            self.events.append(event)
            self._more.notify_all()

    def count(self, code: int) -> int:
        return Counter(event.code for event in self.events)[code]

    def wait(self, code: int, many: int = 1) -> bool:
        with self._more:
            return self._more.wait_for(lambda: self.count(code) >= many, WAIT_S)


@pytest.fixture
def scheduler() -> Iterator[Any]:
    with BackgroundScheduler(timezone="UTC") as scheduler:
        yield scheduler


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.let(10_000)


def paused(scheduler: Any, gate: Gate, **options: Any) -> Any:
    """A job that runs only when it is told to."""
    return scheduler.add_job(gate, "interval", hours=1, id="a", next_run_time=None, **options)


def test_skip_is_the_default_and_not_kept(scheduler: Any, gate: Gate) -> None:
    job = paused(scheduler, gate, overlap="skip")
    assert job.overlap == "skip" and job._extras is None
    first, second = job.run(), job.run()
    assert second.state == "skipped"
    gate.let()
    first.result(WAIT_S)


def test_with_queue_one_one_run_waits_and_the_others_are_skipped_and_told(
    scheduler: Any, gate: Gate, caplog: Any
) -> None:
    told = Told(scheduler)
    job = paused(scheduler, gate, overlap="queue_one")
    runs = [job.run(args=[number]) for number in range(4)]
    assert [run.state for run in runs[1:]] == ["queued", "skipped", "skipped"]
    assert told.wait(EVENT_JOB_MAX_INSTANCES, 2)
    assert (
        caplog.text.count("skipped: maximum number of running instances reached (1), and one run waits") == 2
    )
    assert gate.wait_begun(1) and gate.begun == [0]
    gate.let(2)
    assert [run.result(WAIT_S) for run in runs[:2]] == [0, 1]
    with pytest.raises(NoResultError):
        runs[2].result(WAIT_S)
    assert gate.most == 1


def test_with_queue_all_they_run_in_order(scheduler: Any, gate: Gate) -> None:
    job = paused(scheduler, gate, overlap="queue_all", max_instances=2)
    runs = [job.run(args=[number]) for number in range(8)]
    assert gate.wait_begun(2)
    gate.let(8)
    assert [run.result(WAIT_S) for run in runs] == list(range(8))
    assert gate.begun[2:] == list(range(2, 8)) and gate.most == 2


def test_so_many_may_wait_and_no_more(scheduler: Any, gate: Gate, monkeypatch: Any, caplog: Any) -> None:
    monkeypatch.setattr("rapscheduler._scheduling.overlap.MOST_WAITING", 3)
    told = Told(scheduler)
    job = paused(scheduler, gate, overlap="queue_all")
    runs = [job.run(args=[number]) for number in range(6)]
    assert [run.state for run in runs[1:]] == ["queued"] * 3 + ["skipped"] * 2
    assert told.wait(EVENT_JOB_MAX_INSTANCES, 2)
    assert "3 runs wait, which is the most" in caplog.text
    gate.let(4)
    assert runs[3].result(WAIT_S) == 3


def test_with_allow_nobody_looks_at_max_instances(scheduler: Any, gate: Gate) -> None:
    job = paused(scheduler, gate, overlap="allow")
    runs = [job.run() for _ in range(4)]
    assert gate.wait_begun(4) and gate.most == 4
    gate.let(4)
    for run in runs:
        run.result(WAIT_S)


@pytest.mark.parametrize("store", ["memory", "rows"])
@pytest.mark.parametrize("rule", ["queue_one", "queue_all"])
def test_runs_of_the_schedule_wait_too(store: str, rule: str, tmp_path: Any, monkeypatch: Any) -> None:
    gate = Gate()
    monkeypatch.setattr(f"{__name__}.scheduled", gate, raising=False)
    stores = {"default": SQLAlchemyJobStore(f"sqlite:///{tmp_path}/jobs.db")} if store == "rows" else {}
    with BackgroundScheduler(timezone="UTC", jobstores=stores) as scheduler:
        told = Told(scheduler)
        scheduler.add_job(call_scheduled, "interval", seconds=0.1, id="a", overlap=rule, max_runs=3)
        assert gate.wait_begun(1)
        if rule == "queue_one":
            assert told.wait(EVENT_JOB_MAX_INSTANCES, 2)
        else:
            assert told.wait(EVENT_JOB_REMOVED)  # all three were begun by the schedule, or wait
            assert told.count(EVENT_JOB_MAX_INSTANCES) == 0
        gate.let(3)
        assert told.wait(EVENT_JOB_EXECUTED, 3) and told.wait(EVENT_JOB_REMOVED)
        assert (gate.most, len(gate.begun)) == (1, 3)
        assert told.count(EVENT_JOB_MISSED) == 0


scheduled: Any = None


def call_scheduled() -> None:
    scheduled()


def test_what_waits_is_begun_before_what_comes_due(scheduler: Any, gate: Gate) -> None:
    job = paused(scheduler, gate, overlap="queue_all")
    runs = [job.run(args=[number]) for number in range(3)]
    assert gate.wait_begun(1)
    scheduler.pause()
    gate.let()
    runs[0].result(WAIT_S)
    last = job.run(args=[3])  # there is a place, and a line
    assert last.state == "queued" and gate.begun == [0]
    gate.let(3)
    scheduler.resume()
    assert last.result(WAIT_S) == 3 and gate.begun == [0, 1, 2, 3]


def test_cancel_other_in_threads_asks_the_other_to_end(scheduler: Any) -> None:
    def until_cancelled() -> str:
        run = current_run()
        assert run is not None
        begun.set()
        while not run.cancelled:
            if end.wait(0.01):
                return "ended"
        run.check()
        return "never"

    begun, end = threading.Event(), threading.Event()
    job = scheduler.add_job(until_cancelled, "interval", hours=1, overlap="cancel_other")
    first = job.run()
    assert begun.wait(WAIT_S)
    begun.clear()
    second = job.run()
    with pytest.raises(RunCancelledError):
        first.result(WAIT_S)
    assert first.state == "cancelled" and "cancel_other" in first.reason
    assert begun.wait(WAIT_S)
    end.set()
    assert second.result(WAIT_S) == "ended"


def test_with_cancel_other_the_newest_of_those_that_wait_is_run(scheduler: Any, gate: Gate) -> None:
    told = Told(scheduler)
    job = paused(scheduler, gate, overlap="cancel_other")
    runs = [job.run(args=[0])]
    assert gate.wait_begun(1)
    runs += [job.run(args=[number]) for number in (1, 2)]
    assert [run.state for run in runs[1:]] == ["cancelled", "queued"]
    assert runs[0].cancelled and told.wait(EVENT_JOB_MAX_INSTANCES)
    gate.let(2)
    assert runs[2].result(WAIT_S) == 2 and gate.begun == [0, 2]


def test_cancel_other_interrupts_a_coroutine() -> None:
    async def work(number: int) -> int:
        begun.append(number)
        if number == 0:
            await asyncio.sleep(3600)
        return number

    async def main() -> None:
        async with AsyncIOScheduler(timezone="UTC") as scheduler:
            errors: list[Any] = []
            scheduler.add_listener(errors.append, EVENT_JOB_ERROR)
            job = scheduler.add_job(work, "interval", hours=1, args=[0], overlap="cancel_other")
            first = job.run()
            while not begun:
                await asyncio.sleep(0.01)
            second = job.run(args=[1])
            assert await asyncio.wait_for(second, WAIT_S) == 1
            assert (first.state, begun) == ("cancelled", [0, 1])
            assert len(errors) == 1

    begun: list[int] = []
    asyncio.run(main())


def test_a_shutdown_tells_each_run_that_waited(gate: Gate, caplog: Any) -> None:
    with BackgroundScheduler(timezone="UTC") as scheduler:
        told = Told(scheduler)
        job = paused(scheduler, gate, overlap="queue_all")
        runs = [job.run() for _ in range(3)]
        assert gate.wait_begun(1)
        scheduler.shutdown(wait=False)
        assert [event.cause for event in told.events if event.code == EVENT_JOB_MISSED] == ["shutdown"] * 2
        assert caplog.text.count("is not made: the scheduler stopped") == 2
        for run in runs[1:]:
            assert run.state == "cancelled"
        gate.let()
        gate.let(5)
        scheduler.start()
        assert paused(scheduler, gate, overlap="queue_all").run().result(WAIT_S) == 0


@pytest.mark.parametrize("end", ["remove_job", "pause_job"])
def test_what_waits_for_a_job_that_is_removed_or_paused_is_told(scheduler: Any, gate: Gate, end: str) -> None:
    told = Told(scheduler)
    job = paused(scheduler, gate, overlap="queue_all")
    job.resume()
    runs = [job.run() for _ in range(3)]
    assert gate.wait_begun(1)
    getattr(scheduler, end)("a")
    assert told.wait(EVENT_JOB_MISSED, 2)
    assert [event.cause for event in told.events if event.code == EVENT_JOB_MISSED] == ["cancelled"] * 2
    gate.let()
    assert runs[0].result(WAIT_S) == 0 and [run.state for run in runs[1:]] == ["cancelled"] * 2


def test_a_waiting_run_can_be_cancelled(scheduler: Any, gate: Gate) -> None:
    job = paused(scheduler, gate, overlap="queue_all")
    runs = [job.run(args=[number]) for number in range(3)]
    assert scheduler.cancel_run(runs[1].id)
    assert runs[1].state == "cancelled"
    gate.let(2)
    assert runs[2].result(WAIT_S) == 2 and gate.begun == [0, 2]


def test_a_cancelled_run_makes_room_for_another_that_waits(scheduler: Any, gate: Gate) -> None:
    job = paused(scheduler, gate, overlap="queue_one")
    runs = [job.run(args=[0]), job.run(args=[1])]
    scheduler.cancel_run(runs[1].id)
    last = job.run(args=[2])
    assert last.state == "queued"
    gate.let(2)
    assert last.result(WAIT_S) == 2 and gate.begun == [0, 2]


def test_a_run_that_its_executor_refuses_later_is_told(scheduler: Any, gate: Gate, caplog: Any) -> None:
    caplog.set_level(logging.ERROR)
    told = Told(scheduler)
    scheduler.add_executor("threadpool", "other")
    job = paused(scheduler, gate, overlap="queue_one", executor="other")
    first, second = job.run(), job.run()
    assert gate.wait_begun(1)
    scheduler.pause()
    gate.let()
    first.result(WAIT_S)
    scheduler.remove_executor("other")
    scheduler.resume()
    assert told.wait(EVENT_JOB_ERROR)
    assert second.state == "lost" and "could not be handed to executor" in caplog.text


def test_a_wrong_rule_is_named(scheduler: Any, gate: Gate) -> None:
    with pytest.raises(
        ValueError, match="overlap='queue' is not understood: give one of 'skip', 'queue_one'"
    ):
        paused(scheduler, gate, overlap="queue")


def test_the_rule_is_kept_and_can_be_changed(tmp_path: Any) -> None:
    stores = {"default": SQLAlchemyJobStore(f"sqlite:///{tmp_path}/jobs.db")}
    with BackgroundScheduler(timezone="UTC", jobstores=stores) as scheduler:
        scheduler.add_job(call_scheduled, "interval", hours=1, id="a", overlap="queue_one")
        assert scheduler.get_job("a").overlap == "queue_one"
        scheduler.modify_job("a", overlap="allow")
        assert scheduler.get_job("a").overlap == "allow"


def test_a_scheduler_without_it_has_nothing_that_waits(scheduler: Any, gate: Gate) -> None:
    job = paused(scheduler, gate)
    job.run(), job.run()
    assert scheduler._backlogs.waiting is None and scheduler._running_counts.freed is None
    gate.let()
