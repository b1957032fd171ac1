"""The jobs of a scheduler as its user sees them: add, look up, list.

What lives here: the operations behind ``add_job`` … ``print_jobs``, for a scheduler that runs and for one that does
not yet (its jobs wait in ``_pending_jobs``, a list of ``(job, alias, replace_existing)``).
What must not: changes and removals (``changing``), when jobs run (``planning``, ``dueloop``), how they are kept
(``jobstores``).

Locks: jobs that wait for the start are kept under ``_jobstores_lock``. A store is called under the lock of its shelf,
because APScheduler promises its stores that calls do not overlap; the lock of ours does nothing. Listeners are called
without locks.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import groupby

from rapscheduler._engine.job_core import set_first_times
from rapscheduler._engine.job_drafts import complete_jobs, earliest_us, set_store_alias
from rapscheduler._hints import TYPE_CHECKING, Any
from rapscheduler._quoting import one_line, said
from rapscheduler._scheduling.dispatcher import RUN_EVENTS
from rapscheduler._scheduling.drafts import KEEP, Pending, Place, checked_defaults, draft_many
from rapscheduler._scheduling.lifecycle import STATE_RUNNING, STATE_STOPPED
from rapscheduler._scheduling.planning import first_run
from rapscheduler._scheduling.storing import replace_and_keep
from rapscheduler.errors import ConflictingIdError, JobLookupError
from rapscheduler.events import (
    EVENT_JOB_ADDED,
    EVENT_JOB_MODIFIED,
    EVENT_JOB_PARKED,
    EVENT_JOB_REMOVED,
    JobEvent,
)
from rapscheduler.job import Job
from rapscheduler.util import INFO

if TYPE_CHECKING:
    from rapscheduler._scheduling.ports import Scheduler
    from rapscheduler._scheduling.shelf import Shelf

LATER_EVENTS = RUN_EVENTS | EVENT_JOB_MODIFIED | EVENT_JOB_REMOVED | EVENT_JOB_PARKED  # they follow "added"


def shelf_of(scheduler: Scheduler, alias: str) -> Shelf:
    """The store with this alias, as the scheduler's class finds it. KeyError: there is none."""
    return scheduler._shelves.of(alias, scheduler._lookup_jobstore(alias))


def shelves_of(scheduler: Scheduler, alias: str | None) -> tuple[Shelf, ...]:
    """The store with this alias, if there is one, or (`None`) every store."""
    shelves = scheduler._shelves.all()
    return shelves if alias is None else tuple(shelf for shelf in shelves if shelf.alias == alias)


# Adding


def enter(scheduler: Scheduler, job: Job, alias: str, replace_existing: Any) -> None:
    """Schedule a new job, or let it wait for the start of the scheduler."""
    if scheduler._lifecycle.state == STATE_STOPPED and _postpone(scheduler, [(job, alias, replace_existing)]):
        scheduler._logger.info(
            "Adding job tentatively -- it will be properly scheduled when the scheduler starts"
        )
    else:
        scheduler._real_add_job(job, alias, replace_existing)


def _postpone(scheduler: Scheduler, drafts: list[Pending]) -> bool:
    """Let new jobs wait for the start; False when the scheduler has started in the meantime.

    A store that is there already says now what it will not be able to write.
    """
    for job, alias, _ in drafts:
        check = getattr(scheduler._jobstores.get(alias), "_check_storable", None)
        if check is not None:
            check(job)
    with scheduler._jobstores_lock:
        if scheduler._lifecycle.state != STATE_STOPPED:
            return False
        scheduler._pending_jobs.extend(drafts)
        return True


def complete(scheduler: Scheduler, job: Job) -> Collection[Job]:
    """Give a job the defaults for what nobody set, and its first run time; returned if it never runs."""
    if job._complete(*checked_defaults(scheduler._job_defaults)):
        return schedule_first(scheduler, (job,))
    return ()


