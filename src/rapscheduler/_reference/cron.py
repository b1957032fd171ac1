"""Cron schedules: the instants that match sets of seconds, minutes, hours, days, months, weeks and years.

Here: `CronSpec` (what matches, as bit masks) and `CronCore` (a spec in a zone). Not here: the text of fields.

The approach (docs/design.md): a zone is a row of ranges `[lo, hi)` of instants with one utc offset. Within a
range wall time is `utc + offset`, so the next matching wall time is calendar arithmetic on masks. What is
particular happens where ranges meet: a *gap* (the offset grows: wall times are skipped) and a *fold* (it
shrinks: wall times come a second time). `dst` says what to do there: see `CronSpec`.

Every search is bounded: 28 years without an exceptional century (2000 to 2027) have every kind of year
(weekday of 1 January, leap, leap before), so a spec that matches no day of them matches none ever.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rapscheduler._reference._instants import MAX_US, MIN_US, SECOND_US
from rapscheduler._reference.calendar import (
    MAX_DAYS,
    MIN_DAYS,
    civil_from_days,
    days_from_civil,
    days_in_month,
    iso_week,
    nearest_workday,
    weekday,
)
from rapscheduler._reference.timezone import ZoneTable
from rapscheduler._reference.trigger import TriggerCore

ALL_SECONDS = (1 << 60) - 1
ALL_HOURS = (1 << 24) - 1
ALL_DAYS = (1 << 32) - 2
ALL_MONTHS = (1 << 13) - 2
ALL_WEEKS = (1 << 54) - 2
ALL_WEEKDAYS = (1 << 7) - 1

_DAY_S = 86_400
_MIN_S = MIN_US // SECOND_US
_MAX_S = MAX_US // SECOND_US
_MIN_WALL_S = _MIN_S
_MAX_WALL_S = _MAX_S
_LAST_YEAR = 9999
# Two utc offsets differ by less than two days: wall times this far from a transition are not in its fold.
_FOLD_S = 2 * _DAY_S
_MOST_SPECS = 4096

_interned: dict[tuple[Any, ...], CronSpec] = {}


class CronSpec:
    """What matches. Immutable; equal specs are one object (`CronSpec.of`).

    ===================  ================================================================================
    second, minute       bit n: second (minute) n
    hour                 bit n: hour n
    day                  bit n: day n of the month
    month                bit n: month n
    week                 bit n: ISO week n
    weekday              bit n: weekday n, 0 = Monday
    years                ranges `(first, last, step)`, or None for any year
    last_day_offsets     bit n: n days before the last day of the month
    nth_weekdays         bit (n - 1) * 7 + wd: n-th weekday wd of the month; bit 35 + wd: the last one
    nearest_workdays     bit n: the workday nearest to day n, within the month; bit 0: the last workday
    day_any              the day field matches every day
    day_or_weekday       a day needs the day field or the weekday field (vixie cron), not both
    rhythm               hour or minute field begins with `*`: real time counts, not times of day
    dst                  "once", "both" or "shift"
    ===================  ================================================================================

    The day field matches when `day`, `last_day_offsets`, `nth_weekdays` or `nearest_workdays` does.
    A wall time that comes twice matches twice with `rhythm` or `dst="both"`, else the first time only. A wall
    time that is skipped does not match, but the first instant after it, with `dst="shift"` and no `rhythm`.
    """

    __slots__ = (
        "_key",
        "_possible",
        "day",
        "day_any",
        "day_or_weekday",
        "dst",
        "hour",
        "last_day_offsets",
        "minute",
        "month",
        "nearest_workdays",
        "nth_weekdays",
        "rhythm",
        "second",
        "week",
        "weekday",
        "years",
    )

    second: int
    minute: int
    hour: int
    day: int
    month: int
    week: int
    weekday: int
    years: tuple[tuple[int, int, int], ...] | None
    last_day_offsets: int
    nth_weekdays: int
    nearest_workdays: int
    day_any: bool
    day_or_weekday: bool
    rhythm: bool
    dst: str
    _key: tuple[Any, ...]
    _possible: bool | None  # None: not yet looked at

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise TypeError("a CronSpec is shared by all who need the same one; get it by CronSpec.of(...)")

    @classmethod
    def of(
        cls,
        second: int = ALL_SECONDS,
        minute: int = ALL_SECONDS,
        hour: int = ALL_HOURS,
        day: int = ALL_DAYS,
        month: int = ALL_MONTHS,
        week: int = ALL_WEEKS,
        weekday: int = ALL_WEEKDAYS,
        years: Iterable[tuple[int, int, int]] | None = None,
        last_day_offsets: int = 0,
        nth_weekdays: int = 0,
        nearest_workdays: int = 0,
        day_any: bool = False,
        day_or_weekday: bool = False,
        rhythm: bool = False,
        dst: str = "once",
    ) -> CronSpec:
        """The spec with these masks.

        :raises ValueError: if a mask has a bit that means nothing, a range of years is not within 1 to 9999,
            or `dst` is unknown
        """
        if years is not None:
            years = tuple(years)
        days = (last_day_offsets, nth_weekdays, nearest_workdays, bool(day_any), bool(day_or_weekday))
        key = (second, minute, hour, day, month, week, weekday, years, *days, bool(rhythm), dst)
        spec = _interned.get(key)
        if spec is None:
            spec = _make(key)
            if len(_interned) >= _MOST_SPECS:
                _interned.clear()
            _interned[key] = spec
        return spec

    def __reduce__(self) -> tuple[Any, ...]:
        return CronSpec.of, self._key

    def __eq__(self, other: object) -> bool:
        return self._key == other._key if isinstance(other, CronSpec) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        return f"CronSpec.of{self._key!r}"


def _make(key: tuple[Any, ...]) -> CronSpec:
    spec = CronSpec.__new__(CronSpec)
    spec.second = _mask("second", key[0], ALL_SECONDS)
    spec.minute = _mask("minute", key[1], ALL_SECONDS)
    spec.hour = _mask("hour", key[2], ALL_HOURS)
    spec.day = _mask("day", key[3], ALL_DAYS)
    spec.month = _mask("month", key[4], ALL_MONTHS)
    spec.week = _mask("week", key[5], ALL_WEEKS)
    spec.weekday = _mask("weekday", key[6], ALL_WEEKDAYS)
    spec.years = key[7]
    for first, last, step in spec.years or ():
        if not (1 <= first <= last <= _LAST_YEAR and step >= 1):
            raise ValueError(
                f"years must be ranges (first, last, step) within 1 to 9999, not {(first, last, step)!r}"
            )
    spec.last_day_offsets = _mask("last_day_offsets", key[8], (1 << 31) - 1)
    spec.nth_weekdays = _mask("nth_weekdays", key[9], (1 << 42) - 1)
    spec.nearest_workdays = _mask("nearest_workdays", key[10], (1 << 32) - 1)
    spec.day_any, spec.day_or_weekday, spec.rhythm = key[11:14]
    if key[14] not in ("once", "both", "shift"):
        raise ValueError(f'dst must be "once", "both" or "shift", not {key[14]!r}')
    spec.dst = key[14]
    spec._key = key
    spec._possible = None
    return spec


def _mask(name: str, value: int, allowed: int) -> int:
    if value < 0 or value & ~allowed:
        raise ValueError(f"{name} mask {value:#x} has bits outside of {allowed:#x}")
    return value


# --- the calendar: which wall times match ---


def _day_field_matches(spec: CronSpec, year: int, month: int, day: int) -> bool:
    length = days_in_month(year, month)
    if spec.day_any or spec.day >> day & 1 or spec.last_day_offsets >> (length - day) & 1:
        return True
    if spec.nth_weekdays:
        day_of_week = weekday(days_from_civil(year, month, day))
        if spec.nth_weekdays >> ((day - 1) // 7 * 7 + day_of_week) & 1:
            return True
        if day + 7 > length and spec.nth_weekdays >> (35 + day_of_week) & 1:
            return True
    for target in range(length + 1 if spec.nearest_workdays else 0):
        if spec.nearest_workdays >> target & 1 and nearest_workday(year, month, target or length) == day:
            return True
    return False


def _day_matches(spec: CronSpec, year: int, month: int, day: int) -> bool:
    """Whether the day matches all but the year."""
    by_day = _day_field_matches(spec, year, month, day)
    if not spec.month >> month & 1 or not (by_day or spec.day_or_weekday):
        return False
    days = days_from_civil(year, month, day)
    by_weekday = bool(spec.weekday >> weekday(days) & 1)
    if not by_weekday and not (by_day and spec.day_or_weekday):
        return False
    return bool(spec.week >> iso_week(days)[1] & 1)


def _year_matches(spec: CronSpec, year: int) -> bool:
    if spec.years is None:
        return True
    return any(first <= year <= last and (year - first) % step == 0 for first, last, step in spec.years)


def _is_possible(spec: CronSpec) -> bool:
    """Whether any day of any year can match, the year field aside."""
    if spec._possible is None:
        spec._possible = any(
            _day_matches(spec, year, month, day)
            for year in range(2000, 2028)
            for month in range(1, 13)
            if spec.month >> month & 1
            for day in range(1, days_in_month(year, month) + 1)
        )
    return spec._possible


def _next_day(spec: CronSpec, days: int) -> int | None:
    """First matching day at or after `days`."""
    if days > MAX_DAYS:
        return None
    first_year, first_month, first_day = civil_from_days(days)
    for year in range(first_year, _LAST_YEAR + 1):
        if year == first_year + 9 and not _is_possible(spec):
            return None
        if not _year_matches(spec, year):
            continue
        for month in range(first_month if year == first_year else 1, 13):
            if not spec.month >> month & 1:
                continue
            is_first = (year, month) == (first_year, first_month)
            for day in range(first_day if is_first else 1, days_in_month(year, month) + 1):
                if _day_matches(spec, year, month, day):
                    return days_from_civil(year, month, day)
    return None


def _last_day(spec: CronSpec, days: int) -> int | None:
    """Last matching day at or before `days`."""
    if days < MIN_DAYS:
        return None
    last_year, last_month, last_day = civil_from_days(days)
    for year in range(last_year, 0, -1):
        if year == last_year - 9 and not _is_possible(spec):
            return None
        if not _year_matches(spec, year):
            continue
        for month in range(last_month if year == last_year else 12, 0, -1):
            if not spec.month >> month & 1:
                continue
            is_last = (year, month) == (last_year, last_month)
            for day in range(last_day if is_last else days_in_month(year, month), 0, -1):
                if _day_matches(spec, year, month, day):
                    return days_from_civil(year, month, day)
    return None


def _next_time(spec: CronSpec, second_of_day: int) -> int | None:
    """First matching second of a day at or after `second_of_day`."""
    for hour in range(second_of_day // 3600, 24):
        if not spec.hour >> hour & 1:
            continue
        for minute in range(max(0, second_of_day - hour * 3600) // 60, 60):
            if not spec.minute >> minute & 1:
                continue
            for second in range(max(0, second_of_day - hour * 3600 - minute * 60), 60):
                if spec.second >> second & 1:
                    return hour * 3600 + minute * 60 + second
    return None


def _last_time(spec: CronSpec, second_of_day: int) -> int | None:
    """Last matching second of a day at or before `second_of_day`."""
    for hour in range(second_of_day // 3600, -1, -1):
        if not spec.hour >> hour & 1:
            continue
        for minute in range(min(3599, second_of_day - hour * 3600) // 60, -1, -1):
            if not spec.minute >> minute & 1:
                continue
            for second in range(min(59, second_of_day - hour * 3600 - minute * 60), -1, -1):
                if spec.second >> second & 1:
                    return hour * 3600 + minute * 60 + second
    return None


def _next_wall_s(spec: CronSpec, wall_s: int) -> int | None:
    """First matching wall time at or after `wall_s`, within the years 1 to 9999."""
    if wall_s > _MAX_WALL_S:
        return None
    days, second_of_day = divmod(max(wall_s, _MIN_WALL_S), _DAY_S)
    day = _next_day(spec, days)
    if day is None:
        return None
    time_s = _next_time(spec, second_of_day if day == days else 0)
    if time_s is None and day == days:
        day, time_s = _next_day(spec, days + 1), _next_time(spec, 0)
    return None if day is None or time_s is None else day * _DAY_S + time_s


def _last_wall_s(spec: CronSpec, wall_s: int) -> int | None:
    """Last matching wall time at or before `wall_s`, within the years 1 to 9999."""
    if wall_s < _MIN_WALL_S:
        return None
    days, second_of_day = divmod(min(wall_s, _MAX_WALL_S), _DAY_S)
    day = _last_day(spec, days)
    if day is None:
        return None
    time_s = _last_time(spec, second_of_day if day == days else _DAY_S - 1)
    if time_s is None and day == days:
        day, time_s = _last_day(spec, days - 1), _last_time(spec, _DAY_S - 1)
    return None if day is None or time_s is None else day * _DAY_S + time_s


# --- the ranges: which instants match ---


def _range_at(spec: CronSpec, zone: ZoneTable, utc_s: int) -> tuple[int, int, int, int, bool]:
    """The range around an instant: `(lo_s, hi_s, offset_s, first_wall_s, shifted)`.

    Wall times below `first_wall_s` are a second pass that doesn't count; `shifted`: `lo_s` fires for the gap.
    """
    lo_s, hi_s, offset_s = zone.range_at(utc_s)
    first_wall_s = lo_s + offset_s
    if lo_s <= _MIN_S:
        return lo_s, hi_s, offset_s, first_wall_s, False
    end_wall_s = lo_s + zone.offset_at(lo_s - 1)  # where the range before ends
    shifted = False
    if not spec.rhythm and spec.dst != "both":
        if spec.dst == "shift" and end_wall_s < first_wall_s:
            skipped_s = _next_wall_s(spec, end_wall_s)
            shifted = skipped_s is not None and skipped_s < first_wall_s
        first_wall_s = max(first_wall_s, end_wall_s)
    return lo_s, hi_s, offset_s, first_wall_s, shifted


def _next_fire_s(spec: CronSpec, zone: ZoneTable, utc_s: int, last_s: int) -> int | None:
    """First matching instant in `[utc_s, last_s]`."""
    while utc_s <= last_s:
        lo_s, hi_s, offset_s, first_wall_s, shifted = _range_at(spec, zone, utc_s)
        if shifted and utc_s == lo_s:
            return lo_s
        wall_s = _next_wall_s(spec, max(utc_s + offset_s, first_wall_s))
        if wall_s is not None and wall_s - offset_s < hi_s:
            return wall_s - offset_s if wall_s - offset_s <= last_s else None
        # Nothing until hi_s. A fold there may show wall times before this search's start again; when that is
        # too far away for it, nothing matches until shortly before wall_s, whatever the offsets on the way.
        if utc_s + _FOLD_S >= hi_s:
            utc_s = hi_s
        elif wall_s is None:
            return None
        else:
            utc_s = max(hi_s, wall_s - offset_s - 2 * _FOLD_S)
    return None


def _last_fire_s(spec: CronSpec, zone: ZoneTable, utc_s: int, first_s: int) -> int | None:
    """Last matching instant in `[first_s, utc_s]`."""
    while utc_s >= first_s:
        lo_s, _, offset_s, first_wall_s, shifted = _range_at(spec, zone, utc_s)
        wall_s = _last_wall_s(spec, utc_s + offset_s)
        if wall_s is not None and wall_s >= first_wall_s:
            return wall_s - offset_s if wall_s - offset_s >= first_s else None
        if shifted:
            return lo_s if lo_s >= first_s else None
        if utc_s - _FOLD_S <= lo_s:
            utc_s = lo_s - 1
        elif wall_s is None:
            return None
        else:
            utc_s = min(lo_s - 1, wall_s - offset_s + 2 * _FOLD_S)
    return None


class CronCore(TriggerCore):
    """A cron schedule in a zone. Fires on whole seconds."""

    __slots__ = ("_text", "spec")

    spec: CronSpec
    _text: Any  # what the spec was written as

    def __init__(
        self,
        spec: CronSpec,
        zone: ZoneTable,
        start_us: int | None = None,
        end_us: int | None = None,
        jitter_us: int = 0,
    ) -> None:
        if not isinstance(spec, CronSpec):
            raise TypeError(f"spec must be a CronSpec, not {type(spec).__name__}")
        TriggerCore.__init__(self, zone, start_us, end_us, jitter_us)
        self.spec = spec
        self._text = None

    def _next_us(self, previous_us: int | None, now_us: int) -> int | None:
        from_us = now_us if previous_us is None or now_us < previous_us else previous_us + 1
        from_us = max(from_us, self._first_us)
        fire_s = _next_fire_s(self.spec, self.zone, -(-from_us // SECOND_US), self._last_us // SECOND_US)
        return None if fire_s is None else fire_s * SECOND_US

    def _before_us(self, t_us: int) -> int | None:
        until_us = min(t_us - 1, self._last_us)
        fire_s = _last_fire_s(
            self.spec,
            self.zone,
            until_us // SECOND_US,
            -(-self._first_us // SECOND_US),
        )
        return None if fire_s is None else fire_s * SECOND_US
