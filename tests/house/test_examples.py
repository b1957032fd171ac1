"""The examples of the README and of the pages for users are run, each in its own process.

A block that is not to be run says so: ```` ```python notest ````.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    "README.md",
    "docs/quickstart.md",
    "docs/which-scheduler.md",
    "docs/coming-from.md",
    "docs/pytest.md",
    "docs/guide.md",
    "docs/runs.md",
    "docs/stores.md",
    "docs/many-processes.md",
    "docs/leader.md",
)
# page -> the test that runs its examples in another way
ELSEWHERE = {
    "docs/recipes.md": "tests/recipes/test_recipes.py",
    "docs/engines.md": "tests/engines/test_page.py",
    "docs/dashboard.md": "tests/unit/dashboard/test_dashboard.py",
    "docs/cron.md": "tests/unit/triggers/test_cron_guide.py",
    "docs/calendars.md": "tests/unit/triggers/test_cron_guide.py",
}
_BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


def _examples() -> list[tuple[str, str]]:
    """(page:line, source) of every block that is to be run."""
    found = []
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        for match in _BLOCK.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            found.append((f"{page}:{line}", match[1]))
    return found


EXAMPLES = _examples()


def test_the_readme_has_examples() -> None:
    assert sum(place.startswith("README.md:") for place, _ in EXAMPLES) >= 4


def test_every_page_with_examples_is_listed() -> None:
    pages = [
        path
        for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))
        if "```python" in path.read_text()
    ]
    assert {path.relative_to(ROOT).as_posix() for path in pages} <= {*PAGES, *ELSEWHERE}
    assert all((ROOT / test).exists() for test in ELSEWHERE.values())


@pytest.mark.parametrize(("place", "source"), EXAMPLES, ids=[place for place, _ in EXAMPLES])
def test_example_runs(place: str, source: str, tmp_path: Path) -> None:
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(path for path in sys.path if path))
    script = tmp_path / "example.py"
    script.write_text(source, encoding="utf-8")
    command = [sys.executable, "-W", "error::DeprecationWarning:__main__", str(script)]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, env=environment, timeout=60, check=False
    )
    assert done.returncode == 0, f"{place} failed:\n{done.stderr}"
