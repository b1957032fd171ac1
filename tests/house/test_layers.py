"""The floors of docs/house.md hold: a room imports only from floors below it, the cellar nothing of ours.

The Python rooms are checked by import-linter from the contract in pyproject.toml. It does not read Cython,
so the cellar's sources are read here.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_IMPORT = re.compile(
    r"^\s*(?:from|import|cimport)\s+(rapscheduler[\w.]*)(?:\s+c?import\s+(.*))?", re.MULTILINE
)


def _foreign_imports(source: str) -> list[str]:
    """The imports of our own package in ``source`` that lead out of ``rapscheduler._engine``."""
    found = []
    for module, names in _IMPORT.findall(source):
        inside = module == "rapscheduler._engine" or module.startswith("rapscheduler._engine.")
        from_root = module == "rapscheduler" and names.split()[:1] == ["_engine"]
        if not inside and not from_root:
            found.append(module)
    return found


def test_rooms_import_only_from_floors_below() -> None:
    # In a process of its own: import-linter configures logging and so disables the loggers that other tests read.
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(path for path in sys.path if path))
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_cellar_imports_nothing_from_above() -> None:
    sources = [*(ROOT / "ext").rglob("*.pyx"), *(ROOT / "ext").rglob("*.pxd")]
    assert sources, "no Cython source below ext/: is the tree complete?"
    offenders = {str(path.relative_to(ROOT)): _foreign_imports(path.read_text()) for path in sources}
    assert {path: names for path, names in offenders.items() if names} == {}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("from rapscheduler._engine.calendar cimport weekday", []),
        ("cimport cython\nfrom rapscheduler._engine cimport cron", []),
        ("from rapscheduler.job import Job", ["rapscheduler.job"]),
        ("    import rapscheduler.util", ["rapscheduler.util"]),
        ("from rapscheduler import job", ["rapscheduler"]),
    ],
)
def test_the_reader_of_cython_imports_sees_them(source: str, expected: list[str]) -> None:
    assert _foreign_imports(source) == expected
