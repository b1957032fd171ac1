"""Rows pickled by APScheduler 3.x -> rows of ours, for the migration command only.

What lives here: an unpickler that builds a closed list of classes, and the conversion of what it reads. What must not:
stores, the loop, any way for a pickle to name something outside the list. Approach, in this order:

1. The opcodes are read without running them: unknown ones, persistent ids, extension codes, memo numbers larger than
   the pickle, lengths past its end (they make Python allocate memory before it looks) and too many are refused.
2. The pickle runs, changing only what it made itself and counting its work (`unpickling`), with ``find_class``
   answering from a table: APScheduler's triggers are ours, the values that the codec knows are themselves or small
   functions that check their arguments, classes registered by ``register_type`` are accepted, everything else is
   refused by name.
3. The job's callable is a text in APScheduler's rows and stays one: nothing is imported for it.
"""

from __future__ import annotations

import io
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import EnumMeta
from fractions import Fraction
from importlib import import_module
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any
from uuid import UUID, SafeUUID

from .._engine.datetimes import to_us
from .._engine.timezone import ZoneTable
from .._quoting import said, short
from ..errors import DecodeError, EncodeError
from . import dateutil_pickles, registry
from .callables import ANY_CALLABLE, CallableRule
from .codec import decode, encode
from .dateutil_pickles import BareZone
from .rows import JobRow, zone_of_run_time
from .unpickling import OwnUnpickler, check_opcodes
from .zones import zone_from_text

_UTC_ZONE = ZoneTable.fixed(0, timezone.utc)
_OPTIONS: dict[str, Any] = {
    "misfire_grace_time": None,
    "coalesce": True,
    "max_instances": 1,
    "executor": "default",
}


def is_pickled(data: bytes) -> bool:
    """Whether bytes of a row look like a pickle rather than like our JSON."""
    return data[:1] == b"\x80" or (data[:1] in (b"(", b"}", b"c") and data[-1:] == b".")


def row_from_pickle(data: bytes, rule: CallableRule = ANY_CALLABLE) -> JobRow:
    """The row of ours for the bytes of a row of APScheduler 3.x (`job_state`, or the whole node of ZooKeeper or etcd).

    Raises ``DecodeError`` for a pickle that isn't a job or names a class outside the list, ``EncodeError`` for a job
    whose values rows can't hold; both name what to do.
    """
    return row_from_state(load_state(data), rule)


def load_state(data: bytes) -> dict[str, Any]:
    """The job state in a pickle of APScheduler 3.x, its triggers already ours. Raises ``DecodeError`` only."""
    check_opcodes(data)
    try:
        with registry.closed_list():
            found = _Unpickler(io.BytesIO(data), encoding="latin-1").load()
    except DecodeError:
        raise
    except RecursionError:
        raise DecodeError("the pickle is nested too deeply to be read") from None
    except Exception as exc:
        raise DecodeError(f"the pickle can't be read: {type(exc).__name__}: {said(exc)}") from exc
    if isinstance(found, _PickledJob):
        found = found.state
    if type(found) is dict and type(found.get("job_state")) is dict:
        found = found["job_state"]  # a node of ZooKeeper or etcd
    if type(found) is not dict or type(found.get("id")) is not str or type(found.get("func")) is not str:
        raise DecodeError(
            "the pickle isn't a job of APScheduler 3.x: it is no state with an id and a callable"
        )
    version = found.get("version", 1)
    if type(version) is not int or version > 1:
        raise DecodeError(f"the pickled job has version {short(version)}; APScheduler 3.x writes version 1")
    return found


