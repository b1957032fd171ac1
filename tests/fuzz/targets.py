"""What reads foreign text and bytes, fed with anything: it answers, or raises the documented error; engines agree.

Each function takes bytes and asserts. ``test_garbage.py`` feeds them by hypothesis, ``atheris_targets.py`` by coverage.
"""

from __future__ import annotations

import zoneinfo
from typing import Any

from rapscheduler import crontab as crontab_room
from rapscheduler._engine import timezone as chosen_timezone
from rapscheduler._reference import timezone as reference_timezone
from rapscheduler.errors import CrontabError
from rapscheduler.triggers.cron import CronTrigger

UTC = zoneinfo.ZoneInfo("UTC")
NOW_US = 1_762_066_800_000_000
NAMES = ("year", "month", "day", "week", "day_of_week", "hour", "minute", "second")
DIALECTS = ("apscheduler", "vixie", "quartz", "cronie", "jenkins")


def fields(data: bytes) -> None:
    """One field of any name: a trigger, or a ``ValueError``; what was taken is taken again from its own text."""
    name, text = NAMES[data[0] % 8] if data else "hour", data[1:61].decode("utf-8", "replace")
    options: dict[str, Any] = {name: text, "timezone": UTC}
    try:
        trigger = CronTrigger(**options)
    except ValueError:
        return
    fire = trigger.next_fire_us(None, NOW_US)
    again = CronTrigger(**{**options, name: str(trigger.fields[NAMES.index(name)])})
    assert again.next_fire_us(None, NOW_US) == fire, (name, text)


def crontab(data: bytes) -> None:
    """A line in any dialect: a trigger, or a ``ValueError``."""
    dialect, line = (
        DIALECTS[data[0] % len(DIALECTS)] if data else "vixie",
        data[1:81].decode("utf-8", "replace"),
    )
    try:
        zone = None if "TZ=" in line else UTC
        trigger = CronTrigger.from_crontab(line, timezone=zone, dialect=dialect, seed="job")
    except (ValueError, LookupError) as error:
        if isinstance(error, LookupError) and "TZ=" not in line:
            raise
        return
    trigger.next_fire_us(None, NOW_US)


def crontab_file(data: bytes) -> None:
    """Text as a crontab file: entries whose lines are in the text, or an error with the numbers of such lines."""
    dialect, user_column = ("vixie", "cronie", "jenkins")[(data[0] if data else 0) % 3], len(data) % 2 == 0
    text = data[1:301].decode("utf-8", "replace") + "\n"
    try:
        entries = crontab_room.read(text, dialect, user_column, UTC, seed="job")
        numbers = [entry.line for entry in entries]
    except CrontabError as error:
        numbers = [number for number, _ in error.problems]
    assert numbers == sorted(set(numbers) & set(range(1, text.count("\n") + 1)))


def tzif(data: bytes) -> None:
    """Bytes of a time zone file: the same table in both engines, or ``ValueError`` in both."""
    answers = [_table_of(rooms, data) for rooms in (chosen_timezone, reference_timezone)]
    assert answers[0] == answers[1], answers


def _table_of(rooms: Any, data: bytes) -> Any:
    try:
        table = rooms.ZoneTable.from_tzif(data, UTC)
    except ValueError as error:
        return str(error)
    at = (-(2**40), -1, 0, 10**9, 2**31, 10**11)
    found = [table.range_at(utc_s) for utc_s in at]
    return found, [table.local(utc_s) for utc_s in at], table.transitions(10**9, 2 * 10**9)


def footer(data: bytes) -> None:
    """The POSIX rule at the end of a file: the same table in both engines, or ``ValueError`` in both."""
    text = data[:60].decode("utf-8", "replace")
    answers = []
    for rooms in (chosen_timezone, reference_timezone):
        try:
            table = rooms.ZoneTable.from_transitions([10**9], [0, 3600], UTC, text)
            answers.append([table.range_at(utc_s) for utc_s in (0, 10**9, 2 * 10**9, 10**11)])
        except ValueError as error:
            answers.append(str(error))
    assert answers[0] == answers[1], (text, answers)


TARGETS = {"fields": fields, "crontab": crontab, "file": crontab_file, "tzif": tzif, "footer": footer}
