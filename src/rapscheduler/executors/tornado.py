"""The executor of Tornado's IOLoop."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from rapscheduler.executors._inloop import LoopExecutor
from rapscheduler.executors.base import BaseExecutor, run_coroutine_job, run_job
from rapscheduler.util import elsewhere, iscoroutinefunction_partial

try:
    from tornado.gen import is_coroutine_function
except ImportError as exc:
    raise ImportError(
        "TornadoExecutor requires tornado installed: pip install rapscheduler[tornado]"
    ) from exc

__all__ = ("BaseExecutor", "TornadoExecutor", "iscoroutinefunction_partial", "run_coroutine_job", "run_job")


if not TYPE_CHECKING:
    __getattr__ = elsewhere(__name__)


class TornadoExecutor(LoopExecutor):
    """Runs coroutine functions in the scheduler's IOLoop, everything else in a pool of threads.

    Whatever a plain function returns that can be awaited is awaited in the IOLoop.

    Plugin alias: ``tornado``

    :param max_workers: the most threads
    """

    takes_any_thread = True

    def __init__(self, max_workers: int = 10) -> None:
        super().__init__()
        self._max_workers = int(max_workers)
        self._was_shut_down = False
        self.executor = ThreadPoolExecutor(self._max_workers)

    def start(self, scheduler: Any, alias: str) -> None:
        """Take jobs, after a shutdown with a new pool; see `BaseExecutor.start`."""
        if self._was_shut_down:
            self._was_shut_down = False
            self.executor = ThreadPoolExecutor(self._max_workers)
        super().start(scheduler, alias)

    def _leave_parent(self) -> None:
        super()._leave_parent()
        self.executor = ThreadPoolExecutor(self._max_workers)

    def shutdown(self, wait: bool = True, timeout: float | None = None) -> None:
        """Take no more jobs; see `LoopExecutor.shutdown`."""
        try:
            super().shutdown(wait, timeout)
        finally:
            if not self._queue and not self._pending_futures:
                # else they need the pool; its threads end with it
                self._was_shut_down = True
                self.executor.shutdown(wait=False)

    def _find_loop(self, scheduler: Any) -> Any:
        ioloop = getattr(scheduler, "_ioloop", None)
        if ioloop is None:
            raise RuntimeError(
                f"TornadoExecutor needs the IOLoop of a TornadoScheduler, and {type(scheduler).__name__} has none; "
                "a thread pool runs coroutine functions too, each on an event loop of its own"
            )
        return ioloop.asyncio_loop

    def _runs_in_loop(self, func: Any) -> bool:
        return super()._runs_in_loop(func) or bool(is_coroutine_function(func))

    def _pool(self) -> Any:
        return self.executor
