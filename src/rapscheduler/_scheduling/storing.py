"""How a store is written to: a job only if it still is as it was, the changes of a pass until the store has taken them.

What lives here: `update_if` and the rounds of a change that came too late; `settle` and what is left of it. What must
not: what is changed, and why.

Each is called in the thread that makes the pass: that of `schedulers.blocking`, a worker of `schedulers._eventloop`'s,
the watch of `hangs` when a store hangs; what is written at the end is `last_writes`. When a store that failed is asked
again, its shelf says.

The loop takes no lock of the user's calls, so between looking a job up and writing it back the loop, or a scheduler in
another process, may have run the job and moved it on. Writing the old time back would run it twice. So every such write
says at which time the job was found, and is done again when that is no longer true.
"""

from __future__ import annotations

from collections.abc import Sequence

from rapscheduler._engine.planning import Change
from rapscheduler._hints import TYPE_CHECKING, Any
from rapscheduler._quoting import one_line, said
from rapscheduler.errors import ends_program, log_line
from rapscheduler.events import EVENT_JOB_REMOVED, JobEvent, SchedulerEvent
from rapscheduler.jobstores.base import UnsettledError
from rapscheduler.util import INFO

if TYPE_CHECKING:
    from rapscheduler._scheduling.ports import Scheduler
    from rapscheduler._scheduling.shelf import Shelf
    from rapscheduler.job import Job

CHANGE_ROUNDS = 20  # of looking a job up and writing it back while it runs on


def lost_too_often(job_id: str) -> Exception:
    """The error of a change that came too late in every round."""
    return RuntimeError(
        f'Job "{job_id}" could not be changed: each of {CHANGE_ROUNDS} times it had run and moved on before the change '
        "was written. It runs more often than its job store can be written; pause the scheduler, then change it"
    )


def replace_and_keep(shelf: Shelf, job: Job) -> None:
    """Replace a job by a new one that runs when it would have run; again when it has run meanwhile.

    Call it under the shelf's lock.
    """
    store = shelf.store
    for _ in range(CHANGE_ROUNDS):
        old = store.lookup_job(job.id)
        if old is None:  # it can't be read, so there is no time to keep
            store.update_job(job)
            return
        # first: a store in memory gives the job itself, which may move on at any moment
        due_us = old.run_at_us
        _keep_time(job, old)
        if shelf.calls._update_if(job, due_us):
            return
    raise lost_too_often(job.id)


def _keep_time(job: Job, old: Any) -> None:
    """Let a job that replaces another of the same schedule run when that one would have run (or stay paused)."""
    if type(old.trigger) is not type(job.trigger) or str(old.trigger) != str(job.trigger):
        return
    run_time = old.next_run_time
    job.next_run_time = run_time
    if run_time is not None:
        job.nominal_us = old.nominal_us


# The changes of a pass


def settle(scheduler: Scheduler, shelf: Shelf, changes: Sequence[Change]) -> bool:
    """Write changes, those the store did not take before first. False: some are still not written."""
    error = write(shelf, [*shelf.unsettled.values(), *changes] if shelf.unsettled else changes)
    if error is None:
        return True
    shelf.back_off(scheduler)
    log_line(
        scheduler._logger.warning,
        "Error updating %d jobs in job store %r: %s -- trying again in %g s, before any more of its jobs run",
        len(shelf.unsettled),
        shelf.alias,
        said(error),
        scheduler.jobstore_retry_interval,
    )
    return False


def settle_again(scheduler: Scheduler, shelf: Shelf) -> bool:
    """Write what the store did not take before, and tell it. False: some still is not written."""
    changes, events = list(shelf.unsettled.values()), list[SchedulerEvent]()
    settled = settle(scheduler, shelf, ())
    add_removals(scheduler, shelf, changes, events)
    for event in events:
        scheduler._dispatch_event(event)
    return settled


def write(shelf: Shelf, batch: Sequence[Change]) -> BaseException | None:
    """Write changes; what is left of them is `shelf.unsettled`, and the error says why."""
    shelf.writing = batch
    try:
        with shelf.door:
            if shelf.counts:
                _settle_counted(shelf, batch)
            else:
                shelf.calls._settle(batch)
    except BaseException as exc:
        if ends_program(exc):
            raise
        left = exc.unsettled if isinstance(exc, UnsettledError) else batch
        shelf.unsettled = {change.job.id: change for change in left}
        return exc.__cause__ or exc
    finally:
        shelf.writing = ()
    shelf.unsettled = {}
    return None


def _settle_counted(shelf: Shelf, batch: Sequence[Change]) -> None:
    """Write changes of which some come with a count."""
    from rapscheduler._scheduling import max_runs

    counted = [one for one in batch if one.job.id in shelf.counts and not one.remove and one.park is None]
    ids = {one.job.id for one in counted}
    plain: Sequence[Change] = [one for one in batch if one.job.id not in ids]
    try:
        shelf.calls._settle(plain)
        plain = ()
        for change in counted:
            max_runs.write(shelf, change)
    except Exception as exc:
        left = exc.unsettled if isinstance(exc, UnsettledError) else plain
        left = [*left, *(one for one in counted if one.job.id in shelf.counts)]
        raise UnsettledError(left) from (exc.__cause__ or exc)


def add_removals(
    scheduler: Scheduler, shelf: Shelf, changes: Sequence[Change], events: list[SchedulerEvent]
) -> None:
    """Jobs that are over are out of their store: log and tell it, if somebody wants to know.

    The store is asked: a job that a user gave another time at this very moment is still there.
    """
    logger = scheduler._logger
    wanted = scheduler._wants(EVENT_JOB_REMOVED)
    if not wanted and not logger.isEnabledFor(INFO):
        return
    for job_id in _gone(scheduler, shelf, [one.job.id for one in changes if one.remove and one.park is None]):
        log_line(logger.info, "Removed job %s", one_line(job_id))
        if wanted:
            events.append(JobEvent(EVENT_JOB_REMOVED, job_id, shelf.alias))


def _gone(scheduler: Scheduler, shelf: Shelf, job_ids: list[str]) -> list[str]:
    """Which of the jobs that a pass wanted to remove are gone; of a store that can't tell now, none is known to be."""
    written = [job_id for job_id in job_ids if job_id not in shelf.unsettled]
    if not written:
        return written
    try:
        with shelf.door:
            kept = shelf.calls._still_there(written)
    except BaseException as exc:
        if ends_program(exc):
            raise
        log_line(
            scheduler._logger.warning,
            "Error looking for removed jobs in job store %r: %s",
            shelf.alias,
            said(exc),
        )
        return []
    return [job_id for job_id in written if job_id not in kept] if kept else written
