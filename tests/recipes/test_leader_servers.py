"""The recipes of docs/leader.md on the real servers: several workers, each due time run by one of them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from tests.stores.servers import free_port

SRC = Path(__file__).resolve().parents[2] / "src"
WAIT_S = 60.0

# Each run is one line: the due time's second of an every-second job, and the process. The scheduler is started where
# START says; `workers` is written by each that has started one.
APP = """
    import os, sys, time
    from rapscheduler.schedulers.background import BackgroundScheduler
    folder = os.path.dirname(os.path.abspath(__file__))
    def note(name, text):
        with open(os.path.join(folder, name), "a") as file:
            file.write(text + "\\n")
    def job():
        note("runs", f"{round(time.time())} {os.getpid()}")
    def start(*ignored):
        scheduler.start()
        note("workers", str(os.getpid()))
    scheduler = BackgroundScheduler(timezone="UTC", leader=f"file:{folder}/app.lock")
    scheduler.add_job(job, "cron", second="*", id="every second", misfire_grace_time=None, coalesce=False)
    def wsgi(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"ok"]
    async def asgi(scope, receive, send):
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                await send({"type": message["type"] + ".complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})
    if "in the module" in os.environ["START"]:
        start()
"""
HOOK = "def post_fork(server, worker):\n    import app\n    app.start()\n"
MODULE, POST_FORK = "in the module", "in post_fork"

SERVERS: dict[str, tuple[str, str, list[str]]] = {
    "gunicorn sync": ("gunicorn", MODULE, ["-m", "gunicorn", "-w", "3", "-b", "127.0.0.1:PORT", "app:wsgi"]),
    "gunicorn gthread": (
        "gunicorn",
        MODULE,
        ["-m", "gunicorn", "-w", "3", "-k", "gthread", "-b", "127.0.0.1:PORT", "app:wsgi"],
    ),
    "gunicorn gevent": (
        "gevent",
        MODULE,
        ["-m", "gunicorn", "-w", "3", "-k", "gevent", "-b", "127.0.0.1:PORT", "app:wsgi"],
    ),
    "gunicorn --preload": (
        "gunicorn",
        POST_FORK,
        ["-m", "gunicorn", "-w", "3", "--preload", "-c", "hook.py", "-b", "127.0.0.1:PORT", "app:wsgi"],
    ),
    "uvicorn --workers": (
        "uvicorn",
        MODULE,
        ["-m", "uvicorn", "--workers", "3", "--port", "PORT", "app:asgi"],
    ),
    "granian": (
        "granian",
        MODULE,
        [
            "-m",
            "granian",
            "--interface",
            "wsgi",
            "--workers",
            "3",
            "--respawn-failed-workers",
            "--port",
            "PORT",
            "app:wsgi",
        ],
    ),
    "hypercorn": ("hypercorn", MODULE, ["-m", "hypercorn", "-w", "3", "-b", "127.0.0.1:PORT", "app:asgi"]),
}

FLASK = "import app, flask\nflask_app = flask.Flask(__name__)\n"
# how many processes have a scheduler: Flask's watcher imports the program, too
RELOADERS: dict[str, tuple[str, int, list[str]]] = {
    "uvicorn --reload": ("uvicorn", 1, ["-m", "uvicorn", "--reload", "--port", "PORT", "app:asgi"]),
    "flask run --debug": (
        "flask",
        2,
        ["-m", "flask", "--app", "with_flask:flask_app", "run", "--debug", "-p", "PORT"],
    ),
}


def until(what: Any) -> None:
    end_s = time.monotonic() + WAIT_S
    while not what():
        assert time.monotonic() < end_s
        time.sleep(0.05)


def lines(folder: Path, name: str) -> list[list[str]]:
    path = folder / name
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def pids(folder: Path, name: str) -> set[str]:
    return {line[-1] for line in lines(folder, name)}


@pytest.fixture
def serve(tmp_path):
    begun: list[subprocess.Popen[bytes]] = []

    def serve(command: list[str], start: str) -> subprocess.Popen[bytes]:
        (tmp_path / "app.py").write_text(textwrap.dedent(APP))
        (tmp_path / "hook.py").write_text(HOOK)
        (tmp_path / "with_flask.py").write_text(FLASK)
        environment = os.environ | {"PYTHONPATH": f"{SRC}{os.pathsep}{tmp_path}", "START": start}
        with (tmp_path / "log").open("wb") as log:
            port = str(free_port())
            begun.append(
                subprocess.Popen(
                    [word.replace("PORT", port) for word in command],
                    cwd=tmp_path, env=environment, stdout=log, stderr=log, start_new_session=True,
                )
            )  # fmt: skip
        return begun[0]

    yield serve
    for process in begun:
        try:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(10)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            pass
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def check_once(folder: Path, doubled: int = 0) -> None:
    """Each second from the first to the last was run, by one process; `doubled`: in those that were killed."""
    ticks = sorted(int(line[0]) for line in lines(folder, "runs"))
    assert set(range(ticks[0], ticks[-1] + 1)) == set(ticks), ticks
    assert len(ticks) - len(set(ticks)) <= doubled, ticks


@pytest.mark.skipif(os.name == "nt", reason="no such servers")
@pytest.mark.parametrize("name", SERVERS)
def test_one_of_the_workers_leads(name, serve, tmp_path):
    module, start, command = SERVERS[name]
    if find_spec(module) is None:
        pytest.skip(f"NOT RUN: {module} is not installed: pip install rapscheduler[servers]")
    process = serve([sys.executable, *command], start)
    until(lambda: len(pids(tmp_path, "workers")) >= 3 and len(lines(tmp_path, "runs")) >= 3)
    assert len(pids(tmp_path, "runs")) == 1, (tmp_path / "log").read_text()
    if name == "hypercorn":  # it ends when a worker is killed
        check_once(tmp_path)
        return
    leader = lines(tmp_path, "runs")[-1][1]
    os.kill(int(leader), signal.SIGKILL)
    until(lambda: pids(tmp_path, "runs") - {leader} and len(lines(tmp_path, "runs")) >= 6)
    assert process.poll() is None
    check_once(tmp_path, doubled=1)


@pytest.mark.skipif(os.name == "nt", reason="no such servers")
@pytest.mark.parametrize("name", RELOADERS)
def test_a_reloader(name, serve, tmp_path):
    """It starts the program anew when a file is changed; one process leads before, during and after."""
    module, number, command = RELOADERS[name]
    if find_spec(module) is None:
        pytest.skip(f"NOT RUN: {module} is not installed: pip install rapscheduler[servers]")
    process = serve([sys.executable, *command], MODULE)
    until(lambda: len(pids(tmp_path, "workers")) >= number and len(lines(tmp_path, "runs")) >= 3)
    assert len(pids(tmp_path, "workers")) == number
    assert len(pids(tmp_path, "runs")) == 1, (tmp_path / "log").read_text()
    with (tmp_path / "app.py").open("a") as file:
        file.write("# changed\n")
    until(lambda: len(pids(tmp_path, "workers")) == number + 1)
    before = len(lines(tmp_path, "runs"))
    until(lambda: len(lines(tmp_path, "runs")) >= before + 3)
    assert process.poll() is None
    ticks = [int(line[0]) for line in lines(tmp_path, "runs")]
    assert len(ticks) - len(set(ticks)) <= 1, ticks  # one, of the moment in which the leader was ended
    assert len({line[1] for line in lines(tmp_path, "runs")[-3:]}) == 1


@pytest.mark.skipif(
    shutil.which("uwsgi") is None and not Path(sys.executable).with_name("uwsgi").exists(),
    reason="NOT RUN: uwsgi is not installed: pip install rapscheduler[servers]",
)
def test_uwsgi(serve, tmp_path):
    program = shutil.which("uwsgi") or str(Path(sys.executable).with_name("uwsgi"))
    options = [
        "--http",
        "127.0.0.1:PORT",
        "--master",
        "-p",
        "3",
        "--enable-threads",
        "--lazy-apps",
        "--module",
        "app:wsgi",
    ]
    serve([program, *options], MODULE)
    until(lambda: len(pids(tmp_path, "workers")) >= 3 and len(lines(tmp_path, "runs")) >= 3)
    check_once(tmp_path)
    assert len(pids(tmp_path, "runs")) == 1
