"""Both twins of every room show the same public names, members and signatures: no more, no fewer.

The stub of a room is its reference twin, so mypy checks the floors above against that one.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import pytest
from tests.conftest import load_engine

import rapscheduler
from rapscheduler._engine import ROOMS

# Made of what each twin needs: only its name is shared.
FREE_INSIDE = {"Rule"}


def _twins(room: str) -> tuple[ModuleType, ModuleType]:
    return getattr(load_engine("compiled"), room), getattr(load_engine("reference"), room)


def _is_own(name: str, value: Any, module: ModuleType) -> bool:
    """Made in this room, not imported to it: its classes and functions, and numbers in capitals."""
    if name.startswith("_") or inspect.ismodule(value) or isinstance(value, TypeVar):
        return False
    if isinstance(value, int):
        return name.isupper() and name not in _imported(module)
    return callable(value) and getattr(value, "__module__", None) == module.__name__


def _imported(module: ModuleType) -> set[str]:
    """What a room uses of others; what it shows of them it imports `as` itself."""
    if not str(module.__file__).endswith(".py"):
        return set()
    tree = ast.parse(inspect.getsource(module))
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    return {alias.name for node in imports for alias in node.names if alias.asname != alias.name}


def _names(module: ModuleType) -> set[str]:
    return {name for name, value in vars(module).items() if _is_own(name, value, module)}


def _members(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_") and not hasattr(object, name)}


def _classes(room: str) -> Iterator[tuple[type, type]]:
    """The classes of the compiled twin with those of the other."""
    compiled, reference = _twins(room)
    for name in sorted(_names(compiled) - FREE_INSIDE):
        if isinstance(getattr(compiled, name), type):
            yield getattr(compiled, name), getattr(reference, name)


def _own_members(kind: type) -> set[str]:
    """What the class itself has, private names too."""
    return {name for name in vars(kind) if not name.startswith("__")}


def _signature(call: Any) -> list[tuple[str, Any, bool]]:
    """Names, kinds, and which parameters have a default; ``self`` is by place only where C takes it."""
    parameters = [one for one in inspect.signature(call).parameters.values() if one.name != "self"]
    return [(one.name, one.kind, one.default is not inspect.Parameter.empty) for one in parameters]


@pytest.mark.parametrize("room", ROOMS)
def test_twins_have_the_same_public_names(room: str) -> None:
    compiled, reference = _twins(room)
    assert _names(compiled) == _names(reference)
    assert _names(compiled)


@pytest.mark.parametrize("room", ROOMS)
def test_classes_of_the_twins_have_the_same_members(room: str) -> None:
    for left, right in _classes(room):
        assert _members(left) == _members(right), left.__name__
        assert _own_members(left) <= set(dir(right)), left.__name__


@pytest.mark.parametrize("room", ROOMS)
def test_functions_and_methods_of_the_twins_take_the_same_arguments(room: str) -> None:
    compiled, reference = _twins(room)
    pairs = [(name, getattr(compiled, name), getattr(reference, name)) for name in _names(compiled)]
    calls = [pair for pair in pairs if not isinstance(pair[1], type)]
    for left, right in _classes(room):
        own, kind = _own_members(left), left.__name__
        calls += [(f"{kind}.{name}", getattr(left, name), getattr(right, name)) for name in own]
    told = {name: (_signature(left), _signature(right)) for name, left, right in calls if callable(left)}
    assert {name: both for name, both in told.items() if both[0] != both[1]} == {}


@pytest.mark.parametrize("name", ["Cron", "Interval", "CalendarInterval", "Date"])
def test_what_a_user_may_call_of_a_trigger_can_be_looked_up(name: str) -> None:
    kind: Any = getattr(import_module(f"rapscheduler.triggers.{name.lower()}"), f"{name}Trigger")
    calls = [member for member in _members(kind) if callable(getattr(kind, member))]
    assert "get_next_fire_time" in calls
    for call in calls:
        method = getattr(kind, call)
        assert inspect.signature(method).parameters and inspect.getdoc(method), call
        assert not str(method.__doc__).startswith(("TriggerCore.", f"{call}(")), call
    assert list(inspect.signature(kind.get_next_fire_time).parameters) == [
        "self",
        "previous_fire_time",
        "now",
    ]


def _private_to_the_reference() -> set[str]:
    """Names beginning with an underscore that only the classes of the reference twins have."""
    only: set[str] = set()
    for room in ROOMS:
        for left, right in _classes(room):
            only |= {name for name in dir(right) if not name.startswith("__")} - set(dir(left))
    return only


def test_the_floors_above_use_nothing_that_only_the_reference_has() -> None:
    """The types can't tell: the stubs are the reference twins."""
    source = Path(rapscheduler.__file__).parent
    only = _private_to_the_reference()
    assert "_times_us" in only
    used: dict[str, set[str]] = {}
    made: set[str] = set()
    for path in source.rglob("*.py"):
        if "_reference" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr in only:
                own = isinstance(node.value, ast.Name) and node.value.id == "self"
                made.add(node.attr) if own else used.setdefault(node.attr, set()).add(path.name)
            elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                made.add(node.name)
    assert {name: paths for name, paths in used.items() if name not in made} == {}
