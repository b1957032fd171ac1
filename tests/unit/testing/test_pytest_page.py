"""The test files of docs/pytest.md, run by pytest as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parents[3] / "docs" / "pytest.md"


def test_the_files_of_the_page_run(tmp_path: Path) -> None:
    text = PAGE.read_text(encoding="utf-8")
    files = dict(re.findall(r"^```python notest\n# (\w+\.py)\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
    assert set(files) == {"conftest.py", "test_reports.py"}
    for name, source in files.items():
        (tmp_path / name).write_text(source, encoding="utf-8")
    runner = "import asyncio, inspect, pytest\n@pytest.hookimpl(tryfirst=True)\ndef pytest_pyfunc_call(pyfuncitem):\n"
    runner += "    if inspect.iscoroutinefunction(pyfuncitem.obj):\n"
    runner += "        names = pyfuncitem._fixtureinfo.argnames\n"
    runner += "        asyncio.run(pyfuncitem.obj(**{one: pyfuncitem.funcargs[one] for one in names}))\n"
    runner += "        return True\n"
    (tmp_path / "runs_coroutines.py").write_text(runner, encoding="utf-8")  # as pytest-asyncio would
    paths = [str(tmp_path), *(path for path in sys.path if path)]
    words = [
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:asyncio",
        "-p",
        "no:anyio",
        "-p",
        "runs_coroutines",
        "test_reports.py",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words], cwd=tmp_path, capture_output=True, text=True, timeout=100,
        check=False, env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )  # fmt: skip
    assert done.returncode == 0 and "3 passed" in done.stdout, done.stdout + done.stderr
