"""Runs in line on a shared store: those that wait until runs of their job, or group, have ended, wherever these are.

Here: `Line`, which begins them, and ends those whose places a run in line takes (`overlap="cancel_other"`). Not here:
who gets in line (`claims`, `claiming`), what is written how (`jobstores._shared`), runs that wait in memory
(`overlap`).

A run that is due while as many of its job as allowed are under way is written as in line when it is claimed: its job
has moved on, and it is nobody's. Whoever has room takes the first of each job, in one transaction that counts all runs
under way, and submits it. It has no grace time any more: it was in time when it was found.

Invariant: nothing is claimed of a job, or a group, of which runs are in line; so they begin in the order in which they
came. Who has got in line looks once more whether there is a place, after that was written; and who has told the end of
a run of such a job looks after that: one of the two sees it. Both may die: everybody looks every `poll_interval` while
there is a line. A run in line needs no lease, and no death loses it.

A run in line whose rule is "cancel_other" is the request to end those before it: each scheduler that sees it ends its
own, again at each look, for one that was queued for a worker may have begun since.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rapscheduler._clock import steady_s
from rapscheduler._instants import SECOND_US
from rapscheduler._scheduling import catalogue, max_runs, overlap
from rapscheduler._scheduling.lifecycle import STATE_RUNNING
from rapscheduler.errors import ends_program, log_line
from rapscheduler.events import EVENT_JOB_SUBMITTED, JobSubmissionEvent
from rapscheduler.executors._home import CANCELLED, counts_from_end
from rapscheduler.jobstores._shared import ANY_PLACES, InLine, RunKey, RunRow, group_key

if TYPE_CHECKING:
    from rapscheduler._engine.planning import Submission

NEVER_S = float("inf")


class Line:
    """Of one scheduler on one store, in the thread of its keeper (`keeper.Keeper`). `at_s`: when to look; `due`: a run
    ended that others may wait for; `begun`: runs that were in line, and are to be submitted."""

    def __init__(self, kept: Any) -> None:
        self._kept, self._scheduler = kept, kept.scheduler
        self.at_s = NEVER_S
        self.due = False
        self.begun: set[RunKey] = set()

    def ended(self, job: Any) -> None:
        """A run of this job ended; called by any thread, after that was noted to be told."""
        extras = job._extras
        if extras and ("group" in extras or overlap.rule_of(job) is not None):
            self.due = True

    def look(self, stopping: bool) -> None:
        """Begin what has a place, if it is time to look."""
        if steady_s() < self.at_s:
            return
        self.at_s = NEVER_S
        try:
            self._look(stopping)
        except BaseException:
            self.at_s = 0.0  # what was to be seen is still there
            raise

    def _look(self, stopping: bool) -> None:
        runs = self._kept.rows.in_line()
        jobs = self._jobs(runs)
        rows = []
        for run in runs:
            job = jobs[run.job_id, run.run_us][0]
            if job is None:  # it is taken out of the line, for the others to go on
                rows.append(InLine(run.job_id, run.run_us, ANY_PLACES))
            else:
                if overlap.rule_of(job) == "cancel_other":
                    self._cancel(job, run)
                row = self._place(run, job)
                if row is not None:
                    rows.append(row)
        scheduler = self._scheduler
        if not rows or stopping or scheduler._lifecycle.state != STATE_RUNNING:
            return
        rows = rows[: self._kept.free(len(rows))]  # the rest is for others, who may have places
        if not rows:
            return
        for run in self._kept.rows.begin(self._kept.me, rows):
            self._begin(run, *jobs[run.job_id, run.run_us])
            self.at_s = 0.0  # the next of its job may have a place, too
        if not self.at_s:
            self._kept.wake()

    def _jobs(self, runs: list[RunRow]) -> dict[RunKey, tuple[Any, str | None]]:
        """The job of each run, as it is now; or `None`, and why it can't be read, or "": it was removed, paused or
        parked."""
        store = self._kept.store
        found: dict[RunKey, tuple[Any, str | None]] = {}
        for run, row in zip(runs, self._kept.jobs_of(runs), strict=True):
            if row is None or row.run_at_us is None or row.parked is not None:
                found[run.job_id, run.run_us] = None, ""
            else:
                found[run.job_id, run.run_us] = store._try(row)
        return found

    def _place(self, run: RunRow, job: Any) -> InLine | None:
        """What is asked for a run in line; `None`: it can't begin here now."""
        scheduler, counts = self._scheduler, self._scheduler._running_counts
        if job.executor not in scheduler._executors:
            return None
        extras = job._extras or {}
        most = ANY_PLACES if extras.get("overlap") == "allow" else job.max_instances
        places = 1 if counts_from_end(job) else most
        if counts.count(job.id) >= places:
            return None
        group = extras.get("group")
        if group is None:
            return InLine(run.job_id, run.run_us, places)
        if counts.rates is not None:
            wait_us = counts.rates.wait_us(group)
            if wait_us:
                self.at_s = min(self.at_s, steady_s() + wait_us / SECOND_US)
                return None
        of_group = counts.limits.get(group, most)
        if counts.count_group(group) >= of_group:
            return None
        return InLine(run.job_id, run.run_us, places, group_key(group), of_group)

    def _begin(self, run: RunRow, job: Any, reason: str | None) -> None:
        kept, key = self._kept, (run.job_id, run.run_us)
        kept._under_way[key] = None
        if job is None:
            if reason:
                kept._tell_lost(run, None, None, reason)
            else:
                overlap.tell_not_made(self._scheduler, run.job_id, kept.alias, run.from_us, CANCELLED)
            kept._ended.append(key)
            kept.wake()
            return
        job.misfire_grace_time = None
        self.begun.add(key)
        kept._waiting.append((run, job))

    def submitted(self, key: RunKey, submission: Submission) -> None:
        """A run that may have been in line was taken by its executor."""
        if key not in self.begun:
            return
        self.begun.discard(key)
        scheduler, job = self._scheduler, submission.job
        if scheduler._wants(EVENT_JOB_SUBMITTED):
            scheduler._dispatch_event(
                JobSubmissionEvent(EVENT_JOB_SUBMITTED, job.id, submission.alias, submission.run_times)
            )
        if "max_runs" in (job._extras or ()):
            for shelf in catalogue.shelves_of(scheduler, self._kept.alias):
                for event in max_runs.write_begun(scheduler, shelf, submission):
                    scheduler._dispatch_event(event)

    def _cancel(self, job: Any, run: RunRow) -> None:
        try:
            overlap.cancel_running(self._scheduler, job.id, run.run_us)
        except BaseException as exc:  # an event loop that was closed
            if ends_program(exc):
                raise
            log_line(self._scheduler._logger.warning, "A run could not be told to end", exc_info=True)
