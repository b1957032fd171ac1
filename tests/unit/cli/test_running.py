"""``rapscheduler run`` and ``exec`` as processes: signals, settings, crontabs, a reload."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rapscheduler.cli import main
from rapscheduler.cli._answers import CommandError
from rapscheduler.cli.running import serve
from rapscheduler.cli.running.settings import from_environment, scheduler_of_settings
from rapscheduler.schedulers.background import BackgroundScheduler

PROGRAM = """
import time
from rapscheduler.schedulers.{module} import {kind}

def tick():
    print("begun", flush=True)
    time.sleep({takes})
    print("ended", flush=True)

scheduler = {kind}(timezone="UTC")
scheduler.add_job(tick, "interval", seconds=60, next_run_time=__import__("datetime").datetime.now())

async def make():
    return scheduler
"""


def began(folder: Path, *words: str, **environment: str) -> subprocess.Popen[str]:
    path = os.pathsep.join(one for one in sys.path if one)
    return subprocess.Popen(
        [sys.executable, "-m", "rapscheduler", "run", *words],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", **environment},
    )  # fmt: skip


def read_until(process: subprocess.Popen[str], wanted: Callable[[str], bool]) -> str:
    """What it says, up to the first line that is wanted."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if wanted(line):
            return said
    raise AssertionError(f"it ended: {said}")


def ended(process: subprocess.Popen[str], number: int = signal.SIGTERM) -> tuple[int, str]:
    process.send_signal(number)
    said, _ = process.communicate(timeout=30)
    return process.returncode, said


@pytest.mark.parametrize(
    ("module", "kind", "name"),
    [
        ("background", "BackgroundScheduler", "scheduler"),
        ("blocking", "BlockingScheduler", "scheduler"),
        ("asyncio", "AsyncIOScheduler", "scheduler"),
        ("asyncio", "AsyncIOScheduler", "make"),
    ],
)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_after_the_job_that_runs(
    module: str, kind: str, name: str, number: int, tmp_path: Path
) -> None:
    (tmp_path / "jobs_here.py").write_text(PROGRAM.format(module=module, kind=kind, takes=0.5))
    process = began(tmp_path, f"jobs_here:{name}")
    read_until(process, lambda line: "begun" in line)
    code, said = ended(process, number)
    assert code == 0 and "ended" in said


def test_jobs_that_take_too_long_at_the_end_are_told(tmp_path: Path) -> None:
    (tmp_path / "jobs_here.py").write_text(
        PROGRAM.format(module="background", kind="BackgroundScheduler", takes=5)
    )
    process = began(tmp_path, "jobs_here:scheduler", "--stop-timeout", "0.2")
    read_until(process, lambda line: "begun" in line)
    process.send_signal(signal.SIGTERM)
    read_until(process, lambda line: "still running" in line)
    assert ended(process)[0] == 128 + signal.SIGTERM  # the second signal


def test_a_scheduler_of_settings(tmp_path: Path) -> None:
    pytest.importorskip("sqlalchemy")
    config = tmp_path / "scheduler.toml"
    config.write_text(
        '[scheduler]\ntimezone = "UTC"\n[scheduler.jobstores.default]\ntype = "memory"\n'
        '[[jobs]]\nid = "a"\nfunc = "os:getpid"\ncron = "0 0 * * 1"\n'
        '[[jobs]]\nid = "b"\nfunc = "os:getpid"\ntrigger = "interval"\nminutes = 5\n'
    )
    environment = {
        "RAPSCHEDULER_TIMEZONE": "Europe/Berlin",
        "RAPSCHEDULER_JOB_DEFAULTS__MAX_INSTANCES": "3",
        "RAPSCHEDULER_JOBSTORES__DEFAULT__TYPE": "sqlalchemy",
        "RAPSCHEDULER_JOBSTORES__DEFAULT__URL": f"sqlite:///{tmp_path}/jobs.sqlite",
        "RAPSCHEDULER_ENGINE": "reference",
    }
    scheduler = scheduler_of_settings(str(config), environment)
    assert str(scheduler.timezone) == "Europe/Berlin"
    scheduler.start(paused=True)
    try:
        jobs = {job.id: job for job in scheduler.get_jobs()}
        assert jobs["a"].next_run_time.weekday() == 0 and str(jobs["a"].trigger.timezone) == "Europe/Berlin"
        assert jobs["b"].max_instances == 3
        assert (tmp_path / "jobs.sqlite").exists()
    finally:
        scheduler.shutdown()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[sheduler]", r"\[sheduler\] is unknown"),
        ("[[jobs]]\nid = 'a'", "func is missing"),
        ("[scheduler]\nclass = 'other'", "there are background"),
        ("[scheduler", "scheduler.toml"),
        ("[[jobs]]\nfunc = 'nosuch:f'", "nosuch"),
    ],
)
def test_settings_that_are_refused(text: str, message: str, tmp_path: Path) -> None:
    config = tmp_path / "scheduler.toml"
    config.write_text(text)
    with pytest.raises(CommandError, match=message):
        scheduler_of_settings(str(config), {})


def test_settings_of_the_environment_that_contradict() -> None:
    with pytest.raises(CommandError, match="both set"):
        from_environment({"RAPSCHEDULER_A": "1", "RAPSCHEDULER_A__B": "2"})


