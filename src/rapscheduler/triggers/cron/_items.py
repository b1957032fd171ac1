"""The items of one field of a crontab line, in each dialect, as native text.

Here: what a field of vixie, cronie, jenkins and quartz lines says. Not here: lines (`_crontab`), open values (`_draw`).
"""

from __future__ import annotations

import re
from functools import lru_cache

from rapscheduler.triggers.cron._bounds import MAX_VALUES, MIN_VALUES, MONTHS, WEEKDAYS
from rapscheduler.triggers.cron.expressions import WeekdayPositionExpression

SUNDAY = {"vixie": 0, "cronie": 0, "jenkins": 0, "quartz": 1}
_PLACES = WeekdayPositionExpression.options
_HASH = re.compile(r"(?:^|,)h(?:$|[,(/])", re.IGNORECASE)
_ITEM = re.compile(
    r"(?P<first>\*|\?|[0-9]{1,4}|[a-z]{3})(?:-(?P<last>[0-9]{1,4}|[a-z]{3}))?(?:/(?P<step>[0-9]{1,4}))?\Z"
)
_LAST_DAY = re.compile(r"l(?:-([0-9]{1,2}))?\Z")
_NEAREST = re.compile(r"(?:([0-9]{1,2})w|(lw|wl))\Z")
_NTH = re.compile(r"([0-7]|[a-z]{3})#([0-9]{1,3})\Z")
_LAST_WEEKDAY = re.compile(r"([0-7]|[a-z]{3})l\Z")


def open_value(item: str) -> str:
    """Which dialect takes an item whose value is open; empty when it is none."""
    if _HASH.search(item):
        return "'H' is of Jenkins: dialect='jenkins'"
    return "'~' is of cronie: dialect='cronie'" if "~" in item else ""


def wrapping(name: str, text: str) -> list[str]:
    """The ranges of a field that standard cron takes for empty: they end below their begin (Sunday begins as 0)."""
    found = []
    for item in text.lower().split(","):
        match = _ITEM.match(item)
        if match and match.group("last"):
            first, last = (number("vixie", name, match.group(end), item) for end in ("first", "last"))
            if last < first:
                found.append(item)
    return found


def refused(name: str, item: str, cure: str) -> ValueError:
    return ValueError(f'Unrecognized expression "{item}" for field "{name}": {cure}')


def number(dialect: str, name: str, text: str, item: str) -> int:
    """A number or name as the dialect counts it."""
    minimum, maximum = MIN_VALUES[name], MAX_VALUES[name]
    if name == "day_of_week":
        sunday = SUNDAY[dialect]
        minimum, maximum = sunday, 7
        if text in WEEKDAYS:
            return (WEEKDAYS.index(text) + 1) % 7 + sunday
    elif name == "month" and text in MONTHS:
        return MONTHS.index(text) + 1
    if text.isdigit() and minimum <= int(text) <= maximum:
        return int(text)
    words = {"month": " or a name (jan to dec)", "day_of_week": " or a name (sun to sat)"}.get(name, "")
    raise refused(name, item, f"{text!r} is not one of {minimum} to {maximum}{words}")


def _span(dialect: str, name: str, item: str) -> tuple[bool, int, int | None, int | None]:
    """(begins with `*`, first, last, step) of an item, in the dialect's numbers."""
    match = _ITEM.match(item)
    if match is None:
        cure = "write '*', '*/2', '5', '1-5', '1-9/2', '0/15' or a list of these"
        raise refused(name, item, open_value(item) or cure)
    first, last, step = match.group("first", "last", "step")
    if step is not None and int(step) == 0:
        raise refused(name, item, "a step must be 1 or more")
    step_value = int(step) if step else None
    if first in ("*", "?"):
        if last is not None or (first == "?" and (step or name not in ("day", "day_of_week"))):
            raise refused(name, item, "'*' takes only a step; '?' stands alone, for a day or weekday")
        return True, 0, None, step_value
    last_value = None if last is None else number(dialect, name, last, item)
    return False, number(dialect, name, first, item), last_value, step_value


