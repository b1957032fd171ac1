"""What `AndTrigger` and `OrTrigger` themselves leave out: by one clock, however their parts fire."""

from __future__ import annotations

import pickle
import random
from datetime import datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest

from rapscheduler._serialization.triggers import trigger_json, unpack_trigger
from rapscheduler.calendars import days
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.triggers._wall_times import follow
from rapscheduler.triggers.base import BaseTrigger
from rapscheduler.triggers.combining import AndTrigger, OrTrigger
from rapscheduler.triggers.cron import CronTrigger
from rapscheduler.triggers.interval import IntervalTrigger

UTC = timezone.utc
BERLIN = ZoneInfo("Europe/Berlin")
TOKYO = ZoneInfo("Asia/Tokyo")
DAY_ONE = datetime(2026, 1, 1, tzinfo=BERLIN)


class EveryHour(BaseTrigger):
    """A third party's trigger, without a zone."""

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        after = now if previous_fire_time is None else previous_fire_time + timedelta(microseconds=1)
        floor = after.replace(minute=0, second=0, microsecond=0)
        return floor if floor == after else floor + timedelta(hours=1)


def cron(zone: Any = BERLIN, **fields: Any) -> CronTrigger:
    return CronTrigger(timezone=zone, **fields)


def shown(trigger: Any, count: int, start: datetime = DAY_ONE) -> list[str]:
    return [f"{fire:%a %m-%d %H:%M}" for fire in trigger.fire_times(start, limit=count)]


def test_days_are_left_out_whichever_part_fires() -> None:
    trigger = OrTrigger([cron(hour=8), cron(hour=20, minute=30)], exclude=["fri-sun", "2026-01-06"])
    assert shown(trigger, 4) == ["Thu 01-01 08:00", "Thu 01-01 20:30", "Mon 01-05 08:00", "Mon 01-05 20:30"]
    both = AndTrigger([cron(hour="8-10"), cron(hour="9-11")], windows=["09:30-12:00"], exclude="thu")
    assert shown(both, 2) == ["Fri 01-02 10:00", "Sat 01-03 10:00"]


def test_the_clock_is_that_of_the_first_trigger() -> None:
    parts = [cron(hour=8), cron(zone=TOKYO, hour=8)]  # in Berlin: 08:00 and 00:00
    assert shown(OrTrigger(parts, windows="07:00-09:00"), 2) == ["Thu 01-01 08:00", "Fri 01-02 08:00"]
    there = OrTrigger(parts[::-1], windows="07:00-09:00")  # in Tokyo: 16:00 and 08:00
    assert [str(fire) for fire in there.fire_times(DAY_ONE, limit=2)] == [
        "2026-01-01 08:00:00+09:00",
        "2026-01-02 08:00:00+09:00",
    ]
    assert "by the clock of Asia/Tokyo" in there.explain(DAY_ONE)


def test_against_every_fire_time_of_the_parts_both_ways() -> None:
    chance = random.Random(7)
    for _ in range(20):
        parts = [
            IntervalTrigger(minutes=chance.choice((7, 30, 60)), start_date="2026-03-20", timezone=BERLIN),
            cron(minute=chance.choice(("*/15", "0", "*/7")), dst="both"),
        ]
        kind: Any = chance.choice((AndTrigger, OrTrigger))
        left_out = days(chance.choice(("sun", "mon-wed", "2026-03-29")))
        trigger = kind(parts, exclude=left_out, windows=["00:00-02:20", "13:00-24:00"])
        start, end = datetime(2026, 3, 25, tzinfo=BERLIN), datetime(2026, 4, 4, tzinfo=BERLIN)
        right = []
        for fire in kind(parts).fire_times(start, end):
            wall = fire.astimezone(BERLIN)
            at = wall.hour * 60 + wall.minute
            if wall.date() not in left_out and (at < 140 or at >= 780):
                right.append(fire)
        assert list(trigger.fire_times(start, end)) == right
        back, before = [], end + timedelta(microseconds=1)
        while (fire := trigger.get_previous_fire_time(before)) is not None and fire >= start:
            back.append(fire)
            before = fire
        assert back[::-1] == right


def test_a_combination_within_one_leaves_out_its_own() -> None:
    inner = OrTrigger([cron(hour=8), cron(hour=9)], exclude="thu")
    assert shown(OrTrigger([cron(hour=7), inner], exclude="fri"), 3) == [
        "Thu 01-01 07:00",
        "Sat 01-03 07:00",
        "Sat 01-03 08:00",
    ]


def test_nothing_left_is_never() -> None:
    assert OrTrigger([cron(hour=8)], exclude="mon-sun").get_next_fire_time(None, DAY_ONE) is None
    assert OrTrigger([cron(hour=8)], windows="09:00-09:30").get_next_fire_time(None, DAY_ONE) is None
    assert OrTrigger([cron(hour=8)], windows="09:00-09:30").get_previous_fire_time(DAY_ONE) is None
    assert (
        AndTrigger([cron(hour=8), cron(minute=0)], exclude="mon-sun").get_previous_fire_time(DAY_ONE) is None
    )


