"""Who tells the end of a run from which the next one counts: every executor; and what it costs those who don't ask."""

from __future__ import annotations

import asyncio
import threading
from datetime import datetime, timezone
from typing import Any

import pytest
from tests.unit.schedulers.test_delays import (
    LIMIT_S,
    START,
    at,
    began,
    clocks,
    delayed,
    eventually,
    fresh,  # noqa: F401 (a fixture)
    nothing,
    takes,
)

from rapscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED, EVENT_JOB_PARKED
from rapscheduler.executors.base import BaseExecutor, run_job
from rapscheduler.executors.pool import ProcessPoolExecutor, ThreadPoolExecutor
from rapscheduler.schedulers.asyncio import AsyncIOScheduler
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.testing import ManualScheduler, VirtualClock


def quick(scheduler: Any) -> Any:
    grace = None  # processes go by the clock of the machine
    return scheduler.add_job(
        nothing, "interval", hours=1, after="end", start_date=START, id="job", misfire_grace_time=grace
    )


def ended_under(executor: Any) -> None:
    """A run in this executor moves its job at its end."""
    clock = VirtualClock(START)
    scheduler = BackgroundScheduler(timezone="UTC", clock=clock)
    scheduler.add_executor(executor)
    told: list[Any] = []
    scheduler.add_listener(told.append, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)
    scheduler.start()
    try:
        quick(scheduler)
        assert eventually(lambda: told)
        assert eventually(lambda: scheduler.get_job("job").nominal_us == scheduler.get_job("job").run_at_us)
        assert not scheduler._backlogs._open and not scheduler._backlogs.ends
        assert scheduler.get_job("job").next_run_time == at("01:00")[0]
    finally:
        scheduler.shutdown()


class Theirs(BaseExecutor):
    """An executor of somebody else's, by APScheduler's contract only."""

    lose = False

    def _do_submit_job(self, job: Any, run_times: list[datetime]) -> None:
        def work() -> None:
            if self.lose:
                error = OSError("gone")
                self._run_job_error(job.id, error, None)
                return
            self._run_job_success(job.id, run_job(job, job._jobstore_alias, run_times, "theirs"))

        threading.Thread(target=work).start()


class Losing(Theirs):
    lose = True


@pytest.mark.parametrize("make", [lambda: ThreadPoolExecutor(2), lambda: ProcessPoolExecutor(1), Theirs])
def test_the_executor_tells_the_end(make: Any) -> None:
    ended_under(make())


def test_a_run_that_is_lost_has_ended() -> None:
    scheduler = BackgroundScheduler(timezone="UTC", clock=VirtualClock(START))
    scheduler.add_executor(Losing())
    scheduler.start()
    try:
        quick(scheduler)
        assert eventually(lambda: scheduler.get_job("job").nominal_us == scheduler.get_job("job").run_at_us)
        assert not scheduler._backlogs._open
    finally:
        scheduler.shutdown()


def test_an_executor_that_tells_no_end_is_refused() -> None:
    class Foreign:
        def start(self, scheduler: Any, alias: str) -> None:
            pass

        def shutdown(self, wait: bool = True) -> None:
            pass

        def submit_job(self, job: Any, run_times: Any) -> None:
            raise AssertionError("it must not be submitted")

    scheduler = ManualScheduler(START)
    scheduler.start()
    scheduler._executors["foreign"] = Foreign()
    told: list[Any] = []
    scheduler.add_listener(told.append, EVENT_JOB_PARKED)
    delayed(scheduler, func=nothing, executor="foreign")
    scheduler.advance(1)
    (parked,) = scheduler.get_parked_jobs()
    assert "leave after='end' out" in parked.reason and len(told) == 1
    scheduler.shutdown()


def test_coroutines_on_an_event_loop() -> None:
    async def main() -> list[float]:
        loop, times = asyncio.get_running_loop(), []
        done = asyncio.Event()

        async def work() -> None:
            times.append(loop.time())
            await asyncio.sleep(0.05)
            times.append(loop.time())
            if len(times) >= 6:
                done.set()

        scheduler = AsyncIOScheduler(timezone="UTC")
        scheduler.start()
        scheduler.add_job(
            work, "interval", seconds=0.02, after="end", next_run_time=datetime.now(timezone.utc)
        )
        await asyncio.wait_for(done.wait(), LIMIT_S)
        scheduler.shutdown()
        return times

    times = asyncio.run(main())
    for end, begin in zip(times[1:4:2], times[2:6:2], strict=True):
        assert begin - end >= 0.015  # two clocks


def test_jobs_that_do_not_use_it_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    from rapscheduler._scheduling import batch, delays

    def refuse(*args: Any) -> Any:
        raise AssertionError("looked at")

    monkeypatch.setattr(batch, "counts_from_end", refuse)
    monkeypatch.setattr(delays, "move_on", refuse)
    scheduler = ManualScheduler(START)
    clocks.append(scheduler.clock)
    scheduler.start()
    scheduler.add_job(takes, "interval", minutes=10, start_date=START, args=[0])
    scheduler.advance(3600)
    assert len(began) == 7
    scheduler.shutdown()
