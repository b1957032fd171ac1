"""The clock that is passed in: what time it is, for everything that asks.

What lives here: ``Clock`` (the interface), ``SystemClock`` (the real one) and ``SYSTEM``, its only instance;
`steady_s`, by which leases are kept. What must not: sleeping (`schedulers.blocking`), noticing that a clock was set
(`_scheduling.dueloop`), time zones, schedules. The virtual clock of tests lives in ``rapscheduler.testing``.

freezegun replaces ``datetime.datetime`` and then the names bound to it in loaded modules; time-machine patches
``now`` inside the interpreter. So the class is looked up in its module at every call (by the engine, as every run asks
for the time). ``time.time()`` is not used: as a float it can lie a microsecond before the datetime of the same frozen
instant, and a job would not be due.
"""

from __future__ import annotations

import datetime as _datetime
import time as _time
from collections.abc import Callable

from rapscheduler._engine.datetimes import now_us as _engine_now_us
from rapscheduler._hints import Any
from rapscheduler._instants import us_of

__all__ = ["SYSTEM", "Clock", "SystemClock", "now_of", "steady_s"]


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

    def call_when_moved(self, callback: Callable[[], Any]) -> None:
        """Call this bound method, held weakly, whenever somebody moves the clock. The real one moves by itself."""


class SystemClock(Clock):
    """The clock of the machine, or what freezegun or time-machine put in its place."""

    __slots__ = ()

    now_us = staticmethod(_engine_now_us)

    def now(self, tz: _datetime.tzinfo) -> _datetime.datetime:
        return _datetime.datetime.now(tz)

    def monotonic(self) -> float:
        return _time.monotonic()


SYSTEM = SystemClock()


def steady_s() -> float:
    """Seconds of a clock that nobody sets and that goes on while the machine sleeps, where there is one: for leases."""
    return _time.clock_gettime(_STEADY) if _STEADY is not None else _time.monotonic()


# Windows has neither: its monotonic clock goes on while the machine sleeps
_STEADY = getattr(_time, "CLOCK_BOOTTIME", getattr(_time, "CLOCK_MONOTONIC", None))
_DATETIME = _datetime.datetime


def now_of(datetime: Any) -> int:
    """Microseconds since the epoch, as the name ``datetime`` of a module tells them: tests put their own in its place.

    The module's own datetime is looked at first, so this costs a comparison.
    """
    if datetime is _DATETIME or datetime is _datetime.datetime:
        return _engine_now_us()
    moment = datetime.now(_datetime.timezone.utc)
    if moment.tzinfo is None:  # a fake that takes a zone and forgets it
        moment = moment.replace(tzinfo=_datetime.timezone.utc)
    return us_of(moment)
