"""What the workers of the tests are to do. Files are how jobs and tests talk to each other."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

from rapscheduler.runs import RetryLater, current_run


class BookError(Exception):
    pass


def add(a: Any, b: Any = None) -> Any:
    return [a, b]


def fail(*args: Any) -> None:
    raise BookError(*args)


def who() -> list[Any]:
    run = current_run()
    assert run is not None
    return [run.id, run.job_id, run.scheduled_time, run.attempt, os.getpid()]


async def coroutine(seconds: float, folder: str | None = None) -> str:
    if folder is not None:
        note(folder, "began")
    await asyncio.sleep(seconds)
    return "awaited"


def unwritable() -> object:
    return object()


def note(folder: str, name: str) -> None:
    with Path(folder, name).open("a", encoding="utf-8") as file:
        file.write(f"{os.getpid()}\n")


def wait_for(folder: str, name: str, most_s: float = 30.0) -> None:
    end_s = time.monotonic() + most_s
    while not Path(folder, name).exists() and time.monotonic() < end_s:
        time.sleep(0.02)


def hold(folder: str) -> str:
    """Under way from the file `began` on, until there is a file `go`."""
    note(folder, "began")
    wait_for(folder, "go")
    return "held"


def hold_checked(folder: str) -> None:
    note(folder, "began")
    while True:
        run = current_run()
        assert run is not None
        run.check()
        time.sleep(0.02)


def fail_first(folder: str) -> int:
    run = current_run()
    assert run is not None
    note(folder, f"attempt-{run.attempt}")
    if run.attempt == 1:
        raise BookError("the first one")
    return run.attempt


def later_first(folder: str) -> int:
    run = current_run()
    assert run is not None
    if run.attempt == 1:
        raise RetryLater(0.1, "not yet")
    return run.attempt


def kill_itself(folder: str) -> None:
    note(folder, "began")
    os.kill(os.getpid(), 9)
