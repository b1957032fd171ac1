"""Pools of threads and processes: shutdown, broken workers, broken pools."""

from __future__ import annotations

import gc
import multiprocessing
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from tests.faults import jobs_of_processes as jobs
from tests.faults.port import WAIT_S, Port, now

from rapscheduler.errors import LostValueError, ShutdownTimeoutError, UnrunnableJobError
from rapscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED
from rapscheduler.executors._workers import WorkerPool
from rapscheduler.executors.pool import ProcessPoolExecutor, ThreadPoolExecutor

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessPoolExecutor]:
    executor = ProcessPoolExecutor(1)
    yield executor
    executor.shutdown()


# The pool of threads


def test_a_slow_job_delays_nobody_while_a_worker_is_free(port: Port) -> None:
    executor = ThreadPoolExecutor(2)
    executor.start(port, "default")
    gate = threading.Event()
    executor.submit_job(port.job(gate.wait, id="slow"), [now()])
    for i in range(50):
        executor.submit_job(port.job(int, id=str(i)), [now()])
    assert [event.job_id for event in port.next(50)] == [str(i) for i in range(50)]
    gate.set()
    executor.shutdown()


def test_workers_are_started_as_needed(port: Port) -> None:
    executor = ThreadPoolExecutor(8, {"thread_name_prefix": "mine"})
    executor.start(port, "default")
    for _ in range(5):
        executor.submit_job(port.job(threading.current_thread), [now()])
        (event,) = port.next()
        assert event.retval.name.startswith("mine_")
        for _ in range(1000):
            if executor._pool.unfinished() == 0:
                break
            threading.Event().wait(0.001)
    assert len(executor._pool._threads) <= 2
    executor.shutdown()
    assert not any(thread.is_alive() for thread in executor._pool._threads)


def test_shutdown_runs_what_was_queued(port: Port) -> None:
    executor = ThreadPoolExecutor(1)
    executor.start(port, "default")
    ran: list[int] = []
    for i in range(20):
        executor.submit_job(port.job(ran.append, i, id=str(i)), [now()])
    executor.shutdown(wait=True)
    assert ran == list(range(20))
    with pytest.raises(RuntimeError, match="shut down"):
        executor.submit_job(port.job(int, id="late"), [now()])
    assert len(port.running_counts) == 0
    executor.shutdown()


def test_shutdown_with_a_timeout(port: Port) -> None:
    executor = ThreadPoolExecutor(1)
    executor.start(port, "default")
    gate = threading.Event()
    executor.submit_job(port.job(gate.wait), [now()])
    with pytest.raises(ShutdownTimeoutError, match=r"1 job was still running or queued after 0\.01 s; "):
        executor.shutdown(wait=True, timeout=0.01)
    gate.set()
    executor.shutdown(wait=True, timeout=WAIT_S)


def test_a_pool_that_nobody_refers_to_ends_its_workers_after_their_tasks() -> None:
    """Idle workers must not hold it: it holds the executor, and that the scheduler."""
    gate, ran = threading.Event(), []
    pool = WorkerPool(2, work=lambda task: (gate.wait(WAIT_S), ran.append(task)), lost=print)
    pool.put(range(5))
    threads, left = list(pool._threads), weakref.ref(pool)
    del pool
    gc.collect()
    assert left() is not None and len(threads) == 2
    gate.set()
    for thread in threads:
        thread.join(WAIT_S)
    gc.collect()
    assert sorted(ran) == [0, 1, 2, 3, 4] and left() is None
    assert not any(thread.is_alive() for thread in threads)


def test_cancelled_tasks_keep_no_pool() -> None:
    gate = threading.Event()
    pool = WorkerPool(1, work=print, lost=print)
    running, waiting = pool.submit(gate.wait, WAIT_S), pool.submit(print)
    while not running.running():
        threading.Event().wait(0.001)
    pool.shutdown(wait=False, cancel_futures=True)
    gate.set()
    assert pool.shutdown(wait=True, timeout=WAIT_S) and waiting.cancelled()
    left = weakref.ref(pool)
    del pool, running, waiting
    gc.collect()
    assert left() is None


