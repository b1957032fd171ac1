"""The table of `docs/compare.md` says what we answer, and what APScheduler does where it is installed."""

from __future__ import annotations

import importlib.util
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def field() -> Any:
    spec = importlib.util.spec_from_file_location("field_of_docs", ROOT / "docs" / "field.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def column(field: Any, head: str) -> dict[str, str]:
    """Row -> cell, of one column of the page."""
    lines = (ROOT / "docs" / "compare.md").read_text("utf-8").splitlines()
    cells = [[cell.strip() for cell in line.split(" | ")] for line in lines if line.startswith("| ")]
    (place,) = [row.index(head) for row in cells if head in row]
    texts = {row[0].removeprefix("| "): row[place] for row in cells if len(row) == len(field.PACKAGES) + 2}
    return {name: texts[text] for name, text in field.ROWS.items() if name != "beside"}


@pytest.mark.parametrize("name", ["rapscheduler", "APScheduler"])
def test_a_column_is_what_the_package_answers(name: str, field: Any) -> None:
    head = name
    if name == "APScheduler":
        head = f"{name} {field.PACKAGES[name].partition('==')[2]}"
        try:
            if version("apscheduler") != head.split()[1]:
                pytest.skip(f"another APScheduler than {head} is installed here")
        except PackageNotFoundError:
            pytest.skip("APScheduler is not installed here")
    assert column(field, head) == field.asked(sys.executable, name)
