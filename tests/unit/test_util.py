"""``rapscheduler.util``: the results, classes and texts of APScheduler's functions, and where ours differ."""

from __future__ import annotations

import functools
import os
import pickle
from datetime import date, datetime, timedelta, timezone
from unittest.mock import AsyncMock, MagicMock, Mock
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest
import pytz
from apscheduler import util as theirs
from tests.oracles.differential import says

from rapscheduler import util

BERLIN = ZoneInfo("Europe/Berlin")


class Robot:
    def walk(self, steps: int) -> None: ...

    @classmethod
    def build(cls) -> None: ...

    @staticmethod
    def stop() -> None: ...

    def __call__(self) -> None: ...

    class Arm:
        @classmethod
        def build(cls) -> None: ...


def plain(a, b=2, *, c): ...
def positional_only(a, /, b): ...
def everything(*args, **kwargs): ...
async def coroutine(): ...


@functools.wraps(plain)
def wrapper(*args, **kwargs): ...


class Refused:
    """An exception: equal to one of the same class whose text has the same words in that order, and maybe more."""

    def __init__(self, exc: Exception) -> None:
        self.kind, self.text = type(exc), str(exc)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Refused) and self.kind is other.kind and says(self.text, other.text)

    __hash__ = None

    def __repr__(self) -> str:
        return f"{self.kind.__name__}({self.text})"


def outcome(func, *args):
    """What a call gives: its value, or what it raises."""
    try:
        return func(*args)
    except Exception as exc:
        return Refused(exc)


@pytest.mark.parametrize("text", ["1", " 2 ", "", None, 1.5, "x", 5])
def test_asint_as_there(text):
    assert outcome(util.asint, text) == outcome(theirs.asint, text)


@pytest.mark.parametrize(
    "value", ["yes", "TRUE ", "on", "y", "t", "1", "f", "0", "no", "n", "off", "false", "maybe", 0, None]
)
def test_asbool_as_there(value):
    assert outcome(util.asbool, value) == outcome(theirs.asbool, value)


@pytest.mark.parametrize(
    "zone",
    ["Europe/Berlin", "UTC", timezone.utc, BERLIN, None, 5, "", pytz.timezone("Europe/Berlin"), pytz.utc],
)
def test_astimezone_as_there(zone):
    assert outcome(util.astimezone, zone) == outcome(theirs.astimezone, zone)


def test_astimezone_takes_fixed_offsets_of_pytz():
    assert util.astimezone(pytz.FixedOffset(60)).utcoffset(None) == timedelta(hours=1)


def test_an_unknown_zone_names_the_nearest():
    with pytest.raises(
        ZoneInfoNotFoundError, match="No time zone found with key Europe/Berln; did you mean 'Europe/Berlin'"
    ):
        util.astimezone("Europe/Berln")


@pytest.mark.parametrize(
    "value",
    [
        None, "2020-01-02", "2020-01-02 03:04:05", "2020-01-02 03:04:05.123456", "2020-01-02T03:04:05",
        "2020-01-02 03:04:05Z", "2020-01-02 03:04:05+02:00", "2020-01-02 03:04:05-11:30", 5, date(2020, 1, 2),
        datetime(2020, 1, 2), datetime(2020, 1, 2, tzinfo=timezone.utc), datetime(2020, 3, 29, 2, 30),
    ],
)  # fmt: skip
@pytest.mark.parametrize("zone", [BERLIN, "Europe/Berlin", None, pytz.timezone("Europe/Berlin")])
def test_convert_to_datetime_as_there(value, zone):
    ours = outcome(util.convert_to_datetime, value, zone, "run_date")
    assert ours == outcome(theirs.convert_to_datetime, value, zone, "run_date")


@pytest.mark.parametrize(
    "text",
    ["", "foo", "2020-01-02 03", "2020-01-02 03:04:05+2", "2020-01-02 03:04:05 ", "2020-01-02 03:04:05+99"],
)
def test_a_bad_date_text_is_named(text):
    with pytest.raises(ValueError, match="Invalid date string") as caught:
        util.convert_to_datetime(text, BERLIN, "end_date")
    assert repr(text) in str(caught.value) and "end_date" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "same_as"),
    [
        ("2030-01-01T00:00", "2030-01-01 00:00:00"),
        ("2010-10-10 09:30", "2010-10-10 09:30:00"),
        ("2010-10-10t09:30z", "2010-10-10 09:30:00+00:00"),
        ("2010-10-10 09:30:00+0200", "2010-10-10 09:30:00+02:00"),
        ("2010-10-10 09:30-0330", "2010-10-10 09:30:00-03:30"),
        ("2010-10-10 09:30+02", "2010-10-10 09:30:00+02:00"),
        ("2010-10-10 09:30:00,25", "2010-10-10 09:30:00.250000"),
    ],
)
def test_what_iso_8601_allows_beyond_apschedulers_form(text, same_as):
    moment = util.convert_to_datetime(text, BERLIN, "x")
    wanted = datetime.fromisoformat(same_as)
    assert moment.replace(tzinfo=None) == wanted.replace(tzinfo=None)
    assert moment.utcoffset() == (wanted if wanted.tzinfo else wanted.replace(tzinfo=BERLIN)).utcoffset()


