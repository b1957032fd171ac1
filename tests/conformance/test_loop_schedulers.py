"""Runs the contract of schedulers in every event loop there is, each loop in a process of its own."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

LOOPS = {
    "asyncio": ("asyncio", {}),
    "asyncio-uvloop": ("uvloop", {"RAPSCHEDULER_TEST_UVLOOP": "1"}),
    "gevent": ("gevent", {}),
    "gevent-patched": ("gevent", {"RAPSCHEDULER_TEST_PATCHED": "1"}),
    "tornado": ("tornado", {}),
    "twisted": ("twisted", {}),
    "qt-PySide6": ("PySide6.QtCore", {"RAPSCHEDULER_TEST_QT": "PySide6"}),
    "qt-PyQt6": ("PyQt6.QtCore", {"RAPSCHEDULER_TEST_QT": "PyQt6"}),
}
HERE = Path(__file__).parent / "loops"
ROOT = Path(__file__).parents[2]
LEAST_TESTS = 15


def is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


@pytest.fixture(scope="module")
def processes():
    """All loops at once; most of the time they wait."""
    running = {}
    for name, (module, environment) in LOOPS.items():
        if is_there(module):
            command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "pytest_timeout"]
            running[name] = subprocess.Popen(
                [*command, str(HERE / f"on_{name.split('-')[0]}.py")],
                cwd=ROOT,
                env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **environment},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
    yield running
    for process in running.values():
        process.kill()
        process.communicate()


@pytest.mark.parametrize("name", LOOPS)
def test_the_contract_holds_in(name, processes):
    if name not in processes:
        if os.environ.get("RAPSCHEDULER_REQUIRE_LOOPS"):
            pytest.fail(
                f"{LOOPS[name][0]} is not installed, and RAPSCHEDULER_REQUIRE_LOOPS asks for every loop"
            )
        pytest.skip(f"{LOOPS[name][0]} is not installed")
    out, err = processes[name].communicate(timeout=100)
    passed = re.search(r"(\d+) passed", out)
    assert processes[name].returncode == 0, out[-6000:] + err[-2000:]
    assert passed is not None
    assert int(passed[1]) >= LEAST_TESTS
    assert err == "", "noise at the exit of the interpreter"
