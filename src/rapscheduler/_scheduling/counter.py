"""The quick way to jobs in memory: who may go through the engine's `Desk`, and telling what was done there.

What lives here: what counts as hooking in, what the desk may learn. What must not: the steps
(`rapscheduler._engine.desk`), the long way (`catalogue`, `changing`).
"""

from __future__ import annotations

from types import FunctionType

from rapscheduler._callables import callable_facts
from rapscheduler._engine.desk import Desk
from rapscheduler._engine.job_drafts import KnownDrafts
from rapscheduler._hints import Any
from rapscheduler._quoting import one_line
from rapscheduler._scheduling.drafts import CRON, LIMITS
from rapscheduler._scheduling.ports import Scheduler
from rapscheduler.events import EVENT_JOB_MODIFIED, EVENT_JOB_REMOVED, JobEvent
from rapscheduler.job import EXTRAS, QUIET_CHECKS, Job, new_job_id
from rapscheduler.util import INFO

_HOOKS = (
    "_lookup_job",
    "_lookup_jobstore",
    "_dispatch_event",
    "_wants",
    "modify_job",
    "remove_job",
    "_real_add_job",
    "_create_trigger",
    "_create_plugin_instance",
)


def open_desk(scheduler: Scheduler) -> Desk:
    """The desk of a scheduler."""
    return Desk(scheduler, scheduler._lifecycle, scheduler._jobstores, _judge, QUIET_CHECKS)


def _judge(scheduler: Scheduler) -> tuple[str, Any, Any, Any] | None:
    """The one store of a scheduler with its tables; None: it is no plain one in memory, or somebody hooks in."""
    if len(scheduler._jobstores) != 1 or scheduler._is_hooked(*_HOOKS):
        return None
    ((alias, store),) = scheduler._jobstores.items()
    tables = getattr(store, "_tables", None)
    found = None if tables is None else tables()
    return None if found is None else (alias, store, *found)


def teach(scheduler: Scheduler, func: Any, items: dict[str, Any], job: Any) -> None:
    """Let the desk add what is like this job, whose trigger was made of these items.

    Only functions of modules are learned: the desk keeps them alive, which a module does anyway. A zone by its name may
    have other rules the next time, and a trigger that fires every second is told of each time.
    """
    if type(func) is not FunctionType or func.__closure__ is not None or "timezone" in items:
        return
    facts, trigger = callable_facts(func), job.trigger
    if facts[1] is None or facts[4] != len(job.args) or type(trigger).__module__ != CRON:
        return
    if trigger.skips is None and EXTRAS.isdisjoint(items) and not items.keys() <= LIMITS:
        scheduler._desk.learn(_nothing_known, func, facts, facts[4], items, trigger)


def _nothing_known(scheduler: Any) -> KnownDrafts:
    return KnownDrafts(Job, scheduler, new_job_id)


def tell_modified(scheduler: Scheduler, job: Job) -> None:
    """Tell that a job in a store was changed."""
    scheduler._dispatch_event(JobEvent(EVENT_JOB_MODIFIED, job.id, job._jobstore_alias))


def tell_removed(scheduler: Scheduler, job_id: str, alias: str | None, found_in: str) -> None:
    """A job was taken out of its store (looked for at ``alias``): begin no more runs of its backlog, and tell it."""
    if scheduler._backlogs:
        scheduler._backlogs.cancel(job_id, alias)
    if scheduler._wants(EVENT_JOB_REMOVED):
        scheduler._dispatch_event(JobEvent(EVENT_JOB_REMOVED, job_id, found_in))
    if scheduler._logger.isEnabledFor(INFO):
        scheduler._logger.info("Removed job %s", one_line(job_id))
