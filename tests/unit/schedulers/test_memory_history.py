"""history="memory": runs that simply ran are put into the ring by the engine, and answer as all others."""

from __future__ import annotations

import asyncio
import pickle
import threading
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from tests.unit.schedulers.test_history import until

from rapscheduler import _runs
from rapscheduler._runs import this_process
from rapscheduler.errors import RunCancelledError
from rapscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED
from rapscheduler.executors.pool import ThreadPoolExecutor
from rapscheduler.runs import RetryLater
from rapscheduler.schedulers.asyncio import AsyncIOScheduler
from rapscheduler.schedulers.background import BackgroundScheduler

PAST = datetime(2025, 1, 1, tzinfo=timezone.utc)


def fail() -> None:
    raise ValueError("no")


def again() -> None:
    raise RetryLater(after=3600)


async def coroutine() -> int:
    return 3


async def failing_coroutine() -> None:
    raise KeyError("k")


def scheduler_of(**options: Any) -> Any:
    options = {
        "history": "memory",
        "timezone": "UTC",
        "executors": {"default": ThreadPoolExecutor(1)},
        **options,
    }
    return BackgroundScheduler(**options)


def once(scheduler: Any, func: Any, job_id: str, **options: Any) -> None:
    options = {"misfire_grace_time": None, **options}
    scheduler.add_job(func, "date", run_date=PAST, id=job_id, **options)


def story(followed: bool) -> Any:
    """What became of runs of every kind, and what was told of them."""
    told: list[Any] = []
    scheduler = scheduler_of()
    scheduler.add_listener(told.append, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)
    if followed:
        scheduler.get_running()  # from now on each run is one while it is under way
    with scheduler:
        scheduler.pause()
        once(scheduler, int, "done")
        once(scheduler, fail, "failed")
        once(scheduler, int, "missed", misfire_grace_time=1)
        once(scheduler, coroutine, "awaited")
        once(scheduler, failing_coroutine, "failed to await")
        once(scheduler, again, "later")
        once(scheduler, exit, "exits")
        once(scheduler, int, "with an option", timeout=50)
        scheduler.add_job(int, "interval", hours=1, id="stays", next_run_time=PAST, misfire_grace_time=None)
        scheduler.resume()
        until(lambda: len(scheduler.get_runs()) == 9)
        until(lambda: len(told) == 7)
        runs, counts = scheduler.get_runs(), scheduler.count_runs()
        last = scheduler.get_job("stays").last_run
    assert all(run.who == this_process() and run.job is None and run.retval is None for run in runs)
    assert all(run.scheduled_us <= run.started_us <= run.ended_us for run in runs if run.state != "missed")
    by_job = {run.job_id: run for run in runs}
    assert last.id == by_job["stays"].id and last.as_dict() == by_job["stays"].as_dict()
    for event in told:
        assert event.run_id == event.run.id == by_job[event.job_id].id, event.job_id
        assert (event.run.state, event.run.error) == (by_job[event.job_id].state, by_job[event.job_id].error)
        assert event.run.retval == event.retval
    assert [run.id for run in runs] == sorted((run.id for run in runs), reverse=True)
    kinds = [(one.job_id, one.jobstore, one.attempt, one.state, one.scheduled_us, one.error) for one in runs]
    reasons = {run.job_id for run in runs if run.reason is not None}
    retried = {run.job_id for run in runs if run.retry_us is not None}
    values = {event.job_id: event.retval for event in told}
    tracebacks = {event.job_id: event.traceback for event in told}
    return kinds, counts, reasons, retried, values, tracebacks


def test_the_answers_are_those_of_runs_that_were_followed() -> None:
    assert story(False) == story(True)


def test_a_run_that_simply_ran_makes_no_run_before_somebody_reads_it(monkeypatch: Any) -> None:
    made: list[Any] = []
    init = _runs.Run.__init__
    monkeypatch.setattr(
        _runs.Run, "__init__", lambda *args, **options: made.append(1) or init(*args, **options)
    )
    with scheduler_of() as scheduler:
        for number in range(5):
            once(scheduler, int, str(number))
        until(lambda: scheduler.count_runs() == {"done": 5})
        assert made == []
        assert len(scheduler.get_runs(limit=3)) == len(made) == 3


def test_an_event_has_the_run_and_goes_elsewhere_without_it() -> None:
    told: list[Any] = []
    with scheduler_of() as scheduler:
        scheduler.add_listener(told.append, EVENT_JOB_EXECUTED)
        once(scheduler, int, "a")
        until(lambda: told)
        (run,) = scheduler.get_runs()
    copy = pickle.loads(pickle.dumps(told[0]))
    assert copy.run is None and copy.kept is None and copy.run_id == run.id
    assert told[0].run is told[0].run and told[0].run.result(0) == 0 and told[0].attempt == 1


def test_exactly_so_many_are_kept() -> None:
    with scheduler_of(history={"keep": 7}, executors={"default": ThreadPoolExecutor(4)}) as scheduler:
        for number in range(40):
            once(scheduler, int if number % 3 else fail, str(number))
            until(lambda: scheduler.get_job(str(number)) is None)  # noqa: B023
        until(lambda: not len(scheduler._running_counts))
        assert len(scheduler.get_runs()) == sum(scheduler.count_runs().values()) == 7
        assert {run.job_id for run in scheduler.get_runs()} <= {str(number) for number in range(25, 40)}


