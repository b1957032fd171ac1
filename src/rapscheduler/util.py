"""Small conversions that every floor uses: texts to values, references to callables, argument checks.

What lives here: pure functions under APScheduler's names, with its results, exception classes and message texts.
What must not: anything that knows a trigger, a job, a store or a scheduler; heavy imports (``inspect`` and
``difflib`` are fetched only when an uncommon callable or a mistake needs them, ``re`` by the first text that is a
date, ``zoneinfo`` by the first name of a zone, ``logging`` when a scheduler is made).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from functools import partial
from types import FunctionType, MethodType

from rapscheduler._hints import TYPE_CHECKING, Any
from rapscheduler._instants import EPOCH, SECOND_US
from rapscheduler._signatures import parameters_of

if TYPE_CHECKING:
    from typing import TypeGuard
    from zoneinfo import ZoneInfo

__all__ = (
    "asbool", "asint", "astimezone", "check_callable_args", "convert_to_datetime", "datetime_ceil",
    "datetime_to_utc_timestamp", "get_callable_name", "localize", "maybe_ref", "normalize", "obj_to_ref",
    "ref_to_obj", "undefined", "utc_timestamp_to_datetime",
)  # fmt: skip

UTC = timezone.utc
TIMEOUT_MAX = 4294967.0  # seconds; the longest wait that every platform's lock accepts
TRUE_WORDS = frozenset(("true", "yes", "on", "y", "t", "1"))
FALSE_WORDS = frozenset(("false", "no", "off", "n", "f", "0"))
CO_VARARGS, CO_VARKEYWORDS = 0x04, 0x08  # bits of code.co_flags

DEBUG, INFO, ERROR = 10, 20, 40  # the levels of `logging`

_log_root = "rapscheduler"


class _Undefined:
    """The type of ``undefined``: "the caller gave nothing", where ``None`` is a value of its own."""

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "<undefined>"

    def __reduce__(self) -> str:
        return "undefined"


undefined = _Undefined()


def as_written(method: Any) -> Any:
    """What stands for the decorators of `_typed` when a program runs."""
    return method


def logger_name(suffix: str) -> str:
    """The logger for a part of the project, e.g. ``logger_name("executors.default")``.

    The root is ``rapscheduler``; after ``install_as_apscheduler()`` it is ``apscheduler``, so that a program that
    sets levels on APScheduler's loggers is obeyed.
    """
    return f"{_log_root}.{suffix}"


class EarlyLogger:
    """The logger of a component that has not been started, as an attribute of its class."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, component: Any, cls: type) -> Any:
        import logging

        return logging.getLogger(self._name)


def asint(text: Any) -> int | None:
    """An integer from a configuration text; ``None`` stays ``None``. ValueError: not a whole number."""
    return None if text is None else int(text)


def asbool(obj: Any) -> bool:
    """A boolean from a configuration text (yes/no, on/off, true/false, 1/0) or from any object's truth."""
    if isinstance(obj, str):
        word = obj.strip().lower()
        if word in TRUE_WORDS:
            return True
        if word in FALSE_WORDS:
            return False
        raise ValueError(f'Unable to interpret value "{word}" as boolean; write true or false')
    return bool(obj)


def astimezone(obj: Any) -> tzinfo | None:
    """A tzinfo from the name of a zone, from a tzinfo (pytz zones become their zoneinfo twins) or from ``None``.

    ZoneInfoNotFoundError (a KeyError): no such zone. TypeError: neither a text nor a tzinfo.
    """
    if isinstance(obj, str):
        return _zone_by_name(obj)
    if isinstance(obj, tzinfo):
        zone_name = getattr(obj, "zone", None)  # pytz's attribute; None for its fixed offsets
        if zone_name and hasattr(obj, "localize"):
            from zoneinfo import ZoneInfo

            return ZoneInfo(zone_name)
        return obj
    if obj is None:
        return None
    raise TypeError(
        f"Expected tzinfo, got {type(obj).__name__} instead: {obj!r}; give a tzinfo or a name such as 'Europe/Berlin'"
    )


