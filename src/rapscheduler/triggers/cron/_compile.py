"""From the text of a schedule to what the kernel searches: bit sets, made once per text and shared.

Here: `CronText` (the parsed form that all triggers of one text share), the rule for unset fields, and the bits
of each expression class. Not here: text syntax (`expressions`, `_crontab`), fire times (the cellar).

Two caches make a schedule cheap: whole schedules by their arguments, and single fields by their text (a new schedule
mostly is a new combination of known fields). Both are bounded and hold only objects that never change.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from rapscheduler._engine.cron import CronSpec
from rapscheduler.triggers.cron._bounds import DEFAULT_VALUES, FIELD_NAMES, MAX_VALUES, MIN_VALUES
from rapscheduler.triggers.cron.expressions import (
    AllExpression,
    LastDayOfMonthExpression,
    MonthRangeExpression,
    NearestWorkdayExpression,
    RangeExpression,
    WeekdayPositionExpression,
    WeekdayRangeExpression,
)
from rapscheduler.triggers.cron.fields import (
    BaseField,
    DayOfMonthField,
    DayOfWeekField,
    MonthField,
    WeekField,
)

FIELDS_MAP: dict[str, type[BaseField]] = {
    "year": BaseField,
    "month": MonthField,
    "week": WeekField,
    "day": DayOfMonthField,
    "day_of_week": DayOfWeekField,
    "hour": BaseField,
    "minute": BaseField,
    "second": BaseField,
}
DST_RULES = ("once", "both", "shift")
_PLAIN = frozenset((AllExpression, RangeExpression, MonthRangeExpression, WeekdayRangeExpression))
_DAY_ONLY = frozenset((WeekdayPositionExpression, LastDayOfMonthExpression, NearestWorkdayExpression))
_RULES = ("get_min", "get_max", "get_value", "get_next_value")


class FieldText:
    """One field as it was written, with its values as the kernel takes them. Shared; never changed.

    `mask`: bit v for value v (not for years). `years`: (first, last, step) each, `None` for any year.
    `last_days`, `nth_weekdays`, `nearest_workdays`: see `CronSpec`. `every`: `*` is in the list.
    `starred`: the text begins with `*`. `custom`: the kernel cannot know the field and takes it for `*`.
    """

    __slots__ = (
        "custom",
        "every",
        "field",
        "last_days",
        "mask",
        "nearest_workdays",
        "nth_weekdays",
        "starred",
        "years",
    )

    def __init__(self, field: BaseField) -> None:
        self.field = field
        self.custom = not _compilable(field)
        self.starred = str(field).startswith("*")
        self.mask = self.last_days = self.nth_weekdays = self.nearest_workdays = 0
        self.every = False
        years: list[tuple[int, int, int]] = []
        minimum, maximum = MIN_VALUES[field.name], MAX_VALUES[field.name]
        expressions: list[Any] = [AllExpression()] if self.custom else field.expressions
        for expression in expressions:
            kind = type(expression)
            if kind is WeekdayPositionExpression:
                self.nth_weekdays |= 1 << (7 * expression.option_num + expression.weekday)
            elif kind is LastDayOfMonthExpression:
                self.last_days |= 1 << expression.offset
            elif kind is NearestWorkdayExpression:
                self.nearest_workdays |= 1 << expression.day
            else:
                self.every |= kind is AllExpression and not (expression.step and expression.step > 1)
                span = expression.values(minimum, maximum)
                if field.name == "year":
                    years.append((span[0], span[-1], span.step))
                else:
                    self.mask |= _mask(span)
        self.years = None if self.every else tuple(years)


def _mask(span: range) -> int:
    """One bit for each value: a geometric series of steps, moved up to the first value."""
    return ((1 << (span.step * len(span))) - 1) // ((1 << span.step) - 1) << span[0]


def _compilable(field: BaseField) -> bool:
    """Whether the kernel knows the field: its values follow from its expressions, all of which are ours."""
    standard = FIELDS_MAP.get(field.name)
    known = _PLAIN | _DAY_ONLY if field.name == "day" else _PLAIN
    return (
        standard is not None
        and all(type(expression) in known for expression in field.expressions)
        and all(getattr(type(field), rule) is getattr(standard, rule) for rule in _RULES)
    )


class CronText:
    """A parsed schedule, shared by the triggers written alike; never changed.

    `parts[i]` is the field of `FIELD_NAMES[i]`.
    """

    __slots__ = ("day_or_weekday", "dst", "parts", "spec")

    def __init__(self, parts: tuple[FieldText, ...], day_or_weekday: bool, dst: str) -> None:
        year, month, day, week, weekday, hour, minute, second = parts
        self.parts = parts
        self.day_or_weekday = bool(day_or_weekday) and not (day.starred or weekday.starred)
        self.dst = dst
        if dst not in DST_RULES:
            raise ValueError(
                f"dst={dst!r} is not a rule; give 'once' (a repeated time fires once, a skipped one never), "
                "'both' (fires in both passes) or 'shift' (as 'once', and a skipped time fires after the gap)"
            )
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
            self.day_or_weekday,
            hour.starred or minute.starred,
            dst,
        )

    @property
    def fields(self) -> list[BaseField]:
        """The field objects."""
        return [part.field for part in self.parts]

    @property
    def custom(self) -> list[BaseField]:
        """Those the kernel cannot know."""
        return [part.field for part in self.parts if part.custom]

    def given(self) -> dict[str, str]:
        """The texts of the fields that somebody asked for."""
        return {field.name: str(field) for field in self.fields if not field.is_default}


_MOST_TEXTS = 4096
_known_fields: tuple[dict[Any, FieldText], ...] = tuple({} for _ in FIELD_NAMES)
_stars = tuple(FieldText(FIELDS_MAP[name](name, "*", True)) for name in FIELD_NAMES)
_minima = tuple(FieldText(FIELDS_MAP[name](name, DEFAULT_VALUES[name], True)) for name in FIELD_NAMES)


def _given(index: int, value: Any) -> FieldText:
    """The shared form of a field that somebody asked for. Only texts are keys: 1, 1.0 and True are one key."""
    name, known = FIELD_NAMES[index], _known_fields[index]
    text = value if type(value) is str else str(value)
    part = known.get(text)
    if part is None:
        part = FieldText(FIELDS_MAP[name](name, text))
        if part.custom:
            raise unknown_field(part.field)
        if len(known) >= _MOST_TEXTS:
            known.clear()
        known[text] = part
    return part


def text_by_values(
    year: Any,
    month: Any,
    day: Any,
    week: Any,
    day_of_week: Any,
    hour: Any,
    minute: Any,
    second: Any,
    day_or_weekday: bool,
    dst: str,
) -> CronText:
    # Spelled out, as this is most of what a schedule costs that was not seen before.
    parts = [
        _stars[0] if year is None else _known_fields[0].get(year) or _given(0, year),
        _stars[1] if month is None else _known_fields[1].get(month) or _given(1, month),
        _stars[2] if day is None else _known_fields[2].get(day) or _given(2, day),
        _stars[3] if week is None else _known_fields[3].get(week) or _given(3, week),
        _stars[4] if day_of_week is None else _known_fields[4].get(day_of_week) or _given(4, day_of_week),
        _stars[5] if hour is None else _known_fields[5].get(hour) or _given(5, hour),
        _stars[6] if minute is None else _known_fields[6].get(minute) or _given(6, minute),
        _stars[7] if second is None else _known_fields[7].get(second) or _given(7, second),
    ]
    if second is None:
        # Unset fields below the lowest set one take their minimum; nothing set leaves all of them `*`.
        lowest = 6
        while lowest >= 0 and parts[lowest] is _stars[lowest]:
            lowest -= 1
        if lowest >= 0:
            parts[lowest + 1 :] = _minima[lowest + 1 :]
    return CronText(tuple(parts), day_or_weekday, dst)


known_text = lru_cache(maxsize=65536, typed=True)(text_by_values)  # typed: True is not 1


def text_of(*key: Any) -> CronText:
    """The shared form of a schedule by its eight field values, `day_or_weekday` and `dst`.

    :raises ValueError: if a value is not one its field takes
    """
    try:
        return known_text(*key)
    except TypeError:  # an unhashable value, such as a list
        texts: list[Any] = [value if value is None else str(value) for value in key[:-2]]
        return text_by_values(*texts, *key[-2:])


def text_of_classes(fields_map: dict[str, Any], values: tuple[Any, ...], either: bool, dst: str) -> CronText:
    """The form of a schedule whose fields are made by the classes of a map."""
    lowest = max((index for index, value in enumerate(values) if value is not None), default=len(values))
    fields = []
    for index, (name, value) in enumerate(zip(FIELD_NAMES, values, strict=True)):
        if value is not None:
            fields.append(fields_map[name](name, value, False))
        else:
            fields.append(fields_map[name](name, DEFAULT_VALUES[name] if index > lowest else "*", True))
    return text_of_fields(fields, either, dst)


def text_of_fields(fields: list[BaseField], either: bool, dst: str) -> CronText:
    """The form of a schedule made of field objects."""
    return CronText(tuple(FieldText(field) for field in fields), either, dst)


def unknown_field(field: BaseField) -> ValueError:
    """What to say of a field class on a trigger class that only has the kernel."""
    return ValueError(
        f"{field!r} has expressions or rules of its own, which CronTrigger itself does not know; make a subclass of "
        "CronTrigger whose FIELDS_MAP names its class"
    )
