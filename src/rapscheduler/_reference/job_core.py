"""The values of a job as the loop reads them.

Here: `JobCore`, and whether a trigger may be asked by numbers. Not here: what is decided about a job (`planning`), the
checks of what a user gives it (`rapscheduler.job`).

Two times of a job: `nominal_us` is what its trigger said, `run_at_us` (nominal + jitter) is when it is due.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from typing import Any, TypeVar
from weakref import ref

from rapscheduler._reference._instants import NEVER_US
from rapscheduler._reference.datetimes import from_us, to_us
from rapscheduler._reference.due_index import UNSET, DueEntry
from rapscheduler._reference.timezone import ZoneTable
from rapscheduler._reference.trigger import TriggerCore

_QUIET = frozenset(("metadata", "on_lost", "owner", "tags"))  # extras that don't concern runs
UTC_ZONE = ZoneTable.fixed(0, timezone.utc)
Self = TypeVar("Self", bound="JobCore")


def utc_us(moment: datetime) -> int:
    """The instant of an aware datetime (a naive one is read as UTC)."""
    return to_us(moment, UTC_ZONE)


def _not_set(name: str) -> str:
    """What to say of a value that comes with the scheduler's start."""
    return f"{name} is not set yet: a pending job gets it when its scheduler starts"


class JobCore(DueEntry):
    """The values of a job. A value that was never set raises AttributeError when read.

    Data: `_run_us` (from DueEntry) and `_nominal_us` are int64 with UNSET and NEVER_US; `_run_dt` is the datetime that
    a user or a third-party trigger gave, kept when the trigger's zone would not give it back. `_held` is the scheduler,
    or a weak reference to it.
    """

    __slots__ = (
        "__weakref__",
        "_coalesce",
        "_held",
        "_jobstore_alias",
        "_kwargs",
        "_max_instances",
        "_misfire_grace_time",
        "_more",
        "_nominal_us",
        "_run_dt",
        "args",
        "executor",
        "func",
        "func_ref",
        "id",
        "name",
        "trigger",
    )

    id: str
    func: Any
    func_ref: str | None
    name: str
    args: Any
    trigger: Any
    executor: str
    _misfire_grace_time: int | None
    _coalesce: bool
    _max_instances: int
    _held: Any
    _jobstore_alias: str | None
    _run_dt: datetime | None
    _nominal_us: int
    _kwargs: Any
    _more: Any

    def __new__(cls: type[Self], *args: Any, **kwargs: Any) -> Self:
        self = super().__new__(cls)
        self._nominal_us = NEVER_US
        self._run_dt = None
        self._held = None
        self._jobstore_alias = None
        self._more = None
        return self

    @property
    def _extras(self) -> Any:
        """Options that few jobs have, by name, or `None`. Replaced, never changed."""
        return self._more

    @_extras.setter
    def _extras(self, extras: Any) -> None:
        self._more = extras or None

    @property
    def _scheduler(self) -> Any:
        """The scheduler; None: a hidden job holds it weakly, and it is gone."""
        return self._held() if type(self._held) is ref else self._held

    @_scheduler.setter
    def _scheduler(self, scheduler: Any) -> None:
        self._held = scheduler

    @property
    def coalesce(self) -> bool:
        """Whether several missed runs become one."""
        try:
            return self._coalesce
        except AttributeError:
            raise AttributeError(_not_set("coalesce")) from None

    @coalesce.setter
    def coalesce(self, coalesce: Any) -> None:
        self._coalesce = bool(coalesce)

    @property
    def misfire_grace_time(self) -> int | None:
        """How many seconds late a run may start; `None`: any."""
        try:
            return self._misfire_grace_time
        except AttributeError:
            raise AttributeError(_not_set("misfire_grace_time")) from None

    @misfire_grace_time.setter
    def misfire_grace_time(self, grace_s: int | None) -> None:
        self._misfire_grace_time = grace_s

    @property
    def max_instances(self) -> int:
        """How many runs of the job may be under way at once."""
        try:
            return self._max_instances
        except AttributeError:
            raise AttributeError(_not_set("max_instances")) from None

    @max_instances.setter
    def max_instances(self, most: int) -> None:
        self._max_instances = most

    @property
    def kwargs(self) -> Any:
        """Keyword arguments of the callable."""
        return self._kwargs

    @kwargs.setter
    def kwargs(self, kwargs: Any) -> None:
        self._kwargs = kwargs

    @property
    def run_at_us(self) -> int | None:
        """When the job is due (nominal time + jitter), or `None`: paused or not yet scheduled."""
        return None if self._run_us in (UNSET, NEVER_US) else self._run_us

    @run_at_us.setter
    def run_at_us(self, run_at_us: int | None) -> None:
        DueEntry.run_at_us.__set__(self, run_at_us)  # type: ignore[attr-defined]
        self._run_dt = None

    @property
    def nominal_us(self) -> int | None:
        """What the trigger said, or `None` when it is not known (then `run_at_us` serves)."""
        return None if self._nominal_us == NEVER_US else self._nominal_us

    @nominal_us.setter
    def nominal_us(self, nominal_us: int | None) -> None:
        self._nominal_us = NEVER_US if nominal_us is None else nominal_us

    @property
    def next_run_time(self) -> datetime | None:
        """When the job is due, as an aware datetime; `None`: paused. AttributeError: not yet scheduled."""
        if self._run_us == UNSET:
            raise AttributeError(_not_set("next_run_time"))
        if self._run_us == NEVER_US:
            return None
        return self._run_dt or from_us(self._run_us, self._zone())

    @next_run_time.setter
    def next_run_time(self, run_time: datetime | None) -> None:
        if run_time is None:
            self._advance(None, None)
            return
        zone = self._zone()
        run_at_us = to_us(run_time, zone)
        self._advance(run_at_us, run_at_us, None if run_time.tzinfo is zone.tzinfo else run_time)

    def _due_text(self, tell: Callable[[datetime | None], str]) -> str:
        """What `tell` says of `next_run_time`, the same for all times in one second; "pending" of a job that has none
        yet. May be remembered by second and zone, for the `tell` that was given last."""
        return "pending" if self._run_us == UNSET else tell(self.next_run_time)

    def _advance(
        self, run_at_us: int | None, nominal_us: int | None, run_time: datetime | None = None
    ) -> None:
        """Set both times, and the datetime to show when the trigger's zone would not give it."""
        self.run_at_us = run_at_us
        self.nominal_us = nominal_us
        self._run_dt = run_time

    def _fill(
        self,
        scheduler: Any,
        id: str,
        func: Any,
        func_ref: str | None,
        name: str,
        args: Any,
        kwargs: Any,
        trigger: Any,
        executor: str,
        grace: Any = ...,
        coalesce: Any = ...,
        max_instances: Any = ...,
    ) -> None:
        """Set the values of a new job, checked by the caller; the last three may be left unset (`...`)."""
        values = {
            "_scheduler": scheduler,
            "id": id,
            "func": func,
            "func_ref": func_ref,
            "name": name,
            "args": args,
            "kwargs": kwargs or {},
            "trigger": trigger,
            "executor": executor,
            "misfire_grace_time": grace,
            "coalesce": coalesce,
            "max_instances": max_instances,
        }
        for key, value in values.items():
            if value is not ...:
                setattr(self, key, value)

    def _complete(self, grace: Any, coalesce: Any, max_instances: Any) -> bool:
        """Set the options that nobody set; whether the job still waits for its first run time."""
        options = {"misfire_grace_time": grace, "coalesce": coalesce, "max_instances": max_instances}
        for key, value in options.items():
            if not hasattr(self, key):
                setattr(self, key, value)
        return self._run_us == UNSET

    def _zone(self) -> ZoneTable:
        trigger = getattr(self, "trigger", None)
        return trigger.zone if isinstance(trigger, TriggerCore) else self._foreign_zone()

    def _foreign_zone(self) -> ZoneTable:
        """The zone of run times whose trigger has none that the engine knows."""
        return UTC_ZONE


