"""The executor of Twisted's reactor.

Here: plain functions in the reactor's thread pool, coroutine functions in the reactor. Not here: how a job is run
(`_run`). Coroutines are driven by `ensureDeferred`, so they may await Deferreds, as is usual under Twisted (an asyncio
future needs `Deferred.fromFuture`). A Deferred that a plain function returns is waited for too.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from rapscheduler._engine.planning import Submission
from rapscheduler.executors._home import Failures
from rapscheduler.executors._run import Await, RunLoop, drive_async
from rapscheduler.executors._turns import Own, advance_as, inside
from rapscheduler.executors._unfinished import Unfinished
from rapscheduler.executors.base import BaseExecutor, run_job
from rapscheduler.util import iscoroutinefunction_partial

try:
    from twisted.internet.defer import ensureDeferred
    from twisted.internet.threads import deferToThreadPool
    from twisted.python import threadable
except ImportError as exc:
    raise ImportError(
        "TwistedExecutor requires Twisted installed: pip install rapscheduler[twisted]"
    ) from exc

__all__ = ("BaseExecutor", "TwistedExecutor", "run_job")

_is_in_reactor: Any = threadable.isInIOThread


class TwistedExecutor(BaseExecutor):
    """Runs coroutine functions in the scheduler's reactor, everything else in the reactor's thread pool.

    Plugin alias: ``twisted``
    """

    takes_any_thread = True

    _reactor: Any = None

    def __init__(self) -> None:
        super().__init__()
        self._unfinished = Unfinished()
        self._deferreds: set[Any] = set()  # of coroutines under way; touched in the reactor only

    def start(self, scheduler: Any, alias: str) -> None:
        """Take jobs for the reactor of this scheduler; see `BaseExecutor.start`."""
        reactor = getattr(scheduler, "_reactor", None)
        if reactor is None:
            raise RuntimeError(
                f"TwistedExecutor needs the reactor of a TwistedScheduler, and {type(scheduler).__name__} has none; "
                "use a thread pool"
            )
        super().start(scheduler, alias)
        self._reactor = reactor

    def _leave_parent(self) -> None:
        self._reactor = None
        self._unfinished, self._deferreds = Unfinished(), set()

    def _do_submit_job(self, job: Any, run_times: list[datetime]) -> None:
        self._begin(self._accept(job, run_times))

    def _submit_batch(self, submissions: Sequence[Submission]) -> Failures:
        return self._submit_together(submissions, self._begin_all)

    def _begin_all(self, submissions: Sequence[Submission]) -> None:
        for one in submissions:
            self._begin(one)

    def _begin(self, submission: Submission) -> None:
        self._unfinished.add(1)
        gen = self._run_loop(submission)
        if iscoroutinefunction_partial(submission.job.func):
            self._reactor.callFromThread(self._begin_here, submission, drive_async(gen))
        else:
            self._reactor.getThreadPool().callInThreadWithCallback(
                partial(self._thread_ended, submission, gen), advance_as, Own(self), gen
            )

    def _thread_ended(self, submission: Submission, gen: RunLoop, success: bool, outcome: Any) -> None:
        """Called in the thread of the pool."""
        if not success:
            self._ended(submission, outcome.value)
        elif type(outcome) is Await:
            turns = drive_async(gen, outcome, self._in_thread)
            self._reactor.callFromThread(self._begin_here, submission, turns)
        else:
            self._ended(submission, outcome)

    def _in_thread(self, gen: RunLoop, *outcome: Any) -> Any:
        return deferToThreadPool(
            self._reactor, self._reactor.getThreadPool(), advance_as, Own(self), gen, *outcome
        )

    def _begin_here(self, submission: Submission, coroutine: Any) -> None:
        """Run a coroutine in the reactor."""
        deferred = ensureDeferred(coroutine)
        self._deferreds.add(deferred)

        def ended(outcome: Any) -> None:
            self._deferreds.discard(deferred)
            self._ended(submission, getattr(outcome, "value", outcome))

        deferred.addBoth(ended)

    def _ended(self, submission: Submission, outcome: Any) -> None:
        try:
            if isinstance(outcome, BaseException):
                self._run_lost(submission, outcome)
            else:
                self._run_job_success(submission.job.id, outcome)
        finally:
            self._unfinished.end_one()

    def shutdown(self, wait: bool = True, timeout: float | None = None) -> None:
        """Take no more jobs. In the reactor this can't wait; in another thread it does. See `BaseExecutor.shutdown`.

        Without `wait`, coroutines under way are cancelled.
        """
        if not getattr(self._reactor, "running", False):
            return
        if not wait:
            self._reactor.callFromThread(self._cancel_all)
        elif not _is_in_reactor():
            own = inside.get()
            self._unfinished.wait(timeout, but=own is not None and own.executor is self)

    def _cancel_all(self) -> None:
        for deferred in list(self._deferreds):
            deferred.cancel()
