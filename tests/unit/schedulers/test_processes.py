"""What needs a process of its own: signals, the end of the interpreter, forks. The recipes are those of the guide."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "guide.md"


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60, check=False
    )


def recipe(title: str) -> str:
    """The first Python block under a heading of the guide."""
    found = re.search(
        rf"^#+ {re.escape(title)}$.*?```python(?: notest)?\n(.*?)```",
        GUIDE.read_text(),
        re.DOTALL | re.MULTILINE,
    )
    assert found, f"the guide has no recipe {title!r}"
    return found.group(1)


@pytest.mark.skipif(os.name == "nt", reason="SIGTERM can't be caught there")
@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_the_recipe_ends_after_the_running_job(sig):
    job = """
        import threading
        began = threading.Event()
        def job():
            print("began", flush=True)
            began.wait(0.3)  # nobody sets it: the job takes a while
            print("ended", flush=True)
    """
    code = textwrap.dedent(job) + recipe("Ending on SIGTERM")
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )
    try:
        assert process.stdout.readline() == "began\n"
        process.send_signal(sig)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (process.returncode, out, err) == (0, "ended\n", "")


@pytest.mark.parametrize("daemon", [True, False])
def test_a_program_that_ends_without_shutdown_ends_quietly(daemon):
    done = run(f"""
        import threading, os
        from rapscheduler.schedulers.background import BackgroundScheduler
        scheduler = BackgroundScheduler(timezone="UTC", daemon={daemon})
        ran = threading.Event()
        scheduler.add_job(ran.set)
        scheduler.add_job(print, "interval", hours=1)
        scheduler.start()
        assert ran.wait(20)
        print("end of program", flush=True)
        if not {daemon}:
            threading.Timer(0.05, scheduler.shutdown).start()  # without it the program would go on, as documented
    """)
    assert (done.returncode, done.stdout, done.stderr) == (0, "end of program\n", "")


@pytest.mark.parametrize(
    "start",
    [
        "scheduler = BackgroundScheduler(timezone='UTC', daemon=False); scheduler.start()",
        "scheduler = BlockingScheduler(timezone='UTC'); threading.Thread(target=scheduler.start).start()",
    ],
    ids=["not a daemon", "in a thread"],
)
def test_a_scheduler_that_outlives_the_main_thread_goes_on_running_jobs(start):
    """Python closes pools when the main thread ends, then waits for the scheduler's thread: nothing would run."""
    done = run(f"""
        import threading
        from rapscheduler.events import EVENT_JOB_EXECUTED
        from rapscheduler.schedulers.background import BackgroundScheduler
        from rapscheduler.schedulers.blocking import BlockingScheduler

        def told(event):
            print(event.job_id, flush=True)
            if event.job_id == "first":
                scheduler.add_job(print, id="second", misfire_grace_time=None)
            else:
                threading.Thread(target=scheduler.shutdown).start()

        def then():
            threading.main_thread().join()
            scheduler.add_job(print, id="first", misfire_grace_time=None)

        {start}
        scheduler.add_listener(told, EVENT_JOB_EXECUTED)
        threading.Thread(target=then).start()
    """)
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.split() == ["first", "second"]


@pytest.mark.parametrize("daemon", [True, False])
def test_a_pool_of_processes_at_the_end_of_the_program(daemon, tmp_path):
    """It is closed with a program that ends; a scheduler that goes on keeps it."""
    program = tmp_path / "program.py"
    program.write_text(
        textwrap.dedent(f"""
        import logging, sys, threading
        from rapscheduler.events import EVENT_JOB_EXECUTED
        from rapscheduler.schedulers.background import BackgroundScheduler

        class Refused(logging.Handler):
            def emit(self, record):
                if "Error submitting job" in record.getMessage():
                    print(record.levelname, record.exc_info[1], flush=True)
                    ended.set()

        def ran(event):
            print("RAN", flush=True)
            ended.set()

        def late():  # in a thread that is no daemon: the interpreter waits for it
            threading.main_thread().join()
            scheduler.add_job("time:monotonic", executor="pool", misfire_grace_time=None)
            ended.wait(50)
            scheduler.shutdown()

        if __name__ == "__main__":
            ended = threading.Event()
            logging.getLogger("rapscheduler").addHandler(Refused())
            logging.getLogger("rapscheduler").setLevel(logging.DEBUG)
            scheduler = BackgroundScheduler(timezone="UTC", daemon={daemon})
            scheduler.add_executor("processpool", "pool", max_workers=1)
            scheduler.add_listener(ran, EVENT_JOB_EXECUTED)
            scheduler.start()
            threading.Thread(target=late).start()
        """)
    )
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split()[0] == ("DEBUG" if daemon else "RAN")


