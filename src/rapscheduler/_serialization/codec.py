"""Job states <-> bytes: one JSON object per job, written and read by orjson.

What lives here: the layout of a stored job, its version, its limits. What must not: jobs, stores, imports of what a
row names (``callables``). Layout, version 1:

    {"v": 1, "func": "myapp.tasks:send", "trigger": {"type": "cron", "hour": "2", "timezone": "Europe/Berlin"},
     "args": [1, "two"], "kwargs": {"to": {"$uuid": "…"}}, "name": "send", "executor": "default",
     "misfire_grace_time": 1, "coalesce": true, "max_instances": 1}

A job with options that few have (``_extras``) has them after ``kwargs`` as ``"extras": {"timeout": 30, …}``.

The id and the run times live beside it in the row. ``decode`` gives back text for ``func``: finding the callable is
for ``rows``. Whatever the bytes are, ``decode`` returns a state or raises ``DecodeError``; it calls nothing but
built-in triggers and registered types, and imports only what the rule accepts: functions and classes as arguments.

Rows are written in five pieces, of which only the call (args, kwargs) and the name usually differ from row to row:

    {"v": 1, "func": …    , "trigger": …    , "args": …, "kwargs": …    , "name": …    , "executor": … }

``decode`` cuts a row before these keys and remembers what reference, trigger and option pieces mean, and all that
follows the reference when there are no arguments. Each piece must be valid JSON once its braces are completed, with
the keys that belong into it and no others; then the whole says the same as the pieces, wherever the cuts fell (text
that looks like a key is inside of an object, and leaves two pieces that are no JSON). Whatever isn't so is read as a
whole, which also finds the words for what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import orjson

from .._quoting import short
from .._zones import forgotten_with_rules
from ..errors import DecodeError, EncodeError
from .bounds import MAX_CONTAINERS, containers_in
from .callables import ANY_CALLABLE, CallableRule
from .extras import extras_of, known_extras, read_extras
from .families import Family, family_of, member, recipe_by_family, wall_time_in
from .triggers import Recipe, recipe_of, trigger_json, unpack_trigger
from .values import DUMPS_OPTION, MAX_NODE_DEPTH, Unwritable, pack_at, unpack
from .zones import zone_to_text

VERSION = 1
MAX_BYTES = 16 * 1024 * 1024
PICKLED = (
    "the row was pickled by APScheduler and is left as it is; run `rapscheduler migrate` to convert it "
    "(unpickling would run whatever code the row contains)"
)
_OPTIONS = ("name", "executor", "misfire_grace_time", "coalesce", "max_instances")
_CUTS = (b',"trigger":', b',"args":', b',"name":', b',"executor":')
_NO_CALL = b',"args":[],"kwargs":{}'  # most jobs
_PIECES_KEPT = 8192
_OPTIONS_KEPT = 256
_PIECE_BYTES = 4096  # of a piece that is remembered
_CUT_BYTES = 65536  # longer rows are not worth cutting: nearly all of it are arguments


def encode(state: dict[str, Any], rule: CallableRule = ANY_CALLABLE) -> bytes:
    """The bytes of a job state (keys as ``Job.__getstate__`` names them; id and times are not written).

    Raises ``EncodeError`` that names the offending value by its path, e.g. ``kwargs['opts'][3].x``.
    """
    problem = rule.problem(state["func"])
    if problem is not None:
        raise EncodeError(f"func can't be stored: {problem}", "func")
    try:
        data = _joined(state, rule, strict=False)
    except orjson.JSONEncodeError:
        try:
            data = _joined(state, rule, strict=True)
        except orjson.JSONEncodeError as exc:
            raise EncodeError(f"the job can't be stored: {exc}") from exc
    if len(data) > MAX_BYTES:
        raise EncodeError(
            f"the job takes {len(data)} bytes, more than the {MAX_BYTES} that a row may have; store the data "
            "elsewhere and pass its key"
        )
    return data


def _joined(state: dict[str, Any], rule: CallableRule, strict: bool) -> bytes:
    try:
        trigger = trigger_json(state["trigger"], strict)
    except Unwritable as problem:
        path = "trigger" + "".join(reversed(problem.trail))
        raise EncodeError(f"{path} can't be stored: {problem.reason}", path) from None
    args, kwargs = state["args"], state["kwargs"]
    call = (
        _NO_CALL
        if type(args) is tuple and not args and not kwargs
        else _call_json(args, kwargs, rule, strict)
    )
    if state.get("run_zone") is not None:
        # a zone without a name isn't worth refusing the job for: only the face of the run time is lost
        call += b',"run_zone":' + _json(zone_to_text(state["run_zone"]))
    if "extras" in state:
        call += b',"extras":' + _json(pack_at(state["extras"], "extras", strict))
    if strict:
        _check_texts(state)
    func, name = _json(state["func"]), _json(_number(state["name"]))
    trigger_cut, _, name_cut, _ = _CUTS
    return b"".join(
        (b'{"v":1,"func":', func, trigger_cut, trigger, call, name_cut, name, _options_json(state))
    )


def _json(node: Any) -> bytes:
    return orjson.dumps(node, option=DUMPS_OPTION)


def _call_json(args: Any, kwargs: Any, rule: CallableRule, strict: bool) -> bytes:
    if type(args) is tuple or type(args) is list:
        nodes = pack_at(list(args), "args", strict, rule) if args else []
        # a list given to modify(): tell it apart from the usual tuple
        args = nodes if type(args) is tuple else {"$list": nodes}
    else:
        args = pack_at(args, "args", strict, rule)
    named = (
        pack_at(kwargs if type(kwargs) is dict else dict(kwargs), "kwargs", strict, rule) if kwargs else {}
    )
    return b"," + _json({"args": args, "kwargs": named})[1:-1]


def _check_texts(state: dict[str, Any]) -> None:
    for option in _OPTIONS:
        value = state[option]
        if isinstance(value, str) and type(pack_at(value, option, strict=True)) is not str:
            raise EncodeError(f"{option} can't be stored: {value!r} contains lone surrogates", option)


def _number(value: Any) -> Any:
    return int(value) if type(value) is bool else value


def _options_json(state: dict[str, Any]) -> bytes:
    """What follows the name, to the end of the row."""
    executor, coalesce = state["executor"], state["coalesce"]
    grace, most = _number(state["misfire_grace_time"]), _number(state["max_instances"])
    known = (
        type(executor) is str
        and (type(grace) is int or grace is None)
        and type(coalesce) is bool
        and type(most) is int
    )
    key = (executor, grace, coalesce, most)
    text = _written_options.get(key) if known else None
    if text is None:
        values = {
            "executor": executor,
            "misfire_grace_time": grace,
            "coalesce": coalesce,
            "max_instances": most,
        }
        text = b"," + _json(values)[1:]
        if known:
            if len(_written_options) >= _OPTIONS_KEPT:
                _written_options.clear()
            _written_options[key] = text
    return text


_written_options: dict[tuple[Any, ...], bytes] = {}


def decode(data: bytes, rule: CallableRule = ANY_CALLABLE) -> dict[str, Any]:
    """The job state of the bytes, without id and times; other keys of the row stay. Raises ``DecodeError`` only."""
    if data[:1] == b"\x80":
        raise DecodeError(PICKLED)
    parts = _cut(data)
    if parts is None:
        return _decode_whole(data, rule)
    reference, recipe, rest, call_piece, call = parts
    problem = rule.problem(reference)
    if problem is not None:
        raise _refused(problem)
    state = rest.copy()
    state["func"] = reference
    extras = known_extras.get(call_piece)
    if call is None:
        state["args"], state["kwargs"] = (), {}
    elif extras is not None:
        state["args"], state["kwargs"], state["extras"] = (), {}, extras.copy()
    else:
        state["args"], state["kwargs"] = _read_call(call["args"], call["kwargs"], call_piece, rule)
        if "run_zone" in call:
            state["run_zone"] = _read_zone(call["run_zone"])
        if "extras" in call:
            state["extras"] = extras_of(call_piece, call)
    state["trigger"] = recipe()
    return state


def _decode_whole(data: bytes, rule: CallableRule) -> dict[str, Any]:
    state = _loads(data)
    reference = state.get("func")
    if type(reference) is not str:
        raise DecodeError("the row names no callable ('func' must be a text)")
    problem = rule.problem(reference)
    if problem is not None:
        raise _refused(problem)
    state["args"], state["kwargs"] = _read_call(state.get("args"), state.get("kwargs"), data, rule)
    _check_options(state)
    if "run_zone" in state:
        state["run_zone"] = _read_zone(state["run_zone"])
    if "extras" in state:
        state["extras"] = read_extras(state["extras"])
    state["trigger"] = unpack_trigger(state.get("trigger"))
    return state


def _read_zone(text: Any) -> Any:
    return None if text is None else unpack({"$zone": text})


def _refused(problem: str) -> DecodeError:
    return DecodeError(f"the row names a callable that isn't accepted: {problem}")


def _read_call(args: Any, kwargs: Any, data: bytes, rule: CallableRule) -> tuple[Any, dict[str, Any]]:
    """Arguments from their nodes, which were read from ``data``."""
    if not args and not kwargs and type(args) is list and type(kwargs) is dict:
        args = ()
    elif b'"$' in data or not _is_shallow(data):
        args, kwargs = _unpack_args(args, rule), unpack(kwargs, rule)
        if type(kwargs) is dict and not all(type(key) is str for key in kwargs):
            raise DecodeError("the names in 'kwargs' of the row must be texts")
    elif type(args) is list:
        args = tuple(args)
    if type(kwargs) is not dict or (type(args) is not tuple and type(args) is not list):
        raise DecodeError("'args' in the row must be a list and 'kwargs' an object")
    return args, kwargs


def _loads(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_BYTES:
        raise DecodeError(f"the row has {len(data)} bytes, more than the {MAX_BYTES} that a job may take")
    try:
        document = orjson.loads(data)
    except (orjson.JSONDecodeError, RecursionError) as exc:
        raise DecodeError(f"the row isn't a job of rapscheduler: {exc}") from exc
    if type(document) is not dict or "v" not in document:
        raise DecodeError("the row isn't a job of rapscheduler: it is no object with a version ('v')")
    # the document is walked only when its brackets are that many; they may be in texts
    many = len(data) > MAX_CONTAINERS and data.count(b"[") + data.count(b"{") > MAX_CONTAINERS
    if many and containers_in(document) > MAX_CONTAINERS:
        raise DecodeError(f"the row has more than {MAX_CONTAINERS} lists and objects")
    version = document.pop("v")
    if type(version) is not int or version != VERSION:
        raise DecodeError(
            f"the row has version {short(version)}, but this rapscheduler reads version {VERSION}; "
            "update rapscheduler in this process"
        )
    return document


def _is_shallow(data: bytes) -> bool:
    """True when plain JSON is surely nested less than ``MAX_NODE_DEPTH`` levels."""
    return len(data) <= 2 * MAX_NODE_DEPTH or data.count(b"[") + data.count(b"{") <= MAX_NODE_DEPTH


def _unpack_args(node: Any, rule: CallableRule) -> Any:
    if type(node) is dict and type(node.get("$list")) is list:
        return unpack(node["$list"], rule)
    return tuple(unpack(node, rule)) if type(node) is list else None


def _check_options(state: dict[str, Any]) -> None:
    if type(state.get("name")) is not str or type(state.get("executor")) is not str:
        raise DecodeError("'name' and 'executor' in the row must be texts")
    if type(state.get("coalesce")) is not bool:
        raise DecodeError("'coalesce' in the row must be true or false")
    grace = state.get("misfire_grace_time", 0)
    if grace is not None and (type(grace) is not int or grace <= 0):
        raise DecodeError("'misfire_grace_time' in the row must be null or a positive integer (seconds)")
    most = state.get("max_instances")
    if type(most) is not int or most <= 0:
        raise DecodeError("'max_instances' in the row must be a positive integer")


# Pieces (see the head of this file)


# recipe, name and options (shared: copy them), the piece of the call and its nodes (None: no arguments)
_Tail = tuple[Recipe, dict[str, Any], bytes, dict[str, Any] | None]
T = TypeVar("T")


class _Known(dict[bytes, T | None]):
    """What pieces of rows mean. A piece that means nothing by itself gives None, and is not remembered."""

    def __init__(self, read: Callable[[bytes], T | None]) -> None:
        self._read = read

    def __missing__(self, piece: bytes) -> T | None:
        meaning = self._read(piece)
        if meaning is not None and len(piece) <= _PIECE_BYTES:
            if len(self) >= _PIECES_KEPT:
                self.clear()
            self[piece] = meaning
        return meaning


def _cut(data: bytes) -> tuple[str, Recipe, dict[str, Any], bytes, dict[str, Any] | None] | None:
    """Reference and tail of a row as ``encode`` writes it, or None: it must be read as a whole."""
    if not isinstance(data, bytes) or len(data) > _CUT_BYTES:  # type: ignore[redundant-expr]  # drivers differ
        return None
    trigger_at = data.find(_CUTS[0])
    if trigger_at <= 0:
        return None
    reference = _references[data[:trigger_at]]
    tail_piece = data[trigger_at:]
    tail = _alike.get(tail_piece) if len(tail_piece) <= _PIECE_BYTES else None
    if tail is None:
        tail = _tail_by_family(tail_piece)
    return None if reference is None or tail is None else (reference, *tail)


def _tail_by_family(piece: bytes) -> _Tail | None:
    """`_cut_tail`; at once for one without arguments that differs from others in the wall time of its trigger only."""
    place = wall_time_in(piece)
    # A third one will be known as a whole.
    if place is None or len(piece) > _PIECE_BYTES or piece == _last_kin[0]:
        return _cut_tail(piece)
    start, end = place
    key = (piece[:start], piece[end:])
    kin = _kin.get(key)
    if kin is not None:
        recipe = member(kin[0], piece[start:end])
        if recipe is not None:
            _last_kin[0] = piece
            return recipe, kin[1], _NO_CALL, None
    tail = _cut_tail(piece)
    if tail is not None and tail[3] is None:
        args_at = piece.find(_CUTS[1])
        family = family_of(piece[:args_at]) if end < args_at else None
        if family is not None:
            if len(_kin) >= _PIECES_KEPT:
                _kin.clear()
            _kin[key] = (family, tail[1])
    return tail


def _cut_tail(data: bytes) -> _Tail | None:
    """What follows the reference. A tail whose trigger has been seen before will be seen again."""
    _, args_cut, name_cut, options_cut = _CUTS
    args_at = data.find(args_cut)
    options_at = data.rfind(options_cut)
    name_at = data.rfind(name_cut, args_at, options_at)
    if not 0 < args_at < name_at:  # which is before options_at
        return None
    trigger_piece, call_piece = data[:args_at], data[args_at:name_at]
    seen = trigger_piece in _triggers
    recipe, options = _triggers[trigger_piece], _options[data[options_at:]]
    if recipe is None or options is None:
        return None
    call = None
    if call_piece != _NO_CALL:
        call = _object(b"{" + call_piece[1:] + b"}")
        if call is None or not _CALL_KEYS <= call.keys() <= _MOST_CALL_KEYS:
            return None
    name = _names[data[name_at + len(name_cut) : options_at]]
    if name is None:
        return None
    tail = (recipe, {**options, "name": name}, call_piece, call)
    if seen and call is None and len(data) <= _PIECE_BYTES:
        if len(_alike) >= _PIECES_KEPT:
            _alike.clear()
        _alike[data] = tail
    return tail


_CALL_KEYS = frozenset({"args", "kwargs"})
_MOST_CALL_KEYS = _CALL_KEYS | {"run_zone", "extras"}


def _object(text: bytes) -> dict[str, Any] | None:
    try:
        document: dict[str, Any] = orjson.loads(text)
    except (orjson.JSONDecodeError, RecursionError):
        return None
    return document if type(document) is dict else None


def _reference_of(piece: bytes) -> str | None:
    document = _object(piece + b"}")
    if document is None or document.keys() != {"v", "func"}:
        return None
    version, reference = document["v"], document["func"]
    return reference if type(version) is int and version == VERSION and type(reference) is str else None


def _recipe_of(piece: bytes) -> Recipe | None:
    return recipe_by_family(piece, _recipe_alone)


def _recipe_alone(piece: bytes) -> Recipe | None:
    document = _object(b"{" + piece[1:] + b"}")
    if document is None or document.keys() != {"trigger"}:
        return None
    try:
        return recipe_of(document["trigger"])
    except DecodeError:
        return None


def _name_of(piece: bytes) -> str | None:
    try:
        name = orjson.loads(piece)
    except orjson.JSONDecodeError:
        return None
    return name if type(name) is str else None


def _options_of(piece: bytes) -> dict[str, Any] | None:
    options = _object(b"{" + piece[1:])
    if options is None or options.keys() != set(_OPTIONS[1:]):
        return None
    try:
        _check_options(options | {"name": ""})
    except DecodeError:
        return None
    return options


_references = _Known(_reference_of)
_triggers = _Known(_recipe_of)
_options = _Known(_options_of)
_names = _Known(_name_of)
_alike: dict[bytes, _Tail] = {}  # tails without arguments
forgotten_with_rules(_triggers.clear)
forgotten_with_rules(_alike.clear)
_kin: dict[tuple[bytes, bytes], tuple[Family, dict[str, Any]]] = {}  # what such tails have in common
_last_kin = [b""]
forgotten_with_rules(_kin.clear)
