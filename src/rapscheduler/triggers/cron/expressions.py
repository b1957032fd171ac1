"""The building blocks of a cron field, one class for each way to write one.

Here: what each expression accepts, how it is written again, which values it stands for (`values`), and
APScheduler's `get_next_value`, which serves field classes of third parties. Not here: fields, and the bit
sets that the kernel searches (`_compile`).

An expression is made from the groups of its `value_re`, checked by `validate_range(field_name)` and never
changed afterwards: expressions are shared by all the triggers written the same way.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from rapscheduler._advice import name_cure, step_cure
from rapscheduler._engine.calendar import days_in_month, last_weekday, nearest_workday, nth_weekday
from rapscheduler.triggers.cron._bounds import MAX_VALUES, MIN_VALUES, MONTHS, WEEKDAYS
from rapscheduler.util import asint, elsewhere

__all__ = (
    "AllExpression",
    "LastDayOfMonthExpression",
    "MonthRangeExpression",
    "NearestWorkdayExpression",
    "RangeExpression",
    "WeekdayPositionExpression",
    "WeekdayRangeExpression",
    "asint",
)

_FLAGS = re.ASCII | re.IGNORECASE


if not TYPE_CHECKING:
    __getattr__ = elsewhere(__name__)


def _number(text: Any) -> int | None:
    return None if text is None else int(text)


def _named(text: Any, names: list[str], what: str) -> int:
    """The position of a name, by its first three letters only: 'monday' is not 'mon'."""
    try:
        return names.index(str(text).lower())
    except ValueError:
        cure = name_cure(str(text), names)
        raise ValueError(f'Invalid {what} name "{text}"; write one of {", ".join(names)}{cure}') from None


class BackwardsError(ValueError):
    """A range that ends before it begins; its field knows how to write it."""

    def __init__(self, expression: RangeExpression) -> None:
        super().__init__("The minimum value in a range must not be higher than the maximum")
        self.expression = expression


class AllExpression:
    """`*` or `*/n`: every (n-th) value of the field, counted from its minimum."""

    value_re: ClassVar[re.Pattern[str]] = re.compile(r"\*(?:/(?P<step>\d{1,9}))?\Z", _FLAGS)
    __slots__ = ("step",)

    def __init__(self, step: Any = None) -> None:
        self.step = _number(step)
        if self.step == 0:
            raise ValueError(
                "Increment must be higher than 0; write '*' for every value, '*/2' for every other"
            )

    def validate_range(self, field_name: str) -> None:
        """ValueError when the field has no such values."""
        self._validate_step(field_name, MIN_VALUES[field_name], MAX_VALUES[field_name])

    def _validate_step(self, field_name: str, first: int, last: int) -> None:
        """A step over the end of what it counts leaves the first value only, which can be said more plainly."""
        total = last - first
        if self.step and self.step > max(total, 1):
            raise ValueError(
                f"the step value ({self.step}) is higher than the total range of the expression ({total}); "
                f"{step_cure(field_name, self.step, first)}"
            )

    def values(self, minimum: int, maximum: int) -> range:
        """The values this expression stands for, in a field of these limits."""
        return range(minimum, maximum + 1, self.step or 1)

    def get_next_value(self, date: datetime, field: Any) -> int | None:
        """The first value at or after the field's value in `date`; `None` when there is none before it wraps."""
        minimum, maximum = field.get_min(date), field.get_max(date)
        start = max(field.get_value(date), minimum)
        return next((value for value in self.values(minimum, maximum) if value >= start), None)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and all(
            getattr(self, slot) == getattr(other, slot) for slot in _slots(type(self))
        )

    def __hash__(self) -> int:
        return hash((type(self), *(getattr(self, slot) for slot in _slots(type(self)))))

    def __setstate__(self, state: Any) -> None:
        """Take our own state (None, slots), or the dictionary that APScheduler pickles."""
        values = state[1] if isinstance(state, tuple) else state
        for slot in _slots(type(self)):
            setattr(self, slot, values.get(slot, 0 if slot == "offset" else None))

    def __str__(self) -> str:
        return f"*/{self.step}" if self.step else "*"

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({self.step})"


