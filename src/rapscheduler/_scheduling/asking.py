"""Questions to all jobs, changes of many jobs, and a declared set of jobs.

What lives here: the work behind `get_jobs` with filters, `count_jobs`, `pause_jobs` and kin, `sync_jobs`, `..._async`.
What must not: how a store finds them (`jobstores`), changes of one job (`changing`), many in one
write (`bulk`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from rapscheduler._scheduling.catalogue import shelves_of
from rapscheduler._scheduling.lifecycle import STATE_STOPPED
from rapscheduler.errors import ConflictingIdError
from rapscheduler.jobstores._question import Question, question


class Synced(NamedTuple):
    """What `sync_jobs` did, as ids."""

    added: list[str]
    changed: list[str]
    kept: list[str]
    removed: list[str]


def find(scheduler: Any, alias: str | None, filters: dict[str, Any]) -> list[Any]:
    """The jobs that a question is for, in the order of their ids."""
    return _found(scheduler, alias, question(**filters))


def _found(scheduler: Any, alias: str | None, asked: Question) -> list[Any]:
    if scheduler._lifecycle.state == STATE_STOPPED:
        return asked.answer(_pending(scheduler, alias))
    shelves = shelves_of(scheduler, alias)
    jobs: list[Any] = []
    for shelf in shelves:
        with shelf.lock:
            jobs += shelf.calls._find_jobs(asked)
    return jobs if len(shelves) < 2 else asked._replace(state=None).answer(jobs)


def first(scheduler: Any, alias: str, limit: int) -> list[Any]:
    """The jobs of a store that are due next, at most so many; those that are paused come last."""
    if scheduler._lifecycle.state == STATE_STOPPED:
        return sorted(_pending(scheduler, alias), key=_order)[:limit]
    jobs: list[Any] = []
    for shelf in shelves_of(scheduler, alias):
        with shelf.lock:
            jobs += shelf.calls._first(limit)
    return jobs


def count(scheduler: Any, alias: str | None, filters: dict[str, Any]) -> int:
    """How many there are."""
    asked = question(**filters)._replace(limit=None)
    if scheduler._lifecycle.state == STATE_STOPPED:
        return len(asked.answer(_pending(scheduler, alias)))
    number = 0
    for shelf in shelves_of(scheduler, alias):
        with shelf.lock:
            number += shelf.calls._count_jobs(asked)
    return number


def _pending(scheduler: Any, alias: str | None) -> list[Any]:
    return [job for job, place, _ in list(scheduler._pending_jobs) if alias in (None, place)]


def _order(job: Any) -> tuple[bool, bool, int]:
    """By run time, then jobs whose first one is not known before the start, then paused ones."""
    is_paused = getattr(job, "next_run_time", job) is None
    return is_paused, job.run_at_us is None, job.run_at_us or 0


def each(
    scheduler: Any,
    method: str,
    ids: Iterable[str] | None,
    alias: str | None,
    filters: dict[str, Any],
    changes: Mapping[str, Any] | None = None,
) -> list[str]:
    """Do what a method of the scheduler does to each of the jobs; the ids of those that were there."""
    if isinstance(ids, str):
        raise TypeError(f"ids={ids!r} is one id; give a list of them, or use {method}()")
    if changes is not None and not isinstance(changes, Mapping):
        raise TypeError(
            f"changes={changes!r} is no mapping; give names and values, such as {{'max_instances': 2}}"
        )
    if ids is None:
        asked = question(**filters)  # once: tags may come from an iterator
        if asked == Question():
            raise ValueError(
                f"{method}s() of every job? Give ids or a filter, such as prefix='' for all of them"
            )
        ids = [job.id for job in _found(scheduler, alias, asked)]
    elif filters:
        raise TypeError("give ids or filters, not both")
    elif not isinstance(ids, Iterable):
        raise TypeError(
            f"ids={ids!r} are no ids of jobs; give a list of texts, such as {method}s(['a', 'b'])"
        )
    from rapscheduler._scheduling import bulk

    return bulk.change(scheduler, method, list(ids), alias, changes or {})


_COMPARED = (
    "func_ref", "args", "kwargs", "name", "trigger", "executor", "misfire_grace_time", "coalesce", "max_instances",
    "_extras",
)  # fmt: skip


def sync(scheduler: Any, specs: Iterable[Mapping[str, Any]], owner: str, alias: str) -> Synced:
    """See `BaseScheduler.sync_jobs`."""
    from rapscheduler._scheduling.catalogue import enter
    from rapscheduler._scheduling.drafts import draft_many

    if not owner or type(owner) is not str:
        raise TypeError(f"owner={owner!r} must be a nonempty text")
    given = [dict(spec) for spec in specs]
    ids = [spec.get("id") for spec in given]
    if None in ids or len(set(ids)) < len(ids):
        raise ValueError(
            "each spec of sync_jobs() needs an id of its own, by which the job is known next time"
        )
    jobs, _ = draft_many(scheduler, given, {"owner": owner, "jobstore": alias, "replace_existing": True})
    before = {job.id: job for job in find(scheduler, alias, {"owner": owner})}
    for job in jobs:
        if job.id not in before and scheduler.get_job(job.id, alias) is not None:
            raise ConflictingIdError(job.id)
    synced = Synced([], [], [], [])
    for job in jobs:
        old = before.pop(job.id, None)
        if old is None:
            enter(scheduler, job, alias, False)
            synced.added.append(job.id)
            continue
        changes = _changes(scheduler, old, job)
        if not changes:
            synced.kept.append(job.id)
            continue
        trigger = changes.pop("trigger", None)
        if changes:
            scheduler.modify_job(job.id, alias, **changes)
        if trigger is not None:
            scheduler.reschedule_job(job.id, alias, trigger)
        synced.changed.append(job.id)
    for job_id in before:
        scheduler.remove_job(job_id, alias)
        synced.removed.append(job_id)
    return synced


def _changes(scheduler: Any, old: Any, new: Any) -> dict[str, Any]:
    """What must be modified to make one job the other."""
    from rapscheduler._extras import EXTRAS
    from rapscheduler._scheduling.drafts import checked_defaults

    new._complete(*checked_defaults(scheduler._job_defaults))
    changes: dict[str, Any] = {}
    for name in _COMPARED:
        mine, theirs = getattr(old, name, None), getattr(new, name, None)
        if mine == theirs:
            continue
        if name == "_extras":
            changes |= {
                extra: getattr(new, extra) for extra in EXTRAS if getattr(old, extra) != getattr(new, extra)
            }
        elif name == "func_ref":
            changes |= {"func": new.func, "args": new.args, "kwargs": new.kwargs}
        else:
            changes[name] = theirs
    return changes


async def awaited(
    scheduler: Any, call: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Any:
    """A call that may have to wait for a store: here, when all stores answer at once, else in a thread."""
    if scheduler._lifecycle.state == STATE_STOPPED or all(
        getattr(shelf.store, "answers_at_once", False) for shelf in scheduler._shelves.all()
    ):
        return call(*args, **kwargs)
    import asyncio

    return await asyncio.to_thread(call, *args, **kwargs)
