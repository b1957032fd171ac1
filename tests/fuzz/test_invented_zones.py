"""Zones that nobody has (yet): transitions of any size at any second, asked of both twins and of the walker.

The tz database shows few kinds of transition. A rule that holds for gaps and folds of 1 second to 28 hours, at odd
seconds and a few days or minutes apart, holds for what governments will think of.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.conftest import load_engine
from tests.fuzz.strategies import SECOND, schedules

from rapscheduler._fuzz.groups import ask, spec_numbers
from rapscheduler._fuzz.schedule import Schedule, Term, one, span
from rapscheduler._fuzz.walker import Walker, Window, every_second
from rapscheduler._fuzz.zones import DAY, EPOCH

pytestmark = pytest.mark.slow

BEGIN = 1_700_000_000
quick = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


class InventedView:
    """What the walker asks of a zone, from a list of transitions."""

    def __init__(self, changes: list[int], offsets: list[int]) -> None:
        self.changes, self.offsets = changes, offsets

    def local(self, utc_s: int) -> datetime:
        index = bisect_right(self.changes, utc_s)
        again = (
            bool(index) and utc_s + self.offsets[index] < self.changes[index - 1] + self.offsets[index - 1]
        )
        wall = EPOCH.replace(tzinfo=None) + timedelta(seconds=utc_s + self.offsets[index])
        return wall.replace(fold=int(again))

    def pieces(self, day: int) -> list[tuple[int, int, int]]:
        lo, hi = day * DAY, (day + 1) * DAY
        edges = [lo, *(change for change in self.changes if lo < change < hi), hi]
        pairs = zip(edges, edges[1:], strict=False)
        return [(begin, end, self.offsets[bisect_right(self.changes, begin)]) for begin, end in pairs]


@st.composite
def zones(draw: st.DrawFn, least_apart_s: int) -> InventedView:
    """One to four transitions, at least so far apart, that do change the offset."""
    count = draw(st.integers(1, 4))
    offset = st.one_of(st.integers(-28, 28).map(lambda n: n * 1800), st.integers(-14 * 3600, 14 * 3600))
    offsets = [draw(offset)]
    for _ in range(count):
        offsets.append(draw(offset.filter(lambda value: value != offsets[-1])))
    changes = [BEGIN + draw(st.integers(0, DAY))]
    for _ in range(count - 1):
        changes.append(changes[-1] + least_apart_s + draw(st.integers(0, 5 * DAY)))
    return InventedView(changes, offsets)


@st.composite
def questions(draw: st.DrawFn, least_apart_s: int) -> tuple[InventedView, Schedule, str, int]:
    """A zone, a schedule aimed near one of its transitions, a rule, and that transition."""
    view = draw(zones(least_apart_s))
    index = draw(st.integers(0, len(view.changes) - 1))
    middle = view.changes[index]
    wall = middle + draw(st.sampled_from(view.offsets[index : index + 2])) + draw(st.integers(-3700, 3700))
    schedule = draw(schedules(datetime(1970, 1, 1) + timedelta(seconds=wall)))
    return view, schedule, draw(st.sampled_from(("once", "both", "shift"))), middle


def triggers(view: InventedView, schedule: Schedule, dst: str) -> list[object]:
    """The trigger in both engines (in the reference alone where that is what runs)."""
    made = []
    for name in ("compiled", "reference"):
        rooms: SimpleNamespace = (
            load_engine(name) if name == "reference" or _compiled() else load_engine("reference")
        )
        zone = rooms.timezone.ZoneTable.from_transitions(view.changes, view.offsets, timezone.utc)
        spec = rooms.cron.CronSpec.of(**spec_numbers(schedule), dst=dst)
        made.append(rooms.cron.CronCore(spec, zone))
    return made


def _compiled() -> bool:
    from rapscheduler import _engine

    return bool(_engine.NAME == "compiled")


MIDNIGHTS = Schedule({"hour": one(0)})
DENSE = Schedule({"hour": span(0, 23, 5), "minute": (Term("range", 7, 7), Term("range", 30, 50, 10))})


@given(questions(3 * DAY))
@example((InventedView([BEGIN], [0, 14 * 3600]), MIDNIGHTS, "shift", BEGIN))
@example((InventedView([BEGIN], [14 * 3600, -14 * 3600]), DENSE, "once", BEGIN))
@example((InventedView([BEGIN, BEGIN + 3 * DAY], [0, 1, 0]), DENSE, "both", BEGIN))
@quick
def test_the_walker_and_both_twins_agree(asked):
    """Around transitions some days apart, both twins fire where the walker does."""
    view, schedule, dst, middle = asked
    hours, minutes, seconds = schedule.times()
    reach = max(3600, min(3 * DAY, 150 * DAY // max(1, len(hours) * len(minutes) * len(seconds))))
    lo_s, hi_s = middle - reach, middle + reach
    window = Window(Walker(schedule, view, dst).fires(lo_s, hi_s), lo_s, hi_s, None, None)
    for trigger in triggers(view, schedule, dst):
        call = ("fill_fire_times", (len(window.fires) + 1, window.lo_us, window.hi_us))
        assert ask(trigger, call, "UTC") == window.fires
        for now in (middle * SECOND - 1, middle * SECOND, middle * SECOND + 1, (middle + 1800) * SECOND):
            if window.before(now) != Window.UNKNOWN:
                assert trigger.previous_fire_us(now) == window.before(now)
            if window.next(None, now) != Window.UNKNOWN:
                assert trigger.next_fire_us(None, now) == window.next(None, now)


@given(questions(1))
@quick
def test_twins_agree_on_transitions_that_overlap(asked):
    """Even where a fold is longer than the time until the next transition, both twins say the same, and time
    goes on.
    """
    view, schedule, dst, middle = asked
    one_, other = triggers(view, schedule, dst)
    lo_us, hi_us = (middle - 2 * DAY) * SECOND, (middle + 3 * DAY) * SECOND
    for call in (
        ("fill_fire_times", (60, lo_us, hi_us)),
        ("chain", (lo_us, 60)),
        ("previous_fire_us", (hi_us,)),
        ("previous_fire_us", (middle * SECOND,)),
        ("next_fire_us", (None, middle * SECOND)),
    ):
        answer = ask(one_, call, "UTC")
        assert answer == ask(other, call, "UTC"), call
        if isinstance(answer, list) and None not in answer:
            assert answer == sorted(set(answer))


def test_the_invented_view_is_right():
    """Walking days and asking every second agree in an invented zone, too."""
    view = InventedView([BEGIN + 1000], [3600, 900])
    schedule = Schedule({"minute": span(0, 59, 7), "hour": span(0, 23)})
    for dst in ("once", "both", "shift"):
        lo_s, hi_s = BEGIN - 6000, BEGIN + 6000
        assert Walker(schedule, view, dst).fires(lo_s, hi_s) == every_second(schedule, view, dst, lo_s, hi_s)
