"""The closed list of types that rows know beyond the plain ones: `library`'s, and those that a program adds.

What lives here: ``register_type`` and the look-ups by class and by name. What must not: JSON, jobs, imports by name.
Data: ``_BY_CLASS[cls]`` and ``_BY_NAME[name]`` hold the same ``TypeEntry``; entries are only ever added, each by one
dict write, so readers need no lock.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum, Flag
from importlib import import_module
from typing import Any, NamedTuple, TypeVar, overload

from .._quoting import short
from ..errors import DecodeError
from . import library

T = TypeVar("T")
_TRIGGERS = __package__.rpartition(".")[0] + ".triggers."
_MEMBERS = {
    "date": ("DateTrigger",),
    "interval": ("IntervalTrigger",),
    "calendarinterval": ("CalendarIntervalTrigger",),
    "cron": ("CronTrigger",),
    "combining": ("AndTrigger", "OrTrigger"),
    "rrule": ("RRuleTrigger",),
}


class TypeEntry(NamedTuple):
    """One registered type. ``encode`` gives a value made of known types; ``decode`` rebuilds from it."""

    cls: type
    name: str
    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]
    fields: bool  # encode gives {attribute name: value}, so errors say ".name"


_BY_CLASS: dict[type, TypeEntry] = {known.cls: TypeEntry(*known) for known in library.standard()}
_BY_NAME: dict[str, TypeEntry] = {entry.name: entry for entry in _BY_CLASS.values()}


def entry_for(cls: type) -> TypeEntry | None:
    """The entry of exactly this class (subclasses need their own)."""
    entry = _BY_CLASS.get(cls)
    return entry if entry is not None or not _adapt(_reference(cls)) else _BY_CLASS.get(cls)


def entry_named(name: str) -> TypeEntry | None:
    """The entry under the name that a row gives."""
    entry = _BY_NAME.get(name)
    return entry if entry is not None or not _adapt(name) else _BY_NAME.get(name)


def missing(name: Any) -> str:
    """What is said where a row names a type that has no entry."""
    library_name = name.partition(":")[0] if type(name) is str else ""
    cure = (
        f"import {library_name} in this process"
        if library_name in library.LIBRARIES
        else ("call rapscheduler.register_type() on it")
    )
    return f"type {short(name)} isn't registered in this process: {cure} before the scheduler starts"


def _adapt(reference: str) -> bool:
    """Enter the types of the library that a class or a name is of, when the program has imported it."""
    found = False
    for known in library.of_loaded(re.split("[.:]", reference, maxsplit=1)[0]):
        found = True
        entry = TypeEntry(*known)
        _BY_NAME.setdefault(entry.name, entry)
        _BY_CLASS.setdefault(entry.cls, entry)
    return found


def entry_at(module: str, qualname: str) -> TypeEntry | None:
    """The entry of the class at this place, for the pickles of old rows."""
    for entry in list(_BY_CLASS.values()):
        if entry.cls.__module__ == module and entry.cls.__qualname__ == qualname:
            return entry
    return None


@overload
def register_type(cls: type[T]) -> type[T]: ...
@overload
def register_type(
    cls: type[T],
    *,
    name: str | None = None,
    encode: Callable[[T], Any] | None = None,
    decode: Callable[[Any], T] | None = None,
) -> type[T]: ...
@overload
def register_type(
    cls: None = None,
    *,
    name: str | None = None,
    encode: Callable[[Any], Any] | None = None,
    decode: Callable[[Any], Any] | None = None,
) -> Callable[[type[T]], type[T]]: ...


def register_type(
    cls: type[Any] | None = None,
    *,
    name: str | None = None,
    encode: Callable[[Any], Any] | None = None,
    decode: Callable[[Any], Any] | None = None,
) -> Any:
    """Let stored jobs hold values (or triggers) of ``cls``; usable as a decorator.

    Enums, dataclasses, named tuples and classes with ``__getstate__``/``__setstate__`` pairs (triggers) need nothing
    else. For other classes give ``encode(value)``, which returns a value made of types the codec knows, and
    ``decode(content)``, which rebuilds. ``name`` is what rows call the type (default ``module:qualname``): keep it
    when the class moves. Register before the scheduler starts, in every process that reads the store.

    Raises ``TypeError`` when the class needs ``encode`` and ``decode``, ``ValueError`` when the name is taken.
    """
    if cls is None:
        return lambda decorated: register_type(decorated, name=name, encode=encode, decode=decode)
    if not isinstance(cls, type):
        raise TypeError(f"register_type() takes a class, not {cls!r}")
    entry = _entry(cls, name or f"{cls.__module__}:{cls.__qualname__}", encode, decode)
    taken = _BY_NAME.get(entry.name)
    if taken is not None and _reference(taken.cls) != _reference(cls):
        raise ValueError(
            f"the name {entry.name!r} is already registered for {taken.cls!r}; give another name="
        )
    _BY_NAME[entry.name] = entry
    _BY_CLASS[cls] = entry
    return cls


def advice(value: object) -> str:
    """Why ``value`` can't be stored and what to do about it."""
    cls = type(value)
    reference = _reference(cls)
    if callable(value) and cls.__module__ == "builtins":
        return f"{value!r} is a callable that can't be found by a name; pass its name as text and look it up in the job"
    if isinstance(value, Enum) or dataclasses.is_dataclass(cls) or hasattr(cls, "_fields"):
        return f"type {reference} isn't registered; call rapscheduler.register_type({cls.__qualname__})"
    return (
        f"type {reference} isn't registered; pass plain data (an id, a dict) instead, or call "
        f"rapscheduler.register_type({cls.__qualname__}, encode=..., decode=...)"
    )


