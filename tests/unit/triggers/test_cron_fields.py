"""The text of fields: what APScheduler 3.11.3 accepts reads the same here; its accidents are refused with advice."""

from __future__ import annotations

import copy
import pickle
from datetime import datetime

import pytest
from apscheduler.triggers.cron import CronTrigger as Theirs
from apscheduler.triggers.cron import expressions as their_expressions

from rapscheduler.triggers.cron import CronTrigger
from rapscheduler.triggers.cron.expressions import (
    AllExpression,
    LastDayOfMonthExpression,
    MonthRangeExpression,
    NearestWorkdayExpression,
    RangeExpression,
    WeekdayPositionExpression,
    WeekdayRangeExpression,
)
from rapscheduler.triggers.cron.fields import BaseField, DayOfMonthField, MonthField, WeekField

SAME = [
    {},
    {"hour": 5},
    {"hour": "5"},
    {"second": "*"},
    {"week": "*"},
    {"month": 1, "minute": 5},
    {
        "year": "2020-2030/3",
        "month": "jan",
        "day": "last,1-5",
        "week": "*",
        "day_of_week": "mon",
        "hour": "*/5",
    },
    {"year": 2026},
    {"year": "*", "day": "last"},
    {"day": "1st mon,3rd  sun , last fri"},
    {"day": "LAST"},
    {"day": "1-31/30"},
    {"month": "JAN-Mar,jun"},
    {"month": "1-12/11"},
    {"week": "1-53"},
    {"week": "*/2"},
    {"day_of_week": "mon,wed-fri , sun"},
    {"day_of_week": "0-6"},
    {"day_of_week": "0/2"},
    {"day_of_week": "*/6"},
    {"hour": "0/15"},
    {"hour": " 5 , 6"},
    {"minute": "*/23", "second": "0-59/59"},
    {"second": "7-7"},
    {"day_of_week": "sun", "hour": "1-3"},
]


@pytest.mark.parametrize("fields", SAME, ids=str)
def test_fields_read_as_in_apscheduler(fields: dict) -> None:
    ours, theirs = CronTrigger(timezone="UTC", **fields), Theirs(timezone="UTC", **fields)
    assert repr(ours) == repr(theirs)
    assert str(ours) == str(theirs)
    assert [field.name for field in ours.fields] == list(Theirs.FIELD_NAMES)
    assert [str(field) for field in ours.fields] == [str(field) for field in theirs.fields]
    assert [field.is_default for field in ours.fields] == [field.is_default for field in theirs.fields]
    assert [repr(field) for field in ours.fields] == [repr(field) for field in theirs.fields]
    assert [type(field).__name__ for field in ours.fields] == [
        type(field).__name__ for field in theirs.fields
    ]


@pytest.mark.parametrize("fields", SAME, ids=str)
def test_fields_and_expressions_step_as_in_apscheduler(fields: dict) -> None:
    ours, theirs = CronTrigger(timezone="UTC", **fields), Theirs(timezone="UTC", **fields)
    for moment in (
        datetime(2026, 2, 27, 13, 59, 58),
        datetime(2028, 2, 29),
        datetime(2020, 12, 31, 23, 59, 59),
    ):
        for our, their in zip(ours.fields, theirs.fields, strict=True):
            assert our.get_min(moment) == their.get_min(moment)
            assert our.get_max(moment) == their.get_max(moment)
            assert our.get_value(moment) == their.get_value(moment)
            assert our.get_next_value(moment) == their.get_next_value(moment)


def test_class_attributes_are_those_of_apscheduler() -> None:
    assert CronTrigger.FIELD_NAMES == Theirs.FIELD_NAMES
    assert {name: cls.__name__ for name, cls in CronTrigger.FIELDS_MAP.items()} == {
        name: cls.__name__ for name, cls in Theirs.FIELDS_MAP.items()
    }
    assert WeekdayPositionExpression.options == their_expressions.WeekdayPositionExpression.options


