"""The same change of many jobs: paused, resumed, modified or removed in few writes.

Here: which jobs are changed together, and the rounds of a batch. Not here: which jobs are meant (`asking`), the change
of one job (`changing`, `catalogue`), a store's statements.

A store that says how many jobs it changes at once (`_bulk`) is asked for them together, and writes them together:
looked up, changed here, written if each still is due when it was read; those that had run meanwhile go another round.
Any other store, and a scheduler on which somebody overrides the change of one job, has them one by one. A batch of
which one job can't be changed so is not written; what was written is told, also when a later round or batch fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rapscheduler._scheduling import catalogue, changing
from rapscheduler._scheduling.counter import tell_removed
from rapscheduler._scheduling.drafts import check_reference
from rapscheduler._scheduling.lifecycle import STATE_STOPPED
from rapscheduler._scheduling.shelf import Shelf
from rapscheduler._scheduling.storing import CHANGE_ROUNDS, lost_too_often
from rapscheduler.errors import JobLookupError
from rapscheduler.job import Job

_HOOKS = ("_lookup_job", "_lookup_jobstore", "modify_job", "remove_job", "pause_job", "resume_job")


def change(
    scheduler: Any, method: str, ids: Sequence[str], alias: str | None, changes: Mapping[str, Any]
) -> list[str]:
    """Do what a method of the scheduler does to each of the jobs; the ids of those that were there, in order."""
    left = list(dict.fromkeys(ids))
    # An iterator can't be read for a second job.
    changes = {name: tuple(one) if isinstance(one, Iterator) else one for name, one in changes.items()}
    if scheduler._lifecycle.state == STATE_STOPPED or scheduler._is_hooked(*_HOOKS):
        return _one_by_one(scheduler, method, left, alias, changes)
    done: set[str] = set()
    for shelf in catalogue.shelves_of(scheduler, alias):
        at_once = getattr(shelf.calls, "_bulk", None)
        if at_once is None:
            done.update(_one_by_one(scheduler, method, left, shelf.alias, changes))
        else:
            for first in range(0, len(left), at_once):
                done.update(_batch(scheduler, method, shelf, left[first : first + at_once], changes))
        left = [job_id for job_id in left if job_id not in done]
    return [job_id for job_id in dict.fromkeys(ids) if job_id in done]


def _one_by_one(
    scheduler: Any, method: str, ids: Sequence[str], alias: str | None, changes: Mapping[str, Any]
) -> list[str]:
    call, done = getattr(scheduler, method), []
    for job_id in ids:
        try:
            call(job_id, alias, **changes)
        except JobLookupError:
            continue
        done.append(job_id)
    return done


def _batch(
    scheduler: Any, method: str, shelf: Shelf, ids: Sequence[str], changes: Mapping[str, Any]
) -> list[str]:
    if method == "remove_job":
        return _removed(scheduler, shelf, ids)
    if method == "resume_job":
        return _resumed(scheduler, shelf, ids)
    values: dict[str, Any] = {"next_run_time": None} if method == "pause_job" else dict(changes)
    changing.bring_rooms(scheduler, values)
    if isinstance(values.get("func"), str):
        check_reference(scheduler, shelf.alias, values["func"])

    def modify(job: Job) -> bool:
        job._take_over(values)
        return True

    return _rounds(shelf, ids, modify, lambda job: changing.tell_changed(scheduler, job, shelf.alias, values))


def _resumed(scheduler: Any, shelf: Shelf, ids: Sequence[str]) -> list[str]:
    over: list[str] = []

    def resume(job: Job) -> bool:
        times = changing.first_times(scheduler, job.trigger)
        if times[0] is None:
            over.append(job.id)
            return False
        job._advance(*times)
        return True

    done = _rounds(shelf, ids, resume, lambda job: changing.tell_modified(scheduler, job, shelf.alias))
    return done + _removed(scheduler, shelf, list(dict.fromkeys(over))) if over else done


def _rounds(
    shelf: Shelf, ids: Sequence[str], work: Callable[[Job], bool], tell: Callable[[Job], None]
) -> list[str]:
    """Look these jobs up, let `work` change them (False: leave this one out), and write them; the ids of those that
    were written. Each of them is told, also when a later round fails."""
    shelf.look()
    done: list[Job] = []
    try:
        with shelf.changing:
            for _ in range(CHANGE_ROUNDS):
                with shelf.lock:
                    jobs = {job.id: job for job in shelf.calls._lookup_jobs(ids)}
                found = [(jobs[job_id], jobs[job_id].run_at_us) for job_id in ids if job_id in jobs]
                pairs = [(job, due_us) for job, due_us in found if work(job)]
                if not pairs:
                    break
                with shelf.lock:
                    written = shelf.calls._update_jobs_if(pairs)
                done += [job for (job, _), answer in zip(pairs, written, strict=True) if answer]
                ids = [job.id for (job, _), answer in zip(pairs, written, strict=True) if answer is False]
                if not ids:
                    break
            else:
                raise lost_too_often(ids[0])
    finally:
        for job in done:
            tell(job)
    return [job.id for job in done]


def _removed(scheduler: Any, shelf: Shelf, ids: Sequence[str]) -> list[str]:
    with shelf.changing, shelf.lock:
        missing = set(shelf.calls._remove_jobs(ids))
    done = [job_id for job_id in ids if job_id not in missing]
    for job_id in missing:  # also of a job that is gone because its schedule is over
        scheduler._backlogs.cancel(job_id, shelf.alias)
    for job_id in done:
        tell_removed(scheduler, job_id, shelf.alias, shelf.alias)
    tracker = scheduler._watched.tracker
    if tracker is not None:
        from rapscheduler._scheduling.retrying import remove

        for job_id in done:
            remove(tracker, job_id, shelf.alias)
    return done
