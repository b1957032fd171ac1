"""The loop's one pass: fetch, plan, submit, store, tell, and say how long to sleep.

Here: the order of things, batches, what happens when a part raises. Not here: rules (`planning`), threads, sleeping.

No lock is held while a store, a trigger, an executor or a listener of the user's is called, except the lock under
which stores of others are always called. A run is submitted before its next run time is written. What can go wrong:
- a store raises: it is left alone for `jobstore_retry_interval`, the others go on. Changes it did not take are kept and
  written before anything is taken from it again, so that no run is made twice while the process lives;
- an executor raises: the run stays due and is tried again after the same interval;
- an executor is unknown, or a trigger raises: the job is parked;
- the scheduler is paused or shut down in the middle: what was not submitted stays due.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from logging import DEBUG, ERROR, INFO
from threading import Lock, get_ident
from time import monotonic
from typing import TYPE_CHECKING, Any

from rapscheduler._clock import SystemClock
from rapscheduler._engine.planning import MISSED_TOLD, Change, Submission, split_by_executor
from rapscheduler._scheduling.dispatcher import OUTCOMES
from rapscheduler._scheduling.foreign import moment
from rapscheduler._scheduling.health import health_of
from rapscheduler._scheduling.lifecycle import STATE_PAUSED, STATE_RUNNING
from rapscheduler._scheduling.loopstate import StoreState
from rapscheduler._scheduling.planning import BatchPlan, plan_batch
from rapscheduler._scheduling.storing import gone_from, guard
from rapscheduler.errors import (
    InterpreterEndingError,
    MaxInstancesReachedError,
    UnrunnableJobError,
    ends_program,
)
from rapscheduler.events import (
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_PARKED,
    EVENT_JOB_REMOVED,
    EVENT_JOB_SUBMITTED,
    JobEvent,
    JobParkedEvent,
    JobSubmissionEvent,
    SchedulerEvent,
)
from rapscheduler.jobstores.base import UnsettledError, park_reason

if TYPE_CHECKING:
    from rapscheduler.schedulers.base import BaseScheduler

SECOND_US = 1_000_000
BATCH = 4096  # jobs taken from a store at once, unless the store wants fewer
STUCK_WAIT_S = 1.0  # before asking again a store that says "due" and gives nothing
BREATH_S = (
    0.001  # a pass that found something is followed by none sooner: a busy loop then runs jobs by the dozen
)
BUSY_WAIT_S = 0.05  # before asking again while another thread makes a pass
PASS_S = (
    5.0  # a pass ends after this time even if more is due, so that new stores and jumps of the clock are seen
)
WALK_S = 0.1  # then the walk through the missed times of a third-party trigger lets other jobs run
JUMP_US = 1_000_000  # wall clock and monotonic clock may differ by this much between two passes


class DueLoop:
    """One pass after another over the stores of a scheduler; each pass in one thread at a time."""

    def __init__(self, scheduler: BaseScheduler, batch: int = BATCH) -> None:
        self._scheduler = scheduler
        self._batch = batch
        self._slice_s = PASS_S
        self._lock = Lock()
        self.pass_ident: int | None = None  # the thread that makes a pass right now
        self._states: dict[str, StoreState] = {}
        self._missing: set[str] = (
            set()
        )  # executors that a pass found missing; they may come while it parks their jobs
        self._passes = 0
        self._submitted = 0
        self._clock_jumps = 0
        self._last_pass_us: int | None = None
        self._last_pass_s: float | None = None

    # The pass

    def set_slices(self, batch: int, slice_s: float = PASS_S) -> None:
        """From now on take `batch` jobs at once, and end a pass after `slice_s` seconds even if more is due.

        For passes in an event loop, whose other callbacks must not wait: the pass then returns 0.0.
        """
        self._batch, self._slice_s = batch, slice_s

    def run_once(self) -> float | None:
        """Run what is due; the seconds until something is due again (`None`: nothing is planned)."""
        if not self._lock.acquire(blocking=False):
            return BUSY_WAIT_S
        try:
            self.pass_ident = get_ident()
            return self._pass()
        except BaseException as exc:  # a clock or a logger of the user's; the loop goes on whatever happens
            if ends_program(exc):
                raise
            self._scheduler._logger.exception("Error while looking for due jobs; trying again")
            return float(self._scheduler.jobstore_retry_interval)
        finally:
            self.pass_ident = None
            self._lock.release()

    def wait_idle(self, timeout_s: float | None = None) -> bool:
        """Wait until no pass is under way; False when the time was not enough."""
        if not self._lock.acquire(timeout=-1 if timeout_s is None else timeout_s):
            return False
        self._lock.release()
        return True

    def _pass(self) -> float | None:
        scheduler = self._scheduler
        logger = scheduler._logger
        if scheduler.state == STATE_PAUSED:
            logger.debug("Scheduler is paused -- not processing jobs")
            return None
        logger.debug("Looking for jobs to run")
        self._note_time()
        active = states = self._current_states()
        for state in states:
            state.took = False
        end_s = monotonic() + self._slice_s
        while active and self._is_open():
            active = [state for state in active if self._one_batch(state, end_s)]
            if active and monotonic() >= end_s:
                break
            if active:
                scheduler._let_run()
        self._passes += 1
        if not self._is_open():
            return None
        return 0.0 if active else self._wait_s(states)

    def _is_open(self) -> bool:
        return self._scheduler.state == STATE_RUNNING

    def _note_time(self) -> None:
        """Remember when this pass was, and notice a wall clock that moved by itself since the last one."""
        clock = self._scheduler._clock
        wall_us, steady_s = clock.now_us(), clock.monotonic()
        if self._last_pass_us is not None and self._last_pass_s is not None:
            jump_us = wall_us - self._last_pass_us - int((steady_s - self._last_pass_s) * SECOND_US)
            if abs(jump_us) > JUMP_US:
                self._clock_jumps += 1
                self._scheduler._logger.info(
                    "The clock moved by %+.1f s (it was set, or the machine slept)", jump_us / SECOND_US
                )
        self._last_pass_us, self._last_pass_s = wall_us, steady_s

    def _current_states(self) -> list[StoreState]:
        """The state of every store the scheduler has now; a store that was replaced starts afresh."""
        states: dict[str, StoreState] = {}
        for alias, store in list(self._scheduler._jobstores.items()):
            known = self._states.get(alias)
            state = known if known is not None and known.store is store else StoreState(alias, store)
            states[alias] = state
        if self.pass_ident == get_ident():  # others only look: what the pass remembers must not get lost
            self._states = states
        return list(states.values())

    def _one_batch(self, state: StoreState, end_s: float) -> bool:
        """Fetch, plan, submit and settle one batch of a store. True: there may be more. `end_s`: of the pass."""
        scheduler = self._scheduler
        if state.retry_at_s is not None:
            if scheduler._clock.monotonic() < state.retry_at_s:
                return False
            state.retry_at_s = None
        if state.unsettled and not self._settle_again(state):
            return False
        now_us = scheduler._clock.now_us()
        state.end_deferments(now_us, int(scheduler.jobstore_retry_interval * SECOND_US))
        limit = min(self._batch, state.calls._due_batch or self._batch) + len(state.deferred)
        jobs = self._take(state, now_us, limit)
        if not jobs:
            return False
        more = len(jobs) >= limit
        if state.deferred:
            jobs = [job for job in jobs if not state.is_deferred(job)]
        walk_end_s = min(end_s, monotonic() + WALK_S)
        batch = plan_batch(jobs, now_us, scheduler.timezone, state.walks, walk_end_s)
        state.walks = {**state.walks, **batch.walks} if more else batch.walks
        self._carry_out(state, batch, now_us)
        progress = bool(batch.submissions or batch.parks or batch.walks)
        state.took = state.took or progress
        return (more and progress) or bool(batch.walks)

    def _take(self, state: StoreState, now_us: int, limit: int) -> Sequence[Any]:
        state.taken_at_us = now_us
        try:
            with guard(self._scheduler, state.store):
                jobs: Sequence[Any] = state.calls._take_due(now_us, limit)
                return jobs
        except BaseException as exc:
            if ends_program(exc):
                raise
            self._scheduler._logger.warning("Error getting due jobs from job store %r: %s", state.alias, exc)
            self._back_off(state)
            return ()

    def _back_off(self, state: StoreState) -> None:
        state.retry_at_s = self._scheduler._clock.monotonic() + self._scheduler.jobstore_retry_interval

    # Submitting

    def _carry_out(self, state: StoreState, batch: BatchPlan, now_us: int) -> None:
        """Submit a batch, settle it, tell it."""
        events: list[SchedulerEvent] = []
        changes: list[Change] = []
        for park, error in batch.parks:
            self._set_aside(state, [park], events, error)
            changes.append(park)
        dispatcher = self._scheduler._dispatcher
        if not dispatcher.wants(EVENT_JOB_SUBMITTED):
            self._submit_groups(state, batch, now_us, changes, events)
            return
        ids = [one.job.id for one in batch.submissions]
        with dispatcher.announcing(ids, OUTCOMES):  # "executed" waits until "submitted" was told
            self._submit_groups(state, batch, now_us, changes, events)

    def _submit_groups(
        self,
        state: StoreState,
        batch: BatchPlan,
        now_us: int,
        changes: list[Change],
        events: list[SchedulerEvent],
    ) -> None:
        try:
            for alias, group in split_by_executor(batch.submissions, batch.changes).items():
                if not self._is_open():
                    break  # what is left stays due
                self._submit(state, alias, *group, now_us, events, changes)
        finally:  # whatever was raised (a logger of the user's, Ctrl-C): what was submitted must not run again
            if changes:
                self._settle(state, changes)
        if batch.skipped:
            self._log_skipped(batch, changes)
        while self._missing:
            alias = self._missing.pop()
            if alias in self._scheduler._executors:
                self.executor_added(alias)
        self.add_removals(state, changes, events)
        for event in events:
            self._scheduler._dispatch_event(event)

    def _submit(
        self,
        state: StoreState,
        executor_alias: str,
        submissions: list[Submission],
        changes: list[Change],
        now_us: int,
        events: list[SchedulerEvent],
        settled: list[Change],
    ) -> None:
        """Hand the runs for one executor over; the changes that may be written now come into `settled`."""
        try:
            executor = self._scheduler._lookup_executor(executor_alias)
            executor = self._scheduler._callable_here(executor)
        except Exception:
            reason = park_reason(
                f'there is no executor "{executor_alias}"; add one with add_executor(), or modify_job(executor=…)'
            )
            parks = [
                Change(one.job, change.expected_us, park=reason)
                for one, change in _pairs(submissions, changes)
            ]
            settled += parks
            if executor_alias not in self._scheduler._executors:
                self._missing.add(executor_alias)
            self._set_aside(state, parks, events)
            return
        failures = _submit_all(executor, submissions)
        self._submitted += len(submissions) - len(failures)
        if failures:
            errors = {id(one): error for one, error in failures}
            pairs = _pairs(submissions, changes)
            first = len(settled)
            settled += [change for one, change in pairs if id(one) not in errors]
            self._after_failures(state, executor_alias, submissions, changes, errors, now_us, events, settled)
            # Jobs of one instant keep their turn: what is written first is due first the next time.
            turn = {change.job.id: i for i, change in enumerate(changes)}
            settled[first:] = sorted(settled[first:], key=lambda change: turn[change.job.id])
        else:
            settled += changes
        if self._scheduler._wants(EVENT_JOB_SUBMITTED):
            refused = {id(one) for one, _ in failures}
            events += [
                JobSubmissionEvent(EVENT_JOB_SUBMITTED, one.job.id, state.alias, one.run_times)
                for one in submissions
                if id(one) not in refused
            ]

    def _after_failures(
        self,
        state: StoreState,
        executor_alias: str,
        submissions: list[Submission],
        changes: list[Change],
        errors: dict[int, Exception],
        now_us: int,
        events: list[SchedulerEvent],
        settled: list[Change],
    ) -> None:
        """Sort out what an executor did not take: skipped, unrunnable, or to be tried again."""
        again: list[Submission] = []
        for one, change in _pairs(submissions, changes):
            error = errors.get(id(one))
            if isinstance(error, UnrunnableJobError):
                change = Change(one.job, change.expected_us, park=park_reason(error))
                self._set_aside(state, [change], events)
            elif isinstance(error, MaxInstancesReachedError):
                self._skip(state, one, events)
            else:
                if error is not None:
                    again.append(one)
                continue
            settled.append(change)
        if again and self._is_open():
            self._defer(state, executor_alias, again, errors[id(again[0])], now_us)

    def _skip(self, state: StoreState, one: Submission, events: list[SchedulerEvent]) -> None:
        """As many runs of the job as allowed are under way: this one is left out, as in APScheduler."""
        self._scheduler._logger.warning(
            'Execution of job "%s" skipped: maximum number of running instances reached (%d)',
            one.job,
            one.job.max_instances,
        )
        if self._scheduler._wants(EVENT_JOB_MAX_INSTANCES):
            events.append(JobSubmissionEvent(EVENT_JOB_MAX_INSTANCES, one.job.id, state.alias, one.run_times))

    def _log_skipped(self, batch: BatchPlan, settled: list[Change]) -> None:
        """Say which run times were missed so long ago, and so often, that they are not told one by one."""
        jobs = {id(change.job) for change in settled if change.park is None}
        for one, first_us, last_us in batch.skipped:
            if id(one.job) in jobs:
                self._scheduler._logger.warning(
                    'Run times of job "%s" from %s to %s were missed, and only the latest %d missed ones are told '
                    "one by one (nobody looked for due jobs at that time; coalesce=True runs once for all of them)",
                    _text(one.job),
                    moment(first_us, self._scheduler.timezone),
                    moment(last_us, self._scheduler.timezone),
                    MISSED_TOLD,
                )

    def _set_aside(
        self,
        state: StoreState,
        parks: Iterable[Change],
        events: list[SchedulerEvent],
        error: BaseException | None = None,
    ) -> None:
        for park in parks:
            self._scheduler._logger.error(
                'Job "%s" was parked: %s', _text(park.job), park.park, exc_info=error
            )
            if self._scheduler._wants(EVENT_JOB_PARKED):
                events.append(JobParkedEvent(EVENT_JOB_PARKED, park.job.id, state.alias, park.park or ""))

    def _defer(
        self, state: StoreState, executor_alias: str, again: list[Submission], error: Exception, now_us: int
    ) -> None:
        """Leave runs that could not be submitted due, and try them again later."""
        retry_s = self._scheduler.jobstore_retry_interval
        self._scheduler._logger.log(
            DEBUG if isinstance(error, InterpreterEndingError) else ERROR,  # at the end nobody can help it
            'Error submitting job "%s" to executor "%s"%s -- still due, trying again in %g s',
            _text(again[0].job),
            executor_alias,
            f" (and {len(again) - 1} more jobs)" if len(again) > 1 else "",
            retry_s,
            exc_info=error,
        )
        until_us = now_us + int(retry_s * SECOND_US)
        jobs = [one.job for one in again]
        try:
            with guard(self._scheduler, state.store):
                kept = state.calls._defer(jobs, until_us)
        except Exception:
            kept = False
        if not kept:
            for job in jobs:
                state.deferred[job.id] = (job.run_at_us, until_us)

    # Settling

    def _settle(self, state: StoreState, changes: list[Change]) -> bool:
        """Write changes, those the store did not take before first. False: some are still not written."""
        batch = [*state.unsettled.values(), *changes] if state.unsettled else changes
        error = self.write(state, batch)
        if error is None:
            return True
        self._back_off(state)
        self._scheduler._logger.warning(
            "Error updating %d jobs in job store %r: %s -- trying again in %g s, before any more of its jobs run",
            len(state.unsettled),
            state.alias,
            error,
            self._scheduler.jobstore_retry_interval,
        )
        return False

    def write(self, state: StoreState, batch: list[Change]) -> BaseException | None:
        """Write changes; what is left of them is `state.unsettled`, and the error says why."""
        try:
            with guard(self._scheduler, state.store):
                state.calls._settle(batch)
        except BaseException as exc:
            if ends_program(exc):
                raise
            left = exc.unsettled if isinstance(exc, UnsettledError) else batch
            state.unsettled = {change.job.id: change for change in left}
            return exc.__cause__ or exc
        state.unsettled = {}
        return None

    def _settle_again(self, state: StoreState) -> bool:
        """Write what the store did not take before, and tell it. False: some still is not written."""
        changes, events = list(state.unsettled.values()), list[SchedulerEvent]()
        settled = self._settle(state, [])
        self.add_removals(state, changes, events)
        for event in events:
            self._scheduler._dispatch_event(event)
        return settled

    def add_removals(self, state: StoreState, changes: list[Change], events: list[SchedulerEvent]) -> None:
        """Jobs that will not run any more are gone from their store: log and tell it, if somebody wants to know.

        The store is asked: a job that a user gave another time at this very moment is still there.
        """
        logger = self._scheduler._logger
        wanted = self._scheduler._wants(EVENT_JOB_REMOVED)
        if not wanted and not logger.isEnabledFor(INFO):
            return
        removed = [one.job.id for one in changes if one.remove and one.park is None]
        for job_id in gone_from(self._scheduler, state, removed):
            logger.info("Removed job %s", job_id)
            if wanted:
                events.append(JobEvent(EVENT_JOB_REMOVED, job_id, state.alias))

    # Sleeping

    def _wait_s(self, states: Sequence[StoreState]) -> float | None:
        """Seconds until a store has something due or is to be asked again."""
        clock, logger = self._scheduler._clock, self._scheduler._logger
        waits: list[float] = []
        for state in states:
            wait_s = self._store_wait_s(state)
            if wait_s is not None:
                waits.append(wait_s)
        if not waits:
            logger.debug("No jobs; waiting until a job is added")
            return None
        wait_s = max(0.0, min(waits))
        if 0 < wait_s < BREATH_S and isinstance(clock, SystemClock) and any(state.took for state in states):
            wait_s = BREATH_S
        if logger.isEnabledFor(DEBUG):
            wake_at = moment(clock.now_us() + int(wait_s * SECOND_US), self._scheduler.timezone)
            logger.debug("Next wakeup is due at %s (in %f seconds)", wake_at, wait_s)
        return wait_s

    def _store_wait_s(self, state: StoreState) -> float | None:
        clock = self._scheduler._clock
        if state.retry_at_s is not None:
            return state.retry_at_s - clock.monotonic()
        try:
            with guard(self._scheduler, state.store):
                earliest_us: int | None = state.calls._earliest_us()
        except BaseException as exc:
            if ends_program(exc):
                raise
            self._scheduler._logger.warning(
                "Error getting the next run time from job store %r: %s", state.alias, exc
            )
            self._back_off(state)
            return float(self._scheduler.jobstore_retry_interval)
        if earliest_us is None:
            return None
        wait_s = (earliest_us - clock.now_us()) / SECOND_US
        if earliest_us <= state.taken_at_us and not state.took:
            wait_s = STUCK_WAIT_S  # what is due there is not to be had now
        if state.deferred:
            retry_us = min(until_us for _, until_us in state.deferred.values())
            wait_s = min(wait_s, (retry_us - clock.now_us()) / SECOND_US)
        return wait_s

    # For the scheduler

    @property
    def scheduler(self) -> BaseScheduler:
        return self._scheduler

    def states(self) -> list[StoreState]:
        """What is remembered of the stores of the last pass."""
        return list(self._states.values())

    def executor_added(self, alias: str) -> None:
        """Let the jobs that were parked for want of this executor be tried again."""
        for state in self._current_states():
            try:
                with guard(self._scheduler, state.store):
                    waiting = [
                        parked.job_id
                        for parked in state.calls._get_parked()
                        if getattr(parked.job, "executor", None) == alias
                        or f'no executor "{alias}"' in parked.reason
                    ]
                    if waiting:
                        state.calls._unpark(waiting)
            except Exception as exc:
                self._scheduler._logger.warning(
                    "Error looking for parked jobs in job store %r: %s -- call resume_parked() when it works again",
                    state.alias,
                    exc,
                )

    def health(self) -> dict[str, Any]:
        """What the loop knows of itself, see `_scheduling.health`."""
        return health_of(self)


def _pairs(submissions: list[Submission], changes: list[Change]) -> Iterable[tuple[Submission, Change]]:
    return zip(submissions, changes, strict=True)


def _submit_all(executor: Any, submissions: list[Submission]) -> list[tuple[Submission, Exception]]:
    """Submit a batch; an executor that only knows APScheduler's contract gets the jobs one by one."""
    submit_batch = getattr(executor, "_submit_batch", None)
    if submit_batch is not None:
        try:
            failures: list[tuple[Submission, Exception]] = submit_batch(submissions)
            return failures
        except Exception as exc:  # none was accepted
            return [(one, exc) for one in submissions]
    failed: list[tuple[Submission, Exception]] = []
    for one in submissions:
        try:
            executor.submit_job(one.job, one.run_times)
        except Exception as exc:
            failed.append((one, exc))
    return failed


def _text(job: Any) -> str:
    """A job as text, whatever its trigger's own text does."""
    try:
        return str(job)
    except Exception:
        return str(job.id)
