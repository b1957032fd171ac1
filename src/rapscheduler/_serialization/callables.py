"""Which callables rows may name, and finding them.

What lives here: `CallableRule` (``allowed_callables=``), finding and naming callables. What must not: jobs, rows.

Two questions, in this order. *May this text be looked up?* is answered from the text alone, before anything is imported
(importing ``a.b`` runs ``a`` and ``a.b``). *Is what was found what the list means?* is answered by looking at plain
attributes: no property, descriptor, module ``__getattr__`` or lazy loader runs for a name that a row chose.

    "pkg.tasks:send"         this name, as it is written, wherever ``pkg.tasks`` has it from; dots may follow the colon
    "pkg.tasks:*"            one name (no dots) that the module itself defines, or lists in its ``__all__``
    "pkg.*:*", "pkg.*:send"  the same, of any module of which the text says so

Without a list every well-formed reference is taken, and looked up as Python does.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from fnmatch import translate
from inspect import getattr_static
from types import (
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodDescriptorType,
    MethodType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any

from .._quoting import said
from ..errors import DecodeError, EncodeError
from ..util import obj_to_ref, ref_to_obj
from .interrupts import is_interrupt

_REFERENCE = re.compile(r"\w+(?:\.\w+)*:\w+(?:\.\w+)*")
_REFERENCES_KEPT = 4096
_MAIN = ("__main__", "__mp_main__")  # the second is what a spawned process calls the first
# it can't be modified: nothing reads it
REPLACE = "replace the job: add_job(..., id=..., replace_existing=True)"


class _RefusedError(Exception):
    """What was found is not what the list of allowed callables means."""


class CallableRule:
    """Which references to callables are accepted; answers are remembered, because rows repeat them."""

    def __init__(self, allowed: Iterable[str] | None = None) -> None:
        """``allowed``: what the head of this file says; ``None`` accepts every well-formed reference."""
        if isinstance(allowed, str):
            allowed = [part.strip() for part in allowed.split(",") if part.strip()]
        elif allowed is not None and not isinstance(allowed, Iterable):
            raise TypeError(
                f"allowed_callables={allowed!r} is no list of patterns; give one such as ['myapp.tasks:*'], or None "
                "to allow any"
            )
        self.patterns = None if allowed is None else tuple(allowed)
        self._written: frozenset[str] = frozenset()
        self._shapes: list[tuple[Callable[[str], Any], Callable[[str], Any], bool]] = []
        if self.patterns is not None:
            shapes = [text for text in self.patterns if any(c in text for c in "*?[")]
            self._written = frozenset(self.patterns).difference(shapes)
            for text in self._written:
                if ":" not in text:
                    raise ValueError(
                        f"allowed_callables has {text!r}, which is the name of no callable: write "
                        f"'{text}:*' or '{text}:function'"
                    )
            self._shapes = [_shape(text) for text in shapes]
        self._accepted: set[str] = set()

    def problem(self, reference: str) -> str | None:
        """Why the reference is refused, or ``None``. Nothing is imported to answer."""
        if reference in self._accepted:
            return None
        if len(reference) > 1000 or not _REFERENCE.fullmatch(reference):
            return f"{reference[:200]!r} isn't a reference such as 'package.module:function'"
        module, _, path = reference.partition(":")
        if any(_is_dunder(part) for part in path.split(".")) or any(
            _is_dunder(part) and part not in (*_MAIN, "__init__") for part in module.split(".")
        ):
            return f"{reference!r} goes through a double-underscore name, which rows may not do"
        if self.patterns is not None and not self._is_listed(reference, module, path):
            dots = ", written out: '*' stands for a name without dots" if "." in path else ""
            return f"{reference!r} isn't matched by allowed_callables={list(self.patterns)!r}; add it there{dots}"
        if len(self._accepted) >= _REFERENCES_KEPT:
            self._accepted.clear()
        self._accepted.add(reference)
        return None

    def _is_listed(self, reference: str, module: str, path: str) -> bool:
        if reference in self._written:
            return True
        if module not in _MAIN and any(map(_is_dunder, module.split("."))):
            return False  # `pkg.__main__` would run the program once more
        return any(
            is_module(module) and is_name(path) and (dots or "." not in path)
            for is_module, is_name, dots in self._shapes
        )

    def find(self, reference: str) -> Any:
        """What an accepted reference stands for, importing its module.

        ``_RefusedError``: it is something else than the list means. Or whatever the import or the look-up raises.
        """
        module_name, _, path = reference.partition(":")
        found: Any = sys.modules.get(module_name)
        if self.patterns is None:
            if found is None:
                return ref_to_obj(reference)
            for name in path.split("."):
                found = getattr(found, name)
            return found
        if found is None:
            __import__(module_name)
            found = sys.modules[module_name]
        first, *others = path.split(".")
        module, found = found, _plain_attribute(found, first)
        if reference not in self._written and not _is_own(module_name, module, first, found):
            raise _RefusedError(
                f"{reference!r} isn't matched by allowed_callables={list(self.patterns)!r}: '*' stands for what the "
                "module itself defines, or lists in its __all__; add it there, written out"
            )
        for name in others:
            found = _plain_attribute(found, name)
        return found

    def check_found(self, reference: str) -> None:
        """Ask for a reference that a program was given as text. ``EncodeError``: it is refused.

        What can't be found is for the caller to say.
        """
        problem = self.problem(reference)
        if problem is None:
            try:
                self.find(reference)
            except _RefusedError as exc:
                problem = str(exc)
            except Exception:
                return
        if problem is not None:
            raise EncodeError(f"func can't be stored: {problem}", "func")


ANY_CALLABLE = CallableRule()


def find_callable(reference: str, rule: CallableRule = ANY_CALLABLE) -> Callable[..., Any]:
    """The callable of a reference that the rule has no problem with. Raises ``DecodeError`` when there is none."""
    try:
        found = rule.find(reference)
    except _RefusedError as exc:
        raise DecodeError(f"the row names a callable that isn't accepted: {exc}") from None
    except BaseException as exc:
        if is_interrupt(exc):
            raise  # the program's end; anything else a module raised while it was imported, and it costs this row only
        raise DecodeError(
            f"its callable {reference!r} can't be found ({said(exc) or type(exc).__name__}); restore it under this "
            f"name, or {REPLACE}"
        ) from exc
    if not callable(found):
        raise DecodeError(f"{reference!r} is a {type(found).__name__}, which can't be called")
    callable_: Callable[..., Any] = found
    return callable_


#: what rows may hold by its name, among the arguments of a job
NAMED = (FunctionType, BuiltinFunctionType, type)


def reference_to(value: Any, rule: CallableRule) -> tuple[str, str | None]:
    """The name of a function or class, and why a row can't have it: "" when no name finds it again."""
    try:
        reference = obj_to_ref(value)
        if ref_to_obj(reference) is value:
            return reference, rule.problem(reference)
    except (ValueError, LookupError):
        pass
    return "", ""


