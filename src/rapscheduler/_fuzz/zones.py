"""Zones as ``zoneinfo`` tells them, and nothing else: no table of ours is read here.

``ZoneView.pieces(day)`` are the ranges of instants of one UTC day with a constant offset. They are found by asking
``zoneinfo`` at every full hour, and second by second (by halving) where two answers differ. No zone of the tz
database changes twice within one clock hour, which ``tests/oracles`` checks against ``zdump``.
"""

from __future__ import annotations

import zoneinfo
from datetime import datetime, timedelta, timezone
from functools import cache, lru_cache

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
DAY = 86400
FIRST_S = 0
LAST_S = 253402300799  # 9999-12-31T23:59:59Z

_ODD = (
    "Australia/Lord_Howe Antarctica/Troll Pacific/Chatham America/St_Johns Pacific/Apia America/Caracas "
    "Asia/Pyongyang Africa/Casablanca Africa/El_Aaiun Europe/Dublin Africa/Monrovia America/New_York "
    "Europe/Berlin Pacific/Auckland America/Sao_Paulo Asia/Tehran Asia/Kathmandu America/Santiago "
    "America/Havana Asia/Beirut Asia/Gaza Asia/Hebron Pacific/Kiritimati Pacific/Kwajalein Pacific/Norfolk "
    "Pacific/Easter Pacific/Fakaofo Pacific/Enderbury Asia/Kolkata America/Scoresbysund America/Nuuk "
    "America/Asuncion America/Goose_Bay Asia/Amman Africa/Cairo Africa/Juba Africa/Windhoek Africa/Sao_Tome "
    "Asia/Colombo Asia/Dhaka Asia/Hovd Asia/Manila Europe/Istanbul Europe/Volgograd Europe/Moscow "
    "Atlantic/Azores Antarctica/Casey Antarctica/Macquarie Antarctica/Vostok America/Adak Asia/Riyadh "
    "America/Metlakatla America/Mexico_City America/Tijuana Asia/Famagusta America/Argentina/San_Luis "
    "Etc/GMT+12 Etc/GMT-14 UTC Europe/London Asia/Shanghai Asia/Singapore Europe/Lisbon Africa/Bissau "
    "America/Anchorage"
)
ODD_ZONES = tuple(_ODD.split())


@lru_cache(maxsize=1)
def every_zone() -> tuple[str, ...]:
    """All zones of the installed tz database, sorted (``Factory`` and ``localtime`` excluded)."""
    return tuple(sorted(zoneinfo.available_timezones() - {"Factory", "localtime"}))


class ZoneView:
    """One zone through ``zoneinfo``."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.tzinfo = zoneinfo.ZoneInfo(key)
        self._pieces: dict[int, tuple[tuple[int, int, int], ...]] = {}
        self._transitions: list[int] | None = None

    def local(self, utc_s: int) -> datetime:
        """The aware local time of an instant."""
        return (EPOCH + timedelta(seconds=utc_s)).astimezone(self.tzinfo)

    def offset(self, utc_s: int) -> int:
        delta = self.local(min(max(utc_s, FIRST_S - DAY), LAST_S)).utcoffset()
        assert delta is not None
        return delta.days * DAY + delta.seconds

    def pieces(self, day: int) -> tuple[tuple[int, int, int], ...]:
        """``(lo_s, hi_s, offset_s)`` of the UTC day with this number, in order, ``hi_s`` excluded."""
        known = self._pieces.get(day)
        if known is None:
            if len(self._pieces) > 2_000:
                self._pieces.clear()
            known = self._pieces[day] = tuple(self._find_pieces(day * DAY))
        return known

    def _find_pieces(self, begin: int) -> list[tuple[int, int, int]]:
        found = []
        lo, offset = begin, self._offset_or(begin, None)
        for hour in range(begin + 3600, begin + DAY + 1, 3600):
            after = self._offset_or(hour, offset)
            if after != offset:
                change = self._halve(hour - 3600, hour, offset)
                if change < begin + DAY:
                    found.append((lo, change, offset))
                    lo, offset = change, after
        found.append((lo, begin + DAY, offset))
        return found

    def _offset_or(self, utc_s: int, default: int | None) -> int:
        """The offset, or a neighbour's at the end of time, where local time has no datetime."""
        try:
            return self.offset(utc_s)
        except OverflowError:
            return default if default is not None else self.offset(utc_s - DAY)

    def _halve(self, lo: int, hi: int, offset: int) -> int:
        """The first instant in (lo, hi] whose offset is not ``offset``."""
        while hi - lo > 1:
            middle = (lo + hi) // 2
            if self.offset(middle) == offset:
                lo = middle
            else:
                hi = middle
        return hi

    def transitions(self) -> list[int]:
        """Instants where the offset changes: all from 1970 to 2050, and a few of the far future, up to 9998."""
        if self._transitions is None:
            found = self.transitions_of(1970, 2050)
            for year in (2100, 2399, 2400, 3000, 5001, 9996, 9998):
                found += self.transitions_of(year, year + 1)
            self._transitions = found
        return self._transitions

    def changes_between(self, lo_s: int, hi_s: int) -> list[tuple[int, int, int]]:
        """``(instant, offset before, offset after)`` of every change between two instants."""
        found = []
        before = self.pieces(lo_s // DAY - 1)[-1][2]
        for day in range(lo_s // DAY, hi_s // DAY + 1):
            for lo, _, offset in self.pieces(day):
                if offset != before:
                    found.append((lo, before, offset))
                before = offset
        return found

    def transitions_of(self, first_year: int, last_year: int) -> list[int]:
        """Instants where the offset changes, from the start of one year to that of another."""
        lo = int((datetime(first_year, 1, 1, tzinfo=timezone.utc) - EPOCH).total_seconds())
        hi = int((datetime(last_year, 1, 1, tzinfo=timezone.utc) - EPOCH).total_seconds())
        found = []
        before = self.offset(lo)
        for day in range(lo, hi, DAY):
            after = self.offset(day + DAY)
            if after != before:
                found.append(self._halve(day, day + DAY, before))
                before = after
        return found


@cache
def zone_view(key: str) -> ZoneView:
    return ZoneView(key)
