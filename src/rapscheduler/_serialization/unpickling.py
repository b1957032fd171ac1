"""An unpickler that touches nothing but what it made itself, and does work in proportion to the pickle.

What lives here: `check_opcodes`, `OwnUnpickler`. What must not: which names a pickle may use (`legacy`).

A pickle is a program. Three things in it are told apart here:

    what it made   lists, dicts, sets, and the objects that it had made: state and items go into these only. Members of
                   enums, zones, singletons and classes are shared with the rest of the process; an object is shared
                   when it is made a second time and comes out the same, or with the same attributes
    how much       the opcodes are counted before anything runs; the parts of what is hashed, called with or put into an
                   object are counted as often as they would be visited
    how deep       hash(), repr() and == go down in C, with no limit of their own
"""

from __future__ import annotations

import pickle
import pickletools
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterable
from enum import Flag
from types import BuiltinFunctionType, FunctionType
from typing import IO, Any, ClassVar

from .._quoting import said
from ..errors import DecodeError
from .bounds import FEW_KEYS, MAX_COLLISIONS, MAX_NUMBER_KEYS, MAX_VISIT_DEPTH, MAX_VISITS
from .codec import MAX_BYTES

MAX_OPCODES = 100_000
MAX_INT_BITS = 32_768
_REFUSED_OPCODES = frozenset(
    ("EXT1", "EXT2", "EXT4", "PERSID", "BINPERSID", "NEXT_BUFFER", "READONLY_BUFFER", "INST", "OBJ")
)
_MEMO_OPCODES = frozenset(("PUT", "BINPUT", "LONG_BINPUT"))
_LEAVES = frozenset((str, bytes, int, float, bool, type(None)))


def check_opcodes(data: bytes) -> None:
    """Refuse what makes the unpickler allocate or call out before ``find_class`` is asked. Nothing is run."""
    if len(data) > MAX_BYTES:
        raise DecodeError(f"the row has {len(data)} bytes, more than the {MAX_BYTES} that a job may take")
    count = 0
    try:
        for opcode, argument, _ in pickletools.genops(data):
            count += 1
            if opcode.name in _REFUSED_OPCODES:
                raise DecodeError(
                    f"the pickle uses the opcode {opcode.name}, which no job of APScheduler needs"
                )
            if opcode.name in _MEMO_OPCODES and not 0 <= int(argument or 0) <= len(data):
                raise DecodeError("the pickle is damaged: it numbers an object beyond its own length")
            if type(argument) is int and argument.bit_length() > MAX_INT_BITS:
                raise DecodeError(f"the pickle has an integer of more than {MAX_INT_BITS} bits")
            if count > MAX_OPCODES:
                raise DecodeError(f"the pickle has more than {MAX_OPCODES} parts")
    except DecodeError:
        raise
    except Exception as exc:
        raise DecodeError(f"the row isn't a pickle: {said(exc)}") from exc


