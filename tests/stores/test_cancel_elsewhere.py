"""A run is cancelled from another process that shares its store."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from types import SimpleNamespace

import pytest
from tests.stores import cancellable, shared_stores, shared_worker
from tests.stores.test_shared import log, on, scheduler_on, soon, table, until, url

from rapscheduler._runs import new_run_id
from rapscheduler._scheduling import cancelling
from rapscheduler._scheduling.cancelling import Cancellation
from rapscheduler.cli import main as command
from rapscheduler.jobstores._requests import NOT_HERE, OPEN, TOLD, Request
from rapscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore

__all__ = ("log", "on", "table", "url")

HOST = socket.gethostname()


@pytest.fixture
def other(url, table, log):
    """A process whose scheduler makes the runs."""
    words = [sys.executable, "-m", "tests.stores.cancellable", str(url), table]
    process = subprocess.Popen(words, env=os.environ | {"PYTHONPATH": "src:.", shared_worker.LOG: str(log)})
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def asking(url, table):
    """A scheduler that begins no run, so the other makes them all."""
    scheduler = scheduler_on(url, table, lease_s=60)
    scheduler.start(paused=True)
    yield scheduler
    with suppress(Exception):
        scheduler.shutdown()


def begun(asking, log, func, executor):
    """The id and the process of a run that is under way in the other."""
    seen = len(lines(log, "B"))
    asking.add_job(func, "date", run_date=soon(0), executor=executor, misfire_grace_time=None)
    until(lambda: len(lines(log, "B")) > seen, 60)
    return lines(log, "B")[-1]


def lines(log, word):
    return [(run_id, pid) for kind, run_id, pid, _ in shared_worker.lines(log) if kind == word]


def is_there(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_whoever_makes_a_run_ends_it_as_its_own_in_threads_loops_and_processes(asking, other, log, table):
    who = f"{HOST}:{other.pid}"
    for func, executor in ((cancellable.in_thread, "threads"), (cancellable.in_loop, "default")):
        run_id, pid = begun(asking, log, func, executor)
        answer = asking.cancel_run(run_id, timeout=60)
        assert answer == Cancellation(run_id, "told", who, (who,)) and answer
        assert str(answer) == f"run {run_id} was told to end, in process {who}"
        until(lambda: (run_id, pid) in lines(log, "C"), 60)  # noqa: B023
    run_id, pid = begun(asking, log, cancellable.in_process, "processes")
    assert is_there(pid) and asking.cancel_run(run_id, timeout=60).who == who
    until(lambda: not is_there(pid), 60)
    store = asking._lookup_jobstore("default")
    until(lambda: not shared_stores.runs_of(store), 60)  # and nobody begins them again

    again = asking.cancel_run(run_id, timeout=60)
    assert again == Cancellation(run_id, "not_under_way", None, (who,)) and not again
    assert str(again).endswith(f"it has ended, or there never was such a run; asked: {who}")
    assert not asking.cancel_run(new_run_id(), timeout=60)


def test_who_does_not_answer_in_time_is_named_and_ends_the_run_when_it_is_back(asking, other, log):
    run_id, pid = begun(asking, log, cancellable.in_thread, "threads")
    os.kill(other.pid, signal.SIGSTOP)
    answer = asking.cancel_run(run_id, timeout=0.5)
    who = f"{HOST}:{other.pid}"
    assert answer == Cancellation(run_id, "no_answer", None, (who,), (who,)) and not answer
    assert f"no answer from {who}" in str(answer) and not lines(log, "C")
    os.kill(other.pid, signal.SIGCONT)
    until(lambda: lines(log, "C") == [(run_id, pid)], 60)


def test_the_command_asks_them_too(asking, other, log, url, table, capsys):
    option = f"jobs_key={shared_stores.keys_of(table)['jobs_key']}"
    options = [option, option.replace("jobs", "run_times", 1).replace(".jobs", ".times")]
    if not shared_stores.is_redis(url):
        options = [f"tablename={table}"]
    words = [word for option in options for word in ("-o", option)]
    run_id, _ = begun(asking, log, cancellable.in_thread, "threads")
    where = url.render_as_string(hide_password=False) if hasattr(url, "render_as_string") else str(url)
    assert command(["cancel", where, run_id, *words, "--json", "--timeout", "60"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["runs"]
    assert found["who"] == f"{HOST}:{other.pid}" and found["outcome"] == "told"
    until(lambda: lines(log, "C"), 60)
    assert command(["cancel", where, new_run_id(), *words, "--timeout", "60"]) == 1
    assert "is not under way" in capsys.readouterr().out


def test_requests_are_answered_once_by_those_that_are_asked(url, table):
    store = shared_stores.make_store(url, table)
    store.start(None, "default")
    requests = store._shared.requests
    one, two = Request("1" * 32, new_run_id(), "a host:12"), Request("2" * 32, new_run_id(), "b:1")
    assert requests.are_there() and requests.asked("x") == []
    requests.ask(one, ["x", "y"])
    requests.ask(two, ["x"])
    assert sorted(requests.asked("x")) == [one, two] and requests.asked("y") == [one]
    requests.answer("x", {one.number: NOT_HERE, two.number: TOLD})
    assert requests.asked("x") == [] and requests.answers(one.number) == {"x": NOT_HERE, "y": OPEN}
    requests.withdraw(one.number)
    requests.withdraw(two.number)
    assert requests.answers(one.number) == {"y": OPEN} and requests.answers(two.number) == {}
    requests.answer("x", {one.number: TOLD})  # too late: it was withdrawn
    requests.answer("y", {one.number: TOLD})
    assert requests.answers(one.number) == {"y": TOLD}
    store.shutdown()


def test_nobody_is_asked_of_what_is_no_id_or_where_nobody_else_is(on):
    scheduler = on()
    scheduler.start()
    assert scheduler.cancel_run("nobody") == Cancellation("nobody", "not_under_way")
    run_id = new_run_id()
    assert scheduler.cancel_run(run_id) == Cancellation(run_id, "not_under_way")
    with pytest.raises(TypeError, match=r"takes the id of a run, such as run\.id, not 5"):
        scheduler.cancel_run(5)
    assert asyncio.run(scheduler.cancel_run_async(run_id)) == Cancellation(run_id, "not_under_way")


def test_a_run_that_was_told_is_told_also_when_the_answer_is_written_later(url, table):
    """It may have ended by then: a second look would say that it is not under way."""
    store = shared_stores.make_store(url, table)
    store.start(None, "default")
    requests, unwritten, cancelled = store._shared.requests, {}, []
    one = Request("1" * 32, new_run_id(), "a host:12")
    requests.ask(one, ["x"])

    def cancel(run_id, reason):
        cancelled.append(run_id)
        return len(cancelled) == 1

    tracker = SimpleNamespace(cancel=cancel)
    scheduler = SimpleNamespace(
        _watched=SimpleNamespace(tracker=tracker), _logger=logging.getLogger("test.cancel")
    )
    write, requests.answer = requests.answer, lambda me, answers: store.nothing_of_the_kind
    with pytest.raises(AttributeError):
        cancelling.answer(scheduler, store._shared, "x", unwritten)
    assert requests.answers(one.number) == {"x": OPEN} and unwritten == {one.number: TOLD}
    requests.answer = write
    cancelling.answer(scheduler, store._shared, "x", unwritten)
    assert requests.answers(one.number) == {"x": TOLD} and not unwritten and cancelled == [one.run_id]
    store.shutdown()


def test_what_others_add_is_seen_where_requests_can_not_be_read(on):
    """As where somebody dropped their table, or may not read it."""
    made = on()
    made.start()
    rows, ran = made._jobstores["default"]._shared, []
    rows.has_news = lambda: ran.append("looked") or frozenset()
    rows.requests.asked = lambda me: rows.nothing_of_the_kind
    until(lambda: len(ran) >= 3, 60)


def test_a_store_of_older_schedulers_is_told_apart(tmp_path, capsys):
    url = f"sqlite:///{tmp_path}/jobs.db"
    store = SQLAlchemyJobStore(url, shared=True)
    store.start(None, "default")
    store._shared.requests.table.drop(store.engine)
    store.shutdown()
    assert command(["cancel", url, new_run_id()]) == 2
    assert (
        "can't be asked to cancel a run (there is no table apscheduler_jobs_requests)"
        in capsys.readouterr().err
    )
