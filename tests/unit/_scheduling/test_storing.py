"""A job that runs between a user's look at it and the write: nothing runs twice, and no change is lost.

The first tests make the race happen at exactly that point; the last one lets threads look for others.
"""

from __future__ import annotations

import collections
import random
import re
import threading
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any

import pytest
from tests.conformance.test_stores import ShelfStore

from rapscheduler._scheduling import storing
from rapscheduler.errors import EncodeError, JobLookupError
from rapscheduler.events import EVENT_JOB_EXECUTED, EVENT_JOB_REMOVED
from rapscheduler.jobstores.memory import MemoryJobStore
from rapscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.testing import ManualScheduler

START = datetime(2025, 1, 1, tzinfo=timezone.utc)
MINUTE = timedelta(minutes=1)

ran: list[Any] = []


def note(*args: Any) -> None:
    ran.append(args)


current: Any = None


def call_current() -> None:
    current()


STORES = {
    "memory": MemoryJobStore,
    "rows": lambda: SQLAlchemyJobStore("sqlite://"),
    "third party": lambda: ShelfStore({}),
}


@pytest.fixture(params=STORES)
def scheduler(request: pytest.FixtureRequest) -> Any:
    ran.clear()
    scheduler = ManualScheduler(START, jobstores={"default": STORES[request.param]()})
    scheduler.times = collections.Counter()
    scheduler.add_listener(
        lambda event: scheduler.times.update([event.scheduled_run_time]), EVENT_JOB_EXECUTED
    )
    scheduler.start()
    yield scheduler
    if scheduler.running:
        scheduler.shutdown()


def meanwhile(scheduler: Any, act: Any, times: int = 1) -> None:
    """Let `act` happen after each of the next `times` look-ups, before anything is written."""
    look_up, left = scheduler._lookup_job, [act] * times

    def look_up_and_act(*arguments: Any) -> Any:
        found = look_up(*arguments)
        if left:
            left.pop()()
        return found

    scheduler._lookup_job = look_up_and_act


def run_due(scheduler: Any) -> None:
    scheduler.clock.advance(MINUTE)
    scheduler._process_jobs()
    scheduler.clock.advance(timedelta(microseconds=1))


