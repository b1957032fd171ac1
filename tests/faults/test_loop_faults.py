"""What can break around the loop does not break it: nothing lost, nothing run twice, the loop alive."""

from __future__ import annotations

import logging
import random
import sys
import threading
from collections import Counter
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from tests.faults.breakable import (
    MINUTE,
    START,
    STORES,
    PublicStore,
    Raising,
    Refusing,
    Stuck,
    every,
)

from rapscheduler.errors import JobLookupError
from rapscheduler.events import (
    EVENT_ALL,
    EVENT_JOB_ADDED,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MISSED,
    EVENT_JOB_PARKED,
    EVENT_JOB_REMOVED,
    EVENT_JOB_SUBMITTED,
)
from rapscheduler.executors.debug import DebugExecutor
from rapscheduler.executors.pool import ThreadPoolExecutor
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.testing import ManualScheduler
from rapscheduler.triggers.base import BaseTrigger

pytestmark = pytest.mark.faults


# Triggers


@pytest.mark.parametrize("kind", STORES)
@pytest.mark.parametrize("trigger", [Raising, Stuck])
def test_a_poisonous_trigger_parks_its_job_alone(
    scheduler: ManualScheduler, runs: list[str], caplog: Any, kind: str, trigger: type[BaseTrigger]
) -> None:
    parked: list[Any] = []
    scheduler.add_listener(parked.append, EVENT_JOB_PARKED)
    scheduler.add_jobstore(STORES[kind](), "own")
    scheduler.add_job(runs.append, trigger(), args=["poison"], id="p", jobstore="own")
    scheduler.add_job(runs.append, every(60), args=["good"], jobstore="own")
    scheduler.advance(3 * MINUTE)
    assert set(runs) == {"good"}
    assert [(event.job_id, event.jobstore) for event in parked] == [("p", "own")]
    assert "trigger raised" in parked[0].reason and "reschedule_job" in parked[0].reason
    assert [record.levelno for record in caplog.records if "parked" in record.message] == [logging.ERROR]
    (entry,) = scheduler.get_parked_jobs()
    assert entry.job_id == "p" and scheduler.get_job("p") is not None
    runs.clear()
    scheduler.reschedule_job("p", trigger="interval", seconds=60)
    scheduler.advance(2 * MINUTE)
    assert runs.count("poison") >= 1 and scheduler.get_parked_jobs() == []


# Executors


@pytest.mark.parametrize("kind", STORES)
def test_a_raising_executor_loses_no_run(
    scheduler: ManualScheduler, runs: list[str], kind: str, caplog: Any
) -> None:
    scheduler._loop._batch = 4
    refusing = Refusing()
    scheduler.add_executor(refusing, "full")
    scheduler.add_jobstore(STORES[kind](), "own")
    for i in range(10):  # more than a batch: they must not block those behind them
        scheduler.add_job(
            runs.append, "date", run_date=START + MINUTE, args=[f"full{i}"], executor="full", jobstore="own"
        )
    scheduler.add_job(runs.append, "date", run_date=START + 1.01 * MINUTE, args=["good"], jobstore="own")
    scheduler.advance(2 * MINUTE)
    assert runs == ["good"] and len(scheduler.get_jobs("own")) == 10
    errors = [record for record in caplog.records if "Error submitting" in record.message]
    assert errors and len(errors) < 40  # one line for many jobs
    refusing.refuse = False
    scheduler.advance(MINUTE)
    assert Counter(runs) == Counter(["good", *(f"full{i}" for i in range(10))])
    assert scheduler.get_jobs() == []


@pytest.mark.parametrize("kind", STORES)
def test_an_unknown_executor_parks_until_it_is_there(
    scheduler: ManualScheduler, runs: list[str], kind: str
) -> None:
    parked: list[Any] = []
    scheduler.add_listener(parked.append, EVENT_JOB_PARKED)
    scheduler.add_jobstore(STORES[kind](), "own")
    job = scheduler.add_job(runs.append, every(60), args=["x"], executor="later", id="j", jobstore="own")
    scheduler.add_job(runs.append, every(60), args=["good"])
    scheduler.advance(2 * MINUTE)
    assert set(runs) == {"good"} and len(parked) == 1 and "add_executor" in parked[0].reason
    assert scheduler.get_job("j") == job  # never removed
    scheduler.add_executor(DebugExecutor(), "later")
    scheduler.advance(MINUTE)
    assert "x" in runs and scheduler.get_parked_jobs() == []


