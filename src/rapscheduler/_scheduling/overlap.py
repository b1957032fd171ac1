"""Runs that wait until a run of the same job, or group, has ended.

Here: `Waiting`, made when the first run has to wait, by the rule `overlap` of its job. Not here: who counts runs under
way (`_engine.running`), handing over (`batch`), cancelling (`runbook`).

A run waits in memory, after its job has moved on in its store; the passes of the loop begin it, before what comes due
then. It has no grace time any more: it was in time when it was found. What is late already, or beyond what may wait, is
skipped and told as ever; what still waits at a shutdown, or when its job is removed or paused, is told as missed. Runs
of the schedule of a shared store wait there (`line`), and only those of `run_job()` here.

Data: `_queues` maps a group, or the id of a job without one, to what waits, first come first served; `_counts` says how
many of a job do. Any thread may put runs in or cancel them (`_lock`); only a pass takes them out to begin them.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from rapscheduler._engine.planning import Change, Submission, is_late
from rapscheduler._instants import SECOND_US, moment
from rapscheduler._locks import KeptLock
from rapscheduler._quoting import job_text, one_line
from rapscheduler._runs import Run
from rapscheduler._scheduling import delays
from rapscheduler._scheduling.rates import why_refused
from rapscheduler._states import LOST, RUNNING
from rapscheduler.errors import MaxInstancesReachedError, log_line
from rapscheduler.events import (
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MISSED,
    EVENT_JOB_SUBMITTED,
    JobExecutionEvent,
    JobSubmissionEvent,
)
from rapscheduler.executors._home import SHUTDOWN, counts_from_end, submit_all
from rapscheduler.executors._run import lost_events
from rapscheduler.job import Job

if TYPE_CHECKING:
    from rapscheduler._scheduling.ports import Scheduler

MOST_WAITING = 1000  # runs of one job, with overlap="queue_all"
RULES = frozenset(("queue_one", "queue_all", "cancel_other"))


def rule_of(job: Any) -> str | None:
    """The rule of a job whose runs may wait; None: they don't."""
    rule = (getattr(job, "_extras", None) or {}).get("overlap")
    return rule if rule in RULES else None


def waiting_of(scheduler: Scheduler) -> Waiting:
    """What waits in a scheduler, made with the first."""
    backlogs = scheduler._backlogs
    if backlogs.waiting is None:
        backlogs.waiting = Waiting(scheduler)
        scheduler._running_counts.freed = backlogs.waiting.freed
    waiting: Waiting = backlogs.waiting
    return waiting


def copy_of(scheduler: Any, job: Any, alias: str | None, args: Any, kwargs: Any) -> Any:
    """A job as it is now, but for its arguments, whose run may wait as long as it takes."""
    once: Any = Job.__new__(Job)
    once._fill(
        scheduler,
        job.id,
        job.func,
        job.func_ref,
        job.name,
        args,
        kwargs,
        job.trigger,
        job.executor,
        None,
        job.coalesce,
        job.max_instances,
    )
    once._advance(job.run_at_us, job.nominal_us)
    # with an option that concerns its runs, whatever it has: a quick run would not know of it
    once._jobstore_alias, once._extras = alias, {**(job._extras or {}), "run_now": True}
    return once


class Entry:
    """One run that waits: a submission of one run time, and the `Run` that somebody asked for, if anybody did."""

    __slots__ = ("run", "submission")

    def __init__(self, submission: Submission, run: Run | None) -> None:
        self.submission, self.run = submission, run


