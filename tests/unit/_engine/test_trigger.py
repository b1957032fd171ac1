"""What all trigger kernels share, both twins: bounds, jitter, buffers, the batch call, one instant."""

from __future__ import annotations

import sys
from array import array
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.conftest import load_engine
from tests.zones import ODD_ZONES, table

from rapscheduler.triggers.base import BaseTrigger

UTC = timezone.utc
SECOND = 1_000_000
NOON = 1_748_779_200 * SECOND  # 2025-06-01T12:00:00Z
DAY = 86_400 * SECOND


def daily(engine: SimpleNamespace, *bounds: Any, key: str = "UTC") -> Any:
    """Fires at 12:00:00."""
    spec = engine.cron.CronSpec.of(second=1, minute=1, hour=1 << 12)
    return engine.cron.CronCore(spec, table(engine, key), *bounds)


def test_one_instant_is_answered_once_even_when_past(engine: SimpleNamespace) -> None:
    once = engine.trigger.DateCore(NOON, table(engine, "Europe/Berlin"))
    assert once.next_fire_us(None, NOON + DAY) == NOON
    assert once.next_fire_us(NOON, NOON) is None
    assert once.get_next_fire_time(None, datetime.now(UTC)).isoformat() == "2025-06-01T14:00:00+02:00"
    assert once.previous_fire_us(NOON) is None
    assert once.previous_fire_us(NOON + 1) == NOON
    assert once.latest_fire_us(NOON, NOON + DAY) == NOON
    assert once.run_us == NOON


def test_one_instant_is_listed_only_within_the_window(engine: SimpleNamespace) -> None:
    once = engine.trigger.DateCore(NOON, table(engine, "UTC"))
    buffer = array("q", [7] * 3)
    assert once.fill_fire_times(buffer, NOON - 1) == 1
    assert buffer.tolist() == [NOON, 7, 7]
    assert once.fill_fire_times(buffer, NOON, NOON) == 1
    assert once.fill_fire_times(buffer, NOON + 1) == 0
    assert once.fill_fire_times(buffer, NOON - DAY, NOON - 1) == 0
    assert len(once.list_fire_times(NOON, None, 300)) == 1


def test_one_instant_must_be_in_a_legal_year(engine: SimpleNamespace) -> None:
    with pytest.raises(ValueError, match="is not within the years 1 to 9999"):
        engine.trigger.DateCore(engine.trigger.MAX_US + 1, table(engine, "UTC"))


def test_bounds_are_shown_as_given(engine: SimpleNamespace) -> None:
    free = daily(engine)
    assert (free.start_us, free.end_us, free.jitter_us) == (None, None, 0)
    bound = daily(engine, NOON, NOON + DAY, 5)
    assert (bound.start_us, bound.end_us, bound.jitter_us) == (NOON, NOON + DAY, 5)
    assert bound.zone is table(engine, "UTC")
    beyond = daily(engine, -(2**80), 2**80)
    assert (beyond.start_us, beyond.end_us) == (None, None)
    assert daily(engine, 2**80).next_fire_us(None, NOON) is None
    assert daily(engine, None, -(2**80)).next_fire_us(None, NOON) is None


def test_wrong_arguments_are_refused(engine: SimpleNamespace) -> None:
    with pytest.raises(TypeError, match="zone must be a ZoneTable, not str"):
        engine.trigger.TriggerCore("UTC")
    with pytest.raises(ValueError, match="jitter_us=-1 would fire too early; give 0 or more"):
        daily(engine, None, None, -1)
    with pytest.raises(ValueError, match="limit=-1 makes no sense"):
        daily(engine).list_fire_times(NOON, None, -1)


def test_a_plain_core_never_fires(engine: SimpleNamespace) -> None:
    nothing = engine.trigger.TriggerCore(table(engine, "UTC"))
    assert nothing.next_fire_us(None, NOON) is None
    assert nothing.previous_fire_us(NOON) is None
    assert nothing.latest_fire_us(0, NOON) is None
    assert nothing.list_fire_times(0, None, 5) == []


