"""Drafts made by the quick way of ``add_jobs`` are those of ``add_job``: same values, same refusals."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from random import Random
from typing import Any

import pytest

from rapscheduler._scheduling import drafts
from rapscheduler._scheduling.drafts import draft_many
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.triggers.interval import IntervalTrigger

START = datetime(2040, 1, 1, tzinfo=timezone.utc)
VALUES = ("id", "name", "func", "args", "kwargs", "executor", "trigger", "next_run_time")
OPTIONS = ("misfire_grace_time", "coalesce", "max_instances")


def work(a: Any = None, b: Any = None) -> None:
    pass


@pytest.fixture
def scheduler():
    made = BackgroundScheduler(timezone="Europe/Berlin")
    made.start(paused=True)
    yield made
    made.shutdown()


def values_of(job: Any) -> list[Any]:
    return [getattr(job, name) for name in (*VALUES, *OPTIONS)]


@pytest.mark.parametrize(
    "own",
    [
        {},
        {"misfire_grace_time": None},
        {"misfire_grace_time": 7, "coalesce": 0, "max_instances": 3, "executor": "other"},
        {"next_run_time": START},
        {"next_run_time": None},
        {"next_run_time": "2040-06-01 12:00:00"},
        {"next_run_time": START.astimezone(timezone(timedelta(hours=3))), "args": [1], "kwargs": {"b": 2}},
        {"coalesce": True, "name": "own", "args": (1, 2)},
    ],
    ids=repr,
)
@pytest.mark.parametrize(
    "shared", [{}, {"max_instances": 5, "coalesce": False, "executor": "third"}], ids=repr
)
def test_a_spec_with_options_of_its_own_gives_the_job_of_add_job(scheduler, own, shared):
    trigger = IntervalTrigger(hours=1, start_date=START)
    alone = scheduler.add_job(**{"func": work, "trigger": trigger, "id": "x", **shared, **own})
    expected = values_of(alone)
    alone.remove()
    first, second = scheduler.add_jobs(
        [{"id": "x", **own}, {"id": "y"}], func=work, trigger=trigger, **shared
    )
    assert values_of(first) == expected
    zones = [job.next_run_time and job.next_run_time.utcoffset() for job in (first, alone)]
    assert zones[0] == zones[1]
    assert second.max_instances == shared.get("max_instances", 1)  # the first one's options are its own


@pytest.mark.parametrize(
    "own",
    [
        {"misfire_grace_time": 0},
        {"misfire_grace_time": "1"},
        {"max_instances": 0},
        {"executor": 5},
        {"next_run_time": 5},
        {"next_run_time": "tomorrow"},
    ],
    ids=repr,
)
def test_an_option_that_add_job_refuses_is_refused_with_the_same_words(scheduler, own):
    trigger = IntervalTrigger(hours=1, start_date=START)
    with pytest.raises((TypeError, ValueError)) as alone:
        scheduler.add_job(work, trigger, **own)
    with pytest.raises(type(alone.value)) as many:
        scheduler.add_jobs([{"id": "fine"}, {"id": "x", **own}], func=work, trigger=trigger)
    assert str(many.value) == str(alone.value)
    assert scheduler.get_jobs() == []


def test_specs_alike_but_for_their_options_keep_each_its_own(scheduler):
    """The engine makes jobs of specs like earlier ones; options are no part of the likeness."""
    kinds = [{}, {"max_instances": 3}, {"next_run_time": START}, {"coalesce": False}, {"executor": "other"}]
    specs = [{"hour": 5, **own} for own in (*kinds, *kinds[::-1], *kinds)]
    jobs = scheduler.add_jobs(specs, func=work, trigger="cron")
    for spec, job in zip(specs, jobs, strict=True):
        assert job.max_instances == spec.get("max_instances", 1)
        assert job.coalesce == spec.get("coalesce", True)
        assert job.executor == spec.get("executor", "default")
        assert (job.next_run_time == START) == ("next_run_time" in spec)


def _drawn(draw: Random) -> dict[str, Any]:
    """A spec of few values, so that many are alike."""
    spec: dict[str, Any] = {"func": draw.choice([work, work, print, "builtins:len"]), "args": (1,)}
    if draw.random() < 0.8:
        spec["trigger"] = draw.choice(["cron", "cron", "interval"])
        name, unit = ("hour", "minute") if spec["trigger"] == "cron" else ("hours", "minutes")
        spec[name] = draw.choice([3, "4", 5])
        if draw.random() < 0.5:
            spec[unit] = draw.choice([1, 2])
        if spec["trigger"] == "interval":
            spec = {key: int(value) if key == name else value for key, value in spec.items()}
    else:
        spec["run_date"] = START  # without one it is the second in which the job is made
    for key, values in {
        "name": ["own", None],
        "id": [None, str(draw.random())],
        "args": [[1], "x", (2,)],
        "executor": ["other"],
        "max_instances": [2],
        "next_run_time": [START, None],
        "jobstore": ["other"],
        "kwargs": [{}, None],
    }.items():
        if draw.random() < 0.1:
            spec[key] = draw.choice(values)
    return spec


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "shared",
    [{}, {"max_instances": 5}, {"trigger": IntervalTrigger(hours=1)}],
    ids=["nothing", "max_instances", "trigger"],
)
def test_like_specs_make_the_jobs_of_the_long_way(
    scheduler: Any, shared: dict[str, Any], seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = Random(seed)
    specs = [_drawn(draw) for _ in range(300)]
    if "trigger" in shared:
        specs = [
            {key: spec[key] for key in spec if key in ("func", "args", "name", "kwargs")} for spec in specs
        ]
    quick, quick_places = draft_many(scheduler, specs, shared)
    monkeypatch.setattr(drafts, "_known_drafts", lambda *_: None)
    long, long_places = draft_many(scheduler, specs, shared)
    assert quick_places == long_places
    for one, other in zip(quick, long, strict=True):
        assert _facts_of(one) == _facts_of(other)


def _facts_of(job: Any) -> list[Any]:
    """What can be compared: new ids differ, and intervals begin when they are made."""
    values = [getattr(job, name, ...) for name in (*VALUES, *OPTIONS) if name not in ("id", "trigger")]
    trigger = job.trigger
    return [*values, len(job.id) == 32 or job.id, type(trigger), str(trigger), trigger.timezone]
