"""`exclude=`, `windows=` and `spread=` of triggers: which times are left out, by both engines' rules."""

from __future__ import annotations

import pickle
from datetime import date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest

from rapscheduler._serialization.triggers import trigger_json, unpack_trigger
from rapscheduler.calendars import Days, business_days, days, holidays, weekdays
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.triggers.calendarinterval import CalendarIntervalTrigger
from rapscheduler.triggers.cron import CronTrigger
from rapscheduler.triggers.interval import IntervalTrigger

BERLIN = ZoneInfo("Europe/Berlin")
DAY_ONE = datetime(2026, 1, 1, tzinfo=BERLIN)


def shown(trigger: Any, count: int, start: datetime = DAY_ONE) -> list[str]:
    return [f"{fire:%a %Y-%m-%d %H:%M}" for fire in trigger.fire_times(start, limit=count)]


def test_days_and_holidays_are_left_out() -> None:
    trigger = CronTrigger(
        hour=8, timezone=BERLIN, exclude=["sat", "sun", date(2026, 1, 7), holidays("DE", "BY"), "01-09/01-12"]
    )
    assert shown(trigger, 4) == [
        "Fri 2026-01-02 08:00",
        "Mon 2026-01-05 08:00",  # the 6th is a holiday in Bavaria
        "Thu 2026-01-08 08:00",
        "Tue 2026-01-13 08:00",
    ]
    assert f"{trigger.get_previous_fire_time(datetime(2026, 1, 8, 8, tzinfo=BERLIN)):%d %H}" == "05 08"
    assert "but not on sat, sun, 2026-01-07, holidays of DE-BY" in trigger.explain(DAY_ONE)
    assert "exclude='sat, sun" in repr(trigger)


def test_the_nth_business_day() -> None:
    pay = CronTrigger(hour=9, timezone=BERLIN, exclude=~business_days("DE", "BY").nth(3, -1))
    assert shown(pay, 4) == [
        "Wed 2026-01-07 09:00",
        "Fri 2026-01-30 09:00",
        "Wed 2026-02-04 09:00",
        "Fri 2026-02-27 09:00",
    ]


def test_windows_of_the_day() -> None:
    start = datetime(2026, 1, 1, 0, 10, tzinfo=BERLIN)
    trigger = IntervalTrigger(
        hours=5,
        start_date=start,
        timezone=BERLIN,
        windows=["22:00-06:00", "12:00-13:00"],
        exclude=["2026-01-02"],
    )
    assert shown(trigger, 5) == [
        "Thu 2026-01-01 00:10",
        "Thu 2026-01-01 05:10",
        "Sat 2026-01-03 02:10",
        "Sat 2026-01-03 12:10",
        "Sat 2026-01-03 22:10",
    ]
    assert trigger.windows == ("22:00-06:00", "12:00-13:00")


def test_the_end_of_a_window_is_not_in_it_and_windows_that_touch_are_one() -> None:
    trigger = CronTrigger(hour="8,12,18", timezone=BERLIN, windows=["08:00-12:00", "12:00-18:00"])
    assert shown(trigger, 3) == ["Thu 2026-01-01 08:00", "Thu 2026-01-01 12:00", "Fri 2026-01-02 08:00"]


def test_calendar_intervals_keep_their_chain() -> None:
    trigger = CalendarIntervalTrigger(
        days=2, hour=7, start_date="2026-01-01", timezone=BERLIN, exclude="sat-mon"
    )
    assert shown(trigger, 3) == ["Thu 2026-01-01 07:00", "Wed 2026-01-07 07:00", "Fri 2026-01-09 07:00"]


