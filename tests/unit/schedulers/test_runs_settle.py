"""Whatever happens while a run is under way, whoever waits for it hears of its end, and what it leaves is the job's."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import pickle
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.schedulers.test_runs import add, scheduler, wait_for

from rapscheduler._runs import Run
from rapscheduler._scheduling import history
from rapscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED
from rapscheduler.executors.base import BaseExecutor, run_job
from rapscheduler.executors.pool import ThreadPoolExecutor
from rapscheduler.schedulers.asyncio import AsyncIOScheduler
from rapscheduler.schedulers.background import BackgroundScheduler

__all__ = ("scheduler",)

OUTCOMES = EVENT_JOB_EXECUTED | EVENT_JOB_ERROR


@pytest.fixture(autouse=True)
def no_gevent(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process that has loaded gevent, runs may be in greenlets, and go the long way."""
    import sys

    monkeypatch.delitem(sys.modules, "gevent", raising=False)


class Gated:
    """A job that has begun and waits; `go_on` lets it do `work`."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.begun, self._gate, self._work = threading.Event(), threading.Event(), work

    def __call__(self) -> Any:
        self.begun.set()
        assert self._gate.wait(10)
        return self._work()

    def go_on(self) -> None:
        self._gate.set()


def fail() -> None:
    raise ValueError("no")


async def seven() -> int:
    return 7


@pytest.mark.parametrize("work", [add, fail, seven], ids=["ends", "fails", "awaits"])
def test_its_middleware_is_taken_away(scheduler: Any, work: Any) -> None:
    told: list[Any] = []
    runs: list[Run] = []

    def around(run: Run, call: Any) -> Any:
        runs.append(run)
        return call()

    job = Gated((lambda: add(7)) if work is add else work)
    scheduler.add_listener(told.append, OUTCOMES)
    scheduler.add_middleware(around)
    scheduler.add_job(job, id="a")
    assert job.begun.wait(10)
    scheduler.remove_middleware(around)
    job.go_on()
    if work is fail:
        with pytest.raises(ValueError, match="no"):
            runs[0].result(10)
    else:
        assert runs[0].result(10) == 7
    wait_for(lambda: told)
    assert told[0].run is runs[0] and runs[0].job is None and scheduler._watched.tracker.live == set()


def test_its_history_is_taken_away() -> None:
    with BackgroundScheduler(history="memory") as scheduler:
        job = Gated(lambda: 7)
        scheduler.add_job(job, id="a")
        assert job.begun.wait(10)
        book = scheduler._watched.made()
        book.follow()
        (run,) = book.live
        history.set_up(scheduler, None)
        job.go_on()
        assert run.result(10) == 7 and book.live == set()


@pytest.mark.parametrize(
    "options", [{}, {"tags": ["t"]}, {"metadata": {"a": 1}}, {"owner": "me"}, {"on_lost": "skip"}], ids=str
)
def test_a_run_now_of_a_job_with_options_that_do_not_concern_runs(scheduler: Any, options: Any) -> None:
    job = scheduler.add_job(add, "interval", hours=1, args=[1], id="a", **options)
    assert job.run().result(10) == 1
    assert scheduler._watched.tracker.live == set()


class Odd:
    """What can't be asked whether it is to be awaited, as a proxy of something that is not there."""

    @property
    def __await__(self) -> Any:
        raise RuntimeError("working outside of a context")


@pytest.mark.parametrize("has_middleware", [False, True])
def test_a_value_that_raises_when_it_is_looked_at_fails_its_run(scheduler: Any, has_middleware: bool) -> None:
    told: list[Any] = []
    runs: list[Run] = []
    scheduler.add_listener(told.append, OUTCOMES)

    def around(run: Run, call: Any) -> Any:
        runs.append(run)
        return call()

    if has_middleware:
        scheduler.add_middleware(around)
    scheduler.add_job(Odd, id="a")
    wait_for(lambda: told)
    assert told[0].code == EVENT_JOB_ERROR and "outside of a context" in str(told[0].exception)
    for run in runs:
        with pytest.raises(RuntimeError, match="outside of a context"):
            run.result(10)


@pytest.mark.parametrize("waits", [False, True])
def test_a_traceback_begins_with_what_users_wrote(scheduler: Any, waits: bool) -> None:
    told: list[Any] = []

    def around(run: Run, call: Any) -> Any:
        if waits:
            run._waiting()
        return call()

    scheduler.add_listener(told.append, OUTCOMES)
    scheduler.add_middleware(around)
    scheduler.add_job(fail, id="a")
    wait_for(lambda: told)
    lines = [line for line in told[0].traceback.splitlines() if line.startswith('  File "')]
    assert [line.rpartition(" in ")[2] for line in lines] == ["around", "fail"]


def test_a_failed_run_with_middleware_holds_its_job_no_longer_than_its_event(scheduler: Any) -> None:
    class Argument:
        pass

    def work(argument: Argument) -> None:
        raise ValueError("no")

    ended = threading.Event()
    scheduler.add_listener(lambda event: ended.set(), OUTCOMES)
    scheduler.add_middleware(lambda run, call: call())
    argument = Argument()
    alive = weakref.ref(argument)
    gc.collect()
    gc.disable()
    logging.disable(logging.CRITICAL)  # what is captured of a log has what was raised
    try:
        scheduler.add_job(work, args=[argument])
        del argument
        assert ended.wait(10)
        wait_for(lambda: alive() is None)
    finally:
        logging.disable(logging.NOTSET)
        gc.enable()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_run_goes_by_every_protocol(protocol: int) -> None:
    run = Run("a", "default", 5)
    run.retval = 7
    run.end("done", 9)
    run._waiting()
    again = pickle.loads(pickle.dumps(run, protocol))
    assert again.as_dict() == run.as_dict() and again.result() == 7


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_has_no_runs_of_its_parents(scheduler: Any) -> None:
    job = Gated(lambda: None)
    scheduler.add_middleware(lambda run, call: call())
    scheduler.add_job(job, id="a")
    assert job.begun.wait(10)
    pid = os.fork()
    if pid == 0:
        try:
            scheduler.get_jobs()
            os._exit(0 if scheduler.get_running() == [] else 2)
        finally:
            os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0
    assert [run.job_id for run in scheduler.get_running()] == ["a"]
    job.go_on()


