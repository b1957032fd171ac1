"""Schedulers whose runs are made elsewhere: by workers of Celery over real brokers, and of a real Dask cluster."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from tests.stores.conftest import server_url

from rapscheduler.events import EVENT_ALL
from rapscheduler.schedulers.background import BackgroundScheduler

__all__ = ["server_url"]

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0  # for what comes in its own time; a busy machine is slow


def until(happened: Callable[[], Any], what: str = "") -> Any:
    """What `happened` says, as soon as it is true."""
    end_s = time.monotonic() + PATIENCE_S
    while not (found := happened()):
        assert time.monotonic() < end_s, f"it did not happen: {what or happened}"
        time.sleep(0.02)
    return found


class CeleryWorkers:
    """Workers on a queue of their own. `broker`: what schedulers and workers are told; `direct`: the broker itself."""

    def __init__(self, broker: str, log: Path, direct: str = "") -> None:
        from tests.engines.worker_app import app_of

        self.broker, self.log, self.direct = broker, log, direct or broker
        self.queue = f"rapscheduler_test_{uuid4().hex}"
        self.app = app_of(broker, self.queue)
        self._processes: list[subprocess.Popen[bytes]] = []

    def begin(self, pool: str = "threads", control: bool = False) -> subprocess.Popen[bytes]:
        """`control`: it takes commands, such as `cancel_run()` sends."""
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT))),
            "RAPSCHEDULER_TEST_BROKER": self.broker,
            "RAPSCHEDULER_TEST_QUEUE": self.queue,
            **({"RAPSCHEDULER_TEST_CONTROL": "1"} if control else {}),
        }
        command = [sys.executable, "-m", "celery", "-A", "tests.engines.worker_app", "worker", "-P", pool]
        command += ["-c", "4" if pool == "threads" else "1", "--without-mingle", "--without-gossip"]
        command += ["-n", f"{uuid4().hex}@%h", "-l", "INFO"]
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        self._processes.append(process)
        return process

    def executor(self, **options: Any) -> Any:
        from rapscheduler.executors.celery import CeleryExecutor

        return CeleryExecutor(self.app, **options)

    def stop(self) -> None:
        for process in self._processes:
            try:
                os.killpg(process.pid, 9)
            except ProcessLookupError:
                pass
            process.wait(30)
        self.app.close()
        with self.app.connection_for_write(self.direct) as connection:
            channel = connection.channel()
            channel.queue_delete(self.queue)
            if connection.transport.driver_type == "redis":
                channel.client.delete(f"_kombu.binding.{self.queue}")


class DaskWorkers:
    """A cluster of two worker processes."""

    def __init__(self, **options: Any) -> None:
        from distributed import LocalCluster

        settings = {"n_workers": 2, "threads_per_worker": 2, "processes": True, "dashboard_address": ":0"}
        self.cluster = LocalCluster(**{**settings, **options}, silence_logs=50)

    def executor(self, **options: Any) -> Any:
        from rapscheduler.executors.dask import DaskExecutor

        options.pop("lost_after", None)
        return DaskExecutor(self.cluster.scheduler_address, **options)

    def stop(self) -> None:
        self.cluster.close()


class Told(list[Any]):
    """The events of a scheduler."""

    def of(self, job_id: str, *codes: int) -> list[Any]:
        return [
            event
            for event in list(self)
            if getattr(event, "job_id", None) == job_id and (not codes or event.code in codes)
        ]

    def wait(self, job_id: str, *codes: int, count: int = 1) -> Any:
        """The first such event, when there are so many."""
        until(lambda: len(self.of(job_id, *codes)) >= count, f"{count} events {codes} of {job_id}: {self}")
        return self.of(job_id, *codes)[0]


@pytest.fixture
def schedule() -> Iterator[Callable[..., tuple[BackgroundScheduler, Told]]]:
    """``schedule(executor)`` -- a scheduler that runs, and its events."""
    begun: list[BackgroundScheduler] = []

    def schedule(executor: Any, **options: Any) -> tuple[BackgroundScheduler, Told]:
        scheduler = BackgroundScheduler(
            executors={"default": executor},
            job_defaults={"misfire_grace_time": None},
            timezone="UTC",
            jobstore_retry_interval=0.2,
            **options,
        )
        told = Told()
        scheduler.add_listener(told.append, EVENT_ALL)
        scheduler.start()
        begun.append(scheduler)
        return scheduler, told

    yield schedule
    for scheduler in begun:
        if scheduler.running:
            scheduler.shutdown(wait=False)
        assert len(scheduler._running_counts) == 0
