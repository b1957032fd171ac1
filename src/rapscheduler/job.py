"""A job: a callable, its arguments, a trigger, and how to run it.

Here: the public `Job`, the checks of what a user gives it, new ids. Not here: where jobs are kept, when they run.
The values live in `JobCore` of the engine (the loop reads them as plain numbers); this class adds APScheduler's
methods, messages and pickled state.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta, timezone, tzinfo
from types import MethodType
from weakref import getweakrefs

from rapscheduler._callables import callable_facts
from rapscheduler._engine.job_core import JobCore
from rapscheduler._hints import TYPE_CHECKING, Any
from rapscheduler._quoting import one_line
from rapscheduler._zones import zone_table
from rapscheduler.triggers.base import BaseTrigger
from rapscheduler.util import (
    UTC,
    as_written,
    asbool,
    check_callable_args,
    convert_to_datetime,
    datetime_repr,
    elsewhere,
    get_callable_name,
    obj_to_ref,
    ref_to_obj,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from rapscheduler._fields import Changes, JobValues
    from rapscheduler._runs import Run
    from rapscheduler._typed import Reschedule, like

    reschedules_itself = like(Reschedule["Job"].call)
else:
    JobValues, reschedules_itself = JobCore, as_written

__all__ = ("UTC", "Job", "get_callable_name")

STATE_VERSION = 1
_ID_BLOCK = 256  # ids made from one read of the system's randomness

_ids: list[str] = []


if not TYPE_CHECKING:
    __getattr__ = elsewhere(__name__)


def new_job_id() -> str:
    """A new unique id: 32 hexadecimal digits, 128 random bits."""
    try:
        return _ids.pop()
    except IndexError:
        digits = os.urandom(16 * _ID_BLOCK).hex()
        fresh = [digits[i : i + 32] for i in range(0, len(digits), 32)]
        job_id = fresh.pop()
        _ids.extend(fresh)
        return job_id


if hasattr(os, "register_at_fork"):  # a forked child must not give out the parent's ids
    os.register_at_fork(after_in_child=_ids.clear)
_ids_pid = os.getpid()


def forget_ids_of_parent() -> None:
    """The same in a child where no such handler runs: uWSGI forks in C."""
    global _ids_pid
    if _ids_pid != os.getpid():
        _ids_pid = os.getpid()
        _ids.clear()


class Job(JobValues):
    """What was given to `add_job`, and where the job stands. Made by the scheduler, never by the user.

    :var str id: the unique identifier
    :var str name: the description, by default the name of the callable
    :var func: the callable
    :var str func_ref: its textual reference, `None` when it has none
    :var tuple|list args: positional arguments
    :var dict kwargs: keyword arguments
    :var bool coalesce: whether several missed runs become one
    :var trigger: says when the job runs
    :var str executor: the name of the executor that runs it
    :var int misfire_grace_time: how many seconds late a run may start (`None`: any)
    :var int max_instances: how many runs of the job may be under way at once
    :var datetime.datetime next_run_time: when it runs next; `None` while it is paused; unset before it is scheduled
    """

    __slots__: tuple[str, ...] = ()

    @property
    def __weakref__(self) -> Any:
        """The first weak reference to this job, as every Python object shows it."""
        return next(iter(getweakrefs(self)), None)

    def __init__(self, scheduler: Any, id: str | None = None, **kwargs: Any) -> None:
        self._scheduler = scheduler
        self._jobstore_alias = None
        self._modify(id=id or new_job_id(), **kwargs)

    def modify(self, **changes: Unpack[Changes]) -> Job:
        """Change values of this job, also in its store, and return it; see `BaseScheduler.modify_job`."""
        self._home().modify_job(self.id, self._jobstore_alias, **changes)
        return self

    @reschedules_itself
    def reschedule(self, trigger: Any, **trigger_args: Any) -> Job:
        """Give this job another trigger and return it; see `BaseScheduler.reschedule_job`."""
        self._home().reschedule_job(self.id, self._jobstore_alias, trigger, **trigger_args)
        return self

    def pause(self) -> Job:
        """Suspend this job until `resume` and return it; see `BaseScheduler.pause_job`."""
        self._home().pause_job(self.id, self._jobstore_alias)
        return self

    def resume(self) -> Job:
        """Let a paused job run again and return it; see `BaseScheduler.resume_job`."""
        self._home().resume_job(self.id, self._jobstore_alias)
        return self

    def run(self, *, args: Iterable[Any] | None = None, kwargs: Mapping[str, Any] | None = None) -> Run:
        """Run this job now, beside its schedule; see `BaseScheduler.run_job`."""
        run: Run = self._home().run_job(self.id, self._jobstore_alias, args=args, kwargs=kwargs)
        return run

    @property
    def last_run(self) -> Run | None:
        """The last run that ended, from the history (RuntimeError: none is kept); None: there was none."""
        return next(iter(self._home().get_runs(self.id, limit=1)), None)

    @property
    def last_error(self) -> str | None:
        """What the last failed run raised, from the history, as text; None: there is no such run."""
        from rapscheduler._states import FAILED

        return next((run.error for run in self._home().get_runs(self.id, FAILED, limit=1)), None)

    def as_dict(self) -> dict[str, Any]:
        """This job as an object of JSON, from which `BaseScheduler.import_job` makes it; see `export_job` there."""
        entry: dict[str, Any] = self._home().export_job(self)
        return entry

    def remove(self) -> None:
        """Remove this job from its store; see `BaseScheduler.remove_job`."""
        self._home().remove_job(self.id, self._jobstore_alias)

    def _home(self) -> Any:
        """The scheduler of this job. RuntimeError: there is none any more."""
        scheduler = self._scheduler
        if scheduler is None:
            raise RuntimeError(
                f'The scheduler of job "{self.id}" is gone: nothing referred to it any more. A job does not keep its '
                "scheduler alive; keep the scheduler as long as its jobs are needed"
            )
        return scheduler

    def _change_extras(self, changes: Mapping[str, Any]) -> None:
        from rapscheduler._extras import plain

        self._extras = plain(changes, self._extras)

    def _take_extra(self, name: str) -> Any:
        extras = dict(self._extras or {})
        value, self._extras = extras.pop(name, None), extras
        return value

    @property
    def pending(self) -> bool:
        """Whether the job still waits to be added to its store."""
        return self._jobstore_alias is None

    def _get_run_times(self, now: datetime) -> list[datetime]:
        """The run times from `next_run_time` to `now`, both included."""
        run_times: list[datetime] = []
        now = now.astimezone(timezone.utc)
        run_time = self.next_run_time
        while run_time and run_time.astimezone(timezone.utc) <= now:
            run_times.append(run_time)
            run_time = self.trigger.get_next_fire_time(run_time, now)
        return run_times

    def _modify(self, **changes: Any) -> None:
        """Check the changes; make all of them, or none when one is refused."""
        self._take_over(changes)

    def _take_over(self, changes: Mapping[str, Any]) -> None:
        """`_modify`, with the changes as a mapping, which is left as it is."""
        if len(changes) == 1:  # as most have it
            for key, value in changes.items():
                check = _CHECKS.get(key)
                if check is not None and getattr(value, "skips", None) is None:
                    setattr(self, key, check(value))
                    return
                if key == "next_run_time" and value is None:
                    self._advance(None, None)
                    return
        self._take_over_many(dict(changes))

    def _take_over_many(self, changes: dict[str, Any]) -> None:
        approved: dict[str, Any] = {}
        if not EXTRAS.isdisjoint(changes):
            from rapscheduler._extras import plain

            extras = {name: changes.pop(name) for name in EXTRAS.intersection(changes)}
            if "start_immediately" in extras:
                raise AttributeError("start_immediately is for add_job(); job.run() runs a job now")
            approved["_extras"] = plain(extras, self._extras)
        if "id" in changes:
            approved["id"] = self._checked_id(changes.pop("id"))
        if "func" in changes or "args" in changes or "kwargs" in changes:
            self._check_call(changes, approved)
        run_time: Any = _NOT_GIVEN
        if "next_run_time" in changes:
            zone = getattr(self._scheduler, "timezone", None)
            run_time = convert_to_datetime(changes.pop("next_run_time"), zone, "next_run_time")
        for key, value in changes.items():
            check = _CHECKS.get(key)
            if check is None:
                others = ", ".join(name for name in changes if name not in _CHECKS)
                raise AttributeError(
                    f"The following are not modifiable attributes of Job: {others}; "
                    f"modifiable are func, args, kwargs, next_run_time, {', '.join((*_CHECKS, *sorted(EXTRAS)))}"
                )
            approved[key] = check(value)
        trigger = approved.get("trigger")
        if getattr(trigger, "skips", None) is not None:
            from rapscheduler.triggers._skipping import for_job

            approved["trigger"] = for_job(trigger, getattr(self, "id", ""))
        for key, value in approved.items():
            setattr(self, key, value)
        if run_time is not _NOT_GIVEN:  # last: it is read in the zone of the trigger
            self.next_run_time = run_time

    def _checked_id(self, value: Any) -> str:
        if not isinstance(value, str):
            raise TypeError(f"id must be a nonempty string, got {value!r}")
        if hasattr(self, "id"):
            raise ValueError(
                f"The job ID may not be changed: this is {self.id!r}; add a job with id={value!r} and remove this one"
            )
        return value

    def _check_call(self, changes: dict[str, Any], approved: dict[str, Any]) -> None:
        """Check callable and arguments together; a job without a name gets the callable's."""
        func = changes.pop("func") if "func" in changes else self.func
        args = changes.pop("args") if "args" in changes else self.args
        kwargs = changes.pop("kwargs") if "kwargs" in changes else self.kwargs
        func, func_ref, name, _, _ = callable_facts(func)
        if changes.get("name") is None and not hasattr(self, "name"):
            changes["name"] = name
        if isinstance(args, str) or not isinstance(args, Iterable):
            raise TypeError(f"args must be a non-string iterable, such as args=({args!r},); got {args!r}")
        if isinstance(kwargs, str) or not isinstance(kwargs, Mapping):
            raise TypeError(
                f"kwargs must be a dict-like object, from names of arguments to values; got {kwargs!r}"
            )
        positional: Any = args if hasattr(args, "__len__") else tuple(args)
        check_callable_args(func, positional, kwargs)
        approved.update(func=func, func_ref=func_ref, args=positional, kwargs=kwargs)

    def _foreign_zone(self) -> Any:
        zone = getattr(getattr(self, "trigger", None), "timezone", None)
        if not isinstance(zone, tzinfo):
            zone = getattr(self._scheduler, "timezone", None)
        return zone_table(zone if isinstance(zone, tzinfo) else timezone.utc)

    def _portable_args(self) -> Any:
        """The positional arguments for `func_ref`: a bound method's reference needs its object put before them."""
        func = self.func
        if (
            isinstance(func, MethodType)
            and not isinstance(func.__self__, type)
            and obj_to_ref(func) == self.func_ref
        ):
            return (func.__self__, *self.args)
        return self.args

    def __reduce_ex__(self, protocol: Any) -> Any:
        # Below protocol 2 Python would copy the compiled base by its constructor.
        return super().__reduce_ex__(max(protocol, 2))

    def __getstate__(self) -> dict[str, Any]:
        if not self.func_ref:
            raise ValueError(
                f"This Job cannot be serialized since the reference to its callable ({self.func!r}) could not "
                "be determined. Consider giving a textual reference (module:function name) instead."
            )
        state = {
            "version": STATE_VERSION,
            "id": self.id,
            "func": self.func_ref,
            "trigger": self.trigger,
            "executor": self.executor,
            "args": self._portable_args(),
            "kwargs": self.kwargs,
            "name": self.name,
            "misfire_grace_time": self.misfire_grace_time,
            "coalesce": self.coalesce,
            "max_instances": self.max_instances,
            "next_run_time": self.next_run_time,
        }
        if self._extras is not None:  # of which jobs may have parts in common
            state["extras"] = {
                name: value.copy() if type(value) in (list, dict) else value
                for name, value in self._extras.items()
            }
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        version = state.get("version", STATE_VERSION)
        if version > STATE_VERSION:
            raise ValueError(f"Job has version {version}, but only version {STATE_VERSION} can be handled")
        reference = state["func"]
        self._fill(
            self._scheduler,
            state["id"],
            ref_to_obj(reference),
            reference,
            *map(state.__getitem__, ("name", "args", "kwargs", "trigger", "executor", *OPTIONS)),
        )
        self._change_extras(state.get("extras") or {})
        self.next_run_time = state["next_run_time"]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Job):
            return bool(self.id == other.id)
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return one_line(f"<Job (id={self.id} name={self.name})>")

    def __str__(self) -> str:
        return one_line(f"{self.name} (trigger: {self.trigger}, {self._due_text(_due_text)})")