def _reference(cls: type) -> str:
    return f"{cls.__module__}:{cls.__qualname__}"


def _entry(
    cls: type[Any], name: str, encode: Callable[[Any], Any] | None, decode: Callable[[Any], Any] | None
) -> TypeEntry:
    if (encode is None) != (decode is None):
        raise TypeError(f"register_type({cls.__qualname__}): give both encode= and decode=, or neither")
    if encode is not None and decode is not None:
        return TypeEntry(cls, name, encode, _under_closed_list(decode), fields=False)
    if issubclass(cls, Enum):
        return _enum_entry(cls, name)
    if dataclasses.is_dataclass(cls):
        return _dataclass_entry(cls, name)
    if issubclass(cls, tuple) and hasattr(cls, "_fields"):
        return _namedtuple_entry(cls, name)
    if hasattr(cls, "__setstate__") and "__getstate__" in _own_names(cls):
        return TypeEntry(cls, name, lambda value: value.__getstate__(), _setstate_into(cls), fields=True)
    raise TypeError(
        f"register_type({cls.__qualname__}): give encode= and decode=, or define __getstate__ and __setstate__; "
        "only enums, dataclasses and named tuples are understood without"
    )


def _own_names(cls: type) -> set[str]:
    """Names that the class or its bases define, ``object`` (which has a ``__getstate__`` since 3.11) left out."""
    return {name for base in cls.__mro__ if base is not object for name in vars(base)}


def _enum_entry(cls: Any, name: str) -> TypeEntry:
    if issubclass(cls, Flag):

        def flags(content: Any) -> Any:
            # The class keeps what it is asked for, whatever that is.
            if type(content) is not int or not -(2**63) <= content < 2**64:
                raise ValueError(f"{cls.__qualname__} has no members {short(content)}")
            return cls(content)

        return TypeEntry(cls, name, lambda value: value.value, flags, fields=False)

    def decode(content: Any) -> Any:
        if type(content) is not str or content not in cls.__members__:
            raise ValueError(f"{cls.__qualname__} has no member {short(content)}")
        return cls.__members__[content]

    return TypeEntry(cls, name, lambda value: value.name, decode, fields=False)


def _namedtuple_entry(cls: Any, name: str) -> TypeEntry:
    def decode(content: Any) -> Any:
        if type(content) is not dict or content.keys() != set(cls._fields):
            raise ValueError(f"{cls.__qualname__} has the fields {', '.join(cls._fields)}")
        return tuple.__new__(cls, (content[field] for field in cls._fields))

    return TypeEntry(cls, name, lambda value: dict(zip(cls._fields, value, strict=True)), decode, fields=True)


def _dataclass_entry(cls: Any, name: str) -> TypeEntry:
    fields = dataclasses.fields(cls)
    names = {field.name for field in fields}

    def encode(value: Any) -> dict[str, Any]:
        return {field.name: getattr(value, field.name) for field in fields if hasattr(value, field.name)}

    def decode(content: Any) -> Any:
        # As pickle: the state comes back without __init__, so a round trip changes nothing.
        if type(content) is not dict or not content.keys() <= names:
            raise ValueError(f"{cls.__qualname__} has the fields {', '.join(sorted(names))}")
        value = cls.__new__(cls)
        for field in fields:
            if field.name in content:
                object.__setattr__(value, field.name, content[field.name])
            elif field.default is not dataclasses.MISSING:
                object.__setattr__(value, field.name, field.default)
            elif field.default_factory is not dataclasses.MISSING:
                object.__setattr__(value, field.name, field.default_factory())
            elif field.init:
                raise ValueError(f"the row has no {field.name!r} for {cls.__qualname__}")
        return value

    return TypeEntry(cls, name, encode, decode, fields=True)


@contextmanager
def closed_list() -> Iterator[None]:
    """While states of others are read: the triggers in an And or Or are of our classes, or of registered ones."""
    from ..triggers.combining import class_named

    token = class_named.set(_member_class)
    try:
        yield
    finally:
        class_named.reset(token)


def _member_class(reference: str) -> Any:
    """The class that a combination's state names. DecodeError: it isn't on the list; nothing is imported for it."""
    module, _, name = reference.partition(":")
    room = module.removeprefix(_TRIGGERS)
    if room != module and name in _MEMBERS.get(room, ()):
        return getattr(import_module(module), name)
    entry = entry_at(module, name)
    if entry is None:
        raise DecodeError(
            f"a combination names the trigger class {reference[:200]!r}, which isn't registered in this process: call "
            "rapscheduler.register_type() on it before"
        )
    return entry.cls


def _under_closed_list(decode: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A program's own function; it may give what a row says to the `__setstate__` of a combination."""

    def guarded(content: Any) -> Any:
        with closed_list():
            return decode(content)

    return guarded


def _setstate_into(cls: Any) -> Callable[[Any], Any]:
    def decode(content: Any) -> Any:
        value = cls.__new__(cls)
        with closed_list():
            value.__setstate__(content)
        return value

    return decode
