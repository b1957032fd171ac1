"""No file imports, by whatever way, itself: imports for annotations count too, as they tie what is written together.

And nobody below the scheduler's own floors touches its private names, but for those that are APScheduler's contract.
"""

from __future__ import annotations

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "rapscheduler"
# What APScheduler's own executors, stores and jobs ask of a scheduler: packages written for it rely on these.
CONTRACT = {"_create_lock", "_dispatch_event", "_eventloop", "_hub", "_ioloop", "_reactor"}
# What a part of ours that stands on the scheduler's floor or above may use: it is made of it.
ABOVE = ("schedulers", "_scheduling", "testing", "cli", "dashboard")


def _modules() -> dict[str, Path]:
    names = {}
    for path in SOURCE.rglob("*.py"):
        parts = path.relative_to(SOURCE.parent).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return names


def _imports(name: str, path: Path, modules: dict[str, Path]) -> set[str]:
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parts, *([node.module] if node.module else [])])
            found |= {f"{base}.{a.name}" if f"{base}.{a.name}" in modules else base for a in node.names}
    return {one for one in found if one in modules and one != name}


def _circle(graph: dict[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        return circle
    return []


def test_no_file_stands_in_a_circle_of_imports() -> None:
    modules = _modules()
    assert _circle({name: _imports(name, path, modules) for name, path in modules.items()}) == []


def test_a_circle_would_be_seen() -> None:
    assert _circle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) != []


def test_privates_of_a_scheduler_stay_on_its_floor() -> None:
    touched = {}
    for path in SOURCE.rglob("*.py"):
        room = path.relative_to(SOURCE).parts[0]
        if room not in ABOVE:
            names = set(re.findall(r"\bscheduler\.(_[a-z]\w*)", path.read_text(encoding="utf-8")))
            names |= set(re.findall(r"""\(self\._scheduler, "(_\w+)\"""", path.read_text(encoding="utf-8")))
            names -= {name for name in names if (SOURCE / name).exists() or (SOURCE / f"{name}.py").exists()}
            if names - CONTRACT:
                touched[str(path.relative_to(SOURCE))] = sorted(names - CONTRACT)
    assert touched == {}
