"""A module that ends the program while a row has it imported costs the row; Ctrl-C while one is imported doesn't."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from rapscheduler._serialization.callables import find_callable
from rapscheduler.errors import DecodeError

RAISING = {
    "exit": "raise SystemExit(3)",
    "sysexit": "import sys; sys.exit(3)",
    "interrupt": "raise KeyboardInterrupt",
    "nested": "def f():\n    raise KeyboardInterrupt('own')\nf()",
    "again": "try:\n    raise KeyboardInterrupt\nexcept BaseException:\n    raise",
    "generator": "raise GeneratorExit",
    "cancelled": "import asyncio; raise asyncio.CancelledError",
    "own": "class Own(BaseException): pass\nraise Own('text')",
}


@pytest.fixture
def module(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)

    def module(name: str, text: str) -> str:
        (tmp_path / f"{name}.py").write_text(text + "\ndef job(): pass\n")
        return f"{name}:job"

    return module


@pytest.mark.parametrize("name", RAISING)
def test_what_a_module_raises_is_the_fault_of_the_row(module, name):
    with pytest.raises(DecodeError, match="can't be found"):
        find_callable(module(f"raising_{name}", RAISING[name]))


def test_so_it_is_in_another_thread(module):
    errors: list[BaseException] = []

    def look() -> None:
        try:
            find_callable(module("raising_elsewhere", RAISING["interrupt"]))
        except BaseException as exc:
            errors.append(exc)

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert [type(exc) for exc in errors] == [DecodeError]


SENDS_ITSELF = "import os, signal\nos.kill(os.getpid(), signal.{name})\nfor _ in range(10**9): pass"


def test_ctrl_c_goes_through(module):
    with pytest.raises(KeyboardInterrupt):
        find_callable(module("interrupted", SENDS_ITSELF.format(name="SIGINT")))


class Handler:
    def __call__(self, *args: object) -> None:
        sys.exit(5)

    def method(self, *args: object) -> None:
        raise KeyboardInterrupt


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="signals of POSIX")
@pytest.mark.parametrize("number", range(3))
def test_the_end_by_a_handler_of_the_programs_goes_through(module, number):
    handler = [lambda *args: sys.exit(5), Handler(), Handler().method][number]
    before = signal.signal(signal.SIGUSR1, handler)
    try:
        with pytest.raises((SystemExit, KeyboardInterrupt)):
            find_callable(module(f"ended_{number}", SENDS_ITSELF.format(name="SIGUSR1")))
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_get_jobs_goes_on_after_a_module_that_ends_the_program(tmp_path):
    (tmp_path / "ending.py").write_text("def job(): pass\n")
    program = f"""
import sqlite3, sys
sys.path.insert(0, {str(tmp_path)!r})
from rapscheduler.schedulers.background import BackgroundScheduler
def scheduler():
    made = BackgroundScheduler(timezone="UTC", jobstores={{"default": {{"type": "sqlalchemy", "url": "sqlite:///{tmp_path}/jobs.db"}}}})
    made.start(paused=True)
    return made
first = scheduler()
for job_id, func in (("odd", "ending:job"), ("good", "os:getpid")):
    first.add_job(func, "interval", hours=1, id=job_id)
first.shutdown()
open({str(tmp_path / "ending.py")!r}, "w").write("raise SystemExit(3)")
sys.modules.pop("ending")
second = scheduler()
print([job.id for job in second.get_jobs()], [one.job_id for one in second.get_parked_jobs()])
second.shutdown()
"""
    (tmp_path / "program.py").write_text(program)
    paths = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, "-B", str(tmp_path / "program.py")],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": paths},
        cwd=Path(tmp_path),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["['good']", "['odd']"]
