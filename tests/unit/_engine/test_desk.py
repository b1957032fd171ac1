"""The desk: one step for each change of a job in memory, on both twins."""

from __future__ import annotations

from os import getpid
from types import SimpleNamespace
from typing import Any

import pytest

S = 1_000_000


class Owner:
    """As much of a scheduler as a desk looks at."""

    def __init__(self) -> None:
        self._executors = {"default": None}
        self._job_defaults: dict[str, Any] = {"misfire_grace_time": 5, "coalesce": True, "max_instances": 2}


class Store:
    _ids: Any = None

    def __init__(self) -> None:
        self._parked: dict[str, Any] = {}
        self._taken: list[Any] = []


@pytest.fixture
def place(engine: Any, make: Any) -> SimpleNamespace:
    store, index, jobs = Store(), engine.due_index.DueIndex(), {}
    owner, lifecycle = Owner(), SimpleNamespace(state=1, home_pid=getpid())
    stores: dict[str, Any] = {"default": store}
    asked: list[Any] = []

    def judge(scheduler: Any) -> Any:
        asked.append(scheduler)
        if len(stores) != 1 or "hook" in vars(scheduler):
            return None
        return "default", store, jobs, index

    desk = engine.desk.Desk(owner, lifecycle, stores, judge, {"name": str.upper})
    job = make.job(make.interval(10), 5 * S, id="a", name="n", func=len, args=())
    assert engine.job_table.insert_job(job, jobs, index)
    return SimpleNamespace(
        desk=desk,
        job=job,
        jobs=jobs,
        index=index,
        owner=owner,
        stores=stores,
        store=store,
        asked=asked,
        lifecycle=lifecycle,
        elsewhere=engine.desk.ELSEWHERE,
    )


def test_it_finds_and_changes(place: Any, make: Any) -> None:
    desk, job, index = place.desk, place.job, place.index
    assert desk.find("a") is job and desk.find("a", "default") is job and desk.find("b") is None
    assert desk.earliest() == 5 * S
    assert desk.modify("a", None, {"name": "new"}) is job and job.name == "NEW"
    assert desk.pause("a", None) is job and job.run_at_us is None and job not in index
    assert desk.earliest() is None
    assert desk.resume("a", None, 11 * S) is job and job.run_at_us == 20 * S and desk.earliest() == 20 * S
    trigger = make.interval(7)
    assert desk.reschedule("a", None, trigger, 11 * S) is job
    assert job.trigger is trigger and job.run_at_us == job.nominal_us == 14 * S
    assert desk.remove("a", None) == "default" and not place.jobs and len(index) == 0
    index._check()


def test_what_is_not_for_it_goes_elsewhere_and_nothing_was_done(place: Any, make: Any, engine: Any) -> None:
    desk, job, elsewhere = place.desk, place.job, place.elsewhere
    over = make.interval(1, end_us=2 * S)
    assert desk.modify("a", None, {"name": "x", "coalesce": True}) is elsewhere
    assert desk.modify("a", None, {"func": len}) is elsewhere
    assert (
        desk.modify("b", None, {"name": "x"}) is desk.pause("b", None) is desk.remove("b", None) is elsewhere
    )
    assert desk.reschedule("b", None, make.interval(1), 0) is desk.resume("b", None, 0) is elsewhere
    assert desk.reschedule("a", None, over, 11 * S) is elsewhere
    assert desk.reschedule("a", None, object(), 11 * S) is elsewhere
    assert desk.reschedule("a", None, make.interval(1, jitter_us=9), 11 * S) is elsewhere
    counts = make.interval(1)
    counts.skips = engine.trigger.Skips(after_end=True)
    assert desk.reschedule("a", None, counts, 11 * S) is elsewhere
    assert desk.find(1) is desk.find("a", "other") is elsewhere
    with pytest.raises(TypeError):
        desk.modify("a", None, {"name": 7})
    assert (job.name, job.run_at_us) == ("n", 5 * S) and job in place.index


def test_a_store_that_has_an_index_of_ids_is_told_what_was_paused(place: Any) -> None:
    told: list[Any] = []
    place.store._note = lambda jobs: told.extend((job, job.run_at_us) for job in jobs)
    assert place.desk.pause("a", None) is place.job and told == []
    place.store._ids = object()
    assert place.desk.resume("a", None, 11 * S) is place.job and told == []
    assert place.desk.pause("a", None) is place.job and told == [(place.job, None)]
    del place.store._ids
    assert place.desk.pause("a", None) is place.job and len(told) == 1
    place.store.other = 1
    assert place.desk.pause("a", None) is place.job and len(told) == 1
    del place.store.other
    place.store._ids = object()  # as many attributes as before
    assert place.desk.pause("a", None) is place.job and len(told) == 2


