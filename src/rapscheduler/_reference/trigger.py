"""What every trigger shares: zone, start, end, jitter, and the questions a loop asks.

Here: `TriggerCore` (the questions, answered through three methods a schedule must give) and `DateCore` (the
simplest schedule: one instant). Not here: any calendar.

A schedule is a set of instants, `int64` microseconds since the epoch. It is *nominal*: jitter is added only
by `get_next_fire_time`, which is for people; a loop keeps nominal times and adds the jitter to the dispatch.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timezone
from operator import index
from typing import Any

from rapscheduler._reference.datetimes import from_us, to_us
from rapscheduler._reference.timezone import ZoneTable

NEVER = 2**63 - 1  # "no time" in a buffer of int64
MIN_US = -62135596800_000000  # 0001-01-01T00:00:00Z
MAX_US = 253402300799_999999  # 9999-12-31T23:59:59.999999Z


def int64_view(buffer: Any) -> memoryview:
    """The buffer as a flat view of writable int64 items.

    :raises TypeError: if it is not a writable, contiguous, one-dimensional buffer of 8-byte signed integers
    """
    try:
        view = memoryview(buffer)
    except TypeError:
        raise TypeError(
            f"fire times are written to a buffer of int64, not to {type(buffer).__name__}; "
            "give array('q', bytes(8 * n)) or a NumPy array of dtype int64"
        ) from None
    if view.format not in ("q", "l") or view.itemsize != 8 or view.ndim != 1:
        raise TypeError(
            f"fire times need one dimension of int64 items, not format {view.format!r} in {view.ndim} "
            "dimensions; give array('q', bytes(8 * n)) or a NumPy array of dtype int64"
        )
    if view.readonly or not view.contiguous:
        raise TypeError(
            "the buffer for fire times must be writable and contiguous; give array('q', bytes(8 * n))"
        )
    return view


def _instant_us(moment: Any, zone: ZoneTable, name: str) -> int:
    """An argument of `get_next_fire_time` as an instant; naive: local time of the system, as in Python."""
    if not isinstance(moment, datetime):
        raise TypeError(f"{name} must be a datetime, not {type(moment).__name__}")
    if moment.tzinfo is None:
        moment = moment.astimezone(timezone.utc)
    return to_us(moment, zone)


def _legal(us: int) -> int:
    """An instant of the caller's, or, beyond the years 1 to 9999, one just outside of them."""
    return min(max(index(us), MIN_US - 1), MAX_US + 1)


