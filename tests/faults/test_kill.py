"""A few kills in every run; `make kill-test` makes a hundred per store and prints the figures of docs/stores.md."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.faults import kill

pytestmark = [pytest.mark.faults, pytest.mark.slow]
ROOT = Path(__file__).parents[2]
KILLS = 6


@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
def test_a_killed_scheduler_loses_no_job_and_no_run(store, request):
    command = [sys.executable, "-m", "tests.faults.kill", "--kills", str(KILLS), "--store", store]
    if store != "sqlite":
        command += ["--url", request.getfixturevalue("server_url")(store)]
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, cwd=ROOT, env=os.environ | {"PYTHONPATH": paths}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{KILLS} kills" in done.stdout


def account_of(tmp_path: Path, lines: str, stored: dict[str, int | None]) -> Any:
    """The account of a made-up log: one interval job whose slots are at 1, 2, … tenths of a second."""
    test = kill.KillTest("sqlite", "sqlite://", tmp_path)
    test.start = kill._EPOCH
    test.path.write_text(lines)
    test._stored = lambda: dict.fromkeys((f"every-{n}" for n in range(kill.JOBS)), 100_000) | stored  # type: ignore[method-assign]
    return test._account(1)


COMPLETE = "L 0\nA once\nR every-0 100000\nS\nR every-0 200000\nL 1\nR every-0 200000\nR once 5\nS\n"


def test_the_account_of_a_clean_test(tmp_path):
    account = account_of(tmp_path, COMPLETE, {"every-0": 300_000})
    assert account.clean
    assert (account.runs, account.repeated, account.most_repeated) == (4, 1, 1)


@pytest.mark.parametrize(
    ("lines", "stored", "failure"),
    [
        (COMPLETE, {"every-0": 400_000}, "runs_lost"),
        (COMPLETE.replace("R once 5\n", ""), {"every-0": 300_000}, "jobs_lost"),
        (COMPLETE.replace("L 1\n", "S\nL 1\n"), {"every-0": 300_000}, "repeated_outside"),
    ],
)
def test_the_account_notices_what_went_wrong(tmp_path, lines, stored, failure):
    account = account_of(tmp_path, lines, stored)
    assert not account.clean
    assert getattr(account, failure)
