"""Run a job now, beside its schedule, which stays as it is.

Here: `run_now`. Not here: runs and their ends (`runbook`), handing over (`batch`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rapscheduler._callables import callable_facts
from rapscheduler._engine.planning import Submission
from rapscheduler._quoting import one_line
from rapscheduler._runs import Run
from rapscheduler._scheduling.lifecycle import STATE_STOPPED
from rapscheduler._scheduling.overlap import copy_of, rule_of, waiting_of
from rapscheduler._scheduling.rates import why_refused
from rapscheduler._scheduling.runbook import RunBook
from rapscheduler._states import SKIPPED
from rapscheduler.errors import MaxInstancesReachedError, SchedulerNotRunningError
from rapscheduler.events import (
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_SUBMITTED,
    JobSubmissionEvent,
)
from rapscheduler.executors._home import Failures, submit_all
from rapscheduler.job import Job
from rapscheduler.util import check_callable_args


def run_now(
    scheduler: Any,
    job_id: str,
    alias: str | None = None,
    args: Iterable[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
) -> Run:
    """Hand one run of a job to its executor. JobLookupError: there is no such job; KeyError: no such executor."""
    if scheduler._lifecycle.state == STATE_STOPPED:
        raise SchedulerNotRunningError
    job, found_in = scheduler._lookup_job(job_id, alias)
    once = _once(scheduler, job, found_in, args, kwargs)
    executor = scheduler._callable_here(scheduler._lookup_executor(once.executor))
    book: RunBook = scheduler._watched.made()
    now_us = book.now_us()
    while (once.id, now_us) in book._expected:
        now_us += 1
    run = Run(once.id, found_in, now_us)
    submission = Submission(once, [now_us], now_us)
    book.expect(run)
    waiting = scheduler._backlogs.waiting
    failures: Failures
    try:
        if waiting and waiting.has(once):
            failures = [(submission, MaxInstancesReachedError(once))]
        else:
            failures = submit_all(executor, [submission])
    except BaseException:
        book.forget(run)
        raise
    if failures:
        error = failures[0][1]
        waits = isinstance(error, MaxInstancesReachedError) and rule_of(once) is not None
        if waits and waiting_of(scheduler).take(submission, run):
            return run
        book.forget(run)
        _refused(scheduler, book, run, submission, error, told=waits)
    elif scheduler._wants(EVENT_JOB_SUBMITTED):
        scheduler._dispatch_event(
            JobSubmissionEvent(EVENT_JOB_SUBMITTED, once.id, found_in, submission.run_times)
        )
    return run


def _refused(
    scheduler: Any, book: RunBook, run: Run, submission: Submission, error: BaseException, told: bool
) -> None:
    if not isinstance(error, MaxInstancesReachedError):
        raise error
    job = submission.job
    reason = why_refused(scheduler._running_counts, job)
    run.reason = f"as many runs of it as allowed are under way: {reason}"
    book.close(run, SKIPPED)
    if told:
        return
    scheduler._logger.warning(
        'Execution of job "%s" skipped: %s',
        one_line(str(job)),
        one_line(reason),
    )
    if scheduler._wants(EVENT_JOB_MAX_INSTANCES):
        scheduler._dispatch_event(
            JobSubmissionEvent(EVENT_JOB_MAX_INSTANCES, job.id, run.alias, submission.run_times)
        )


def _once(
    scheduler: Any,
    job: Job,
    alias: str | None,
    args: Iterable[Any] | None,
    kwargs: Mapping[str, Any] | None,
) -> Job:
    """A job that differs in its arguments, and that may wait for a worker as long as it takes."""
    if args is not None and (isinstance(args, str) or not isinstance(args, Iterable)):
        raise TypeError(f"args must be a non-string iterable, such as args=({args!r},); got {args!r}")
    given = job.args if args is None else tuple(args)
    named = job.kwargs if kwargs is None else dict(kwargs)
    if args is not None or kwargs is not None:
        check_callable_args(callable_facts(job.func)[0], given, named)
    once: Job = copy_of(scheduler, job, alias, given, named)
    return once
