"""Triggers <-> nodes: {"type": "cron", ...its constructor's arguments}.

What lives here: the written form of each trigger class. What must not: schedules, jobs, bytes.
Approach: the five built-in triggers and the two combining ones are written by their constructor arguments, leaving
out those at their default. Other trigger classes have a name when the program registers them (``register_type``) or
when an installed package declares them as an entry point of the groups ``rapscheduler.triggers`` or
``apscheduler.triggers``; they are written as {"type": name, "state": what __getstate__() returns}.

Triggers may be changed (``trigger.jitter = 5``), so each job gets its own. What is read once per written form is the
recipe: a function that makes one more (``codec`` remembers recipes by the bytes). The other way, what is remembered is
the JSON of triggers that are given by the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, tzinfo
from functools import cache, lru_cache, partial
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, NamedTuple

import orjson

from .._quoting import said, short
from ..errors import DecodeError
from ..triggers.base import BaseTrigger
from . import registry
from .values import DUMPS_OPTION, MAX_DEPTH, Unwritable, _Packer, _zone_text, unpack
from .zones import zone_from_text

ENTRY_POINT_GROUPS = ("rapscheduler.triggers", "apscheduler.triggers")
_WRITTEN_KEPT = 4096
# Of the texts of a job's triggers, together with 32 for each trigger and 4 for each item of a list: reading them costs
# microseconds for each part of a field.
MAX_TEXT = 65_536
_MAX_FIELD = 4_000  # of one of these texts or lists
_DAY_US = 86_400_000_000
_CALENDAR_COUNTS = ("years", "months", "weeks", "days")

_builtin_classes: dict[type, str] = {}
_written: dict[tuple[Any, ...], bytes] = {}
Recipe = Callable[[], Any]  # makes the trigger anew


class TriggerForm(NamedTuple):
    """How one built-in class is written: ``arguments(trigger)`` gives constructor arguments, defaults left out.

    ``numbers(trigger)``: what the arguments follow from, as a key; None: this one must be looked at.
    """

    module: str
    class_name: str
    arguments: Callable[[Any], dict[str, Any]]
    numbers: Callable[[Any], tuple[Any, ...] | None] = lambda trigger: None


def trigger_json(trigger: object, strict: bool = False) -> bytes:
    """The JSON of a trigger. Raises ``Unwritable`` as `pack_trigger`; ``orjson.JSONEncodeError``."""
    name = _builtin_name(type(trigger))
    key = None if name is None else _FORMS[name].numbers(trigger)
    text = None if key is None else _written.get(key)
    if text is None:
        node = pack_trigger(trigger, strict=strict)
        problem = _too_long(node)
        if problem is not None:
            raise Unwritable(problem)
        text = orjson.dumps(node, option=DUMPS_OPTION)
        if key is not None:
            if len(_written) >= _WRITTEN_KEPT:
                _written.clear()
            _written[key] = text
    return text


def pack_trigger(trigger: object, depth: int = 0, strict: bool = False) -> dict[str, Any]:
    """The node of a trigger. Raises ``Unwritable`` with the trail below the trigger."""
    if depth >= MAX_DEPTH:
        raise Unwritable(f"triggers are nested more than {MAX_DEPTH} levels deep")
    name = _builtin_name(type(trigger))
    if name is None:
        return _pack_foreign(trigger, depth, strict)
    node: dict[str, Any] = {"type": name}
    packer = _Packer(strict)
    for argument, value in _FORMS[name].arguments(trigger).items():
        try:
            if argument == "triggers":
                node[argument] = _pack_members(value, depth, strict)
            elif argument == "exclude":  # its written form is JSON
                node[argument] = value.node
            elif isinstance(value, tzinfo):
                node[argument] = _zone_text(value)
            else:
                node[argument] = packer.pack(value, depth + 1)
        except Unwritable as problem:
            problem.trail.append(f".{argument}")
            raise
    return node


def unpack_trigger(node: Any) -> BaseTrigger:
    """A new trigger from its node. Raises ``DecodeError`` only."""
    trigger: BaseTrigger = recipe_of(node)()
    return trigger


def recipe_of(node: Any) -> Recipe:
    """A function that makes the trigger of a node. Both raise ``DecodeError`` only."""
    problem = _reading(_too_long, node)
    if problem is not None:
        raise DecodeError(problem)
    recipe: Recipe = _reading(_recipe, node, 0)
    return recipe


def _too_long(node: Any) -> str | None:
    """Why the triggers of a node take too long to read, or ``None``."""
    total, waiting = 0, [node]
    while waiting:
        trigger = waiting.pop()
        if type(trigger) is not dict or trigger.get("type") not in _FORMS:
            continue
        total += 32
        for name, value in trigger.items():
            if name == "triggers" and type(value) is list:
                waiting += value
                continue
            length = _length(value, name == "exclude")
            if length > _MAX_FIELD:
                return f"{name[:100]!r} of a trigger is longer than the {_MAX_FIELD} characters that a row may have"
            total += length
        if total > MAX_TEXT:
            return f"the triggers of the job are longer than the {MAX_TEXT} characters that a row may have"
    return None


def _length(value: Any, of_days: bool = False) -> int:
    if of_days and type(value) is dict:  # a part of a set of days
        value = list(value.values())
    if type(value) is list:
        return sum(4 + _length(item, of_days) for item in value)
    return len(value) if type(value) is str else 0


def _reading(read: Callable[..., Any], *values: Any, **arguments: Any) -> Any:
    """What ``read`` returns; whatever goes wrong is a ``DecodeError``."""
    try:
        return read(*values, **arguments)
    except DecodeError:
        raise
    except RecursionError:
        raise DecodeError("the trigger is nested too deeply to be read") from None
    except Exception as exc:
        raise DecodeError(f"the trigger can't be read back: {said(exc)}") from exc


def _pack_members(triggers: Any, depth: int, strict: bool) -> list[Any]:
    nodes = []
    for index, member in enumerate(triggers):
        try:
            nodes.append(pack_trigger(member, depth + 1, strict))
        except Unwritable as problem:
            problem.trail.append(f"[{index}]")
            raise
    return nodes


def _pack_foreign(trigger: Any, depth: int, strict: bool) -> dict[str, Any]:
    cls = type(trigger)
    entry = registry.entry_for(cls)
    if entry is not None:
        name, state = entry.name, entry.encode(trigger)
    else:
        plugin = _plugin_name(cls)
        if plugin is None:
            raise Unwritable(
                f"trigger class {cls.__module__}:{cls.__qualname__} isn't registered; call "
                f"rapscheduler.register_type({cls.__qualname__}) or declare it as an entry point of the group "
                f"{ENTRY_POINT_GROUPS[0]!r}"
            )
        name, state = plugin, _state_of(trigger)
    if name in _FORMS:
        raise Unwritable(_taken_name(cls, name))
    try:
        return {"type": name, "state": _Packer(strict).pack(state, depth + 1)}
    except Unwritable as problem:
        problem.trail.append(".__getstate__()")
        raise


def _taken_name(cls: type, name: str) -> str:
    """Why a class can't be written under the name of a trigger of ours: it would be read back as that."""
    if cls.__module__.partition(".")[0] == "apscheduler":
        return (
            f"{cls.__module__}.{cls.__qualname__} is a class of APScheduler; import it from r{cls.__module__}, or call "
            "rapscheduler.install_as_apscheduler() before anything imports apscheduler"
        )
    return (
        f"trigger class {cls.__module__}:{cls.__qualname__} has the name of a trigger of rapscheduler, {name!r}; call "
        f"rapscheduler.register_type({cls.__qualname__}, name=...) with another one"
    )