@pytest.mark.parametrize(
    ("field", "value", "cure"),
    [
        ("day", "lastfoo", "write"),
        ("day", "1st sun-mon", "write"),
        ("day", "6th mon", "write"),
        ("day", "3rd 0", "write one of mon, tue"),
        ("day", "last-31", "last-1 to last-30"),
        ("day", "0W", "1W to 31W"),
        ("day", "32W", "1W to 31W"),
        ("day", "32", "give 1 to 31"),
        ("day_of_week", "fri-", "write"),
        ("day_of_week", "mon-3", "write"),
        ("day_of_week", "monday", "write one of mon, tue"),
        ("day_of_week", "fri-mon", "'fri-sun,mon'"),
        ("day_of_week", "7", "0 is Monday"),
        ("day_of_week", "mon,", "write"),
        ("day_of_week", "", "write"),
        ("month", "jan-", "write"),
        ("month", "janfoo", "write one of jan, feb"),
        ("month", "jan foo", "write"),
        ("month", "dec-jan", "'dec,jan'"),
        ("month", "nov-feb", "'nov-dec,jan-feb'"),
        ("month", "*/12", "write month=1;"),
        ("month", "january", "did you mean 'jan'?"),
        ("day_of_week", "sun-mon", "'sun,mon'"),
        ("day_of_week", "sat-tue/2", "'sat,mon'"),
        ("day_of_week", "6-0", "'6,0'"),
        ("day_of_week", "5#2", "day='2nd fri'"),
        ("day", "*/31", "CalendarIntervalTrigger(days=31)"),
        ("day", "L", "write 'last'"),
        ("day", "?", "leave day out"),
        ("minute", "*/60", "write minute=0;"),
        ("minute", "*/90", "IntervalTrigger(minutes=90)"),
        ("second", "*/60", "write second=0;"),
        ("hour", "7:30", "write hour=7, minute=30"),
        ("month", "0", "give 1 to 12"),
        ("hour", 24, "give 0 to 23"),
        ("hour", -1, "of 0 to 23"),
        ("hour", "24/2", "give 0 to 23"),
        ("hour", "22-2", "'22-23,0-2'"),
        ("hour", "*/24", "write hour=0;"),
        ("hour", "5-5/2", "write hour=5;"),
        ("hour", "*/0", "'*/2' for every other"),
        ("hour", "1,2,,3", "write"),
        ("hour", "?", "write"),
        ("hour", "٣", "write"),
        ("hour", "1_0", "write"),
        ("hour", 1.5, "write"),
        ("hour", 1.0, "write"),
        ("hour", True, "write"),
        ("hour", b"1", "write"),
        ("hour", [], "write"),
        ("hour", {1: 2}, "write"),
        ("year", 1969, "give 1970 to 9999"),
        ("year", 10000, "give 1970 to 9999"),
        ("second", 10**30, "write"),
        ("week", 54, "give 1 to 53"),
    ],
)
def test_refused_values_are_named_with_field_and_cure(field: str, value: object, cure: str) -> None:
    CronTrigger(hour=1, timezone="UTC")  # 1 is known by now, and 1.0 and True are equal to it
    with pytest.raises(ValueError) as caught:
        CronTrigger(**{field: value}, timezone="UTC")
    message = str(caught.value)
    assert field in message
    assert str(value).split(",")[0] in message
    assert cure in message


def test_a_step_after_names_counts() -> None:
    field = CronTrigger(month="jan-dec/2", timezone="UTC").fields[1]
    assert str(field) == "jan-dec/2"
    assert field.get_next_value(datetime(2026, 2, 1)) == 3
    weekdays = CronTrigger(day_of_week="mon/3", timezone="UTC").fields[4]
    assert str(weekdays) == "mon/3"
    assert weekdays.get_next_value(datetime(2026, 11, 24)) == 3  # a Tuesday


