"""Objects that change the world while the engine reads them, and allocations that fail: programs that may not crash.

They run in processes of their own; `make sanitize` runs them on the engine with AddressSanitizer.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rapscheduler import _engine

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
ROUNDS = 2000


def run(name: str, *arguments: str) -> str:
    """Run a program on the engine of this process; what it printed."""
    paths = [str(Path(_engine.__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, str(HERE / name), *arguments, "-v"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        check=False,
    )
    assert done.returncode == 0, "\n".join(done.stderr.splitlines()[-40:])
    print(done.stdout)
    return done.stdout


@pytest.mark.skipif(_engine.NAME != "compiled", reason="Python cannot crash")
@pytest.mark.parametrize("seed", [1, 2])
def test_objects_that_change_what_is_read(seed: int) -> None:
    """Tzinfos, triggers, ids, numbers, datetimes and lists that act in every method; the table stays whole."""
    told = run("hostile_objects.py", str(seed), str(ROUNDS))
    assert told.startswith(f"{ROUNDS} rounds")
    assert int(told.split(" rounds, ")[1].split()[0]) > ROUNDS  # they did act


@pytest.mark.skipif(
    _engine.NAME != "compiled", reason="the reference engine is Python, which allocates anywhere"
)
@pytest.mark.skipif(
    importlib.util.find_spec("_testcapi") is None,
    reason="NOT TESTED: this Python has no _testcapi, so nothing can make its allocations fail",
)
def test_allocations_that_fail() -> None:
    """Each allocation of each step fails once, and all from it on: no job is lost, and nothing is remembered."""
    told = run("failing_allocations.py")
    assert int(told.split()[0]) > 1000
