"""Counting the runs that have not ended, and waiting until there are none, from any thread."""

from __future__ import annotations

import threading
from time import monotonic

from rapscheduler.errors import ShutdownTimeoutError


class Unfinished:
    """How many runs an executor was given that have not ended. `count` is guarded by `_changed`."""

    def __init__(self) -> None:
        self.count = 0
        self._changed = threading.Condition(threading.Lock())

    def add(self, runs: int) -> None:
        with self._changed:
            self.count += runs

    def end_one(self) -> None:
        with self._changed:
            self.count -= 1
            self._changed.notify_all()

    def wait(self, timeout: float | None, but: int = 0) -> None:
        """Wait until no more than `but` runs are left. ShutdownTimeoutError: the time was not enough."""
        deadline = None if timeout is None else monotonic() + timeout
        with self._changed:
            while self.count > but:
                left_s = None if deadline is None else deadline - monotonic()
                if left_s is not None and left_s <= 0:
                    raise too_late(self.count - but, timeout)
                self._changed.wait(left_s)


def too_late(runs: int, timeout: float | None, then: str = "") -> ShutdownTimeoutError:
    """The error of an executor whose jobs take longer than the user wants to wait; `then`: what became of them."""
    what = "1 job was" if runs == 1 else f"{runs} jobs were"
    return ShutdownTimeoutError(
        f"{what} still running or queued after {round(timeout or 0.0, 2):g} s{then}; "
        "give shutdown() a longer timeout, or jobs that end sooner"
    )