def test_a_range_of_one_value_with_a_step_stays_one_value_in_writing() -> None:
    assert str(BaseField("hour", "5-5/1")) == "5-5/1"
    assert str(RangeExpression(5, 5, 1)) == "5-5/1"  # APScheduler writes 5/1, which means 5 to 23


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (AllExpression(), "AllExpression(None)"),
        (AllExpression("5"), "AllExpression(5)"),
        (RangeExpression(1), "RangeExpression(1)"),
        (RangeExpression(1, 4), "RangeExpression(1, 4)"),
        (RangeExpression("1", None, "2"), "RangeExpression(1, None, 2)"),
        (MonthRangeExpression("jan"), "MonthRangeExpression('jan')"),
        (MonthRangeExpression("jan", "mar", 2), "MonthRangeExpression('jan', 'mar', 2)"),
        (WeekdayRangeExpression("mon", "fri"), "WeekdayRangeExpression('mon', 'fri')"),
        (WeekdayPositionExpression("2nd", "fri"), "WeekdayPositionExpression('2nd', 'fri')"),
        (LastDayOfMonthExpression(), "LastDayOfMonthExpression()"),
        (LastDayOfMonthExpression(3), "LastDayOfMonthExpression(3)"),
        (NearestWorkdayExpression("L"), "NearestWorkdayExpression('L')"),
        (NearestWorkdayExpression(15), "NearestWorkdayExpression(15)"),
    ],
)
def test_expressions_are_values(expression: AllExpression, text: str) -> None:
    assert repr(expression) == text
    for twin in (eval(text), copy.copy(expression), pickle.loads(pickle.dumps(expression))):
        assert twin == expression
        assert hash(twin) == hash(expression)
        assert str(twin) == str(expression)
    assert expression != AllExpression(7)


def test_fields_are_values() -> None:
    assert BaseField("hour", "5,6") == BaseField("hour", "5 , 6", is_default=True)
    assert BaseField("hour", "5") != BaseField("hour", "6")
    assert pickle.loads(pickle.dumps(MonthField("month", "jan"))) == MonthField("month", "jan")
    assert WeekField("week", "5").get_value(datetime(2027, 1, 1)) == 53


@pytest.mark.parametrize(
    ("text", "moment", "day"),
    [
        ("last-3", datetime(2026, 2, 1), 25),
        ("last-3", datetime(2026, 2, 26), None),
        ("15W", datetime(2026, 8, 1), 14),  # a Saturday
        ("1W", datetime(2026, 8, 1), 3),  # a Saturday, first of its month
        ("31W", datetime(2026, 5, 1), 29),  # a Sunday, last of its month
        ("31W", datetime(2026, 2, 1), None),
        ("LW", datetime(2026, 2, 1), 27),
        ("5th fri", datetime(2026, 2, 1), None),
        ("last fri", datetime(2026, 2, 1), 27),
    ],
)
def test_days_of_the_month_by_position(text: str, moment: datetime, day: int | None) -> None:
    assert DayOfMonthField("day", text).get_next_value(moment) == day


@pytest.mark.parametrize(
    ("value", "text"),
    [([7, 8], "7,8"), ((7, "9-11"), "7,9-11"), ({8, 7}, "7,8"), (range(3), "0,1,2"), ([5], "5")],
)
def test_a_list_of_values_is_the_list_in_text(value: object, text: str) -> None:
    trigger = CronTrigger(hour=value, timezone="UTC")  # type: ignore[arg-type]
    assert str(trigger.fields[CronTrigger.FIELD_NAMES.index("hour")]) == text


@pytest.mark.parametrize(
    ("fields", "cure"),
    [
        ({"hour": "22-2"}, "for a range that wraps around write '22-23,0-2'"),
        ({"year": "2030-2029"}, None),  # years do not come again
        ({"hour": "30-26"}, None),
    ],
)
def test_a_range_backwards_is_refused_with_a_cure_where_there_is_one(fields: dict, cure: str | None) -> None:
    with pytest.raises(ValueError, match="Error validating expression") as caught:
        CronTrigger(**fields, timezone="UTC")
    assert (cure in str(caught.value)) if cure else ("wraps around" not in str(caught.value))


def test_equal_fields_have_equal_hashes() -> None:
    one, same, other = (CronTrigger(hour=hour, timezone="UTC").fields[5] for hour in ("1-5", "1-5", "2"))
    assert one == same and hash(one) == hash(same)
    assert one != other and len({one, same, other}) == 2
