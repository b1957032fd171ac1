"""Instants as numbers, microseconds since 1970-01-01 UTC, and as datetimes.

What lives here: the units, the first and the last instant, "no time", and the way from a number to an aware datetime
and back. What must not: wall times of zones (``_engine.datetimes``), what time it is (``_clock``).
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone, tzinfo

from rapscheduler._engine.trigger import MAX_US, MIN_US, NEVER_US

__all__ = ("EPOCH", "MAX_US", "MICROSECOND", "MIN_US", "NEVER_US", "SECOND_US", "moment", "us_of")

SECOND_US = 1_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MICROSECOND = timedelta(microseconds=1)


def moment(time_us: int, zone: tzinfo = timezone.utc) -> datetime:
    """An instant as a datetime. OverflowError: the zone can't express it."""
    return (EPOCH + timedelta(microseconds=time_us)).astimezone(zone)


def us_of(moment: datetime) -> int:
    """The instant of an aware datetime."""
    return (moment - EPOCH) // MICROSECOND
