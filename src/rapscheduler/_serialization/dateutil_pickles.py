"""The time zones of dateutil in the pickles of old rows.

What lives here: stand-ins for the classes and functions that pickles of dateutil 2.x and later name, whatever the
release that is installed now. What must not: any other class; a zone that a pickle describes by itself. Approach:

    tzfile     the pickle's file name gives a name ("Europe/Berlin"), and the zone is looked up here; the transitions
               that the pickle carries are dropped
    tzoffset   name and offset are checked, and a zone is made of them; 2.x gives them as state, later ones as arguments
    tzutc      is itself
    tzlocal    is no zone that a row could name, and refused with the cure

Zones of dateutil are shared, and the unpickler writes state into what it made: so it gets copies that take none.
"""

from __future__ import annotations

from datetime import timedelta, tzinfo
from functools import lru_cache
from typing import Any

from ..errors import DecodeError
from .zones import zone_from_text

_UNUSUAL = "the pickle makes a dateutil zone in an unusual way"


class BareZone:
    """Stands for `datetime.tzinfo`, which protocols 0 and 1 name as the base of a zone."""


class _Ignored:
    """A part of a zone that is not needed; takes any state."""

    def __setstate__(self, state: Any) -> None:
        pass


class _Utc:
    def __new__(cls) -> Any:
        return _private(zone_from_text("dateutil:UTC"))


class _Offset:
    def __new__(cls, *args: Any) -> Any:
        if args:
            return _offset_zone(*args)
        from dateutil import tz

        zone = _taking(tz.tzoffset, _offset_from_state)
        return zone.__new__(zone)


class _File:
    def __new__(cls, *args: Any) -> Any:
        return _file_zone(*args)


class _Local:
    def __new__(cls, *args: Any) -> Any:
        raise DecodeError(
            "the job has dateutil's tzlocal(), the zone of whatever machine reads it, which has no name to be written "
            "down; give the job a named zone in APScheduler, with reschedule_job(), and migrate again"
        )


def _offset_zone(name: Any = None, offset: Any = None) -> tzinfo:
    if not (name is None or type(name) is str) or type(offset) not in (int, timedelta):
        raise DecodeError(_UNUSUAL)
    from dateutil import tz

    made: tzinfo = tz.tzoffset(name, offset)
    return _private(made)


def _offset_from_state(zone: Any, state: Any) -> None:
    if type(state) is not dict or type(state.get("_offset")) is not timedelta:
        raise DecodeError(_UNUSUAL)
    vars(zone).update(vars(_offset_zone(state.get("_name"), state["_offset"])))


def _file_zone(fileobj: Any = None, filename: Any = None, *_: Any) -> tzinfo:
    """`tzfile(None, filename)`, as 2.x writes it."""
    if type(filename) is not str:
        raise DecodeError(_UNUSUAL)
    return _private(zone_from_text(f"dateutil:{filename.rpartition('/zoneinfo/')[2]}"))


def _rebuilt(kind: Any, key: Any, filename: Any = None, data: Any = None) -> tzinfo:
    """`_unpickle(cls, key, filename, data)` of later releases."""
    return _file_zone(None, filename if key is None else key)


def _no_state(zone: Any, state: Any) -> None:
    pass


@lru_cache(maxsize=16)
def _taking(kind: Any, setstate: Any) -> Any:
    """A class like `kind`, by name too, that takes state as told."""
    return type(kind)(kind.__name__, (kind,), {"__module__": kind.__module__, "__setstate__": setstate})


def _private(zone: tzinfo) -> tzinfo:
    """A copy of a shared zone that takes no state."""
    shared: Any = type(zone)
    kind = _taking(shared, _no_state)
    copy: tzinfo = kind.__new__(kind)
    vars(copy).update(vars(zone))
    return copy


KNOWN: dict[tuple[str, str], Any] = {
    ("datetime", "tzinfo"): BareZone,
    ("dateutil.tz.tz", "tzutc"): _Utc,
    ("dateutil.tz.tz", "tzoffset"): _Offset,
    ("dateutil.tz.tz", "tzfile"): _File,
    ("dateutil.tz.tz", "tzlocal"): _Local,
    ("dateutil.tz.tz", "_ttinfo"): _Ignored,
    ("dateutil.tz._tzfile", "tzfile"): _File,
    ("dateutil.tz._tzfile", "_unpickle"): _rebuilt,
}
