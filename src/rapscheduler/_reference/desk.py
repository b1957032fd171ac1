"""Looking up and changing jobs in memory in one step, where nobody hooks in.

Here: the steps of `get_job`, `modify_job` and the like when a scheduler has one store, which is in memory, and neither
is overridden. Not here: what counts as hooking in (`judge` says it), events, the long way.
Each step is one for other threads too. What is not for the desk it answers with `ELSEWHERE`, and has done nothing then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rapscheduler._reference.due_index import DueIndex
from rapscheduler._reference.job_core import hide_from_collector, is_native
from rapscheduler._reference.job_table import delete_job


class _Elsewhere:
    """What a desk answers when the long way has to be taken."""

    def __repr__(self) -> str:
        return "ELSEWHERE"


ELSEWHERE: Any = _Elsewhere()
Found = tuple[str, Any, dict[str, Any], DueIndex[Any]]


class Desk:
    """The quick way to the jobs of a scheduler.

    :param lifecycle: its `state` is 0 while the scheduler is stopped
    :param stores: its table of stores, alias -> store; one that has an index of ids (`_ids`, an attribute of its own
        only then) is told which job was paused (`_note`)
    :param judge: called with the scheduler: `(alias, store, its jobs by id, its index)`, or None: there is no quick way
        (asked again when an attribute was put on the scheduler or the store, a class changed, or a store came)
    :param checks: values that have nothing to do with a job's times or call: name -> what checks one
    """

    def __init__(
        self,
        scheduler: Any,
        lifecycle: Any,
        stores: dict[str, Any],
        judge: Callable[[Any], Found | None],
        checks: Mapping[str, Callable[[Any], Any]],
    ) -> None:
        self._scheduler = scheduler
        self._lifecycle = lifecycle
        self._stores = stores
        self._judge = judge
        self._checks = checks

    def _tables(self, job_id: Any, alias: str | None) -> Found | None:
        if type(job_id) is not str or not self._lifecycle.state:
            return None
        found = self._judge(self._scheduler)
        if found is None or found[1]._parked or alias not in (None, found[0]):
            return None
        return found

    def find(self, job_id: Any, alias: str | None = None) -> Any:
        """The job with this id, or None."""
        found = self._tables(job_id, alias)
        return ELSEWHERE if found is None else found[2].get(job_id)

    def earliest(self) -> Any:
        """When the first job is due, or None."""
        found = self._tables("", None)
        if found is None or found[1]._taken:
            return ELSEWHERE
        first = found[3].peek()
        return None if first is None else first[0]

    def modify(self, job_id: Any, alias: str | None, changes: dict[str, Any]) -> Any:
        """Set one value that has nothing to do with the job's times or call; returns the job."""
        found = self._tables(job_id, alias)
        if found is None or len(changes) != 1 or job_id not in found[2]:
            return ELSEWHERE
        ((name, value),) = changes.items()
        check = self._checks.get(name)
        if check is None:
            return ELSEWHERE
        value = check(value)
        job = found[2].get(job_id)
        if job is None:
            return ELSEWHERE
        setattr(job, name, value)
        return job

    def pause(self, job_id: Any, alias: str | None) -> Any:
        """Take a job's run time away; returns the job."""
        found = self._tables(job_id, alias)
        if found is None:
            return ELSEWHERE
        with found[3]._lock:
            job = found[2].get(job_id)
            if job is None:
                return ELSEWHERE
            found[3].discard(job)
            job._advance(None, None)
        if found[1]._ids is not None:
            found[1]._note((job,))
        return job

    def resume(self, job_id: Any, alias: str | None, now_us: int) -> Any:
        """Give a job the next time of its trigger; returns the job."""
        found = self._tables(job_id, alias)
        job = None if found is None else found[2].get(job_id)
        if found is None or job is None:
            return ELSEWHERE
        return self._moved(found, job_id, job.trigger, now_us)

    def reschedule(self, job_id: Any, alias: str | None, trigger: Any, now_us: int) -> Any:
        """Give a job another trigger, and its next time; returns the job.

        A trigger that leaves something out may have to learn the job's id first: it is not for the desk.
        """
        found = self._tables(job_id, alias)
        if found is None or getattr(trigger, "skips", None) is not None:
            return ELSEWHERE
        return self._moved(found, job_id, trigger, now_us)

    def _moved(self, found: Found, job_id: str, trigger: Any, now_us: int) -> Any:
        if not is_native(trigger) or trigger.jitter_us:
            return ELSEWHERE
        fire_us = trigger.next_fire_us(None, now_us)
        with found[3]._lock:
            job = found[2].get(job_id)
            if job is None or fire_us is None:
                return ELSEWHERE
            if job.trigger is not trigger:
                job.trigger = trigger
                hide_from_collector(job)
            found[3].update(job, fire_us)
            job._advance(fire_us, fire_us)
        return job

    def remove(self, job_id: Any, alias: str | None) -> Any:
        """Take a job out of its store; returns the alias of that."""
        found = self._tables(job_id, alias)
        if found is None or delete_job(job_id, found[2], found[3]) is None:
            return ELSEWHERE
        return found[0]
