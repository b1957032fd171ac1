"""Both twins of every room give the same answer to the same question: the same value, or the same exception text.

An *answer* is `value | (exception class, text)`: equal errors are part of equality. Zones are real ones and drawn
ones, whose changes are wilder than those of any country; instants concentrate around changes. Twins by one hand
share mistakes: other judges are in tests/oracles and in the unit tests.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import load_engine
from tests.zones import ODD_ZONES, table

pytestmark = pytest.mark.slow

UTC = timezone.utc
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 1_000_000
CASES = settings(max_examples=100, deadline=None)
FOOTERS = (
    None,
    None,
    "EST5EDT,M3.2.0,M11.1.0",
    "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
    "XXX3YYY,J60/-2,J300/26",
)


@pytest.fixture(scope="module")
def twins() -> tuple[SimpleNamespace, SimpleNamespace]:
    return load_engine("compiled"), load_engine("reference")


Twins = tuple[SimpleNamespace, SimpleNamespace]


def plain(value: Any) -> Any:
    """A value in terms that both twins share."""
    if isinstance(value, datetime):
        return value.isoformat(), value.fold, str(value.tzinfo)
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def answer(question: Callable[[SimpleNamespace], Any], engine: SimpleNamespace) -> Any:
    try:
        return plain(question(engine))
    except Exception as error:
        return type(error).__name__, str(error)


def same(twins: Twins, question: Callable[[SimpleNamespace], Any]) -> None:
    compiled, reference = (answer(question, engine) for engine in twins)
    assert compiled == reference


# --- what is asked about -----------------------------------------------------------------------------------------


@st.composite
def drawn_zones(draw: st.DrawFn) -> tuple[list[int], list[int], str | None]:
    """Changes by up to 24 hours, four days to some years apart.

    Nearer ones (closer than the change is large) make "the other pass of this wall time" ambiguous; no zone of the
    tz database has any: its nearest are four days apart.
    """
    steps = draw(st.lists(st.one_of(st.integers(345_600, 10**6), st.integers(345_600, 10**8)), max_size=5))
    at_s = draw(st.integers(0, 2 * 10**9))
    utc_s = [at_s + sum(steps[: index + 1]) for index in range(len(steps))]
    near = st.sampled_from((-86399, -43200, -3600, 0, 1800, 3600, 7200, 45900, 86399))
    offsets = st.one_of(near, st.integers(-86399, 86399))
    offset_s = draw(st.lists(offsets, min_size=len(steps) + 1, max_size=len(steps) + 1))
    return utc_s, offset_s, draw(st.sampled_from(FOOTERS))


class DrawnZone:
    """A zone that both twins can be asked for; `changes` are instants worth asking about."""

    def __init__(self, key: str | None, parts: tuple[list[int], list[int], str | None] | None) -> None:
        self.key, self.parts = key, parts
        self.tables: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"DrawnZone({self.key!r}, {self.parts!r})"

    def of(self, engine: SimpleNamespace) -> Any:
        if self.key is not None:
            return table(engine, self.key)
        if engine.NAME not in self.tables and self.parts is not None:
            utc_s, offset_s, footer = self.parts
            make = engine.timezone.ZoneTable.from_transitions
            self.tables[engine.NAME] = make(utc_s, offset_s, UTC, footer)
        return self.tables[engine.NAME]


ZONES = st.one_of(
    st.sampled_from(ODD_ZONES).map(lambda key: DrawnZone(key, None)),
    drawn_zones().map(lambda parts: DrawnZone(None, parts)),
)


@st.composite
def places(draw: st.DrawFn) -> tuple[DrawnZone, int]:
    """A zone and an instant (s) in it, mostly near a change."""
    zone = draw(ZONES)
    wide = draw(st.one_of(st.integers(-(10**9), 4 * 10**9), st.integers(-62135596800, 253402300799)))
    reference = load_engine("reference")
    changes = [change[0] for change in zone.of(reference).transitions(wide - 10**8, wide + 10**8)]
    if zone.parts is not None:
        changes += zone.parts[0]
    if not changes or draw(st.integers(0, 9)) == 0:
        return zone, wide
    middle = draw(st.sampled_from(changes))
    return zone, middle + draw(st.one_of(st.integers(-2, 2), st.integers(-100_000, 100_000)))


FRACTIONS = st.sampled_from((0, 0, 1, 500_000, 999_999))
YEARS, MONTHS, DAYS = st.integers(1, 9999), st.integers(1, 12), st.integers(1, 31)


# --- calendar ------------------------------------------------------------------------------------------------------


@CASES
@given(
    st.integers(-3, 10002), st.integers(-1, 14), st.integers(-1, 33), st.integers(-1, 8), st.integers(-1, 7)
)
def test_calendar_by_date(twins: Twins, year: int, month: int, day: int, nth: int, weekday: int) -> None:
    same(twins, lambda e: e.calendar.days_from_civil(year, month, day))
    same(twins, lambda e: e.calendar.is_leap(year))
    same(twins, lambda e: e.calendar.days_in_month(year, month))
    same(twins, lambda e: e.calendar.nth_weekday(year, month, nth, weekday))
    same(twins, lambda e: e.calendar.last_weekday(year, month, weekday))
    same(twins, lambda e: e.calendar.nearest_workday(year, month, day))


@CASES
@given(st.integers(-719_200, 2_932_950))
def test_calendar_by_day(twins: Twins, days: int) -> None:
    same(twins, lambda e: e.calendar.civil_from_days(days))
    same(twins, lambda e: e.calendar.weekday(days))
    same(twins, lambda e: e.calendar.iso_week(days))


# --- timezone and datetimes ------------------------------------------------------------------------------------------


@CASES
@given(places())
def test_zone_tables(twins: Twins, place: tuple[DrawnZone, int]) -> None:
    zone, utc_s = place
    same(twins, lambda e: zone.of(e).range_at(utc_s))
    same(twins, lambda e: zone.of(e).offset_at(utc_s))
    for wall_s in (utc_s, utc_s + zone.of(twins[1]).offset_at(utc_s)):
        same(twins, lambda e, wall_s=wall_s: zone.of(e).local(wall_s))
    same(twins, lambda e: zone.of(e).transitions(utc_s - 10**7, utc_s + 10**7))


@CASES
@given(
    st.lists(st.integers(-10, 10), max_size=4),
    st.lists(st.integers(-86402, 86402), max_size=4),
    st.text(max_size=9),
)
def test_zones_that_make_no_sense(twins: Twins, utc_s: list[int], offset_s: list[int], footer: str) -> None:
    same(twins, lambda e: e.timezone.ZoneTable.from_transitions(utc_s, offset_s, UTC).offset_at(0))
    same(twins, lambda e: e.timezone.ZoneTable.from_transitions([], [0], UTC, footer).offset_at(0))
    same(
        twins,
        lambda e: e.timezone.ZoneTable.from_tzif(b"TZif" + footer.encode("utf-8", "ignore"), UTC).offset_at(
            0
        ),
    )


@CASES
@given(places(), FRACTIONS, st.integers(0, 1))
def test_datetimes(twins: Twins, place: tuple[DrawnZone, int], fraction: int, fold: int) -> None:
    zone, utc_s = place
    instant_us = utc_s * SECOND + fraction
    same(twins, lambda e: e.datetimes.from_us(instant_us, zone.of(e)))
    same(twins, lambda e: e.datetimes.from_us_many([instant_us, 0], zone.of(e)))
    try:
        naive = datetime(1970, 1, 1, fold=fold) + timedelta(seconds=utc_s)
        naive = naive.replace(fold=fold)
    except OverflowError:
        return
    same(twins, lambda e: e.datetimes.to_us(naive, zone.of(e)))
    same(twins, lambda e: e.datetimes.to_us(naive.replace(tzinfo=ZoneInfo("Asia/Tokyo")), zone.of(e)))
    if zone.key is not None:
        same(twins, lambda e: e.datetimes.to_us(naive.replace(tzinfo=ZoneInfo(zone.key)), zone.of(e)))


# --- triggers --------------------------------------------------------------------------------------------------------


def ask(engine: SimpleNamespace, trigger: Any, at_us: int, previous_us: int | None) -> list[Any]:
    """Everything a loop or a person may want to know of a trigger at an instant."""
    buffer = array("q", bytes(8 * 12))
    count = trigger.fill_fire_times(buffer, at_us, None)
    fires = buffer[:count].tolist()
    answers = [
        trigger.next_fire_us(previous_us, at_us),
        trigger.previous_fire_us(at_us),
        fires,
        trigger.list_fire_times(at_us, at_us + 30 * 86400 * SECOND, 4),
        trigger.latest_fire_us(fires[0], fires[0] + 100 * 86400 * SECOND) if fires else None,
        (trigger.start_us, trigger.end_us, trigger.jitter_us),
    ]
    if -62135596800 * SECOND <= at_us <= 253402300799 * SECOND:
        answers.append(trigger.get_next_fire_time(None, EPOCH + timedelta(microseconds=at_us)))
    return answers


@st.composite
def bounds(draw: st.DrawFn, utc_s: int) -> tuple[int | None, int | None]:
    """A start and an end (µs) near an instant, or none."""
    near = st.one_of(st.none(), st.integers(-400_000, 400_000).map(lambda step: (utc_s + step) * SECOND))
    end = st.one_of(
        st.none(), st.integers(-400_000, 40_000_000).map(lambda step: (utc_s + step) * SECOND + 1)
    )
    return draw(near), draw(end)


def masks(low: int, high: int, *, empty: bool = False) -> st.SearchStrategy[int]:
    every = sum(1 << number for number in range(low, high + 1))
    few = st.sets(st.integers(low, high), min_size=0 if empty else 1, max_size=5)
    return st.one_of(st.just(0 if empty else every), few.map(lambda numbers: sum(1 << n for n in numbers)))


def _ranges() -> st.SearchStrategy[list[tuple[int, int, int]] | None]:
    one = st.tuples(st.integers(1965, 2045), st.integers(0, 8000), st.integers(1, 9))
    spans = st.lists(one.map(lambda span: (span[0], min(9999, span[0] + span[1]), span[2])), max_size=2)
    return st.one_of(st.none(), st.none(), st.none(), spans)


CRON_MASKS = st.fixed_dictionaries(
    {
        "second": st.one_of(st.just(1), masks(0, 59)),
        "minute": st.one_of(st.just(1), masks(0, 59)),
        "hour": masks(0, 23),
        "day": masks(1, 31),
        "month": masks(1, 12),
        "week": st.one_of(st.just((1 << 54) - 2), masks(1, 53)),
        "weekday": masks(0, 6),
        "years": _ranges(),
        "last_day_offsets": masks(0, 30, empty=True),
        "nth_weekdays": masks(0, 41, empty=True),
        "nearest_workdays": masks(0, 31, empty=True),
        "day_any": st.booleans(),
        "day_or_weekday": st.booleans(),
        "rhythm": st.booleans(),
        "dst": st.sampled_from(("once", "both", "shift")),
    }
)


@settings(max_examples=300, deadline=None)
@given(st.data(), CRON_MASKS, places(), FRACTIONS, st.sampled_from((None, 0, -1, 1, 10**7)))
def test_cron(
    twins: Twins,
    data: st.DataObject,
    fields: dict[str, Any],
    place: tuple[DrawnZone, int],
    fraction: int,
    back_us: int | None,
) -> None:
    zone, utc_s = place
    at_us = utc_s * SECOND + fraction
    start_us, end_us = data.draw(bounds(utc_s))
    previous_us = None if back_us is None else at_us + back_us

    def question(engine: SimpleNamespace) -> Any:
        spec = engine.cron.CronSpec.of(**fields)
        return ask(engine, engine.cron.CronCore(spec, zone.of(engine), start_us, end_us), at_us, previous_us)

    same(twins, question)


@CASES
@given(
    st.dictionaries(st.sampled_from(("second", "hour", "day", "week", "weekday")), st.integers(-1, 1 << 62)),
    _ranges(),
)
def test_cron_masks_that_make_no_sense(twins: Twins, fields: dict[str, int], years: Any) -> None:
    same(twins, lambda e: repr(e.cron.CronSpec.of(**fields, years=years)))
    same(twins, lambda e: repr(e.cron.CronSpec.of(years=[(0, 5, 1)], dst="x", **fields)))
    same(twins, lambda e: e.cron.CronCore(None, None))


@CASES
@given(st.data(), places(), st.integers(-1, 10**14), st.integers(-(10**6), 10**6), FRACTIONS)
def test_interval(
    twins: Twins,
    data: st.DataObject,
    place: tuple[DrawnZone, int],
    interval_us: int,
    step_s: int,
    fraction: int,
) -> None:
    zone, utc_s = place
    start_us, end_us = data.draw(bounds(utc_s))
    start_us = utc_s * SECOND if start_us is None else start_us
    at_us = (utc_s + step_s) * SECOND + fraction

    def question(engine: SimpleNamespace) -> Any:
        trigger = engine.interval.IntervalCore(interval_us, zone.of(engine), start_us, end_us)
        return (
            ask(engine, trigger, at_us, None),
            trigger.missed_slots(start_us, at_us),
            trigger.next_fire_us(at_us, at_us),
        )

    same(twins, question)


@CASES
@given(
    places(),
    st.integers(-1, 40),
    st.integers(-1, 40),
    st.integers(-1, 86400),
    st.integers(-900, 900),
    st.integers(0, 3000),
)
def test_calendar_interval(
    twins: Twins, place: tuple[DrawnZone, int], months: int, days: int, time_s: int, back: int, length: int
) -> None:
    zone, utc_s = place
    start_days = utc_s // 86400 - back

    def question(engine: SimpleNamespace) -> Any:
        end_days = start_days + length if length % 2 else None
        kind = engine.calendar_interval.CalendarIntervalCore
        trigger = kind(zone.of(engine), months, days, time_s, start_days, end_days)
        return ask(engine, trigger, utc_s * SECOND, None), trigger.next_fire_us(
            utc_s * SECOND, utc_s * SECOND
        )

    same(twins, question)


@CASES
@given(places(), st.integers(-(10**6), 10**6))
def test_date_and_the_batch_call(twins: Twins, place: tuple[DrawnZone, int], step_s: int) -> None:
    zone, utc_s = place

    def question(engine: SimpleNamespace) -> Any:
        once = engine.trigger.DateCore(utc_s * SECOND, zone.of(engine))
        bare = engine.trigger.TriggerCore(zone.of(engine), None, utc_s * SECOND)
        daily = engine.cron.CronCore(engine.cron.CronSpec.of(1, 1, 1), zone.of(engine))
        buffer = array("q", bytes(24))
        engine.trigger.next_fire_us_many([once, bare, daily], (utc_s + step_s) * SECOND, buffer)
        return buffer.tolist(), ask(engine, once, (utc_s + step_s) * SECOND, None)

    same(twins, question)


# --- due index -------------------------------------------------------------------------------------------------------

OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(("push", "update", "discard", "pop", "first", "peek", "has")),
        st.integers(0, 9),
        st.integers(0, 20),
    ),
    max_size=60,
)


@CASES
@given(OPERATIONS)
def test_due_index(twins: Twins, operations: list[tuple[str, int, int]]) -> None:
    def question(engine: SimpleNamespace) -> Any:
        class Entry(engine.due_index.DueEntry):  # type: ignore[misc, name-defined]
            def __init__(self, number: int) -> None:
                self.number = number

            def __repr__(self) -> str:
                return f"entry {self.number}"

        index, entries = engine.due_index.DueIndex(), [Entry(number) for number in range(10)]
        steps: dict[str, Callable[[Any, int], Any]] = {
            "push": index.push,
            "update": index.update,
            "discard": lambda entry, _: index.discard(entry),
            "pop": lambda entry, at_us: [repr(due) for due in index.pop_due(at_us, entry.number)],
            "first": lambda entry, _: [repr(due) for due in index.first(entry.number)],
            "peek": lambda entry, _: repr(index.peek()),
            "has": lambda entry, _: entry in index,
        }
        log = []
        for name, number, at_us in operations:
            log.append(answer(lambda _, n=name, e=entries[number], t=at_us: steps[n](e, t), engine))
            index._check()
            log.append([len(index), entries[number].run_at_us])
        return log

    if not hasattr(twins[0], "due_index"):
        pytest.skip("due_index has no compiled twin yet")
    same(twins, question)
