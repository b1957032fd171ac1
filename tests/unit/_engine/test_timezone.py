"""Zone tables: equal to zoneinfo around every transition, endless rules, and garbage in, ValueError out."""

from __future__ import annotations

import os
import struct
import zoneinfo
from array import array
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

UTC = timezone.utc
EPOCH = datetime(1970, 1, 1)
ODD_ZONES = (
    "Africa/Casablanca",
    "Africa/Monrovia",
    "America/Caracas",
    "America/Havana",
    "America/St_Johns",
    "Antarctica/Troll",
    "Asia/Gaza",
    "Asia/Pyongyang",
    "Australia/Lord_Howe",
    "Europe/Dublin",
    "Pacific/Apia",
    "Pacific/Chatham",
    "UTC",
)
YEAR_1_S, YEAR_10000_S = -62135596800, 253402300800


def tzif(zone: str) -> bytes:
    """The bytes of a zone, from where zoneinfo has them."""
    for folder in zoneinfo.TZPATH:
        path = os.path.join(folder, *zone.split("/"))
        if os.path.isfile(path):
            with open(path, "rb") as file:
                return file.read()
    tzdata = pytest.importorskip("tzdata")
    with open(os.path.join(os.path.dirname(tzdata.__file__), "zoneinfo", *zone.split("/")), "rb") as file:
        return file.read()


def table(engine: SimpleNamespace, zone: str) -> Any:
    return engine.timezone.ZoneTable.from_tzif(tzif(zone), zoneinfo.ZoneInfo(zone))


def seconds(delta: timedelta) -> int:
    return delta // timedelta(seconds=1)


def local_by_zoneinfo(wall_s: int, tz: zoneinfo.ZoneInfo) -> tuple[str, int, int]:
    """What PEP 495 makes of a wall time."""
    wall = EPOCH + timedelta(seconds=wall_s)
    first_s, second_s = (wall_s - seconds(wall.replace(tzinfo=tz, fold=fold).utcoffset()) for fold in (0, 1))
    if first_s == second_s:
        return "unique", first_s, first_s
    return ("fold" if first_s < second_s else "gap"), first_s, second_s


@pytest.mark.parametrize("zone", ODD_ZONES)
def test_as_zoneinfo_around_every_transition(engine: SimpleNamespace, zone: str) -> None:
    tz, rule = zoneinfo.ZoneInfo(zone), table(engine, zone)
    changes = rule.transitions(YEAR_1_S + 86400, seconds(datetime(2060, 1, 1) - EPOCH))
    for year in (2437, 2438, 2439, 5000, 9998):
        changes += rule.transitions(*(seconds(datetime(y, 1, 1) - EPOCH) for y in (year, year + 1)))
    for at_s, before_s, after_s in changes:
        for instant_s in (at_s - 1, at_s, at_s + 1):
            local = datetime.fromtimestamp(0, UTC) + timedelta(seconds=instant_s)
            assert rule.offset_at(instant_s) == seconds(local.astimezone(tz).utcoffset())
            for offset_s in (before_s, after_s):
                wall_s = instant_s + offset_s
                assert rule.local(wall_s) == local_by_zoneinfo(wall_s, tz), (zone, wall_s)


@given(st.sampled_from(ODD_ZONES), st.integers(YEAR_1_S + 172800, YEAR_10000_S - 172800))
def test_as_zoneinfo_anywhere(engine: SimpleNamespace, zone: str, utc_s: int) -> None:
    tz, rule = zoneinfo.ZoneInfo(zone), table(engine, zone)
    offset_s = seconds((EPOCH.replace(tzinfo=UTC) + timedelta(seconds=utc_s)).astimezone(tz).utcoffset())
    lo_s, hi_s, found_s = rule.range_at(utc_s)
    assert found_s == offset_s
    assert lo_s <= utc_s < hi_s
    if lo_s > YEAR_1_S:
        assert rule.offset_at(lo_s - 1) != offset_s
    if hi_s < YEAR_10000_S:
        assert rule.offset_at(hi_s) != offset_s
    kind, first_s, second_s = rule.local(utc_s + offset_s)
    assert kind != "gap"
    assert utc_s in (first_s, second_s)


