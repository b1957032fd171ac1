"""Changes of one job: modify, reschedule, resume.

What lives here: looking a job up, changing it, writing it back, telling of it.
What must not: which values a job may have (``job``), how jobs are kept (``jobstores``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from rapscheduler._engine.job_core import is_native
from rapscheduler._scheduling.planning import first_run
from rapscheduler._scheduling.storing import CHANGE_ROUNDS, guard, is_own, lost_too_often, update_if
from rapscheduler.events import EVENT_JOB_MODIFIED, JobEvent
from rapscheduler.job import Job

if TYPE_CHECKING:
    from rapscheduler.jobstores.base import Times
    from rapscheduler.schedulers.base import BaseScheduler


def modify(scheduler: BaseScheduler, job_id: str, alias: str | None, changes: dict[str, Any]) -> Job:
    """Change a job and write it back."""

    def change(job: Job) -> None:
        job._modify(**changes)
        if "args" in changes:
            changes["args"] = job.args  # an iterator can't be read a second time

    job, found_in, _ = _change(scheduler, job_id, alias, change)
    _tell_modified(scheduler, job, found_in)
    return job


def reschedule(scheduler: BaseScheduler, job_id: str, alias: str | None, trigger: Any) -> Job:
    """Give a job another trigger and the next run time that follows from it."""

    def change(job: Job) -> Times:
        job._modify(trigger=trigger)
        return first_times(scheduler, trigger)

    job, found_in, _ = _change(scheduler, job_id, alias, change)
    _tell_modified(scheduler, job, found_in)
    return job


def resume(scheduler: BaseScheduler, job_id: str, alias: str | None) -> Job | None:
    """Let a paused job run again; it is removed when its trigger has no further fire time."""

    def change(job: Job) -> Times | Literal[False]:
        times = first_times(scheduler, job.trigger)
        return False if times[0] is None else times

    job, found_in, goes_on = _change(scheduler, job_id, alias, change)
    if not goes_on:
        scheduler.remove_job(job.id, found_in)
        return None
    _tell_modified(scheduler, job, found_in)
    return job


def _change(
    scheduler: BaseScheduler,
    job_id: str,
    alias: str | None,
    change: Callable[[Job], Times | Literal[False] | None],
) -> tuple[Job, str | None, bool]:
    """Look a job up, change it and write it back, if it still is due when it was: the loop, or another process, may
    have run it and moved it on meanwhile, and the old time must not come back. Then all of it is done again.

    ``change`` returns the times to be set, ``None`` for none, or ``False``: the job is not to be written.
    """
    with scheduler._jobstores_lock:
        for _ in range(CHANGE_ROUNDS):
            job, found_in = scheduler._lookup_job(job_id, alias)
            due_us = job.run_at_us
            times = change(job)
            if times is False:
                return job, found_in, False
            if found_in is None:
                if times:
                    job._advance(*times)
                return job, None, True
            store = scheduler._lookup_jobstore(found_in)
            if is_own(store):
                done = store._update_if(job, due_us, times)
            else:
                with guard(scheduler, store):
                    done = update_if(store, job, due_us, times)
            if done:
                return job, found_in, True
    raise lost_too_often(job_id)


def _tell_modified(scheduler: BaseScheduler, job: Job, alias: str | None) -> None:
    if scheduler._wants(EVENT_JOB_MODIFIED):
        scheduler._dispatch_event(JobEvent(EVENT_JOB_MODIFIED, job.id, alias))
    scheduler._wake_for(job.run_at_us)


def first_times(scheduler: BaseScheduler, trigger: Any) -> Times:
    """When a job runs for the first time under ``trigger``; no run time: it never does."""
    now_us = scheduler._clock.now_us()
    if is_native(trigger) and not trigger.jitter_us:
        fire_us = trigger.next_fire_us(None, now_us)
        return fire_us, fire_us, None
    return first_run(trigger, now_us, scheduler.timezone)
