"""``add_jobs``: many specs make the jobs that ``add_job`` would make of each, however alike the specs are."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from rapscheduler.testing import ManualScheduler
from rapscheduler.triggers.cron import CronTrigger
from rapscheduler.triggers.interval import IntervalTrigger

START = datetime(2025, 3, 1, tzinfo=timezone.utc)


def work(*args):
    return args


def one(arg):
    return arg


@pytest.fixture
def scheduler():
    scheduler = ManualScheduler(START)
    scheduler.start()
    yield scheduler
    scheduler.shutdown()


def shown(job):
    values = "name func func_ref args kwargs executor coalesce misfire_grace_time max_instances".split()
    trigger = None if isinstance(job.trigger, IntervalTrigger) else repr(job.trigger)
    return *(getattr(job, name) for name in values), trigger, type(job.trigger), job._jobstore_alias


SPECS = [
    {"func": work, "trigger": "cron", "hour": 3},
    {"func": work, "trigger": "cron", "hour": 3},
    {"func": one, "trigger": "cron", "hour": 3, "args": (1,)},
    {"func": one, "trigger": "cron", "hour": 3, "args": (2,), "name": "second"},
    {"func": work, "trigger": "cron", "hour": "3"},
    {"trigger": "cron", "func": work, "hour": 3, "jitter": 2},
    {"func": work, "trigger": "cron", "hour": 3, "args": [7]},
    {"func": work, "trigger": "cron", "hour": 3, "executor": "other", "max_instances": 4},
    {"func": work, "trigger": "cron", "hour": 3, "kwargs": {}},
    {"func": f"{__name__}:work", "trigger": "cron", "hour": 3},
    {"func": work, "trigger": "cron", "hour": 3, "end_date": "2030-01-01"},
    {"func": work, "trigger": "interval", "seconds": 90},
    {"func": work, "trigger": "cron", "hour": 3, "misfire_grace_time": 9, "coalesce": False},
    {"func": work, "trigger": "cron", "hour": 3},
]


@pytest.mark.parametrize("shared", [{}, {"max_instances": 2}, {"executor": "pool"}, {"args": (5,)}])
def test_each_spec_makes_the_job_that_add_job_makes(scheduler, shared):
    specs = [spec for spec in SPECS for _ in range(3)]
    many = scheduler.add_jobs(iter(specs), **shared)
    singly = [scheduler.add_job(**{**shared, **spec}) for spec in specs]
    assert [shown(job) for job in many] == [shown(job) for job in singly]
    cron = [(ours, theirs) for ours, theirs in zip(many, singly, strict=True) if not ours.trigger.jitter_us]
    assert all(ours.next_run_time == theirs.next_run_time for ours, theirs in cron if shown(ours)[-3])
    assert len({job.id for job in many}) == len(specs)
    scheduler._jobstores["default"]._check()


def test_triggers_written_alike_belong_to_one_job_each(scheduler):
    first, second, third = scheduler.add_jobs([{"func": work, "trigger": "cron", "hour": 3}] * 3)
    second.trigger.jitter = 5
    second.trigger.timezone = "Europe/Berlin"
    for other in (first, third):
        assert other.trigger.jitter is None and str(other.trigger.timezone) == "UTC"


def test_a_shared_trigger_is_shared(scheduler):
    trigger = CronTrigger(hour=3, timezone=timezone.utc)
    jobs = scheduler.add_jobs(
        [{"func": work}, {"func": work}, {"func": work, "hour": 4}] * 2, trigger=trigger
    )
    assert all(job.trigger is trigger for job in jobs)
    own = scheduler.add_jobs(
        [{"func": work}, {"func": work, "trigger": "cron", "hour": 5}] * 3, trigger=trigger
    )
    assert [job.trigger is trigger for job in own] == [True, False] * 3


@pytest.mark.parametrize("own", [{"jobstore": "other"}, {"replace_existing": True}], ids=repr)
def test_a_place_of_its_own_is_nothing_of_the_trigger(scheduler, own):
    """Specs that say where they go are not taken for like ones, however often they come."""
    scheduler.add_jobstore("memory", "other")
    spec = {"func": int, "trigger": "cron", "minute": "5"}
    jobs = scheduler.add_jobs([spec, {**spec, **own}, {**spec, **own}, spec, {**spec, **own}])
    there = own.get("jobstore", "default")
    assert [job._jobstore_alias for job in jobs] == ["default", there, there, "default", there]


def test_jobs_go_where_their_specs_say(scheduler):
    scheduler.add_jobstore("memory", "other")
    spec = {"func": work, "trigger": "cron", "hour": 3}
    jobs = scheduler.add_jobs([spec, {**spec, "jobstore": "other"}, spec, {**spec, "id": "a"}])
    assert [job._jobstore_alias for job in jobs] == ["default", "other", "default", "default"]
    jobs = scheduler.add_jobs([spec, {**spec, "id": "a", "name": "new"}], replace_existing=True)
    assert scheduler.get_job("a").name == "new"


@pytest.mark.parametrize(
    ("spec", "error"),
    [
        ({"func": one, "trigger": "cron", "hour": 3}, "not been supplied"),
        ({"func": one, "trigger": "cron", "hour": 99, "args": (1,)}, "higher than the maximum value"),
        ({"func": one, "trigger": "cron", "hour": True, "args": (1,)}, "Unrecognized expression"),
        ({"func": one, "trigger": "cron", "hours": 3, "args": (1,)}, "unexpected keyword argument"),
        ({"func": one, "trigger": "cron", "hour": 3, "args": (1,), "id": 5}, "id must be a nonempty string"),
        ({"func": one, "trigger": "cron", "hour": 3, "args": (1,), "name": ""}, "name must be a nonempty"),
        ({"trigger": "cron", "hour": 3, "args": (1,)}, '"func" is missing'),
    ],
)
def test_a_bad_spec_among_good_ones_is_found_and_nothing_is_stored(scheduler, spec, error):
    good = {"func": one, "trigger": "cron", "hour": 3, "args": (1,)}
    with pytest.raises((TypeError, ValueError), match=error):
        scheduler.add_jobs([good, good, spec, good])
    assert scheduler.get_jobs() == []


def test_a_scheduler_that_makes_its_triggers_makes_each(scheduler):
    made = []

    class Own(ManualScheduler):
        def _create_trigger(self, trigger, trigger_args):
            made.append(trigger)
            return super()._create_trigger(trigger, trigger_args)

    own = Own(START)
    own.add_jobs([{"func": work, "trigger": "cron", "hour": 3}] * 4)
    assert made == ["cron"] * 4
    plugins = []

    class OwnPlugins(ManualScheduler):
        def _create_plugin_instance(self, type_, alias, constructor_kwargs):
            if type_ == "trigger":
                plugins.append(alias)
            return super()._create_plugin_instance(type_, alias, constructor_kwargs)

    OwnPlugins(START).add_jobs([{"func": work, "trigger": "cron", "hour": 3}] * 4)
    assert plugins == ["cron"] * 4


def test_a_trigger_class_of_a_program_is_made_for_each_job(scheduler):
    made = []

    class Counted(CronTrigger):
        def __init__(self, **options):
            made.append(options)
            super().__init__(**options)

    own = type("Own", (ManualScheduler,), {"_trigger_classes": {"cron": Counted}})(START)
    jobs = own.add_jobs([{"func": work, "trigger": "cron", "hour": 3}] * 4)
    assert len(made) == 4 and all(type(job.trigger) is Counted for job in jobs)


def test_long_runs_of_specs_that_are_all_different(scheduler):
    jobs = scheduler.add_jobs({"func": work, "trigger": "interval", "seconds": 60 + i} for i in range(2500))
    assert [job.trigger.interval_length for job in jobs] == [60 + i for i in range(2500)]
    same = {"func": work, "trigger": "cron", "minute": 0}
    scheduler.add_jobs([*({**same, "minute": i % 60, "second": i // 60} for i in range(2100)), same, same])
    jobs = scheduler.add_jobs({**same, "minute": i % 60} for i in range(2500))
    assert [str(job.trigger) for job in jobs] == [f"cron[minute='{i % 60}']" for i in range(2500)]
