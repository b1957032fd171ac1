"""Deciding about due jobs: the engine's rules, and the same rules for triggers that the engine does not know.

Here: `plan_batch`, and `first_run` for jobs that get their first time. Not here: clocks, locks, stores, logs.
The rules are stated in `rapscheduler._reference.planning`; this room applies them through `get_next_fire_time` to
triggers that are not the engine's (combining triggers, third-party classes), and catches what a trigger raises.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any

from rapscheduler._engine.job_core import is_native, utc_us
from rapscheduler._engine.planning import Change, Plan, Submission, dispatch_at_us, plan_due
from rapscheduler.errors import ends_program
from rapscheduler.triggers.base import BaseTrigger
from rapscheduler.util import convert_to_datetime

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class BatchPlan:
    """The decision about a batch: `submissions[i]` goes with `changes[i]`; `parks` are jobs to set aside, with errors.

    A park is `(Change with park, the exception)`; `skipped` is that of `Plan`: missed run times that are left out.
    """

    __slots__ = ("changes", "parks", "skipped", "submissions")

    def __init__(self, submissions: list[Submission], changes: list[Change]) -> None:
        self.submissions = submissions
        self.changes = changes
        self.parks: list[tuple[Change, BaseException]] = []
        self.skipped: list[tuple[Submission, int, int]] = []


def moment(time_us: int, zone: tzinfo) -> datetime:
    """An instant as an aware datetime."""
    return (_EPOCH + timedelta(microseconds=time_us)).astimezone(zone)


def plan_batch(jobs: Sequence[Any], now_us: int, zone: tzinfo) -> BatchPlan:
    """Decide about jobs that are due at `now_us`; `zone` is the scheduler's, in which third-party triggers see now."""
    try:
        plan = plan_due(jobs, now_us)
    except BaseException as exc:
        if ends_program(exc):
            raise
        return _plan_singly(jobs, now_us, zone)
    batch = BatchPlan(plan.submissions, plan.changes)
    batch.skipped = plan.skipped
    if plan.foreign:
        _plan_foreign(plan, batch, now_us, zone)
    return batch


def _plan_foreign(plan: Plan, batch: BatchPlan, now_us: int, zone: tzinfo) -> None:
    now = moment(now_us, zone)
    for job in plan.foreign:
        try:
            submission, change = plan_one(job, now_us, now)
        except BaseException as exc:
            if ends_program(exc):
                raise
            batch.parks.append((_park_for(job, exc), exc))
        else:
            batch.submissions.append(submission)
            batch.changes.append(change)


def _plan_singly(jobs: Sequence[Any], now_us: int, zone: tzinfo) -> BatchPlan:
    """One job of the batch raises: find it, and plan the others."""
    batch = BatchPlan([], [])
    for job in jobs:
        try:
            plan = plan_due([job], now_us)
        except BaseException as exc:
            if ends_program(exc):
                raise
            batch.parks.append((_park_for(job, exc), exc))
            continue
        batch.submissions += plan.submissions
        batch.changes += plan.changes
        batch.skipped += plan.skipped
        _plan_foreign(plan, batch, now_us, zone)
    return batch


def _park_for(job: Any, exc: BaseException) -> Change:
    reason = (
        f"its trigger raised {type(exc).__name__}: {exc}; repair the trigger or give another one with "
        "reschedule_job(), then resume_parked()"
    )
    return Change(job, job.run_at_us, park=reason)


def plan_one(job: Any, now_us: int, now: datetime) -> tuple[Submission, Change]:
    """The rules for one due job whose trigger is asked by datetimes. Raises what the trigger raises."""
    trigger = job.trigger
    expected_us = job.run_at_us
    run_time = job.next_run_time
    separate = knows_nominal(trigger)
    previous = (
        moment(job.nominal_us, run_time.tzinfo) if separate and job.nominal_us is not None else run_time
    )
    run_times, times_us = [run_time], [expected_us]
    previous_us = utc_us(previous)
    while True:
        nominal = _ask(trigger, previous, now, separate)
        if nominal is None:
            change = Change(job, expected_us, remove=True)
            break
        nominal_us = utc_us(nominal)
        if nominal_us <= previous_us:
            raise ValueError(
                f"get_next_fire_time answered {nominal} after {previous}: a trigger must return a later time, or None"
            )
        if nominal_us > now_us:
            dispatch = _with_jitter(trigger, nominal, now) if separate else nominal
            change = Change(job, expected_us, utc_us(dispatch), nominal_us, run_time=dispatch)
            break
        previous, previous_us = nominal, nominal_us
        if job.coalesce:
            run_times, times_us = [nominal], [nominal_us]
        else:
            run_times.append(nominal)
            times_us.append(nominal_us)
    return Submission(job, times_us, now_us, run_times), change


def first_run(trigger: Any, now_us: int, zone: tzinfo) -> tuple[int | None, int | None, datetime | None]:
    """When a job with this trigger runs first from `now_us` on: `(run_at_us, nominal_us, run_time)`.

    All three are None when the trigger never fires. Raises what a third-party trigger raises.
    """
    if is_native(trigger):
        nominal_us = trigger.next_fire_us(None, now_us)
        if nominal_us is None:
            return None, None, None
        return dispatch_at_us(trigger, nominal_us), nominal_us, None
    now = moment(now_us, zone)
    separate = knows_nominal(trigger)
    nominal = _ask(trigger, None, now, separate)
    if nominal is None:
        return None, None, None
    dispatch = _with_jitter(trigger, nominal, now) if separate else nominal
    return utc_us(dispatch), utc_us(nominal), dispatch


def knows_nominal(trigger: Any) -> bool:
    """Whether the trigger tells times without jitter, and nobody overrode `get_next_fire_time` below that."""
    for cls in type(trigger).__mro__:
        if "_next_nominal" in cls.__dict__:
            return cls is not BaseTrigger
        if "get_next_fire_time" in cls.__dict__:
            return False
    return False


def _ask(trigger: Any, previous: datetime | None, now: datetime, separate: bool) -> datetime | None:
    fire_time = (
        trigger._next_nominal(previous, now) if separate else trigger.get_next_fire_time(previous, now)
    )
    if fire_time is None or isinstance(fire_time, datetime):
        return convert_to_datetime(fire_time, now.tzinfo, "next_run_time")
    raise TypeError(f"get_next_fire_time must return a datetime or None, not {fire_time!r}")


def _with_jitter(trigger: Any, nominal: datetime, now: datetime) -> datetime:
    delayed: datetime = trigger._dispatch_time(nominal, now)
    return delayed
