"""The executor of a `ManualScheduler`: runs jobs where they are submitted, and leaves what is to be awaited to it."""

from __future__ import annotations

from typing import Any

from rapscheduler._engine.planning import Submission
from rapscheduler.executors._run import Await, RunLoop, advance, drive_async
from rapscheduler.executors.debug import DebugExecutor


class ManualExecutor(DebugExecutor):
    """Runs a job at once; in `advance_async` a coroutine job is put with those that it awaits after the pass."""

    _manual: Any = None

    def start(self, scheduler: Any, alias: str) -> None:
        """Take jobs of this scheduler."""
        super().start(scheduler, alias)
        self._manual = scheduler

    def _run_here(self, submission: Submission) -> None:
        runs = self._manual._runs
        if runs is None:
            super()._run_here(submission)
            return
        try:
            loop = self._run_loop(submission)
            step = advance(loop)
        except BaseException as exc:  # not the job's own: a log handler, or a bug of ours
            self._run_lost(submission, exc)
            return
        if type(step) is Await:
            runs.append(self._awaited(submission, loop, step))
        else:
            self._run_job_success(submission.job.id, step)

    async def _awaited(self, submission: Submission, loop: RunLoop, step: Await) -> None:
        try:
            events = await drive_async(loop, step)
        except BaseException as exc:
            self._run_lost(submission, exc)
            raise
        self._run_job_success(submission.job.id, events)
