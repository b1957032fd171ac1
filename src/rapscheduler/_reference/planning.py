"""The rules of the loop on numbers, and what they make of due jobs.

Here: `Submission` (a run on its way to an executor), `Change` (what a store is to write), `plan_due` (the decision: no
clock, lock, store or log). Not here: third-party triggers (`rapscheduler._scheduling.planning`), stores, running.

The next nominal time follows from the nominal one, so that jitter never accumulates.

A trigger that counts from the end of runs (`Skips.after_end`) has one run due, whatever was missed: a chain of one, so
that it is known when it has ended. Its job moves on as if the run ended at once, and the change says under `nominal_us`
when it began, so before `run_at_us`; when the run ends, the job gets the right time (`_scheduling.delays`).

A job whose trigger has no next time: after a run it is removed (here and `_scheduling.foreign`); added or rescheduled
it is kept, paused, and told of (`_scheduling.never`); resumed it is removed (`_scheduling.changing`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from rapscheduler._reference._instants import NEVER_US, SECOND_US
from rapscheduler._reference.datetimes import from_us
from rapscheduler._reference.job_core import _QUIET, JobCore, is_native
from rapscheduler._reference.trigger import TriggerCore, share_of

MISSED_TOLD = 1000  # of the run times that a job missed, at most so many are told one by one: the latest


def _by_chance() -> float:
    """A number in [0, 1), of the generator that programs seed. Loaded when one asks: few triggers have a jitter."""
    from random import random

    return random()


def is_late(run_us: int, now_us: int, grace_s: int | None) -> bool:
    """The misfire rule: whether it is too late at `now_us` to begin a run; a grace of `None` has no end."""
    return grace_s is not None and now_us - run_us > grace_s * SECOND_US


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
    somebody asks; `times_us()` goes through the first and `run_time()` gives one of the second without building all.
    Data: `_times_us`, or the chain of `_trigger` from `_first_us` (nominal: `_chain_us`) to `_last_us`.
    `counted`: it holds a place in `RunningCounts`, given back once, by `RunningCounts.release_run`.
    `kept`: what a ledger keeps of its run, once a quick run has begun it.
    """

    __slots__ = (
        "_chain_us",
        "_first_us",
        "_last_us",
        "_run_times",
        "_times_us",
        "_trigger",
        "alias",
        "counted",
        "found_us",
        "job",
        "kept",
    )

    def __init__(
        self,
        job: JobCore,
        run_times_us: Sequence[int],
        found_us: int,
        run_times: list[datetime] | None = None,
    ) -> None:
        self.job = job
        self.alias = getattr(job, "_jobstore_alias", None)
        self.found_us = found_us
        self.counted = False
        self.kept: Any = None
        self._times_us = tuple(run_times_us)
        self._run_times = run_times
        self._trigger: TriggerCore | None = None
        self._first_us = self._chain_us = self._last_us = 0

    @property
    def run_times_us(self) -> tuple[int, ...]:
        return tuple(self.times_us())

    def times_us(self) -> Iterator[int]:
        """Go through the run times, each found when it is asked for."""
        return iter(self._times_us) if self._trigger is None else self._chain()

    def _chain(self) -> Iterator[int]:
        trigger: Any = self._trigger
        run_us, previous_us = self._first_us, self._chain_us
        while True:
            yield run_us
            next_us = trigger.next_fire_us(previous_us, self.found_us)
            if next_us is None or next_us <= previous_us or next_us > self._last_us:
                return
            run_us = previous_us = next_us

    def run_time(self, i: int, run_us: int) -> datetime:
        """Run time `i`, which is `run_us`, as an aware datetime."""
        return from_us(run_us, self.job._zone()) if self._run_times is None else self._run_times[i]

    @property
    def run_times(self) -> list[datetime]:
        """The run times as aware datetimes in the zone of the job's trigger."""
        if self._run_times is None:
            zone = self.job._zone()
            self._run_times = [from_us(run_at_us, zone) for run_at_us in self.times_us()]
        return self._run_times

    def __iter__(self) -> Iterator[Any]:
        return iter((self.job, self.run_times))


