"""Signatures of callables that are not plain functions: asked for once, and nothing is kept alive for it."""

from __future__ import annotations

import gc
import inspect
import weakref
from typing import Any

import pytest

from rapscheduler import _signatures, util
from rapscheduler._signatures import parameters_of


class Things(list[Any]):
    pass


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The callables whose signature was asked for, on empty caches."""
    asked: list[Any] = []
    signature = inspect.signature

    def counted(func: Any, **options: Any) -> Any:
        asked.append(func)
        return signature(func, **options)

    monkeypatch.setattr(inspect, "signature", counted)
    monkeypatch.setattr(_signatures, "_lasting", {})
    monkeypatch.setattr(_signatures, "_compiled", weakref.WeakKeyDictionary())
    return asked


@pytest.mark.parametrize(
    "func",
    [print, len, max, [].append, {}.update, "a".upper, str.upper, dict.fromkeys, (1).__add__, int.__add__],
    ids=lambda func: func.__qualname__,
)
def test_built_ins_are_asked_once_with_or_without_a_signature(func: Any, asked: list[Any]) -> None:
    try:
        expected: Any = tuple(inspect.signature(func).parameters.values())
    except ValueError:
        expected = None
    asked.clear()
    assert [parameters_of(func) for _ in range(3)] == [expected] * 3
    assert asked == [func]


def test_methods_of_any_list_are_one(asked: list[Any]) -> None:
    for _ in range(5):
        util.check_callable_args([].append, (1,), {})
    assert len(asked) == 1
    with pytest.raises(ValueError, match="have not been supplied: object"):
        util.check_callable_args([].append, (), {})
    asked.clear()  # the message shows the signature
    util.check_callable_args([].insert, (1, 2), {})
    assert len(asked) == 1


def test_what_a_program_made_is_not_kept(asked: list[Any]) -> None:
    things = Things()
    kept = weakref.ref(things)
    for _ in range(2):
        parameters_of(things.append)
    del things
    asked.clear()
    gc.collect()
    assert kept() is None and _signatures._lasting == {}
    asked.clear()
    parameters_of(Things)
    parameters_of(Things)
    assert asked == [Things, Things]  # its __init__ may be replaced


def test_functions_of_cython_are_held_weakly(asked: list[Any]) -> None:
    class cython_function_or_method:
        def __call__(self, a: int) -> None: ...

    func = cython_function_or_method()
    assert [one.name for one in parameters_of(func) or ()] == ["a"]
    parameters_of(func)
    assert len(asked) == 1 and len(_signatures._compiled) == 1
    del func
    asked.clear()
    gc.collect()
    assert len(_signatures._compiled) == 0


def test_the_number_of_known_signatures_is_bounded(asked: list[Any], monkeypatch: Any) -> None:
    monkeypatch.setattr(_signatures, "KNOWN", 2)
    for func in (len, print, max, min, abs):
        parameters_of(func)
    assert len(_signatures._lasting) <= 2
