"""Draws cases: zones, windows of time around transitions, schedules aimed at them, bounds and instants.

Everything comes from one ``random.Random``, so a seed gives the same cases on every machine with the same tz
database. Zones: two in three from the odd ones, else any. Windows: two in three around a transition (1970 to 2050,
or the years 2100 to 9998, where rules run on by the POSIX footer). Schedules: half of the fields are *aimed*:
drawn so that they contain a wall time near the middle of the window (before, in and after the gap or fold), for a
schedule that never comes near a transition shows nothing about it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random

from .leftouts import LeftOut, draw_left_out
from .schedule import ANY, HIGH, LOW, Field, Schedule, Term, one
from .walker import Walker
from .zones import DAY, EPOCH, LAST_S, ODD_ZONES, ZoneView, every_zone, zone_view

DST_MODES = ("once", "once", "both", "shift")
MAX_FIRES = 400
STEPS = (2, 3, 5, 6, 7, 10, 12, 15, 20, 30)


@dataclass(frozen=True)
class Question:
    """A schedule in a zone, the window that is walked, the trigger's dates, and the instants that are asked about."""

    schedule: Schedule
    zone: str
    dst: str
    lo_s: int
    hi_s: int
    start_us: int | None
    end_us: int | None
    instants: tuple[int, ...]
    crossed: int = 0
    left_out: LeftOut | None = None

    @property
    def view(self) -> ZoneView:
        return zone_view(self.zone)

    def fires(self) -> list[int]:
        fires = Walker(self.schedule, self.view, self.dst).fires(self.lo_s, self.hi_s)
        if self.left_out is None:
            return fires
        return [fire for fire in fires if not self.left_out.has(self.view.local(fire))]


def draw_zone(random: Random) -> str:
    odd = [key for key in ODD_ZONES if key in every_zone()]
    return random.choice(odd) if random.random() < 0.66 else random.choice(every_zone())


def draw_middle(random: Random, view: ZoneView) -> int:
    """An instant (s) in the middle of the window: mostly a transition, or a month's, year's or leap day's edge."""
    transitions = view.transitions()
    if transitions and random.random() < 0.8:
        return random.choice(transitions)
    year = random.choice(
        (1970, 1999, 2000, 2024, 2025, 2026, 2027, 2028, 2100, 2400, 9999, random.randint(1971, 9999))
    )
    month, day = random.choice(
        ((1, 1), (2, 28), (3, 1), (12, 31), (random.randint(1, 12), random.randint(1, 28)))
    )
    utc_s = int((datetime(year, month, day, tzinfo=EPOCH.tzinfo) - EPOCH).total_seconds())
    return min(max(utc_s + random.randint(-DAY, DAY), 3 * DAY), LAST_S - 2 * DAY)


# --- schedules ---------------------------------------------------------------------------------------------------


def draw_schedule(random: Random, aim: datetime) -> Schedule:
    dialect = random.choice(("fields", "fields", "fields", "vixie", "quartz"))
    if dialect == "fields":
        return _draw_fields(random, aim)
    if dialect == "vixie":
        return _draw_vixie(random, aim)
    return _draw_quartz(random, aim)


def _draw_fields(random: Random, aim: datetime) -> Schedule:
    chances = {"year": 0.06, "month": 0.15, "day": 0.25, "week": 0.08, "day_of_week": 0.2}
    chances |= {"hour": 0.75, "minute": 0.7, "second": 0.2}
    fields: dict[str, Field] = {}
    for name, chance in chances.items():
        if random.random() >= chance:
            continue
        value = _aimed_value(name, aim, "fields")
        if name == "day" and random.random() < 0.45:
            fields[name] = (_day_term(random, aim),)
        else:
            fields[name] = draw_field(random, name, value, wrap=False)
    return Schedule(fields)


def _draw_vixie(random: Random, aim: datetime) -> Schedule:
    fields: dict[str, Field] = {}
    for name, chance in (
        ("minute", 0.85),
        ("hour", 0.8),
        ("day", 0.25),
        ("month", 0.15),
        ("day_of_week", 0.25),
    ):
        value = _aimed_value(name, aim, "vixie")
        fields[name] = draw_field(random, name, value, wrap=True, high=7) if random.random() < chance else ANY
    return Schedule(fields, "vixie")


