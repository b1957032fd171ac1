"""What all trigger kernels share, both twins: bounds, jitter, buffers, the batch call, one instant."""

from __future__ import annotations

import sys
from array import array
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
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
    assert sys.getsizeof(daily(engine)) <= 72  # its text included
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
    never = engine.trigger.NEVER
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
