"""Executors that raise what is meant for threads and tasks, and executors that end with the main thread."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from datetime import datetime, timezone
from typing import Any

import pytest

from rapscheduler.executors.base import BaseExecutor
from rapscheduler.executors.pool import ThreadPoolExecutor
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.testing import ManualScheduler

pytestmark = pytest.mark.faults

WAIT_S = 20.0
LATE = {"misfire_grace_time": None}


@pytest.mark.parametrize("kind", ["threadpool", "processpool"])
def test_a_scheduler_whose_main_thread_has_ended_says_so(kind: str) -> None:
    program = f"""
import logging, os, threading
from rapscheduler.schedulers.background import BackgroundScheduler
lines, said = [], threading.Event()
class Lines(logging.Handler):
    def emit(self, record):
        lines.append(record.getMessage())
        said.set()
logging.getLogger().addHandler(Lines(logging.WARNING))
def service():
    threading.main_thread().join()
    while not scheduler.health()["reason"]:
        threading.Event().wait(0.01)
    scheduler.add_job(os.getcwd, "interval", seconds=0.01)
    said.wait({WAIT_S})
    threading.Event().wait(0.2)  # more passes, which say nothing more
    health = scheduler.health()
    print(len(lines), "daemon=False" in lines[0], "'service'" in lines[0], health["alive"])
    print(health["reason"], flush=True)
    os._exit(0)
if __name__ == "__main__":
    executors = {{"default": {{"type": "{kind}"}}}}
    scheduler = BackgroundScheduler(timezone="UTC", executors=executors, jobstore_retry_interval=0.01)
    scheduler.start()
    threading.Thread(target=service, name="service").start()
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=60
    )
    told = 'the main thread has ended, and executor "default" with it'
    assert ended.stdout == f"1 True True False\n{told}\n", ended.stderr


class Failing(BaseExecutor):
    """Follows APScheduler's contract, and fails with whatever it is given."""

    def __init__(self, error: type[BaseException]) -> None:
        super().__init__()
        self.error: type[BaseException] | None = error

    def _do_submit_job(self, job: Any, run_times: Any) -> None:
        if self.error is not None:
            raise self.error("refused")
        self._run_job_success(job.id, [])


class Foreign:
    """No subclass of ours."""

    def __init__(self, error: type[BaseException]) -> None:
        self.error = error

    def start(self, scheduler: Any, alias: str) -> None:
        pass

    def shutdown(self, wait: bool = True) -> None:
        raise self.error("not closed")

    def submit_job(self, job: Any, run_times: Any) -> None:
        raise self.error("refused")


def broken_pool(error: type[BaseException]) -> ThreadPoolExecutor:
    executor = ThreadPoolExecutor()

    def put(tasks: Any) -> None:
        raise error("refused")

    executor._pool.put = put
    return executor


@pytest.mark.parametrize("error", [asyncio.CancelledError, SystemExit, GeneratorExit])
@pytest.mark.parametrize("make", [Failing, Foreign, broken_pool])
def test_whatever_an_executor_raises_costs_its_own_jobs_only(
    background: BackgroundScheduler, make: Any, error: type[BaseException]
) -> None:
    ran = threading.Semaphore(0)
    failing = make(error)
    background.add_executor(failing, "failing")
    background.add_job(int, "interval", seconds=0.01, id="refused", executor="failing")
    background.add_job(ran.release, "interval", seconds=0.01)
    background.start()
    for _ in range(5):
        assert ran.acquire(timeout=WAIT_S)
    job = background.get_job("refused")
    assert job is not None and job.next_run_time < datetime.now(timezone.utc)  # still due
    assert background._running_counts.count("refused") == 0
    # in the main thread, an exit is meant for the program
    ending = threading.Thread(target=background.shutdown)
    ending.start()
    ending.join(WAIT_S)
    assert all(not thread.is_alive() for thread in background._executors["default"]._pool._threads)


def test_a_cancellation_that_an_executor_raises_in_the_main_thread_is_its_own() -> None:
    ran: list[str] = []
    scheduler = ManualScheduler(job_defaults=LATE, jobstore_retry_interval=1)
    failing = Failing(asyncio.CancelledError)
    scheduler.add_executor(failing, "failing")
    scheduler.start()
    scheduler.add_job(ran.append, "interval", args=["good"], seconds=10)
    scheduler.add_job(ran.append, "interval", args=["refused"], seconds=10, id="refused", executor="failing")
    scheduler.advance(21)
    assert ran == ["good", "good"] and scheduler.get_job("refused").next_run_time < scheduler.clock.now()
    failing.error = None
    scheduler.advance(5)
    assert scheduler.get_job("refused").next_run_time > scheduler.clock.now()
