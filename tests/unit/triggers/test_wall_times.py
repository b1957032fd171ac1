"""Where a run time goes when rules change: odd cases, on tables made for them."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from rapscheduler._engine.timezone import ZoneTable
from rapscheduler._rules import FIRST_S, LAST_S, read_rules, rules_text
from rapscheduler._zones import zone_table
from rapscheduler.triggers._wall_times import follow, zones_of
from rapscheduler.triggers.base import BaseTrigger
from rapscheduler.triggers.calendarinterval import CalendarIntervalTrigger
from rapscheduler.triggers.combining import AndTrigger, OrTrigger
from rapscheduler.triggers.cron import CronTrigger
from rapscheduler.triggers.date import DateTrigger
from rapscheduler.triggers.interval import IntervalTrigger

# The rules in force are those of a fixed zone; the older ones say an hour less or more at some time.
UTC = timezone.utc
ZONE = zone_table(UTC)


def us(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


def older(*changes: tuple[str, int], first: int = 0) -> ZoneTable:
    """Rules that have changed the offset at these instants."""
    at_s = [us(text) // 1_000_000 for text, _ in changes]
    return ZoneTable.from_transitions(at_s, [first, *(offset for _, offset in changes)], UTC)


def followed(trigger, time: str, now: str, old: ZoneTable) -> str:
    """The new time, where `old` were the rules of the zone; what the old rules called `time` is written in UTC."""
    moved_us = follow(trigger, us(time), us(now), lambda zone: old if zone is ZONE else None)
    return datetime.fromtimestamp(moved_us / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%S")


AHEAD = older(first=3600)  # the wall clock showed an hour more
BEHIND = older(first=-3600)


@pytest.mark.parametrize(
    "trigger",
    [
        CronTrigger(hour=9, timezone=UTC),
        CalendarIntervalTrigger(days=1, hour=9, start_date="2026-01-01", timezone=UTC),
        DateTrigger("2027-01-15 09:00:00", UTC),
        OrTrigger([CronTrigger(hour=9, timezone=UTC), CronTrigger(hour=21, timezone=UTC)]),
        AndTrigger(
            [CronTrigger(hour=9, timezone=UTC), CronTrigger(day_of_week="fri", hour="*", timezone=UTC)]
        ),
    ],
    ids=lambda trigger: type(trigger).__name__,
)
@pytest.mark.parametrize(("old", "stored"), [(AHEAD, "08:00:00"), (BEHIND, "10:00:00")])
def test_a_time_of_the_trigger_keeps_its_wall_time(trigger, old, stored):
    assert followed(trigger, f"2027-01-15 {stored}", "2027-01-14 20:00", old) == "2027-01-15 09:00:00"


def test_a_time_that_is_over_by_the_new_rules_stays_due():
    trigger = CronTrigger(hour=9, timezone=UTC)
    assert followed(trigger, "2027-01-15 10:00", "2027-01-15 09:30", BEHIND) == "2027-01-15 09:00:00"


def test_a_missed_time_may_come_again_to_lie_in_the_future():
    trigger = CronTrigger(hour=9, timezone=UTC)
    assert followed(trigger, "2027-01-15 08:00", "2027-01-15 08:30", AHEAD) == "2027-01-15 09:00:00"


def test_a_schedule_that_keeps_a_rhythm_follows_the_clock():
    """An hour of runs is neither waited for nor made up."""
    every_minute = CronTrigger(minute="*", timezone=UTC)
    for old in (AHEAD, BEHIND):
        assert followed(every_minute, "2027-01-15 12:01", "2027-01-15 12:00:30", old) == "2027-01-15 12:01:00"
    odd_hours = CronTrigger(hour="*/2", timezone=UTC)
    assert followed(odd_hours, "2027-01-15 11:00", "2027-01-15 10:30", AHEAD) == "2027-01-15 12:00:00"


def test_what_has_run_this_very_instant_does_not_run_again():
    every_minute = CronTrigger(minute="*", timezone=UTC)
    assert followed(every_minute, "2027-01-15 12:01", "2027-01-15 12:00:00", AHEAD) == "2027-01-15 12:01:00"


@pytest.mark.parametrize(("old", "stored"), [(AHEAD, "10:11:11"), (BEHIND, "12:11:11")])
def test_a_time_set_by_a_user_keeps_its_wall_time(old, stored):
    trigger = CronTrigger(hour=9, timezone=UTC)
    assert followed(trigger, f"2027-01-15 {stored}", "2027-01-14 20:00", old) == "2027-01-15 11:11:11"


def test_a_time_of_the_new_rules_is_not_moved_again():
    """A pass that was broken off goes on where it ended; another process may have written under the new rules."""
    trigger = CronTrigger(hour=9, timezone=UTC)
    once = followed(trigger, "2027-01-15 08:00", "2027-01-14 20:00", AHEAD)
    assert followed(trigger, once, "2027-01-14 20:00", AHEAD) == once


def test_a_time_of_neither_can_be_told_to_stay():
    trigger = CronTrigger(hour=9, timezone=UTC)
    at_us = us("2027-01-15 10:11:11")
    assert follow(trigger, at_us, us("2027-01-14 20:00"), lambda zone: AHEAD, True) == at_us


class Others(BaseTrigger):
    def get_next_fire_time(self, previous_fire_time, now):
        return now


@pytest.mark.parametrize(
    "trigger",
    [
        IntervalTrigger(hours=24, start_date="2027-01-01 08:00", timezone=UTC),
        Others(),
        OrTrigger([Others(), CronTrigger(hour=13, timezone=UTC)]),
    ],
    ids=["interval", "others", "or with others"],
)
def test_elapsed_time_and_the_triggers_of_others_stay(trigger):
    assert followed(trigger, "2027-01-15 08:00", "2027-01-14 20:00", AHEAD) == "2027-01-15 08:00:00"


def test_each_part_of_a_combination_goes_on_with_what_it_had_next():
    """The interval is due at 08:30 elapsed; the cron schedule of 09:00 was due before it, and comes after it now."""
    trigger = OrTrigger(
        [
            CronTrigger(hour=9, timezone=UTC),
            IntervalTrigger(days=1, start_date="2027-01-01 08:30", timezone=UTC),
        ]
    )
    assert followed(trigger, "2027-01-15 08:00", "2027-01-14 20:00", AHEAD) == "2027-01-15 08:30:00"


def test_the_same_offset_moves_nothing():
    later = older(("2027-03-01", 3600))
    trigger = CronTrigger(hour=9, timezone=UTC)
    assert followed(trigger, "2027-01-15 09:00", "2027-01-14 20:00", later) == "2027-01-15 09:00:00"


def test_a_second_pass_that_is_gone_is_the_only_one():
    """Under the old rules 01:30 came twice on that day; its second pass is due."""
    old = older(("2027-01-15 01:00", 0), first=3600)
    trigger = CronTrigger(hour=1, minute=30, dst="both", timezone=UTC)
    assert followed(trigger, "2027-01-15 01:30", "2027-01-15 01:10", old) == "2027-01-15 01:30:00"


@pytest.mark.parametrize(
    ("fields", "stored", "runs"),
    [
        # was to run at 03:00, after the gap
        ({"hour": 2, "minute": 30}, "2027-01-15 02:00", "2027-01-15 02:30:00"),
        ({"hour": 2, "minute": "10,30"}, "2027-01-15 02:00", "2027-01-15 02:30:00"),  # once for both
        ({"hour": "2-3"}, "2027-01-15 02:00", "2027-01-15 03:00:00"),  # has a time of its own there
        ({"hour": 9}, "2027-01-15 08:00", "2027-01-15 09:00:00"),
    ],
)
def test_a_run_that_a_gap_had_moved_is_at_its_own_time_when_the_gap_is_gone(fields, stored, runs):
    """Under the old rules the wall clock went from 02:00 to 03:00 on that day."""
    old = older(("2027-01-15 02:00", 3600))
    trigger = CronTrigger(**fields, dst="shift", timezone=UTC)
    assert followed(trigger, stored, "2027-01-14 20:00", old) == runs


def test_rules_are_written_and_read_back():
    table = older(("2027-01-15", 3600), ("2028-01-01", -1800))
    text = rules_text(table)
    again = read_rules(text, UTC)
    assert rules_text(again) == text
    for at_s in range(FIRST_S, LAST_S, 86400 * 30):
        assert again.offset_at(at_s) == table.offset_at(at_s)
    assert rules_text(older(("2027-01-15", 3600), ("2028-01-01", -1801))) != text


@pytest.mark.parametrize("text", ["", "x", "0 1", "0 1:", "0 5:0 -5:0"])
def test_a_text_that_is_no_rules_says_so(text):
    with pytest.raises(ValueError):
        read_rules(text, UTC)


def test_the_zones_of_a_trigger_are_those_of_wall_times():
    trigger = OrTrigger([IntervalTrigger(hours=1, timezone=UTC), DateTrigger("2027-01-15", UTC)])
    assert [zone.tzinfo for zone in zones_of(trigger)] == [UTC]
