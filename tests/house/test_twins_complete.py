"""The path is the name: every room of the cellar has its papers.

``ext/rapscheduler/_engine/X.pyx`` + ``X.pxd`` · ``src/rapscheduler/_reference/X.py``, which states the contract ·
``tests/unit/_engine/test_X.py`` · and one line in ``src/rapscheduler/_engine/X.pyi``: the types are the reference's.
That the twins show the same names is asked in ``tests/twins``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from rapscheduler._engine import ROOMS, _seen_by_freezers

ROOT = Path(__file__).resolve().parents[2]
PAPERS = {
    "pyx": "ext/rapscheduler/_engine/{room}.pyx",
    "pxd": "ext/rapscheduler/_engine/{room}.pxd",
    "reference": "src/rapscheduler/_reference/{room}.py",
    "stub": "src/rapscheduler/_engine/{room}.pyi",
    "test": "tests/unit/_engine/test_{room}.py",
}


def _rooms() -> list[str]:
    """Every room with at least one of its papers (a twin's private rooms, ``_x``, are its own business)."""
    names = {path.stem for paper in PAPERS.values() for path in ROOT.glob(paper.format(room="*"))}
    names = {name.removeprefix("test_") for name in names}
    return sorted(name for name in names if not name.startswith("_"))


def test_every_room_has_its_papers() -> None:
    rooms = [room for room in _rooms() if room not in ONLY_TESTS]
    missing = [
        path
        for room in rooms
        for path in (pattern.format(room=room) for pattern in PAPERS.values())
        if not (ROOT / path).exists()
    ]
    assert missing == []
    assert sorted(ROOMS) == rooms


@pytest.mark.parametrize("room", ROOMS)
def test_the_stub_is_the_reference_twin(room: str) -> None:
    stub = (ROOT / PAPERS["stub"].format(room=room)).read_text()
    assert stub == f"from rapscheduler._reference.{room} import *\n"


#: what is tested of the engine beyond its rooms
ONLY_TESTS = {"choice", "held", "leaks", "leaks_of_runs", "quick_runs"}


def test_those_who_freeze_programs_see_every_room() -> None:
    assert sorted(_seen_by_freezers.__code__.co_varnames) == sorted(ROOMS)