def row_from_state(state: Mapping[str, Any], rule: CallableRule = ANY_CALLABLE) -> JobRow:
    """The row of a job state as ``Job.__getstate__`` gives it."""
    name = state.get("name") or state["func"].rpartition(":")[2]
    ours = {
        "func": state["func"],
        "trigger": state.get("trigger"),
        "args": _as_given(state.get("args", ()), (tuple, list), ()),
        "kwargs": _as_given(state.get("kwargs", {}), (dict,), {}),
        "name": name,
    }
    for option, default in _OPTIONS.items():
        ours[option] = state.get(option, default)
    for option in ("name", *_OPTIONS):  # others would be written as they are, however large
        if not isinstance(ours[option], (str, int, type(None))):
            raise DecodeError(f"{option} of the pickled job is {short(ours[option])}")
    ours["coalesce"] = bool(ours["coalesce"])
    run_time = state.get("next_run_time")
    if run_time is not None and not isinstance(run_time, datetime):
        raise DecodeError(f"next_run_time of the pickled job is {short(run_time)}, not a datetime")
    try:
        ours["run_zone"] = zone_of_run_time(run_time, ours["trigger"])
        data = encode(ours, rule)
        run_at_us = None if run_time is None else to_us(run_time, _UTC_ZONE)
        decode(data, rule)
    except EncodeError:
        raise
    except DecodeError as exc:
        raise EncodeError(f"the job can't be stored: {exc}") from exc
    except Exception as exc:  # an object whose state no constructor would have made
        raise DecodeError(
            f"the pickled job holds a damaged value: {type(exc).__name__}: {said(exc)}"
        ) from exc
    return JobRow(state["id"], run_at_us, None, None, data)


def _as_given(value: Any, kinds: tuple[type, ...], empty: Any) -> Any:
    if value is None:
        return empty
    if not isinstance(value, kinds):
        raise DecodeError(f"the pickled job has {short(value)} where its arguments should be")
    return value


class _PickledJob:
    """Stands for a pickled `Job`; keeps its state."""

    state: dict[str, Any]

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.state = state


class _Unpickler(OwnUnpickler):
    """An unpickler that knows a closed list of names."""

    def find_class(self, module: str, name: str) -> Any:
        known = _KNOWN.get((module, name))
        if known is not None:
            return known
        package, _, rest = module.partition(".")
        if package == "apscheduler" and rest.startswith("triggers.") and name in _TRIGGER_NAMES.get(rest, ()):
            return getattr(import_module(f"{_OURS}.{rest}"), name)
        entry = registry.entry_at(module, name)
        if entry is not None:
            return entry.cls
        raise DecodeError(
            f"the pickle names {module}:{name}, which isn't on the list of what is built from pickles; if it is a "
            "value class of your program, call rapscheduler.register_type() on it in a module that is imported first"
        )


_OURS = __package__.rpartition(".")[0]
_TRIGGER_NAMES = {
    "triggers.date": ("DateTrigger",),
    "triggers.interval": ("IntervalTrigger",),
    "triggers.calendarinterval": ("CalendarIntervalTrigger",),
    "triggers.combining": ("AndTrigger", "OrTrigger"),
    "triggers.cron": ("CronTrigger",),
    "triggers.cron.fields": ("BaseField", "WeekField", "DayOfMonthField", "DayOfWeekField", "MonthField"),
    "triggers.cron.expressions": (
        "AllExpression",
        "RangeExpression",
        "MonthRangeExpression",
        "WeekdayRangeExpression",
        "WeekdayPositionExpression",
        "LastDayOfMonthExpression",
    ),
}


# Functions that stand for constructors: the pickle chooses their arguments, so they check them.


def _latin_bytes(text: Any, encoding: Any) -> bytes:
    """`_codecs.encode(text, "latin1")`: how protocols below 3 write bytes."""
    if type(text) is not str or encoding not in ("latin1", "latin-1"):
        raise DecodeError("the pickle encodes text in an unusual way")
    return text.encode("latin-1")


def _empty_bytes(*args: Any) -> bytes:
    """`bytes()`: how protocols below 3 write empty bytes."""
    if args and not (len(args) == 1 and type(args[0]) in (list, tuple)):
        raise DecodeError("the pickle makes bytes in an unusual way")
    return bytes(*args)


