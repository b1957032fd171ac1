"""The values of a job, on both twins."""

from __future__ import annotations

import gc
import weakref
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

S = 1_000_000
UTC = timezone.utc
EAST = timezone(timedelta(hours=2))


def at(time_us: int, tz: Any = UTC) -> datetime:
    return datetime.fromtimestamp(time_us // S, tz) + timedelta(microseconds=time_us % S)


# What a job is


def test_values_are_unset_until_given(engine: Any) -> None:
    job = engine.job_core.JobCore()
    names = "id func func_ref name args kwargs trigger executor misfire_grace_time coalesce max_instances"
    for name in [*names.split(), "next_run_time"]:
        with pytest.raises(AttributeError, match=name):
            getattr(job, name)
    for name in names.split():
        value = {"kwargs": {"a": 1}, "coalesce": True}.get(name, object())
        setattr(job, name, value)
        assert getattr(job, name) is value
    assert job.run_at_us is None and job.nominal_us is None
    assert not hasattr(job, "next_run_time")
    assert job._scheduler is None and job._jobstore_alias is None


def test_empty_keyword_arguments_can_be_filled(engine: Any) -> None:
    job = engine.job_core.JobCore()
    job.kwargs = {}
    job.kwargs["x"] = 1
    assert job.kwargs == {"x": 1}


def test_next_run_time_keeps_what_was_given(engine: Any, make: Any) -> None:
    job = make.job(make.interval(1), None)
    assert job.next_run_time is None
    given = at(5 * S, EAST)
    job.next_run_time = given
    assert job.next_run_time is given
    assert (job.run_at_us, job.nominal_us) == (5 * S, 5 * S)
    job._advance(7 * S, 6 * S)
    assert job.next_run_time == at(7 * S) and job.next_run_time.tzinfo is UTC
    job.run_at_us = 9 * S
    assert job.next_run_time == at(9 * S) and job.nominal_us == 6 * S
    job.next_run_time = None
    assert job.next_run_time is None and job.run_at_us is None


def test_the_text_of_when_a_job_is_due(engine: Any, make: Any) -> None:
    assert engine.job_core.JobCore()._due_text(str) == "pending"
    job = make.job(make.interval(1), None)
    assert job._due_text(str) == "None"
    for due_us in (5 * S, 69 * S, 5 * S, -1, 5 * S):  # of which some are remembered in one place
        job._advance(due_us, due_us)
        assert job._due_text(str) == str(at(due_us // S * S if due_us >= 0 else due_us))
    assert job._due_text(repr) == repr(at(5 * S))
    assert job._due_text(str) == str(at(5 * S))
    job.next_run_time = at(5 * S, EAST)
    assert job._due_text(str) == str(at(5 * S, EAST))
    elsewhere = engine.timezone.ZoneTable.fixed(7200, EAST)
    other = make.job(engine.interval.IntervalCore(S, elsewhere, 0, None, 0), 5 * S)
    assert other._due_text(str) == str(at(5 * S, EAST))


def test_a_job_that_is_changed_while_its_text_is_made_gives_others_no_wrong_one(
    engine: Any, make: Any
) -> None:
    """Up to Python 3.11 the collector may run, and code with it, wherever the engine makes an object."""
    job, other = make.job(make.interval(1), 5 * S), make.job(make.interval(1), 5 * S)
    due_us = 1_000_000_007 * S  # of which nothing is remembered

    def change(phase: str, info: Any) -> None:
        job._advance(69 * S, 69 * S)

    job._advance(due_us, due_us)
    other._advance(due_us, due_us)
    threshold = gc.get_threshold()
    gc.disable()
    gc.callbacks.append(change)
    try:
        kept = [[index] for index in range(9)]
        gc.set_threshold(1, 1000, 1000)
        gc.enable()
        job._due_text(str)
        gc.disable()
    finally:
        gc.callbacks.remove(change)
        gc.set_threshold(*threshold)
        gc.enable()
    assert kept and other._due_text(str) == str(at(due_us))


def test_hidden_jobs_are_seen_again_when_they_can_be_in_a_cycle(engine: Any, make: Any) -> None:
    if engine.NAME == "reference":
        pytest.skip("the reference twin hides nothing")

    class Plain(engine.interval.IntervalCore):
        __slots__ = ()

    class Rich(engine.interval.IntervalCore):
        pass

    class Owner:
        def tick(self) -> None: ...

    def plain() -> None: ...

    job = make.job(make.interval(1), 0, func=print, args=(1, "a", None), kwargs={})
    job.trigger = Plain(S, make.zone, 0)
    engine.job_core.hide_from_collector(job)
    assert not gc.is_tracked(job)
    rich = Rich(S, make.zone, 0)
    for name, value in [
        ("args", ([],)),
        ("kwargs", {"a": []}),
        ("func", Owner().tick),
        ("trigger", rich),
    ]:
        engine.job_core.hide_from_collector(job)
        setattr(job, name, value)
        assert gc.is_tracked(job), name
        engine.job_core.hide_from_collector(job)
        assert gc.is_tracked(job), name
        job.func, job.args, job.kwargs, job.trigger = print, (), {}, make.interval(1)
    engine.job_core.hide_from_collector(job)
    assert not gc.is_tracked(job)
    job.kwargs["self"] = job
    assert gc.is_tracked(job)
    engine.job_core.hide_from_collector(job)
    engine.job_core.show_to_collector(job)
    assert gc.is_tracked(job)


def test_a_hidden_job_does_not_hold_its_scheduler(engine: Any, make: Any) -> None:
    class Scheduler: ...

    scheduler = Scheduler()
    kept = weakref.ref(scheduler)
    job = make.job(make.interval(1), 0, func=print, args=(), kwargs={})
    job._scheduler = scheduler
    engine.job_core.hide_from_collector(job)
    assert job._scheduler is scheduler
    engine.job_core.show_to_collector(job)
    del scheduler
    assert job._scheduler is kept()
    engine.job_core.hide_from_collector(job)
    assert kept() is None and job._scheduler is None
    engine.job_core.show_to_collector(job)
    assert job._scheduler is None
    job._scheduler = 7  # what can't be referred to weakly is held
    engine.job_core.hide_from_collector(job)
    assert job._scheduler == 7 and gc.is_tracked(job)


def test_functions_that_carry_something_are_not_hidden(engine: Any, make: Any) -> None:
    if engine.NAME == "reference":
        pytest.skip("the reference twin hides nothing")

    def plain(x: Any = 1) -> None: ...
    def rich(x: Any = []) -> None: ...  # noqa: B006
    def named(*, x: Any = []) -> None: ...  # noqa: B006
    def marked() -> None: ...

    marked.owner = plain  # type: ignore[attr-defined]
    for func, tracked in (
        (plain, False),
        (print, False),
        (rich, True),
        (named, True),
        (marked, True),
        ([].append, True),
    ):
        job = make.job(make.interval(1), 0, func=func, args=(), kwargs={})
        engine.job_core.hide_from_collector(job)
        assert gc.is_tracked(job) is tracked, func


def test_first_times(engine: Any, make: Any) -> None:
    trigger = make.interval(1)

    class Own(type(trigger)):  # type: ignore[misc]
        def get_next_fire_time(self, previous_fire_time: Any, now: Any) -> Any:
            return now

    shared = [make.job(trigger, None, id=str(i)) for i in range(2)]
    late = make.job(make.interval(3), None)
    jitter = make.job(make.interval(3, jitter_us=5), None)
    own = make.job(Own(S, trigger.zone, 0), None)
    over = make.interval(3, end_us=S)
    never = [make.job(over, None, id=f"never {i}") for i in range(2)]
    left = engine.job_core.set_first_times([shared[0], jitter, *never, shared[1], own, late], 2 * S + 1)
    assert left == [jitter, *never, own]
    for job in (*shared, late):
        assert job.run_at_us == job.nominal_us == job.trigger.next_fire_us(None, 2 * S + 1)
    assert [job.run_at_us for job in left] == [None] * 4


# Options that few jobs have


def test_options_of_few_jobs_live_beside_the_shown_time(engine: Any, make: Any) -> None:
    job = make.job(make.interval(1), None)
    assert job._extras is None
    given = at(5 * S, EAST)
    job.next_run_time = given
    job._extras = extras = {"timeout": 5}
    assert job._extras is extras and job.next_run_time is given
    job._advance(7 * S, 6 * S, given)
    assert job._extras is extras and job.next_run_time is given
    job.run_at_us = 9 * S
    assert job._extras is extras and job.next_run_time == at(9 * S)
    job.next_run_time = given
    job._extras = {}
    assert job._extras is None and job.next_run_time is given
    assert job.coalesce is True


def test_a_job_that_has_some_is_seen_by_the_collector(engine: Any, make: Any) -> None:
    job = make.job(make.interval(1), 5 * S, func=make.job, args=(), kwargs={})
    job._extras = {"itself": job}
    engine.job_core.hide_from_collector(job)
    assert gc.is_tracked(job)
    seen = weakref.ref(job)
    del job
    gc.collect()
    assert seen() is None


def test_a_job_without_any_is_no_larger_for_them() -> None:
    from rapscheduler._engine import NAME
    from rapscheduler._engine.job_core import JobCore

    assert NAME == "reference" or JobCore.__basicsize__ <= 96


# What alike jobs have in common


def test_what_alike_jobs_share_is_each_one_s_own(engine: Any, make: Any) -> None:
    class Scheduler: ...

    first, second = Scheduler(), Scheduler()
    given = {
        "_scheduler": first, "_jobstore_alias": "a", "func": print, "func_ref": "builtins:print",
        "executor": "default", "misfire_grace_time": 5, "max_instances": 1, "kwargs": {}, "coalesce": True,
    }  # fmt: skip
    other = {
        "_scheduler": second, "_jobstore_alias": "b", "func": max, "func_ref": "builtins:max",
        "executor": "pool", "misfire_grace_time": None, "max_instances": 9, "kwargs": {"key": len}, "coalesce": False,
    }  # fmt: skip
    jobs = [make.job(make.interval(1), 0, id=str(i), args=(), **given) for i in range(3)]
    for name, value in other.items():
        setattr(jobs[1], name, value)
        assert getattr(jobs[1], name) == value and getattr(jobs[1], name) is getattr(jobs[1], name)
        for job in (jobs[0], jobs[2]):
            assert getattr(job, name) == given[name]
    jobs[1]._extras = {"timeout": 5}
    jobs[1].kwargs = {}
    assert jobs[1]._extras == {"timeout": 5} and jobs[1].kwargs == {}
    jobs[1]._extras = None
    jobs[1].kwargs["x"] = 1
    assert jobs[1].kwargs == {"x": 1} and jobs[1]._extras is None and jobs[0].kwargs == {}
    jobs[1].kwargs = {"y": 2}
    jobs[1]._extras = {"timeout": 6}
    assert jobs[1].kwargs == {"y": 2}
    for name, value in given.items():
        setattr(jobs[1], name, value)
        assert getattr(jobs[1], name) == value
    assert jobs[1]._extras == {"timeout": 6}


def test_what_was_shared_is_freed_with_its_jobs(engine: Any, make: Any) -> None:
    def func() -> None: ...

    gone = weakref.ref(func)
    jobs = [make.job(make.interval(1), 0, id=str(i), func=func, args=(), kwargs={}) for i in range(3)]
    del func
    jobs[0].func = print
    del jobs[1:]
    gc.collect()
    assert gone() is None and jobs[0].func is print

    class Owner:
        def tick(self) -> None: ...

    owner = Owner()
    job = make.job(make.interval(1), 0, func=owner.tick, args=(), kwargs={})
    owner.job = job  # type: ignore[attr-defined]
    held = weakref.ref(job)
    del owner, job
    gc.collect()
    assert held() is None


@pytest.mark.parametrize("changed_by", ["somebody", "its class"])
def test_a_shared_trigger_that_was_changed_is_not_found_once_it_is_freed(
    engine: Any, make: Any, changed_by: str
) -> None:
    spec = engine.cron.CronSpec.of(hour=1 << 7)

    class Trigger(engine.cron.CronCore):
        __slots__ = ()
        if changed_by == "its class":

            def __del__(self) -> None:
                self._text = "changed"

    def cron() -> Any:
        return Trigger(spec, make.zone)

    def hidden_job() -> Any:
        job = make.job(make.interval(1), 0, func=print, args=(), kwargs={}, executor="default")
        job.trigger = cron()
        engine.job_core.hide_from_collector(job)
        return job

    def trigger_of(job: Any) -> Any:
        return next(value for value in gc.get_referents(job) if isinstance(value, Trigger))

    first = hidden_job()
    if changed_by == "somebody":
        trigger_of(first)._text = "changed"
    del first
    own = [cron() for _ in range(300)]  # one of them lies where the first job's lay
    job = hidden_job()
    assert not any(trigger_of(job) is trigger for trigger in own)


def test_a_job_that_is_its_own_callable_s_object_is_freed(engine: Any, make: Any) -> None:
    job = make.job(make.interval(1), 0, args=(), kwargs={})
    job.func = job._advance
    held = weakref.ref(job)
    del job
    gc.collect()
    assert held() is None