def _slots(cls: type) -> list[str]:
    return [slot for base in cls.__mro__ for slot in base.__dict__.get("__slots__", ())]


class RangeExpression(AllExpression):
    """`a`, `a-b`, `a/n` (from a to the field's maximum) or `a-b/n`."""

    value_re = re.compile(r"(?P<first>\d{1,9})(?:-(?P<last>\d{1,9}))?(?:/(?P<step>\d{1,9}))?\Z", _FLAGS)
    __slots__ = ("first", "last")

    def __init__(self, first: Any, last: Any = None, step: Any = None) -> None:
        super().__init__(step)
        self.first: int = int(first)
        self.last = _number(last)
        if self.last is None and self.step is None:
            self.last = self.first
        if self.last is not None and self.first > self.last:
            raise BackwardsError(self)

    def validate_range(self, field_name: str) -> None:
        minimum, maximum = MIN_VALUES[field_name], MAX_VALUES[field_name]
        super().validate_range(field_name)
        advice = f"give {minimum} to {maximum}"
        if field_name == "day_of_week":
            advice += " (0 is Monday, 6 is Sunday), or a name such as 'sun'"
        if self.first < minimum:
            raise ValueError(
                f"the first value ({self.first}) is lower than the minimum value ({minimum}); {advice}"
            )
        if self.last is not None and self.last > maximum:
            raise ValueError(
                f"the last value ({self.last}) is higher than the maximum value ({maximum}); {advice}"
            )
        if self.last is None and self.first > maximum:
            raise ValueError(
                f"the first value ({self.first}) is higher than the maximum value ({maximum}); {advice}"
            )
        self._validate_step(field_name, self.first, maximum if self.last is None else self.last)

    def values(self, minimum: int, maximum: int) -> range:
        last = maximum if self.last is None else min(self.last, maximum)
        return range(self.first, last + 1, self.step or 1)

    def __str__(self) -> str:
        return self._written(str(self.first), None if self.last is None else str(self.last))

    def _written(self, first: str, last: str | None) -> str:
        if last is not None and (last != first or self.step):
            first = f"{first}-{last}"
        return f"{first}/{self.step}" if self.step else first

    def __repr__(self) -> str:
        args = [str(self.first)]
        if self.step or (self.last is not None and self.last != self.first):
            args.append(str(self.last))
        if self.step:
            args.append(str(self.step))
        return f"{self.__class__.__name__}({', '.join(args)})"


class _NamedRange(RangeExpression):
    """A range written with names; `first` and `last` are the numbers behind them."""

    names: ClassVar[list[str]]
    base: ClassVar[int]
    what: ClassVar[str]
    __slots__ = ()
    value_re = re.compile(r"(?P<first>[a-z]+)(?:-(?P<last>[a-z]+))?(?:/(?P<step>\d{1,9}))?\Z", _FLAGS)

    def __init__(self, first: Any, last: Any = None, step: Any = None) -> None:
        first_number = _named(first, self.names, self.what) + self.base
        last_number = None if last is None else _named(last, self.names, self.what) + self.base
        super().__init__(first_number, last_number, step)

    def _name(self, number: int) -> str:
        return self.names[number - self.base]

    def __str__(self) -> str:
        return self._written(self._name(self.first), None if self.last is None else self._name(self.last))

    def __repr__(self) -> str:
        args = [repr(self._name(self.first))]
        if self.step or (self.last is not None and self.last != self.first):
            args.append(repr(None if self.last is None else self._name(self.last)))
        if self.step:
            args.append(str(self.step))
        return f"{self.__class__.__name__}({', '.join(args)})"