def set_first_times(jobs: Iterable[JobCore], now_us: int) -> list[JobCore]:
    """Set when jobs run first from `now_us` on, where the engine may ask the trigger and no chance (jitter) is in it.

    Returns the other jobs, those with options that few have, and those that never run.
    Neighbours with the same trigger cost one look at it.
    """
    left: list[JobCore] = []
    last: Any = None
    fire_us: int | None = None
    for job in jobs:
        if not _QUIET.issuperset(job._extras or ()):
            left.append(job)
            continue
        if job.trigger is not last:
            if not is_native(job.trigger) or job.trigger.jitter_us:
                left.append(job)
                continue
            last, fire_us = job.trigger, job.trigger.next_fire_us(None, now_us)
        if fire_us is None:
            left.append(job)
        else:
            job._advance(fire_us, fire_us)
    return left


def hide_from_collector(job: JobCore) -> None:
    """A job has entered a store in memory: from now on it holds its scheduler weakly (so do not rely on it alone).

    The compiled twin also lets the collector skip the job if it can't be part of a cycle, which is why it must not
    hold the scheduler: that has the store, which has the job.
    """
    if job._held is not None and type(job._held) is not ref:
        try:
            job._held = ref(job._held)
        except TypeError:  # something else than a scheduler, which can only be held
            pass


def show_to_collector(job: JobCore) -> None:
    """Undo `hide_from_collector`: the job has left its store."""
    if type(job._held) is ref:
        scheduler = job._held()
        if scheduler is not None:
            job._held = scheduler


def is_native(trigger: Any) -> bool:
    """Whether the engine may ask this trigger by numbers: nobody has overridden `get_next_fire_time`."""
    return (
        isinstance(trigger, TriggerCore)
        and type(trigger).get_next_fire_time is TriggerCore.get_next_fire_time
    )
