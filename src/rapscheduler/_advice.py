"""Cures: what somebody probably meant who wrote something that can't be taken.

What lives here: pure functions from a wrong text or name to the end of an error sentence. What must not: checks (who
checks imports this room when a check has failed, so it costs nothing else), anything that knows a job or a store.

A cure keeps the meaning of what was written; where that is not clear it names both readings. No cure is an empty text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable


def nearest(word: object, known: Iterable[str]) -> str:
    """``"; did you mean 'x'?"`` for the known word closest to a mistyped one, or an empty text."""
    from difflib import get_close_matches

    matches = get_close_matches(str(word), list(known), n=1, cutoff=0.7)
    return f"; did you mean {matches[0]!r}?" if matches else ""


# Abbreviations say an offset, and several countries use the same one; a zone is named by a place.
_PLACES = {
    "PST": "America/Los_Angeles", "PDT": "America/Los_Angeles", "PT": "America/Los_Angeles",
    "MDT": "America/Denver", "MT": "America/Denver", "CDT": "America/Chicago", "CT": "America/Chicago",
    "EDT": "America/New_York", "ET": "America/New_York", "AKST": "America/Anchorage", "AKDT": "America/Anchorage",
    "AST": "America/Halifax", "ADT": "America/Halifax", "NST": "America/St_Johns", "NDT": "America/St_Johns",
    "BRT": "America/Sao_Paulo", "ART": "America/Argentina/Buenos_Aires",
    "BST": "Europe/London", "WEST": "Europe/Lisbon", "CEST": "Europe/Berlin", "MEZ": "Europe/Berlin",
    "MESZ": "Europe/Berlin", "EEST": "Europe/Athens", "TRT": "Europe/Istanbul", "MSK": "Europe/Moscow",
    "IST": "Asia/Kolkata", "PKT": "Asia/Karachi", "GST": "Asia/Dubai", "ICT": "Asia/Bangkok", "WIB": "Asia/Jakarta",
    "SGT": "Asia/Singapore", "HKT": "Asia/Hong_Kong", "PHT": "Asia/Manila", "JST": "Asia/Tokyo", "KST": "Asia/Seoul",
    "AEST": "Australia/Sydney", "AEDT": "Australia/Sydney", "ACST": "Australia/Adelaide",
    "ACDT": "Australia/Adelaide", "AWST": "Australia/Perth", "NZST": "Pacific/Auckland", "NZDT": "Pacific/Auckland",
    "SAST": "Africa/Johannesburg", "CAT": "Africa/Maputo", "EAT": "Africa/Nairobi", "WAT": "Africa/Lagos",
}  # fmt: skip
_OFFSET = re.compile(r"(?:utc|gmt|z)?\s*([+-])(\d{1,2})(?::?([0-5]\d))?\Z", re.IGNORECASE)


def zone_cure(name: str, known: Iterable[str]) -> str:
    """For a text that names no time zone; `known` are the names there are."""
    word = name.strip()
    if word.lower() in ("local", "localtime", "system"):
        return "; leave the time zone out for that of this machine"
    if word.upper() in ("UTC", "Z", "ZULU"):
        return "; did you mean 'UTC'?"
    offset = _OFFSET.match(word)
    if offset:
        sign, hours, minutes = offset.groups()
        parts = f"hours={'-' if sign == '-' else ''}{int(hours)}"
        if int(minutes or 0):
            parts += f", minutes={'-' if sign == '-' else ''}{int(minutes)}"
        return (
            "; a fixed offset from UTC is no time zone of a place: give datetime.timezone(datetime.timedelta("
            f"{parts})), or a place such as 'Europe/Berlin', whose clocks may change"
        )
    place = _PLACES.get(word.upper())
    if place:
        return f"; {word} is the abbreviation of an offset: name a place whose clocks you mean, such as {place!r}"
    return _similar_zone(word, list(known))


def _similar_zone(word: str, known: list[str]) -> str:
    plain = word.lower().replace(" ", "_")
    for zone in sorted(known):
        if plain == zone.lower() or ("/" in zone and plain == zone.lower().rpartition("/")[2]):
            return f"; did you mean {zone!r}?"
    return nearest(word, known) or "; give a name of the tz database, such as 'Europe/Berlin'"


# Arguments

#: what other schedulers, or other parts of this one, call an argument
_OTHER_NAMES = {
    "retries": "retry", "max_retries": "retry", "time_limit": "timeout", "labels": "tags",
    "arg": "args", "arguments": "args", "func_args": "args", "params": "args", "parameters": "args",
    "kwarg": "kwargs", "func_kwargs": "kwargs", "job_id": "id", "key": "id", "job_name": "name", "title": "name",
    "store": "jobstore", "job_store": "jobstore", "replace": "replace_existing", "overwrite": "replace_existing",
    "grace": "misfire_grace_time", "grace_time": "misfire_grace_time", "misfire_grace": "misfire_grace_time",
    "max_running": "max_instances", "concurrency": "max_instances", "first_run": "next_run_time",
    "tz": "timezone", "time_zone": "timezone", "zone": "timezone", "weekday": "day_of_week", "dow": "day_of_week",
    "weekdays": "day_of_week", "dom": "day", "day_of_month": "day", "when": "run_date", "run_at": "run_date",
    "at": "run_date", "start": "start_date", "begin": "start_date", "end": "end_date", "until": "end_date",
}  # fmt: skip


#: what add_job() has under no name, however near another one is
_NOWHERE = frozenset(("queue", "priority", "group", "callback"))


def argument_cure(unknown: str, known: Iterable[str], job_names: Iterable[str], takers: str) -> str:
    """For an argument that neither ``add_job()`` nor the trigger has.

    `known` are the trigger's arguments, `job_names` those of `add_job`; `takers` says what the other triggers that
    have it are called (with "; " before), or nothing.
    """
    ours, theirs = list(job_names), list(known)
    other = _OTHER_NAMES.get(unknown.lower())
    if other in ours or other in theirs:
        return f"; did you mean {other!r}?"
    if unknown.lower() in _NOWHERE:
        return takers
    return takers + (nearest(unknown, theirs) or nearest(unknown, ours))


def trigger_cure(text: str) -> str:
    """For a text in the trigger's place that is no alias: a crontab line, or words."""
    words = text.split()
    if len(words) >= 5 or text.startswith("@"):
        return (
            f"; for a crontab line give CronTrigger.from_crontab({text!r}), from rapscheduler.triggers.cron, as the "
            "trigger"
        )
    if words and words[0].lower() in ("every", "each"):
        return "; write an interval as add_job(func, 'interval', minutes=5)"
    return ""


