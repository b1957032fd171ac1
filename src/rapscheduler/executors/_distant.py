"""Executors that hand runs to an engine somewhere else and wait for messages about them.

Here: `DistantExecutor`: what was sent and has not ended, what each message means for it, what is lost and when, the
end. Not here: how messages travel (`celery`, `dask`), what they say (`_wire`).

One message a run: the run times of a backlog are sent one after another, so that a shutdown can keep the rest due. An
`Errand` is a submission on its way; it is in `_errands` under the id of the run that is away, and whoever takes it out
of there (the end came, it was lost, the executor ends) sees to what follows, so each run ends once and gives its place
back once. A submission keeps one place of `max_instances` until its last run has ended.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from time import monotonic
from typing import Any

from rapscheduler._engine.planning import Submission
from rapscheduler._quoting import one_line, said
from rapscheduler._runs import Run, new_run_id
from rapscheduler._serialization.codec import MAX_BYTES
from rapscheduler._states import CANCELLED, DONE, LOST, MISSED
from rapscheduler.errors import LostRunError, RunCancelledError, UnrunnableJobError, log_line
from rapscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MISSED, JobExecutionEvent
from rapscheduler.executors._tracked import state_after, told_after
from rapscheduler.executors._unfinished import Unfinished
from rapscheduler.executors._wire import Document, dumps, event_of, loads, order_of
from rapscheduler.executors.base import BaseExecutor

Events = list[JobExecutionEvent]
WORDLESS_S = 60.0  # without any word of any worker, before a log line asks whether there is one


class Errand:
    """A submission on its way. `i`: the run that is away, by its place among all; `text`: its message; `run`: if
    somebody keeps it; `begun`: a worker (`who`) has told so; `sent_s`, `heard_s`: when, monotonic; `untold`: events of
    the runs before, for one who looks at all of a submission."""

    __slots__ = (
        "backlog", "begun", "heard_s", "i", "id", "order", "run", "run_times", "run_us", "sent_s", "submission",
        "text", "tracker", "untold", "who",
    )  # fmt: skip

    def __init__(self, submission: Submission, order: Document, backlog: Any, tracker: Any) -> None:
        self.submission, self.order = submission, order
        self.backlog, self.tracker = backlog, tracker
        self.run_us = list(submission.times_us())
        self.run: Run | None = None
        self.i = 0
        self.id = self.text = self.who = ""
        self.sent_s = self.heard_s = 0.0
        self.begun = False
        self.untold: Events = []

    @property
    def job(self) -> Any:
        return self.submission.job

    @property
    def run_time(self) -> datetime:
        when: datetime = self.submission.run_time(self.i, self.run_us[self.i])
        return when


class DistantExecutor(BaseExecutor):
    """`_engine`: the name of whoever makes the runs, for messages."""

    takes_any_thread = True
    _engine = "another engine"

    def __init__(self, result_timeout: float | None = None, lost_after: float | None = None) -> None:
        super().__init__()
        self._result_timeout_s = _seconds("result_timeout", result_timeout)
        self._lost_after_s = _seconds("lost_after", lost_after)
        self._errands: dict[str, Errand] = {}
        self._unfinished = Unfinished()
        self._was_shut_down = False
        self._wordless = True  # until a worker has told something

    def start(self, scheduler: Any, alias: str) -> None:
        """Take jobs, also after a shutdown; see `BaseExecutor.start`."""
        super().start(scheduler, alias)
        self._was_shut_down = False

    @abstractmethod
    def _send(self, errand: Errand, text: str) -> None:
        """Give a run, `errand.id`, to the engine. Whatever is raised: it did not go."""

    def _reply(self) -> Any:
        """What a worker has to know to answer."""
        return None

    def _ended_here(self) -> bool:
        """Whether the present thread is the one that ends are heard in."""
        return False

    def _close(self) -> None:
        """Let go of the engine; nothing is heard of it any more. Must not take long, or raise."""

    def _drop(self, run_id: str) -> None:
        """Nobody waits for this run any more."""

    @abstractmethod
    def _revoke(self, errand: Errand) -> None:
        """A run was cancelled: have it not begun, or told to end where it is made. Its end, or that it is lost, is
        heard of as of any other. Whatever is raised: that did not get there."""

    # What goes

    def _do_submit_job(self, job: Any, run_times: list[datetime]) -> None:
        if self._was_shut_down:
            raise RuntimeError("cannot schedule new jobs after the executor was shut down")
        submission = self._accept(job, run_times)
        order = order_of(job, self._engine)
        tracker = self._home.watched.tracker_for(submission)
        errand = Errand(submission, order, self._home.backlogs.of(submission), tracker)
        self._unfinished.add(1)
        try:
            sent = self._send_next(errand)
        except BaseException:
            self._unfinished.end_one()
            raise
        if not sent:
            self._finish(errand, [])

    def _send_next(self, errand: Errand) -> bool:
        """Send run `i`, or the first after it that is to be made. False: there is none."""
        while errand.i < len(errand.run_us):
            if errand.backlog is not None and not errand.backlog.begin(errand.i):
                return False
            if errand.tracker is not None:
                errand.run = errand.tracker.open(errand.submission, errand.run_us[errand.i])
                if not errand.tracker.begin(errand.run):
                    errand.i += 1
                    continue
            try:
                self._send_run(errand)
            except BaseException:
                if errand.run is not None:
                    errand.tracker.forget(errand.run)
                raise
            return True
        return False

    def _send_run(self, errand: Errand) -> None:
        run, run_us = errand.run, errand.run_us[errand.i]
        errand.id = new_run_id() if run is None else run.id
        passport = [errand.id, errand.job.id, run_us, 1]
        if run is not None:
            passport = [run.id, run.job_id, run.scheduled_us, run.attempt]
        text = dumps(
            {
                **errand.order,
                "alias": errand.submission.alias,
                "logger": self._logger.name,
                "run_us": run_us,
                "found_us": errand.submission.found_us,
                "run": passport,
                "reply": self._reply(),
            }
        )
        if len(text) > MAX_BYTES:
            raise UnrunnableJobError(
                f"job {errand.job.id} can't go to a worker of {self._engine}: its run takes {len(text)} bytes, more "
                f"than {MAX_BYTES}; store the data elsewhere and pass its key"
            )
        errand.begun, errand.text, errand.sent_s = False, text, monotonic()
        self._errands[errand.id] = errand  # first: the answer may be faster
        if run is not None:
            run.stop = partial(self._stop_run, errand.id)
        try:
            self._send(errand, text)
        except BaseException as exc:
            if self._errands.pop(errand.id, None) is not None:
                raise
            log_line(
                self._logger.warning,
                "A run went to %s although sending it failed: %s",
                self._engine,
                said(exc),
            )
        if run is not None and run.cancelled:  # in between
            self._stop_run(run.id)

    def _stop_run(self, run_id: str) -> None:
        """Somebody cancels a run that is away."""
        errand = self._errands.get(run_id)
        if errand is None:
            return
        try:
            self._revoke(errand)
        except Exception as exc:
            log_line(
                self._logger.warning,
                "%s could not be told that run %s is cancelled: %s -- its end is waited for",
                self._engine,
                run_id,
                said(exc),
            )

    # What comes back

    def _hear(self, text: Any) -> None:
        """A message came. Never raises: nobody could do anything about it."""
        try:
            self._take_in(loads(text))
        except Exception as exc:
            log_line(self._logger.error, "A message about a run could not be understood: %s", said(exc))

    def _take_in(self, said_: Document) -> None:
        self._wordless = False
        kind, now_s = said_.get("kind"), monotonic()
        if kind == "alive":
            for run_id in said_["ids"]:
                errand = self._errands.get(run_id)
                if errand is not None:
                    errand.begun, errand.heard_s = True, now_s
            return
        errand = self._errands.get(said_["id"])
        if errand is None:
            return  # nobody waits for it any more
        if kind == "begun":
            errand.begun, errand.heard_s, errand.who = True, now_s, str(said_["who"])
            if errand.run is not None and errand.run.cancelled:  # before that was known there
                self._stop_run(errand.id)
        elif kind == "overdue":
            errand.heard_s = now_s
            self._note_overdue(errand, said_["reason"])
        elif kind == "again":
            if not errand.begun:  # else whoever began it is watched
                self._send_again(errand)
        elif kind == "lost":
            self._lose(errand.id, f"its worker says: {said_['reason']}")
        elif kind == "ended" and self._errands.pop(errand.id, None) is errand:
            self._heard_of_end(errand, said_)

    def _send_again(self, errand: Errand) -> None:
        """A worker had its message and was gone before it began."""
        try:
            self._send(errand, errand.text)
        except Exception as exc:
            self._lose(errand.id, f"a worker gave it back, and it could not be sent again: {said(exc)}")

    def _note_overdue(self, errand: Errand, reason: Any) -> None:
        run = errand.run
        if run is not None and not run.is_over:
            run.cancelled, run.reason = True, str(reason)
            errand.tracker.overdue(run)

    def _heard_of_end(self, errand: Errand, ended: Document) -> None:
        try:
            job = errand.job
            if ended["overdue"] is not None:  # that message may be on its way yet
                self._note_overdue(errand, ended["overdue"])
            run = errand.run
            event = event_of(ended, job.id, errand.submission.alias, errand.run_time, run)
            if run is not None and run.cancelled and isinstance(event.exception, SystemExit):
                event.exception = RunCancelledError(f"run {run.id} of job {job.id!r} was cancelled")
        except Exception as exc:
            event = self._error_event(errand, exc, "")
        self._go_on(errand, self._closed_run(errand, event))

    def _lose(self, run_id: str, why: str, go_on: bool = True) -> None:
        """The end of a run will not be heard of."""
        errand = self._errands.pop(run_id, None)
        if errand is None:
            return
        self._drop(run_id)
        job, run = errand.job, errand.run
        exc: Exception = LostRunError(f"run {run_id} of job {job.id!r} was lost at {self._engine}: {why}")
        state = LOST
        if run is not None and run.cancelled:
            exc = RunCancelledError(f"run {run_id} of job {job.id!r} was cancelled at {self._engine}: {why}")
            state = CANCELLED
        event = self._error_event(errand, exc, "")
        self._go_on(errand, self._closed_run(errand, event, state), go_on)

    def _error_event(self, errand: Errand, exc: BaseException, traceback: str) -> JobExecutionEvent:
        event = JobExecutionEvent(
            EVENT_JOB_ERROR, errand.job.id, errand.submission.alias, errand.run_time,
            exception=exc, traceback=traceback,
        )  # fmt: skip
        event._run_id = errand.id
        return event

    def _closed_run(self, errand: Errand, event: JobExecutionEvent, state: str = "") -> Events:
        """The events of a run that has ended; none, if that was told before."""
        run, tracker, exc = errand.run, errand.tracker, event.exception
        if exc is not None:
            log_line(
                self._logger.error,
                'Job "%s" failed at %s: %s',
                one_line(errand.order["text"]),
                self._engine,
                said(exc),
            )
        elif event.code == EVENT_JOB_MISSED:
            log_line(self._logger.warning,
                'Run time of job "%s" was missed by %g s (%s), says its worker',
                one_line(errand.order["text"]), event.lateness_s or 0.0, event.cause,
            )  # fmt: skip
        # It may ask for another attempt, which nobody expected.
        if run is None and exc is not None and not state:
            tracker, run = self._home.watched.after_failure(errand.submission, errand.run_us[errand.i], exc)
        if run is None:
            return [event]
        errand.run = run.stop = None
        if event.code == EVENT_JOB_MISSED:
            run.reason = f"{event.lateness_s or 0.0:g} s late ({event.cause})"
            told = tracker.close(run, MISSED)
        elif exc is None:
            told = tracker.close(run, DONE, event.retval)
        else:
            if state == LOST:
                run.reason = said(exc)
            told = tracker.close(run, state or state_after(run, exc), exc=exc)
        if not told:
            return []
        event.run, event.job_id = run, run.job_id
        asked = run.retry_us is not None and getattr(exc, "asks_for_retry", False)
        events = [] if asked else [event]
        return events + told_after(run, event.scheduled_run_time, self._wanted(), self._logger)

    def _go_on(self, errand: Errand, events: Sequence[JobExecutionEvent], go_on: bool = True) -> None:
        """A run has ended with these events: send the next one, or finish."""
        errand.untold += events
        errand.i += 1
        try:
            more = go_on and errand.i < len(errand.run_us)
            if more and not self._looks_at_events():
                events, errand.untold = errand.untold, []
                for event in events:
                    self._tell_now(event)
            if more and self._send_next(errand):
                return
        except Exception as exc:  # the engine does not take it
            self._unfinished_but_told(errand, exc)
            return
        self._finish(errand, errand.untold)

    def _unfinished_but_told(self, errand: Errand, exc: BaseException) -> None:
        try:
            self._run_job_error(errand.job.id, exc, exc.__traceback__)
            for event in errand.untold:
                self._tell_now(event)
            self._tell_lost(errand.submission, exc, errand.i)
        finally:
            self._unfinished.end_one()

    def _finish(self, errand: Errand, events: Sequence[JobExecutionEvent]) -> None:
        """The submission is over: give its place back, and tell."""
        try:
            if errand.backlog is not None:
                errand.backlog.end()
            self._run_job_success(errand.job.id, events)
        except BaseException:  # a scheduler whose _dispatch_event raises must not cost us the thread
            log_line(self._logger.exception, "Error telling the outcome of job %s", one_line(errand.job.id))
        finally:
            self._unfinished.end_one()

    # What does not come back

    def _sweep(self, connected_s: float | None = 0.0) -> None:
        """Find what is lost. `connected_s`: since when messages have been able to come; None: they are not."""
        now_s, wait_s, quiet_s = monotonic(), self._result_timeout_s, self._lost_after_s
        for run_id, errand in list(self._errands.items()):
            if wait_s is not None and now_s - errand.sent_s >= wait_s:
                where = f"on {errand.who}" if errand.begun else "and no worker has said that it began it"
                self._lose(run_id, f"no result came within result_timeout={wait_s:g} s {where}")
            elif connected_s is None or not errand.begun or quiet_s is None:
                if self._wordless and now_s - errand.sent_s >= WORDLESS_S:
                    self._wordless = False
                    log_line(self._logger.warning, "%s", self._cure_of_silence())
            elif now_s - max(errand.heard_s, connected_s) >= quiet_s:
                self._lose(
                    run_id,
                    f"its worker ({errand.who}) has not been heard of for {quiet_s:g} s; it seems to have died",
                )

    def _cure_of_silence(self) -> str:
        return f"{self._engine}: a run waits for {WORDLESS_S:g} s, and no worker has begun one so far"

    def _queue_depth(self) -> int | None:
        return sum(not errand.begun for errand in list(self._errands.values()))

    def _leave_parent(self) -> None:
        self._errands, self._unfinished, self._wordless = {}, Unfinished(), True

    def shutdown(self, wait: bool = True, timeout: float | None = None) -> None:
        """Take no more jobs, wait for the ends of those that were sent; see `BaseExecutor.shutdown`.

        What has not ended then (or without `wait`) is told as lost, an error event each: nobody hears of it any more.
        """
        self._was_shut_down = True
        try:
            if wait and not self._ended_here():
                self._unfinished.wait(timeout)
        finally:
            self._close()
            self._give_up()

    def _give_up(self) -> None:
        left = list(self._errands)
        if left:
            log_line(
                self._logger.warning,
                "%d runs were left at %s: the executor was shut down before they ended",
                len(left),
                self._engine,
            )
        for run_id in left:
            self._lose(
                run_id, "the executor was shut down before it ended; it may still be made", go_on=False
            )


def _seconds(name: str, value: Any) -> float | None:
    """A length of time from a setting, which may be a text. The error names the argument."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = 0.0
    if not 0 < seconds < 1e9:
        raise ValueError(f"{name}={value!r} is no number of seconds; give one above 0, or None")
    return seconds
