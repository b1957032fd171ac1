"""`RRuleTrigger`: rules of RFC 5545 on the wall clock of a zone; also where dateutil itself is the oracle."""

from __future__ import annotations

import pickle
from datetime import datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest

rrule = pytest.importorskip("dateutil.rrule")

from rapscheduler._serialization.triggers import trigger_json, unpack_trigger  # noqa: E402
from rapscheduler.testing import ManualScheduler  # noqa: E402
from rapscheduler.triggers.rrule import RRuleTrigger  # noqa: E402

BERLIN = ZoneInfo("Europe/Berlin")
START = datetime(2026, 1, 1, 9, tzinfo=BERLIN)


def shown(trigger: Any, count: int, start: datetime = START) -> list[str]:
    return [fire.isoformat() for fire in trigger.fire_times(start, limit=count)]


def test_the_last_work_day_of_the_month() -> None:
    trigger = RRuleTrigger("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", START)
    assert shown(trigger, 3) == [
        "2026-01-30T09:00:00+01:00",
        "2026-02-27T09:00:00+01:00",
        "2026-03-31T09:00:00+02:00",
    ]
    assert trigger.get_previous_fire_time(datetime(2026, 3, 1, tzinfo=BERLIN)).day == 27
    assert "FREQ=MONTHLY" in trigger.explain() and "Europe/Berlin" in repr(trigger)


def test_gaps_fire_with_the_offset_before_them_and_folds_once() -> None:
    trigger = RRuleTrigger("FREQ=DAILY", datetime(2026, 3, 28, 2, 30), timezone=BERLIN)
    assert shown(trigger, 3, START) == [
        "2026-03-28T02:30:00+01:00",
        "2026-03-29T03:30:00+02:00",
        "2026-03-30T02:30:00+02:00",
    ]
    october = shown(trigger, 2, datetime(2026, 10, 25, tzinfo=BERLIN))
    assert october == ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"]


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU;WKST=SU",
        "FREQ=WEEKLY;INTERVAL=3;BYDAY=MO,FR;BYSETPOS=-1",
        "FREQ=DAILY;INTERVAL=10;BYHOUR=6,18",
        "FREQ=HOURLY;INTERVAL=7;BYDAY=SA",
        "FREQ=MINUTELY;INTERVAL=90",
        "FREQ=MONTHLY;BYMONTHDAY=-1;COUNT=40",
        "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO",
        "FREQ=DAILY;UNTIL=20270101T000000Z",
        "RRULE:FREQ=WEEKLY;BYDAY=MO\nEXDATE:20260706T090000\nRDATE:20260707T100000",
    ],
)
def test_the_times_are_those_of_dateutil(rule: str) -> None:
    start = datetime(2026, 1, 1, 9)
    trigger = RRuleTrigger(rule, start, timezone="UTC")
    theirs = rrule.rrulestr(rule.replace("T000000Z", "T000000"), dtstart=start, forceset=True)
    for away in (0, 1, 100, 2000):
        begin = start + timedelta(days=away, seconds=17)
        right = [
            at.replace(tzinfo=timezone.utc) for at in theirs.xafter(begin - timedelta(seconds=1), count=12)
        ]
        assert [*trigger.fire_times(begin.replace(tzinfo=timezone.utc), limit=12)] == right


@pytest.mark.parametrize(
    ("rule", "days"),
    [
        ("FREQ=MONTHLY;BYDAY=FR,1MO", "01-02 01-05 01-09 01-16 01-23"),  # dateutil: none
        ("FREQ=MONTHLY;BYDAY=FR,1FR;COUNT=3", "01-02 01-09 01-16"),  # dateutil: first Fridays
        ("FREQ=YEARLY;BYDAY=-1MO,SA", "01-03 01-10 01-17 01-24 01-31"),
        ("FREQ=YEARLY;BYMONTH=2;BYDAY=1MO,FR", "02-02 02-06 02-13 02-20 02-27"),
        ("FREQ=YEARLY;BYMONTH=12;BYDAY=1MO,TH;BYMONTHDAY=29,30,31", "12-31 12-30 12-30 12-29 12-31"),
    ],
)
def test_weekdays_with_and_without_a_number_are_both_met(rule: str, days: str) -> None:
    trigger = RRuleTrigger(rule, datetime(2026, 1, 1, 9), timezone="UTC")
    assert [day[5:10] for day in shown(trigger, 5, datetime(2026, 1, 1, tzinfo=timezone.utc))] == days.split()


