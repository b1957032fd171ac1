"""Middleware around quick runs: the engine makes the call, and the run is a `Run` for whoever looks at it."""

from __future__ import annotations

import os
import pickle
import threading
from typing import Any

import pytest
from tests.unit.schedulers.test_runs import add, current_run, scheduler, wait_for

from rapscheduler._runs import Run
from rapscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED, EVENT_JOB_STARTED
from rapscheduler.executors._tracked import Tracker
from rapscheduler.schedulers.background import BackgroundScheduler

__all__ = ("scheduler",)


@pytest.fixture(autouse=True)
def no_gevent(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process that has loaded gevent, runs may be in greenlets, and go the long way."""
    import sys

    monkeypatch.delitem(sys.modules, "gevent", raising=False)


def passed(run: Run, call: Any) -> Any:
    return call()


def heard(scheduler: Any) -> list[Any]:
    told: list[Any] = []
    scheduler.add_listener(told.append, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)
    return told


def test_the_engine_makes_the_call(monkeypatch: Any, scheduler: Any) -> None:
    opened: list[Any] = []
    monkeypatch.setattr(Tracker, "call", lambda *args: opened.append(args))
    scheduler.add_middleware(passed)
    told = heard(scheduler)
    scheduler.add_job(add, args=[1], kwargs={"b": 2})
    wait_for(lambda: told)
    assert told[0].retval == 3 and opened == []
    assert not scheduler._watched.every


def test_the_run_is_one_and_the_same_everywhere(scheduler: Any) -> None:
    seen: list[Any] = []

    def around(run: Run, call: Any) -> Any:
        seen.append((run, run.state, run.job.id, run.started, run.has_id))
        return call()

    scheduler.add_middleware(around)
    told = heard(scheduler)
    scheduler.add_job(lambda: seen.append(current_run()), id="a")
    wait_for(lambda: told)
    (run, state, job_id, started, has_id), inside = seen
    assert isinstance(run, Run) and inside is run and told[0].run is run
    assert (state, job_id, has_id) == ("running", "a", False) and started is not None
    assert told[0].run_id == run.id == run.id and run.has_id
    assert (run.state, run.attempt, run.job, run.jobstore) == ("done", 1, None, "default")
    assert run.scheduled_time <= run.started <= run.ended and run.who.endswith(f":{os.getpid()}")
    assert run.result() is None and run.is_over and scheduler._watched.tracker.live == set()
    again = pickle.loads(pickle.dumps(run))
    assert again.as_dict() == run.as_dict() and again.is_over


@pytest.mark.parametrize("asked", ["in the middleware", "afterwards", "of the history"])
def test_a_history_has_the_same_id(asked: str) -> None:
    runs: list[Run] = []

    def around(run: Run, call: Any) -> Any:
        runs.append(run)
        assert asked != "in the middleware" or run.id
        return call()

    with BackgroundScheduler(history="memory") as scheduler:
        scheduler.add_middleware(around)
        scheduler.add_job(add, args=[1], id="a")
        wait_for(scheduler.count_runs)
        if asked == "afterwards":
            assert runs[0].id
        (kept,) = scheduler.get_runs()
        assert (kept.id, kept.state, kept.job_id, kept.who) == (runs[0].id, "done", "a", runs[0].who)
        assert (kept.started, kept.ended) == (runs[0].started, runs[0].ended) and runs[0].retval == 1


def test_what_is_raised_is_the_runs_failure(scheduler: Any) -> None:
    runs: list[Run] = []

    def refuse(run: Run, call: Any) -> Any:
        runs.append(run)
        raise PermissionError("not now")

    scheduler.add_middleware(refuse)
    told = heard(scheduler)
    scheduler.add_job(add, args=[1], id="a")
    wait_for(lambda: told)
    assert told[0].code == EVENT_JOB_ERROR and told[0].run is runs[0] and "refuse" in told[0].traceback
    assert (runs[0].state, runs[0].error) == ("failed", "PermissionError: not now")
    with pytest.raises(PermissionError):
        runs[0].result()
    assert current_run() is None and scheduler._watched.tracker.live == set()


@pytest.mark.parametrize(("calls", "value"), [(0, "kept back"), (2, 2)])
def test_it_need_not_call_and_may_call_twice(scheduler: Any, calls: int, value: Any) -> None:
    ran: list[int] = []

    def around(run: Run, call: Any) -> Any:
        made = "kept back"
        for _ in range(calls):
            call()
            made = len(ran)  # type: ignore[assignment]
        return made

    scheduler.add_middleware(around)
    told = heard(scheduler)
    scheduler.add_job(ran.append, args=[1])
    wait_for(lambda: told)
    assert len(ran) == calls and told[0].retval == value == told[0].run.retval


def test_a_run_that_was_begun_keeps_its_middleware(scheduler: Any) -> None:
    begun, gate, order = threading.Event(), threading.Event(), []

    def outer(run: Run, call: Any) -> Any:
        order.append(f"{run.job_id} outer")
        return call()

    def inner(run: Run, call: Any) -> Any:
        order.append(f"{run.job_id} inner")
        value = call()
        order.append(f"{run.job_id} ends")
        return value

    def work() -> None:
        begun.set()
        gate.wait(10)

    scheduler.add_middleware(outer)
    scheduler.add_middleware(inner)
    told = heard(scheduler)
    scheduler.add_job(work, id="a")
    assert begun.wait(10)
    (live,) = scheduler._watched.tracker.under_way()
    assert live.job_id == "a" and scheduler.cancel_run(live.id) and live.cancelled
    scheduler.remove_middleware(inner)
    scheduler.add_job(add, args=[1], id="b")
    wait_for(lambda: told)
    gate.set()
    wait_for(lambda: len(told) == 2)
    assert order == ["a outer", "a inner", "b outer", "a ends"]
    scheduler.remove_middleware(outer)
    assert scheduler._watched.around is None


def test_whoever_asks_for_more_in_the_middle_gets_it(scheduler: Any) -> None:
    begun, gate, told = threading.Event(), threading.Event(), heard(scheduler)

    def work() -> int:
        begun.set()
        gate.wait(10)
        return 7

    scheduler.add_middleware(passed)
    scheduler.add_job(work, id="a")
    assert begun.wait(10)
    scheduler.add_listener(print, EVENT_JOB_STARTED)
    (run,) = scheduler.get_running()
    threading.Timer(0.05, gate.set).start()
    assert run.result(10) == 7
    wait_for(lambda: told)
    assert told[0].run is run and run.state == "done" and scheduler.get_running() == []


def test_a_coroutine_that_a_thread_is_left_with_belongs_to_its_run(scheduler: Any) -> None:
    seen: list[Any] = []

    async def work() -> int:
        seen.append(current_run())
        return 7

    scheduler.add_middleware(lambda run, call: seen.append(run) or call())
    told = heard(scheduler)
    scheduler.add_job(work)
    wait_for(lambda: told)
    assert seen[0] is seen[1] is told[0].run and told[0].retval == 7
