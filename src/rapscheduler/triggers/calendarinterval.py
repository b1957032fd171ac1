"""``CalendarIntervalTrigger``: every so many years, months, weeks and days at one time of day.

The public class; the chain of dates is walked by ``_engine.calendar_interval``. Data: the kernel's numbers, and
``_counts``, the four numbers as they were given.
"""

from __future__ import annotations

from datetime import date, datetime, time, tzinfo
from operator import index
from typing import TYPE_CHECKING, Any, Literal

from rapscheduler._clock import now_of
from rapscheduler._engine.calendar import MAX_DAYS
from rapscheduler._engine.calendar_interval import CalendarIntervalCore
from rapscheduler._engine.timezone import ZoneTable
from rapscheduler._instants import moment
from rapscheduler._zones import get_localzone
from rapscheduler.triggers._kernel import (
    KernelTrigger,
    jitter_to_us,
    state_of,
    zone_for,
)
from rapscheduler.triggers._left_out import left_out_options, left_out_state, left_out_text, take_left_out
from rapscheduler.triggers._words import jitter_text
from rapscheduler.triggers.base import BaseTrigger, or_never
from rapscheduler.util import asdate, astimezone, elsewhere, timezone_repr

__all__ = ("BaseTrigger", "CalendarIntervalTrigger", "asdate", "astimezone", "timezone_repr")

STATE_VERSION = 1
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_COUNT_NAMES = ("years", "months", "weeks", "days")
_LIMITS = {"hour": 24, "minute": 60, "second": 60}


if not TYPE_CHECKING:
    __getattr__ = elsewhere(__name__)


