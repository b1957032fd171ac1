"""Hypothesis strategies: a cron schedule aimed at a transition of a zone, as the ``Question`` that the product asks.

They draw less widely than ``rapscheduler._fuzz.draw``, and shrink better.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import strategies as st

from rapscheduler._fuzz.draw import Question, _aimed_value
from rapscheduler._fuzz.schedule import ANY, HIGH, LOW, Field, Schedule, Term
from rapscheduler._fuzz.zones import DAY, ODD_ZONES, zone_view

SECOND = 1_000_000
ZONES = ODD_ZONES[:16]


def terms(name: str, aimed: int) -> st.SearchStrategy[Term]:
    """A term of one field in APScheduler's numbers, around a value."""
    low, high = LOW[name], HIGH[name]
    if name == "year":
        low, high = max(low, aimed - 2), min(high, aimed + 3)
    values = st.one_of(st.just(aimed), st.integers(low, high))
    single = values.map(lambda value: Term("range", value, value))
    spans = st.tuples(values, values).map(lambda pair: Term("range", min(pair), max(pair)))
    steps = st.sampled_from((1, 2, 3, 5)).map(lambda step: Term("any", step=step))
    return st.one_of(single, spans, steps)


def day_terms(aim: datetime) -> st.SearchStrategy[Term]:
    nth = st.builds(lambda n, wd: Term("nth", n, wd), st.integers(1, 5), st.integers(0, 6))
    return st.one_of(
        st.just(Term("last")), nth, st.integers(0, 6).map(lambda wd: Term("last_weekday", 0, wd))
    )


@st.composite
def schedules(draw: st.DrawFn, aim: datetime) -> Schedule:
    """Fields of a day mostly, dates sometimes."""
    fields: dict[str, Field] = {}
    for name in ("hour", "minute", "second", "day", "day_of_week", "month", "week", "year"):
        often = name in ("hour", "minute")
        if draw(st.integers(0, 3)) >= (1 if often else 3):
            kind = terms(name, _aimed_value(name, aim, "fields"))
            if name == "day":
                kind = st.one_of(kind, day_terms(aim))
            fields[name] = tuple(draw(st.lists(kind, min_size=1, max_size=2)))
    return Schedule(fields or {"minute": ANY})


@st.composite
def questions(draw: st.DrawFn, bounded: bool = False, last_year: int = 9998) -> Question:
    """A schedule, a zone, a window around a transition and instants in it."""
    zone = draw(st.sampled_from(ZONES))
    view = zone_view(zone)
    known = [t for t in view.transitions() if t < (last_year - 1970) * 365 * DAY] or [1_700_000_000]
    middle = draw(st.sampled_from(known))
    wall = middle + draw(st.sampled_from((view.offset(middle - 1), view.offset(middle))))
    aim = datetime(1970, 1, 1) + timedelta(
        seconds=wall + draw(st.sampled_from((-3600, -60, 0, 60, 1800, 3600)))
    )
    schedule = draw(schedules(aim))
    hours, minutes, seconds = schedule.times()
    reach = max(1800, min(3 * DAY, 150 * DAY // max(1, len(hours) * len(minutes) * len(seconds))))
    lo_s, hi_s = max(3 * DAY, middle - reach), middle + reach
    near = st.integers(-reach, reach - 1).map(lambda away: max(lo_s, middle + away) * SECOND)
    instant = st.one_of(st.sampled_from((0, -1, 1, SECOND)).map(lambda away: middle * SECOND + away), near)
    instants = tuple(sorted(draw(st.lists(instant, min_size=2, max_size=5))))
    start_us = draw(st.one_of(st.none(), instant)) if bounded else None
    end_us = draw(st.one_of(st.none(), instant)) if bounded else None
    if start_us is not None and end_us is not None and end_us < start_us:
        start_us, end_us = end_us, start_us
    dst = draw(st.sampled_from(("once", "both", "shift")))
    return Question(schedule, zone, dst, lo_s, hi_s, start_us, end_us, instants, 1)
