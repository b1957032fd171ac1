"""A cron schedule in plain words.

Here: sentences. Not here: parsing or searching; what matches is read from the kernel's spec, and whether a zone
change matters is asked of a kernel that takes wall time for UTC.

The sentence: time of day, days, zone, limits; then the next zone change that skips or repeats a fire time.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from itertools import product
from typing import Any

from rapscheduler._engine.cron import CronCore, CronSpec
from rapscheduler._engine.timezone import ZoneTable
from rapscheduler.triggers._left_out import left_out_text
from rapscheduler.triggers._words import jitter_text

MONTH_NAMES = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
WEEKDAY_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MOST_TIMES = 6  # so many times of day are listed one by one
_LOOK_AHEAD_S = 10 * 366 * 86_400
_EPOCH = datetime(1970, 1, 1)
_UTC = ZoneTable.fixed(0, timezone.utc)
_ALL_HOURS = list(range(24))
_ALL_MINUTES = list(range(60))


def explained(trigger: Any, start: datetime | None) -> str:
    """The whole sentence."""
    spec = trigger.spec
    parts = [part for part in (_times(spec), _days(spec), _weeks(spec), _years(spec)) if part]
    text = f"{' '.join(parts)}, {trigger.timezone}"
    own = [f"{field.name} {str(field)!r}" for field in trigger._text.custom]
    if own:
        text += f", as far as {listed(own)} allows"
    if trigger.start_date is not None:
        text += f", from {moment_text(trigger.start_date)}"
    if trigger.end_date is not None:
        text += f", until {moment_text(trigger.end_date)}"
    text += jitter_text(trigger.jitter) + left_out_text(trigger)
    note = _zone_note(trigger, start)
    return f"{text}; {note}" if note else text


def listed(items: Sequence[str], last: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {last} {items[-1]}"


def ordinal(number: int) -> str:
    """`1st`, `2nd`, `3rd`, `11th`, …"""
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def date_text(moment: datetime) -> str:
    """`29 March 2026`."""
    return f"{moment.day} {MONTH_NAMES[moment.month - 1]} {moment.year}"


def moment_text(moment: datetime) -> str:
    """`29 March 2026 02:30`, with seconds when there are some."""
    return f"{date_text(moment)} {clock(moment.hour, moment.minute, moment.second)}"


def clock(hour: int, minute: int, second: int = 0) -> str:
    """`02:30` or `02:30:15`."""
    return f"{hour:02}:{minute:02}:{second:02}" if second else f"{hour:02}:{minute:02}"


def values(mask: int) -> list[int]:
    """The numbers of the set bits."""
    return [bit for bit in range(mask.bit_length()) if mask >> bit & 1]


def _runs(numbers: Sequence[int], names: Sequence[str] | None = None) -> str:
    """`1, 3 and 5 to 9`."""

    def name(number: int) -> str:
        return names[number] if names else str(number)

    items: list[str] = []
    index = 0
    while index < len(numbers):
        last = index
        while last + 1 < len(numbers) and numbers[last + 1] == numbers[last] + 1:
            last += 1
        if last - index >= 2:
            items.append(f"{name(numbers[index])} to {name(numbers[last])}")
        else:
            items.extend(name(number) for number in numbers[index : last + 1])
        index = last + 1
    return listed(items)


def _stepped(unit: str, numbers: list[int], names: Sequence[str] | None = None) -> str:
    """`every 7th minute from 3 to 59`; empty when so few, or such uneven, numbers are better listed."""
    step = numbers[1] - numbers[0] if len(numbers) > 4 else 1
    if step == 1 or list(range(numbers[0], numbers[-1] + 1, step)) != numbers:
        return ""
    first, last = (names[number] if names else str(number) for number in (numbers[0], numbers[-1]))
    return f"every {ordinal(step)} {unit} from {first} to {last}"


# --- the time of day ---


def _times(spec: CronSpec) -> str:
    hours, minutes, seconds = values(spec.hour), values(spec.minute), values(spec.second)
    if len(hours) * len(minutes) * len(seconds) <= _MOST_TIMES:
        return "at " + listed([clock(*time) for time in product(hours, minutes, seconds)])
    if seconds == [0]:
        return _minutes(hours, minutes)
    if minutes == _ALL_MINUTES:
        return _every("second", seconds, 60) + _during(hours)
    return f"{_every('second', seconds, 60)} of {_named('minute', minutes)} of {_hours(hours)}"


def _minutes(hours: list[int], minutes: list[int]) -> str:
    if len(minutes) == 1:
        if minutes == [0]:
            return _every("hour", hours, 24)
        return f"{minutes[0]} {'minute' if minutes == [1] else 'minutes'} past {_hours(hours)}"
    return _every("minute", minutes, 60) + _during(hours)


def _every(unit: str, numbers: list[int], length: int) -> str:
    """`every minute`, `every 5 minutes` (when it comes out even), `at the minutes 5 and 20`."""
    if len(numbers) == length:
        return f"every {unit}"
    step = numbers[1] - numbers[0] if len(numbers) > 1 else 0
    if step and length % step == 0 and numbers == list(range(0, length, step)):
        return f"every {step} {unit}s"
    return f"at {_named(unit, numbers)}"


def _named(unit: str, numbers: list[int]) -> str:
    if len(numbers) == 60:
        return f"every {unit}"
    return _stepped(unit, numbers) or f"the {unit}{'s' if len(numbers) > 1 else ''} {_runs(numbers)}"


def _hours(hours: list[int]) -> str:
    return "every hour" if hours == _ALL_HOURS else _named("hour", hours)


def _during(hours: list[int]) -> str:
    if hours == _ALL_HOURS:
        return ""
    if hours == list(range(hours[0], hours[-1] + 1)):
        return f" from {clock(hours[0], 0)} to {clock(hours[-1], 59)}"
    return f" in {_named('hour', hours)}"


# --- the days ---


def _days(spec: CronSpec) -> str:
    weekdays = values(spec.weekday)
    every_weekday = len(weekdays) == 7
    months = values(spec.month)
    names = ("", *MONTH_NAMES)
    of_months = (
        "" if len(months) == 12 else " of " + (_stepped("month", months, names) or _runs(months, names))
    )
    every_day = spec.day_any or len(values(spec.day)) == 31
    in_months = of_months.replace(" of ", " in ", 1)
    on_weekdays = "on " + _weekdays(weekdays)
    if spec.day_or_weekday:
        if every_day or every_weekday:
            return f"every day{in_months}"
        return f"{_day_list(spec)}{of_months or ' of every month'} or {on_weekdays}{in_months}"
    if every_day and every_weekday:
        return f"every day{in_months}" if _names_a_time(spec) or in_months else ""
    if every_day:
        return f"{on_weekdays}{in_months}"
    days = f"{_day_list(spec)}{of_months or ' of every month'}"
    return days if every_weekday else f"{days} if that is a {_weekdays(weekdays, last='or')}"


def _names_a_time(spec: CronSpec) -> bool:
    return len(values(spec.hour)) < 24


def _weekdays(weekdays: list[int], last: str = "and") -> str:
    if last == "and" and len(weekdays) > 2:
        return _runs(weekdays, WEEKDAY_NAMES)
    return listed([WEEKDAY_NAMES[day] for day in weekdays], last)


def _day_list(spec: CronSpec) -> str:
    items: list[str] = []
    days = values(spec.day)
    if days:
        names = [ordinal(day) for day in range(32)]
        items.append(_stepped("day", days, [f"the {name}" for name in names]) or f"the {_runs(days, names)}")
    for bit in values(spec.nth_weekdays):
        place = "last" if bit >= 35 else ordinal(bit // 7 + 1)
        items.append(f"the {place} {WEEKDAY_NAMES[bit % 7]}")
    items.extend(
        f"the workday nearest to the {ordinal(day)}" if day else "the last workday"
        for day in values(spec.nearest_workdays)
    )
    for offset in values(spec.last_day_offsets):
        day = f"the {ordinal(offset)} day" if offset > 1 else "the day"
        items.append(f"{day} before the last" if offset else "the last day")
    return "on " + listed(items)


def _weeks(spec: CronSpec) -> str:
    weeks = values(spec.week)
    if len(weeks) == 53:
        return ""
    stepped = _stepped("ISO week", weeks)
    return f"in {stepped}" if stepped else f"in ISO week{'s' if len(weeks) > 1 else ''} {_runs(weeks)}"


def _years(spec: CronSpec) -> str:
    if spec.years is None:
        return ""
    return "in " + listed([_year_range(*years) for years in spec.years])


def _year_range(first: int, last: int, step: int) -> str:
    if first == last:
        return str(first)
    return f"{first} to {last}" if step == 1 else f"every {ordinal(step)} year from {first} to {last}"


# --- zone changes ---


def _zone_note(trigger: Any, start: datetime | None) -> str:
    """The next zone change that skips or repeats a fire time, within ten years; empty when there is none."""
    spec = trigger.spec
    if not _names_a_time(spec):
        return ""  # a rhythm that goes through all hours
    begin = datetime.now(timezone.utc) if start is None else start
    start_s = int(begin.timestamp())
    if trigger.start_us is not None:
        start_s = max(start_s, trigger.start_us // 1_000_000)
    end_s = start_s + _LOOK_AHEAD_S
    if trigger.end_us is not None:
        end_s = min(end_s, trigger.end_us // 1_000_000)
    if end_s <= start_s:
        return ""
    plain = CronCore(spec, _UTC)
    for at_s, before_s, after_s in trigger.zone.transitions(start_s, end_s):
        low_s, high_s = sorted((at_s + before_s, at_s + after_s))
        wall_us = plain.next_fire_us(None, low_s * 1_000_000)
        if wall_us is None or wall_us >= high_s * 1_000_000:
            continue
        wall = _EPOCH + timedelta(microseconds=wall_us)
        what = "hour" if high_s - low_s == 3600 else "time"
        another_us = plain.next_fire_us(wall_us, wall_us)
        several = another_us is not None and another_us < high_s * 1_000_000
        low, high = _EPOCH + timedelta(seconds=low_s), _EPOCH + timedelta(seconds=high_s)
        when = f"from {_clock(low)} to {_clock(high)} on {date_text(low)}" if several else _on_day(spec, wall)
        if after_s < before_s:
            passes = "twice" if spec.rhythm or spec.dst == "both" else "only once"
            return f"{passes} {when}, when that {what} comes twice"
        if spec.dst == "shift" and not spec.rhythm:
            return f"on {date_text(wall)} at {_clock(high)}, as that {what} is skipped"
        return f"not {when}, when that {what} is skipped"
    return ""


def _clock(moment: datetime) -> str:
    return clock(moment.hour, moment.minute, moment.second)


def _on_day(spec: CronSpec, wall: datetime) -> str:
    """`on 29 March 2026`, with the time of day when there is more than one."""
    times = len(values(spec.hour)) * len(values(spec.minute)) * len(values(spec.second))
    at = "" if times == 1 else f"at {_clock(wall)} "
    return f"{at}on {date_text(wall)}"
