"""The functions of `util` on many inputs: the same answers as APScheduler's."""

from __future__ import annotations

import functools
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import dateutil.tz
import pytz
from tests.oracles.differential import Package, Programs, Record, compare

programs = Programs()
BERLIN = ZoneInfo("Europe/Berlin")
MOMENT = datetime(2025, 3, 4, 5, 6, 7, 891011, tzinfo=BERLIN)


@programs()
def texts_to_values(ap: Package, out: Record) -> None:
    out.attempts("asint", ap("util:asint"), [None, "3", " 4 ", 5, 6.7, "-1", "x", "", "1.5", [], "1_000"])
    words = "true yes on y t 1 false no off n f 0 True YES OFF maybe 2".split()
    out.attempts("asbool", ap("util:asbool"), [*words, " yes ", "", None, 0, 1, 2.5, [], [0], True])
    days = ["2025-03-04", "2025-3-4", "x", "", None, date(2025, 3, 4), datetime(2025, 3, 4, 5)]
    out.attempts("asdate", ap("util:asdate"), days)


@programs()
def zones(ap: Package, out: Record) -> None:
    zones = ["UTC", "Europe/Berlin", "Etc/GMT+3", "Nowhere/Land", "", None, 3, 3.5, [], b"UTC"]
    zones += [
        timezone.utc,
        timezone(timedelta(hours=2)),
        BERLIN,
        dateutil.tz.UTC,
        dateutil.tz.gettz("Asia/Tokyo"),
    ]
    zones += [pytz.utc, pytz.timezone("America/New_York")]
    out.attempts("astimezone", ap("util:astimezone"), zones)
    out.attempts(
        "timezone_repr", ap("util:timezone_repr"), [timezone.utc, BERLIN, timezone(timedelta(hours=2))]
    )


@programs(
    {
        "text '2025-03-04 05:06:07.5'": "decimals are decimals",
        "text '2025-03-04 05:06'": "ISO 8601",
        "text '2025-03-04 05:06:07+0200'": "ISO 8601",
    }
)
def dates(ap: Package, out: Record) -> None:
    convert = ap("util:convert_to_datetime")
    given = ["2025-03-04", "2025-3-4", "2025-03-04 05:06:07", "2025-03-04T05:06:07", "2025-03-04 5:6:7"]
    given += ["2025-03-04 05:06:07.891011", "2025-03-04 05:06:07Z", "2025-03-04 05:06:07+02:00"]
    given += ["2025-03-04 05:06:07-03:30", "2025-03-04 05:06", "2025-13-01", "2025-02-30", "x", "", "12:00"]
    given += [
        "2025-03-04 05:06:07.5",
        "2025-03-04 05:06:07+0200",
        " 2025-03-04",
        "2025-03-04 ",
        "2025-03-04\n",
    ]
    given += ["2025-03-04 24:00:00", "2025-03-04 23:60:00", "20250304"]
    out.attempts("text", lambda text: convert(text, BERLIN, "start_date"), given)
    out.attempts("text, zone by name", lambda text: convert(text, "Asia/Tokyo", "run_date"), given[:3])
    out.attempts("text without a zone", lambda text: convert(text, None, "run_date"), given[:8])
    others = [None, date(2025, 3, 4), datetime(2025, 3, 4, 5, 6), MOMENT, MOMENT.astimezone(timezone.utc)]
    others += [3, 3.5, [], b"2025-03-04", timedelta(1), MOMENT.time(), True]
    out.attempts("value", lambda value: convert(value, BERLIN, "end_date"), others)
    out.attempts("value, pytz", lambda value: convert(value, pytz.timezone("Europe/Berlin"), "x"), others[:5])