def test_questions_of_a_ring_of_both_kinds() -> None:
    with scheduler_of() as scheduler:
        for number in range(6):
            once(scheduler, int if number % 2 else fail, str(number))
        until(lambda: scheduler.count_runs() == {"done": 3, "failed": 3})
        assert {run.job_id for run in scheduler.get_runs(state="done")} == {"1", "3", "5"}
        assert [run.job_id for run in scheduler.get_runs("3")] == ["3"]
        third = scheduler.get_runs("3")[0]
        assert third.id in {run.id for run in scheduler.get_runs(since=third.ended)}
        later = third.ended + timedelta(hours=1)
        assert scheduler.get_runs(since=later) == [] and scheduler.count_runs(since=later) == {}
        assert scheduler._history.written().find(third.id).job_id == "3"


def test_a_run_under_way_is_found_and_ends_in_the_history() -> None:
    begun, end = threading.Event(), threading.Event()

    def work() -> int:
        begun.set()
        end.wait(20)
        return 7

    told: list[Any] = []
    with scheduler_of() as scheduler:
        scheduler.add_listener(told.append, EVENT_JOB_EXECUTED)
        once(scheduler, work, "a")
        assert begun.wait(20)
        (run,) = scheduler.get_running()
        assert (run.job_id, run.state, run.ended) == ("a", "running", None)
        assert scheduler.get_running() == [run]
        assert scheduler.cancel_run(run.id) and run.cancelled  # a thread can't be ended
        end.set()
        assert run.result(20) == 7
        until(lambda: told)
        assert told[0].run is run and scheduler.get_running() == []
        assert [one.id for one in scheduler.get_runs()] == [run.id]
        assert scheduler._watched.ledger.under_way() == [] and not scheduler._watched.tracker.live
        assert scheduler._running_counts.count("a") == 0


@pytest.mark.parametrize("place", ["memory", "sqlite://"])
def test_whoever_has_waited_for_a_run_finds_it(place: str) -> None:
    with scheduler_of(history=place) as scheduler:
        job = scheduler.add_job(int, "interval", hours=1, max_instances=100)
        for number in range(1, 100):
            run = job.run()
            assert run.result(20) == 0 and scheduler.count_runs() == {"done": number}
            assert job.last_run.id == run.id


def test_a_run_that_is_lost_is_not_under_way(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any, **kwargs: Any) -> Any:
        raise OSError("no run loop today")

    with scheduler_of() as scheduler:
        monkeypatch.setattr("rapscheduler.executors.base.run_loop", broken)
        once(scheduler, fail, "a")
        until(lambda: "Error running job a" in caplog.text)
        until(lambda: not len(scheduler._running_counts))
        until(lambda: scheduler._watched.ledger.under_way() == [])
        assert scheduler.count_runs() == {}


def test_a_history_that_is_taken_away_and_given_back() -> None:
    scheduler = scheduler_of()
    assert scheduler._watched.ledger is not None and not scheduler._watched.every
    scheduler.configure(timezone="UTC")
    assert scheduler._watched.ledger is None
    with pytest.raises(RuntimeError, match="keeps no history"):
        scheduler.get_runs()
    scheduler.configure(history={"keep": 2})
    with scheduler:
        scheduler.add_job(int, id="a")
        until(lambda: scheduler.count_runs() == {"done": 1})


def test_coroutines_in_an_event_loop() -> None:
    async def main() -> None:
        told: list[Any] = []
        scheduler = AsyncIOScheduler(history="memory", timezone="UTC")
        scheduler.add_listener(told.append, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)
        scheduler.start()
        begun, end = asyncio.Event(), asyncio.Event()

        async def waiting() -> int:
            begun.set()
            await end.wait()
            return 5

        once(scheduler, coroutine, "done")
        once(scheduler, failing_coroutine, "failed")
        once(scheduler, fail, "failed in a thread")
        once(scheduler, waiting, "followed")
        await begun.wait()
        assert scheduler._watched.tracker is None or "followed" not in {
            run.job_id for run in scheduler._watched.tracker.live
        }
        (run,) = [run for run in scheduler.get_running() if run.job_id == "followed"]
        end.set()
        assert await run == 5 and run.state == "done"
        while len(told) < 4:
            await asyncio.sleep(0.01)
        assert scheduler.count_runs() == {"done": 2, "failed": 2}
        ids = {run.job_id: run.id for run in scheduler.get_runs()}
        assert {event.job_id: event.run_id for event in told} == ids
        assert scheduler._watched.ledger.under_way() == []
        scheduler.shutdown()

    asyncio.run(main())


def test_a_coroutine_that_nobody_followed_is_cancelled_by_its_id() -> None:
    async def main() -> None:
        told: list[Any] = []
        scheduler = AsyncIOScheduler(history="memory", timezone="UTC")
        scheduler.add_listener(told.append, EVENT_JOB_ERROR)
        scheduler.start()
        begun = asyncio.Event()

        async def waiting() -> None:
            begun.set()
            await asyncio.Event().wait()

        once(scheduler, waiting, "a")
        await begun.wait()
        (run,) = scheduler.get_running()
        assert scheduler.cancel_run(run.id)
        with pytest.raises(RunCancelledError):
            await run
        while not told:
            await asyncio.sleep(0.01)
        assert scheduler.count_runs() == {"cancelled": 1}
        assert type(told[0].exception) is RunCancelledError and told[0].run is run
        scheduler.shutdown()

    asyncio.run(main())
