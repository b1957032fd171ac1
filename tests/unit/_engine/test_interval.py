"""Intervals: exact on the grid, in closed form, for any backlog; against a walk along the grid."""

from __future__ import annotations

from array import array
from datetime import timezone
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

MAX_US = 253402300799_999999


def core(engine: SimpleNamespace, interval_us: int, start_us: int = 0, end_us: int | None = None) -> Any:
    zone = engine.timezone.ZoneTable.fixed(0, timezone.utc)
    return engine.interval.IntervalCore(interval_us, zone, start_us, end_us)


@given(st.integers(1, 50), st.integers(-500, 500), st.none() | st.integers(-500, 500), st.integers(-600, 600))
def test_against_the_grid_point_by_point(
    engine: SimpleNamespace, interval_us: int, start_us: int, end_us: int | None, now_us: int
) -> None:
    trigger = core(engine, interval_us, start_us, end_us)
    grid = [t for t in range(start_us, 2000, interval_us) if end_us is None or t <= end_us]
    assert trigger.next_fire_us(None, now_us) == next((t for t in grid if t >= now_us), None)
    assert trigger.previous_fire_us(now_us) == next((t for t in reversed(grid) if t < now_us), None)
    for from_us in grid[:3]:
        missed = [t for t in grid if from_us <= t <= now_us]
        assert trigger.latest_fire_us(from_us, now_us) == (missed[-1] if missed else None)
        assert trigger.missed_slots(from_us, now_us) == len(missed)
    out = array("q", bytes(8 * 5))
    expected = [t for t in grid if t >= now_us][:5]
    assert trigger.fill_fire_times(out, now_us) == len(expected)
    assert list(out)[: len(expected)] == expected


def test_after_a_previous_fire_time_the_interval_counts_from_there(engine: SimpleNamespace) -> None:
    trigger = core(engine, 10, 0, 100)
    assert trigger.next_fire_us(7, 500) == 17
    assert trigger.next_fire_us(90, 0) == 100
    assert trigger.next_fire_us(91, 0) is None


def test_no_drift_in_a_million_steps_of_a_tenth_of_a_second(engine: SimpleNamespace) -> None:
    start_us = 1_700_000_000_123_457
    trigger = core(engine, 100_000, start_us)
    now_us = start_us + 1_000_000 * 100_000
    assert trigger.next_fire_us(None, now_us) == now_us
    assert trigger.next_fire_us(None, now_us + 1) == now_us + 100_000
    assert trigger.latest_fire_us(start_us, now_us + 99_999) == now_us


def test_ends_with_the_calendar(engine: SimpleNamespace) -> None:
    long = core(engine, engine.interval.MAX_INTERVAL_US, 0)
    assert long.next_fire_us(None, 0) == 0
    assert long.next_fire_us(None, 1) is None
    assert long.next_fire_us(0, 0) is None
    last = core(engine, 3_000_000, MAX_US - 4_000_000)
    assert last.next_fire_us(None, MAX_US) is None
    assert last.next_fire_us(MAX_US, 0) is None
    assert last.latest_fire_us(MAX_US - 4_000_000, 2**62) == MAX_US - 1_000_000


def test_no_fire_time_without_a_local_time(engine: SimpleNamespace) -> None:
    """Ten hours before the end of time it is the year 10000 in the east."""
    zone = engine.timezone.ZoneTable.fixed(36000, timezone.utc)
    trigger = engine.interval.IntervalCore(3_600_000_000, zone, MAX_US - 36_000_000_000 + 1)
    first = trigger.next_fire_us(None, 0)
    assert first is None or engine.datetimes.from_us(first, zone)


@pytest.mark.parametrize("interval_us", [0, -1, 10**18 + 1])
def test_wrong_interval(engine: SimpleNamespace, interval_us: int) -> None:
    with pytest.raises(ValueError, match=f"interval_us must be in 1..{10**18}, not {interval_us}"):
        core(engine, interval_us)
