"""Job states <-> bytes: one JSON object per job, written and read by orjson.

What lives here: the layout of a stored job, its version, its limits, and the rule for names of callables. What must
not: jobs, stores, imports of what a row names. Layout, version 1:

    {"v": 1, "func": "myapp.tasks:send", "trigger": {"type": "cron", "hour": "2", "timezone": "Europe/Berlin"},
     "args": [1, "two"], "kwargs": {"to": {"$uuid": "…"}}, "name": "send", "executor": "default",
     "misfire_grace_time": 1, "coalesce": true, "max_instances": 1}

The id and the run times live beside it in the row. ``decode`` gives back text for ``func``: finding the callable is
for ``rows``. Whatever the bytes are, ``decode`` returns a state or raises ``DecodeError``; it imports and calls
nothing but built-in triggers and registered types.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from fnmatch import translate
from typing import Any

import orjson

from ..errors import DecodeError, EncodeError
from .triggers import pack_trigger, unpack_trigger
from .values import MAX_NODE_DEPTH, Unwritable, pack_at, unpack
from .zones import zone_to_text

VERSION = 1
MAX_BYTES = 16 * 1024 * 1024
PICKLED = (
    "the row was pickled by APScheduler and is left as it is; run `rapscheduler migrate` to convert it "
    "(unpickling would run whatever code the row contains)"
)
_OPTIONS = ("name", "executor", "misfire_grace_time", "coalesce", "max_instances")
_REFERENCE = re.compile(r"\w+(?:\.\w+)*:\w+(?:\.\w+)*")
_REFERENCES_KEPT = 4096
_DUMPS_OPTION = (
    orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS
)


class CallableRule:
    """Which references to callables are accepted; answers are remembered, because rows repeat them."""

    def __init__(self, allowed: Iterable[str] | None = None) -> None:
        """``allowed``: shell-style patterns such as ``"myapp.tasks:*"``; ``None`` accepts every well-formed one."""
        if isinstance(allowed, str):
            allowed = [part.strip() for part in allowed.split(",") if part.strip()]
        self.patterns = None if allowed is None else tuple(allowed)
        self._matches: Callable[[str], Any] | None = None
        if self.patterns is not None:
            self._matches = re.compile("|".join(map(translate, self.patterns)) or r"(?!)").fullmatch
        self._accepted: set[str] = set()

    def problem(self, reference: str) -> str | None:
        """Why the reference is refused, or ``None``."""
        if reference in self._accepted:
            return None
        if not _REFERENCE.fullmatch(reference) or len(reference) > 1000:
            return f"{reference[:200]!r} isn't a reference such as 'package.module:function'"
        module, _, path = reference.partition(":")
        if any(_is_dunder(part) for part in path.split(".")) or any(
            _is_dunder(part) and part not in ("__main__", "__mp_main__", "__init__")
            for part in module.split(".")
        ):
            return f"{reference!r} goes through a double-underscore name, which rows may not do"
        if self._matches is not None and not self._matches(reference):
            return f"{reference!r} isn't matched by allowed_callables={list(self.patterns or ())!r}; add it there"
        if len(self._accepted) >= _REFERENCES_KEPT:
            self._accepted.clear()
        self._accepted.add(reference)
        return None


def _is_dunder(part: str) -> bool:
    return part.startswith("__") and part.endswith("__")


ANY_CALLABLE = CallableRule()


def encode(state: dict[str, Any], rule: CallableRule = ANY_CALLABLE) -> bytes:
    """The bytes of a job state (keys as ``Job.__getstate__`` names them; id and times are not written).

    Raises ``EncodeError`` that names the offending value by its path, e.g. ``kwargs['opts'][3].x``.
    """
    problem = rule.problem(state["func"])
    if problem is not None:
        raise EncodeError(f"func can't be stored: {problem}", "func")
    try:
        data = orjson.dumps(_document(state, strict=False), option=_DUMPS_OPTION)
    except orjson.JSONEncodeError:
        try:
            data = orjson.dumps(_document(state, strict=True), option=_DUMPS_OPTION)
        except orjson.JSONEncodeError as exc:
            raise EncodeError(f"the job can't be stored: {exc}") from exc
    if len(data) > MAX_BYTES:
        raise EncodeError(
            f"the job takes {len(data)} bytes, more than the {MAX_BYTES} that a row may have; store the data "
            "elsewhere and pass its key"
        )
    return data


def _document(state: dict[str, Any], strict: bool) -> dict[str, Any]:
    try:
        trigger = pack_trigger(state["trigger"], strict=strict)
    except Unwritable as problem:
        path = "trigger" + "".join(reversed(problem.trail))
        raise EncodeError(f"{path} can't be stored: {problem.reason}", path) from None
    args, kwargs = state["args"], state["kwargs"]
    document = {
        "v": VERSION,
        "func": state["func"],
        "trigger": trigger,
        "args": _packed_args(args, strict),
        "kwargs": pack_at(kwargs if type(kwargs) is dict else dict(kwargs), "kwargs", strict)
        if kwargs
        else {},
    }
    if type(args) is not tuple:  # a list given to modify(): tell it apart from the usual tuple
        document["args"] = {"$list": document["args"]} if type(args) is list else document["args"]
    if state.get("run_zone") is not None:
        # a zone without a name isn't worth refusing the job for: only the face of the run time is lost
        document["run_zone"] = zone_to_text(state["run_zone"])
    for option in _OPTIONS:
        value = state[option]
        if type(value) is bool and option != "coalesce":
            value = int(value)
        if strict and isinstance(value, str) and type(pack_at(value, option, strict)) is not str:
            raise EncodeError(f"{option} can't be stored: {value!r} contains lone surrogates", option)
        document[option] = value
    return document


def _packed_args(args: Any, strict: bool) -> Any:
    if type(args) is tuple:
        return pack_at(list(args), "args", strict) if args else []
    return pack_at(args, "args", strict)


def decode(data: bytes, rule: CallableRule = ANY_CALLABLE) -> dict[str, Any]:
    """The job state of the bytes, without id and times; other keys of the row stay. Raises ``DecodeError`` only."""
    if data[:1] == b"\x80":
        raise DecodeError(PICKLED)
    state = _loads(data)
    reference = state.get("func")
    if type(reference) is not str:
        raise DecodeError("the row names no callable ('func' must be a text)")
    problem = rule.problem(reference)
    if problem is not None:
        raise DecodeError(f"the row names a callable that isn't accepted: {problem}")
    args, kwargs = state.get("args"), state.get("kwargs")
    if not args and not kwargs and type(args) is list and type(kwargs) is dict:
        args = ()  # most jobs
    elif b'"$' in data or not _is_shallow(data):
        args, kwargs = _unpack_args(args), unpack(kwargs)
        if type(kwargs) is dict and not all(type(key) is str for key in kwargs):
            raise DecodeError("the names in 'kwargs' of the row must be texts")
    elif type(args) is list:
        args = tuple(args)
    if type(kwargs) is not dict or (type(args) is not tuple and type(args) is not list):
        raise DecodeError("'args' in the row must be a list and 'kwargs' an object")
    state["args"], state["kwargs"] = args, kwargs
    _check_options(state)
    if "run_zone" in state and state["run_zone"] is not None:
        state["run_zone"] = unpack({"$zone": state["run_zone"]})
    state["trigger"] = unpack_trigger(state.get("trigger"))
    return state


def _loads(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_BYTES:
        raise DecodeError(f"the row has {len(data)} bytes, more than the {MAX_BYTES} that a job may take")
    try:
        document = orjson.loads(data)
    except (orjson.JSONDecodeError, RecursionError) as exc:
        raise DecodeError(f"the row isn't a job of rapscheduler: {exc}") from exc
    if type(document) is not dict or "v" not in document:
        raise DecodeError("the row isn't a job of rapscheduler: it is no object with a version ('v')")
    version = document.pop("v")
    if type(version) is not int or version != VERSION:
        raise DecodeError(
            f"the row has version {str(version)[:60]}, but this rapscheduler reads version {VERSION}; "
            "update rapscheduler in this process"
        )
    return document


def _is_shallow(data: bytes) -> bool:
    """True when plain JSON is surely nested less than ``MAX_NODE_DEPTH`` levels."""
    return len(data) <= 2 * MAX_NODE_DEPTH or data.count(b"[") + data.count(b"{") <= MAX_NODE_DEPTH


def _unpack_args(node: Any) -> Any:
    if type(node) is dict and type(node.get("$list")) is list:
        return unpack(node["$list"])
    return tuple(unpack(node)) if type(node) is list else None


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
