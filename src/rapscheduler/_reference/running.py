"""Runs under way: counting them, making the call of the plain ones, and telling of those.

Here: `RunningCounts` (one for a scheduler, whatever its executors), `run_at_once`, and what it takes to make and tell a
run without a step in Python: who listens (`Ears`), which way a run goes (`QuickRuns`). Not here: what an event is,
logs, workers, the run loop, the runs of other schedulers on a shared store (`_scheduling.claims`).
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from rapscheduler._locks import KeptLock
from rapscheduler._reference.job_core import _QUIET, JobCore
from rapscheduler._reference.ledger import Kept, Ledger, RunCore
from rapscheduler._reference.planning import Submission, is_late

_EXECUTED = 1 << 12  # the code of the event
_LONG, _BY_EARS = 0, 2
_INFO = 20  # the level


class NotBegun:
    """What `run_at_once` returns when it did not make the call."""


def run_at_once(
    submission: Submission, now_us: Callable[[], int], counts: RunningCounts, ledger: Ledger | None = None
) -> Any:
    """Make the call of a submission that has one run time and is not late; what it returns or raises.

    `None`: it ran, there is nothing to tell, its place in `counts` was given back, and `ledger` keeps it, if there is
    one; unless somebody adopted the run (`submission.kept.run`): then it is to be told as any. `NotBegun`: the run loop
    has to look at it, and at each job with options that concern its runs. This is the price of most runs; everything
    else is the run loop's.
    """
    begins, began_us = _begins(submission, now_us)
    if not begins:
        return NotBegun
    job = submission.job
    kept = None
    if ledger is not None:
        kept = submission.kept = ledger._begun(job.id, submission.alias, submission._times_us[0], began_us)
    value = _value_of(job)
    if value is None and (ledger is None or kept is None or ledger.end(kept)):
        counts.release(job.id)
    return value


def _begins(submission: Submission, now_us: Callable[[], int]) -> tuple[bool, int | None]:
    """Whether the call may be made: one run time, in time, and nothing about the job that concerns its runs; and the
    time, if it had to be asked for."""
    job = submission.job
    if submission._trigger is not None or len(submission._times_us) != 1 or not isinstance(job, JobCore):
        return False, None
    if not _QUIET.issuperset(job._extras or ()):
        return False, None
    grace_s = job.misfire_grace_time
    if grace_s is None:
        return True, None
    began_us = now_us()
    return not is_late(submission._times_us[0], began_us, grace_s), began_us


def _value_of(job: JobCore) -> Any:
    return job.func(*job.args, **job.kwargs)


def _call_of(job: JobCore) -> Callable[[], Any]:
    """What makes the call of a job, called without arguments."""
    func: Callable[..., Any] = job.func
    return partial(func, *job.args, **job.kwargs) if job.args or job.kwargs else func


class RunningCounts:
    """How many runs of each job are under way, in all executors of a scheduler. Every method is atomic.

    `limits`: how many runs a group's jobs may have under way together, where somebody said so; `rates`: what has
    ``take(group)``, asked before another run of a group begins, if there are any; `freed`: called with the
    id of a job whose place was given back, if anybody waits for one.
    """

    __slots__ = ("_counts", "_groups", "_lock", "freed", "limits", "rates")

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._groups: dict[str, set[str]] = {}  # the jobs of each that run, or have run
        self.limits: dict[str, int] = {}
        self.rates: Any = None
        self.freed: Callable[[str], Any] | None = None
        self._lock = KeptLock()

    def acquire(self, job_id: str, limit: int) -> bool:
        """Count one more run unless `limit` are under way."""
        with self._lock:
            count = self._counts.get(job_id, 0)
            if count >= limit:
                return False
            self._counts[job_id] = count + 1
            return True

    def acquire_job(self, job: Any) -> bool:
        """Count one more run of a job unless as many as allowed, of it or its group, are under way, or a rate is over.

        A job that may overlap is counted, and never kept back by its own limit.
        """
        extras = getattr(job, "_extras", None) or {}
        limit = sys.maxsize if extras.get("overlap") == "allow" else job.max_instances
        group = extras.get("group")
        if group is None:
            return self.acquire(job.id, limit)
        with self._lock:
            members = {one for one in self._groups.get(group, ()) if one in self._counts}
            most = self.limits.get(group, limit)
            if sum(self._counts[one] for one in members) >= most or self._counts.get(job.id, 0) >= limit:
                return False
            if self.rates is not None and not self.rates.take(group):
                return False
            self._groups[group] = {*members, job.id}
            self._counts[job.id] = self._counts.get(job.id, 0) + 1
            return True

    def release(self, job_id: str) -> None:
        """Count one run less; an id without runs is left alone."""
        with self._lock:
            count = self._counts.get(job_id, 0)
            if count > 1:
                self._counts[job_id] = count - 1
            elif count == 1:
                del self._counts[job_id]
            freed = self.freed
        if freed is not None:
            freed(job_id)

    def acquire_runs(self, submissions: Iterable[Submission]) -> tuple[list[Submission], list[Submission]]:
        """Count many submissions: those that hold a place now, and those whose job runs often enough already.

        When a limit can't be compared, the error is raised and none of them holds a place.
        """
        granted: list[Submission] = []
        refused: list[Submission] = []
        try:
            for submission in submissions:
                job = submission.job
                if self.acquire_job(job):
                    submission.counted = True
                    granted.append(submission)
                else:
                    refused.append(submission)
        except BaseException:
            for submission in granted:
                self.release_run(submission)
            raise
        return granted, refused

    def release_run(self, submission: Submission) -> None:
        """Give the place of a submission back; a second call does nothing."""
        with self._lock:
            if not submission.counted:
                return
            submission.counted = False
        self.release(submission.job.id)

    def count(self, job_id: str) -> int:
        """How many runs of this job are under way."""
        return self._counts.get(job_id, 0)

    def count_group(self, group: str) -> int:
        """How many runs of the jobs of this group are under way."""
        with self._lock:
            return sum(self._counts.get(one, 0) for one in self._groups.get(group, ()))

    def __len__(self) -> int:
        return len(self._counts)


class Ears:
    """Who listens, as the engine has to know it; a dispatcher adds the methods that raise here.

    `mask`: the codes that somebody wants; `by_code`: the listeners of each code of which an event came since the list
    was changed; `held`: not empty while events of some jobs wait for others; `outbox`: those that wait for the loop in
    which all are told, None where whoever makes an event tells it.
    """

    __slots__ = ("by_code", "held", "mask", "outbox")

    def __init__(self) -> None:
        self.mask = 0
        self.by_code: dict[int, tuple[Callable[[Any], Any], ...]] = {}
        self.held: dict[str, Any] = {}
        self.outbox: deque[Any] | None = None

    def who_wants(self, code: int) -> tuple[Callable[[Any], Any], ...]:
        """The listeners of a code."""
        raise NotImplementedError

    def hold_back(self, event: Any) -> bool:
        """Whether an event has to wait, and does."""
        raise NotImplementedError

    def failed(self, error: BaseException) -> None:
        """A listener raised."""
        raise NotImplementedError

    def dispatch(self, event: Any) -> None:
        """Tell an event now, or when what has to come before it was told."""
        if not self.held or not self.hold_back(event):
            self.tell(event)

    def tell(self, event: Any) -> None:
        """Tell an event at once."""
        code = event.code
        listeners = self.by_code.get(code)
        for callback in self.who_wants(code) if listeners is None else listeners:
            try:
                callback(event)
            except BaseException as error:
                self.failed(error)


class Closable:
    """Backlogs, as the engine has to know them. `claims`: single runs are among them, for their store is shared."""

    __slots__ = ("claims",)

    def __init__(self) -> None:
        self.claims = False


class QuickRuns:
    """Runs that need no run loop, for they simply run, and have nothing to tell but one event and two log lines.

    :param executor: whose runs they are, once it was started: it has `_run_long(submission)`, the way of all other
        runs; `_finish_run(submission, value, error)`, for a call that was made and left something to await or raised;
        `_write_left()`, called before a run that logs nothing when `_left_lines` is true, which is set here when a last
        line may have been left for later, as it is where `_writes_later`; `_run_lost(submission, error)`;
        `_tell_now(event)`, for a run that ended in a loop; `_wants(code)`, `_logger`, `_running`, `_now_us`,
        `_scheduler`, and a `_home` with `watched` (`Watching`), `backlogs` (`Closable`) and `ears`. While
        `backlogs.claims`, `backlogs.of(submission)` is its claim or None: a run is quick if the claim's
        `begin_at_once()` says so, by its clock `now_us`, and its `end()` is told last.
        A run is begun in the ledger, if there is one, and `submission.kept` is what that has of it; an event has it
        too, as `kept`. Where `watched.around` is something, a run is a `RunCore` instead, `run` of the event; it is
        `submission.kept` only where there is more to tell of it
    :param judge: called without arguments: 0, there are no quick runs, for somebody hooks in; 1, whether to tell an
        event is asked of the executor, and the scheduler is given it (`_dispatch_event`); 2, both is up to the ears.
        (Asked again when `_run_job_success` was put on the executor, `_dispatch_event` or `_wants` on the scheduler, or
        taken away, or their class changed)
    :param names: of a module that has `datetime`: while that is not the `_DATETIME` of the module, somebody stands in
        for the clock, and there are no quick runs
    :param event: makes the event of a run that ended well: `(code, job id, alias, run time, value)`
    :param lines: what writes the two log lines, where INFO is logged: `(logger, submission)`, which gives the text of
        the job, "" when no handler took the line; and `(logger, text, later)`
    """

    def __init__(
        self,
        executor: Any,
        judge: Callable[[], int],
        names: dict[str, Any],
        event: Callable[..., Any],
        lines: tuple[Callable[..., str], Callable[..., None]],
    ) -> None:
        self._executor = executor
        self._judge = judge
        self._names = names
        self._event = event
        self._counts = executor._running
        self._home = executor._home
        self._now_us = executor._now_us
        self._line_begun, self._line_ended = lines

    def make(self, submission: Submission) -> None:
        """Run a submission; what is not plain goes the executor's long way."""
        executor, text = self._executor, ""
        claim: Any = None
        began_us: int | None = None
        value: Any = None
        error: Any = None
        event: Any = None
        plain = False
        kept: Kept | None = None
        run: RunCore | None = None
        try:
            way = self._way()
            plain = way != _LONG
            if plain and self._home.backlogs.claims:
                claim = self._home.backlogs.of(submission)
            if plain and (claim is None or claim.now_us is None):
                plain, began_us = _begins(submission, self._now_us)
            elif plain:
                plain, _ = _begins(submission, claim.now_us)  # by a clock that is not the ledger's
            if plain and claim is not None:
                plain = claim.begin_at_once()
            if plain:
                if executor._left_lines or executor._logger.isEnabledFor(_INFO):
                    text = self._begin_line(submission)
                watched, first_us = self._home.watched, submission._times_us[0]
                around, ledger = watched.around, watched.ledger
                if around is not None:
                    begun_us = self._now_us() if began_us is None else began_us
                    run = around._begun(submission.job, submission.alias, first_us, begun_us)
                elif ledger is not None:
                    kept = ledger._begun(submission.job.id, submission.alias, first_us, began_us)
                    submission.kept = kept
                try:
                    job = submission.job
                    value = _value_of(job) if run is None else around._made(run, _call_of(job))
                    plain = value is None or not hasattr(value, "__await__")  # which may raise
                except BaseException as exc:
                    plain, error = False, exc
                if plain and kept is not None:
                    plain = ledger.end(kept)
                if plain and run is not None:
                    plain = not watched.every and around._ended(run, value, watched.ledger, self._now_us())
                if not plain and run is not None:
                    submission.kept = run
                if plain:
                    event = self._outcome(submission, value, way, run)
                    if text:
                        self._end_line(text)
                    if claim is not None:
                        claim.end()
                    self._counts.release(submission.job.id)  # last: before, `_run_lost` gives the place back
            else:
                error = NotBegun
        except BaseException as exc:  # not the job's own: a log handler, or a bug of ours
            if run is not None:
                submission.kept = run
            executor._run_lost(submission, exc)
            return
        try:
            if error is NotBegun:
                executor._run_long(submission)
            elif not plain:
                executor._finish_run(submission, value, error)
            elif event is not None:
                self._tell(event, way)
        finally:
            error = run = None  # what was raised holds this frame, and the run holds that

    def told(self, submission: Submission, value: Any) -> None:
        """Tell, in the loop, of a run that was plain, and whose call the executor saw end well."""
        way = self._judge()
        event = self._outcome(submission, value, way, None)
        if event is not None:
            self._executor._tell_now(event)

    def _tell(self, event: Any, way: int) -> None:
        if way == _BY_EARS:
            self._home.ears.dispatch(event)
        else:
            self._executor._scheduler._dispatch_event(event)

    def _begin_line(self, submission: Submission) -> str:
        """Log that a run begins, where INFO is logged; the text of its job, if a handler took the line."""
        executor = self._executor
        if executor._logger.isEnabledFor(_INFO):
            text: str = self._line_begun(executor._logger, submission)
            return text
        if executor._left_lines:
            executor._write_left()
        return ""

    def _end_line(self, text: str) -> None:
        executor = self._executor
        later = executor._writes_later
        if later and not executor._left_lines:
            executor._left_lines = True
        self._line_ended(executor._logger, text, later)

    def _way(self) -> int:
        if self._names["datetime"] is not self._names["_DATETIME"]:
            return _LONG
        watched = self._home.watched
        if watched.every or (watched.around is not None and not watched.around._may_begin()):
            return _LONG
        return self._judge()

    def _outcome(self, submission: Submission, value: Any, way: int, run: RunCore | None) -> Any:
        """The event of a run that ended well; None: nobody wants it."""
        job = submission.job
        wanted = self._home.ears.mask & _EXECUTED if way == _BY_EARS else self._executor._wants(_EXECUTED)
        if not wanted:
            return None
        run_time = submission.run_time(0, submission._times_us[0])
        event = self._event(_EXECUTED, job.id, submission.alias, run_time, value)
        if submission.kept is not None:
            event.kept = submission.kept
        elif run is not None:
            event.run = run
        return event