def test_triggers_of_others_take_part_but_give_no_clock() -> None:
    trigger = OrTrigger([cron(hour=8), EveryHour()], windows="07:30-09:30", exclude="thu")
    assert shown(trigger, 3) == ["Fri 01-02 08:00", "Fri 01-02 09:00", "Sat 01-03 08:00"]
    with pytest.raises(ValueError, match="put a trigger first that has one"):
        OrTrigger([EveryHour(), cron(hour=8)], exclude="thu")
    EveryHour.timezone = TOKYO  # type: ignore[attr-defined]
    try:
        assert OrTrigger([EveryHour()], windows="08:00-09:00").get_next_fire_time(None, DAY_ONE) == datetime(
            2026, 1, 1, 8, tzinfo=TOKYO
        )
    finally:
        del EveryHour.timezone  # type: ignore[attr-defined]


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="says no days"):
        OrTrigger([cron(hour=8)], exclude="yesterday")
    with pytest.raises(ValueError, match="windows"):
        AndTrigger([cron(hour=8)], windows="8-9")
    with pytest.raises(ValueError, match="jitter="):
        OrTrigger([cron(hour=8)], spread="hash")


TRIGGERS = [
    OrTrigger([cron(hour=8), cron(hour=9)], 60, exclude=["sat", "2026-12-24"], windows=["08:00-09:00"]),
    AndTrigger([cron(hour=8), cron(minute=0)], exclude="sun", horizon=timedelta(days=900)),
    OrTrigger([cron(hour=8)], 600, spread="hash", seed="x"),
]


@pytest.mark.parametrize("trigger", TRIGGERS, ids=["or", "and", "spread"])
def test_written_and_read_back_it_is_equal(trigger: Any) -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(trigger, protocol)) == trigger
    again: Any = unpack_trigger(orjson.loads(trigger_json(trigger)))
    assert again == trigger and repr(again) == repr(trigger)
    assert shown(again, 5) == shown(trigger, 5)
    again.exclude = "mon"
    assert again != trigger


def test_a_state_from_before_leaves_nothing_out() -> None:
    state = OrTrigger([cron(hour=8)]).__getstate__()
    assert state.keys() == {"version", "triggers", "jitter"}
    made: Any = OrTrigger.__new__(OrTrigger)
    made.__setstate__(state)
    assert (made.exclude, made.windows, made.spread) == (None, (), None)
    node = orjson.loads(trigger_json(made))
    assert node.keys() == {"type", "triggers"}


def test_spread_follows_from_the_id_of_the_job() -> None:
    scheduler = BackgroundScheduler(timezone=BERLIN)
    scheduler.start(paused=True)
    try:
        shared = OrTrigger([EveryHour(), cron(minute=0)], 600, spread="hash")
        jobs = [scheduler.add_job(print, shared, id=f"j{i}") for i in range(30)]
        late = [job.next_run_time.minute * 60 + job.next_run_time.second for job in jobs]
        assert len(set(late)) > 20 and max(late) < 600
        assert shared.skips is not None and shared.skips.source.seed is None
        again = scheduler.add_job(print, shared, id="j0", replace_existing=True)
        assert again.next_run_time == jobs[0].next_run_time
        named = scheduler.add_job(
            print, "or", triggers=[cron(hour=8)], exclude="sat", windows=["08:00-09:00"], id="named"
        )
        assert named.trigger == OrTrigger([cron(hour=8)], exclude="sat", windows=["08:00-09:00"])
    finally:
        scheduler.shutdown()


def test_a_change_of_rules_leads_into_nothing_left_out() -> None:
    """Berlin's clock is three hours ahead of its older rules: what was at 08:00 there is at 08:00 here."""
    from rapscheduler._engine.timezone import ZoneTable
    from rapscheduler.triggers._wall_times import zones_of

    trigger = OrTrigger([cron(hour=8)], exclude="fri")
    old = ZoneTable.fixed(-7200, timezone(timedelta(hours=-2)))
    assert [zone.tzinfo for zone in zones_of(trigger)] == [BERLIN]
    at_us = int(datetime(2026, 1, 3, 8, tzinfo=timezone(timedelta(hours=-2))).timestamp()) * 1_000_000
    right_us = int(datetime(2026, 1, 3, 8, tzinfo=BERLIN).timestamp()) * 1_000_000
    assert follow(trigger, at_us, 0, lambda zone: old) == right_us
    skipped_us = at_us - 86_400_000_000  # a Friday's: set by a user, its wall time stays
    assert follow(trigger, skipped_us, 0, lambda zone: old) == right_us - 86_400_000_000