@pytest.mark.parametrize(
    ("rule", "days"),
    [
        ("BYDAY=MO,SU;BYSETPOS=1", "01-05 01-12 01-19"),  # dateutil begins with Sunday, 01-04
        ("BYDAY=MO,SU;BYSETPOS=1;COUNT=2", "01-05 01-12"),
        ("BYDAY=MO,SU;BYSETPOS=1;UNTIL=20260106T000000", "01-05"),
        ("BYDAY=MO,TH;BYSETPOS=2;COUNT=2", "01-01 01-08"),  # the start itself is the second of its week
        ("BYDAY=MO,TH;BYSETPOS=1,2;COUNT=3", "01-01 01-05 01-08"),
        ("BYDAY=MO,SU;BYSETPOS=2;INTERVAL=2;WKST=SU", "01-12 01-26 02-09"),
        ("BYHOUR=8,10;BYSETPOS=1;COUNT=2", "01-08 01-15"),  # on Thursdays, as the start is one
    ],
)
def test_a_weekly_position_counts_from_the_first_day_of_the_week(rule: str, days: str) -> None:
    trigger = RRuleTrigger(f"FREQ=WEEKLY;{rule}", datetime(2026, 1, 1, 9), timezone="UTC")
    early = datetime(2025, 12, 1, tzinfo=timezone.utc)
    assert [day[5:10] for day in shown(trigger, 3, early)] == days.split()
    if "COUNT" not in rule and "UNTIL" not in rule:  # the same from afar, where the start is moved
        some = [*trigger.fire_times(early, limit=60)]
        assert [*trigger.fire_times(some[30], limit=30)] == some[30:]


def test_a_weekly_position_from_the_first_week_of_all() -> None:
    trigger = RRuleTrigger(
        "FREQ=WEEKLY;WKST=SU;BYDAY=TU,TH;BYSETPOS=1", datetime(1, 1, 2), timezone=timezone.utc
    )
    assert shown(trigger, 1, datetime(1, 1, 1, tzinfo=timezone.utc)) == ["0001-01-02T00:00:00+00:00"]


def test_an_instant_beside_the_rule_is_that_instant_when_the_clocks_go_back() -> None:
    rule = "RRULE:FREQ=DAILY;COUNT=1\nRDATE:20261025T003000Z,20261025T014500Z\nRDATE:20261025T021500"
    trigger = RRuleTrigger(rule, datetime(2026, 10, 25, 2, 50), timezone=BERLIN)
    assert shown(trigger, 9) == [
        "2026-10-25T02:15:00+02:00",  # a wall time: the first
        "2026-10-25T02:30:00+02:00",
        "2026-10-25T02:50:00+02:00",
        "2026-10-25T02:45:00+01:00",  # the second, as it says
    ]
    assert shown(pickle.loads(pickle.dumps(trigger)), 9) == shown(trigger, 9)
    assert shown(trigger, 1, datetime(2026, 10, 25, 1, tzinfo=timezone.utc)) == ["2026-10-25T02:45:00+01:00"]


# Berlin, 2026: on 29 March 02:00-03:00 is skipped at 01:00Z, on 25 October 02:00-03:00 comes again from 01:00Z on.
MARCH, OCTOBER = datetime(2026, 3, 28, 2, 30), datetime(2026, 10, 24, 2, 30)


