"""From any tzinfo to the zone table that the engine works with.

What lives here: where the data of a zone come from, the probing of foreign tzinfo classes, and the interning: one
table per tzinfo object, shared by all triggers. What must not: arithmetic on wall times (see ``_engine.timezone``).

* ``zoneinfo.ZoneInfo`` with a key: the same TZif bytes that zoneinfo reads (``TZPATH``, then the ``tzdata`` package);
* ``datetime.timezone``: one offset;
* pytz: its own list of transitions;
* everything else: asked, ``fromutc`` by ``fromutc``, and bisected to the second, as far as somebody wants to know.

Whatever was read is compared with a sample of the object's own answers; where they differ, the object is probed.

Zone files change while a process lives, and ``ZoneInfo.clear_cache()`` makes Python read them again: ``ZoneInfo(key)``
is another object then, and what was remembered by the name is stale. `rules_version` looks for that; caches of names
say with `forgotten_with_rules` how they are emptied. Whoever holds an old object goes on with its rules.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta, timezone, tzinfo
from weakref import WeakValueDictionary

from rapscheduler._clock import SYSTEM
from rapscheduler._engine.timezone import ZoneTable
from rapscheduler._hints import TYPE_CHECKING, Any, NamedTuple
from rapscheduler._instants import SECOND_US
from rapscheduler._locks import KeptLock
from rapscheduler.util import astimezone, is_zone_info

if TYPE_CHECKING:
    import zoneinfo

__all__ = ["as_zone", "forgotten_with_rules", "local_zone", "rules_changes", "rules_version", "zone_table"]

_EPOCH = datetime(1970, 1, 1)
_DAY_S = 86400

# id(tzinfo) -> its table, which holds the tzinfo
_tables: WeakValueDictionary[int, ZoneTable] = WeakValueDictionary()
_fixed_zones: dict[object, ZoneTable] = {}  # (offset, name) -> table
_named: dict[str, ZoneTable] = {}  # key -> table of the object that ZoneInfo(key) gives
watched: tuple[tuple[str, tzinfo], ...] = ()  # (key, that object) of each
_naming = KeptLock()
_recent: deque[ZoneTable] = deque(maxlen=64)  # keeps the last foreign ones alive between two triggers


def as_zone(obj: str | tzinfo | None) -> tzinfo | None:
    """A tzinfo from a name, a tzinfo or None, by the rules of APScheduler's ``astimezone``."""
    return astimezone(obj)


def get_localzone() -> tzinfo:
    """The zone of this machine, by ``tzlocal``.

    The modules that have this name, as APScheduler's do, look it up there when they ask: tests put their own there.
    """
    from tzlocal import get_localzone

    return get_localzone()


local_zone = get_localzone


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
    table = _from_zoneinfo(tz) if is_zone_info(tz) else _from_pytz(tz)
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
    table = _fixed_zones.get(key)
    if table is None:
        table = ZoneTable.fixed(offset.days * _DAY_S + offset.seconds, tz)
        if len(_fixed_zones) < 10_000:
            _fixed_zones[key] = table
        _recent.append(table)
    _tables[id(table.tzinfo)] = table
    return table


# --- zoneinfo ---


def _from_zoneinfo(tz: zoneinfo.ZoneInfo) -> ZoneTable | None:
    """From the file that ``tz`` was made of; None when it is not to be found, or says something else."""
    from zoneinfo import ZoneInfo

    kind, key = type(tz), tz.key
    if kind.utcoffset is not ZoneInfo.utcoffset or kind.fromutc is not ZoneInfo.fromutc:
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
    if key.startswith("right/"):
        from rapscheduler._rules import warn_of_leap_seconds  # a rare need

        warn_of_leap_seconds(key)
    if kind is ZoneInfo and ZoneInfo(key) is tz:
        _name(key, table)
    else:
        _recent.append(table)
    return table


def _name(key: str, table: ZoneTable) -> None:
    global watched
    with _naming:
        _named[key] = table
        watched = tuple((name, one.tzinfo) for name, one in _named.items())


def named_anew(key: str, tz: zoneinfo.ZoneInfo) -> ZoneTable:
    """``ZoneInfo(key)`` gives this object now."""
    table = zone_table(tz)
    _name(key, table)
    return table


# --- files that are read again ---


class RulesChange(NamedTuple):
    """A zone whose files say something else since they were read again."""

    key: str
    old: ZoneTable
    new: ZoneTable


_changes: list[RulesChange] = []
_forget: list[Callable[[], Any]] = []
_reading = KeptLock()


def forgotten_with_rules(forget: Callable[[], Any]) -> None:
    """Let this be called when zones that were remembered by name are stale."""
    _forget.append(forget)


def rules_version() -> int:
    """How often rules have changed in this process, after a look whether ``ZoneInfo(key)`` gives another object now.

    A tenth of a microsecond for each zone that the process uses.
    """
    if not watched:
        return len(_changes)
    from zoneinfo import ZoneInfo as zone_info  # whoever watches one has loaded it

    try:
        for key, tz in watched:
            if zone_info(key) is not tz:
                return read_again()
    except Exception:  # its file is gone
        return read_again()
    return len(_changes)


def rules_changes(version: int) -> list[RulesChange]:
    """What has changed since this `rules_version`, the latest rules of each zone against the first ones."""
    found: dict[str, RulesChange] = {}
    for change in _changes[version:]:
        earlier = found.get(change.key, change)
        found[change.key] = change._replace(old=earlier.old)
    return list(found.values())


def read_again() -> int:
    """Read the changed zones again, and let everything go that was remembered by their names."""
    from zoneinfo import ZoneInfo

    from rapscheduler._rules import rules_text  # a rare need

    with _reading:
        for key, tz in watched:
            try:
                now = ZoneInfo(key)
            except Exception:
                continue
            if now is tz:
                continue
            old, new = zone_table(tz), named_anew(key, now)
            if rules_text(old) != rules_text(new):
                _changes.append(RulesChange(key, old, new))
        for forget in _forget:
            forget()
        return len(_changes)


# --- sources ---


def _tzif(key: str) -> bytes | None:
    """The bytes that zoneinfo reads for a key, by the same search; None: not found (or not a decent key)."""
    parts = key.split("/")
    if os.path.isabs(key) or any(part in ("", ".", "..") for part in parts):
        return None
    from zoneinfo import TZPATH  # asked anew: `reset_tzpath` gives it another value

    for folder in TZPATH:
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
    from rapscheduler._probing import Stretch  # a rare need

    ask = Stretch(tz).offset_at
    now_s = SYSTEM.now_us() // SECOND_US
    samples = [year * 31556952 for year in range(-60, 120, 15)]
    for at_s, _, _ in table.transitions(now_s - 3 * 31556952, now_s + 3 * 31556952)[:12]:
        samples += (at_s - 1, at_s)
    return all(table.offset_at(at_s) == ask(at_s) for at_s in samples)


# --- anything else ---


def _probed(tz: tzinfo) -> ZoneTable:
    from rapscheduler._probing import Prober  # a rare need

    prober = Prober(tz)
    now_s = SYSTEM.now_us() // SECOND_US
    prober.cover(now_s)
    return ZoneTable.probed(prober, tz, prober.plain, now_s)