class TriggerCore:
    """A schedule in a zone, from `start_us` to `end_us` (inclusive; `None` for no limit).

    Invariant: `_first_us >= MIN_US` and `_last_us <= MAX_US`: a fire time always is a legal instant.
    """

    __slots__ = ("_first_us", "_last_us", "jitter_us", "zone")

    zone: ZoneTable
    jitter_us: int

    def __init__(
        self,
        zone: ZoneTable,
        start_us: int | None = None,
        end_us: int | None = None,
        jitter_us: int = 0,
    ) -> None:
        if not isinstance(zone, ZoneTable):
            raise TypeError(f"zone must be a ZoneTable, not {type(zone).__name__}")
        if jitter_us < 0:
            raise ValueError(f"jitter_us={jitter_us} would fire too early; give 0 or more")
        self.zone = zone
        self._first_us = MIN_US if start_us is None else max(start_us, MIN_US)
        self._last_us = MAX_US if end_us is None else min(end_us, MAX_US)
        self.jitter_us = jitter_us

    @property
    def start_us(self) -> int | None:
        """Nothing fires before this instant; `None`: no limit."""
        return None if self._first_us == MIN_US else self._first_us

    @property
    def end_us(self) -> int | None:
        """Nothing fires after this instant; `None`: no limit."""
        return None if self._last_us == MAX_US else self._last_us

    # The three a schedule gives; all are clamped to the start and end by whoever implements them.

    def _next_us(self, previous_us: int | None, now_us: int) -> int | None:
        """First fire time after `previous_us`; or from `now_us` on if earlier or without previous."""
        return None

    def _latest_us(self, from_us: int, at_us: int) -> int | None:
        """Last fire time in `[from_us, at_us]`, where `from_us` is a fire time of this schedule."""
        latest_us = self._before_us(at_us + 1)
        return latest_us if latest_us is not None and latest_us >= from_us else None

    def _before_us(self, t_us: int) -> int | None:
        """Last fire time strictly before `t_us`."""
        return None

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """Return the next time to fire on, or `None` when there is none.

        :param previous_fire_time: the fire time before this one, `None` at the first call
        :param now: the current time; a naive datetime is read as local time of the system
        :raises TypeError: if an argument is not a datetime
        """
        now_us = _instant_us(now, self.zone, "now")
        previous_us = None
        if previous_fire_time is not None:
            previous_us = _instant_us(previous_fire_time, self.zone, "previous_fire_time")
        fire_us = self._next_us(previous_us, now_us)
        if fire_us is None:
            return None
        if self.jitter_us:
            fire_us = min(fire_us + int(random.uniform(0, self.jitter_us)), self._last_us)
        return from_us(fire_us, self.zone)

    def next_fire_us(self, previous_us: int | None, now_us: int) -> int | None:
        """`get_next_fire_time` in microseconds and without jitter."""
        return self._next_us(None if previous_us is None else _legal(previous_us), _legal(now_us))

    def latest_fire_us(self, from_us: int, at_us: int) -> int | None:
        """Last fire time in `[from_us, at_us]`; `from_us` is a fire time (the oldest one missed)."""
        return self._latest_us(_legal(from_us), _legal(at_us))

    def previous_fire_us(self, before_us: int) -> int | None:
        """Last fire time strictly before `before_us`."""
        return self._before_us(_legal(before_us))

    def _walk(self, start_us: int, end_us: int | None, limit: int) -> list[int]:
        """The first `limit` fire times in `[start_us, end_us]`."""
        start_us = _legal(start_us)
        last_us = self._last_us if end_us is None else min(_legal(end_us), self._last_us)
        times: list[int] = []
        fire_us = self._next_us(None, start_us)
        while len(times) < limit and fire_us is not None and fire_us <= last_us:
            if fire_us >= start_us:
                times.append(fire_us)
            fire_us = self._next_us(fire_us, fire_us)
        return times

    def fill_fire_times(self, buffer: Any, start_us: int, end_us: int | None = None) -> int:
        """Write the fire times in `[start_us, end_us]` to a writable int64 buffer until it is full.

        :return: how many were written
        :raises TypeError: if the buffer is not one of int64
        """
        view = int64_view(buffer)
        times = self._walk(start_us, end_us, len(view))
        for place, fire_us in enumerate(times):
            view[place] = fire_us
        return len(times)

    def list_fire_times(self, start_us: int, end_us: int | None, limit: int) -> list[datetime]:
        """At most `limit` fire times in `[start_us, end_us]`, as aware datetimes in the trigger's zone."""
        if limit < 0:
            raise ValueError(f"limit={limit} makes no sense; give 0 or more")
        return [from_us(fire_us, self.zone) for fire_us in self._walk(start_us, end_us, limit)]


class DateCore(TriggerCore):
    """One instant. Asked without a previous fire time it answers it, past or not, as APScheduler does."""

    __slots__ = ("run_us",)

    run_us: int

    def __init__(self, run_us: int, zone: ZoneTable) -> None:
        if not MIN_US <= run_us <= MAX_US:
            raise ValueError(f"run_us={run_us} is not within the years 1 to 9999")
        TriggerCore.__init__(self, zone)
        self.run_us = run_us

    def _next_us(self, previous_us: int | None, now_us: int) -> int | None:
        return self.run_us if previous_us is None else None

    def _before_us(self, t_us: int) -> int | None:
        return self.run_us if self.run_us < t_us else None


def next_fire_us_many(triggers: Sequence[TriggerCore], now_us: int, buffer: Any) -> int:
    """Write the next fire time of `triggers[i]` from `now_us` on to `buffer[i]`; `NEVER` where there is none.

    :return: how many were written
    :raises TypeError: if the buffer is not one of int64, or an item is not a compiled trigger
    :raises ValueError: if the buffer is shorter than the sequence
    """
    view = int64_view(buffer)
    if len(view) < len(triggers):
        raise ValueError(f"{len(triggers)} triggers need a buffer of as many int64, not of {len(view)}")
    for place, trigger in enumerate(triggers):
        if not isinstance(trigger, TriggerCore):
            raise TypeError(
                f"triggers[{place}] is a {type(trigger).__name__}, which has no kernel; ask it one by one"
            )
        fire_us = trigger._next_us(None, _legal(now_us))
        view[place] = NEVER if fire_us is None else fire_us
    return len(triggers)
