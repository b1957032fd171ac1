"""New jobs from what ``add_job`` and ``add_jobs`` were given: checked, complete, not yet scheduled.

What lives here: the checks of arguments, the quick way for many jobs of one kind.
What must not: stores, listeners, run times, what may be a callable (`_callables`).

``draft()`` is called for each of a million jobs: it looks at a plain function once, and gives the engine all values
of a job in one call. ``draft_many()`` works out what the jobs have in common once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rapscheduler._callables import Facts, callable_facts
from rapscheduler._engine.job_core import hide_from_collector
from rapscheduler._engine.job_drafts import KnownDrafts
from rapscheduler._hints import TYPE_CHECKING, Any
from rapscheduler._quoting import one_line, shortened
from rapscheduler.job import (
    EXTRAS,
    Job,
    checked_coalesce,
    checked_executor,
    checked_grace,
    checked_max_instances,
    checked_name,
    new_job_id,
)
from rapscheduler.triggers.base import BaseTrigger
from rapscheduler.util import check_callable_args, convert_to_datetime, get_callable_name, undefined

if TYPE_CHECKING:
    from rapscheduler._scheduling.ports import Scheduler

#: (alias of a job's store, replace_existing); one tuple for all jobs that go to the same place
Place = tuple[str, Any]
Pending = tuple[Job, str, Any]  # a job with its place

KEEP = "keep"
#: the options of a job, with what stands for "not given"
_OPTION_DEFAULTS = (
    ("executor", "default"),
    ("misfire_grace_time", undefined),
    ("coalesce", undefined),
    ("max_instances", undefined),
)
_PLACE = frozenset(("jobstore", "replace_existing"))
_CALL = frozenset(("args", "kwargs", "id", "name"))
_CHOICES = frozenset(("next_run_time", *(name for name, _ in _OPTION_DEFAULTS)))
_OWN = frozenset(("id", "name", "next_run_time"))
_BEYOND_CALL = _PLACE | _CHOICES | EXTRAS
_OPTIONS = _CALL | _BEYOND_CALL

#: executor, misfire grace time, coalesce, max instances, the last three as ``Job._fill`` takes them
Options = tuple[str, Any, Any, Any]
_NO_OPTIONS: Options = ("default", ..., ..., ...)


def draft(
    scheduler: Scheduler,
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
    extras: dict[str, Any] | None = None,
) -> Job:
    """A new job from the arguments of ``add_job``; ``trigger`` is an instance. Errors: see ``add_job``."""
    if type(args) is str and len(args) > 1:
        _look_at_text(scheduler, func, trigger, args)
    args = () if args is None else _positional(args)
    kwargs = {} if kwargs is None else _named(kwargs)
    facts = callable_facts(func)
    if kwargs or facts[3] is None or len(args) != facts[4]:
        check_callable_args(facts[0], args, kwargs)
    options = _NO_OPTIONS
    if (
        type(executor) is not str
        or executor != "default"
        or not grace is coalesce is max_instances is undefined
    ):
        options = _checked_options(executor, grace, coalesce, max_instances)
    job = _made(scheduler, facts, trigger, args, kwargs, id, name, options, next_run_time)
    if extras:
        scheduler._bring_rooms()
        job._change_extras(extras)
    return job


def take_extras(fields: dict[str, Any]) -> dict[str, Any]:
    """Take the options that few jobs have out of arguments."""
    if EXTRAS.isdisjoint(fields):
        return {}
    return {name: fields.pop(name) for name in EXTRAS.intersection(fields)}


def _made(
    scheduler: Scheduler,
    facts: Facts,
    trigger: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any] | None,
    id: Any,
    name: Any,
    options: Options,
    next_run_time: Any,
) -> Job:
    """The job of values that were checked, but for the id, the name and the run time."""
    job = Job.__new__(Job)
    job_id = _checked_id(id) if id else new_job_id()
    if getattr(trigger, "skips", None) is not None:
        from rapscheduler.triggers._skipping import for_job

        scheduler._bring_rooms()
        trigger = for_job(trigger, job_id)
    job._fill(
        scheduler,
        job_id,
        facts[0],
        facts[1],
        facts[2] if name is None else checked_name(name),
        args,
        kwargs,
        trigger,
        *options,
    )
    if next_run_time is not undefined:
        job.next_run_time = convert_to_datetime(next_run_time, scheduler.timezone, "next_run_time")
    return job


def check_reference(scheduler: Scheduler, alias: Any, func: Any) -> None:
    """EncodeError: ``func`` is a text that the store's list of callables refuses; nothing is imported for it."""
    if isinstance(func, str) and isinstance(alias, str):
        check = getattr(scheduler._jobstores.get(alias), "_check_reference", None)
        if check is not None:
            check(func)


