"""Changes of one job: modify, reschedule, resume, remove; and the removal of all.

What lives here: looking a job up, changing it, writing it back, telling of it.
What must not: which values a job may have (``job``), how jobs are kept (``jobstores``).

Rule: a change (read, modify, write back) holds ``changing`` of its job's shelf (`change_lock`), so that two threads
can't lose each other's change, and a store that hangs keeps nobody from changing jobs of another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rapscheduler._engine.job_core import is_native
from rapscheduler._instants import moment
from rapscheduler._scheduling.catalogue import pending_place, shelf_of, shelves_of
from rapscheduler._scheduling.counter import tell_removed
from rapscheduler._scheduling.drafts import check_reference
from rapscheduler._scheduling.lifecycle import STATE_STOPPED
from rapscheduler._scheduling.planning import first_run
from rapscheduler._scheduling.storing import CHANGE_ROUNDS, lost_too_often
from rapscheduler.errors import JobLookupError
from rapscheduler.events import EVENT_ALL_JOBS_REMOVED, EVENT_JOB_MODIFIED, JobEvent, SchedulerEvent
from rapscheduler.job import EXTRAS, Job

if TYPE_CHECKING:
    from rapscheduler._scheduling.ports import Scheduler
    from rapscheduler.jobstores.base import Times


def change_lock(scheduler: Scheduler, job_id: str, alias: str | None) -> AbstractContextManager[Any]:
    """What a change of this job holds. JobLookupError: there are several stores, and none has the job."""
    if scheduler._lifecycle.state == STATE_STOPPED:
        return _change_while_stopped(scheduler, job_id, alias)
    shelves = scheduler._shelves.all()
    if len(shelves) == 1:
        return shelves[0].changing
    if alias is None:
        alias = scheduler._lookup_job(job_id, None)[1]
    held = next((shelf.changing for shelf in shelves if shelf.alias == alias), None)
    return scheduler._jobstores_lock if held is None else held


@contextmanager
def _change_while_stopped(scheduler: Scheduler, job_id: str, alias: str | None) -> Iterator[None]:
    """Jobs wait in one list, under one lock, until the start has moved them into their stores."""
    with scheduler._jobstores_lock:
        if scheduler._lifecycle.state == STATE_STOPPED:
            yield
            return
    with change_lock(scheduler, job_id, alias):
        yield


def bring_rooms(scheduler: Scheduler, changes: Mapping[str, Any]) -> None:
    """Load what the runs of a job need that is changed so."""
    if not EXTRAS.isdisjoint(changes) or getattr(changes.get("trigger"), "skips", None) is not None:
        scheduler._bring_rooms()


def modify(scheduler: Scheduler, job_id: str, alias: str | None, changes: dict[str, Any]) -> Job:
    """Change a job and write it back."""
    bring_rooms(scheduler, changes)
    with change_lock(scheduler, job_id, alias):
        for _ in range(CHANGE_ROUNDS):
            job, found_in = scheduler._lookup_job(job_id, alias)
            due_us = job.run_at_us
            if isinstance(changes.get("func"), str):
                check_reference(scheduler, found_in or pending_place(scheduler, job), changes["func"])
            job._take_over(changes)
            if "args" in changes:
                changes["args"] = job.args  # an iterator can't be read a second time
            if found_in is None or _written(scheduler, found_in, job, due_us, None):
                break
        else:
            raise lost_too_often(job_id)
    tell_changed(scheduler, job, found_in, changes)
    return job


def tell_changed(scheduler: Scheduler, job: Job, alias: str | None, changes: Mapping[str, Any]) -> None:
    """A job was modified: begin no more runs of one that was paused, warn of an executor that isn't there, and tell."""
    if changes.get("next_run_time", job) is None:
        scheduler._backlogs.cancel(job.id, alias)
    if (
        "executor" in changes
        and scheduler._lifecycle.state != STATE_STOPPED
        and job.executor not in scheduler._executors
    ):
        from rapscheduler._scheduling.never import warn_of_executor

        warn_of_executor(scheduler, job)
    tell_modified(scheduler, job, alias)


def reschedule(scheduler: Scheduler, job_id: str, alias: str | None, trigger: Any) -> Job:
    """Give a job another trigger and the next run time that follows from it."""
    if scheduler._is_hooked("modify_job"):
        run_us = first_times(scheduler, trigger)[0]
        return scheduler.modify_job(job_id, alias, trigger=trigger, next_run_time=_as_moment(run_us))
    change = {"trigger": trigger}
    bring_rooms(scheduler, change)
    with change_lock(scheduler, job_id, alias):
        for _ in range(CHANGE_ROUNDS):
            job, found_in = scheduler._lookup_job(job_id, alias)
            due_us = job.run_at_us
            job._take_over(change)
            times = first_times(scheduler, job.trigger)
            if _moved(scheduler, found_in, job, due_us, times):
                break
        else:
            raise lost_too_often(job_id)
    tell_modified(scheduler, job, found_in)
    if times[0] is None:
        from rapscheduler._scheduling.never import tell_never

        tell_never(scheduler, (job,))
    return job