def test_max_instances_skip_and_go_on(scheduler: ManualScheduler, runs: list[str], caplog: Any) -> None:
    events: list[Any] = []
    scheduler.add_listener(events.append, EVENT_JOB_MAX_INSTANCES)
    job = scheduler.add_job(runs.append, every(60), args=["x"], id="j")
    assert scheduler._running_counts.acquire("j", 1)
    scheduler.advance(2 * MINUTE)
    skipped = len(events)
    assert runs == [] and skipped >= 2 and "maximum number of running instances reached (1)" in caplog.text
    assert events[0].job_id == "j" and len(events[0].scheduled_run_times) == 1
    scheduler._running_counts.release("j")
    scheduler.advance(MINUTE)
    assert len(runs) == 1 and job.next_run_time > scheduler.clock.now()


# Listeners


def test_raising_listeners(scheduler: ManualScheduler, runs: list[str], caplog: Any) -> None:
    def bad(event: Any) -> None:
        raise SystemExit(f"listener {event.code}")

    told: list[int] = []
    scheduler.add_listener(bad, EVENT_ALL)
    scheduler.add_listener(lambda event: told.append(event.code), EVENT_ALL)
    scheduler.add_job(runs.append, "date", run_date=START + MINUTE, args=["x"])
    scheduler.advance(2 * MINUTE)
    assert runs == ["x"]
    assert told == [EVENT_JOB_ADDED, EVENT_JOB_SUBMITTED, EVENT_JOB_REMOVED, EVENT_JOB_EXECUTED]
    assert "Error notifying listener" in caplog.text


@pytest.mark.parametrize("code", [EVENT_JOB_SUBMITTED, EVENT_JOB_EXECUTED, EVENT_JOB_ADDED])
def test_a_listener_that_removes_the_job(scheduler: ManualScheduler, runs: list[str], code: int) -> None:
    scheduler.add_listener(lambda event: scheduler.remove_job(event.job_id), code)
    scheduler.add_job(runs.append, every(60), args=["x"])
    scheduler.advance(5 * MINUTE)
    assert len(runs) == (0 if code == EVENT_JOB_ADDED else 1)
    assert scheduler.get_jobs() == []


@pytest.mark.parametrize("what", ["pause", "remove", "modify", "reschedule"])
def test_what_a_job_does_to_itself_stands(scheduler: ManualScheduler, what: str) -> None:
    far = START + timedelta(days=1)
    runs: list[int] = []

    def act() -> None:
        runs.append(1)
        job = scheduler.get_job("j")
        if what == "pause":
            job.pause()
        elif what == "remove":
            job.remove()
        elif what == "modify":
            job.modify(next_run_time=far)
        else:
            job.reschedule("date", run_date=far)

    job = scheduler.add_job(act, every(60), id="j")
    scheduler.advance(10 * MINUTE)
    assert len(runs) == 1
    expected = {"pause": None, "remove": None, "modify": far, "reschedule": far}[what]
    if what == "remove":
        assert scheduler.get_job("j") is None
    else:
        assert scheduler.get_job("j") is job and job.next_run_time == expected


