"""A run loop that is taken on in turns: in a worker thread until something has to be awaited, which an event loop does.

Here: the part in the thread, and which run the present code belongs to. Not here: event loops.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from rapscheduler.executors._run import Await, Events, RunLoop, advance

if TYPE_CHECKING:
    from rapscheduler.executors.base import BaseExecutor


class Own:
    """A run, as the code that belongs to it knows it. `begun`: a thread runs it, so that it can't be cancelled."""

    __slots__ = ("begun", "executor", "future")

    def __init__(self, executor: BaseExecutor, future: Any = None) -> None:
        self.executor = executor
        self.future = future
        self.begun = False


#: The run that the present code belongs to: a job that shuts its scheduler down must not wait for itself.
inside: ContextVar[Own | None] = ContextVar("rapscheduler_run", default=None)


def advance_as(
    own: Own, loop: RunLoop, value: Any = None, error: BaseException | None = None
) -> Await | Events:
    """`advance`, as the run that it is."""
    own.begun = True
    token = inside.set(own)
    try:
        return advance(loop, value, error)
    finally:
        inside.reset(token)
