"""One of many by a lock: what the leader runs, what a stand-by moves on, and how the one becomes the other."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from rapscheduler.events import EVENT_ALL, EVENT_SCHEDULER_LEADER_GAINED, EVENT_SCHEDULER_LEADER_LOST
from rapscheduler.leader import FileLock, LeaderLock, leader_lock
from rapscheduler.schedulers.background import BackgroundScheduler

SRC = Path(__file__).resolve().parents[3] / "src"
WAIT_S = 20.0


class Lock(LeaderLock):
    """A lock whose answers the test gives."""

    interval_s = 0.01
    lease_s = 0.5

    def __init__(self, ours: bool = False) -> None:
        self.ours, self.error, self.noted, self.released = ours, None, None, 0

    def _answer(self) -> bool:
        if self.error is not None:
            raise self.error
        return self.ours

    acquire = renew = _answer

    def release(self) -> None:
        self.released += 1

    def mark(self, us: int) -> None:
        self.noted = us

    def marked(self) -> int | None:
        return self.noted


def until(what: Any) -> None:
    end_s = time.monotonic() + WAIT_S
    while not what():
        assert time.monotonic() < end_s
        time.sleep(0.005)


@pytest.fixture
def make():
    made = []

    def make(lock: Any, **options: Any) -> BackgroundScheduler:
        scheduler = BackgroundScheduler(timezone="UTC", leader=lock, **options)
        made.append(scheduler)
        return scheduler

    yield make
    for scheduler in made:
        if scheduler.running:
            scheduler.shutdown()


def test_the_leader_runs_what_is_due_and_tells(make):
    lock, told, ran = Lock(ours=True), [], threading.Event()
    scheduler = make(lock, leader_callback=told.append)
    codes = []
    scheduler.add_listener(lambda event: codes.append(event.code), EVENT_ALL)
    scheduler.add_job(ran.set)  # due at once: it waits until the lock has answered
    assert not scheduler.is_leader
    scheduler.start()
    assert ran.wait(WAIT_S) and scheduler.is_leader
    scheduler.shutdown()
    assert told == [True, False] and not scheduler.is_leader and lock.released
    assert codes.count(EVENT_SCHEDULER_LEADER_GAINED) == codes.count(EVENT_SCHEDULER_LEADER_LOST) == 1


def test_a_stand_by_moves_on_and_begins_when_it_leads(make, caplog):
    lock, runs = Lock(), []
    scheduler = make(lock)
    scheduler.add_job(lambda: runs.append(scheduler.is_leader), "interval", seconds=0.05, id="often")
    scheduler.add_job(runs.append, "date", run_date=datetime.now(timezone.utc), args=["lost"], id="once")
    scheduler.start()
    first = scheduler.get_job("often").next_run_time
    until(lambda: scheduler.get_job("often").next_run_time > first + timedelta(seconds=0.2))
    until(lambda: scheduler.get_job("once") is None)
    assert runs == [] and not scheduler.is_leader and scheduler.health()["alive"]
    assert "is gone from this stand-by without a run" in caplog.text
    lock.ours = True
    until(lambda: len(runs) >= 3)
    lock.ours = False
    until(lambda: "does not lead any more" in caplog.text)
    assert not scheduler.is_leader

    def moved_on() -> None:
        before = scheduler.get_job("often").next_run_time
        until(lambda: scheduler.get_job("often").next_run_time > before + timedelta(seconds=0.2))

    moved_on()  # the pass that was under way then is over
    until(lambda: not len(scheduler._running_counts))  # and what it submitted has run
    count = len(runs)
    moved_on()
    assert len(runs) == count and set(runs) <= {True, False}


def test_a_leader_whose_lease_is_over_runs_nothing_though_nobody_told_it(make):
    """As in a process that was stopped: the thread that renews the lease has not come to it yet."""
    lock = Lock(ours=True)
    scheduler = make(lock)
    scheduler.start()
    until(lambda: scheduler.is_leader)
    scheduler._leadership._until_s = time.monotonic() - 1
    assert not scheduler.is_leader


def test_a_lock_that_can_not_be_asked(make, caplog):
    lock, ran = Lock(ours=True), threading.Event()
    lock.error = OSError("no route to host")
    scheduler = make(lock)
    scheduler.add_job(ran.set, misfire_grace_time=None)
    scheduler.start()
    until(lambda: "can't be asked" in caplog.text)
    assert not ran.wait(0.1) and len(scheduler.get_jobs()) == 1  # it stays due
    lock.error = None
    assert ran.wait(WAIT_S)
    lock.error = OSError("no route to host")
    until(lambda: not scheduler.is_leader)  # when its lease is over
    assert caplog.text.count("can't be asked") == 2  # not at every try


def test_the_next_leader_runs_what_came_due_after_the_mark(make):
    lock, runs = Lock(), []
    lock.lag_s = 5.0
    scheduler = make(lock)
    start = datetime.now(timezone.utc)
    for i in range(4):  # due at 0.1, 0.2, 0.3, 0.4 s
        when = start + timedelta(seconds=0.1 * (i + 1))
        scheduler.add_job(runs.append, "date", run_date=when, args=[i], misfire_grace_time=None)
    scheduler.start()
    time.sleep(0.6)
    assert len(scheduler.get_jobs()) == 4  # a stand-by is behind, on purpose
    lock.noted = int((start.timestamp() + 0.25) * 1_000_000)
    lock.ours = True
    until(lambda: len(runs) == 2)
    assert runs == [2, 3] and scheduler.get_jobs() == []
    until(lambda: lock.noted > int((start.timestamp() + 0.4) * 1_000_000))  # and it marks what it ran itself


def test_nothing_of_it_is_there_without_the_setting():
    code = "import sys; from rapscheduler.schedulers.background import BackgroundScheduler as B; s = B(timezone='UTC')"
    code += "; s.start(); assert s.is_leader; s.shutdown(); print([m for m in sys.modules if 'leader' in m])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment()
    )
    assert done.stdout.strip() == "[]"


def test_settings(tmp_path, caplog):
    assert leader_lock(None) is None
    for text in (f"file:{tmp_path}/a", f"file://{tmp_path}/a", f"file://localhost{tmp_path}/a"):
        assert leader_lock(text).path == f"{tmp_path}/a"
    for wrong in ("app.lock", "ftp://host", "file:", "file://host/a"):
        with pytest.raises(ValueError, match="leader="):
            leader_lock(wrong)
    with pytest.raises(TypeError, match="leader="):
        BackgroundScheduler(timezone="UTC", leader=7)
    with pytest.raises(TypeError, match="leader_callback="):
        BackgroundScheduler(timezone="UTC", leader=f"file:{tmp_path}/a", leader_callback=7)
    BackgroundScheduler({"rapscheduler.leader": f"file:{tmp_path}/a"}, timezone="UTC")
    BackgroundScheduler(timezone="UTC", leader_callback=print)
    assert "never called without leader=" in caplog.text


# The file


def test_two_schedulers_of_one_process_have_one_lock(tmp_path):
    one, two = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert one.acquire() and one.renew()
    assert not two.acquire() and not two.acquire()
    assert held_by_another(tmp_path / "lock")  # a try in this process has not released it
    one.mark(17)
    one.release()
    assert not held_by_another(tmp_path / "lock")
    assert two.acquire() and two.marked() == 17
    two.release()


def test_a_lock_file_that_was_replaced_is_lost(tmp_path):
    path = tmp_path / "lock"
    lock = FileLock(path)
    assert lock.acquire()
    path.unlink()
    assert not lock.renew()
    lock.release()
    assert lock.acquire() and held_by_another(path)
    lock.release()


def held_by_another(path: Path) -> bool:
    code = f"from rapscheduler.leader import FileLock; raise SystemExit(FileLock({str(path)!r}).acquire())"
    return subprocess.run([sys.executable, "-c", code], check=False, env=environment()).returncode == 0


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(SRC)}


PROGRAM = """
    import os, signal, sys, threading, time
    from rapscheduler.schedulers.background import BackgroundScheduler
    def job():
        os.write(out, f"{int(time.time() * 5 + 0.5)} {os.getpid()}\\n".encode())
    out = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    scheduler = BackgroundScheduler(timezone="UTC", leader=sys.argv[1])
    scheduler.add_job(job, "interval", seconds=0.2, start_date="2025-01-01", misfire_grace_time=None, coalesce=False)
    scheduler.start()
    print("started", flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(os.name == "nt", reason="no signals")
def test_each_time_is_run_once_while_leaders_are_killed(tmp_path):
    program, out, lock = tmp_path / "program.py", tmp_path / "out", f"file:{tmp_path / 'lock'}"
    program.write_text(textwrap.dedent(PROGRAM))

    def begin() -> Any:
        process = subprocess.Popen(
            [sys.executable, str(program), lock, str(out)], stdout=subprocess.PIPE, env=environment()
        )
        assert process.stdout.readline()
        return process

    processes = [begin() for _ in range(3)]
    leaders = set()
    try:
        for _ in range(3):
            until(lambda: out.exists() and len({pid for _, pid in rows(out)} - leaders) == 1)
            time.sleep(1.0)
            leader = rows(out)[-1][1]
            leaders.add(leader)
            (killed,) = [process for process in processes if process.pid == leader]
            killed.kill()
            killed.wait()
            processes.remove(killed)
            processes.append(begin())
        until(lambda: len({pid for _, pid in rows(out)} - leaders) == 1)
        time.sleep(0.5)
    finally:
        for process in processes:
            process.kill()
            process.wait()
    ticks = [tick for tick, _ in rows(out)]
    assert len({pid for _, pid in rows(out)}) == 4
    # late runs come by the time they were made; none is missing and at most what a killed one had just begun is double
    expected = ticks[-1] - ticks[0] + 1
    assert expected - 1 <= len(ticks) <= expected + 3, ticks


def rows(out: Path) -> list[tuple[int, int]]:
    return [(int(tick), int(pid)) for tick, pid in (line.split() for line in out.read_text().splitlines())]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_is_no_leader_and_may_become_one(make, tmp_path):
    scheduler = make(f"file:{tmp_path / 'lock'}")
    scheduler.start()
    until(lambda: scheduler.is_leader)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            assert not scheduler.is_leader
            scheduler.start()
            time.sleep(0.5)
            assert not scheduler.is_leader  # the parent leads
            scheduler.shutdown()
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert scheduler.is_leader
