"""What every scheduler that lives in somebody's event loop has in common; only the way into the loop differs.

Here: the timer, when a pass is made and in which thread, listeners in the loop, starting and stopping. Not here: the
event loops themselves: a subclass brings `_post`, `_in_loop`, `_loop_runs`, `_set_timer` and `_cancel_timer`.

The loop must never stand still. Job stores in memory answer at once, so with those alone a pass is made in the loop,
in slices of `SLICE_S`. Any other store may take long (a database, a file), so then the pass is made in one private
thread: never more than one, never one of a pool that the user's jobs could fill. Passes follow one another, and are
only begun by the loop: a loop that does not run advances no job.
Executors of others are called in the loop, as APScheduler does. Ours may be called from any thread.
Listeners are called in the loop, in the order of the events; while the loop does not run, by whoever causes the event.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context, copy_context
from functools import wraps
from threading import Event
from typing import Any, TypeVar

from rapscheduler._instants import SECOND_US
from rapscheduler._scheduling import start_stop
from rapscheduler._scheduling.dispatcher import Dispatcher
from rapscheduler._scheduling.dueloop import BATCH
from rapscheduler._scheduling.lifecycle import STATE_STOPPED
from rapscheduler.errors import log_line
from rapscheduler.events import SchedulerEvent
from rapscheduler.schedulers.base import BaseScheduler
from rapscheduler.schedulers.blocking import MAX_SLEEP_S, SET_BACK_S

SLICE_S = 0.00025  # a pass in the loop ends after this time and goes on in the loop's next turn
SLICE_BATCH = 64  # jobs between two looks at the clock in such a pass
LOOK_S = 0.1  # how often a thread that waits for the loop looks whether the loop still runs

F = TypeVar("F", bound=Callable[..., Any])


def run_in_loop(func: F) -> Callable[..., None]:
    """Decorator of methods: a call returns at once, and the method runs in the scheduler's event loop."""

    @wraps(func)
    def posted(self: Any, *args: Any, **kwargs: Any) -> None:
        self._post(lambda: func(self, *args, **kwargs))

    return posted


