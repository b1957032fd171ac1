"""The six lines of the README, as a newcomer runs them: the package installed into an empty environment, the lines as a
program of their own, and the page that shows the running job.

The package is built without its compiled engine, which takes minutes; that a compiled one runs away from the checkout
is seen by `.ci/smoke.py`.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import urllib.request
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from rapscheduler._engine import NAME

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", "docs/dashboard.md")
STARTS = "from rapscheduler.dashboard import serve"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def lines_of(page: str) -> str:
    blocks = re.findall(
        r"^```python notest\n(.*?)^```", (ROOT / page).read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    (block,) = [one for one in blocks if one.startswith(STARTS)]
    return block


def test_there_are_six_and_the_pages_agree() -> None:
    told = {lines_of(page) for page in PAGES}
    assert len(told) == 1
    assert len([line for line in told.pop().splitlines() if line.strip()]) <= 6


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An interpreter of an environment with the package and nothing that it does not require."""
    folder = tmp_path_factory.mktemp("newcomer")
    venv.create(folder / "venv", with_pip=True)
    there = str(folder / "venv" / "bin" / "python")
    source = folder / "source"
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.split(
        b"\0"
    )
    for name in (os.fsdecode(one) for one in files if one.startswith((b"src/", b"ext/")) or b"/" not in one):
        if name and (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    install = [there, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    done = subprocess.run(
        [*install, str(source)],
        env={**os.environ, "RAPSCHEDULER_NO_EXTENSIONS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and re.search(r"No matching distribution|ConnectionError|Max retries", done.stderr):
        pytest.skip(f"nothing can be installed here: {done.stderr[-500:]}")
    assert done.returncode == 0, done.stderr
    return there


class Program:
    """The lines as a program; what it prints is heard as it comes."""

    def __init__(self, python: str, folder: Path) -> None:
        script = folder / "newcomer.py"
        script.write_text(lines_of("README.md"), "utf-8")
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "RAPSCHED"))
        }
        self.process = subprocess.Popen(
            [python, "-u", str(script)], cwd=folder, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.said: list[str] = []
        self.address: str | None = None
        self.served, self.greeted = threading.Event(), threading.Event()
        threading.Thread(target=self._hear, daemon=True).start()

    def _hear(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line)
            found = re.match(r"http://\S+", line)
            if found is not None:
                self.address = found[0]
                self.served.set()
            if line == "hello\n":
                self.greeted.set()


@pytest.fixture
def program(python: str, tmp_path: Path) -> Iterator[Program]:
    one = Program(python, tmp_path)
    yield one
    one.process.kill()
    one.process.wait()


@pytest.mark.skipif(NAME != "compiled", reason="installed once, in the run on the compiled engine")
def test_six_lines_run_a_job_and_show_it(program: Program) -> None:
    assert program.served.wait(60), "".join(program.said)
    assert program.greeted.wait(60), "".join(program.said)
    straight = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with straight.open(f"{program.address}", timeout=60) as answer:
        page = answer.read().decode()
    assert "all is well" in page and "greeting" in page and "interval[0:00:02]" in page
    with straight.open(f"{program.address}jobs/greeting", timeout=60) as answer:
        assert "every 2 seconds" in answer.read().decode()
    program.process.send_signal(signal.SIGINT)
    assert program.process.wait(60) == 0, "".join(program.said)
