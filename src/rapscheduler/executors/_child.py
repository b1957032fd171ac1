"""A worker process, as its parent has it: starting it, waiting for it, its end.

Rule: one thread waits for a child. A child that is seen to end by its sentinel or by the hang-up of its pipe (a
process that it left behind may hold the sentinel) has ended; whoever sees it first reaps it.
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import threading
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from rapscheduler.executors._pipes import Line
from rapscheduler.executors._worker_process import READY, serve

KILL_S = 1.0  # from SIGTERM to SIGKILL
_starting = threading.Lock()  # a fork must not inherit the far ends that are meant for another


def _after_fork_in_child() -> None:
    global _starting
    _starting = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


def _start_undisturbed(process: Any) -> None:
    """A Ctrl-C while a worker starts is not for it: it listens to signals when it can tell what they mean."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Child:
    """A worker process, started."""

    def __init__(
        self, context: Any, initializer: Callable[..., object] | None, initargs: tuple[Any, ...]
    ) -> None:
        with _starting:
            self.line = line = Line()
            try:
                self.process = context.Process(target=serve, args=(line.far, initializer, initargs))
                if context.get_start_method() == "forkserver":  # it is the whole program's
                    self.process.start()
                else:
                    _start_undisturbed(self.process)
            except BaseException:
                line.close()
                raise
            finally:
                line.close_far()
        self.pid: int = self.process.pid
        self._poll = select.poll()
        self._poll.register(line.bell, select.POLLIN)
        self._poll.register(line.results, 0)  # its hang-up
        self._poll.register(self.process.sentinel, select.POLLIN)

    def wait(self, timeout_s: float | None) -> bool:
        """Until it rings or ends; whether it did."""
        return bool(self._poll.poll(None if timeout_s is None else timeout_s * 1000))

    def has_ended(self) -> bool:
        """Whether nobody is there any more."""
        return any(end != self.line.bell for end, _ in self._poll.poll(0))

    def until_ready(self) -> None:
        """Wait until it takes tasks. BrokenProcessPool: it never will."""
        while True:
            self.wait(None)
            ended = self.has_ended()
            for frame in self.line.replies():
                place, _, said = pickle.loads(frame)
                if place == READY:
                    return
                raise BrokenProcessPool(said)
            if ended:
                raise self.why_ended("before it could take a job")

    def kill(self) -> None:
        """End it, whatever it does."""
        self.process.terminate()
        self.process.join(KILL_S)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()

    def why_ended(self, when: str = "with a job that it was making") -> BrokenProcessPool:
        """What to tell of a process that has ended."""
        self.process.join(KILL_S)
        if self.process.exitcode is None:  # it closed its files; nobody can talk to it
            self.kill()
        code = self.process.exitcode
        how = f"with exit code {code}"
        if code is not None and code < 0:
            try:
                how = f"by {signal.Signals(-code).name}"
            except ValueError:
                how = f"by signal {-code}"
        return BrokenProcessPool(f"the worker process {self.pid} ended {how} {when}")
