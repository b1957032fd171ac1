"""A clock that only moves when told. What must not live here: anything that schedules."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone, tzinfo

from rapscheduler._clock import Clock

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)


class VirtualClock(Clock):
    """Shows the same time until ``advance`` or ``set`` moves it.

    :param start: an aware datetime
    """

    __slots__ = ("_now_us", "_origin_us")

    def __init__(self, start: datetime) -> None:
        self._now_us = self._origin_us = _us(start)

    def now_us(self) -> int:
        """Microseconds since the epoch."""
        return self._now_us

    def now(self, tz: tzinfo = timezone.utc) -> datetime:
        """The time that the clock shows, as an aware datetime."""
        return (_EPOCH + timedelta(microseconds=self._now_us)).astimezone(tz)

    def monotonic(self) -> float:
        """Seconds by which the clock has been advanced; setting it back takes nothing away."""
        return (self._now_us - self._origin_us) / 1_000_000

    def advance(self, by: timedelta) -> None:
        """Let time pass. ValueError: ``by`` is negative (use ``set`` to set the clock back)."""
        if by < timedelta(0):
            raise ValueError(f"Time can't pass backwards, by={by!r}; use set() for a clock that is set back")
        self._now_us += by // _MICROSECOND

    def set(self, moment: datetime) -> None:
        """Set the clock, as somebody who corrects it: forward or back, while no time passes."""
        self.set_us(_us(moment))

    def set_us(self, now_us: int) -> None:
        """Set the clock to a number of microseconds since the epoch."""
        if now_us < self._now_us:
            self._origin_us -= self._now_us - now_us
        self._now_us = now_us


def _us(moment: datetime) -> int:
    if moment.tzinfo is None:
        raise ValueError(
            f"{moment!r} has no time zone: give an aware datetime, e.g. with tzinfo=timezone.utc"
        )
    return (moment - _EPOCH) // _MICROSECOND