def _draw_quartz(random: Random, aim: datetime) -> Schedule:
    fields: dict[str, Field] = {}
    for name, chance in (("second", 0.3), ("minute", 0.8), ("hour", 0.8), ("month", 0.15)):
        value = _aimed_value(name, aim, "quartz")
        fields[name] = draw_field(random, name, value, wrap=True) if random.random() < chance else ANY
        if name == "second" and fields[name] is ANY and random.random() < 0.8:
            fields[name] = one(0)
    nothing: Field = (Term("none"),)
    if random.random() < 0.6:
        day = (_quartz_day_term(random, aim),) if random.random() < 0.4 else _sometimes(random, "day", aim)
        fields |= {"day": day, "day_of_week": nothing}
    else:
        weekday = (aim.weekday(), random.randint(1, 5))
        special = random.choice((Term("nth", weekday[1], weekday[0]), Term("last_weekday", 0, weekday[0])))
        chosen = (special,) if random.random() < 0.3 else _sometimes(random, "day_of_week", aim)
        fields |= {"day": nothing, "day_of_week": chosen}
    if random.random() < 0.1:
        fields["year"] = (Term("range", min(aim.year, 2099), min(aim.year, 2099)),)
    return Schedule(fields, "quartz")


def _sometimes(random: Random, name: str, aim: datetime) -> Field:
    if random.random() < 0.5:
        return ANY
    return draw_field(random, name, _aimed_value(name, aim, "quartz"), wrap=True, low=1, high=7)


def _aimed_value(name: str, aim: datetime, dialect: str) -> int:
    if name == "week":
        return aim.isocalendar()[1]
    if name == "day_of_week":
        return {"fields": aim.weekday(), "vixie": aim.isoweekday() % 7, "quartz": aim.isoweekday() % 7 + 1}[
            dialect
        ]
    return int(getattr(aim, name))


def draw_field(
    random: Random, name: str, aimed: int, *, wrap: bool, low: int | None = None, high: int | None = None
) -> Field:
    """One field: one to three terms, the first aimed at a value half of the time. ``low`` and ``high`` serve
    weekdays.
    """
    if name != "day_of_week" or low is None:
        low = LOW[name]
    if name != "day_of_week" or high is None:
        high = HIGH[name]
    if name == "year":
        low, high = max(low, aimed - 3), min(high, aimed + 9)
    count = random.choice((1, 1, 1, 2, 3))
    terms = [_draw_term(random, name, aimed if random.random() < 0.6 else None, (low, high), wrap)]
    terms += [_draw_term(random, name, None, (low, high), wrap) for _ in range(count - 1)]
    return tuple(terms)


def _draw_term(random: Random, name: str, aimed: int | None, bounds: tuple[int, int], wrap: bool) -> Term:
    low, high = bounds
    value = aimed if aimed is not None and low <= aimed <= high else random.randint(low, high)
    named = name in ("month", "day_of_week") and random.random() < 0.5
    shape = random.random()
    if shape < 0.45:
        return Term("range", value, value, named=named)
    if shape < 0.65:
        return Term(
            "any", step=_draw_step(random, (1, 2, 4) if name == "year" else (1, *STEPS), high - low, False)
        )
    first, last = sorted((value, random.randint(low, high)))
    weekday = name == "day_of_week"
    may_wrap = wrap and first != last and not (weekday and (named or first == low or last == high))
    if may_wrap and random.random() < 0.25:
        return Term("range", last, first, named=named)
    if named and weekday and (first == low or last == high or first == 1):
        named = False  # a range that ends with a Sunday has two readings in names; the numbers say which
    step = _draw_step(random, STEPS[:5], last - first, wrap) if shape > 0.85 and first != last else 1
    return Term("range", first, last, step, named=named)


def _draw_step(random: Random, steps: tuple[int, ...], width: int, any_width: bool) -> int:
    """A step. One longer than its range is an error in APScheduler's own dialect; after `*` it is left out everywhere,
    for whether `*/30` hours names a time of day is a matter of taste.
    """
    step = random.choice(steps)
    return step if any_width or step <= width else 1


