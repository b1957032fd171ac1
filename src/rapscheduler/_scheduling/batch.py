"""One batch of due jobs on its way: handed to the executors, written to its store, told.

Here: `Batch`, the order of these steps, and what becomes of a run that an executor did not take. Not here: which jobs
are due and what is decided about them (`planning`), when batches are made (`dueloop`), writing (`storing`).

A run is submitted before its next run time is written. What was submitted is settled whatever is raised afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable

from rapscheduler._engine.planning import MISSED_TOLD, Change, Submission, split_by_executor
from rapscheduler._hints import Any
from rapscheduler._instants import SECOND_US, moment
from rapscheduler._quoting import job_text, one_line, said
from rapscheduler._scheduling import start_stop, storing
from rapscheduler._scheduling.dispatcher import OUTCOMES
from rapscheduler._scheduling.lifecycle import STATE_RUNNING
from rapscheduler._scheduling.planning import BatchPlan
from rapscheduler._scheduling.ports import Scheduler
from rapscheduler._scheduling.shelf import Shelf, Shelves
from rapscheduler.errors import (
    InterpreterEndingError,
    MaxInstancesReachedError,
    UnrunnableJobError,
    ends_program,
    log_line,
)
from rapscheduler.events import (
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_PARKED,
    EVENT_JOB_SUBMITTED,
    JobParkedEvent,
    JobSubmissionEvent,
    SchedulerEvent,
)
from rapscheduler.executors._home import Failures, counts_from_end, submit_all
from rapscheduler.jobstores.base import park_reason
from rapscheduler.util import DEBUG, ERROR


class Batch:
    """The decision about due jobs of one store, being carried out.

    `changes` may be written to the store by now, `events` are told at the end, `submitted` runs were accepted;
    `_missing` are executors that were not there: they may come while their jobs are being parked; `_counted` are runs
    of jobs with `max_runs`.
    """

    _claims_all = False  # single runs may be closed too

    __slots__ = (
        "_counted",
        "_missing",
        "_now_us",
        "_plan",
        "_scheduler",
        "_shelf",
        "changes",
        "events",
        "submitted",
    )

    def __init__(self, scheduler: Scheduler, shelf: Shelf, plan: BatchPlan, now_us: int) -> None:
        self._scheduler = scheduler
        self._shelf = shelf
        self._plan = plan
        self._now_us = now_us
        self._missing: set[str] = set()
        self._counted: dict[int, Any] = {}
        self.changes: list[Change] = []
        self.events: list[SchedulerEvent] = []
        self.submitted = 0

    def carry_out(self) -> None:
        """Submit the runs, settle them, tell of them."""
        for park, error in self._plan.parks:
            self._set_aside([park], error)
        if self._plan.watched:
            from rapscheduler._scheduling import max_runs

            self._counted = max_runs.limit(self._plan, removes=not self._claims_all)
        dispatcher = self._scheduler._dispatcher
        if not dispatcher.wants(EVENT_JOB_SUBMITTED):
            self._submit_and_settle()
            return
        ids = [one.job.id for one in self._plan.submissions]
        with dispatcher.announcing(ids, OUTCOMES):  # "executed" waits until "submitted" was told
            self._submit_and_settle()

    def _is_open(self) -> bool:
        return self._scheduler._lifecycle.state == STATE_RUNNING

    def _submit_and_settle(self) -> None:
        scheduler = self._scheduler
        try:
            for alias, group in split_by_executor(self._plan.submissions, self._plan.changes).items():
                if not self._is_open():
                    break  # what is left stays due
                self._submit(alias, *group)
        finally:  # whatever was raised (a logger of the user's, Ctrl-C): what was submitted must not run again
            if self.changes:
                storing.settle(scheduler, self._shelf, self.changes)
        self._tell()

    def _tell(self) -> None:
        """What became of the jobs: log lines, events, and the executors that came meanwhile."""
        scheduler = self._scheduler
        if self._plan.skipped:
            self._log_skipped()
        for alias in self._missing:
            if alias in scheduler._executors:
                unpark_waiting(scheduler, scheduler._shelves, alias)
        storing.add_removals(scheduler, self._shelf, self.changes, self.events)
        for event in self.events:
            scheduler._dispatch_event(event)

    def _submit(self, alias: str, submissions: list[Submission], changes: list[Change]) -> None:
        """Hand the runs for one executor over."""
        scheduler = self._scheduler
        try:
            executor = scheduler._callable_here(scheduler._lookup_executor(alias))
        except BaseException as exc:
            if ends_program(exc):
                raise
            self._park_for_want(alias, changes)
            return
        if self._plan.backlogs:
            submissions, changes = self._without_waiting(executor, submissions, changes)
        # One that only knows the contract of APScheduler neither asks whether it may begin nor tells that a run ended.
        if self._claims_all or (self._plan.backlogs and hasattr(executor, "_submit_batch")):
            self._announce_backlogs(submissions, changes)
        failures = self._hand_over(executor, submissions)
        if scheduler._backlogs:
            self._note_backlogs(submissions, changes, failures)
        self.submitted += len(submissions) - len(failures)
        if self._counted:
            self._count(submissions, changes, failures)
        if failures:
            self._sort_out(alias, submissions, changes, {id(one): error for one, error in failures})
        else:
            self.changes += changes
        if scheduler._wants(EVENT_JOB_SUBMITTED):
            refused = {id(one) for one, _ in failures}
            self.events += [
                JobSubmissionEvent(EVENT_JOB_SUBMITTED, one.job.id, self._shelf.alias, one.run_times)
                for one in submissions
                if id(one) not in refused
            ]

    def _hand_over(self, executor: Any, submissions: list[Submission]) -> Failures:
        """Submit them, but those of jobs of which runs wait: they get in line."""
        waiting = self._scheduler._backlogs.waiting
        behind = {id(one) for one in self._plan.watched if waiting.has(one.job)} if waiting else ()
        if not behind:
            return submit_all(executor, submissions)
        failures = submit_all(executor, [one for one in submissions if id(one) not in behind])
        late = [one for one in submissions if id(one) in behind]
        return failures + [(one, MaxInstancesReachedError(one.job)) for one in late]

    def _wait(self, one: Submission, change: Change) -> int:
        """As many runs of the job as allowed are under way: how many wait for the end of one; the rest is skipped."""
        if (getattr(one.job, "_extras", None) or {}).get("overlap", "allow") != "allow":
            from rapscheduler._scheduling import overlap

            return overlap.waiting_of(self._scheduler).take(one, change=change)
        self._skip(one)
        return 0

    def _count(self, submissions: list[Submission], changes: list[Change], failures: Failures) -> None:
        """The runs that were taken count for `max_runs`."""
        from rapscheduler._scheduling import max_runs

        refused = {id(one) for one, _ in failures}
        for one, change in zip(submissions, changes, strict=True):
            counted = self._counted.get(id(one))
            if counted is not None and id(one) not in refused:
                max_runs.note(self._shelf, change, counted)

    def _announce_backlogs(self, submissions: list[Submission], changes: list[Change]) -> None:
        several = {id(one) for one in self._plan.backlogs}
        for one, change in zip(submissions, changes, strict=True):
            if id(one) not in several:
                continue
            if counts_from_end(one.job):
                from rapscheduler._scheduling import delays

                delays.open_delay(self._scheduler, one, change)
            else:
                self._scheduler._backlogs.add(one, change)

    def _without_waiting(
        self, executor: Any, submissions: list[Submission], changes: list[Change]
    ) -> tuple[list[Submission], list[Change]]:
        """Leave out runs that count from the end of one which is under way, and those whose end nobody would tell."""
        counting = {id(one) for one in self._plan.backlogs if counts_from_end(one.job)}
        if not counting:
            return submissions, changes
        from rapscheduler._scheduling import delays

        left: list[tuple[Submission, Change]] = []
        for one, change in zip(submissions, changes, strict=True):
            if id(one) not in counting:
                left.append((one, change))
            elif not delays.hears_of_ends(executor):
                self._park_unrunnable(one, change, delays.untold(one.job))
            elif self._claims_all or not self._scheduler._backlogs.counting(one.job.id, one.alias):
                left.append((one, change))
            else:
                counted = self._counted.get(id(one))
                change = change if counted is None else counted.skipped
                self._scheduler._backlogs.moved(one, change, skipped=True)
                self.changes.append(change)
        return [one for one, _ in left], [change for _, change in left]

    def _note_backlogs(
        self, submissions: list[Submission], changes: list[Change], failures: Failures
    ) -> None:
        """Forget the backlogs that were refused; those under way learn how their jobs move on."""
        backlogs, errors = self._scheduler._backlogs, {id(one): error for one, error in failures}
        known = backlogs.known()
        for one, change in zip(submissions, changes, strict=True):
            if one.job.id not in known:
                continue
            error = errors.get(id(one))
            if error is not None:
                refused = backlogs.of(one)
                if refused is not None and refused.submission is one:
                    refused.end()
            if error is None or isinstance(error, MaxInstancesReachedError):
                backlogs.moved(one, change, skipped=error is not None)

    def _park_for_want(self, alias: str, changes: list[Change]) -> None:
        """There is no such executor: its jobs are set aside until it comes."""
        reason = park_reason(
            f'there is no executor "{alias}"; add one with add_executor(), or modify_job(executor=…)'
        )
        if alias not in self._scheduler._executors:
            self._missing.add(alias)
        self._set_aside([Change(change.job, change.expected_us, park=reason) for change in changes])

    def _sort_out(
        self,
        alias: str,
        submissions: list[Submission],
        changes: list[Change],
        errors: dict[int, BaseException],
    ) -> None:
        """What an executor did not take was skipped, is unrunnable, or is to be tried again.

        What was accepted comes first: a logger of the user's may raise while the rest is told.
        """
        pairs = list(zip(submissions, changes, strict=True))
        first = len(self.changes)
        self.changes += [change for one, change in pairs if id(one) not in errors]
        again: list[Submission] = []
        for one, change in pairs:
            error = errors.get(id(one))
            if isinstance(error, UnrunnableJobError):
                self._park_unrunnable(one, change, error)
            elif isinstance(error, MaxInstancesReachedError):
                waiting, counted = self._wait(one, change), self._counted.get(id(one))
                if counted is not None:
                    from rapscheduler._scheduling import max_runs

                    change = max_runs.note_waiting(self._shelf, change, counted, waiting)
                self.changes.append(change)
            elif error is not None:
                again.append(one)
        if again and self._is_open():
            self._defer(alias, again, errors[id(again[0])])
        # Jobs of one instant keep their turn: what is written first is due first the next time.
        turn = {change.job.id: i for i, change in enumerate(changes)}
        self.changes[first:] = sorted(self.changes[first:], key=lambda change: turn[change.job.id])

    def _park_unrunnable(self, one: Submission, change: Change, error: BaseException) -> None:
        self._set_aside([Change(one.job, change.expected_us, park=park_reason(error))])

    def _skip(self, one: Submission) -> None:
        """As many runs of the job as allowed are under way: this one is left out, as in APScheduler."""
        if "group" in (getattr(one.job, "_extras", None) or ()):
            from rapscheduler._scheduling.rates import why_refused

            reason = why_refused(self._scheduler._running_counts, one.job)
            log_line(
                self._scheduler._logger.warning,
                'Execution of job "%s" skipped: %s',
                one.job,
                one_line(reason),
            )
        else:
            log_line(
                self._scheduler._logger.warning,
                'Execution of job "%s" skipped: maximum number of running instances reached (%d)',
                one.job,
                one.job.max_instances,
            )
        if self._scheduler._wants(EVENT_JOB_MAX_INSTANCES):
            self.events.append(
                JobSubmissionEvent(EVENT_JOB_MAX_INSTANCES, one.job.id, self._shelf.alias, one.run_times)
            )

    def _set_aside(self, parks: Iterable[Change], error: BaseException | None = None) -> None:
        for park in parks:
            self.changes.append(park)
            log_line(
                self._scheduler._logger.error,
                'Job "%s" was parked: %s',
                job_text(park.job),
                park.park,
                exc_info=error,
            )
            if self._scheduler._wants(EVENT_JOB_PARKED):
                event = JobParkedEvent(EVENT_JOB_PARKED, park.job.id, self._shelf.alias, park.park or "")
                self.events.append(event)

    def _defer(self, alias: str, again: list[Submission], error: BaseException) -> None:
        """Leave runs that could not be submitted due, and try them again later."""
        retry_s = self._scheduler.jobstore_retry_interval
        ending = isinstance(error, InterpreterEndingError)
        if ending:
            start_stop.warn_if_main_ended(self._scheduler)
        log_line(
            self._scheduler._logger.log,
            DEBUG if ending else ERROR,  # at the end nobody can help it
            'Error submitting job "%s" to executor "%s"%s -- still due, trying again in %g s',
            job_text(again[0].job),
            alias,
            f" (and {len(again) - 1} more jobs)" if len(again) > 1 else "",
            retry_s,
            exc_info=error,
        )
        self._keep_due(again, self._now_us + int(retry_s * SECOND_US))

    def _keep_due(self, again: list[Submission], until_us: int) -> None:
        """They stay due, and out of the passes until then."""
        shelf, jobs = self._shelf, [one.job for one in again]
        try:
            with shelf.door:
                kept = shelf.calls._defer(jobs, until_us)
        except BaseException as exc:
            if ends_program(exc):
                raise
            kept = False
        if not kept:
            for job in jobs:
                shelf.deferred[job.id] = (job.run_at_us, until_us)

    def _log_skipped(self) -> None:
        """Say which run times were missed so long ago, and so often, that they are not told one by one."""
        jobs = {id(change.job) for change in self.changes if change.park is None}
        zone = self._scheduler.timezone
        for one, first_us, last_us in self._plan.skipped:
            if id(one.job) in jobs:
                log_line(
                    self._scheduler._logger.warning,
                    'Run times of job "%s" from %s to %s were missed, and only the latest %d missed ones are told '
                    "one by one (nobody looked for due jobs at that time; coalesce=True runs once for all of them)",
                    job_text(one.job),
                    moment(first_us, zone),
                    moment(last_us, zone),
                    MISSED_TOLD,
                )


def unpark_waiting(scheduler: Scheduler, shelves: Shelves, alias: str) -> None:
    """Let the jobs that were parked for want of this executor be tried again."""
    for shelf in shelves.all():
        try:
            if shelf.hangs_since_us is not None:
                raise TimeoutError("it does not answer")
            with shelf.door:
                waiting = [
                    parked.job_id
                    for parked in shelf.calls._get_parked()
                    if getattr(parked.job, "executor", None) == alias
                    or f'no executor "{alias}"' in parked.reason
                ]
                if waiting:
                    shelf.calls._unpark(waiting)
        except BaseException as exc:
            if ends_program(exc):
                raise
            log_line(
                scheduler._logger.warning,
                "Error looking for parked jobs in job store %r: %s -- call resume_parked() when it works again",
                shelf.alias,
                said(exc),
            )