def test_ranges_of_a_small_table(engine: SimpleNamespace) -> None:
    rule = engine.timezone.ZoneTable.from_transitions([1000, 2000, 3000], [0, 3600, 3600, -60], UTC)
    lo_s, hi_s = engine.timezone.LO_S, engine.timezone.HI_S
    assert rule.range_at(999) == (lo_s, 1000, 0)
    assert rule.range_at(1000) == (1000, 3000, 3600)  # the change at 2000 changes nothing
    assert rule.range_at(3000) == (3000, hi_s, -60)
    assert rule.transitions(0, 10_000) == [(1000, 0, 3600), (3000, 3600, -60)]
    assert rule.transitions(1000, 3000) == [(1000, 0, 3600)]
    assert rule.local(500) == ("unique", 500, 500)
    assert rule.local(1000) == ("gap", 1000, -2600)
    assert rule.local(2939) == ("gap", 2939, -661)
    assert rule.local(4599) == ("unique", 4659, 4659)  # at 3000 the clocks went back that far
    assert rule.local(4600) == ("fold", 1000, 4660)
    assert rule.local(6599) == ("fold", 2999, 6659)


@pytest.mark.parametrize("utc_s", [-(10**17), 10**17])
def test_instants_beyond_all_calendars_have_a_range(engine: SimpleNamespace, utc_s: int) -> None:
    lo_s, hi_s, _ = engine.timezone.ZoneTable.fixed(3600, UTC).range_at(utc_s)
    assert lo_s <= utc_s < hi_s


@pytest.mark.parametrize(
    ("footer", "summer_s", "winter_s"),
    [
        ("CET-1CEST,M3.5.0,M10.5.0/3", 7200, 3600),
        ("IST-1GMT0,M10.5.0,M3.5.0/1", 3600, 0),  # Dublin: negative summer time, in winter
        ("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", 37800, 39600),  # Lord Howe: half an hour
        ("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", -3600, -7200),  # Nuuk: before midnight
        ("EET-2EEST,M3.4.4/50,M10.4.4/50", 10800, 7200),  # Gaza: two days after Thursday
        ("ABC-1DEF,J60,J300", 7200, 3600),
        ("ABC-1DEF,59,299", 7200, 3600),
    ],
)
def test_footers(engine: SimpleNamespace, footer: str, summer_s: int, winter_s: int) -> None:
    start_s = seconds(datetime(2000, 1, 1) - EPOCH)
    rule = engine.timezone.ZoneTable.from_transitions([start_s], [0, winter_s], UTC, footer)
    for year in (2026, 2399, 2400, 2403, 2404, 3000, 9999):
        for month, offset_s in ((1, winter_s), (7, summer_s), (12, winter_s)):
            assert rule.offset_at(seconds(datetime(year, month, 15) - EPOCH)) == offset_s
        inside = rule.transitions(*(seconds(datetime(year, month, 1) - EPOCH) for month in (1, 12)))
        assert len(inside) == 2


def test_a_footer_begins_at_the_last_transition_also_if_nothing_changes_there(
    engine: SimpleNamespace,
) -> None:
    """As in the slim files of the tzdata package: America/Nuuk had no summer time in 2023."""
    moved_s, stayed_s = (seconds(datetime(2023, *at) - EPOCH) for at in ((3, 26), (10, 29, 1)))
    zone = engine.timezone.ZoneTable.from_transitions(
        [moved_s, stayed_s], [-10800, -7200, -7200], UTC, "<-02>2<-01>,M3.5.0/-1,M10.5.0/0"
    )
    assert zone.range_at(moved_s)[::2] == (moved_s, -7200)
    assert zone.offset_at(seconds(datetime(2023, 7, 1) - EPOCH)) == -7200
    assert zone.offset_at(seconds(datetime(2024, 7, 1) - EPOCH)) == -3600
    assert zone.offset_at(seconds(datetime(2024, 1, 1) - EPOCH)) == -7200
    assert zone.transitions(moved_s - 1, seconds(datetime(2024, 5, 1) - EPOCH)) == [
        (moved_s, -10800, -7200),
        (seconds(datetime(2024, 3, 31, 1) - EPOCH), -7200, -3600),
    ]


