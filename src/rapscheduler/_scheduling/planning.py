"""Deciding about due jobs: the engine's rules, and the same rules for triggers that the engine does not know.

Here: `plan_batch`, and `first_run` for jobs that get their first time. Not here: clocks, locks, stores, logs.
The rules are stated in `rapscheduler._reference.planning`; `foreign` applies them to triggers that are not the engine's
(combining triggers, third-party classes), and this room catches what a trigger raises.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo

from rapscheduler._engine.job_core import is_native, utc_us
from rapscheduler._engine.planning import Change, Plan, Submission, dispatch_at_us, plan_due
from rapscheduler._hints import Any
from rapscheduler._instants import moment
from rapscheduler._scheduling.foreign import Walk, ask, dispatch_time, knows_nominal
from rapscheduler.errors import ends_program
from rapscheduler.jobstores.base import park_reason


class BatchPlan:
    """The decision about a batch: `submissions[i]` goes with `changes[i]`; `parks` are jobs to set aside, with errors.

    A park is `(Change with park, the exception)`; `skipped`, `backlogs` and `watched` are those of `Plan`;
    `walks`, by job id, of the jobs whose missed times were not all walked: they stay due.
    """

    __slots__ = ("backlogs", "changes", "parks", "skipped", "submissions", "walks", "watched")

    def __init__(self, submissions: list[Submission], changes: list[Change]) -> None:
        self.submissions = submissions
        self.changes = changes
        self.parks: list[tuple[Change, BaseException]] = []
        self.skipped: list[tuple[Submission, int, int]] = []
        self.backlogs: list[Submission] = []
        self.walks: dict[str, Walk] = {}
        self.watched: list[Submission] = []


def plan_batch(
    jobs: Sequence[Any],
    now_us: int,
    zone: tzinfo,
    walks: dict[str, Walk] | None = None,
    end_s: float | None = None,
) -> BatchPlan:
    """Decide about jobs that are due at `now_us`; `zone` is the scheduler's, in which third-party triggers see now.

    `walks` are those that were begun before; at `end_s` (monotonic) those under way are left for the next time.
    """
    walks = {} if walks is None else walks
    try:
        plan = plan_due(jobs, now_us)
    except BaseException as exc:
        if ends_program(exc):
            raise
        return _plan_singly(jobs, now_us, zone, walks, end_s)
    batch = BatchPlan(plan.submissions, plan.changes)
    batch.skipped, batch.backlogs, batch.watched = plan.skipped, plan.backlogs, plan.watched
    if plan.foreign:
        _plan_foreign(plan, batch, now_us, zone, walks, end_s)
    return batch


def _plan_foreign(
    plan: Plan, batch: BatchPlan, now_us: int, zone: tzinfo, walks: dict[str, Walk], end_s: float | None
) -> None:
    now = moment(now_us, zone)
    for job in plan.foreign:
        try:
            walk = walks.get(job.id)
            if walk is None or not walk.is_of(job):
                walk = Walk(job)
            decided = walk.go_on(job, now_us, now, end_s)
        except BaseException as exc:
            if ends_program(exc):
                raise
            batch.parks.append((_park_for(job, exc), exc))
            continue
        if decided is None:
            batch.walks[job.id] = walk
            continue
        submission, change = decided
        if walk.has_several():
            batch.backlogs.append(submission)
        batch.submissions.append(submission)
        batch.changes.append(change)
        if job._extras is not None:
            batch.watched.append(submission)
        if walk.skipped_us is not None:
            batch.skipped.append((submission, walk.due_us, walk.skipped_us))


def _plan_singly(
    jobs: Sequence[Any], now_us: int, zone: tzinfo, walks: dict[str, Walk], end_s: float | None
) -> BatchPlan:
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
        batch.backlogs += plan.backlogs
        batch.watched += plan.watched
        _plan_foreign(plan, batch, now_us, zone, walks, end_s)
    return batch


def _park_for(job: Any, exc: BaseException) -> Change:
    reason = park_reason(
        f"its trigger raised {type(exc).__name__}: ",
        exc,
        "; repair the trigger or give another one with reschedule_job(), then resume_parked()",
    )
    return Change(job, job.run_at_us, park=reason)


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
    nominal = ask(trigger, None, now, separate)
    if nominal is None:
        return None, None, None
    dispatch = dispatch_time(trigger, nominal, now, separate)
    return utc_us(dispatch), utc_us(nominal), dispatch