class CalendarIntervalTrigger(CalendarIntervalCore, KernelTrigger):
    """Fires at one time of day on dates that are so many years, months, weeks and days apart.

    From a date, years and months are added until the same day of the month exists, then weeks and days. A date on
    which the time of day does not exist (clocks go forward) is left out; where it comes twice, the first one counts.
    Without a previous fire time the first one at or after now is meant: the chain of dates begins at ``start_date``.

    :param years: number of years to wait
    :param months: number of months to wait
    :param weeks: number of weeks to wait
    :param days: number of days to wait
    :param hour: hour of the day (0-23)
    :param minute: minute (0-59)
    :param second: second (0-59)
    :param start_date: first date of the chain: a date or text ``YYYY-MM-DD`` (default: today)
    :param end_date: latest date to fire on (inclusive)
    :param timezone: tzinfo or name of a zone (default: the system's)
    :param jitter: delay each fire time by a random 0 to ``jitter`` seconds
    :param exclude: days that are left out, as ``calendars.days()`` takes them: ``["sat", "sun", "2026-12-24"]``
    :param windows: the parts of a day in which it fires, such as ``["08:00-18:00"]`` (the end is not in it)
    :param spread: ``"hash"``: each job is late within the jitter by an amount that follows from its id
    :param seed: what that amount follows from instead of the id
    :raises ValueError: if the interval is not at least one day, or a number, date, zone or jitter makes no sense
    :raises TypeError: if an argument has the wrong type
    """

    __slots__: tuple[str, ...] = ("_counts",)
    _delays_always = True

    _counts: tuple[int, int, int, int]

    def __init__(
        self,
        *,
        years: int = 0,
        months: int = 0,
        weeks: int = 0,
        days: int = 0,
        hour: int = 0,
        minute: int = 0,
        second: int = 0,
        start_date: date | str | None = None,
        end_date: date | str | None = None,
        timezone: str | tzinfo | None = None,
        jitter: float | None = None,
        exclude: Any = None,
        windows: Any = None,
        spread: Literal["hash"] | None = None,
        seed: str | None = None,
    ) -> None:
        zone = zone_for(timezone)
        self._begin((years, months, weeks, days), (hour, minute, second), zone, start_date, end_date, jitter)
        self._leave_out(exclude, windows, spread, seed)
        if self.start_days > self.end_days:  # only here: who moves both dates later may begin with either
            raise ValueError(
                f"end_date cannot be earlier than start_date: {self.end_date} is before {self.start_date}"
            )

    def _begin(
        self,
        counts: tuple[int, ...],
        at: tuple[int, ...],
        zone: ZoneTable,
        start_date: date | str | None,
        end_date: date | str | None,
        jitter: float | None,
    ) -> None:
        """Give the kernel its numbers."""
        years, months, weeks, days = map(_count, _COUNT_NAMES, counts)
        if not years + months + weeks + days:
            raise ValueError("interval must be at least 1 day long; give years, months, weeks or days")
        hour, minute, second = map(_time_part, _LIMITS, at)
        start_days = _days(start_date, "start_date")
        if start_days is None:
            today = moment(now_of(datetime), get_localzone())
            start_days = date(today.year, today.month, today.day).toordinal() - _EPOCH_ORDINAL
        end_days = _days(end_date, "end_date")
        CalendarIntervalCore.__init__(
            self,
            zone,
            years * 12 + months,
            weeks * 7 + days,
            hour * 3600 + minute * 60 + second,
            start_days,
            end_days,
            jitter_to_us(jitter),
        )
        self._counts = (years, months, weeks, days)

    def _change(self, **changes: Any) -> None:
        at = self._time
        arguments = {
            "counts": self._counts,
            "at": (at.hour, at.minute, at.second),
            "zone": self.zone,
            "start_date": self.start_date,
            "end_date": self.end_date,
            "jitter": self.jitter,
        }
        self._begin(**{**arguments, **changes})

    @property
    def years(self) -> int:
        """Number of years to wait."""
        return self._counts[0]

    @years.setter
    def years(self, value: int) -> None:
        self._change(counts=(value, *self._counts[1:]))

    @property
    def months(self) -> int:
        """Number of months to wait."""
        return self._counts[1]

    @months.setter
    def months(self, value: int) -> None:
        self._change(counts=(*self._counts[:1], value, *self._counts[2:]))

    @property
    def weeks(self) -> int:
        """Number of weeks to wait."""
        return self._counts[2]

    @weeks.setter
    def weeks(self, value: int) -> None:
        self._change(counts=(*self._counts[:2], value, *self._counts[3:]))

    @property
    def days(self) -> int:
        """Number of days to wait."""
        return self._counts[3]

    @days.setter
    def days(self, value: int) -> None:
        self._change(counts=(*self._counts[:3], value))

    @property
    def _time(self) -> time:
        at_s = self.time_s
        return time(at_s // 3600, at_s // 60 % 60, at_s % 60, tzinfo=self.timezone)

    @_time.setter
    def _time(self, value: time) -> None:
        self._change(at=(value.hour, value.minute, value.second))

    @property
    def start_date(self) -> date:
        """The first date of the chain."""
        return _date(self.start_days)

    @start_date.setter
    def start_date(self, value: date | str | None) -> None:
        self._change(start_date=value)

    @property
    def end_date(self) -> date | None:
        """The latest date to fire on."""
        return None if self.end_days == MAX_DAYS else _date(self.end_days)

    @end_date.setter
    def end_date(self, value: date | str | None) -> None:
        self._change(end_date=value)

    def explain(self, start: datetime | None = None) -> str:
        """Say in plain words when this trigger fires."""
        every = ", ".join(
            f"{count} {name if count > 1 else name[:-1]}"
            for name, count in zip(_COUNT_NAMES, self._counts, strict=True)
            if count
        )
        until = "" if self.end_date is None else f" until {self.end_date}"
        at = self._time.replace(tzinfo=None)
        text = (
            f"every {every} at {at} ({self.timezone}), from {self.start_date} on{until}"
            f"{jitter_text(self.jitter)}{left_out_text(self)}"
        )
        return or_never(self, text, start)

    def __getstate__(self) -> dict[str, Any]:
        at = self._time
        return {
            "version": STATE_VERSION,
            "interval": list(self._counts),
            "time": [at.hour, at.minute, at.second],
            "start_date": self.start_date,
            "end_date": self.end_date,
            "timezone": self.timezone,
            "jitter": self.jitter,
            **left_out_state(self),
        }

    def __setstate__(self, state: Any) -> None:
        """Take a state of ours, or one written by APScheduler 3.x."""
        state = state_of(self, state, STATE_VERSION)
        zone = zone_for(state["timezone"])
        self._begin(
            _all_of(state["interval"]),
            _all_of(state["time"]),
            zone,
            state["start_date"],
            state["end_date"],
            state.get("jitter"),
        )
        take_left_out(self, state)

    def __repr__(self) -> str:
        fields = [f"{name}={count}" for name, count in zip(_COUNT_NAMES, self._counts, strict=True) if count]
        fields += [f"time={self._time.isoformat()!r}", f"start_date='{self.start_date}'"]
        if self.end_date is not None:
            fields.append(f"end_date='{self.end_date}'")
        fields += left_out_options(self)
        fields.append(f"timezone={timezone_repr(self.timezone)!r}")
        return f"{type(self).__name__}({', '.join(fields)})"


def _all_of(values: Any) -> tuple[Any, ...]:
    if not isinstance(values, (list, tuple)):  # a range may have more than there is room for
        raise ValueError(
            f"a stored CalendarIntervalTrigger has a {type(values).__name__} where its numbers should be"
        )
    return tuple(values)


def _count(name: str, value: Any) -> int:
    try:
        number = index(value)
    except TypeError:
        raise TypeError(f"{name}={value!r} is not a whole number") from None
    if number < 0:
        raise ValueError(f"{name}={number} would go backwards; give 0 or more")
    return number


def _time_part(name: str, value: Any) -> int:
    try:
        number = index(value)
    except TypeError:
        raise TypeError(f"{name}={value!r} is not a whole number") from None
    if not 0 <= number < _LIMITS[name]:
        raise ValueError(f"{name} must be in 0..{_LIMITS[name] - 1}, not {number}")
    return number


def _days(value: Any, name: str) -> int | None:
    """Days since 1970-01-01 of a date argument."""
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value)
        except ValueError as error:
            raise ValueError(f"Invalid date {value!r} for {name}: write YYYY-MM-DD ({error})") from None
    if not isinstance(value, date):
        raise TypeError(
            f"Unsupported type for {name}: {type(value).__name__} ({value!r}); give a date or YYYY-MM-DD"
        )
    return date(value.year, value.month, value.day).toordinal() - _EPOCH_ORDINAL


def _date(days: int) -> date:
    return date.fromordinal(days + _EPOCH_ORDINAL)


# What APScheduler's class has in slots, for programs that go through the list. The values are the engine's.
CalendarIntervalTrigger.__slots__ = (
    "_time",
    "days",
    "end_date",
    "jitter",
    "months",
    "start_date",
    "timezone",
    "weeks",
    "years",
)