class MonthRangeExpression(_NamedRange):
    """`jan`, `jan-mar` or `jan-dec/2`."""

    names = MONTHS
    base = 1
    what = "month"
    __slots__ = ()


class WeekdayRangeExpression(_NamedRange):
    """`mon`, `mon-fri` or `mon-sun/2`."""

    names = WEEKDAYS
    base = 0
    what = "weekday"
    __slots__ = ()


class WeekdayPositionExpression(AllExpression):
    """`2nd fri` or `last fri`: a weekday by its place in the month."""

    options: ClassVar[list[str]] = ["1st", "2nd", "3rd", "4th", "5th", "last"]
    value_re = re.compile(r"(?P<option_name>1st|2nd|3rd|4th|5th|last) +(?P<weekday_name>\w+)\Z", _FLAGS)
    __slots__ = ("option_num", "weekday")

    def __init__(self, option_name: str, weekday_name: str) -> None:
        super().__init__(None)
        try:
            self.option_num = self.options.index(option_name.lower())
        except ValueError:
            raise ValueError(
                f'Invalid weekday position "{option_name}"; write one of {", ".join(self.options)}'
            ) from None
        self.weekday = _named(weekday_name, WEEKDAYS, "weekday")

    def validate_range(self, field_name: str) -> None:
        """Any place and weekday is a possible one."""

    def get_next_value(self, date: datetime, field: Any) -> int | None:
        if self.option_num == 5:
            day = last_weekday(date.year, date.month, self.weekday)
        else:
            # 0: it is not in this month.
            day = nth_weekday(date.year, date.month, self.option_num + 1, self.weekday)
        return day if day >= date.day else None

    def __str__(self) -> str:
        return f"{self.options[self.option_num]} {WEEKDAYS[self.weekday]}"

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({self.options[self.option_num]!r}, {WEEKDAYS[self.weekday]!r})"


class LastDayOfMonthExpression(AllExpression):
    """`last`: the last day of the month; `last-3`: three days before it."""

    value_re = re.compile(r"last(?:-(?P<offset>\d{1,2}))?\Z", _FLAGS)
    __slots__ = ("offset",)

    def __init__(self, offset: Any = None) -> None:
        super().__init__(None)
        self.offset = _number(offset) or 0

    def validate_range(self, field_name: str) -> None:
        if self.offset > 30:
            raise ValueError(f"no month has a day {self.offset} days before its last; give last-1 to last-30")

    def get_next_value(self, date: datetime, field: Any) -> int | None:
        day = days_in_month(date.year, date.month) - self.offset
        return day if day >= date.day else None

    def __str__(self) -> str:
        return f"last-{self.offset}" if self.offset else "last"

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({self.offset or ''})"


class NearestWorkdayExpression(AllExpression):
    """`15W`: the workday (Monday to Friday) nearest to the 15th, in the same month; `LW`: the last workday."""

    value_re = re.compile(r"(?P<day>\d{1,2}|L)W\Z", _FLAGS)
    __slots__ = ("day",)

    def __init__(self, day: Any) -> None:
        super().__init__(None)
        self.day = 0 if str(day).upper() == "L" else int(day)  # 0 stands for the last day of the month
        if self.day == 0 and str(day).upper() != "L":
            raise ValueError("no month has a day 0; give 1W to 31W, or LW for the last workday")

    def validate_range(self, field_name: str) -> None:
        if self.day > 31:
            raise ValueError(
                f"the last value ({self.day}) is higher than the maximum value (31); give 1W to 31W"
            )

    def get_next_value(self, date: datetime, field: Any) -> int | None:
        length = days_in_month(date.year, date.month)
        if self.day > length:
            return None
        day = nearest_workday(date.year, date.month, self.day or length)
        return day if day >= date.day else None

    def __str__(self) -> str:
        return f"{self.day or 'L'}W"

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({self.day or 'L'!r})"