@lru_cache(maxsize=4096)
def field_text(dialect: str, name: str, text: str) -> str:
    """A field in native text: anything but the weekday, and of the day only what is plain."""
    return ",".join([_item(dialect, name, item) for item in text.lower().split(",")])


def _item(dialect: str, name: str, item: str) -> str:
    starred, first, last, step = _span(dialect, name, item)
    minimum, maximum = MIN_VALUES[name], MAX_VALUES[name]
    if starred:
        if step is None or step == 1:
            return "*"
        return f"*/{step}" if step <= maximum - minimum else str(minimum)
    if last is None:
        return f"{first}/{step}" if step and step <= maximum - first else str(first)
    if last < first:
        return _wrapped(first, last, step or 1, minimum, maximum)
    if step is None:
        return f"{first}-{last}" if last > first else str(first)
    return f"{first}-{last}/{step}" if step <= last - first else str(first)


def _wrapped(first: int, last: int, step: int, minimum: int, maximum: int) -> str:
    """A range that goes on at the minimum, such as 22-2."""
    width = maximum - minimum + 1
    if step > 1:
        values = {minimum + (value - minimum) % width for value in range(first, last + width + 1, step)}
        return ",".join(map(str, sorted(values)))
    head = f"{first}-{maximum}" if first < maximum else str(maximum)
    tail = f"{minimum}-{last}" if last > minimum else str(minimum)
    return f"{head},{tail}"


@lru_cache(maxsize=4096)
def day_field(dialect: str, text: str) -> tuple[str, bool]:
    """The day of the month in native text, and whether it begins with `*` or `?`."""
    items = [_day_item(dialect, item) for item in text.lower().split(",")]
    return ",".join(dict.fromkeys(items)), text[0] in "*?"


def _day_item(dialect: str, item: str) -> str:
    match = _LAST_DAY.match(item)
    if match:
        offset = int(match.group(1) or 0)
        if offset > 30:
            raise refused("day", item, "no month has such a day; write L-1 to L-30")
        return f"last-{offset}" if offset else "last"
    match = _NEAREST.match(item)
    if match:
        return "LW" if match.group(2) else f"{number(dialect, 'day', match.group(1), item)}W"
    return _item(dialect, "day", item)


@lru_cache(maxsize=4096)
def weekday_field(dialect: str, text: str) -> tuple[frozenset[int], str, bool]:
    """(weekdays with 0 = Monday, native day text of positions such as `5#2`, begins with `*` or `?`)."""
    days: set[int] = set()
    positions: list[str] = []
    for item in text.lower().split(","):
        nth, last = _NTH.match(item), _LAST_WEEKDAY.match(item)
        if nth:
            place = int(nth.group(2))
            if not 1 <= place <= 5:
                raise refused("day_of_week", item, "a weekday comes 1 to 5 times in a month; write #1 to #5")
            positions.append(f"{_PLACES[place - 1]} {_weekday_name(dialect, nth.group(1), item)}")
        elif last:
            positions.append(f"last {_weekday_name(dialect, last.group(1), item)}")
        elif item == "l" and dialect == "quartz":
            days.add(WEEKDAYS.index("sat"))
        elif item == "l":
            raise refused("day_of_week", item, "write 'sat', or '5L' for the last Friday of the month")
        else:
            days |= _weekday_values(dialect, item)
    return frozenset(days), ",".join(dict.fromkeys(positions)), text[0] in "*?"


def _weekday_name(dialect: str, text: str, item: str) -> str:
    return WEEKDAYS[(number(dialect, "day_of_week", text, item) - SUNDAY[dialect] - 1) % 7]


def _weekday_values(dialect: str, item: str) -> set[int]:
    """The weekdays (0 = Monday) of a plain item."""
    starred, first, last, step = _span(dialect, "day_of_week", item)
    sunday = SUNDAY[dialect]
    saturday = sunday + 6
    if starred:
        first, last = sunday, saturday
    elif last is None and step is None:
        last = first
    elif last is None:
        first, last = (0 if first > saturday else first), saturday  # 7/2 begins with Sunday, as 0/2 does
    elif last < first:
        last += 7
    return {(value - sunday - 1) % 7 for value in range(first, last + 1, step or 1)}
