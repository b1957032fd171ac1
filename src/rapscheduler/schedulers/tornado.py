"""The scheduler that runs in a Tornado IOLoop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rapscheduler.errors import SchedulerNotRunningError
from rapscheduler.schedulers._asyncioloop import AsyncioLoopScheduler
from rapscheduler.schedulers._eventloop import run_in_loop
from rapscheduler.schedulers.base import BaseScheduler
from rapscheduler.util import elsewhere, maybe_ref

try:
    from tornado.ioloop import IOLoop
except ImportError as exc:
    raise ImportError(
        "TornadoScheduler requires tornado installed: pip install rapscheduler[tornado]"
    ) from exc

__all__ = ("BaseScheduler", "SchedulerNotRunningError", "TornadoScheduler", "maybe_ref", "run_in_ioloop")

run_in_ioloop = run_in_loop


if not TYPE_CHECKING:
    __getattr__ = elsewhere(__name__)


class TornadoScheduler(AsyncioLoopScheduler):
    """A scheduler that runs in a Tornado IOLoop. Coroutine functions run in the loop.

    Extra option: ``io_loop``, the IOLoop to use (default: the current one when the scheduler starts).
    """

    _ioloop: Any = None
    _named_loop: Any = None

    def _configure(self, config: dict[str, Any]) -> None:
        self._named_loop = self._ioloop = maybe_ref(config.pop("io_loop", None))
        super()._configure(config)

    def _find_loop(self) -> None:
        self._ioloop = self._named_loop or IOLoop.current()
        self._eventloop = self._ioloop.asyncio_loop

    def _leave_loop(self) -> None:
        self._named_loop = self._ioloop = self._eventloop = None

    def _create_default_executor(self) -> Any:
        return self._create_plugin_instance("executor", "tornado", {})
