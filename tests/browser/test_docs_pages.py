"""The documentation as people see it: each page in the side bar once, no table that is cut off at 1280 px."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.browser.pages import screen

for package in ("sphinx", "furo", "myst_parser"):
    pytest.importorskip(package)

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
CUT = """
const wide = [];
for (const table of document.querySelectorAll('article table')) {
    const box = table.closest('.table-wrapper') || document.querySelector('article');
    const edge = Math.min(box.getBoundingClientRect().right, window.innerWidth);
    for (const row of table.rows) {
        const last = row.cells[row.cells.length - 1].getBoundingClientRect().right;
        if (last > edge + 1) { wide.push([row.innerText.slice(0, 60), Math.round(last - edge)]); break; }
    }
}
return wide;
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs")
    path = os.pathsep.join(one for one in sys.path if one)
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-b", "html", "-d", str(folder / "trees"), "docs", str(folder / "html")],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    return folder / "html"


@pytest.fixture
def desk(browser: Any) -> Iterator[Any]:
    with screen(browser, "light", 1280):
        yield browser


def test_no_table_is_cut_off(built: Path, desk: Any) -> None:
    cut, tables = {}, 0
    for page in sorted(built.glob("*.html")):
        desk.get(page.as_uri())
        tables += len(desk.find_elements("css selector", "article table"))
        found = desk.execute_script(CUT)
        if found:
            cut[page.name] = found
    assert cut == {} and tables > 50


def test_a_table_that_is_cut_off_is_seen(built: Path, desk: Any) -> None:
    desk.get((built / "stores.html").as_uri())
    desk.execute_script("document.querySelector('article table').style.minWidth = '3000px';")
    ((_, pixels),) = desk.execute_script(CUT)
    assert pixels > 500


def test_each_page_is_in_the_side_bar_once(built: Path, desk: Any) -> None:
    pages = {path.stem for path in (ROOT / "docs").glob("*.md")} - {"index"}
    for name in ("index", "guide", "performance"):
        desk.get((built / f"{name}.html").as_uri())
        links = desk.find_elements("css selector", ".sidebar-tree a.reference")
        shown = [str(one.get_property("href")).partition("#")[0].rpartition("/")[2] for one in links]
        assert sorted(shown) == sorted(f"{page}.html" for page in pages)
