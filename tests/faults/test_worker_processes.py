"""The pool of worker processes: batches, deaths, options, values that do not travel."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections import Counter
from concurrent.futures.process import BrokenProcessPool
from concurrent.futures.process import ProcessPoolExecutor as StandardPool
from pathlib import Path
from typing import Any

import pytest
from tests.faults import jobs_of_processes as jobs
from tests.faults.port import WAIT_S, Port, now
from tests.faults.processes import METHODS, batch, is_alive, learn, lines_in, started, submit, until_gone

from rapscheduler.errors import LostValueError
from rapscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED, EVENT_JOB_MISSED
from rapscheduler.executors import _tending
from rapscheduler.executors.pool import ProcessPoolExecutor

pytestmark = pytest.mark.faults

# Batches


@pytest.mark.parametrize("method", METHODS)
def test_many_runs_come_back_each_once(port: Port, method: str) -> None:
    executor = started(port, 2, method)
    learn(port, executor, (jobs.double, 1))
    batch(port, executor, [(jobs.double, i) for i in range(1000)])
    told = port.next(1000)
    assert {event.job_id: event.retval for event in told} == {str(i): 2 * i for i in range(1000)}
    assert {event.code for event in told} == {EVENT_JOB_EXECUTED}
    executor.shutdown()
    assert len(port.running_counts) == 0 and executor._pool.unfinished() == 0


def test_short_runs_travel_in_batches_and_unknown_ones_alone(port: Port, monkeypatch: Any) -> None:
    sizes: list[int] = []
    run = _tending.Batch.run

    def counted(self: Any, orders: list[bytes]) -> None:
        sizes.append(len(orders))
        run(self, orders)

    monkeypatch.setattr(_tending.Batch, "run", counted)
    executor = started(port)
    learn(port, executor, (jobs.double, 1))
    assert sizes == [1]
    batch(port, executor, [(jobs.double, i) for i in range(300)])
    port.next(300)
    assert sum(sizes) == 301 and len(sizes) < 150
    sizes.clear()
    executor._pool._took_us.clear()
    submit(port, executor, jobs.pid, id="unknown")
    executor._pool._took_us.clear()
    port.next()
    assert sizes == [1]
    executor.shutdown()


def test_runs_behind_a_long_one_in_its_batch_go_to_an_idle_worker(port: Port, tmp_path: Path) -> None:
    log, until = tmp_path / "log", tmp_path / "until"
    executor = started(port, 2)
    learn(port, executor, (jobs.wait_if, False, "", ""))
    batch(port, executor, [(jobs.wait_if, i == 0, str(log), str(until)) for i in range(100)])
    told = port.next(99)  # while the long one lasts
    assert {event.job_id for event in told} == {str(i) for i in range(1, 100)}
    assert not until.exists() and lines_in(log) == ["long"]
    until.touch()
    (event,) = port.next()
    assert event.job_id == "0" and event.retval not in {one.retval for one in told[-50:]}
    executor.shutdown()
    assert len(port.running_counts) == 0


def test_what_ended_before_a_long_run_of_its_batch_is_told(port: Port, tmp_path: Path) -> None:
    """With one worker nobody can take the others, but those before have ended."""
    log, until = tmp_path / "log", tmp_path / "until"
    executor = started(port)
    learn(port, executor, (jobs.wait_if, False, "", ""))
    batch(port, executor, [(jobs.wait_if, i == 20, str(log), str(until)) for i in range(40)])
    assert [event.job_id for event in port.next(20)] == [str(i) for i in range(20)]
    until.touch()
    assert [event.job_id for event in port.next(20)] == [str(i) for i in range(20, 40)]
    executor.shutdown()


def test_large_arguments_and_values(port: Port) -> None:
    executor = started(port)
    for count in (70_000, 5_000_000):
        submit(port, executor, jobs.length, bytes(count))
        assert port.next()[0].retval == count
        submit(port, executor, jobs.big, count)
        assert port.next()[0].retval == bytes(count)
    executor.shutdown()


def test_a_missed_run_and_the_log_of_a_failed_one(port: Port, capfd: Any) -> None:
    executor = started(port)
    job = port.job(jobs.double, 1, misfire_grace_time=1)
    late = now().replace(year=2020)
    executor.submit_job(job, [late])
    (event,) = port.next()
    assert event.code == EVENT_JOB_MISSED and event.scheduled_run_time == late
    submit(port, executor, jobs.raise_two_arguments)
    port.next()
    executor.shutdown()
    said = capfd.readouterr().err
    assert f'Run time of job "{job}" was missed by' in said
    assert 'Job "raise_two_arguments (trigger: date[' in said and 'pending)" raised an exception' in said


# Deaths


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("death", [(jobs.leave_at_once, 3), (jobs.die,)], ids=["exit", "SIGKILL"])
def test_a_death_in_a_batch_costs_the_run_that_died(port: Port, method: str, death: Any) -> None:
    executor = started(port, 1, method)
    learn(port, executor, (jobs.double, 1))
    name = f"{death[0].__module__}:{death[0].__qualname__}"
    executor._pool._took_us[name] = 1.0
    batch(port, executor, [death if i == 30 else (jobs.double, i) for i in range(60)])
    told = {event.job_id: event for event in port.next(60)}
    lost = told.pop("30")
    assert lost.code == EVENT_JOB_ERROR and isinstance(lost.exception, BrokenProcessPool)
    how = "by SIGKILL" if death[0] is jobs.die else "with exit code 3"
    assert f"ended {how} with a job that it was making" in str(lost.exception)
    assert {key: event.retval for key, event in told.items()} == {str(i): 2 * i for i in range(60) if i != 30}
    assert len(port.running_counts) == 0
    executor.shutdown()
    assert executor._pool.unfinished() == 0


@pytest.mark.parametrize("method", METHODS)
def test_whoever_is_killed_whenever_each_run_has_one_end(port: Port, method: str) -> None:
    executor, kills, count = started(port, 2, method), 0, 3000
    learn(port, executor, (jobs.double, 1))
    batch(port, executor, [(jobs.double, i) for i in range(count)])
    for _ in range(8):
        port.next(count // 10)
        for pid in list(executor._pool._processes)[:1]:
            with contextlib.suppress(ProcessLookupError):  # the last one's end was just seen
                os.kill(pid, signal.SIGKILL)
            kills += 1
    port.next(count - 8 * (count // 10))
    told = Counter(event.job_id for event in port.events[1:])
    assert set(told.values()) == {1} and len(told) == count
    lost = [event.exception for event in port.events if event.code == EVENT_JOB_ERROR]
    assert all(isinstance(exc, BrokenProcessPool) for exc in lost) and len(lost) <= kills
    executor.shutdown()
    assert len(port.running_counts) == 0 and executor._pool.unfinished() == 0


def test_a_job_before_which_workers_die_is_given_up(port: Port, monkeypatch: Any) -> None:
    """It may be what they die of, as large arguments where memory is short; others are none the worse for it."""
    run = _tending.Batch.run
    sent: list[list[str]] = []

    def deadly(self: Any, orders: list[bytes]) -> None:
        ids = [task._submission.job.id for task in self._left.values()]
        sent.append(ids)
        if "3" in ids:
            self._child.process.kill()
            self._child.process.join()
        run(self, orders)

    executor = started(port)
    learn(port, executor, (jobs.double, 1))
    monkeypatch.setattr(_tending.Batch, "run", deadly)
    batch(port, executor, [(jobs.double, i) for i in range(10)])
    told = {event.job_id: event for event in port.next(10)}
    error = told.pop("3").exception
    assert isinstance(error, BrokenProcessPool) and "before it began the job, as 4 others had" in str(error)
    assert {event.code for event in told.values()} == {EVENT_JOB_EXECUTED} and len(told) == 9
    assert sum("3" in ids for ids in sent) == 5
    executor.shutdown()
    assert len(port.running_counts) == 0


def test_a_death_leaves_other_workers_alone(port: Port, tmp_path: Path) -> None:
    log, until = tmp_path / "log", tmp_path / "until"
    executor = started(port, 2)
    submit(port, executor, jobs.note_and_wait, str(log), "long", str(until), id="long")
    lines_in(log)
    submit(port, executor, jobs.die, id="dies")
    assert port.next()[0].job_id == "dies"
    until.touch()
    (event,) = port.next()
    assert (event.job_id, event.code) == ("long", EVENT_JOB_EXECUTED)
    executor.shutdown()


def test_an_idle_worker_that_is_killed_costs_nothing(port: Port, caplog: Any) -> None:
    executor = started(port)
    submit(port, executor, jobs.pid)
    pid = port.next()[0].retval
    assert list(executor._pool._processes) == [pid]
    os.kill(pid, signal.SIGKILL)
    assert until_gone(pid)
    submit(port, executor, jobs.pid)
    (event,) = port.next()
    assert event.code == EVENT_JOB_EXECUTED and event.retval != pid
    assert "ended by SIGKILL without a job; another one takes its place" in caplog.text
    executor.shutdown()


def test_a_death_is_seen_though_a_child_of_the_worker_lives_on(port: Port, tmp_path: Path) -> None:
    left = tmp_path / "left"
    executor = started(port)
    submit(port, executor, jobs.leave_a_child, str(left))
    try:
        (event,) = port.next()
        assert event.code == EVENT_JOB_ERROR and "exit code 7" in str(event.exception)
    finally:
        os.kill(int(lines_in(left)[0]), signal.SIGKILL)
    executor.shutdown()


def test_workers_that_can_not_start_break_the_pool_which_is_replaced(
    port: Port, tmp_path: Path, caplog: Any
) -> None:
    obstacle = tmp_path / "obstacle"
    obstacle.touch()
    executor = started(port, initializer=jobs.fail_if_there, initargs=(str(obstacle),))
    batch(port, executor, [(jobs.double, i) for i in range(5)])
    for event in port.next(5):
        assert isinstance(event.exception, BrokenProcessPool) and "not ready" in str(event.exception)
    assert len(port.running_counts) == 0
    obstacle.unlink()
    for thread in list(executor._pool._threads):
        thread.join(WAIT_S)
    submit(port, executor, jobs.double, 4)
    assert port.next()[0].retval == 8
    assert "Process pool is broken; replacing pool with a fresh instance" in caplog.messages
    executor.shutdown()


def test_workers_end_with_their_parent(tmp_path: Path) -> None:
    """Also when a child of the parent lives on, forked when the workers were there."""
    log, program = tmp_path / "log", tmp_path / "program.py"
    program.write_text(
        textwrap.dedent(f"""
        import os, sys, threading, time
        sys.path.insert(0, {str(Path(__file__).parents[2])!r})
        from rapscheduler.schedulers.background import BackgroundScheduler
        from rapscheduler.events import EVENT_JOB_EXECUTED
        from tests.faults import jobs_of_processes as jobs
        if __name__ == "__main__":
            scheduler = BackgroundScheduler(timezone="UTC", executors={{"default": {{"type": "processpool"}}}})
            ran = threading.Event()
            scheduler.add_listener(lambda event: ran.set(), EVENT_JOB_EXECUTED)
            scheduler.start()
            scheduler.add_job(jobs.note, args=[{str(log)!r}, "first"], misfire_grace_time=None)
            assert ran.wait({WAIT_S})
            child = os.fork()
            if child == 0:
                time.sleep(60)
                os._exit(0)
            jobs.note({str(log)!r}, str(child))
            scheduler.add_job(jobs.note_and_kill_parent, args=[{str(log)!r}], misfire_grace_time=None)
            time.sleep(60)
        """)
    )
    with subprocess.Popen([sys.executable, "-W", "ignore", program]) as process:
        _, child, worker = lines_in(log, 3)[:3]
        try:
            assert process.wait(WAIT_S) == -signal.SIGKILL
            assert until_gone(int(worker)) and is_alive(int(child))
        finally:
            os.kill(int(child), signal.SIGKILL)


# What users set


@pytest.mark.parametrize("method", METHODS)
def test_max_tasks_per_child(port: Port, method: str) -> None:
    executor = started(port, 1, method, max_tasks_per_child=5)
    learn(port, executor, (jobs.pid,))
    first = port.events[-1].retval
    batch(port, executor, [(jobs.pid,)] * 14)
    made = Counter([first, *(event.retval for event in port.next(14))])
    assert sorted(made.values()) == [5, 5, 5]
    executor.shutdown()


@pytest.mark.parametrize("method", METHODS)
def test_initializers(port: Port, method: str) -> None:
    executor = started(port, 1, method, initializer=jobs.set_up, initargs=("set",))
    submit(port, executor, jobs.get_setting)
    assert port.next()[0].retval == "set" and jobs.setting == "unset"
    executor.shutdown()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"max_tasks_per_child": 0}, ValueError),
        ({"max_tasks_per_child": "2"}, TypeError),
        ({"initializer": "text"}, TypeError),
        ({"no_such_thing": 1}, TypeError),
    ],
    ids=["none", "text", "initializer", "unknown"],
)
def test_options_are_checked(options: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=next(iter(options))):
        ProcessPoolExecutor(1, options)
    with pytest.raises(ValueError, match="max_workers"):
        ProcessPoolExecutor(0)


def test_the_pool_takes_plain_calls_too(port: Port) -> None:
    executor = started(port)
    assert executor._pool.submit(jobs.double, 4).result(WAIT_S) == 8
    with pytest.raises(ZeroDivisionError):
        executor._pool.submit(divmod, 1, 0).result(WAIT_S)
    with pytest.raises(BrokenProcessPool, match="exit code 3"):
        executor._pool.submit(jobs.leave_at_once, 3).result(WAIT_S)
    executor.shutdown()


def test_a_pool_that_somebody_put_in_its_place(port: Port) -> None:
    executor = started(port)
    with StandardPool(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        executor._pool = pool
        batch(port, executor, [(jobs.double, 3), (jobs.raise_two_arguments,), (jobs.unpicklable,)])
        told = sorted(port.next(3), key=lambda event: event.job_id)
        assert told[0].retval == 6
        assert [type(event.exception) for event in told[1:]] == [LostValueError, LostValueError]
    assert len(port.running_counts) == 0


# Values that don't travel


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        ((jobs.take, jobs.Leaves("written")), SystemExit, "from __reduce__"),
        ((jobs.take, jobs.Leaves("read")), SystemExit, "while it was read"),
        ((jobs.leaves, "written"), LostValueError, "returned an object of the class Leaves"),
        ((jobs.leaves, "read"), LostValueError, "while it was read"),
        ((jobs.take, threading.Lock()), TypeError, "lock"),
        ((jobs.unpicklable,), LostValueError, "class function"),
        ((jobs.raise_two_arguments,), LostValueError, "TwoArguments: boom bang"),
    ],
    ids=["argument written", "argument read", "value written", "value read", "lock", "function", "exception"],
)
def test_in_a_batch_it_costs_its_own_run(port: Port, call: Any, error: Any, text: str) -> None:
    executor = started(port)
    learn(port, executor, (jobs.pid,))
    pid = port.events[-1].retval
    executor._pool._took_us[f"{call[0].__module__}:{call[0].__qualname__}"] = 1.0
    batch(port, executor, [call if i == 5 else (jobs.pid,) for i in range(10)])
    told = {event.job_id: event for event in port.next(10)}
    bad = told.pop("5")
    assert bad.code == EVENT_JOB_ERROR and isinstance(bad.exception, error) and text in str(bad.exception)
    assert {event.retval for event in told.values()} == {pid}
    executor.shutdown()
    assert len(port.running_counts) == 0
