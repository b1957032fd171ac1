"""What is true of every cron trigger, each in one sentence; drawn by hypothesis, with pinned examples beside.

Every test asks both twins: the public trigger of the chosen engine and the reference twin made from numbers.
"""

from __future__ import annotations

import array
from dataclasses import replace
from datetime import datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import dateutil.tz
import pytest
import pytz
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.fuzz.strategies import SECOND, questions

from rapscheduler._fuzz.draw import Question
from rapscheduler._fuzz.groups import CronGroup, ask, moment
from rapscheduler._fuzz.schedule import Field, Schedule, Term, one, span
from rapscheduler._fuzz.walker import Window, utc
from rapscheduler._fuzz.zones import EPOCH
from rapscheduler.triggers.cron import CronTrigger

pytestmark = pytest.mark.slow

quick = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


def pinned(zone: str, at: str, fields: dict[str, Field], dst: str = "once", days: int = 3) -> Question:
    """A question around an instant in UTC."""
    middle = utc(at)
    instants = tuple(middle * SECOND + away for away in (-1, 0, 1, 3600 * SECOND))
    return Question(
        Schedule(fields), zone, dst, middle - days * 86400, middle + days * 86400, None, None, instants, 1
    )


HALF_HOUR_FOLD = pinned("Australia/Lord_Howe", "2025-04-05T15:00", {"hour": one(1), "minute": one(45)})
MIDNIGHT_GAP = pinned("America/Havana", "2025-03-09T05:00", {"hour": one(0)}, "shift")
MISSING_DAY = pinned("Pacific/Apia", "2011-12-30T10:00", {"day": span(29, 31), "hour": one(12)}, "shift")
TWO_HOUR_FOLD = pinned(
    "Antarctica/Troll", "2025-10-26T01:00", {"hour": span(1, 3), "minute": one(15)}, "both"
)
FIRST_OF_APRIL = pinned("Europe/Berlin", "2025-03-30T01:00", {"day": one(1)}, days=40)
FAR_FUTURE = pinned(
    "America/New_York", "9998-11-01T06:00", {"hour": one(1), "minute": (Term("any", step=30),)}
)


def fires_of(question: Question) -> list[tuple[str, list[datetime]]]:
    """Who, and the fire times of its chain through the window."""
    found = []
    for who, trigger in CronGroup(question).subjects().items():
        fire = trigger.get_next_fire_time(None, moment(question.lo_s * SECOND, question.zone))
        chain = []
        while fire is not None and instant_us(fire) <= question.hi_s * SECOND:
            chain.append(fire)
            fire = trigger.get_next_fire_time(fire, fire)
        found.append((who, chain))
    return found


def instant_us(moment_: datetime) -> int:
    return (moment_.astimezone(timezone.utc) - EPOCH) // timedelta(microseconds=1)


@given(questions())
@example(HALF_HOUR_FOLD)
@example(MIDNIGHT_GAP)
@example(MISSING_DAY)
@quick
def test_a_fire_time_exists_as_local_time_with_the_right_fold(question):
    """Through UTC and back, a fire time is the same wall time with the same fold, in the same zone object."""
    for _, chain in fires_of(question):
        for fire in chain:
            back = fire.astimezone(timezone.utc).astimezone(fire.tzinfo)
            assert (back.replace(tzinfo=None), back.fold) == (fire.replace(tzinfo=None), fire.fold)
            assert fire.tzinfo is ZoneInfo(question.zone)


@given(questions())
@example(TWO_HOUR_FOLD)
@example(FIRST_OF_APRIL)
@quick
def test_a_fire_time_matches_all_fields(question):
    """Except for the first instant after a gap (``dst="shift"``), the wall time of a fire time matches every field."""
    hours, minutes, seconds = question.schedule.times()
    changes = {
        change for change, before, after in question.view.changes_between(question.lo_s, question.hi_s)
    }
    for _, chain in fires_of(question):
        for fire in chain:
            if question.dst == "shift" and instant_us(fire) // SECOND in changes:
                continue
            assert question.schedule.on_date(fire.date())
            assert fire.hour in hours and fire.minute in minutes and fire.second in seconds
            assert fire.microsecond == 0


@given(questions())
@example(TWO_HOUR_FOLD)
@example(FAR_FUTURE)
@quick
def test_chains_strictly_increase(question):
    """Each fire time, asked with the one before as previous and as now, is a later instant."""
    for _, chain in fires_of(question):
        instants = [instant_us(fire) for fire in chain]
        assert instants == sorted(set(instants))


