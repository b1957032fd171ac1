"""Zone tables: the whole rule of a time zone as plain lists, from TZif data, given transitions or probing.

What lives here: ``ZoneTable``, the reader of TZif (RFC 9636, versions 1 to 4) and of its POSIX footer.
What must not: files, names of zones, ``zoneinfo`` and datetimes; what a trigger does at a gap or a fold (``cron``,
``calendar_interval``).

Approach: every source becomes one list of (start, offset). The endless rule of a POSIX footer is written out
for a little more than 400 years, one Gregorian cycle, after which instants are shifted back by whole cycles.
"""

from __future__ import annotations

import re
import struct
from bisect import bisect_right
from collections.abc import Sequence
from datetime import tzinfo as TzInfo
from itertools import pairwise
from typing import Any, Protocol

from rapscheduler._reference import calendar

LO_S = -(10**12)  # "always before": open end of the first range
HI_S = 10**12  # "for ever": open end of the last range
CYCLE_S = 146097 * 86400  # 400 Gregorian years
_MAX_OFFSET_S = 86400  # exclusive, as in datetime
_MIN_S, _MAX_S = -62135596800, 253402300799  # years 1 to 9999


class _Source(Protocol):
    """Knows a foreign tzinfo by probing; see ``rapscheduler._zones``."""

    def cover(self, utc_s: int) -> tuple[list[int], list[int], int, bool]:
        """Starts, offsets, end and cycle flag of a block that holds ``utc_s``."""


