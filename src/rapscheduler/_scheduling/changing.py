"""Changes of one job: modify, reschedule, resume.

What lives here: looking a job up, changing it, writing it back, telling of it.
What must not: which values a job may have (``job``), how jobs are kept (``jobstores``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rapscheduler._engine.job_core import is_native
from rapscheduler._scheduling.planning import first_run
from rapscheduler._scheduling.storing import CHANGE_ROUNDS, guard, lost_too_often, own_stores, update_if
from rapscheduler.events import EVENT_JOB_MODIFIED, JobEvent
from rapscheduler.job import Job

if TYPE_CHECKING:
    from rapscheduler.jobstores.base import Times
    from rapscheduler.schedulers.base import BaseScheduler


def modify(scheduler: BaseScheduler, job_id: str, alias: str | None, changes: dict[str, Any]) -> Job:
    """Change a job and write it back."""
    with scheduler._jobstores_lock:
        for _ in range(CHANGE_ROUNDS):
            job, found_in = scheduler._lookup_job(job_id, alias)
            due_us = job.run_at_us
            job._take_over(changes)
            if "args" in changes:
                changes["args"] = job.args  # an iterator can't be read a second time
            if found_in is None or _written(scheduler, found_in, job, due_us, None):
                break
        else:
            raise lost_too_often(job_id)
    _tell_modified(scheduler, job, found_in)
    return job


def reschedule(scheduler: BaseScheduler, job_id: str, alias: str | None, trigger: Any) -> Job:
    """Give a job another trigger and the next run time that follows from it."""
    change = {"trigger": trigger}
    with scheduler._jobstores_lock:
        for _ in range(CHANGE_ROUNDS):
            job, found_in = scheduler._lookup_job(job_id, alias)
            due_us = job.run_at_us
            job._take_over(change)
            if _moved(scheduler, found_in, job, due_us, first_times(scheduler, trigger)):
                break
        else:
            raise lost_too_often(job_id)
    _tell_modified(scheduler, job, found_in)
    return job


def resume(scheduler: BaseScheduler, job_id: str, alias: str | None) -> Job | None:
    """Let a paused job run again; it is removed when its trigger has no further fire time."""
    with scheduler._jobstores_lock:
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
    _tell_modified(scheduler, job, found_in)
    return job


def _moved(scheduler: BaseScheduler, alias: str | None, job: Job, due_us: int | None, times: Times) -> bool:
    """Give a job other times, and write it back unless it is pending (``alias`` is None)."""
    if alias is None:
        job._advance(*times)
        return True
    return _written(scheduler, alias, job, due_us, times)


def _written(scheduler: BaseScheduler, alias: str, job: Job, due_us: int | None, times: Times | None) -> bool:
    """Write a job back, if it still is due when it was; ``times`` are set then.

    The loop, or another process, may have run it and moved it on meanwhile, and the old time must not come back: then
    the caller has to look it up and change it again.
    """
    store = scheduler._lookup_jobstore(alias)
    if own_stores[type(store)]:
        written: bool = store._update_if(job, due_us, times)
        return written
    with guard(scheduler, store):
        return update_if(store, job, due_us, times)


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
