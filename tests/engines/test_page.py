"""The programs of docs/engines.md, as they stand there but for addresses."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from uuid import uuid4

import pytest
from tests.engines.conftest import ROOT, DaskWorkers

pytestmark = [pytest.mark.servers, pytest.mark.timeout(180)]
BLOCKS = re.findall(
    r"^```python notest\n(.*?)^```", (ROOT / "docs" / "engines.md").read_text(), re.DOTALL | re.MULTILINE
)
RUN = """
import threading
from datetime import datetime, timezone
ended = threading.Event()
scheduler.add_listener(lambda event: (print(event.retval, event.exception), ended.set()), 4096 | 8192 | 16384)
if not scheduler.running:
    scheduler.start()
    scheduler.add_job("myapp.tasks:send", "cron", hour=3, id="nightly")
scheduler.modify_job("nightly", next_run_time=datetime.now(timezone.utc), misfire_grace_time=None)
ended.wait(90)
scheduler.shutdown()
"""


@pytest.fixture
def environment(tmp_path):
    (tmp_path / "myapp").mkdir()
    (tmp_path / "myapp" / "__init__.py").touch()
    (tmp_path / "myapp" / "tasks.py").write_text("def send():\n    return 'sent'\n")
    return {**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), str(ROOT / "src")))}


def test_celery(server_url, tmp_path, environment):
    worker, scheduler, _ = BLOCKS
    broker, queue = server_url("rabbitmq"), f"rapscheduler_test_{uuid4().hex}"
    worker = worker.replace("amqp://guest:guest@localhost//", broker)
    worker += f"app.conf.update(task_default_queue={queue!r}, worker_enable_remote_control=False)\n"
    (tmp_path / "myapp" / "worker.py").write_text(worker)
    (tmp_path / "program.py").write_text(scheduler + RUN)
    where = {"cwd": tmp_path, "env": environment}
    command = [sys.executable, "-m", "celery", "-A", "myapp.worker", "worker", "-P", "solo"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, **where)
    try:
        done = subprocess.run(
            [sys.executable, "program.py"], capture_output=True, text=True, timeout=120, check=False, **where
        )
        assert (done.returncode, done.stdout) == (0, "sent None\n"), done.stderr
    finally:
        process.kill()
        process.wait(30)
        from kombu import Connection

        with Connection(broker) as connection:
            connection.channel().queue_delete(queue)


def test_dask(tmp_path, environment, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))  # what the processes of the cluster are begun with
    workers = DaskWorkers(n_workers=1)
    try:
        program = BLOCKS[2].replace("tcp://dask-scheduler:8786", workers.cluster.scheduler_address)
        (tmp_path / "program.py").write_text(program + RUN)
        done = subprocess.run(
            [sys.executable, "program.py"], capture_output=True, text=True, timeout=120, check=False,
            cwd=tmp_path, env=environment,
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (0, "sent None\n"), done.stderr
    finally:
        workers.stop()
