"""No child finds a lock taken that a thread of its parent's held while it was forked."""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from rapscheduler import _locks, _zones
from rapscheduler._locks import KeptLock
from rapscheduler._reference.due_index import DueIndex
from rapscheduler._reference.running import RunningCounts
from rapscheduler.jobstores import _sharing

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")


def ends_well(work: Callable[[], Any]) -> bool:
    """Whether a forked child does this within seconds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of fork() in a process with threads
        pid = os.fork()
    if pid == 0:
        import signal

        signal.alarm(10)
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(pid, 0)[1] == 0


def took(lock: Any) -> None:
    with lock:
        pass


def test_those_of_the_library_are_kept() -> None:
    locks = [_zones._naming, _zones._reading, _sharing._lock]
    locks += [DueIndex()._lock, RunningCounts()._lock]
    assert all(isinstance(lock, KeptLock) for lock in locks)


def test_a_fork_waits_for_who_holds_it_and_finds_whole_what_it_guards() -> None:
    lock, halves, inside = KeptLock(), [0, 0], threading.Event()

    def change() -> None:
        with lock:
            halves[0] += 1
            inside.set()
            time.sleep(0.3)
            halves[1] += 1

    def look() -> None:
        with lock:
            assert halves == [1, 1]

    thread = threading.Thread(target=change)
    thread.start()
    assert inside.wait(10)
    assert ends_well(look)
    thread.join()
    look()  # and the parent has it too


def test_one_that_is_held_for_long_is_new_in_the_child(monkeypatch: Any) -> None:
    monkeypatch.setattr(_locks, "FORK_WAIT_S", 0.1)
    lock, inside, go = KeptLock(), threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            inside.set()
            go.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    assert inside.wait(10)
    assert ends_well(lambda: took(lock))
    assert not lock._lock.acquire(blocking=False)  # its holder has it still
    go.set()
    thread.join()
    took(lock)


def test_who_forks_may_hold_it() -> None:
    lock = KeptLock()
    with lock:
        assert ends_well(lambda: took(lock))
    thread = threading.Thread(target=took, args=(lock,))
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
