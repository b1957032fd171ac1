"""Libraries over APScheduler, used as their documentation shows: the same program shows the same with both packages.

Here: which programs, what they need, the comparison. Not here: the programs (`downstream/*.py`). Each runs twice, in
processes of its own: with APScheduler, and with this package under its name. RAPSCHEDULER_REQUIRE_DOWNSTREAM: a library
that is missing fails instead of skips (`pip install rapscheduler[downstream]`).
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent / "downstream"
PROGRAMS = {
    "flask_apscheduler_app": ["flask_apscheduler"],
    "django_apscheduler_app": ["django_apscheduler"],
    "telegram_app": ["telegram"],
    "di_app": ["apscheduler_di", "six"],
    "nonebot_app": ["nonebot", "nonebot_plugin_apscheduler"],
    "web_ui_app": ["apschedulerui", "flask_socketio"],
}


def shown(program: str, side: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(HERE / "run.py"), str(HERE / f"{program}.py"), side],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "TZ": "Europe/Berlin",
        },
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(("program", "modules"), PROGRAMS.items(), ids=list(PROGRAMS))
def test_a_library_over_the_scheduler_shows_the_same(program, modules):
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing and os.environ.get("RAPSCHEDULER_REQUIRE_DOWNSTREAM"):
        pytest.fail(f"{missing} not installed, and RAPSCHEDULER_REQUIRE_DOWNSTREAM asks for every program")
    if missing:
        pytest.skip(f"{missing} not installed")
    there, here = shown(program, "there").splitlines(), shown(program, "here").splitlines()
    assert len(there) > 2
    assert here == there
