"""``IntervalTrigger``: every so much elapsed time. The public class; the arithmetic is ``_engine.interval``.

Data: the kernel's numbers, and ``_dates`` only when the start or end date came in another zone than the trigger's, so
that they can be shown as they were given.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from rapscheduler._clock import now_of
from rapscheduler._engine.datetimes import from_us, to_us
from rapscheduler._engine.interval import MAX_INTERVAL_US, IntervalCore
from rapscheduler._engine.timezone import ZoneTable
from rapscheduler._instants import MAX_US, MICROSECOND, SECOND_US
from rapscheduler._zones import get_localzone
from rapscheduler.triggers._kernel import (
    KernelTrigger,
    jitter_to_us,
    state_of,
    zone_for,
)
from rapscheduler.triggers._left_out import left_out_options, left_out_state, left_out_text, take_left_out
from rapscheduler.triggers._words import duration_text, jitter_text
from rapscheduler.triggers.base import BaseTrigger, kernel_of, or_never
from rapscheduler.util import astimezone, convert_to_datetime, datetime_repr, elsewhere

__all__ = (
    "BaseTrigger",
    "IntervalTrigger",
    "astimezone",
    "convert_to_datetime",
    "datetime",
    "datetime_repr",
    "get_localzone",
    "timedelta",
)

STATE_VERSION = 2
_NO_TIME = timedelta()
_NEAR_THE_END_US = MAX_US - 2 * 86400 * SECOND_US


if not TYPE_CHECKING:
    __getattr__ = elsewhere(__name__)


def _not_a_length(exc: Exception, **counts: Any) -> Exception:
    """What to say of numbers that make no length of time."""
    given = ", ".join(f"{name}={count!r}" for name, count in counts.items() if count != 0)
    kind = "at most 999999999 days" if isinstance(exc, OverflowError) else "numbers"
    cure = ""
    if any(isinstance(count, timedelta) for count in counts.values()):
        cure = "; of a timedelta give seconds=delta.total_seconds()"
    return type(exc)(f"{exc}; give {kind}, not {given}{cure}")


def _length(weeks: float, days: float, hours: float, minutes: float, seconds: float) -> timedelta:
    """The time between two fire times; a second if nothing was said."""
    try:
        interval = timedelta(days, seconds, 0, 0, minutes, hours, weeks)
    except (TypeError, OverflowError, ValueError) as exc:
        raise _not_a_length(
            exc, weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds
        ) from None
    if not interval:
        if weeks or days or hours or minutes or seconds:
            raise ValueError("the interval is shorter than a microsecond; give seconds=0.000001 or more")
        interval = timedelta(seconds=1)
    return interval


class IntervalTrigger(IntervalCore, KernelTrigger):
    """Fires every so much elapsed time, exact to the microsecond: on the grid that begins at ``start_date``.

    A day is 24 hours here, whatever the clocks do; see ``CalendarIntervalTrigger`` for days of the calendar.

    :param weeks: number of weeks to wait
    :param days: number of days to wait
    :param hours: number of hours to wait
    :param minutes: number of minutes to wait
    :param seconds: number of seconds to wait, with fractions if you like (all zero: one second)
    :param start_date: the first point of the grid (default: now plus the interval)
    :param end_date: latest instant to fire at (inclusive)
    :param timezone: tzinfo or name of a zone (default: that of the start or end date, else the system's)
    :param jitter: delay each fire time by a random 0 to ``jitter`` seconds
    :param after: ``"end"``: the next run comes so much time after the end of the one before, however long that took
        (a fixed delay; the grid then only says when the first run is)
    :param exclude: days that are left out, as ``calendars.days()`` takes them: ``["sat", "sun", "2026-12-24"]``
    :param windows: the parts of a day in which it fires, such as ``["08:00-18:00"]`` (the end is not in it)
    :param spread: ``"hash"``: each job is late within the jitter by an amount that follows from its id
    :param seed: what that amount follows from instead of the id
    :raises ValueError: if the interval is negative, or a date, zone or jitter makes no sense
    :raises TypeError: if a number, date or zone has the wrong type
    """

    __slots__: tuple[str, ...] = ("_dates",)

    _dates: tuple[datetime | None, datetime | None] | None

    def __init__(
        self,
        weeks: float = 0,
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
        start_date: Any = None,
        end_date: Any = None,
        timezone: tzinfo | str | None = None,
        jitter: float | None = None,
        *,
        after: Literal["end"] | None = None,
        exclude: Any = None,
        windows: Any = None,
        spread: Literal["hash"] | None = None,
        seed: str | None = None,
    ) -> None:
        interval_us = 0
        if type(minutes) is type(seconds) is type(hours) is type(days) is type(weeks) is int:
            interval_us = SECOND_US * (seconds + 60 * (minutes + 60 * (hours + 24 * (days + 7 * weeks))))
        interval: timedelta | None = None
        if not 0 < interval_us < MAX_INTERVAL_US:  # as it rarely is: a timedelta takes twice as long
            interval = _length(weeks, days, hours, minutes, seconds)
        zone = zone_for(timezone, start_date, end_date, local=get_localzone)
        if interval is None:
            self._begin_us(interval_us, zone, start_date, end_date, jitter)
        else:
            self._begin(interval, zone, start_date, end_date, jitter)
        if not (exclude is None and windows is None and spread is None and seed is None and after is None):
            self._leave_out(exclude, windows, spread, seed, after)
        if after is not None and kernel_of(self) is None:
            raise ValueError(
                f"after={after!r}: {type(self).__name__} says by its own get_next_fire_time() or _apply_jitter() when "
                "the next run is; leave after= out, or these methods"
            )

    def _begin(
        self, interval: timedelta, zone: ZoneTable, start_date: Any, end_date: Any, jitter: float | None
    ) -> None:
        """Give the kernel its numbers."""
        if not isinstance(interval, timedelta):
            raise TypeError(f"interval={interval!r} is not a timedelta, such as timedelta(minutes=5)")
        if interval <= _NO_TIME:
            raise ValueError(
                f"the interval must be longer than zero, not {interval.total_seconds():g} s; to begin earlier give "
                "start_date"
            )
        interval_us = min(interval // MICROSECOND, MAX_INTERVAL_US)
        self._begin_us(interval_us, zone, start_date, end_date, jitter)

    def _begin_us(
        self, interval_us: int, zone: ZoneTable, start_date: Any, end_date: Any, jitter: float | None
    ) -> None:
        tz = zone.tzinfo
        # (most have none of these, and each call that is spared is a twentieth of the price)
        start = None if start_date is None else convert_to_datetime(start_date, tz, "start_date")
        end = None if end_date is None else convert_to_datetime(end_date, tz, "end_date")
        if start is not None:
            start_us = to_us(start, zone)
        else:
            start_us = now_of(datetime) + interval_us
            if start_us > _NEAR_THE_END_US:
                from_us(start_us, zone)  # OverflowError: the first fire time is after the year 9999
        end_us = None if end is None else to_us(end, zone)
        jitter_us = 0 if jitter is None else jitter_to_us(jitter)
        IntervalCore.__init__(self, interval_us, zone, start_us, end_us, jitter_us)
        as_given = (start is None or start.tzinfo is tz) and (end is None or end.tzinfo is tz)
        self._dates = None if as_given else (start, end)

    def _maker(self) -> Callable[..., IntervalTrigger]:
        """A function that makes triggers like this one as it is now, without looking at the numbers again; of another
        start (µs), if one is given."""
        interval_us, zone, start_us, end_us, jitter_us = (
            self.interval_us,
            self.zone,
            self.anchor_us,
            self.end_us,
            self.jitter_us,
        )
        dates, new, begin = self._dates, IntervalTrigger.__new__, IntervalCore.__init__
        skips = self.skips

        def make(anchor_us: int = start_us) -> IntervalTrigger:
            made = new(IntervalTrigger)
            begin(made, interval_us, zone, anchor_us, end_us, jitter_us)
            made._dates = dates
            made.skips = skips
            return made

        return make

    def _change(self, **changes: Any) -> None:
        arguments = {
            "interval": self.interval,
            "zone": self.zone,
            "start_date": self.start_date,
            "end_date": self.end_date,
            "jitter": self.jitter,
        }
        self._begin(**{**arguments, **changes})

    @property
    def interval(self) -> timedelta:
        """The time between two fire times."""
        return self.interval_us * MICROSECOND

    @interval.setter
    def interval(self, value: timedelta) -> None:
        self._change(interval=value)

    @property
    def interval_length(self) -> float:
        """The time between two fire times, in seconds."""
        return self.interval.total_seconds()

    @interval_length.setter
    def interval_length(self, value: float) -> None:
        self._change(interval=timedelta(seconds=value))

    @property
    def start_date(self) -> datetime:
        """The first point of the grid."""
        if self._dates is not None and self._dates[0] is not None:
            return self._dates[0]
        return from_us(self.anchor_us, self.zone)

    @start_date.setter
    def start_date(self, value: Any) -> None:
        self._change(start_date=value)

    @property
    def end_date(self) -> datetime | None:
        """The latest instant to fire at."""
        if self._dates is not None:
            return self._dates[1]
        return None if self.end_us is None else from_us(self.end_us, self.zone)

    @end_date.setter
    def end_date(self, value: Any) -> None:
        self._change(end_date=value)

    @property
    def after(self) -> str | None:
        """``"end"``: it counts from the end of each run; None: from run time to run time."""
        after: str | None = self._left_out()[4]
        return after

    def explain(self, start: datetime | None = None) -> str:
        """Say in plain words when this trigger fires."""
        until = "" if self.end_date is None else f" until {datetime_repr(self.end_date)}"
        length, first = duration_text(self.interval), datetime_repr(self.start_date)
        if self.after is None:
            text = f"every {length} of elapsed time, from {first} on{until}"
        else:
            text = f"{length} after the end of each run, the first at {first}{until}"
        text += jitter_text(self.jitter) + left_out_text(self)
        return or_never(self, text, start)

    def __getstate__(self) -> dict[str, Any]:
        return {
            "version": STATE_VERSION,
            "timezone": self.timezone,
            "start_date": self.start_date,
            "end_date": self.end_date,
            "interval": self.interval,
            "jitter": self.jitter,
            **left_out_state(self),
        }

    def __setstate__(self, state: Any) -> None:
        """Take a state of ours, or one written by APScheduler 3.x (version 1 or 2)."""
        state = state_of(self, state, STATE_VERSION)
        start_date, end_date = state["start_date"], state["end_date"]
        zone = zone_for(state["timezone"], start_date, end_date)
        self._begin(state["interval"], zone, start_date, end_date, state.get("jitter"))
        take_left_out(self, state)

    def __str__(self) -> str:
        if type(self) is not IntervalTrigger:
            return f"interval[{self.interval}{' after each run' if self.after else ''}]"
        return _text(self.interval_us, self._left_out()[4])

    def __repr__(self) -> str:
        options = [f"interval={self.interval!r}", f"start_date={datetime_repr(self.start_date)!r}"]
        if self.end_date is not None:
            options.append(f"end_date={datetime_repr(self.end_date)!r}")
        if self.jitter:
            options.append(f"jitter={self.jitter}")
        options += left_out_options(self)
        return f"<{type(self).__name__} ({', '.join(options)}, timezone='{self.timezone}')>"


@lru_cache(1000)
def _text(interval_us: int, after: str | None) -> str:
    return f"interval[{interval_us * MICROSECOND}{' after each run' if after else ''}]"


# What APScheduler's class has in slots, for programs that go through the list. The values are the engine's.
IntervalTrigger.__slots__ = ("end_date", "interval", "interval_length", "jitter", "start_date", "timezone")