def test_shutdown_at_exit_is_quiet():
    done = run("""
        import atexit
        from rapscheduler.schedulers.background import BackgroundScheduler
        scheduler = BackgroundScheduler(timezone="UTC")
        atexit.register(scheduler.shutdown)
        scheduler.add_job(print, args=["ran"], misfire_grace_time=None)
        scheduler.start()
    """)
    assert (done.returncode, done.stderr) == (0, "")


def test_ctrl_c_in_the_blocking_scheduler_is_the_programs():
    done = run("""
        import os, signal
        from rapscheduler.schedulers.blocking import BlockingScheduler
        scheduler = BlockingScheduler(timezone="UTC")
        scheduler.add_job(lambda: os.kill(os.getpid(), signal.SIGINT))
        try:
            scheduler.start()
        except (KeyboardInterrupt, SystemExit):
            scheduler.shutdown()
            print("ended", scheduler.running)
    """)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ended False\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("blocking", [False, True])
def test_a_scheduler_in_a_forked_child_says_that_it_is_none(blocking):
    done = run(f"""
        import logging, os, sys, threading, warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # of fork() in a process with threads
        from rapscheduler.schedulers.background import BackgroundScheduler
        from rapscheduler.schedulers.blocking import BlockingScheduler
        logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(message)s", level=logging.WARNING)
        if {blocking}:
            scheduler, started = BlockingScheduler(timezone="UTC"), threading.Event()
            scheduler.add_job(started.set)
            threading.Thread(target=scheduler.start).start()
            assert started.wait(20)
        else:
            scheduler = BackgroundScheduler(timezone="UTC")
            scheduler.start()
        assert scheduler.health()["alive"]
        child = os.fork()
        if child == 0:
            assert not scheduler.health()["alive"]
            scheduler.add_job(print, "interval", hours=1)
            scheduler.add_job(print, "interval", hours=1)
            assert scheduler.get_jobs() and scheduler.running and not scheduler.health()["alive"]
            if not {blocking}:
                scheduler.start()
                assert scheduler.health()["alive"]
            sys.stdout.flush()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert status == 0
        assert scheduler.health()["alive"]
        scheduler.shutdown()
    """)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("WARNING This scheduler was started before os.fork()") == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_scheduler_that_is_started_again_in_a_forked_child_runs_jobs():
    """What was under way in the parent, a run of the job and a pass of the loop, never ends in the child."""
    done = run("""
        import faulthandler, os, sys, threading, warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # of fork() in a process with threads
        from rapscheduler.schedulers.background import BackgroundScheduler
        faulthandler.dump_traceback_later(30, exit=True)
        begun, end = threading.Event(), threading.Event()
        def job():
            begun.set()
            end.wait()
        scheduler = BackgroundScheduler(timezone="UTC")
        scheduler.start()
        scheduler.add_job(job, id="job")
        begun.wait()
        with scheduler._loop._lock:
            child = os.fork()
        if child == 0:
            end.set()
            begun.clear()
            scheduler.shutdown()
            scheduler.add_job(job, id="job", misfire_grace_time=None)
            scheduler.start()
            ran = begun.wait(20)
            scheduler.shutdown()
            os._exit(not ran)
        _, status = os.waitpid(child, 0)
        end.set()
        scheduler.shutdown()
        print(status)
    """)
    assert (done.returncode, done.stdout, done.stderr) == (0, "0\n", "")


def test_the_recipe_for_tests():
    done = run(recipe("Tests"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_first_example():
    done = run(recipe("Choosing a scheduler") + "scheduler.shutdown()\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.skipif(os.name == "nt", reason="SIGTERM can't be caught there")
def test_a_handler_may_shut_a_blocking_scheduler_down_wherever_it_interrupts_it():
    """Many signals at random moments of a busy loop; a lock that is not reentrant would hang the process."""
    done = run("""
        import faulthandler, logging, signal, threading
        from rapscheduler.events import EVENT_SCHEDULER_STARTED
        from rapscheduler.schedulers.blocking import BlockingScheduler

        faulthandler.dump_traceback_later(30, exit=True)
        logging.disable()
        main = threading.main_thread().ident
        for round in range(30):
            scheduler = BlockingScheduler(timezone="UTC", job_defaults={"misfire_grace_time": None})
            signal.signal(signal.SIGUSR1, lambda *args: scheduler.shutdown(wait=False))
            timer = threading.Timer(round * 0.0007, signal.pthread_kill, (main, signal.SIGUSR1))
            scheduler.add_listener(lambda event: timer.start(), EVENT_SCHEDULER_STARTED)
            for n in range(20):
                scheduler.add_job(int, "interval", seconds=0.001)
            scheduler.start()
            timer.join()
        print("ended", flush=True)
    """)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ended\n", "")