class ZoneTable:
    """The rule of one zone.

    ``_start_s[i]`` is the instant at which ``_offset_s[i]`` comes into force, up to ``_start_s[i + 1]``;
    ``len(_start_s) == len(_offset_s) + 1``; strictly increasing; neighbouring offsets differ.
    With ``_cycle`` the rule of the last 400 years before ``_start_s[-1]`` repeats for ever.
    """

    __slots__ = (
        "__weakref__",
        "_cycle",
        "_offset_s",
        "_start_s",
        "plain",
        "source",
        "tzinfo",
    )

    def __init__(self, tzinfo: TzInfo, plain: bool, source: _Source | None) -> None:
        self.tzinfo = tzinfo
        self.plain = plain
        self.source = source
        self._start_s = [LO_S, HI_S]
        self._offset_s = [0]
        self._cycle = False

    @classmethod
    def fixed(cls, offset_s: int, tzinfo: TzInfo) -> ZoneTable:
        """One offset for ever."""
        return cls.from_transitions([], [offset_s], tzinfo)

    @classmethod
    def from_transitions(
        cls,
        utc_s: Sequence[int],
        offset_s: Sequence[int],
        tzinfo: TzInfo,
        footer: str | None = None,
        plain: bool = True,
    ) -> ZoneTable:
        """``offset_s[i + 1]`` holds from ``utc_s[i]`` on, ``offset_s[0]`` before; then the POSIX footer."""
        table = cls(tzinfo, plain, None)
        table._set(*_block(list(utc_s), list(offset_s), footer))
        return table

    @classmethod
    def from_tzif(cls, data: bytes, tzinfo: TzInfo) -> ZoneTable:
        """A zone out of the bytes of a TZif file; ``ValueError`` when they are not one."""
        utc_s, offset_s, footer = parse_tzif(data)
        return cls.from_transitions(utc_s, offset_s, tzinfo, footer)

    @classmethod
    def probed(cls, source: _Source, tzinfo: TzInfo, plain: bool, utc_s: int) -> ZoneTable:
        """A zone known through ``source``, first at ``utc_s``; further when it is asked for."""
        table = cls(tzinfo, plain, source)
        table._set(*source.cover(utc_s))
        return table

    def _set(self, start_s: list[int], offset_s: list[int], end_s: int, cycle: bool) -> None:
        if len(start_s) != len(offset_s) or not start_s:
            raise ValueError("a zone needs as many starts as offsets, and one at least")
        bounds = [*start_s, end_s]
        if any(a >= b for a, b in pairwise(bounds)):
            raise ValueError("the transitions of a zone must be strictly increasing")
        for offset in offset_s:
            _check_offset(offset)
        self._start_s, self._offset_s, self._cycle = bounds, list(offset_s), cycle

    def _grow_to(self, utc_s: int) -> None:
        """Let the source probe as far as ``utc_s``; what its tzinfo raises is the caller's."""
        known = utc_s >= self._start_s[0] and (utc_s < self._start_s[-1] or self._cycle)
        if not known and self.source is not None:
            self._set(*self.source.cover(utc_s))

    def range_at(self, utc_s: int) -> tuple[int, int, int]:
        """``(lo_s, hi_s, offset_s)``: the range of one offset around an instant."""
        self._grow_to(utc_s)
        first_s, end_s = self._start_s[0], self._start_s[-1]
        if utc_s < first_s:
            return min(LO_S, utc_s), first_s, self._offset_s[0]
        shift_s = 0
        if utc_s >= end_s:
            if not self._cycle:
                return end_s, max(HI_S, utc_s + 1), self._offset_s[-1]
            shift_s = ((utc_s - end_s) // CYCLE_S + 1) * CYCLE_S
        i = bisect_right(self._start_s, utc_s - shift_s) - 1
        return self._start_s[i] + shift_s, self._start_s[i + 1] + shift_s, self._offset_s[i]

    def offset_at(self, utc_s: int) -> int:
        """Seconds east of UTC at an instant."""
        return self.range_at(utc_s)[2]

    def local(self, wall_s: int) -> tuple[str, int, int]:
        """What a wall time means: ``(kind, first_utc_s, second_utc_s)``.

        ``"unique"``: twice the instant. ``"fold"``: it comes twice, at these instants. ``"gap"``: it
        does not exist; wall time minus the offset before the gap, and minus the offset after it (PEP 495).
        """
        found: list[int] = []
        around = self._around(wall_s - _MAX_OFFSET_S, wall_s + _MAX_OFFSET_S)
        for lo_s, hi_s, offset_s in around:
            if lo_s <= wall_s - offset_s < hi_s:
                found.append(wall_s - offset_s)
        if len(found) == 1:
            return "unique", found[0], found[0]
        if found:
            return "fold", found[0], found[-1]
        for (_, hi_s, before_s), (_, _, after_s) in pairwise(around):
            if wall_s - before_s >= hi_s > wall_s - after_s:
                return "gap", wall_s - before_s, wall_s - after_s
        raise AssertionError("a wall time is in a range or between two")

    def _around(self, start_s: int, end_s: int) -> list[tuple[int, int, int]]:
        """The ranges that meet ``start_s <= t <= end_s``; cut ones of a probed zone joined."""
        ranges = [self.range_at(start_s)]
        while ranges[-1][1] <= min(end_s, HI_S - 1):
            lo_s, hi_s, offset_s = self.range_at(ranges[-1][1])
            if offset_s == ranges[-1][2]:
                lo_s = ranges.pop()[0]
            ranges.append((lo_s, hi_s, offset_s))
        return ranges

    def transitions(self, start_s: int, end_s: int) -> list[tuple[int, int, int]]:
        """``(utc_s, offset_before_s, offset_after_s)`` of every change with ``start_s <= utc_s < end_s``."""
        ranges = self._around(start_s - 1, end_s - 1)
        return [(b[0], a[2], b[2]) for a, b in pairwise(ranges) if start_s <= b[0] < end_s]

    def __repr__(self) -> str:
        return f"<ZoneTable of {self.tzinfo!r}>"


def _check_offset(offset_s: int) -> None:
    if not -_MAX_OFFSET_S < offset_s < _MAX_OFFSET_S:
        raise ValueError(f"an offset from UTC must be less than 24 hours, not {offset_s} seconds")


def _block(
    utc_s: list[int], offset_s: list[int], footer: str | None
) -> tuple[list[int], list[int], int, bool]:
    """Starts, offsets, end, cycle flag: the transitions merged and the footer written out."""
    if len(offset_s) != len(utc_s) + 1:
        raise ValueError("a zone needs one offset more than it has transitions")
    if any(a >= b for a, b in pairwise(utc_s)):
        raise ValueError("the transitions of a zone must be strictly increasing")
    rule = parse_footer(footer) if footer else None
    starts, offsets = [LO_S], [offset_s[0]]
    last_s = LO_S  # the rule holds from here on, also when nothing changes here: slim files end with such a transition
    for at_s, offset in zip(utc_s, offset_s[1:], strict=True):
        if at_s > _MAX_S:
            return starts, offsets, HI_S, False
        if at_s < _MIN_S:
            offsets[-1] = offset
        else:
            _append(starts, offsets, at_s, offset)
            last_s = at_s
    if rule is None:
        return starts, offsets, HI_S, False
    return _with_rule(starts, offsets, last_s, rule)


def _append(starts: list[int], offsets: list[int], at_s: int, offset_s: int) -> None:
    if offset_s != offsets[-1]:
        starts.append(at_s)
        offsets.append(offset_s)


def _with_rule(
    starts: list[int], offsets: list[int], last_s: int, rule: Rule
) -> tuple[list[int], list[int], int, bool]:
    """Go on with the POSIX rule after the last transition; without any transition it holds at all times."""
    first_year = 1 if last_s == LO_S else calendar.civil_from_days(last_s // 86400)[0]
    changes = rule.changes(first_year - 1, first_year + 403)
    state = rule.std_s
    for at_s, offset in changes:
        if at_s <= last_s:
            state = offset
    if last_s == LO_S and changes:
        state = rule.std_s if changes[0][1] != rule.std_s else rule.dst_s
    if starts[-1] != last_s:
        _append(starts, offsets, last_s, state)
    elif state != offsets[-1]:
        offsets[-1] = state
        if len(offsets) > 1 and offsets[-2] == state:
            del starts[-1], offsets[-1]
    for at_s, offset in changes:
        if at_s > last_s:
            _append(starts, offsets, at_s, offset)
    if starts[-1] <= last_s + CYCLE_S:  # the rule never changes the offset
        return starts, offsets, HI_S, False
    end_s = starts.pop()
    offsets.pop()
    return starts, offsets, end_s, True


# --- TZif ---

_HEADER = struct.Struct(">4sc15x6l")


def parse_tzif(data: bytes) -> tuple[list[int], list[int], str | None]:
    """Transition instants, offsets (one more), POSIX footer or None; ``ValueError`` for malformed data."""
    try:
        version, counts, body = _header(data, 0)
        if version == 1:
            utc_s, offset_s, _ = _body(data, body, counts, 4)
            return utc_s, offset_s, None
        second = body + _body_size(counts, 4)
        _, counts, body = _header(data, second)
        utc_s, offset_s, end = _body(data, body, counts, 8)
    except struct.error as error:
        raise ValueError(f"TZif data ends too early: {error}") from None
    return utc_s, offset_s, _footer(data, end)


def _header(data: bytes, at: int) -> tuple[int, tuple[int, ...], int]:
    magic, version, *counts = _HEADER.unpack_from(data, at)
    if magic != b"TZif":
        raise ValueError("this is not TZif data: it does not begin with 'TZif'")
    if any(count < 0 for count in counts):
        raise ValueError("TZif data with a negative count")
    number = 1 if version == b"\0" else version[0] - ord("0")
    return number, tuple(counts), at + _HEADER.size


def _body_size(counts: tuple[int, ...], width: int) -> int:
    utc_count, std_count, leap_count, time_count, type_count, char_count = counts
    return (
        time_count * (width + 1)
        + type_count * 6
        + char_count
        + leap_count * (width + 4)
        + std_count
        + utc_count
    )


def _body(data: bytes, at: int, counts: tuple[int, ...], width: int) -> tuple[list[int], list[int], int]:
    end = at + _body_size(counts, width)
    if end > len(data):
        raise ValueError("TZif data ends too early")
    time_count, type_count = counts[3], counts[4]
    if not type_count:
        raise ValueError("TZif data without a local time type")
    utc_s = list(struct.unpack_from(f">{time_count}{'q' if width == 8 else 'l'}", data, at))
    at += time_count * width
    kinds = data[at : at + time_count]
    at += time_count
    types = [struct.unpack_from(">lBB", data, at + 6 * i) for i in range(type_count)]
    for offset, _, _ in types:
        _check_offset(offset)
    if any(kind >= type_count for kind in kinds):
        raise ValueError("TZif data names a local time type that it does not have")
    # Before the first transition: the first standard time type, as zoneinfo (in real data: type 0)
    first = next((offset for offset, is_dst, _ in types if not is_dst), types[0][0])
    return utc_s, [first, *(types[kind][0] for kind in kinds)], end


def _footer(data: bytes, at: int) -> str | None:
    line = data[at:].split(b"\n")
    if len(line) < 3 or line[0]:
        raise ValueError("TZif data without a footer line")
    try:
        return line[1].decode("ascii") or None
    except UnicodeDecodeError:
        raise ValueError("TZif data with a footer that is not ASCII") from None


# --- POSIX TZ string ---

_NAME = r"(?:[A-Za-z]{3,}|<[A-Za-z0-9+-]{3,}>)"
_OFFSET = r"[+-]?\d{1,3}(?::\d{2}(?::\d{2})?)?"
_DAY = r"(?:J\d{1,3}|\d{1,3}|M\d{1,2}\.\d\.\d)"
_FOOTER = re.compile(
    rf"{_NAME}(?P<std>{_OFFSET})"
    rf"(?:{_NAME}(?P<dst>{_OFFSET})?,(?P<start>{_DAY})(?:/(?P<start_at>{_OFFSET}))?"
    rf",(?P<end>{_DAY})(?:/(?P<end_at>{_OFFSET}))?)?",
    re.ASCII,
)


class Rule:
    """A POSIX TZ rule: standard and summer offset and, if there is summer time, its start and end."""

    __slots__ = ("dst_s", "end", "start", "std_s")

    def __init__(self, std_s: int, dst_s: int, start: Any, end: Any) -> None:
        self.std_s = std_s
        self.dst_s = dst_s
        self.start = start
        self.end = end

    def changes(self, first_year: int, last_year: int) -> list[tuple[int, int]]:
        """Sorted ``(utc_s, offset from then on)``, up to December of the last year.

        Where end and start fall together summer time goes on; the next start must be known to see that.
        """
        if self.start is None:
            return []
        changes = []
        for year in range(first_year, last_year + 1):
            changes.append((_rule_wall_s(self.end, year) - self.dst_s, 0, self.std_s))
            changes.append((_rule_wall_s(self.start, year) - self.std_s, 1, self.dst_s))
        changes.sort()
        end_s = _rule_wall_s(("J", (335,), 0), last_year)
        return list({at_s: offset_s for at_s, _, offset_s in changes if at_s < end_s}.items())


def parse_footer(text: str) -> Rule:
    """The rule of a POSIX TZ string, with the extensions of TZif version 3 (times from -167 to 167 hours)."""
    match = _FOOTER.fullmatch(text)
    if match is None:
        raise ValueError(f"not a POSIX time zone rule: {text!r}")
    std_s = -_seconds(match["std"], 24)
    _check_offset(std_s)
    if match["start"] is None:
        return Rule(std_s, std_s, None, None)
    dst_s = -_seconds(match["dst"], 24) if match["dst"] else std_s + 3600
    _check_offset(dst_s)
    start = (*_rule_day(match["start"]), _seconds(match["start_at"] or "2", 167))
    end = (*_rule_day(match["end"]), _seconds(match["end_at"] or "2", 167))
    return Rule(std_s, dst_s, start, end)


def _seconds(text: str, max_hours: int) -> int:
    sign = -1 if text[0] == "-" else 1
    hours, minutes, seconds = [*map(int, text.lstrip("+-").split(":")), 0, 0][:3]
    if hours > max_hours or minutes > 59 or seconds > 59:
        raise ValueError(f"not a time of a POSIX time zone rule: {text!r}")
    return sign * (hours * 3600 + minutes * 60 + seconds)


def _rule_day(text: str) -> tuple[str, tuple[int, ...]]:
    if text[0] == "M":
        month, week, day = map(int, text[1:].split("."))
        if 1 <= month <= 12 and 1 <= week <= 5 and day <= 6:
            return "M", (month, week, day)
    elif text[0] == "J":
        if 1 <= int(text[1:]) <= 365:
            return "J", (int(text[1:]),)
    elif int(text) <= 365:
        return "D", (int(text),)
    raise ValueError(f"not a day of a POSIX time zone rule: {text!r}")


def _rule_wall_s(day: tuple[str, tuple[int, ...], int], year: int) -> int:
    """Wall seconds of a rule's change in a year (also past 9999, for the cycle of 400 years)."""
    kind, numbers, at_s = day
    base_year, cycles = year, 0
    while base_year < 1:
        base_year, cycles = base_year + 400, cycles - 1
    while base_year > 9999:
        base_year, cycles = base_year - 400, cycles + 1
    if kind == "M":
        month, week, day_of_week = numbers
        weekday = (day_of_week + 6) % 7  # POSIX counts from Sunday
        day_of_month = calendar.nth_weekday(base_year, month, week, weekday)
        days = calendar.days_from_civil(
            base_year,
            month,
            day_of_month or calendar.last_weekday(base_year, month, weekday),
        )
    else:
        days = calendar.days_from_civil(base_year, 1, 1) + numbers[0]
        if kind == "J":  # 1..365, 29 February is never counted
            days += -1 if numbers[0] < 60 or not calendar.is_leap(base_year) else 0
    return (days + cycles * 146097) * 86400 + at_s
