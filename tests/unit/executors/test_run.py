"""The run loop as steps, without any thread or event loop, and its drivers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest

from rapscheduler._engine.planning import Submission
from rapscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED
from rapscheduler.executors._run import (
    Await,
    RunLoop,
    advance,
    advance_begun,
    drive,
    drive_async,
    run_loop,
)
from rapscheduler.executors._turns import Own, advance_as, inside

LOGGER = logging.getLogger("test")
START = datetime(2026, 1, 1, tzinfo=timezone.utc)


async def answer(value: Any) -> Any:
    if isinstance(value, BaseException):
        raise value
    return value


def steps_of(func: Callable[[], Any], runs: int = 1, begun: bool = False) -> RunLoop:
    job: Any = SimpleNamespace(id="a", func=func, args=(), kwargs={}, misfire_grace_time=None)
    times = [START + timedelta(seconds=second) for second in range(runs)]
    return run_loop(Submission(job, [0] * runs, 0, times), LOGGER, begun=begun)


def told(done: Any) -> list[Any]:
    assert type(done) is list
    return [event.retval if event.code == EVENT_JOB_EXECUTED else event.exception for event in done]


def test_steps_are_calls_and_what_they_leave_to_be_awaited() -> None:
    awaitable = answer(7)
    loop = steps_of(lambda: None, runs=2)
    step = next(loop)
    assert step.id == "a"
    step = loop.send(awaitable)
    assert type(step) is Await and step.value is awaitable
    assert loop.send(7).id == "a"
    with pytest.raises(StopIteration) as end:
        loop.send(8)
    assert told(end.value.value) == [7, 8]
    awaitable.close()


def test_what_an_awaitable_gives_is_not_awaited_again() -> None:
    inner = answer(1)
    assert told(drive(steps_of(lambda: answer(inner)))) == [inner]
    inner.close()


@pytest.mark.parametrize("outcome", [7, None, ValueError("no"), KeyboardInterrupt(), StopIteration(3)])
def test_every_driver_tells_the_same(outcome: Any) -> None:
    def plain() -> Any:
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    async def in_thread(loop: RunLoop, *outcome: Any) -> Any:
        return await asyncio.to_thread(advance_as, Own(None), loop, *outcome)  # type: ignore[arg-type]

    async def in_turns(loop: RunLoop) -> Any:
        return await drive_async(loop, await in_thread(loop), in_thread)

    for func in (plain, lambda: answer(outcome)):
        if func is not plain and isinstance(outcome, StopIteration):
            continue  # no coroutine can raise it
        assert told(drive(steps_of(func, 2))) == [outcome] * 2
        assert told(asyncio.run(drive_async(steps_of(func, 2)))) == [outcome] * 2
        assert told(asyncio.run(in_turns(steps_of(func, 2)))) == [outcome] * 2


@pytest.mark.parametrize("error", [None, ValueError("no")])
def test_a_first_call_that_was_made_already_is_not_made_again(error: BaseException | None) -> None:
    loop = steps_of(lambda: pytest.fail("called again"), begun=True)
    assert told(drive(loop, advance_begun(loop, 7, error))) == [7 if error is None else error]


@pytest.mark.parametrize("left", [False, True])
def test_a_traceback_begins_with_the_job(left: bool) -> None:
    """In a worker thread too; only a private event loop shows its own frames."""

    def fail() -> Any:
        if left:
            return answer(ValueError("no"))
        raise ValueError("no")

    def resume(loop: RunLoop) -> Any:
        return advance_as(Own(None), loop)  # type: ignore[arg-type]

    done = [asyncio.run(drive_async(steps_of(fail)))]
    if not left:
        done += [drive(steps_of(fail)), resume(steps_of(fail))]
    for events in done:
        assert [event.code for event in events] == [EVENT_JOB_ERROR]
        assert "rapscheduler/executors" not in events[0].traceback
        assert events[0].traceback.count("line ") == 1


def test_code_in_a_worker_thread_knows_its_run() -> None:
    own = Own(None)  # type: ignore[arg-type]
    loop = steps_of(inside.get)
    assert told(advance_as(own, loop)) == [own]
    assert own.begun and inside.get() is None


def test_a_loop_that_is_advanced_makes_no_call_after_one_that_is_to_be_awaited() -> None:
    calls: list[int] = []
    awaitable = answer(1)

    def func() -> Any:
        calls.append(1)
        return awaitable

    loop = steps_of(func, runs=3)
    assert type(advance(loop)) is Await
    assert len(calls) == 1
    loop.close()
    awaitable.close()