def test_fractions_of_a_second_are_decimal():
    assert util.convert_to_datetime("2020-01-02 03:04:05.5", BERLIN, "x").microsecond == 500_000


@pytest.mark.parametrize("name", ["datetime_to_utc_timestamp", "utc_timestamp_to_datetime", "datetime_repr"])
def test_none_stays_none(name):
    assert getattr(util, name)(None) == getattr(theirs, name)(None)


def test_conversions_of_times():
    moment = datetime(2020, 3, 29, 1, 30, 0, 678, tzinfo=BERLIN)
    assert util.datetime_to_utc_timestamp(moment) == theirs.datetime_to_utc_timestamp(moment)
    assert util.utc_timestamp_to_datetime(1.5) == datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=timezone.utc)
    assert util.datetime_utc_add(moment, timedelta(hours=1)).hour == 3
    assert util.datetime_ceil(moment) == datetime(2020, 3, 29, 1, 30, 1, tzinfo=BERLIN)
    assert util.datetime_repr(moment) == "2020-03-29 01:30:00 CET"
    assert util.normalize(datetime(2020, 3, 29, 2, 30, tzinfo=BERLIN)).hour == 3
    assert util.timedelta_seconds(timedelta(days=1, microseconds=5)) == 86400.000005
    assert util.timezone_repr(BERLIN) == "Europe/Berlin"


CALLABLES = [
    Robot.walk, Robot().walk, Robot.build, Robot.stop, Robot, Robot.Arm.build, len, lambda: 0, functools.partial(len),
    5, "x", plain, os.path.join,
]  # fmt: skip


@pytest.mark.parametrize("func", CALLABLES)
def test_names_and_references_as_there(func):
    assert outcome(util.get_callable_name, func) == outcome(theirs.get_callable_name, func)
    assert outcome(util.obj_to_ref, func) == outcome(theirs.obj_to_ref, func)


def test_what_has_no_importable_name_gets_no_reference():
    def nested(): ...

    for func in (nested, Robot(), [].append):
        with pytest.raises(ValueError, match="Cannot create a reference"):
            util.obj_to_ref(func)
    assert util.get_callable_name(Robot()) == "Robot"


@pytest.mark.parametrize(
    "ref",
    [
        5,
        "nope",
        "os.path",
        "os:path",
        "os:nope",
        "no_such_module:x",
        "os.path:join",
        "os:path.join",
        "os:path.",
    ],
)
def test_ref_to_obj_as_there(ref):
    assert outcome(util.ref_to_obj, ref) == outcome(theirs.ref_to_obj, ref)


def test_maybe_ref():
    assert util.maybe_ref("os:getcwd") is os.getcwd
    assert util.maybe_ref(5) == 5


@pytest.mark.parametrize(
    "func", [plain, positional_only, everything, wrapper, Robot().walk, Robot.walk, Robot(), len, print, max]
)
@pytest.mark.parametrize("args", [(), (1,), (1, 2), (1, 2, 3)])
@pytest.mark.parametrize(
    "kwargs", [{}, {"c": 1}, {"a": 1, "c": 1}, {"a": 1, "b": 2}, {"c": 1, "z": 2}, {"steps": 3}]
)
def test_check_callable_args_as_there(func, args, kwargs):
    ours = outcome(util.check_callable_args, func, args, kwargs)
    other = outcome(theirs.check_callable_args, func, args, kwargs)
    assert _kind(ours) == _kind(other)


def _kind(answer):
    """The class and the sentence without the names: theirs also lists arguments that are given only once."""
    return answer and (answer.kind, answer.text.partition(":")[0].partition(";")[0])


def test_plain_functions_are_checked_without_a_signature():
    assert util._plainly_fits(plain, 1, {"c": 1})
    assert util._plainly_fits(Robot().walk, 1, {})
    assert util._plainly_fits(wrapper, 1, {}), "a wrapper takes what it takes itself"
    assert not util._plainly_fits(functools.partial(plain), 1, {"c": 1})


def test_coroutine_functions_are_seen_through_partials():
    class Awaitable:
        async def __call__(self): ...

    assert util.iscoroutinefunction_partial(functools.partial(functools.partial(coroutine)))
    assert util.iscoroutinefunction_partial(Awaitable())
    assert util.iscoroutinefunction_partial(AsyncMock())
    assert not any(
        util.iscoroutinefunction_partial(func)
        for func in (plain, Robot, Robot(), len, 5, Robot().walk, Mock(), MagicMock())
    )


def test_undefined_is_one_false_object():
    assert not util.undefined
    assert repr(util.undefined) == "<undefined>"
    assert pickle.loads(pickle.dumps(util.undefined)) is util.undefined
