"""What a combination leaves out by itself: the search for fire times past it.

Here: `LeavesOpen`, which `BaseCombiningTrigger` inherits, and whose clock counts. Not here: when the parts fire
(`combining`), how these arguments are read (`_skipping`).

Invariant: a fire time that is left out is followed by the parts' first one from the next instant on that is not, and
preceded by their last one until the instant before that is not. The clock is one for all parts, that of the first.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from rapscheduler._engine.timezone import ZoneTable
from rapscheduler._engine.trigger import TriggerCore
from rapscheduler._zones import as_zone, zone_table
from rapscheduler.triggers._left_out import LeavesOut
from rapscheduler.triggers.base import _instant_us, _moment

if TYPE_CHECKING:
    from rapscheduler._engine.trigger import Skips

_MOST_SKIPPED = 20_000  # stretches left out in a row, until a schedule counts as over: as the engine has it


def clock_of(trigger: Any) -> ZoneTable:
    """The zone whose clock says what a combination leaves out: that of the first trigger in it."""
    while isinstance(trigger, LeavesOpen):
        if not trigger.triggers:
            return zone_table(timezone.utc)
        trigger = trigger.triggers[0]
    if isinstance(trigger, TriggerCore):
        return trigger.zone
    zone = as_zone(getattr(trigger, "timezone", None))
    if zone is None:
        raise ValueError(
            f"exclude= and windows= of a combination go by the clock of its first trigger, and {trigger!r} has no "
            "timezone; put a trigger first that has one, or give each trigger its own exclude="
        )
    return zone_table(zone)


def refuse_after_end(name: str, index: int, trigger: Any) -> None:
    """ValueError: this part of a combination counts from the end of runs."""
    if getattr(getattr(trigger, "skips", None), "after_end", False):
        raise ValueError(
            f"triggers[{index}] counts from the end of runs, which are not its own in a {name}; leave its after= out, "
            "or give it to a job of its own"
        )


class LeavesOpen(LeavesOut):
    """A combination that may leave out days and times of day."""

    __slots__ = ()

    triggers: Any

    def _leaving(self) -> Skips | None:
        """What is left out; None: nothing, though there may be a spread."""
        return self.skips if self.exclude is not None or self.windows else None

    def _first_of_parts(self, from_us_: int, now: datetime) -> int | None:
        """The first instant from one on at which it fires, were nothing left out."""
        raise NotImplementedError

    def _from_open(self, fire_us: int | None, now: datetime) -> int | None:
        """A fire time of the parts, or the first one after it that is not left out."""
        skips = self._leaving()
        if skips is None:
            return fire_us
        clock = clock_of(self)
        for _ in range(_MOST_SKIPPED):
            open_us = None if fire_us is None else skips.next_open_us(clock, fire_us)
            if open_us is None or open_us == fire_us:
                return open_us
            fire_us = self._first_of_parts(open_us, now)
        return None

    def _until_open(self, before: datetime) -> datetime | None:
        """The last fire time strictly before an instant that is not left out."""
        moment = self._last_of_parts(before)
        skips = self._leaving()
        if skips is None:
            return moment
        clock = clock_of(self)
        for _ in range(_MOST_SKIPPED):
            fire_us = None if moment is None else _instant_us(moment)
            open_us = None if fire_us is None else skips.last_open_us(clock, fire_us)
            if open_us is None or open_us == fire_us:
                return None if open_us is None else moment
            moment = self._last_of_parts(_moment(open_us + 1, before))
        return None

    def _last_of_parts(self, before: datetime) -> datetime | None:
        """The last instant strictly before one at which it fires, were nothing left out."""
        raise NotImplementedError

    def _is_open(self, at_us: int) -> bool:
        """Whether an instant is not left out."""
        skips = self._leaving()
        return skips is None or skips.next_open_us(clock_of(self), at_us) == at_us

    def _seeded(self, seed: str) -> Any:
        """One over the same triggers: a state would need their classes to be found by name."""
        cls: Any = type(self)
        made = cls.__new__(cls)
        for name in ("triggers", "jitter", "horizon"):
            if hasattr(self, name):
                setattr(made, name, getattr(self, name))
        if hasattr(self, "__dict__"):
            vars(made).update(vars(self))
        exclude, windows, spread, _, _ = self._left_out()
        made._leave_out(exclude, windows, spread, seed)
        return made
