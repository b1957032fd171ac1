"""Interval and calendar-interval triggers said plainly, one step at a time, with ``zoneinfo`` and
``datetime.date`` only.

Rules of this room: as for the walker: written from the documentation of the triggers, nothing of ours imported. All
instants are microseconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone

from .zones import EPOCH, ZoneView

LAST_US = 253402300799_999999


@dataclass(frozen=True)
class Interval:
    """Elapsed time: the grid ``start + n * interval``, or the previous fire time plus the interval."""

    interval_us: int
    start_us: int
    end_us: int | None

    def next(self, previous_us: int | None, now_us: int) -> int | None:
        if previous_us is not None:
            fire = previous_us + self.interval_us
        else:
            behind = max(0, now_us - self.start_us)
            fire = self.start_us + -(-behind // self.interval_us) * self.interval_us
        return self._allowed(fire)

    def latest(self, from_us: int, at_us: int) -> int | None:
        """The last of ``from, from + interval, …`` that is not after ``at`` nor after the end date."""
        if self.end_us is not None:
            at_us = min(at_us, self.end_us)
        return (
            from_us + (at_us - from_us) // self.interval_us * self.interval_us if at_us >= from_us else None
        )

    def before(self, t_us: int) -> int | None:
        """The last fire time of the grid strictly before an instant."""
        if self.end_us is not None:
            t_us = min(t_us, self.end_us + 1)
        if t_us <= self.start_us:
            return None
        return self.start_us + (t_us - 1 - self.start_us) // self.interval_us * self.interval_us

    def _allowed(self, fire_us: int) -> int | None:
        return fire_us if fire_us <= (LAST_US if self.end_us is None else self.end_us) else None


@dataclass(frozen=True)
class CalendarInterval:
    """Years and months are added until the date exists, then weeks and days; a time in a gap is left out."""

    years: int
    months: int
    weeks: int
    days: int
    at: time
    start: date
    end: date | None
    zone: str

    def following(self, day: date) -> date | None:
        """The next date of the chain, whether or not the time of day exists on it."""
        months = self.years * 12 + self.months
        year, month = day.year, day.month
        try:
            while months:
                year, month = year + (month - 1 + months) // 12, (month - 1 + months) % 12 + 1
                if year > 9999:
                    return None
                try:
                    day = date(year, month, day.day)
                    break
                except ValueError:
                    continue
            return day + timedelta(weeks=self.weeks, days=self.days)
        except OverflowError:
            return None

    def chain(self, view: ZoneView, first: date | None) -> Iterator[int]:
        """Fire times (µs) from a date on."""
        while first is not None and (self.end is None or first <= self.end):
            fire_us = instant_of(datetime.combine(first, self.at), view)
            if fire_us is not None:
                yield fire_us
            first = self.following(first)

    def next(self, view: ZoneView, previous_us: int | None, now_us: int) -> int | None:
        if previous_us is not None:
            return next(self.chain(view, self.following(view.local(previous_us // 1_000_000).date())), None)
        return next((fire for fire in self.chain(view, self.start) if fire >= now_us), None)

    def before(self, view: ZoneView, t_us: int) -> int | None:
        """The last fire time strictly before an instant."""
        last = None
        for fire in self.chain(view, self.start):
            if fire >= t_us:
                break
            last = fire
        return last


def instant_of(wall: datetime, view: ZoneView) -> int | None:
    """The first instant (µs) with this wall time, or None when it does not exist."""
    try:
        utc_time = wall.replace(tzinfo=view.tzinfo, fold=0).astimezone(timezone.utc)
        back = utc_time.astimezone(view.tzinfo)
    except OverflowError:
        return None
    if back.replace(tzinfo=None) != wall:
        return None
    return (utc_time - EPOCH) // timedelta(microseconds=1)