def test_a_crontab_is_run(tmp_path: Path) -> None:
    (tmp_path / "crontab").write_text(
        "GREETING=hello\n@every 1s echo $GREETING; cat%from%stdin\n@reboot sleep 60\n@reboot exit 3\n"
    )
    process = began(tmp_path, "--crontab", "crontab", "--timeout", "1")
    said = read_until(process, lambda line: "ended after 1 s: sleep 60" in line)
    said += read_until(process, lambda line: "line 2: 'stdin'" in line)
    assert "line 2: 'hello'" in said and "line 2: 'from'" in said and "exit code 3: exit 3" in said
    assert ended(process)[0] == 0


def test_a_change_of_a_source_begins_anew(tmp_path: Path) -> None:
    program = tmp_path / "jobs_here.py"
    source = PROGRAM.format(module="background", kind="BackgroundScheduler", takes=0)
    program.write_text(source)
    process = began(tmp_path, "jobs_here:scheduler", "--reload")
    read_until(process, lambda line: "begun" in line)
    time.sleep(0.1)
    program.write_text(source.replace("begun", "begun again"))
    said = read_until(process, lambda line: "begun again" in line)
    assert "a source file has changed" in said
    assert ended(process)[0] == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give one of"),
        (["a:b", "--crontab", "x"], "give one of"),
        (["nonsense"], "module:name"),
        (["nosuch_module:x"], "PYTHONPATH"),
        (["os:nosuch"], "os has no nosuch"),
        (["os:sep"], "no scheduler"),
        (["sqlite:///x.db"], "name the jobs"),
        (["--crontab", "/nonexistent"], "nonexistent"),
    ],
)
def test_run_refuses(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", *words]) == 2
    assert message in capsys.readouterr().err


def test_exec_runs_a_program_of_apscheduler(tmp_path: Path) -> None:
    (tmp_path / "helper_of_program.py").write_text("NAME = 'helper'\n")
    (tmp_path / "program.py").write_text(
        "import sys, helper_of_program\nfrom apscheduler.schedulers.background import BackgroundScheduler\n"
        "print(BackgroundScheduler.__module__, sys.argv, __name__, helper_of_program.NAME)\nsys.exit(7)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(one for one in sys.path if one)}
    for words in (["program.py", "--x", "-m"], ["-m", "program", "--x", "-m"]):
        done = subprocess.run(
            [sys.executable, "-m", "rapscheduler", "exec", *words],
            cwd=tmp_path, capture_output=True, text=True, env=environment, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 7, done.stderr
        assert done.stdout.startswith("rapscheduler.schedulers.background ['")
        assert "'--x', '-m'] __main__ helper" in done.stdout
    assert main(["exec", "no-such.py"]) == 2
    assert main(["exec"]) == 2


SIGNAL_AT_EACH_LINE = """
import os, signal, sys, threading
from rapscheduler.cli.running import serve
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.schedulers.blocking import BlockingScheduler

class Background(BackgroundScheduler):
    running = True
    def shutdown(self, wait=True, timeout=None): pass

class Blocking(BlockingScheduler):
    def start(self): self.over = threading.Semaphore(0); self.over.acquire()
    def shutdown(self, wait=True, timeout=None): self.over.release()

announce = serve._announce

def reached(kind, line):
    "Serve; SIGTERM at that line of the main thread after the announcement. False: it was asleep before it came there."
    lines, sent = 0, False

    def send():
        nonlocal sent
        sent = True
        os.kill(os.getpid(), signal.SIGTERM)

    def trace(frame, event, arg):
        nonlocal lines
        if event == "line" and not sent:
            lines += 1
            if lines == line:
                send()
        return trace

    def announced(scheduler):
        announce(scheduler)
        sys._getframe(1).f_trace = trace
        sys.settrace(trace)

    serve._announce = announced
    late = threading.Timer(1, lambda: sent or send())
    late.start()
    try:
        assert serve.serve(kind(), 1) == 0
    finally:
        sys.settrace(None)
        late.cancel()
    return lines >= line

for kind in (Background, Blocking):
    line = 1
    while reached(kind, line):
        line += 1
    print(kind.__name__, line, flush=True)
"""


def test_a_signal_at_any_line_before_the_wait_ends_it() -> None:
    """Not only one that finds the main thread asleep: `Event.set` in a handler waits for the lock of its own waiter."""
    done = subprocess.run(
        [sys.executable, "-c", SIGNAL_AT_EACH_LINE],
        check=False, capture_output=True, text=True, timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(one for one in sys.path if one)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    lines = {name: int(line) for name, line in (one.split() for one in done.stdout.splitlines())}
    assert lines["Background"] > 3 and lines["Blocking"] > 3


def test_who_waits_for_a_signal_wakes_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal between the interpreter's last look and the system call that waits is handled when that returns."""
    waits: list[float | None] = []

    class Woken(serve.WakeUp):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout)
            return len(waits) > 2

    monkeypatch.setattr(serve, "WakeUp", Woken)
    monkeypatch.setattr(serve, "_on_signals", lambda ask: None)
    assert serve.serve(BackgroundScheduler(timezone="UTC"), 1.0) == 0
    assert waits == [serve.LOOK_S] * 3
