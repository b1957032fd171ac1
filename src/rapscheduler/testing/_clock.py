"""A clock that only moves when told. What must not live here: anything that schedules."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any
from weakref import WeakMethod

from rapscheduler._clock import Clock
from rapscheduler._instants import MICROSECOND, SECOND_US, moment, us_of
from rapscheduler.util import convert_to_datetime


class VirtualClock(Clock):
    """Shows the same time until ``advance`` or ``set`` moves it.

    :param start: an aware datetime, or a text with its offset, such as ``"2025-03-01T12:00:00Z"``
    """

    __slots__ = ("_callbacks", "_now_us", "_origin_us")

    def __init__(self, start: datetime | str) -> None:
        self._callbacks: list[WeakMethod[Any]] = []
        self._now_us = self._origin_us = _us(start)

    def now_us(self) -> int:
        """Microseconds since the epoch."""
        return self._now_us

    def now(self, tz: tzinfo = timezone.utc) -> datetime:
        """The time that the clock shows, as an aware datetime."""
        return moment(self._now_us, tz)

    def monotonic(self) -> float:
        """Seconds by which the clock has been advanced; setting it back takes nothing away."""
        return (self._now_us - self._origin_us) / SECOND_US

    def advance(self, by: timedelta | float) -> None:
        """Let time pass: a timedelta, or seconds. ValueError: it is negative (use ``set`` to set the clock back)."""
        by = seconds_of(by)
        if by < timedelta(0):
            raise ValueError(f"Time can't pass backwards, by={by!r}; use set() for a clock that is set back")
        self._now_us += by // MICROSECOND
        self._tell_moved()

    def set(self, moment: datetime | str) -> None:
        """Set the clock, as somebody who corrects it: forward or back, while no time passes."""
        self.set_us(_us(moment))

    def set_us(self, now_us: int) -> None:
        """Set the clock to a number of microseconds since the epoch."""
        if now_us < self._now_us:
            self._origin_us -= self._now_us - now_us
        self._now_us = now_us
        self._tell_moved()

    def call_when_moved(self, callback: Callable[[], Any]) -> None:
        self._callbacks = [one for one in self._callbacks if one() is not None]
        self._callbacks.append(WeakMethod(callback))

    def _tell_moved(self) -> None:
        for one in self._callbacks:
            callback = one()
            if callback is not None:
                callback()


def seconds_of(by: Any) -> timedelta:
    """A length of time, given as a timedelta or as a number of seconds. TypeError: neither."""
    if isinstance(by, timedelta):
        return by
    if isinstance(by, bool) or not isinstance(by, (int, float)) or by != by:
        raise TypeError(f"by={by!r} is no length of time; give a timedelta or a number of seconds")
    return timedelta(seconds=by)


def moment_of(moment: Any) -> datetime:
    """An aware datetime, given as such or as a text with its offset (``2025-03-01T12:00:00+01:00``)."""
    if isinstance(moment, str):
        try:
            given = convert_to_datetime(moment, None, "moment")
        except ValueError as exc:
            raise ValueError(
                f"{exc}; give an offset with it, such as '2025-03-01T12:00:00+01:00' or 'Z'"
            ) from None
        moment = given
    if not isinstance(moment, datetime):
        raise TypeError(
            f"{moment!r} is no point in time; give an aware datetime, or a text such as '2025-03-01T12:00:00Z'"
        )
    return moment


def _us(moment: datetime | str) -> int:
    moment = moment_of(moment)
    if moment.tzinfo is None:
        raise ValueError(
            f"{moment!r} has no time zone: give an aware datetime, e.g. with tzinfo=timezone.utc"
        )
    return us_of(moment)
