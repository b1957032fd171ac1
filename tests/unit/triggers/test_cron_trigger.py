"""`CronTrigger` as an object: attributes, pickles (APScheduler's too), copies, subclasses, zones, fake clocks."""

from __future__ import annotations

import copy
import inspect
import io
import pickle
import re
import sys
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import apscheduler.triggers.cron as their_room
import dateutil.tz
import freezegun
import pytest
import pytz
import time_machine

from rapscheduler.triggers.base import BaseTrigger, kernel_of
from rapscheduler.triggers.cron import CronTrigger
from rapscheduler.triggers.cron import _custom as custom_room
from rapscheduler.triggers.cron.expressions import AllExpression
from rapscheduler.triggers.cron.fields import BaseField, DayOfMonthField, DayOfWeekField

UTC = timezone.utc
BERLIN = ZoneInfo("Europe/Berlin")
START = datetime(2026, 1, 1, tzinfo=UTC)


def times(trigger: BaseTrigger, limit: int = 5, start: datetime = START) -> list[str]:
    return [moment.isoformat() for moment in trigger.fire_times(start, limit=limit)]


def test_attributes_read_as_they_were_given() -> None:
    trigger = CronTrigger(
        hour=2, start_date="2026-01-31", end_date=datetime(2027, 1, 1, tzinfo=UTC), timezone=BERLIN, jitter=30
    )
    assert trigger.timezone is BERLIN
    assert trigger.start_date == datetime(2026, 1, 31, tzinfo=BERLIN)
    assert trigger.start_date.tzinfo is BERLIN
    assert trigger.end_date == datetime(2027, 1, 1, 1, tzinfo=BERLIN)
    assert (trigger.jitter, trigger.dst, trigger.day_or_weekday) == (30, "once", False)
    assert repr(trigger) == (
        "<CronTrigger (hour='2', start_date='2026-01-31 00:00:00 CET', end_date='2027-01-01 01:00:00 CET', "
        "jitter=30, timezone='Europe/Berlin')>"
    )


def test_attributes_can_be_set() -> None:
    trigger = CronTrigger(hour=2, timezone="UTC")
    assert (trigger.start_date, trigger.end_date, trigger.jitter) == (None, None, None)
    trigger.start_date, trigger.end_date, trigger.jitter = "2026-02-01", "2026-02-02 02:00:00", 0.5
    assert trigger.jitter == 0.5
    trigger.jitter = None
    assert times(trigger) == ["2026-02-01T02:00:00+00:00", "2026-02-02T02:00:00+00:00"]


@pytest.mark.parametrize(
    "limits", [{}, {"start_date": "2026-01-01"}, {"end_date": "2026-01-01", "jitter": 3}]
)
def test_the_repr_of_a_trigger_without_fields_is_theirs(limits: dict) -> None:
    theirs = their_room.CronTrigger(timezone=BERLIN, **limits)
    assert repr(CronTrigger(timezone=BERLIN, **limits)) == repr(theirs)


def test_the_rules_show_in_repr() -> None:
    trigger = CronTrigger(day=13, day_of_week="fri", timezone="UTC", dst="shift", day_or_weekday=True)
    assert repr(trigger) == (
        "<CronTrigger (day='13', day_of_week='fri', dst='shift', day_or_weekday=True, timezone='UTC')>"
    )


def test_day_or_weekday_means_both_when_one_begins_with_a_star() -> None:
    assert not CronTrigger(day="*/2", day_of_week="fri", timezone="UTC", day_or_weekday=True).day_or_weekday
    trigger = CronTrigger(day=13, day_of_week="mon", timezone="UTC", day_or_weekday=True)
    assert [moment[:10] for moment in times(trigger, 3)] == ["2026-01-05", "2026-01-12", "2026-01-13"]


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"timezone": 5}, TypeError, "Expected tzinfo, got int"),
        ({"timezone": "Europe/Berlln"}, KeyError, "Europe/Berlin"),
        ({"start_date": 5}, TypeError, "start_date"),
        ({"end_date": "tomorrow"}, ValueError, "tomorrow"),
        ({"jitter": "5"}, TypeError, "jitter=30"),
        ({"jitter": -1}, ValueError, "0 or more"),
        ({"jitter": float("nan")}, ValueError, "0 or more"),
        ({"dst": "twice"}, ValueError, "'both'"),
        ({"dst": []}, ValueError, "'both'"),
        ({"centuries": 1}, TypeError, "centuries"),
    ],
)
def test_wrong_arguments(arguments: dict, error: type[Exception], text: str) -> None:
    with pytest.raises(error) as caught:
        CronTrigger(hour=1, **{"timezone": "UTC", **arguments})
    assert text in str(caught.value)