def _due_text(run_time: datetime | None) -> str:
    return "paused" if run_time is None else f"next run at: {datetime_repr(run_time)}"


# What APScheduler's class has in slots: programs that show a job go through this list. The values are the engine's.
Job.__slots__ = tuple(
    "__weakref__ _jobstore_alias _scheduler args coalesce executor func func_ref "
    "id kwargs max_instances misfire_grace_time name next_run_time trigger".split()
)
_NOT_GIVEN = object()

#: options that few jobs have (`_extras`), each a property of the job
EXTRAS = frozenset(
    "group max_runs metadata on_lost overlap owner retry retry_of runs_begun start_immediately tags timeout".split()
)


def _extra(name: str) -> property:
    def value(job: Job) -> Any:
        from rapscheduler._extras import shown

        return shown(name, job._extras)

    return property(value, doc=f"The option ``{name}`` of `add_job`.")


for _name in EXTRAS:
    setattr(Job, _name, _extra(_name))

#: what a scheduler has defaults for, in the order of `_fill` and `_complete`
OPTIONS = ("misfire_grace_time", "coalesce", "max_instances")


def checked_name(value: Any) -> str:
    if not value or not isinstance(value, str):
        raise TypeError(f"name must be a nonempty string, got {value!r}")
    return value


def checked_grace(value: Any) -> int | None:
    if value is not None and (not isinstance(value, int) or value <= 0):
        cure = ""
        if isinstance(value, (timedelta, float)) and value == value and value:
            seconds = value.total_seconds() if isinstance(value, timedelta) else value
            cure = f"; give {max(1, round(seconds))}" if 0 < seconds < 1e15 else ""
        raise TypeError(
            f"misfire_grace_time must be either None or a positive integer (of seconds), got {value!r}{cure}"
        )
    return value