@given(questions())
@example(HALF_HOUR_FOLD)
@example(MIDNIGHT_GAP)
@example(MISSING_DAY)
@example(TWO_HOUR_FOLD)
@example(FIRST_OF_APRIL)
@example(FAR_FUTURE)
@quick
def test_nothing_is_skipped_between(question):
    """A chain through a window is what the walker finds there."""
    right = [fire * SECOND for fire in question.fires()]
    for who, chain in fires_of(question):
        assert (who, [instant_us(fire) for fire in chain]) == (who, right)


@given(questions(bounded=True))
@quick
def test_fire_times_are_within_start_and_end(question):
    """No fire time is before the start date or after the end date, both inclusive, whatever is asked."""
    for trigger in CronGroup(question).subjects().values():
        for now in question.instants:
            for fire in (
                trigger.next_fire_us(None, now),
                trigger.next_fire_us(now, now),
                trigger.previous_fire_us(now),
            ):
                assert fire is None or (question.start_us or 0) <= fire <= (question.end_us or fire)


@given(questions(bounded=True))
@example(TWO_HOUR_FOLD)
@example(MISSING_DAY)
@quick
def test_bulk_is_the_chain(question):
    """The bulk call fills in what the chain gives, and stops at its end."""
    group = CronGroup(question)
    for trigger in group.subjects().values():
        chain = group.window.fires
        buffer = array.array("q", [-7] * (len(chain) + 2))
        count = trigger.fill_fire_times(buffer, group.window.lo_us, group.window.hi_us)
        assert list(buffer) == chain + [-7] * (len(buffer) - count)
        listed = trigger.list_fire_times(group.window.lo_us, group.window.hi_us, len(buffer))
        assert [instant_us(fire) for fire in listed] == chain


@given(questions(bounded=True))
@example(HALF_HOUR_FOLD)
@example(MIDNIGHT_GAP)
@quick
def test_previous_is_the_inverse_of_next(question):
    """Between the fire time before an instant and the one at or after it, there is none."""
    for trigger in CronGroup(question).subjects().values():
        for now in question.instants:
            before, after = trigger.previous_fire_us(now), trigger.next_fire_us(None, now)
            if before is not None:
                assert before < now
                assert trigger.next_fire_us(None, before) == before
                assert trigger.next_fire_us(before, now) == after
            if after is not None:
                assert after >= now
                assert trigger.previous_fire_us(after) == before


@given(questions(bounded=True))
@quick
def test_the_latest_fire_time_is_the_last_of_the_walk(question):
    """The latest fire time not after an instant is the one that a walk from an earlier fire time ends with."""
    group = CronGroup(question)
    for trigger in group.subjects().values():
        for first in group.window.fires[:3]:
            for now in question.instants:
                if now >= first:
                    walked = [fire for fire in group.window.fires if first <= fire <= now]
                    assert trigger.latest_fire_us(first, now) == walked[-1]


@given(questions(bounded=True))
@quick
def test_an_earlier_now_wins_over_previous(question):
    """With a previous fire time the search starts just after it, or at ``now`` when that is earlier."""
    window = CronGroup(question).window
    for trigger in CronGroup(question).subjects().values():
        for previous in question.instants:
            for now in question.instants:
                right = window.next(previous, now)
                if right != Window.UNKNOWN:
                    assert trigger.next_fire_us(previous, now) == right


ANY_INSTANT = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from((-62135596800_000000, 253402300799_999999, 2**63 - 1, -(2**63), 2**70, -(2**70), -1, 0)),
)


@given(questions(bounded=True), ANY_INSTANT, st.one_of(st.none(), ANY_INSTANT))
@quick
def test_twins_answer_alike_whatever_is_asked(question, now, previous):
    """For any number, a legal instant or not, both twins give the same answer or raise the same error."""
    public, twin = CronGroup(question).subjects().values()
    for call in (
        ("next_fire_us", (previous, now)),
        ("previous_fire_us", (now,)),
        ("fill_fire_times", (4, now)),
        ("fill_fire_times", (4, now, previous)),
        ("latest_fire_us", (now, now if previous is None else previous)),
        ("list_fire_times", (now, previous, 3)),
    ):
        assert ask(public, call, question.zone) == ask(twin, call, question.zone), call


