"""Cron kernels, both twins: the catalogue of zone changes, bounds, days of all kinds, bulk, interning.

Three judges: pinned examples (by hand), a walker that looks at every minute of real time, and the plain rule of
days by `datetime.date`. That both twins agree everywhere is the business of tests/twins.
"""

from __future__ import annotations

import calendar
import pickle
from array import array
from datetime import date, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit._engine.cron_catalogue import ALL_DAYS, ALL_HOURS, ALL_MINUTES, CATALOGUE, DAILY
from tests.zones import ODD_ZONES, table

UTC = timezone.utc
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 1_000_000


def bits(*numbers: int) -> int:
    return sum(1 << number for number in numbers)


FIELDS = ("second", "minute", "hour", "day", "month", "week", "weekday")


def us(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


def core(
    engine: SimpleNamespace, key: str, start: int | None = None, end: int | None = None, **masks: Any
) -> Any:
    """A trigger with these masks, at second 0 unless said otherwise."""
    spec = engine.cron.CronSpec.of(**{"second": 1, **masks})
    return engine.cron.CronCore(spec, table(engine, key), start, end)


def at(**fields: Any) -> dict[str, Any]:
    """Masks of fields given as a number or a list of numbers; flags and years as they are."""
    return {
        name: bits(*(value if isinstance(value, list) else [value])) if name in FIELDS else value
        for name, value in fields.items()
    }


def chain(trigger: Any, start: str, count: int) -> list[str]:
    """The first fire times from a local time on, each asked with the one before."""
    now = datetime.fromisoformat(start).replace(tzinfo=trigger.zone.tzinfo)
    fires: list[str] = []
    previous = None
    while len(fires) < count:
        fire = trigger.get_next_fire_time(previous, now)
        if fire is None:
            break
        assert previous is None or fire.astimezone(UTC) > previous.astimezone(UTC)
        assert fire.astimezone(UTC).astimezone(fire.tzinfo).replace(tzinfo=None) == fire.replace(tzinfo=None)
        fires.append(fire.isoformat())
        previous = now = fire
    backwards = [trigger.previous_fire_us(us(datetime.fromisoformat(fire))) for fire in fires[1:]]
    assert backwards == [us(datetime.fromisoformat(fire)) for fire in fires[:-1]]
    return fires


@pytest.mark.parametrize("case", CATALOGUE)
def test_catalogue_of_zone_changes(engine: SimpleNamespace, case: str) -> None:
    key, fields, start, expected = CATALOGUE[case]
    assert chain(core(engine, key, **at(**fields)), start, len(expected)) == expected


# --- a walker over real time -------------------------------------------------------------------------------------


def _matches(wall: datetime, fields: dict[str, Any]) -> bool:
    return bool(
        wall.second == 0
        and fields["minute"] >> wall.minute & 1
        and fields["hour"] >> wall.hour & 1
        and fields["day"] >> wall.day & 1
        and fields["weekday"] >> wall.weekday() & 1
    )


def walk(key: str, lo_s: int, hi_s: int, fields: dict[str, Any]) -> list[int]:
    """Every instant (seconds of utc) of a window that should fire, by the words of the rule alone."""
    zone = ZoneInfo(key)
    step_s = 30 if key == "Africa/Monrovia" else 60  # its offset was -00:44:30
    counts_once = not fields["rhythm"] and fields["dst"] != "both"
    fires = []
    before = (EPOCH + timedelta(seconds=lo_s - step_s)).astimezone(zone)
    for utc_s in range(lo_s, hi_s, step_s):
        here = (EPOCH + timedelta(seconds=utc_s)).astimezone(zone)
        fire = _matches(here, fields) and not (here.fold and counts_once)
        if fields["dst"] == "shift" and not fields["rhythm"]:
            wall = before.replace(tzinfo=None, fold=0) + timedelta(seconds=step_s)
            while wall < here.replace(tzinfo=None, fold=0):
                fire = fire or _matches(wall, fields)
                wall += timedelta(seconds=step_s)
        if fire:
            fires.append(utc_s)
        before = here
    return fires


@st.composite
def _schedules(draw: st.DrawFn) -> tuple[str, int, dict[str, Any]]:
    key = draw(st.sampled_from(ODD_ZONES))
    year = draw(st.sampled_from((1969, 1979, 1994, 2007, 2010, 2011, 2015, 2016, 2018, 2025, 2040, 2123)))
    fields = {
        "minute": draw(st.sampled_from((1, 1 << 30, bits(0, 15, 45), bits(1, 31, 59), bits(*ALL_MINUTES)))),
        "hour": draw(
            st.sampled_from((1, bits(1), bits(2), bits(3), bits(0, 2, 23), bits(1, 2), bits(*ALL_HOURS)))
        ),
        "day": draw(
            st.sampled_from((bits(*ALL_DAYS), bits(*ALL_DAYS), bits(*range(1, 32, 2)), bits(30, 31, 1, 2)))
        ),
        "weekday": draw(st.sampled_from((127, 127, bits(5), bits(6, 0)))),
        "rhythm": draw(st.booleans()),
        "dst": draw(st.sampled_from(("once", "both", "shift"))),
    }
    return key, year, fields


@settings(max_examples=60, deadline=None)
@given(_schedules(), st.integers(0, 400))
def test_every_minute_around_a_transition(
    engine: SimpleNamespace, schedule: tuple[str, int, dict[str, Any]], pick: int
) -> None:
    key, year, fields = schedule
    year_s = int(datetime(year, 1, 1, tzinfo=UTC).timestamp())
    changes = table(engine, key).transitions(year_s, year_s + 366 * 86400) or [(year_s, 0, 0)]
    middle_s = changes[pick % len(changes)][0] // 60 * 60
    lo_s, hi_s = middle_s - 86400, middle_s + 86400
    trigger = core(engine, key, **fields)
    expected = [utc_s * SECOND for utc_s in walk(key, lo_s, hi_s, fields)]
    buffer = array("q", bytes(8 * 3000))
    count = trigger.fill_fire_times(buffer, lo_s * SECOND, hi_s * SECOND - 1)
    assert buffer[:count].tolist() == expected
    following = [trigger.next_fire_us(fire, fire) for fire in expected[:-1]]
    assert following == expected[1:]
    assert [trigger.previous_fire_us(fire) for fire in expected[1:]] == expected[:-1]


# --- which days --------------------------------------------------------------------------------------------------


def _nearest_workday(day: date) -> date:
    last = calendar.monthrange(day.year, day.month)[1]
    if day.weekday() == 5:
        return day + timedelta(days=-1 if day.day > 1 else 2)
    if day.weekday() == 6:
        return day + timedelta(days=1 if day.day < last else -2)
    return day


def _day_matches(day: date, fields: dict[str, Any]) -> bool:
    last = calendar.monthrange(day.year, day.month)[1]
    nth = fields["nth_weekdays"]
    by_day = (
        fields["day_any"]
        or fields["day"] >> day.day & 1
        or fields["last_day_offsets"] >> (last - day.day) & 1
        or nth >> ((day.day - 1) // 7 * 7 + day.weekday()) & 1
        or (day.day > last - 7 and nth >> (35 + day.weekday()) & 1)
        or any(
            fields["nearest_workdays"] >> target & 1
            and _nearest_workday(day.replace(day=target or last)) == day
            for target in range(last + 1)
        )
    )
    by_weekday = fields["weekday"] >> day.weekday() & 1
    both = (by_day or by_weekday) if fields["day_or_weekday"] else (by_day and by_weekday)
    years = fields["years"]
    return bool(
        both
        and fields["month"] >> day.month & 1
        and fields["week"] >> day.isocalendar()[1] & 1
        and (years is None or any(a <= day.year <= b and (day.year - a) % s == 0 for a, b, s in years))
    )


def _masks(low: int, high: int, *, empty: bool = False) -> st.SearchStrategy[int]:
    every = bits(*range(low, high + 1))
    few = st.sets(st.integers(low, high), min_size=0 if empty else 1, max_size=4).map(lambda s: bits(*s))
    return st.one_of(st.just(0 if empty else every), few)


_DAY_FIELDS = st.fixed_dictionaries(
    {
        "day": _masks(1, 31, empty=True),
        "month": _masks(1, 12),
        "week": st.one_of(st.just((1 << 54) - 2), _masks(1, 53)),
        "weekday": _masks(0, 6),
        "years": st.one_of(
            st.none(),
            st.lists(st.tuples(st.integers(1995, 2003), st.just(2004), st.integers(1, 4)), max_size=2),
        ),
        "last_day_offsets": _masks(0, 30, empty=True),
        "nth_weekdays": _masks(0, 41, empty=True),
        "nearest_workdays": _masks(0, 31, empty=True),
        "day_any": st.booleans(),
        "day_or_weekday": st.booleans(),
    }
)


@settings(max_examples=40, deadline=None)
@given(_DAY_FIELDS)
def test_days_of_all_kinds_by_the_plain_rule(engine: SimpleNamespace, fields: dict[str, Any]) -> None:
    first, days = date(1999, 12, 1), 800
    expected = [
        first + timedelta(days=n) for n in range(days) if _day_matches(first + timedelta(days=n), fields)
    ]
    trigger = core(engine, "UTC", hour=1, minute=1, **fields)
    start = us(datetime(1999, 12, 1, tzinfo=UTC))
    end = start + days * 86400 * SECOND - 1
    fires = trigger.list_fire_times(start, end, 1000)
    assert [fire.date() for fire in fires] == expected
    assert [trigger.previous_fire_us(us(fire)) for fire in fires[1:]] == [us(fire) for fire in fires[:-1]]


def test_iso_weeks_at_the_edge_of_the_year(engine: SimpleNamespace) -> None:
    last_week = core(engine, "UTC", **at(**DAILY, week=53))
    assert chain(last_week, "2015-12-31", 5) == [
        "2015-12-31T00:00:00+00:00",
        "2016-01-01T00:00:00+00:00",
        "2016-01-02T00:00:00+00:00",
        "2016-01-03T00:00:00+00:00",
        "2020-12-28T00:00:00+00:00",
    ]
    first_week = core(engine, "UTC", **at(**DAILY, week=1, month=12))
    assert chain(first_week, "2024-01-01", 3)[:2] == [
        "2024-12-30T00:00:00+00:00",
        "2024-12-31T00:00:00+00:00",
    ]


IMPOSSIBLE = {
    "31 February": at(day=31, month=2),
    "a year of the past": {"years": [(2010, 2010, 1)]},
    "no year at all": {"years": []},
    "week 53 in June": at(week=53, month=6),
    "29 February of odd years": at(day=29, month=2, years=[(2011, 9999, 2)]),
    "a fifth Monday in February": {"day": 0, "nth_weekdays": 1 << 28, "month": 4, "years": [(2025, 2027, 1)]},
    "the first Monday, if a Tuesday": {"day": 0, "nth_weekdays": 1, "weekday": 2},
    "no hour": {"hour": 0},
    "no second": {"second": 0},
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_impossible_schedules_answer_none(engine: SimpleNamespace, case: str) -> None:
    trigger = core(engine, "America/New_York", **IMPOSSIBLE[case])
    now = us(datetime(2025, 6, 1, tzinfo=UTC))
    for _ in range(3):
        assert trigger.next_fire_us(None, now) is None
        assert trigger.fill_fire_times(array("q", bytes(80)), now) == 0
    if "2010" not in str(IMPOSSIBLE[case]):
        assert trigger.previous_fire_us(now) is None


def test_a_year_that_is_over_was_there_once(engine: SimpleNamespace) -> None:
    trigger = core(engine, "UTC", **at(**DAILY), years=[(2010, 2010, 1)])
    now = us(datetime(2025, 6, 1, tzinfo=UTC))
    assert trigger.next_fire_us(None, now) is None
    assert trigger.previous_fire_us(now) == us(datetime(2010, 12, 31, tzinfo=UTC))
    assert trigger.next_fire_us(None, us(datetime(1990, 1, 1, tzinfo=UTC))) == us(
        datetime(2010, 1, 1, tzinfo=UTC)
    )


def test_a_leap_day_across_the_century_without_one(engine: SimpleNamespace) -> None:
    trigger = core(engine, "Europe/Berlin", **at(**DAILY, day=29, month=2))
    assert chain(trigger, "2095-01-01", 3) == [
        "2096-02-29T00:00:00+01:00",
        "2104-02-29T00:00:00+01:00",
        "2108-02-29T00:00:00+01:00",
    ]


@pytest.mark.parametrize("weekday", range(7))
def test_leap_days_on_one_weekday_up_to_forty_years_apart(engine: SimpleNamespace, weekday: int) -> None:
    years = [
        year for year in range(2061, 2420) if calendar.isleap(year) and date(year, 2, 29).weekday() == weekday
    ]
    trigger = core(engine, "UTC", **at(**DAILY, day=29, month=2, weekday=weekday))
    start, end = us(datetime(2061, 1, 1, tzinfo=UTC)), us(datetime(2420, 1, 1, tzinfo=UTC))
    assert [fire.year for fire in trigger.list_fire_times(start, end - 1, 100)] == years
    assert trigger.previous_fire_us(end) == us(datetime(years[-1], 2, 29, tzinfo=UTC))


# --- bounds ------------------------------------------------------------------------------------------------------


NOON = at(minute=0, hour=12)


def test_start_and_end_are_inclusive(engine: SimpleNamespace) -> None:
    noon = us(datetime(2025, 6, 1, 12, tzinfo=UTC))
    day = 86400 * SECOND
    trigger = core(engine, "UTC", noon, noon + day, **NOON)
    assert trigger.next_fire_us(None, noon - 9 * day) == noon
    assert trigger.next_fire_us(noon - 1, noon) == noon
    assert trigger.next_fire_us(noon, noon) == noon + day
    assert trigger.next_fire_us(noon + day, noon + day) is None
    assert trigger.previous_fire_us(noon + 30 * day) == noon + day
    assert trigger.previous_fire_us(noon + 1) == noon
    assert trigger.previous_fire_us(noon) is None
    assert trigger.latest_fire_us(noon, noon + day - 1) == noon
    assert trigger.latest_fire_us(noon, noon + day) == noon + day
    assert trigger.latest_fire_us(noon + 1, noon + day - 1) is None
    assert core(engine, "UTC", noon + 1, **NOON).next_fire_us(None, 0) == noon + day
    assert core(engine, "UTC", None, noon - 1, **NOON).previous_fire_us(noon) == noon - day


def test_bounds_are_instants_in_a_fold(engine: SimpleNamespace) -> None:
    """Between the passes of 26 October: never before the start, nor after the end, whatever the clock shows."""
    first = us(datetime(2025, 10, 26, 0, 30, tzinfo=UTC))  # 02:30+02:00
    hour = 3600 * SECOND
    rhythm = at(minute=30, hour=ALL_HOURS, rhythm=True)
    started = core(engine, "Europe/Berlin", first + 1, **rhythm)
    assert started.next_fire_us(None, 0) == first + hour
    ended = core(engine, "Europe/Berlin", None, first + hour - 1, **rhythm)
    assert ended.next_fire_us(first, first) is None
    once = core(engine, "Europe/Berlin", first + 1, **at(minute=30, hour=2))
    assert once.next_fire_us(None, 0) == first + 25 * hour


def test_previous_and_now(engine: SimpleNamespace) -> None:
    trigger = core(engine, "UTC")
    minute = 60 * SECOND
    base = us(datetime(2025, 6, 1, 12, tzinfo=UTC))
    assert trigger.next_fire_us(None, base) == base
    assert trigger.next_fire_us(None, base + 1) == base + minute
    assert trigger.next_fire_us(base, base) == base + minute
    assert trigger.next_fire_us(base, base + 10 * minute) == base + minute, "missed ones are not left out"
    assert trigger.next_fire_us(base + 10 * minute, base) == base, "now is earlier: the clock was set back"


@pytest.mark.parametrize("key", ["UTC", "America/New_York", "Pacific/Auckland"])
def test_the_ends_of_time(engine: SimpleNamespace, key: str) -> None:
    trigger = core(engine, key)
    zone = ZoneInfo(key)
    last, first = engine.trigger.MAX_US, engine.trigger.MIN_US
    assert trigger.next_fire_us(None, last) is None
    assert trigger.next_fire_us(last, last) is None
    assert trigger.previous_fire_us(first) is None
    assert trigger.get_next_fire_time(None, datetime.max.replace(tzinfo=zone)) is None
    assert trigger.get_next_fire_time(None, datetime.max.replace(tzinfo=UTC)) is None
    yearly = core(engine, key, **at(**DAILY, day=1, month=1))
    assert chain(yearly, "9997-06-01", 9)[-1][:10] == "9999-01-01"


# --- datetimes at the door -----------------------------------------------------------------------------------------


class Stamp(datetime):
    """A datetime subclass, as pandas and freezegun have."""


def test_any_aware_datetime_is_taken(engine: SimpleNamespace) -> None:
    trigger = core(engine, "Europe/Berlin", **at(minute=0, hour=2))
    expected = "2025-06-02T02:00:00+02:00"
    for now in (
        datetime(2025, 6, 1, 12, tzinfo=UTC),
        datetime(2025, 6, 1, 12, tzinfo=ZoneInfo("Asia/Tokyo")),
        datetime(2025, 6, 1, 12, tzinfo=timezone(timedelta(hours=-3, minutes=-30))),
        Stamp(2025, 6, 1, 12, tzinfo=ZoneInfo("Europe/Berlin")),
        datetime(2025, 6, 1, 12, 0, 0, 1, tzinfo=ZoneInfo("Europe/Berlin")),
    ):
        fire = trigger.get_next_fire_time(None, now)
        assert fire.isoformat() == expected
        assert fire.tzinfo is trigger.zone.tzinfo
        assert trigger.get_next_fire_time(fire, now) == trigger.get_next_fire_time(None, now)


def test_a_naive_datetime_is_local_time_of_the_system(engine: SimpleNamespace) -> None:
    trigger = core(engine, "Europe/Berlin", **at(minute=0, hour=2))
    now = datetime(2025, 6, 1, 12)
    assert trigger.get_next_fire_time(None, now) == trigger.get_next_fire_time(None, now.astimezone())


@pytest.mark.parametrize("wrong", ["2025-06-01", 5, date(2025, 6, 1), None])
def test_what_is_not_a_datetime_is_refused(engine: SimpleNamespace, wrong: Any) -> None:
    trigger = core(engine, "UTC", **at(minute=0, hour=2))
    with pytest.raises(TypeError, match=f"now must be a datetime, not {type(wrong).__name__}"):
        trigger.get_next_fire_time(None, wrong)
    if wrong is not None:
        with pytest.raises(TypeError, match="previous_fire_time must be a datetime"):
            trigger.get_next_fire_time(wrong, datetime.now(UTC))


# --- specs -------------------------------------------------------------------------------------------------------


def test_equal_specs_are_one_object(engine: SimpleNamespace) -> None:
    of = engine.cron.CronSpec.of
    spec = of(second=1, hour=bits(2), years=[(2025, 2030, 1)], dst="shift")
    assert spec is of(second=1, hour=bits(2), years=((2025, 2030, 1),), dst="shift")
    assert spec is not of(second=1, hour=bits(2), years=((2025, 2030, 1),), dst="once")
    assert (spec.second, spec.hour, spec.years, spec.dst) == (1, 4, ((2025, 2030, 1),), "shift")
    assert pickle.loads(pickle.dumps(spec)) is spec


def test_the_table_of_specs_is_bounded(engine: SimpleNamespace) -> None:
    of = engine.cron.CronSpec.of
    first = of(second=1, nth_weekdays=1)
    for number in range(2, 5000):
        of(second=1, nth_weekdays=number)
    again = of(second=1, nth_weekdays=1)
    assert again == first
    assert hash(again) == hash(first)
    assert again is not first


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"second": 1 << 60}, "second mask 0x1000000000000000 has bits outside of 0xfffffffffffffff"),
        ({"hour": 1 << 24}, "hour mask 0x1000000 has bits outside"),
        ({"day": 1}, "day mask 0x1 has bits outside"),
        ({"minute": -1}, "minute mask -0x1 has bits outside"),
        ({"month": 1 << 13}, "month mask"),
        ({"week": 1 << 54}, "week mask"),
        ({"weekday": 128}, "weekday mask"),
        ({"years": [(2030, 2025, 1)]}, "years must be ranges"),
        ({"years": [(2030, 2035, 0)]}, "years must be ranges"),
        ({"years": [(0, 2035, 1)]}, "years must be ranges"),
        ({"years": [(2000, 10000, 1)]}, "years must be ranges"),
        ({"dst": "twice"}, 'dst must be "once", "both" or "shift", not \'twice\''),
    ],
)
def test_meaningless_masks_are_refused(engine: SimpleNamespace, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        engine.cron.CronSpec.of(**fields)


def test_a_spec_is_not_made_by_hand(engine: SimpleNamespace) -> None:
    with pytest.raises(TypeError, match=r"CronSpec\.of"):
        engine.cron.CronSpec()
    with pytest.raises(TypeError, match="spec must be a CronSpec, not str"):
        engine.cron.CronCore("* * * * *", table(engine, "UTC"))
