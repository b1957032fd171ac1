"""Events of runs under an event loop: told in it, in order, by the engine where nobody hooks in."""

from __future__ import annotations

import asyncio
import threading
from datetime import datetime, timezone
from typing import Any

import pytest

from rapscheduler.events import EVENT_JOB_EXECUTED
from rapscheduler.schedulers._eventloop import LoopDispatcher
from rapscheduler.schedulers.asyncio import AsyncIOScheduler

COUNT = 20


async def of_the_loop() -> str:
    return "loop"


async def of_a_task() -> str:
    await asyncio.sleep(0)
    return "task"


def of_a_thread() -> str:
    return "thread"


async def heard(funcs: list[Any], hook: Any = None) -> list[Any]:
    """The events of as many runs of each of these, with the thread that told each."""
    told: list[Any] = []
    every = asyncio.Event()

    def listen(event: Any) -> None:
        told.append((event, threading.get_ident()))
        if len(told) == COUNT * len(funcs):
            every.set()

    scheduler: Any = AsyncIOScheduler(timezone="UTC")
    scheduler.add_listener(listen, EVENT_JOB_EXECUTED)
    if hook is not None:
        hook(scheduler)
    scheduler.start(paused=True)
    now = datetime.now(timezone.utc)
    for func in funcs:
        for _ in range(COUNT):
            scheduler.add_job(func, "date", run_date=now, misfire_grace_time=None)
    scheduler.resume()
    await asyncio.wait_for(every.wait(), 30)
    scheduler.shutdown()
    return told


def test_all_are_told_in_the_loop_with_what_the_run_returned() -> None:
    told = asyncio.run(heard([of_the_loop, of_a_task, of_a_thread]))
    assert {ident for _, ident in told} == {threading.get_ident()}
    values = [event.retval for event, _ in told]
    assert {value: values.count(value) for value in values} == dict.fromkeys(
        ("loop", "task", "thread"), COUNT
    )
    assert len({event.job_id for event, _ in told}) == len(told)


@pytest.mark.parametrize("func", [of_the_loop, of_a_task])
def test_a_hook_on_the_scheduler_gets_the_events_of_coroutines(func: Any) -> None:
    seen: list[int] = []

    def hook(scheduler: Any) -> None:
        dispatch = scheduler._dispatch_event
        scheduler._dispatch_event = lambda event: (seen.append(event.code), dispatch(event))

    asyncio.run(heard([func], hook))
    assert seen.count(EVENT_JOB_EXECUTED) == COUNT


def test_an_event_waits_for_those_that_other_threads_have_put_before_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A coroutine that ends while the outbox is not empty does not get ahead of what is in it."""
    before = type("Event", (), {"code": EVENT_JOB_EXECUTED, "job_id": "before", "retval": None})()

    async def ends() -> None:
        dispatcher.outbox.append(before)

    def hook(scheduler: Any) -> None:
        nonlocal dispatcher
        dispatcher = scheduler._dispatcher

    dispatcher: Any = None
    monkeypatch.setitem(globals(), "COUNT", 1)
    told = asyncio.run(heard([ends, of_a_task], hook))
    assert isinstance(dispatcher, LoopDispatcher)
    assert told[0][0] is before