def test_the_zone_of_the_start_date_is_taken_when_none_is_given() -> None:
    assert CronTrigger(start_date=datetime(2026, 1, 1, tzinfo=BERLIN)).timezone is BERLIN
    assert CronTrigger(end_date=datetime(2026, 1, 1, tzinfo=BERLIN)).timezone is BERLIN


def test_triggers_written_alike_share_their_text_and_stay_small() -> None:
    one, two = (CronTrigger.from_crontab("30 2 * * mon-fri", BERLIN) for _ in range(2))
    assert one.spec is two.spec
    assert one.fields[5] is two.fields[5]
    assert one.zone is two.zone
    assert not hasattr(one, "__dict__")
    if type(one).__mro__[1].__module__.startswith("rapscheduler._engine"):
        assert sys.getsizeof(one) <= 104


def test_the_list_of_fields_is_the_callers() -> None:
    trigger = CronTrigger(hour=2, timezone="UTC")
    trigger.fields.clear()
    assert len(trigger.fields) == 8


# --- pickles and copies ---

STATES = [
    {"hour": 2},
    {},
    {"second": "*/5", "start_date": "2026-01-05", "end_date": "2026-02-05", "jitter": 2},
    {
        "year": "2026-2030",
        "month": "jan,mar-may",
        "day": "last,2nd fri",
        "day_of_week": "mon-fri",
        "hour": "0/6",
    },
    {"minute": "5-5"},
]


@pytest.mark.parametrize(
    "arguments", [*STATES, {"day": 13, "day_of_week": 4, "dst": "both", "day_or_weekday": True}]
)
def test_copies_are_equal_in_all_they_do(arguments: dict) -> None:
    trigger = CronTrigger(timezone=BERLIN, **arguments)
    for twin in (
        copy.copy(trigger),
        copy.deepcopy(trigger),
        *(pickle.loads(pickle.dumps(trigger, protocol)) for protocol in range(6)),
    ):
        assert repr(twin) == repr(trigger)
        assert [field.is_default for field in twin.fields] == [field.is_default for field in trigger.fields]
        assert repr(twin.spec) == repr(trigger.spec)
        assert twin.timezone is BERLIN


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("arguments", STATES)
def test_states_of_apscheduler_are_taken(arguments: dict, version: int) -> None:
    theirs = their_room.CronTrigger(timezone=BERLIN, **arguments)
    state = theirs.__getstate__()
    state["version"] = version
    if version == 1:
        del state["jitter"]
    trigger = CronTrigger.__new__(CronTrigger)
    trigger.__setstate__(state)
    expected = CronTrigger(timezone=BERLIN, **arguments)
    if version == 1:
        expected.jitter = None
    assert repr(trigger) == repr(expected)
    assert [field.is_default for field in trigger.fields] == [field.is_default for field in theirs.fields]
    assert repr(trigger.spec) == repr(expected.spec)


