"""Both twins of every room and its stub show the same public names: no more, no fewer."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.conftest import load_engine

from rapscheduler import _engine

STUBS = Path(_engine.__file__).parent
# Made of what each twin needs: only the members of the stub are shared.
FREE_INSIDE = {"Rule"}
ROOMS = sorted(path.stem for path in STUBS.glob("*.pyi"))


def _twin(name: str, room: str) -> ModuleType:
    module = getattr(load_engine(name), room, None)
    if module is None:
        pytest.skip(f"{room} has no {name} twin yet")
    return module


def _is_own(name: str, value: Any, module: ModuleType) -> bool:
    """Made in this room, not imported to it: its classes and functions, and numbers in capitals."""
    if name.startswith("_") or inspect.ismodule(value):
        return False
    if isinstance(value, int):
        return name.isupper() and name not in _imported(module)
    return callable(value) and getattr(value, "__module__", None) == module.__name__


def _imported(module: ModuleType) -> set[str]:
    if not str(module.__file__).endswith(".py"):
        return set()
    tree = ast.parse(inspect.getsource(module))
    return {alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names}


def _names(module: ModuleType) -> set[str]:
    return {name for name, value in vars(module).items() if _is_own(name, value, module)}


def _stub_tree(room: str) -> ast.Module:
    return ast.parse((STUBS / f"{room}.pyi").read_text())


def _stub_names(room: str) -> set[str]:
    names = set()
    for node in _stub_tree(room).body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            names.add(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return {name for name in names if not name.startswith("_")}


def _members(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_") and not hasattr(object, name)}


def _is_for_types_only(name: str, reference: ModuleType) -> bool:
    return bool(getattr(getattr(reference, name, None), "_is_protocol", False))


@pytest.mark.parametrize("room", ROOMS)
def test_twins_and_stub_have_the_same_public_names(room: str) -> None:
    compiled, reference = _twin("compiled", room), _twin("reference", room)
    stub = {name for name in _stub_names(room) if not _is_for_types_only(name, reference)}
    for twin in (compiled, reference):
        assert {name for name in stub if not hasattr(twin, name)} == set(), f"{twin.__name__} lacks names"
        more = {name for name in _names(twin) - stub if not _is_for_types_only(name, reference)}
        assert more == set(), f"{twin.__name__} shows more than its stub"


@pytest.mark.parametrize("room", ROOMS)
def test_classes_of_the_twins_have_the_same_members(room: str) -> None:
    compiled, reference = _twin("compiled", room), _twin("reference", room)
    for node in _stub_tree(room).body:
        if isinstance(node, ast.ClassDef) and not _is_for_types_only(node.name, reference):
            if node.name in FREE_INSIDE:
                continue
            left, right = getattr(compiled, node.name), getattr(reference, node.name)
            assert _members(left) == _members(right), node.name
