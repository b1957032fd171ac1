"""Adding, looking up and changing jobs in memory in one step, where nobody hooks in.

Here: the steps of `add_job`, `get_job`, `modify_job` and the like when a scheduler has one store, which is in memory,
and neither is overridden. Not here: what counts as hooking in (`judge` says it), events, the long way.
Each step is one for other threads too. What is not for the desk it answers with `ELSEWHERE`, and has done nothing then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from os import getpid
from typing import Any

from rapscheduler._reference._instants import NEVER_US
from rapscheduler._reference.due_index import UNSET, DueIndex
from rapscheduler._reference.job_core import hide_from_collector, is_native, set_first_times
from rapscheduler._reference.job_table import delete_job, insert_job


class _Elsewhere:
    """What a desk answers when the long way has to be taken."""

    def __repr__(self) -> str:
        return "ELSEWHERE"


ELSEWHERE: Any = _Elsewhere()
Found = tuple[str, Any, dict[str, Any], DueIndex[Any]]


class Desk:
    """The quick way to the jobs of a scheduler.

    :param scheduler: whoever adds a job by it has its `_executors`, `_job_defaults`, `timezone`, `_trigger_classes`
    :param lifecycle: its `state` is 0 while the scheduler is stopped, `home_pid` the process in which it was made
    :param stores: its table of stores, alias -> store; one that has an index of ids (`_ids`, an attribute of its own
        only then) is told which job was added or paused (`_note`)
    :param judge: called with the scheduler: `(alias, store, its jobs by id, its index)`, or None: there is no quick way
        (asked again when an attribute was put on the scheduler or the store, a class changed, or a store came)
    :param checks: values that have nothing to do with a job's times or call: name -> what checks one
    """

    learns = False  # whether `add_like` is worth asking

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

    def _tables_here(self, job_id: Any, alias: str | None) -> Found | None:
        """The same, if this is the scheduler's process: a fork has to be noticed before anything changes."""
        return self._tables(job_id, alias) if getpid() == self._lifecycle.home_pid else None

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
        found = self._tables_here(job_id, alias)
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
        found = self._tables_here(job_id, alias)
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
        found = self._tables_here(job_id, alias)
        job = None if found is None else found[2].get(job_id)
        if found is None or job is None:
            return ELSEWHERE
        return self._moved(found, job_id, job.trigger, now_us)

    def reschedule(self, job_id: Any, alias: str | None, trigger: Any, now_us: int) -> Any:
        """Give a job another trigger, and its next time; returns the job.

        A trigger that leaves something out may have to learn the job's id first: it is not for the desk.
        """
        found = self._tables_here(job_id, alias)
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
        found = self._tables_here(job_id, alias)
        if found is None or delete_job(job_id, found[2], found[3]) is None:
            return ELSEWHERE
        return found[0]

    def add(self, job: Any, alias: str, now_us: int) -> Any:
        """Put a new job into the store, with what nobody set and its first time; returns the job.

        Whoever made the job has looked for a fork before.
        Elsewhere: a time that was given, options or a trigger by which the first time is found otherwise, an executor
        that is not there, defaults that are not plain, an id that is taken.
        """
        found = self._tables(job.id, alias)
        if found is None or type(alias) is not str or job._run_us != UNSET:
            return ELSEWHERE
        if type(job.executor) is not str or job.executor not in self._scheduler._executors:
            return ELSEWHERE
        defaults = _plain_defaults(self._scheduler._job_defaults)
        if defaults is None or set_first_times([job], now_us):
            return ELSEWHERE
        job._complete(*defaults)
        job._jobstore_alias = found[0]
        if not insert_job(job, found[2], found[3]):
            job._run_us, job._nominal_us, job._jobstore_alias = UNSET, NEVER_US, None
            return ELSEWHERE
        if found[1]._ids is not None:
            found[1]._note((job,))
        return job

    def add_like(
        self,
        func: Any,
        args: Any,
        job_id: Any,
        name: Any,
        items: dict[str, Any],
        alias: str,
        now_us: int,
    ) -> Any:
        """Add a job like one that was learned: of the same function, so many arguments, and items of its trigger.

        This twin leaves all of them to the long way.
        """
        return ELSEWHERE

    def learn(
        self,
        make: Callable[[Any], Any],
        func: Any,
        facts: tuple[Any, ...],
        arg_count: int,
        items: dict[str, Any],
        trigger: Any,
    ) -> None:
        """Remember of what a job was made, for `add_like`. `make(scheduler)` gives a `KnownDrafts`; `facts` begin with
        the callable, its reference and its name.

        All is forgotten when the scheduler's zone or the class of cron triggers has changed, and when a function more
        than 64 comes. They are kept alive until then, so they must be functions of modules. Where most jobs are unlike,
        it `learns` no more.
        """


def _plain_defaults(defaults: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """The options that nobody set, for `JobCore._complete`; None: they have to be looked at first."""
    grace, coalesce, most = map(
        defaults.get, ("misfire_grace_time", "coalesce", "max_instances"), (..., ..., ...)
    )
    if not (grace is None or (type(grace) is int and grace > 0)) or type(coalesce) is not bool:
        return None
    return (grace, coalesce, most) if type(most) is int and most > 0 else None