def _zone_by_name(name: str) -> tzinfo:
    if name == "UTC":
        return timezone.utc
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

    try:
        return ZoneInfo(name)
    except ZoneInfoNotFoundError:
        pass
    except ValueError as exc:
        raise ValueError(f"{exc} is no name of a time zone; write one such as 'Europe/Berlin'") from None
    known = available_timezones()
    from rapscheduler._advice import zone_cure

    cure = zone_cure(name, known) if known else "; install the tzdata package, this system has no zones"
    raise ZoneInfoNotFoundError(f"No time zone found with key {name}{cure}")


def asdate(obj: Any) -> Any:
    """A date from an ISO text (``YYYY-MM-DD``); anything else is returned as it is."""
    return date.fromisoformat(obj) if isinstance(obj, str) else obj


# APScheduler's form, and what ISO 8601 (RFC 3339) allows beyond it: no seconds, a small t or z, +HHMM, +HH.
_DATE_TEXT = (
    r"(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})"
    r"(?:[ Tt](?P<hour>\d{1,2}):(?P<minute>\d{1,2})(?::(?P<second>\d{1,2})"
    r"(?:[.,](?P<fraction>\d{1,6}))?)?"
    r"(?P<zone>[Zz]|(?P<sign>[+-])(?P<zone_hour>\d\d)(?::?(?P<zone_minute>[0-5]\d))?)?)?$"
)


def convert_to_datetime(input: Any, tz: Any, arg_name: str) -> datetime | None:
    """An aware datetime from a datetime, a date (its midnight) or a text such as ``2025-03-01 12:00:00+02:00``.

    ``tz`` (a tzinfo or the name of a zone) serves what brings no zone of its own; ``arg_name`` is for the messages.
    TypeError: another type. ValueError: a text that is no date, or a naive time without ``tz``.
    """
    if input is None:
        return None
    if isinstance(input, datetime):
        moment = input
    elif isinstance(input, date):
        moment = datetime.combine(input, time())
    elif isinstance(input, str):
        moment = _datetime_from_text(input, arg_name)
    else:
        raise TypeError(
            f"Unsupported type for {arg_name}: {type(input).__name__} ({input!r}); give a datetime, a date or a text"
        )
    if moment.tzinfo is not None:
        return moment
    if tz is None:
        raise ValueError(
            f'The "tz" argument must be specified if {arg_name} has no timezone information: {input!r}'
        )
    return localize(moment, _zone_by_name(tz) if isinstance(tz, str) else tz)


def _datetime_from_text(text: str, arg_name: str) -> datetime:
    import re

    match = re.match(_DATE_TEXT, text, re.ASCII)
    if match is None:
        raise ValueError(
            f"Invalid date string {text!r} for {arg_name}: write YYYY-MM-DD or YYYY-MM-DD HH:MM:SS, "
            "then maybe .ffffff and Z or +HH:MM; a named time zone is an argument of its own"
        )
    group = match.groupdict()
    zone: tzinfo | None = timezone.utc if group["zone"] else None
    fraction = (group["fraction"] or "0").ljust(6, "0")  # ".5" is half a second
    names = ("year", "month", "day", "hour", "minute", "second")
    year, month, day, hour, minute, second = (int(group[name] or 0) for name in names)
    try:
        if group["sign"]:
            offset = timedelta(hours=int(group["zone_hour"]), minutes=int(group["zone_minute"] or 0))
            zone = timezone(-offset if group["sign"] == "-" else offset)
        return datetime(year, month, day, hour, minute, second, int(fraction), zone)
    except ValueError as exc:
        raise ValueError(f"Invalid date string {text!r} for {arg_name}: {exc}") from None


def datetime_to_utc_timestamp(timeval: datetime | None) -> float | None:
    """Seconds since the epoch of a datetime (a naive one is in UTC); ``None`` stays ``None``."""
    if timeval is None:
        return None
    if timeval.tzinfo is None:
        timeval = timeval.replace(tzinfo=timezone.utc)
    return (timeval - EPOCH).total_seconds()