def find_argument(reference: str, rule: CallableRule | None) -> Any:
    """The function or class that an argument in a row names. Raises ``DecodeError``; without a rule always."""
    problem = "there may be no callable here" if rule is None else rule.problem(reference)
    if rule is None or problem is not None:
        raise DecodeError(f"an argument in the row names a callable that isn't accepted: {problem}")
    return find_callable(reference, rule)


def _shape(pattern: str) -> tuple[Callable[[str], Any], Callable[[str], Any], bool]:
    """Tests for module and name, and whether the name is written out (it may have dots then)."""
    module, colon, name = pattern.rpartition(":")
    if not colon:  # "pkg.*"
        module, name = pattern, "*"
    written = not any(c in name for c in "*?[")
    return re.compile(translate(module)).fullmatch, re.compile(translate(name)).fullmatch, written


def _is_dunder(part: str) -> bool:
    return part.startswith("__") and part.endswith("__")


def _plain_attribute(owner: Any, name: str) -> Any:
    """What ``owner.name`` is, when getting it runs nothing. AttributeError: there is none. _RefusedError: it would."""
    if issubclass(type(owner), ModuleType):
        names = object.__getattribute__(owner, "__dict__")
        if name not in names:
            raise AttributeError(f"module {names.get('__name__')!r} has no attribute {name!r}")
        return names[name]
    found = getattr_static(owner, name)
    kind = type(found)
    cls = owner if issubclass(type(owner), type) else type(owner)
    if kind is staticmethod:
        return found.__func__
    if kind is classmethod:
        return MethodType(found.__func__, cls)
    if kind is ClassMethodDescriptorType:
        return found.__get__(None, cls)
    if cls is not owner and kind in _BOUND and not _has_itself(owner, name):
        return found.__get__(owner, cls)
    if any("__get__" in vars(base) for base in kind.__mro__) and not (
        callable(found) and (cls is owner or _has_itself(owner, name))
    ):
        raise _RefusedError(
            f"{name!r} of a {cls.__qualname__} is computed when it is read, which rows may not ask for"
        )
    return found


#: what binds to its object without running anything of the program
_BOUND = (FunctionType, MethodDescriptorType, WrapperDescriptorType, MemberDescriptorType)


def _has_itself(owner: Any, name: str) -> bool:
    """Whether an object has an attribute in its own dictionary, not by its class."""
    try:
        return name in object.__getattribute__(owner, "__dict__")
    except AttributeError:
        return False


def _is_own(module_name: str, module: Any, name: str, found: Any) -> bool:
    """Whether a module defines what it has under a name, or says that the name is its own."""
    if not issubclass(type(module), ModuleType):
        return False
    names = object.__getattribute__(module, "__dict__")
    if not _same_module(names.get("__name__"), module_name):
        return False  # another module by an alias in sys.modules
    listed = names.get("__all__")
    if type(listed) in (list, tuple) and any(type(text) is str and text == name for text in listed):
        return True
    return _same_module(_home(found), module_name)


def _home(found: Any) -> Any:
    """The ``__module__`` of an object, as far as it is plain."""
    if issubclass(type(found), type):
        return type.__dict__["__module__"].__get__(found)
    home = getattr_static(found, "__module__", None)
    if type(home) in (MemberDescriptorType, GetSetDescriptorType):
        home = home.__get__(found, type(found))
    return home


def _same_module(one: Any, other: str) -> bool:
    return type(one) is str and (one == other or (one in _MAIN and other in _MAIN))