@pytest.mark.parametrize(
    ("start", "until", "last"),
    [
        (OCTOBER, "20261025T002959Z", "2026-10-24T02:30:00+02:00"),
        (OCTOBER, "20261025T003000Z", "2026-10-25T02:30:00+02:00"),
        (OCTOBER, "20261025T011500Z", "2026-10-25T02:30:00+02:00"),  # 02:15, the second time
        (OCTOBER, "20261025T023000", "2026-10-25T02:30:00+02:00"),
        (MARCH, "20260329T011500Z", "2026-03-28T02:30:00+01:00"),  # 03:15; the run of that day is at 01:30Z
        (MARCH, "20260329T013000Z", "2026-03-29T03:30:00+02:00"),
        (MARCH, "20260329t013000z", "2026-03-29T03:30:00+02:00"),
        (MARCH, "20260329T031500", "2026-03-28T02:30:00+01:00"),
        (MARCH, "20260329T023000", "2026-03-29T03:30:00+02:00"),  # as the wall time itself
    ],
)
def test_until_is_an_instant(start: datetime, until: str, last: str) -> None:
    trigger = RRuleTrigger(f"FREQ=DAILY;UNTIL={until}", start, timezone=BERLIN)
    early = start.replace(tzinfo=timezone.utc) - timedelta(days=1)
    assert shown(trigger, 9, early)[-1] == last
    previous = trigger.get_previous_fire_time(early + timedelta(days=99))
    assert previous is not None and previous.astimezone(BERLIN).isoformat() == last
    once_more = RRuleTrigger(f"RRULE:FREQ=DAILY\nEXRULE:FREQ=DAILY;UNTIL={until}", start, timezone=BERLIN)
    left = next(once_more.fire_times(early))
    assert left > datetime.fromisoformat(last) and left - datetime.fromisoformat(last) <= timedelta(hours=25)


def test_until_in_the_second_pass_has_all_of_the_first() -> None:
    start = datetime(2026, 10, 25, 2, tzinfo=BERLIN)
    trigger = RRuleTrigger("FREQ=MINUTELY;INTERVAL=15;UNTIL=20261025T010000Z", start)
    assert [fire[11:] for fire in shown(trigger, 9)] == [
        f"02:{minute}:00+02:00" for minute in ("00", "15", "30", "45")
    ]


@pytest.mark.parametrize(
    ("start", "exdate", "days"),
    [
        (OCTOBER, ":20261025T013000Z", "24 25 26"),  # the second pass, at which nothing fires
        (OCTOBER, ":20261025T003000Z", "24 26 27"),
        (OCTOBER, ":20261025T023000", "24 26 27"),
        (OCTOBER, ";TZID=Europe/Berlin:20261025T023000", "24 26 27"),
        (MARCH, ":20260329T013000Z", "28 30 31"),
        (MARCH, ":20260329T023000", "28 30 31"),
        (MARCH, ":20260329T033000", "28 30 31"),  # the same instant
        (MARCH, ":20260329T003000Z", "28 29 30"),
    ],
)
def test_an_exdate_is_an_instant(start: datetime, exdate: str, days: str) -> None:
    trigger = RRuleTrigger(f"RRULE:FREQ=DAILY\nEXDATE{exdate}", start, timezone=BERLIN)
    early = start.replace(tzinfo=timezone.utc) - timedelta(days=1)
    assert [fire[8:10] for fire in shown(trigger, 3, early)] == days.split()
    again = pickle.loads(pickle.dumps(trigger))
    assert shown(again, 3, early) == shown(trigger, 3, early)


def test_an_exdate_of_the_second_pass_leaves_out_an_rdate_of_it() -> None:
    rule = "RRULE:FREQ=DAILY;COUNT=2\nRDATE:20261025T013000Z,20261025T014500Z\nEXDATE:20261025T013000Z"
    assert [fire[8:] for fire in shown(RRuleTrigger(rule, OCTOBER, timezone=BERLIN), 9)] == [
        "24T02:30:00+02:00",
        "25T02:30:00+02:00",
        "25T02:45:00+01:00",
    ]


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York", "UTC"])
@pytest.mark.parametrize("until", ["99991231T235959Z", "99991231T235959", "99991231"])
def test_a_rule_until_the_end_of_the_calendar(until: str, zone: str) -> None:
    trigger = RRuleTrigger(f"FREQ=YEARLY;UNTIL={until}", datetime(2026, 1, 1, 9), timezone=zone)
    assert len(shown(trigger, 3, datetime(2025, 1, 1, tzinfo=timezone.utc))) == 3


