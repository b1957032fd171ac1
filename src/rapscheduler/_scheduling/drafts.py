"""New jobs from what ``add_job`` and ``add_jobs`` were given: checked, complete, not yet scheduled.

What lives here: the checks of arguments, what is known of a callable, the quick way for many jobs of one kind.
What must not: stores, listeners, run times.

``draft()`` is called for each of a million jobs: it looks at a plain function once, and gives the engine all values
of a job in one call. ``draft_many()`` works out what the jobs have in common once.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from types import CodeType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any

from rapscheduler._engine.job_core import hide_from_collector
from rapscheduler._engine.job_drafts import KnownDrafts
from rapscheduler.job import (
    Job,
    checked_executor,
    checked_grace,
    checked_max_instances,
    checked_name,
    new_job_id,
)
from rapscheduler.triggers.base import BaseTrigger
from rapscheduler.util import (
    check_callable_args,
    convert_to_datetime,
    get_callable_name,
    logger_name,
    obj_to_ref,
    ref_to_obj,
    undefined,
)

if TYPE_CHECKING:
    from rapscheduler.schedulers.base import BaseScheduler

Place = tuple[
    str, Any
]  # (alias of a job's store, replace_existing); one tuple for all jobs that go to the same place
Pending = tuple[Job, str, Any]  # a job with its place

KEEP = "keep"
_DRAFT_DEFAULTS: tuple[tuple[str, Any], ...] = (  # the arguments of draft() after the trigger, in its order
    ("args", None),
    ("kwargs", None),
    ("id", None),
    ("name", None),
    ("misfire_grace_time", undefined),
    ("coalesce", undefined),
    ("max_instances", undefined),
    ("next_run_time", undefined),
    ("executor", "default"),
)
_OPTIONS = frozenset(("jobstore", "replace_existing", *(name for name, _ in _DRAFT_DEFAULTS)))
_DEFAULT_PLACE: Place = ("default", False)
_NO_OPTIONS = [default for _, default in _DRAFT_DEFAULTS]


def draft(
    scheduler: BaseScheduler,
    func: Any,
    trigger: Any,
    args: Any,
    kwargs: Any,
    id: str | None,
    name: str | None,
    grace: Any,
    coalesce: Any,
    max_instances: Any,
    next_run_time: Any,
    executor: str,
) -> Job:
    """A new job from the arguments of ``add_job``; ``trigger`` is an instance. Errors: see ``add_job``."""
    args = () if args is None else _positional(args)
    kwargs = {} if kwargs is None else _named(kwargs)
    func, func_ref, func_name, code, arg_count = _callable_facts(func)
    if kwargs or code is None or len(args) != arg_count:
        check_callable_args(func, args, kwargs)
    job = Job.__new__(Job)
    job._fill(
        scheduler,
        _checked_id(id) if id else new_job_id(),
        func,
        func_ref,
        func_name if name is None else checked_name(name),
        args,
        kwargs,
        trigger,
        *_checked_options(executor, grace, coalesce, max_instances),
    )
    if next_run_time is not undefined:
        job.next_run_time = convert_to_datetime(next_run_time, scheduler.timezone, "next_run_time")
    return job


def _checked_id(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"id must be a nonempty string, got {value!r}")
    return value


def checked_defaults(defaults: Mapping[str, Any]) -> tuple[int | None, bool, int]:
    """The default misfire grace time, coalescing and maximum of instances."""
    return (
        checked_grace(defaults["misfire_grace_time"]),
        bool(defaults["coalesce"]),
        checked_max_instances(defaults["max_instances"]),
    )


def checked_replace(value: Any) -> Any:
    """``replace_existing`` is a truth value or the word ``"keep"``."""
    if isinstance(value, str) and value != KEEP:
        raise ValueError(f'replace_existing={value!r} is not understood: give True, False or "keep"')
    return value


def _positional(args: Any) -> tuple[Any, ...]:
    try:
        return tuple(args)
    except TypeError:
        raise TypeError(
            f"{type(args).__name__!r} object is not iterable: args={args!r} must hold the positional arguments, "
            f"e.g. args=({args!r},)"
        ) from None


def _named(kwargs: Any) -> dict[str, Any]:
    try:
        return dict(kwargs)
    except (TypeError, ValueError) as exc:
        raise type(exc)(
            f"{exc}: kwargs={kwargs!r} must map the names of keyword arguments to their values"
        ) from None


#: (callable, its reference or None, its name, code, how many positional arguments the code certainly takes or -1)
Facts = tuple[Any, str | None, str, CodeType | None, int]

#: functions of modules only, which live as long as their module
_known_functions: dict[FunctionType, Facts] = {}
KNOWN_FUNCTIONS = 4096
_GENERATES = 0x20 | 0x200  # inspect.CO_GENERATOR, CO_ASYNC_GENERATOR


def _callable_facts(func: Any) -> Facts:
    if type(func) is FunctionType:
        facts = _known_functions.get(func)
        if facts is not None and facts[3] is func.__code__ and facts[2] == func.__qualname__:
            return facts
    func_ref: str | None
    if isinstance(func, str):
        func_ref, func = func, ref_to_obj(func)
    elif callable(func):
        try:
            func_ref = obj_to_ref(func)
        except ValueError:
            func_ref = None  # such a job can't be written down, but it can run
    else:
        raise TypeError(f"func must be a callable or a textual reference to one, got {func!r}")
    if type(func) is not FunctionType:
        if type(func) is MethodType and type(func.__func__) is FunctionType:
            _warn_of_generator(func, func.__func__.__code__)
        return func, func_ref, get_callable_name(func), None, -1
    code = func.__code__
    _warn_of_generator(func, code)
    plain = not code.co_kwonlyargcount and "__signature__" not in func.__dict__
    facts = (func, func_ref, get_callable_name(func), code, code.co_argcount if plain else -1)
    if func_ref is not None and func.__closure__ is None:
        if len(_known_functions) >= KNOWN_FUNCTIONS:
            _known_functions.clear()
        _known_functions[func] = facts
    return facts


def _warn_of_generator(func: Any, code: CodeType) -> None:
    if code.co_flags & _GENERATES:
        logging.getLogger(logger_name("scheduler")).warning(
            "The job function %r is a generator function (it has a 'yield'): a call runs nothing of it, and will count "
            "as success. Give a function that goes through the generator",
            func,
        )


# Many at once


#: arguments that decide by themselves that a spec goes the long way
_PLACE = frozenset(("jobstore", "replace_existing"))
_CALL = frozenset(("args", "kwargs", "id", "name"))
_CHOICES = _OPTIONS - _PLACE - _CALL
_OWN = frozenset(("id", "name", "next_run_time"))


def draft_many(
    scheduler: BaseScheduler, specs: Iterable[Mapping[str, Any]], shared: Mapping[str, Any]
) -> tuple[list[Job], list[Place]]:
    """Drafts of many jobs, and the place of each: each spec is laid over ``shared``."""
    quick = _OWN.isdisjoint(shared)
    here = (shared.get("jobstore", "default"), checked_replace(shared.get("replace_existing", False)))
    common = {key: value for key, value in shared.items() if key not in _OPTIONS}
    known = _known_drafts(scheduler, shared, common) if quick else None
    kinds: dict[int, _Alike] = {}  # id of a callable, which its _Alike keeps alive
    jobs: list[Job] = []
    places: list[Place] = []
    unlike = 0
    specs = iter(specs)
    while True:
        spec: Any = next(specs, _END) if known is None else known.draft_on(specs, jobs, _END)
        places.extend([here] * (len(jobs) - len(places)))
        if spec is _END:
            break
        if not quick or type(spec) is not dict or not _PLACE.isdisjoint(spec):
            job, place = _draft_of(scheduler, spec, shared)
            jobs.append(job)
            places.append(place)
            continue
        fields = {**common, **spec}
        func = fields.pop("func", undefined)
        alike = kinds.get(id(func))
        if alike is None:
            if func is undefined:
                raise _no_func(spec)
            alike = kinds[id(func)] = _Alike(scheduler, func, shared)
        job = alike.draft(fields)
        jobs.append(job)
        places.append(here)
        if known is not None:
            alike.teach(known, spec, job)
            unlike += 1
            if unlike >= _ENOUGH and 2 * unlike > len(jobs):
                known = None  # asking costs more than it brings
    return jobs, places


_END: Any = object()
_ENOUGH = (
    2000  # specs unlike the earlier ones; when they are more than the others then, likeness isn't looked for
)


def _known_drafts(
    scheduler: BaseScheduler, shared: Mapping[str, Any], common: Mapping[str, Any]
) -> KnownDrafts | None:
    """What makes jobs of specs that are like earlier ones; None: the specs have too much in common for it."""
    if shared.get("kwargs") or not scheduler._makes_triggers:
        return None
    trigger = common.get("trigger")
    given = trigger if isinstance(trigger, BaseTrigger) else None
    return KnownDrafts(Job, scheduler, new_job_id, common.get("func"), shared.get("args"), given)


class _Alike:
    """Makes jobs that have the callable in common, and the options that their specs don't give; checked once."""

    def __init__(self, scheduler: BaseScheduler, func: Any, shared: Mapping[str, Any]) -> None:
        self._given = func
        self._shared_trigger = shared.get("trigger")
        self._args = shared.get("args")
        self._kwargs = shared.get("kwargs")
        self._func, self._func_ref, self._name, _, _ = _callable_facts(func)
        self._scheduler = scheduler
        self._create_trigger = scheduler._create_trigger
        self._given_options = [shared.get(name, default) for name, default in _OPTION_DEFAULTS]
        self._options = _checked_options(*self._given_options)
        self._facts = (self._func, self._func_ref, self._name, *self._options)
        self._fitting: set[int] = set()  # numbers of positional arguments that the callable takes alone

    def draft(self, fields: dict[str, Any]) -> Job:
        """A job from what its spec has beside the callable; the trigger's arguments are left over."""
        args, kwargs, job_id, name = self._args, self._kwargs, None, None
        take = fields.pop
        if not _CALL.isdisjoint(fields):
            args, kwargs = take("args", args), take("kwargs", kwargs)
            job_id, name = take("id", None), take("name", None)
        options, run_time = self._options, undefined
        if not _CHOICES.isdisjoint(fields):
            run_time = take("next_run_time", undefined)
            executor, grace, coalesce, max_instances = self._given_options
            options = _checked_options(
                take("executor", executor),
                take("misfire_grace_time", grace),
                take("coalesce", coalesce),
                take("max_instances", max_instances),
            )
        trigger = self._create_trigger(take("trigger", None), fields)
        args = () if args is None else _positional(args)
        if kwargs:
            kwargs = _named(kwargs)
            check_callable_args(self._func, args, kwargs)
        elif len(args) not in self._fitting:
            check_callable_args(self._func, args, {})
            self._fitting.add(len(args))
        job = Job.__new__(Job)
        job._fill(
            self._scheduler,
            _checked_id(job_id) if job_id else new_job_id(),
            self._func,
            self._func_ref,
            self._name if name is None else checked_name(name),
            args,
            kwargs,
            trigger,
            *options,
        )
        if run_time is not undefined:
            job.next_run_time = convert_to_datetime(run_time, self._scheduler.timezone, "next_run_time")
        hide_from_collector(job)  # it would look through a hundred thousand drafts again and again
        return job

    def teach(self, known: KnownDrafts, spec: dict[str, Any], job: Job) -> None:
        """Let the engine make what is like this job."""
        trigger = job.trigger
        again = (
            trigger is not self._shared_trigger
            and type(trigger).__module__ == _CRON
            and _CHOICES.isdisjoint(spec)
        )
        arg_count = len(job.args) if len(job.args) in self._fitting else -1
        known.learn(spec, self._given, self._facts, arg_count, trigger if again else None)


