"""The way into an event loop of asyncio's kind, for the schedulers of asyncio and Tornado.

Here: posting, timers, `async with`, `shutdown_async()`. Not here: which loop (`_find_loop` of the subclass sets
`_eventloop`), when passes are made (`_eventloop`).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextvars import copy_context
from types import TracebackType
from typing import Any, TypeVar

from rapscheduler._scheduling.lifecycle import STATE_STOPPED
from rapscheduler.errors import SchedulerNotRunningError
from rapscheduler.schedulers._eventloop import EventLoopScheduler

S = TypeVar("S", bound="AsyncioLoopScheduler")


class AsyncioLoopScheduler(EventLoopScheduler):
    """Base class of schedulers that are driven by an asyncio event loop."""

    _eventloop: Any = None

    async def shutdown_async(self, wait: bool = True, timeout: float | None = None) -> None:
        """Stop the scheduler and wait, in the event loop, until everything has ended; see `BaseScheduler.shutdown`.

        Jobs under way are awaited, whatever executor they run in, and the job stores are closed, while the loop goes
        on with its other work. After ``timeout`` seconds, the jobs that still run in the loop are cancelled.

        :raises SchedulerNotRunningError: if the scheduler has not been started
        """
        if not self.running:
            raise SchedulerNotRunningError
        loop = asyncio.get_running_loop()
        ended, context = loop.create_future(), copy_context()

        def end() -> None:
            error = None
            try:
                context.run(self.shutdown, wait, timeout)
            except BaseException as exc:
                error = exc
            try:
                loop.call_soon_threadsafe(_settle, ended, error)
            except RuntimeError:  # closed: whoever waited was cancelled
                pass

        threading.Thread(target=end, name="rapscheduler-shutdown", daemon=True).start()
        await ended

    async def __aenter__(self: S) -> S:
        if self.state == STATE_STOPPED:
            self.start()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        if self.state != STATE_STOPPED:
            await self.shutdown_async()

    def _leave_loop(self) -> None:
        self._eventloop = None

    def _post(self, callback: Callable[..., Any], *args: Any) -> None:
        if self._eventloop is None:
            raise RuntimeError("this scheduler has no event loop yet; start() finds it")
        context = self._context
        if context is None:
            self._eventloop.call_soon_threadsafe(callback, *args)
        else:  # a copy, as a context can't be entered twice, and loops that were made reentrant try to
            self._eventloop.call_soon_threadsafe(callback, *args, context=context.copy())

    def _in_loop(self) -> bool:
        return self._eventloop is not None and asyncio._get_running_loop() is self._eventloop

    def _loop_runs(self) -> bool:
        return self._eventloop is not None and bool(self._eventloop.is_running())

    def _is_ending(self) -> bool:
        # asyncio.run() shuts the default pool down at the end, while the loop still turns
        return bool(getattr(self._eventloop, "_executor_shutdown_called", False))

    def _set_timer(self, seconds: float) -> Any:
        context = None if self._context is None else self._context.copy()
        return self._eventloop.call_later(seconds, self._tick, context=context)

    def _cancel_timer(self, handle: Any) -> None:
        handle.cancel()


def _settle(future: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
