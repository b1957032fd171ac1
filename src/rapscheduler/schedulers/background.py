"""The scheduler that runs in a thread of its own."""

from __future__ import annotations

from functools import partial
from threading import Thread, current_thread

from rapscheduler._hints import TYPE_CHECKING, Any
from rapscheduler.schedulers.base import BaseScheduler
from rapscheduler.schedulers.blocking import BlockingScheduler, WakeUp
from rapscheduler.util import asbool, elsewhere

__all__ = ("BackgroundScheduler",)


if not TYPE_CHECKING:
    __getattr__ = elsewhere(__name__)


def _joined(thread: Thread, timeout: float | None) -> bool:
    thread.join(timeout)
    return not thread.is_alive()


class BackgroundScheduler(BlockingScheduler):
    """A scheduler that runs in the background: `start` returns at once.

    Extra option: ``daemon`` (default: True), whether the interpreter may exit while the scheduler runs.
    """

    _daemon = True

    def _configure(self, config: dict[str, Any]) -> None:
        self._daemon = asbool(config.pop("daemon", True))
        super()._configure(config)

    def start(self, *args: Any, **kwargs: Any) -> None:
        """Start the scheduler in a new thread; see `BaseScheduler.start`."""
        BaseScheduler.start(self, *args, **kwargs)

    def _prepare_loop(self) -> None:
        self._event = WakeUp()

    def _start_loop(self) -> None:
        thread = Thread(target=self._main_loop, name="APScheduler", daemon=self._daemon)
        thread.start()
        self._thread = thread

    def __enter__(self) -> BackgroundScheduler:
        return BaseScheduler.__enter__(self)

    def _stop_loop(self, timeout: float | None) -> None:
        if self._event is not None:
            self._event.set()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not current_thread() and thread.ident is not None:
            self._loop.wait_for(partial(_joined, thread), timeout)
        self._loop.stop_watches()

    def _why_not_alive(self) -> str | None:
        thread = self._thread
        reason = BaseScheduler._why_not_alive(self)
        dead = thread is None or not thread.is_alive()
        return "its thread has ended" if reason is None and dead else reason
