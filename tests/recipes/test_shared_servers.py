"""A shared store on gunicorn: three workers, each due time made once while they are reloaded again and again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import pytest
from tests.recipes.test_leader_servers import SRC, lines, until
from tests.stores.servers import free_port

#: how often; more by the environment (twenty in docs/many-processes.md)
HUPS = int(os.environ.get("RAPSCHEDULER_TEST_HUPS", "3"))

# Each run that ended is a line: the second that it was due at, and the process. What is cut off with its worker runs
# again; so a worker that leaves ends what it has begun.
APP = """
    import os
    from datetime import datetime, timezone
    from rapscheduler.events import EVENT_JOB_EXECUTED
    from rapscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
    from rapscheduler.schedulers.background import BackgroundScheduler
    folder = os.path.dirname(os.path.abspath(__file__))
    def note(name, text):
        with open(os.path.join(folder, name), "a") as file:
            file.write(text + "\\n")
    def told(event):
        note("runs", f"{event.scheduled_run_time.timestamp():.0f} {os.getpid()}")
    def job():
        pass
    store = SQLAlchemyJobStore(f"sqlite:///{folder}/jobs.sqlite", shared=True, lease=10, poll_interval=0.2)
    scheduler = BackgroundScheduler(timezone="UTC", jobstores={"default": store})
    scheduler.add_listener(told, EVENT_JOB_EXECUTED)
    scheduler.start()
    scheduler.add_job(
        job, "cron", second="*", id="every second", misfire_grace_time=None, coalesce=False, max_instances=100,
        replace_existing="keep",
    )
    note("workers", str(os.getpid()))
    def wsgi(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"ok"]
"""
CONFIG = "def worker_exit(server, worker):\n    import app\n    app.scheduler.shutdown()\n"


@pytest.fixture
def gunicorn(tmp_path):
    if find_spec("gunicorn") is None:
        pytest.skip("no gunicorn here")
    (tmp_path / "app.py").write_text(textwrap.dedent(APP))
    (tmp_path / "config.py").write_text(CONFIG)
    command = ["-m", "gunicorn", "-w", "3", "-c", "config.py", "-b", f"127.0.0.1:{free_port()}", "app:wsgi"]
    said = (tmp_path / "said").open("wb")
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(SRC)},
        stdout=said,
        stderr=said,
    )
    yield process
    process.terminate()
    process.wait(60)
    said.close()


def test_each_due_time_once_while_workers_are_reloaded(gunicorn, tmp_path):
    def workers() -> int:
        return len(lines(tmp_path, "workers"))

    until(lambda: workers() == 3)
    for number in range(HUPS):
        gunicorn.send_signal(signal.SIGHUP)
        until(lambda: workers() == 3 * (number + 2))  # noqa: B023
    last_s = int(time.time()) + 2
    until(lambda: str(last_s) in {due for due, _ in lines(tmp_path, "runs")})
    made = Counter(int(due) for due, _ in lines(tmp_path, "runs"))
    first_s = min(made)
    missing = [second for second in range(first_s, last_s + 1) if second not in made]
    if missing:  # a later one may have ended first
        until(lambda: all(str(one) in {due for due, _ in lines(tmp_path, "runs")} for one in missing))
    twice = [second for second, count in made.items() if count > 1]
    assert not twice, Path(tmp_path / "said").read_text()[-3000:]
    print(
        f"{HUPS} reloads, {len({pid for _, pid in lines(tmp_path, 'runs')})} processes made {len(made)} runs"
    )
