"""Where a run time goes when the rules of a zone change.

What lives here: `follow`, a pure function of a trigger, a run time and the older rules. What must not: stores, clocks.

A run time was computed under older rules and is an instant; the trigger, made under the rules in force, says what was
meant. Cron, calendar-interval and date triggers, and combinations of them, mean a wall time:

* a time that the trigger had under the older rules is the trigger's time of the same wall clock under the new ones:
  where the new rules skip that wall time, what the trigger does in a gap; where they repeat it, the same pass, or the
  first. A cron schedule that keeps a rhythm (its hour or minute begins with ``*``) has its first time from now on
  instead: it follows the clock, and an hour of every minute's runs is neither waited for nor made up;
* a time that it has under the new rules only was computed under these: it stays;
* any other time was set by a user: its wall time stays.

Interval triggers mean elapsed time, and those of others we know nothing about: they stay where they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timezone
from typing import Any

from rapscheduler._engine.calendar_interval import CalendarIntervalCore
from rapscheduler._engine.cron import CronCore
from rapscheduler._engine.timezone import ZoneTable
from rapscheduler._engine.trigger import MAX_US, MIN_US, DateCore
from rapscheduler._instants import SECOND_US, moment
from rapscheduler._rules import FIRST_S, LAST_S
from rapscheduler.triggers.base import kernel_of
from rapscheduler.triggers.combining import AndTrigger, BaseCombiningTrigger, OrTrigger, _first_us

__all__ = ["OldRules", "follow", "zones_of"]

_PLAIN = ZoneTable.fixed(0, timezone.utc)  # wall times taken for UTC

#: from the table of a trigger's zone to that of its older rules; None: they are the same
OldRules = Callable[[ZoneTable], ZoneTable | None]


def zones_of(trigger: Any) -> Iterator[ZoneTable]:
    """The zones whose wall clock a trigger follows."""
    if isinstance(trigger, BaseCombiningTrigger):
        for part in trigger.triggers:
            yield from zones_of(part)
    elif _means_wall_time(trigger):
        yield trigger.zone


def _means_wall_time(trigger: Any) -> bool:
    return isinstance(trigger, (CronCore, CalendarIntervalCore, DateCore)) and kernel_of(trigger) is not None


def follow(trigger: Any, nominal_us: int, now_us: int, old_rules: OldRules, others_stay: bool = False) -> int:
    """The nominal time under the rules in force of one that was computed under the old ones; the same: it stays.

    ``others_stay``: so does a time that the trigger has under neither; it may be of the new rules already.
    """
    at_s = nominal_us // SECOND_US
    if not FIRST_S <= at_s < LAST_S:
        return nominal_us
    changed = [
        (zone, old) for zone in dict.fromkeys(zones_of(trigger)) if (old := old_rules(zone)) is not None
    ]
    if all(zone.offset_at(at_s) == old.offset_at(at_s) for zone, old in changed):
        return nominal_us
    one = _Change(now_us, old_rules)
    before = one.under_old(trigger)
    if _fires_at(before, nominal_us):
        followed = one.followed(trigger, before, nominal_us)
    elif _fires_at(trigger, nominal_us) or others_stay or _has_others(trigger):
        return nominal_us
    else:
        followed = None
    if followed is None:
        zone, old = next((z, o) for z, o in changed if z.offset_at(at_s) != o.offset_at(at_s))
        followed = _same_wall_us(nominal_us, old, zone)
    return followed if MIN_US <= followed <= MAX_US else nominal_us


def _has_others(trigger: Any) -> bool:
    """Whether a trigger of somebody else's, or an interval, is in it: a time that is no wall time may be its."""
    if isinstance(trigger, BaseCombiningTrigger):
        return any(map(_has_others, trigger.triggers))
    return not _means_wall_time(trigger)


def _fires_at(trigger: Any, at_us: int) -> bool:
    if isinstance(trigger, OrTrigger):
        return trigger._is_open(at_us) and any(_fires_at(part, at_us) for part in trigger.triggers)
    if isinstance(trigger, AndTrigger):
        return trigger._is_open(at_us) and all(_fires_at(part, at_us) for part in trigger.triggers)
    return _first(trigger, at_us) == at_us


def _first(trigger: Any, from_us: int) -> int | None:
    return _first_us(trigger, from_us, moment(from_us))


