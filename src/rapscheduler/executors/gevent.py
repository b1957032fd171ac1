"""The executor of gevent's hub.

Here: greenlets for jobs, begun in slices of time. Not here: how a job is run (`_run`).
A coroutine that a job leaves to be awaited runs on an event loop of its own in the hub's native thread pool: in a
greenlet, asyncio would either hold the hub up or meet another greenlet's running loop in the same thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import datetime
from time import perf_counter
from typing import TYPE_CHECKING, Any

from rapscheduler._engine.planning import Submission
from rapscheduler.executors._home import Failures
from rapscheduler.executors._run import awaited, drive
from rapscheduler.executors._unfinished import Unfinished, too_late
from rapscheduler.executors.base import BaseExecutor, run_job
from rapscheduler.util import elsewhere

try:
    import gevent
    from gevent._hub_local import get_hub_if_exists
except ImportError as exc:
    raise ImportError("GeventExecutor requires gevent installed: pip install rapscheduler[gevent]") from exc

__all__ = ("BaseExecutor", "GeventExecutor", "run_job")

SLICE_S = 0.001
BEHIND = 256


if not TYPE_CHECKING:
    __getattr__ = elsewhere(__name__)


class GeventExecutor(BaseExecutor):
    """Runs jobs as greenlets of the hub in which it was started.

    Plugin alias: ``gevent``
    """

    takes_any_thread = True

    _hub: Any = None

    def __init__(self) -> None:
        super().__init__()
        self._leave_parent()

    def _leave_parent(self) -> None:
        self._hub = None
        self._queue: deque[Submission] = deque()  # accepted and not begun
        self._unfinished = Unfinished()
        self._greenlets: set[Any] = set()
        self._feeding = False

    def start(self, scheduler: Any, alias: str) -> None:
        """Take jobs for the hub of this thread; see `BaseExecutor.start`."""
        super().start(scheduler, alias)
        self._hub = getattr(scheduler, "_hub", None) or gevent.get_hub()

    def _do_submit_job(self, job: Any, run_times: list[datetime]) -> None:
        self._enqueue((self._accept(job, run_times),))

    def _submit_batch(self, submissions: Sequence[Submission]) -> Failures:
        return self._submit_together(submissions, self._enqueue)

    def _enqueue(self, submissions: Sequence[Submission]) -> None:
        self._unfinished.add(len(submissions))
        self._queue.extend(submissions)
        if get_hub_if_exists() is self._hub:
            self._feed_soon()
        else:
            self._hub.loop.run_callback_threadsafe(self._feed_soon)

    def _feed_soon(self) -> None:
        if not self._feeding:
            self._feeding = True
            gevent.spawn(self._feed)

    def _feed(self) -> None:
        """Begin queued runs, slice by slice; other greenlets have their turns in between."""
        queue = self._queue
        end_s = perf_counter() + SLICE_S
        while queue:
            greenlet = gevent.spawn(self._run, queue.popleft())
            self._greenlets.add(greenlet)
            greenlet.rawlink(self._greenlets.discard)
            if perf_counter() >= end_s:
                gevent.sleep(0)
                end_s = perf_counter() + SLICE_S
        self._feeding = False

    def _run(self, submission: Submission) -> None:
        try:
            events = drive(self._run_loop(submission), wait_for=self._awaited)
        except BaseException as exc:
            self._run_lost(submission, exc)
        else:
            self._run_job_success(submission.job.id, events)
        finally:
            self._unfinished.end_one()

    def _awaited(self, value: Any) -> Any:
        return self._hub.threadpool.apply(awaited, (value,))

    def _is_behind(self) -> bool:
        """Whether there is enough to begin for the next turns of the loop."""
        return len(self._queue) > BEHIND

    def _queue_depth(self) -> int | None:
        return len(self._queue)

    def shutdown(self, wait: bool = True, timeout: float | None = None) -> None:
        """Take no more jobs; the queued ones still run. See `BaseExecutor.shutdown`."""
        if not wait or self._hub is None:
            return
        if get_hub_if_exists() is not self._hub:
            self._unfinished.wait(timeout)
            return
        own = gevent.getcurrent()
        with gevent.Timeout(timeout, False):
            while self._queue or self._greenlets - {own}:
                gevent.joinall(list(self._greenlets - {own}))
                gevent.sleep(0)
            return
        raise too_late(len(self._queue) + len(self._greenlets - {own}), timeout)