def schedule_first(scheduler: Scheduler, jobs: Iterable[Job]) -> list[Job]:
    """Set when jobs run for the first time, all seen from one instant; returns those that never do: they are paused."""
    now_us = scheduler._clock.now_us()
    left: list[Any] = set_first_times(jobs, now_us)
    never: list[Any] = []
    for job in left:
        at_once = job._extras is not None and job._take_extra("start_immediately")
        times = (now_us, now_us, None) if at_once else first_run(job.trigger, now_us, scheduler.timezone)
        job._advance(*times)
        never += [job] if times[0] is None else []
    return never


def schedule(scheduler: Scheduler, job: Job, alias: str, replace_existing: Any) -> None:
    """Put a new job into its store, tell the listeners, and wake the loop when this job is next."""
    shelf = shelf_of(scheduler, alias)
    never = complete(scheduler, job)
    if job.executor not in scheduler._executors:
        from rapscheduler._scheduling.never import warn_of_executor

        warn_of_executor(scheduler, job)
    if scheduler._wants(EVENT_JOB_ADDED):
        with scheduler._dispatcher.announcing((job.id,), LATER_EVENTS):
            _insert(shelf, job, replace_existing)
            scheduler._dispatch_event(JobEvent(EVENT_JOB_ADDED, job.id, alias))
    else:
        _insert(shelf, job, replace_existing)
    if scheduler._logger.isEnabledFor(INFO):
        scheduler._logger.info('Added job "%s" to job store "%s"', one_line(job.name), alias)
    if never:
        from rapscheduler._scheduling.never import tell_never

        tell_never(scheduler, never)
    scheduler._wake_for(job.run_at_us)


def _insert(shelf: Shelf, job: Job, replace_existing: Any) -> None:
    before, job._jobstore_alias = job._jobstore_alias, shelf.alias  # first: the loop may take the job at once
    try:
        if not replace_existing and shelf.overlaps:
            shelf.store.add_job(job)
        else:
            with shelf.lock:
                _insert_or_replace(shelf, job, replace_existing)
    except BaseException:
        job._jobstore_alias = before
        raise


def _insert_or_replace(shelf: Shelf, job: Job, replace_existing: Any) -> None:
    try:
        shelf.store.add_job(job)
    except ConflictingIdError:
        if not replace_existing:
            raise
        if replace_existing == KEEP:
            replace_and_keep(shelf, job)
        else:
            shelf.store.update_job(job)


def add_many(
    scheduler: Scheduler, specs: Iterable[Mapping[str, Any]], shared: Mapping[str, Any]
) -> list[Job]:
    """Draft all the jobs, then store them with one call per job store; nothing is stored when a draft fails."""
    from rapscheduler._collector import collector_paused

    with collector_paused(len(specs) if isinstance(specs, (list, tuple)) else 0):  # no iterator of the user's
        jobs, places = draft_many(scheduler, specs, shared)
    enter_many(scheduler, jobs, places)
    return jobs


def enter_many(scheduler: Scheduler, jobs: list[Job], places: list[Place]) -> None:
    """Schedule new jobs, or let them wait for the start of the scheduler."""
    if scheduler._lifecycle.state == STATE_STOPPED and _postpone(
        scheduler, [(job, *place) for job, place in zip(jobs, places, strict=True)]
    ):
        scheduler._logger.info(
            "Adding %d jobs tentatively -- they will be properly scheduled when the scheduler starts",
            len(jobs),
        )
    else:
        schedule_many(scheduler, jobs, places)


def schedule_many(scheduler: Scheduler, jobs: Iterable[Job], places: Iterable[Place]) -> None:
    """Store many new jobs, one call per job store; jobs that may replace others go one by one, in their turn."""
    jobs, places = list(jobs), list(places)
    if places and not places[0][1] and places.count(places[0]) == len(places) == len(jobs):
        _schedule_at(scheduler, places[0][0], jobs)
        return
    for replacing, neighbours in groupby(zip(jobs, places, strict=True), key=_replaces):
        if replacing:
            for job, (alias, replace_existing) in neighbours:
                scheduler._real_add_job(job, alias, replace_existing)
        else:
            _schedule_new(scheduler, neighbours)


def _replaces(draft: tuple[Job, Place]) -> bool:
    return bool(draft[1][1])


