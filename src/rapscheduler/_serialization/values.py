"""Python values <-> the JSON tree of a row (a *node*: None, bool, int, float, str, list, dict of str keys).

What lives here: how each value type of the closed registry is written and read back. What must not: jobs, triggers,
bytes, I/O. Approach: what JSON can say exactly is written as itself; everything else is an object with one key that
begins with "$", the tag:

    {"$tuple": [1, 2]}   {"$datetime": "2025-03-30T12:00:00", "zone": "Europe/Berlin"}   {"$decimal": "1.10"}

A dict whose keys aren't all strings without a leading "$" is {"$dict": [[key, value], ...]}, so tags can't be forged
by data. Types of the registry are {"$type": name, "value": node}; functions and classes among the arguments of a job
are {"$callable": reference}, found by the store's rule for callables. Nothing else is imported by name, and nothing but
constructors of the registry is called. Types are looked up by identity: a subclass of a known type needs a
registration of its own, because reading it back as its base would change it.

Depth is counted in Python levels: 1 per container, at most MAX_DEPTH, so that the tags (3 JSON levels at most for
one level) stay below orjson's limit of 254.
"""

from __future__ import annotations

import math
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any
from uuid import UUID

import orjson

from .._quoting import said
from ..errors import DecodeError, EncodeError
from . import registry
from .bounds import FEW_KEYS, MAX_CONTAINERS, MAX_PARTS, crowded
from .callables import NAMED, CallableRule, find_argument, reference_to
from .zones import zone_from_text, zone_to_text

MAX_DEPTH = 64
MAX_NODE_DEPTH = 240  # JSON levels accepted from a row
# Nodes are plain: orjson may write nothing that it knows and JSON doesn't.
DUMPS_OPTION = (
    orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS
)
_MAX_DECIMAL_INT = 10**1000  # longer integers are written in hexadecimal, whose cost is linear
_PATH_KIND: type = type(Path())
_HEX = re.compile(r"-?0x[0-9a-f]+")
_DIGITS = re.compile(r"-?[0-9]{1,1001}")