def test_field_objects_pickled_by_apscheduler_become_ours() -> None:
    theirs = their_room.CronTrigger(month="jan-mar", day="last,2nd fri", hour="1-5/2", timezone="UTC")

    class Renaming(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> object:
            return super().find_class(module.replace("apscheduler.", "rapscheduler.", 1), name)

    fields = Renaming(io.BytesIO(pickle.dumps(theirs.fields))).load()
    assert all(type(field).__module__ == "rapscheduler.triggers.cron.fields" for field in fields)
    trigger = CronTrigger.__new__(CronTrigger)
    trigger.__setstate__({**theirs.__getstate__(), "fields": fields})
    assert trigger.spec is CronTrigger(month="jan-mar", day="last,2nd fri", hour="1-5/2", timezone="UTC").spec


def test_a_range_with_equal_ends_and_a_step_is_not_widened_on_the_way() -> None:
    theirs = their_room.CronTrigger(hour=5, minute=0, timezone="UTC")
    theirs.fields[5].expressions[0].step = 1  # what the text 5-5/1 gives: APScheduler writes it 5/1
    trigger = CronTrigger.__new__(CronTrigger)
    trigger.__setstate__(theirs.__getstate__())
    assert str(trigger.fields[5]) == "5"


def test_states_from_the_future_or_of_another_shape_are_refused() -> None:
    state = CronTrigger(hour=1, timezone="UTC").__getstate__()
    trigger = CronTrigger.__new__(CronTrigger)
    with pytest.raises(ValueError, match="version 4"):
        trigger.__setstate__({**state, "version": 4})
    with pytest.raises(ValueError, match="must have the fields year, month"):
        trigger.__setstate__({**state, "version": 2, "fields": []})


# --- subclasses ---


class SkipsMondays(CronTrigger):
    """Overrides the one method of the contract."""

    def get_next_fire_time(self, previous_fire_time, now):
        moment = super().get_next_fire_time(previous_fire_time, now)
        while moment is not None and moment.weekday() == 0:
            moment = super().get_next_fire_time(moment, moment)
        return moment


def test_a_subclass_answers_for_itself_everywhere() -> None:
    trigger = SkipsMondays(hour=0, timezone="UTC")
    assert kernel_of(trigger) is None
    assert kernel_of(CronTrigger(hour=0, timezone="UTC")) is not None
    sunday = datetime(2026, 1, 4, tzinfo=UTC)
    assert [moment[:10] for moment in times(trigger, 2, sunday)] == ["2026-01-04", "2026-01-06"]
    assert trigger.get_previous_fire_time(datetime(2026, 1, 5, 12, tzinfo=UTC)) == sunday
    assert type(pickle.loads(pickle.dumps(trigger))) is SkipsMondays


class OddExpression(AllExpression):
    """An expression of a third party: `odd`."""

    value_re = re.compile("odd$")

    def validate_range(self, field_name):
        pass

    def get_next_value(self, date, field):
        value = field.get_value(date)
        value += value % 2 == 0
        return value if value <= field.get_max(date) else None

    def __str__(self):
        return "odd"


class OddDays(DayOfMonthField):
    COMPILERS = [*DayOfMonthField.COMPILERS, OddExpression]  # noqa: RUF012


class BusinessHours(BaseField):
    """A field class with a rule of its own: 9 to 16, whatever its text."""

    def get_next_value(self, dateval):
        return next((hour for hour in range(9, 17) if hour >= dateval.hour), None)


class Office(CronTrigger):
    FIELDS_MAP = {**CronTrigger.FIELDS_MAP, "day": OddDays, "hour": BusinessHours}  # noqa: RUF012


def test_fields_of_third_parties_go_the_slow_right_way() -> None:
    trigger = Office(day="odd", hour="*", minute="0,30", timezone=BERLIN)
    assert kernel_of(trigger) is None
    moments = list(trigger.fire_times(datetime(2026, 3, 29, tzinfo=BERLIN), limit=40))
    assert {moment.day for moment in moments} == {29, 31, 1}
    assert {moment.hour for moment in moments} == set(range(9, 17))
    assert len(moments) == len(set(moments))
    assert trigger.get_previous_fire_time(datetime(2026, 3, 29, tzinfo=BERLIN)).isoformat() == (
        "2026-03-27T16:30:00+01:00"
    )
    assert trigger.get_next_fire_time(moments[0], moments[0]) == moments[1]


def test_triggers_with_fields_of_third_parties_travel() -> None:
    trigger = Office(day="odd", hour="*", timezone=BERLIN, jitter=1)
    twin = pickle.loads(pickle.dumps(trigger))
    assert repr(twin) == repr(trigger)
    assert [type(field) for field in twin.fields] == [type(field) for field in trigger.fields]
    assert times(twin, 3) == times(trigger, 3)
    late = twin.get_next_fire_time(None, START) - next(twin.fire_times(START, limit=1))
    assert timedelta(0) <= late <= timedelta(seconds=1)


def test_jitter_of_a_slow_trigger_never_passes_the_end_date() -> None:
    end = datetime(2026, 1, 1, 9, 0, 1, tzinfo=UTC)
    trigger = Office(hour="*", timezone=UTC, jitter=10_000, end_date=end)
    assert all(trigger.get_next_fire_time(None, START) <= end for _ in range(20))


def test_an_own_field_that_never_matches_is_given_up_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    class Never(BaseField):
        def get_next_value(self, dateval):
            return None

    class Hopeless(CronTrigger):
        FIELDS_MAP = {**CronTrigger.FIELDS_MAP, "hour": Never}  # noqa: RUF012

    monkeypatch.setattr(custom_room, "_MOST_PROPOSALS", 50)
    trigger = Hopeless(hour="*", timezone=UTC)
    with pytest.raises(RuntimeError, match="50 times in a row"):
        trigger.get_next_fire_time(None, START)
    trigger.end_date = "2026-01-01 05:00:00"
    assert trigger.get_next_fire_time(None, START) is None


def test_a_field_class_with_standard_rules_keeps_the_kernels_answer() -> None:
    class Weekday(DayOfWeekField):
        """Only a new name."""

    class Plain(CronTrigger):
        FIELDS_MAP = {**CronTrigger.FIELDS_MAP, "day_of_week": Weekday}  # noqa: RUF012

    assert times(Plain(day_of_week="mon", timezone=BERLIN)) == times(
        CronTrigger(day_of_week="mon", timezone=BERLIN)
    )


def test_own_expressions_on_the_standard_class_are_refused_with_advice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(BaseField, "COMPILERS", [*BaseField.COMPILERS, OddExpression])
    with pytest.raises(ValueError, match="make a subclass of CronTrigger"):
        CronTrigger(hour="odd", timezone="UTC")


# --- zones and clocks ---


def berlin_zones() -> list[object]:
    return ["Europe/Berlin", BERLIN, pytz.timezone("Europe/Berlin"), dateutil.tz.gettz("Europe/Berlin")]


@pytest.mark.parametrize(
    "fields", [{"hour": 2, "minute": 30}, {"minute": "*/20"}, {"day_of_week": "sun", "hour": "1-3"}], ids=str
)
def test_every_kind_of_zone_object_gives_the_same_instants(fields: dict) -> None:
    for start in (datetime(2026, 3, 28, 22, tzinfo=UTC), datetime(2026, 10, 24, 22, tzinfo=UTC)):
        answers = []
        for zone in berlin_zones():
            moments = list(CronTrigger(timezone=zone, **fields).fire_times(start, limit=20))
            answers.append([(moment.astimezone(UTC), moment.replace(tzinfo=None)) for moment in moments])
        assert answers[1:] == answers[:-1]


def test_fixed_offsets_give_the_same_instants() -> None:
    zones = [timezone(timedelta(hours=2)), pytz.FixedOffset(120), dateutil.tz.tzoffset(None, 7200)]
    answers = [
        [moment.timestamp() for moment in CronTrigger(hour=2, timezone=zone).fire_times(START, limit=3)]
        for zone in zones
    ]
    assert answers[0] == answers[1] == answers[2]
    assert CronTrigger(hour=2, timezone="UTC").timezone is UTC


def test_questions_in_any_zone_mean_instants() -> None:
    trigger = CronTrigger(hour=2, minute=30, timezone=BERLIN)
    fold = datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN)
    asked = {
        trigger.get_next_fire_time(None, now)
        for now in (
            fold.replace(fold=1),
            fold.replace(fold=1).astimezone(UTC),
            pytz.timezone("Europe/Berlin").localize(datetime(2026, 10, 25, 2, 30), is_dst=False),
            fold.replace(fold=1).astimezone(ZoneInfo("America/New_York")),
        )
    }
    assert asked == {datetime(2026, 10, 26, 2, 30, tzinfo=BERLIN)}
    assert trigger.get_next_fire_time(None, fold) == fold