def utc_timestamp_to_datetime(timestamp: float | None) -> datetime | None:
    """The aware UTC datetime of a number of seconds since the epoch; ``None`` stays ``None``."""
    return None if timestamp is None else datetime.fromtimestamp(timestamp, timezone.utc)


def timedelta_seconds(delta: timedelta) -> float:
    """The whole length of a timedelta in seconds."""
    return delta.total_seconds()


def datetime_ceil(dateval: datetime) -> datetime:
    """The same time, or the next whole second after it."""
    if dateval.microsecond == 0:
        return dateval
    return datetime_utc_add(dateval, timedelta(microseconds=SECOND_US - dateval.microsecond))


def datetime_utc_add(dateval: datetime, tdelta: timedelta) -> datetime:
    """The instant that comes ``tdelta`` of elapsed time after ``dateval``, in the same zone."""
    if dateval.tzinfo is None:
        return dateval + tdelta
    return (dateval.astimezone(timezone.utc) + tdelta).astimezone(dateval.tzinfo)


def datetime_repr(dateval: datetime | None) -> str:
    """``YYYY-MM-DD HH:MM:SS ZONE``, or ``None`` as a word."""
    if not dateval:
        return "None"
    if type(dateval) is not datetime or dateval.year < 1000:
        return dateval.strftime("%Y-%m-%d %H:%M:%S %Z")
    global _told_last
    moment, text = _told_last
    if is_same_time(dateval, moment):
        return text
    text = f"{dateval.isoformat(' ', 'seconds')[:19]} {dateval.tzname() or ''}"  # the same, in a fifth of the time
    if type(dateval.tzinfo) is timezone or is_zone_info(dateval.tzinfo):
        _told_last = dateval, text
    return text


def is_same_time(one: datetime, other: datetime) -> bool:
    """Whether two times are one instant told by one zone, so that they have the same text."""
    return one.tzinfo is other.tzinfo and one.fold == other.fold and one == other


_told_last = datetime(1970, 1, 1), "1970-01-01 00:00:00 "  # many jobs are due next at one time


def is_zone_info(zone: tzinfo | None) -> TypeGuard[ZoneInfo]:
    """Whether a zone is a ``zoneinfo.ZoneInfo``: none is before somebody has loaded ``zoneinfo``."""
    module = sys.modules.get("zoneinfo")
    return module is not None and isinstance(zone, module.ZoneInfo)


def timezone_repr(timezone: tzinfo) -> str:
    """The key of a zone from the zone database, else the object's repr."""
    return timezone.key if is_zone_info(timezone) else repr(timezone)


def normalize(dt: datetime) -> datetime:
    """The same instant; a wall time that the zone's clocks skip becomes the one they show instead."""
    return dt.astimezone(timezone.utc).astimezone(dt.tzinfo)


def localize(dt: datetime, tzinfo: tzinfo) -> datetime:
    """The wall time ``dt`` in a zone; ``localize`` of pytz's zones is used where there is one."""
    pytz_localize = getattr(tzinfo, "localize", None)
    if pytz_localize is not None:
        localized: datetime = pytz_localize(dt)
        return localized
    return normalize(dt.replace(tzinfo=tzinfo))


def get_callable_name(func: Any) -> str:
    """The best name for a callable: ``f``, ``Class.method``, or the class of a callable object."""
    if isinstance(func, MethodType):
        owner = func.__self__
        cls = owner if isinstance(owner, type) else type(owner)
        return f"{cls.__qualname__}.{func.__name__}"
    if not callable(func):
        raise TypeError(f"Unable to determine a name for {func!r} -- maybe it is not a callable?")
    name = getattr(func, "__qualname__", None) or getattr(func, "__name__", None)
    return name if isinstance(name, str) else type(func).__name__


