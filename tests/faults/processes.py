"""Pools of worker processes in tests: executors on a `Port`, batches, waiting for files and for ends."""

from __future__ import annotations

import multiprocessing
import threading
from pathlib import Path
from typing import Any

from tests.faults.port import WAIT_S, Port, now

from rapscheduler.executors.pool import ProcessPoolExecutor

METHODS = ["spawn", "forkserver", "fork"]


def started(port: Port, workers: int = 1, method: str = "spawn", **options: Any) -> ProcessPoolExecutor:
    options["mp_context"] = multiprocessing.get_context(method)
    executor = ProcessPoolExecutor(workers, options)
    executor.start(port, "default")
    return executor


def lines_in(path: Path, count: int = 1) -> list[str]:
    """Wait for them."""
    for _ in range(WAIT_S * 200):
        lines = path.read_text().splitlines() if path.exists() else []
        if len(lines) >= count:
            return lines
        threading.Event().wait(0.005)
    raise AssertionError(f"{path} has {lines}")


def submit(port: Port, executor: ProcessPoolExecutor, func: Any, *args: Any, id: str = "j") -> None:
    executor.submit_job(port.job(func, *args, id=id), [now()])


def batch(port: Port, executor: ProcessPoolExecutor, calls: list[Any]) -> None:
    """Submit calls together, as a pass does. Their ids are their places."""
    submissions = [
        executor._accept(port.job(func, *args, id=str(i)), [now()]) for i, (func, *args) in enumerate(calls)
    ]
    assert executor._submit_batch(submissions) == []


def learn(port: Port, executor: ProcessPoolExecutor, *calls: Any) -> None:
    """Runs of these callables are known to be short."""
    for func, *args in calls:
        submit(port, executor, func, *args)
        port.next()
        executor._pool._took_us[f"{func.__module__}:{func.__qualname__}"] = 1.0


def is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def until_gone(pid: int) -> bool:
    for _ in range(WAIT_S * 100):
        if not is_alive(pid):
            return True
        threading.Event().wait(0.01)
    return False
