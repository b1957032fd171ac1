"""The scheduler that runs in a Twisted reactor."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rapscheduler.errors import SchedulerNotRunningError
from rapscheduler.schedulers._eventloop import EventLoopScheduler, run_in_loop
from rapscheduler.schedulers.base import BaseScheduler
from rapscheduler.util import elsewhere, maybe_ref

try:
    from twisted.python import threadable
except ImportError as exc:
    raise ImportError(
        "TwistedScheduler requires Twisted installed: pip install rapscheduler[twisted]"
    ) from exc

__all__ = ("BaseScheduler", "SchedulerNotRunningError", "TwistedScheduler", "maybe_ref", "run_in_reactor")

run_in_reactor = run_in_loop
_is_in_reactor: Any = threadable.isInIOThread


if not TYPE_CHECKING:
    __getattr__ = elsewhere(__name__)


class TwistedScheduler(EventLoopScheduler):
    """A scheduler that runs in a Twisted reactor.

    Extra option: ``reactor``, the reactor to use (default: the global one, which is installed when the scheduler
    starts unless the program has chosen another by then).
    """

    _reactor: Any = None

    def _configure(self, config: dict[str, Any]) -> None:
        self._reactor = maybe_ref(config.pop("reactor", None))
        super()._configure(config)

    def _find_loop(self) -> None:
        if self._reactor is None:
            from twisted.internet import reactor

            self._reactor = reactor

    def _post(self, callback: Callable[..., Any], *args: Any) -> None:
        if self._reactor is None:
            raise RuntimeError("this scheduler has no reactor yet; start() finds it")
        if self._context is None:
            self._reactor.callFromThread(callback, *args)
        else:
            self._reactor.callFromThread(self._context.copy().run, callback, *args)

    def _in_loop(self) -> bool:
        return self._loop_runs() and bool(_is_in_reactor())

    def _loop_runs(self) -> bool:
        return bool(getattr(self._reactor, "running", False))

    def _set_timer(self, seconds: float) -> Any:
        return self._reactor.callLater(seconds, self._tick)

    def _cancel_timer(self, handle: Any) -> None:
        if handle.active():
            handle.cancel()

    def _leave_loop(self) -> None:
        self._reactor = None

    def _create_default_executor(self) -> Any:
        return self._create_plugin_instance("executor", "twisted", {})