class Waiting:
    """See the head of this file. `_ended`: what will not be begun and was not told yet, with the cause."""

    def __init__(self, scheduler: Any) -> None:
        self._scheduler = scheduler
        self._lock = KeptLock()
        self._queues: dict[str, list[Entry]] = {}
        self._counts: Counter[str] = Counter()
        self._ended: list[tuple[Entry, str]] = []
        self._is_new = False  # something got in line since the last look
        self._rate_us: int | None = None  # how long a rate keeps something back, as of the last look

    def __bool__(self) -> bool:
        return bool(self._queues) or bool(self._ended)

    def has(self, job: Any) -> bool:
        """Whether runs of this job, or of its group, wait: others get in line behind them."""
        return _key(job) in self._queues

    # Getting in line

    def take(self, one: Submission, run: Run | None = None, change: Change | None = None) -> int:
        """Let runs wait whose job runs as often as it may, as far as its rule allows; how many do. The rest is told.

        `change`: how their job moves on, if its schedule brought them.
        """
        job: Any = one.job
        rule = rule_of(job)
        self._taken_out(lambda entry: entry.run is not None and entry.run.is_over)  # cancelled, and told
        room = MOST_WAITING if rule == "queue_all" else 1
        if rule != "cancel_other":
            room -= self._counts[job.id]
        kept: list[Entry] = []
        left: list[tuple[int, int]] = []
        for i, run_us in enumerate(one.times_us()):
            if len(kept) >= room or is_late(run_us, one.found_us, job.misfire_grace_time):
                left.append((i, run_us))
                continue
            once = job if run is not None else copy_of(self._scheduler, job, one.alias, job.args, job.kwargs)
            kept.append(Entry(Submission(once, [run_us], one.found_us, [one.run_time(i, run_us)]), run))
            # For the next one, it is under way while it waits.
            if change is not None and counts_from_end(job):
                delays.open_delay(self._scheduler, kept[-1].submission, change)
        if rule == "cancel_other":
            self._supersede(job, bool(kept))
        with self._lock:
            if kept:
                self._queues.setdefault(_key(job), []).extend(kept)
                self._counts[job.id] += len(kept)
        if left:
            self._tell_skipped(job, one, left)
        if kept:
            self._is_new = True
            self._scheduler._wake_for(self._scheduler._clock.now_us())  # its place may be free by now
        return len(kept)

    def _supersede(self, job: Any, follows: bool) -> None:
        """A run of a job that cancels the others is here: what waits is skipped for it, what runs is cancelled."""
        if not follows:
            return
        for entry in self._taken_out(lambda entry: entry.submission.job.id == job.id):
            self._end_delay(entry)
            self._tell_skipped(entry.submission.job, entry.submission, None, entry.run)
        cancel_running(self._scheduler, job.id)

    def _tell_skipped(
        self, job: Any, one: Submission, left: list[tuple[int, int]] | None, run: Run | None = None
    ) -> None:
        scheduler = self._scheduler
        log_line(
            scheduler._logger.warning,
            'Execution of job "%s" skipped: %s, and %s',
            job_text(job),
            one_line(why_refused(scheduler._running_counts, job)),
            "a later run takes its place" if left is None else _why(self._counts[job.id]),
        )
        if run is not None:
            run.reason = "a later run took its place"
            scheduler._watched.made().tell_cancelled(run)
        if scheduler._wants(EVENT_JOB_MAX_INSTANCES):
            times = one.run_times if left is None else [one.run_time(i, run_us) for i, run_us in left]
            scheduler._dispatch_event(JobSubmissionEvent(EVENT_JOB_MAX_INSTANCES, job.id, one.alias, times))

    # Getting out of line

    def freed(self, job_id: str) -> None:
        """A run of this job ended: look whether another may begin. Called by any thread."""
        if self._queues:
            self._scheduler._wake_for(self._scheduler._clock.now_us())

    def begin(self) -> None:
        """Begin what may begin now; called at the start of a pass."""
        self.tell_ended()
        self._is_new, self._rate_us = False, None
        for key, queue in list(self._queues.items()):
            blocked: set[str] = set()
            for entry in tuple(queue):
                job_id = entry.submission.job.id
                if job_id not in blocked and not self._is_out(key, entry):
                    blocked.add(job_id)

    def wait_s(self) -> float | None:
        """Seconds until the next look, as far as that is known: None: when a run ends."""
        if self._is_new or self._ended:
            return 0.0
        return None if self._rate_us is None else self._rate_us / SECOND_US

    def _note_rate(self, job: Any) -> None:
        """A run of this job was refused: if its group's rate did that, look again when it is over."""
        rates, group = self._scheduler._running_counts.rates, (job._extras or {}).get("group")
        if rates is not None and group in rates.refused:
            wait_us = max(1, rates.wait_us(group))
            self._rate_us = wait_us if self._rate_us is None else min(wait_us, self._rate_us)

    def _is_out(self, key: str, entry: Entry) -> bool:
        """Begin one run; False: it has to wait on."""
        one, run, scheduler = entry.submission, entry.run, self._scheduler
        if run is not None and run.is_over:  # cancelled, and told
            self._remove(key, entry)
            return True
        error: BaseException | None = None
        try:
            executor = scheduler._callable_here(scheduler._lookup_executor(one.job.executor))
        except KeyError as exc:
            error = exc
        else:
            if scheduler._running_counts.rates is not None:
                scheduler._running_counts.rates.refused.clear()
            failures = submit_all(executor, [one])
            error = failures[0][1] if failures else None
        if isinstance(error, MaxInstancesReachedError):
            self._note_rate(one.job)
            if rule_of(one.job) == "cancel_other":
                cancel_running(self._scheduler, one.job.id)
            return False
        self._remove(key, entry)
        if error is not None:
            self._end_delay(entry)
            self._tell_lost(entry, error)
        elif scheduler._wants(EVENT_JOB_SUBMITTED):
            scheduler._dispatch_event(
                JobSubmissionEvent(EVENT_JOB_SUBMITTED, one.job.id, one.alias, one.run_times)
            )
        return True

    def _tell_lost(self, entry: Entry, error: BaseException) -> None:
        one, scheduler = entry.submission, self._scheduler
        log_line(
            scheduler._logger.error,
            'A run of job "%s" that waited could not be handed to executor "%s"',
            job_text(one.job),
            one.job.executor,
            exc_info=error,
        )
        if entry.run is not None:
            book = scheduler._watched.made()
            book.forget(entry.run)
            book.close(entry.run, LOST, exc=error)
        for event in lost_events(one, error, scheduler._wants):
            scheduler._dispatch_event(event)

    def _end_delay(self, entry: Entry) -> None:
        """It will not be begun, so that nothing counts from its end."""
        delay = self._scheduler._backlogs.of(entry.submission)
        if delay is not None and delay.submission is entry.submission:
            delay.end()

    def _remove(self, key: str, entry: Entry) -> None:
        self._taken_out(lambda one: one is entry, key)

    def _taken_out(self, which: Any, key: str | None = None) -> list[Entry]:
        found: list[Entry] = []
        with self._lock:
            for name in [key] if key is not None else list(self._queues):
                queue = self._queues.get(name, [])
                out = [entry for entry in queue if which(entry)]
                for entry in out:
                    queue.remove(entry)
                    self._counts[entry.submission.job.id] -= 1
                    if not self._counts[entry.submission.job.id]:
                        del self._counts[entry.submission.job.id]
                if not queue:
                    self._queues.pop(name, None)
                found += out
        return found

    # The end

    def cancel(self, job_id: str | None, alias: str | None, cause: str) -> None:
        """Begin no more runs of a job, or of any; the next pass tells it, or the shutdown."""
        out = self._taken_out(
            lambda entry: (
                job_id in (None, entry.submission.job.id) and alias in (None, entry.submission.alias)
            )
        )
        for entry in out:
            self._end_delay(entry)
        self._ended += [(entry, cause) for entry in out]
        if out:
            self._scheduler._wake_for(self._scheduler._clock.now_us())

    def tell_ended(self) -> None:
        """Tell what will not be begun."""
        ended, self._ended = self._ended, []
        scheduler = self._scheduler
        for entry, cause in ended:
            one, run = entry.submission, entry.run
            run_us = next(iter(one.times_us()))
            tell_not_made(scheduler, one.job.id, one.alias, run_us, cause, run)


