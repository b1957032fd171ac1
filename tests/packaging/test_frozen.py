"""Programs in one piece: frozen by PyInstaller with and without the hook of the package, compiled by Nuitka, zipped.

Each is built in a folder of its own and run away from the checkout. Nuitka's build takes minutes: only where
RAPSCHEDULER_TEST_NUITKA=1.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import zipapp
from pathlib import Path

import pytest

import rapscheduler
from rapscheduler._engine import NAME

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(NAME != "compiled", reason="built once, in the run on the compiled engine"),
]
PROGRAM = """
from threading import Event
from rapscheduler import _engine
from rapscheduler.schedulers.background import BackgroundScheduler

ran = Event()
scheduler = BackgroundScheduler({"apscheduler.executors.default": {"type": "threadpool"}}, timezone="UTC")
STORE
scheduler.add_job(ran.set if not STORED else print, "interval", seconds=0.05, args=["stored"] if STORED else [])
scheduler.add_listener(lambda event: ran.set(), 4096)
scheduler.start()
assert ran.wait(20)
scheduler.shutdown()
print("ran on", _engine.NAME)
"""
PACKAGE = Path(rapscheduler.__file__).parent
# Everything that the test environment has beside the program's own needs, so that builds stay small and quick.
ELSEWHERE = (
    *"IPython numpy pandas pendulum django flask fastapi PySide6 PyQt6 twisted tornado gevent grpc etcd3".split(),
    *"rethinkdb kazoo pymongo redis pytest hypothesis apscheduler psycopg psycopg2 pymysql".split(),
    *"celery kombu dask distributed".split(),
)


def program(*, stored: bool) -> str:
    store = "scheduler.add_jobstore('sqlalchemy', url='sqlite://')" if stored else ""
    return PROGRAM.replace("STORED", str(stored)).replace("STORE", store)


def environment(package: Path) -> dict[str, str]:
    paths = [str(package.parent), *(path for path in sys.path if "site-packages" in path)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def run(command: list[str], folder: Path, **more: str) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **more},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def frozen(folder: Path, source: str, package: Path) -> str:
    """What a program prints that PyInstaller made of the source, with the package from that folder."""
    pytest.importorskip("PyInstaller")
    (folder / "app.py").write_text(source, encoding="utf-8")
    excluded = [option for name in ELSEWHERE for option in ("--exclude-module", name)]
    command = [sys.executable, "-m", "PyInstaller", "--log-level", "ERROR", *excluded, "app.py"]
    done = subprocess.run(
        command, cwd=folder, env=environment(package), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return run([str(folder / "dist" / "app" / "app")], folder, PYTHONPATH="", RAPSCHEDULER_ENGINE="auto")


def test_frozen_by_pyinstaller_a_program_finds_its_store_by_name(tmp_path: Path) -> None:
    assert f"ran on {NAME}" in frozen(tmp_path, program(stored=True), PACKAGE)


def test_frozen_without_the_hook_a_program_runs_on_the_reference_engine(tmp_path: Path) -> None:
    copied = tmp_path / "copy" / "rapscheduler"
    shutil.copytree(PACKAGE, copied, ignore=shutil.ignore_patterns("_pyinstaller", "*.so", "__pycache__"))
    assert "ran on reference" in frozen(tmp_path, program(stored=False), copied)


def test_zipped_a_program_runs_on_the_reference_engine(tmp_path: Path) -> None:
    folder = tmp_path / "app"
    ignore = shutil.ignore_patterns("*.so", "__pycache__", "_pyinstaller")
    shutil.copytree(PACKAGE, folder / "rapscheduler", ignore=ignore)
    for name in ("sortedcontainers", "tzlocal"):
        spec = importlib.util.find_spec(name)
        assert spec is not None and spec.submodule_search_locations
        shutil.copytree(spec.submodule_search_locations[0], folder / name)
    (folder / "__main__.py").write_text(program(stored=False), encoding="utf-8")
    zipapp.create_archive(folder, tmp_path / "app.pyz")
    out = run([sys.executable, "-I", str(tmp_path / "app.pyz")], tmp_path, RAPSCHEDULER_ENGINE="auto")
    assert "ran on reference" in out


@pytest.mark.skipif(
    os.environ.get("RAPSCHEDULER_TEST_NUITKA") != "1", reason="RAPSCHEDULER_TEST_NUITKA=1 asks for it"
)
def test_compiled_by_nuitka_a_program_runs(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(program(stored=False), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "nuitka",
        "--standalone",
        "--include-package=rapscheduler._engine",
        "app.py",
    ]
    subprocess.run(command, cwd=tmp_path, env=environment(PACKAGE), check=True, capture_output=True)
    assert f"ran on {NAME}" in run([str(tmp_path / "app.dist" / "app.bin")], tmp_path, PYTHONPATH="")