def _schedule_new(scheduler: Scheduler, drafts: Iterable[tuple[Job, Place]]) -> None:
    """Store jobs that replace none."""
    groups: dict[str, list[Job] | None] = {}
    for job, (alias, _) in drafts:
        group = groups.get(alias)
        if group is None:
            group = groups[alias] = [] if _adds_in_groups(scheduler, alias) else None
        if group is None:
            scheduler._real_add_job(job, alias, False)
        else:
            group.append(job)
    for alias, jobs in groups.items():
        if jobs:
            _schedule_group(scheduler, alias, jobs)


def _adds_in_groups(scheduler: Scheduler, alias: str) -> bool:
    """Whether many jobs may go to a store in one call: not when somebody wants to see each."""
    shelf = shelf_of(scheduler, alias)
    return shelf.calls is shelf.store and not scheduler._is_hooked("_real_add_job")


def _schedule_at(scheduler: Scheduler, alias: str, jobs: list[Job]) -> None:
    """Store jobs that replace none, all in one store."""
    if _adds_in_groups(scheduler, alias):
        _schedule_group(scheduler, alias, jobs)
    else:
        for job in jobs:
            scheduler._real_add_job(job, alias, False)


def _schedule_group(scheduler: Scheduler, alias: str, jobs: list[Job]) -> None:
    shelf = shelf_of(scheduler, alias)
    never = schedule_first(scheduler, complete_jobs(jobs, *checked_defaults(scheduler._job_defaults)))
    if scheduler._wants(EVENT_JOB_ADDED):
        with scheduler._dispatcher.announcing([job.id for job in jobs], LATER_EVENTS):
            _insert_many(shelf, jobs)
            for job in jobs:
                scheduler._dispatch_event(JobEvent(EVENT_JOB_ADDED, job.id, alias))
    else:
        _insert_many(shelf, jobs)
    if scheduler._logger.isEnabledFor(INFO):
        for job in jobs:
            scheduler._logger.info('Added job "%s" to job store "%s"', one_line(job.name), alias)
    if never:
        from rapscheduler._scheduling.never import tell_never

        tell_never(scheduler, never)
    scheduler._wake_for(earliest_us(jobs))


def _insert_many(shelf: Shelf, jobs: list[Job]) -> None:
    set_store_alias(jobs, shelf.alias)  # first: the loop may take the jobs at once
    try:
        with shelf.lock:
            shelf.calls._add_jobs(jobs)
    except BaseException:
        set_store_alias(jobs, None)
        raise


def enter_pending(scheduler: Scheduler, begin: Callable[[], None]) -> None:
    """Schedule what waited for the start, and call ``begin``, with the locks held, when nothing waits any more.

    Jobs may be added meanwhile, and wait too. On an error (an id is taken) all of them wait as before: what was stored
    is taken back, so that the start can be repaired and made again.
    """
    entered: list[Pending] = []
    try:
        while True:
            with scheduler._lifecycle.lock, scheduler._jobstores_lock:
                pending = list(scheduler._pending_jobs)
                if not pending:
                    begin()
                    return
            schedule_many(
                scheduler, [job for job, _, _ in pending], [(alias, replace) for _, alias, replace in pending]
            )
            with scheduler._jobstores_lock:
                entered += pending
                done = {id(job) for job, _, _ in pending}
                waiting = scheduler._pending_jobs
                waiting[:] = [entry for entry in waiting if id(entry[0]) not in done]
    except BaseException:
        with scheduler._jobstores_lock:
            scheduler._pending_jobs[:0] = entered
            waiting = list(scheduler._pending_jobs)
        _take_back(scheduler, waiting)
        raise


def _take_back(scheduler: Scheduler, waiting: list[Pending]) -> None:
    """Remove jobs from their stores that wait again; one that replaced another stays, and does so again."""
    for job, alias, replace_existing in waiting:
        if job._jobstore_alias is None:
            continue
        job._jobstore_alias = None
        if replace_existing:
            continue
        try:
            shelf = shelf_of(scheduler, alias)
            with shelf.lock:
                shelf.store.remove_job(job.id)
        except Exception as exc:
            scheduler._logger.error(
                'Job "%s" can\'t be taken back from job store "%s" after a failed start: %s',
                one_line(job.id),
                alias,
                said(exc),
            )
        else:
            scheduler._dispatch_event(JobEvent(EVENT_JOB_REMOVED, job.id, alias))


