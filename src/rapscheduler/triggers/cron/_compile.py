"""From the text of a schedule to what the kernel searches: bit sets, made once per text and shared.

Here: `CronText` (the parsed form that all triggers of one text share), the rule for unset fields, and the bits
of each expression class. Not here: text syntax (`expressions`, `_crontab`), fire times (the cellar).

Two tables of the cellar make a schedule cheap: whole schedules by their arguments, and single fields by their text (a
new schedule mostly is a new combination of known fields). Both are bounded and hold only objects that never change.
"""

from __future__ import annotations

from typing import Any

from rapscheduler._engine.cron_text import FieldBits, ScheduleText, TextTable
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
    written,
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
_PLAIN = frozenset((AllExpression, RangeExpression, MonthRangeExpression, WeekdayRangeExpression))
_DAY_ONLY = frozenset((WeekdayPositionExpression, LastDayOfMonthExpression, NearestWorkdayExpression))
_RULES = ("get_min", "get_max", "get_value", "get_next_value")


class FieldText(FieldBits):
    """One field as it was written, with its values as the kernel takes them. Shared; never changed.

    `field`: the object that was parsed. `custom`: the kernel cannot know it and takes it for `*`.
    """

    __slots__ = ("custom", "field")

    def __init__(self, field: BaseField) -> None:
        self.field = field
        self.custom = not _compilable(field)
        mask = last_days = nth_weekdays = nearest_workdays = 0
        every = False
        years: list[tuple[int, int, int]] = []
        minimum, maximum = MIN_VALUES[field.name], MAX_VALUES[field.name]
        expressions: list[Any] = [AllExpression()] if self.custom else field.expressions
        for expression in expressions:
            kind = type(expression)
            if kind is WeekdayPositionExpression:
                nth_weekdays |= 1 << (7 * expression.option_num + expression.weekday)
            elif kind is LastDayOfMonthExpression:
                last_days |= 1 << expression.offset
            elif kind is NearestWorkdayExpression:
                nearest_workdays |= 1 << expression.day
            else:
                every |= kind is AllExpression and not (expression.step and expression.step > 1)
                span = expression.values(minimum, maximum)
                if field.name == "year":
                    years.append((span[0], span[-1], span.step))
                else:
                    mask |= _mask(span)
        starred = str(field).startswith("*")
        super().__init__(
            mask, None if every else tuple(years), last_days, nth_weekdays, nearest_workdays, every, starred
        )


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


class CronText(ScheduleText):
    """A parsed schedule, shared by the triggers written alike; never changed.

    `parts[i]` is the field of `FIELD_NAMES[i]`.
    """

    __slots__ = ()

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
_table = TextTable(
    CronText,
    [FieldText(FIELDS_MAP[name](name, "*", True)) for name in FIELD_NAMES],
    [FieldText(FIELDS_MAP[name](name, DEFAULT_VALUES[name], True)) for name in FIELD_NAMES],
)
find_text = _table.find


def _learn(index: int, text: str) -> None:
    """Parse a field that somebody asked for, unless it is known."""
    name, known = FIELD_NAMES[index], _table.known[index]
    if text not in known:
        part = FieldText(FIELDS_MAP[name](name, text))
        if part.custom:
            raise unknown_field(part.field)
        if len(known) >= _MOST_TEXTS:
            known.clear()
        known[text] = part


def text_by_values(*key: Any) -> CronText:
    """The shared form of a schedule that nobody has to find again by its values; else as `text_of`."""
    text: CronText | None = _table.of_known(*key)
    while text is None:  # once, unless another thread has so much to learn that it forgets this
        texts = [value if value is None or type(value) is str else written(value) for value in key[:-2]]
        for index, value in enumerate(texts):
            if value is not None:
                _learn(index, value)
        text = _table.of_known(*texts, *key[-2:])
    return text


def text_of(*key: Any) -> CronText:
    """The shared form of a schedule by its eight field values, `day_or_weekday` and `dst`.

    :raises ValueError: if a value is not one its field takes
    """
    text: CronText | None = find_text(*key)
    if text is None:
        text = text_by_values(*key)
        _table.keep(text, *key)
    return text


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
