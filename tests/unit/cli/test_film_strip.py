"""The film strip of the docs shows what the demo really prints, frame by frame."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

DOCS = Path(__file__).parents[3] / "docs"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def film() -> Any:
    spec = importlib.util.spec_from_file_location("film", DOCS / "film.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["film"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["film"]


def lines_of(text: str) -> list[str]:
    return [str(one.text) for one in ElementTree.fromstring(text).iter(f"{SVG}text")]


def test_frames_are_the_lines_as_they_came(film: Any) -> None:
    said = [
        film.Said(0.4, "adding:  50%  1 jobs/s"),
        film.Said(1.0, "adding: 100%  2 jobs/s"),
        film.Said(3.2, "running:  50%  <b>&"),
        film.Said(9.7, "running: 100%  9 fires"),
        film.Said(9.8, ""),
        film.Said(9.8, "rapscheduler demo"),
        film.Said(9.8, "  jobs   7"),
    ]
    first, second, third = film.frames(said, "$ it")
    assert first == ("after 0 s", ["$ it", "adding:  50%  1 jobs/s"])
    assert (
        second[0] == "after 10 s"
        and second[1][0] == "$ it"
        and second[1][1:] == [one.text for one in said[:4]]
    )
    assert third == ("the account", ["rapscheduler demo", "  jobs   7"])
    text = film.strip([first, second, third], "A & B")
    assert [one for one in lines_of(text) if one not in ("after 0 s", "after 10 s", "the account")] == [
        *first[1],
        *second[1],
        *third[1],
    ]
    assert "prefers-color-scheme:dark" in text and "http" not in text.replace(
        "http://www.w3.org/2000/svg", ""
    )


def test_a_demo_becomes_a_strip(film: Any, tmp_path: Path) -> None:
    film.main(["--jobs", "5000", "--seconds", "1", "--to", str(tmp_path / "demo.svg")])
    lines = lines_of((tmp_path / "demo.svg").read_text(encoding="utf-8"))
    assert "$ rapscheduler demo --jobs 5000 --seconds 1 --plain" in lines
    assert any(re.match(r"  jobs +5,000 ", one) for one in lines) and any("skipped" in one for one in lines)


def test_a_demo_that_fails_is_no_film(film: Any) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        film.watched([sys.executable, "-c", "raise SystemExit(3)"])


def test_the_strip_of_the_docs_is_whole() -> None:
    lines = lines_of((DOCS / "pictures" / "demo.svg").read_text(encoding="utf-8"))
    for what in ("adding: 100%", "running: 100%", "  lateness p50", "  skipped", "  doubled", "the account"):
        assert any(one.startswith(what) for one in lines), what
    for page in ("README.md", "docs/quickstart.md"):
        assert "pictures/demo.svg" in (DOCS.parent / page).read_text(encoding="utf-8")
