"""The only door for datetime objects: datetime <-> microseconds since the epoch, through a zone table.

Plain on purpose: the offset of an aware datetime is what its own tzinfo says.
"""

from __future__ import annotations

import datetime as _datetime
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from operator import index

from rapscheduler._reference.timezone import ZoneTable

_EPOCH = datetime(1970, 1, 1)
_US = timedelta(microseconds=1)
_UTC_TABLE = ZoneTable.fixed(0, timezone.utc)


def to_us(dt: datetime, zone: ZoneTable) -> int:
    """Microseconds since the epoch of an aware datetime, or of a naive one in local time of ``zone``.

    A naive wall time that comes twice is the pass that ``fold`` says; one that doesn't exist is read by the
    offset before the gap (fold=0) or after it (fold=1), as PEP 495 has it.
    """
    if not isinstance(dt, datetime):
        raise TypeError(f"expected a datetime, not {type(dt).__name__}: {dt!r}")
    wall = datetime(dt.year, dt.month, dt.day, dt.hour, dt.minute, dt.second, dt.microsecond)
    wall_us = (wall - _EPOCH) // _US
    offset = dt.utcoffset()
    if offset is not None:
        if not isinstance(offset, timedelta):  # a subclass of datetime may say anything
            raise TypeError(
                f"utcoffset() of {type(dt).__name__} gave {type(offset).__name__}, not a timedelta or None"
            )
        if not timedelta(days=-1) <= offset < timedelta(days=1):
            raise ValueError(
                f"utcoffset() of {type(dt).__name__} gave {offset}, which is not less than a day"
            )
        return wall_us - offset // _US
    wall_s, us = divmod(wall_us, 1_000_000)
    _, first_s, second_s = zone.local(wall_s)
    return (second_s if dt.fold else first_s) * 1_000_000 + us


def from_us(us: int, zone: ZoneTable) -> datetime:
    """The aware datetime of an instant in ``zone``; ``OverflowError`` outside of years 1 to 9999."""
    us = index(us)
    utc_s, rest_us = divmod(us, 1_000_000)
    offset_s = zone.offset_at(utc_s)
    try:
        if not zone.plain:
            utc = _EPOCH + timedelta(seconds=utc_s, microseconds=rest_us)
            return zone.tzinfo.fromutc(utc.replace(tzinfo=zone.tzinfo))
        wall = _EPOCH + timedelta(seconds=utc_s + offset_s, microseconds=rest_us)
    except OverflowError:
        raise OverflowError(f"the instant {us} µs is outside of the years 1 to 9999") from None
    kind, _, second_s = zone.local(utc_s + offset_s)
    return wall.replace(tzinfo=zone.tzinfo, fold=int(kind == "fold" and second_s == utc_s))


def from_us_many(us: Iterable[int], zone: ZoneTable) -> list[datetime]:
    """``from_us`` of each."""
    return [from_us(one, zone) for one in us]


def now_us() -> int:
    """Microseconds since the epoch, as `datetime.datetime.now` says; who replaces that class or method, is asked."""
    return to_us(_datetime.datetime.now(timezone.utc), _UTC_TABLE)