CHANGES = {
    "modify": lambda scheduler: scheduler.modify_job("a", name="changed"),
    "reschedule": lambda scheduler: scheduler.reschedule_job("a", trigger="interval", minutes=7),
    "resume": lambda scheduler: scheduler.resume_job("a"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_job_that_ran_before_the_write_does_not_run_again(scheduler: Any, change: str) -> None:
    scheduler.add_job(note, "interval", minutes=1, id="a")
    meanwhile(scheduler, lambda: run_due(scheduler))
    CHANGES[change](scheduler)
    scheduler.advance(timedelta(0))
    assert scheduler.times == {START + MINUTE: 1}
    job = scheduler.get_job("a")
    after = {"modify": 2, "reschedule": 7, "resume": 2}[change]
    assert job.next_run_time == START + after * MINUTE
    assert (job.name == "changed") == (change == "modify")


def test_arguments_from_an_iterator_survive_a_second_try(scheduler: Any) -> None:
    scheduler.add_job(note, "interval", minutes=1, id="a")
    meanwhile(scheduler, lambda: run_due(scheduler))
    scheduler.modify_job("a", args=iter([1, 2]))
    scheduler.advance(MINUTE)
    assert ran == [(), (1, 2)]


def test_a_time_that_a_user_sets_stands_whatever_ran_meanwhile(scheduler: Any) -> None:
    scheduler.add_job(note, "interval", minutes=1, id="a")
    scheduler.add_job(note, "interval", minutes=1, id="b")
    meanwhile(scheduler, lambda: run_due(scheduler))
    scheduler.modify_job("a", next_run_time=START + 90 * MINUTE)
    meanwhile(scheduler, lambda: run_due(scheduler))
    scheduler.pause_job("b")
    assert scheduler.get_job("a").next_run_time == START + 90 * MINUTE
    assert scheduler.get_job("b").next_run_time is None


@pytest.mark.parametrize(("later_us", "runs"), [(0, 1), (1, 2)])
def test_the_time_of_the_run_under_way_means_that_run(
    scheduler: Any, monkeypatch: Any, later_us: int, runs: int
) -> None:
    """Who writes back the time that a job shows while it runs must not make it run twice; any other time stands."""

    def set_time() -> None:
        note()
        if len(ran) == 1:
            again = START + MINUTE + timedelta(microseconds=later_us)
            scheduler.modify_job("a", next_run_time=again, name="changed")

    monkeypatch.setitem(globals(), "current", set_time)
    scheduler.add_job(f"{__name__}:call_current", "interval", minutes=1, id="a")
    scheduler.advance(MINUTE)
    scheduler.advance(timedelta(seconds=1))
    job = scheduler.get_job("a")
    assert len(ran) == runs and job.name == "changed"
    assert job.next_run_time == START + 2 * MINUTE + timedelta(microseconds=later_us)


def test_replacing_a_job_and_keeping_its_time_does_not_bring_the_old_time_back(scheduler: Any) -> None:
    scheduler.add_job(note, "interval", minutes=1, id="a", start_date=START)
    scheduler.advance(MINUTE)
    store = scheduler._jobstores["default"]
    look_up, left = store.lookup_job, [1]

    def look_up_and_run(job_id: str) -> Any:
        found = look_up(job_id)
        if left:
            left.pop()
            run_due(scheduler)
        return found

    store.lookup_job = look_up_and_run
    ran.clear()
    scheduler.add_job(
        note, "interval", minutes=1, id="a", start_date=START, args=["new"], replace_existing="keep"
    )
    scheduler.advance(timedelta(0))
    assert ran == [()]
    scheduler.advance(MINUTE)
    assert ran == [(), ("new",)]
    assert max(scheduler.times.values()) == 1


def test_a_job_that_was_removed_before_the_write_stays_removed(scheduler: Any) -> None:
    scheduler.add_job(note, "interval", minutes=1, id="a")
    meanwhile(scheduler, lambda: scheduler._jobstores["default"].remove_job("a"))
    with pytest.raises(JobLookupError):
        scheduler.modify_job("a", name="changed")
    assert scheduler.get_jobs() == []


def test_a_job_that_runs_faster_than_it_can_be_changed_is_told_with_the_cure() -> None:
    scheduler = ManualScheduler(START, jobstores={"default": SQLAlchemyJobStore("sqlite://")})
    scheduler.start()
    scheduler.add_job(note, "interval", minutes=1, id="a")
    meanwhile(scheduler, lambda: run_due(scheduler), times=10**6)
    with pytest.raises(RuntimeError, match=r'"a" could not be changed.*pause the scheduler'):
        scheduler.modify_job("a", name="changed")
    job = scheduler._jobstores["default"].lookup_job("a")
    assert (job.name, job.next_run_time) == ("note", START + (storing.CHANGE_ROUNDS + 1) * MINUTE)
    scheduler.shutdown()


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_no_run_is_made_twice_while_jobs_are_changed(kind: str, tmp_path: Any) -> None:
    store = MemoryJobStore() if kind == "memory" else SQLAlchemyJobStore(f"sqlite:///{tmp_path}/jobs.db")
    scheduler = BackgroundScheduler(
        timezone="UTC",
        jobstores={"default": store},
        job_defaults={"max_instances": 100, "misfire_grace_time": None},
    )
    times: collections.Counter[Any] = collections.Counter()
    enough = threading.Event()

    def executed(event: Any) -> None:
        times[event.job_id, event.scheduled_run_time] += 1
        if len(times) > 100:
            enough.set()

    scheduler.add_listener(executed, EVENT_JOB_EXECUTED)
    scheduler.start()
    for name in "abcd":
        scheduler.add_job(note, "interval", seconds=0.004, id=name)
    failures: list[BaseException] = []

    def change(number: int) -> None:
        draw = random.Random(number)
        try:
            for step in range(60):
                scheduler.modify_job(draw.choice("abcd"), name=f"{number} {step}")
            enough.wait(60)
        except BaseException as exc:
            failures.append(exc)

    threads = [threading.Thread(target=change, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    scheduler.shutdown()
    assert failures == []
    assert len(times) > 100
    assert {key: count for key, count in times.items() if count > 1} == {}


class Unknown:
    """A type that rows don't know."""

    def run(self) -> None: ...


def nested() -> Any:
    def inner() -> None: ...

    return inner


@pytest.mark.parametrize("meanwhile_rescheduled", [False, True])
def test_a_removal_is_told_only_of_a_job_that_is_gone(scheduler: Any, meanwhile_rescheduled: bool) -> None:
    removed: list[str] = []
    scheduler.add_listener(lambda event: removed.append(event.job_id), EVENT_JOB_REMOVED)
    scheduler.add_job(note, "date", run_date=START + MINUTE, id="a")
    scheduler.add_job(note, "date", run_date=START + MINUTE, id="b")
    store = scheduler._jobstores["default"]
    settle = store._settle

    def settle_after_the_user(changes: Any) -> None:
        if meanwhile_rescheduled:
            scheduler.reschedule_job("a", trigger="interval", minutes=5)
        settle(changes)

    store._settle = settle_after_the_user
    scheduler.advance(MINUTE)
    assert ran == [(), ()]
    assert removed == (["b"] if meanwhile_rescheduled else ["a", "b"])
    assert [job.id for job in scheduler.get_jobs()] == (["a"] if meanwhile_rescheduled else [])


def test_a_removal_that_the_store_did_not_take_is_told_when_it_did(scheduler: Any) -> None:
    removed: list[str] = []
    scheduler.add_listener(lambda event: removed.append(event.job_id), EVENT_JOB_REMOVED)
    scheduler.add_job(note, "date", run_date=START + MINUTE, id="a")
    store = scheduler._jobstores["default"]

    def fail(changes: Any) -> None:
        raise OSError("the disk is full")

    store._settle = fail
    scheduler.advance(MINUTE)
    assert (ran, removed) == ([()], [])
    del store._settle
    scheduler.advance(MINUTE)
    assert (ran, removed) == ([()], ["a"])


UNSTORABLE = {
    "lambda": ({"func": lambda: None}, "func", "with def, at the top level"),
    "nested function": ({"func": nested()}, "func", "move it to the top level"),
    "partial": ({"func": partial(note, 1)}, "func", "by args= and kwargs="),
    "method": ({"func": Unknown().run}, "func.__self__", "register_type"),
    "argument": ({"func": note, "args": [1, {"deep": [Unknown()]}]}, "args[1]['deep'][0]", "register_type"),
}


@pytest.mark.parametrize("case", UNSTORABLE)
@pytest.mark.parametrize("started", [True, False])
def test_what_cannot_be_stored_is_refused_when_it_is_added(case: str, started: bool) -> None:
    """Also before the start, by a store that is there already; a memory store takes anything."""
    job, path, cure = UNSTORABLE[case]
    scheduler = ManualScheduler(START, jobstores={"rows": SQLAlchemyJobStore("sqlite://")})
    if started:
        scheduler.start()
    for add in (scheduler.add_job, lambda **job: scheduler.add_jobs([job])):
        with pytest.raises(EncodeError, match=re.escape(cure)) as caught:
            add(**job, trigger="interval", minutes=1, jobstore="rows")
        assert caught.value.path == path
    assert scheduler.get_jobs() == []
    scheduler.add_job(**job, trigger="interval", minutes=1)
    scheduler.add_job(note, "interval", minutes=1, jobstore="rows")
    if not started:
        scheduler.start()
    assert len(scheduler.get_jobs()) == 2
    scheduler.shutdown()