class Unwritable(Exception):
    """A value that rows can't hold; ``trail`` collects the steps to it from the inside out."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.trail: list[str] = []


def pack_at(value: object, root: str, strict: bool = False, rule: CallableRule | None = None) -> Any:
    """The node of ``value``. ``root`` names it in errors, e.g. ``"args"``; raises ``EncodeError`` with the path.

    ``rule`` says which functions and classes may be in it, by reference; without it there may be none.
    ``strict`` also looks for lone surrogates in texts, which orjson refuses without saying where.
    """
    try:
        return _Packer(strict, rule).pack(value, 0)
    except Unwritable as problem:
        path = root + "".join(reversed(problem.trail))
        raise EncodeError(f"{path} can't be stored: {problem.reason}", path) from None


def unpack(node: Any, rule: CallableRule | None = None) -> Any:
    """The value of a node. Raises ``DecodeError`` only. ``rule``: as in `pack_at`."""
    try:
        return _unpack(node, 0, rule)
    except DecodeError:
        raise
    except RecursionError:
        raise DecodeError("the row is nested too deeply to be read") from None
    except Exception as exc:
        raise DecodeError(f"a value in the row can't be read back: {said(exc)}") from exc


class _Packer:
    """One walk over one value."""

    def __init__(self, strict: bool, rule: CallableRule | None = None) -> None:
        self.strict = strict
        self.rule = rule
        self.containers = self.parts = 0

    def pack(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if kind is str:
            return _pack_text(value) if self.strict else value
        if value is None or kind is bool:
            return value
        if kind is int:
            return (
                value if -0x8000000000000000 <= value <= 0x7FFFFFFFFFFFFFFF else {"$int": _int_to_text(value)}
            )
        if kind is float:
            return value if math.isfinite(value) else {"$float": repr(value)}
        if depth >= MAX_DEPTH:
            raise Unwritable(f"it is nested more than {MAX_DEPTH} levels deep (does it contain itself?)")
        self.containers += 1
        # One whose parts are shared is far larger written down than in memory.
        if self.containers > MAX_CONTAINERS:
            raise Unwritable(f"it has more than {MAX_CONTAINERS} lists, dicts and objects inside")
        if kind is list:
            return self.items(value, depth)
        if kind is dict:
            return self.mapping(value, depth)
        if kind is tuple:
            return {"$tuple": self.items(value, depth)}
        if kind is set or kind is frozenset:
            _check_crowd(value)
            return {"$set" if kind is set else "$frozenset": self.items(value, depth)}
        plain = _PLAIN_PACKERS.get(kind)
        if plain is not None:
            return plain(value)
        return self.registered(value, depth)

    def spend(self, count: int) -> None:
        self.parts += count
        if self.parts > MAX_PARTS:
            raise Unwritable(f"it has more than {MAX_PARTS} values inside")

    def items(self, values: Any, depth: int) -> list[Any]:
        nodes: list[Any] = []
        self.spend(len(values))
        try:
            for value in values:
                nodes.append(self.pack(value, depth + 1))  # noqa: PERF401 (its length is the index in the error)
        except Unwritable as problem:
            problem.trail.append(f"[{len(nodes)}]")
            raise
        return nodes

    def mapping(self, values: dict[Any, Any], depth: int) -> Any:
        key: Any = None
        nodes = {}
        self.spend(len(values))
        try:
            for key, value in values.items():
                if (
                    type(key) is not str
                    or key[:1] == "$"
                    or (self.strict and type(_pack_text(key)) is not str)
                ):
                    break
                nodes[key] = self.pack(value, depth + 1)
            else:
                return nodes
            _check_crowd(values)
            pairs = []
            for key, value in values.items():
                pairs.append([self.pack(key, depth + 1), self.pack(value, depth + 1)])
            return {"$dict": pairs}
        except Unwritable as problem:
            problem.trail.append(f"[{_short(key)}]")
            raise

    def registered(self, value: Any, depth: int) -> Any:
        if isinstance(value, PurePath) and type(value) is _PATH_KIND:
            return {"$path": self.pack(str(value), depth)}
        if isinstance(value, tzinfo):
            return {"$zone": _zone_text(value)}
        entry = registry.entry_for(type(value))
        if entry is None:
            if self.rule is None or not isinstance(value, NAMED):
                raise Unwritable(registry.advice(value))
            reference, problem = reference_to(value, self.rule)
            if problem is not None:
                raise Unwritable(problem or registry.advice(value))
            return {"$callable": reference}
        try:
            content = entry.encode(value)
        except Exception as exc:
            raise Unwritable(
                f"the encode function registered for {entry.name!r} raised {type(exc).__name__}: {said(exc)}"
            ) from exc
        if entry.fields and type(content) is dict:
            return {"$type": entry.name, "value": self.fields(content, depth)}
        return {"$type": entry.name, "value": self.pack(content, depth + 1)}

    def fields(self, content: dict[str, Any], depth: int) -> dict[str, Any]:
        name = ""
        nodes = {}
        try:
            for name, value in content.items():
                nodes[name] = self.pack(value, depth + 1)
        except Unwritable as problem:
            problem.trail.append(f".{name}")
            raise
        return nodes


def _check_crowd(keys: Any) -> None:
    problem = crowded(keys) if len(keys) > FEW_KEYS else None
    if problem is not None:
        raise Unwritable(problem)


def _short(key: object) -> str:
    try:
        text = repr(key)
    except Exception:  # an integer of very many digits, a broken __repr__
        text = f"<{type(key).__name__}>"
    return text if len(text) <= 60 else text[:57] + "..."


def _pack_text(value: str) -> Any:
    try:
        value.encode()
    except UnicodeEncodeError:
        return {"$str": _to_base64(value.encode("utf-8", "surrogatepass"))}
    return value


def _int_to_text(value: int) -> str:
    return str(value) if -_MAX_DECIMAL_INT < value < _MAX_DECIMAL_INT else hex(value)


def _int_from_text(text: str) -> int:
    if _HEX.fullmatch(text):
        return int(text, 16)
    if _DIGITS.fullmatch(text):
        return int(text)
    raise DecodeError(f"{text[:60]!r} isn't an integer of a row")


def _to_base64(data: bytes) -> str:
    return b64encode(data).decode("ascii")


def _zone_text(zone: tzinfo) -> str:
    text = zone_to_text(zone)
    if text is None:
        raise Unwritable(
            f"the time zone {zone!r} has no name that could be written down; use "
            "zoneinfo.ZoneInfo('Area/City'), datetime.timezone.utc or a fixed offset; if it is that of the machine, "
            "give the scheduler timezone='Area/City' or set the variable TZ"
        )
    return text


def _pack_datetime(value: datetime) -> dict[str, Any]:
    node: dict[str, Any] = {"$datetime": value.replace(tzinfo=None, fold=0).isoformat()}
    zone: Any = value.tzinfo
    if zone is not None:
        node["zone"] = text = _zone_text(zone)
        if text.startswith("pytz:") and hasattr(zone, "_tzinfos"):
            # pytz keeps one tzinfo object per offset of the zone: name which one this datetime carries
            node["offset_s"] = zone._utcoffset // timedelta(seconds=1)
            node["name"] = zone._tzname
    if value.fold:
        node["fold"] = 1
    return node


def _pack_time(value: time) -> dict[str, Any]:
    node: dict[str, Any] = {"$time": value.replace(tzinfo=None, fold=0).isoformat()}
    if value.tzinfo is not None:
        node["zone"] = _zone_text(value.tzinfo)
    if value.fold:
        node["fold"] = 1
    return node


_PLAIN_PACKERS: dict[type, Callable[[Any], Any]] = {
    bytes: lambda value: {"$bytes": _to_base64(value)},
    bytearray: lambda value: {"$bytearray": _to_base64(bytes(value))},
    datetime: _pack_datetime,
    date: lambda value: {"$date": value.isoformat()},
    time: _pack_time,
    timedelta: lambda value: {"$timedelta": [value.days, value.seconds, value.microseconds]},
    UUID: lambda value: {"$uuid": str(value)},
    Decimal: lambda value: {"$decimal": str(value)},
    complex: lambda value: {"$complex": [repr(value.real), repr(value.imag)]},
    range: lambda value: {"$range": [_int_to_text(n) for n in (value.start, value.stop, value.step)]},
}
if _PATH_KIND is not PurePosixPath:
    _PLAIN_PACKERS[PurePosixPath] = lambda value: {"$posixpath": _pack_text(str(value))}
if _PATH_KIND is not PureWindowsPath:
    _PLAIN_PACKERS[PureWindowsPath] = lambda value: {"$windowspath": _pack_text(str(value))}


def _unpack(node: Any, depth: int, rule: CallableRule | None) -> Any:
    kind = type(node)
    if kind is list:
        if depth > MAX_NODE_DEPTH:
            raise DecodeError(f"the row is nested more than {MAX_NODE_DEPTH} levels deep")
        return [_unpack(item, depth + 1, rule) for item in node]
    if kind is not dict:
        return node
    if depth > MAX_NODE_DEPTH:
        raise DecodeError(f"the row is nested more than {MAX_NODE_DEPTH} levels deep")
    for key in node:
        if key[:1] == "$":
            return _unpack_tagged(key, node, depth, rule)
    return {key: _unpack(value, depth + 1, rule) for key, value in node.items()}


def _unpack_tagged(tag: str, node: dict[str, Any], depth: int, rule: CallableRule | None) -> Any:
    content = node[tag]
    if tag in _CONTAINERS:
        if type(content) is not list:
            raise DecodeError(f"{tag} in a row must hold a list, not {type(content).__name__}")
        return _CONTAINERS[tag](_unpack(content, depth + 1, rule))
    if tag == "$type":
        return _unpack_registered(content, node, depth, rule)
    if tag == "$callable":
        return find_argument(_text(content), rule)
    reader = _READERS.get(tag)
    if reader is None:
        raise DecodeError(f"rows have no value type {tag[:60]!r}; was it written by a newer version?")
    if tag in _PATH_TAGS:
        content = _unpack(content, depth + 1, rule)
    return reader(content, node)


def _unpack_registered(name: Any, node: dict[str, Any], depth: int, rule: CallableRule | None) -> Any:
    entry = registry.entry_named(name) if type(name) is str else None
    if entry is None:
        raise DecodeError(registry.missing(name))
    content = _unpack(node.get("value"), depth + 1, rule)
    try:
        return entry.decode(content)
    except Exception as exc:
        raise DecodeError(f"a {entry.name!r} in the row can't be read back: {said(exc)}") from exc


def _text(content: Any) -> str:
    if type(content) is not str:
        raise DecodeError(f"expected a text in the row, not {type(content).__name__}")
    return content


def _read_dict(pairs: list[Any]) -> dict[Any, Any]:
    for pair in pairs:
        if type(pair) is not list or len(pair) != 2:
            raise DecodeError("$dict in a row must hold [key, value] pairs")
    _refuse_crowd([key for key, _ in pairs])
    return {key: value for key, value in pairs}  # noqa: C416 (the pairs are lists)


def _read_set(items: list[Any]) -> set[Any]:
    _refuse_crowd(items)
    return set(items)


def _refuse_crowd(keys: list[Any]) -> None:
    problem = crowded(keys) if len(keys) > FEW_KEYS else None
    if problem is not None:
        raise DecodeError(problem)


def _read_base64(content: Any, node: dict[str, Any]) -> bytes:
    return b64decode(_text(content), validate=True)


def _read_float(content: Any, node: dict[str, Any]) -> float:
    if content not in ("nan", "inf", "-inf"):
        raise DecodeError("$float in a row must be nan, inf or -inf")
    return float(content)


def _read_datetime(content: Any, node: dict[str, Any]) -> datetime:
    value = datetime.fromisoformat(_text(content))
    if value.tzinfo is not None:
        raise DecodeError(
            "$datetime in a row must hold a wall time without offset; the zone has a key of its own"
        )
    zone = _read_zone(node["zone"], node) if "zone" in node else None
    if zone is not None and "offset_s" in node:
        zone = _pytz_variant(zone, node)
    return value.replace(tzinfo=zone, fold=_fold(node)) if zone is not None or "fold" in node else value


def _pytz_variant(zone: Any, node: dict[str, Any]) -> tzinfo:
    offset = timedelta(seconds=int(node["offset_s"]))
    same_offset = None
    for key, variant in getattr(zone, "_tzinfos", {}).items():
        if key[0] == offset:
            same_offset = variant
            if key[2] == node.get("name"):
                break
    if same_offset is None:
        raise DecodeError(f"zone {node['zone']!r} has no offset of {node['offset_s']} s here")
    found: tzinfo = variant if key[0] == offset and key[2] == node.get("name") else same_offset
    return found


def _read_time(content: Any, node: dict[str, Any]) -> time:
    value = time.fromisoformat(_text(content))
    zone = _read_zone(node["zone"], node) if "zone" in node else None
    return value.replace(tzinfo=zone, fold=_fold(node))


def _fold(node: dict[str, Any]) -> int:
    return 1 if node.get("fold") == 1 else 0


def _read_zone(content: Any, node: dict[str, Any]) -> tzinfo:
    return zone_from_text(_text(content))


def _read_timedelta(content: Any, node: dict[str, Any]) -> timedelta:
    days, seconds, microseconds = content
    if not (type(days) is type(seconds) is type(microseconds) is int):
        raise DecodeError("$timedelta in a row must hold three integers: days, seconds, microseconds")
    return timedelta(days, seconds, microseconds)


def _read_range(content: Any, node: dict[str, Any]) -> range:
    start, stop, step = content
    return range(_int_from_text(_text(start)), _int_from_text(_text(stop)), _int_from_text(_text(step)))


_CONTAINERS: dict[str, Callable[[list[Any]], Any]] = {
    "$tuple": tuple,
    "$set": _read_set,
    "$frozenset": lambda items: frozenset(_read_set(items)),
    "$dict": _read_dict,
}
_PATH_TAGS = frozenset({"$path", "$posixpath", "$windowspath"})
_READERS: dict[str, Callable[[Any, dict[str, Any]], Any]] = {
    "$int": lambda content, node: _int_from_text(_text(content)),
    "$float": _read_float,
    "$str": lambda content, node: _read_base64(content, node).decode("utf-8", "surrogatepass"),
    "$bytes": _read_base64,
    "$bytearray": lambda content, node: bytearray(_read_base64(content, node)),
    "$datetime": _read_datetime,
    "$date": lambda content, node: date.fromisoformat(_text(content)),
    "$time": _read_time,
    "$timedelta": _read_timedelta,
    "$uuid": lambda content, node: UUID(_text(content)),
    "$decimal": lambda content, node: Decimal(_text(content)),
    "$complex": lambda content, node: complex(float(content[0]), float(content[1])),
    "$range": _read_range,
    "$zone": _read_zone,
    "$path": lambda content, node: Path(_text(content)),
    "$posixpath": lambda content, node: PurePosixPath(_text(content)),
    "$windowspath": lambda content, node: PureWindowsPath(_text(content)),
}
