"""The next attempt of a run that failed: a job of its own in the store of the first, so that a restart keeps it.

Here: whether there is one, its row, and whether it still is wanted when it is due. Not here: how long it waits
(`_retries`), who tells of it (`executors._run`), the book of runs that asks (`runbook`).

The row's id is ``<job>#<attempt>@<scheduled time>``; it runs once, without a grace time, and says under ``retry_of`` to
which job, run and attempt it belongs. Runs and events have the id of the job. It is written before the failure is told.
"""

from __future__ import annotations

from datetime import timezone
from typing import Any

from rapscheduler._clock import SYSTEM
from rapscheduler._instants import SECOND_US, moment
from rapscheduler._quoting import one_line, said
from rapscheduler._retries import Retry
from rapscheduler._runs import Run
from rapscheduler._scheduling import catalogue, changing
from rapscheduler.errors import ends_program, log_line
from rapscheduler.job import Job

_FAR_US = 50 * 365 * 86400 * SECOND_US
_NOT_HANDED_ON = frozenset(("max_runs", "run_now", "runs_begun", "start_immediately"))


def after_failure(book: Any, run: Run, exc: BaseException) -> None:
    """Make the next attempt of a run that raised, or give the run up, or neither: nobody asked for retries."""
    job, extras = run.job, getattr(run.job, "_extras", None) or {}
    retry = Retry.of(extras["retry"]) if "retry" in extras else None
    asks: Any = exc if getattr(exc, "asks_for_retry", False) else None
    if retry is None and asks is None:
        return
    now_us = book.now_us()
    if retry is not None and (run.attempt >= retry.attempts or (asks is None and not retry.wants(exc))):
        run.gave_up = True
        return
    if asks is not None:
        at_us = asks.at_us(now_us)
    else:
        assert retry is not None
        at_us = now_us + round(retry.wait_s(run.attempt) * SECOND_US)
    try:
        _write(book, run, job, extras, at_us)
    except BaseException as error:
        if ends_program(error):
            raise
        log_line(
            book._scheduler._logger.error,
            'The next attempt of job "%s" could not be written to job store %r: %s',
            one_line(run.job_id),
            run.alias,
            said(error),
        )
        run.gave_up = True
    else:
        run.retry_us = at_us
        if asks is not None:
            run.reason = "it asked for another attempt"


def _write(book: Any, run: Run, job: Any, extras: dict[str, Any], at_us: int) -> None:
    from rapscheduler.triggers.date import DateTrigger

    scheduler = book._scheduler
    first: dict[str, Any] = extras.get("retry_of") or {}
    of = {
        "job": run.job_id,
        "attempt": run.attempt + 1,
        "scheduled_us": run.scheduled_us,
        "lasting": first.get("lasting", _is_lasting(job)),
    }
    row: Any = Job.__new__(Job)
    row._fill(
        scheduler,
        f"{run.job_id}#{run.attempt + 1}@{run.scheduled_us}",
        job.func,
        job.func_ref,
        job.name,
        job.args,
        job.kwargs,
        DateTrigger(moment(at_us, timezone.utc)),
        job.executor,
        None,
        True,
        1,
    )
    kept = {name: value for name, value in extras.items() if name not in _NOT_HANDED_ON}
    row._extras = {**kept, "retry_of": of}
    catalogue.schedule(scheduler, row, run.alias or "default", True)
    book.retries.setdefault(run.job_id, set()).add(row.id)


def _is_lasting(job: Any) -> bool:
    """Whether the job goes on for ever, so that it can only be gone because somebody removed it."""
    from rapscheduler._engine.job_core import is_native

    trigger = job.trigger
    if not is_native(trigger) or trigger.end_us is not None or "max_runs" in (job._extras or ()):
        return False
    from rapscheduler.triggers.date import DateTrigger

    far_us = trigger.next_fire_us(None, SYSTEM.now_us() + _FAR_US)
    return far_us is not None and not isinstance(trigger, DateTrigger)


def is_wanted(book: Any, run: Run, of: dict[str, Any]) -> bool:
    """Whether an attempt that is due still is to be made: not of a job that was removed meanwhile."""
    scheduler = book._scheduler
    book.retries.get(run.job_id, set()).discard(run.job.id)
    if not of.get("lasting"):
        return True
    try:
        catalogue.find(scheduler, run.job_id, run.alias)
    except KeyError:
        return False
    except BaseException as exc:  # the store can't tell now
        if ends_program(exc):
            raise
    return True


def remove(book: Any, job_id: str, alias: str | None) -> None:
    """A job was removed by somebody: so are its next attempts, as far as this process made them."""
    from rapscheduler.errors import JobLookupError

    for row_id in book.retries.pop(job_id, ()):
        try:
            changing.remove(book._scheduler, row_id, alias)
        except JobLookupError:
            pass
