"""The scheduler that runs in an asyncio event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from rapscheduler.errors import SchedulerNotRunningError
from rapscheduler.schedulers._asyncioloop import AsyncioLoopScheduler
from rapscheduler.schedulers._eventloop import run_in_loop
from rapscheduler.schedulers.base import BaseScheduler
from rapscheduler.util import elsewhere, maybe_ref

__all__ = ("AsyncIOScheduler", "BaseScheduler", "SchedulerNotRunningError", "maybe_ref", "run_in_event_loop")

run_in_event_loop = run_in_loop


if not TYPE_CHECKING:
    __getattr__ = elsewhere(__name__)


class AsyncIOScheduler(AsyncioLoopScheduler):
    """A scheduler that runs in an asyncio event loop, also in uvloop's. Coroutine functions run as tasks of it.

    Extra option: ``event_loop``, the loop to use (default: the one that runs when the scheduler starts).

    ``async with AsyncIOScheduler() as scheduler:`` starts it, and at the end waits for the jobs that still run.
    """

    _loop_was_found = False  # by ourselves, at the last start

    def _configure(self, config: dict[str, Any]) -> None:
        self._eventloop = maybe_ref(config.pop("event_loop", None))
        if self._eventloop is not None and not hasattr(self._eventloop, "call_soon_threadsafe"):
            raise TypeError(
                f"event_loop={self._eventloop!r} is no event loop; give one, such as asyncio.new_event_loop(), a "
                "reference to one, or nothing for the loop that runs when the scheduler starts"
            )
        self._loop_was_found = False
        super()._configure(config)

    def _find_loop(self) -> None:
        if self._eventloop is not None and not self._loop_was_found and not self._eventloop.is_closed():
            return
        try:
            self._eventloop = asyncio.get_running_loop()
        except RuntimeError:
            raise RuntimeError(
                "no running event loop: call start() in a coroutine, for instance in the main() of "
                "asyncio.run(main()), or name the loop: AsyncIOScheduler(event_loop=loop)"
            ) from None
        self._loop_was_found = True

    def _create_default_executor(self) -> Any:
        return self._create_plugin_instance("executor", "asyncio", {})