#: here is the one trigger whose arguments, when they are plain, make the same trigger whenever they are given
_CRON = "rapscheduler.triggers.cron"

#: executor, misfire grace time, coalesce, max instances, the last three as ``Job._fill`` takes them
Options = tuple[str, Any, Any, Any]


_OPTION_DEFAULTS = (
    ("executor", "default"),
    ("misfire_grace_time", undefined),
    ("coalesce", undefined),
    ("max_instances", undefined),
)


def _checked_options(executor: Any, grace: Any, coalesce: Any, max_instances: Any) -> Options:
    """The options of a job; ``...``: left to the scheduler's defaults."""
    return (
        executor if type(executor) is str else checked_executor(executor),
        ... if grace is undefined else checked_grace(grace),
        ... if coalesce is undefined else bool(coalesce),
        ... if max_instances is undefined else checked_max_instances(max_instances),
    )


def _no_func(spec: Any) -> TypeError:
    return TypeError(f'add_jobs(): "func" is missing in {spec!r}')


def _draft_of(
    scheduler: BaseScheduler, spec: Mapping[str, Any], shared: Mapping[str, Any]
) -> tuple[Job, Place]:
    """The draft of one spec."""
    if not isinstance(spec, Mapping):
        raise TypeError(
            f"add_jobs() takes mappings of add_job()'s arguments, got {type(spec).__name__} instead: {spec!r}"
        )
    merged = {**shared, **spec}
    take = merged.pop
    func = take("func", undefined)
    if func is undefined:
        raise _no_func(spec)
    trigger = take("trigger", None)
    place, options = _DEFAULT_PLACE, _NO_OPTIONS
    if not _OPTIONS.isdisjoint(merged):
        place = (take("jobstore", "default"), checked_replace(take("replace_existing", False)))
        options = [take(name, default) for name, default in _DRAFT_DEFAULTS]
    job = draft(scheduler, func, scheduler._create_trigger(trigger, merged), *options)
    hide_from_collector(job)
    return job, place
