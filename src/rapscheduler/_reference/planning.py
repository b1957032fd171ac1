"""The rules of the loop on numbers, and what they make of due jobs.

Here: `Submission` (a run on its way to an executor), `Change` (what a store is to write), `plan_due` (the decision: no
clock, lock, store or log). Not here: third-party triggers (`rapscheduler._scheduling.planning`), stores, running.

The next nominal time follows from the nominal one, so that jitter never accumulates.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from rapscheduler._reference.datetimes import from_us
from rapscheduler._reference.due_index import NEVER
from rapscheduler._reference.job_core import JobCore, is_native
from rapscheduler._reference.trigger import TriggerCore


class Change:
    """What a store is to do with one job after a pass.

    Applied only when the job still is due at `expected_us`: what a user changed in the meantime stands. Then, in this
    order of precedence: `park` (a reason: set the job aside), `remove`, or the new times. `run_time` is the datetime
    to show when the job's trigger is not one of the engine's (else `None`).
    """

    __slots__ = ("expected_us", "job", "nominal_us", "park", "remove", "run_at_us", "run_time")

    def __init__(
        self,
        job: JobCore,
        expected_us: int | None,
        run_at_us: int | None = None,
        nominal_us: int | None = None,
        remove: bool = False,
        park: str | None = None,
        run_time: datetime | None = None,
    ) -> None:
        self.job = job
        self.expected_us = expected_us
        self.run_at_us = run_at_us
        self.nominal_us = nominal_us
        self.remove = remove
        self.park = park
        self.run_time = run_time

    def __repr__(self) -> str:
        end = (
            f"park={self.park!r}" if self.park else "remove" if self.remove else f"run_at_us={self.run_at_us}"
        )
        return f"<Change job={self.job.id} expected_us={self.expected_us} {end}>"


class Submission:
    """A job with the run times that are due, on its way to an executor. Unpacks to `(job, run_times)`.

    `found_us`: when the loop found it due; `run_times_us`: int64 microseconds; `run_times`: aware datetimes, made when
    somebody asks. `counted`: it holds a place in `RunningCounts`, given back once, by `RunningCounts.release_run`.
    """

    __slots__ = ("_run_times", "_zone", "alias", "counted", "found_us", "job", "run_times_us")

    def __init__(
        self,
        job: JobCore,
        run_times_us: Sequence[int],
        found_us: int,
        run_times: list[datetime] | None = None,
    ) -> None:
        self.job = job
        self.alias = getattr(job, "_jobstore_alias", None)
        self.run_times_us = run_times_us
        self.found_us = found_us
        self.counted = False
        self._run_times = run_times

    @property
    def run_times(self) -> list[datetime]:
        """The run times as aware datetimes in the zone of the job's trigger."""
        if self._run_times is None:
            zone = self.job._zone()
            self._run_times = [from_us(run_at_us, zone) for run_at_us in self.run_times_us]
        return self._run_times

    def __iter__(self) -> Iterator[Any]:
        return iter((self.job, self.run_times))


class Plan:
    """The decision about a batch of due jobs.

    `submissions[i]` and `changes[i]` belong together: submit the one, then write the other. `foreign`: jobs whose
    trigger the engine does not know; `_scheduling.planning` decides about them.
    """

    __slots__ = ("changes", "foreign", "submissions")

    def __init__(self) -> None:
        self.submissions: list[Submission] = []
        self.changes: list[Change] = []
        self.foreign: list[JobCore] = []


def plan_due(jobs: Iterable[JobCore], now_us: int, draw: Callable[[], float] = random.random) -> Plan:
    """Decide what to run and what comes next, for jobs that are due at `now_us`.

    A job that coalesces runs once, for its latest missed time; others run for each. A job without a further fire
    time is removed. `draw` gives numbers in [0, 1) for the jitter of the next run.
    """
    plan = Plan()
    for job in jobs:
        if job.run_at_us is None or job.run_at_us > now_us:
            continue
        if not is_native(job.trigger):
            plan.foreign.append(job)
            continue
        times_us, nominal_us = _due_times(job, now_us)
        next_us = job.trigger.next_fire_us(nominal_us, now_us)
        dispatch_us = None if next_us is None else dispatch_at_us(job.trigger, next_us, draw)
        plan.submissions.append(Submission(job, times_us, now_us))
        plan.changes.append(Change(job, job.run_at_us, dispatch_us, next_us, remove=next_us is None))
    return plan


def _due_times(job: JobCore, now_us: int) -> tuple[tuple[int, ...], int]:
    """The run times that are due, and the nominal time of the last one."""
    run_at_us = job._run_us
    first_us = run_at_us if job._nominal_us == NEVER else job._nominal_us
    if job.coalesce:
        latest_us = job.trigger.latest_fire_us(first_us, now_us)
        if latest_us is None or latest_us <= first_us:
            return (run_at_us,), first_us
        return (latest_us,), latest_us
    times_us = [run_at_us]
    nominal_us = first_us
    while True:
        next_us = job.trigger.next_fire_us(nominal_us, now_us)
        if next_us is None or next_us > now_us or next_us <= nominal_us:
            return tuple(times_us), nominal_us
        times_us.append(next_us)
        nominal_us = next_us


def dispatch_at_us(trigger: TriggerCore, nominal_us: int, draw: Callable[[], float] = random.random) -> int:
    """When a run with this nominal time is due: jitter added, never beyond the trigger's end."""
    if not trigger.jitter_us:
        return nominal_us
    dispatch_us = nominal_us + int(draw() * trigger.jitter_us)
    return dispatch_us if trigger.end_us is None else max(nominal_us, min(dispatch_us, trigger.end_us))


def split_by_executor(
    submissions: list[Submission], changes: list[Change]
) -> dict[str, tuple[list[Submission], list[Change]]]:
    """Group submissions and their changes by the alias of the job's executor, in order."""
    groups: dict[str, tuple[list[Submission], list[Change]]] = {}
    for submission, change in zip(submissions, changes, strict=True):
        group = groups.setdefault(submission.job.executor, ([], []))
        group[0].append(submission)
        group[1].append(change)
    return groups
