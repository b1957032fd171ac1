"""What docs/deployment.md shows is run: settings, the commands of units and containers, the probe, the units."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rapscheduler.cli import main

pytest.importorskip("sqlalchemy")
if sys.version_info < (3, 11):
    pytest.importorskip("tomli")

PAGE = Path(__file__).resolve().parents[3] / "docs" / "deployment.md"
TEXT = PAGE.read_text(encoding="utf-8")
UNITS = dict(re.findall(r"^```ini\n# /etc/systemd/system/(\S+)\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE))
(SETTINGS,) = re.findall(r"^```toml\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
(MANIFEST,) = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
COMMANDS = {
    "systemd": re.findall(
        r"^ExecStart=\S+/rapscheduler (run .*)$", UNITS["myapp-scheduler.service"], re.MULTILINE
    )[0],
    "kubernetes": " ".join(re.findall(r"command: \[rapscheduler, (run, .*?)\]", MANIFEST)[0].split(", ")),
}


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "scheduler.toml"
    path.write_text(SETTINGS.replace("/var/lib/myapp", str(tmp_path)), encoding="utf-8")
    return path


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(one for one in sys.path if one), **more}


@pytest.mark.parametrize("where", COMMANDS)
def test_the_command_runs_until_sigterm(where: str, settings: Path, tmp_path: Path) -> None:
    words = [str(settings) if word.startswith("/etc/") else word for word in shlex.split(COMMANDS[where])]
    store = f"sqlite:///{tmp_path}/jobs.db"
    more = {"RAPSCHEDULER_JOBSTORES__DEFAULT__URL": store, "RAPSCHEDULER_JOBSTORES__DEFAULT__SHARED": "true"}
    process = subprocess.Popen(
        [sys.executable, "-m", "rapscheduler", *words], cwd=tmp_path, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, env=environment(**(more if where == "kubernetes" else {})),
    )  # fmt: skip
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if "SIGTERM or Ctrl-C ends it" in line:
                break
        process.send_signal(signal.SIGTERM)
        rest = process.communicate(timeout=60)[0]
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0 and "Ended" in rest
    assert main(["show", store, "look"]) == 0
    assert main(["peers", store]) == (0 if where == "kubernetes" else 2)
    assert main(["health", store, "--max-lag", "300"]) == 0


def test_the_probe_lets_a_database_that_is_away_pass(settings: Path, tmp_path: Path) -> None:
    if shutil.which("sh") is None:
        pytest.skip("no sh here")
    (probe,) = re.findall(r"command: \[sh, -c, '(.*)'\]", MANIFEST)
    folder = tmp_path / "bin"
    folder.mkdir()
    command = folder / "rapscheduler"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m rapscheduler "$@"\n')
    command.chmod(0o755)

    def code(store: str) -> int:
        path = f"{folder}{os.pathsep}{os.environ['PATH']}"
        given = environment(PATH=path, RAPSCHEDULER_JOBSTORES__DEFAULT__URL=store)
        return subprocess.run(["sh", "-c", probe], env=given, capture_output=True, check=False).returncode

    from rapscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
    from rapscheduler.schedulers.background import BackgroundScheduler

    store = f"sqlite:///{tmp_path}/jobs.db"
    scheduler = BackgroundScheduler(timezone="UTC", jobstores={"default": SQLAlchemyJobStore(store)})
    scheduler.start(paused=True)
    job = scheduler.add_job("time:sleep", "cron", hour=3, args=[0], id="daily")
    assert code(store) == 0
    job.modify(next_run_time="2025-01-01 00:00:00")
    assert code(store) == 1
    scheduler.shutdown()
    assert code("postgresql+psycopg://nobody@127.0.0.1:1/x") == 0


def test_the_units_are_understood(tmp_path: Path) -> None:
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip("no systemd-analyze here")
    command = tmp_path / "rapscheduler"
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    assert set(UNITS) == {
        "myapp-scheduler.service",
        "myapp-scheduler-health.service",
        "myapp-scheduler-health.timer",
    }
    for name, text in UNITS.items():
        unit = text.replace("/srv/myapp/.venv/bin/rapscheduler", str(command))
        (tmp_path / name).write_text(unit, encoding="utf-8")
    for name in UNITS:
        done = subprocess.run(
            [verify, "verify", str(tmp_path / name)], capture_output=True, text=True, check=False
        )
        mine = [line for line in done.stderr.splitlines() if "myapp" in line]
        assert mine == [], done.stderr


def test_the_manifest_is_yaml() -> None:
    yaml = pytest.importorskip("yaml")
    document = yaml.safe_load(MANIFEST)
    pod = document["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["command"][:2] == ["rapscheduler", "run"] and all(
        type(one) is str for one in container["command"]
    )
    stop = int(container["command"][container["command"].index("--stop-timeout") + 1])
    assert pod["terminationGracePeriodSeconds"] > stop
    assert document["spec"]["selector"]["matchLabels"] == document["spec"]["template"]["metadata"]["labels"]


def test_systemd_gives_running_jobs_their_time() -> None:
    unit = UNITS["myapp-scheduler.service"]
    stop, limit = (
        re.findall(r"--stop-timeout (\d+)", unit),
        re.findall(r"^TimeoutStopSec=(\d+)", unit, re.MULTILINE),
    )
    assert int(limit[0]) > int(stop[0])
