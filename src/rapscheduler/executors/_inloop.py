"""Running jobs in an asyncio event loop: what the executors of asyncio and Tornado share.

Here: submissions from any thread into the loop, tasks and worker threads, cancelling, waiting for the end. Not here:
which loop, which pool; how a job is run (`_run`).

Coroutine functions run as tasks of the loop. Other callables run in a pool of threads; an awaitable that one of them
returns is awaited in the loop. Many submissions at once are begun in slices of `SLICE_S` or `SLICE_RUNS`, so that the
loop's other callbacks wait milliseconds at most.
Data: `_queue` holds submissions that were accepted and not begun (any thread appends, the loop pops);
`_pending_futures` the tasks and futures under way, `_waiters` whom to tell when there are none left. The last two are
touched in the loop only; python-telegram-bot reads `_pending_futures`.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from logging import INFO, WARNING
from time import monotonic, perf_counter
from typing import Any
from weakref import ref

from rapscheduler._engine.planning import Submission
from rapscheduler._engine.running import NotBegun, QuickRuns, run_at_once
from rapscheduler._states import CANCELLED
from rapscheduler.errors import InterpreterEndingError, RunCancelledError, ends_program, log_line
from rapscheduler.executors._home import Failures
from rapscheduler.executors._run import Await, Events, RunLoop, drive_async
from rapscheduler.executors._turns import Own, advance_as, inside
from rapscheduler.executors._unfinished import too_late
from rapscheduler.executors.base import BaseExecutor
from rapscheduler.util import iscoroutinefunction_partial

SLICE_S = 0.00025
SLICE_RUNS = 32  # so many tasks at once stay below the first threshold of the garbage collector
BEHIND = 64  # queued runs
LOOK_S = 0.1  # how often a thread that waits for the loop looks whether the loop still runs


class _Waiter:
    """A thread that waits until all runs but its own have ended."""

    __slots__ = ("idle", "own")

    def __init__(self, own: Own | None) -> None:
        self.idle = threading.Event()
        self.own = own


class LoopExecutor(BaseExecutor):
    """Base class; a subclass gives `_find_loop` and `_pool`."""

    takes_any_thread = True

    _eventloop: Any = None  # the asyncio loop that runs the jobs

    def __init__(self) -> None:
        super().__init__()
        self._prepare()

    def _prepare(self) -> None:
        self._pending_futures: set[Any] = set()
        self._queue: deque[Submission] = deque()
        self._waiters: list[_Waiter] = []
        self._feeding = False
        self._thread_runs: dict[Any, Own] = {}

    def _find_loop(self, scheduler: Any) -> Any:
        """The asyncio event loop of a scheduler."""
        raise NotImplementedError

    def _pool(self) -> Any:
        """The pool that runs plain functions; `None`: the default one of the loop."""
        return None

    def _runs_in_loop(self, func: Any) -> bool:
        """Whether calling this gives something to await at once, so that it is called in the loop."""
        return iscoroutinefunction_partial(func)

    def start(self, scheduler: Any, alias: str) -> None:
        """Take jobs for the event loop of this scheduler; see `BaseExecutor.start`."""
        super().start(scheduler, alias)
        loop = self._find_loop(scheduler)
        if loop is not self._eventloop or not hasattr(self, "_queue"):
            self._prepare()  # what ran in another loop has ended with it
        self._eventloop = loop

    def _leave_parent(self) -> None:
        self._prepare()
        self._eventloop = None

    # Submitting

    def _do_submit_job(self, job: Any, run_times: list[datetime]) -> None:
        submission = self._accept(job, run_times)
        if self._is_in_loop():
            self._begin(submission, self._quick_now())
        else:
            self._enqueue((submission,))

    def _submit_batch(self, submissions: Sequence[Submission]) -> Failures:
        return self._submit_together(submissions, self._enqueue)

    def _enqueue(self, submissions: Sequence[Submission]) -> None:
        try:
            if not self._eventloop.is_closed():
                self._queue.extend(submissions)
            self._call(self._feed_soon)
        except RuntimeError as exc:
            # closed; only a pass in another thread gets here, when the program is ending
            raise InterpreterEndingError(
                "the event loop of this executor is closed; start the scheduler in a new one"
            ) from exc

    def _call(self, callback: Callable[..., Any], *args: Any) -> None:
        """Call something in the loop: at once if this is its thread, else soon."""
        if self._is_in_loop():
            callback(*args)
        else:
            self._eventloop.call_soon_threadsafe(callback, *args, context=self._context())

    def _context(self) -> Any:
        """The context variables for a new run: those at the scheduler's start, not those of whoever woke it."""
        return self._home.context()

    def _is_in_loop(self) -> bool:
        return asyncio._get_running_loop() is self._eventloop

    def _feed_soon(self) -> None:
        if not self._feeding and self._queue:
            self._feeding = True
            self._eventloop.call_soon(self._feed, context=self._context())

    def _feed(self) -> None:
        """Begin queued runs for one slice of time."""
        self._feeding = False
        queue, end_s, quick = self._queue, perf_counter() + SLICE_S, self._quick_now()
        try:
            for _ in range(min(SLICE_RUNS, len(queue))):
                self._begin(queue.popleft(), quick)
                if perf_counter() >= end_s:
                    break
        finally:
            if queue:
                self._feed_soon()
            elif self._waiters:
                self._tell_waiters()

    def _begin(self, submission: Submission, quick: QuickRuns | None) -> None:
        try:
            if not self._runs_in_loop(submission.job.func):
                self._begin_in_thread(submission, self._run_loop(submission))
            elif quick is None or not self._begin_quick(quick, submission):
                task = self._eventloop.create_task(self._in_task(self._run_loop(submission)))
                self._follow(submission, task)
        except BaseException as exc:  # the pool was shut down, or a callable that can't be looked at
            if ends_program(exc):
                raise
            if self._pool() is None and getattr(self._eventloop, "_executor_shutdown_called", False):
                self._run_cancelled(submission, INFO)  # the program is ending
            else:
                self._run_lost(submission, exc)

    def _quick_now(self) -> QuickRuns | None:
        """What begins runs, of which those that end well have nothing to tell but one event; None: there is more."""
        if self._logger.isEnabledFor(INFO) or self._home.watched.every or not self._is_plain():
            return None
        return self._quick

    def _begin_quick(self, quick: QuickRuns, submission: Submission) -> bool:
        """Call a coroutine function at once; the run loop comes in when there is anything to tell about it.

        False: it was not called.
        """
        error = None
        try:
            value = run_at_once(submission, self._now_us, self._running, self._home.watched.ledger)
        except BaseException as exc:
            value, error = None, exc
        if value is NotBegun:
            return False
        if error is None and value is None and (submission.kept is None or submission.kept.run is None):
            quick.told(submission, None)
        elif error is None and hasattr(value, "__await__"):
            task = self._eventloop.create_task(self._outcome(value))
            if submission.kept is not None:
                submission.kept.task = ref(task)
            self._pending_futures.add(task)
            task.add_done_callback(partial(self._quick_ended, quick, submission))
        else:
            self._finish_run(submission, value, error)
        return True

    async def _outcome(self, value: Any) -> tuple[Any, BaseException | None]:
        own = Own(self, asyncio.current_task())
        inside.set(own)
        try:
            return await value, None
        except (SystemExit, KeyboardInterrupt) as exc:  # they would end the event loop
            return None, exc
        finally:
            own.future = None  # the task holds its context, and that holds `own`

    def _quick_ended(self, quick: QuickRuns, submission: Submission, task: Any) -> None:
        self._pending_futures.discard(task)
        value = None
        error: BaseException | None
        if task.cancelled():
            error = asyncio.CancelledError()
            run = None if submission.kept is None else submission.kept.run
            if run is not None and run.cancelled:
                error = RunCancelledError(f"run {run.id} of job {run.job_id!r} was cancelled")
        else:
            error = task.exception()
            if error is None:
                value, error = task.result()
        if error is None and self._is_kept(submission):
            self._running.release(submission.job.id)
            quick.told(submission, value)
        else:
            self._finish_run(submission, value, error)
        if self._waiters:
            self._tell_waiters()

    def _is_kept(self, submission: Submission) -> bool:
        """Whether nobody follows a run that ended well, and its ledger has its end."""
        ledger = self._home.watched.ledger
        if submission.kept is None or ledger is None:
            return submission.kept is None or submission.kept.run is None
        return ledger.end(submission.kept)

    async def _in_task(self, gen: RunLoop, step: Await | None = None) -> Events:
        """Go through a run loop here; `step`: await what a plain callable returned, and go on with it in the pool."""
        own = Own(self, asyncio.current_task())
        inside.set(own)
        try:
            return await drive_async(gen, step, None if step is None else partial(self._in_thread, own))
        finally:
            own.future = None  # the task holds its context, and that holds `own`

    def _begin_in_thread(self, submission: Submission, gen: RunLoop) -> None:
        own = Own(self)
        own.future = future = self._in_thread(own, gen)
        self._pending_futures.add(future)
        self._thread_runs[future] = own
        future.add_done_callback(partial(self._thread_ended, submission, gen))

    def _in_thread(self, own: Own, gen: RunLoop, *outcome: Any) -> Any:
        return self._eventloop.run_in_executor(self._pool(), advance_as, own, gen, *outcome)

    def _thread_ended(self, submission: Submission, gen: RunLoop, future: Any) -> None:
        self._thread_runs.pop(future, None)
        step = None if future.cancelled() or future.exception() else future.result()
        if type(step) is Await:
            self._follow(submission, self._eventloop.create_task(self._in_task(gen, step)))
            self._pending_futures.discard(future)
        else:
            self._ended(submission, future)

    def _follow(self, submission: Submission, task: Any) -> None:
        self._pending_futures.add(task)
        task.add_done_callback(partial(self._ended, submission))

    # The end of a run

    def _ended(self, submission: Submission, future: Any) -> None:
        self._pending_futures.discard(future)
        if future.cancelled():
            self._run_cancelled(submission)
        else:
            exc = future.exception()
            if exc is None:
                self._run_job_success(submission.job.id, future.result())
            else:
                self._run_lost(submission, exc)
        if self._waiters:
            self._tell_waiters()

    def _run_cancelled(self, submission: Submission, level: int = WARNING) -> None:
        """A run was cancelled before it began."""
        self._running.release(submission.job.id)
        log_line(self._logger.log, level, 'Job "%s" was cancelled before it began', submission.job)
        error = asyncio.CancelledError()
        self._home.watched.lost(submission, CANCELLED, error)
        self._tell_lost(submission, error)

    def _is_behind(self) -> bool:
        """Whether there is enough to begin for the next turns of the loop."""
        return len(self._queue) > BEHIND

    def _queue_depth(self) -> int | None:
        return len(self._queue)

    # Shutting down

    def shutdown(self, wait: bool = True, timeout: float | None = None) -> None:
        """Take no more jobs. Without `wait`, cancel what has not ended (threads can't be cancelled).

        With `wait` the runs end by themselves. Called from another thread than the loop's, this waits for them; in
        the loop it can't (the loop would stand still): there use ``await scheduler.shutdown_async()``.

        :raises ShutdownTimeoutError: if runs were under way after `timeout` seconds; they are cancelled then
        """
        loop = self._eventloop
        if loop is None or loop.is_closed():
            return
        if not wait:
            self._call(self._cancel_all)
        elif not self._is_in_loop():
            self._wait_idle(timeout)

    def _cancel_all(self) -> None:
        while self._queue:
            self._run_cancelled(self._queue.popleft())
        for future in list(self._pending_futures):
            own = self._thread_runs.get(future)
            if own is None or not own.begun:
                future.cancel()
        self._tell_waiters()

    def _wait_idle(self, timeout: float | None) -> None:
        loop, own = self._eventloop, inside.get()
        if own is not None and own.executor is not self:
            own = None
        waiter = _Waiter(own)
        deadline = None if timeout is None else monotonic() + timeout
        loop.call_soon_threadsafe(self._add_waiter, waiter)
        while True:
            left_s = LOOK_S if deadline is None else min(LOOK_S, deadline - monotonic())
            if waiter.idle.wait(max(0.0, left_s)):
                return
            unfinished = len(self._queue) + len(self._pending_futures) - (own is not None)
            if not loop.is_running():
                if unfinished > 0:
                    log_line(
                        self._logger.warning,
                        "%d jobs can't be waited for: their event loop does not run any more; await "
                        "scheduler.shutdown_async() before it ends",
                        unfinished,
                    )
                return
            if deadline is not None and monotonic() >= deadline:
                self._call(self._cancel_all)
                raise too_late(unfinished, timeout, ", and cancelled as far as possible")

    def _add_waiter(self, waiter: _Waiter) -> None:
        self._waiters.append(waiter)
        self._tell_waiters()

    def _tell_waiters(self) -> None:
        if self._queue:
            return
        for waiter in list(self._waiters):
            own = None if waiter.own is None else waiter.own.future
            if not self._pending_futures - {own}:
                self._waiters.remove(waiter)
                waiter.idle.set()
