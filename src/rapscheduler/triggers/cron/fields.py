"""One field of a cron schedule: its name, its expressions, and its values in a given wall time.

Here: APScheduler's field classes. The standard ones only hold parsed text, which `_compile` turns into bits;
`get_value` and `get_next_value` serve the classes of third parties. Not here: the search for fire times.

A field is never changed after it was made: fields are shared by all the triggers written the same way.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from rapscheduler._advice import field_cure, wrapped_range
from rapscheduler._engine.calendar import days_in_month
from rapscheduler.triggers.cron._bounds import DEFAULT_VALUES, MAX_VALUES, MIN_VALUES, accepted
from rapscheduler.triggers.cron.expressions import (
    AllExpression,
    BackwardsError,
    LastDayOfMonthExpression,
    MonthRangeExpression,
    NearestWorkdayExpression,
    RangeExpression,
    WeekdayPositionExpression,
    WeekdayRangeExpression,
)
from rapscheduler.util import elsewhere

__all__ = (
    "DEFAULT_VALUES",
    "MAX_VALUES",
    "MIN_VALUES",
    "BaseField",
    "DayOfMonthField",
    "DayOfWeekField",
    "MonthField",
    "WeekField",
)

SEPARATOR = re.compile(" *, *")
MOST_CHARACTERS = 4000  # of a field: every part of it takes microseconds, and rows of others have fields too


if not TYPE_CHECKING:
    __getattr__ = elsewhere(__name__)


def written(value: Any) -> str:
    """The text of a field's value: a number, a text, or a list, tuple, set or range of these."""
    if isinstance(value, (list, tuple, set, frozenset, range)) and value:
        if isinstance(value, range):
            value = value[:MOST_CHARACTERS]
        elif len(value) > MOST_CHARACTERS:
            raise _too_long(len(value), "items")
        return ",".join(sorted(map(str, value)) if isinstance(value, (set, frozenset)) else map(str, value))
    return str(value)


def _too_long(length: int, what: str) -> ValueError:
    return ValueError(
        f"a field of {length} {what} is longer than the {MOST_CHARACTERS} characters that one may have; ranges and "
        "steps ('0-59/5') say the same in fewer"
    )


class BaseField:
    """A field of plain numbers: year, hour, minute or second.

    :param name: the name of the field
    :param exprs: its text, such as `"*/5"` or `"1,3-5"`, or a whole number
    :param is_default: whether nobody asked for this value
    :raises ValueError: if the text is not one the field takes
    """

    REAL: ClassVar[bool] = True
    COMPILERS: ClassVar[list[Any]] = [AllExpression, RangeExpression]

    def __init__(self, name: str, exprs: Any, is_default: bool = False) -> None:
        self.name = name
        self.is_default = is_default
        self.expressions: list[Any] = []
        self.compile_expressions(exprs)

    def get_min(self, dateval: datetime) -> int:
        """The lowest value of the field."""
        return MIN_VALUES[self.name]

    def get_max(self, dateval: datetime) -> int:
        """The highest value of the field, in the month of `dateval`."""
        return MAX_VALUES[self.name]

    def get_value(self, dateval: datetime) -> int:
        """The value of the field in `dateval`."""
        value: int = getattr(dateval, self.name)
        return value

    def get_next_value(self, dateval: datetime) -> int | None:
        """The first value that matches, at or after the one in `dateval`; `None` when the field must wrap."""
        candidates = (expression.get_next_value(dateval, self) for expression in self.expressions)
        return min((value for value in candidates if value is not None), default=None)

    def compile_expressions(self, exprs: Any) -> None:
        """Parse the whole text of the field."""
        self.expressions = []
        text = written(exprs).strip()
        if len(text) > MOST_CHARACTERS:
            raise _too_long(len(text), "characters")
        for expr in SEPARATOR.split(text):
            self.compile_expression(expr)

    def compile_expression(self, expr: str) -> None:
        """Parse one item of the list and append it to `expressions`."""
        for compiler in self.COMPILERS:
            match = compiler.value_re.match(expr)
            if match:
                try:
                    compiled = compiler(**match.groupdict())
                    compiled.validate_range(self.name)
                except ValueError as exc:
                    cure = self._wrapped(exc.expression) if isinstance(exc, BackwardsError) else ""
                    raise ValueError(
                        f"Error validating expression {expr!r} for field {self.name!r}: {exc}{cure}"
                    ) from None
                self.expressions.append(compiled)
                return
        cure = field_cure(self.name, expr)
        raise ValueError(
            f'Unrecognized expression "{expr}" for field "{self.name}"; {cure}{accepted(self.name)}'
        )

    def _wrapped(self, backwards: RangeExpression) -> str:
        """How to write a range that goes over the end of the field."""
        if self.name not in MIN_VALUES or self.name == "year" or backwards.last is None:
            return ""
        lowest, highest = MIN_VALUES[self.name], MAX_VALUES[self.name]
        if backwards.first > highest or backwards.last < lowest:
            return ""
        begins = "weeks begin on Monday here; " if self.name == "day_of_week" else ""
        names = getattr(backwards, "names", None)
        text = wrapped_range(backwards.first, backwards.last, backwards.step, lowest, highest, names)
        return f"; {begins}for a range that wraps around write {text!r}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and self.expressions == other.expressions

    def __hash__(self) -> int:
        return hash((self.name, tuple(self.expressions)))

    def __str__(self) -> str:
        return ",".join(str(expression) for expression in self.expressions)

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({self.name!r}, {str(self)!r})"


class WeekField(BaseField):
    """The ISO week of the year, 1 to 53."""

    REAL = False

    def get_value(self, dateval: datetime) -> int:
        return dateval.isocalendar()[1]


class DayOfMonthField(BaseField):
    """The day of the month, by number, by weekday, or from the end."""

    COMPILERS: ClassVar[list[Any]] = [
        *BaseField.COMPILERS,
        WeekdayPositionExpression,
        LastDayOfMonthExpression,
        NearestWorkdayExpression,
    ]

    def get_max(self, dateval: datetime) -> int:
        return days_in_month(dateval.year, dateval.month)


class DayOfWeekField(BaseField):
    """The weekday, by number (0 is Monday) or by name."""

    REAL = False
    COMPILERS: ClassVar[list[Any]] = [*BaseField.COMPILERS, WeekdayRangeExpression]

    def get_value(self, dateval: datetime) -> int:
        return dateval.weekday()


class MonthField(BaseField):
    """The month, by number or by name."""

    COMPILERS: ClassVar[list[Any]] = [*BaseField.COMPILERS, MonthRangeExpression]
