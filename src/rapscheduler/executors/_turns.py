"""Taking a run loop on in turns: in a worker thread until something has to be awaited, which is done in an event loop.

Here: the part in the thread, and which run the present code belongs to. Not here: event loops.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from rapscheduler.executors._run import Events, RunLoop

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


class Unawaited:
    """What a callable left to be awaited."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


def advance(own: Own, gen: RunLoop, step: Callable[[], Any]) -> Events | Unawaited:
    """Take a run loop on in this thread, to its end or to an awaitable."""
    own.begun = True
    token = inside.set(own)
    try:
        job = step()
        while True:
            try:
                value = job.func(*job.args, **job.kwargs)
            except BaseException as exc:
                job = gen.throw(exc)
            else:
                if value is not None and hasattr(value, "__await__"):
                    return Unawaited(value)
                job = gen.send(value)
    except StopIteration as end:
        events: Events = end.value
        return events
    finally:
        inside.reset(token)