def test_a_compiled_trigger_that_was_never_initialised_is_harmless(engine: SimpleNamespace) -> None:
    if engine.NAME == "reference":
        pytest.skip("in Python an attribute is simply missing")
    bare = engine.cron.CronCore.__new__(engine.cron.CronCore)
    assert bare.get_next_fire_time(None, datetime.now(UTC)) is None
    assert bare.previous_fire_us(NOON) is None
    assert bare.fill_fire_times(array("q", bytes(80)), 0) == 0


def test_a_million_triggers_are_not_watched_by_the_collector(engine: SimpleNamespace) -> None:
    if engine.NAME == "reference":
        pytest.skip("the compiled engine is the lean one")
    assert sys.getsizeof(daily(engine)) <= 88  # its text included
    for kind in (
        engine.trigger.TriggerCore,
        engine.trigger.DateCore,
        engine.cron.CronCore,
        engine.cron.CronSpec,
    ):
        assert not kind.__flags__ & (1 << 14), f"{kind.__name__} is tracked"


def test_instants_beyond_all_time_are_no_error(engine: SimpleNamespace) -> None:
    trigger = daily(engine, NOON, NOON + DAY)
    for far_us in (2**63 - 1, 2**70, engine.trigger.MAX_US + 1):
        assert trigger.next_fire_us(None, far_us) is None
        assert trigger.next_fire_us(far_us, far_us) is None
        assert trigger.next_fire_us(far_us, NOON) == NOON
        assert trigger.previous_fire_us(far_us) == NOON + DAY
        assert trigger.latest_fire_us(NOON, far_us) == NOON + DAY
        assert len(trigger.list_fire_times(-far_us, far_us, 2**80)) == 2
        assert trigger.next_fire_us(None, -far_us) == NOON
        assert trigger.previous_fire_us(-far_us) is None
    with pytest.raises(TypeError, match="'float' object cannot be interpreted as an integer"):
        trigger.next_fire_us(None, 5.0)


# --- jitter ------------------------------------------------------------------------------------------------------


def test_jitter_is_for_people_only(engine: SimpleNamespace) -> None:
    trigger = daily(engine, None, None, 3600 * SECOND)
    now = datetime(2025, 6, 1, 1, tzinfo=UTC)
    noon = datetime(2025, 6, 1, 12, tzinfo=UTC)
    seen = {trigger.get_next_fire_time(None, now) for _ in range(100)}
    assert len(seen) > 50
    assert all(noon <= fire <= noon + timedelta(hours=1) for fire in seen)
    assert trigger.next_fire_us(None, NOON - 1) == NOON
    assert trigger.list_fire_times(NOON, None, 2) == [noon, noon + timedelta(days=1)]
    assert trigger.previous_fire_us(NOON + 1) == NOON


def test_jitter_never_goes_beyond_the_end(engine: SimpleNamespace) -> None:
    trigger = daily(engine, None, NOON + 5, 3600 * SECOND)
    now = datetime(2025, 6, 1, 1, tzinfo=UTC)
    fires = [trigger.get_next_fire_time(None, now) for _ in range(50)]
    last = datetime(2025, 6, 1, 12, 0, 0, 5, tzinfo=UTC)
    assert max(fires) == last


# --- bulk --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["UTC", "America/New_York", "Pacific/Apia"])
@pytest.mark.parametrize("dense", [True, False])
def test_bulk_is_repeated_next(engine: SimpleNamespace, key: str, dense: bool) -> None:
    masks = (
        {"second": 1, "minute": 1 << 30, "hour": (1 << 24) - 1}
        if dense
        else {"second": 1, "minute": 1, "hour": 2}
    )
    trigger = engine.cron.CronCore(engine.cron.CronSpec.of(**masks), table(engine, key), NOON)
    expected: list[int] = []
    fire = trigger.next_fire_us(None, 0)
    while len(expected) < 700:
        expected.append(fire)
        fire = trigger.next_fire_us(fire, fire)
    buffer = array("q", bytes(8 * 700))
    assert trigger.fill_fire_times(buffer, 0) == 700
    assert buffer.tolist() == expected
    listed = trigger.list_fire_times(0, None, 700)
    assert [
        (one - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) for one in listed
    ] == expected
    assert {one.tzinfo for one in listed} == {ZoneInfo(key)}
    assert trigger.fill_fire_times(buffer, expected[5], expected[9]) == 5
    assert trigger.fill_fire_times(buffer, expected[5] + 1, expected[9] - 1) == 3
    assert trigger.fill_fire_times(array("q"), 0) == 0
    assert trigger.list_fire_times(0, None, 0) == []


