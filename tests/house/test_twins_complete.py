"""The path is the name: every room of the cellar has its five papers, and its twins show the same names.

``ext/rapscheduler/_engine/X.pyx`` + ``X.pxd`` · ``src/rapscheduler/_reference/X.py`` ·
``src/rapscheduler/_engine/X.pyi`` · ``tests/unit/_engine/test_X.py``.
"""

from __future__ import annotations

import ast
import importlib
from pathlib import Path
from types import ModuleType

import pytest

from rapscheduler import _engine

ROOT = Path(__file__).resolve().parents[2]
EXT = ROOT / "ext" / "rapscheduler" / "_engine"
PAPERS = {
    "pyx": "ext/rapscheduler/_engine/{room}.pyx",
    "pxd": "ext/rapscheduler/_engine/{room}.pxd",
    "reference": "src/rapscheduler/_reference/{room}.py",
    "stub": "src/rapscheduler/_engine/{room}.pyi",
    "test": "tests/unit/_engine/test_{room}.py",
}


def _rooms() -> list[str]:
    """Every room with at least one of its papers (a twin's private rooms, ``_x``, are its own business)."""
    names = {path.stem for path in (*EXT.glob("*.pyx"), *EXT.glob("*.pxd"))}
    names |= {path.stem for path in (ROOT / "src/rapscheduler/_reference").glob("*.py")}
    names |= {path.stem for path in (ROOT / "src/rapscheduler/_engine").glob("*.pyi")}
    return sorted(name for name in names if not name.startswith("_"))


def _compiled(room: str) -> ModuleType | None:
    """The compiled module; None in a process that runs on the reference (one process never mixes them)."""
    return importlib.import_module(f"rapscheduler._engine.{room}") if _engine.NAME == "compiled" else None


def _is_real_class(node: ast.stmt) -> bool:
    """A class of the twins; a Protocol of the stub is only a word for types."""
    return isinstance(node, ast.ClassDef) and not any("Protocol" in ast.unparse(base) for base in node.bases)


def _stub_names(room: str) -> set[str]:
    tree = ast.parse((ROOT / PAPERS["stub"].format(room=room)).read_text())
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) or _is_real_class(node):
            names.add(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return {name for name in names if not name.startswith("_")}


def test_every_room_has_its_five_papers() -> None:
    missing = [
        path
        for room in _rooms()
        for path in (pattern.format(room=room) for pattern in PAPERS.values())
        if not (ROOT / path).exists()
    ]
    assert missing == []


def test_the_rooms_are_found() -> None:
    assert "calendar" in _rooms()


@pytest.mark.parametrize("room", _rooms())
def test_the_names_of_the_stub_exist_in_the_reference_twin(room: str) -> None:
    reference = importlib.import_module(f"rapscheduler._reference.{room}")
    assert {name for name in _stub_names(room) if not hasattr(reference, name)} == set()


@pytest.mark.parametrize("room", _rooms())
def test_the_names_of_the_stub_exist_in_the_compiled_twin(room: str) -> None:
    compiled = _compiled(room)
    if compiled is None:
        pytest.skip("the engine is not compiled here")
    assert {name for name in _stub_names(room) if not hasattr(compiled, name)} == set()


@pytest.mark.parametrize("room", _rooms())
def test_public_classes_of_the_stub_show_the_same_members_in_both_twins(room: str) -> None:
    compiled = _compiled(room)
    if compiled is None:
        pytest.skip("the engine is not compiled here")
    reference = importlib.import_module(f"rapscheduler._reference.{room}")
    tree = ast.parse((ROOT / PAPERS["stub"].format(room=room)).read_text())
    missing = []
    for node in tree.body:
        if not _is_real_class(node) or node.name.startswith("_"):
            continue
        methods = {item.name for item in node.body if isinstance(item, ast.FunctionDef)}
        for twin in (compiled, reference):
            members = set(dir(getattr(twin, node.name)))
            missing += [f"{twin.__name__}.{node.name}.{name}" for name in sorted(methods - members)]
    assert missing == []