#: the arguments of ``add_job``, for the messages
JOB_NAMES = ("func", "trigger", *sorted(_OPTIONS))
#: arguments of a cron or interval trigger that say nothing of when it fires
LIMITS = frozenset(
    (
        "start_date",
        "end_date",
        "timezone",
        "jitter",
        "dst",
        "day_or_weekday",
        "exclude",
        "windows",
        "spread",
        "seed",
    )
)
_MOST_NAMES = 1000
_warned_of: set[str] = set()


def warn_of_every_second(scheduler: Scheduler, func: Any, alias: str, args: Any, name: str | None) -> None:
    """A schedule of which nobody said anything: APScheduler runs it every second, so that it is done, and told once.

    ValueError: a crontab line was given where the arguments of the callable belong.
    """
    if alias not in ("cron", "interval"):
        return
    from rapscheduler._advice import is_crontab

    if is_crontab(args):
        raise ValueError(
            f"args={args!r} are the arguments of the callable; a crontab line is a trigger: give "
            f"trigger=CronTrigger.from_crontab({args!r}), from rapscheduler.triggers.cron"
        )
    called = name or (func if isinstance(func, str) else get_callable_name(func) if callable(func) else "")
    if not called or called in _warned_of:
        return
    if len(_warned_of) >= _MOST_NAMES:
        _warned_of.clear()
    _warned_of.add(called)
    field = "hour=7, minute=30" if alias == "cron" else "minutes=5"
    scheduler._logger.warning(
        'Job "%s" will run every second: its trigger %r was given no field, such as %s',
        one_line(called),
        alias,
        field,
    )


def _look_at_text(scheduler: Scheduler, func: Any, trigger: Any, args: str) -> None:
    """A text given as ``args``: APScheduler passes its letters, one by one, so that it is done, and told.

    ValueError: it is the date of a date trigger.
    """
    from rapscheduler.triggers.date import DateTrigger

    if isinstance(trigger, DateTrigger):
        try:
            convert_to_datetime(args, scheduler.timezone, "args")
        except ValueError:
            pass
        else:
            raise ValueError(
                f"args={args!r} are the arguments of the callable; the date of a date trigger is run_date={args!r}"
            )
    called = func if isinstance(func, str) else get_callable_name(func) if callable(func) else func
    scheduler._logger.warning(
        'Job "%s" is called with the %d letters of args=%r, one by one; for one text write args=(%r,)',
        one_line(called),
        len(args),
        shortened(args, 40),
        shortened(args, 40),
    )


def warn_of_ignored(scheduler: Scheduler, trigger: Any, ignored: Mapping[str, Any]) -> None:
    """Arguments beside a trigger that is made already: APScheduler ignores them, so that it is done, and told."""
    from rapscheduler._advice import nearest

    name = next(iter(ignored))
    scheduler._logger.warning(
        "add_job() ignores %s: the trigger is given as an object, %s%s",
        ", ".join(ignored),
        one_line(trigger),
        nearest(name, JOB_NAMES),
    )


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
        named = dict(kwargs)
    except (TypeError, ValueError) as exc:
        raise type(exc)(
            f"{exc}: kwargs={kwargs!r} must map the names of keyword arguments to their values"
        ) from None
    for name in named:
        if not isinstance(name, str):
            raise TypeError(
                f"kwargs={kwargs!r} must map names to values, and {name!r} is no name: write {str(name)!r}"
            )
    return named


# Many at once


def draft_many(
    scheduler: Scheduler, specs: Iterable[Mapping[str, Any]], shared: Mapping[str, Any]
) -> tuple[list[Job], list[Place]]:
    """Drafts of many jobs, and the place of each: each spec is laid over ``shared``."""
    here = (shared.get("jobstore", "default"), checked_replace(shared.get("replace_existing", False)))
    common = {key: value for key, value in shared.items() if key not in _OPTIONS or key in _OWN}
    known = _known_drafts(scheduler, shared, common)
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
        if type(spec) is not dict and not isinstance(spec, Mapping):
            raise _no_mapping(spec)
        fields = {**common, **spec}
        place = here if _PLACE.isdisjoint(fields) else _taken_place(fields, here)
        func = fields.pop("func", undefined)
        if isinstance(func, str):
            check_reference(scheduler, place[0], func)
        alike = kinds.get(id(func))
        if alike is None:
            if func is undefined:
                raise TypeError(f'add_jobs(): "func" is missing in {spec!r}')
            alike = kinds[id(func)] = _Alike(scheduler, func, shared)
        job = alike.draft(fields)
        jobs.append(job)
        places.append(place)
        if known is not None:
            alike.teach(known, spec, job)
            unlike += 1
            if unlike >= _ENOUGH and 2 * unlike > len(jobs):
                known = None  # asking costs more than it brings
    return jobs, places


