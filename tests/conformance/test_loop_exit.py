"""Programs that end without shutting their event loop's scheduler down end at once, with nothing on stderr."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import pytest

STORE = "from rapscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore; store = SQLAlchemyJobStore('sqlite://')"
# However slow the machine is, no run of this job is late or one too many: both would be told on stderr, rightly.
OPTIONS = "seconds=0.01, args=['ran'], max_instances=1000, misfire_grace_time=None"
RUN = f"s.add_jobstore(store); s.start(); s.add_job(print, 'interval', {OPTIONS})"
PROGRAMS = {
    "asyncio": f"""
import asyncio
from rapscheduler.schedulers.asyncio import AsyncIOScheduler
async def main():
    s = AsyncIOScheduler(timezone="UTC"); {RUN}
    await asyncio.sleep(0.1)
asyncio.run(main())
""",
    "twisted": f"""
from twisted.internet import reactor
from rapscheduler.schedulers.twisted import TwistedScheduler
s = TwistedScheduler(timezone="UTC"); {RUN}
reactor.callLater(0.1, reactor.stop); reactor.run()
""",
    "gevent": f"""
import gevent
from rapscheduler.schedulers.gevent import GeventScheduler
s = GeventScheduler(timezone="UTC"); {RUN}
gevent.sleep(0.1)
""",
    "PySide6": f"""
from PySide6.QtCore import QCoreApplication, QTimer
from rapscheduler.schedulers.qt import QtScheduler
app = QCoreApplication([]); s = QtScheduler(timezone="UTC"); {RUN}
QTimer.singleShot(100, app.quit); app.exec()
""",
}


@pytest.mark.parametrize("module", PROGRAMS)
def test_a_program_that_just_ends_ends_quietly(module):
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed")
    paths = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, "-c", f"{STORE}\n{PROGRAMS[module]}"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "ran" in done.stdout
