"""The loop's rules for triggers that the engine does not know."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from rapscheduler._scheduling.foreign import knows_nominal
from rapscheduler._scheduling.planning import first_run, plan_batch
from rapscheduler.job import Job
from rapscheduler.triggers.base import BaseTrigger
from rapscheduler.triggers.interval import IntervalTrigger

UTC = timezone.utc
T0 = datetime(2025, 1, 1, tzinfo=UTC)
T0_US = int(T0.timestamp()) * 1_000_000
S = 1_000_000


class Every(BaseTrigger):
    """Every `step` seconds until `end`; naive answers on demand."""

    def __init__(self, step: int, end: datetime | None = None, naive: bool = False) -> None:
        self.step, self.end, self.naive = timedelta(seconds=step), end, naive

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        moment = previous + self.step if previous else now
        if self.end is not None and moment > self.end:
            return None
        return moment.replace(tzinfo=None) if self.naive else moment


class Jittery(Every):
    """Knows its nominal times, and adds jitter to what it answers."""

    jitter = 4

    def _next_nominal(self, previous: datetime | None, now: datetime) -> datetime | None:
        return Every.get_next_fire_time(self, previous, now)

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        raise AssertionError("the loop asks for nominal times")

    def _apply_jitter(self, moment: Any, jitter: Any, now: datetime) -> Any:
        return moment + timedelta(seconds=jitter)


def job_of(trigger: Any, run_time: datetime = T0, **values: Any) -> Job:
    job = Job.__new__(Job)
    job.id, job.trigger, job.executor, job.coalesce, job.max_instances = "j", trigger, "default", True, 1
    job.misfire_grace_time = None
    job.next_run_time = run_time
    for key, value in values.items():
        setattr(job, key, value)
    return job


@pytest.mark.parametrize(
    ("coalesce", "late_s", "end_s", "runs_s", "next_s"),
    [
        (True, 0, None, [0], 10),
        (True, 35, None, [30], 40),
        (False, 35, None, [0, 10, 20, 30], 40),
        (True, 99, 25, [20], None),
        (False, 99, 25, [0, 10, 20], None),
    ],
)
@pytest.mark.parametrize("naive", [False, True])
def test_rules(
    coalesce: bool, late_s: int, end_s: int | None, runs_s: list[int], next_s: int | None, naive: bool
) -> None:
    end = None if end_s is None else T0 + timedelta(seconds=end_s)
    job = job_of(Every(10, end, naive), coalesce=coalesce)
    batch = plan_batch([job], T0_US + late_s * S, UTC)
    (submission,), (change,) = batch.submissions, batch.changes
    assert submission.run_times == [T0 + timedelta(seconds=run) for run in runs_s]
    assert list(submission.run_times_us) == [T0_US + run * S for run in runs_s]
    assert change.expected_us == T0_US and change.remove == (next_s is None)
    assert change.run_at_us == (None if next_s is None else T0_US + next_s * S)
    assert change.run_time == (None if next_s is None else T0 + timedelta(seconds=next_s))


def test_jitter_does_not_accumulate() -> None:
    job = job_of(Jittery(10))
    for round_ in range(1, 4):
        (change,) = plan_batch([job], job.run_at_us, UTC).changes
        assert change.nominal_us == T0_US + round_ * 10 * S
        assert change.run_at_us == change.nominal_us + 4 * S
        job._advance(change.run_at_us, change.nominal_us, change.run_time)


def test_who_knows_nominal_times() -> None:
    class Overridden(Jittery):
        def get_next_fire_time(self, previous: Any, now: Any) -> Any:
            return now

    assert knows_nominal(Jittery(1))
    assert not knows_nominal(Every(1)) and not knows_nominal(Overridden(1))


@pytest.mark.parametrize(
    ("answer", "text"), [(T0, "must return a later time"), ("soon", "must return a datetime or None")]
)
def test_bad_answers_park(answer: Any, text: str) -> None:
    class Bad(BaseTrigger):
        def get_next_fire_time(self, previous: Any, now: Any) -> Any:
            return answer

    good = job_of(Every(10), id="good")
    batch = plan_batch([job_of(Bad()), good], T0_US, UTC)
    assert [one.job for one in batch.submissions] == [good]
    ((park, error),) = batch.parks
    assert text in str(error) and text in (park.park or "") and park.expected_us == T0_US


def test_one_broken_job_does_not_stop_the_batch() -> None:
    broken = Job.__new__(Job)  # no trigger, no options
    broken.id = "broken"
    broken.run_at_us = T0_US
    native = job_of(IntervalTrigger(seconds=10, start_date=T0, timezone=UTC))
    batch = plan_batch([broken, native, job_of(Every(10))], T0_US, UTC)
    assert len(batch.submissions) == len(batch.changes) == 2
    assert [park.job for park, _ in batch.parks] == [broken]


def test_first_run() -> None:
    interval = IntervalTrigger(seconds=10, start_date=T0, timezone=UTC)
    assert first_run(interval, T0_US + 3 * S, UTC) == (T0_US + 10 * S, T0_US + 10 * S, None)
    assert first_run(Every(10), T0_US, UTC) == (T0_US, T0_US, T0)
    assert first_run(Jittery(10), T0_US, UTC) == (T0_US + 4 * S, T0_US, T0 + timedelta(seconds=4))
    assert first_run(Every(10, T0), T0_US + 1, UTC) == (None, None, None)


def test_an_exception_that_cannot_be_printed_parks_the_job_all_the_same() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("nothing to say")

    class Broken(BaseTrigger):
        def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
            raise Mute

    batch = plan_batch([job_of(Broken())], T0_US, UTC)
    assert batch.parks[0][0].park.startswith("its trigger raised Mute: <Mute>; repair the trigger")
