"""Groups of cases: a trigger, the questions put to it, and the answers that the walker or the plain rules give.

A *case* is one call to a trigger with an answer known in advance. A *group* is the cases that share a trigger and
one walk of a window of time. Each group asks two *subjects*: the public trigger, made from text by the chosen
engine, and the reference twin, made from numbers that this room works out by itself, so that a mistake of the text
rules shows too.

A call is ``(method, arguments)`` with times as integer microseconds; ``ask`` turns them into datetimes where the
method takes those.
"""

from __future__ import annotations

import array
import warnings
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from importlib import resources
from pathlib import Path
from random import Random
from typing import Any, Protocol

from .._reference import cron as reference_cron
from .._reference import timezone as reference_timezone
from ..errors import CrontabWarning
from .draw import Question
from .schedule import HIGH, LOW, Schedule, Term
from .walker import Window
from .zones import EPOCH

Call = tuple[str, tuple[Any, ...]]


class Group(Protocol):
    """What the campaign needs to know of a group."""

    @property
    def zone(self) -> str: ...
    @property
    def crossed(self) -> int: ...
    @property
    def code(self) -> str:
        """A Python expression that makes the trigger."""

    def calls(self, random: Random) -> list[Call]: ...
    def subjects(self) -> dict[str, Any]: ...
    def knows(self, call: Call) -> bool:
        """Is the right answer known, or only that it is beyond the window?"""

    def wrong(self, call: Call, answer: Any) -> str | None:
        """None when the answer is right, else what it should be."""

    def simpler(self) -> Iterator[Group]:
        """Smaller groups of the same kind, for shrinking."""


# --- asking ---------------------------------------------------------------------------------------


def ask(trigger: Any, call: Call, zone: str) -> Any:
    """The answer as comparable data: integers, None, texts of datetimes, or the class and text of an error."""
    method, arguments = call
    try:
        if method == "get_next_fire_time":
            return seen(trigger.get_next_fire_time(*(moment(us, zone) for us in arguments)))
        if method == "fill_fire_times":
            buffer = array.array("q", bytes(8 * arguments[0]))
            return list(buffer[: trigger.fill_fire_times(buffer, *arguments[1:])])
        if method == "chain":
            return _chain(trigger, *arguments)
        return getattr(trigger, method)(*arguments)
    except Exception as error:  # an answer as any other: both twins must give the same
        return f"{type(error).__name__}: {error}"


def _chain(trigger: Any, start_us: int, count: int) -> list[int | None]:
    """Fire after fire, each asked with the one before as previous fire time and as now."""
    found = [trigger.next_fire_us(None, start_us)]
    while found[-1] is not None and len(found) < count:
        found.append(trigger.next_fire_us(found[-1], found[-1]))
    return found


def moment(us: int | None, zone: str) -> datetime | None:
    """An aware datetime: by the number, in the zone itself, in UTC or at a fixed offset."""
    if us is None:
        return None
    at = EPOCH + timedelta(microseconds=us)
    return at.astimezone(
        (zoneinfo.ZoneInfo(zone), timezone.utc, timezone(timedelta(hours=5, minutes=45)))[us % 3]
    )


def seen(fire: datetime | None) -> str | None:
    return None if fire is None else f"{fire.replace(tzinfo=None).isoformat()} fold={fire.fold} {fire.tzinfo}"


def expected_datetime(us: int | None, zone: str) -> str | None:
    """What ``seen`` must show for an instant, by ``zoneinfo``."""
    return (
        None if us is None else seen((EPOCH + timedelta(microseconds=us)).astimezone(zoneinfo.ZoneInfo(zone)))
    )


# --- cron -----------------------------------------------------------------------------------------


