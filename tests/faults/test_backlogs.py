"""A week of missed runs costs neither memory nor a loop that stands still."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.faults.breakable import STORES, Refusing, every

from rapscheduler._engine.planning import MISSED_TOLD
from rapscheduler._scheduling import dueloop, foreign
from rapscheduler.events import EVENT_JOB_EXECUTED, EVENT_JOB_MISSED, EVENT_JOB_SUBMITTED
from rapscheduler.executors.base import BaseExecutor, run_job
from rapscheduler.testing import ManualScheduler
from rapscheduler.triggers.base import BaseTrigger

pytestmark = pytest.mark.faults

WEEK = timedelta(days=7)
SECOND = timedelta(seconds=1)


class Every(BaseTrigger):
    """A trigger of a third party: every second. It counts how often it is asked, and each time costs a millisecond."""

    def __init__(self, clock: SlowClock) -> None:
        self.clock = clock
        self.asked = 0

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        self.asked += 1
        self.clock.now_s += 0.001
        return previous + SECOND if previous else now


class SlowClock:
    """The clock that bounds passes and walks; it goes on only when a trigger is asked."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> SlowClock:
    clock = SlowClock()
    monkeypatch.setattr(dueloop, "monotonic", clock)
    monkeypatch.setattr(foreign, "monotonic", clock)
    return clock


def sleep_a_week(scheduler: ManualScheduler) -> None:
    """The loop looks for nothing for a week, and then once."""
    scheduler.pause()
    scheduler.clock.advance(WEEK)
    scheduler.resume()
    scheduler.advance(timedelta(0))


@pytest.mark.parametrize("kind", STORES)
def test_a_week_of_seconds_without_coalescing(
    scheduler: ManualScheduler, runs: list[str], caplog: Any, kind: str
) -> None:
    told: list[Any] = []
    scheduler.add_listener(told.append, EVENT_JOB_MISSED | EVENT_JOB_EXECUTED | EVENT_JOB_SUBMITTED)
    scheduler.add_jobstore(STORES[kind](), "own")
    options: dict[str, Any] = {"coalesce": False, "misfire_grace_time": 3, "jobstore": "own"}
    scheduler.add_job(runs.append, every(1), args=["run"], id="j", **options)
    with caplog.at_level(logging.WARNING):
        sleep_a_week(scheduler)
    now = scheduler.clock.now()
    (submitted,) = (event for event in told if event.code == EVENT_JOB_SUBMITTED)
    missed = [event.scheduled_run_time for event in told if event.code == EVENT_JOB_MISSED]
    executed = [event.scheduled_run_time for event in told if event.code == EVENT_JOB_EXECUTED]
    assert executed == [now - n * SECOND for n in (3, 2, 1, 0)] and len(runs) == 4
    assert missed == [now - (4 + n) * SECOND for n in reversed(range(MISSED_TOLD))]
    assert submitted.scheduled_run_times == missed + executed
    (line,) = (record.message for record in caplog.records if "one by one" in record.message)
    assert str(missed[0] - SECOND) in line and "coalesce=True" in line
    scheduler.advance(2 * SECOND)
    assert len(runs) == 6


def test_what_was_skipped_is_said_when_the_run_was_handed_over(
    scheduler: ManualScheduler, runs: list[str], caplog: Any
) -> None:
    executor = Refusing()
    scheduler.add_executor(executor, "own")
    options: dict[str, Any] = {"coalesce": False, "misfire_grace_time": 1, "executor": "own"}
    scheduler.add_job(runs.append, every(1), args=["run"], **options)
    with caplog.at_level(logging.WARNING):
        sleep_a_week(scheduler)
        assert "one by one" not in caplog.text and runs == []
        executor.refuse = False
        scheduler.advance(11 * SECOND)
    assert caplog.text.count("told one by one") == 1 and len(runs) >= 2


