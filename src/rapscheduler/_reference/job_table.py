"""Jobs in memory: a dict (id -> job) and a due index that change together.

Here: the steps that change both. Not here: what a step is for (the memory store, the loop).
Each function is one step for other threads (the index's lock is held): a job that the loop removes while somebody else
updates it must not stay in the index.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rapscheduler._reference.due_index import DueIndex
from rapscheduler._reference.job_core import JobCore, hide_from_collector, show_to_collector
from rapscheduler._reference.planning import Change


class JobTable(dict[str, Any]):
    """Jobs by id, and nothing else. The compiled twin's tells the collector only of those that it tracks."""


def _plain_id(job_id: Any) -> Any:
    """An id as the text that it is: a subclass of str may do anything when it is compared."""
    return str.__str__(job_id) if isinstance(job_id, str) and type(job_id) is not str else job_id


def _key_of(job_id: Any) -> str:
    """The key of a job in the dict."""
    if not isinstance(job_id, str):
        raise TypeError(f"the id of a job must be a str, not {type(job_id).__name__}")
    return str(_plain_id(job_id))


def find_job(job_id: str, jobs: dict[str, Any], index: DueIndex[Any]) -> Any:
    """The job with this id, or None."""
    return jobs.get(_plain_id(job_id))


def insert_job(job: JobCore, jobs: dict[str, Any], index: DueIndex[Any]) -> bool:
    """Put a job in; False when its id is taken."""
    with index._lock:
        job_id = _key_of(job.id)
        if job_id in jobs:
            return False
        if job._key is not None:
            raise ValueError(f"job {job.id} is in a store already")
        jobs[job_id] = job
        _place(job, index)
        hide_from_collector(job)
        return True


def insert_jobs(new: list[JobCore], jobs: dict[str, Any], index: DueIndex[Any]) -> str | None:
    """Put many jobs in, all or none; the id that is taken, or None."""
    count = 0
    with index._lock:
        try:
            for job in new:
                if not insert_job(job, jobs, index):
                    break
                count += 1
        except BaseException:
            _take_out(new[:count], jobs, index)
            raise
        if count == len(new):
            return None
        _take_out(new[:count], jobs, index)
        return new[count].id


def _take_out(new: list[JobCore], jobs: dict[str, Any], index: DueIndex[Any]) -> None:
    for job in new:
        delete_job(job.id, jobs, index)


def replace_job(job: JobCore, jobs: dict[str, Any], index: DueIndex[Any]) -> Any:
    """Put a job in the place of the one with its id, and by its run time; the job that was there, or None: no such."""
    with index._lock:
        job_id = _key_of(job.id)
        old = jobs.get(job_id)
        if old is None:
            return None
        if old is not job:
            jobs[job_id] = job
            index.discard(old)
            show_to_collector(old)
        _place(job, index)
        hide_from_collector(job)
        return old


def exchange_job(
    job: JobCore,
    expected_us: int | None,
    times: tuple[int | None, int | None, Any] | None,
    jobs: dict[str, Any],
    index: DueIndex[Any],
) -> bool | None:
    """`replace_job`, if the job that is there is due at `expected_us` (None: paused); `times` are set on the new one.

    False: it is due at another time; None: there is no such job. A job may be exchanged for itself: when no times are
    to be set, it then stays where its present time puts it, whatever was expected.
    """
    with index._lock:
        old = jobs.get(_key_of(job.id))
        if old is None:
            return None
        if (old is not job or times is not None) and old.run_at_us != expected_us:
            return False
        if times is not None:
            job._advance(*times)
        replace_job(job, jobs, index)
        return True


def delete_job(job_id: str, jobs: dict[str, Any], index: DueIndex[Any]) -> Any:
    """Take a job out; the job, or None: no such."""
    with index._lock:
        job = jobs.pop(_plain_id(job_id), None)
        if job is not None:
            index.discard(job)
            show_to_collector(job)
        return job


def clear_table(jobs: dict[str, Any], index: DueIndex[Any]) -> list[Any]:
    """Take all jobs out; what was there. Whoever adds one meanwhile finds it in both or has to find it in neither."""
    with index._lock:
        taken = list(jobs.values())
        jobs.clear()
        index.clear()
        for job in taken:
            show_to_collector(job)
        return taken


def _place(job: JobCore, index: DueIndex[Any]) -> None:
    """Put a job where its run time belongs; one that is there keeps its turn among those of the same time."""
    if job.run_at_us is None:
        index.discard(job)
    elif job not in index or job._key is None or job._key[0] != job.run_at_us:
        index.update(job, job.run_at_us)


def settle_changes(changes: Iterable[Change], jobs: dict[str, Any], index: DueIndex[Any]) -> list[Change]:
    """Apply changes to jobs in memory (`jobs`: id -> job, `index`: their due index); parking is left to the caller.

    A change is dropped when the job is gone or is due at another time. A job that was replaced by one due at the same
    time moves on with it (its run is under way), but is not removed or parked.
    Returns the changes that park a job.
    """
    with index._lock:
        return [change for change in changes if _settled(change, jobs, index)]


def _settled(change: Change, jobs: dict[str, Any], index: DueIndex[Any]) -> bool:
    """Apply one change; whether it parks its job."""
    job = jobs.get(_key_of(change.job.id))
    if job is None or job.run_at_us != change.expected_us:
        return False
    if job is not change.job and (change.remove or change.park is not None):
        return False
    if change.park is not None:
        index.discard(job)
        return True
    if change.remove:
        index.discard(job)
        del jobs[_key_of(job.id)]
        show_to_collector(job)
        return False
    job._advance(change.run_at_us, change.nominal_us, change.run_time)
    if change.run_at_us is None:
        index.discard(job)
    else:
        index.update(job, change.run_at_us)
    return False


def restore_taken(
    taken: Iterable[JobCore], jobs: dict[str, Any], parked: dict[str, Any], index: DueIndex[Any]
) -> None:
    """Put jobs that were taken out of the index and not settled back, unless they are gone, paused or parked."""
    with index._lock:
        for job in taken:
            if (
                job in index
                or jobs.get(_key_of(job.id)) is not job
                or _key_of(job.id) in parked
                or job.run_at_us is None
            ):
                continue
            index.push(job, job.run_at_us)


def list_jobs(jobs: dict[str, Any]) -> list[Any]:
    """All jobs by run time and id, paused ones last."""
    listed = list(jobs.values())  # in one step: others may add meanwhile
    for job in listed:
        if not isinstance(job, JobCore):
            raise TypeError(f"a store in memory holds jobs, not {job!r}")
    listed.sort(key=_run_order)
    return listed


def _run_order(job: JobCore) -> tuple[bool, int, str]:
    run_at_us = job.run_at_us
    return run_at_us is None, run_at_us or 0, _key_of(job.id)
