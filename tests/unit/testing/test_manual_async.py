"""Coroutine jobs of a `ManualScheduler`, in a running event loop and without one; the pytest plugin."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from rapscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED
from rapscheduler.testing import ManualScheduler

pytest_plugins = ["rapscheduler.testing.pytest_plugin"]


def test_a_coroutine_job_runs_without_a_loop() -> None:
    seen = []

    async def job(n: int) -> None:
        await asyncio.sleep(0)
        seen.append(n)

    scheduler = ManualScheduler()
    scheduler.add_job(job, "interval", minutes=1, args=[1])
    scheduler.start()
    scheduler.advance(150)
    assert seen == [1, 1]


def test_in_a_running_loop_coroutine_jobs_are_awaited_in_it() -> None:
    async def main() -> list[Any]:
        loop, seen, told = asyncio.get_running_loop(), [], []
        scheduler = ManualScheduler("2025-03-01T00:00:00Z")
        scheduler.add_listener(lambda event: told.append(event.retval), EVENT_JOB_EXECUTED)

        async def job() -> str:
            await asyncio.sleep(0.001)
            assert asyncio.get_running_loop() is loop
            seen.append(scheduler.clock.now().hour)
            if len(seen) == 1:  # added while time stands still
                scheduler.add_job(seen.append, args=["plain"])
            return "done"

        scheduler.add_job(job, "cron", hour="*/6")
        scheduler.start()
        await scheduler.advance_async(timedelta(hours=13))
        await scheduler.run_until_async("2025-03-01T18:00:00Z")
        assert told == ["done", None, "done", "done", "done"]
        scheduler.shutdown()
        return seen

    assert asyncio.run(main()) == [0, "plain", 6, 12, 18]


def test_jobs_of_one_instant_run_side_by_side() -> None:
    async def main() -> None:
        scheduler, both = ManualScheduler(), asyncio.Event()

        async def first() -> None:
            await asyncio.wait_for(both.wait(), 5)

        async def second() -> None:
            both.set()

        scheduler.add_job(first, "cron", hour=7)
        scheduler.add_job(second, "cron", hour=7)
        scheduler.start()
        failed: list[Any] = []
        scheduler.add_listener(failed.append, EVENT_JOB_ERROR)
        await scheduler.advance_async(86_400)
        assert both.is_set() and failed == []

    asyncio.run(main())


def test_what_a_coroutine_job_raises_is_raised() -> None:
    async def fails() -> None:
        await asyncio.sleep(0)
        raise LookupError("no such customer")

    async def main() -> None:
        scheduler = ManualScheduler(raise_errors=True)
        scheduler.add_job(fails, "cron", hour=7)
        scheduler.start()
        with pytest.raises(LookupError):
            await scheduler.advance_async(86_400)
        with pytest.raises(ValueError, match="backwards"):
            await scheduler.advance_async(-1)

    asyncio.run(main())


def test_time_passes_once() -> None:
    async def main() -> None:
        scheduler = ManualScheduler()

        async def job() -> None:
            await scheduler.advance_async(1)

        errors: list[Any] = []
        scheduler.add_listener(lambda event: errors.append(event.exception), EVENT_JOB_ERROR)
        scheduler.add_job(job, "cron", hour=7)
        scheduler.start()
        await scheduler.advance_async(86_400)
        assert isinstance(errors[0], RuntimeError)

    asyncio.run(main())


def test_the_fixture(manual_scheduler: ManualScheduler) -> None:
    seen: list[str] = []
    manual_scheduler.add_job(seen.append, "cron", hour=7, args=["morning"])
    manual_scheduler.advance(timedelta(days=2))
    assert seen == ["morning"] * 2
    manual_scheduler.add_job(int, "cron", hour=8, args=["x"])
    with pytest.raises(ValueError, match="invalid literal"):
        manual_scheduler.advance(timedelta(days=1))


def test_the_plugin_by_option(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("def test(manual_scheduler):\n    manual_scheduler.advance(60)\n")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "rapscheduler.testing.pytest_plugin",
        str(tmp_path),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "1 passed" in done.stdout, done.stdout + done.stderr
