"""The clock that is passed in: what time it is, for everything that asks.

What lives here: ``Clock`` (the interface), ``SystemClock`` (the real one) and ``SYSTEM``, its only instance.
What must not: sleeping, time zones, schedules. The virtual clock of tests lives in ``rapscheduler.testing``.

freezegun replaces ``datetime.datetime`` and then the names bound to it in loaded modules; time-machine patches
``now`` inside the interpreter. So the class is looked up in its module at every call (by the engine, as every run asks
for the time). ``time.time()`` is not used:
as a float it can lie a microsecond before the datetime of the same frozen instant, and a job would not be due.
"""

from __future__ import annotations

import datetime as _datetime
import time as _time

from rapscheduler._engine.datetimes import now_us as _engine_now_us

__all__ = ["SYSTEM", "Clock", "SystemClock"]


class Clock:
    """What a scheduler asks for the time."""

    __slots__ = ()

    def now_us(self) -> int:
        """Microseconds since the epoch."""
        raise NotImplementedError

    def now(self, tz: _datetime.tzinfo) -> _datetime.datetime:
        """The current time as an aware datetime."""
        raise NotImplementedError

    def monotonic(self) -> float:
        """Seconds of a clock that nobody sets: for waiting, never for schedules."""
        raise NotImplementedError


class SystemClock(Clock):
    """The clock of the machine, or what freezegun or time-machine put in its place."""

    __slots__ = ()

    now_us = staticmethod(_engine_now_us)

    def now(self, tz: _datetime.tzinfo) -> _datetime.datetime:
        return _datetime.datetime.now(tz)

    def monotonic(self) -> float:
        return _time.monotonic()


SYSTEM = SystemClock()
