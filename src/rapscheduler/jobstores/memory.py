"""Jobs in memory: a dict by id and the engine's due index. Nothing outlives the process.

Here: the bookkeeping between the two. Not here: rules (planning), heaps (the cellar), locks: each step is one atomic
call of the engine or of a dict, ordered so that another thread in between sees a job that is not due.

Invariant: a job with a run time is in the index, or in `_taken` (the loop is working on it), or parked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, ClassVar

from rapscheduler._engine.due_index import DueIndex
from rapscheduler._engine.job_table import (
    JobTable,
    clear_table,
    delete_job,
    exchange_job,
    find_job,
    insert_job,
    insert_jobs,
    list_jobs,
    replace_job,
    restore_taken,
    settle_changes,
)
from rapscheduler._engine.planning import Change
from rapscheduler._hints import Any
from rapscheduler._instants import us_of
from rapscheduler._states import PARKED, PAUSED
from rapscheduler.errors import ConflictingIdError, JobLookupError
from rapscheduler.jobstores.base import BaseJobStore, Times
from rapscheduler.util import datetime_to_utc_timestamp

if TYPE_CHECKING:
    from rapscheduler.job import Job
    from rapscheduler.jobstores._memoryindex import IdIndex
    from rapscheduler.jobstores._question import Question

__all__ = (
    "BaseJobStore",
    "ConflictingIdError",
    "JobLookupError",
    "MemoryJobStore",
    "datetime_to_utc_timestamp",
)


_LEAST_PAGE, _MOST_PAGE = 64, 4096  # ids that are looked at together


class MemoryJobStore(BaseJobStore):
    """Keeps jobs in memory, without persistence. `lookup_job` gives the very object that was added.

    Plugin alias: ``memory``
    """

    # Taking costs nothing but the jobs themselves, about a kilobyte each with all that is made of them: few enough to
    # stay in the processor's second cache from taking to settling.
    _due_batch = 512
    calls_may_overlap = True
    answers_at_once = True
    of_this_process = True
    _ids: IdIndex | None = None  # the store's own since somebody asked for a page, a tag or paused jobs
    _uncalled: ClassVar = {"_get_job_index": "jobs are found by their ids, not by their place in a list"}

    def __init__(self) -> None:
        super().__init__()
        self._jobs: dict[str, Job] = JobTable()
        self._index: DueIndex[Job] = DueIndex()
        self._taken: list[Job] = []
        self._parked = {}

    def lookup_job(self, job_id: str) -> Job | None:
        """Return the job with this id, or `None`."""
        job: Job | None = find_job(job_id, self._jobs, self._index)
        return job

    def get_due_jobs(self, now: datetime) -> list[Job]:
        """Return the jobs due at `now`, earliest first; parked ones are left out."""
        now_us = us_of(now)
        return [
            job
            for job in list_jobs(self._jobs)
            if (run_at_us := job.run_at_us) is not None and run_at_us <= now_us and not self._is_parked(job)
        ]

    def get_next_run_time(self) -> datetime | None:
        """Return the earliest run time of all jobs that are neither paused nor parked."""
        self._restore()
        earliest = self._index.peek()
        return None if earliest is None else earliest[1].next_run_time

    def get_all_jobs(self) -> list[Job]:
        """Return all jobs by run time and id, paused ones last."""
        jobs: list[Job] = list_jobs(self._jobs)
        return jobs

    def add_job(self, job: Job) -> None:
        """Add a job. ConflictingIdError: its id is taken."""
        if not insert_job(job, self._jobs, self._index):
            raise ConflictingIdError(job.id)
        if self._ids is not None:
            self._note((job,))

    def update_job(self, job: Job) -> None:
        """Replace the job of this id. JobLookupError: there is none."""
        if replace_job(job, self._jobs, self._index) is None:
            raise JobLookupError(job.id)
        if self._parked:
            self._parked.pop(job.id, None)
        if self._ids is not None:
            self._note((job,))

    def _update_if(self, job: Job, expected_us: int | None, times: Times | None = None) -> bool:
        done = exchange_job(job, expected_us, times, self._jobs, self._index)
        if done is None:
            raise JobLookupError(job.id)
        if done and self._parked:
            self._parked.pop(job.id, None)
        if self._ids is not None:
            self._note((job,))
        return done

    def remove_job(self, job_id: str) -> None:
        """Remove a job. JobLookupError: there is none with this id."""
        if delete_job(job_id, self._jobs, self._index) is None:
            raise JobLookupError(job_id)
        if self._parked:
            self._parked.pop(job_id, None)

    def remove_all_jobs(self) -> None:
        """Remove every job."""
        clear_table(self._jobs, self._index)
        self._parked = {}
        self._give_up_ids()

    def shutdown(self) -> None:
        """Forget every job."""
        self.remove_all_jobs()

    def _restore(self) -> None:
        """Put back what was taken and not settled. Only the loop itself forgets what it took."""
        if self._taken:
            restore_taken(self._taken, self._jobs, self._parked or {}, self._index)

    def _take_due(self, now_us: int, limit: int) -> list[Job]:
        self._restore()
        self._taken = self._index.pop_due(now_us, limit)
        return self._taken

    def _settle(self, changes: Sequence[Change]) -> None:
        for change in settle_changes(changes, self._jobs, self._index):
            self._park(change)
            if change.job in self._index:  # given another time at this very moment
                self._unpark([change.job.id])
        if self._ids is not None:
            self._note(self._there([change.job.id for change in changes if change.run_at_us is None]))
        self._restore()
        self._taken = []

    def _still_there(self, job_ids: Sequence[str]) -> set[str]:
        return {job_id for job_id in job_ids if job_id in self._jobs}

    def _earliest_us(self) -> int | None:
        self._restore()
        earliest = self._index.peek()
        return None if earliest is None else earliest[0]

    def _add_jobs(self, jobs: Iterable[Job]) -> None:
        """Add many jobs. ConflictingIdError: an id is taken; then none was added."""
        added: list[Any] = list(jobs)
        taken = insert_jobs(added, self._jobs, self._index)
        if taken is not None:
            raise ConflictingIdError(taken)
        if self._ids is not None:
            self._note(added)

    def _defer(self, jobs: Sequence[Job], until_us: int) -> bool:
        for job in jobs:
            if self._jobs.get(job.id) is job and job.run_at_us is not None:
                self._index.update(job, until_us)
                if self._jobs.get(job.id) is not job:  # removed at this very moment
                    self._index.discard(job)
        return True

    def _unpark(self, job_ids: Iterable[str] | None = None) -> list[str]:
        ids = super()._unpark(job_ids)
        restore_taken(self._there(ids), self._jobs, self._parked or {}, self._index)
        return ids

    def _first(self, limit: int) -> list[Job]:
        """See the base. Of a million jobs only those are looked at that are given: by run time, those of one instant
        as they were put there; then paused ones by id, then parked ones."""
        found = self._index.first(limit)
        taken = [job for job in self._taken if job not in self._index]  # a pass is at work on them
        if taken:
            here = set(map(id, found))
            there = [job for job in taken if id(job) not in here and self._jobs.get(job.id) is job]
            found = [
                *(job for job in there if job.run_at_us is not None and not self._is_parked(job)),
                *found,
            ]
        if len(found) < limit and len(found) < len(self._jobs):
            from rapscheduler.jobstores._question import Question

            for state in (PAUSED, PARKED):
                found += self._find_jobs(Question(state=state, limit=max(0, limit - len(found))))
        return found[:limit]

    def _find_jobs(self, question: Question) -> list[Job]:
        if question.state == PARKED and not question.keys:
            return question.answer(self._there(list(self._parked or ())), self._parked or ())
        if question.limit is None and self._walks(question):
            return question.answer(list(self._jobs.values()), self._parked or ())
        return list(islice(self._sought(question), question.limit))

    def _walks(self, question: Question) -> bool:
        """Whether a question for as many as there are is one for which no index of ids is made."""
        if question.keys or question.state == PAUSED:
            return False
        return self._ids is None or (not question.prefix and question.after is None)

    def _sought(self, question: Question) -> Iterator[Job]:
        """The jobs that a question is for, whatever its limit, in the order of their ids, which an index gives."""
        from rapscheduler.jobstores._memoryindex import UNTIMED

        parked, prefix, after, size = self._parked or (), question.prefix or "", question.after, _LEAST_PAGE
        keys: tuple[Any, ...] = (*question.keys, UNTIMED) if question.state == PAUSED else question.keys
        ids = self._index_of_ids()
        while page := ids.page(keys, prefix, after, size):
            wrong = 0
            for job_id in page:
                job = None if job_id == after else self._jobs.get(job_id)
                after = job_id
                if job is not None and question.takes(job, parked):
                    yield job
                else:
                    wrong += 1
            if 2 * wrong > len(page) and question.state == PAUSED:
                ids.prune(UNTIMED, page, self._is_untimed)
            size = min(2 * size, _MOST_PAGE)

    def _is_untimed(self, job_id: str) -> bool:
        job = self._jobs.get(job_id)
        return job is not None and job.run_at_us is None

    def _there(self, job_ids: Iterable[str]) -> list[Job]:
        return [job for job in map(self._jobs.get, job_ids) if job is not None]

    def _note(self, jobs: Iterable[Job]) -> None:
        """These jobs came, or were changed; an index that is worn is given up, for nobody may ever ask again."""
        ids = self._ids
        if ids is not None:  # another thread may have given it up
            ids.note(jobs)
            if ids.is_worn(len(self._jobs)):
                self._give_up_ids()

    def _give_up_ids(self) -> None:
        vars(self).pop("_ids", None)  # whoever looks at our attributes sees one less

    def _index_of_ids(self) -> IdIndex:
        ids = self._ids
        if ids is None or ids.is_worn(len(self._jobs)):
            from rapscheduler.jobstores._memoryindex import IdIndex

            ids = IdIndex()
            with (
                ids.lock
            ):  # from now on new jobs are noted, and then those that are there; nobody asks in between
                self._ids = ids
                ids.note(list(self._jobs.values()))
        return ids

    def _count_jobs(self, question: Question) -> int:
        if question.state == PARKED and not question.keys:
            return len(self._find_jobs(question))
        if question.keys or question.prefix or question.after is not None or question.state == PAUSED:
            return sum(1 for _ in self._sought(question))
        total = len(self._jobs)
        if question.state is not None:  # they have a run time
            total -= sum(self._count_jobs(question._replace(state=state)) for state in (PAUSED, PARKED))
        return total

    def _count_due(self, now_us: int) -> int:
        return self._index.count_due(now_us)

    def _tables(self) -> tuple[dict[str, Job], DueIndex[Job]] | None:
        """Its jobs by id and their index, for who goes past its methods; None: somebody put others in their place."""
        cls = type(self)
        if cls is not MemoryJobStore or any(
            name in vars(self) or cls.__dict__[name] is not method for name, method in _PASSED
        ):
            return None
        return self._jobs, self._index

    def _check(self) -> None:
        """AssertionError: an invariant is broken."""
        self._index._check()
        for job_id, job in self._jobs.items():
            assert job.id == job_id
            placed = job in self._index or job in self._taken or job_id in (self._parked or {})
            assert placed == (job.run_at_us is not None), job
        assert len(self._index) <= len(self._jobs)


_PASSED = [
    (name, vars(MemoryJobStore)[name])
    for name in (
        "lookup_job",
        "get_due_jobs",
        "get_next_run_time",
        "add_job",
        "update_job",
        "remove_job",
        "_update_if",
        "_take_due",
        "_earliest_us",
    )
]
