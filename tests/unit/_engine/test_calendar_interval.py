"""Calendar intervals: against the chain of dates walked with ``datetime.date`` and zoneinfo; gaps, folds, no drift."""

from __future__ import annotations

import zoneinfo
from datetime import date, datetime, time, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

UTC = timezone.utc
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")


def days(text: str) -> int:
    return (date.fromisoformat(text) - date(1970, 1, 1)).days


def berlin(engine: SimpleNamespace) -> Any:
    """Berlin's rule since 1996."""
    start_s = (date(1996, 1, 1) - date(1970, 1, 1)).days * 86400
    return engine.timezone.ZoneTable.from_transitions(
        [start_s], [3600] * 2, BERLIN, "CET-1CEST,M3.5.0,M10.5.0/3"
    )


def core(
    engine: SimpleNamespace, start: str, *, months: int = 0, step: int = 0, at_s: int = 0, end: str = ""
) -> Any:
    return engine.calendar_interval.CalendarIntervalCore(
        berlin(engine), months, step, at_s, days(start), days(end) if end else None
    )


def us(local: datetime) -> int:
    return (local.astimezone(UTC) - EPOCH) // timedelta(microseconds=1)


def chain(engine: SimpleNamespace, trigger: Any, now: datetime, count: int) -> list[str]:
    found, fire_us = [], trigger.next_fire_us(None, us(now))
    while fire_us is not None and len(found) < count:
        found.append(engine.datetimes.from_us(fire_us, trigger.zone).strftime("%Y-%m-%d %H:%M%z"))
        fire_us = trigger.next_fire_us(fire_us, fire_us)
    return found


def test_first_fire_is_at_or_after_now_and_on_the_chain(engine: SimpleNamespace) -> None:
    trigger = core(engine, "2000-01-31", months=1, at_s=9 * 3600)
    assert chain(engine, trigger, datetime(2026, 2, 1, tzinfo=BERLIN), 3) == [
        "2026-03-31 09:00+0200",  # February has no 31st; neither has April
        "2026-05-31 09:00+0200",
        "2026-07-31 09:00+0200",
    ]
    at = datetime(2026, 3, 31, 9, tzinfo=BERLIN)
    assert trigger.next_fire_us(None, us(at)) == us(at)


def test_a_time_in_a_gap_is_left_out_and_nothing_drifts(engine: SimpleNamespace) -> None:
    trigger = core(engine, "2025-03-28", step=1, at_s=9000)
    assert chain(engine, trigger, datetime(2025, 3, 28, tzinfo=BERLIN), 4) == [
        "2025-03-28 02:30+0100",
        "2025-03-29 02:30+0100",
        "2025-03-31 02:30+0200",  # not on the 30th
        "2025-04-01 02:30+0200",
    ]


def test_a_time_that_comes_twice_is_the_first(engine: SimpleNamespace) -> None:
    trigger = core(engine, "2025-10-25", step=1, at_s=9000)
    assert chain(engine, trigger, datetime(2025, 10, 25, tzinfo=BERLIN), 3) == [
        "2025-10-25 02:30+0200",
        "2025-10-26 02:30+0200",
        "2025-10-27 02:30+0100",
    ]


def test_leap_day_and_mixed_steps(engine: SimpleNamespace) -> None:
    leap = core(engine, "2024-02-29", months=12)
    now = datetime(2025, 1, 1, tzinfo=BERLIN)
    assert [text[:10] for text in chain(engine, leap, now, 2)] == ["2028-02-29", "2032-02-29"]
    mixed = core(engine, "2024-12-30", months=1, step=2)  # the day of the month wanders
    assert [text[:10] for text in chain(engine, mixed, now, 3)] == ["2025-02-01", "2025-03-03", "2025-04-05"]


def test_end_date_is_inclusive_and_the_calendar_ends(engine: SimpleNamespace) -> None:
    trigger = core(engine, "2025-01-01", step=7, at_s=86399, end="2025-01-15")
    assert len(chain(engine, trigger, datetime(2025, 1, 1, tzinfo=BERLIN), 9)) == 3
    assert engine.datetimes.from_us(trigger.end_us + 1, trigger.zone) == datetime(2025, 1, 16, tzinfo=BERLIN)
    last = core(engine, "9999-12-01", months=1)
    assert chain(engine, last, datetime(9999, 1, 1, tzinfo=BERLIN), 9) == ["9999-12-01 00:00+0100"]
    assert last.next_fire_us(None, 253402300799_999999) is None


def walk(start: date, months: int, step: int, at: time, end: date | None) -> list[int]:
    """The instants of the chain, by the documentation."""
    found = []
    while start.year < 2040 and (end is None or start <= end):
        wall = datetime.combine(start, at)
        instant = wall.replace(tzinfo=BERLIN).astimezone(UTC)
        if instant.astimezone(BERLIN).replace(tzinfo=None) == wall:
            found.append(us(instant))
        year, month = start.year, start.month
        while months:
            year, month = year + (month - 1 + months) // 12, (month - 1 + months) % 12 + 1
            try:
                start = date(year, month, start.day)
                break
            except ValueError:
                continue
        start += timedelta(step)
    return found


@pytest.mark.slow
@given(
    st.dates(date(2015, 1, 1), date(2025, 12, 31)),
    st.sampled_from([(0, 1), (0, 7), (0, 45), (1, 0), (5, 0), (12, 0), (1, 1), (3, 10)]),
    st.sampled_from([time(0), time(2), time(2, 30), time(3), time(23, 59, 59)]),
    st.none() | st.dates(date(2020, 1, 1), date(2032, 1, 1)),
    st.datetimes(datetime(2014, 12, 1), datetime(2034, 1, 1), timezones=st.just(UTC)),
    st.integers(0, 400 * 86_400_000_000),
)
def test_against_the_chain_date_by_date(
    engine: SimpleNamespace,
    start: date,
    steps: tuple[int, int],
    at: time,
    end: date | None,
    now: datetime,
    later_us: int,
) -> None:
    at_s = at.hour * 3600 + at.minute * 60 + at.second
    trigger = core(engine, str(start), months=steps[0], step=steps[1], at_s=at_s, end=str(end) if end else "")
    fires, now_us = walk(start, *steps, at, end), us(now)
    first = next((fire for fire in fires if fire >= now_us), None)
    assert trigger.next_fire_us(None, now_us) == first
    assert trigger.previous_fire_us(now_us) == next((fire for fire in reversed(fires) if fire < now_us), None)
    if first is not None:
        assert trigger.next_fire_us(first, first) == next((fire for fire in fires if fire > first), None)
        expected = max(fire for fire in fires if fire <= first + later_us)
        assert trigger.latest_fire_us(first, first + later_us) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 0, 0, 0), "must be positive, not 0 months and 0 days"),
        ((-1, 5, 0, 0), "must be positive, not -1 months and 5 days"),
        ((0, 1, 86400, 0), r"time_s must be in 0\.\.86399, not 86400"),
        ((0, 1, 0, 3_000_000), "start_days=3000000 is not within the years 1 to 9999"),
    ],
)
def test_wrong_numbers(engine: SimpleNamespace, arguments: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        engine.calendar_interval.CalendarIntervalCore(berlin(engine), *arguments)