def is_crontab(value: object) -> bool:
    """Whether somebody seems to have given a crontab line where arguments belong."""
    return isinstance(value, str) and (len(value.split()) >= 5 or value.startswith("@"))


# Cron fields

_LONGER = {
    "second": "IntervalTrigger(seconds={})", "minute": "IntervalTrigger(minutes={})",
    "hour": "IntervalTrigger(hours={})", "day": "CalendarIntervalTrigger(days={})",
    "day_of_week": "CalendarIntervalTrigger(days={})", "week": "CalendarIntervalTrigger(weeks={})",
    "month": "CalendarIntervalTrigger(months={})", "year": "CalendarIntervalTrigger(years={})",
}  # fmt: skip


def step_cure(field: str, step: int, first: object) -> str:
    """For a step that leaves the first value only."""
    longer = _LONGER.get(field, "").format(step)
    return (
        f"of such a step only the first value is left: write {field}={first}"
        + (f"; to count on across the end of the field use {longer}" if longer else "")
    )  # fmt: skip


def wrapped_range(
    first: int, last: int, step: int | None, lowest: int, highest: int, names: list[str] | None
) -> str:
    """A range that goes over the end of its field, such as 22-2, as a list of ranges that do not."""

    def name(value: int) -> str:
        return names[value - lowest] if names else str(value)

    if step and step > 1:
        cycle = [*range(first, highest + 1), *range(lowest, last + 1)]
        return ",".join(name(value) for value in cycle[::step])
    ends = ((first, highest), (lowest, last))
    return ",".join(name(a) if a == b else f"{name(a)}-{name(b)}" for a, b in ends)


_FULL_NAMES = re.compile(r"[a-z]{4,}\Z", re.IGNORECASE)


def name_cure(text: str, names: list[str]) -> str:
    """For a weekday or month that is not one of the short names."""
    short = text[:3].lower()
    if _FULL_NAMES.match(text) and short in names:
        return f"; did you mean {short!r}?"
    return ""


def field_cure(field: str, text: str) -> str:
    """For a text that no expression of the field takes: what other crons write there."""
    if re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", text):
        parts = [str(int(part)) for part in text.split(":")]
        named = ", ".join(f"{name}={part}" for name, part in zip(("hour", "minute", "second"), parts))
        return f"a time of day is several fields: write {named}; "
    upper = text.upper()
    if field == "day" and upper == "L":
        return "write 'last' for the last day of the month; "
    if text == "?":
        return f"leave {field} out, or write '*'; "
    if field == "day_of_week" and re.fullmatch(r"\w+#[1-5]|\w+L", upper):
        return (
            "write the n-th weekday of the month as the day, such as day='2nd fri' or day='last fri'; whole lines "
            "with # and L are read by CronTrigger.from_crontab(line, dialect='vixie'); "
        )
    if upper.startswith("H") and re.fullmatch(r"H(\(\d+-\d+\))?(/\d+)?", upper):
        return "H is Jenkins' word: CronTrigger.from_crontab(line, dialect='jenkins') reads it; "
    return ""
