"""The door for datetimes: there and back, folds and gaps, foreign tzinfo, subclasses, the ends of the calendar."""

from __future__ import annotations

import zoneinfo
from datetime import datetime, timedelta, timezone, tzinfo
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

UTC = timezone.utc
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NEW_YORK = zoneinfo.ZoneInfo("America/New_York")
# New York's gap and fold of 2025, in the middle
START_US, END_US = 1_741_503_600_000_000, 1_762_063_200_000_000


def new_york(engine: SimpleNamespace) -> Any:
    """New York's rule written by hand, as of 2007."""
    return engine.timezone.ZoneTable.from_transitions(
        [1172000000], [-18000] * 2, NEW_YORK, "EST5EDT,M3.2.0,M11.1.0"
    )


def us(dt: datetime) -> int:
    return (dt - EPOCH) // timedelta(microseconds=1)


@given(st.datetimes(datetime(2008, 1, 1), datetime(9999, 12, 30), timezones=st.just(UTC)))
def test_there_and_back(engine: SimpleNamespace, instant: datetime) -> None:
    zone = new_york(engine)
    local = engine.datetimes.from_us(us(instant), zone)
    assert local.tzinfo is NEW_YORK
    expected = instant.astimezone(NEW_YORK)
    assert (local.replace(tzinfo=None), local.fold) == (expected.replace(tzinfo=None), expected.fold)
    assert engine.datetimes.to_us(local, zone) == us(instant)
    assert engine.datetimes.to_us(instant, zone) == us(instant)


@pytest.mark.parametrize("around_us", [START_US, END_US])
@given(shift_us=st.integers(-7_200_000_000, 7_200_000_000))
def test_there_and_back_around_a_change(engine: SimpleNamespace, around_us: int, shift_us: int) -> None:
    zone = new_york(engine)
    instant = EPOCH + timedelta(microseconds=around_us + shift_us)
    local, expected = engine.datetimes.from_us(around_us + shift_us, zone), instant.astimezone(NEW_YORK)
    assert (local.replace(tzinfo=None), local.fold) == (expected.replace(tzinfo=None), expected.fold)
    assert engine.datetimes.to_us(local, zone) == around_us + shift_us


@pytest.mark.parametrize("tz", [None, NEW_YORK])
@pytest.mark.parametrize(
    ("wall", "first", "second"),
    [
        (datetime(2025, 3, 9, 2, 30), "07:30", "06:30"),  # does not exist
        (datetime(2025, 11, 2, 1, 30), "05:30", "06:30"),  # comes twice
        (datetime(2025, 7, 1, 12), "16:00", "16:00"),
    ],
)
def test_gap_and_fold_as_pep_495(
    engine: SimpleNamespace, tz: tzinfo | None, wall: datetime, first: str, second: str
) -> None:
    zone = new_york(engine)
    for fold, expected in enumerate((first, second)):
        found_us = engine.datetimes.to_us(wall.replace(tzinfo=tz, fold=fold), zone)
        assert (EPOCH + timedelta(microseconds=found_us)).strftime("%H:%M") == expected


class OwnDatetime(datetime):
    """As freezegun's, pandas' and pendulum's."""


class Odd(tzinfo):
    """Off by parts of a second, which is allowed for a datetime that comes in."""

    def utcoffset(self, dt: datetime | None) -> timedelta:
        return timedelta(hours=1, microseconds=7)


class NoOffset(tzinfo):
    def utcoffset(self, dt: datetime | None) -> None:
        return None


def test_any_aware_datetime_is_welcome(engine: SimpleNamespace) -> None:
    zone = new_york(engine)
    plain = datetime(2025, 7, 1, 12, 30, 15, 999_999, tzinfo=UTC)
    for tz in (timezone(timedelta(hours=-5.5)), zoneinfo.ZoneInfo("Asia/Kathmandu"), NEW_YORK):
        assert engine.datetimes.to_us(plain.astimezone(tz), zone) == us(plain)
    own = OwnDatetime(2025, 7, 1, 12, 30, 15, 999_999, tzinfo=UTC)
    assert engine.datetimes.to_us(own, zone) == us(plain)
    assert engine.datetimes.to_us(own.astimezone(NEW_YORK), zone) == us(plain)
    assert engine.datetimes.to_us(plain.replace(tzinfo=Odd()), zone) == us(plain) - 3_600_000_007
    assert engine.datetimes.to_us(plain.replace(tzinfo=NoOffset()), zone) == us(plain) + 4 * 3_600_000_000


def test_before_the_epoch(engine: SimpleNamespace) -> None:
    utc = engine.timezone.ZoneTable.fixed(0, UTC)
    assert engine.datetimes.from_us(-1, utc) == datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    assert engine.datetimes.to_us(datetime(1, 1, 1, tzinfo=UTC), utc) == -62135596800_000000


def test_the_ends_of_the_calendar(engine: SimpleNamespace) -> None:
    utc, east = (engine.timezone.ZoneTable.fixed(offset_s, UTC) for offset_s in (0, 3600))
    last_us = 253402300799_999999
    assert engine.datetimes.from_us(last_us, utc) == datetime.max.replace(tzinfo=UTC)
    assert engine.datetimes.from_us(-62135596800_000000, utc) == datetime.min.replace(tzinfo=UTC)
    for value, zone in (
        (last_us + 1, utc),
        (-62135596800_000001, utc),
        (last_us, east),
        (10**30, utc),
        (-(10**30), utc),
    ):
        with pytest.raises(OverflowError, match=f"the instant {value} µs is outside of the years 1 to 9999"):
            engine.datetimes.from_us(value, zone)


def test_many(engine: SimpleNamespace) -> None:
    zone = new_york(engine)
    instants = [START_US - 1, START_US, END_US]
    assert engine.datetimes.from_us_many(instants, zone) == [
        engine.datetimes.from_us(one, zone) for one in instants
    ]
    assert engine.datetimes.from_us_many((), zone) == []


def test_wrong_types(engine: SimpleNamespace) -> None:
    zone = new_york(engine)
    with pytest.raises(TypeError, match="expected a datetime, not str: 'now'"):
        engine.datetimes.to_us("now", zone)
    with pytest.raises(TypeError, match="'float' object cannot be interpreted as an integer"):
        engine.datetimes.from_us(1.5, zone)
    with pytest.raises(TypeError, match="'str' object cannot be interpreted as an integer"):
        engine.datetimes.from_us_many(["1"], zone)


class Shouting(tzinfo):
    """Not plain: ``fromutc`` answers with another tzinfo, as pytz does."""

    def utcoffset(self, dt: datetime | None) -> timedelta:
        return timedelta(hours=2)

    def fromutc(self, dt: datetime) -> datetime:
        return (dt + timedelta(hours=2)).replace(tzinfo=timezone(timedelta(hours=2), "LOUD"))


def test_a_zone_that_is_not_plain_goes_through_fromutc(engine: SimpleNamespace) -> None:
    tz = Shouting()
    zone = engine.timezone.ZoneTable.from_transitions([], [7200], tz, plain=False)
    local = engine.datetimes.from_us(0, zone)
    assert (local.hour, local.tzname()) == (2, "LOUD")
    assert engine.datetimes.to_us(local, zone) == 0


def test_now_is_what_datetime_says(engine: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    before = datetime.now(UTC)
    now_us = engine.datetimes.now_us()
    assert us(before) <= now_us <= us(datetime.now(UTC))

    class Frozen(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return datetime(2026, 3, 29, 1, 30, 0, 123_457, tz)

    monkeypatch.setattr("datetime.datetime", Frozen)
    assert engine.datetimes.now_us() == 1_774_747_800_123_457
