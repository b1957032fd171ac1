"""Crontab lines in five dialects, translated to the field texts of `CronTrigger`.

Here: the grammar of each dialect and the sentences that refuse what it lacks. Not here: what field texts mean.

Approach: every item of a field becomes native text, so that a trigger made from a crontab line is written,
explained and stored like any other one. Weekdays become names, as the dialects number them differently:

* apscheduler: minute hour day month weekday, in APScheduler's field syntax; 0 is Monday; day AND weekday.
* vixie: the same five, or `@hourly` … `@yearly`; 0 and 7 are Sunday; ranges wrap around; day OR weekday unless one
  begins with `*`. As an extension it takes `L`, `L-3`, `15W`, `LW` for the day, `5#2` and `5L` for the weekday, `?`.
* cronie: as vixie; the values that `~` leaves open are drawn before (`_draw`).
* jenkins: as vixie, but day AND weekday; the values that `H` leaves open are drawn before (`_draw`).
* quartz: second minute hour day month weekday [year]; 1 is Sunday; ranges wrap around; day or weekday must be `?` or
  `*`; `L`, `L-3`, `15W`, `LW` for the day, `6#2` and `6L` for the weekday.

Each may be preceded by `CRON_TZ=Zone` or `TZ=Zone`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TypeAlias

from rapscheduler.errors import CrontabWarning, CrontabWeekdayWarning
from rapscheduler.triggers.cron._bounds import FIELD_NAMES, MONTHS, WEEKDAYS
from rapscheduler.triggers.cron._items import (
    day_field,
    field_text,
    open_value,
    refused,
    weekday_field,
    wrapping,
)
from rapscheduler.triggers.cron.fields import DayOfWeekField

DIALECTS = ("apscheduler", "vixie", "cronie", "jenkins", "quartz")
DAEMONS = ("vixie", "cronie")  # of standard cron
MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_COUNTS = {"quartz": (6, 7)}  # else 5
_ZONE = re.compile(r"\s*(?:CRON_)?TZ=(\S+)\s+(?=\S)")
_FIELD = re.compile(rf"(?:[0-9*?#/,-]|l|w|{'|'.join(MONTHS + WEEKDAYS)})+\Z", re.IGNORECASE)
_YEAR = re.compile(r"\*\Z|[0-9]{4}")
REBOOT = (
    "'@reboot' is not a time; to run a function once when the scheduler starts, add the job without a trigger: "
    "scheduler.add_job(func)"
)

_Text: TypeAlias = "str | None"
Texts: TypeAlias = tuple[_Text, _Text, _Text, _Text, _Text, _Text, _Text, _Text]
"""Native texts in the order of `FIELD_NAMES`; None for a field that the line does not have."""
Line: TypeAlias = "tuple[Texts, bool, bool, str | None, CrontabWarning | None]"
"""A translated line: its texts, whether day *or* weekday must match, whether it keeps a rhythm that its texts do not
show (`*/24` hours are the native `0`), the zone of `CRON_TZ=`, and advice when others read the line differently."""


def translated(expr: str, dialect: str) -> Line:
    """The crontab line in native field texts.

    :raises ValueError: if the dialect has no such line; the sentence names the field, its text and the cure
    """
    if dialect not in DIALECTS:
        raise ValueError(f"dialect={dialect!r} is unknown; give one of {', '.join(map(repr, DIALECTS))}")
    zone, rest = split_zone(expr)
    words = rest.split()
    if dialect != "apscheduler" and len(words) == 1 and words[0].startswith("@"):
        words = _macro(words[0].lower(), dialect).split()
    if len(words) not in _COUNTS.get(dialect, (5,)):
        raise _miscounted(expr, words, dialect)
    if dialect == "apscheduler":
        minute, hour, day, month, weekday = words
        advice: CrontabWarning | None = None
        if weekday != "*" and not weekday.isalpha():
            advice = _weekday_advice(expr, weekday)
        return (None, month, day, None, weekday, hour, minute, None), False, False, zone, advice
    try:
        texts, either, rhythm = _line(dialect, words)
    except ValueError as exc:
        raise ValueError(f"{exc} (in {expr!r}, {dialect} dialect)") from None
    advice = _wrap_advice(expr, words) if dialect in DAEMONS and "-" in rest else None
    return texts, either, rhythm, zone, advice


def split_zone(expr: str) -> tuple[str | None, str]:
    """(zone of a `CRON_TZ=` in front, the rest of the line)."""
    match = _ZONE.match(expr) if "=" in expr else None
    return (match.group(1), expr[match.end() :]) if match else (None, expr)


def _macro(word: str, dialect: str) -> str:
    if word == "@reboot":
        raise ValueError(REBOOT)
    if dialect == "quartz" or word not in MACROS:
        raise ValueError(
            f"{word!r} is not known in dialect={dialect!r}; with dialect='vixie' write one of {', '.join(MACROS)}"
        )
    return MACROS[word]


def other_dialect(expr: str) -> str:
    """What to say of a line that only another dialect takes; empty when none does."""
    try:
        translated(expr, "vixie")
    except ValueError:
        return next((cure for item in split_zone(expr)[1].split() if (cure := open_value(item))), "")
    return "dialect='vixie' reads this line as standard cron does (Sunday is 0 or 7)"


def _miscounted(expr: str, words: list[str], dialect: str) -> ValueError:
    """What to say of a line that has not the fields of its dialect: what is missing in it, or too much."""
    expected = "5 (minute hour day month weekday)"
    if dialect == "quartz":
        expected = "6 or 7 (second minute hour day month weekday [year])"
    first = words[0].lower() if words else ""
    if first == "@every":
        cure = "for '@every 5m' use IntervalTrigger(minutes=5)"
    elif first == "@reboot" and len(words) > 1:
        cure = REBOOT
    elif first.startswith("@"):
        cure = _too_much(words[1:]) if len(words) > 1 and first in MACROS else ""
        if dialect == "apscheduler":
            cure = "; ".join(filter(None, (cure, "for '@daily' and the like use dialect='vixie'")))
    elif dialect == "quartz" and len(words) == 5:
        cure = "for a line without seconds use dialect='vixie'"
    else:
        most = 7 if dialect == "quartz" else 5
        cure = _too_much(words[most:]) or (_readings(words) if dialect != "quartz" else "")
    return ValueError(
        f"Wrong number of fields; got {len(words)}, expected {expected} in {expr!r}{cure and '; ' + cure}"
    )


def _too_much(words: list[str]) -> str:
    """The cure for a comment or a command behind the fields; empty when the words look like fields themselves."""
    rest = " ".join(words)
    shown = repr(rest if len(rest) <= 40 else rest[:37] + "…")
    if rest.startswith("#"):
        return f"leave the comment out ({shown})"
    if all(map(_FIELD.match, words)):
        return ""
    return f"leave the command out ({shown}), or read the file with rapscheduler.crontab.read"


def _readings(words: list[str]) -> str:
    """What a line of six or seven fields may be: the seconds first, the seconds last, or a year last."""
    found = []
    if _is_line("quartz", words):
        found.append(
            "for a line that begins with seconds use dialect='quartz' or CronTrigger(second=…, minute=…, …)"
        )
    if len(words) == 6 and "?" in words and _is_line("quartz", ["0", *words]):  # AWS
        line = " ".join(["0", *words])
        found.append(f"for one whose last field is a year use {line!r} with dialect='quartz' (Sunday is 1)")
    elif len(words) == 6 and _is_line("vixie", words[:5]):
        for name, what in (("second", "the second"), ("year", "a year")):
            if _is_field(name, words[5]) and (name == "second" or _YEAR.match(words[5])):
                call = _native_call(words[:5], name, words[5])
                found.append(f"for one whose last field is {what} use {call}")
    return "; ".join(found)


def _is_line(dialect: str, words: list[str]) -> bool:
    try:
        translated(" ".join(words), dialect)
    except ValueError:
        return False
    return True


def _is_field(name: str, text: str) -> bool:
    try:
        field_text("vixie", name, text)
    except ValueError:
        return False
    return True


def _native_call(words: list[str], name: str, text: str) -> str:
    """The call that makes the trigger of a line of five fields and one more."""
    texts, either, _, _, _ = translated(" ".join(words), "vixie")
    given = {"year": field_text("vixie", name, text)} if name == "year" else {}
    given |= {
        field: value
        for field, value in zip(FIELD_NAMES, texts, strict=True)
        if value is not None and (value != "*" or field in ("hour", "minute"))
    }
    if name == "second":
        given["second"] = field_text("vixie", name, text)
    arguments = [f"{field}={value!r}" for field, value in given.items()]
    return f"CronTrigger({', '.join(arguments + ['day_or_weekday=True'] * either)})"


def _weekday_advice(expr: str, text: str) -> CrontabWeekdayWarning | None:
    """The sentence for a weekday field that standard cron reads differently; `None` when both agree."""
    here = _native_weekdays(text)
    if here is None:
        return None  # refused with a sentence of its own
    try:
        there, _, _ = weekday_field("vixie", text)
    except ValueError:
        there = frozenset()
    if here == there:
        return None
    standard = f"while standard cron means {weekday_text(there)!r}; " if there else ""
    return CrontabWeekdayWarning(
        f"from_crontab({expr!r}) counts weekdays from 0 = Monday, as APScheduler does: {text!r} fires on "
        f"{weekday_text(here)!r}, {standard}write names, or pass dialect='vixie' for the standard numbers"
    )


def _wrap_advice(expr: str, words: list[str]) -> CrontabWarning | None:
    """The sentence for a line with a range that wraps around, which daemons of standard cron never run."""
    names = ("minute", "hour", "day", "month", "day_of_week")
    items = [item for name, word in zip(names, words, strict=True) for item in wrapping(name, word)]
    if not items:
        return None
    return CrontabWarning(
        f"the crontab line {expr!r} runs on {' and '.join(map(repr, items))} here, going on at the start of its field, "
        "while Debian's cron and cronie take such a range for empty and never run it: a line that is dead there comes "
        "alive; write two ranges, such as 22-23,0-2, if you want it to run, or take the line out"
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
        second = field_text(dialect, "second", words[0])
        year = field_text(dialect, "year", words[6]) if len(words) == 7 else None
        words = words[1:6]
    minute, hour, day, month, weekday = words
    day_text, day_free = day_field(dialect, day)
    weekdays, positions, weekday_free = weekday_field(dialect, weekday)
    either = dialect != "jenkins" and not (day_free or weekday_free)
    if either and dialect == "quartz":
        raise refused(
            "day_of_week",
            weekday,
            "a Quartz line restricts the day or the weekday, not both: write '?' for one of them",
        )
    if positions:
        if day_free and day_text != "*":
            raise refused(
                "day", day, "steps of days do not go with '#' or 'L' weekdays; write '*' for the day"
            )
        day_text = positions if day_free else f"{day_text},{positions}"
        either = bool(weekdays)
    every_weekday = not weekdays or (weekday_free and len(weekdays) == 7)
    hour_text, minute_text = field_text(dialect, "hour", hour), field_text(dialect, "minute", minute)
    rhythm = "*" in (hour[0], minute[0]) and "*" not in (hour_text[0], minute_text[0])
    texts = (
        year,
        field_text(dialect, "month", month),
        day_text,
        None,
        "*" if every_weekday else weekday_text(weekdays),
        hour_text,
        minute_text,
        second,
    )
    return texts, either, rhythm
