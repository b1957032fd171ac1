"""Which engine serves: the wish, a missing extension, a broken one. Each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rapscheduler import _engine

SRC = Path(_engine.__file__).parents[2]
TELL = "from rapscheduler import _engine; from rapscheduler._engine import cron; print(_engine.NAME, cron.__name__)"
HIDE = """
import importlib.util as util
known = util.find_spec
util.find_spec = lambda name, *rest: None if name == "rapscheduler._engine.cron" else known(name, *rest)
"""
BREAK = """
import sys
from importlib.machinery import ModuleSpec
class Broken:
    def find_spec(self, name, path=None, target=None):
        return ModuleSpec(name, self) if name == "rapscheduler._engine.cron" else None
    def create_module(self, spec): return None
    def exec_module(self, module): raise ImportError("undefined symbol: PyFoo")
sys.meta_path.insert(0, Broken())
"""
needs_compiled = pytest.mark.skipif(
    _engine.NAME != "compiled", reason="this process runs without the compiled engine"
)


def run(code: str, wish: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(SRC), "RAPSCHEDULER_ENGINE": wish}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )


@needs_compiled
@pytest.mark.parametrize("wish", ["", "auto", "compiled"])
def test_compiled(wish: str) -> None:
    done = run(TELL, wish)
    assert done.stdout.split() == ["compiled", "rapscheduler._engine.cron"]
    assert done.stderr == ""


def test_reference_loads_no_extension() -> None:
    code = TELL + "; import sys; print([m for m in sys.modules if getattr(sys.modules[m], '__file__', None)"
    done = run(code + " and '_engine' in m and not sys.modules[m].__file__.endswith('.py')])", "reference")
    assert done.stdout.split() == ["reference", "rapscheduler._reference.cron", "[]"]
    assert done.stderr == ""


@pytest.mark.parametrize("room", ["cron", *sorted(_engine.LATER)])
@pytest.mark.parametrize("name", ["reference", pytest.param("compiled", marks=needs_compiled)])
def test_both_ways_of_importing_a_room_give_the_chosen_twin(name: str, room: str) -> None:
    package = "_engine" if name == "compiled" else "_reference"
    code = f"import rapscheduler._engine.{room} as a; from rapscheduler._engine import {room} as b"
    code += "; print(a is b, a.__name__)"
    assert run(code, name).stdout.split() == ["True", f"rapscheduler.{package}.{room}"]


@needs_compiled
def test_a_compiled_room_that_few_need_is_not_loaded_with_the_others() -> None:
    code = "import sys, rapscheduler._engine; print([m for m in sys.modules if m.endswith('log_lines')])"
    assert run(code, "compiled").stdout.strip() == "[]"


@needs_compiled
def test_a_missing_extension_falls_back_with_one_line() -> None:
    done = run(HIDE + TELL, "auto")
    assert done.stdout.split() == ["reference", "rapscheduler._reference.cron"]
    assert len(done.stderr.splitlines()) == 1
    assert "The compiled engine is missing (cron): running on the reference engine" in done.stderr


@needs_compiled
def test_a_missing_extension_that_was_wished_for_raises_with_advice() -> None:
    done = run(HIDE + TELL, "compiled")
    assert (
        "ImportError: RAPSCHEDULER_ENGINE=compiled, but the compiled engine is missing (cron). Build it"
        in done.stderr
    )


@needs_compiled
@pytest.mark.parametrize("wish", ["auto", "compiled"])
def test_a_broken_extension_raises(wish: str) -> None:
    done = run(BREAK + TELL, wish)
    assert done.returncode
    assert "is there but does not load: rapscheduler._engine.cron: undefined symbol: PyFoo" in done.stderr


def test_a_wrong_wish() -> None:
    done = run(TELL, "fast")
    assert "RAPSCHEDULER_ENGINE must be auto, compiled or reference, not 'fast'" in done.stderr
