"""Sets of days: what `exclude=` of a trigger takes, and what business days are made of.

Here: `Days`, the functions that make them, and their written form. Not here: schedules, zones, times of day.

A set of days is a rule, not a list: a text (`"sat"`, `"mon-fri"`, `"2026-12-24"`, `"2026-12-24/2026-12-31"`,
`"12-24"` for each year), the holidays of a country, or made of other sets. It is worked out for the years 1970 to 2199
once; in other years only weekdays count. The written form (`Days.node`) is texts, lists and objects of JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import date, datetime
from functools import lru_cache
from typing import Any

__all__ = ("Days", "business_days", "days", "holidays", "weekdays")

FIRST_DAY = 0  # 1970-01-01, as days since then
_FIRST_YEAR, _END_YEAR = 1970, 2200
_EPOCH = date(1970, 1, 1).toordinal()
DAY_COUNT = date(_END_YEAR, 1, 1).toordinal() - _EPOCH
_ALL = (1 << DAY_COUNT) - 1
_WEEKS = ((1 << 7 * (DAY_COUNT // 7 + 1)) - 1) // 127  # bit 0 of each week of seven bits
_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FULL_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_COUNTRY = re.compile(r"[A-Z]{2,3}")
_PLACE = re.compile(r"[\w .\-]{1,40}")
_MOST_PARTS = 4000
_MOST_RULES = 64  # parts that are no texts: each takes milliseconds to work out

Bits = tuple[int, int]  # bit i: day FIRST_DAY + i; and a mask of weekdays (bit 0: Monday) for all other days


class Days:
    """A set of days. Made by the functions of this module; `|`, `&`, `-`, `~` make others of it.

    >>> date(2026, 7, 4) in weekdays("sat-sun") - days("2026-07-04")
    False
    """

    __slots__ = ("node",)

    node: Any

    def __init__(self, node: Any) -> None:
        """Take a written form. ValueError: it is none."""
        object.__setattr__(self, "node", node)
        _bits(self.key)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("a set of days doesn't change; make another one")

    @property
    def key(self) -> str:
        """The written form as one text."""
        return json.dumps(self.node, sort_keys=True)

    def __reduce__(self) -> tuple[Any, ...]:
        return Days, (self.node,)

    def __eq__(self, other: object) -> bool:
        return self.key == other.key if isinstance(other, Days) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.key)

    def __or__(self, other: Any) -> Days:
        return Days({"any": [self.node, days(other).node]})

    def __and__(self, other: Any) -> Days:
        return Days({"all": [self.node, days(other).node]})

    def __sub__(self, other: Any) -> Days:
        return self & ~days(other)

    def __invert__(self) -> Days:
        return Days({"not": self.node})

    def nth(self, *numbers: int) -> Days:
        """The first (1), second (2), last (-1) … of these days in each month."""
        if not numbers or not all(type(n) is int and n and abs(n) <= 31 for n in numbers):
            raise ValueError(
                f"nth{numbers!r} names no day of a month's; give 1 for the first, -1 for the last"
            )
        parts = [{"nth": number, "of": self.node} for number in numbers]
        return Days(parts[0] if len(parts) == 1 else {"any": parts})

    def __contains__(self, day: date) -> bool:
        if not isinstance(day, date):
            raise TypeError(f"{day!r} is no date; give date(2026, 12, 24)")
        bits, others = _bits(self.key)
        i = day.toordinal() - _EPOCH
        return bool(bits >> i & 1 if 0 <= i < DAY_COUNT else others >> day.weekday() & 1)

    def bits(self) -> tuple[bytes, int]:
        """(bit i: day `FIRST_DAY + i`, little endian; mask of the weekdays of all other days)."""
        bits, others = _bits(self.key)
        length = (DAY_COUNT + 7) // 8
        for i in range(DAY_COUNT, 8 * length):  # the rest of the last byte is of other days already
            bits |= (others >> (i + 3) % 7 & 1) << i
        return bits.to_bytes(length, "little"), others

    def __str__(self) -> str:
        return _said(self.node)

    def __repr__(self) -> str:
        return f"<Days {self}>"


def days(*parts: Any) -> Days:
    """A set of days of texts, dates, pairs `(first, last)`, other sets, and lists of these.

    :raises ValueError: if a text says no day
    :raises TypeError: if a part is nothing of all that
    """
    nodes = [node for part in parts for node in _nodes(part)]
    return Days(nodes[0] if len(nodes) == 1 else {"any": nodes})


def weekdays(*names: str) -> Days:
    """Weekdays by name: `"sat"`, `"mon-fri"`."""
    for name in names:
        if _weekday_mask(name) is None:
            raise ValueError(f"{name!r} is no weekday; give mon, tue, … sun, or a range such as mon-fri")
    return days(*names)


def holidays(
    country: str, subdivision: str | None = None, *, categories: Iterable[str] | None = None
) -> Days:
    """The public holidays of a country, by the package python-holidays (`pip install 'rapscheduler[holidays]'`).

    :param country: as python-holidays has it, such as `"DE"`
    :param subdivision: a part of it, such as `"BY"`
    :param categories: of holidays, such as `("public", "bank")` (default: the public ones)
    :raises ImportError: python-holidays is not installed
    :raises ValueError: it does not know the country, the part or a category
    """
    wanted = None if categories is None else sorted(categories)
    return Days({"holidays": [country, subdivision, wanted]})


def business_days(
    country: str | None = None, subdivision: str | None = None, *, week: str = "mon-fri", closed: Any = ()
) -> Days:
    """Monday to Friday without the holidays of a country.

    :param country, subdivision: see `holidays`; without a country every weekday is one
    :param week: the weekdays that are business days
    :param closed: more days that are none, as `days()` takes them
    """
    made = weekdays(week)
    if country is not None:
        made = made - holidays(country, subdivision)
    return made - days(closed) if closed else made


def _nodes(part: Any) -> list[Any]:
    if isinstance(part, Days):
        return [part.node]
    if isinstance(part, str):
        return [part]
    if isinstance(part, date):
        return [_date_text(part)]
    if isinstance(part, tuple) and len(part) == 2 and all(isinstance(each, date) for each in part):
        return [f"{_date_text(part[0])}/{_date_text(part[1])}"]
    if isinstance(part, Iterable) and not isinstance(part, (dict, bytes)):
        return [node for each in part for node in _nodes(each)]
    raise TypeError(
        f"{part!r} says no days; give a text such as 'sat', '2026-12-24' or '12-24', a date, a pair of dates, or a set "
        "of rapscheduler.calendars such as holidays('DE')"
    )


def _date_text(day: date) -> str:
    if isinstance(day, datetime):
        raise TypeError(f"{day!r} is an instant; whole days are left out: give its .date()")
    return day.isoformat()


@lru_cache(maxsize=256)
def _bits(key: str) -> Bits:
    budget = [_MOST_PARTS, _MOST_RULES]
    return _bits_of(json.loads(key), budget, 0)


def _bits_of(node: Any, budget: list[int], depth: int) -> Bits:
    budget[0] -= 1
    if isinstance(node, str):
        if budget[0] < 0:
            raise ValueError(f"more than {_MOST_PARTS} parts make a set of days; give ranges")
        return _text_bits(node)
    budget[1] -= 1
    if budget[1] < 0 or depth > 16:
        raise ValueError(f"a set of days is made of at most {_MOST_RULES} others")
    match node:
        case {"any": list(parts), **rest} if not rest:
            bits = others = 0
            for part in parts:
                more, weekday_mask = _bits_of(part, budget, depth + 1)
                bits, others = bits | more, others | weekday_mask
            return bits, others
        case {"all": list(parts), **rest} if not rest:
            bits, others = _ALL, 127
            for part in parts:
                more, weekday_mask = _bits_of(part, budget, depth + 1)
                bits, others = bits & more, others & weekday_mask
            return bits, others
        case {"not": part, **rest} if not rest:
            bits, others = _bits_of(part, budget, depth + 1)
            return _ALL & ~bits, 127 & ~others
        case {"nth": int(number), "of": part, **rest} if not rest and number and type(number) is int:
            return _nth(_bits_of(part, budget, depth + 1)[0], number), 0
        case {"holidays": [country, subdivision, categories], **rest} if not rest:
            return _holiday_bits(country, subdivision, None if categories is None else tuple(categories)), 0
    raise ValueError(f"{node!r} is no written set of days")


def _text_bits(text: str) -> Bits:
    mask = _weekday_mask(text)
    if mask is not None:
        week = (mask >> 3 | mask << 4) & 127  # 1970-01-01 was a Thursday
        return week * _WEEKS & _ALL, mask
    first, _, last = text.strip().partition("/")
    try:
        if len(first) == 5:  # in each year
            return _yearly(first, last or first), 0
        from_day, to_day = date.fromisoformat(first), date.fromisoformat(last or first)
    except ValueError:
        raise ValueError(
            f"{text!r} says no days; write a weekday (sat, mon-fri), a date (2026-12-24), a range "
            "(2026-12-24/2026-12-31) or a day of each year (12-24, 12-24/12-31)"
        ) from None
    if from_day > to_day:
        raise ValueError(f"{text!r} ends before it begins")
    return _span(from_day.toordinal() - _EPOCH, to_day.toordinal() - _EPOCH), 0


def _span(first: int, last: int) -> int:
    first, last = max(first, 0), min(last, DAY_COUNT - 1)
    return ((1 << (last - first + 1)) - 1) << first if first <= last else 0


def _yearly(first: str, last: str) -> int:
    from_month, from_day = map(int, first.split("-"))
    to_month, to_day = map(int, last.split("-"))
    date(2000, from_month, from_day), date(2000, to_month, to_day)  # ValueError: there is no such day
    bits = 0
    over = (from_month, from_day) > (to_month, to_day)  # 12-24/01-06
    for year in range(_FIRST_YEAR - over, _END_YEAR):
        bits |= _span(_at(year, from_month, from_day, 1), _at(year + over, to_month, to_day, 0))
    return bits


def _at(year: int, month: int, day: int, later: int) -> int:
    """Days since 1970; of 29 February, where there is none, the day before or after."""
    if (month, day) == (2, 29) and not (year % 4 == 0 and (year % 100 or year % 400 == 0)):
        return date(year, 2, 28).toordinal() - _EPOCH + later
    return date(year, month, day).toordinal() - _EPOCH


def _nth(bits: int, number: int) -> int:
    found = 0
    begin = 0
    for month in range(12 * (_END_YEAR - _FIRST_YEAR)):
        year, at = divmod(month + 1, 12)
        end = date(_FIRST_YEAR + year, at + 1, 1).toordinal() - _EPOCH
        of_month = bits >> begin & ((1 << (end - begin)) - 1)
        days_there = [i for i in range(end - begin) if of_month >> i & 1]
        if len(days_there) >= abs(number):
            found |= 1 << begin + days_there[number - 1 if number > 0 else number]
        begin = end
    return found


def _weekday_mask(text: str) -> int | None:
    first, dash, last = text.strip().lower().partition("-")
    i, j = _weekday(first), _weekday(last if dash else first)
    if i is None or j is None:
        return None
    return sum(1 << (i + k) % 7 for k in range((j - i) % 7 + 1))


def _weekday(name: str) -> int | None:
    if name in _NAMES:
        return _NAMES.index(name)
    return _FULL_NAMES.index(name) if name in _FULL_NAMES else None


@lru_cache(maxsize=64)
def _holiday_bits(country: Any, subdivision: Any, categories: tuple[str, ...] | None) -> int:
    if not isinstance(country, str) or not _COUNTRY.fullmatch(country):
        raise ValueError(f"country={country!r} is no code such as 'DE'")
    if subdivision is not None and not (isinstance(subdivision, str) and _PLACE.fullmatch(subdivision)):
        raise ValueError(f"subdivision={subdivision!r} is no code such as 'BY'")
    try:
        from holidays import country_holidays
    except ImportError as exc:
        raise ImportError("holidays need python-holidays; run: pip install 'rapscheduler[holidays]'") from exc
    try:
        found = country_holidays(
            country, subdiv=subdivision, years=range(_FIRST_YEAR, _END_YEAR), categories=categories
        )
    except (NotImplementedError, ValueError) as exc:
        raise ValueError(f"python-holidays knows no holidays({country!r}, {subdivision!r}): {exc}") from None
    bits = 0
    for day in found:
        bits |= _span(day.toordinal() - _EPOCH, day.toordinal() - _EPOCH)
    return bits


def _said(node: Any) -> str:
    match node:
        case str():
            return node
        case {"holidays": [country, subdivision, _]}:
            return f"holidays of {country}{'-' + subdivision if subdivision else ''}"
        case {"any": list(parts)}:
            return ", ".join(map(_said, parts))
        case {"all": ["mon-fri", {"not": {"holidays": [country, subdivision, None]}}]}:
            return f"business days of {country}{'-' + subdivision if subdivision else ''}"
        case {"all": list(parts)}:
            return " that are also ".join(f"({_said(part)})" for part in parts)
        case {"not": part}:
            return f"all but ({_said(part)})"
        case {"nth": number, "of": part}:
            place = (
                f"number {number}"
                if number > 0
                else "last"
                if number == -1
                else f"number {-number} from the end"
            )
            return f"{place} of ({_said(part)}) of the month"
    return str(node)
