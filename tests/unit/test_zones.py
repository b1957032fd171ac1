"""A table for any tzinfo: the sources, the interning, the probing of foreign classes, and tzinfo that fail."""

from __future__ import annotations

import gc
import io
import zoneinfo
from collections.abc import Callable
from datetime import datetime, timedelta, timezone, tzinfo

import dateutil.tz
import pytest
import pytz
from tests.unit._engine.test_timezone import tzif

from rapscheduler._engine.datetimes import from_us, to_us
from rapscheduler._zones import as_zone, zone_table

UTC = timezone.utc
EPOCH = datetime(1970, 1, 1)
YEARS = (1970, 1999, 2011, 2025, 2037, 2038, 2060, 2100, 2499, 2500, 2900, 9998)


class SubZone(zoneinfo.ZoneInfo):
    """As pendulum's: same data, methods of its own."""

    def utcoffset(self, dt: datetime | None) -> timedelta | None:
        return super().utcoffset(dt)


class MidYear(tzinfo):
    """A class by hand, as in Python's documentation; summer time from April to September."""

    def utcoffset(self, dt: datetime | None) -> timedelta:
        return timedelta(hours=1) + self.dst(dt)

    def dst(self, dt: datetime | None) -> timedelta:
        return timedelta(hours=1 if dt is not None and 4 <= dt.month < 10 else 0)

    def tzname(self, dt: datetime | None) -> str:
        return "MY"


