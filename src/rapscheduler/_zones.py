"""From any tzinfo to the zone table that the engine works with.

What lives here: where the data of a zone come from, the probing of foreign tzinfo classes, and the interning: one
table per tzinfo object, shared by all triggers. What must not: arithmetic on wall times (see ``_engine.timezone``).

* ``zoneinfo.ZoneInfo`` with a key: the same TZif bytes that zoneinfo reads (``TZPATH``, then the ``tzdata`` package);
* ``datetime.timezone``: one offset;
* pytz: its own list of transitions;
* everything else: asked, ``fromutc`` by ``fromutc``, and bisected to the second, as far as somebody wants to know.

Whatever was read is compared with a sample of the object's own answers; where they differ, the object is probed.
"""

from __future__ import annotations

import os
import threading
import zoneinfo
from collections import deque
from datetime import datetime, timedelta, timezone, tzinfo
from itertools import count
from typing import Any
from weakref import WeakValueDictionary

from rapscheduler._engine.timezone import CYCLE_S, HI_S, LO_S, ZoneTable
from rapscheduler.util import astimezone

__all__ = ["as_zone", "local_zone", "zone_table"]

_EPOCH = datetime(1970, 1, 1)
_DAY_S = 86400
_FIRST_S = -62135596800 + 3 * _DAY_S  # what is asked of a tzinfo stays clear of the ends of the calendar
_LAST_S = 253402300799 - 3 * _DAY_S
_YEAR_1900_S = -2208988800
_YEAR_2100_S = 4102444800

_tables: WeakValueDictionary[int, ZoneTable] = (
    WeakValueDictionary()
)  # id(tzinfo) -> its table, which holds the tzinfo
_named: dict[object, ZoneTable] = {}  # zones that exist once per process: (key) or (offset, name) -> table
_recent: deque[ZoneTable] = deque(maxlen=64)  # keeps the last foreign ones alive between two triggers


def as_zone(obj: str | tzinfo | None) -> tzinfo | None:
    """A tzinfo from a name, a tzinfo or None, by the rules of APScheduler's ``astimezone``."""
    return astimezone(obj)


def local_zone() -> tzinfo:
    """The zone of this machine, by ``tzlocal``."""
    from tzlocal import get_localzone

    return get_localzone()


def zone_table(tz: tzinfo) -> ZoneTable:
    """The table of a zone: the same one for the same tzinfo.

    TypeError: not a tzinfo. ValueError: a tzinfo that fails when it is asked, or is off by parts of a second.
    """
    table = _tables.get(id(tz))
    if table is not None and table.tzinfo is tz:
        return table
    if not isinstance(tz, tzinfo):
        raise TypeError(f"Expected tzinfo, got {type(tz).__name__} instead")
    if type(tz) is timezone:
        return _fixed(tz)
    table = _from_zoneinfo(tz) if isinstance(tz, zoneinfo.ZoneInfo) else _from_pytz(tz)
    if table is None:
        table = _probed(tz)
        _recent.append(table)
    _tables[id(tz)] = table
    return table


def _fixed(tz: timezone) -> ZoneTable:
    offset = tz.utcoffset(None)
    if offset.microseconds:
        raise ValueError(
            f"The time zone {tz!r} is off UTC by parts of a second; use one that is off by whole seconds"
        )
    key = (offset, tz.tzname(None))
    table = _named.get(key)
    if table is None:
        table = ZoneTable.fixed(offset.days * _DAY_S + offset.seconds, tz)
        if len(_named) < 10_000:
            _named[key] = table
        _recent.append(table)
    _tables[id(table.tzinfo)] = table
    return table


# --- zoneinfo ---


def _from_zoneinfo(tz: zoneinfo.ZoneInfo) -> ZoneTable | None:
    """From the file that ``tz`` was made of; None when it is not to be found, or says something else."""
    kind, key = type(tz), tz.key
    if kind.utcoffset is not zoneinfo.ZoneInfo.utcoffset or kind.fromutc is not zoneinfo.ZoneInfo.fromutc:
        return None
    known = _named.get(key)
    if known is not None and known.tzinfo is tz:
        return known
    data = _tzif(key) if key else None
    if data is None:
        return None
    try:
        table = ZoneTable.from_tzif(data, tz)
    except ValueError:  # a file that zoneinfo accepts and we don't: ask zoneinfo
        return None
    if not _agrees(table, tz):
        return None
    if kind is zoneinfo.ZoneInfo and zoneinfo.ZoneInfo(key) is tz:
        _named[key] = table
    else:
        _recent.append(table)
    return table