@pytest.mark.parametrize(
    ("rule", "fires"),
    [
        ("FREQ=DAILY", "25T02:30:00+01:00 26T02:30:00+01:00 27T02:30:00+01:00"),
        ("FREQ=DAILY;COUNT=2", "25T02:30:00+01:00 26T02:30:00+01:00"),
        ("FREQ=HOURLY;COUNT=2", "25T02:30:00+01:00 25T03:30:00+01:00"),
        ("FREQ=MINUTELY;INTERVAL=20", "25T02:30:00+01:00 25T02:50:00+01:00 25T03:10:00+01:00"),
        ("FREQ=MINUTELY;INTERVAL=20;UNTIL=20261025T024500", "25T02:30:00+01:00"),
        ("FREQ=MINUTELY;INTERVAL=20;UNTIL=20261025T014500Z", "25T02:30:00+01:00"),
        ("RRULE:FREQ=DAILY\nEXDATE:20261025T023000", "26T02:30:00+01:00 27T02:30:00+01:00 28T02:30:00+01:00"),
        ("RRULE:FREQ=DAILY;COUNT=1\nRDATE:20261025T024000", "25T02:30:00+01:00 25T02:40:00+01:00"),
        # an RDATE is what it says, also before the start
        ("RRULE:FREQ=DAILY;COUNT=1\nRDATE:20261025T004000Z", "25T02:40:00+02:00 25T02:30:00+01:00"),
    ],
)
def test_a_start_in_the_second_pass_is_that_instant(rule: str, fires: str) -> None:
    start = datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=BERLIN)
    trigger = RRuleTrigger(rule, start)
    early = datetime(2026, 10, 1, tzinfo=BERLIN)
    for again in (
        trigger,
        RRuleTrigger(rule, start.astimezone(timezone.utc), timezone=BERLIN),
        pickle.loads(pickle.dumps(trigger)),
        unpack_trigger(orjson.loads(trigger_json(trigger))),
    ):
        assert again == trigger
        assert [fire[8:] for fire in shown(again, 3, early)] == fires.split()
    assert trigger != RRuleTrigger(rule, start.replace(fold=0))
    first = next(trigger.fire_times(early))
    assert trigger.get_previous_fire_time(first) is None
    assert trigger.get_next_fire_time(early, early) == trigger.get_next_fire_time(None, early) == first


@pytest.mark.parametrize(
    ("rule", "days"),
    [  # 2026 begins on a Thursday: week 1 is from 2025-12-29 on, week 20 from 2026-05-11 on, week 53 from 12-28 on
        ("FREQ=YEARLY;BYWEEKNO=20", "2026-05-14 2027-05-20 2028-05-18"),
        ("FREQ=YEARLY;BYWEEKNO=1,20;COUNT=2", "2026-01-01 2026-05-14"),
        ("FREQ=YEARLY;BYWEEKNO=53", "2026-12-31 2032-12-30 2037-12-31"),
        ("FREQ=YEARLY;BYWEEKNO=20;WKST=SU", "2026-05-21 2027-05-20 2028-05-18"),
        ("FREQ=WEEKLY;BYWEEKNO=20", "2026-05-14 2027-05-20 2028-05-18"),
        ("FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO,TU", "2026-05-11 2026-05-12 2027-05-17"),
        ("FREQ=YEARLY;BYWEEKNO=20;BYMONTHDAY=16,17", "2026-05-16 2026-05-17 2027-05-17"),
        ("FREQ=DAILY;BYWEEKNO=20", "2026-05-11 2026-05-12 2026-05-13"),
    ],
)
def test_weeks_without_a_day_are_the_weekday_of_the_start(rule: str, days: str) -> None:
    trigger = RRuleTrigger(rule, datetime(2026, 1, 1, 9), timezone="UTC")
    early = datetime(2025, 12, 1, tzinfo=timezone.utc)
    assert [fire[:10] for fire in shown(trigger, 3, early)] == days.split()


def test_an_old_start_is_not_walked_from() -> None:
    trigger = RRuleTrigger("FREQ=SECONDLY;INTERVAL=7", datetime(1990, 1, 1), timezone="UTC")
    now = datetime(2026, 6, 1, tzinfo=timezone.utc)
    fire = trigger.get_next_fire_time(None, now)
    assert fire is not None and (fire - datetime(1990, 1, 1, tzinfo=timezone.utc)).total_seconds() % 7 == 0
    assert fire - now < timedelta(seconds=7)


def test_a_rule_ends() -> None:
    trigger = RRuleTrigger("FREQ=DAILY;COUNT=2", START)
    assert len(shown(trigger, 9)) == 2
    assert trigger.get_next_fire_time(None, START + timedelta(days=9)) is None


