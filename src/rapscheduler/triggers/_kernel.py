"""What the interval, calendar interval and date triggers have in common: arguments in, attributes and answers out.

What lives here: ``KernelTrigger``, the public side of a trigger whose schedule is a kernel of the cellar, and the
reading of the arguments that all of them take. What must not: any schedule.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, tzinfo
from datetime import timezone as _fixed_zone
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from rapscheduler._engine.datetimes import from_us, to_us
from rapscheduler._engine.planning import dispatch_at_us
from rapscheduler._engine.timezone import ZoneTable
from rapscheduler._engine.trigger import TriggerCore
from rapscheduler._instants import SECOND_US
from rapscheduler._zones import as_zone, forgotten_with_rules, get_localzone, read_again, zone_table
from rapscheduler.triggers._left_out import LeavesOut
from rapscheduler.triggers.base import BaseTrigger, answers_by_kernel, kernel_of
from rapscheduler.util import convert_to_datetime, datetime_repr

if TYPE_CHECKING:
    # For checkers the kernel comes first: its get_next_fire_time is the one that serves, so nothing is abstract.
    class _Face(TriggerCore, BaseTrigger):
        pass
else:
    _Face = BaseTrigger


class KernelTrigger(_Face, LeavesOut):
    """A trigger that is also a ``TriggerCore``: which zone and jitter it has.

    APScheduler's triggers have plain slots, so programs assign to them. Here an assignment gives the kernel all its
    numbers again (``_change``), through the same checks as the constructor's.
    """

    __slots__ = ()

    # whether `_apply_jitter` of a subclass is called without a jitter too, as on APScheduler
    _delays_always = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls._apply_jitter is not BaseTrigger._apply_jitter and answers_by_kernel(cls):
            setattr(cls, "get_next_fire_time", _delayed_by_own_jitter)  # noqa: B010 (the cellar is typed)
            setattr(cls, "_next_nominal", _next_of_kernel)  # noqa: B010

    @property
    def timezone(self) -> tzinfo:
        """The zone of the trigger."""
        return self.zone.tzinfo

    @timezone.setter
    def timezone(self, value: tzinfo | str) -> None:
        self._change(zone=zone_for(value))

    @property
    def jitter(self) -> float | None:
        """The longest random delay, in seconds; None for none."""
        if not self.jitter_us:
            return None
        return self.jitter_us / 1_000_000 if self.jitter_us % 1_000_000 else self.jitter_us // 1_000_000

    @jitter.setter
    def jitter(self, value: float | None) -> None:
        self._change(jitter=value)

    def _change(self, **changes: Any) -> None:
        """Give the kernel its numbers again, with some arguments of the class's ``_begin`` changed."""
        raise AttributeError(f"{type(self).__name__} has no {', '.join(changes)} that could be changed")

    def __eq__(self, other: object) -> bool:
        """Whether they were given the same: their class, and what a pickle of them says."""
        if type(self) is not type(other):
            return NotImplemented
        return self is other or self._given() == other._given()

    def __hash__(self) -> int:
        return hash((type(self), self.zone, self.jitter_us))  # of what programs rarely change

    def _given(self) -> Any:
        return self.__getstate__()  # type: ignore[attr-defined]

    def __reduce_ex__(self, protocol: Any) -> Any:
        # Below protocol 2 Python would make the kernel by its constructor, without arguments.
        return super().__reduce_ex__(max(protocol, 2))

    def _why_never(self, now_us: int) -> str:
        """By the bounds; a class whose schedule itself may have no time knows more."""
        if kernel_of(self) is None or self.next_fire_us(None, now_us) is not None:
            return ""
        start_date, end_date = getattr(self, "start_date", None), getattr(self, "end_date", None)
        if end_date is None or self.end_us is None:
            return ""
        until = f"end_date='{date_repr(end_date)}'"
        if self.end_us < now_us:
            return f"{until} is over"
        # A calendar interval begins on a date, the others at an instant.
        if start_date is not None and (
            start_date > end_date if self.start_us is None else self.start_us > self.end_us
        ):
            return f"start_date='{date_repr(start_date)}' is after {until}"
        return f"no fire time is left until {until}"

    def _next_nominal(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        if kernel_of(self) is None:  # a subclass with a schedule of its own
            return self.get_next_fire_time(previous_fire_time, now)
        return _next_of_kernel(self, previous_fire_time, now)

    def _dispatch_time(self, nominal: datetime, now: datetime) -> datetime:
        if not self.jitter_us and not self._delays_always:
            return nominal
        if self.skips is not None and self.skips.fixed_share is not None:
            return from_us(dispatch_at_us(self, to_us(nominal, self.zone)), self.zone)
        return super()._dispatch_time(nominal, now)


def _next_of_kernel(
    trigger: KernelTrigger, previous_fire_time: datetime | None, now: datetime
) -> datetime | None:
    previous_us = None if previous_fire_time is None else to_us(previous_fire_time, trigger.zone)
    fire_us = trigger.next_fire_us(previous_us, to_us(now, trigger.zone))
    return None if fire_us is None else from_us(fire_us, trigger.zone)


def _delayed_by_own_jitter(
    trigger: KernelTrigger, previous_fire_time: datetime | None, now: datetime
) -> datetime | None:
    """`get_next_fire_time` of a class that overrides `_apply_jitter`."""
    nominal = trigger._next_nominal(previous_fire_time, now)
    return None if nominal is None else trigger._dispatch_time(nominal, now)


_last_zone = zone_table(_fixed_zone.utc)  # looked for last: a program has many triggers and few zones
_zone_by_object = lru_cache(maxsize=1024)(zone_table)


@lru_cache(maxsize=1024)
def _zone_by_name(name: str) -> ZoneTable:
    return zone_table(as_zone(name) or get_localzone())


forgotten_with_rules(_zone_by_name.cache_clear)


def zone_for(
    timezone: tzinfo | str | None, *moments: Any, local: Callable[[], tzinfo] = get_localzone
) -> ZoneTable:
    """The zone given, else that of the first aware datetime, else the machine's, by the caller's `get_localzone`."""
    global _last_zone
    table = _last_zone
    if timezone is table.tzinfo:
        return table
    if type(timezone) is ZoneInfo:
        return _zone_by_object(timezone)
    if timezone and type(timezone) is str:
        table = _zone_by_name(timezone)
        known = table.tzinfo
        if type(known) is ZoneInfo and ZoneInfo(known.key) is not known:  # the cache of zoneinfo was cleared
            read_again()
            return _zone_by_name(timezone)
        return table
    if not timezone:
        for moment in moments:
            if isinstance(moment, datetime) and moment.tzinfo is not None:
                timezone = moment.tzinfo
                break
    _last_zone = table = zone_table(as_zone(timezone or None) or local())
    return table


def instant_us(value: Any, zone: ZoneTable, name: str) -> int | None:
    """The instant of a date, datetime or text in a zone; None stays None."""
    moment = convert_to_datetime(value, zone.tzinfo, name)
    return None if moment is None else to_us(moment, zone)


def date_repr(value: Any) -> str:
    """A start or end date, as people write it."""
    return datetime_repr(value) if isinstance(value, datetime) else str(value)


def jitter_to_us(jitter: float | None) -> int:
    """Microseconds of a ``jitter`` argument. TypeError: no number. ValueError: negative."""
    if jitter is None:
        return 0
    if isinstance(jitter, bool) or not isinstance(jitter, (int, float)):
        raise TypeError(f"jitter={jitter!r} is not a number; give seconds, such as jitter=30")
    if not 0 <= jitter <= 1e9:
        raise ValueError(
            f"jitter={jitter!r} makes no sense; give 0 or more seconds, at most 10**9 (0 for no jitter)"
        )
    return round(jitter * SECOND_US)


def state_of(trigger: object, state: Any, newest: int, known: str = "versions up to") -> dict[str, Any]:
    """The dictionary of a pickled state. ValueError: it was written by a newer version."""
    fields: dict[str, Any] = state[1] if isinstance(state, tuple) else state
    version = fields.get("version", 1)
    if version > newest:
        raise ValueError(
            f"Got serialized data for version {version} of {type(trigger).__name__}, but only {known} {newest} "
            "can be handled; upgrade rapscheduler to read it"
        )
    return fields