def test_a_footer_that_begins_after_the_calendar_never_holds(engine: SimpleNamespace) -> None:
    last_s = 253402300800  # year 10000
    zone = engine.timezone.ZoneTable.from_transitions(
        [0, last_s], [0, 3600, 0], UTC, "EST5EDT,M3.2.0,M11.1.0"
    )
    assert zone.offset_at(-1) == 0
    assert {zone.offset_at(at_s) for at_s in range(0, last_s, last_s // 99)} == {3600}


def test_a_footer_alone_holds_at_all_times(engine: SimpleNamespace) -> None:
    rule = engine.timezone.ZoneTable.from_transitions([], [-18000], UTC, "EST5EDT,M3.2.0,M11.1.0")
    for year in (1, 2, 1600, 1969, 9999):
        assert rule.offset_at(seconds(datetime(year, 1, 15) - EPOCH)) == -18000
        assert rule.offset_at(seconds(datetime(year, 7, 15) - EPOCH)) == -14400


def test_summer_time_all_year_is_no_change(engine: SimpleNamespace) -> None:
    # RFC 9636
    rule = engine.timezone.ZoneTable.from_transitions([0], [0, -14400], UTC, "XXX3EDT4,0/0,J365/23")
    assert rule.range_at(10**9) == (0, engine.timezone.HI_S, -14400)


@pytest.mark.parametrize(
    "footer",
    [
        "",
        "A",
        "CET-1CEST",
        "CET-25",
        "CET-1CEST,M13.1.0,M10.5.0",
        "CET-1CEST,M3.6.0,M10.5.0",
        "CET-1CEST,M3.5.7,M10.5.0",
        "CET-1CEST,M3.5.0/168,M10.5.0",
        "CET-1CEST,J0,J5",
        "CET-1CEST,366,1",
        "CET-1:60",
        "CET-1\n",
    ],
)
def test_bad_footers(engine: SimpleNamespace, footer: str) -> None:
    with pytest.raises(ValueError, match="POSIX time zone rule"):
        engine.timezone.parse_footer(footer)


@pytest.mark.parametrize(
    ("utc_s", "offset_s", "message"),
    [
        ([1, 1], [0, 1, 2], "strictly increasing"),
        ([1], [0], "one offset more"),
        ([1], [0, 86400], "less than 24 hours, not 86400"),
    ],
)
def test_bad_tables(engine: SimpleNamespace, utc_s: list[int], offset_s: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        engine.timezone.ZoneTable.from_transitions(utc_s, offset_s, UTC)


def small_tzif(footer: bytes = b"\nCET-1\n", kinds: bytes = b"\0", version: bytes = b"2") -> bytes:
    """One transition, one local time type, in both halves of a version 2 file."""
    body = kinds + struct.pack(">lBB", 3600, 0, 0) + b"CET\0"
    header = b"TZif" + version + bytes(15) + struct.pack(">6l", 0, 0, 0, 1, 1, 4)
    return header + struct.pack(">l", 5) + body + header + struct.pack(">q", 5) + body + footer


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "ends too early"),
        (b"TZoo" + bytes(60), "does not begin with 'TZif'"),
        (small_tzif()[:70], "ends too early"),
        (small_tzif(footer=b""), "without a footer"),
        (small_tzif(footer=b"\n\xff\n"), "not ASCII"),
        (small_tzif(footer=b"\nfoo\n"), "POSIX time zone rule"),
        (small_tzif(kinds=b"\1"), "local time type that it does not have"),
        (
            small_tzif().replace(struct.pack(">6l", 0, 0, 0, 1, 1, 4), struct.pack(">6l", 0, 0, 0, -1, 1, 4)),
            "negative",
        ),
        (b"TZif2" + bytes(15 + 24), "ends too early"),
        (b"TZif\0" + bytes(15 + 24), "without a local time type"),
    ],
)
def test_bad_tzif(engine: SimpleNamespace, data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        engine.timezone.ZoneTable.from_tzif(data, UTC)


@pytest.mark.parametrize("version", [b"2", b"3", b"4"])
def test_good_tzif(engine: SimpleNamespace, version: bytes) -> None:
    assert engine.timezone.ZoneTable.from_tzif(small_tzif(version=version), UTC).offset_at(10**9) == 3600
    first_half_only = small_tzif(version=b"\0")[: 44 + 4 + 1 + 6 + 4]
    assert engine.timezone.ZoneTable.from_tzif(first_half_only, UTC).offset_at(10**9) == 3600


@given(st.data())
def test_damaged_tzif_is_a_value_error_or_a_zone(engine: SimpleNamespace, data: st.DataObject) -> None:
    content = bytearray(tzif(data.draw(st.sampled_from(ODD_ZONES))))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content))) :]
    try:
        rule = engine.timezone.ZoneTable.from_tzif(bytes(content), UTC)
    except ValueError:
        return
    for instant_s in (-(10**10), 0, 10**9, 10**10, 10**11):
        lo_s, hi_s, _ = rule.range_at(instant_s)
        assert lo_s <= instant_s < hi_s
        rule.local(instant_s)


