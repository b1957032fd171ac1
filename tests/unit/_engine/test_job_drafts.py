"""Jobs made of specs that are like known ones; that they are those of the long way is asked in test_drafts."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

END = object()


def nothing() -> None:
    pass


def maker(engine: Any, **shared: Any) -> Any:
    if engine.NAME == "reference":
        pytest.skip("the reference twin leaves all jobs to the long way")
    ids = map(str, itertools.count(1))
    return engine.job_drafts.KnownDrafts(engine.job_core.JobCore, None, lambda: next(ids), **shared)


FACTS = (nothing, "module:nothing", "nothing", "pool", 5, False, ...)


def cron(engine: Any, hour: int) -> Any:
    spec = engine.cron.CronSpec.of(hour=1 << hour, minute=1, second=1)
    return engine.cron.CronCore(spec, engine.job_core.UTC_ZONE, jitter_us=hour)


def taught(engine: Any, **shared: Any) -> Any:
    known = maker(engine, **shared)
    known.learn({"func": nothing, "trigger": "cron", "hour": 3}, nothing, FACTS, 0, cron(engine, 3))
    return known


def drafted(known: Any, *specs: Any) -> tuple[list[Any], Any]:
    jobs: list[Any] = []
    return jobs, known.draft_on(iter(specs), jobs, END)


def test_what_was_not_learned_is_given_back(engine: Any) -> None:
    """By both twins; the reference learns nothing."""
    known = engine.job_drafts.KnownDrafts(engine.job_core.JobCore, None, str, func=nothing)
    first, second, jobs = {"hour": 3}, {"func": nothing}, list[Any]()
    specs = iter([first, second])
    assert known.draft_on(specs, jobs, END) is first
    known.learn(first, nothing, FACTS, 0)
    assert known.draft_on(specs, jobs, END) is second
    assert known.draft_on(specs, jobs, END) is END and jobs == []


def test_what_is_known_becomes_a_job(engine: Any) -> None:
    known = taught(engine)
    spec = {"func": nothing, "trigger": "cron", "hour": 3}
    jobs, end = drafted(known, spec, {**spec, "id": "mine", "name": "own"}, spec)
    assert end is END and [(job.id, job.name) for job in jobs] == [
        ("1", "nothing"),
        ("mine", "own"),
        ("2", "nothing"),
    ]
    job = jobs[0]
    assert (job.func, job.func_ref, job.args, job.kwargs, job.executor) == (
        nothing,
        "module:nothing",
        (),
        {},
        "pool",
    )
    assert (job.misfire_grace_time, job.coalesce, hasattr(job, "max_instances")) == (5, False, False)
    assert (job.trigger.spec.hour, job.trigger.jitter_us) == (8, 3)
    assert not hasattr(job, "next_run_time") and job._jobstore_alias is None


def test_each_job_has_a_trigger_of_its_own(engine: Any) -> None:
    known = maker(engine)
    first = cron(engine, 4)
    known.learn({"trigger": "cron", "hour": 4}, nothing, FACTS, 0, first)
    jobs, _ = drafted(known, *[{"func": nothing, "trigger": "cron", "hour": 4}] * 2)
    assert len({id(job.trigger) for job in jobs} | {id(first)}) == 3


@pytest.mark.parametrize(
    "spec",
    [
        {"func": len},
        {"func": "module:nothing"},
        {"hour": 4},
        {"hour": True},
        {"hour": 3.0},
        {"hour": "3"},
        {"minute": 0},
        {"args": (1,)},
        {"args": []},
        {"args": (0,) * 100},
        {"kwargs": {"a": 1}},
        {"id": 7},
        {"id": ("x",)},
        {"name": ""},
        {"name": 5},
        {"executor": "pool"},
        {"jobstore": "other"},
        {7: 7},
        {"start_date": object()},
    ],
)
def test_what_is_not_known_is_given_back(engine: Any, spec: Any) -> None:
    known = taught(engine)
    same = {"func": nothing, "trigger": "cron", "hour": 3}
    other = {**same, **spec}
    jobs, end = drafted(known, same, other, same)
    assert len(jobs) == 1 and end is other


def test_other_things_than_dicts_are_given_back(engine: Any) -> None:
    class Spec(dict[str, Any]):
        pass

    for spec in (None, 7, Spec(func=nothing, trigger="cron", hour=3)):
        jobs, end = drafted(taught(engine), spec)
        assert not jobs and end is spec


def test_values_that_could_be_taken_for_others_are_not_learned(engine: Any) -> None:
    known = maker(engine)
    for hour in (True, 1.0, (1,)):
        spec = {"func": nothing, "trigger": "cron", "hour": hour}
        known.learn(spec, nothing, FACTS, 0, cron(engine, 1))
        assert drafted(known, spec) == ([], spec)
    spec = {"func": nothing, **{str(i): i for i in range(17)}}
    known.learn(spec, nothing, FACTS, 0, cron(engine, 1))
    assert drafted(known, spec) == ([], spec)
    with pytest.raises(TypeError, match="only cron triggers can be made again"):
        known.learn({}, nothing, FACTS, 0, nothing)


def test_what_specs_have_in_common(engine: Any) -> None:
    shared = cron(engine, 5)
    known = taught(engine, func=nothing, args=(1, 2), trigger=shared)
    known.learn({}, nothing, FACTS, 2)
    jobs, end = drafted(known, {}, {"args": None}, {"args": (3, 4), "id": ""}, {"trigger": "cron", "hour": 3})
    assert end is END and [job.args for job in jobs] == [(1, 2), (), (3, 4), (1, 2)]
    assert [job.trigger is shared for job in jobs] == [True, True, True, False]
    assert jobs[2].id == "3"


def test_an_iterator_that_raises_is_not_hidden(engine: Any) -> None:
    jobs: list[Any] = []
    with pytest.raises(ZeroDivisionError):
        taught(engine).draft_on(({"x": 1 // 0} for _ in range(1)), jobs, END)
    with pytest.raises(TypeError, match="kind must be a class of JobCore"):
        engine.job_drafts.KnownDrafts(int, None, str)


def test_many_drafts_on_their_way_into_a_store(engine: Any, make: Any) -> None:
    room = engine.job_drafts
    due, paused, later = (
        make.job(make.interval(1), 10),
        make.job(make.interval(1), None),
        engine.job_core.JobCore(),
    )
    assert room.complete_jobs([due, paused, later], 9, True, 3) == [later]
    assert (later.misfire_grace_time, later.coalesce, later.max_instances) == (9, True, 3)
    assert (due.misfire_grace_time, due.max_instances) == (None, 1)
    room.set_store_alias([due, later], "here")
    assert (due._jobstore_alias, paused._jobstore_alias, later._jobstore_alias) == ("here", None, "here")
    assert room.earliest_us([paused, later]) is None
    assert room.earliest_us([make.job(make.interval(1), 20), paused, later, due]) == 10
