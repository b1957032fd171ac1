"""The thread that keeps a scheduler's claims on one store: heartbeats, what ended, and the runs of those who died.

Here: `Keeper`; what is done with runs that were cut off, and when this lease was lost. Not here: claiming (`claims`),
statements.

The thread sleeps until there is something to write, the next heartbeat (a third of the lease), the end of somebody
else's lease, or the next look for what others changed. It ends when no run is under way after the scheduler stopped;
then it removes its row.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Sequence
from threading import Event, Thread
from typing import Any

from rapscheduler._clock import steady_s
from rapscheduler._engine.planning import Change, Submission
from rapscheduler._instants import MAX_US, SECOND_US, moment
from rapscheduler._quoting import job_text, one_line, said
from rapscheduler._scheduling import cancelling, overlap
from rapscheduler._scheduling.claims import Claims, times_of
from rapscheduler._scheduling.lifecycle import STATE_RUNNING
from rapscheduler._scheduling.line import Line
from rapscheduler._scheduling.ports import Scheduler
from rapscheduler._scheduling.rates import warn_if_shared
from rapscheduler.errors import MaxInstancesReachedError, UnrunnableJobError, ends_program, log_line
from rapscheduler.events import EVENT_JOB_LOST, JobLostEvent
from rapscheduler.executors._home import counts_from_end, submit_all
from rapscheduler.jobstores._shared import NOBODY, WAITING, Look, Peer, RunKey, RunRow
from rapscheduler.jobstores.base import park_reason

GATHER_S = 0.02  # in which runs that end are told together
RETRY_S = 1.0  # after an error, and for runs that could not be submitted
LATE_S = 0.1  # after the end of a lease, before its runs are taken over
AT_ONCE = 200  # runs taken over between two looks at the time: the lease is kept meanwhile
END_WAIT_S = 5.0  # for the last writes of a shutdown


class Keeper(Claims):
    """Claims with the thread that keeps them."""

    def __init__(self, scheduler: Scheduler, alias: str, store: Any) -> None:
        super().__init__(scheduler, alias, store)
        self._signal = Event()
        self._listener: Any = None
        self._stopping = False
        self._look_at_s = self._poll_at_s = self._ask_at_s = self._beat_at_s = 0.0
        self._failing = False
        self._peers: dict[tuple[str, int], Peer] = {}
        self._strangers: set[RunKey] = set()  # runs that the store has for us, and we do not know
        self._unheard: Peer | None = (
            None  # whose runs they are, when taking them over was broken off by an error
        )
        self._waiting: list[tuple[RunRow, Any]] = []  # runs of the dead, with their jobs, to be submitted
        # To those who cancel runs, by the number of the request, until they are written.
        self._answers: dict[str, str] = {}
        self._line = Line(self)
        self._refused: set[RunKey] = set()  # of those, what an executor refused, and was told
        self._thread = Thread(target=self._run, name=f"rapscheduler-{alias}-lease", daemon=True)

    def wake(self) -> None:
        if not self.is_awake:
            self.is_awake = True
            self._signal.set()

    def made_room(self, job: Any) -> None:
        self._line.ended(job)

    def lined_up(self, jobs: Sequence[Any]) -> None:
        self._line.at_s = 0.0
        self.wake()

    def _told(self, earliest_us: int | None = None) -> None:
        """Somebody has written; `earliest_us`: when the earliest job is due since, if they say so."""
        if earliest_us is None:
            self._ask_at_s = 0.0
        else:  # in the thread that listens: the pass waits neither for this thread's writes nor for a question
            self._due_from(earliest_us)
        self._poll_at_s = 0.0
        self._signal.set()

    def open(self) -> None:
        """Join, and begin to keep the lease. Raises what the store raises."""
        self.rows.join(self.me)
        self._look()
        self.scheduler._backlogs.claims = True
        self._thread.start()
        self._listener = self.rows.listen(self._told)

    def close(self) -> None:
        """Tell what ended, hand back what was not begun, and leave; while runs go on, so does the thread."""
        if self.pid != os.getpid():
            return
        self._stopping = True
        if self._listener is not None:
            self._listener.stop()
        self._end_unmoved()
        self._signal.set()
        telling = self._is_telling or self._ended or self._left
        self._thread.join(END_WAIT_S if telling or self.has_ended() else GATHER_S)

    # The thread

    def _run(self) -> None:
        while not self._is_over():
            self._signal.wait(self._sleep_s())
            if self._signal.is_set() and not self._stopping and self._poll_at_s:
                time.sleep(GATHER_S)  # news are looked at first
            self._signal.clear()
            self.is_awake = False  # after that: who finds it awake has its word looked at below
            try:
                self._work()
            except BaseException as exc:
                if ends_program(exc):
                    raise
                self._tell_error(exc)
                time.sleep(min(RETRY_S, self.me.lease_s / 10))
        self._leave()

    def _is_over(self) -> bool:
        return self._stopping and self.has_ended()

    def _sleep_s(self) -> float:
        if self._stopping:
            return GATHER_S
        next_s = min(self._look_at_s, self._poll_at_s, self._line.at_s)
        return max(0.0, next_s - steady_s())

    def _work(self) -> None:
        if self._stopping and self._waiting:
            self._hand_back_waiting()
        if self._line.due:  # it is looked at after these ends are told, however often that is tried
            self._line.due, self._line.at_s = False, 0.0
        self._end_unmoved()
        self.flush()
        now_s = steady_s()
        if now_s >= self._look_at_s:
            self._look()
        if now_s >= self._poll_at_s:
            self._poll_at_s = now_s + self.rows.poll_s
            if not self._stopping:
                self._poll()
            # Last: no run waits for it.
            cancelling.answer(self.scheduler, self.rows, self.me.id, self._answers)
        self._line.look(self._stopping)
        if self._waiting and self.scheduler._lifecycle.state == STATE_RUNNING:
            self._submit_waiting()
        self._failing = False

    def _tell_error(self, exc: BaseException) -> None:
        if not self._failing:
            self._failing = True
            log_line(
                self.scheduler._logger.warning,
                "Error keeping the lease on job store %r: %s -- trying again; no run is begun after its end, in %.1f s",
                self.alias,
                said(exc),
                max(0.0, self.until_s - steady_s()),
            )

    def _leave(self) -> None:
        try:
            self.rows.leave(self.me)
        except BaseException as exc:
            if ends_program(exc):
                raise
            log_line(
                self.scheduler._logger.warning,
                "Error leaving job store %r: %s -- the others wait for the end of the lease",
                self.alias,
                said(exc),
            )

    def _end_unmoved(self) -> None:
        """Runs end whose jobs no pass moves on: for others these may run at their provisional times."""
        if self.unmoved:
            passes = not self._stopping and self.scheduler._lifecycle.state == STATE_RUNNING
            for claim, ended_s in tuple(self.unmoved.items()):
                if not passes or steady_s() - ended_s > self.me.lease_s:
                    self.ended(claim)

    # Heartbeats

    def _look(self) -> None:
        sent_s = steady_s()
        known = self.known()
        look = self.rows.look(self.me)
        self._look_at_s = self._beat_at_s = sent_s + self.me.lease_s / 3
        if not look.alive:
            self._begin_again()
            return
        self.renewed(sent_s, look.now_us)
        self._look_after_others(look)
        if known or self._unheard is not None or (self.me.id, self.me.epoch) in look.owners:
            self._look_for_strangers(known)

    def _is_alive(self) -> bool:
        """Whether the lease is kept, asked in the middle of long work, which would outlast it: else others would take
        over what is being taken over here, and again."""
        if steady_s() < self._beat_at_s:
            return True
        sent_s = steady_s()
        look = self.rows.look(self.me)
        if look.alive:
            self._beat_at_s = sent_s + self.me.lease_s / 3
            self.renewed(sent_s, look.now_us)
        else:
            self._look_at_s = 0.0
        return look.alive

    def _begin_again(self) -> None:
        count = self.expelled()
        log_line(
            self.scheduler._logger.warning,
            "This scheduler did not renew its lease on job store %r in time: others run what it had under way "
            "(%d runs), and what goes on here is not told to the store any more; it joins again",
            self.alias,
            count,
        )
        self._waiting = []
        self._line.begun.clear()
        self._refused.clear()
        self._strangers, self._unheard = set(), None
        self.rows.join(self.me)
        self._look()

    def _look_after_others(self, look: Look) -> None:
        peers = {(one.id, one.epoch): one for one in look.peers}
        mine = (self.me.id, self.me.epoch)
        gone = [key for key, one in peers.items() if key != mine and one.is_over(look.now_us)]
        gone += [key for key in look.owners if key not in peers and key != mine and key[0] != WAITING]
        for owner, epoch in gone:
            died = self._peers.get((owner, epoch)) or peers.get((owner, epoch))
            if owner != NOBODY:
                died = died or Peer(owner, epoch, "?", 0, 0, 0, 0.0)
            before = self._unheard
            if owner != NOBODY and (owner, epoch) in look.owners:
                self._unheard = died  # until they are all waiting here
            if self._take_over(owner, epoch, died) or self._unheard is before:
                self._unheard = None if before == died else before
            # else there is nothing left of them: another took them over, or the answer that said so was lost
        self._peers = {**self._peers, **peers} if gone else peers
        ends_us = [
            one.heard_us + int(one.lease_s * SECOND_US)
            for key, one in peers.items()
            if key != mine and key not in gone
        ]
        if ends_us:
            soonest_s = (min(ends_us) - look.now_us) / SECOND_US + LATE_S
            self._look_at_s = min(self._look_at_s, steady_s() + max(LATE_S, soonest_s))

    def _look_for_strangers(self, known: set[RunKey]) -> None:
        """Runs whose claim was written though the answer was lost are nobody's here: they are begun after all.

        So are those of the dead that were taken over when an error came, and they are told as such.
        """
        strangers = set(self.rows.own(self.me)) - known - self.known()
        strangers -= {(row.job_id, row.run_us) for row, _ in self._waiting}
        found, self._strangers = strangers & self._strangers, strangers
        keys = sorted(found)
        for first in range(0, len(keys), AT_ONCE):
            if not self._is_alive():
                return
            self._again(self.rows.read(keys[first : first + AT_ONCE]), self._unheard)
        if not strangers:
            self._unheard = None

    def _poll(self) -> None:
        """What did others change?"""
        now_s = steady_s()
        if now_s >= self._ask_at_s:
            self._ask_at_s = now_s + self.rows.poll_s
            self._due_from(self.store._earliest_us())
        news = self.rows.has_news()
        if WAITING in news:
            self._line.at_s = 0.0
        if NOBODY in news:
            self._look_at_s = 0.0
            self._signal.set()

    def _due_from(self, earliest_us: int | None) -> None:
        """The earliest job is due then, by the store's clock: the loop looks no later."""
        if earliest_us is not None:
            clock_us = self.scheduler._clock.now_us() + earliest_us - self.now_us()
            self.scheduler._wake_for(max(0, min(MAX_US, clock_us)))

    # The runs of those who died

    def _take_over(self, owner: str, epoch: int, died: Peer | None) -> bool:
        """Whether there were any."""
        runs = self.rows.take_over(self.me, owner, epoch)
        if runs and owner == NOBODY:
            log_line(
                self.scheduler._logger.info,
                "%d runs in job store %r were handed back, and begin here",
                len(runs),
                self.alias,
            )
        self._again(runs, None if owner == NOBODY else died)
        return bool(runs)

    def _again(self, runs: Sequence[RunRow], died: Peer | None) -> None:
        """Runs that are ours now: each begins again, or is told as lost. `died`: who had begun them, if anybody."""
        for first in range(0, len(runs), AT_ONCE):
            if first and not self._is_alive():
                return  # they are somebody else's
            self._some_again(runs[first : first + AT_ONCE], died)

    def _some_again(self, runs: Sequence[RunRow], died: Peer | None) -> None:
        for run, row in zip(runs, self.jobs_of(runs), strict=True):
            self._under_way[run.job_id, run.run_us] = None
            job, reason = (None, "its job was removed") if row is None else self.store._try(row)
            if job is not None and died is not None and job.on_lost == "skip":
                reason = "on_lost='skip'"
            if job is not None and reason is None:
                job.misfire_grace_time = None  # it was in time when it was claimed
                self._waiting.append((run, job))
            else:
                self._ended.append((run.job_id, run.run_us))
                self.wake()
            if died is not None or reason is not None:
                self._tell_lost(run, job, died, reason)

    def _tell_lost(self, run: RunRow, job: Any, died: Peer | None, reason: str | None) -> None:
        scheduler = self.scheduler
        run_time = moment(run.from_us, scheduler.timezone)
        where = "elsewhere"
        if died is not None:
            where = f"in process {died.pid or '?'} on {died.host}, which is not heard of any more"
        log_line(
            scheduler._logger.warning,
            'The run of job "%s" at %s was under way %s: it is %s',
            one_line(run.job_id) if job is None else job_text(job),
            run_time,
            one_line(where),
            "run again" if reason is None else f"not run again ({one_line(reason)})",
        )
        if scheduler._wants(EVENT_JOB_LOST):
            scheduler._dispatch_event(
                JobLostEvent(
                    EVENT_JOB_LOST,
                    run.job_id,
                    self.alias,
                    run_time,
                    died.host if died is not None else None,
                    died.pid if died is not None else None,
                    reason is None,
                )
            )

    def _submit_waiting(self) -> None:
        waiting, self._waiting = deque(self._waiting), []
        try:
            while waiting and self._is_alive() and self.holds_lease() and not self._stopping:
                run, job = waiting.popleft()
                if not self._is_submitted(run, job):
                    self._waiting.append((run, job))
        finally:  # of those that are forgotten here nobody would hear again: the store has them for this scheduler
            self._waiting += waiting
        if self._waiting:
            self._look_at_s = min(self._look_at_s, steady_s() + RETRY_S)

    def _hand_back_waiting(self) -> None:
        """Of a scheduler that ends: others begin the runs that it took over and has not begun."""
        waiting, self._waiting = self._waiting, []
        self._left.extend(((run.job_id, run.run_us), run.from_us, NOBODY) for run, _ in waiting)

    def _is_submitted(self, run: RunRow, job: Any) -> bool:
        scheduler = self.scheduler
        try:
            times_us = list(times_of(job.trigger, run))
        except BaseException as exc:  # of a trigger that the engine doesn't know
            if ends_program(exc):
                raise
            self._cannot_run(run, job, park_reason(f"its trigger raised {type(exc).__name__}: ", exc))
            return True
        submission = Submission(job, times_us, self.now_us())
        submission.alias = self.alias
        claim = self.hold(
            submission,
            Change(job, run.from_us),
            self.me.epoch,
            run.last_us > run.from_us,
            counts_from_end(job),
        )
        claim.key = (run.job_id, run.run_us)
        self._under_way.pop((run.job_id, run.from_us), None)
        self._under_way[claim.key] = claim
        try:
            executor = scheduler._callable_here(scheduler._lookup_executor(job.executor))
            failures = submit_all(executor, [submission])
        except BaseException as exc:
            if ends_program(exc):
                raise
            failures = [(submission, exc)]
        if not failures:
            self._refused.discard(claim.key)
            self._line.submitted(claim.key, submission)
            return True
        self.scheduler._backlogs.discard(claim)
        self._under_way[claim.key] = None
        error = failures[0][1]
        if isinstance(error, UnrunnableJobError):  # the next due time of the job parks it
            self._cannot_run(run, job, park_reason(error))
            return True
        if isinstance(error, MaxInstancesReachedError) and overlap.rule_of(job) is not None:
            self._line.begun.discard(claim.key)
            self._left.append((claim.key, run.from_us, WAITING))
            return True
        if not isinstance(error, MaxInstancesReachedError) and claim.key not in self._refused:
            self._refused.add(claim.key)
            log_line(
                scheduler._logger.error,
                'Error submitting job "%s" to executor "%s" once more -- trying again every %g s',
                job_text(job),
                job.executor,
                RETRY_S,
                exc_info=error,
            )
        return False

    def _cannot_run(self, run: RunRow, job: Any, reason: str) -> None:
        key = (run.job_id, run.run_us)
        self._line.begun.discard(key)
        self._refused.discard(key)
        self._ended.append(key)
        self._tell_lost(run, job, None, reason)
        self.wake()


def open_claims(scheduler: Scheduler, alias: str, store: Any) -> None:
    """A store whose runs are claimed was opened."""
    claims = Keeper(scheduler, alias, store)
    if claims.rows.shared:
        warn_if_shared(scheduler, alias)
    claims.open()
    store._claims = claims


def close_claims(store: Any) -> None:
    """It is about to be closed."""
    claims = getattr(store, "_claims", None)
    if claims is not None:
        store._claims = None
        claims.close()