def obj_to_ref(obj: Any) -> str:
    """``"module:qualified.name"`` of a callable. ValueError: it has no importable name."""
    if isinstance(obj, partial):
        raise ValueError("Cannot create a reference to a partial()")
    name = get_callable_name(obj)
    if "<lambda>" in name:
        raise ValueError("Cannot create a reference to a lambda")
    if "<locals>" in name:
        raise ValueError("Cannot create a reference to a nested function")
    module: str | None
    if isinstance(obj, MethodType):
        owner = obj.__self__
        module = (owner if isinstance(owner, type) else type(owner)).__module__
    else:
        module = getattr(obj, "__module__", None)
        if module is None:
            raise ValueError(f"Cannot create a reference to {obj!r}: it belongs to no module")
        if not hasattr(obj, "__qualname__"):
            raise ValueError(
                f"Cannot create a reference to an instance of {name}; give a function or a method of it instead"
            )
    return f"{module}:{name}"


def ref_to_obj(ref: Any) -> Any:
    """The object that ``"module:qualified.name"`` stands for; imports the module.

    TypeError: not a text. ValueError: no colon in it. LookupError: no such module or object.
    """
    if not isinstance(ref, str):
        raise TypeError(f"References must be strings such as 'package.module:function', not {ref!r}")
    module_name, colon, path = ref.partition(":")
    if not colon:
        raise ValueError(f"Invalid reference {ref!r}; write 'package.module:function'")
    module = sys.modules.get(module_name)
    if module is None:
        try:
            __import__(module_name)
            module = sys.modules[module_name]
        except ImportError as exc:
            raise LookupError(f"Error resolving reference {ref}: could not import module ({exc})") from exc
    obj: Any = module
    try:
        for name in path.split("."):
            obj = getattr(obj, name)
    except AttributeError as exc:
        raise LookupError(f"Error resolving reference {ref}: error looking up object ({exc})") from exc
    return obj


def maybe_ref(ref: Any) -> Any:
    """The object a textual reference stands for; anything but a text is returned as it is."""
    return ref_to_obj(ref) if isinstance(ref, str) else ref


