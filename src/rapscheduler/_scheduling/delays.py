"""Jobs whose next run counts from the end of the one before: `IntervalTrigger(…, after="end")`.

Here: `Delay`, which hears of the end of such a run; moving the job. Not here: which runs are not begun because one is
under way (`batch`; on a shared store `claims`), what is planned (`_engine.planning`), who knows that a run ended
(`executors._run`, `_home`).

Rule: a run moves its job on as any run does, when it is submitted, as if it ended at once. So the job always has a run
time, and a process that dies loses none. That time is provisional: `nominal_us` is when the run began, before
`run_at_us`. When it comes while the run is under way, or before its end is written, the job is moved on by another
interval and nothing is told. The end of a run, however it ends, is noted by whoever hears of it, in any thread
(`Backlogs.ends`). The next pass moves the job, if its time still is provisional: what a user, or another process, did
in the meantime stands.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from rapscheduler._clock import steady_s
from rapscheduler._engine.planning import Change, Submission, dispatch_at_us
from rapscheduler._quoting import one_line, said
from rapscheduler._scheduling import storing
from rapscheduler.errors import JobLookupError, UnrunnableJobError, ends_program, log_line
from rapscheduler.events import EVENT_JOB_REMOVED, JobEvent
from rapscheduler.executors._home import Backlog, counts_from_end
from rapscheduler.executors.base import BaseExecutor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rapscheduler._scheduling.ports import Scheduler
    from rapscheduler._scheduling.shelf import Shelf


class End(NamedTuple):
    """A run ended; `expected_us`: the provisional time of its job, as this process wrote it last; `claim`: its claim in
    a shared store, which ends when the job has moved on."""

    alias: str | None
    job_id: str
    end_us: int
    expected_us: int | None
    claim: Any = None

    def told(self) -> None:
        """Its job has moved on, or is nobody's here any more."""
        if self.claim is not None:
            self.claim.claims.ended(self.claim)


class Delay(Backlog):
    """A run whose end is waited for. It is begun and ends as any single run, whatever is closed meanwhile."""

    puts_back = False

    __slots__ = ("_scheduler",)

    def __init__(self, scheduler: Scheduler, submission: Submission, change: Change) -> None:
        super().__init__(scheduler._backlogs, submission, change)
        self.several, self.counts = False, True
        self._scheduler = scheduler

    def begin(self, i: int) -> bool:
        self.begun = i + 1
        return True

    def end(self) -> bool:
        begun, self.begun = self.begun, 0
        if not begun:
            self._table.discard(self)
            return False
        one, now_us = self.submission, self._scheduler._clock.now_us()
        # In one step: a pass that meets the provisional time finds the run under way, or its end.
        self._table.discard(self, partial(End, one.alias, one.job.id, now_us))
        self._scheduler._wake_for(now_us)
        return False


def end_claim(claim: Any) -> bool:
    """Such a run ended in a shared store. It stays claimed until its job has moved on: others would find the job due at
    its provisional time, and nothing under way."""
    claims = claim.claims
    claims.unmoved[claim] = steady_s()
    # In one step: a pass that meets the provisional time finds the run under way, or its end.
    ended = partial(End, claims.alias, claim.key[0], claims.now_us(), claim=claim)
    closed: bool = claim._table.discard(claim, ended)
    claims.scheduler._wake_for(claims.scheduler._clock.now_us())
    claims.wake()
    return closed


def hears_of_ends(executor: Any) -> bool:
    """Whether an executor tells when a run has ended."""
    return isinstance(executor, BaseExecutor)


def untold(job: Any) -> UnrunnableJobError:
    """Why a job can't run in an executor that does not."""
    return UnrunnableJobError(
        f"its next run is to count from the end of the one before, which executor {job.executor!r} does not tell: "
        "it is no rapscheduler.executors.base.BaseExecutor. Give the job another executor, or leave after='end' out"
    )


def open_delay(scheduler: Scheduler, submission: Submission, change: Change) -> None:
    """Such a run is about to be submitted."""
    backlogs = scheduler._backlogs
    backlogs.counts = True
    backlogs.put(Delay(scheduler, submission, change))


# The pass


def are_ready(scheduler: Scheduler, shelves: Sequence[Shelf]) -> bool:
    """Whether there is a job to be moved whose store can be asked now."""
    open_to = {shelf.alias for shelf in shelves if _may_ask(scheduler, shelf)}
    return any(end.alias in open_to for end in tuple(scheduler._backlogs.ends))


def move_on(scheduler: Scheduler, shelves: Sequence[Shelf]) -> None:
    """Move the jobs whose runs ended; those of a store that can't be asked now, later."""
    ends, by_alias = scheduler._backlogs.ends, {shelf.alias: shelf for shelf in shelves}
    for _ in range(len(ends)):
        end = ends.popleft()
        shelf = by_alias.get(end.alias or "")
        if shelf is None:  # its store is gone
            end.told()
            continue
        if not _may_ask(scheduler, shelf) or end.job_id in shelf.unsettled:
            ends.append(end)
            continue
        try:
            with shelf.door:
                _move(scheduler, shelf, end)
            end.told()
        except BaseException as exc:
            ends.append(end)
            if ends_program(exc):
                raise
            shelf.back_off(scheduler)
            log_line(
                scheduler._logger.warning,
                'The end of a run of job "%s" can\'t be written to job store %r: %s -- trying again in %g s; until '
                "then its next run counts from the beginning of this one",
                one_line(end.job_id),
                shelf.alias,
                said(exc),
                scheduler.jobstore_retry_interval,
            )


def _may_ask(scheduler: Scheduler, shelf: Shelf) -> bool:
    if shelf.hangs_since_us is not None or shelf.unsettled:
        return False
    return not shelf.is_resting(scheduler._clock)


def _move(scheduler: Scheduler, shelf: Shelf, end: End) -> None:
    """Give a job the time that follows from the end of its run, unless somebody else gave it one."""
    for _ in range(storing.CHANGE_ROUNDS):
        job: Any = shelf.calls.lookup_job(end.job_id)
        if job is None or not _is_provisional(job, end):
            return
        due_us: int = job.run_at_us
        nominal_us = job.trigger.next_fire_us(end.end_us, end.end_us)
        try:
            if nominal_us is None:
                _remove(scheduler, shelf, end.job_id)
                return
            times = (dispatch_at_us(job.trigger, nominal_us), nominal_us, None)
            if shelf.calls._update_if(job, due_us, times):
                return
        except JobLookupError:  # removed at this very moment
            return
    raise storing.lost_too_often(end.job_id)


def _is_provisional(job: Any, end: End) -> bool:
    """Whether the time of a job still is the one that its run gave it when it began."""
    run_us, began_us = job.run_at_us, job.nominal_us
    if run_us is None or not counts_from_end(job):
        return False
    return run_us == end.expected_us or (
        began_us is not None and began_us < run_us and began_us <= end.end_us
    )


def _remove(scheduler: Scheduler, shelf: Shelf, job_id: str) -> None:
    """Its schedule is over."""
    shelf.calls.remove_job(job_id)
    log_line(scheduler._logger.info, "Removed job %s", one_line(job_id))
    if scheduler._wants(EVENT_JOB_REMOVED):
        scheduler._dispatch_event(JobEvent(EVENT_JOB_REMOVED, job_id, shelf.alias))
