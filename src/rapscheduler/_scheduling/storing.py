"""How the scheduler calls a job store: under which lock, and how a job is written back only if it still is as it was.

What lives here: `guard`, `update_if`, the rounds of a change that came too late. What must not: what is changed.

The loop takes no lock of the user's calls, so between looking a job up and writing it back the loop, or a scheduler in
another process, may have run the job and moved it on. Writing the old time back would run it twice. So every such write
says at which time the job was found, and is done again when that is no longer true.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from rapscheduler.jobstores.base import BaseJobStore

if TYPE_CHECKING:
    from rapscheduler._scheduling.loopstate import StoreState
    from rapscheduler.job import Job
    from rapscheduler.jobstores.base import Times
    from rapscheduler.schedulers.base import BaseScheduler

CHANGE_ROUNDS = 20  # of looking a job up and writing it back while it runs on
_NO_LOCK: AbstractContextManager[None] = nullcontext()


class _OwnStores(dict[type, bool]):
    """Whether stores of a class are of our making, so that they may be called from several threads at once."""

    def __missing__(self, cls: type) -> bool:
        own = self[cls] = cls.__module__.startswith("rapscheduler.jobstores.")
        return own


own_stores = _OwnStores()


def guard(scheduler: BaseScheduler, store: Any) -> AbstractContextManager[Any]:
    """The lock under which a store is called: none for ours, one of its own for any other."""
    if own_stores[type(store)]:
        return _NO_LOCK
    locks = scheduler._store_locks
    key = id(store)
    if key not in locks:
        locks.setdefault(key, scheduler._create_lock())
    lock: AbstractContextManager[Any] = locks[key]
    return lock


def update_if(store: Any, job: Job, due_us: int | None, times: Times | None = None) -> bool:
    """Write a job back, its `times` set first, if the stored one still is due then. Call it under `guard`."""
    update = getattr(store, "_update_if", None)
    if update is None:  # a store that is not of our family
        return BaseJobStore._update_if(store, job, due_us, times)
    written: bool = update(job, due_us, times)
    return written


def gone_from(scheduler: BaseScheduler, state: StoreState, job_ids: list[str]) -> list[str]:
    """Which of the jobs that a pass wanted to remove are gone; of a store that can't tell now, none is known to be."""
    written = [job_id for job_id in job_ids if job_id not in state.unsettled]
    if not written:
        return written
    try:
        with guard(scheduler, state.store):
            kept = state.calls._still_there(written)
    except Exception as exc:
        scheduler._logger.warning("Error looking for removed jobs in job store %r: %s", state.alias, exc)
        return []
    return [job_id for job_id in written if job_id not in kept] if kept else written


def lost_too_often(job_id: str) -> Exception:
    """The error of a change that came too late in every round."""
    return RuntimeError(
        f'Job "{job_id}" could not be changed: each of {CHANGE_ROUNDS} times it had run and moved on before the change '
        "was written. It runs more often than its job store can be written; pause the scheduler, then change it"
    )


def replace_and_keep(store: Any, job: Job) -> None:
    """Replace a job by a new one that runs when it would have run; again when it has run meanwhile."""
    for _ in range(CHANGE_ROUNDS):
        old = store.lookup_job(job.id)
        if old is None:  # it can't be read, so there is no time to keep
            store.update_job(job)
            return
        due_us = (
            old.run_at_us
        )  # first: a store in memory gives the job itself, which may move on at any moment
        _keep_time(job, old)
        if update_if(store, job, due_us):
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
