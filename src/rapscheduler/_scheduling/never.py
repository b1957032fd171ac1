"""Jobs that will never run, or can't as things are, are told of when they are defined: nobody would notice otherwise.

What lives here: the log lines. What must not: whether a trigger fires again and why not (``triggers``).
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import TYPE_CHECKING, Any

from rapscheduler._advice import nearest
from rapscheduler._quoting import one_line

if TYPE_CHECKING:
    from rapscheduler._scheduling.ports import Scheduler
    from rapscheduler.job import Job


def tell_never(scheduler: Scheduler, jobs: Iterable[Job]) -> None:
    """Warn of new or rescheduled jobs without a first run time; neighbours with the same trigger are one line."""
    now_us = scheduler._clock.now_us()
    for _, neighbours in groupby(jobs, key=lambda job: id(job.trigger)):
        first, *others = neighbours
        more = f" (and {len(others)} more jobs with this trigger)" if others else ""
        scheduler._logger.warning(
            'Job "%s" (id %s)%s will never run, as %s; it is kept, paused, until it is rescheduled or removed',
            one_line(first.name),
            one_line(first.id),
            more,
            one_line(_reason(first.trigger, now_us)),
        )


def _reason(trigger: Any, now_us: int) -> str:
    why_never = getattr(trigger, "_why_never", None)
    reason: str = why_never(now_us) if why_never is not None else ""
    return reason or f"{trigger} has no fire time from now on"


def warn_of_executor(scheduler: Scheduler, job: Job) -> None:
    """Say that a job will be parked when it comes due, unless its executor comes before."""
    known = (
        nearest(job.executor, scheduler._executors)
        or f"; there are: {', '.join(scheduler._executors) or 'none'}"
    )
    scheduler._logger.warning(
        'Job "%s" names the executor %r, which this scheduler does not have: it can\'t run before add_executor() adds '
        "it%s",
        one_line(job.name),
        job.executor,
        known,
    )