@pytest.mark.parametrize("shut", ["stopped", "hook", "second store", "parked"])
def test_it_is_closed_as_long_as_somebody_hooks_in(place: Any, shut: str) -> None:
    desk = place.desk
    assert desk.find("a") is place.job
    if shut == "stopped":
        place.lifecycle.state = 0
    elif shut == "hook":
        place.owner.hook = 1
    elif shut == "second store":
        place.stores["other"] = Store()
    else:
        place.store._parked["a"] = 1
    assert desk.find("a") is desk.pause("a", None) is desk.remove("a", None) is place.elsewhere
    assert desk.earliest() is place.elsewhere
    place.lifecycle.state = 1
    vars(place.owner).clear()
    place.stores.pop("other", None)
    place.store._parked.clear()
    assert desk.find("a") is place.job


def test_taken_jobs_keep_a_pass_from_being_short(place: Any) -> None:
    place.store._taken = [place.job]
    assert place.desk.earliest() is place.elsewhere


def test_the_compiled_one_judges_once(engine: Any, place: Any) -> None:
    for _ in range(5):
        place.desk.find("a")
    assert len(place.asked) == 1 or engine.NAME == "reference"
    before = len(place.asked)
    Owner.later = 1  # type: ignore[attr-defined]
    try:
        place.desk.find("a")
        assert len(place.asked) == before + 1
    finally:
        del Owner.later  # type: ignore[attr-defined]


def fresh(engine: Any, make: Any, **values: Any) -> Any:
    """A job that nobody has scheduled yet."""
    job = engine.job_core.JobCore()
    values = {"id": "new", "executor": "default", "trigger": make.interval(10), **values}
    job._fill(None, values["id"], len, "len", "n", (), {}, values["trigger"], values["executor"])
    return job


def test_it_adds_a_job_complete_and_with_its_first_time(place: Any, make: Any, engine: Any) -> None:
    job = fresh(engine, make)
    assert place.desk.add(job, "default", 11 * S) is job is place.jobs["new"]
    assert job in place.index and job.run_at_us == job.nominal_us == 20 * S
    assert (job.misfire_grace_time, job.coalesce, job.max_instances) == (5, True, 2)
    assert job._jobstore_alias == "default"
    place.index._check()


def test_what_it_does_not_add_is_left_as_it_was(place: Any, make: Any, engine: Any) -> None:
    over, timed, watched = make.interval(1, end_us=2 * S), fresh(engine, make), fresh(engine, make)
    timed._advance(5, 5)
    watched._extras = {"max_runs": 3}
    for job in (
        fresh(engine, make, id="a"),  # it is taken
        fresh(engine, make, executor="nosuch"),
        fresh(engine, make, trigger=over),
        fresh(engine, make, trigger=object()),
        timed,
        watched,
    ):
        run_at_us = job.run_at_us
        assert place.desk.add(job, "default", 11 * S) is place.elsewhere
        assert job.run_at_us == run_at_us and job._jobstore_alias is None and job not in place.index
    for defaults in ({}, {"misfire_grace_time": 0}, {"coalesce": 1}, {"max_instances": "3"}):
        place.owner._job_defaults = {**place.owner._job_defaults, **defaults} if defaults else {}
        assert place.desk.add(fresh(engine, make), "default", 11 * S) is place.elsewhere
        place.owner._job_defaults = Owner()._job_defaults
    for alias in ("other", None, 5):
        assert place.desk.add(fresh(engine, make), alias, 11 * S) is place.elsewhere
    place.owner.hook = True
    assert place.desk.add(fresh(engine, make), "default", 11 * S) is place.elsewhere
    assert list(place.jobs) == ["a"]


def test_in_another_process_nothing_is_changed(place: Any, make: Any) -> None:
    place.lifecycle.home_pid += 1
    desk, elsewhere = place.desk, place.elsewhere
    assert desk.modify("a", None, {"name": "x"}) is desk.pause("a", None) is elsewhere
    assert desk.resume("a", None, 0) is desk.reschedule("a", None, make.interval(1), 0) is elsewhere
    assert desk.remove("a", None) is elsewhere and place.job.name == "n"
    assert desk.find("a") is place.job
