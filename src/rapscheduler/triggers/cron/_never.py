"""Why a cron schedule has no fire time: which of its fields, or of its dates, make it impossible.

Here: the search for the reason, by leaving one thing out at a time. Not here: whether it has one (the cellar).
"""

from __future__ import annotations

from typing import Any

from rapscheduler._engine.cron import CronCore, CronSpec
from rapscheduler._engine.datetimes import from_us
from rapscheduler.triggers._kernel import date_repr
from rapscheduler.triggers.cron._bounds import FIELD_NAMES
from rapscheduler.triggers.cron._compile import text_by_values
from rapscheduler.triggers.cron._explain import listed

_MIN_US = -62135596800_000000


def reason(trigger: Any, now_us: int) -> str:
    """Why the fields of a trigger without a fire time from `now_us` on match none, its end date left aside.

    Empty: they do match some time, or a field of a third party is among them.
    """
    if trigger._text.custom:
        return ""
    begin_us = now_us if trigger.start_us is None else max(now_us, trigger.start_us)
    if _fires(trigger, trigger.spec, begin_us):
        return ""
    ever = _fires(trigger, trigger.spec, _MIN_US)
    given = {name: text for name, text in trigger._text.given().items() if text != "*"}
    named = {name: f"{name}={text!r}" for name, text in given.items()}
    search_us = begin_us if ever else _MIN_US
    guilty = [name for name in given if _fires(trigger, _without(trigger, name), search_us)]
    before = ""
    if trigger.start_us is not None and trigger.start_us > now_us:
        before = f" before start_date='{date_repr(from_us(trigger.start_us, trigger.zone))}'"
    if guilty == ["year"] and _over(trigger.spec, from_us(begin_us, trigger.zone).year):
        return f"{named['year']} is over{before}"
    # One alone would be in order: it does not go with the others.
    what = listed([named[name] for name in (guilty if len(guilty) > 1 else given)])
    if not ever:
        return f"no time has {what}"
    return f"no time from {before.removeprefix(' before ') or 'now'} on has {what}"


def _fires(trigger: Any, spec: CronSpec, begin_us: int) -> bool:
    return CronCore(spec, trigger.zone).next_fire_us(None, begin_us) is not None


def _without(trigger: Any, name: str) -> CronSpec:
    """The schedule with `*` for one of its fields."""
    given: dict[str, str] = {**trigger._text.given(), name: "*"}
    values = [given.get(each) for each in FIELD_NAMES]
    return text_by_values(*values, trigger.day_or_weekday, trigger.dst).spec


def _over(spec: CronSpec, year: int) -> bool:
    return spec.years is not None and all(last < year for _, last, _ in spec.years)
