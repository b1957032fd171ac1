"""Triggers that the engine does not know: asked by datetimes, one fire time after the other.

Here: asking them, and the way through what a job missed. Not here: what is decided for a batch (`planning`), clocks but
the one that bounds a walk, stores, logs.

Nobody can tell the fire times of a third-party trigger but the trigger itself, so a backlog is walked call by call: a
week of seconds is 604,800 calls. A `Walk` goes a piece of that at a time; the job stays due meanwhile, and other jobs
run between two pieces.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime
from itertools import count
from time import monotonic

from rapscheduler._engine.job_core import utc_us
from rapscheduler._engine.planning import MISSED_TOLD, Change, Submission, is_late
from rapscheduler._hints import Any
from rapscheduler._instants import moment
from rapscheduler.triggers.base import BaseTrigger
from rapscheduler.util import convert_to_datetime

LEAST_STEPS = 16  # of a walk, however little time is left: it must come to an end


def knows_nominal(trigger: Any) -> bool:
    """Whether the trigger tells times without jitter, and nobody overrode `get_next_fire_time` below that."""
    for cls in type(trigger).__mro__:
        if "_next_nominal" in cls.__dict__:
            return cls is not BaseTrigger
        if "get_next_fire_time" in cls.__dict__:
            return False
    return False


def ask(trigger: Any, previous: datetime | None, now: datetime, separate: bool) -> datetime | None:
    """The next fire time, nominal if `separate` (see `knows_nominal`). Raises what the trigger raises."""
    fire_time = (
        trigger._next_nominal(previous, now) if separate else trigger.get_next_fire_time(previous, now)
    )
    if fire_time is None or isinstance(fire_time, datetime):
        return convert_to_datetime(fire_time, now.tzinfo, "next_run_time")
    raise TypeError(f"get_next_fire_time must return a datetime or None, not {fire_time!r}")


def dispatch_time(trigger: Any, nominal: datetime, now: datetime, separate: bool) -> datetime:
    """When a run with this nominal time is due."""
    delayed: datetime = trigger._dispatch_time(nominal, now) if separate else nominal
    return delayed


class Walk:
    """The way from the run time of a due job to its next one, as far as it was gone.

    Data: `_times` are the run times found, with their microseconds: the last one for a job that coalesces, else those
    to be run and the latest `MISSED_TOLD` whose grace is over; `skipped_us` is the last one left out of them. `due_us`
    is when the job was due, where the way begins.
    """

    __slots__ = (
        "_job",
        "_previous",
        "_previous_us",
        "_separate",
        "_times",
        "_trigger",
        "due_us",
        "skipped_us",
    )

    def __init__(self, job: Any) -> None:
        self._job, self._trigger = job, job.trigger
        self.due_us = job.run_at_us
        self._separate = knows_nominal(job.trigger)
        run_time = job.next_run_time
        known = self._separate and job.nominal_us is not None
        self._previous = moment(job.nominal_us, run_time.tzinfo) if known else run_time
        self._previous_us = utc_us(self._previous)
        self._times: deque[tuple[datetime, int]] = deque([(run_time, self.due_us)])
        self.skipped_us: int | None = None

    def is_of(self, job: Any) -> bool:
        """Whether this is the way of `job` as it is now.

        A store may give other objects each time; triggers can't be compared then, beyond their type.
        """
        if job is self._job and job.trigger is not self._trigger:
            return False
        return job.run_at_us == self.due_us and type(job.trigger) is type(self._trigger)

    def go_on(
        self, job: Any, now_us: int, now: datetime, end_s: float | None
    ) -> tuple[Submission, Change] | None:
        """Go on until the next run time after now; None when the time was over before (`end_s`, monotonic).

        Raises what the trigger raises.
        """
        trigger, separate = self._trigger, self._separate
        for step in count():
            if end_s is not None and step >= LEAST_STEPS and monotonic() >= end_s:
                return None
            nominal = ask(trigger, self._previous, now, separate)
            if nominal is None:
                return self._submission(job, now_us), Change(job, self.due_us, remove=True)
            nominal_us = utc_us(nominal)
            if nominal_us <= self._previous_us:
                raise ValueError(
                    f"get_next_fire_time answered {nominal} after {self._previous}: a trigger must return a later "
                    "time, or None"
                )
            if nominal_us > now_us:
                run_time = dispatch_time(trigger, nominal, now, separate)
                change = Change(job, self.due_us, utc_us(run_time), nominal_us, run_time=run_time)
                return self._submission(job, now_us), change
            self._previous, self._previous_us = nominal, nominal_us
            self._keep(job, nominal, nominal_us, now_us)
        raise AssertionError

    def _keep(self, job: Any, nominal: datetime, nominal_us: int, now_us: int) -> None:
        times = self._times
        if job.coalesce:
            times.clear()
        times.append((nominal, nominal_us))
        if len(times) > MISSED_TOLD and is_late(times[MISSED_TOLD][1], now_us, job.misfire_grace_time):
            self.skipped_us = times.popleft()[1]

    def has_several(self) -> bool:
        """Whether it leads to more than one run time."""
        return len(self._times) > 1

    def _submission(self, job: Any, now_us: int) -> Submission:
        run_times = [run_time for run_time, _ in self._times]
        return Submission(job, [run_us for _, run_us in self._times], now_us, run_times)