def _tzif(key: str) -> bytes | None:
    """The bytes that zoneinfo reads for a key, by the same search; None: not found (or not a decent key)."""
    parts = key.split("/")
    if os.path.isabs(key) or any(part in ("", ".", "..") for part in parts):
        return None
    for folder in zoneinfo.TZPATH:
        path = os.path.join(folder, *parts)
        if os.path.isfile(path):
            with open(path, "rb") as file:
                return file.read()
    from importlib import resources  # 9 ms, for systems without a zone database only

    package = ".".join(["tzdata.zoneinfo", *parts[:-1]])
    try:
        return resources.files(package).joinpath(parts[-1]).read_bytes()
    except (ImportError, OSError, UnicodeEncodeError):
        return None


def _from_pytz(tz: tzinfo) -> ZoneTable | None:
    """From pytz's lists (all its zones with changes have them, localized or not); None: it isn't one."""
    instants = getattr(tz, "_utc_transition_times", None)
    infos = getattr(tz, "_transition_info", None)
    if (
        not isinstance(instants, list)
        or not isinstance(infos, list)
        or len(instants) != len(infos)
        or not infos
    ):
        return None
    utc_s = [(instant - _EPOCH) // timedelta(seconds=1) for instant in instants[1:]]
    offset_s = [info[0] // timedelta(seconds=1) for info in infos]
    table = ZoneTable.from_transitions(utc_s, offset_s, tz, plain=False)
    if not _agrees(table, tz):
        return None
    _recent.append(table)
    return table


def _agrees(table: ZoneTable, tz: tzinfo) -> bool:
    """Whether the zone object says the same as its table at some instants, most of them around changes."""
    ask = _Prober(tz).offset_at
    now_s = int((datetime.now(timezone.utc) - _EPOCH.replace(tzinfo=timezone.utc)).total_seconds())
    samples = [year * 31556952 for year in range(-60, 120, 15)]
    for at_s, _, _ in table.transitions(now_s - 3 * 31556952, now_s + 3 * 31556952)[:12]:
        samples += (at_s - 1, at_s)
    return all(table.offset_at(at_s) == ask(at_s) for at_s in samples)


# --- anything else ---


def _probed(tz: tzinfo) -> ZoneTable:
    prober = _Prober(tz)
    now_s = int((datetime.now(timezone.utc) - _EPOCH.replace(tzinfo=timezone.utc)).total_seconds())
    prober.cover(now_s)
    return ZoneTable.probed(prober, tz, prober.plain, now_s)


class _Prober:
    """What a foreign tzinfo has said so far; the ``source`` of a zone table.

    ``_starts[i]`` is the instant from which ``_offsets[i]`` holds, up to the next one or ``_end_s``; between
    ``_starts[0]`` and ``_end_s`` every change is known that lasts longer than a step. No change lies within two days
    outside of these ends, so a fold never straddles one. With ``_cycle`` the last 400 years before ``_end_s`` repeat.
    """

    _STEP_S = (
        5 * _DAY_S
    )  # how close we look: no real zone has gone back to its old offset within five days since 1900
    _OLD_STEP_S = 120 * _DAY_S  # before 1900
    _MARGIN_S = 2 * _DAY_S

    def __init__(self, tz: tzinfo) -> None:
        self._tz = tz
        self.plain = True  # fromutc() has always answered with the same tzinfo
        self._starts: list[int] = []
        self._offsets: list[int] = []
        self._end_s = 0
        self._cycle = False
        self._lock = threading.Lock()

    def offset_at(self, utc_s: int) -> int:
        """Seconds east of UTC by the tzinfo's own ``fromutc``. ValueError: it fails, or is no whole second."""
        utc = _EPOCH + timedelta(seconds=min(max(utc_s, _FIRST_S), _LAST_S))
        try:
            wall: Any = self._tz.fromutc(utc.replace(tzinfo=self._tz))
            offset: timedelta = wall.replace(tzinfo=None) - utc
        except Exception as error:
            raise ValueError(
                f"The time zone {self._tz!r} cannot be used: it raised {type(error).__name__}: {error} when asked for "
                f"the local time of {utc} UTC. Use zoneinfo.ZoneInfo('Area/City') or datetime.timezone instead"
            ) from error
        if wall.tzinfo is not self._tz:
            self.plain = False
        if offset.microseconds or abs(offset) >= timedelta(days=1):
            raise ValueError(
                f"The time zone {self._tz!r} is off UTC by {offset} at {utc} UTC; only whole seconds and less than a "
                "day are possible. Use zoneinfo.ZoneInfo('Area/City') or datetime.timezone instead"
            )
        return offset.days * _DAY_S + offset.seconds

    def cover(self, utc_s: int) -> tuple[list[int], list[int], int, bool]:
        """Starts, offsets, end and cycle flag of all that is known, after probing as far as ``utc_s``."""
        utc_s = min(max(utc_s, _FIRST_S), _LAST_S)
        with self._lock:
            if not self._starts:
                self._begin(utc_s)
            if utc_s < self._starts[0]:
                self._extend_back(utc_s - 400 * _DAY_S)
            if utc_s >= self._end_s and not self._cycle:
                self._extend(utc_s + 400 * _DAY_S)
            return list(self._starts), list(self._offsets), self._end_s, self._cycle

    def _begin(self, utc_s: int) -> None:
        start_s = self._quiet(max(utc_s - 400 * _DAY_S, _FIRST_S), -1)
        self._starts, self._offsets = [start_s], [self.offset_at(start_s)]
        self._end_s = start_s + 1
        self._extend(utc_s + 800 * _DAY_S)

    def _quiet(self, at_s: int, direction: int) -> int:
        """The first instant from ``at_s`` on, going back or forth, that is two days away from any change there."""
        while _FIRST_S < at_s < _LAST_S and self.offset_at(at_s) != self.offset_at(
            at_s + direction * self._MARGIN_S
        ):
            at_s += direction * self._MARGIN_S
        return at_s

    def _extend_back(self, start_s: int) -> None:
        start_s = self._quiet(max(start_s, _FIRST_S), -1)
        starts, offsets = [start_s], [self.offset_at(start_s)]
        self._scan(starts, offsets, start_s, self._starts[0])
        if starts[-1] == self._starts[0]:
            starts.pop()
            offsets.pop()
        if offsets[-1] == self._offsets[0]:
            del self._starts[0], self._offsets[0]
        if start_s <= _FIRST_S:
            starts[0] = LO_S
        self._starts[:0], self._offsets[:0] = starts, offsets

    def _extend(self, end_s: int) -> None:
        if end_s > _YEAR_2100_S + 60 * 366 * _DAY_S and self._find_cycle():
            return
        self._scan_to(self._quiet(min(end_s, _LAST_S), 1))
        if self._end_s >= _LAST_S:
            self._end_s = HI_S

    def _scan_to(self, end_s: int) -> None:
        if end_s > self._end_s:
            self._scan(self._starts, self._offsets, self._end_s - 1, end_s - 1)
            self._end_s = end_s

    def _find_cycle(self) -> bool:
        """See whether the offsets repeat every 400 years from 2100 on, as every yearly rule does; then keep one."""
        base_s = max(_YEAR_2100_S, self._end_s)
        self._scan_to(base_s + CYCLE_S + 3 * 366 * _DAY_S)
        last_s = self._starts[-1]
        if last_s > base_s + CYCLE_S:
            starts, offsets, end_s, cycle = self._starts[:-1], self._offsets[:-1], last_s, True
        elif last_s <= base_s:
            starts, offsets, end_s, cycle = self._starts, self._offsets, HI_S, False
        else:
            return False
        table = ZoneTable.from_transitions(self._starts[1:], self._offsets, self._tz)
        for at_s in count(self._end_s, 251 * _DAY_S + 40_009):
            if at_s > _LAST_S:
                break
            same_s = at_s - ((at_s - last_s) // CYCLE_S + 1) * CYCLE_S if cycle else last_s
            if table.offset_at(same_s) != self.offset_at(at_s):
                return False
        self._starts, self._offsets, self._end_s, self._cycle = starts, offsets, end_s, cycle
        return True

    def _scan(self, starts: list[int], offsets: list[int], at_s: int, end_s: int) -> None:
        """Append the changes in ``at_s < t <= end_s``; ``offsets[-1]`` is the offset at ``at_s``."""
        while at_s < end_s:
            step_s = self._STEP_S if at_s >= _YEAR_1900_S else self._OLD_STEP_S
            next_s = min(at_s + step_s, end_s)
            if self.offset_at(next_s) == offsets[-1]:
                at_s = next_s
                continue
            while next_s - at_s > 1:  # the change is in at_s < t <= next_s
                middle_s = (at_s + next_s) // 2
                if self.offset_at(middle_s) == offsets[-1]:
                    at_s = middle_s
                else:
                    next_s = middle_s
            starts.append(next_s)
            offsets.append(self.offset_at(next_s))
            at_s = next_s