def test_a_walk_against_every_second_of_the_clock_changes() -> None:
    """What the trigger says is what the plain rule says of each fire time of the trigger without."""
    for zone in ("Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe", "Africa/Cairo"):
        tz = ZoneInfo(zone)
        left_out = days("sun", "2018-11-03/2018-11-04", "10-25")
        args: dict[str, Any] = {"minute": "*/10", "timezone": tz, "dst": "both"}
        free = CronTrigger(**args)
        trigger = CronTrigger(**args, exclude=left_out, windows=["00:00-01:30", "02:05-03:00", "23:00-24:00"])
        start, end = datetime(2018, 10, 20, tzinfo=timezone.utc), datetime(2018, 11, 10, tzinfo=timezone.utc)

        def kept(fire: datetime, left_out: Days = left_out) -> bool:
            at = fire.hour * 60 + fire.minute
            return fire.date() not in left_out and (at < 90 or 125 <= at < 180 or at >= 23 * 60)

        right = [fire for fire in free.fire_times(start, end) if kept(fire)]
        assert list(trigger.fire_times(start, end)) == right
        back, before = [], end + timedelta(seconds=1)
        while (fire := trigger.get_previous_fire_time(before)) is not None and fire >= start:
            back.append(fire)
            before = fire
        assert back[::-1] == right


def test_nothing_left_is_never_and_ends_soon() -> None:
    assert CronTrigger(day_of_week="mon", exclude="mon").get_next_fire_time(None, DAY_ONE) is None
    assert CronTrigger(hour=8, windows="09:00-10:00").get_next_fire_time(None, DAY_ONE) is None
    assert CronTrigger(hour=8, exclude="mon-sun").get_previous_fire_time(DAY_ONE) is None
    assert CronTrigger(hour=8, exclude="mon-sun").get_next_fire_time(None, DAY_ONE) is None
    beyond = datetime(2199, 12, 31, tzinfo=timezone.utc)  # sets of days are worked out until then
    assert shown(CronTrigger(hour=8, timezone="UTC", exclude="wed-sun"), 2, beyond) == [
        "Tue 2199-12-31 08:00",
        "Mon 2200-01-06 08:00",
    ]


@pytest.mark.parametrize("text", ["", "yesterday", "2026-02-30", "13-01", "2026-02-02/2026-01-01", "mon-"])
def test_what_says_no_days_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"says no days|ends before"):
        CronTrigger(hour=8, exclude=[text])


@pytest.mark.parametrize("window", ["8-9", "08:00-08:00", "25:00-26:00", "08:61-09:00", 5])
def test_what_is_no_window_is_refused(window: Any) -> None:
    with pytest.raises(ValueError, match="windows"):
        CronTrigger(hour=8, windows=[window])


def test_other_errors_name_the_cure() -> None:
    with pytest.raises(TypeError, match=r"\.date\(\)"):
        CronTrigger(hour=8, exclude=[DAY_ONE])
    with pytest.raises(ValueError, match="no holidays"):
        holidays("XX")
    with pytest.raises(ValueError, match="jitter="):
        CronTrigger(hour=8, spread="hash")
    with pytest.raises(ValueError, match="'hash'"):
        CronTrigger(hour=8, jitter=60, spread="even")
    with pytest.raises(ValueError, match="no weekday"):
        weekdays("2026-01-01")


TRIGGERS = [
    CronTrigger(hour=8, timezone=BERLIN, exclude=[holidays("DE", "BY"), "sat"], windows=["08:00-09:00"]),
    CronTrigger(hour=8, timezone=BERLIN, jitter=60, spread="hash", seed="x"),
    IntervalTrigger(hours=1, start_date=DAY_ONE, timezone=BERLIN, exclude=~business_days("US").nth(2)),
    CalendarIntervalTrigger(days=1, start_date="2026-01-01", timezone=BERLIN, windows="22:00-06:00"),
]


@pytest.mark.parametrize("trigger", TRIGGERS, ids=str)
def test_written_and_read_back_it_is_the_same(trigger: Any) -> None:
    for again in (unpack_trigger(orjson.loads(trigger_json(trigger))), pickle.loads(pickle.dumps(trigger))):
        assert repr(again) == repr(trigger)
        assert again.exclude == trigger.exclude and again.windows == trigger.windows
        assert again.spread == trigger.spread
        assert shown(again, 5) == shown(trigger, 5)