@pytest.mark.parametrize("kind", STORES)
@pytest.mark.parametrize("coalesce", [True, False])
def test_a_trigger_of_others_does_not_hold_the_loop_up(
    scheduler: ManualScheduler, runs: list[str], slow: SlowClock, kind: str, coalesce: bool
) -> None:
    """A day of seconds, a millisecond each: 86 s in one piece. Others run meanwhile, and it runs in the end."""
    told: list[Any] = []
    scheduler.add_listener(told.append, EVENT_JOB_MISSED | EVENT_JOB_EXECUTED)
    scheduler.add_jobstore(STORES[kind](), "own")
    trigger = Every(slow)
    options: dict[str, Any] = {"misfire_grace_time": 1, "coalesce": coalesce, "jobstore": "own"}
    scheduler.add_job(runs.append, trigger, args=["week"], id="week", **options)
    scheduler.add_job(runs.append, every(1), args=["other"], id="other", jobstore="own")
    scheduler.pause()
    scheduler.clock.advance(timedelta(days=1))
    scheduler.resume()
    asked = trigger.asked
    lengths = []
    while "week" not in runs:
        begun_s = slow.now_s
        assert scheduler._process_jobs() is not None
        lengths.append(slow.now_s - begun_s)
        if len(lengths) == 1:
            assert runs == ["other"]  # in the first piece already
    assert max(lengths) <= 5.2 and len(lengths) >= 17
    assert trigger.asked == asked + 86_400 + 1  # every step once, however many pieces
    week = [event for event in told if event.job_id == "week"]
    assert len(week) == (1 if coalesce else MISSED_TOLD + 2)
    assert runs.count("week") == (1 if coalesce else 2)
    assert scheduler.get_job("week").next_run_time == scheduler.clock.now() + SECOND


def test_a_walk_ends_with_the_schedule_that_it_was_for(
    scheduler: ManualScheduler, runs: list[str], slow: SlowClock
) -> None:
    scheduler.add_job(runs.append, Every(slow), args=["old"], id="j")
    scheduler.pause()
    scheduler.clock.advance(WEEK)
    scheduler.resume()
    scheduler._process_jobs()
    assert runs == []
    scheduler.modify_job("j", trigger=every(3600))
    scheduler._process_jobs()
    assert runs == ["old"] and scheduler.get_job("j").next_run_time == scheduler.clock.now() + timedelta(
        hours=1
    )


class OfOthers:
    """What knows no more than APScheduler's contract."""

    def start(self, scheduler: Any, alias: str) -> None:
        pass

    def shutdown(self, wait: bool = True) -> None:
        pass

    def submit_job(self, job: Any, run_times: list[datetime]) -> None:
        for _ in run_times:
            job.func(*job.args)


class OfAFamily(BaseExecutor):
    """As those that were written for APScheduler's base class."""

    def _do_submit_job(self, job: Any, run_times: list[datetime]) -> None:
        events = run_job(job, job._jobstore_alias, run_times, self._logger.name)
        self._run_job_success(job.id, events)


@pytest.mark.parametrize("kind", [OfOthers, OfAFamily])
def test_what_an_executor_of_others_has_made_is_not_due_again(
    kind: Any, caplog: pytest.LogCaptureFixture
) -> None:
    ran: list[str] = []
    scheduler = ManualScheduler(executors={"default": kind()}, job_defaults={"misfire_grace_time": None})
    scheduler.start()
    scheduler.add_job(
        ran.append, "interval", minutes=1, args=["job"], id="job", coalesce=False, max_instances=9
    )
    for _ in range(3):
        scheduler.pause()
        scheduler.advance(timedelta(minutes=5))
        scheduler.resume()
        scheduler.advance(timedelta(seconds=1))
    assert len(ran) == 15
    due, store = scheduler.get_job("job").next_run_time, scheduler._jobstores["default"]
    told: list[Any] = []
    scheduler.add_listener(told.append, EVENT_JOB_MISSED)
    store.shutdown = lambda: told.append(store.lookup_job("job").next_run_time)
    scheduler.shutdown()
    assert told == [due]
    assert not scheduler._backlogs
    assert "are not made" not in caplog.text
