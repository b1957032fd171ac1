"""Elapsed-time intervals: the grid ``start + n * interval``, or the previous fire time plus the interval.

What lives here: closed forms on microseconds. What must not: wall times; a day here is 24 hours.
"""

from __future__ import annotations

from rapscheduler._reference.timezone import ZoneTable
from rapscheduler._reference.trigger import MAX_US, TriggerCore

MAX_INTERVAL_US = 10**18  # longer than all legal time: such a trigger fires once
_DAY_US = 86_400_000_000


class IntervalCore(TriggerCore):
    """Fires every ``interval_us`` from ``anchor_us`` on (the start date), until ``end_us``."""

    __slots__ = ("anchor_us", "interval_us")

    interval_us: int
    anchor_us: int

    def __init__(
        self,
        interval_us: int,
        zone: ZoneTable,
        start_us: int,
        end_us: int | None = None,
        jitter_us: int = 0,
    ) -> None:
        if not 1 <= interval_us <= MAX_INTERVAL_US:
            raise ValueError(f"interval_us must be in 1..{MAX_INTERVAL_US}, not {interval_us}")
        TriggerCore.__init__(self, zone, start_us, end_us, jitter_us)
        self.interval_us = interval_us
        self.anchor_us = self._first_us

    def _next_us(self, previous_us: int | None, now_us: int) -> int | None:
        # also from one before the start date it goes on, as APScheduler's does
        if previous_us is not None:
            fire_us = previous_us + self.interval_us
        elif now_us <= self.anchor_us:
            fire_us = self.anchor_us
        else:
            fire_us = self.anchor_us + -(-(now_us - self.anchor_us) // self.interval_us) * self.interval_us
        return fire_us if fire_us <= self._last_us and self._has_local_time(fire_us) else None

    def _has_local_time(self, fire_us: int) -> bool:
        """In the last day of the calendar it is already the year 10000 in the east."""
        if fire_us <= MAX_US - _DAY_US:
            return True
        return fire_us + self.zone.offset_at(fire_us // 1_000_000) * 1_000_000 <= MAX_US

    def _latest_us(self, from_us: int, at_us: int) -> int | None:
        at_us = min(at_us, self._last_us)
        if at_us < from_us:
            return None
        return at_us - (at_us - from_us) % self.interval_us

    def _before_us(self, t_us: int) -> int | None:
        return self._latest_us(self.anchor_us, t_us - 1)

    def missed_slots(self, from_us: int, at_us: int) -> int:
        """How many fire times are in ``[from_us, at_us]``, ``from_us`` being one (the oldest missed)."""
        latest_us = self._latest_us(from_us, at_us)
        return 0 if latest_us is None else (latest_us - from_us) // self.interval_us + 1
