"""`add_job` in one step of the engine does what the long way does, and nothing where somebody looks."""

from __future__ import annotations

import logging
import os
import re
from collections import ChainMap
from datetime import datetime, timezone
from random import Random
from typing import Any

import pytest

from rapscheduler import _engine
from rapscheduler._engine.desk import ELSEWHERE
from rapscheduler._scheduling import drafts
from rapscheduler.errors import ConflictingIdError
from rapscheduler.events import EVENT_JOB_ADDED
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.testing import VirtualClock
from rapscheduler.triggers.cron import CronTrigger
from rapscheduler.triggers.date import DateTrigger
from rapscheduler.triggers.interval import IntervalTrigger

START = datetime(2040, 1, 1, tzinfo=timezone.utc)
VALUES = ("name", "func", "func_ref", "args", "kwargs", "executor", "trigger", "run_at_us", "nominal_us")
OPTIONS = ("misfire_grace_time", "coalesce", "max_instances", "_jobstore_alias", "_extras", "next_run_time")


def work(a: Any = None, b: Any = None) -> None:
    pass


def other() -> None:
    pass


def around(value: int) -> Any:
    return lambda: value


CALLABLES = (work, work, other, print, around(1), START.isoformat, "builtins:print", 5)
SCHEDULES: tuple[dict[str, Any], ...] = (
    {"trigger": "cron", "hour": 3},
    {"trigger": "cron", "hour": 3, "minute": "4"},
    {"trigger": "cron", "hour": 3, "minute": "4"},
    {"trigger": "cron", "minute": "*/5", "timezone": "Asia/Tokyo"},
    {"trigger": "cron", "hour": 3, "jitter": 0},
    {"trigger": "cron", "year": 1990},
    {"trigger": "cron", "hour": 5, "tags": ["x"]},
    {"trigger": "cron", "hour": 5, "max_runs": 3},
    {"trigger": "cron", "hour": 5, "start_immediately": True},
    {"trigger": "cron", "hour": 77},
    {"trigger": "cron", "hours": 7},
    {"trigger": "cron", "hour": True},
    {"trigger": "cron"},
    {"trigger": "interval", "hours": 2, "start_date": START},
    {"trigger": "date", "run_date": START},
    {"trigger": CronTrigger(hour=1, timezone="UTC")},
    {"trigger": IntervalTrigger(hours=1, start_date=START)},
    {"trigger": DateTrigger(START), "hour": 5},
    {"trigger": "nosuch"},
)
OWN: dict[str, tuple[Any, ...]] = {
    "args": ((1,), (1, 2), (1, 2, 3), [1], "x"),
    "kwargs": ({"a": 1}, {}),
    "id": (*(f"j{number}" for number in range(12)), 5, ""),
    "name": ("own", "", 5),
    "misfire_grace_time": (7, 0, None),
    "coalesce": (False,),
    "max_instances": (2,),
    "next_run_time": (START, None),
    "jobstore": ("nosuch", None),
    "executor": ("nosuch", 5),
    "replace_existing": (True, "keep", "what"),
}


def made() -> Any:
    scheduler = BackgroundScheduler(
        timezone="Europe/Berlin", clock=VirtualClock(START), logger=logging.getLogger("quick")
    )
    scheduler.start(paused=True)
    return scheduler


@pytest.fixture
def scheduler() -> Any:
    one = made()
    yield one
    one.shutdown()


def said(caplog: Any) -> list[str]:
    return [re.sub("[0-9a-f]{32}", "(new id)", message) for message in caplog.messages]


def outcome(scheduler: Any, woken: list[Any], caplog: Any, call: dict[str, Any]) -> list[Any]:
    """All that can be seen of a call."""
    caplog.clear()
    woken.clear()
    drafts._warned_of.clear()
    try:
        job = scheduler.add_job(**call)
    except Exception as exc:
        return [type(exc), str(exc), list(woken), said(caplog)]
    values = [getattr(job, name, ...) for name in (*VALUES, *OPTIONS)]
    same = scheduler.get_job(job.id) is job
    return [values, job.id if call.get("id") else len(job.id), same, list(woken), said(caplog)]


def change(scheduler: Any, draw: Random) -> None:
    """What a program may change between two calls."""
    kind = draw.randrange(7)
    if kind == 0:
        scheduler.timezone = draw.choice([timezone.utc, CronTrigger(timezone="Asia/Tokyo").timezone])
    elif kind == 1:
        scheduler._job_defaults["max_instances"] = draw.choice([1, 4])
    elif kind == 2:
        scheduler._job_defaults = {**scheduler._job_defaults, "coalesce": draw.choice([True, False, 1])}
    elif kind == 3:
        scheduler._logger.setLevel(draw.choice([logging.INFO, logging.WARNING, logging.WARNING]))
    elif kind == 4:
        scheduler._clock.advance(draw.choice([1, 3600]))
    elif kind == 5:
        scheduler._job_defaults = ChainMap(scheduler._job_defaults)
    else:
        work.__qualname__ = draw.choice(["work", "labour"])


