"""The whole contract of a job store, once, over row operations.

What lives here: `RowStore` — conflicts and look-up errors, order, unreadable rows, parking, deferring. What must not:
a database's language. Approach: a backend gives the row operations below, the writers taking many rows; this class
turns jobs into rows and back and keeps APScheduler's contract and the loop's.

    _read(ids)                rows of these ids, any order, parked ones too
    _read_due(until_us, limit)  rows due at or before, not parked, earliest first
    _read_all()               every row, parked ones too, any order
    _earliest()               earliest run time of the rows not parked, or None
    _insert(rows)             all or none; ConflictingIdError for an id that exists
    _replace(rows)            whole rows, which ends parking; returns the ids that do not exist
    _replace_if(row, us)      a whole row, if the one there is due at this time (None: paused), in one step; False: it
                              is due at another time; None: it does not exist
    _delete(ids)              returns the ids that do not exist
    _clear()                  everything
    _change(changes)          the batch of a pass in ONE transaction; a change whose row is no longer due at its
                              expected time, or is parked, does nothing
    _set_parked(reasons, seen)  id -> reason, or None to end parking; nothing else of the row changes. With `seen`, only
                              of rows that still hold this data (id -> bytes), in one step, where the database can
                              compare it. Returns how many rows it changed, or None: not known
    _read_parked()            parked rows (default: picked from _read_all)

Parked jobs that can be read are found by `lookup_job` and `get_all_jobs`, so that they can be modified, which ends
parking. A row that can't be read is never deleted: it is parked with the reason, tried again at every start and by
`_unpark`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any

from .._collector import collector_paused
from .._serialization.codec import PICKLED, CallableRule
from .._serialization.rows import JobRow, RowChange, check_storable, job_from_row, row_from_job
from ..errors import ConflictingIdError, DecodeError, JobLookupError
from ..events import EVENT_JOB_PARKED, JobParkedEvent
from ..job import Job
from .base import BaseJobStore, Change, ParkedJob, Times, _us, _utc, park_reason

_NO_LIMIT = 1 << 30


class RowStore(BaseJobStore):
    """A job store whose backend keeps rows. Subclasses define the row operations listed at the head of this file."""

    def __init__(self, allowed_callables: Iterable[str] | str | None = None) -> None:
        """``allowed_callables``: patterns such as ``"myapp.tasks:*"`` of what rows may name; ``None``: anything."""
        super().__init__()
        self._rule = CallableRule(allowed_callables)
        self._deferred: dict[str, int] = {}  # id -> µs until which `_take_due` leaves the job out

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # For a subclass that overrides get_due_jobs the base puts its own bodies, which park in the process only.
        for name in ("_get_parked", "_unpark"):
            if cls.__dict__.get(name) is BaseJobStore.__dict__[name]:
                delattr(cls, name)

    def start(self, scheduler: Any, alias: str) -> None:
        super().start(scheduler, alias)
        self._open()
        self._unpark()

    def _open(self) -> None:
        """Connect and make sure that the table, keys or paths exist."""

    # APScheduler's contract

    def lookup_job(self, job_id: str) -> Job | None:
        jobs = self._jobs(self._read([job_id]))
        return jobs[0] if jobs else None

    def get_due_jobs(self, now: datetime) -> list[Job]:
        return self._readable_due(_us(now), _NO_LIMIT)

    def get_next_run_time(self) -> datetime | None:
        earliest_us = self._earliest()
        return None if earliest_us is None else _utc(earliest_us)

    def get_all_jobs(self) -> list[Job]:
        return self._jobs(_in_run_order(self._read_all()))

    def add_job(self, job: Job) -> None:
        self._insert([row_from_job(job, self._rule)])

    def update_job(self, job: Job) -> None:
        if self._replace([row_from_job(job, self._rule)]):
            raise JobLookupError(job.id)

    def remove_job(self, job_id: str) -> None:
        if self._delete([job_id]):
            raise JobLookupError(job_id)

    def remove_all_jobs(self) -> None:
        self._clear()

    def _check_storable(self, job: Job) -> None:
        """EncodeError: this job can't be written. Asked for jobs that wait for the start of the scheduler."""
        check_storable(job, self._rule)

    # The loop's contract

    def _take_due(self, now_us: int, limit: int) -> list[Job]:
        if not self._deferred:
            return self._readable_due(now_us, limit)
        self._deferred = deferred = {i: until for i, until in self._deferred.items() if until > now_us}
        rows = self._read_due(now_us, limit + len(deferred))
        return self._jobs([row for row in rows if row.id not in deferred][:limit])

    def _settle(self, changes: Sequence[Change]) -> None:
        rows = []
        for change in changes:
            if change.expected_us is None:
                continue
            nominal_us = None if change.nominal_us == change.run_at_us else change.nominal_us
            job_id = change.job.id
            rows.append(
                RowChange(
                    job_id, change.expected_us, change.run_at_us, nominal_us, change.remove, change.park
                )
            )
            self._deferred.pop(job_id, None)
        if rows:
            self._change(rows)

    def _update_if(self, job: Job, expected_us: int | None, times: Times | None = None) -> bool:
        if times is not None:
            job._advance(*times)
        done = self._replace_if(row_from_job(job, self._rule), expected_us)
        if done is None:
            raise JobLookupError(job.id)
        return done

    def _still_there(self, job_ids: Sequence[str]) -> set[str]:
        return {row.id for row in self._read(job_ids)}

    def _earliest_us(self) -> int | None:
        if not self._deferred:
            return self._earliest()
        deferred = dict(self._deferred)
        for row in self._read_due(_FAR_FUTURE_US, len(deferred) + 1):
            if row.id not in deferred and row.run_at_us is not None:
                return min(row.run_at_us, *deferred.values())
        return min(deferred.values())

    def _add_jobs(self, jobs: Iterable[Job]) -> None:
        jobs = list(jobs)
        with collector_paused(len(jobs)):
            rows = [row_from_job(job, self._rule) for job in jobs]
        if len({row[0] for row in rows}) < len(rows):  # id
            raise ConflictingIdError(_first_twice(rows))
        if rows:
            self._insert(rows)

    def _defer(self, jobs: Sequence[Job], until_us: int) -> bool:
        for job in jobs:
            self._deferred[job.id] = until_us
        return True

    def _get_parked(self) -> list[ParkedJob]:
        parked = []
        for row in _in_run_order(self._read_parked()):
            job, _ = self._try(row)
            parked.append(ParkedJob(row.id, self._alias, row.parked or "", row.run_at_us, job))
        return parked

    def _unpark(self, job_ids: Iterable[str] | None = None) -> list[str]:
        """End parking for the rows that can be read now; the others keep their place, with the reason of today."""
        wanted = None if job_ids is None else set(job_ids)
        readable: list[str] = []
        reasons: dict[str, str | None] = {}
        seen: dict[str, bytes] = {}
        for row in self._read_parked():
            if wanted is not None and row.id not in wanted:
                continue
            _, reason = self._try(row)
            if reason is None:
                readable.append(row.id)
            if reason != row.parked:
                reasons[row.id], seen[row.id] = reason, row.data
        if reasons:
            self._set_parked_if_same(reasons, seen)
        return readable

    def _park(self, change: Change) -> None:
        if change.expected_us is not None:
            self._change([RowChange(change.job.id, change.expected_us, None, None, False, change.park or "")])

    # Rows to jobs

    def _readable_due(self, now_us: int, limit: int) -> list[Job]:
        """Due jobs; when unreadable rows took the places of readable ones, read again, now that they are parked."""
        while True:
            rows = self._read_due(now_us, limit)
            jobs = self._jobs(rows)
            if len(jobs) == len(rows) or len(rows) < limit:
                return jobs

    def _jobs(self, rows: Sequence[JobRow]) -> list[Job]:
        """The jobs of the rows that can be read; the others are parked in one write, if they aren't yet."""
        jobs = []
        failed: dict[str, str | None] = {}
        seen: dict[str, bytes] = {}
        found: dict[str, Callable[..., Any]] = {}
        scheduler, alias, rule = self._scheduler, self._alias, self._rule
        with collector_paused(len(rows)):
            for row in rows:
                try:
                    jobs.append(job_from_row(row, scheduler, alias, rule, found))
                except DecodeError as exc:
                    if row.parked is None:
                        failed[row.id], seen[row.id] = park_reason(exc), row.data
        if failed:
            self._park_rows(failed, seen)
        return jobs

    def _try(self, row: JobRow) -> tuple[Job | None, str | None]:
        try:
            return job_from_row(row, self._scheduler, self._alias, self._rule), None
        except DecodeError as exc:
            return None, park_reason(exc)

    def _already_written(self, rows: Sequence[JobRow]) -> bool:
        """Whether all these rows are in the store: a write whose answer was lost may have been made."""
        present = {row.id: row.data for row in self._read([row.id for row in rows])}
        return all(present.get(row.id) == row.data for row in rows)

    def _park_rows(self, reasons: dict[str, str | None], seen: dict[str, bytes]) -> None:
        self._tell_parked(self._set_parked_if_same(reasons, seen))

    def _set_parked_if_same(
        self, reasons: dict[str, str | None], seen: dict[str, bytes]
    ) -> dict[str, str | None]:
        """Set the reasons of rows that hold what was seen, and return those; a row that was replaced meanwhile (by a
        user, by `rapscheduler migrate`) is left as it is."""
        if self._set_parked(reasons, seen) == len(reasons):
            return reasons
        same = {row.id: row.parked for row in self._read(list(reasons)) if row.data == seen[row.id]}
        missed = {job_id: reasons[job_id] for job_id, parked in same.items() if parked != reasons[job_id]}
        if missed:  # the database can't compare these data
            self._set_parked(missed)
        return {job_id: reasons[job_id] for job_id in same}

    def _tell_parked(self, reasons: dict[str, str | None]) -> None:
        pickled = sum(reason == PICKLED for reason in reasons.values())
        if pickled:
            self._logger.error(
                "%d rows pickled by APScheduler were set aside, unchanged; run `rapscheduler migrate` to convert them",
                pickled,
            )
        if pickled < len(reasons):
            job_id, reason = next((i, text) for i, text in reasons.items() if text != PICKLED)
            self._logger.error(
                "%d jobs can't be restored and were set aside (they stay in the store); the first, %r: %s",
                len(reasons) - pickled,
                job_id,
                reason,
            )
        tell = getattr(self._scheduler, "_dispatch_event", None)
        if tell is not None:
            for job_id, reason in reasons.items():
                tell(JobParkedEvent(EVENT_JOB_PARKED, job_id, self._alias, reason or ""))

    # Row operations

    @abstractmethod
    def _read(self, ids: Sequence[str]) -> list[JobRow]: ...

    @abstractmethod
    def _read_due(self, until_us: int, limit: int) -> list[JobRow]: ...

    @abstractmethod
    def _read_all(self) -> list[JobRow]: ...

    @abstractmethod
    def _earliest(self) -> int | None: ...

    @abstractmethod
    def _insert(self, rows: Sequence[JobRow]) -> None: ...

    @abstractmethod
    def _replace(self, rows: Sequence[JobRow]) -> list[str]: ...

    @abstractmethod
    def _replace_if(self, row: JobRow, expected_us: int | None) -> bool | None: ...

    @abstractmethod
    def _delete(self, ids: Sequence[str]) -> list[str]: ...

    @abstractmethod
    def _clear(self) -> None: ...

    @abstractmethod
    def _change(self, changes: Sequence[RowChange]) -> None: ...

    @abstractmethod
    def _set_parked(
        self, reasons: dict[str, str | None], seen: dict[str, bytes] | None = None
    ) -> int | None: ...

    def _read_parked(self) -> list[JobRow]:
        return [row for row in self._read_all() if row.parked is not None]


_FAR_FUTURE_US = 253402300799_999999


def _in_run_order(rows: list[JobRow]) -> list[JobRow]:
    """Earliest first, paused last."""
    due = [row for row in rows if row[1] is not None]
    due.sort(key=itemgetter(1))  # run_at_us
    return due if len(due) == len(rows) else [*due, *(row for row in rows if row[1] is None)]


def _first_twice(rows: Iterable[JobRow]) -> str:
    """The id of the first row whose id another one has before it."""
    seen: set[str] = set()
    return next(row.id for row in rows if row.id in seen or seen.add(row.id))  # type: ignore[func-returns-value]
