"""Field classes of third parties: a `CronTrigger` subclass with its own `FIELDS_MAP`, or old pickled fields.

Here: making a `CronText` from any field objects, and the slow, right way to fire times when the kernel does not
know a field. Not here: the standard way, which is the kernel's.

The slow way: the kernel proposes the instants that match the fields it knows (it takes the others for `*`); each
is checked against the others by APScheduler's contract, `get_next_value(wall) == get_value(wall)`. A wall time
that a field refuses is left for the next wall time at which that field can have another value.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from rapscheduler._engine.datetimes import from_us, to_us
from rapscheduler.triggers.base import answers_by_kernel
from rapscheduler.triggers.cron import _compile
from rapscheduler.triggers.cron._bounds import FIELD_NAMES
from rapscheduler.triggers.cron._compile import CronText
from rapscheduler.triggers.cron.fields import BaseField

_MOST_PROPOSALS = 100_000


def text_of(cls: Any, values: tuple[Any, ...], either: bool, dst: str) -> CronText:
    """The schedule of any class of triggers, from field values."""
    if cls.FIELDS_MAP is _compile.FIELDS_MAP:
        return _compile.text_of(*values, either, dst)
    return _compile.text_of_classes(cls.FIELDS_MAP, values, either, dst)


def text_of_objects(cls: Any, fields: list[Any], either: bool, dst: str) -> CronText:
    """The schedule of field objects: ours, or APScheduler's own, which old states contain."""
    names = tuple(getattr(field, "name", None) for field in fields)
    if names != FIELD_NAMES:
        raise ValueError(
            f"a stored {cls.__name__} must have the fields {', '.join(FIELD_NAMES)}, not {names!r}"
        )
    ours = [_ours(cls, field) for field in fields]
    text = _compile.text_of_fields(ours, either, dst)
    if not text.custom and all(_compile.FIELDS_MAP[field.name] is type(field) for field in ours):
        # Share what can be shared, if the defaults are the ones that follow from the fields that were given.
        shared = _compile.text_of(*map(text.given().get, FIELD_NAMES), either, dst)
        return shared if [str(field) for field in shared.fields] == [str(field) for field in ours] else text
    if text.custom and answers_by_kernel(cls):
        raise _compile.unknown_field(text.custom[0])
    return text


def _ours(cls: Any, field: Any) -> BaseField:
    if isinstance(field, BaseField):
        return field
    kind = type(field)
    if not kind.__module__.startswith("apscheduler."):
        raise ValueError(
            f"the {field.name} field of this stored trigger is a {kind.__module__}.{kind.__qualname__}, whose rule "
            "is not known here; let that class inherit rapscheduler.triggers.cron.fields.BaseField"
        )
    text = ",".join(_written(expression) for expression in field.expressions)
    ours: BaseField = cls.FIELDS_MAP[field.name](field.name, text, bool(field.is_default))
    return ours


def _written(expression: Any) -> str:
    """An expression of APScheduler as text; `5-5/1` is written `5/1` there, which means another thing."""
    first, step = getattr(expression, "first", None), getattr(expression, "step", None)
    if first is not None and step and first == getattr(expression, "last", None):
        return str(first) if type(expression).__name__ == "RangeExpression" else str(expression).split("/")[0]
    return str(expression)


def get_next_fire_time(self: Any, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
    """`CronTrigger.get_next_fire_time` for field classes the kernel may not know.

    :raises RuntimeError: if a hundred thousand proposals were refused in a row
    """
    moment = next_nominal(self, previous_fire_time, now)
    return None if moment is None else self._dispatch_time(moment, now)


def next_nominal(self: Any, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
    """The same, without jitter."""
    zone = self.zone
    previous_us = None if previous_fire_time is None else to_us(previous_fire_time, zone)
    fire_us = self.next_fire_us(previous_us, to_us(now, zone))
    custom = self._text.custom
    for _ in range(_MOST_PROPOSALS):
        if fire_us is None:
            return None
        moment = from_us(fire_us, zone)
        refusing = next((field for field in custom if not _matches(field, moment)), None)
        if refusing is None:
            return moment
        resume_us = _changes_us(self, refusing.name, moment, fire_us)
        fire_us = None if resume_us is None else self.next_fire_us(None, resume_us)
    raise RuntimeError(
        f"{self!r}: its own field class refused {_MOST_PROPOSALS} times in a row; give an end_date, or let "
        "get_next_value() return the value of get_value() for times that match"
    )


def _matches(field: BaseField, moment: datetime) -> bool:
    return field.get_next_value(moment) == field.get_value(moment)


def _changes_us(self: Any, name: str, moment: datetime, fire_us: int) -> int | None:
    """The first instant at which a field can have another value than at `moment`."""
    wall = moment.replace(tzinfo=None, fold=0)
    try:
        later = _next_unit(name, wall)
    except (OverflowError, ValueError):  # the year 10000
        return None
    # In a gap or fold the wall time stands for two instants; the earlier one cannot miss anything.
    earliest_us = min(to_us(later, self.zone), to_us(later.replace(fold=1), self.zone))
    return max(earliest_us, fire_us + 1)


def _next_unit(name: str, wall: datetime) -> datetime:
    day = wall.replace(hour=0, minute=0, second=0, microsecond=0)
    if name == "year":
        return day.replace(year=wall.year + 1, month=1, day=1)
    if name == "month":
        return (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    if name == "hour":
        return day + timedelta(hours=wall.hour + 1)
    if name == "minute":
        return wall.replace(second=0, microsecond=0) + timedelta(minutes=1)
    if name == "second":
        return wall.replace(microsecond=0) + timedelta(seconds=1)
    return day + timedelta(days=1)
