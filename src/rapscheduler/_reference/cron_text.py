"""Cron schedules as they were written: fields known by their text, schedules known by their values.

Here: what triggers written alike share, and the tables in which it is found again. Not here: how a text is read, which
classes the texts of a program are of (the floors above bring them).
Order of fields: year, month, day, week, day of the week, hour, minute, second.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rapscheduler._reference.cron import CronCore, CronSpec
from rapscheduler._reference.timezone import ZoneTable

_FIELDS = 8
_MOST_SCHEDULES = 65536
_RULES = ("once", "both", "shift")


class FieldBits:
    """The values of one field as the kernel takes them. Shared; never changed.

    `mask`: bit v for value v (not for years). `years`: (first, last, step) each, `None` for any year. `last_days`,
    `nth_weekdays`, `nearest_workdays`: see `CronSpec`. `every`: `*` is in the list. `starred`: begins with `*`.
    """

    __slots__ = ("every", "last_days", "mask", "nearest_workdays", "nth_weekdays", "starred", "years")

    def __init__(
        self,
        mask: int = 0,
        years: tuple[tuple[int, int, int], ...] | None = None,
        last_days: int = 0,
        nth_weekdays: int = 0,
        nearest_workdays: int = 0,
        every: bool = False,
        starred: bool = False,
    ) -> None:
        self.mask = mask
        self.years = years
        self.last_days = last_days
        self.nth_weekdays = nth_weekdays
        self.nearest_workdays = nearest_workdays
        self.every = every
        self.starred = starred


class ScheduleText:
    """A schedule made of eight fields, and its spec. Shared; never changed."""

    __slots__ = ("parts", "spec")

    def __init__(self, parts: Iterable[Any], day_or_weekday: Any, dst: str) -> None:
        self.parts = tuple(parts)
        if len(self.parts) != _FIELDS:
            raise ValueError(f"a schedule has {_FIELDS} fields, not {len(self.parts)}")
        if dst not in _RULES:
            raise ValueError(
                f"dst={dst!r} is not a rule; give 'once' (a repeated time fires once, a skipped one never), "
                "'both' (fires in both passes) or 'shift' (as 'once', and a skipped time fires after the gap)"
            )
        year, month, day, week, weekday, hour, minute, second = self.parts
        self.spec = CronSpec.of(
            second.mask,
            minute.mask,
            hour.mask,
            day.mask,
            month.mask,
            week.mask,
            weekday.mask,
            year.years,
            day.last_days,
            day.nth_weekdays,
            day.nearest_workdays,
            day.every,
            bool(day_or_weekday) and not (day.starred or weekday.starred),
            hour.starred or minute.starred,
            dst,
        )

    @property
    def day_or_weekday(self) -> bool:
        """Whether a day fires when the day *or* the weekday matches."""
        return self.spec.day_or_weekday

    @property
    def dst(self) -> str:
        """What happens at zone changes."""
        return self.spec.dst


class TextTable:
    """Known fields and schedules of one class.

    Data: `known[i]` maps texts of field i to its `FieldBits`, filled by the owner. Unset fields below the lowest set
    one are `minima[i]`, other unset ones `stars[i]`. Kept schedules are found by their values, which must be such that
    no other values are equal to them (1, 1.0 and True are); of at most 65536, all are dropped before another is kept.
    """

    __slots__ = ("_kind", "_minima", "_schedules", "_stars", "known")

    def __init__(self, kind: Any, stars: Iterable[Any], minima: Iterable[Any]) -> None:
        if not (isinstance(kind, type) and issubclass(kind, ScheduleText)):
            raise TypeError(f"kind must be a class of ScheduleText, not {kind!r}")
        all_stars, all_minima = tuple(stars), tuple(minima)
        if len(all_stars) != _FIELDS or len(all_minima) != _FIELDS:
            raise ValueError(f"a schedule has {_FIELDS} fields")
        self._kind, self._stars, self._minima = kind, all_stars, all_minima
        self.known: tuple[dict[str, Any], ...] = tuple({} for _ in range(_FIELDS))
        self._schedules: dict[tuple[Any, ...], Any] = {}

    def of_known(
        self,
        year: Any,
        month: Any,
        day: Any,
        week: Any,
        day_of_week: Any,
        hour: Any,
        minute: Any,
        second: Any,
        day_or_weekday: Any,
        dst: Any,
    ) -> Any:
        """The schedule of known fields, given as texts or None; None: one of the fields is not known."""
        given = (year, month, day, week, day_of_week, hour, minute, second)
        lowest = max((i for i in range(_FIELDS) if given[i] is not None), default=_FIELDS)
        parts = [
            self._part(i, value) if value is not None else self._stars[i] if i < lowest else self._minima[i]
            for i, value in enumerate(given)
        ]
        return None if None in parts else self._kind(parts, day_or_weekday, dst)

    def _part(self, index: int, value: Any) -> Any:
        return self.known[index].get(value) if type(value) is str else None

    def find(
        self,
        year: Any,
        month: Any,
        day: Any,
        week: Any,
        day_of_week: Any,
        hour: Any,
        minute: Any,
        second: Any,
        day_or_weekday: Any,
        dst: Any,
    ) -> Any:
        """The schedule kept under these very values; None: there is none."""
        values = (year, month, day, week, day_of_week, hour, minute, second, day_or_weekday, dst)
        return self._schedules.get(values) if _exact(values) else None

    def keep(self, schedule: ScheduleText, *values: Any) -> None:
        """Remember a schedule for `find`, unless its values could be taken for others."""
        if len(values) == _FIELDS + 2 and _exact(values):
            if len(self._schedules) >= _MOST_SCHEDULES:
                self._schedules.clear()
            self._schedules[values] = schedule


def _exact(values: tuple[Any, ...]) -> bool:
    """Whether no other values are equal to these, as True and 1.0 are equal to 1."""
    fields, rules = values[:_FIELDS], values[_FIELDS:]
    return all(value is None or type(value) in (int, str) for value in fields) and tuple(
        map(type, rules)
    ) == (bool, str)


def begin(trigger: CronCore, text: ScheduleText, zone: ZoneTable) -> None:
    """Give a trigger its schedule and zone, without limits and jitter."""
    CronCore.__init__(trigger, text.spec, zone)
    trigger._text = text


def alike(trigger: CronCore) -> Any:
    """Another trigger of the class and with all the numbers of this one."""
    cls = type(trigger)
    made = cls.__new__(cls)
    CronCore.__init__(made, trigger.spec, trigger.zone, trigger.start_us, trigger.end_us, trigger.jitter_us)
    made.skips = trigger.skips
    made._text = trigger._text
    return made
