"""The loop's one pass: fetch, plan, carry out, and say how long to sleep.

Here: the order of things, batches, what happens when a store raises. Not here: rules (`planning`), what becomes of a
batch (`batch`), threads, sleeping.

No lock is held while a store, a trigger, an executor or a listener of the user's is called, except the lock under
which stores are called whose calls must not overlap. What can go wrong:
- a store hangs: another thread makes the passes over the others (`hangs`);
- a store raises: it is left alone for `jobstore_retry_interval`, the others go on. Changes it did not take are kept and
  written before anything is taken from it again, so that no run is made twice while the process lives;
- an executor raises: the run stays due and is tried again after the same interval;
- an executor is unknown, or a trigger raises: the job is parked;
- the scheduler is paused or shut down in the middle: what was not submitted stays due.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock, get_ident
from time import monotonic

from rapscheduler._clock import SystemClock
from rapscheduler._engine.desk import ELSEWHERE
from rapscheduler._hints import TYPE_CHECKING, Any
from rapscheduler._instants import SECOND_US, moment
from rapscheduler._quoting import said
from rapscheduler._scheduling import storing
from rapscheduler._scheduling.batch import Batch
from rapscheduler._scheduling.lifecycle import STATE_PAUSED, STATE_RUNNING
from rapscheduler._scheduling.planning import plan_batch
from rapscheduler._scheduling.ports import Scheduler
from rapscheduler._scheduling.shelf import Shelf
from rapscheduler._zones import rules_version
from rapscheduler.errors import ends_program, log_line
from rapscheduler.util import DEBUG

if TYPE_CHECKING:
    from rapscheduler._scheduling.hangs import Watch

BATCH = 4096  # jobs taken from a store at once, unless the store wants fewer
STUCK_WAIT_S = 1.0  # before asking again a store that says "due" and gives nothing
# Passes that find something are one in this time, on the average, whatever comes due: a busy loop then runs jobs by the
# dozen. So many of them may follow each other sooner before that.
BREATH_S = 0.001
SPARE_PASSES = 8
BUSY_WAIT_S = 0.05  # before asking again while another thread makes a pass
# A pass ends after this time even if more is due, so that new stores and jumps of the clock are seen.
PASS_S = 5.0
WALK_S = 0.1  # then the walk through the missed times of a third-party trigger lets other jobs run
LOOK_S = 0.1  # how often whoever waits for the end of a pass looks whether a store hangs in it
JUMP_US = 1_000_000  # wall clock and monotonic clock may differ by this much between two passes


class Figures:
    """What the loop counts: passes, accepted runs, jumps of the clock; when the last pass began, on both clocks."""

    __slots__ = ("clock_jumps", "last_pass_s", "last_pass_us", "passes", "submitted")

    def __init__(self) -> None:
        self.passes = self.submitted = self.clock_jumps = 0
        self.last_pass_us: int | None = None
        self.last_pass_s: float | None = None


class DueLoop:
    """One pass after another over the stores of a scheduler; each pass in one thread at a time."""

    def __init__(self, scheduler: Scheduler, batch: int = BATCH) -> None:
        self._scheduler = scheduler
        self._batch = batch
        self._rules = rules_version()
        self._slice_s = PASS_S
        self._lock = Lock()
        self.pass_ident: int | None = None  # the thread that makes a pass right now
        # The threads on their way into a pass, in it, or out of it: a signal handler that interrupts one of them
        # must not wait for the end of the pass, whose lock the thread may just have taken or not yet given back.
        self.inside: set[int] = set()
        self.due_us: int | None = None  # when the first job is due, if the last pass found out just that
        self.stuck: frozenset[int] = frozenset()  # threads that made one until a store hung
        self._idle_watches: list[Watch] = []
        self._watches: list[Watch] = []
        self._spent_s = 0.0  # until when passes took what time they may, had each a breath
        self.figures = Figures()

    # The pass

    def set_slices(self, batch: int, slice_s: float = PASS_S) -> None:
        """From now on take `batch` jobs at once, and end a pass after `slice_s` seconds even if more is due.

        For passes in an event loop, whose other callbacks must not wait: the pass then returns 0.0.
        """
        self._batch, self._slice_s = batch, slice_s

    def run_once(self) -> float | None:
        """Run what is due; the seconds until something is due again (`None`: nothing is planned)."""
        ident = get_ident()
        if ident in self.inside:
            return BUSY_WAIT_S
        try:
            self.inside.add(ident)
            return self._run_alone() if self._lock.acquire(blocking=False) else BUSY_WAIT_S
        finally:
            self.inside.discard(ident)

    def _run_alone(self) -> float | None:
        """A pass under the lock that this thread has just taken."""
        try:
            self.pass_ident = get_ident()
            wait_s = self._pass()
            waiting = self._scheduler._backlogs.waiting
            return self._sooner(wait_s, waiting.wait_s()) if waiting else wait_s
        except BaseException as exc:  # a clock or a logger of the user's; the loop goes on whatever happens
            if ends_program(exc):
                raise
            log_line(self._scheduler._logger.exception, "Error while looking for due jobs; trying again")
            return float(self._scheduler.jobstore_retry_interval)
        finally:
            self.pass_ident = None
            self._lock.release()

    def _sooner(self, wait_s: float | None, other_s: float | None) -> float | None:
        """The shorter of two waits; `None`: neither ends by itself. The other one is that of runs that wait."""
        if other_s is None or not self._is_open() or (wait_s is not None and wait_s <= other_s):
            return wait_s
        self.due_us = None
        return other_s

    def wait_idle(self, timeout_s: float | None = None) -> bool:
        """Wait until no pass is under way; False when the time was not enough."""
        if not self._lock.acquire(timeout=-1 if timeout_s is None else timeout_s):
            return False
        self._lock.release()
        return True

    def _pass(self) -> float | None:
        scheduler = self._scheduler
        logger = scheduler._logger
        if scheduler._lifecycle.state == STATE_PAUSED:
            log_line(logger.debug, "Scheduler is paused -- not processing jobs")
            return None
        debug = logger.isEnabledFor(DEBUG)
        if debug:
            log_line(logger.debug, "Looking for jobs to run")
        self.due_us, now_us = None, self._note_time()
        leadership = scheduler._leadership
        if leadership is not None and not leadership.may_run():
            self.figures.passes += 1
            stand_by_s: float | None = leadership.stand_by()
            return stand_by_s
        if scheduler._backlogs.waiting:
            scheduler._backlogs.waiting.begin()
        shelves = scheduler._shelves.all()
        moves = scheduler._backlogs.ends
        if (
            len(shelves) == 1
            and shelves[0].is_settled()
            and not debug
            and not moves
            and rules_version() == self._rules
        ):
            far_us = scheduler._desk.earliest()
            if far_us is None or (far_us is not ELSEWHERE and far_us > now_us):  # nothing is due
                self.figures.passes += 1
                self.due_us = far_us
                return None if far_us is None else (far_us - now_us) / SECOND_US
        if all(shelf.answers_at_once for shelf in shelves):
            return self._pass_over(shelves)
        watch = self._watch()
        try:
            from rapscheduler._scheduling import presence  # memory has no use for it

            return presence.keep(scheduler, shelves, self._pass_over(shelves))
        finally:
            watch.end()
            scheduler._shelves.turn.watch = None
            if watch in self._watches:
                self._idle_watches.append(watch)

    def _pass_over(self, shelves: tuple[Shelf, ...]) -> float | None:
        scheduler = self._scheduler
        if rules_version() != self._rules:
            self._follow_rules()
        active = shelves
        for shelf in shelves:
            shelf.took = False
            shelf.look()
        if scheduler._backlogs.ends:
            from rapscheduler._scheduling import delays  # few jobs count from the end of their runs

            delays.move_on(scheduler, shelves)
        end_s = monotonic() + self._slice_s
        while active and self._is_open():
            active = tuple(shelf for shelf in active if self._one_batch(shelf, end_s))
            if active and monotonic() >= end_s:
                break
            if active:
                scheduler._let_run()
        self.figures.passes += 1
        if not self._is_open():
            return None
        leadership = scheduler._leadership
        if leadership is not None and not active and self.figures.last_pass_us is not None:
            leadership.passed(self.figures.last_pass_us)
        return 0.0 if active or self._moves(shelves) else self._wait_s(shelves)

    def _moves(self, shelves: tuple[Shelf, ...]) -> bool:
        """Whether a run ended meanwhile from whose end the next one counts."""
        if not self._scheduler._backlogs.ends:
            return False
        from rapscheduler._scheduling import delays

        return delays.are_ready(self._scheduler, shelves)

    # A store that hangs, see `hangs`

    def _watch(self) -> Watch:
        """A watch of this thread, for one pass."""
        if self._idle_watches:
            watch = self._idle_watches.pop()
        else:
            from rapscheduler._scheduling.hangs import Watch

            watch = Watch(self._scheduler, self)
            self._watches.append(watch)
        self._scheduler._shelves.turn.watch = watch
        watch.begin()
        return watch

    def give_up(self, watch: Watch) -> None:
        """The pass of the thread that this watches is nobody's from now on."""
        assert watch.ident is not None
        self.stuck |= {watch.ident}
        self._scheduler._shelves.turn.watch = self.pass_ident = None
        self._lock.release()

    def take_back(self, watch: Watch) -> None:
        """Wait for the end of the pass that is under way: this thread goes on with its own."""
        interrupt: BaseException | None = None
        while True:  # whatever comes in between (Ctrl-C): who ends the pass gives the lock back
            try:
                self._lock.acquire()
                break
            except BaseException as exc:
                interrupt = exc
        self._scheduler._shelves.turn.watch = watch
        self.pass_ident = get_ident()
        self.stuck -= {get_ident()}
        if interrupt is not None:
            raise interrupt

    def stop_watches(self) -> None:
        """The scheduler stops: their threads may end."""
        watches, self._watches, self._idle_watches = self._watches, [], []
        for watch in watches:
            watch.stop()

    def wait_for(self, wait: Callable[[float | None], object], timeout_s: float | None) -> None:
        """Let ``wait(seconds)`` wait for the end of a thread's pass, in vain when a store hangs in it."""
        if not self._watches:
            wait(timeout_s)
            return
        end_s = None if timeout_s is None else monotonic() + timeout_s
        while not wait(LOOK_S if end_s is None else min(LOOK_S, max(0.0, end_s - monotonic()))):
            if self.stuck or (end_s is not None and monotonic() >= end_s):
                return

    def _follow_rules(self) -> None:
        """Zone files were read again: let the jobs follow."""
        from rapscheduler._scheduling import rules_of_time

        self._rules = rules_of_time.follow_changes(self._scheduler, self._rules)

    def _is_open(self) -> bool:
        leadership = self._scheduler._leadership
        running = self._scheduler._lifecycle.state == STATE_RUNNING
        return running and (leadership is None or bool(leadership.holds()))

    def _note_time(self) -> int:
        """Remember when this pass was, and notice a wall clock that moved by itself since the last one; the time."""
        clock, figures = self._scheduler._clock, self.figures
        wall_us, steady_s = clock.now_us(), clock.monotonic()
        before_us, before_s = figures.last_pass_us, figures.last_pass_s
        if before_us is not None and before_s is not None:
            jump_us = wall_us - before_us - int((steady_s - before_s) * SECOND_US)
            if not -JUMP_US <= jump_us <= JUMP_US:
                figures.clock_jumps += 1
                log_line(
                    self._scheduler._logger.info,
                    "The clock moved by %+.1f s (it was set, or the machine slept)",
                    jump_us / SECOND_US,
                )
        figures.last_pass_us, figures.last_pass_s = wall_us, steady_s
        return wall_us

    def _one_batch(self, shelf: Shelf, end_s: float) -> bool:
        """Fetch, plan and carry out one batch of a store. True: there may be more. `end_s`: of the pass."""
        scheduler = self._scheduler
        if shelf.hangs_since_us is not None:
            return False
        if shelf.retry_at_s is not None:
            if shelf.is_resting(scheduler._clock):
                return False
            shelf.retry_at_s = None
        if shelf.unsettled and not storing.settle_again(scheduler, shelf):
            return False
        claims = shelf.calls._claims
        now_us = scheduler._clock.now_us() if claims is None else claims.now_us()
        shelf.end_deferments(now_us, int(scheduler.jobstore_retry_interval * SECOND_US))
        limit = min(self._batch, shelf.calls._due_batch or self._batch) + len(shelf.deferred)
        if claims is not None:
            limit = claims.room(limit)
        jobs = self._take(shelf, now_us, limit) if limit else ()
        if not jobs:
            return False
        more = len(jobs) >= limit
        if shelf.deferred:
            jobs = [job for job in jobs if not shelf.is_deferred(job)]
        walk_end_s = min(end_s, monotonic() + WALK_S)
        plan = plan_batch(jobs, now_us, scheduler.timezone, shelf.walks, walk_end_s)
        shelf.walks = {**shelf.walks, **plan.walks} if more else plan.walks
        batch = (Batch if claims is None else _claimed_batch())(scheduler, shelf, plan, now_us)
        try:
            batch.carry_out()
        finally:
            self.figures.submitted += batch.submitted
        progress = bool(plan.submissions or plan.parks or plan.walks)
        shelf.took = shelf.took or progress
        return (more and progress) or bool(plan.walks)

    def _take(self, shelf: Shelf, now_us: int, limit: int) -> Sequence[Any]:
        shelf.taken_at_us = now_us
        try:
            with shelf.door:
                calls, claims = shelf.calls, shelf.calls._claims
                jobs: Sequence[Any] = (calls._take_due if claims is None else claims.take)(now_us, limit)
                return jobs
        except BaseException as exc:
            if ends_program(exc):
                raise
            self._failed("due jobs", shelf, exc)
            return ()

    def _failed(self, what: str, shelf: Shelf, exc: BaseException) -> None:
        """A store raised when it was asked."""
        log_line(
            self._scheduler._logger.warning,
            "Error getting %s from job store %r: %s",
            what,
            shelf.alias,
            said(exc),
        )
        shelf.back_off(self._scheduler)

    # Sleeping

    def _wait_s(self, shelves: Sequence[Shelf]) -> float | None:
        """Seconds until a store has something due or is to be asked again."""
        clock, logger = self._scheduler._clock, self._scheduler._logger
        waits: list[float] = []
        for shelf in shelves:
            wait_s = self._store_wait_s(shelf)
            if wait_s is not None:
                waits.append(wait_s)
        if not waits:
            logger.debug("No jobs; waiting until a job is added")
            return None
        wait_s = max(0.0, min(waits))
        if wait_s < BREATH_S and isinstance(clock, SystemClock) and any(shelf.took for shelf in shelves):
            wait_s = max(wait_s, self._breath_s(clock.monotonic()))
        if logger.isEnabledFor(DEBUG):
            wake_at = moment(clock.now_us() + int(wait_s * SECOND_US), self._scheduler.timezone)
            log_line(logger.debug, "Next wakeup is due at %s (in %f seconds)", wake_at, wait_s)
        return wait_s

    def _breath_s(self, now_s: float) -> float:
        """Seconds before the next pass may begin, after one that found something."""
        began_s = self.figures.last_pass_s or now_s
        self._spent_s = max(self._spent_s, began_s) + BREATH_S
        return self._spent_s - SPARE_PASSES * BREATH_S - now_s

    def _store_wait_s(self, shelf: Shelf) -> float | None:
        clock = self._scheduler._clock
        if shelf.hangs_since_us is not None:
            return None  # its answer goes on with a pass
        if shelf.retry_at_s is not None:
            return shelf.retry_at_s - clock.monotonic()
        claims = shelf.calls._claims
        wait_s: float | None
        try:
            with shelf.door:
                if claims is not None:
                    wait_s = claims.wait_s(shelf.calls._earliest_us, shelf.taken_at_us, shelf.took)
                    return wait_s
                earliest_us: int | None = shelf.calls._earliest_us()
        except BaseException as exc:
            if ends_program(exc):
                raise
            self._failed("the next run time", shelf, exc)
            return float(self._scheduler.jobstore_retry_interval)
        if earliest_us is None:
            return None
        wait_s = (earliest_us - clock.now_us()) / SECOND_US
        if earliest_us <= shelf.taken_at_us and not shelf.took:
            wait_s = STUCK_WAIT_S  # what is due there is not to be had now
        if shelf.deferred:
            retry_us = min(until_us for _, until_us in shelf.deferred.values())
            wait_s = min(wait_s, (retry_us - clock.now_us()) / SECOND_US)
        return wait_s


def _claimed_batch() -> type[Batch]:
    from rapscheduler._scheduling.claiming import ClaimedBatch  # few stores are shared

    return ClaimedBatch