def _no_mapping(spec: Any) -> TypeError:
    return TypeError(
        f"add_jobs() takes mappings of add_job()'s arguments, got {type(spec).__name__} instead: {spec!r}"
    )


def _taken_place(fields: dict[str, Any], here: Place) -> Place:
    alias, replace = fields.pop("jobstore", here[0]), fields.pop("replace_existing", here[1])
    return alias, checked_replace(replace)


_END: Any = object()
#: specs unlike the earlier ones; when they are more than the others then, likeness isn't looked for
_ENOUGH = 2000


def _known_drafts(
    scheduler: Scheduler, shared: Mapping[str, Any], common: Mapping[str, Any]
) -> KnownDrafts | None:
    """What makes jobs of specs that are like earlier ones; None: the specs have too much in common for it."""
    hooked = scheduler._is_hooked("_create_trigger", "_create_plugin_instance")
    if shared.get("kwargs") or hooked or not _OWN.isdisjoint(shared) or not EXTRAS.isdisjoint(shared):
        return None
    trigger = common.get("trigger")
    given = trigger if isinstance(trigger, BaseTrigger) else None
    return KnownDrafts(Job, scheduler, new_job_id, common.get("func"), shared.get("args"), given)


class _Alike:
    """Makes jobs that have the callable in common, and the options that their specs don't give; checked once."""

    def __init__(self, scheduler: Scheduler, func: Any, shared: Mapping[str, Any]) -> None:
        self._given = func
        self._shared_trigger = shared.get("trigger")
        self._args = shared.get("args")
        self._kwargs = shared.get("kwargs")
        self._facts = callable_facts(func)
        self._scheduler = scheduler
        self._create_trigger = scheduler._create_trigger
        self._given_options = [shared.get(name, default) for name, default in _OPTION_DEFAULTS]
        self._options = _checked_options(*self._given_options)
        self._extras = take_extras(dict(shared))
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
        extras = self._extras
        if not EXTRAS.isdisjoint(fields):
            extras = {**extras, **take_extras(fields)}
        trigger = self._create_trigger(take("trigger", None), fields)
        args = () if args is None else _positional(args)
        if kwargs:
            kwargs = _named(kwargs)
            check_callable_args(self._facts[0], args, kwargs)
        elif len(args) not in self._fitting:
            check_callable_args(self._facts[0], args, {})
            self._fitting.add(len(args))
        job = _made(self._scheduler, self._facts, trigger, args, kwargs, job_id, name, options, run_time)
        if extras:
            self._scheduler._bring_rooms()
            job._change_extras(extras)
        hide_from_collector(job)  # it would look through a hundred thousand drafts again and again
        return job

    def teach(self, known: KnownDrafts, spec: Mapping[str, Any], job: Job) -> None:
        """Let the engine make what is like this job."""
        trigger: Any = job.trigger
        again = (
            trigger is not self._shared_trigger
            and type(trigger).__module__ == CRON
            and trigger.skips is None
            and _BEYOND_CALL.isdisjoint(spec)
        )
        arg_count = len(job.args) if len(job.args) in self._fitting else -1
        known.learn(
            spec, self._given, (*self._facts[:3], *self._options), arg_count, trigger if again else None
        )


#: here is the one trigger whose arguments, when they are plain, make the same trigger whenever they are given
CRON = "rapscheduler.triggers.cron"


def _checked_options(executor: Any, grace: Any, coalesce: Any, max_instances: Any) -> Options:
    """The options of a job; ``...``: left to the scheduler's defaults."""
    return (
        executor if type(executor) is str else checked_executor(executor),
        ... if grace is undefined else checked_grace(grace),
        ... if coalesce is undefined else checked_coalesce(coalesce),
        ... if max_instances is undefined else checked_max_instances(max_instances),
    )
