"""What a job or an executor may do: every run comes to an end that is told, and no counter leaks."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor as PlainPool
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any

import pytest
from tests.faults.port import WAIT_S, Port, now

from rapscheduler.errors import MaxInstancesReachedError
from rapscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED, EVENT_JOB_MISSED
from rapscheduler.executors.base import BaseExecutor, run_coroutine_job, run_job
from rapscheduler.executors.debug import DebugExecutor
from rapscheduler.executors.pool import BasePoolExecutor, ThreadPoolExecutor
from rapscheduler.testing import ManualScheduler

pytestmark = pytest.mark.faults


@pytest.fixture(params=["threads", "debug", "plain pool"])
def executor(request: Any, port: Port) -> Iterator[BaseExecutor]:
    class OwnPool(BasePoolExecutor):
        def __init__(self) -> None:
            super().__init__(PlainPool(2))

    made: Any = {"threads": ThreadPoolExecutor, "debug": DebugExecutor, "plain pool": OwnPool}[
        request.param
    ]()
    made.start(port, "default")
    yield made
    made.shutdown()
    assert len(port.running_counts) == 0


# What a job does


@pytest.mark.parametrize(
    "error", [ValueError, SystemExit, KeyboardInterrupt, StopIteration, GeneratorExit, StopAsyncIteration]
)
def test_whatever_a_job_raises_is_data(
    executor: BaseExecutor, port: Port, error: type[BaseException]
) -> None:
    def fail() -> None:
        raise error("boom")

    for _ in range(2):  # the second: the worker still lives
        executor.submit_job(port.job(fail), [now()])
        (event,) = port.next()
        assert event.code == EVENT_JOB_ERROR and type(event.exception) is error
        assert "in fail" in event.traceback and "_run.py" not in event.traceback


@pytest.mark.parametrize("mask", [EVENT_JOB_ERROR, EVENT_JOB_ERROR | EVENT_JOB_EXECUTED])
def test_a_traceback_begins_with_the_job(mask: int, caplog: Any) -> None:
    def fail() -> None:
        raise ValueError("boom")

    events: list[Any] = []
    with ManualScheduler() as scheduler:
        scheduler.add_listener(events.append, mask)  # where nobody wants success, the engine makes the call
        scheduler.add_job(fail)
        scheduler.advance(timedelta(0))
    assert events[0].traceback.startswith(f'  File "{__file__}", line ')
    assert events[0].exception.__traceback__.tb_frame.f_code.co_name == "fail"
    assert "run_at_once" not in caplog.text


def test_when_nobody_listens_for_success_only_the_rest_is_told(executor: BaseExecutor, port: Port) -> None:
    if isinstance(executor, BasePoolExecutor) and not isinstance(executor, ThreadPoolExecutor):
        pytest.skip("a plain pool tells every event, as in APScheduler")
    port.wanted = EVENT_JOB_ERROR | EVENT_JOB_MISSED
    ran: list[Any] = []

    def fail(*args: Any, **kwargs: Any) -> None:
        ran.append((args, kwargs))
        raise KeyError("boom")

    def give(*args: Any, **kwargs: Any) -> list[int]:
        ran.append((args, kwargs))
        return [1]

    executor.submit_job(port.job(ran.append, 1, id="a"), [now()])
    executor.submit_job(port.job(give, 2, id="b"), [now()])
    job = port.job(fail, 3, id="c")
    job.kwargs["x"] = 4
    executor.submit_job(job, [now()])
    late = port.job(ran.append, 0, id="d", misfire_grace_time=1)
    executor.submit_job(late, [now() - timedelta(seconds=9)])
    events = sorted(port.next(2), key=lambda event: event.job_id)
    executor.shutdown()
    assert [(event.job_id, event.code) for event in events] == [
        ("c", EVENT_JOB_ERROR),
        ("d", EVENT_JOB_MISSED),
    ]
    assert "in fail" in events[0].traceback and "planning" not in events[0].traceback
    assert "base.py" not in events[0].traceback
    assert sorted(ran, key=str) == sorted([1, ((2,), {}), ((3,), {"x": 4})], key=str)


def test_a_quiet_coroutine_is_awaited(port: Port) -> None:
    port.wanted = 0
    executor = ThreadPoolExecutor()
    executor.start(port, "default")
    done = threading.Event()

    async def work() -> int:
        await asyncio.sleep(0)
        done.set()
        return 1

    executor.submit_job(port.job(work), [now()])
    assert done.wait(WAIT_S)
    executor.shutdown()
    assert port.events == [] and len(port.running_counts) == 0


def test_an_executor_that_looks_at_the_events_gets_all(port: Port) -> None:
    port.wanted = 0
    seen: list[Any] = []

    class Looking(ThreadPoolExecutor):
        def _run_job_success(self, job_id: str, events: Any) -> None:
            seen.extend(events)
            super()._run_job_success(job_id, events)

    executor = Looking()
    executor.start(port, "default")
    executor.submit_job(port.job(int, "5"), [now()])
    executor.shutdown()
    assert [event.retval for event in seen] == [5]


def test_several_run_times_give_several_events(executor: BaseExecutor, port: Port) -> None:
    outcomes = iter([1, ValueError("second"), 3])

    def step() -> int:
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    times = [now() - timedelta(seconds=10 - i) for i in range(3)]
    executor.submit_job(port.job(step), times)
    events = port.next(3)
    assert [event.code for event in events] == [EVENT_JOB_EXECUTED, EVENT_JOB_ERROR, EVENT_JOB_EXECUTED]
    assert [event.retval for event in events] == [1, None, 3]
    assert [event.scheduled_run_time for event in events] == times


def test_late_runs_are_missed_one_by_one(executor: BaseExecutor, port: Port, caplog: Any) -> None:
    ran: list[int] = []
    job = port.job(ran.append, 1, misfire_grace_time=60)
    executor.submit_job(job, [now() - timedelta(seconds=90), now()])
    missed, executed = port.next(2)
    assert (missed.code, executed.code, ran) == (EVENT_JOB_MISSED, EVENT_JOB_EXECUTED, [1])
    assert missed.lateness_s >= 90
    assert "was missed by 0:01:30" in caplog.text and "misfire_grace_time" in caplog.text


def test_waiting_for_a_worker_is_told_apart_from_downtime(port: Port) -> None:
    executor = ThreadPoolExecutor(1)
    executor.start(port, "default")
    clock_us = [0]
    executor._now_us = lambda: clock_us[0]  # type: ignore[method-assign]
    gate = threading.Event()
    executor.submit_job(port.job(gate.wait, id="slow"), [datetime.fromtimestamp(0, timezone.utc)])
    executor.submit_job(
        port.job(int, id="waits", misfire_grace_time=1), [datetime.fromtimestamp(0, timezone.utc)]
    )
    clock_us[0] = 9_000_000
    gate.set()
    missed = port.next(2)[-1]
    assert (missed.code, missed.cause, missed.lateness_s) == (EVENT_JOB_MISSED, "queue wait", 9.0)
    executor.shutdown()


async def answer() -> int:
    await asyncio.sleep(0)
    return 42


def test_coroutine_functions_are_awaited(port: Port) -> None:
    for executor in (ThreadPoolExecutor(), DebugExecutor()):
        executor.start(port, "default")
        for func in (answer, partial(answer), lambda: answer()):
            executor.submit_job(port.job(func), [now()])
            (event,) = port.next()
            assert (event.code, event.retval) == (EVENT_JOB_EXECUTED, 42)
        executor.shutdown()


def test_an_awaitable_that_can_not_be_awaited_here_is_an_error(port: Port) -> None:
    executor = DebugExecutor()
    executor.start(port, "default")

    async def inside() -> None:
        executor.submit_job(port.job(answer), [now()])

    asyncio.run(inside())
    (event,) = port.next()
    assert event.code == EVENT_JOB_ERROR and "asyncio" in str(event.exception)


def test_the_public_functions_run_jobs(port: Port) -> None:
    at = now()
    (event,) = run_job(port.job(int, "7"), "store", [at], "a.logger")
    assert (event.code, event.retval, event.jobstore) == (EVENT_JOB_EXECUTED, 7, "store")
    (event,) = asyncio.run(run_coroutine_job(port.job(answer), "store", [at], "a.logger"))
    assert (event.code, event.retval, event.scheduled_run_time) == (EVENT_JOB_EXECUTED, 42, at)


def test_log_lines_are_apscheduler_s(executor: BaseExecutor, port: Port, caplog: Any) -> None:
    caplog.set_level(logging.INFO)
    job = port.job(int, name="named")
    executor.submit_job(job, [now()])
    port.next()
    executor.shutdown()
    texts = [record.getMessage() for record in caplog.records]
    assert any(text.startswith(f'Running job "{job}" (scheduled at ') for text in texts)
    assert f'Job "{job}" executed successfully' in texts


def test_a_failed_job_s_variables_are_let_go(port: Port) -> None:
    import gc
    import weakref

    class Big: ...

    refs: list[Any] = []

    def fail() -> None:
        big = Big()
        refs.append(weakref.ref(big))
        raise ValueError

    executor = ThreadPoolExecutor()
    executor.start(port, "default")
    executor.submit_job(port.job(fail), [now()])
    port.next()
    executor.shutdown()
    gc.collect()
    assert port.events[0].exception is not None and refs[0]() is None


# Counting and contracts


def test_max_instances_hold_in_every_executor(port: Port) -> None:
    one, other = ThreadPoolExecutor(), ThreadPoolExecutor()
    one.start(port, "one")
    other.start(port, "other")
    gate = threading.Event()
    job = port.job(gate.wait, max_instances=2)
    one.submit_job(job, [now()])
    other.submit_job(job, [now()])
    for executor in (one, other):
        with pytest.raises(
            MaxInstancesReachedError, match=r"already reached its maximum number of instances \(2\)"
        ):
            executor.submit_job(job, [now()])
    gate.set()
    port.next(2)
    one.shutdown()
    other.shutdown()
    assert port.running_counts.count("j") == 0


def test_a_third_party_executor_keeps_apscheduler_s_contract(port: Port) -> None:
    class Later(BaseExecutor):
        def __init__(self) -> None:
            super().__init__()
            self.queue: list[Any] = []

        def _do_submit_job(self, job: Any, run_times: list[datetime]) -> None:
            if job.name == "bad":
                raise OSError("not me")
            self.queue.append((job, run_times))

        def run(self, ok: bool) -> None:
            job, run_times = self.queue.pop(0)
            if ok:
                self._run_job_success(job.id, run_job(job, job._jobstore_alias, run_times, self._logger.name))
            else:
                self._run_job_error(job.id, ValueError("lost"), None)

    executor = Later()
    executor.start(port, "default")
    for ok in (True, False):
        executor.submit_job(port.job(int), [now()])
        with pytest.raises(MaxInstancesReachedError):
            executor.submit_job(port.job(int), [now()])
        executor.run(ok)
    with pytest.raises(OSError, match="not me"):
        executor.submit_job(port.job(int, name="bad"), [now()])
    assert port.running_counts.count("j") == 0 and len(port.events) == 1


def test_an_executor_that_was_not_started_says_so(port: Port) -> None:
    with pytest.raises(RuntimeError, match="has not been started"):
        ThreadPoolExecutor().submit_job(port.job(int), [now()])


def test_a_dispatcher_that_raises_costs_no_worker(port: Port, monkeypatch: Any) -> None:
    executor = ThreadPoolExecutor(1)
    executor.start(port, "default")
    dispatch = port._dispatch_event

    def raise_once(event: Any) -> None:
        monkeypatch.setattr(port, "_dispatch_event", dispatch)
        raise SystemExit

    monkeypatch.setattr(port, "_dispatch_event", raise_once)
    executor.submit_job(port.job(int, id="a"), [now()])
    executor.submit_job(port.job(int, id="b"), [now()])
    (event,) = port.next()
    assert event.job_id == "b"
    executor.shutdown()
    assert len(port.running_counts) == 0
