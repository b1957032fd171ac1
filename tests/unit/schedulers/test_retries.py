"""Failed runs are tried again, by rows that a restart finds, until they are given up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from tests.unit.schedulers.test_runs import wait_for

from rapscheduler._retries import Retry, RetryLater
from rapscheduler._runs import current
from rapscheduler._serialization.rows import job_from_row, row_from_job
from rapscheduler.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_GAVE_UP,
    EVENT_JOB_RETRYING,
    JobExecutionEvent,
)
from rapscheduler.executors.pool import ProcessPoolExecutor
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.testing import ManualScheduler

OUTCOMES = EVENT_JOB_ERROR | EVENT_JOB_EXECUTED | EVENT_JOB_GAVE_UP | EVENT_JOB_RETRYING
NAMES = {
    EVENT_JOB_ERROR: "error",
    EVENT_JOB_EXECUTED: "executed",
    EVENT_JOB_GAVE_UP: "gave up",
    EVENT_JOB_RETRYING: "retrying",
}


class Flaky:
    """Fails so many times."""

    def __init__(self, failures: int, error: BaseException | None = None) -> None:
        self.failures, self.error = failures, error or ConnectionError("down")
        self.calls: list[Any] = []

    def __call__(self) -> str:
        run: Any = current.get()
        self.calls.append(None if run is None else (run.attempt, run.scheduled_time))
        if len(self.calls) <= self.failures:
            raise self.error
        return "fine"


def fail() -> None:
    raise ConnectionError("down")


@pytest.fixture
def scheduler() -> Any:
    scheduler = ManualScheduler("2025-03-01T00:00:00Z")
    scheduler.told = []
    scheduler.add_listener(scheduler.told.append, OUTCOMES)
    scheduler.start()
    return scheduler


def names(scheduler: Any) -> list[str]:
    return [NAMES[event.code] for event in scheduler.told]


def once(scheduler: Any, func: Any, **options: Any) -> Any:
    return scheduler.add_job(func, id="a", **options)


def test_a_run_is_tried_again_until_it_succeeds(scheduler: Any) -> None:
    work, start = Flaky(2), scheduler.clock.now()
    once(scheduler, work, retry=Retry(attempts=5, first=10))
    scheduler.advance(0)
    assert names(scheduler) == ["error", "retrying"]
    assert scheduler.told[1].retry_at == start + timedelta(seconds=10)
    assert [job.id for job in scheduler.get_jobs()] == [f"a#2@{int(start.timestamp()) * 1_000_000}"]
    scheduler.advance(9)
    assert len(work.calls) == 1
    scheduler.advance(1)
    scheduler.advance(20)
    assert work.calls == [(1, start), (2, start), (3, start)]
    assert names(scheduler) == ["error", "retrying"] * 2 + ["executed"]
    assert {event.job_id for event in scheduler.told} == {"a"}
    assert [event.attempt for event in scheduler.told] == [1, 1, 2, 2, 3]
    assert {event.scheduled_run_time for event in scheduler.told} == {start}
    assert scheduler.get_jobs() == []


def test_it_is_given_up_after_the_last_attempt(scheduler: Any) -> None:
    once(scheduler, fail, retry=3)
    scheduler.advance(100)
    assert names(scheduler) == ["error", "retrying"] * 2 + ["error", "gave up"]
    last = scheduler.told[-1]
    assert last.job_id == "a" and type(last.exception) is ConnectionError and last.run.gave_up
    assert last.retry_at is None and scheduler.get_jobs() == []


@pytest.mark.parametrize(
    ("error", "attempts"),
    # a subclass; another; an exception of it
    [(ConnectionResetError(), 3), (ValueError(), 1), (BrokenPipeError(), 1)],
)
def test_only_failures_that_are_meant(scheduler: Any, error: BaseException, attempts: int) -> None:
    work = Flaky(9, error)
    once(scheduler, work, retry=Retry(3, on=ConnectionError, give_up_on="builtins:BrokenPipeError"))
    scheduler.advance(100)
    assert len(work.calls) == attempts and names(scheduler)[-1] == "gave up"


def test_the_schedule_goes_on_beside_it(scheduler: Any) -> None:
    work = Flaky(1)
    scheduler.add_job(work, "interval", minutes=1, id="a", retry=Retry(first=90))
    scheduler.advance(60 + 91)
    assert [attempt for attempt, _ in work.calls] == [1, 1, 2]
    assert work.calls[2][1] == work.calls[0][1]
    assert [job.id for job in scheduler.get_jobs()] == ["a"]


def test_a_job_asks_for_another_attempt(scheduler: Any) -> None:
    work = Flaky(2, RetryLater(after=30))
    once(scheduler, work)  # also one without the option
    scheduler.advance(0)
    assert names(scheduler) == ["retrying"]
    scheduler.advance(60)
    assert names(scheduler) == ["retrying"] * 2 + ["executed"]
    at = scheduler.clock.now() + timedelta(hours=1)
    again = Flaky(1, RetryLater(at))
    once(scheduler, again, retry=2)
    scheduler.advance(timedelta(hours=1))
    assert [call and call[0] for call in again.calls] == [1, 2]


def test_asking_has_an_end_where_the_job_has_one(scheduler: Any) -> None:
    once(scheduler, Flaky(9, RetryLater(1)), retry=2)
    scheduler.advance(10)
    assert names(scheduler) == ["retrying", "error", "gave up"]


def test_the_attempts_of_a_removed_job_are_not_made(scheduler: Any) -> None:
    work = Flaky(9)
    scheduler.add_job(work, "interval", minutes=1, id="a", retry=Retry(first=10))
    scheduler.advance(60)
    scheduler.remove_job("a")
    assert scheduler.get_jobs() == []
    scheduler.advance(60)
    assert len(work.calls) == 1


def test_an_attempt_that_another_process_made_is_not_made_for_a_removed_job(scheduler: Any) -> None:
    work = Flaky(9)
    scheduler.add_job(work, "interval", minutes=1, id="a", retry=Retry(first=10))
    scheduler.advance(60)
    scheduler._watched.tracker.retries.clear()  # as after a restart
    scheduler.remove_job("a")
    scheduler.advance(60)
    assert len(work.calls) == 1 and scheduler.get_jobs() == []


def test_the_option_is_in_the_row_and_comes_back(scheduler: Any) -> None:
    retry = Retry(
        5, wait="fixed", first=2, most=30, jitter=1, on=(OSError, "requests:Timeout"), give_up_on=KeyError
    )
    job = scheduler.add_job(fail, "interval", hours=1, retry=retry)
    assert job.retry == retry
    again = job_from_row(row_from_job(job), scheduler, None)
    assert again.retry == retry and again._extras == job._extras
    assert eval(repr(retry), {"Retry": Retry}) == retry


def test_waits_are_tenacitys() -> None:
    assert [Retry(9, first=2, most=20).wait_s(n) for n in range(1, 6)] == [2, 4, 8, 16, 20]
    assert [Retry(9, wait="fixed", first=2).wait_s(n) for n in (1, 2, 3)] == [2, 2, 2]
    assert [Retry(9, wait="incrementing", first=2).wait_s(n) for n in (1, 2, 3)] == [2, 4, 6]
    assert all(0 <= Retry(9, wait="random_exponential", first=2).wait_s(3) <= 8 for _ in range(50))
    assert all(2 <= Retry(9, first=2, jitter=1).wait_s(1) <= 3 for _ in range(50))
    assert Retry(9, first=timedelta(seconds=3)).wait_s(10_000) == 300


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"attempts": 0}, "attempts"),
        ({"wait": "soon"}, "wait='soon'"),
        ({"first": -1}, "first"),
        ({"most": "x"}, "most"),
        ({"jitter": float("nan")}, "jitter"),
        ({"on": 5}, "on must be exception classes"),
        ({"on": ["Timeout"]}, "on must be exception classes"),
        ({"give_up_on": [int]}, "give_up_on"),
    ],
)
def test_wrong_options_are_named(options: Any, named: str) -> None:
    with pytest.raises((TypeError, ValueError), match=named):
        Retry(**options)


@pytest.mark.parametrize("value", ["3", 0, {"attempts": "x"}, {"tries": 3}, True])
def test_what_is_no_retry_is_refused(scheduler: Any, value: Any) -> None:
    with pytest.raises(TypeError):
        scheduler.add_job(fail, retry=value)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        RetryLater(datetime(2025, 1, 1))
    assert RetryLater(datetime(2025, 1, 1, tzinfo=timezone.utc)).at_us(5) == 1_735_689_600_000_000


def test_a_process_is_tried_again_too() -> None:
    told: list[JobExecutionEvent] = []
    with BackgroundScheduler(executors={"default": ProcessPoolExecutor(1)}) as scheduler:
        scheduler.add_listener(told.append, OUTCOMES)
        scheduler.add_job(
            "tests.unit.schedulers.test_retries:fail",
            id="a",
            retry=Retry(2, first=0.05),
            misfire_grace_time=None,
        )
        wait_for(lambda: len(told) == 4, 60)
    assert [NAMES[event.code] for event in told] == ["error", "retrying", "error", "gave up"]
    assert [event.attempt for event in told] == [1, 1, 2, 2]
    assert {event.job_id for event in told} == {"a"} and len({event.run_id for event in told}) == 2


WORKER = """
import sys, time, os
sys.path.insert(0, {root!r})
from rapscheduler import Retry
from rapscheduler.schedulers.background import BackgroundScheduler
from tests.unit.schedulers.test_retries import write_and_fail
url, log, first = sys.argv[1:]
store = {{"type": "sqlalchemy", "url": url, "tablename": "retry_kills"}}
with BackgroundScheduler(jobstores={{"default": store}}) as scheduler:
    if first == "first":
        scheduler.add_job(write_and_fail, args=[log], id="a", retry=Retry(2, wait="fixed", first=0.6))
    time.sleep(30)
"""


def write_and_fail(log: str) -> None:
    with open(log, "a") as out:
        out.write("attempt\n")
        out.flush()
        os.fsync(out.fileno())
    raise ConnectionError("down")


def kill_between_attempts(url: str, log: Path, root: str) -> list[str]:
    """Kill a worker after its first attempt; another process makes the second. What was written."""
    program = WORKER.format(root=root)

    def lines() -> list[str]:
        return log.read_text().splitlines() if log.exists() else []

    for number, first in enumerate(("first", "again"), 1):
        with subprocess.Popen([sys.executable, "-c", program, url, str(log), first]) as worker:
            try:
                wait_for(lambda number=number: len(lines()) >= number, 30)
                time.sleep(0.2)
            finally:
                worker.send_signal(signal.SIGKILL)
    return lines()


def test_a_worker_killed_between_two_attempts_loses_none(tmp_path: Path) -> None:
    root = str(Path(__file__).parents[3])
    assert kill_between_attempts(f"sqlite:///{tmp_path}/jobs.db", tmp_path / "log", root) == ["attempt"] * 2