def test_a_coroutine_of_a_loop_before_is_told_of_in_the_loop_that_the_scheduler_has_now() -> None:
    """Its scheduler was started again, for another loop, while it was under way in the first."""
    begun, again, told = threading.Event(), threading.Event(), threading.Event()
    threads: list[Any] = []
    scheduler = AsyncIOScheduler(timezone="UTC")

    async def until(event: threading.Event) -> None:
        while not event.is_set():
            await asyncio.sleep(0.01)

    async def work() -> None:
        begun.set()
        await until(again)

    async def first() -> None:
        scheduler.start()
        scheduler.add_job(work)
        await until(begun)
        scheduler.shutdown()
        stopped.set()
        await until(told)

    async def second() -> None:
        scheduler.start()
        again.set()
        await until(told)
        scheduler.shutdown(wait=False)

    def heard(event: Any) -> None:
        threads.append(threading.current_thread())
        told.set()

    stopped = threading.Event()
    scheduler.add_listener(heard, EVENT_JOB_EXECUTED)
    one = threading.Thread(target=lambda: asyncio.run(asyncio.wait_for(first(), 10)))
    one.start()
    assert stopped.wait(10)
    asyncio.run(asyncio.wait_for(second(), 10))
    one.join(10)
    assert threads == [threading.current_thread()]


def test_ctrl_c_in_a_listener_is_the_programs_and_not_the_failure_of_a_run_that_ended() -> None:
    told: list[int] = []
    scheduler = AsyncIOScheduler(timezone="UTC")

    def work() -> None:
        """A coroutine function by its mark, which leaves nothing to be awaited."""

    work._is_coroutine = True  # type: ignore[attr-defined]

    def heard(event: Any) -> None:
        told.append(event.code)
        raise KeyboardInterrupt

    async def main() -> None:
        scheduler.start()
        scheduler.add_job(work)
        await asyncio.sleep(10)

    scheduler.add_listener(heard, OUTCOMES)
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(main())
    assert told == [EVENT_JOB_EXECUTED]


class OfOthers(BaseExecutor):
    """One by APScheduler's contract, which knows nothing of runs."""

    def _do_submit_job(self, job: Any, run_times: Any) -> None:
        def work() -> None:
            self._run_job_success(job.id, run_job(job, job._jobstore_alias, run_times, self._logger.name))

        threading.Thread(target=work).start()


@pytest.mark.parametrize("work", [add, fail])
def test_a_run_now_in_an_executor_of_others(work: Any) -> None:
    told: list[Any] = []
    with BackgroundScheduler(executors={"default": OfOthers()}) as scheduler:
        scheduler.add_listener(told.append, OUTCOMES)
        job = scheduler.add_job(work, "interval", hours=1, args=[1] if work is add else [], id="a")
        run = job.run()
        if work is add:
            assert run.result(10) == 1
        else:
            with pytest.raises(ValueError, match="no"):
                run.result(10)
        wait_for(lambda: told)
        assert told[0].run is run and scheduler._watched.tracker.live == set()


def test_a_run_now_in_a_pool_that_breaks() -> None:
    pool = ThreadPoolExecutor(1, {"initializer": fail})
    with BackgroundScheduler(executors={"default": pool}) as scheduler:
        run = scheduler.add_job(add, "interval", hours=1, args=[1], id="a").run()
        with pytest.raises(ValueError, match="no"):
            run.result(10)
        assert run.state == "lost" and scheduler._watched.tracker.live == set()


def test_a_run_whose_run_loop_breaks(monkeypatch: pytest.MonkeyPatch, scheduler: Any) -> None:
    def broken(*args: Any, **kwargs: Any) -> Any:
        raise OSError("no run loop today")

    runs: list[Run] = []

    def around(run: Run, call: Any) -> Any:
        runs.append(run)
        raise ValueError("no")

    monkeypatch.setattr("rapscheduler.executors.base.run_loop", broken)
    scheduler.add_middleware(around)
    scheduler.add_job(add, args=[1], id="a")
    wait_for(lambda: runs)
    with pytest.raises(OSError, match="no run loop today"):
        runs[0].result(10)
    assert runs[0].state == "lost" and scheduler._watched.tracker.live == set()


def test_a_run_now_that_is_cancelled_before_it_began() -> None:
    async def main() -> None:
        scheduler = AsyncIOScheduler(timezone="UTC")
        scheduler.start()
        run = scheduler.add_job(seven, "interval", hours=1).run()
        later = scheduler.add_job(seven, "interval", hours=1).run()
        executor = scheduler._executors["default"]
        scheduler.shutdown(wait=False)
        await asyncio.sleep(0)
        for one in (run, later):
            with pytest.raises(asyncio.CancelledError):
                one.result(10)
            assert one.state == "cancelled"
        assert not executor._queue

    asyncio.run(main())