def resume(scheduler: Scheduler, job_id: str, alias: str | None) -> Job | None:
    """Let a paused job run again; it is removed when its trigger has no further fire time."""
    if scheduler._is_hooked("modify_job"):
        job, found_in = scheduler._lookup_job(job_id, alias)
        run_us = first_times(scheduler, job.trigger)[0]
        if run_us is not None:
            return scheduler.modify_job(job_id, found_in, next_run_time=moment(run_us))
    with change_lock(scheduler, job_id, alias):
        for _ in range(CHANGE_ROUNDS):
            job, found_in = scheduler._lookup_job(job_id, alias)
            due_us = job.run_at_us
            times = first_times(scheduler, job.trigger)
            if times[0] is None or _moved(scheduler, found_in, job, due_us, times):
                break
        else:
            raise lost_too_often(job_id)
    if times[0] is None:
        scheduler.remove_job(job.id, found_in)
        return None
    tell_modified(scheduler, job, found_in)
    return job


def remove(scheduler: Scheduler, job_id: str, alias: str | None) -> None:
    """Remove a job from the first store that has it."""
    try:
        found_in = _remove_pending(scheduler, job_id, alias)
        if found_in is None:
            found_in = _remove_from_stores(scheduler, job_id, alias)
    except BaseException:  # also of a job that is gone because its schedule is over
        scheduler._backlogs.cancel(job_id, alias)
        raise
    tell_removed(scheduler, job_id, alias, found_in)


def _remove_pending(scheduler: Scheduler, job_id: str, alias: str | None) -> str | None:
    """The alias that the removed job waited for; None: the scheduler has been started."""
    if scheduler._lifecycle.state == STATE_STOPPED:
        with scheduler._jobstores_lock:
            if scheduler._lifecycle.state == STATE_STOPPED:
                for position, (job, pending_alias, _) in enumerate(scheduler._pending_jobs):
                    if job.id == job_id and alias in (None, pending_alias):
                        del scheduler._pending_jobs[position]
                        return pending_alias
                raise JobLookupError(job_id)
    return None


def _remove_from_stores(scheduler: Scheduler, job_id: str, alias: str | None) -> str:
    for shelf in shelves_of(scheduler, alias):
        try:
            with shelf.changing, shelf.lock:
                shelf.store.remove_job(job_id)
            return shelf.alias
        except JobLookupError:
            continue
    raise JobLookupError(job_id)


def remove_all(scheduler: Scheduler, alias: str | None) -> None:
    """Remove every job of one store, or of all."""
    with scheduler._jobstores_lock:
        waits = scheduler._lifecycle.state == STATE_STOPPED
        if waits:
            pending = scheduler._pending_jobs
            pending[:] = [entry for entry in pending if alias is not None and entry[1] != alias]
    for shelf in () if waits else shelves_of(scheduler, alias):
        with shelf.changing, shelf.lock:
            shelf.store.remove_all_jobs()
        scheduler._backlogs.cancel(alias=shelf.alias)
    scheduler._dispatch_event(SchedulerEvent(EVENT_ALL_JOBS_REMOVED, alias))


def _moved(scheduler: Scheduler, alias: str | None, job: Job, due_us: int | None, times: Times) -> bool:
    """Give a job other times, and write it back unless it is pending (``alias`` is None)."""
    if alias is None:
        job._advance(*times)
        return True
    return _written(scheduler, alias, job, due_us, times)


def _written(scheduler: Scheduler, alias: str, job: Job, due_us: int | None, times: Times | None) -> bool:
    """Write a job back, if it still is due when it was; ``times`` are set then.

    The loop, or another process, may have run it and moved it on meanwhile, and the old time must not come back: then
    the caller has to look it up and change it again.
    """
    shelf = shelf_of(scheduler, alias)
    shelf.look()
    if shelf.overlaps:
        written: bool = shelf.calls._update_if(job, due_us, times)
    else:
        with shelf.lock:
            written = shelf.calls._update_if(job, due_us, times)
    return written


def tell_modified(scheduler: Scheduler, job: Job, alias: str | None) -> None:
    """A job has other values: tell it, and wake the loop if it comes due earlier."""
    if scheduler._wants(EVENT_JOB_MODIFIED):
        scheduler._dispatch_event(JobEvent(EVENT_JOB_MODIFIED, job.id, alias))
    scheduler._wake_for(job.run_at_us)


def _as_moment(run_us: int | None) -> datetime | None:
    return None if run_us is None else moment(run_us)


def first_times(scheduler: Scheduler, trigger: Any) -> Times:
    """When a job runs for the first time under ``trigger``; no run time: it never does."""
    now_us = scheduler._clock.now_us()
    if is_native(trigger) and not trigger.jitter_us:
        fire_us = trigger.next_fire_us(None, now_us)
        return fire_us, fire_us, None
    return first_run(trigger, now_us, scheduler.timezone)