def test_submitted_is_told_before_executed_whatever_the_threads_do() -> None:
    told: list[tuple[int, str]] = []
    done = threading.Semaphore(0)

    def listen(event: Any) -> None:
        told.append((event.code, event.job_id))
        if event.code == EVENT_JOB_EXECUTED:
            done.release()

    scheduler = BackgroundScheduler(timezone="UTC", job_defaults={"misfire_grace_time": None})
    scheduler.add_listener(listen, EVENT_JOB_ADDED | EVENT_JOB_SUBMITTED | EVENT_JOB_EXECUTED)
    scheduler.start()
    for _ in range(200):
        scheduler.add_job(int, "date")
    for _ in range(200):
        assert done.acquire(timeout=20)
    scheduler.shutdown()
    order: dict[str, list[int]] = {}
    for code, job_id in told:
        order.setdefault(job_id, []).append(code)
    assert len(order) == 200
    assert set(map(tuple, order.values())) == {(EVENT_JOB_ADDED, EVENT_JOB_SUBMITTED, EVENT_JOB_EXECUTED)}


# Clock


@pytest.mark.parametrize("jump", [timedelta(seconds=30), timedelta(hours=5), timedelta(days=3 * 365)])
def test_the_clock_jumps(scheduler: ManualScheduler, jump: timedelta) -> None:
    ran_at: list[datetime] = []
    job = scheduler.add_job(lambda: ran_at.append(scheduler.clock.now()), every(60), coalesce=True)
    scheduler.advance(3 * MINUTE)
    ran_at.clear()
    clock = scheduler.clock
    clock.set_us(clock.now_us() + int(jump.total_seconds()) * 1_000_000)
    scheduler._process_jobs()
    assert len(ran_at) == (1 if jump > MINUTE else 0)  # one run for all that were missed
    assert job.next_run_time > clock.now()
    scheduler.advance(MINUTE)
    count = len(ran_at)
    due_us = job.run_at_us
    clock.set_us(clock.now_us() - int(jump.total_seconds()) * 1_000_000)
    for _ in range(3):
        wait_s = scheduler._process_jobs()
    assert wait_s is not None and len(ran_at) == count  # what ran does not run again
    assert job.run_at_us == due_us
    scheduler.run_until(job.next_run_time)
    assert len(ran_at) == count + 1


def test_a_raising_clock(scheduler: ManualScheduler, runs: list[str], monkeypatch: Any) -> None:
    scheduler.add_job(runs.append, "date", run_date=START + MINUTE, args=["x"])
    scheduler.clock.advance(MINUTE)
    with monkeypatch.context() as patch:
        patch.setattr(type(scheduler.clock), "now_us", lambda self: 1 / 0)
        assert scheduler._loop.run_once() == 10
    scheduler.advance(MINUTE)
    assert runs == ["x"]


def test_a_clock_set_back_does_not_prolong_the_retry(scheduler: ManualScheduler, runs: list[str]) -> None:
    refusing = Refusing()
    scheduler.add_executor(refusing, "full")
    scheduler.add_jobstore(PublicStore(), "own")
    scheduler.add_job(runs.append, "date", run_date=START, args=["x"], executor="full", jobstore="own")
    scheduler.clock.set_us(scheduler.clock.now_us() + 3_600_000_000)
    scheduler._process_jobs()
    refusing.refuse = False
    scheduler.clock.set_us(scheduler.clock.now_us() - 3_500_000_000)
    scheduler.advance(MINUTE)
    assert runs == ["x"]


# Pause and shutdown in the middle


@pytest.mark.parametrize("how", ["pause", "shutdown"])
def test_stopping_in_the_middle_of_a_pass_advances_nothing_that_did_not_run(how: str) -> None:
    store = PublicStore()
    scheduler = ManualScheduler(
        START, jobstores={"default": store}, job_defaults={"misfire_grace_time": None}
    )
    scheduler.add_executor(DebugExecutor(), "other")
    scheduler.start()
    runs: list[str] = []
    due = START + MINUTE

    def stop() -> None:
        runs.append("stop")
        getattr(scheduler, how)()

    scheduler.add_job(stop, "interval", hours=1, next_run_time=due, id="a")
    for i in range(3):
        scheduler.add_job(
            runs.append, "interval", hours=1, args=[str(i)], next_run_time=due, id=f"b{i}", executor="other"
        )
    scheduler.advance(MINUTE)
    assert runs == ["stop"]
    assert {key: state["next_run_time"] for key, state in store.states.items() if key != "a"} == {
        f"b{i}": due for i in range(3)
    }