def _bytearray(*args: Any) -> bytearray:
    if len(args) == 2:
        return bytearray(_latin_bytes(*args))
    if args and type(args[0]) is not bytes:  # an integer would allocate that much
        raise DecodeError("the pickle makes a bytearray in an unusual way")
    return bytearray(*args)


def _of_items(make: Callable[..., Any]) -> Callable[..., Any]:
    """A container from a list or tuple in the pickle, never from a range or another object that makes items."""

    def of_items(*args: Any) -> Any:
        if args and (len(args) > 1 or type(args[0]) not in (list, tuple)):
            raise DecodeError(f"the pickle makes a {make.__name__} in an unusual way")
        return make(*args)

    return of_items


def _counter(*args: Any) -> Counter[Any]:
    if args and (len(args) > 1 or type(args[0]) is not dict):
        raise DecodeError("the pickle makes a Counter in an unusual way")
    return Counter(*args)


def _deque(items: Any = (), maxlen: Any = None) -> deque[Any]:
    if type(items) not in (tuple, list):
        raise DecodeError("the pickle makes a deque in an unusual way")
    return deque(items, maxlen)


class _Factory:
    """Stands for a type as the factory of a defaultdict; it makes nothing while the pickle is read."""

    def __init__(self, made: type) -> None:
        self.made = made


def _defaultdict(factory: Any = None) -> defaultdict[Any, Any]:
    if factory is not None and not isinstance(factory, _Factory):
        raise DecodeError("the pickle makes a defaultdict whose factory isn't on the list")
    return defaultdict(None if factory is None else factory.made)


def _fraction(over: Any, under: Any) -> Fraction:
    entry = registry.entry_named("fractions:Fraction")
    found: Fraction = entry.decode([over, under])  # type: ignore[union-attr]
    return found


def _valid(kind: Callable[..., Any]) -> Callable[..., Any]:
    """A date or time; pickles give its fields as bytes, which Python takes without looking (30 February)."""

    def valid(*args: Any) -> Any:
        return kind(*args).replace()

    return valid


def _reconstructed(cls: Any, base: Any, state: Any) -> Any:
    """`copyreg._reconstructor`: how protocols 0 and 1 make objects."""
    plain = base is object and state is None
    if not (plain or (base is BareZone and type(state) is BareZone)) or not isinstance(cls, type):
        raise DecodeError("the pickle rebuilds an object in an unusual way")
    make: Any = cls.__new__
    return make(cls)


def _named_zone(key: Any, from_cache: Any = True) -> tzinfo:
    return zone_from_text(f"zoneinfo:{key}")


def _attribute(owner: Any, name: Any) -> Any:
    """`getattr(ZoneInfo, "_unpickle")`, and members of registered enums: what pickles of today get in this way."""
    if owner is _named_zone and name == "_unpickle":
        return _named_zone
    if isinstance(owner, EnumMeta) and registry.entry_for(owner) is not None and name in owner.__members__:
        return owner[name]
    raise DecodeError("the pickle reads an attribute, which no job of APScheduler needs")


def _pytz_zone(*args: Any) -> tzinfo:
    """`pytz._p(name[, utc offset, dst, abbreviation])`: one of the tzinfo objects of a zone."""
    if not args or any(type(arg) not in (str, int) for arg in args):
        raise DecodeError("the pickle makes a pytz zone in an unusual way")
    zone: Any = zone_from_text(f"pytz:{args[0]}")
    if len(args) < 4 or not hasattr(zone, "_tzinfos"):
        return zone  # type: ignore[no-any-return]
    utcoffset, dst, name = args[1:4]
    alike: Any = None
    for known in zone._tzinfos.values():  # `pytz._p` would add to the zone what isn't there
        if known._utcoffset == timedelta(seconds=utcoffset) and known._dst == timedelta(seconds=dst):
            if known._tzname == name:
                return known  # type: ignore[no-any-return]
            alike = alike or known
    if alike is None:
        raise DecodeError(f"the pickle has a time of {args[0]} at an offset from UTC that is not known there")
    return alike  # type: ignore[no-any-return]


