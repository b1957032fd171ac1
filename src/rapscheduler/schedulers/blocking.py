"""The scheduler that runs in the thread that starts it."""

from __future__ import annotations

from threading import Thread, current_thread, get_ident, main_thread
from time import sleep

from rapscheduler._hints import TYPE_CHECKING, Any
from rapscheduler._instants import SECOND_US
from rapscheduler._scheduling.lifecycle import STATE_STOPPED
from rapscheduler.schedulers.base import BaseScheduler
from rapscheduler.util import TIMEOUT_MAX, elsewhere

__all__ = ("BlockingScheduler", "WakeUp")

#: The longest sleep. Locks count the time that passes while the machine runs, jobs are due by the wall clock: a clock
#: that was set, or a machine that was suspended, is noticed after this many seconds at most.
MAX_SLEEP_S = 5.0
#: How long the loop lets go of the interpreter between two batches. Long enough for a waiting worker to get hold of it
#: (a sleep of 0 is over before it wakes up); the worker then keeps it until the batch has run.
LET_RUN_S = 0.00005
SET_BACK_S = 1.0  # a sleep that is longer than planned by this much: the clock was set back


if TYPE_CHECKING:
    from queue import SimpleQueue
else:
    __getattr__ = elsewhere(__name__)


class WakeUp:
    """What an `Event` does for one sleeper, safe to set from a signal handler that interrupts that sleeper.

    An `Event` would deadlock there, because its lock is not reentrant; putting into a `SimpleQueue` is. A leftover item
    ends one wait too early; the sleeper looks at `is_set` and sleeps on.
    """

    __slots__ = ("_empty", "_items", "_set")

    def __init__(self) -> None:
        from queue import Empty, SimpleQueue  # not of `_queue`, which gevent does not patch

        self._items: SimpleQueue[None] = SimpleQueue()
        self._empty = Empty
        self._set = False

    def is_set(self) -> bool:
        return self._set

    def set(self) -> None:
        if not self._set:
            self._set = True
            self._items.put(None)

    def clear(self) -> None:
        self._set = False
        while not self._items.empty():
            self._items.get()

    def wait(self, timeout: float | None = None) -> bool:
        if not self._set:
            try:
                self._items.get(timeout=timeout)
            except self._empty:
                pass
        return self._set


class BlockingScheduler(BaseScheduler):
    """A scheduler that runs in the foreground: `start` returns only after `shutdown`."""

    _event: Any = None  # set: look for due jobs now
    _loop_ident: int | None = None  # the thread that looks for due jobs
    _thread: Thread | None = None  # the same from the beginning of `start`

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Now, as it can't be loaded while the program ends: start() may be called in a thread, and the main one end.
        import rapscheduler.executors.pool  # noqa: F401

        super().__init__(*args, **kwargs)

    def start(self, *args: Any, **kwargs: Any) -> None:
        """Start the scheduler and run it in this thread until it is shut down; see `BaseScheduler.start`."""
        super().start(*args, **kwargs)
        self._main_loop()

    def _prepare_loop(self) -> None:
        self._event = WakeUp()
        self._thread = current_thread()

    def __enter__(self) -> BlockingScheduler:
        return self  # starting would never reach the block

    def shutdown(self, wait: bool = True, timeout: float | None = None) -> None:
        """Stop the scheduler; see `BaseScheduler.shutdown`."""
        super().shutdown(wait, timeout)

    def _leave_parent(self) -> None:
        super()._leave_parent()
        self._event, self._thread, self._loop_ident = WakeUp(), None, None

    def _stop_loop(self, timeout: float | None) -> None:
        self._event.set()
        super()._stop_loop(timeout)

    def _main_loop(self) -> None:
        self._loop_ident = get_ident()
        wait_s: float | None = TIMEOUT_MAX
        # of this start: a loop that outlived its shutdown must not go on after the next one
        event = self._event
        try:
            while self.state != STATE_STOPPED and self._event is event:
                self._sleep(wait_s)
                event.clear()
                if self.state != STATE_STOPPED and self._event is event:
                    wait_s = self._process_jobs()
        finally:
            if self._event is event:
                self._loop_ident = None

    def _sleep(self, wait_s: float | None) -> None:
        """Sleep until `wakeup` is called or that many seconds have passed on the wall clock.

        When as many have passed on the clock that nobody sets, the wall clock was set back: jobs wait for it, but what
        is to be tried again (a store, a run) does not, so the loop looks once more.
        """
        event = self._event
        end_s = None if wait_s is None else self._clock.monotonic() + wait_s + SET_BACK_S
        until_us = None if wait_s is None else self._clock.now_us() + round(wait_s * SECOND_US)
        while not event.is_set():
            slice_s = MAX_SLEEP_S
            if until_us is not None:
                left_us = until_us - self._clock.now_us()
                if left_us <= 0 or (end_s is not None and self._clock.monotonic() >= end_s):
                    return
                slice_s = min(slice_s, left_us / SECOND_US)
            event.wait(slice_s)

    def _let_run(self) -> None:
        sleep(LET_RUN_S)

    def wakeup(self) -> None:
        """Make the loop look for due jobs now."""
        event = self._event
        if event is not None and not event.is_set():
            event.set()

    def _was_woken(self) -> bool:
        event = self._event
        if event is None or not event.is_set():
            return False
        event.clear()
        return True

    def _why_not_alive(self) -> str | None:
        reason = super()._why_not_alive()
        return "no thread looks for due jobs" if reason is None and self._loop_ident is None else reason

    def _outlives_main(self) -> bool:
        """Whether the loop goes on when the main thread has ended, so that its executors are needed still.

        The interpreter waits for threads that are no daemons, but it tells pools to close before it does.
        """
        thread = self._thread
        return thread is not None and thread.is_alive() and not thread.daemon and thread is not main_thread()
