"""`Job`: APScheduler's checks, messages, state and texts."""

from __future__ import annotations

import pickle
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from rapscheduler.job import Job, new_job_id
from rapscheduler.triggers.base import BaseTrigger
from rapscheduler.triggers.date import DateTrigger
from rapscheduler.triggers.interval import IntervalTrigger

BERLIN = ZoneInfo("Europe/Berlin")
DUE = datetime(2030, 5, 1, 12, tzinfo=BERLIN)
SCHEDULER = SimpleNamespace(timezone=BERLIN)


def func(a: int = 0, *, b: int = 1) -> None: ...


class Owner:
    def tick(self, x: int) -> int:
        return x


class Hourly(BaseTrigger):
    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        return (previous or now) + timedelta(hours=1)


def make(**values: Any) -> Job:
    defaults = {
        "func": func,
        "args": (1,),
        "kwargs": {"b": 2},
        "trigger": DateTrigger(DUE),
        "executor": "default",
        "misfire_grace_time": 5,
        "coalesce": True,
        "max_instances": 2,
    }
    return Job(SCHEDULER, **{**defaults, **values})


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"id": 3}, TypeError, "id must be a nonempty string"),
        ({"id": "other"}, ValueError, "The job ID may not be changed"),
        ({"func": 3}, TypeError, "func must be a callable or a textual reference to one"),
        ({"args": "text"}, TypeError, "args must be a non-string iterable"),
        ({"kwargs": 5}, TypeError, "kwargs must be a dict-like object"),
        ({"args": (1, 2)}, ValueError, "The list of positional arguments is longer"),
        ({"name": ""}, TypeError, "name must be a nonempty string"),
        (
            {"misfire_grace_time": 0},
            TypeError,
            "misfire_grace_time must be either None or a positive integer",
        ),
        ({"max_instances": "1"}, TypeError, "max_instances must be a positive integer"),
        ({"trigger": 1}, TypeError, "Expected a trigger instance, got int instead"),
        ({"executor": None}, TypeError, "executor must be a string"),
        ({"next_run_time": 1}, TypeError, "Unsupported type for next_run_time: int"),
        ({"speed": 1, "color": 2}, AttributeError, "not modifiable attributes of Job: speed, color"),
    ],
)
def test_refused_changes_change_nothing(changes: dict[str, Any], error: type[Exception], text: str) -> None:
    job = make(name="mine")
    before = job.__getstate__() if hasattr(job, "next_run_time") else None
    with pytest.raises(error, match=text):
        job._modify(**{"coalesce": False, **changes})
    assert job.name == "mine" and job.coalesce is True and job.executor == "default"
    assert before is None and not hasattr(job, "next_run_time")


def test_a_new_job() -> None:
    job = make()
    assert job.name == "func" and job.func_ref.endswith(":func") and job.pending
    assert str(job) == f"func (trigger: {job.trigger}, pending)"
    assert repr(job) == f"<Job (id={job.id} name=func)>"
    job.next_run_time = DUE
    assert str(job).endswith("next run at: 2030-05-01 12:00:00 CEST)")
    job._modify(next_run_time=None)
    assert str(job).endswith("paused)")
    assert make(id="x") == make(id="x") and make(id="x") != make(id="y") and make() != 1


def test_ids_are_unique_and_look_like_uuids() -> None:
    ids = {new_job_id() for _ in range(2000)}
    assert len(ids) == 2000
    assert all(len(job_id) == 32 and int(job_id, 16) >= 0 for job_id in ids)


def test_next_run_time_is_read_in_the_scheduler_s_zone_and_kept() -> None:
    job = make(next_run_time="2030-05-01 12:00:00")
    assert job.next_run_time == DUE and job.next_run_time.tzinfo is BERLIN
    given = datetime(2030, 1, 1, tzinfo=timezone(timedelta(hours=-3)))
    job._modify(next_run_time=given)
    assert job.next_run_time is given


def test_state_goes_round() -> None:
    job = make(next_run_time=DUE)
    state = job.__getstate__()
    assert state["version"] == 1 and state["func"] == job.func_ref and state["next_run_time"] == DUE
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(job, protocol))
        assert type(again) is Job and again.__getstate__() == {**state, "trigger": again.trigger}
        assert again.func is func and str(again.trigger) == str(job.trigger)
    with pytest.raises(ValueError, match="version 2, but only version 1"):
        Job.__new__(Job).__setstate__({**state, "version": 2})


def test_a_bound_method_travels_with_its_object() -> None:
    job = make(func=Owner().tick, args=(7,), kwargs={}, next_run_time=DUE)
    owner, argument = job.__getstate__()["args"]
    assert isinstance(owner, Owner) and argument == 7


def test_a_lambda_has_no_state() -> None:
    job = make(func=lambda: None, args=(), kwargs={}, next_run_time=DUE)
    assert job.func_ref is None
    with pytest.raises(ValueError, match="cannot be serialized"):
        job.__getstate__()


@pytest.mark.parametrize("trigger", [IntervalTrigger(hours=1, start_date=DUE, timezone=BERLIN), Hourly()])
def test_run_times_until_now(trigger: BaseTrigger) -> None:
    job = make(trigger=trigger, next_run_time=DUE)
    assert job._get_run_times(DUE - timedelta(seconds=1)) == []
    assert job._get_run_times(DUE + timedelta(hours=2)) == [DUE + timedelta(hours=i) for i in range(3)]


def test_the_methods_ask_the_scheduler() -> None:
    asked: list[Any] = []

    class Recorder:
        timezone = BERLIN

        def __getattr__(self, name: str) -> Any:
            return lambda *args, **kwargs: asked.append((name, args, kwargs))

    job = make(id="j")
    job._scheduler, job._jobstore_alias = Recorder(), "store"
    assert job.modify(name="x") is job and job.pause() is job and job.resume() is job
    assert job.reschedule("date", run_date=1) is job and job.remove() is None
    assert asked == [
        ("modify_job", ("j", "store"), {"name": "x"}),
        ("pause_job", ("j", "store"), {}),
        ("resume_job", ("j", "store"), {}),
        ("reschedule_job", ("j", "store", "date"), {"run_date": 1}),
        ("remove_job", ("j", "store"), {}),
    ]