@pytest.mark.parametrize("key", ODD_ZONES)
def test_dense_times_have_their_own_day_offset_and_fold(engine: SimpleNamespace, key: str) -> None:
    """Many instants share a day and its offset; none may take those of its neighbour across a midnight or a change."""
    zone, tz = table(engine, key), ZoneInfo(key)
    changes = zone.transitions(1_262_304_000, 1_893_456_000)[:3]  # from 2010 on
    for change_s, _, _ in changes or [(NOON // SECOND, 0, 0)]:
        start_us = (change_s - 2 * 86_400) * SECOND
        trigger = engine.interval.IntervalCore(31 * 60 * SECOND + 7, zone, start_us)
        buffer = array("q", bytes(8 * 190))
        assert trigger.fill_fire_times(buffer, start_us) == 190
        expected = [
            (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)).astimezone(tz) for us in buffer
        ]
        listed = trigger.list_fire_times(start_us, None, 190)
        assert [(str(one), one.fold, one.tzinfo) for one in listed] == [
            (str(one), one.fold, tz) for one in expected
        ]


WRONG_BUFFERS = {
    "a list": [0, 0],
    "a number": 5,
    "bytes": b"12345678",
    "doubles": array("d", [0.0]),
    "int32": array("i", [0]),
    "uint64": array("Q", [0]),
    "read only": memoryview(array("q", [0])).toreadonly(),
    "every second one": memoryview(array("q", [0, 0, 0, 0]))[::2],
    "two dimensions": memoryview(bytearray(32)).cast("q", (2, 2)),
}


@pytest.mark.parametrize("name", WRONG_BUFFERS)
def test_wrong_buffers_are_refused_with_the_cure(engine: SimpleNamespace, name: str) -> None:
    with pytest.raises(TypeError, match=r"array\('q', bytes\(8 \* n\)\)"):
        daily(engine).fill_fire_times(WRONG_BUFFERS[name], 0)
    with pytest.raises(TypeError, match=r"array\('q', bytes\(8 \* n\)\)"):
        engine.trigger.next_fire_us_many([daily(engine)], 0, WRONG_BUFFERS[name])


def test_any_int64_buffer_will_do(engine: SimpleNamespace) -> None:
    for buffer in (array("q", [0]), memoryview(bytearray(8)).cast("q"), memoryview(bytearray(8)).cast("l")):
        if buffer.itemsize == 8:
            assert daily(engine).fill_fire_times(buffer, NOON) == 1
            assert buffer[0] == NOON


def test_many_triggers_in_one_call(engine: SimpleNamespace) -> None:
    triggers = [
        daily(engine),
        daily(engine, NOON + DAY),
        daily(engine, None, NOON - 1),
        engine.trigger.DateCore(5, table(engine, "UTC")),
        daily(engine, key="America/New_York"),
    ] * 7
    buffer = array("q", bytes(8 * 40))
    never = engine.trigger.NEVER_US
    for items in (triggers, tuple(triggers)):
        assert engine.trigger.next_fire_us_many(items, NOON - 1, buffer) == 35
        assert buffer[:35].tolist() == [NOON, NOON + DAY, never, 5, NOON + 4 * DAY // 24] * 7
        assert buffer[35:].tolist() == [0] * 5
    assert engine.trigger.next_fire_us_many([], NOON, buffer) == 0


def test_many_triggers_need_room_and_kernels(engine: SimpleNamespace) -> None:
    with pytest.raises(ValueError, match="2 triggers need a buffer of as many int64, not of 1"):
        engine.trigger.next_fire_us_many([daily(engine)] * 2, 0, array("q", [0]))
    with pytest.raises(TypeError, match=r"triggers\[1\] is a str, which has no kernel; ask it one by one"):
        engine.trigger.next_fire_us_many([daily(engine), "x"], 0, array("q", [0, 0]))


# --- subclasses --------------------------------------------------------------------------------------------------


def test_a_python_class_inherits_the_kernel_and_its_method(engine: SimpleNamespace) -> None:
    class Lean(engine.cron.CronCore, BaseTrigger):  # type: ignore[misc, name-defined]
        __slots__ = ()

    class Loose(Lean):
        pass

    spec = engine.cron.CronSpec.of(second=1, minute=1, hour=1 << 12)
    for kind in (Lean, Loose):
        trigger = kind(spec, table(engine, "UTC"))
        assert type(trigger).get_next_fire_time is engine.trigger.TriggerCore.get_next_fire_time
        assert trigger.get_next_fire_time(None, datetime(2025, 6, 1, tzinfo=UTC)).hour == 12
    trigger.note = "free to have attributes"


class Meddling:
    """The source of a probed zone that does something else first, once."""

    def __init__(self) -> None:
        self.first: Any = None

    def cover(self, utc_s: int) -> tuple[list[int], list[int], int, bool]:
        act, self.first = self.first, None
        if act is not None:
            act()
        return [utc_s - 10**8], [0], utc_s + 10**8, False


def test_a_list_that_is_emptied_by_a_zone_that_is_asked_is_an_error(engine: Any) -> None:
    """It was a crash."""
    source = Meddling()
    zone = engine.timezone.ZoneTable.probed(source, UTC, True, 0)
    triggers = [engine.cron.CronCore(engine.cron.CronSpec.of(hour=1), zone) for _ in range(100)]
    source.first = triggers.clear
    with pytest.raises(RuntimeError, match="changed its length"):
        engine.trigger.next_fire_us_many(triggers, 10**15, array("q", bytes(800)))


def test_a_trigger_that_is_changed_by_its_zone_answers_by_the_schedule_it_had(engine: Any) -> None:
    """It was a crash."""
    source, spec = Meddling(), engine.cron.CronSpec.of
    other = engine.timezone.ZoneTable.fixed(0, UTC)
    zone = engine.timezone.ZoneTable.probed(source, UTC, True, 0)
    trigger = engine.cron.CronCore(spec(hour=1 << 3, minute=1, second=1), zone)
    for ask in (trigger.next_fire_us, lambda _, us: trigger.previous_fire_us(us)):
        trigger.__init__(spec(hour=1 << 3, minute=1, second=1), zone)
        source.first = lambda: trigger.__init__(spec(hour=1 << 5, minute=1, second=1), other)
        us = ask(None, 10**15 if ask == trigger.next_fire_us else 3 * 10**15)
        assert us % DAY == 3 * 3600 * SECOND


@pytest.mark.parametrize("offset", [5, "x", timedelta(days=3), timedelta(days=-2)])
def test_an_offset_that_is_none_is_an_error(engine: Any, offset: Any) -> None:
    """Memory behind a number was read as a timedelta."""

    class Odd(datetime):
        def utcoffset(self) -> Any:
            return offset

    zone = engine.timezone.ZoneTable.fixed(0, UTC)
    with pytest.raises((TypeError, ValueError), match=r"utcoffset\(\) of Odd gave"):
        engine.datetimes.to_us(Odd(2025, 1, 1, tzinfo=timezone(timedelta(hours=1))), zone)


class Liar(int):
    """Is within all limits, if one asks it."""

    def __lt__(self, other: Any) -> bool:
        return True

    __le__ = __gt__ = __ge__ = __lt__


def test_numbers_are_compared_by_their_value() -> None:
    """A step of 0 that called itself positive ended the program by a division. (Python divides by what it compared.)"""
    compiled = load_engine("compiled")
    zone = compiled.timezone.ZoneTable.fixed(0, UTC)
    with pytest.raises(ValueError, match="interval_us must be"):
        compiled.interval.IntervalCore(Liar(0), zone, 0)
    with pytest.raises(ValueError, match="must be positive"):
        compiled.calendar_interval.CalendarIntervalCore(zone, Liar(0), Liar(0), 0, 0)
    with pytest.raises(ValueError, match="years must be ranges"):
        compiled.cron.CronSpec.of(years=[(2020, 2030, Liar(0))])
    with pytest.raises(ValueError, match="would fire too early"):
        compiled.trigger.TriggerCore(zone, None, None, Liar(-5))


def test_what_is_left_out_is_skipped_both_ways(engine: SimpleNamespace) -> None:
    trigger = daily(engine, key="Europe/Berlin")
    monday_out = engine.trigger.Skips(weekdays=1, windows=[(0, 13 * 3600)])
    trigger.skips = monday_out
    sunday = NOON - 2 * 3600 * SECOND  # Sunday, 1 June 2025, 12:00 in Berlin
    assert trigger.next_fire_us(sunday, sunday) == sunday + 2 * DAY
    assert trigger.next_fire_us(None, sunday + DAY) == sunday + 2 * DAY
    assert trigger.previous_fire_us(sunday + 2 * DAY) == sunday
    assert trigger.latest_fire_us(sunday, sunday + DAY) == sunday
    buffer = array("q", bytes(24))
    assert trigger.fill_fire_times(buffer, sunday) == 3
    assert buffer.tolist() == [sunday, sunday + 2 * DAY, sunday + 3 * DAY]
    assert engine.trigger.next_fire_us_many([trigger], sunday + 1, buffer) == 1
    assert buffer[0] == sunday + 2 * DAY
    assert len(trigger.list_fire_times(sunday, sunday + 7 * DAY, 100)) == 7


def test_an_open_instant_is_itself(engine: SimpleNamespace) -> None:
    zone = table(engine, "UTC")
    skips = engine.trigger.Skips(20240, b"\x03", 1 << 2, [(3600, 7200)])
    day_us = 20240 * DAY
    assert skips.next_open_us(zone, day_us + 5) == day_us + 2 * DAY + 3600 * SECOND
    assert skips.last_open_us(zone, day_us + DAY) == day_us - DAY + 7200 * SECOND - 1
    inside = day_us + 2 * DAY + 4000 * SECOND + 7
    assert skips.next_open_us(zone, inside) == skips.last_open_us(zone, inside) == inside
    closed = engine.trigger.Skips(weekdays=127)
    assert closed.next_open_us(zone, inside) is None and closed.last_open_us(zone, inside) is None
    assert (skips.first_day, skips.days, skips.weekdays, skips.windows) == (
        20240,
        b"\x03",
        4,
        ((3600, 7200),),
    )


def test_a_fixed_share_of_the_jitter(engine: SimpleNamespace) -> None:
    trigger = daily(engine, None, None, 100 * SECOND)
    trigger.skips = engine.trigger.Skips(share=0.25)
    assert trigger.skips.fixed_share == 0.25 and engine.trigger.Skips().fixed_share is None
    assert trigger.next_fire_us(None, NOON) == NOON
    assert engine.planning.dispatch_at_us(trigger, NOON) == NOON + 25 * SECOND
    at = datetime.fromtimestamp(NOON / SECOND, UTC)
    assert trigger.get_next_fire_time(None, at) == at + timedelta(seconds=25)


@pytest.mark.parametrize(
    "windows", [[(5, 5)], [(0, 90_000)], [(0, 9), (5, 10)], [(i, i + 1) for i in range(17)]]
)
def test_windows_that_are_none_are_refused(engine: SimpleNamespace, windows: Any) -> None:
    with pytest.raises(ValueError, match="windows"):
        engine.trigger.Skips(windows=windows)
