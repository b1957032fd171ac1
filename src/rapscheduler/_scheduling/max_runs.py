"""`max_runs`: a job is over when so many of its runs were begun by its schedule.

Here: which runs of a batch count, what is cut off, and the count in the store. Not here: the rest of a batch (`batch`,
`claiming`), other changes (`storing`).

A run counts when its executor took it. What was late already when it was found does not count, nor what is skipped, nor
`run_job()`, nor another attempt. The loop moves the times of a row and never rewrites it, so a count is written as a
user's change is: the whole row, with its new times, if it still is due when it was. The last run removes the job.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from rapscheduler._engine.job_core import is_native
from rapscheduler._engine.planning import Change, Submission, is_late
from rapscheduler._quoting import one_line, said
from rapscheduler.errors import JobLookupError, ends_program, log_line
from rapscheduler.events import EVENT_JOB_REMOVED, JobEvent, SchedulerEvent

if TYPE_CHECKING:
    from rapscheduler._scheduling.planning import BatchPlan
    from rapscheduler._scheduling.ports import Scheduler
    from rapscheduler._scheduling.shelf import Shelf


class Counted(NamedTuple):
    """`begun`: how many runs have begun once this submission is taken, `many` of them by it; `skipped`: how its job
    moves on if it is not."""

    begun: int
    many: int
    skipped: Change


def limit(plan: BatchPlan, removes: bool) -> dict[int, Counted]:
    """Cut off what is too many in a plan; the counts, by `id()` of the submission. `removes`: the last run's change
    is the end of its job."""
    counted: dict[int, Counted] = {}
    limited = [one for one in plan.watched if "max_runs" in _extras_of(one.job)]
    if limited:
        places = {id(one): i for i, one in enumerate(plan.submissions)}
        for one in limited:
            _limit_one(plan, one, places[id(one)], removes, counted)
    return counted


def _extras_of(job: Any) -> dict[str, Any]:
    return job._extras or {}


def _limit_one(
    plan: BatchPlan, one: Submission, place: int, removes: bool, counted: dict[int, Counted]
) -> None:
    job: Any = one.job
    most, begun = job.max_runs, job.runs_begun
    many = last = 0
    for i, run_us in enumerate(one.times_us(), 1):
        if begun + many == most:
            break
        many += not is_late(run_us, one.found_us, job.misfire_grace_time)
        last = i
    if not many:
        return
    change = plan.changes[place]
    if begun + many == most:
        if next(islice(one.times_us(), last, None), None) is not None:
            one = _cut(plan, place, last)
        if removes and not change.remove:
            plan.changes[place] = Change(job, change.expected_us, remove=True)
    counted[id(one)] = Counted(begun + many, many, change)


def _cut(plan: BatchPlan, place: int, last: int) -> Submission:
    """Leave only so many run times of a submission."""
    one = plan.submissions[place]
    shown = None if is_native(one.job.trigger) else one.run_times[:last]
    shorter = Submission(one.job, list(islice(one.times_us(), last)), one.found_us, shown)
    plan.submissions[place] = shorter
    plan.backlogs[:] = [shorter if other is one else other for other in plan.backlogs]
    plan.watched[:] = [shorter if other is one else other for other in plan.watched]
    return shorter


def note(shelf: Shelf, change: Change, counted: Counted) -> None:
    """A submission was taken: its job has begun so many runs, which is written with its change."""
    job: Any = change.job
    _set(job, counted.begun)
    if not change.remove:
        shelf.counts[job.id] = counted.begun


def note_waiting(shelf: Shelf, change: Change, counted: Counted, waiting: int) -> Change:
    """Of a submission that was refused so many runs wait for their turn, and count; how its job moves on."""
    begun = counted.begun - counted.many + waiting
    if waiting < counted.many:
        change = counted.skipped
    if waiting:
        note(shelf, change, counted._replace(begun=begun))
    return change


def write(shelf: Shelf, change: Change) -> None:
    """Write a change with the count of its job; call it under the shelf's lock. Raises what the store raises."""
    count, job_id = shelf.counts[change.job.id], change.job.id
    stored = shelf.calls.lookup_job(job_id)
    if stored is not None and stored.run_at_us == change.expected_us:
        _set(stored, count)
        try:
            times = (change.run_at_us, change.nominal_us, change.run_time)
            shelf.calls._update_if(stored, change.expected_us, times)
        except JobLookupError:  # removed at this very moment
            pass
    shelf.counts.pop(job_id, None)


def _set(job: Any, count: int) -> None:
    if "max_runs" in _extras_of(job):
        job._extras = {**job._extras, "runs_begun": count}


def write_claimed(
    scheduler: Scheduler, shelf: Shelf, taken: Iterable[tuple[Submission, Counted]]
) -> list[SchedulerEvent]:
    """Count runs that were claimed, so that their jobs have moved on already; a job that is over is removed."""
    events: list[SchedulerEvent] = []
    for one, counted in taken:
        job_id = one.job.id
        try:
            with shelf.door:
                stored = shelf.calls.lookup_job(job_id)
                if stored is None or "max_runs" not in _extras_of(stored):
                    continue
                # others may have begun some since
                begun = max(counted.begun, stored.runs_begun + counted.many)
                if begun < stored.max_runs:
                    _set(stored, begun)
                    shelf.calls._update_if(stored, stored.run_at_us)
                    continue
                shelf.calls.remove_job(job_id)
        except JobLookupError:
            continue
        except BaseException as exc:
            if ends_program(exc):
                raise
            log_line(
                scheduler._logger.warning,
                'A run of job "%s" can\'t be counted in job store %r: %s -- it may run once more than max_runs says',
                one_line(job_id),
                shelf.alias,
                said(exc),
            )
            continue
        log_line(scheduler._logger.info, "Removed job %s", one_line(job_id))
        if scheduler._wants(EVENT_JOB_REMOVED):
            events.append(JobEvent(EVENT_JOB_REMOVED, job_id, shelf.alias))
    return events


def write_begun(scheduler: Scheduler, shelf: Shelf, one: Submission) -> list[SchedulerEvent]:
    """Count a run that was in line on a shared store, and has begun."""
    job: Any = one.job
    many = sum(1 for _ in one.times_us())
    counted = Counted(job.runs_begun + many, many, Change(job, job.run_at_us))
    return write_claimed(scheduler, shelf, [(one, counted)])


def given_back(shelf: Shelf, job: Any, left: int) -> None:
    """So many runs of a job that were counted will not be begun now, for they are due again."""
    begun = _extras_of(job).get("runs_begun", 0)
    if begun:
        rest = {name: value for name, value in job._extras.items() if name != "runs_begun"}
        job._extras = {**rest, "runs_begun": begun - left} if begun > left else rest
    if job.id in shelf.counts:
        shelf.counts[job.id] = max(1, shelf.counts[job.id] - left)