class EventLoopScheduler(BaseScheduler):
    """Base class of the schedulers that are driven by an event loop."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # context variables as they were at the start; all our callbacks see them
        self._context: Context | None = None
        self._wake_posted = False
        self._timer_handle: Any = None
        self._due_us: int | None = None  # when the timer is to make a pass, by the wall clock
        self._due_s = 0.0  # the same by the clock that nobody sets: the wall clock may be set back
        self._worker: Any = None  # the private thread
        self._pass_in_worker = False  # touched in the loop only
        self._pass_again = False  # and by whoever makes the passes while a store hangs
        super().__init__(*args, **kwargs)

    # What a subclass brings

    @abstractmethod
    def _post(self, callback: Callable[..., Any], *args: Any) -> None:
        """Call something in the loop soon, from any thread. RuntimeError: there is no loop, or it is closed."""

    @abstractmethod
    def _in_loop(self) -> bool:
        """Whether this thread runs the loop right now."""

    @abstractmethod
    def _loop_runs(self) -> bool:
        """Whether what is posted will be called: some thread runs the loop, as far as one can tell."""

    @abstractmethod
    def _set_timer(self, seconds: float) -> Any:
        """Let the loop call `_tick` after that many seconds; a handle."""

    @abstractmethod
    def _cancel_timer(self, handle: Any) -> None:
        """Forget a timer."""

    def _find_loop(self) -> None:
        """Called when the scheduler starts: choose the loop."""

    # Starting and stopping

    def start(self, paused: bool = False) -> None:
        """Start the scheduler in its event loop and return at once; see `BaseScheduler.start`."""
        super().start(paused)

    def _is_stopping(self) -> bool:
        # A shutdown that waits for the end of a pass waits in vain when the loop has ended.
        return super()._is_stopping() and (not self._lifecycle.waits_for_pass or self._loop_runs())

    def _prepare_loop(self) -> None:
        self._lifecycle.forget_stop()
        self._find_loop()
        self._context = copy_context()
        self._wake_posted = self._pass_again = self._pass_in_worker = False

    def shutdown(self, wait: bool = True, timeout: float | None = None) -> None:
        """Stop the scheduler; see `BaseScheduler.shutdown`.

        Called in the event loop, this can't wait for what runs there: with ``wait`` the jobs under way go on and end
        by themselves, without it they are cancelled. To wait for them, ``await`` the scheduler's ``shutdown_async()``,
        or call this in another thread.
        """
        start_stop.shut_down(self, wait, timeout)

    def _is_in_pass(self) -> bool:
        return super()._is_in_pass() or (self._pass_in_worker and self._in_loop())

    def _stop_loop(self, timeout: float | None) -> None:
        if self._in_loop() or not self._loop_runs():
            self._stop_timer()
        else:
            self._post_quietly(self._stop_timer)
        super()._stop_loop(timeout)
        worker, self._worker = self._worker, None
        if worker is not None:
            self._end_worker(worker)

    def _leave_parent(self) -> None:
        super()._leave_parent()
        self._timer_handle = self._due_us = self._worker = self._context = None
        self._wake_posted = self._pass_again = self._pass_in_worker = False
        self._leave_loop()

    def _leave_loop(self) -> None:
        """In a forked child: forget the loop, which runs in the parent; the next start finds another."""

    # Waking up

    def wakeup(self) -> None:
        """Make the scheduler look for due jobs now. May be called from any thread."""
        if self._wake_posted:
            return
        self._wake_posted = True
        if not self._post_quietly(self._look):
            self._logger.warning(
                "The event loop of this scheduler is closed, so no job runs any more; start the scheduler in a new one"
            )

    def _post_quietly(self, callback: Callable[..., Any], *args: Any) -> bool:
        try:
            self._post(callback, *args)
        except RuntimeError:
            return False
        return True

    def _start_timer(self, wait_seconds: float | None) -> None:
        """Make a pass after that many seconds of wall time; `None`: only after a `wakeup`."""
        self._stop_timer()
        if wait_seconds is not None and self.state != STATE_STOPPED:
            self._due_us = self._clock.now_us() + round(wait_seconds * SECOND_US)
            self._due_s = self._clock.monotonic() + wait_seconds + SET_BACK_S
            self._arm_timer()

    def _arm_timer(self) -> None:
        assert self._due_us is not None
        left_s = max(0.0, (self._due_us - self._clock.now_us()) / SECOND_US)
        self._timer_handle = self._set_timer(min(left_s, MAX_SLEEP_S))

    def _stop_timer(self) -> None:
        handle, self._timer_handle, self._due_us = self._timer_handle, None, None
        if handle is not None:
            self._cancel_timer(handle)

    def _tick(self) -> None:
        """The timer has run down."""
        self._timer_handle = None
        if self._due_us is None or self.state == STATE_STOPPED:
            return
        if self._clock.now_us() < self._due_us and self._clock.monotonic() < self._due_s:
            self._arm_timer()
        else:
            self._look()

    # The pass

    def _look(self) -> None:
        """Make a pass, here or in the private thread. Called in the loop."""
        self._wake_posted = False
        self._stop_timer()
        if self._pass_in_worker:
            self._pass_again = True
        elif self.state != STATE_STOPPED and not self._is_ending():
            if self._stores_answer_at_once():
                self._loop.set_slices(SLICE_BATCH, SLICE_S)
                self._start_timer(0.0 if self._is_ahead() else self._process_jobs())
            else:
                self._loop.set_slices(BATCH)
                self._pass_in_worker = True
                self._off_loop(self._work)

    def _is_ending(self) -> bool:
        """Whether the loop is being wound up, so that what is due had better stay due."""
        return False

    def _stores_answer_at_once(self) -> bool:
        return all(getattr(store, "answers_at_once", False) for store in self._jobstores.values())

    def _is_ahead(self) -> bool:
        """Whether the loop has not yet begun what earlier slices submitted to it.

        A heap of waiting submissions is no faster, and the garbage collector goes through it again and again.
        """
        return any(getattr(executor, "_is_behind", bool)() for executor in self._executors.values())

    def _work(self) -> None:
        """Make a pass in the private thread."""
        wait_s: float | None = float(self.jobstore_retry_interval)
        try:
            wait_s = self._process_jobs()
        except BaseException:  # a store that raises SystemExit and the like
            log_line(self._logger.exception, "Error while looking for due jobs; trying again")
        finally:
            if not self._post_quietly(self._worked, wait_s):
                self._pass_in_worker = False

    def _worked(self, wait_s: float | None) -> None:
        """The pass in the private thread has ended. Called in the loop."""
        self._pass_in_worker = False
        again, self._pass_again = self._pass_again, False
        if self._carry_out_end():  # it came when the pass had just ended
            return
        if again:
            self._look()
        else:
            self._start_timer(wait_s)

    def _was_woken(self) -> bool:
        woken, self._pass_again = self._pass_again, False
        return woken

    def _off_loop(self, work: Callable[[], None]) -> None:
        """Run something in the private thread."""
        if self._worker is None:
            self._worker = ThreadPoolExecutor(1, thread_name_prefix="rapscheduler-pass")
        self._worker.submit(work)

    def _end_worker(self, worker: Any) -> None:
        worker.shutdown(wait=False)

    # Executors and listeners

    def _callable_here(self, executor: Any) -> Any:
        if self._in_loop() or not self._loop_runs() or getattr(executor, "takes_any_thread", False):
            return executor
        return _InLoop(self, executor)

    def _call_and_wait(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call something in the loop from another thread; its result."""
        ended = Event()
        outcome: list[Any] = [None, None]

        def call() -> None:
            try:
                outcome[0] = function(*args, **kwargs)
            except BaseException as exc:
                outcome[1] = exc
            finally:
                ended.set()

        self._post(call)
        while not ended.wait(LOOK_S):
            if not self._loop_runs():
                raise RuntimeError("the event loop of the scheduler has stopped")
        if outcome[1] is not None:
            raise outcome[1]
        return outcome[0]

    def _create_dispatcher(self) -> Dispatcher:
        return LoopDispatcher(self)

    def _run_context(self) -> Context | None:
        # those at the scheduler's start, not those of whoever woke it
        return None if self._context is None else self._context.copy()

    def _why_not_alive(self) -> str | None:
        reason = super()._why_not_alive()
        return "its event loop does not run" if reason is None and not self._loop_runs() else reason


