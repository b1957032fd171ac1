"""Crontab lines in three dialects, translated to the field texts of `CronTrigger`.

Here: the grammar of each dialect and the sentences that refuse what it lacks. Not here: what field texts mean.

Approach: every item of a field becomes native text, so that a trigger made from a crontab line is written,
explained and stored like any other one. Weekdays become names, as the dialects number them differently:

* apscheduler: minute hour day month weekday, in APScheduler's field syntax; 0 is Monday; day AND weekday.
* vixie: the same five, or `@hourly` … `@yearly`; 0 and 7 are Sunday; ranges wrap around; day OR weekday unless one
  begins with `*`. As an extension it takes `L`, `L-3`, `15W`, `LW` for the day, `5#2` and `5L` for the weekday, `?`.
* quartz: second minute hour day month weekday [year]; 1 is Sunday; ranges wrap around; day or weekday must be `?` or
  `*`; `L`, `L-3`, `15W`, `LW` for the day, `6#2` and `6L` for the weekday.

Each may be preceded by `CRON_TZ=Zone` or `TZ=Zone`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TypeAlias

from rapscheduler.triggers.cron._bounds import MAX_VALUES, MIN_VALUES, MONTHS, WEEKDAYS
from rapscheduler.triggers.cron.expressions import WeekdayPositionExpression
from rapscheduler.triggers.cron.fields import DayOfWeekField

DIALECTS = ("apscheduler", "vixie", "quartz")
MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_COUNTS = {"apscheduler": (5,), "vixie": (5,), "quartz": (6, 7)}
_SUNDAY = {"vixie": 0, "quartz": 1}
_PLACES = WeekdayPositionExpression.options
_ZONE = re.compile(r"\s*(?:CRON_)?TZ=(\S+)\s+(?=\S)")
_ITEM = re.compile(
    r"(?P<first>\*|\?|[0-9]{1,4}|[a-z]{3})(?:-(?P<last>[0-9]{1,4}|[a-z]{3}))?(?:/(?P<step>[0-9]{1,4}))?\Z"
)
_LAST_DAY = re.compile(r"l(?:-([0-9]{1,2}))?\Z")
_NEAREST = re.compile(r"(?:([0-9]{1,2})w|(lw|wl))\Z")
_NTH = re.compile(r"([0-7]|[a-z]{3})#([0-9]{1,3})\Z")
_LAST_WEEKDAY = re.compile(r"([0-7]|[a-z]{3})l\Z")


_Text: TypeAlias = "str | None"
Texts: TypeAlias = tuple[_Text, _Text, _Text, _Text, _Text, _Text, _Text, _Text]
"""Native texts in the order of `FIELD_NAMES`; None for a field that the line does not have."""
Line: TypeAlias = "tuple[Texts, bool, bool, str | None, str | None]"
"""A translated line: its texts, whether day *or* weekday must match, whether it keeps a rhythm that its texts do not
show (`*/24` hours are the native `0`), the zone of `CRON_TZ=`, and advice when the line may not mean what its author
thinks."""


def translated(expr: str, dialect: str) -> Line:
    """The crontab line in native field texts.

    :raises ValueError: if the dialect has no such line; the sentence names the field, its text and the cure
    """
    if dialect not in DIALECTS:
        raise ValueError(f"dialect={dialect!r} is unknown; give one of {', '.join(map(repr, DIALECTS))}")
    match = _ZONE.match(expr) if "=" in expr else None
    zone = match.group(1) if match else None
    words = (expr[match.end() :] if match else expr).split()
    if dialect != "apscheduler" and len(words) == 1 and words[0].startswith("@"):
        words = _macro(words[0].lower(), dialect).split()
    if len(words) not in _COUNTS[dialect]:
        raise _miscounted(expr, len(words), dialect)
    if dialect == "apscheduler":
        minute, hour, day, month, weekday = words
        advice = None if weekday == "*" or weekday.isalpha() else _weekday_advice(expr, weekday)
        return (None, month, day, None, weekday, hour, minute, None), False, False, zone, advice
    try:
        texts, either, rhythm = _line(dialect, words)
    except ValueError as exc:
        raise ValueError(f"{exc} (in {expr!r}, {dialect} dialect)") from None
    return texts, either, rhythm, zone, None


def _macro(word: str, dialect: str) -> str:
    if word == "@reboot":
        raise ValueError(
            "'@reboot' is not a time; to run a function once when the scheduler starts, add the job without "
            "a trigger: scheduler.add_job(func)"
        )
    if dialect == "quartz" or word not in MACROS:
        raise ValueError(
            f"{word!r} is not known in dialect={dialect!r}; with dialect='vixie' write one of {', '.join(MACROS)}"
        )
    return MACROS[word]


def other_dialect(expr: str) -> str:
    """What to say of a line that only standard cron takes; empty when that does not take it either."""
    try:
        translated(expr, "vixie")
    except ValueError:
        return ""
    return "dialect='vixie' reads this line as standard cron does (Sunday is 0 or 7)"


def _miscounted(expr: str, count: int, dialect: str) -> ValueError:
    if dialect == "quartz":
        cure = "; for a line without seconds use dialect='vixie'" if count == 5 else ""
        expected = "6 or 7 (second minute hour day month weekday [year])"
    else:
        expected, cure = "5 (minute hour day month weekday)", ""
        if count in (6, 7):
            cure = "; for a line that begins with seconds use dialect='quartz' or CronTrigger(second=…, minute=…, …)"
        elif expr.strip().startswith("@every"):
            cure = "; for '@every 5m' use IntervalTrigger(minutes=5)"
        elif expr.strip().startswith("@") and dialect != "vixie":
            cure = "; for '@daily' and the like use dialect='vixie'"
    return ValueError(f"Wrong number of fields; got {count}, expected {expected} in {expr!r}{cure}")


def _weekday_advice(expr: str, text: str) -> str | None:
    """The sentence for a weekday field that standard cron reads differently; `None` when both agree."""
    here = _native_weekdays(text)
    if here is None:
        return None  # refused with a sentence of its own
    try:
        there, _, _ = _weekday_field("vixie", text)
    except ValueError:
        there = frozenset()
    if here == there:
        return None
    standard = f"while standard cron means {weekday_text(there)!r}; " if there else ""
    return (
        f"from_crontab({expr!r}) counts weekdays from 0 = Monday, as APScheduler does: {text!r} fires on "
        f"{weekday_text(here)!r}, {standard}write names, or pass dialect='vixie' for the standard numbers"
    )


@lru_cache(maxsize=1024)
def _native_weekdays(text: str) -> frozenset[int] | None:
    """What a weekday field means to `CronTrigger`; `None` when it means nothing."""
    try:
        field = DayOfWeekField("day_of_week", text)
    except ValueError:
        return None
    return frozenset(day for expression in field.expressions for day in expression.values(0, 6))


@lru_cache(maxsize=256)
def weekday_text(days: frozenset[int]) -> str:
    """Native text for a set of weekdays (0 = Monday): runs of three and more become ranges."""
    items: list[str] = []
    first = 0
    while first < 7:
        if first not in days:
            first += 1
            continue
        last = first
        while last + 1 in days:
            last += 1
        if last - first >= 2:
            items.append(f"{WEEKDAYS[first]}-{WEEKDAYS[last]}")
        else:
            items.extend(WEEKDAYS[day] for day in range(first, last + 1))
        first = last + 1
    return ",".join(items)


def _line(dialect: str, words: list[str]) -> tuple[Texts, bool, bool]:
    """The words of a line, each translated by itself, the rule between day and weekday, and the hidden rhythm."""
    second = year = None
    if dialect == "quartz":
        second = _field(dialect, "second", words[0])
        year = _field(dialect, "year", words[6]) if len(words) == 7 else None
        words = words[1:6]
    minute, hour, day, month, weekday = words
    day_text, day_free = _day_field(dialect, day)
    weekdays, positions, weekday_free = _weekday_field(dialect, weekday)
    either = not (day_free or weekday_free)
    if either and dialect == "quartz":
        raise _refused(
            "day_of_week",
            weekday,
            "a Quartz line restricts the day or the weekday, not both: write '?' for one of them",
        )
    if positions:
        if day_free and day_text != "*":
            raise _refused(
                "day", day, "steps of days do not go with '#' or 'L' weekdays; write '*' for the day"
            )
        day_text = positions if day_free else f"{day_text},{positions}"
        either = bool(weekdays)
    every_weekday = not weekdays or (weekday_free and len(weekdays) == 7)
    hour_text, minute_text = _field(dialect, "hour", hour), _field(dialect, "minute", minute)
    rhythm = "*" in (hour[0], minute[0]) and "*" not in (hour_text[0], minute_text[0])
    texts = (
        year,
        _field(dialect, "month", month),
        day_text,
        None,
        "*" if every_weekday else weekday_text(weekdays),
        hour_text,
        minute_text,
        second,
    )
    return texts, either, rhythm


def _refused(name: str, item: str, cure: str) -> ValueError:
    return ValueError(f'Unrecognized expression "{item}" for field "{name}": {cure}')


def _number(dialect: str, name: str, text: str, item: str) -> int:
    """A number or name as the dialect counts it."""
    minimum, maximum = MIN_VALUES[name], MAX_VALUES[name]
    if name == "day_of_week":
        sunday = _SUNDAY[dialect]
        minimum, maximum = sunday, 7
        if text in WEEKDAYS:
            return (WEEKDAYS.index(text) + 1) % 7 + sunday
    elif name == "month" and text in MONTHS:
        return MONTHS.index(text) + 1
    if text.isdigit() and minimum <= int(text) <= maximum:
        return int(text)
    words = {"month": " or a name (jan to dec)", "day_of_week": " or a name (sun to sat)"}.get(name, "")
    raise _refused(name, item, f"{text!r} is not one of {minimum} to {maximum}{words}")


def _span(dialect: str, name: str, item: str) -> tuple[bool, int, int | None, int | None]:
    """(begins with `*`, first, last, step) of an item, in the dialect's numbers."""
    match = _ITEM.match(item)
    if match is None:
        raise _refused(name, item, "write '*', '*/2', '5', '1-5', '1-9/2', '0/15' or a list of these")
    first, last, step = match.group("first", "last", "step")
    if step is not None and int(step) == 0:
        raise _refused(name, item, "a step must be 1 or more")
    step_number = int(step) if step else None
    if first in ("*", "?"):
        if last is not None or (first == "?" and (step or name not in ("day", "day_of_week"))):
            raise _refused(name, item, "'*' takes only a step; '?' stands alone, for a day or weekday")
        return True, 0, None, step_number
    last_number = None if last is None else _number(dialect, name, last, item)
    return False, _number(dialect, name, first, item), last_number, step_number