def test_the_written_form_is_plain() -> None:
    node = orjson.loads(trigger_json(TRIGGERS[0]))
    assert node["exclude"] == {"any": [{"holidays": ["DE", "BY", None]}, "sat"]}
    assert node["windows"] == ["08:00-09:00"]


def test_they_can_be_assigned() -> None:
    trigger = CronTrigger(hour=8, timezone=BERLIN)
    assert (trigger.exclude, trigger.windows, trigger.spread) == (None, (), None)
    trigger.exclude = "thu"
    trigger.windows = ["07:00-09:00"]
    assert shown(trigger, 1) == ["Fri 2026-01-02 08:00"]
    trigger.exclude = None
    assert shown(trigger, 1) == ["Thu 2026-01-01 08:00"]
    trigger.windows = None
    assert trigger.skips is None


def test_spread_is_the_same_for_a_job_and_differs_between_jobs() -> None:
    scheduler = BackgroundScheduler(timezone=BERLIN)
    scheduler.start(paused=True)
    try:
        trigger = CronTrigger(minute=0, jitter=600, spread="hash")
        jobs = [scheduler.add_job(print, trigger, id=f"j{i}") for i in range(50)]
        late = [job.next_run_time.minute * 60 + job.next_run_time.second for job in jobs]
        assert len(set(late)) > 30 and max(late) < 600 and max(late) > 300
        one = jobs[0].trigger
        assert one.get_next_fire_time(None, DAY_ONE) == one.get_next_fire_time(None, DAY_ONE)
        same = scheduler.add_job(
            print, "cron", minute=0, jitter=600, spread="hash", id="j0", replace_existing=True
        )
        assert same.next_run_time == jobs[0].next_run_time
        before = jobs[1].next_run_time
        scheduler.reschedule_job("j1", trigger="cron", minute=0, jitter=600, spread="hash")
        assert scheduler.get_job("j1").next_run_time == before
        many = scheduler.add_jobs(
            {"func": print, "trigger": "cron", "minute": 0, "jitter": 600, "spread": "hash", "id": f"m{i}"}
            for i in range(20)
        )
        assert len({job.next_run_time for job in many}) > 10
    finally:
        scheduler.shutdown()


def test_sets_of_days() -> None:
    christmas = days("12-24/01-06")
    assert (
        date(2030, 1, 6) in christmas
        and date(2029, 12, 24) in christmas
        and date(2030, 1, 7) not in christmas
    )
    assert date(2500, 1, 2) in weekdays("sat") and date(2500, 1, 3) not in weekdays("sat")
    weekend = weekdays("sat-sun") - days(date(2026, 7, 4))
    assert date(2026, 7, 4) not in weekend and date(2026, 7, 5) in weekend
    assert days("sat") == weekdays("sat") and hash(days("sat")) == hash(weekdays("sat"))
    assert pickle.loads(pickle.dumps(weekend)) == weekend
    assert date(2024, 2, 29) in days("02-29") and date(2025, 3, 1) not in days("02-29")
    range_ = days((date(2026, 8, 3), date(2026, 8, 5)))
    assert [date(2026, 8, d) in range_ for d in (2, 3, 5, 6)] == [False, True, True, False]
    with pytest.raises(AttributeError):
        weekend.node = "mon"  # type: ignore[misc]


@pytest.mark.parametrize(
    "node", [{"any": "sat"}, {"nth": True, "of": "mon"}, {"holidays": ["../x", None, None]}, 7, {}]
)
def test_hostile_written_forms_are_refused(node: Any) -> None:
    with pytest.raises(ValueError):
        Days(node)
    deep: Any = "mon"
    for _ in range(40):
        deep = {"not": deep}
    with pytest.raises(ValueError, match="at most"):
        Days(deep)


def test_a_year_of_work_days_is_quick_to_list() -> None:
    trigger = CronTrigger(hour=8, timezone=BERLIN, exclude=["sat", "sun"])
    first = next(iter(trigger.fire_times(DAY_ONE)))
    assert sum(1 for _ in trigger.fire_times(first, first + timedelta(days=364))) == 261
