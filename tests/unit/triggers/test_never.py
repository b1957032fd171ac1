"""Schedules that never fire say so, and name what makes them impossible."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from rapscheduler.triggers.calendarinterval import CalendarIntervalTrigger
from rapscheduler.triggers.combining import AndTrigger, OrTrigger
from rapscheduler.triggers.cron import CronTrigger
from rapscheduler.triggers.date import DateTrigger
from rapscheduler.triggers.interval import IntervalTrigger

NOW = datetime(2026, 11, 28, 12, tzinfo=timezone.utc)
NOW_US = int(NOW.timestamp()) * 1_000_000
ZONE = "Europe/Berlin"
OVER = {"start_date": "2020-01-01", "end_date": "2020-02-01"}


def cron(**fields: Any) -> CronTrigger:
    return CronTrigger(timezone=ZONE, **fields)


CASES = [
    (cron(month=2, day=31), "no time has month='2' and day='31'"),
    (cron(month="2,4", day=31, hour="*/5"), "no time has month='2,4' and day='31'"),
    (cron(month=6, week=53), "no time has month='6' and week='53'"),
    (cron(year=2027, month=2, day=29), "no time has year='2027', month='2' and day='29'"),
    (cron(year=2020, month=2, day="30-31"), "no time has month='2' and day='30-31'"),
    (cron(year=2020, week=53, month=6, day=31), "no time has year='2020', month='6', day='31' and week='53'"),
    (cron(year=2020), "year='2020' is over"),
    (cron(year="2019-2025", month=1, day="last fri"), "year='2019-2025' is over"),
    (cron(year=2026, month=1), "no time from now on has year='2026' and month='1'"),
    (
        cron(year=2026, month=3, day=29, hour=2, minute=30),  # skipped in Berlin
        "no time has year='2026', month='3', day='29' and hour='2'",
    ),
    (cron(year=2027, start_date="2030-01-01"), "year='2027' is over before start_date='2030-01-01 00:00:00 CET'"),
    (cron(hour=1, end_date="2026-11-01"), "end_date='2026-11-01 00:00:00 CET' is over"),
    (
        cron(hour=1, end_date="2026-11-28 18:00:00"),
        "no fire time is left until end_date='2026-11-28 18:00:00 CET'",
    ),
    (
        cron(hour=1, start_date="2030-01-01", end_date="2029-01-01"),
        "start_date='2030-01-01 00:00:00 CET' is after end_date='2029-01-01 00:00:00 CET'",
    ),
    (IntervalTrigger(hours=1, timezone="UTC", **OVER), "end_date='2020-02-01 00:00:00 UTC' is over"),
    (IntervalTrigger(hours=1, timezone="UTC", end_date="2020-02-01"), "end_date='2020-02-01 00:00:00 UTC' is over"),
    (
        IntervalTrigger(hours=1, timezone="UTC", start_date="2030-01-01", end_date="2029-01-01"),
        "start_date='2030-01-01 00:00:00 UTC' is after end_date='2029-01-01 00:00:00 UTC'",
    ),
    (CalendarIntervalTrigger(months=1, timezone="UTC", **OVER), "end_date='2020-02-01' is over"),
    (
        CalendarIntervalTrigger(years=5, timezone="UTC", start_date="2025-01-01", end_date="2029-01-01"),
        "no fire time is left until end_date='2029-01-01'",
    ),
    (OrTrigger([cron(year=2020), cron(month=2, day=31)]), "year='2020' is over and no time has month='2' and day='31'"),
    (AndTrigger([cron(hour=3), cron(year=2020)]), "year='2020' is over"),
]  # fmt: skip


@pytest.mark.parametrize(("trigger", "reason"), CASES, ids=[reason for _, reason in CASES])
def test_the_reason_names_what_makes_it_impossible(trigger: Any, reason: str) -> None:
    assert trigger.get_next_fire_time(None, NOW) is None
    assert trigger._why_never(NOW_US) == reason
    assert "never, as " in trigger.explain(NOW)


@pytest.mark.parametrize(
    "trigger",
    [
        cron(month=2, day=29),
        cron(hour=1, end_date="2026-11-30"),
        IntervalTrigger(hours=1, timezone="UTC", start_date="2020-01-01"),
        CalendarIntervalTrigger(years=1, timezone="UTC", start_date="2020-01-01"),
        DateTrigger("2020-01-01", "UTC"),  # runs late, or is missed
        OrTrigger([cron(year=2020), cron(hour=3)]),
    ],
    ids=repr,
)
def test_a_trigger_that_fires_again_gives_no_reason(trigger: Any) -> None:
    assert trigger._why_never(NOW_US) == ""
    assert "never" not in trigger.explain(NOW).split("; or ")[-1]


def test_explain_says_never_and_still_says_what_was_written() -> None:
    assert cron(month=2, day=31).explain() == (
        "never, as no time has month='2' and day='31': at 00:00 on the 31st of February, Europe/Berlin"
    )
    once = cron(year=2020, month=5, day=1)
    assert once.explain(datetime(2019, 1, 1, tzinfo=timezone.utc)).startswith("at 00:00 on the 1st of May")
    assert once.explain().startswith("never, as year='2020' is over: at 00:00")


def test_a_schedule_of_ones_own_gives_no_reason() -> None:
    class Silent(CronTrigger):
        def get_next_fire_time(self, previous_fire_time: Any, now: datetime) -> None:
            return None

    assert Silent(month=2, day=31, timezone="UTC")._why_never(NOW_US) == ""
