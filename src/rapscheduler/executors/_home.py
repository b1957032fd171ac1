"""What a scheduler and an executor have to do with each other.

Here: what an executor asks of the scheduler that it works for (`Home`, and the one made for a scheduler that brings
none: of another family, or a stand-in of a test), and how it is handed a batch (`submit_all`). Also what the two share
of backlogs, which are submissions of several run times: another run is begun only while nobody has closed
its backlog. Not here: events, which are told by the scheduler's `_dispatch_event`, as in APScheduler; what a store is
told of run times that were not begun (`_scheduling.last_writes`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from threading import RLock
from weakref import WeakSet

from rapscheduler._clock import SYSTEM
from rapscheduler._engine.claims import OpenRun, OpenRuns
from rapscheduler._engine.ledger import RunCore, Watching
from rapscheduler._engine.planning import Change, Submission
from rapscheduler._engine.running import Ears, RunningCounts
from rapscheduler._hints import TYPE_CHECKING, Any, ClassVar
from rapscheduler._instants import us_of
from rapscheduler.errors import ends_program

if TYPE_CHECKING:
    from contextvars import Context


Failures = list[tuple[Submission, BaseException]]

SHUTDOWN, CANCELLED = "shutdown", "cancelled"  # causes of a run time that is not made


def every_event(code: int) -> bool:
    """The answer of who wants every event."""
    return True


def counts_from_end(job: Any) -> bool:
    """Whether the next run of a job counts from the end of the one before (`_scheduling.delays`)."""
    return bool(getattr(getattr(job.trigger, "skips", None), "after_end", False))


class Backlog(OpenRun):
    """A submission whose run times are begun one after another, from the submission until its run loop has ended.

    `begun`: how many of its run times were begun; `closed`: no other will be; `expected_us`: when the job is due next,
    as this scheduler wrote it last (`None`: it was removed, for its schedule is over); `overtaken`: a later run time of
    the job was submitted meanwhile; `nominal_us`: that of the first run time, before the job was moved on; `kept`: it
    was closed so that the rest becomes due again; `now_us`: the clock it goes by (`None`: the executor's); `several`:
    run times, else it ends as it began, whatever becomes of its job; `counts`: its job's next run counts from its end.
    """

    puts_back = True  # by its scheduler's last writes

    __slots__ = ()

    def begin(self, i: int) -> bool:
        """Whether run time `i` may be begun: each is, or is left when somebody closes this, never both."""
        with self._table.lock:
            if not self.closed:
                self.begun = i + 1
            return not self.closed

    def _end(self) -> bool:
        closed: bool = self._table.discard(self)
        return closed

    def left(self) -> Iterator[tuple[int, int]]:
        """The run times that were not begun, and their places among all."""
        return ((run_us, i) for i, run_us in islice(enumerate(self.submission.times_us()), self.begun, None))


class Backlogs(OpenRuns):
    """Those of a scheduler that have not ended, by job id. `closed`: those whose rest is to become due again;
    `claims`: whether single runs are among them, for their store is shared; `waiting`: the runs that wait for others to
    end (`_scheduling.overlap`), which end as these do, if there ever were some; `counts`: whether there ever were runs
    from whose end the next one counts; `ends`: what of those has ended, for the next pass (`_scheduling.delays`)."""

    counts = False
    waiting: Any = None

    def __init__(self) -> None:
        super().__init__()
        self.closed: list[Backlog] = []
        self.ends: deque[Any] = deque()

    def __bool__(self) -> bool:
        return bool(self._open) or bool(self.waiting)

    def add(self, submission: Submission, change: Change) -> None:
        """A submission is about to be handed over, and its job moved on by this change."""
        self.put(Backlog(self, submission, change))

    def _like(self, submission: Submission) -> Backlog | None:
        first_us = next(iter(submission.times_us()))
        for backlog in self._of_job(submission.job.id):
            first = backlog.submission
            if first.alias == submission.alias and next(iter(first.times_us())) == first_us:
                return backlog
        return None

    def _of_job(self, job_id: str) -> tuple[Backlog, ...]:
        return tuple(self._open.get(job_id, ()))

    def discard(self, backlog: Backlog, ended: Callable[[int | None], Any] | None = None) -> bool:
        """Forget a backlog; whether it was closed. `ended`: makes of its `expected_us` what is kept in `ends`."""
        with self.lock:
            if ended is not None:
                self.ends.append(ended(backlog.expected_us))
            return self.forget(backlog)

    def moved(self, submission: Submission, change: Change, skipped: bool) -> None:
        """A later run time of a job was skipped or submitted, and the job is moved on by this change."""
        expected_us = None if change.remove else change.run_at_us
        with self.lock:
            for backlog in self._of_job(submission.job.id):
                if backlog.submission is not submission and backlog.submission.alias == submission.alias:
                    backlog.expected_us = expected_us
                    backlog.overtaken = backlog.overtaken or not skipped
            if skipped:
                for i in self._ends_of(submission.job.id, submission.alias):
                    self.ends[i] = self.ends[i]._replace(expected_us=expected_us)

    def _ends_of(self, job_id: str, alias: str | None) -> list[int]:
        """Where in `ends` those of a job are. Other threads only add some, the pass takes them out."""
        ends = self.ends
        return [i for i in range(len(ends)) if ends[i].job_id == job_id and ends[i].alias == alias]

    def cancel(self, job_id: str | None = None, alias: str | None = None) -> None:
        """Begin no more runs of a job, or of any; nobody wants them. `alias`: of one store only."""
        self._close(job_id, alias)
        if self.waiting is not None:
            self.waiting.cancel(job_id, alias, CANCELLED)

    def close(self, alias: str | None = None) -> None:
        """Begin no more runs; what is left will become due again."""
        self._close(None, alias, keep=True)
        if self.waiting is not None:
            self.waiting.cancel(None, alias, SHUTDOWN)

    def _close(self, job_id: str | None, alias: str | None, keep: bool = False) -> None:
        with self.lock:
            groups = [self._of_job(one) for one in (tuple(self._open) if job_id is None else (job_id,))]
            found = [
                backlog
                for group in groups
                for backlog in group
                if not backlog.closed
                and (keep or backlog.several)
                and alias in (None, backlog.submission.alias)
            ]
            for backlog in found:
                backlog.kept = keep  # first: who finds it closed asks
                backlog.closed = True
            if keep:
                self.closed += [backlog for backlog in found if backlog.puts_back]

    def known(self) -> set[str]:
        """The ids of the jobs that have any."""
        with self.lock:
            return set(self._open)

    def counting(self, job_id: str, alias: str | None) -> bool:
        """Whether the end of a run of this job, from which the next one counts, is waited for or not written yet."""
        with self.lock:
            known = self._of_job(job_id)
            if any(backlog.counts and backlog.submission.alias == alias for backlog in known):
                return True
            return bool(self._ends_of(job_id, alias))

    def lost(self, job_id: str) -> None:
        """A run that an executor of others had is lost, and nobody says which: that whose end is waited for."""
        for backlog in self._of_job(job_id):
            if backlog.counts:
                backlog.begun = backlog.begun or 1
                backlog.end()

    def ended(self, job_id: str, events: Sequence[Any]) -> None:
        """Runs that an executor of others made to their end, as its events tell."""
        known = self._of_job(job_id)
        told = {(event.jobstore, us_of(event.scheduled_run_time)) for event in events} if known else set()
        for backlog in known:
            first_us = next(iter(backlog.submission.times_us()))
            if not told.isdisjoint(((backlog.submission.alias, first_us), (None, first_us))):
                backlog.begun = backlog.begun or 1  # nobody asked whether it may begin
                backlog.end()

    def take_closed(self) -> list[Backlog]:
        """Those whose rest is to become due again; whoever takes them sees to it."""
        with self.lock:
            closed, self.closed = self.closed, []
        return closed


#: options that don't concern a run once it is submitted
_QUIET = frozenset(("group", "max_runs", "metadata", "on_lost", "owner", "runs_begun", "tags"))


class Watched(Watching):
    """Who keeps the runs of a scheduler (a `Tracker`), made when somebody asks for runs.

    `every`: it wants every run; else only those of jobs with options that few have, and those that were asked for, and,
    where there is a `ledger`, those that are more to tell of than that they simply ran.
    `asked`: somebody in this process imported `current_run`; `when_asked` is called when that happens.
    """

    __slots__ = ("__weakref__", "_make", "_when_asked", "tracker")
    asked: ClassVar[bool] = False
    _all: ClassVar[WeakSet[Watched]] = WeakSet()

    def __init__(
        self, make: Callable[[], Any] | None = None, when_asked: Callable[[], None] | None = None
    ) -> None:
        super().__init__()
        self._make, self._when_asked = make, when_asked
        self.tracker: Any = None
        if when_asked is not None:
            Watched._all.add(self)

    @classmethod
    def ask(cls) -> None:
        """Somebody imported `current_run`: each run has an identity from now on."""
        if not cls.asked:
            cls.asked = True
            for watched in list(cls._all):
                if watched._when_asked is not None:
                    watched._when_asked()

    def made(self) -> Any:
        """The tracker; None: this scheduler can't have one."""
        if self.tracker is None and self._make is not None:
            self.tracker = self._make()
        return self.tracker

    def tracker_for(self, submission: Submission) -> Any:
        """Who keeps the runs of a submission; None: nobody wants to."""
        if (
            self.every
            or self.around is not None
            or self.ledger is not None
            or submission.kept is not None  # whoever has it has to hear of its end
            or not _QUIET.issuperset(getattr(submission.job, "_extras", None) or ())
        ):
            return self.made()
        tracker = self.tracker
        return tracker if tracker is not None and tracker.expects(submission) else None

    def let_go(self, submission: Submission) -> None:
        """A run that the engine began will not be ended there."""
        kept = submission.kept
        if isinstance(kept, RunCore):
            self.tracker.live.discard(kept)
            submission.kept = None  # it may hold, by what it raised, what holds the submission
        elif kept is not None and self.ledger is not None:
            self.ledger.drop(kept)

    def lost(self, submission: Submission, state: str, exc: BaseException) -> None:
        """A submission was lost on the way, or cancelled before it began: its run has ended so."""
        if self.tracker is not None:
            self.tracker.lost(submission, state, exc)
        self.let_go(submission)

    def after_failure(self, submission: Submission, run_us: int, exc: BaseException) -> tuple[Any, Any]:
        """Tracker and run of a call that raised and that nobody kept; None, None: there is nothing to keep of it."""
        if not getattr(exc, "asks_for_retry", False) or self.made() is None:
            return None, None
        run = self.tracker.open(submission, run_us)
        self.tracker.begin(run)
        return self.tracker, run


class Home:
    """`running`: the counts of runs under way, shared by all executors of a scheduler; `now_us()`: its clock;
    `wants(code)`: whether anybody wants such events; `create_lock()`: a reentrant lock of the fitting kind;
    `context()`: a copy of the context variables for a new run, or None; `outlives_main()`: whether its loop goes on
    when the main thread has ended; `backlogs`: those under way, which may be closed in the middle; `watched`: who keeps
    runs; `ears`: who listens, if the engine can tell events by itself; `is_hooked()`: whether somebody put a method in
    the place of the scheduler's that tells them.
    """

    __slots__ = (
        "backlogs",
        "context",
        "create_lock",
        "ears",
        "is_hooked",
        "now_us",
        "outlives_main",
        "running",
        "wants",
        "watched",
    )

    def __init__(
        self,
        running: RunningCounts | None = None,
        now_us: Callable[[], int] = SYSTEM.now_us,
        wants: Callable[[int], bool] = every_event,
        create_lock: Callable[[], Any] = RLock,
        context: Callable[[], Context | None] = lambda: None,
        outlives_main: Callable[[], bool] = bool,
        backlogs: Backlogs | None = None,
        watched: Watched | None = None,
        ears: Ears | None = None,
        is_hooked: Callable[[], bool] = bool,
    ) -> None:
        self.ears = ears
        self.is_hooked = is_hooked
        self.watched = Watched() if watched is None else watched
        self.running = RunningCounts() if running is None else running
        self.backlogs = Backlogs() if backlogs is None else backlogs
        self.now_us = now_us
        self.wants = wants
        self.create_lock = create_lock
        self.context = context
        self.outlives_main = outlives_main


def home_in(scheduler: Any) -> Home:
    """The home that a scheduler gives its executors, or one made of what APScheduler's have."""
    give = getattr(type(scheduler), "home_of_executors", None)
    if give is not None:
        home: Home = give(scheduler)
        return home
    create_lock = getattr(scheduler, "_create_lock", None)
    return Home() if create_lock is None else Home(create_lock=create_lock)


def submit_all(executor: Any, submissions: list[Submission]) -> Failures:
    """Submit a batch; an executor that only knows APScheduler's contract gets the jobs one by one.

    So does one of ours on which somebody put its own `submit_job` or `_do_submit_job`.
    """
    submit_batch = getattr(executor, "_submit_batch", None)
    own = getattr(executor, "__dict__", ())
    if submit_batch is not None and "submit_job" not in own and "_do_submit_job" not in own:
        try:
            failures: Failures = submit_batch(submissions)
            return failures
        except BaseException as exc:  # none was accepted
            if ends_program(exc):
                raise
            return [(one, exc) for one in submissions]
    return one_by_one(executor, submissions)


def one_by_one(executor: Any, submissions: Sequence[Submission]) -> Failures:
    """Submit jobs by `submit_job`; the ones that were not accepted, with the errors."""
    failed: Failures = []
    for one in submissions:
        try:
            executor.submit_job(one.job, one.run_times)
        except BaseException as exc:
            if ends_program(exc):
                raise
            failed.append((one, exc))
    return failed
