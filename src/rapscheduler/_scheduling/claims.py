"""The claims of one scheduler on one store: its lease, its runs under way, what it takes and claims.

Here: `Claims` and `Claim`. Not here: the thread that keeps the lease, and what is done when it was lost (`keeper`), a
pass's batch (`claiming`), what is written how (`jobstores._shared`).

A run is claimed before it is submitted, and begun only while this scheduler holds its lease, which its own clock
decides: one that runs on while the machine sleeps. `until_s` is a lease after the last heartbeat was *sent*, less a
tenth; others may take over a lease after it *arrived*. So nobody begins a run that somebody else may have.

Data: `_under_way` maps the key of a run (job id, first run time) to its claim, from before it is written until the
store was told of its end. Any thread may end a run: it adds to `_ended` or `_left`, which the keeper empties. A run
from whose end the next one counts is in `unmoved` before, with the time when it ended, until its job has moved on.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from rapscheduler._clock import steady_s
from rapscheduler._collector import OF_A_CLAIM, collector_paused
from rapscheduler._engine.claims import Holding
from rapscheduler._engine.job_core import is_native, utc_us
from rapscheduler._engine.planning import Change, Submission, is_late
from rapscheduler._instants import SECOND_US, moment
from rapscheduler._scheduling import delays, overlap
from rapscheduler._scheduling.ports import Scheduler
from rapscheduler._serialization.rows import JobRow, RowChange, new_change, new_row
from rapscheduler.executors._home import Backlog
from rapscheduler.jobstores._shared import (
    ANY_PLACES,
    NOBODY,
    WAITING,
    ClaimRow,
    LeftRun,
    Me,
    Refused,
    RunKey,
    RunRow,
    SharedRows,
    group_key,
    new_claim,
    take_to_claim,
)

_MARGIN = 0.1  # of a lease
_WINDOW_S = 0.5  # in which the runs that end tell how many may wait
_LEAST_ROOM = 64
FULL_WAIT_S = 0.02
LAPSED_WAIT_S = 0.1
TAKEN_WAIT_S = 0.05  # before asking again for due jobs that another scheduler has taken


class Claim(Backlog):
    """A claimed submission. `lapsed`: it may not be begun here any more; then, and when it was closed to be put back,
    what was not begun is handed to whoever is there."""

    __slots__ = ()

    puts_back = False

    def begin(self, i: int) -> bool:
        if not self.claims.may_go_on(self) or not super().begin(i):
            return False
        if i:
            self.claims.progressed(self)
        return True

    def _end(self) -> bool:
        claims = self.claims
        if self.begun and self.counts and claims.has(self):
            return delays.end_claim(self)
        closed: bool = self._table.discard(self)
        claims.ended(self)
        return closed


class Claims(Holding):
    """See the head of this file. `rows`: what the store brings."""

    def __init__(self, scheduler: Scheduler, alias: str, store: Any) -> None:
        super().__init__()
        self.scheduler, self.alias, self.store = scheduler, alias, store
        self.rows: SharedRows = store._shared
        self.me = Me(self.rows.lease_s)
        # of the latest batch, whatever becomes of the lease before it is submitted
        self.claimed_as = self.me.epoch
        self.pid = os.getpid()
        self._offset_us = 0  # the store's clock less that of `steady_s`
        self._own_clock = scheduler._clock.__class__.__module__.startswith("rapscheduler.testing")
        self._clock_of_runs = self.now_us  # one object for all
        self._left: deque[LeftRun] = deque()
        self._progressed: dict[RunKey, Claim] = {}
        self.unmoved: dict[Claim, float] = {}
        self._is_telling = False  # what ended is on its way to the store, and in none of them
        self._is_full = False
        self._window_s, self._ended_before = steady_s(), 0

    # The lease, the clock

    def steady_s(self) -> float:
        return steady_s()

    def holds_lease(self) -> bool:
        return steady_s() < self.until_s

    def renewed(self, sent_s: float, now_us: int) -> None:
        """A heartbeat that was sent then was answered just now with the store's time."""
        self._offset_us = now_us - int((sent_s + steady_s()) / 2 * SECOND_US)
        self.until_s = sent_s + self.me.lease_s * (1 - _MARGIN)

    def now_us(self) -> int:
        """The store's time, which all its schedulers go by."""
        if self._own_clock:
            return self.scheduler._clock.now_us()
        return int(steady_s() * SECOND_US) + self._offset_us

    def expelled(self) -> int:
        """Others have the runs of this epoch: a new one begins. How many runs were under way."""
        count = len(self._under_way)
        self.until_s = 0.0
        self.me = self.me.again()
        self._under_way = {}  # after that: `hold_all`
        self._ended.clear()  # the next epoch may have one of these runs again, which goes on then
        self._left.clear()
        self._progressed.clear()
        self.unmoved.clear()
        return count

    # The pass

    def room(self, limit: int) -> int:
        """How many jobs a pass may take now."""
        if not self.holds_lease():
            return 0
        room = self.free(limit)
        self._is_full = room == 0
        return room

    def free(self, limit: int) -> int:
        """How many runs may be taken: no more wait here than ended in the last half second or two, or than twice the
        workers, so that others get what this one would only queue."""
        now_s = steady_s()
        if now_s - self._window_s > _WINDOW_S:
            self._window_s, self._ended_before, self._ended_now = now_s, self._ended_now, 0
        waiting, least = 0, 0
        for executor in list(self.scheduler._executors.values()):
            depth = getattr(executor, "_queue_depth", None)
            waiting += (depth() if depth is not None else None) or 0
            least += 2 * _workers(executor)
        most = max(least, 2 * (self._ended_before + self._ended_now))
        return max(0, min(limit, most - waiting))

    def take(self, now_us: int, limit: int) -> Sequence[Any]:
        """Due jobs, which nobody else is given until they are claimed or let go."""
        return take_to_claim(self.store, self.me, now_us, limit)

    def claim(
        self,
        pairs: Sequence[tuple[Submission, Change]],
        parks: Sequence[Change],
        alone: Collection[int] = (),
    ) -> Refused | None:
        """Write these runs as under way, and their jobs moved on. `None`: the lease is over, nothing was written.

        `alone`: the `id()` of those that are not claimed while another run of their job is, however many it may have.
        """
        with collector_paused(OF_A_CLAIM * len(pairs)):
            rows, under_way, me = self._claim_rows(pairs, alone), self._under_way, self.me
            # Some may be under way here: whoever set such a job back to that run time gets no other run of it.
            keys = [key for one in rows if (key := (one.change.id, one.run_us)) not in under_way]
        self.claimed_as = me.epoch
        under_way.update(dict.fromkeys(keys))
        refused: Refused | None = None
        try:
            if self.holds_lease():
                refused = self.rows.claim(me, rows, [row_change(change) for change in parks])
        finally:
            if refused is None:
                for key in keys:
                    under_way.pop(key, None)
        if refused is not None and (out := refused.out):
            for key in keys:
                if key[0] in out:
                    under_way.pop(key, None)
        return refused

    def _claim_rows(
        self, pairs: Sequence[tuple[Submission, Change]], alone: Collection[int]
    ) -> list[ClaimRow]:
        running, grouped, backlogs = self.scheduler._running_counts, False, self.scheduler._backlogs
        count = running.count if len(running) else None
        rows, now_us = list[ClaimRow](), self.now_us()
        for one, change in pairs:
            job: Any = one.job
            times, extras, places = one.run_times_us, job._extras, job.max_instances
            is_alone = id(one) in alone if alone else False
            if extras and extras.get("overlap") == "allow":
                places = ANY_PLACES
            if is_alone:
                # None while the end of one is not written: this time follows from its beginning
                places = 0 if backlogs.counting(job.id, self.alias) else 1
            if count is not None:
                places -= count(job.id)
            row = new_claim((row_change(change), times[0], times[-1], places, None, 0, 0, False, 0))
            if extras:
                if "group" in extras:
                    most = ANY_PLACES if extras.get("overlap") == "allow" else job.max_instances
                    row, grouped = self._in_group(row, extras["group"], most), True
                if "overlap" in extras:
                    row = self._in_line(row, one, is_alone, now_us)
            rows.append(row)
        if grouped:  # else the places of some would depend on what became of those before
            rows.sort(key=lambda row: -row.group_places)
        return rows

    def _in_line(self, row: ClaimRow, one: Submission, alone: bool, now_us: int) -> ClaimRow:
        """A run that gets in line when there is no place, if it may and is in time."""
        job: Any = one.job
        rule = overlap.rule_of(job)
        if rule is None:
            return row
        if alone and (
            self.scheduler._backlogs.counting(job.id, self.alias)
            or not self.scheduler._running_counts.count(job.id)
        ):
            return row  # its next run counts from the end of the one that is under way
        grace_s = job.misfire_grace_time
        from_us = next((us for us in one.times_us() if not is_late(us, now_us, grace_s)), None)
        if from_us is None:
            return row
        waits = overlap.MOST_WAITING if rule == "queue_all" else 1
        return row._replace(waits=waits, replaces=rule == "cancel_other", from_us=from_us)

    def lined_up(self, jobs: Sequence[Any]) -> None:
        """Runs of these jobs are in line now."""

    def line_up(self, claim: Claim) -> None:
        """A claimed run that has no place here, for one of `run_job()` is under way, or a rate is over."""
        self.scheduler._backlogs.discard(claim)
        if self.has(claim) and claim.epoch == self.me.epoch:
            self._under_way[claim.key] = None
            self._left.append((claim.key, next(iter(claim.submission.times_us())), WAITING))
            self.lined_up([claim.submission.job])

    def _in_group(self, row: ClaimRow, group: str, most: int) -> ClaimRow:
        """A run of a job that shares its places with others."""
        counts = self.scheduler._running_counts
        places = counts.limits.get(group, most) - counts.count_group(group)
        return row._replace(group=group_key(group), group_places=places)

    def hold(
        self, one: Submission, change: Change, epoch: int, several: bool = False, counts: bool = False
    ) -> Claim:
        """A claimed run is about to be handed over. `epoch`: in which it was claimed."""
        table, now_us = self.scheduler._backlogs, self._clock_of_runs
        (claim,) = self.hold_all(Claim, table, [one], [change], epoch, now_us, several, counts)
        held: Claim = claim
        return held

    def hold_batch(
        self,
        submissions: list[Submission],
        changes: list[Change],
        several: Collection[int],
        counting: Collection[int],
        epoch: int,
    ) -> list[Claim]:
        """As `hold`; `several`, `counting`: the `id()` of those of which that is so."""
        table, now_us = self.scheduler._backlogs, self._clock_of_runs
        with collector_paused(OF_A_CLAIM * len(submissions)):
            if not several and not counting:
                claims: list[Claim] = self.hold_all(Claim, table, submissions, changes, epoch, now_us)
                return claims
            return [
                self.hold(one, change, epoch, id(one) in several, id(one) in counting)
                for one, change in zip(submissions, changes, strict=True)
            ]

    def has(self, claim: Claim) -> bool:
        """Whether this run is under way here, and not told yet, nor taken over by others."""
        return self._under_way.get(claim.key) is claim

    def wake(self) -> None:
        """There is something to write."""

    def let_go(self) -> None:
        self.rows.let_go()

    def wait_s(self, ask: Callable[[], int | None], taken_at_us: int, took: bool) -> float | None:
        """Seconds until something is due; `ask` tells when the earliest job is."""
        if not self.holds_lease():
            return LAPSED_WAIT_S
        if self._is_full:
            return FULL_WAIT_S
        earliest_us = ask()
        if earliest_us is None:
            return None
        if earliest_us <= taken_at_us and not took:
            return TAKEN_WAIT_S
        return (earliest_us - self.now_us()) / SECOND_US

    # The end of runs

    def progressed(self, claim: Claim) -> None:
        self._progressed[claim.key] = claim
        self.wake()

    def ended(self, claim: Claim) -> None:
        """A run ended, or was not begun. A second call does nothing."""
        key = claim.key
        self.unmoved.pop(claim, None)
        if not self.has(claim):
            return
        self._progressed.pop(key, None)
        left = next(claim.left(), None) if claim.kept or claim.lapsed else None
        if left is None:
            self.note_end(claim)
            return
        self._under_way[key] = None
        if claim.epoch == self.me.epoch:
            self._left.append((key, left[0], NOBODY))
        self.made_room(claim.submission.job)
        self.wake()

    def made_room(self, job: Any) -> None:
        """A run of this job has ended, and others may wait for that in the store."""

    def again(self, claim: Claim) -> None:
        """A claimed run that its executor did not take, for now: it is nobody's, and somebody tries again."""
        claim.lapsed = True
        claim.end()

    def flush(self) -> bool:
        """Tell the store what ended. False: there was nothing to tell."""
        self._is_telling = True
        try:
            return self._tell_store()
        finally:
            self._is_telling = False

    def _tell_store(self) -> bool:
        ended = self._ended[:]
        del self._ended[: len(ended)]  # others only add some
        left = [self._left.popleft() for _ in range(len(self._left))]
        moving = [self._progressed.popitem() for _ in range(len(self._progressed))]
        going: list[LeftRun] = [(key, _current_us(claim), None) for key, claim in moving]
        if not ended and not left and not going:
            return False
        try:
            later = frozenset(self.rows.write(self.me, ended, [*going, *left]))
        except BaseException:
            self._ended += ended
            self._left.extendleft(left)
            self._progressed |= {key: claim for key, claim in moving if self.has(claim)}
            raise
        under_way = self._under_way
        for key in ended if not later else [key for key in ended if key not in later]:
            if under_way.get(key) is None:  # else it was claimed again just now
                under_way.pop(key, None)
        for key, _, _ in left:
            self._under_way.pop(key, None)
        if later:
            self._ended.extend(later)
            self.wake()
        return True

    def jobs_of(self, runs: Sequence[RunRow]) -> list[JobRow | None]:
        """The job of each run as a row: as it was when that was its last run; None: it was removed."""
        stored = {row.id: row for row in self.store._read([run.job_id for run in runs if run.data is None])}
        return [
            stored.get(run.job_id)
            if run.data is None
            else new_row((run.job_id, run.from_us, None, None, run.data))
            for run in runs
        ]

    def known(self) -> set[RunKey]:
        """The runs of this scheduler that its store may have."""
        return set(self._under_way)

    def has_ended(self) -> bool:
        """Whether no run is under way, and the store knows it."""
        return not self._under_way