class OwnUnpickler(pickle._Unpickler):
    """Python's own unpickler, in Python: that in C can't be told to leave alone what the whole process shares."""

    dispatch: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)
    stack: list[Any]

    #: what makes a set of the items it is given
    set_makers: ClassVar[frozenset[Any]] = frozenset()
    #: functions that make a new object whenever they are called
    makers: ClassVar[frozenset[Any]] = frozenset()

    def __init__(self, file: IO[bytes], *, encoding: str) -> None:
        super().__init__(file, encoding=encoding)
        self._visits = self._collisions = self._numbers = 0
        self._hashes: dict[int, int] = {}
        # id of an object -> (the object, what made it, the arguments, the states it was given); held, so that ids last
        self._made: dict[int, tuple[Any, Any, tuple[Any, ...], dict[str, Any], list[Any]]] = {}

    # What is counted

    def visit(self, value: Any) -> None:
        """Count the parts of a value, each as often as hash() and repr() would come to it."""
        waiting = [(value, 0)]
        while waiting:
            part, depth = waiting.pop()
            if type(part) in _LEAVES:
                self._visits += 1
                continue
            parts = self._parts(part)
            if depth > MAX_VISIT_DEPTH and parts:
                raise DecodeError(f"the pickle is nested more than {MAX_VISIT_DEPTH} levels deep")
            self._visits += 1 + len(parts)
            if self._visits > MAX_VISITS:
                raise DecodeError(
                    f"the pickle has more than {MAX_VISITS} parts, counting those that are shared"
                )
            waiting += [(inner, depth + 1) for inner in parts if type(inner) not in _LEAVES]

    def _parts(self, value: Any) -> list[Any]:
        kind = type(value)
        if kind in (list, tuple, set, frozenset, deque):
            return list(value)
        if kind in (dict, OrderedDict, Counter, defaultdict):
            return [*value.keys(), *value.values()]
        made = self._made.get(id(value))
        return [] if made is None else [*made[2], *made[3].values(), *made[4]]

    def _check_keys(self, keys: Iterable[Any]) -> None:
        """Count the comparisons that keys take because their hashes, which can be chosen, are the same."""
        for key in keys:
            if type(key) is str or type(key) is bytes:
                continue
            self.visit(key)
            number = hash(key)
            alike = self._hashes.get(number, 0)
            self._hashes[number] = alike + 1
            self._numbers += 1
            self._collisions += alike
            if self._numbers > MAX_NUMBER_KEYS or (
                self._collisions > MAX_COLLISIONS and self._numbers > FEW_KEYS
            ):
                raise DecodeError(
                    "the pickle has too many keys that are no texts, or whose hashes are the same"
                )

    # What is its own

    def _new(self, value: Any, make: Any = None, args: Any = (), kwargs: Any = None) -> Any:
        given = tuple(arg for arg in args if arg is not value)  # a function may return what it was given
        self._made.setdefault(id(value), (value, make, given, kwargs or {}, []))
        return value

    def _own(self, value: Any) -> list[Any]:
        """The states given to an object before. DecodeError: it isn't one that this pickle made for itself."""
        if isinstance(value, (type, FunctionType)):
            raise DecodeError(
                f"the pickle changes {value.__name__} itself, which no job of APScheduler needs"
            )
        found = self._made.get(id(value))
        if found is not None:
            _, make, args, kwargs, states = found
            if make is None or states or make in self.makers:
                return states
            again = make(*args, **kwargs)
            inner = getattr(value, "__dict__", None)
            if again is not value and (inner is None or getattr(again, "__dict__", None) is not inner):
                return states
        raise DecodeError(
            f"the pickle changes an object of the class {type(value).__name__} that it shares with the program, which "
            "no job of APScheduler needs"
        )

    def load_build(self) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        states = self._own(target)
        self.visit(state)
        states.append(state)
        setstate = getattr(type(target), "__setstate__", None)
        if setstate is not None:
            setstate(target, state)
            return
        slots = None
        if type(state) is tuple and len(state) == 2:
            state, slots = state
        for part in (state, slots):
            if part and (type(part) is not dict or any(_is_special(name) for name in part)):
                raise DecodeError("the pickle gives an object a state that no class has")
        vars(target).update(state or {})
        for name, value in (slots or {}).items():
            setattr(target, name, value)

    dispatch[pickle.BUILD[0]] = load_build

    def load_reduce(self) -> None:
        args = self.stack.pop()
        make = self.stack[-1]
        if type(args) is not tuple or not isinstance(make, (type, FunctionType, BuiltinFunctionType)):
            raise DecodeError("the pickle calls something that is no class or function, or without arguments")
        self.visit(args)
        if make in self.set_makers and args and type(args[0]) in (list, tuple):
            self._check_keys(args[0])
        if isinstance(make, type) and issubclass(make, Flag):
            _check_flags(args)
        self.stack[-1] = self._new(make(*args), make, args)

    dispatch[pickle.REDUCE[0]] = load_reduce

    def load_newobj(self) -> None:
        args = self.stack.pop()
        self._load_new(args, {})

    dispatch[pickle.NEWOBJ[0]] = load_newobj

    def load_newobj_ex(self) -> None:
        kwargs = self.stack.pop()
        args = self.stack.pop()
        if type(kwargs) is not dict:
            raise DecodeError("the pickle calls with something else than arguments")
        self._load_new(args, kwargs)

    dispatch[pickle.NEWOBJ_EX[0]] = load_newobj_ex

    def _load_new(self, args: Any, kwargs: dict[str, Any]) -> None:
        cls = self.stack.pop()
        if type(args) is not tuple or not isinstance(cls, type):
            raise DecodeError("the pickle calls with something else than arguments")
        self.visit((args, kwargs))
        make: Any = cls.__new__
        self.stack.append(self._new(make(cls, *args, **kwargs), make, (cls, *args), kwargs))

    # Containers

    def load_empty_list(self) -> None:
        self.stack.append(self._new([]))

    dispatch[pickle.EMPTY_LIST[0]] = load_empty_list

    def load_empty_dictionary(self) -> None:
        self.stack.append(self._new({}))

    dispatch[pickle.EMPTY_DICT[0]] = load_empty_dictionary

    def load_empty_set(self) -> None:
        self.stack.append(self._new(set()))

    dispatch[pickle.EMPTY_SET[0]] = load_empty_set

    def load_list(self) -> None:
        items = self.pop_mark()  # type: ignore[attr-defined]
        self.stack.append(self._new(items))

    dispatch[pickle.LIST[0]] = load_list

    def load_dict(self) -> None:
        items = self.pop_mark()  # type: ignore[attr-defined]
        self.stack.append(self._new({}))
        self._set_items(items)

    dispatch[pickle.DICT[0]] = load_dict

    def load_frozenset(self) -> None:
        items = self.pop_mark()  # type: ignore[attr-defined]
        self._check_keys(items)
        self.stack.append(frozenset(items))

    dispatch[pickle.FROZENSET[0]] = load_frozenset

    def load_setitem(self) -> None:
        value = self.stack.pop()
        key = self.stack.pop()
        self._set_items([key, value])

    dispatch[pickle.SETITEM[0]] = load_setitem

    def load_setitems(self) -> None:
        items = self.pop_mark()  # type: ignore[attr-defined]
        self._set_items(items)

    dispatch[pickle.SETITEMS[0]] = load_setitems

    def _set_items(self, items: list[Any]) -> None:
        target = self._container(dict)
        self._check_keys(items[::2])
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[key] = value

    def load_append(self) -> None:
        value = self.stack.pop()
        self._container((list, deque)).append(value)

    dispatch[pickle.APPEND[0]] = load_append

    def load_appends(self) -> None:
        items = self.pop_mark()  # type: ignore[attr-defined]
        self._container((list, deque)).extend(items)

    dispatch[pickle.APPENDS[0]] = load_appends

    def load_additems(self) -> None:
        items = self.pop_mark()  # type: ignore[attr-defined]
        self._check_keys(items)
        self._container(set).update(items)

    dispatch[pickle.ADDITEMS[0]] = load_additems

    def _container(self, kind: type | tuple[type, ...]) -> Any:
        """What items go to."""
        target = self.stack[-1]
        self._own(target)
        if not isinstance(target, kind):
            raise DecodeError(f"the pickle puts items into an object of the class {type(target).__name__}")
        return target


def _is_special(name: Any) -> bool:
    return type(name) is not str or (name.startswith("__") and name.endswith("__"))


def _check_flags(args: tuple[Any, ...]) -> None:
    """Classes of flags keep every value that they are asked for."""
    if len(args) != 1 or type(args[0]) is not int or args[0].bit_length() > 64:
        raise DecodeError("the pickle names flags in an unusual way")