class Plan:
    """The decision about a batch of due jobs.

    `submissions[i]` and `changes[i]` belong together: submit the one, then write the other. `foreign`: jobs whose
    trigger the engine does not know; `_scheduling.planning` decides about them. `skipped`: `(submission, first
    run time, last run time)` of what was missed so often that it is left out (see `MISSED_TOLD`). `backlogs`: the
    submissions that are chains of run times; `watched`: those of jobs with options that concern their runs.
    """

    __slots__ = ("backlogs", "changes", "foreign", "skipped", "submissions", "watched")

    def __init__(self) -> None:
        self.submissions: list[Submission] = []
        self.changes: list[Change] = []
        self.foreign: list[JobCore] = []
        self.skipped: list[tuple[Submission, int, int]] = []
        self.backlogs: list[Submission] = []
        self.watched: list[Submission] = []


def plan_due(jobs: Iterable[JobCore], now_us: int, draw: Callable[[], float] = _by_chance) -> Plan:
    """Decide what to run and what comes next, for jobs that are due at `now_us`.

    A job that coalesces runs once, for its latest missed time; others run for each, except that of the run times whose
    grace is over only the latest `MISSED_TOLD` are kept: they will not run, only be told. However many were missed,
    none is built here. A job without a further fire time is removed. `draw` gives numbers in [0, 1) for the jitter of
    the next run.
    """
    plan = Plan()
    for job in jobs:
        if job.run_at_us is None or job.run_at_us > now_us:
            continue
        if not is_native(job.trigger):
            plan.foreign.append(job)
            continue
        found_us = job.run_at_us
        submission = Submission(job, (found_us,), now_us)
        after_end = job.trigger.skips is not None and job.trigger.skips.after_end
        nominal_us = _set_one(submission) if after_end else _set_due_times(plan, submission)
        next_us = job.trigger.next_fire_us(nominal_us, now_us)
        dispatch_us = None if next_us is None else dispatch_at_us(job.trigger, next_us, draw)
        if after_end and next_us is not None:
            next_us = now_us
        if submission._trigger is not None:
            plan.backlogs.append(submission)
        if not _QUIET.issuperset(job._extras or ()):
            plan.watched.append(submission)
        plan.submissions.append(submission)
        plan.changes.append(Change(job, found_us, dispatch_us, next_us, remove=next_us is None))
    return plan


def _set_one(submission: Submission) -> int:
    """Set the only run time, a chain of one; from when the next counts, were the run over at once."""
    job = submission.job
    first_us = job._run_us if job._nominal_us == NEVER_US else job._nominal_us
    submission._trigger, submission._first_us = job.trigger, job._run_us
    submission._chain_us = submission._last_us = first_us
    return submission.found_us


def _set_due_times(plan: Plan, submission: Submission) -> int:
    """Set the run times that are due; the nominal time of the last one."""
    job, now_us = submission.job, submission.found_us
    run_at_us, trigger = job._run_us, job.trigger
    first_us: int = run_at_us if job._nominal_us == NEVER_US else job._nominal_us
    latest_us: int | None = trigger.latest_fire_us(first_us, now_us)
    if latest_us is None or latest_us <= first_us:
        return first_us
    if job.coalesce:
        submission._times_us = (latest_us,)
        return latest_us
    submission._trigger, submission._last_us = trigger, latest_us
    submission._first_us, submission._chain_us = run_at_us, first_us
    kept_us = _first_told(job, first_us, now_us)
    if kept_us is not None:
        skipped_us = trigger.latest_fire_us(first_us, kept_us - 1)
        if skipped_us is None or skipped_us <= first_us:
            skipped_us = run_at_us
        plan.skipped.append((submission, run_at_us, skipped_us))
        submission._first_us = submission._chain_us = kept_us
    return latest_us


def _first_told(job: JobCore, first_us: int, now_us: int) -> int | None:
    """Of the run times whose grace is over: the first that is told by itself. None: all are."""
    grace_s = job.misfire_grace_time
    if grace_s is None or not is_late(job._run_us, now_us, grace_s):
        return None
    kept_us = now_us - int(grace_s * SECOND_US)
    for _ in range(MISSED_TOLD):
        before_us: int | None = job.trigger.latest_fire_us(first_us, kept_us - 1)
        if before_us is None or before_us <= first_us:
            return None
        kept_us = before_us
    return kept_us


def dispatch_at_us(trigger: TriggerCore, nominal_us: int, draw: Callable[[], float] = _by_chance) -> int:
    """When a run with this nominal time is due: jitter added, never beyond the trigger's end."""
    if not trigger.jitter_us:
        return nominal_us
    share = share_of(trigger, draw)
    if not 0 <= share <= 1:
        raise ValueError(f"draw() must give a number from 0 to 1, not {float(share)}")
    dispatch_us = nominal_us + int(share * trigger.jitter_us)
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