def _state_of(trigger: Any) -> Any:
    if not hasattr(type(trigger), "__setstate__"):
        raise Unwritable(f"trigger class {type(trigger).__qualname__} needs __getstate__ and __setstate__")
    return trigger.__getstate__()


def _recipe(node: Any, depth: int) -> Recipe:
    if type(node) is not dict or type(node.get("type")) is not str:
        raise DecodeError("the trigger in the row must be an object with a 'type'")
    if depth >= MAX_DEPTH:
        raise DecodeError(f"triggers are nested more than {MAX_DEPTH} levels deep")
    name = node["type"]
    form = _FORMS.get(name)
    if form is None:
        return partial(_reading, _unpack_foreign, name, node.get("state"))
    cls = _class_of(name)
    arguments: dict[str, Any] = {}
    for argument, value in node.items():
        if argument == "timezone" and type(value) is str:
            arguments[argument] = zone_from_text(value)
        elif argument == "exclude":
            arguments[argument] = _days(value)
        elif argument not in ("type", "triggers"):
            arguments[argument] = _plain(argument, unpack(value))
    if name in ("and", "or"):
        members = [_recipe(member, depth + 1) for member in node["triggers"]]
        return partial(_reading, lambda: cls([make() for make in members], **arguments))
    if name == "date" and isinstance(arguments.get("run_date"), datetime):
        arguments.setdefault("timezone", arguments["run_date"].tzinfo)
    # without a start date, each interval starts when it is made
    if name == "interval" and arguments.get("start_date") is not None:
        make: Recipe = cls(**arguments)._maker()
        return make
    return _again(cls(**arguments)) if name == "cron" else partial(_reading, cls, **arguments)


