"""The whole contract of a job store, once, over row operations.

What lives here: `RowStore` — conflicts and look-up errors, order, unreadable rows, parking, deferring. What must not:
a database's language. Approach: a backend gives the row operations below, the writers taking many rows; this class
turns jobs into rows and back and keeps APScheduler's contract and the loop's.

    _open(write)              connect. write=True: make what is missing (table, keys, paths). write=False: a look, which
                              creates and alters nothing, after which _read, _read_all and _read_parked may be asked;
                              NothingStoredError names what there is none of
    _read(ids)                rows of these ids, any order, parked ones too
    _read_due(until_us, limit)  rows due at or before, not parked, earliest first
    _read_all()               every row, parked ones too, any order
    _read_never_due()         rows not parked that _read_due never gives, since their time is no time (text, nan, beyond
                              the calendar); default: there are none, for _read_due gives them
    _earliest()               earliest run time of the rows not parked, or None; anything beyond the calendar: ask again
    _insert(rows)             all or none; ConflictingIdError for an id that exists
    _replace(rows)            whole rows, which ends parking; returns the ids that do not exist
    _replace_if(row, us)      a whole row, if the one there is due at this time (None: paused), in one step; False: it
                              is due at another time; None: it does not exist
    _replace_many_if(rows)    the same of many (row, us), and their answers; default: one by one
    _delete(ids)              returns the ids that do not exist
    _clear()                  everything
    _change(changes)          the batch of a pass in ONE transaction; a change whose row is no longer due at its
                              expected time, or is parked, does nothing
    _set_parked(reasons, seen)  id -> reason, or None to end parking; nothing else of the row changes. With `seen`, only
                              of rows that still hold this data (id -> bytes), in one step, where the database can
                              compare it. Returns how many rows it changed, or None: not known. Ids may be odd here
    _read_parked()            parked rows (default: picked from _read_all); _count_parked(): how many (default: those)
    _read_naming(texts)       in batches, at least the rows with a run time whose data contain one of these texts,
                              parked ones too (default: picked from _read_all)

Rows are made by `row_of` of whatever the database holds, and times are compared by `seconds_around`, not for equality.
No row is an error of the store: what can't be read is parked, and what can't even be parked is named in the log, once.

Parked jobs that can be read are found by `lookup_job` and `get_all_jobs`, so that they can be modified, which ends
parking. A row that can't be read is never deleted: it is parked with the reason, tried again at every start and by
`_unpark`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any

from .._collector import collector_paused
from .._instants import MAX_US, moment, us_of
from .._quoting import said
from .._serialization.callables import CallableRule
from .._serialization.codec import PICKLED
from .._serialization.reading import jobs_from_rows
from .._serialization.rows import (
    JobRow,
    RowChange,
    check_storable,
    is_time,
    job_from_row,
    row_from_job,
)
from .._zones import rules_version
from ..errors import ConflictingIdError, DecodeError, JobLookupError
from ..events import EVENT_JOB_PARKED, JobParkedEvent
from ..job import Job
from ._ids import Ids
from ._rowbulk import RowBulk
from ._rulekeeper import RuleKeeper
from ._together import AddsTogether
from .base import BaseJobStore, Change, ParkedJob, Times, park_reason

_NO_LIMIT = 1 << 30


class NothingStoredError(LookupError):
    """There is no such table, collection or path to be looked at."""


class RowStore(Ids, RuleKeeper, RowBulk, AddsTogether, BaseJobStore):
    """A job store whose backend keeps rows. Subclasses define the row operations listed at the head of this file."""

    calls_may_overlap = True
    _bulk = 500
    _uncalled = dict.fromkeys(
        ("_get_jobs", "_reconstitute_job", "_reconstitute_jobs"), "rows are JSON here, and no pickles"
    )

    def __init__(self, allowed_callables: Iterable[str] | str | None = None) -> None:
        """``allowed_callables``: patterns such as ``"myapp.tasks:*"`` of what rows may name; ``None``: anything."""
        super().__init__()
        self._rule = CallableRule(allowed_callables)
        self._deferred: dict[str, int] = {}  # id -> µs until which `_take_due` leaves the job out
        self._unparkable: set[str] = set()  # ids of rows that can be neither read nor parked, and were told

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # For a subclass that overrides get_due_jobs the base puts its own bodies, which park in the process only.
        for name in ("_get_parked", "_count_parked", "_unpark"):
            if cls.__dict__.get(name) is BaseJobStore.__dict__[name]:
                delattr(cls, name)

    def start(self, scheduler: Any, alias: str) -> None:
        super().start(scheduler, alias)
        self._open(write=True)
        self._unparkable.clear()
        self._unpark()
        self._jobs(self._read_never_due())

    # APScheduler's contract

    def lookup_job(self, job_id: str) -> Job | None:
        if self._id_problem(job_id) is not None:
            return None
        jobs = self._jobs(self._read([job_id]))
        return jobs[0] if jobs else None

    def get_due_jobs(self, now: datetime) -> list[Job]:
        return self._readable_due(us_of(now), _NO_LIMIT)

    def get_next_run_time(self) -> datetime | None:
        return None if (earliest_us := self._earliest_time()) is None else moment(earliest_us)

    def get_all_jobs(self) -> list[Job]:
        jobs = self._jobs(_in_run_order(self._read_all()))
        self._fix_paused_jobs_sorting(jobs)
        return jobs

    def add_job(self, job: Job) -> None:
        row = self._row_of(job)
        self._note_zones((job.trigger,))
        self._insert_one(row)

    def update_job(self, job: Job) -> None:
        row = self._row_of(job, kept=True)
        self._note_zones((job.trigger,))
        if self._replace([row]):
            raise JobLookupError(job.id)

    def remove_job(self, job_id: str) -> None:
        if self._id_problem(job_id) is not None or self._delete([job_id]):
            raise JobLookupError(job_id)

    def remove_all_jobs(self) -> None:
        self._clear()

    def _check_storable(self, job: Job) -> None:
        """EncodeError: this job can't be written. Asked for jobs that wait for the start of the scheduler."""
        self._check_id(job.id)
        check_storable(job, self._rule)

    def _check_reference(self, reference: str) -> None:
        """EncodeError: ``allowed_callables`` refuse this text. Asked before its module is imported."""
        if self._rule.patterns is not None:
            self._rule.check_found(reference)

    # The loop's contract

    def _take_due(self, now_us: int, limit: int) -> list[Job]:
        if not self._deferred:
            return self._readable_due(now_us, limit)
        self._deferred = deferred = {i: until for i, until in self._deferred.items() if until > now_us}
        rows = self._read_due(now_us, limit + len(deferred) + len(self._unparkable))
        return self._jobs([row for row in rows if row.id not in deferred])[:limit]

    def _settle(self, changes: Sequence[Change]) -> None:
        rows = []
        for change in changes:
            due_us, job_id = change.expected_us, change.job.id
            if due_us is None:
                continue
            nominal_us = None if change.nominal_us == change.run_at_us else change.nominal_us
            rows.append(RowChange(job_id, due_us, change.run_at_us, nominal_us, change.remove, change.park))
            self._deferred.pop(job_id, None)
        if rows:
            self._change(rows)

    def _update_if(self, job: Job, expected_us: int | None, times: Times | None = None) -> bool:
        if times is not None:
            job._advance(*times)
        row = self._row_of(job, kept=True)
        self._note_zones((job.trigger,))
        done = self._replace_if(row, expected_us)
        if done is None:
            raise JobLookupError(job.id)
        return done

    def _still_there(self, job_ids: Sequence[str]) -> set[str]:
        return {row.id for row in self._read(job_ids)}

    def _earliest_us(self) -> int | None:
        if not self._deferred:
            return self._earliest_time()
        deferred = dict(self._deferred)
        for row in self._read_due(MAX_US, len(deferred) + 1):
            if row.id not in deferred and row.run_at_us is not None and is_time(row.run_at_us):
                return min(row.run_at_us, *deferred.values())
        return min(deferred.values())

    def _earliest_time(self) -> int | None:
        """`_earliest`; rows whose time is no time, which the database may sort before all others, are parked first."""
        earliest_us = self._earliest()
        if earliest_us is None or is_time(earliest_us):
            return earliest_us
        rows = self._read_all()
        self._jobs(rows)
        times_us = [row.run_at_us for row in rows if row.parked is None]
        return min((one for one in times_us if one is not None and is_time(one)), default=None)

    def _add_jobs(self, jobs: Iterable[Job]) -> None:
        jobs = list(jobs)
        with collector_paused(len(jobs)):
            rows = [self._row_of(job) for job in jobs]
        if len({row[0] for row in rows}) < len(rows):  # id
            raise ConflictingIdError(_first_twice(rows))
        if rows:
            self._note_zones([job.trigger for job in jobs])
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

    def _count_parked(self) -> int:
        return len(self._read_parked())

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

    # Jobs to rows and back

    def _row_of(self, job: Job, kept: bool = False) -> JobRow:
        """The row of a job. EncodeError: it can't be stored. JobLookupError: so it isn't (``kept``: it should be)."""
        self._check_id(job.id, kept)
        return row_from_job(job, self._rule)

    def _readable_due(self, now_us: int, limit: int) -> list[Job]:
        """Due jobs; when unreadable rows took the places of readable ones, read again, now that they are parked."""
        tried: set[str] = set()
        while True:
            known = set(self._unparkable)
            asked = limit + len(known)
            rows = self._read_due(now_us, asked)
            jobs = self._jobs(rows)
            if len(jobs) == len(rows) or len(rows) < asked:
                return jobs[:limit]
            unread = {row.id for row in rows}.difference([job.id for job in jobs], known)
            if not unread:
                return jobs[:limit]
            for job_id in (unread & tried) - self._unparkable:
                self._pass_over(job_id, "see above", "it was parked, and is due again")
            tried |= unread

    def _pass_over(self, job_id: str, reason: str | None, why: object) -> None:
        self._unparkable.add(job_id)
        self._logger.error(
            "The row %r of job store %r can be neither read (%s) nor parked (%s): it is passed over; mend or delete it",
            job_id,
            self._alias,
            said(reason),
            said(why),
        )

    def _jobs(self, rows: Sequence[JobRow]) -> list[Job]:
        """The jobs of the rows that can be read; the others are parked in one write, if they aren't yet."""
        rules_version()  # a pass may be far: rows are read by the rules in force
        failed: dict[str, str | None] = {}
        seen: dict[str, bytes] = {}

        def unread(row: JobRow, exc: DecodeError) -> None:
            if row.parked is None:
                failed[row.id], seen[row.id] = park_reason(exc), row.data

        with collector_paused(len(rows)):
            jobs = jobs_from_rows(rows, self._scheduler, self._alias, self._rule, unread)
        if failed:
            self._park_rows(failed, seen)
        return jobs

    def _try(self, row: JobRow) -> tuple[Job | None, str | None]:
        try:
            return job_from_row(row, self._scheduler, self._alias, self._rule), None
        except DecodeError as exc:
            return None, park_reason(exc)

    def _already_written(self, rows: Sequence[JobRow]) -> bool:
        """Whether all these rows are there: a write whose answer was lost may have been made."""
        present = {row.id: row.data for row in self._read([row.id for row in rows])}
        return all(present.get(row.id) == row.data for row in rows)

    def _park_rows(self, reasons: dict[str, str | None], seen: dict[str, bytes]) -> None:
        """Park them; when that fails, one by one, so that a row that can't be parked keeps no other from it."""
        wanted = {job_id: reason for job_id, reason in reasons.items() if job_id not in self._unparkable}
        if not wanted:
            return
        if len(wanted) > 1:
            try:
                parked = self._set_parked_if_same(wanted, seen)
            except Exception:
                parked = {}
                for job_id, reason in wanted.items():
                    parked |= self._parked_alone(job_id, reason, seen)
        else:
            ((job_id, reason),) = wanted.items()
            parked = self._parked_alone(job_id, reason, seen)
        self._tell_parked(parked)

    def _parked_alone(self, job_id: str, reason: str | None, seen: dict[str, bytes]) -> dict[str, str | None]:
        """Park one row, or name it in the log, once, as one that can't be."""
        why: object = "writing it changed nothing"
        try:
            parked = self._set_parked_if_same({job_id: reason}, seen)
        except Exception:
            self._read_due(0, 1)  # raises when the store can't be asked at all: that is no row's fault
            try:
                parked = self._set_parked_if_same({job_id: reason}, seen)
            except Exception as exc:
                parked, why = {}, exc
        if parked or not any(row.id == job_id and row.data == seen[job_id] for row in self._read_all()):
            return parked  # or somebody has replaced it
        self._pass_over(job_id, reason, why)
        return {}

    def _set_parked_if_same(
        self, reasons: dict[str, str | None], seen: dict[str, bytes]
    ) -> dict[str, str | None]:
        """Set the reasons of rows that hold what was seen, and return those; a row that was replaced meanwhile (by a
        user, by `rapscheduler migrate`) is left as it is."""
        if self._set_parked(reasons, seen) == len(reasons):
            return reasons
        same = {row.id: row.parked for row in self._read(list(reasons)) if row.data == seen[row.id]}
        missed = {job_id: reasons[job_id] for job_id, parked in same.items() if parked != reasons[job_id]}
        if missed and self._set_parked(missed) == 0:  # the database can't compare these data
            return {job_id: reasons[job_id] for job_id in same.keys() - missed.keys()}
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
                said(reason),
            )
        tell = getattr(self._scheduler, "_dispatch_event", None)
        if tell is not None:
            for job_id, reason in reasons.items():
                tell(JobParkedEvent(EVENT_JOB_PARKED, job_id, self._alias, reason or ""))

    def _open(self, write: bool) -> None:  # from here on: the row operations
        """Nothing to do for a store whose client connects by itself and that needs nothing made."""

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

    def _read_never_due(self) -> list[JobRow]:
        return []

    def _read_parked(self) -> list[JobRow]:
        return [row for row in self._read_all() if row.parked is not None]

    def _read_naming(self, texts: Sequence[bytes]) -> Iterator[list[JobRow]]:
        rows = self._read_all()
        yield [row for row in rows if row.run_at_us is not None and any(text in row.data for text in texts)]


def _in_run_order(rows: list[JobRow]) -> list[JobRow]:
    """Earliest first, paused last."""
    due = [row for row in rows if row[1] is not None]
    due.sort(key=itemgetter(1))  # run_at_us
    return due if len(due) == len(rows) else [*due, *(row for row in rows if row[1] is None)]


def _first_twice(rows: Iterable[JobRow]) -> str:
    """The id of the first row whose id another one has before it."""
    seen: set[str] = set()
    return next(row.id for row in rows if row.id in seen or seen.add(row.id))  # type: ignore[func-returns-value]
