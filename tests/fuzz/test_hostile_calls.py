"""The compiled engine may refuse what makes no sense; it may not crash."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rapscheduler import _engine

pytestmark = pytest.mark.slow

PROGRAM = Path(__file__).with_name("hostile_calls.py")


@pytest.mark.skipif(_engine.NAME != "compiled", reason="Python cannot crash")
@pytest.mark.parametrize("seed", [1, 2])
def test_no_call_crashes_the_interpreter(seed):
    """Every class, function and method of the compiled rooms, with values of all kinds and uninitialised objects."""
    paths = [str(Path(_engine.__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(seed), "15000", "-v"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        check=False,
    )
    told = [line for line in done.stderr.splitlines() if not line.startswith("  File")]
    assert done.returncode == 0, "\n".join(told[-12:])
    assert "15000 calls" in done.stdout


def test_a_none_among_the_jobs_is_an_error(engine):
    """Found by the leak test: it was a crash."""
    for wrong in ([None], ["x"]):
        with pytest.raises((AttributeError, TypeError)):
            engine.planning.plan_due(wrong, 0)
        with pytest.raises((AttributeError, TypeError)):
            engine.job_table.settle_changes(wrong, {}, engine.due_index.DueIndex())
        with pytest.raises((AttributeError, TypeError)):
            engine.job_table.restore_taken(wrong, {}, {}, engine.due_index.DueIndex())


def test_a_zone_table_that_nobody_initialised_is_no_crash(engine):
    """Found by hostile calls: ``ZoneTable.__new__(ZoneTable)`` had no transitions to search."""
    zone = engine.timezone.ZoneTable.__new__(engine.timezone.ZoneTable)
    try:
        assert zone.offset_at(10**9) == 0
    except AttributeError:
        assert engine.NAME == "reference"