def test_fake_clocks_give_datetimes_that_triggers_take() -> None:
    trigger = CronTrigger(hour=2, timezone="UTC")
    expected = datetime(2026, 1, 2, 2, tzinfo=UTC)
    with freezegun.freeze_time("2026-01-01 03:00:00"):
        assert trigger.get_next_fire_time(None, datetime.now(UTC)) == expected
        frozen = datetime.now(UTC)
    assert trigger.get_next_fire_time(frozen, frozen) == expected
    with time_machine.travel(datetime(2026, 1, 1, 3, tzinfo=UTC)):
        assert trigger.get_next_fire_time(None, datetime.now(UTC)) == expected
        assert "not on 29 March 2026" in CronTrigger(hour=2, minute=30, timezone=BERLIN).explain()


def test_signatures_begin_with_those_of_apscheduler() -> None:
    for ours, theirs in (
        (CronTrigger.__init__, their_room.CronTrigger.__init__),
        (CronTrigger.from_crontab, their_room.CronTrigger.from_crontab),
    ):
        mine, reference = (
            list(inspect.signature(function).parameters.values()) for function in (ours, theirs)
        )
        assert [(p.name, p.kind, p.default) for p in mine[: len(reference)]] == [
            (p.name, p.kind, p.default) for p in reference
        ]