@lru_cache(maxsize=4096)
def _field(dialect: str, name: str, text: str) -> str:
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
def _day_field(dialect: str, text: str) -> tuple[str, bool]:
    """The day of the month in native text, and whether it begins with `*` or `?`."""
    items = [_day_item(dialect, item) for item in text.lower().split(",")]
    return ",".join(dict.fromkeys(items)), text[0] in "*?"


def _day_item(dialect: str, item: str) -> str:
    match = _LAST_DAY.match(item)
    if match:
        offset = int(match.group(1) or 0)
        if offset > 30:
            raise _refused("day", item, "no month has such a day; write L-1 to L-30")
        return f"last-{offset}" if offset else "last"
    match = _NEAREST.match(item)
    if match:
        return "LW" if match.group(2) else f"{_number(dialect, 'day', match.group(1), item)}W"
    return _item(dialect, "day", item)


@lru_cache(maxsize=4096)
def _weekday_field(dialect: str, text: str) -> tuple[frozenset[int], str, bool]:
    """(weekdays with 0 = Monday, native day text of positions such as `5#2`, begins with `*` or `?`)."""
    days: set[int] = set()
    positions: list[str] = []
    for item in text.lower().split(","):
        nth, last = _NTH.match(item), _LAST_WEEKDAY.match(item)
        if nth:
            place = int(nth.group(2))
            if not 1 <= place <= 5:
                raise _refused("day_of_week", item, "a weekday comes 1 to 5 times in a month; write #1 to #5")
            positions.append(f"{_PLACES[place - 1]} {_weekday_name(dialect, nth.group(1), item)}")
        elif last:
            positions.append(f"last {_weekday_name(dialect, last.group(1), item)}")
        elif item == "l" and dialect == "quartz":
            days.add(WEEKDAYS.index("sat"))
        elif item == "l":
            raise _refused("day_of_week", item, "write 'sat', or '5L' for the last Friday of the month")
        else:
            days |= _weekday_values(dialect, item)
    return frozenset(days), ",".join(dict.fromkeys(positions)), text[0] in "*?"


def _weekday_name(dialect: str, text: str, item: str) -> str:
    return WEEKDAYS[(_number(dialect, "day_of_week", text, item) - _SUNDAY[dialect] - 1) % 7]


def _weekday_values(dialect: str, item: str) -> set[int]:
    """The weekdays (0 = Monday) of a plain item."""
    starred, first, last, step = _span(dialect, "day_of_week", item)
    sunday = _SUNDAY[dialect]
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