@pytest.mark.parametrize("kind", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_a_pool_whose_initializer_failed_works_after_a_new_start(
    port: Port, tmp_path: Any, kind: Any
) -> None:
    obstacle = tmp_path / "obstacle"
    obstacle.touch()
    executor = kind(1, {"initializer": jobs.fail_if_there, "initargs": (str(obstacle),)})
    executor.start(port, "default")
    executor.submit_job(port.job(jobs.double, 1), [now()])
    (event,) = port.next()
    assert event.code == EVENT_JOB_ERROR
    executor.shutdown()
    obstacle.unlink()
    executor.start(port, "default")
    executor.submit_job(port.job(jobs.double, 2), [now()])
    (event,) = port.next()
    assert event.code == EVENT_JOB_EXECUTED and event.retval == 4
    executor.shutdown()
    assert len(port.running_counts) == 0


def test_an_initializer_of_an_earlier_start_breaks_nothing(port: Port) -> None:
    """It is still at work when the pool was shut down and opened again, and fails then."""
    begun, gate, starts = threading.Event(), threading.Event(), [0]

    def slow_first() -> None:
        starts[0] += 1
        if starts[0] == 1:
            begun.set()
            assert gate.wait(WAIT_S)
            raise OSError("late")

    executor = ThreadPoolExecutor(1, {"initializer": slow_first})
    executor.start(port, "default")
    executor.submit_job(port.job(jobs.double, 1, id="lost"), [now()])
    assert begun.wait(WAIT_S)
    (old,) = executor._pool._threads
    executor.shutdown(wait=False)
    executor.start(port, "default")
    executor.submit_job(port.job(jobs.double, 2, id="first"), [now()])
    port.next()
    gate.set()
    old.join(WAIT_S)
    executor.submit_job(port.job(jobs.double, 3, id="second"), [now()])
    port.next(2)
    outcomes = {event.job_id: event.code for event in port.events}
    assert outcomes == {"first": EVENT_JOB_EXECUTED, "lost": EVENT_JOB_ERROR, "second": EVENT_JOB_EXECUTED}
    executor.shutdown()


def test_an_initializer_that_fails_loses_no_run_silently(port: Port, caplog: Any) -> None:
    def fail() -> None:
        raise OSError("no database")

    executor = ThreadPoolExecutor(1, {"initializer": fail})
    executor.start(port, "default")
    executor.submit_job(port.job(int), [now()])
    (event,) = port.next()
    assert event.code == EVENT_JOB_ERROR and "no database" in str(event.exception)
    with pytest.raises(RuntimeError, match="initializer failed"):
        executor.submit_job(port.job(int), [now()])
    assert "initializer" in caplog.text and len(port.running_counts) == 0


def test_pool_arguments_are_checked() -> None:
    with pytest.raises(ValueError, match="max_workers"):
        ThreadPoolExecutor(0)
    with pytest.raises(TypeError):
        ThreadPoolExecutor(1, {"no_such_thing": 1})
    with pytest.raises(TypeError, match="callable"):
        ThreadPoolExecutor(1, {"initializer": "text"})


def test_the_pool_takes_plain_calls_too(port: Port) -> None:
    pool = ThreadPoolExecutor(2)._pool
    assert pool.submit(pow, 2, 5).result(WAIT_S) == 32
    with pytest.raises(ZeroDivisionError):
        pool.submit(lambda: 1 / 0).result(WAIT_S)
    pool.shutdown()


EXIT_SCRIPT = """
import threading
from rapscheduler.schedulers.background import BackgroundScheduler
scheduler = BackgroundScheduler(timezone="UTC")
scheduler.start()
begun = threading.Event()
def slow():
    begun.set()
    threading.Event().wait(0.2)
    print("finished")
scheduler.add_job(slow, "date")
begun.wait()
"""


def test_the_interpreter_ends_cleanly_and_lets_running_jobs_finish() -> None:
    done = subprocess.run(
        [sys.executable, "-c", EXIT_SCRIPT],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        env={"PYTHONPATH": "src", "PATH": ""},
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "finished\n", "")


# The pool of processes


def test_processes_run_jobs(processes: ProcessPoolExecutor, port: Port) -> None:
    processes.start(port, "default")
    for func, args, value in [
        (jobs.double, (21,), 42),
        (jobs.double_later, (4,), 8),
        (jobs.Adder(10).add, (5,), 15),
    ]:
        processes.submit_job(port.job(func, *args), [now()])
        (event,) = port.next()
        assert (event.code, event.retval) == (EVENT_JOB_EXECUTED, value)
    processes.submit_job(port.job(jobs.leave), [now()])
    (event,) = port.next()
    assert event.code == EVENT_JOB_ERROR and isinstance(event.exception, SystemExit)
    assert "in leave" in event.traceback
    assert len(port.running_counts) == 0


def test_a_result_that_can_not_travel_is_an_error(processes: ProcessPoolExecutor, port: Port) -> None:
    processes.start(port, "default")
    processes.submit_job(port.job(jobs.unpicklable), [now()])
    (event,) = port.next()
    assert event.code == EVENT_JOB_ERROR and event.job_id == "j"
    assert len(port.running_counts) == 0


@pytest.mark.parametrize(
    ("job", "args", "cls", "text"),
    [
        (
            jobs.raise_two_arguments,
            (),
            LostValueError,
            "it raised tests.faults.jobs_of_processes.TwoArguments: boom bang;",
        ),
        (
            jobs.unreadable,
            (),
            LostValueError,
            "it returned an object of the class Unreadable; ValueError('nobody",
        ),
        (jobs.unpicklable, (), LostValueError, "it returned an object of the class function; "),
        (jobs.take, (jobs.Unreadable(),), ValueError, "nobody can read this"),
        (jobs.take, (lambda: None,), Exception, "lambda"),
    ],
    ids=["exception", "result", "unwritable result", "argument", "unwritable argument"],
)
def test_what_does_not_survive_the_journey_costs_its_own_run_only(
    processes: ProcessPoolExecutor, port: Port, job: Any, args: Any, cls: Any, text: str
) -> None:
    processes.start(port, "default")
    processes.submit_job(port.job(os.getpid, id="before"), [now()])
    pid = port.next()[0].retval
    processes.submit_job(port.job(job, *args, id="bad"), [now()])
    processes.submit_job(port.job(os.getpid, id="beside"), [now()])
    bad, beside = sorted(port.next(2), key=lambda event: event.job_id)
    assert bad.code == EVENT_JOB_ERROR and isinstance(bad.exception, cls) and text in str(bad.exception)
    assert isinstance(bad.traceback, str)
    if job is jobs.raise_two_arguments:
        assert "in raise_two_arguments" in bad.traceback
    # the same process, so the pool never broke
    assert (beside.code, beside.retval) == (EVENT_JOB_EXECUTED, pid)
    assert len(port.running_counts) == 0


def test_a_callable_without_a_name_is_refused(processes: ProcessPoolExecutor, port: Port) -> None:
    processes.start(port, "default")
    with pytest.raises(UnrunnableJobError, match="importable name"):
        processes.submit_job(port.job(lambda: None), [now()])
    assert len(port.running_counts) == 0


def test_a_killed_worker_process_is_replaced(processes: ProcessPoolExecutor, port: Port, caplog: Any) -> None:
    processes.start(port, "default")
    processes.submit_job(port.job(jobs.die, id="kill"), [now()])
    processes.submit_job(port.job(jobs.pid, id="beside"), [now()])
    lost = port.next(2)
    assert {event.job_id for event in lost} == {"kill", "beside"}
    assert {event.code for event in lost} <= {EVENT_JOB_ERROR, EVENT_JOB_EXECUTED}
    assert next(event for event in lost if event.job_id == "kill").code == EVENT_JOB_ERROR
    assert len(port.running_counts) == 0
    processes.submit_job(port.job(jobs.double, 4), [now()])
    (event,) = port.next()
    assert (event.code, event.retval) == (EVENT_JOB_EXECUTED, 8)
    assert "ended by SIGKILL with a job that it was making; another one takes its place" in caplog.text


def test_processes_spawn_unless_told_otherwise() -> None:
    assert ProcessPoolExecutor(1).pool_kwargs["mp_context"].get_start_method() == "spawn"
    given = multiprocessing.get_context("spawn")
    kwargs = (
        {"mp_context": given, "max_tasks_per_child": 3}
        if sys.version_info >= (3, 11)
        else {"mp_context": given}
    )
    executor = ProcessPoolExecutor("2", kwargs)  # type: ignore[arg-type]
    assert executor.pool_kwargs == kwargs and executor._pool._max_workers == 2