@programs()
def times(ap: Package, out: Record) -> None:
    moments = [None, MOMENT, datetime(1960, 1, 1, tzinfo=timezone.utc), datetime(2025, 3, 4)]
    out.attempts("to timestamp", ap("util:datetime_to_utc_timestamp"), moments)
    out.attempts(
        "from timestamp", ap("util:utc_timestamp_to_datetime"), [None, 0, 1.5, -1, 1741061167.891011, "x"]
    )
    out.attempts("seconds", ap("util:timedelta_seconds"), [timedelta(1), timedelta(0, 1, 500), timedelta(-1)])
    whole = MOMENT.replace(microsecond=0)
    out.attempts(
        "ceil",
        ap("util:datetime_ceil"),
        [MOMENT, whole, MOMENT.replace(tzinfo=None), MOMENT.replace(second=59)],
    )
    add = ap("util:datetime_utc_add")
    out.attempts(
        "add", lambda step: add(MOMENT, step), [timedelta(0), timedelta(days=100), timedelta(hours=-7)]
    )
    out.attempts("repr", ap("util:datetime_repr"), [None, MOMENT, MOMENT.replace(tzinfo=None), whole])
    out.attempts("normalize", ap("util:normalize"), [MOMENT, datetime(2025, 3, 30, 2, 30, tzinfo=BERLIN)])
    localize = ap("util:localize")
    for zone in (BERLIN, timezone.utc, pytz.timezone("Europe/Berlin")):
        for wall in (datetime(2025, 3, 4, 5), datetime(2025, 3, 30, 2, 30), datetime(2025, 10, 26, 2, 30)):
            out.attempt(f"localize {wall} {zone!r}", lambda wall=wall, zone=zone: localize(wall, zone))


class Thing:
    def method(self, a, b=2, *args, c, d=4, **kwargs): ...

    @classmethod
    def of_class(cls): ...

    @staticmethod
    def static(a): ...

    def __call__(self, x): ...

    class Inner:
        def method(self): ...


async def coroutine(): ...


def positional_only(a, b, /, c=3): ...


def nothing(): ...


def one(a): ...


def open_(*args, **kwargs): ...


def keyword(*, a, b=1): ...


@functools.wraps(one)
def wrapped(a, b): ...


def nested():
    def inner(): ...

    return inner


CALLABLES = {
    "function": one,
    "lambda": lambda x: x,
    "nested": nested(),
    "class": Thing,
    "inner class": Thing.Inner,
    "method": Thing().method,
    "function of a class": Thing.method,
    "class method": Thing.of_class,
    "static": Thing.static,
    "inner method": Thing.Inner().method,
    "object": Thing(),
    "partial": functools.partial(one, 1),
    "builtin": len,
    "builtin method": [].append,
    "builtin class": dict,
    "slot": str.upper,
    "coroutine": coroutine,
    "positional only": positional_only,
    "keyword": keyword,
    "open": open_,
    "wrapped": wrapped,
    "no callable": 3,
    "none": None,
    "text": "x",
}


@programs(
    {
        "ref of object": "a reference to a callable object",
        "ref of builtin method": "a reference to a method of a built-in object",
        "ref of slot": "a reference to a method of a built-in object",
        "name of slot": "a reference to a method of a built-in object",
    }
)
def names_and_references(ap: Package, out: Record) -> None:
    for label, func in CALLABLES.items():
        out.attempt(f"name of {label}", lambda func=func: ap("util:get_callable_name")(func))
        out.attempt(f"ref of {label}", lambda func=func: ap("util:obj_to_ref")(func))
        out.attempt(f"coroutine {label}", lambda func=func: ap("util:iscoroutinefunction_partial")(func))
    references = [
        "os.path:join",
        "os:path.join",
        "os",
        "os:",
        ":join",
        "nowhere:x",
        "os:nothing",
        "os:path.nothing",
    ]
    references += [
        "os.nowhere:x",
        "",
        None,
        3,
        b"os:path",
        "json:dumps",
        "builtins:dict.fromkeys",
        "os:path:join",
    ]
    out.attempts("to object", ap("util:ref_to_obj"), references)
    out.attempts("maybe", ap("util:maybe_ref"), [*references, one])


@programs()
def arguments(ap: Package, out: Record) -> None:
    check = ap("util:check_callable_args")
    given = [
        ((), {}),
        ((1,), {}),
        ((1, 2), {}),
        ((1, 2, 3, 4, 5), {}),
        ((), {"a": 1}),
        ((1,), {"a": 1}),
        ((1,), {"b": 1, "c": 2}),
        ((), {"a": 1, "b": 2, "c": 3}),
        ((), {"x": 1}),
        ((1, 2), {"c": 1, "z": 1}),
        ([1], {"self": 1}),
    ]
    for label, func in CALLABLES.items():
        for args, kwargs in given:
            if callable(func):
                out.attempt(f"{label} {args} {kwargs}", lambda f=func, a=args, k=kwargs: check(f, a, k))


@programs.parametrize()
def test_as_there(program, differs):
    compare(program, differs)
