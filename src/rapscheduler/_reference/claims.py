"""Runs that may be closed before they begin, and the claims among them.

Here: what is done for each run of a shared store, in as few steps as can be: to find it (`OpenRuns`), to begin and end
it (`OpenRun`), to hold it and to note its end (`Holding`). Not here: backlogs (`executors._home`), the lease and what
is written (`_scheduling.claims`).

Each method is atomic as to the fields of one run: it begins, or somebody closed it first. Whoever closes a run sets
`kept` before `closed`.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import RLock
from typing import Any

from rapscheduler._reference.planning import Change, Submission
from rapscheduler._reference.running import Closable


class OpenRuns(Closable):
    """Those of a scheduler that have not ended, by job id. Whoever goes through `_open` takes copies: any thread may
    add and forget some. `lock`: of whoever does several steps. A subclass has `_like(submission)`, which finds the run
    of a submission that was made again."""

    __slots__ = ("__dict__", "__weakref__", "_open", "lock")

    def __init__(self) -> None:
        super().__init__()
        self._open: dict[str, list[Any]] = {}
        self.lock = RLock()

    def put(self, run: Any) -> None:
        """One more."""
        with self.lock:
            self._open.setdefault(run.submission.job.id, []).append(run)

    def of(self, submission: Submission) -> Any:
        """The run of a submission, or of one that was made of its job and run times again."""
        known = self._open.get(submission.job.id)
        if known is None:
            return None
        for run in tuple(known):
            if run.submission is submission:
                return run
        return self._like(submission)

    def _like(self, submission: Submission) -> Any:
        return None

    def forget(self, run: Any) -> bool:
        """Not open any more; whether it was closed."""
        job_id = run.submission.job.id
        with self.lock:
            known = self._open.get(job_id, [])
            if run in known:
                if len(known) == 1:
                    del self._open[job_id]
                else:
                    known.remove(run)
            closed: bool = run.closed
            return closed


class OpenRun:
    """A submission from before it is handed over until its end: a backlog, or a claim (`claims`), which may be of one
    run. A subclass has `_end()`: the end of one of which there is more to do. See `executors._home.Backlog`, which
    tells of the fields, and `_scheduling.claims.Claim`."""

    __slots__ = (
        "_table",
        "begun",
        "claims",
        "closed",
        "counts",
        "epoch",
        "expected_us",
        "kept",
        "key",
        "lapsed",
        "nominal_us",
        "now_us",
        "overtaken",
        "several",
        "submission",
    )

    def __init__(
        self, table: OpenRuns, submission: Submission, change: Change, now_us: Callable[[], int] | None = None
    ) -> None:
        self._table: Any = table
        self.submission = submission
        self.expected_us = None if change.remove else change.run_at_us
        self.nominal_us = submission.job.nominal_us
        self.now_us = now_us
        self.begun = 0
        self.closed = self.kept = self.overtaken = self.counts = self.lapsed = False
        self.several = True
        self.claims: Any = None
        self.epoch: Any = None
        self.key: Any = None

    def begin_at_once(self) -> bool:
        """Whether this is one run, whose end is of no concern to its job's next one, and may be begun: as `begin`."""
        if self.claims is None or self.several or self.counts or not self.claims.may_go_on(self):
            return False
        with self._table.lock:
            if self.closed:
                return False
            self.begun = 1
            return True

    def end(self) -> bool:
        """It is over: nobody can close it any more. True: somebody has."""
        if self.claims is None or self.several or self.counts or self.kept or self.lapsed:
            return self._end()
        closed: bool = self._table.forget(self)
        self.claims.note_end(self)
        return closed

    def _end(self) -> bool:
        raise NotImplementedError


class Holding:
    """What a scheduler has claimed in one store. `me`: its `epoch` is that of what it may begin; `until_s`: until when,
    by `steady_s()`, which a subclass has; `_under_way`: the claim of each run, by its key; `_ended`: the keys of runs
    whose end is to be told, and `_ended_now` how many those were. `is_awake`: whoever tells them will still look. A
    subclass has `wake()`, which makes it so, and `made_room(job)`: a run ended of a job with options."""

    __slots__ = ("__dict__", "__weakref__", "_ended", "_ended_now", "_under_way", "is_awake", "me", "until_s")

    def __init__(self) -> None:
        self.me: Any = None
        self.until_s = 0.0
        self.is_awake = False
        self._under_way: dict[tuple[str, int], Any] = {}
        self._ended: list[tuple[str, int]] = []
        self._ended_now = 0

    def may_go_on(self, run: OpenRun) -> bool:
        """Whether a claim, or another run time of it, may begin."""
        now_s = self.steady_s()  # before the look: others may run meanwhile, and end the epoch
        if now_s >= self.until_s or run.epoch != self.me.epoch:
            run.lapsed = True
            return False
        return not run.closed

    def hold_all(
        self,
        kind: Callable[..., Any],
        table: OpenRuns,
        submissions: list[Submission],
        changes: list[Change],
        epoch: int,
        now_us: Callable[[], int],
        several: bool = False,
        counts: bool = False,
    ) -> list[Any]:
        """Claims that are about to be handed over."""
        held, under_way = [], self._under_way  # before the look: another epoch has another
        is_mine = epoch == self.me.epoch  # else the lease was lost meanwhile, and others have these
        for submission, change in zip(submissions, changes, strict=True):
            run = kind(table, submission, change, now_us)
            run.claims, run.several, run.counts, run.epoch = self, several, counts, epoch
            run.key = (submission.job.id, next(iter(submission.times_us())))
            if is_mine:
                under_way[run.key] = run
            table.put(run)
            held.append(run)
        return held

    def note_end(self, run: OpenRun) -> None:
        """A claimed run ended; a second call does nothing."""
        if self._under_way.get(run.key) is not run:
            return
        self._under_way[run.key] = None
        self._ended_now += 1
        self._ended.append(run.key)
        if run.submission.job._extras:
            self.made_room(run.submission.job)
        if not self.is_awake:
            self.wake()

    def steady_s(self) -> float:
        raise NotImplementedError

    def wake(self) -> None:
        raise NotImplementedError

    def made_room(self, job: Any) -> None:
        raise NotImplementedError