def _day_term(random: Random, aim: datetime) -> Term:
    kind = random.choice(("last", "nth", "last_weekday"))
    if kind == "last":
        return Term("last")
    weekday = aim.weekday() if random.random() < 0.7 else random.randint(0, 6)
    if kind == "nth":
        return Term("nth", (aim.day + 6) // 7 if random.random() < 0.7 else random.randint(1, 5), weekday)
    return Term("last_weekday", 0, weekday)


def _quartz_day_term(random: Random, aim: datetime) -> Term:
    kind = random.choice(("last", "near", "last_workday"))
    if kind == "last":
        return Term("last", random.choice((0, 1, 2, 3, 10, 29)))
    return (
        Term(kind, aim.day if random.random() < 0.7 else random.randint(1, 31))
        if kind == "near"
        else Term(kind)
    )


# --- windows, bounds, instants -------------------------------------------------------------------------------------


def reach_of(schedule: Schedule, random: Random) -> int:
    """Half the width (s) of the window, such that the walk finds no more than about ``MAX_FIRES`` fire times."""
    hours, minutes, seconds = schedule.times()
    per_day = max(1, len(hours) * len(minutes) * len(seconds))
    if per_day > 2 * MAX_FIRES:
        return max(1800, DAY * MAX_FIRES // (2 * per_day))
    if per_day > 24:
        return 2 * DAY
    if {"month", "day", "week", "day_of_week", "year"} & {
        n for n, f in schedule.fields.items() if f is not ANY
    }:
        return random.choice((3, 3, 40, 400)) * DAY
    return random.choice((3, 3, 10)) * DAY


def draw_question(random: Random, zone: str | None = None, asked: int = 16) -> Question:
    """A whole question."""
    key = zone or draw_zone(random)
    view = zone_view(key)
    middle = draw_middle(random, view)
    dst = random.choice(DST_MODES)
    aim = _draw_aim(random, view, middle)
    schedule = draw_schedule(random, aim)
    reach = reach_of(schedule, random)
    lo_s, hi_s = max(3 * DAY, middle - reach), min(LAST_S - 2 * DAY, middle + reach)
    fires = Walker(schedule, view, dst).fires(lo_s, hi_s, MAX_FIRES)
    if len(fires) == MAX_FIRES:
        hi_s = max(lo_s, fires[-1])
    edges = [t for t in view.transitions() if lo_s <= t <= hi_s] if view.transitions() else []
    pool = _pool(random, fires, edges or [middle], lo_s, hi_s)
    start_us, end_us = _draw_bounds(random, pool)
    instants = tuple(sorted(random.choice(pool) for _ in range(asked)))
    return Question(schedule, key, dst, lo_s, hi_s, start_us, end_us, instants, len(edges))


def with_left_out(random: Random, question: Question) -> Question:
    """The question, sometimes with days or times of day that its trigger leaves out."""
    walls = [question.view.local(us // 1_000_000) for us in question.instants]
    left_out = draw_left_out(random, walls)
    if left_out is None:
        return question
    drawn = replace(question, left_out=left_out)
    # One that leaves nothing is looked for through half a century by each question: a second each for the twin.
    return drawn if drawn.fires() else question


def _draw_aim(random: Random, view: ZoneView, middle: int) -> datetime:
    """A wall time near the middle: of the instants around it, or inside the gap or fold itself."""
    near = middle + random.choice(
        (-7200, -3600, -1800, -60, -1, 0, 0, 1, 60, 1800, 3600, 7200, random.randint(-DAY, DAY))
    )
    before, after = view.offset(middle - 1), view.offset(middle)
    if before != after and random.random() < 0.6:
        wall = middle + random.randint(min(before, after), max(before, after))
        if random.random() < 0.7:
            wall -= wall % random.choice((60, 900, 1800, 3600))
        return datetime(1970, 1, 1) + timedelta(seconds=wall)
    return view.local(near).replace(tzinfo=None)


def _pool(random: Random, fires: list[int], edges: list[int], lo_s: int, hi_s: int) -> list[int]:
    """Instants (µs) worth asking about: transitions, fire times, their neighbours, and any others."""
    nudges = (0, 0, 1, -1, 1_000_000, -1_000_000, 999_999)
    marks = [random.choice(edges) for _ in range(6)]
    marks += [random.choice(edges) + random.choice((-7200, -3600, -1800, 1800, 3600, 7200)) for _ in range(6)]
    marks += [random.choice(edges) + random.randint(-2 * DAY, 2 * DAY) for _ in range(4)]
    if fires:
        marks += [random.choice(fires) for _ in range(8)]
    marks += [random.randint(lo_s, hi_s) for _ in range(4)]
    pool = [mark * 1_000_000 + random.choice(nudges) for mark in marks]
    return [t for t in pool if lo_s * 1_000_000 <= t <= hi_s * 1_000_000] or [lo_s * 1_000_000]


def _draw_bounds(random: Random, pool: list[int]) -> tuple[int | None, int | None]:
    start_us = random.choice(pool) if random.random() < 0.3 else None
    end_us = random.choice(pool) if random.random() < 0.3 else None
    if start_us is not None and end_us is not None and end_us < start_us:
        start_us, end_us = end_us, start_us
    return start_us, end_us
