"""Time zones as text, and back.

What lives here: the names that rows use for tzinfo objects. What must not: calendar arithmetic, datetimes.
Approach: one short text per zone, the implementation as a prefix when it isn't the standard library's own:

    "UTC"                  datetime.timezone.utc
    "Europe/Berlin"        zoneinfo.ZoneInfo("Europe/Berlin");  "zoneinfo:UTC" where the short form is taken
    "+05:30"               datetime.timezone(5 h 30 min);  "+05:30 IST" with a name of its own
    "pytz:Europe/Berlin"   pytz.timezone(...);  "pytz:+90" is pytz.FixedOffset(90)
    "dateutil:UTC", "dateutil:Europe/Berlin", "dateutil:+3600 CET"   tzutc(), gettz(...), tzoffset("CET", 3600)

Decoding opens zone files only through names of letters, digits, "_", "+", "-" and "/" without "..".
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from .._zones import forgotten_with_rules, read_again

_OFFSET = re.compile(r"([+-])(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{6}))?)?(?: (.{1,100}))?", re.DOTALL)
_NAME = re.compile(r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+)*")
_MINUTES = re.compile(r"[+-]\d{1,4}")
_DATEUTIL_OFFSET = re.compile(r"([+-]\d{1,5})(?: (.{1,100}))?", re.DOTALL)
_ZONE_FOLDERS = ("/zoneinfo/",)


def zone_to_text(zone: tzinfo) -> str | None:
    """The text for ``zone``, or ``None`` when rows have no name for it."""
    if zone is timezone.utc:
        return "UTC"
    kind = type(zone)
    if isinstance(zone, ZoneInfo):
        key: Any = zone.key
        if key is None or not _can_be_loaded(key):
            return None
        return f"zoneinfo:{key}" if key == "UTC" or not _NAME.fullmatch(key) else str(key)
    if kind is timezone:
        return _fixed_to_text(zone)
    module = kind.__module__.partition(".")[0]
    if module == "pytz":
        return _pytz_to_text(zone)
    if module == "dateutil":
        return _dateutil_to_text(zone)
    return _plain_to_text(zone)


def _plain_to_text(zone: tzinfo) -> str | None:
    """A zone of another family that is one offset for ever and says so (`utcoffset(None)`), as that offset."""
    try:
        offset = zone.utcoffset(None)
        if (
            not isinstance(offset, timedelta)
            or zone.utcoffset(_SUMMER) != offset
            or zone.utcoffset(_WINTER) != offset
        ):
            return None
        return "UTC" if not offset else _fixed_to_text(timezone(offset))
    except Exception:  # not ours to explain: the zone has no text
        return None


_SUMMER, _WINTER = datetime(2025, 7, 1), datetime(2025, 1, 1)


@lru_cache(maxsize=1024)
def _can_be_loaded(key: str) -> bool:
    """Whether the key of a ZoneInfo names it: `ZoneInfo.from_file` takes any; tzlocal's unnamed zone says "local"."""
    try:
        ZoneInfo(key)
    except Exception:
        return False
    return True


def zone_from_text(text: str) -> tzinfo:
    """The zone that ``zone_to_text`` named. Raises ``ValueError`` for a text that names none here."""
    try:
        zone = _zone_from_text(text)
        if type(zone) is ZoneInfo and ZoneInfo(zone.key) is not zone:  # the cache of zoneinfo was cleared
            read_again()
            zone = _zone_from_text(text)
        return zone
    except ValueError:
        raise
    except Exception as exc:
        # missing zone file, missing package: the row is fine, this machine lacks something
        raise ValueError(f"time zone {text!r} can't be loaded here: {exc}") from exc


@lru_cache(maxsize=256)  # errors are not remembered: a missing file or package may be installed
def _zone_from_text(text: str) -> tzinfo:
    if text == "UTC":
        return timezone.utc
    if text[:1] in ("+", "-"):
        return _fixed_from_text(text)
    implementation, colon, name = text.partition(":")
    if not colon:
        return ZoneInfo(_checked(text))
    if implementation == "zoneinfo":
        return ZoneInfo(_checked(name))
    if implementation == "pytz":
        return _pytz_from_text(name)
    if implementation == "dateutil":
        return _dateutil_from_text(name)
    raise ValueError(f"{text[:100]!r} isn't the name of a time zone")


forgotten_with_rules(_zone_from_text.cache_clear)


def _checked(name: str) -> str:
    if len(name) > 200 or not _NAME.fullmatch(name):
        raise ValueError(f"{name[:100]!r} isn't the name of a time zone")
    return name


def _fixed_to_text(zone: tzinfo) -> str | None:
    offset = zone.utcoffset(None)
    assert offset is not None
    microseconds = offset // timedelta(microseconds=1)
    seconds, microsecond = divmod(abs(microseconds), 1_000_000)
    text = f"{'-' if microseconds < 0 else '+'}{seconds // 3600:02d}:{seconds // 60 % 60:02d}"
    if seconds % 60 or microsecond:
        text += f":{seconds % 60:02d}"
    if microsecond:
        text += f".{microsecond:06d}"
    name = zone.tzname(None)
    if name == timezone(offset).tzname(None):
        return text
    return f"{text} {name}" if name and len(name) <= 100 else None


def _fixed_from_text(text: str) -> tzinfo:
    match = _OFFSET.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:100]!r} isn't an offset from UTC such as '+05:30'")
    sign, hours, minutes, seconds, microseconds, name = match.groups()
    offset = timedelta(
        hours=int(hours), minutes=int(minutes), seconds=int(seconds or 0), microseconds=int(microseconds or 0)
    )
    if sign == "-":
        offset = -offset
    return timezone(offset) if name is None else timezone(offset, name)


def _pytz_to_text(zone: Any) -> str | None:
    name = getattr(zone, "zone", None)
    if name:
        return f"pytz:{name}"
    minutes = getattr(zone, "_minutes", None)
    return f"pytz:{minutes:+d}" if isinstance(minutes, int) else None


def _pytz_from_text(name: str) -> tzinfo:
    import pytz

    if _MINUTES.fullmatch(name):
        fixed: tzinfo = pytz.FixedOffset(int(name))
        return fixed
    named: tzinfo = pytz.timezone(_checked(name))
    return named


def _dateutil_to_text(zone: Any) -> str | None:
    kind = type(zone).__name__
    if kind == "tzutc":
        return "dateutil:UTC"
    if kind == "tzoffset":
        offset = zone.utcoffset(None)
        if offset % timedelta(seconds=1):
            return None
        name = zone.tzname(None)
        return f"dateutil:{offset // timedelta(seconds=1):+d}" + (f" {name}" if name else "")
    filename = getattr(zone, "_filename", None)
    if kind != "tzfile" or not isinstance(filename, str):
        return None
    for folder in _ZONE_FOLDERS:
        filename = filename.rpartition(folder)[2]
    return f"dateutil:{filename}" if _NAME.fullmatch(filename) else None


def _dateutil_from_text(name: str) -> tzinfo:
    from dateutil import tz

    if name == "UTC":
        utc: tzinfo = tz.tzutc()
        return utc
    match = _DATEUTIL_OFFSET.fullmatch(name)
    if match is not None:
        fixed: tzinfo = tz.tzoffset(match[2], int(match[1]))
        return fixed
    named: tzinfo | None = tz.gettz(_checked(name))
    if named is None:
        raise ValueError(f"dateutil knows no time zone {name!r} here")
    return named
