"""What every trigger shares: zone, start, end, jitter, and the questions a loop asks.

Here: `TriggerCore` (the questions, answered through three methods a schedule must give), `Skips` (days and times of
day that are left out, and the search past them) and `DateCore` (the simplest schedule: one instant). Not here: any
calendar.

A schedule is a set of instants, `int64` microseconds since the epoch. It is *nominal*: jitter is added only
by `get_next_fire_time`, which is for people; a loop keeps nominal times and adds the jitter to the dispatch
(`planning.dispatch_at_us`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from operator import index
from typing import TYPE_CHECKING, Any

from rapscheduler._reference._instants import MAX_US as MAX_US
from rapscheduler._reference._instants import MIN_US as MIN_US
from rapscheduler._reference._instants import NEVER_US as NEVER_US
from rapscheduler._reference.datetimes import from_us, to_us
from rapscheduler._reference.timezone import ZoneTable


def _by_chance() -> float:
    """A number in [0, 1), of the generator that programs seed. Loaded when one asks: few triggers have a jitter."""
    from random import random

    return random()


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


_MOST_SKIPPED = 20_000  # stretches of time left out, one after the other, until a schedule counts as over
_MOST_WINDOWS = 16
_DAY_S = 86_400
_FIRST_S, _LAST_S = MIN_US // 1_000_000 - 1, MAX_US // 1_000_000 + 1


class Skips:
    """The days and times of day that a schedule leaves out, by the wall clock of its zone. Never changed, shared.

    `days`: bit i of these bytes (little endian) says that the day `first_day + i` is left out; `weekdays` (bit 0:
    Monday) says it of all other days. `windows`: pairs of seconds of the day, `from_s <= second < to_s`, in order
    and disjoint; outside of them every day is left out (none: the whole day is in). `share`: the part of the jitter
    that every run is late by, instead of a drawn one. `after_end`: the next run counts from the end of the one before
    (`planning`). `source`: what all this was made of, for people.
    """

    __slots__ = ("after_end", "days", "first_day", "fixed_share", "source", "weekdays", "windows")

    fixed_share: float | None

    def __init__(
        self,
        first_day: int = 0,
        days: bytes = b"",
        weekdays: int = 0,
        windows: Sequence[tuple[int, int]] = (),
        source: Any = None,
        share: float | None = None,
        after_end: bool = False,
    ) -> None:
        self.after_end = bool(after_end)
        if abs(index(first_day)) > 10_000_000:
            raise ValueError(f"first_day={first_day} is not within the years 1 to 9999")
        self.first_day, self.days, self.weekdays, self.source = first_day, bytes(days), weekdays & 127, source
        if share is not None and not 0 <= share <= 1:
            raise ValueError(f"share={share} is no part; give a number from 0 to 1")
        self.fixed_share = share
        self.windows = tuple((index(from_s), index(to_s)) for from_s, to_s in windows) or ((0, _DAY_S),)
        if len(self.windows) > _MOST_WINDOWS:
            raise ValueError(f"at most {_MOST_WINDOWS} windows can be told, not {len(self.windows)}")
        end = 0
        for from_s, to_s in self.windows:
            if not end <= from_s < to_s <= _DAY_S:
                raise ValueError(f"windows={windows!r} must be seconds of a day, in order, and not overlap")
            end = to_s

    def next_open_us(self, zone: ZoneTable, t_us: int) -> int | None:
        """The first instant from one on that is not left out; `None`: there is none."""
        t_us = _legal(t_us)
        begin_s = at_s = t_us // 1_000_000
        while at_s <= _LAST_S:
            _, end_s, offset_s = zone.range_at(at_s)
            wall_s = self._wall_from(at_s + offset_s)
            if wall_s is None:
                break
            if wall_s - offset_s < end_s:
                return t_us if wall_s - offset_s <= begin_s else (wall_s - offset_s) * 1_000_000
            at_s = max(end_s, wall_s - offset_s - 2 * _DAY_S)
        return None

    def last_open_us(self, zone: ZoneTable, t_us: int) -> int | None:
        """The last instant until one that is not left out; `None`: there is none."""
        t_us = _legal(t_us)
        end_s = at_s = t_us // 1_000_000
        while at_s >= _FIRST_S:
            begin_s, _, offset_s = zone.range_at(at_s)
            wall_s = self._wall_until(at_s + offset_s)
            if wall_s is None:
                break
            if wall_s - offset_s >= begin_s:
                return t_us if wall_s - offset_s >= end_s else (wall_s - offset_s + 1) * 1_000_000 - 1
            at_s = min(begin_s - 1, wall_s - offset_s + 2 * _DAY_S)
        return None

    def _out(self, day: int) -> bool:
        i = day - self.first_day
        if 0 <= i < 8 * len(self.days):
            return bool(self.days[i >> 3] >> (i & 7) & 1)
        return bool(self.weekdays >> ((day + 3) % 7) & 1)  # 1970-01-01 was a Thursday

    def _wall_from(self, wall_s: int) -> int | None:
        day, at_s = divmod(wall_s, _DAY_S)
        if not self._out(day):
            for from_s, to_s in self.windows:
                if at_s < to_s:
                    return day * _DAY_S + max(at_s, from_s)
        day += 1
        last = max(day, self.first_day + 8 * len(self.days)) + 7
        while self._out(day):
            day += 1
            if day > last:
                return None
        return day * _DAY_S + self.windows[0][0]

    def _wall_until(self, wall_s: int) -> int | None:
        day, at_s = divmod(wall_s, _DAY_S)
        if not self._out(day):
            for from_s, to_s in reversed(self.windows):
                if at_s >= from_s:
                    return day * _DAY_S + min(at_s, to_s - 1)
        day -= 1
        first = min(day, self.first_day) - 7
        while self._out(day):
            day -= 1
            if day < first:
                return None
        return day * _DAY_S + self.windows[-1][1] - 1


class TriggerCore:
    """A schedule in a zone, from `start_us` to `end_us` (inclusive; `None` for no limit).

    Invariant: `_first_us >= MIN_US` and `_last_us <= MAX_US`: a fire time always is a legal instant.
    """

    __slots__ = ("_first_us", "_last_us", "jitter_us", "skips", "zone")

    zone: ZoneTable
    jitter_us: int
    skips: Skips | None  #: what the schedule leaves out, if anything

    if not TYPE_CHECKING:  # for checkers the class is made as any other

        def __new__(cls, *arguments: Any, **more: Any) -> Any:
            made = super().__new__(cls)
            made.skips = None
            return made

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
        fire_us = self._asked_next(previous_us, now_us)
        if fire_us is None:
            return None
        if self.jitter_us:
            fire_us = min(fire_us + int(share_of(self, _by_chance) * self.jitter_us), self._last_us)
        return from_us(fire_us, self.zone)

    def next_fire_us(self, previous_us: int | None, now_us: int) -> int | None:
        """`get_next_fire_time` in microseconds and without jitter."""
        return self._asked_next(None if previous_us is None else _legal(previous_us), _legal(now_us))

    def latest_fire_us(self, from_us: int, at_us: int) -> int | None:
        """Last fire time in `[from_us, at_us]`; `from_us` is a fire time (the oldest one missed)."""
        if self.skips is None:
            return self._latest_us(_legal(from_us), _legal(at_us))
        latest_us = self.previous_fire_us(_legal(at_us) + 1)
        return latest_us if latest_us is not None and latest_us >= from_us else None

    def previous_fire_us(self, before_us: int) -> int | None:
        """Last fire time strictly before `before_us`."""
        fire_us = self._before_us(_legal(before_us))
        if self.skips is None:
            return fire_us
        for _ in range(_MOST_SKIPPED):
            if fire_us is None:
                return None
            open_us = self.skips.last_open_us(self.zone, fire_us)
            if open_us == fire_us or open_us is None:
                return open_us
            fire_us = self._before_us(open_us + 1)
        return None

    def _asked_next(self, previous_us: int | None, now_us: int) -> int | None:
        """`_next_us`, but what is left out."""
        fire_us = self._next_us(previous_us, now_us)
        if self.skips is None:
            return fire_us
        for _ in range(_MOST_SKIPPED):
            if fire_us is None:
                return None
            open_us = self.skips.next_open_us(self.zone, fire_us)
            if open_us == fire_us or open_us is None:
                return open_us
            fire_us = self._next_us(None, open_us)
            if fire_us is not None and fire_us < open_us:  # one instant, past or not
                return None
        return None

    def _walk(self, start_us: int, end_us: int | None, limit: int) -> list[int]:
        """The first `limit` fire times in `[start_us, end_us]`."""
        start_us = _legal(start_us)
        last_us = self._last_us if end_us is None else min(_legal(end_us), self._last_us)
        times: list[int] = []
        fire_us = self._asked_next(None, start_us)
        while len(times) < limit and fire_us is not None and fire_us <= last_us:
            if fire_us >= start_us:
                times.append(fire_us)
            fire_us = self._asked_next(fire_us, fire_us)
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


def share_of(trigger: TriggerCore, draw: Callable[[], float]) -> float:
    """The part of the jitter that a run is late by."""
    if trigger.skips is not None and trigger.skips.fixed_share is not None:
        return trigger.skips.fixed_share
    return draw()


def next_fire_us_many(triggers: Sequence[TriggerCore], now_us: int, buffer: Any) -> int:
    """Write the next fire time of `triggers[i]` from `now_us` on to `buffer[i]`; `NEVER_US` where there is none.

    :return: how many were written
    :raises TypeError: if the buffer is not one of int64, or an item is not a compiled trigger
    :raises ValueError: if the buffer is shorter than the sequence
    :raises RuntimeError: if a tzinfo that is asked changes the length of the sequence
    """
    view = int64_view(buffer)
    if len(view) < len(triggers):
        raise ValueError(f"{len(triggers)} triggers need a buffer of as many int64, not of {len(view)}")
    total = len(triggers)
    for place in range(total):
        if len(triggers) != total:
            raise RuntimeError("the sequence of triggers changed its length while they were asked")
        trigger = triggers[place]
        if not isinstance(trigger, TriggerCore):
            raise TypeError(
                f"triggers[{place}] is a {type(trigger).__name__}, which has no kernel; ask it one by one"
            )
        fire_us = trigger._asked_next(None, _legal(now_us))
        view[place] = NEVER_US if fire_us is None else fire_us
    return total
