"""The scheduler that runs as a greenlet.

The greenlet takes what is posted to it from `_inbox`, one thing after another, and sleeps until the next job is due.
A pass over stores that may take long runs in a native thread, where it can't hold the hub up, unless gevent has
patched the standard library: then drivers of databases wait on sockets that let other greenlets run, and their pools
have locks that only work inside one hub, so the pass is a greenlet.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any

from rapscheduler._scheduling.lifecycle import STATE_STOPPED
from rapscheduler.schedulers._eventloop import EventLoopScheduler
from rapscheduler.schedulers.base import BaseScheduler
from rapscheduler.schedulers.blocking import BlockingScheduler

try:
    import gevent
    from gevent import monkey
    from gevent._hub_local import get_hub_if_exists
    from gevent.event import Event
    from gevent.lock import RLock
except ImportError as exc:
    raise ImportError("GeventScheduler requires gevent installed: pip install rapscheduler[gevent]") from exc

__all__ = ("BaseScheduler", "BlockingScheduler", "GeventScheduler")


def _is_patched() -> bool:
    return bool(monkey.is_module_patched("socket") and monkey.is_module_patched("threading"))


class GeventScheduler(EventLoopScheduler):
    """A scheduler that runs as a greenlet, in the thread that starts it."""

    _hub: Any = None
    _greenlet: Any = None
    _bell: Any = None  # set: look into the inbox
    _idle: Any = None  # set: no pass is under way in the native thread

    def start(self, *args: Any, **kwargs: Any) -> Any:
        """Start the scheduler; see `BaseScheduler.start`.

        :return: the greenlet, which ends when the scheduler is shut down
        """
        super().start(*args, **kwargs)
        if self.state != STATE_STOPPED:
            self._greenlet = gevent.spawn(self._main_loop)
        return self._greenlet

    def _find_loop(self) -> None:
        self._hub = gevent.get_hub()
        self._inbox: deque[tuple[Callable[..., Any], tuple[Any, ...]]] = deque()
        self._bell, self._idle = Event(), Event()
        self._idle.set()
        self._timer_end_s: float | None = None
        self._greenlet = None

    def _leave_loop(self) -> None:
        self._hub = self._greenlet = self._bell = None

    def _create_lock(self) -> Any:
        return RLock() if _is_patched() else super()._create_lock()

    def _main_loop(self) -> None:
        bell = self._bell
        while self.state != STATE_STOPPED or self._inbox or self._pass_in_worker:
            if self._bell is not bell:  # in a forked child, which has left it
                return
            bell.clear()
            while self._inbox:
                callback, args = self._inbox.popleft()
                self._guarded(callback, *args)
            end_s = self._timer_end_s
            wait_s = None if end_s is None else max(0.0, end_s - monotonic())
            if self.state != STATE_STOPPED or self._pass_in_worker:
                self._bell.wait(wait_s)
            if end_s is not None and self._timer_end_s == end_s and monotonic() >= end_s:
                self._timer_end_s = None
                self._guarded(self._tick)

    def _guarded(self, callback: Callable[..., Any], *args: Any) -> None:
        try:
            callback(*args)
        except Exception:
            # What a listener raises is logged where it is called; this is of a logger or clock of the user's.
            self._logger.exception("Error in the greenlet of the scheduler")

    def _post(self, callback: Callable[..., Any], *args: Any) -> None:
        if self._bell is None:
            raise RuntimeError("this scheduler has not been started")
        self._inbox.append((callback, args))
        if self._in_loop():
            self._bell.set()
        elif self._hub.loop is None:
            raise RuntimeError("the hub of this scheduler was destroyed")
        else:
            self._hub.loop.run_callback_threadsafe(self._bell.set)

    def _in_loop(self) -> bool:
        return self._hub is not None and get_hub_if_exists() is self._hub

    def _loop_runs(self) -> bool:
        return self._greenlet is not None and not self._greenlet.dead

    def _set_timer(self, seconds: float) -> Any:
        self._timer_end_s = monotonic() + seconds
        self._bell.set()
        return self

    def _cancel_timer(self, handle: Any) -> None:
        self._timer_end_s = None

    # The pass

    def _off_loop(self, work: Callable[[], None]) -> None:
        self._idle.clear()
        if _is_patched():
            gevent.spawn(work)
        else:
            super()._off_loop(work)

    def _worked(self, wait_s: float | None) -> None:
        self._pass_in_worker = False
        self._idle.set()
        super()._worked(wait_s)

    def _is_in_pass(self) -> bool:
        """Whether the end of the pass can't be waited for here; any greenlet but the scheduler's own can."""
        if BaseScheduler._is_in_pass(self):
            return True
        return self._pass_in_worker and self._in_loop() and gevent.getcurrent() is self._greenlet

    def _stop_loop(self, timeout: float | None) -> None:
        if self._in_loop() and gevent.getcurrent() is not self._greenlet:
            self._loop.wait_for(self._idle.wait, timeout)
        super()._stop_loop(timeout)
        if self._in_loop():
            self._bell.set()
            if self._greenlet is not None and gevent.getcurrent() is not self._greenlet:
                self._greenlet.join(timeout)

    def _create_default_executor(self) -> Any:
        return self._create_plugin_instance("executor", "gevent", {})