def checked_coalesce(value: Any) -> bool:
    """A truth value; a text is read as in a configuration, so that "false" is not true."""
    if not isinstance(value, str):
        return bool(value)
    try:
        return asbool(value)
    except ValueError:
        raise ValueError(f"coalesce={value!r} is not understood: give True or False") from None


def checked_max_instances(value: Any) -> int:
    if not isinstance(value, int) or value <= 0:
        raise TypeError(f"max_instances must be a positive integer, got {value!r}")
    return value


def _checked_trigger(value: Any) -> BaseTrigger:
    if BaseTrigger not in type(value).__mro__ and not isinstance(value, BaseTrigger):  # the former is cheaper
        raise TypeError(
            f"Expected a trigger instance, got {type(value).__name__} instead: {value!r}; "
            "reschedule_job() also takes the alias of a trigger"
        )
    trigger: BaseTrigger = value
    return trigger


def checked_executor(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"executor must be a string, the alias of an executor; got {value!r}")
    return value


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "name": checked_name,
    "misfire_grace_time": checked_grace,
    "coalesce": checked_coalesce,
    "max_instances": checked_max_instances,
    "trigger": _checked_trigger,
    "executor": checked_executor,
}
#: those whose change touches neither the times nor the call of a job
QUIET_CHECKS = {name: _CHECKS[name] for name in ("name", *OPTIONS)}