def test_stored_and_pickled_it_is_the_same() -> None:
    trigger = RRuleTrigger("FREQ=DAILY;BYHOUR=3", START, jitter=5)
    node = orjson.loads(trigger_json(trigger))
    assert node["type"] == "rrule" and node["rule"] == "FREQ=DAILY;BYHOUR=3"
    for again in (unpack_trigger(node), pickle.loads(pickle.dumps(trigger))):
        assert again == trigger and hash(again) == hash(trigger) and repr(again) == repr(trigger)
    assert trigger != RRuleTrigger("FREQ=DAILY;BYHOUR=4", START, jitter=5)


@pytest.mark.parametrize("rule", ["FREQ=YEARLY", "FREQ=MONTHLY;COUNT=5"])
def test_a_rule_without_times_is_found_out_soon(rule: str) -> None:
    trigger = RRuleTrigger(f"{rule};BYMONTH=2;BYMONTHDAY=30", START)
    assert trigger.get_next_fire_time(None, START) is None


def test_a_job_with_one() -> None:
    seen: list[str] = []
    with ManualScheduler("2026-01-01T00:00:00Z") as scheduler:
        scheduler.add_job(seen.append, "rrule", rule="FREQ=HOURLY;INTERVAL=6", start_date=START, args=["x"])
        scheduler.advance(86_400)
    assert len(seen) == 3


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        (("FREQ=SOMETIMES", START), ValueError, "can't be read"),
        (("", START), ValueError, "can't be read"),
        (("FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30", START), ValueError, "no day"),
        (("FREQ=DAILY;COUNT=3;BYMONTH=1;BYYEARDAY=200", START), ValueError, "no day"),
        # 45 minutes from 9:00 on meet the hour 22 at 22:30 only
        (("FREQ=MINUTELY;INTERVAL=45;BYHOUR=22;BYMINUTE=0,15", START), ValueError, "no time of day"),
        (
            ("RRULE:FREQ=DAILY\nEXRULE:FREQ=MINUTELY;INTERVAL=45;BYHOUR=22;BYMINUTE=15", START),
            ValueError,
            "no time",
        ),
        ((5, START), TypeError, "not a text"),
        (("FREQ=DAILY", None), TypeError, "DTSTART"),
        (("DTSTART:20260101T000000\nRRULE:FREQ=DAILY", START), ValueError, "start_date"),
    ],
)
def test_what_is_no_rule_is_refused(arguments: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        RRuleTrigger(*arguments)


def test_an_interval_that_meets_one_time_of_day() -> None:
    trigger = RRuleTrigger("FREQ=MINUTELY;INTERVAL=45;BYHOUR=22;BYMINUTE=15,30", START)
    assert shown(trigger, 2) == ["2026-01-01T22:30:00+01:00", "2026-01-02T22:30:00+01:00"]


def test_what_an_exrule_names_is_left_out() -> None:
    trigger = RRuleTrigger("RRULE:FREQ=DAILY\nEXRULE:FREQ=WEEKLY;BYDAY=SA,SU", START)
    fires = [datetime.fromisoformat(fire) for fire in shown(trigger, 4)]
    assert [fire.strftime("%a %d") for fire in fires] == ["Thu 01", "Fri 02", "Mon 05", "Tue 06"]


def test_a_rule_from_the_first_year_on() -> None:
    first = datetime(1, 1, 1, 9, tzinfo=timezone.utc)
    assert RRuleTrigger("FREQ=YEARLY", first).get_next_fire_time(None, first) == first


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo", "UTC"])
def test_nothing_before_the_start_and_at_the_ends_of_the_calendar(zone: str) -> None:
    trigger = RRuleTrigger("FREQ=DAILY", datetime(2026, 1, 1, 9), timezone=zone)
    first = datetime(2026, 1, 1, 9, tzinfo=ZoneInfo(zone))
    assert trigger.get_previous_fire_time(first) is None
    # a hundred years on
    assert trigger.get_next_fire_time(None, datetime(1, 1, 1, tzinfo=timezone.utc)) is None
    last = datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone.utc)
    assert trigger.get_next_fire_time(None, last) is None


def test_it_says_its_rule_on_one_line_and_equals_nothing_else() -> None:
    trigger = RRuleTrigger("RRULE:FREQ=DAILY\nEXDATE:20260102T090000", START)
    assert str(trigger) == "rrule[RRULE:FREQ=DAILY EXDATE:20260102T090000]"
    assert trigger != "FREQ=DAILY"
