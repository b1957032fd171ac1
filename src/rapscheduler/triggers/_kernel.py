"""What the interval, calendar interval and date triggers have in common: arguments in, attributes and answers out.

What lives here: ``KernelTrigger``, the public side of a trigger whose schedule is a kernel of the cellar, and the
reading of the arguments that all of them take. What must not: any schedule.
"""

from __future__ import annotations

from datetime import datetime, tzinfo
from datetime import timezone as _fixed_zone
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from rapscheduler._engine.datetimes import from_us, to_us
from rapscheduler._engine.timezone import ZoneTable
from rapscheduler._engine.trigger import TriggerCore
from rapscheduler._zones import as_zone, local_zone, zone_table
from rapscheduler.triggers.base import BaseTrigger, kernel_of
from rapscheduler.util import convert_to_datetime

if TYPE_CHECKING:
    # For checkers the kernel comes first: its get_next_fire_time is the one that serves, so nothing is abstract.
    class _Face(TriggerCore, BaseTrigger):
        pass
else:
    _Face = BaseTrigger


class KernelTrigger(_Face):
    """A trigger that is also a ``TriggerCore``: which zone and jitter it has.

    APScheduler's triggers have plain slots, so programs assign to them. Here an assignment gives the kernel all its
    numbers again (``_change``), through the same checks as the constructor's.
    """

    __slots__ = ()

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

    def __reduce_ex__(self, protocol: Any) -> Any:
        # Below protocol 2 Python would make the kernel by its constructor, without arguments.
        return super().__reduce_ex__(max(protocol, 2))

    def _next_nominal(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        if kernel_of(self) is None:  # a subclass with a schedule of its own
            return self.get_next_fire_time(previous_fire_time, now)
        previous_us = None if previous_fire_time is None else to_us(previous_fire_time, self.zone)
        fire_us = self.next_fire_us(previous_us, to_us(now, self.zone))
        return None if fire_us is None else from_us(fire_us, self.zone)


_last_zone = zone_table(_fixed_zone.utc)  # looked for last: a program has many triggers and few zones
_zone_by_object = lru_cache(maxsize=1024)(zone_table)


@lru_cache(maxsize=1024)
def _zone_by_name(name: str) -> ZoneTable:
    return zone_table(as_zone(name) or local_zone())


def zone_for(timezone: tzinfo | str | None, *moments: Any) -> ZoneTable:
    """The zone given, else that of the first aware datetime, else the machine's."""
    global _last_zone
    table = _last_zone
    if timezone is table.tzinfo:
        return table
    if type(timezone) is ZoneInfo:
        return _zone_by_object(timezone)
    if timezone and type(timezone) is str:
        return _zone_by_name(timezone)
    if not timezone:
        for moment in moments:
            if isinstance(moment, datetime) and moment.tzinfo is not None:
                timezone = moment.tzinfo
                break
    _last_zone = table = zone_table(as_zone(timezone or None) or local_zone())
    return table


def instant_us(value: Any, zone: ZoneTable, name: str) -> int | None:
    """The instant of a date, datetime or text in a zone; None stays None."""
    moment = convert_to_datetime(value, zone.tzinfo, name)
    return None if moment is None else to_us(moment, zone)


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
    return round(jitter * 1_000_000)


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