class _InLoop:
    """An executor whose methods are called in the scheduler's loop, for another thread that waits for them."""

    def __init__(self, scheduler: EventLoopScheduler, executor: Any) -> None:
        self._scheduler = scheduler
        self._executor = executor

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._executor, name)
        if not callable(value):
            return value

        @wraps(value)
        def called(*args: Any, **kwargs: Any) -> Any:
            return self._scheduler._call_and_wait(value, *args, **kwargs)

        return called


class LoopDispatcher(Dispatcher):
    """Tells events in the loop. `outbox`: told when the loop gets to it, in order; any thread appends."""

    outbox: deque[SchedulerEvent]

    def __init__(self, scheduler: EventLoopScheduler) -> None:
        super().__init__(lambda: scheduler._logger)
        self._scheduler = scheduler
        self.outbox = deque()
        self._posted = False

    def leave_parent(self) -> None:
        super().leave_parent()
        self.outbox.clear()
        self._posted = False

    def tell(self, event: SchedulerEvent) -> None:
        """Tell an event: at once in the loop or while it does not run, else soon."""
        if not self.mask & event.code:
            return
        scheduler = self._scheduler
        if scheduler._in_loop() or not scheduler._loop_runs():
            self._tell_outbox()
            super().tell(event)
            return
        self.outbox.append(event)
        if not self._posted:
            self._posted = True
            if not scheduler._post_quietly(self._empty_outbox):
                self._tell_outbox()

    def _empty_outbox(self) -> None:
        self._posted = False
        self._tell_outbox()

    def _tell_outbox(self) -> None:
        outbox = self.outbox
        while outbox:
            try:
                event = outbox.popleft()
            except IndexError:  # another thread was faster; only while the loop does not run
                return
            super().tell(event)