def test_a_lost_run_is_made_after_resume(scheduler: ManualScheduler, runs: list[str]) -> None:
    scheduler.add_job(runs.append, "date", run_date=START + MINUTE, args=["x"])
    scheduler.pause()
    scheduler.clock.advance(5 * MINUTE)
    assert scheduler._process_jobs() is None and runs == []
    scheduler.resume()
    scheduler.advance(timedelta(0))
    assert runs == ["x"]


def test_shutdown_from_a_job_of_a_worker() -> None:
    scheduler = BackgroundScheduler(timezone="UTC")
    ended = threading.Event()

    def stop() -> None:
        scheduler.shutdown(wait=True)
        ended.set()

    scheduler.start()
    scheduler.add_job(stop, "date")
    assert ended.wait(20)
    assert not scheduler.running


# Misfires


def test_missed_tells_lateness_and_cause(scheduler: ManualScheduler, runs: list[str]) -> None:
    missed: list[Any] = []
    scheduler.add_listener(missed.append, EVENT_JOB_MISSED)
    scheduler.add_job(runs.append, "date", run_date=START + MINUTE, args=["x"], misfire_grace_time=5)
    scheduler.clock.advance(MINUTE + timedelta(seconds=7))
    scheduler._process_jobs()
    assert runs == [] and len(missed) == 1
    assert (missed[0].lateness_s, missed[0].cause) == (7.0, "downtime")


# Health


def test_health(scheduler: ManualScheduler) -> None:
    scheduler.add_job(int, "date", run_date=START + MINUTE, executor="nowhere")
    scheduler.add_job(int, every(60))
    scheduler.advance(MINUTE)
    report = scheduler.health()
    assert report["alive"] and report["passes"] > 0 and report["submitted"] >= 1
    assert report["parked"] == {"default": 1} and report["queued"] == {"default": None}
    assert report["due"] == {"default": 0} and report["lag_s"] == 0
    scheduler.clock.advance(5 * MINUTE)
    report = scheduler.health()
    assert report["due"] == {"default": 1} and report["lag_s"] == 240.0


# Many threads


def test_fifty_threads_change_jobs_while_thousands_fire() -> None:
    """Every date job that was not removed runs exactly once; the store's invariants hold at the end."""
    scheduler = BackgroundScheduler(
        timezone="UTC",
        executors={"default": ThreadPoolExecutor(10)},
        job_defaults={"misfire_grace_time": None},
    )
    lock = threading.Lock()
    ran: Counter[str] = Counter()
    removed: set[str] = set()

    def run(job_id: str) -> None:
        with lock:
            ran[job_id] += 1

    def work(number: int) -> None:
        random_ = random.Random(number)
        for i in range(200):
            job_id = f"{number}-{i}"
            due = datetime.now(timezone.utc) + timedelta(milliseconds=random_.randrange(300))
            scheduler.add_job(run, "date", run_date=due, args=[job_id], id=job_id)
            try:
                if i % 4 == 0:
                    scheduler.remove_job(job_id)
                    removed.add(job_id)
                elif i % 4 == 1:
                    scheduler.modify_job(job_id, name="renamed")
                elif i % 4 == 2:
                    scheduler.get_job(job_id)
            except JobLookupError:
                pass  # it has run already

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        scheduler.start()
        threads = [threading.Thread(target=work, args=(number,)) for number in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        waiter = threading.Event()
        for _ in range(600):
            if not scheduler.get_jobs():
                break
            waiter.wait(0.05)
        store: Any = scheduler._jobstores["default"]
        assert scheduler.get_jobs() == []
        store._check()
        assert scheduler.health()["alive"]
    finally:
        sys.setswitchinterval(interval)
        scheduler.shutdown()
    everything = {f"{number}-{i}" for number in range(50) for i in range(200)}
    assert set(ran.values()) == {1}
    assert everything - removed <= set(ran)
    assert len(scheduler._running_counts) == 0
