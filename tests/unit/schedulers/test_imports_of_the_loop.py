"""What runs in the threads of a scheduler was imported by whoever started the scheduler.

A first import holds the lock of its module. A child that is forked meanwhile has the lock and not the thread, and waits
for ever when it comes to the same import.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import json, sys, threading

found = []

class Finder:
    def find_spec(self, name, path=None, target=None):
        if threading.current_thread() is not threading.main_thread():
            found.append(name)

sys.meta_path.insert(0, Finder())
from rapscheduler.schedulers.background import BackgroundScheduler

ran = threading.Semaphore(0)
url = sys.argv[1]
scheduler = BackgroundScheduler(
    timezone="UTC", jobstores={"default": {"type": "sqlalchemy", "url": url}} if url else {}
)
scheduler.add_listener(lambda event: ran.release())
scheduler.add_job("builtins:int", "interval", seconds=0.1, id="interval")
scheduler.add_job("builtins:int", "cron", second="*", jitter=0.1, id="cron", timezone="Europe/Berlin")
scheduler.add_job("operator:truediv", "interval", seconds=0.1, args=[1, 0], id="fails")
scheduler.start()
for _ in range(20):
    assert ran.acquire(timeout=30)
scheduler.shutdown()
print(json.dumps(found))
"""


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_the_loop_and_its_workers_import_nothing(kind: str, tmp_path: Path) -> None:
    url = "" if kind == "memory" else f"sqlite:///{tmp_path}/jobs.db"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, url],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []
