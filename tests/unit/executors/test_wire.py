"""Runs as texts: what goes there and comes back, without anything in between."""

from __future__ import annotations

import sys
from datetime import datetime, timezone
from types import SimpleNamespace

import pytest

from rapscheduler._serialization.callables import CallableRule
from rapscheduler.errors import DecodeError, LostValueError, RunTimeoutError, UnrunnableJobError
from rapscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED, EVENT_JOB_MISSED
from rapscheduler.executors._wire import Order, _error_node, dumps, error_of, event_of, loads, order_of
from rapscheduler.runs import RetryLater

NOW = datetime(2026, 1, 2, tzinfo=timezone.utc)
ANY = CallableRule(None)


class OwnError(Exception):
    def __init__(self, one, two):
        raise AssertionError("the constructor must not run when it comes back")


class MadeError(Exception):
    pass


def gives(value):
    return value


def there_and_back(call, *args, rule=ANY, **changes):
    """The event of a run, and what was told before its end."""
    job = SimpleNamespace(
        id="job", func_ref=f"{call.__module__}:{call.__name__}", _portable_args=lambda: args, kwargs={},
        misfire_grace_time=None,
    )  # fmt: skip
    message = {
        **order_of(job, "nobody"), "alias": "default", "logger": "tests", "run_us": 0, "found_us": 0,
        "run": ["some-id", "job", 0, 2], "reply": None, **changes,
    }  # fmt: skip
    told = []
    ended = Order(loads(dumps(message)), rule).perform(told.append)
    return event_of(loads(ended), "job", "default", NOW, None), [loads(text)["kind"] for text in told]


@pytest.mark.parametrize("value", [None, 1, "text", (1, [2]), {"a": {1}}, NOW])
def test_values(value):
    event, told = there_and_back(gives, value)
    assert (event.code, event.retval, event.run_id) == (EVENT_JOB_EXECUTED, value, "some-id")
    assert told == ["begun"]


def test_a_late_run_is_missed_and_not_begun():
    event, told = there_and_back(gives, 1, grace_s=5)
    assert (event.code, told) == (EVENT_JOB_MISSED, [])
    assert event.lateness_s > 1e9


@pytest.mark.parametrize(
    "exc, kind",
    [
        (ValueError("a", 1), ValueError),
        (KeyError("a"), KeyError),
        (UnicodeDecodeError("ascii", b"\xff", 0, 1, "no"), UnicodeDecodeError),
        (FileNotFoundError(2, "no", "name"), FileNotFoundError),
        (MadeError("a"), MadeError),
        (RunTimeoutError("late"), RunTimeoutError),
        (SystemExit(3), SystemExit),
    ],
)
def test_exceptions(exc, kind):
    back = error_of(_error_node(exc))
    assert type(back) is kind
    assert (back.args, str(back)) == (exc.args, str(exc))


def test_what_an_exception_remembers_comes_along():
    back = error_of(_error_node(RetryLater(5, "not yet")))
    assert (type(back), back.after, str(back)) == (RetryLater, 5, "not yet")


def test_no_constructor_runs():
    back = error_of({"module": __name__, "class": "OwnError", "text": "said", "args": [1, 2]})
    assert type(back) is OwnError
    assert back.args == (1, 2)


@pytest.mark.parametrize(
    "module, name", [("antigravity_", "E"), ("os", "system"), ("builtins", "int"), ("collections", "abc.Set")]
)
def test_a_class_that_is_none_is_a_name_only(module, name):
    """Nothing is imported, nothing is called; a `Retry` compares names."""
    known = set(sys.modules)
    back = error_of({"module": module, "class": name, "text": "said", "args": ["echo"]})
    assert isinstance(back, LostValueError)
    assert (type(back).__module__, type(back).__qualname__, str(back)) == (module, name, "said")
    assert set(sys.modules) == known


def test_the_worker_says_which_callables():
    event, _ = there_and_back(gives, 1, rule=CallableRule(["tests:*"]))
    assert (event.code, type(event.exception)) == (EVENT_JOB_ERROR, DecodeError)
    event, _ = there_and_back(gives, 1, func="no.such.module:name")
    assert "can't be found" in str(event.exception)
    event, _ = there_and_back(
        gives, 1, args=[{"$callable": "os:getpid"}], rule=CallableRule([f"{__name__}:*"])
    )
    assert "isn't matched by allowed_callables" in str(event.exception)


def test_what_cannot_go_parks_the_job():
    job = SimpleNamespace(id="job", func=gives, func_ref=None)
    with pytest.raises(UnrunnableJobError, match="job job can't go to a worker of nobody"):
        order_of(job, "nobody")


@pytest.mark.parametrize("text", [None, b"{}", "", "[]", "{}", '{"v":2}', "[" * 100_000, '"v"'])
def test_messages_that_are_none(text):
    with pytest.raises(DecodeError):
        loads(text)


@pytest.mark.parametrize("lost", ["job", "text", "alias", "run", "reply", "grace_s", "run_us"])
def test_messages_that_lack_something(lost):
    message = {
        "job": "a", "text": "a", "alias": "a", "grace_s": None, "run_us": 0, "run": ["a", "b", 0, 1], "reply": None,
        "timeout_s": None,
    }  # fmt: skip
    del message[lost]
    with pytest.raises(DecodeError, match="lacks something"):
        Order(message, ANY)