def _days(node: Any) -> Any:
    from ..calendars import Days

    try:
        return Days(node)
    except ImportError as exc:
        raise DecodeError(f"the trigger can't be read back here: {exc}") from exc


def _plain(argument: str, value: Any) -> Any:
    """An argument of a trigger of ours. DecodeError: it is none that a trigger was ever written with."""
    items = value if type(value) in (list, tuple) else () if type(value) is str else (value,)
    for item in items:
        if type(item) is not str and hasattr(type(item), "__iter__"):  # range(10**15)
            raise DecodeError(f"{argument[:100]!r} of the trigger can't be {short(item)}")
    return value


def _again(model: Any) -> Recipe:
    """Makes cron triggers like this one; what its texts mean and its zone is are known already."""
    cls: Any = type(model)
    text, zone = model._text, model.zone
    arguments = (model.start_date, model.end_date, model.jitter)
    skips = model.skips

    def make() -> Any:
        trigger = cls.__new__(cls)
        trigger._begin(text, zone, *arguments)
        trigger.skips = skips
        return trigger

    return make


def _unpack_foreign(name: str, state: Any) -> BaseTrigger:
    entry = registry.entry_named(name)
    content = unpack(state)
    if entry is not None:
        trigger = entry.decode(content)
    else:
        cls = _plugin_class(name)
        trigger = cls.__new__(cls)
        with registry.closed_list():
            trigger.__setstate__(content)
    if not isinstance(trigger, BaseTrigger) and not hasattr(trigger, "get_next_fire_time"):
        raise DecodeError(f"{name[:100]!r} in the row isn't a trigger")
    found: BaseTrigger = trigger
    return found


def _plugin_name(cls: type) -> str | None:
    wanted = f"{cls.__module__}:{cls.__qualname__}"
    for group in ENTRY_POINT_GROUPS:
        for entry_point in entry_points(group=group):
            if entry_point.value.replace(" ", "") == wanted:
                return entry_point.name
    return None


def _plugin_class(name: str) -> Any:
    for group in ENTRY_POINT_GROUPS:
        for entry_point in entry_points(group=group, name=name):
            return entry_point.load()
    raise DecodeError(
        f"trigger type {name[:200]!r} isn't known in this process: call rapscheduler.register_type() on its class "
        "before the scheduler starts, or install the package that declares it"
    )


def _builtin_name(cls: type) -> str | None:
    name = _builtin_classes.get(cls)
    if name is None:
        name = _NAMES.get((cls.__module__, cls.__qualname__))
        if name is None or _class_of(name) is not cls:
            return None
        _builtin_classes[cls] = name
    return name


@cache
def _class_of(name: str) -> Any:
    """The class of a built-in trigger, imported when the first one is written or read."""
    form = _FORMS[name]
    return getattr(import_module(form.module), form.class_name)


def _given(arguments: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if value is not None}


def _date_arguments(trigger: Any) -> dict[str, Any]:
    return {"run_date": trigger.run_date}