@dataclass
class CronGroup:
    """The cases of one cron question."""

    question: Question

    def __post_init__(self) -> None:
        asked = self.question
        self.zone, self.crossed = asked.zone, asked.crossed
        self.window = Window(asked.fires(), asked.lo_s, asked.hi_s, asked.start_us, asked.end_us)

    @property
    def code(self) -> str:
        asked = self.question
        options = [f"timezone={asked.zone!r}", f"dst={asked.dst!r}"]
        if asked.start_us is not None:
            options.append(f"start_date={_datetime_code(asked.start_us)}")
        if asked.end_us is not None:
            options.append(f"end_date={_datetime_code(asked.end_us)}")
        if asked.left_out is not None:
            options += [f"{name}={value!r}" for name, value in asked.left_out.arguments().items()]
        if asked.schedule.dialect == "fields":
            return f"CronTrigger({', '.join([*_argument_texts(asked.schedule), *options])})"
        line = asked.schedule.expression()
        return f"CronTrigger.from_crontab({line!r}, dialect={asked.schedule.dialect!r}, {', '.join(options)})"

    def calls(self, random: Random) -> list[Call]:
        fires, instants = self.window.fires, self.question.instants
        made: list[Call] = []
        for now in instants:
            previous = random.choice(fires) if fires and random.random() < 0.8 else random.choice(instants)
            made.append(("next_fire_us", (None, now)))
            made.append(("next_fire_us", (previous, max(now, previous) if random.random() < 0.8 else now)))
            made.append(("get_next_fire_time", (None, now)))
            made.append(("previous_fire_us", (now,)))
            if fires and previous in fires and now >= previous:
                made.append(("latest_fire_us", (previous, now)))
        lo_us, hi_us = self.window.lo_us, self.window.hi_us
        made.append(("fill_fire_times", (len(fires) + 1, lo_us, hi_us)))
        made.append(("fill_fire_times", (3, instants[0], hi_us)))
        made.append(("chain", (instants[0], 1 + sum(fire >= instants[0] for fire in fires[:40]))))
        return made

    def subjects(self) -> dict[str, Any]:
        asked = self.question
        table = reference_zone(asked.zone)
        spec = reference_cron.CronSpec.of(**spec_numbers(asked.schedule), dst=asked.dst)
        twin = reference_cron.CronCore(spec, table, asked.start_us, asked.end_us)
        twin.skips = None if asked.left_out is None else asked.left_out.skips()
        return {"rapscheduler": public_cron(asked), "twin": twin}

    def knows(self, call: Call) -> bool:
        method, arguments = call
        if method in ("next_fire_us", "get_next_fire_time"):
            return self.window.next(*arguments) != Window.UNKNOWN
        return method != "previous_fire_us" or self.window.before(*arguments) != Window.UNKNOWN

    def wrong(self, call: Call, answer: Any) -> str | None:
        method, arguments = call
        window = self.window
        if method == "next_fire_us":
            return _differs(answer, window.next(*arguments), window)
        if method == "get_next_fire_time":
            fire = window.next(*arguments)
            if fire == Window.UNKNOWN:
                return None
            told = expected_datetime(fire, self.zone)
            return None if answer == told else repr(told)
        if method == "previous_fire_us":
            return _differs(answer, window.before(*arguments), window)
        if method == "latest_fire_us":
            return _differs(answer, window.before(arguments[1] + 1), window)
        if method == "fill_fire_times":
            right = [fire for fire in window.fires if arguments[1] <= fire <= arguments[2]][: arguments[0]]
            return None if answer == right else repr(right)
        right = [fire for fire in window.fires if fire >= arguments[0]][: arguments[1]]
        return None if isinstance(answer, list) and answer[: len(right)] == right else repr(right)

    def simpler(self) -> Iterator[CronGroup]:
        for question in simpler_questions(self.question):
            yield CronGroup(question)


def _differs(answer: Any, right: int | None, window: Window) -> str | None:
    """Compare; where the window does not know the answer, it may be anything beyond the window."""
    if right == Window.UNKNOWN:
        inside = isinstance(answer, int) and window.lo_us <= answer <= window.hi_us
        return "no fire time in the window" if inside or isinstance(answer, str) else None
    return None if answer == right else repr(right)


def public_cron(asked: Question) -> Any:
    """The public trigger, from text."""
    from ..triggers.cron import CronTrigger

    options: dict[str, Any] = {"timezone": asked.zone, "dst": asked.dst}
    for name, us in (("start_date", asked.start_us), ("end_date", asked.end_us)):
        if us is not None:
            options[name] = EPOCH + timedelta(microseconds=us)
    if asked.left_out is not None:
        options |= asked.left_out.arguments()
    if asked.schedule.dialect == "fields":
        arguments: dict[str, Any] = {**asked.schedule.arguments(), **options}
        return CronTrigger(**arguments)
    with warnings.catch_warnings():  # drawn lines wrap around as they like
        warnings.simplefilter("ignore", CrontabWarning)
        dialect: Any = asked.schedule.dialect
        return CronTrigger.from_crontab(asked.schedule.expression(), dialect=dialect, **options)


def _argument_texts(schedule: Schedule) -> list[str]:
    return [f"{name}={text!r}" for name, text in schedule.arguments().items()]


def _datetime_code(us: int) -> str:
    return f"datetime.fromisoformat({(EPOCH + timedelta(microseconds=us)).isoformat()!r})"


