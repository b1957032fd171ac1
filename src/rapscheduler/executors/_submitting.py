"""Handing a batch of submissions to any executor.

Here: `submit_all`, `one_by_one`. Not here: what executors are (`base`, which comes when a scheduler is made).
"""

from __future__ import annotations

from collections.abc import Sequence

from rapscheduler._engine.planning import Submission
from rapscheduler._hints import Any
from rapscheduler.errors import ends_program

Failures = list[tuple[Submission, BaseException]]


def submit_all(executor: Any, submissions: list[Submission]) -> Failures:
    """Submit a batch; an executor that only knows APScheduler's contract gets the jobs one by one.

    So does one of ours on which somebody put its own `submit_job` or `_do_submit_job`.
    """
    submit_batch = getattr(executor, "_submit_batch", None)
    own = getattr(executor, "__dict__", ())
    if submit_batch is not None and "submit_job" not in own and "_do_submit_job" not in own:
        try:
            failures: Failures = submit_batch(submissions)
            return failures
        except BaseException as exc:  # none was accepted
            if ends_program(exc):
                raise
            return [(one, exc) for one in submissions]
    return one_by_one(executor, submissions)


def one_by_one(executor: Any, submissions: Sequence[Submission]) -> Failures:
    """Submit jobs by `submit_job`; the ones that were not accepted, with the errors."""
    failed: Failures = []
    for one in submissions:
        try:
            executor.submit_job(one.job, one.run_times)
        except BaseException as exc:
            if ends_program(exc):
                raise
            failed.append((one, exc))
    return failed