class Steps:
    """A source that knows one change every thousand seconds, and fails after 50,000 if it is told to."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.failure: BaseException | None = None

    def cover(self, utc_s: int) -> tuple[list[int], list[int], int, bool]:
        self.asked.append(utc_s)
        if utc_s > 50_000 and self.failure is not None:
            raise self.failure
        end_s = (utc_s // 1000 + 2) * 1000
        starts = list(range(-200_000, end_s, 1000))
        return starts, [start % 2000 for start in starts], end_s, False


def test_a_probed_zone_asks_only_for_what_it_does_not_know(engine: SimpleNamespace) -> None:
    source = Steps()
    rule = engine.timezone.ZoneTable.probed(source, UTC, True, 500)
    assert rule.range_at(700) == (0, 1000, 0)
    assert rule.range_at(1700) == (1000, 2000, 1000)
    assert source.asked == [500]
    assert rule.range_at(7300) == (7000, 8000, 1000)
    assert source.asked == [500, 7300]
    assert rule.range_at(8500) == (8000, 9000, 0)
    assert source.asked == [500, 7300]


def test_what_goes_wrong_while_probing_is_raised_and_not_remembered(engine: SimpleNamespace) -> None:
    """It was kept: one failing answer, and the zone was of no use for the rest of the program."""
    source = Steps()
    rule = engine.timezone.ZoneTable.probed(source, UTC, True, 500)
    spec = engine.cron.CronSpec.of(hour=1 << 3, minute=1, second=1)
    asking = [
        lambda: rule.range_at(60_000),
        lambda: rule.local(60_000),
        lambda: rule.transitions(0, 60_000),
        lambda: engine.datetimes.from_us(60_000_000_000, rule),
        lambda: engine.datetimes.to_us(datetime(1970, 1, 1, 20), rule),
        lambda: engine.cron.CronCore(spec, rule).next_fire_us(None, 60_000_000_000),
        lambda: engine.cron.CronCore(spec, rule).previous_fire_us(80_000_000_000),
        lambda: engine.cron.CronCore(spec, rule).fill_fire_times(array("q", bytes(80)), 0),
        lambda: engine.calendar_interval.CalendarIntervalCore(rule, 0, 1, 0, 0).next_fire_us(
            None, 60_000_000_000
        ),
    ]
    for ask in asking:
        for failure in (ValueError("no further than this"), KeyboardInterrupt(), SystemExit(), MemoryError()):
            source.failure = failure
            with pytest.raises(type(failure)):
                ask()
    assert rule.range_at(20_500) == (20_000, 21_000, 0)
    source.failure = None
    assert rule.range_at(60_500) == (60_000, 61_000, 0)
    assert all(ask() for ask in asking[:1])


@pytest.mark.parametrize(
    "answer",
    [(), ([0], [0], 10), ([0, 0], [0, 0], 9, False), ([0], [0, 1], 9, False), ([], [], 9, False), None],
)
def test_a_source_that_says_nonsense_is_an_error(engine: SimpleNamespace, answer: Any) -> None:
    source = SimpleNamespace(cover=lambda utc_s: ([0], [0], 1000, False))
    rule = engine.timezone.ZoneTable.probed(source, UTC, True, 500)
    source.cover = lambda utc_s: answer
    with pytest.raises((ValueError, TypeError)):
        rule.range_at(5000)
    assert rule.range_at(500) == (0, 1000, 0)