FOREIGN: dict[str, Callable[[], tzinfo]] = {
    "pytz": lambda: pytz.timezone("Europe/Berlin"),
    "pytz localized": lambda: pytz.timezone("Europe/Berlin").localize(datetime(2026, 7, 1)).tzinfo,
    "pytz utc": lambda: pytz.utc,
    "pytz fixed": lambda: pytz.FixedOffset(90),
    "dateutil file": lambda: dateutil.tz.gettz("Australia/Lord_Howe"),
    "dateutil rule": lambda: dateutil.tz.tzstr("EST5EDT,M3.2.0,M11.1.0"),
    "dateutil fixed": lambda: dateutil.tz.tzoffset("X", 3661),
    "dateutil utc": dateutil.tz.tzutc,
    "zoneinfo without key": lambda: zoneinfo.ZoneInfo.from_file(io.BytesIO(tzif("Africa/Casablanca"))),
    "zoneinfo with a wrong key": lambda: zoneinfo.ZoneInfo.from_file(
        io.BytesIO(tzif("Asia/Gaza")), key="UTC"
    ),
    "zoneinfo with a path": lambda: zoneinfo.ZoneInfo.from_file(
        io.BytesIO(tzif("Asia/Gaza")), key="../../etc/passwd"
    ),
    "zoneinfo subclass": lambda: SubZone("America/St_Johns"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_tzinfo_says_the_same_through_its_table(name: str) -> None:
    tz = FOREIGN[name]()
    table = zone_table(tz)
    for year in YEARS:
        start_s, end_s = ((datetime(y, 1, 1) - EPOCH).days * 86400 for y in (year, year + 1))
        instants = [start_s + month * 2_600_000 for month in range(12)]
        for at_s, _, _ in table.transitions(start_s, end_s):
            instants += (at_s - 1, at_s, at_s + 1)
        for utc_s in instants:
            expected = tz.fromutc((EPOCH + timedelta(seconds=utc_s)).replace(tzinfo=tz))
            local = from_us(utc_s * 1_000_000, table)
            assert local.replace(tzinfo=None) == expected.replace(tzinfo=None), (name, utc_s)
            assert (local.utcoffset(), local.fold) == (expected.utcoffset(), expected.fold), (name, utc_s)
            assert local.tzname() == expected.tzname()
            assert to_us(local, table) == utc_s * 1_000_000


def test_pytz_results_carry_the_variant_of_their_season() -> None:
    table = zone_table(pytz.timezone("Europe/Berlin"))
    winter, summer = (from_us(to_us(datetime(2026, month, 1, tzinfo=UTC), table), table) for month in (1, 7))
    assert (winter.strftime("%H %Z"), summer.strftime("%H %Z")) == ("01 CET", "02 CEST")


def test_a_class_by_hand_is_probed_to_the_second() -> None:
    table = zone_table(MidYear())
    for year in (1950, 2026, 2027, 9000):
        start_s, end_s = ((datetime(y, 1, 1) - EPOCH).days * 86400 for y in (year, year + 1))
        spring = (datetime(year, 4, 1) - EPOCH).days * 86400 - 3600
        changes = table.transitions(start_s, end_s)
        assert [after - before for _, before, after in changes] == [3600, -3600]
        assert abs(changes[0][0] - spring) <= 3600  # at which of the two midnights is up to its fromutc()
        assert [change[0] for change in changes] == sorted(change[0] for change in changes)


class Counting(MidYear):
    asked = 0

    def fromutc(self, dt: datetime) -> datetime:
        type(self).asked += 1
        return super().fromutc(dt)


def test_probing_asks_for_the_next_years_only_and_once() -> None:
    table = zone_table(Counting())
    assert 0 < Counting.asked < 2000
    before = Counting.asked
    now_s = int((datetime.now(UTC).replace(tzinfo=None) - EPOCH).total_seconds())
    for day in range(300):
        table.offset_at(now_s + day * 86400)
    assert Counting.asked == before


def test_one_table_per_zone() -> None:
    assert zone_table(zoneinfo.ZoneInfo("Europe/Berlin")) is zone_table(zoneinfo.ZoneInfo("Europe/Berlin"))
    two, same = timezone(timedelta(hours=2)), timezone(timedelta(hours=2))
    assert zone_table(two) is zone_table(same)
    assert zone_table(two) is not zone_table(timezone(timedelta(hours=2), "X"))
    assert zone_table(zoneinfo.ZoneInfo("Europe/Berlin")).source is None  # read, not probed
    fresh = zoneinfo.ZoneInfo.no_cache("Europe/Berlin")
    assert zone_table(fresh).tzinfo is fresh
    assert zone_table(fresh).source is None


def test_a_forgotten_tzinfo_is_never_taken_for_another() -> None:
    for hours in range(40):
        tz = dateutil.tz.tzoffset.instance("X", hours * 60)
        table = zone_table(tz)
        assert table.offset_at(0) == hours * 60
        assert table.tzinfo is tz
        del tz, table
        gc.collect(0)


@pytest.mark.parametrize(
    ("tz", "error", "message"),
    [
        (3, TypeError, "Expected tzinfo, got int instead"),
        (timezone(timedelta(microseconds=1)), ValueError, "off UTC by parts of a second"),
        (tzinfo(), ValueError, r"cannot be used: it raised NotImplementedError.*Use zoneinfo\.ZoneInfo"),
    ],
)
def test_unusable(tz: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        zone_table(tz)


class Late(MidYear):
    """Fails from 2100 on, as some do for dates they have no data of."""

    def fromutc(self, dt: datetime) -> datetime:
        if dt.year >= 2100:
            raise KeyError(dt.year)
        return super().fromutc(dt)


def test_a_tzinfo_that_fails_later_fails_then_with_advice() -> None:
    table = zone_table(Late())
    assert from_us(1_800_000_000_000_000, table).year == 2027
    with pytest.raises(ValueError, match=r"it raised KeyError: 2[0-9]{3} when asked"):
        from_us(to_us(datetime(2150, 1, 1, tzinfo=UTC), table), table)


def test_as_zone() -> None:
    assert as_zone(None) is None
    assert as_zone("UTC") is UTC
    assert as_zone("Europe/Berlin") is zoneinfo.ZoneInfo("Europe/Berlin")
    assert as_zone(pytz.timezone("Europe/Berlin")) is zoneinfo.ZoneInfo("Europe/Berlin")
    with pytest.raises(zoneinfo.ZoneInfoNotFoundError, match="No time zone found with key Europe/Berlln"):
        as_zone("Europe/Berlln")
    with pytest.raises(TypeError, match="Expected tzinfo, got int instead"):
        as_zone(3)
