"""The parameters of callables that are not plain Python functions, worked out once each.

Here: `parameters_of`, and which callables stay what they are. Not here: whether arguments fit (`util`). Asking
`inspect` for the signature of a built-in parses text: 40 to 500 µs, for each of a thousand jobs that call `put_nowait`.

What is remembered must not keep anything alive or go stale: built-in functions of modules, built-in types and their
methods last as long as the interpreter; a method bound to an object is known by the type of that object; what Cython
compiled is held weakly.
"""

from __future__ import annotations

from types import (
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    MethodDescriptorType,
    MethodWrapperType,
    ModuleType,
    WrapperDescriptorType,
)
from weakref import WeakKeyDictionary

from rapscheduler._hints import Any

Parameters = tuple[Any, ...]  # of inspect.Parameter

KNOWN = 4096
_HEAP_TYPE = 1 << 9  # of a class's __flags__: made by a program, so it may go
_DESCRIPTORS = (MethodDescriptorType, WrapperDescriptorType, ClassMethodDescriptorType)

_lasting: dict[Any, Parameters | None] = {}
_compiled: WeakKeyDictionary[Any, Parameters | None] = WeakKeyDictionary()


def parameters_of(func: Any) -> Parameters | None:
    """The parameters of a callable; None: it keeps its signature to itself."""
    known: Any = _lasting
    key = _key(func)
    if key is None:
        if type(func).__name__ != "cython_function_or_method":
            return _inspected(func)
        known, key = _compiled, func
    try:
        found: Parameters | None = known[key]
    except KeyError:
        found = _inspected(func)
        if len(known) >= KNOWN:
            known.clear()
        known[key] = found
    return found


def _inspected(func: Any) -> Parameters | None:
    from inspect import signature

    try:
        return tuple(signature(func, follow_wrapped=False).parameters.values())
    except ValueError:
        return None


def _key(func: Any) -> Any:
    """What a callable is known by; None: it is not to be remembered."""
    kind = type(func)
    if kind is type:
        return None if func.__flags__ & _HEAP_TYPE else func
    if kind in _DESCRIPTORS:
        return None if func.__objclass__.__flags__ & _HEAP_TYPE else func
    if kind is not BuiltinFunctionType and kind is not MethodWrapperType:
        return None
    owner = func.__self__
    if owner is None or type(owner) is ModuleType:
        return func
    cls = owner if isinstance(owner, type) else type(owner)
    return None if cls.__flags__ & _HEAP_TYPE else (kind, cls, owner is cls, func.__name__)