def _pytz_utc() -> tzinfo:
    return zone_from_text("pytz:UTC")


def _pytz_offset(minutes: Any) -> tzinfo:
    return zone_from_text(f"pytz:{int(minutes):+d}")


def _inner_zone(zone: Any, key: Any = None) -> tzinfo:
    """`pytz_deprecation_shim.wrap_zone(zone, key)`, which tzlocal 3 and 4 put around zones."""
    if not isinstance(zone, tzinfo):
        raise DecodeError("the pickle wraps something that is no time zone")
    return zone


def _pure_path(kind: type[PurePath]) -> Callable[..., PurePath]:
    def path(*parts: Any) -> PurePath:
        if any(type(part) is not str for part in parts):
            raise DecodeError("the pickle makes a path of something that is no text")
        return kind(*parts)

    return path


_KNOWN: dict[tuple[str, str], Any] = {
    ("apscheduler.job", "Job"): _PickledJob,
    ("builtins", "set"): _of_items(set),
    ("builtins", "frozenset"): _of_items(frozenset),
    ("builtins", "bytearray"): _bytearray,
    ("builtins", "bytes"): _empty_bytes,
    ("builtins", "complex"): complex,
    ("builtins", "range"): range,
    ("builtins", "object"): object,
    ("builtins", "getattr"): _attribute,
    ("_codecs", "encode"): _latin_bytes,
    ("copyreg", "_reconstructor"): _reconstructed,
    ("collections", "OrderedDict"): _of_items(OrderedDict),
    ("collections", "Counter"): _counter,
    ("collections", "deque"): _deque,
    ("collections", "defaultdict"): _defaultdict,
    ("fractions", "Fraction"): _fraction,
    **{("builtins", made.__name__): _Factory(made) for made in (list, dict, int, float, str, bool, tuple)},
    ("datetime", "datetime"): _valid(datetime),
    ("datetime", "date"): _valid(date),
    ("datetime", "time"): _valid(time),
    ("datetime", "timedelta"): timedelta,
    ("datetime", "timezone"): timezone,
    ("uuid", "UUID"): UUID,
    ("uuid", "SafeUUID"): SafeUUID,
    ("decimal", "Decimal"): Decimal,
    ("zoneinfo", "ZoneInfo._unpickle"): _named_zone,
    ("zoneinfo", "ZoneInfo"): _named_zone,
    ("zoneinfo._zoneinfo", "ZoneInfo._unpickle"): _named_zone,
    ("backports.zoneinfo", "ZoneInfo._unpickle"): _named_zone,
    ("pytz", "_p"): _pytz_zone,
    ("pytz", "_UTC"): _pytz_utc,
    ("pytz", "FixedOffset"): _pytz_offset,
    ("pytz", "_FixedOffset"): _pytz_offset,
    ("pytz_deprecation_shim", "wrap_zone"): _inner_zone,
    ("pytz_deprecation_shim._impl", "wrap_zone"): _inner_zone,
    **dateutil_pickles.KNOWN,
}
for _module in ("pathlib", "pathlib._local"):
    _KNOWN[_module, "PosixPath"] = _KNOWN[_module, "WindowsPath"] = _KNOWN[_module, "Path"] = _pure_path(Path)
    _KNOWN[_module, "PurePosixPath"] = _pure_path(PurePosixPath)
    _KNOWN[_module, "PureWindowsPath"] = _pure_path(PureWindowsPath)
for (_module, _name), _known in list(_KNOWN.items()):  # names of Python 2, for rows of that age
    if _module == "builtins":
        _KNOWN["__builtin__", _name] = _known
_KNOWN["__builtin__", "xrange"] = range
_KNOWN["copy_reg", "_reconstructor"] = _reconstructed

_Unpickler.set_makers = frozenset((_KNOWN["builtins", "set"], _KNOWN["builtins", "frozenset"]))
_Unpickler.makers = frozenset(
    (dict, _bytearray, _reconstructed, _KNOWN["builtins", "set"], *dateutil_pickles.KNOWN.values())
)