@pytest.mark.parametrize("seed", range(6))
def test_the_quick_way_does_what_the_long_way_does(seed: int, caplog: Any) -> None:
    caplog.set_level(logging.WARNING)
    quick, long = made(), made()
    long._create_trigger = long._create_trigger  # somebody's: the long way
    quick_woken: list[Any] = []
    long_woken: list[Any] = []
    quick._wake_for, long._wake_for = quick_woken.append, long_woken.append
    draw = Random(seed)
    try:
        for _ in range(400):
            if draw.random() < 0.1:
                state = draw.getstate()
                change(quick, draw)
                draw.setstate(state)
                change(long, draw)
            call = {"func": draw.choice(CALLABLES), **draw.choice(SCHEDULES)}
            for name, values in OWN.items():
                if draw.random() < (0.5 if name == "id" else 0.05):
                    call[name] = draw.choice(values)
            expected = outcome(long, long_woken, caplog, dict(call))
            assert outcome(quick, quick_woken, caplog, dict(call)) == expected, call
        mine, theirs = (
            [(job.run_at_us, job.id if len(job.id) < 32 else "") for job in one.get_jobs()]
            for one in (quick, long)
        )
        assert sorted(mine, key=str) == sorted(theirs, key=str) and len(mine) > 50
        quick._jobstores["default"]._check()
    finally:
        work.__qualname__ = "work"
        logging.getLogger("quick").setLevel(logging.NOTSET)
        quick.shutdown()
        long.shutdown()


def like(scheduler: Any, func: Any = work, **items: Any) -> Any:
    """What the desk makes of it."""
    return scheduler._desk.add_like(
        func, None, None, None, items or {"hour": 3}, "default", scheduler._clock.now_us()
    )


compiled = pytest.mark.skipif(_engine.NAME != "compiled", reason="the reference twin knows no likeness")


@compiled
def test_a_job_like_one_that_was_added_is_made_by_the_engine(scheduler: Any) -> None:
    assert like(scheduler, other) is ELSEWHERE
    first = scheduler.add_job(other, "cron", hour=3)
    second = like(scheduler, other)
    assert scheduler.get_jobs() == sorted([first, second], key=lambda job: job.id)
    assert second.trigger == first.trigger and second.trigger is not first.trigger
    assert like(scheduler, other, hour=4) is ELSEWHERE is like(scheduler, print)


@compiled
@pytest.mark.parametrize("what", ["zone", "code", "hook", "class", "stopped"])
def test_what_was_learned_is_not_used_when_it_may_not_be_so_any_more(
    scheduler: Any, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler.add_job(other, "cron", hour=3)
    assert like(scheduler, other) is not ELSEWHERE
    if what == "zone":
        scheduler.timezone = timezone.utc
    elif what == "code":
        monkeypatch.setattr(other, "__code__", work.__code__)
    elif what == "hook":
        scheduler._real_add_job = scheduler._real_add_job
    elif what == "class":
        monkeypatch.setitem(scheduler._trigger_classes, "cron", IntervalTrigger)
    else:
        scheduler.shutdown()
    assert like(scheduler, other) is ELSEWHERE
    if what == "stopped":
        scheduler.start(paused=True)


@compiled
def test_few_functions_are_known_and_none_that_carries_something(scheduler: Any) -> None:
    scheduler.add_job(other, "cron", hour=3)
    for func in (around(5), START.isoformat, print):
        scheduler.add_job(func, "cron", hour=3)
        assert like(scheduler, func) is ELSEWHERE
    names = {f"made_{number}": None for number in range(64)}
    exec("\n".join(f"def {name}(): pass" for name in names), globals())
    for name in names:
        scheduler.add_job(globals()[name], "cron", hour=3)
        assert like(scheduler, globals()[name]) is not ELSEWHERE
    assert like(scheduler, other) is ELSEWHERE  # they began anew


@compiled
def test_where_all_are_unlike_it_gives_up(scheduler: Any) -> None:
    for number in range(2000):
        assert scheduler._desk.learns
        scheduler.add_job(other, "cron", minute=number // 60, second=number % 60)
    assert not scheduler._desk.learns
    scheduler.add_job(other, "cron", minute=5, second=6)
    assert len(scheduler.get_jobs()) == 2001


def test_an_id_that_is_taken_leaves_nothing_behind(scheduler: Any) -> None:
    for _ in range(2):
        scheduler.add_job(other, "cron", hour=3)
    first = scheduler.add_job(other, "cron", id="a", hour=3)
    with pytest.raises(ConflictingIdError):
        scheduler.add_job(other, "cron", id="a", hour=3)
    with pytest.raises(ConflictingIdError):
        scheduler.add_job(other, IntervalTrigger(hours=1), id="a")
    assert len(scheduler.get_jobs()) == 3 and scheduler.get_job("a") is first
    scheduler._jobstores["default"]._check()


def test_a_listener_hears_of_it(scheduler: Any) -> None:
    heard: list[Any] = []
    scheduler.add_job(other, "cron", hour=3)
    scheduler.add_listener(heard.append, EVENT_JOB_ADDED)
    job = scheduler.add_job(other, "cron", hour=3)
    assert [event.job_id for event in heard] == [job.id]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
@pytest.mark.parametrize(
    "change",
    [
        lambda scheduler: scheduler.add_job(other, "cron", hour=3),
        lambda scheduler: scheduler.add_job(other, DateTrigger(START)),
        lambda scheduler: scheduler.modify_job("a", name="b"),
        lambda scheduler: scheduler.pause_job("a"),
        lambda scheduler: scheduler.resume_job("a"),
        lambda scheduler: scheduler.reschedule_job("a", trigger=DateTrigger(START)),
        lambda scheduler: scheduler.remove_job("a"),
    ],
    ids=["add like", "add", "modify", "pause", "resume", "reschedule", "remove"],
)
def test_in_another_process_it_is_noticed_first(
    scheduler: Any, change: Any, caplog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pid that the scheduler knows is another one, as after a fork."""
    scheduler.add_job(other, "cron", hour=3, id="a")
    pid = os.getpid()
    scheduler._lifecycle.home_pid = scheduler._lifecycle.seen_pid = pid + 1
    change(scheduler)
    seen = scheduler._lifecycle.seen_pid
    scheduler._lifecycle.home_pid = pid
    assert seen == pid
    assert "was started before os.fork()" in caplog.text
