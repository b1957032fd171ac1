"""The runs of a scheduler that somebody asked to hear of.

Here: `RunBook`, which makes them, knows those under way, tells of their start and end, and hands them to whoever
records them. Not here: the call itself (`executors._tracked`), when a failed one is tried again (`retrying`), run now
(`run_now`). There is no book until somebody asks: for one run, or, `every`, for all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rapscheduler._engine.ledger import Around, Kept
from rapscheduler._engine.planning import Submission
from rapscheduler._instants import moment, us_of
from rapscheduler._locks import KeptLock
from rapscheduler._quoting import one_line, said
from rapscheduler._runs import Run, current, followed, this_process
from rapscheduler._scheduling import retrying
from rapscheduler._scheduling.dispatcher import OUTCOMES
from rapscheduler._states import CANCELLED, DONE, FAILED, FAILURES, MISSED, RUNNING, TIMED_OUT
from rapscheduler.errors import RunCancelledError, RunTimeoutError
from rapscheduler.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MISSED,
    EVENT_JOB_STARTED,
    JobExecutionEvent,
    JobRunEvent,
)
from rapscheduler.executors._tracked import Tracker, told_after
from rapscheduler.util import iscoroutinefunction_partial

if TYPE_CHECKING:
    from rapscheduler._scheduling.ports import Scheduler


_STATES = {EVENT_JOB_EXECUTED: DONE, EVENT_JOB_ERROR: FAILED, EVENT_JOB_MISSED: MISSED}


class RunBook(Tracker):
    """Data: `live`, the runs that are queued by somebody's wish or under way; `_expected`, those that were made
    before they were submitted, by job id and run time; `recorders` are called with each run that ended."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self.now_us = scheduler._clock.now_us
        self.live: set[Run] = set()
        self._expected: dict[tuple[str, int], Run] = {}
        self.retries: dict[str, set[str]] = {}  # ids of the rows of next attempts, by job
        self.recorders: list[Callable[[Run], Any]] = []
        self._following = KeptLock()
        self.asked = False  # somebody imported `current_run`, or wants to see what is under way

    @property
    def wants_every(self) -> bool:
        """Whether somebody wants all runs to be kept while they are under way, not only some."""
        return bool(self.asked or self.recorders or any(map(iscoroutinefunction_partial, self.middleware)))

    def leave_parent(self) -> None:
        """In a forked child: what is under way is the parent's."""
        self.live, self._expected = set(), {}

    def around(self) -> Around | None:
        """What the engine makes calls by where nobody wants more of runs; None: there is no middleware."""
        if not self.middleware:
            return None
        return Around(tuple(self.middleware), Run, current, self.live, this_process())

    # What the run loops tell

    def expect(self, run: Run) -> None:
        """This run is about to be submitted, for its scheduled time."""
        self._expected[run.job_id, run.scheduled_us] = run
        self.live.add(run)

    def expects(self, submission: Submission) -> bool:
        return bool(self._expected) and self._key(submission) in self._expected

    def forget(self, run: Run) -> None:
        """It will not be submitted."""
        self.live.discard(run)
        self._expected.pop((run.job_id, run.scheduled_us), None)

    def _key(self, submission: Submission) -> tuple[str, int]:
        return submission.job.id, next(iter(submission.times_us()))

    def open(self, submission: Submission, run_us: int) -> Run:
        job = submission.job
        run = self._expected.pop((job.id, run_us), None) if self._expected else None
        if run is None:
            of = (getattr(job, "_extras", None) or {}).get("retry_of")
            if of is None:
                run = Run(job.id, submission.alias, run_us)
            else:
                run = Run(of["job"], submission.alias, of["scheduled_us"], of["attempt"])
            self.live.add(run)
        run.job = job
        return run

    def go_on(self, submission: Submission, kept: Kept | Run) -> Run:
        run = kept if isinstance(kept, Run) else kept.run or self._follow(kept) or followed(kept)
        run.job = submission.job
        return run

    def _follow(self, kept: Kept) -> Run | None:
        """A run from here on, of which only a ledger knew; None: it has ended meanwhile."""
        ledger = self._scheduler._watched.ledger
        with self._following:
            run = followed(kept)
            self.live.add(run)  # before it is known: it may end in this moment
            if ledger is None or ledger.adopt(kept, run) is run:
                return run
            self.live.discard(run)
        others: Run | None = kept.run
        return others

    def follow(self, run_id: str | None = None) -> None:
        """All that are under way, or one of them, are kept as runs from here on."""
        ledger = self._scheduler._watched.ledger
        for kept in () if ledger is None else ledger.under_way():
            if run_id is None or (kept.has_id and kept.id == run_id):
                self._follow(kept)

    def begin(self, run: Run) -> bool:
        if run.is_over:
            return False
        if run.cancelled:
            self.close(run, CANCELLED)
            return False
        of = (getattr(run.job, "_extras", None) or {}).get("retry_of")
        if of is not None and not retrying.is_wanted(self, run, of):
            run.reason = "its job was removed before this attempt"
            self.tell_cancelled(run)
            return False
        run.state, run.started_us = RUNNING, self.now_us()
        if self._scheduler._wants(EVENT_JOB_STARTED):
            self._scheduler._dispatch_event(JobRunEvent(EVENT_JOB_STARTED, run))
        return True

    def close(self, run: Run, state: str, retval: Any = None, exc: BaseException | None = None) -> bool:
        self.live.discard(run)
        if run.is_over:  # told when its time was over; its thread has ended now
            self._scheduler._logger.info(
                'The call of job "%s" ended after its run was %s', one_line(run.job_id), run.state
            )
            return False
        run.retval, run.exception = retval, exc
        if exc is not None and state in FAILURES:
            retrying.after_failure(self, run, exc)
        return run.end(state, self.now_us(), self._record)

    def ended(self, job_id: str, events: Sequence[JobExecutionEvent]) -> None:
        """An executor of others made runs to their end: those that it knew nothing of end as its events tell."""
        for event in events if self._expected else ():
            state, key = _STATES.get(event.code), (job_id, us_of(event.scheduled_run_time))
            run = None if state is None else self._expected.pop(key, None)
            # There is no other attempt: nobody knows what this one was made of.
            if run is not None and state is not None:
                event.run, run.retval, run.exception = run, event.retval, event.exception
                self.live.discard(run)
                run.end(state, self.now_us(), self._record)

    def lost(self, submission: Submission, state: str, exc: BaseException) -> None:
        kept: Any = submission.kept
        run = kept.run if isinstance(kept, Kept) else kept
        if run is None and self._expected:
            run = self._expected.pop(self._key(submission), None)
        if run is not None and not run.is_over:
            self.close(run, state, exc=exc)

    def _record(self, run: Run) -> None:
        for record in self.recorders:
            record(run)
        ledger = self._scheduler._watched.ledger
        if ledger is not None:
            ledger.add(run.record())

    def overdue(self, run: Run) -> None:
        """Its time is over and its thread can't be ended: tell that now."""
        error = RunTimeoutError(
            f"run {run.id} of job {run.job_id!r}: {run.reason}; its thread still runs, for threads can't be ended: "
            "let the job call current_run().check()"
        )
        job, live = run.job, run in self.live
        if not self.close(run, TIMED_OUT, exc=error):
            return
        if live:
            self.live.add(run)  # its thread still runs
        self._scheduler._logger.error('Job "%s": %s', one_line(str(job)), said(error))
        if self._scheduler._wants(EVENT_JOB_ERROR):
            when = when_of(run, self._scheduler)
            event = JobExecutionEvent(
                EVENT_JOB_ERROR, run.job_id, run.alias, when, exception=error, traceback=""
            )
            event.run = run
            self._scheduler._dispatch_event(event)
        for event in told_after(
            run, when_of(run, self._scheduler), self._scheduler._wants, self._scheduler._logger
        ):
            self._scheduler._dispatch_event(event)

    # What users ask

    def cancel(self, run_id: str, reason: str = "cancelled by cancel_run()") -> bool:
        """Let a run end, as far as that is possible; False: it is not under way here."""
        self.follow(run_id)
        run = next((one for one in list(self.live) if one.has_id and one.id == run_id), None)
        if run is None or run.is_over:
            return False
        run.cancelled = True
        run.reason = run.reason or reason
        stop = run.stop
        if stop is not None:
            stop()
        elif (
            run.state != RUNNING
            and run.scheduled_us >= 0
            and self._expected.get((run.job_id, run.scheduled_us)) is run
        ):
            self.tell_cancelled(run)
        return True

    def tell_cancelled(self, run: Run) -> None:
        """It was cancelled before it began."""
        error = RunCancelledError(
            f"run {run.id} of job {run.job_id!r} was cancelled before it began: {run.reason or 'by cancel_run()'}"
        )
        if self.close(run, CANCELLED, exc=error):
            self._scheduler._logger.warning(
                'A run of job "%s" was cancelled before it began', one_line(run.job_id)
            )

    def under_way(self) -> list[Run]:
        """Those whose call was begun and has not ended, the longest first; one that timed out until its thread ends."""
        self.follow()
        runs = [run for run in list(self.live) if run.started_us is not None]
        return sorted(runs, key=lambda run: (run.started_us, run.id))


def when_of(run: Run, scheduler: Any) -> datetime:
    return moment(run.scheduled_us, scheduler.timezone)


def watch(scheduler: Any) -> None:
    """Keep every run, or only some, as listeners, middleware, recorders and a ledger want it now."""
    watched, book = scheduler._watched, scheduler._watched.tracker
    every = bool(scheduler._dispatcher.mask & EVENT_JOB_STARTED) or (book is not None and book.wants_every)
    if every:
        watched.made()
    watched.around = None if book is None else book.around()
    watched.every = every
    asked = every or watched.around is not None or watched.ledger is not None
    scheduler._dispatcher.ask(OUTCOMES if asked else 0)


def ask(scheduler: Any) -> RunBook:
    """Keep every run from now on."""
    book: RunBook = scheduler._watched.made()
    if not book.asked:
        book.asked = True
        watch(scheduler)
    return book