def tell_not_made(
    scheduler: Any, job_id: str, alias: str | None, run_us: int, cause: str, run: Run | None = None
) -> None:
    """A run that waited will not be begun."""
    run_time = moment(run_us, scheduler.timezone)
    log_line(
        scheduler._logger.warning,
        'The run of job "%s" of %s waited for another one to end, and is not made: %s',
        one_line(job_id),
        run_time,
        "the scheduler stopped" if cause == SHUTDOWN else "the job was removed or paused",
    )
    if run is not None and not run.is_over:
        run.reason = cause
        scheduler._watched.made().tell_cancelled(run)
    if scheduler._wants(EVENT_JOB_MISSED):
        late_s = (scheduler._clock.now_us() - run_us) / SECOND_US
        event = JobExecutionEvent(EVENT_JOB_MISSED, job_id, alias, run_time, lateness_s=late_s, cause=cause)
        event.run = run
        scheduler._dispatch_event(event)


def cancel_running(scheduler: Any, job_id: str, before_us: int | None = None) -> None:
    """Tell the longest run of a job that is under way here to end, unless one is about to; `before_us`: of those that
    were due before."""
    book = scheduler._watched.made()
    runs = [
        run
        for run in book.under_way()
        if run.job_id == job_id
        and run.state == RUNNING
        and (before_us is None or run.scheduled_us < before_us)
    ]
    if runs and not any(run.cancelled for run in runs):
        runs[0].reason = 'overlap="cancel_other": another run of its job is due'
        book.cancel(runs[0].id)


def _key(job: Any) -> str:
    """What a run waits for: places of its group, or of its job."""
    extras = job._extras or {}
    return f"group {extras['group']}" if "group" in extras else f"job {job.id}"


def _why(waiting: int) -> str:
    if waiting < 2:
        return "one run waits" if waiting else "it came too late to wait"
    return f"{waiting} runs wait{', which is the most' if waiting >= MOST_WAITING else ''}"
