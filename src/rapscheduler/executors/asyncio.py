"""The executor of asyncio's event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rapscheduler.executors._inloop import LoopExecutor
from rapscheduler.executors.base import BaseExecutor, run_coroutine_job, run_job
from rapscheduler.util import elsewhere, iscoroutinefunction_partial

__all__ = ("AsyncIOExecutor", "BaseExecutor", "iscoroutinefunction_partial", "run_coroutine_job", "run_job")


if not TYPE_CHECKING:
    __getattr__ = elsewhere(__name__)


class AsyncIOExecutor(LoopExecutor):
    """Runs coroutine functions as tasks of the scheduler's event loop, everything else in the loop's default pool.

    Whatever a plain function returns that can be awaited is awaited in the loop.

    Plugin alias: ``asyncio``
    """

    def _find_loop(self, scheduler: Any) -> Any:
        loop = getattr(scheduler, "_eventloop", None)
        if loop is None:
            raise RuntimeError(
                f"AsyncIOExecutor needs the event loop of an AsyncIOScheduler, and {type(scheduler).__name__} has "
                "none; a thread pool runs coroutine functions too, each on an event loop of its own"
            )
        return loop
