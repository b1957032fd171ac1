"""Events in order."""

from __future__ import annotations

import logging
import threading
from datetime import datetime
from typing import Any

import pytest

from rapscheduler._scheduling.dispatcher import OUTCOMES, Dispatcher
from rapscheduler.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_SUBMITTED,
    JobEvent,
    JobExecutionEvent,
)


@pytest.fixture
def dispatcher() -> Dispatcher:
    return Dispatcher(lambda: logging.getLogger("test"))


def test_masks(dispatcher: Dispatcher) -> None:
    told: list[Any] = []
    dispatcher.add(told.append, EVENT_JOB_EXECUTED)
    assert dispatcher.wants(EVENT_JOB_EXECUTED) and not dispatcher.wants(EVENT_JOB_SUBMITTED)
    dispatcher.dispatch(JobEvent(EVENT_JOB_SUBMITTED, "a", None))
    assert told == []
    dispatcher.remove(print)
    dispatcher.remove(told.append)
    assert dispatcher.listeners == [] and not dispatcher.wants(EVENT_JOB_EXECUTED)


@pytest.mark.parametrize("mask", [-1, 2**64 - 1, 2**200 - 1])
def test_a_mask_of_every_bit_may_be_as_long_as_it_likes(dispatcher: Dispatcher, mask: int) -> None:
    told: list[Any] = []
    dispatcher.add(told.append, mask)
    dispatcher.remove(print)
    event = JobEvent(EVENT_JOB_SUBMITTED, "a", None)
    dispatcher.dispatch(event)
    assert told == [event] and dispatcher.wants(EVENT_JOB_EXECUTED)


def test_outcomes_wait_for_the_announcement(dispatcher: Dispatcher) -> None:
    told: list[tuple[int, str]] = []
    dispatcher.add(lambda event: told.append((event.code, event.job_id)))
    with dispatcher.announcing(["a"], OUTCOMES):
        worker = threading.Thread(
            target=lambda: [dispatcher.dispatch(JobEvent(EVENT_JOB_EXECUTED, job, None)) for job in "ab"]
        )
        worker.start()
        worker.join()
        assert told == [(EVENT_JOB_EXECUTED, "b")]
        dispatcher.dispatch(JobEvent(EVENT_JOB_SUBMITTED, "a", None))
    assert told[1:] == [(EVENT_JOB_SUBMITTED, "a"), (EVENT_JOB_EXECUTED, "a")]
    dispatcher.dispatch(JobEvent(EVENT_JOB_EXECUTED, "a", None))
    assert len(told) == 4 and not dispatcher.held


def test_nested_announcements_of_one_job(dispatcher: Dispatcher) -> None:
    told: list[int] = []
    dispatcher.add(lambda event: told.append(event.code))
    with dispatcher.announcing(["a"], OUTCOMES):
        with dispatcher.announcing(["a"], OUTCOMES):
            dispatcher.dispatch(JobEvent(EVENT_JOB_EXECUTED, "a", None))
        assert told == []
    assert told == [EVENT_JOB_EXECUTED] and not dispatcher.held


def test_a_raising_block_still_tells(dispatcher: Dispatcher) -> None:
    told: list[int] = []
    dispatcher.add(lambda event: told.append(event.code))
    with pytest.raises(OSError), dispatcher.announcing(["a"], OUTCOMES):
        dispatcher.dispatch(JobEvent(EVENT_JOB_EXECUTED, "a", None))
        raise OSError
    assert told == [EVENT_JOB_EXECUTED] and not dispatcher.held


def test_a_signal_handler_may_tell_an_event_while_its_thread_announces(dispatcher: Dispatcher) -> None:
    told: list[Any] = []
    dispatcher.add(lambda event: told.append(event.job_id))

    def ids() -> Any:
        yield "a"
        dispatcher.dispatch(JobEvent(EVENT_JOB_EXECUTED, "b", None))  # the lock is held here
        yield "c"

    with dispatcher.announcing(ids(), OUTCOMES):
        assert told == ["b"]


def test_an_announcement_ends_when_a_listener_is_interrupted(dispatcher: Dispatcher) -> None:
    told: list[Any] = []

    def interrupted(event: Any) -> None:
        told.append(event)
        if len(told) == 1:
            raise KeyboardInterrupt

    dispatcher.add(interrupted)
    event = JobEvent(EVENT_JOB_EXECUTED, "a", None)
    with pytest.raises(KeyboardInterrupt), dispatcher.announcing(["a"], OUTCOMES):
        dispatcher.dispatch(event)
    dispatcher.dispatch(event)
    assert len(told) == 2 and dispatcher.held == {}


def testwho_wants_a_code_is_looked_up_once_for_each_change(monkeypatch: pytest.MonkeyPatch) -> None:
    dispatcher = Dispatcher(lambda: logging.getLogger())
    looked: list[int] = []
    look = dispatcher.who_wants
    monkeypatch.setattr(dispatcher, "who_wants", lambda code: looked.append(code) or look(code))
    heard: list[Any] = []
    listeners = dispatcher.listeners
    for _ in range(1000):
        dispatcher.add(heard.append, EVENT_JOB_EXECUTED)
    assert dispatcher.listeners is listeners and looked == []  # nothing is copied for each
    event = JobExecutionEvent(EVENT_JOB_EXECUTED, "a", None, datetime(2025, 1, 1))
    for _ in range(3):
        dispatcher.tell(event)
    assert looked == [EVENT_JOB_EXECUTED] and len(heard) == 3000
    dispatcher.remove(heard.append)
    dispatcher.tell(event)
    assert len(looked) == 2 and len(heard) == 3999
    dispatcher.tell(JobExecutionEvent(EVENT_JOB_ERROR, "a", None, datetime(2025, 1, 1)))
    assert len(heard) == 3999
