"""A week of missed runs costs neither memory nor a loop that stands still."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest
from tests.faults.breakable import STORES, Refusing, every

from rapscheduler._engine.planning import MISSED_TOLD
from rapscheduler.events import EVENT_JOB_EXECUTED, EVENT_JOB_MISSED, EVENT_JOB_SUBMITTED
from rapscheduler.testing import ManualScheduler

pytestmark = pytest.mark.faults

WEEK = timedelta(days=7)
SECOND = timedelta(seconds=1)


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
