"""Jobs made of specs that are like known ones, and what is done with many drafts at once.

Here: which spec is like another one. Not here: what a spec may contain, the checks of what is new.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from rapscheduler._reference.cron import CronCore
from rapscheduler._reference.cron_text import alike
from rapscheduler._reference.job_core import JobCore, hide_from_collector

_MOST_ITEMS = 16
_MOST_ARGS = 64
_MOST_TRIGGERS = 65536
_OF_THE_CALL = frozenset(("func", "args", "id", "name", "kwargs"))


class KnownDrafts:
    """Makes jobs of specs (dicts of ``add_job``'s arguments) in which there is nothing that must be looked at.

    A spec is known when its callable is (by identity), its positional arguments are a tuple of a length which that
    callable was found to take, it has no keyword arguments, its id and name are texts if it has them, and a trigger
    was made of all its other items before. That trigger is made again; so only triggers of which the same items make
    the same one may be learned. Items of a trigger are remembered if they are `None`, int or str, which nothing else
    is equal to, and are not found in another order.

    :param func: the callable of specs that name none (`None`: such a spec is not known)
    :param args: the positional arguments of specs that have none
    :param trigger: the trigger of specs that say nothing about it (`None`: one is made for each)
    """

    def __init__(
        self,
        kind: Any,
        scheduler: Any,
        new_id: Callable[[], str],
        func: Any = None,
        args: Any = None,
        trigger: Any = None,
    ) -> None:
        if not (isinstance(kind, type) and issubclass(kind, JobCore)):
            raise TypeError(f"kind must be a class of JobCore, not {kind!r}")
        self._kind, self._scheduler, self._new_id = kind, scheduler, new_id
        self._func, self._args, self._trigger = func, args, trigger
        self._callees: dict[int, tuple[Any, tuple[Any, ...], set[int]]] = {}
        self._triggers: dict[tuple[Any, ...], Any] = {}

    def learn(
        self, spec: Any, given: Any, facts: tuple[Any, ...], arg_count: int, trigger: Any = None
    ) -> None:
        """Remember a callable, that it takes so many arguments, and the trigger that was made of a spec.

        :param facts: callable, reference, name, executor, and the last three arguments of `JobCore._fill`
        """
        _, _, fitting = self._callees.setdefault(id(given), (given, facts, set()))
        if 0 <= arg_count < _MOST_ARGS:
            fitting.add(arg_count)
        if trigger is None or type(spec) is not dict or len(self._triggers) >= _MOST_TRIGGERS:
            return
        if not isinstance(trigger, CronCore):
            raise TypeError(f"only cron triggers can be made again, not {type(trigger).__name__}")
        key = _trigger_key(spec)
        if key is not None:
            self._triggers[key] = alike(trigger)

    def draft_on(self, specs: Iterator[Any], jobs: list[Any], end: Any) -> Any:
        """Append jobs of the specs of an iterator until one is not known; that one, or `end` when there are no more."""
        for spec in specs:
            job = self._draft(spec) if type(spec) is dict else None
            if job is None:
                return spec
            jobs.append(job)
        return end

    def _draft(self, spec: dict[str, Any]) -> Any:
        """The job of a spec; None: it is not known."""
        given, facts, fitting = self._callees.get(id(spec.get("func", self._func)), (None, (), ()))
        args = spec.get("args", self._args)
        args = () if args is None else args
        if given is None or spec.get("kwargs") or type(args) is not tuple or len(args) not in fitting:
            return None
        job_id, name = spec.get("id"), spec.get("name")
        if type(job_id) not in (str, type(None)) or type(name) not in (str, type(None)) or name == "":
            return None
        trigger = self._trigger_of(spec)
        if trigger is None:
            return None
        func, func_ref, func_name, executor, *options = facts
        job: Any = self._kind.__new__(self._kind)
        job._fill(
            self._scheduler,
            job_id or self._new_id(),
            func,
            func_ref,
            func_name if name is None else name,
            args,
            None,
            trigger,
            executor,
            *options,
        )
        hide_from_collector(job)
        return job

    def _trigger_of(self, spec: dict[str, Any]) -> Any:
        key = _trigger_key(spec)
        if not key and key is not None and self._trigger is not None:
            return self._trigger
        known = None if key is None else self._triggers.get(key)
        return None if known is None else alike(known)


def _trigger_key(spec: dict[Any, Any]) -> tuple[Any, ...] | None:
    """What a spec says about its trigger; None: too much, or values that are not plain."""
    key: list[Any] = []
    for name, value in spec.items():
        if type(name) is not str:
            return None
        if name not in _OF_THE_CALL:
            if len(key) == 2 * _MOST_ITEMS or not (value is None or type(value) in (int, str)):
                return None
            key += (name, value)
    return tuple(key)


# Many drafts at once, on their way into a store


def complete_jobs(jobs: list[Any], grace: int | None, coalesce: bool, max_instances: int) -> list[Any]:
    """`JobCore._complete` of each; those that wait for their first run time."""
    return [job for job in jobs if job._complete(grace, coalesce, max_instances)]


def set_store_alias(jobs: list[Any], alias: str | None) -> None:
    """Tell jobs which store they are in; None: in none."""
    for job in jobs:
        job._jobstore_alias = alias


def earliest_us(jobs: list[Any]) -> int | None:
    """When the first of the jobs is due; None: no one is."""
    return min((job.run_at_us for job in jobs if job.run_at_us is not None), default=None)