# Looking up


def find(scheduler: Scheduler, job_id: str, alias: str | None) -> tuple[Job, str | None]:
    """A job and the alias of its store (``None``: it is pending). JobLookupError: there is none."""
    if scheduler._lifecycle.state == STATE_STOPPED:
        for job, pending_alias, _ in list(scheduler._pending_jobs):
            if job.id == job_id and alias in (None, pending_alias):
                return job, None
    else:
        found: Job | None
        for shelf in scheduler._shelves.all():
            if alias is None or alias == shelf.alias:
                if shelf.overlaps:
                    found = shelf.store.lookup_job(job_id)
                else:
                    with shelf.lock:
                        found = shelf.store.lookup_job(job_id)
                if found is not None:
                    return found, shelf.alias
    raise JobLookupError(job_id)


def pending_place(scheduler: Scheduler, job: Job) -> str | None:
    """The alias of the store that a pending job is for."""
    return next((alias for pending, alias, _ in list(scheduler._pending_jobs) if pending is job), None)


# Listing


def list_jobs(scheduler: Scheduler, alias: str | None) -> list[Job]:
    """The jobs of one store or of all, in each by next run time with paused ones last."""
    if scheduler._lifecycle.state == STATE_STOPPED:
        return [
            job for job, pending_alias, _ in list(scheduler._pending_jobs) if alias in (None, pending_alias)
        ]
    jobs: list[Job] = []
    for shelf in shelves_of(scheduler, alias):
        with shelf.lock:
            jobs.extend(shelf.store.get_all_jobs())
    if alias is not None and alias not in scheduler._jobstores:
        from rapscheduler._advice import nearest

        known = nearest(alias, scheduler._jobstores) or f"; there are: {', '.join(scheduler._jobstores)}"
        scheduler._logger.warning("There is no job store %r to list jobs of%s", alias, known)
    return jobs


def print_jobs(scheduler: Scheduler, alias: str | None, out: Any) -> None:
    """Write a list of jobs, store by store, as text."""
    out = out or sys.stdout
    if not hasattr(out, "write"):
        raise TypeError(
            f"out={out!r} can't be written to; give a file opened for text, or nothing for standard output"
        )
    if scheduler._lifecycle.state == STATE_STOPPED:
        print("Pending jobs:", file=out)
        _print_lines(list_jobs(scheduler, alias), "No pending jobs", out)
        return
    for store_alias in sorted(scheduler._jobstores):
        if alias in (None, store_alias):
            print(f"Jobstore {store_alias}:", file=out)
            _print_lines(list_jobs(scheduler, store_alias), "No scheduled jobs", out)


def _print_lines(jobs: list[Job], none: str, out: Any) -> None:
    for line in [f"{job} [id: {job.id}]" for job in jobs] or [none]:
        print(f"    {line}", file=out)


# Parked jobs


def parked(scheduler: Scheduler, alias: str | None) -> list[Any]:
    """What was set aside, in one store or in all."""
    found: list[Any] = []
    for shelf in shelves_of(scheduler, alias):
        with shelf.lock:
            found.extend(shelf.calls._get_parked())
    return found


def resume_parked(scheduler: Scheduler, job_id: str | None, alias: str | None) -> list[str]:
    """Try parked jobs again: one, or all; returns their ids. JobLookupError: ``job_id`` is not parked."""
    wanted_ids = None if job_id is None else [job_id]
    resumed: list[str] = []
    for shelf in shelves_of(scheduler, alias):
        with shelf.lock:
            resumed.extend(shelf.calls._unpark(wanted_ids))
    if job_id is not None and not resumed:
        raise JobLookupError(job_id)
    if resumed and scheduler._lifecycle.state == STATE_RUNNING:
        scheduler.wakeup()
    return resumed