def _interval_arguments(trigger: Any) -> dict[str, Any]:
    days, rest_us = divmod(trigger.interval_us, _DAY_US)
    seconds, rest_us = divmod(rest_us, 1_000_000)
    arguments: dict[str, Any] = {"days": days} if days else {}
    if seconds or rest_us:
        arguments["seconds"] = seconds + rest_us / 1_000_000 if rest_us else seconds
    arguments["start_date"] = trigger.start_date
    if trigger.end_us is not None:
        arguments["end_date"] = trigger.end_date
    arguments["timezone"] = trigger.timezone
    if trigger.jitter_us:
        arguments["jitter"] = trigger.jitter
    return arguments | _left_out_arguments(trigger)


def _left_out_arguments(trigger: Any) -> dict[str, Any]:
    """What a trigger leaves out, how jobs are spread, and what it counts from."""
    if trigger.skips is None:
        return {}
    exclude, windows, spread, seed, after = trigger.skips.source
    windows = list(windows) or None
    return _given({"exclude": exclude, "windows": windows, "spread": spread, "seed": seed, "after": after})


def _interval_numbers(trigger: Any) -> tuple[Any, ...] | None:
    if trigger._dates is not None:  # they came in other zones
        return None
    return (
        trigger.interval_us,
        trigger.zone,
        trigger.anchor_us,
        trigger.end_us,
        trigger.jitter_us,
        trigger.skips,
    )


def _calendar_arguments(trigger: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {name: getattr(trigger, name) or None for name in _CALENDAR_COUNTS}
    at = trigger._time
    arguments |= {"hour": at.hour or None, "minute": at.minute or None, "second": at.second or None}
    for name in ("start_date", "end_date"):
        value: date | None = getattr(trigger, name)
        arguments[name] = value
    arguments |= {"timezone": trigger.timezone, "jitter": trigger.jitter}
    return _given(arguments) | _left_out_arguments(trigger)


def _cron_arguments(trigger: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = dict(_cron_fields(trigger._text))
    arguments["timezone"] = trigger.timezone
    if trigger.start_us is not None:
        arguments["start_date"] = trigger.start_date
    if trigger.end_us is not None:
        arguments["end_date"] = trigger.end_date
    if trigger.jitter_us:
        arguments["jitter"] = trigger.jitter
    return arguments | _left_out_arguments(trigger)


def _cron_numbers(trigger: Any) -> tuple[Any, ...]:
    return trigger._text, trigger.zone, trigger.start_us, trigger.end_us, trigger.jitter_us, trigger.skips


@lru_cache(maxsize=4096)
def _cron_fields(text: Any) -> dict[str, Any]:
    """The fields and rules of a schedule, which triggers written alike share."""
    arguments: dict[str, Any] = text.given()
    if text.dst != "once":
        arguments["dst"] = text.dst
    if text.day_or_weekday:
        arguments["day_or_weekday"] = True
    return arguments


def _rrule_arguments(trigger: Any) -> dict[str, Any]:
    return _given(
        {
            "rule": trigger.rule,
            "start_date": trigger.start_date,
            "timezone": trigger.timezone,
            "jitter": trigger.jitter or None,
        }
    )


def _combining_arguments(trigger: Any) -> dict[str, Any]:
    horizon = getattr(trigger, "horizon", None)
    arguments = {
        "jitter": trigger.jitter,
        "horizon": None if horizon == getattr(trigger, "HORIZON", None) else horizon,
    }
    return {"triggers": trigger.triggers} | _given(arguments) | _left_out_arguments(trigger)


_TRIGGERS = __package__.rpartition(".")[0] + ".triggers."
_FORMS = {
    "date": TriggerForm(_TRIGGERS + "date", "DateTrigger", _date_arguments),
    "interval": TriggerForm(
        _TRIGGERS + "interval", "IntervalTrigger", _interval_arguments, _interval_numbers
    ),
    "calendarinterval": TriggerForm(
        _TRIGGERS + "calendarinterval", "CalendarIntervalTrigger", _calendar_arguments
    ),
    "cron": TriggerForm(_TRIGGERS + "cron", "CronTrigger", _cron_arguments, _cron_numbers),
    "and": TriggerForm(_TRIGGERS + "combining", "AndTrigger", _combining_arguments),
    "rrule": TriggerForm(_TRIGGERS + "rrule", "RRuleTrigger", _rrule_arguments),
    "or": TriggerForm(_TRIGGERS + "combining", "OrTrigger", _combining_arguments),
}
_NAMES = {(form.module, form.class_name): name for name, form in _FORMS.items()}