class Wrapped(tzinfo):
    """A zone of a third party: all it has are the methods of ``tzinfo``."""

    def __init__(self, key: str) -> None:
        self._zone = ZoneInfo(key)

    def utcoffset(self, dt):
        return None if dt is None else dt.replace(tzinfo=self._zone).utcoffset()

    def dst(self, dt):
        return None if dt is None else dt.replace(tzinfo=self._zone).dst()

    def tzname(self, dt):
        return "wrapped"

    def fromutc(self, dt):
        return self._zone.fromutc(dt.replace(tzinfo=self._zone)).replace(tzinfo=self)


@given(questions(last_year=2035))
@example(pinned("Europe/Dublin", "2025-10-26T01:00", {"hour": one(1), "minute": one(30)}))
@example(pinned("Africa/Casablanca", "2024-03-10T02:00", {"hour": one(2), "minute": one(30)}, "shift"))
@settings(quick, max_examples=20)
def test_fire_times_are_the_same_instants_in_every_tzinfo(question):
    """``zoneinfo``, pytz, dateutil and a class of a third party that tell the same offsets give the same fire times."""
    options = {**question.schedule.arguments(), "dst": question.dst}
    first = CronTrigger(**options, timezone=question.zone)
    for other in (pytz.timezone(question.zone), dateutil.tz.gettz(question.zone), Wrapped(question.zone)):
        trigger = CronTrigger(**options, timezone=other)
        for now in question.instants:
            asked = EPOCH + timedelta(microseconds=now)
            if not same_offsets(other, question, asked):
                continue
            fire, right = trigger.get_next_fire_time(None, asked), first.get_next_fire_time(None, asked)
            if right is None or instant_us(right) > question.hi_s * SECOND:
                continue
            assert instant_us(fire) == instant_us(right)
            assert fire.replace(tzinfo=None) == right.replace(tzinfo=None)
            assert fire.utcoffset() == right.utcoffset()


def same_offsets(other: tzinfo, question: Question, asked: datetime) -> bool:
    """Do both tz databases agree in the window? (pytz brings its own, and rounds offsets to minutes.)"""
    zone = ZoneInfo(question.zone)
    hours = range(question.lo_s - 86400, question.hi_s + 86400, 1800)
    moments = [EPOCH + timedelta(seconds=utc_s) for utc_s in hours]
    return all(each.astimezone(other).utcoffset() == each.astimezone(zone).utcoffset() for each in moments)


IMPOSSIBLE = [
    {"month": 2, "day": 30},
    {"day": 31, "month": "4,6,9,11"},
    {"day": "5th mon", "month": 2, "year": "2021-2027"},
    {"day": 29, "month": 2, "year": "2100,2200,2300"},
    {"week": 53, "year": "2021-2025"},
    {"week": 30, "month": 1},
    {"day": "1st mon", "day_of_week": "tue"},
    {"year": 1999},
]


@pytest.mark.parametrize("fields", IMPOSSIBLE, ids=str)
@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Africa/Casablanca"])
def test_what_can_never_fire_gives_none(fields, zone):
    """An impossible schedule gives ``None``, in both directions of time where it never was possible."""
    trigger = CronTrigger(**fields, timezone=zone)
    now = datetime(2026, 1, 1, tzinfo=timezone.utc)
    assert trigger.get_next_fire_time(None, now) is None
    if "year" not in fields or fields["year"] != 1999:
        assert trigger.previous_fire_us(1_700_000_000 * SECOND) is None or "year" in fields


def test_pinned_questions_cross_their_transition():
    """The pinned examples show what they were pinned for: another ``dst`` rule gives another number of fire times."""

    def count(question: Question, dst: str) -> int:
        return len(replace(question, dst=dst).fires())

    assert count(HALF_HOUR_FOLD, "both") == count(HALF_HOUR_FOLD, "once") + 1
    assert count(MIDNIGHT_GAP, "shift") == count(MIDNIGHT_GAP, "once") + 1
    assert count(MISSING_DAY, "shift") == count(MISSING_DAY, "once") + 1
    assert count(TWO_HOUR_FOLD, "both") == count(TWO_HOUR_FOLD, "once") + 2
    assert count(FAR_FUTURE, "both") == count(FAR_FUTURE, "once"), (
        "a schedule with rhythm fires in both passes"
    )
    assert len(FIRST_OF_APRIL.fires()) == 3