def times_of(trigger: Any, run: RunRow) -> Iterator[int]:
    """The run times from the first that did not end to the last."""
    time_us: int | None = run.from_us
    while time_us is not None and time_us <= run.last_us:
        yield time_us
        if time_us == run.last_us:
            return
        if is_native(trigger):
            next_us = trigger.next_fire_us(time_us, time_us)
        else:
            at = moment(time_us)
            found = trigger.get_next_fire_time(at, at)
            next_us = None if found is None else utc_us(found)
        if next_us is None or next_us <= time_us:
            return
        time_us = next_us


def _current_us(claim: Claim) -> int:
    """The run time of a backlog that is being run."""
    times = claim.submission.times_us()
    current_us = next(times)
    for _ in range(claim.begun - 1):
        current_us = next(times, current_us)
    return current_us


def _workers(executor: Any) -> int:
    """How many runs an executor can make at once, as far as that can be told."""
    for one in (executor, getattr(executor, "_pool", None)):
        workers = getattr(one, "_max_workers", None)
        if isinstance(workers, int):
            return workers
    return _LEAST_ROOM


def row_change(change: Change) -> RowChange:
    """What happens to the row of a job."""
    run_at_us, nominal_us = change.run_at_us, change.nominal_us
    if nominal_us == run_at_us:
        nominal_us = None
    return new_change((change.job.id, change.expected_us, run_at_us, nominal_us, change.remove, change.park))
