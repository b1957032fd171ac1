"""The table of docs/which-scheduler.md says what the classes do."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[3] / "docs" / "which-scheduler.md"
ROW = re.compile(r"^\| `(\w+)` \| `(schedulers\.\w+)` \| `(\w+)` \| ([^|]+) \|", re.MULTILINE)
ROWS = ROW.findall(PAGE.read_text(encoding="utf-8"))


def test_every_scheduler_is_in_the_table() -> None:
    package = Path(__file__).resolve().parents[3] / "src" / "rapscheduler" / "schedulers"
    modules = {f"schedulers.{path.stem}" for path in package.glob("[a-z]*.py")} - {"schedulers.base"}
    assert {module for _, module, _, _ in ROWS} == modules


@pytest.mark.parametrize(("name", "module", "executor", "where"), ROWS, ids=[row[0] for row in ROWS])
def test_default_executors(name: str, module: str, executor: str, where: str) -> None:
    try:
        found = importlib.import_module(f"rapscheduler.{module}")
    except ImportError as exc:
        pytest.skip(str(exc))
    made = getattr(found, name)(timezone="UTC")._create_default_executor()
    assert type(made).__name__ == executor
    if where.startswith("10 threads"):
        workers = getattr(made, "_max_workers", None) or made._pool._max_workers
        assert workers == 10