@lru_cache(maxsize=700)
def reference_zone(key: str) -> reference_timezone.ZoneTable:
    """The reference twin's table of a zone, from the file that ``zoneinfo`` reads."""
    for root in zoneinfo.TZPATH:
        path = Path(root, key)
        if path.is_file():
            return reference_timezone.ZoneTable.from_tzif(path.read_bytes(), zoneinfo.ZoneInfo(key))
    package = resources.files("tzdata").joinpath("zoneinfo", *key.split("/"))
    return reference_timezone.ZoneTable.from_tzif(package.read_bytes(), zoneinfo.ZoneInfo(key))


def spec_numbers(schedule: Schedule) -> dict[str, Any]:
    """Arguments of ``CronSpec.of`` for a schedule, worked out here from the meaning of its terms."""
    numbers: dict[str, Any] = {}
    for name, values in zip(("hour", "minute", "second"), schedule.times(), strict=True):
        numbers[name] = sum(1 << value for value in values)
    for name in ("month", "week"):
        numbers[name] = sum(1 << v for v in range(LOW[name], HIGH[name] + 1) if schedule.has(name, v))
    day_terms, weekday_terms = schedule.effective("day"), schedule.effective("day_of_week")
    numbers["day"] = sum(1 << v for v in range(1, 32) if schedule.has("day", v))
    numbers["weekday"] = sum(1 << v for v in range(7) if schedule.has_weekday(v))
    for term in (*day_terms, *weekday_terms):
        _add_day_bits(numbers, term)
    # Quartz has them in the weekday field.
    if any(term.kind in ("nth", "last_weekday") for term in weekday_terms):
        numbers |= {"day": 0, "weekday": 127}
    if Term("any") not in schedule.effective("year"):
        numbers["years"] = [(t.first, t.last, t.step) for t in _year_ranges(schedule)]
    either = day_terms[0].kind != "any" and weekday_terms[0].kind != "any"
    numbers["day_or_weekday"] = schedule.dialect == "vixie" and either
    numbers["day_any"] = (
        day_terms[0].kind in ("any", "none") and day_terms[0].step == 1 and not numbers.get("nth_weekdays")
    )
    numbers["rhythm"] = schedule.rhythm
    return numbers


def _year_ranges(schedule: Schedule) -> list[Term]:
    years = []
    for term in schedule.effective("year"):
        if term.kind == "any":
            years.append(Term("range", 1970, 9999, term.step))
        else:
            years.append(replace(term, last=9999) if term.open else term)
    return years


def _add_day_bits(numbers: dict[str, Any], term: Term) -> None:
    """The bits of the terms that depend on the month."""
    bits = {
        "last": ("last_day_offsets", term.first),
        "nth": ("nth_weekdays", (term.first - 1) * 7 + term.last),
        "last_weekday": ("nth_weekdays", 35 + term.last),
        "near": ("nearest_workdays", term.first),
        "last_workday": ("nearest_workdays", 0),
    }
    if term.kind in bits:
        name, bit = bits[term.kind]
        numbers[name] = numbers.get(name, 0) | 1 << bit


# --- shrinking ------------------------------------------------------------------------------------


def simpler_questions(asked: Question) -> Iterator[Question]:
    """The same question with less: without a bound, without a field or term, in a plainer dst mode or zone."""
    if asked.left_out is not None:
        yield replace(asked, left_out=None)
        for name in ("weekdays", "spans", "windows"):
            if getattr(asked.left_out, name):
                yield replace(asked, left_out=replace(asked.left_out, **{name: ()}))
    if asked.start_us is not None:
        yield replace(asked, start_us=None)
    if asked.end_us is not None:
        yield replace(asked, end_us=None)
    fields = asked.schedule.fields
    for name, terms in fields.items():
        fewer = {key: value for key, value in fields.items() if key != name}
        if asked.schedule.dialect == "fields" and fewer:
            yield replace(asked, schedule=replace(asked.schedule, fields=fewer))
        for index in range(len(terms)):
            if len(terms) > 1:
                less = terms[:index] + terms[index + 1 :]
                yield replace(asked, schedule=replace(asked.schedule, fields={**fields, name: less}))
        if terms[0].kind == "range" and (terms[0].last != terms[0].first or len(terms) > 1):
            for value in (terms[0].first, terms[0].last):
                only = (Term("range", value, value),)
                yield replace(asked, schedule=replace(asked.schedule, fields={**fields, name: only}))
    if asked.dst != "once":
        yield replace(asked, dst="once")
    if asked.zone != "UTC":
        yield replace(asked, zone="UTC")