def check_callable_args(func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Raise ValueError, naming the arguments, unless ``func(*args, **kwargs)`` fits the callable's signature.

    Callables that don't tell their signature (some built-ins) pass.
    """
    if not _plainly_fits(func, len(args), kwargs):
        _check_signature(func, args, kwargs)


def _plainly_fits(func: Any, arg_count: int, kwargs: Mapping[str, Any]) -> bool:
    """Whether a plain function or method certainly takes the arguments, read off its code object."""
    if type(func) is MethodType:
        func = func.__func__
        arg_count += 1
    if type(func) is not FunctionType or "__signature__" in func.__dict__:
        return False
    code = func.__code__
    flags, allowed = code.co_flags, code.co_argcount
    if arg_count > allowed:
        if not flags & CO_VARARGS:
            return False
        arg_count = allowed
    names = code.co_varnames
    required = names[arg_count : allowed - len(func.__defaults__ or ())]
    keyword_only = names[allowed : allowed + code.co_kwonlyargcount]
    if not kwargs:
        return not required and all(name in (func.__kwdefaults__ or ()) for name in keyword_only)
    if code.co_posonlyargcount or flags & CO_VARKEYWORDS:
        return False
    by_keyword = names[arg_count : allowed + code.co_kwonlyargcount]
    given_or_default = {*kwargs, *(func.__kwdefaults__ or ())}
    return all(name in by_keyword for name in kwargs) and given_or_default.issuperset(
        (*required, *keyword_only)
    )


def _check_signature(func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """The whole check, with a message for every kind of misfit."""
    from inspect import Parameter

    parameters = parameters_of(func)
    if parameters is None:
        return  # a built-in that keeps its signature to itself
    free_args, free_kwargs = len(args), list(kwargs)
    twice, positional_only, missing, missing_keyword_only = [], [], [], []
    takes_args = takes_kwargs = False
    allowed = 0
    for param in parameters:
        kind, name = param.kind, param.name
        if kind is Parameter.VAR_POSITIONAL:
            takes_args = True
        elif kind is Parameter.VAR_KEYWORD:
            takes_kwargs = True
        elif kind is Parameter.KEYWORD_ONLY:
            if name in free_kwargs:
                free_kwargs.remove(name)
            elif param.default is Parameter.empty:
                missing_keyword_only.append(name)
        else:
            allowed += 1
            named = name in free_kwargs
            if free_args:
                free_args -= 1
                if named and kind is Parameter.POSITIONAL_OR_KEYWORD:
                    free_kwargs.remove(name)
                    twice.append(name)
            elif named:
                free_kwargs.remove(name)
                if kind is Parameter.POSITIONAL_ONLY:
                    positional_only.append(name)
            elif param.default is Parameter.empty:
                missing.append(name)
    _raise_for(func, "The following arguments are supplied in both args and kwargs: ", twice)
    _raise_for(func, "The following arguments cannot be given as keyword arguments: ", positional_only)
    _raise_for(func, "The following arguments have not been supplied: ", missing)
    text = "The following keyword-only arguments have not been supplied in kwargs: "
    _raise_for(func, text, missing_keyword_only)
    if free_args and not takes_args:
        raise ValueError(
            "The list of positional arguments is longer than the target callable can handle "
            f"(allowed: {allowed}, given in args: {len(args)}){_taken(func)}"
        )
    if not takes_kwargs:
        _raise_for(func, "The target callable does not accept the following keyword arguments: ", free_kwargs)


def _raise_for(func: Callable[..., Any], text: str, names: list[str]) -> None:
    if names:
        raise ValueError(text + ", ".join(names) + _taken(func))


def _taken(func: Callable[..., Any]) -> str:
    """What a callable takes, for messages."""
    from inspect import signature

    return f"; it is {get_callable_name(func)}{signature(func, follow_wrapped=False)}"


def iscoroutinefunction_partial(f: Any) -> bool:
    """Whether calling ``f`` gives a coroutine: ``async def``, a partial of one, or an async ``__call__``."""
    while isinstance(f, partial):
        f = f.func
    if type(f) is FunctionType:
        if not f.__dict__:  # no marker (inspect.markcoroutinefunction) can be on it
            return bool(f.__code__.co_flags & 0x80)  # inspect.CO_COROUTINE
    elif type(f) is MethodType and type(f.__func__) is FunctionType and not f.__func__.__dict__:
        return bool(f.__func__.__code__.co_flags & 0x80)
    from inspect import iscoroutinefunction, ismethod

    if iscoroutinefunction(f) or _has_coroutine_mark(f):
        return True
    if isinstance(f, (type, FunctionType)) or ismethod(f):
        return False
    return iscoroutinefunction(getattr(f, "__call__", None))  # noqa: B004


def _has_coroutine_mark(f: Any) -> bool:
    """Whether somebody, or Cython, marked this callable as asyncio does; a mock has every attribute one asks for."""
    own = "_is_coroutine" in getattr(f, "__dict__", ()) or hasattr(type(f), "_is_coroutine")
    return own and getattr(f, "_is_coroutine", None) not in (None, False)


def prefer_overridden(cls: type, base: type, stands_for: Mapping[str, Sequence[str]]) -> None:
    """Give ``cls`` the private methods of ``base`` wherever its own would bypass a public method it overrides.

    ``stands_for``: private name -> the public names it does the work of. A class nearer to ``cls`` that overrides a
    public one wins over a farther class that defines the private one.
    """

    def depth(name: str) -> int:
        return next(i for i, owner in enumerate(cls.__mro__) if name in owner.__dict__)

    for private, publics in stands_for.items():
        if any(depth(public) < depth(private) for public in publics):
            setattr(cls, private, base.__dict__[private])


def elsewhere(module: str) -> Callable[[str], Any]:
    """The ``__getattr__`` of a module of ours: what APScheduler's module imports from elsewhere, when somebody asks."""

    def __getattr__(name: str) -> Any:
        if name.startswith("__"):  # the import system asks for __path__
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        return __import__("rapscheduler._elsewhere", fromlist=["found"]).found(module, name)

    return __getattr__


if not TYPE_CHECKING:
    __getattr__ = elsewhere(__name__)