class _Change:
    """One change of rules, seen from an instant."""

    def __init__(self, now_us: int, old_rules: OldRules) -> None:
        self._now_us = now_us
        self._old_rules = old_rules

    def under_old(self, trigger: Any) -> Any:
        """The trigger as it was under the old rules; one that means no wall time is itself."""
        if isinstance(trigger, BaseCombiningTrigger):
            parts = [self.under_old(part) for part in trigger.triggers]
            made = (
                AndTrigger(parts, horizon=trigger.horizon)
                if isinstance(trigger, AndTrigger)
                else OrTrigger(parts)
            )
            made.skips = trigger.skips
            return made
        old = self._old_rules(trigger.zone) if _means_wall_time(trigger) else None
        return trigger if old is None else _on(trigger, old)

    def followed(self, trigger: Any, before: Any, fire_us: int) -> int | None:
        """The time of `trigger` that `fire_us` was of the same trigger before; None: it has none."""
        if isinstance(trigger, OrTrigger):
            return self._earliest(trigger, before, fire_us)
        if isinstance(trigger, AndTrigger):
            if _has_others(trigger) or any(map(_keeps_rhythm, trigger.triggers)):
                return _first(trigger, min(fire_us, self._now_us + 1))
            starts = [self._start_us(zone, fire_us) for zone in zones_of(trigger)]
            return _first(trigger, min(starts))
        if not _means_wall_time(trigger):
            return fire_us
        if isinstance(trigger, DateCore):
            return trigger.run_us
        if _keeps_rhythm(trigger):
            return _first(trigger, min(fire_us, self._now_us + 1))
        return _first(trigger, self._start_us(trigger.zone, fire_us, trigger))

    def _earliest(self, trigger: OrTrigger, before: OrTrigger, fire_us: int) -> int | None:
        """Each part goes on with the time it had next; the earliest of these is the next of all."""
        found = []
        for part, part_before in zip(trigger.triggers, before.triggers, strict=True):
            due_us = _first(part_before, fire_us)
            if due_us is not None:
                found.append(self.followed(part, part_before, due_us))
        earliest_us = min((us for us in found if us is not None), default=None)
        return None if earliest_us is None else trigger._from_open(earliest_us, moment(earliest_us))

    def _start_us(self, zone: ZoneTable, fire_us: int, trigger: Any = None) -> int:
        """The instant under the new rules from which on a time is to be found that was this one under the old."""
        old = self._old_rules(zone)
        if old is None:
            return fire_us
        kind, first_s, second_s, again = _new_wall(fire_us // SECOND_US, old, zone)
        skipped_s = _skipped_s(trigger, fire_us // SECOND_US, old)
        if skipped_s is not None:
            (kind, first_s, second_s), again = zone.local(skipped_s), False
        if kind == "gap":
            return zone.range_at(first_s)[0] * SECOND_US  # where the clock was set forward
        return (second_s if again else first_s) * SECOND_US


def _skipped_s(trigger: Any, at_s: int, old: ZoneTable) -> int | None:
    """The wall time that a run right after a gap of the old rules is for (``dst="shift"``); None: its own."""
    if not isinstance(trigger, CronCore) or trigger.spec.dst != "shift":
        return None
    begin_s, end_s = at_s + old.offset_at(at_s - 1), at_s + old.offset_at(at_s)
    matching_us = CronCore(trigger.spec, _PLAIN).previous_fire_us(end_s * SECOND_US + 1)
    if matching_us is None or not begin_s <= matching_us // SECOND_US < end_s:
        return None
    return matching_us // SECOND_US


def _keeps_rhythm(trigger: Any) -> bool:
    if isinstance(trigger, BaseCombiningTrigger):
        return any(map(_keeps_rhythm, trigger.triggers))
    return isinstance(trigger, CronCore) and trigger.spec.rhythm


def _new_wall(at_s: int, old: ZoneTable, zone: ZoneTable) -> tuple[str, int, int, bool]:
    """What the wall time of an instant means under the new rules, and whether it was a second pass under the old."""
    wall_s = at_s + old.offset_at(at_s)
    before, _, second_s = old.local(wall_s)
    return *zone.local(wall_s), before == "fold" and at_s == second_s


def _same_wall_us(time_us: int, old: ZoneTable, zone: ZoneTable) -> int:
    """The instant of the same wall time under other rules; in a gap as PEP 495."""
    at_s, rest_us = divmod(time_us, SECOND_US)
    kind, first_s, second_s, again = _new_wall(at_s, old, zone)
    return (second_s if again and kind == "fold" else first_s) * SECOND_US + rest_us


def _on(trigger: Any, zone: ZoneTable) -> Any:
    """The same schedule on the clock of another table, without its limits."""
    if isinstance(trigger, DateCore):
        return DateCore(_same_wall_us(trigger.run_us, trigger.zone, zone), zone)
    made: CronCore | CalendarIntervalCore
    if isinstance(trigger, CronCore):
        made = CronCore(trigger.spec, zone)
    else:
        assert isinstance(trigger, CalendarIntervalCore)
        made = CalendarIntervalCore(
            zone, trigger.month_step, trigger.day_step, trigger.time_s, trigger.start_days
        )
    made.skips = trigger.skips
    return made
