"""A run on its way through another process, as the executor has it.

Here: what is sent of it, what becomes of its end: events, its place, the next run of its submission. Not here: pools,
the way there.

Rule: one task is one run. Of a submission with several run times the next run is sent when the one before has ended, so
that a shutdown finds the rest not begun, and events that somebody collects (`_run_job_success`) come together.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future
from datetime import datetime, timezone
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from rapscheduler._engine.job_core import utc_us
from rapscheduler._engine.planning import Submission
from rapscheduler._quoting import one_line
from rapscheduler._runs import Run
from rapscheduler._states import CANCELLED
from rapscheduler.errors import RunCancelledError, RunTimeoutError
from rapscheduler.events import EVENT_JOB_EXECUTED, JobExecutionEvent
from rapscheduler.executors._remote import Parcel, close_runs, lose_runs, passport, unpacked
from rapscheduler.executors._run import _failed, _run_failed
from rapscheduler.executors._tending import Task
from rapscheduler.executors._tracked import timed_out
from rapscheduler.executors._worker_process import ATOMS, LOST, RUN, VALUE, made, pickled


class RemoteRun(Task):
    """Run `i` of a submission. `untold`: the events of those before it."""

    __slots__ = (
        "_backlog",
        "_executor",
        "_i",
        "_run",
        "_run_us",
        "_several",
        "_submission",
        "_tracker",
        "_untold",
    )

    def __init__(self, executor: Any, submission: Submission, backlog: Any) -> None:
        self._executor, self._submission, self._backlog = executor, submission, backlog
        job = submission.job
        super().__init__(job.func_ref, (getattr(job, "_extras", None) or {}).get("timeout"))
        self._untold: list[Any] = []
        self._tracker: Any = None
        self._run: Run | None = None
        self._i = -1
        self._run_us = 0
        times = iter(submission.times_us())
        next(times)
        self._several = next(times, None) is not None

    def next(self) -> bool:
        """Go to the next run that is to be made. False: there is none, and the submission has ended."""
        submission, several = self._submission, self._several
        run_times = submission.run_times if several else (None,)
        while True:
            self._i += 1
            if self._i >= len(run_times) or (self._backlog is not None and not self._backlog.begin(self._i)):
                break
            run_time = run_times[self._i]
            self._run_us = next(iter(submission.times_us())) if run_time is None else utc_us(run_time)
            self._tracker = tracker = self._executor._home.watched.tracker_for(submission)
            if tracker is None:
                return True
            self._run = run = tracker.open(submission, self._run_us)
            if tracker.begin(run):
                run.stop = partial(self._executor._stop, self)
                return True
        if self._backlog is not None:
            self._backlog.end()
        self._executor._run_job_success(submission.job.id, self._untold)
        return False

    def forget(self) -> None:
        """It is not sent after all."""
        if self._run is not None:
            self._tracker.forget(self._run)

    def _run_time(self) -> datetime:
        return self._submission.run_time(self._i, self._run_us)

    # What the pool asks and tells

    def order(self) -> bytes:
        submission, run = self._submission, self._run
        job: Any = submission.job
        args, kwargs = job._portable_args(), job.kwargs
        call = None
        if args or kwargs:
            plain = not kwargs and ATOMS.issuperset(map(type, args))
            call = pickle.dumps((tuple(args), {}), 5) if plain else pickled((args, kwargs))
        run_us, found_us = self._run_us, submission.found_us
        order = (
            RUN,
            job.id,
            job.func_ref,
            call,
            run_us,
            _zone(self._run_time()),
            job.misfire_grace_time,
            found_us,
        )
        told = (submission.alias, self._executor._logger.name, None if run is None else passport(run, run_us))
        return pickle.dumps(order + told, 5)

    def text(self) -> str:
        """The job in words, for the log of the worker."""
        return str(self._submission.job)

    def done(self, payload: Any) -> None:
        executor = self._executor
        if payload is None or payload[0] == VALUE:
            if not executor._wanted()(EVENT_JOB_EXECUTED) and self._backlog is None:
                return self._ended(())
            return self._ended((self._success(None if payload is None else payload[1]),))
        if payload[0] == LOST:
            return self.lost(RuntimeError(f"the run was lost in its process: {payload[1]}"))
        parcels = payload if type(payload) is list else [Parcel(self._success(None), *payload[1:])]
        events = unpacked(parcels, self.text, executor._logger)
        if self._run is not None:
            told = (executor._wanted(), executor._logger)
            events = close_runs(self._tracker, (self._run,), parcels, *told)
        return self._ended(events)

    def _success(self, value: Any) -> JobExecutionEvent:
        submission = self._submission
        return JobExecutionEvent(
            EVENT_JOB_EXECUTED, submission.job.id, submission.alias, self._run_time(), value
        )

    def lost(self, exc: BaseException) -> None:
        executor, untold = self._executor, self._untold
        if self._run is not None:
            lose_runs(self._tracker, (self._run,), exc)
        executor._run_job_error(self._submission.job.id, exc, exc.__traceback__)
        for event in untold:
            executor._tell_now(event)
        executor._tell_lost(self._submission, exc, self._i)

    refused = lost

    def overdue(self) -> None:
        run, limit_s = self._run, self.limit_s or 0.0
        if run is not None:
            self._failed(timed_out(run, limit_s))
        else:
            self._failed(
                RunTimeoutError(
                    f"a run of job {self._submission.job.id!r}: it took longer than its timeout of {limit_s:g} s"
                )
            )

    def ended(self, begun: bool) -> None:
        run, job_id = self._run, self._submission.job.id
        if begun:
            self._failed(RunCancelledError(f"run {run and run.id} of job {job_id!r} was cancelled"))
            return
        self._executor._logger.warning(
            'A run of job "%s" was cancelled before it began', one_line(self.text())
        )
        if run is not None:
            error = RunCancelledError(f"run {run.id} of job {job_id!r} was cancelled before it began")
            self._tracker.close(run, CANCELLED, exc=error)
        self._ended(())

    def _failed(self, exc: BaseException) -> None:
        """It was ended with its worker."""
        events: list[Any] = []
        submission, run = self._submission, self._run
        told = (exc, self._executor._logger, self._executor._wanted(), events)
        if run is None:
            _failed(submission, self._run_time(), *told)
        else:
            _run_failed(submission, self._i, run, *told, self._tracker)
        self._ended(events)

    def _ended(self, events: Sequence[Any]) -> None:
        """The run is over; the next one."""
        executor, submission = self._executor, self._submission
        if self._backlog is None and not self._several:
            executor._run_job_success(submission.job.id, events)
            return
        self._untold += events
        self._run = None
        if not executor._looks_at_events() and self._i + 1 < len(submission.run_times):
            for event in self._untold:
                executor._tell_now(event)
            self._untold = []
        self.deaths, self.stopped = 0, False
        if self.next():
            try:
                executor._put((self,))
            except Exception as exc:  # the pool was shut down
                self.forget()
                self.lost(exc)


def _zone(run_time: datetime) -> Any:
    """The zone of a run time as a name, which is made and read quickly, or else the run time; None: UTC."""
    zone = run_time.tzinfo
    if zone is timezone.utc:
        return None
    return zone.key if type(zone) is ZoneInfo and zone.key else run_time


def send_to(pool: Any, task: Task) -> None:
    """Have a task made by a pool that has `submit(fn, *args) -> future`."""

    def ended(future: Future[Any]) -> None:
        if future.cancelled():
            task.lost(CancelledError("the run was cancelled before it began"))
            return
        exc = future.exception()
        if exc is None:
            task.done(future.result()[1])
        else:
            task.lost(exc)

    try:
        order = task.order()
    except BaseException as exc:
        task.refused(exc)
        return
    pool.submit(made, order, task.text()).add_done_callback(ended)
