"""The pool of worker processes: time-outs, cancelling, shutdown, the end of the program."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import weakref
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from tests.faults import jobs_of_processes as jobs
from tests.faults.port import WAIT_S, Port
from tests.faults.processes import METHODS, batch, is_alive, lines_in, started, submit, until_gone

from rapscheduler.errors import RunCancelledError, RunTimeoutError, ShutdownTimeoutError
from rapscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED, EVENT_JOB_STARTED
from rapscheduler.executors._processes import ProcessPool
from rapscheduler.executors.pool import ProcessPoolExecutor
from rapscheduler.schedulers.background import BackgroundScheduler

pytestmark = pytest.mark.faults

# Runs with an identity


def test_runs_that_are_kept_know_themselves_and_are_told_of() -> None:
    told: list[Any] = []
    ended = threading.Event()

    def hear(event: Any) -> None:
        told.append(event)
        if len(told) == 200:
            ended.set()

    with BackgroundScheduler(timezone="UTC", executors={"default": ProcessPoolExecutor(2)}) as scheduler:
        scheduler.add_listener(hear, EVENT_JOB_STARTED | EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)
        scheduler.pause()
        for _ in range(100):
            scheduler.add_job("tests.unit.schedulers.test_runs:seen_id", misfire_grace_time=None)
        scheduler.resume()
        assert ended.wait(60)
        assert not scheduler.get_running()
    began = {event.run_id for event in told if event.code == EVENT_JOB_STARTED}
    made = {event.run_id: event.retval for event in told if event.code == EVENT_JOB_EXECUTED}
    assert len(began) == 100 and made == {run_id: run_id for run_id in began}


# Time-outs and cancelling


def test_a_run_that_takes_too_long_is_ended_with_its_worker(tmp_path: Path) -> None:
    log = tmp_path / "log"
    told: list[Any] = []
    with BackgroundScheduler(timezone="UTC", executors={"default": ProcessPoolExecutor(1)}) as scheduler:
        scheduler.add_listener(told.append, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)
        job = scheduler.add_job(jobs.wait_for_ever, "interval", hours=1, args=[str(log)], timeout=0.3)
        run = job.run()
        with pytest.raises(RunTimeoutError, match=r"longer than its timeout of 0\.3 s"):
            run.result(WAIT_S)
        assert run.state == "timed_out"
        after = scheduler.add_job(jobs.double, "interval", hours=1, args=[4], timeout=WAIT_S).run()
        assert after.result(WAIT_S) == 8
    assert until_gone(int(lines_in(log)[0]))
    assert [event.run_id for event in told] == [run.id, after.id]


def test_cancelled_runs_under_way_and_queued(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with BackgroundScheduler(timezone="UTC", executors={"default": ProcessPoolExecutor(1)}) as scheduler:
        endless = scheduler.add_job(jobs.wait_for_ever, "interval", hours=1, args=[str(log)])
        running = endless.run()
        (pid,) = lines_in(log)
        queued = scheduler.add_job(jobs.wait_for_ever, "interval", hours=1, args=[str(log)]).run()
        after = scheduler.add_job(jobs.double, "interval", hours=1, args=[4]).run()
        assert scheduler.cancel_run(queued.id) and scheduler.cancel_run(running.id)
        for run in (running, queued):
            with pytest.raises(RunCancelledError):
                run.result(WAIT_S)
            assert run.state == "cancelled"
        assert after.result(WAIT_S) == 8
        assert (
            scheduler._running_counts._counts == {} if hasattr(scheduler._running_counts, "_counts") else True
        )
    assert until_gone(int(pid)) and lines_in(log) == [pid]


# The end


def test_shutdown_makes_what_was_queued(port: Port) -> None:
    executor = started(port, 2)
    batch(port, executor, [(jobs.double, i) for i in range(200)])
    pool = executor._pool
    executor.shutdown(wait=True)
    assert len(port.events) == 200 and len(port.running_counts) == 0
    assert not any(thread.is_alive() for thread in pool._threads)
    assert len(pool._processes) == 2 and not any(is_alive(pid) for pid in pool._processes)
    with pytest.raises(RuntimeError, match="shut down"):
        submit(port, executor, jobs.pid)


def test_shutdown_with_a_timeout_and_without_waiting(port: Port, tmp_path: Path) -> None:
    log, until = tmp_path / "log", tmp_path / "until"
    executor = started(port)
    submit(port, executor, jobs.note_and_wait, str(log), "long", str(until))
    lines_in(log)
    with pytest.raises(ShutdownTimeoutError, match=r"1 job was still running or queued after 0\.01 s"):
        executor.shutdown(wait=True, timeout=0.01)
    executor.shutdown(wait=False)
    until.touch()
    assert port.next()[0].code == EVENT_JOB_EXECUTED
    executor.shutdown(wait=True, timeout=WAIT_S)


def test_a_pool_that_nobody_refers_to_ends_its_workers(port: Port) -> None:
    pool = ProcessPool(1, multiprocessing.get_context("spawn"))
    pid = pool.submit(os.getpid).result(WAIT_S)
    left = weakref.ref(pool)
    del pool
    for _ in range(WAIT_S * 100):
        gc.collect()
        if left() is None:
            break
        threading.Event().wait(0.01)
    assert left() is None and until_gone(pid)


def test_calls_that_were_queued_can_be_let_go(tmp_path: Path) -> None:
    log, until = tmp_path / "log", tmp_path / "until"
    pool = ProcessPool(1, multiprocessing.get_context("spawn"))
    first = pool.submit(jobs.note_and_wait, str(log), "long", str(until))
    lines_in(log)
    queued: list[Future[Any]] = [pool.submit(os.getpid) for _ in range(5)]
    pool.shutdown(wait=False, cancel_futures=True)
    assert {type(future.exception(WAIT_S)).__name__ for future in queued} == {"CancelledError"}
    until.touch()
    first.result(WAIT_S)
    assert pool.shutdown(wait=True, timeout=WAIT_S)


@pytest.mark.parametrize("method", METHODS)
def test_ctrl_c_in_a_terminal_is_quiet_and_lets_runs_end(tmp_path: Path, method: str) -> None:
    log, until, program = tmp_path / "log", tmp_path / "until", tmp_path / "program.py"
    program.write_text(
        textwrap.dedent(f"""
        import multiprocessing, sys, time
        sys.path.insert(0, {str(Path(__file__).parents[2])!r})
        from rapscheduler.executors.pool import ProcessPoolExecutor
        from rapscheduler.schedulers.background import BackgroundScheduler
        from tests.faults import jobs_of_processes as jobs
        if __name__ == "__main__":
            pool = ProcessPoolExecutor(2, {{"mp_context": multiprocessing.get_context({method!r})}})
            scheduler = BackgroundScheduler(timezone="UTC", executors={{"default": pool}})
            scheduler.add_listener(lambda event: print(event.retval is not None, flush=True), 2**12 | 2**13)
            scheduler.start()
            scheduler.add_job(jobs.note_and_wait, args=[{str(log)!r}, "run", {str(until)!r}], misfire_grace_time=None)
            try:
                time.sleep(60)
            except KeyboardInterrupt:
                jobs.note({str(until)!r}, "")
                scheduler.shutdown()
        """)
    )
    command = [sys.executable, "-W", "ignore", str(program)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        lines_in(log)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "True\n", "")


@pytest.mark.parametrize("method", METHODS)
def test_a_program_that_ends_in_the_middle_of_runs(tmp_path: Path, method: str) -> None:
    """Without a shutdown: what was submitted is made, and nothing is left."""
    log, program = tmp_path / "log", tmp_path / "program.py"
    program.write_text(
        textwrap.dedent(f"""
        import multiprocessing, sys
        sys.path.insert(0, {str(Path(__file__).parents[2])!r})
        from rapscheduler.executors.pool import ProcessPoolExecutor
        from rapscheduler.schedulers.background import BackgroundScheduler
        from tests.faults import jobs_of_processes as jobs
        if __name__ == "__main__":
            pool = ProcessPoolExecutor(2, {{"mp_context": multiprocessing.get_context({method!r})}})
            scheduler = BackgroundScheduler(timezone="UTC", executors={{"default": pool}})
            scheduler.start(paused=True)
            for i in range(50):
                scheduler.add_job(jobs.note, args=[{str(log)!r}, "run"], misfire_grace_time=None)
            scheduler.resume()
            while pool._pool._put < 50:
                pass
        """)
    )
    command = [sys.executable, "-W", "ignore", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert log.read_text() == "run\n" * 50
