"""What every job store is: APScheduler's public contract, and the few calls the loop makes.

Here: `BaseJobStore` with default bodies of the loop's calls over the public methods, so that a store written for
APScheduler runs unchanged. Not here: any storage, locks, scheduling rules.

The public methods speak of one job and of datetimes; the private ones (`_take_due`, `_settle`, `_update_if`,
`_earliest_us`, `_add_jobs`, `_get_parked`, `_unpark`, `_defer`) of batches and of microseconds. A store of ours defines
both. When a subclass of it overrides a public method, the private ones that would bypass it are replaced by the
defaults here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from rapscheduler._engine.planning import Change
from rapscheduler._hints import TYPE_CHECKING, Any, ClassVar, NamedTuple
from rapscheduler._instants import moment, us_of
from rapscheduler._quoting import said, shortened
from rapscheduler.errors import ConflictingIdError, JobLookupError, TransientJobError
from rapscheduler.util import EarlyLogger, elsewhere, logger_name, prefer_overridden

if TYPE_CHECKING:
    from rapscheduler.job import Job
    from rapscheduler.jobstores._question import Question

#: (run_at_us, nominal_us, run time as a datetime or None): the arguments of `Job._advance`
Times = tuple[int | None, int | None, datetime | None]

__all__ = (
    "BaseJobStore",
    "Change",
    "ConflictingIdError",
    "JobLookupError",
    "ParkedJob",
    "Times",
    "TransientJobError",
    "UnsettledError",
)


if not TYPE_CHECKING:
    __getattr__ = elsewhere(__name__)


class ParkedJob(NamedTuple):
    """A job that can't be run and was set aside: why, and what is known of it (`job` is None for an unreadable row)."""

    job_id: str
    jobstore: str | None
    reason: str
    run_at_us: int | None = None
    job: Any = None


class UnsettledError(Exception):
    """Some changes of a batch could not be written: `unsettled` lists them, `__cause__` is the first error."""

    def __init__(self, unsettled: list[Change]) -> None:
        super().__init__(f"{len(unsettled)} changes could not be written")
        self.unsettled = unsettled


_READING = {"get_all_jobs", "get_due_jobs", "lookup_job"}

# A private method is bypassing when a subclass overrides one of the public ones it stands for.
STANDS_FOR = {
    "_take_due": ("get_due_jobs",),
    "_due_batch": ("get_due_jobs",),
    "_settle": ("update_job", "remove_job"),
    "_update_if": ("update_job",),
    "_still_there": ("lookup_job",),
    "_earliest_us": ("get_next_run_time",),
    "_add_jobs": ("add_job",),
    "_find_jobs": ("get_all_jobs",),
    "_first": ("get_all_jobs",),
    "_count_jobs": ("get_all_jobs",),
    "_defer": ("get_due_jobs", "update_job"),
    "_bulk": ("lookup_job", "update_job", "remove_job"),
}


_PUBLIC = frozenset(
    (
        "lookup_job",
        "get_due_jobs",
        "get_next_run_time",
        "get_all_jobs",
        "add_job",
        "update_job",
        "remove_job",
        "remove_all_jobs",
    )
)


class BaseJobStore(ABC):
    """Abstract base class of job stores, with APScheduler's contract.

    `start` gives the store its scheduler and its alias. The methods may be called from several threads, and while the
    loop is between `_take_due` and `_settle`.
    """

    _scheduler: Any = None
    _alias: str | None = None
    _logger: Any = EarlyLogger("rapscheduler.jobstores")
    _parked: dict[str, ParkedJob] | None = None
    _due_batch: int | None = None  # the most jobs the loop should take at once; None: as many as it likes
    #: how many jobs are changed in one write, by `_lookup_jobs`, `_update_jobs_if` and `_remove_jobs`, which a store
    #: that says so has; None: one by one
    _bulk: int | None = None
    # `_shared.SharedRows`: runs are claimed before they are submitted; None: they are not
    _shared: Any = None
    _claims: Any = None  # of the scheduler that has opened it, which keeps them here
    # a method that makes `_presence.Notes`: who uses the store is noted in it; None: it is not
    _notes: Any = None
    _present: Any = None  # the scheduler that uses it, in such notes, which it keeps here

    #: Whether several threads may be in methods of this store at once. A class that overrides a public method of one
    #: that says so has to say it again: else its calls never overlap, as APScheduler promises.
    calls_may_overlap = False
    #: Whether every call returns at once (memory), so that it may be made in an event loop. Said again as above.
    answers_at_once = False
    #: Whether no other process can see its jobs (memory): a stand-by then moves them on, see `leader`.
    of_this_process = False

    #: Helpers of APScheduler's store of this kind that this one has no use for, and why.
    _uncalled: ClassVar[Mapping[str, str]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in sorted(cls._uncalled.keys() & cls.__dict__.keys()):
            if not cls.__dict__.keys() >= _READING:  # else its own methods may call it
                raise TypeError(
                    f"{cls.__name__}.{name} would never be called, as it is by APScheduler: {cls._uncalled[name]}. "
                    f"Override {', '.join(sorted(_READING))} instead, or give your values a written form with "
                    "rapscheduler.register_type()"
                )
        if not _PUBLIC.isdisjoint(cls.__dict__):
            for promise in ("calls_may_overlap", "answers_at_once"):
                if promise not in cls.__dict__:
                    setattr(cls, promise, False)
        prefer_overridden(cls, BaseJobStore, STANDS_FOR)

    def start(self, scheduler: Any, alias: str) -> None:
        """Called when the scheduler starts, or when the store is added to one that runs.

        :param scheduler: the scheduler that starts this store
        :param alias: the name of this store in that scheduler
        """
        self._scheduler = scheduler
        self._alias = alias
        import logging

        self._logger = logging.getLogger(logger_name(f"jobstores.{alias}"))

    def shutdown(self) -> None:
        """Free what is bound to this store."""

    def _leave_parent(self) -> None:
        """In a forked child: drop what is connected, without closing it, for the parent goes on using it.

        Must not wait or ask anybody: the next call of the store connects anew, also without a `start`.
        """

    def _fix_paused_jobs_sorting(self, jobs: list[Job]) -> None:
        """Move the paused jobs from the front of a list to its end, in place."""
        first = next((i for i, job in enumerate(jobs) if job.next_run_time is not None), 0)
        if first:
            jobs[:] = jobs[first:] + jobs[:first]

    @abstractmethod
    def lookup_job(self, job_id: str) -> Job | None:
        """Return the job with this id, or `None`. Sets `_scheduler` and `_jobstore_alias` on it."""

    @abstractmethod
    def get_due_jobs(self, now: datetime) -> list[Job]:
        """Return the jobs whose `next_run_time` is `now` or earlier, earliest first."""

    @abstractmethod
    def get_next_run_time(self) -> datetime | None:
        """Return the earliest `next_run_time` of all jobs, or `None` when none is active."""

    @abstractmethod
    def get_all_jobs(self) -> list[Job]:
        """Return all jobs by `next_run_time`, paused ones last. Sets `_scheduler` and `_jobstore_alias`."""

    @abstractmethod
    def add_job(self, job: Job) -> None:
        """Add a job. ConflictingIdError: its id is taken."""

    @abstractmethod
    def update_job(self, job: Job) -> None:
        """Replace the stored job of the same id. JobLookupError: there is none."""

    @abstractmethod
    def remove_job(self, job_id: str) -> None:
        """Remove a job. JobLookupError: there is none with this id."""

    @abstractmethod
    def remove_all_jobs(self) -> None:
        """Remove every job."""

    # What the loop calls. The defaults know only the public methods above.

    def _take_due(self, now_us: int, limit: int) -> list[Job]:
        """At most `limit` due jobs that are not parked, earliest first. They stay due until `_settle`."""
        parked = self._parked
        due = self.get_due_jobs(moment(now_us))
        if parked:
            due = [job for job in due if not self._is_parked(job)]
        return due[:limit]

    def _settle(self, changes: Sequence[Change]) -> None:
        """Write what a pass decided. UnsettledError: some could not be written; any other error: none was.

        A change counts only while the stored job still is due at `expected_us`.
        """
        unsettled: list[Change] = []
        cause: Exception | None = None
        for change in changes:
            try:
                self._settle_one(change)
            except JobLookupError:
                continue  # removed by somebody else between look-up and write
            except Exception as exc:
                unsettled.append(change)
                cause = cause or exc
        if unsettled:
            raise UnsettledError(unsettled) from cause

    def _settle_one(self, change: Change) -> None:
        job: Any = self.lookup_job(change.job.id)
        if job is None or job.run_at_us != change.expected_us:
            return
        if change.park is not None:
            self._park(change)
        elif change.remove:
            self.remove_job(job.id)
        else:
            job._advance(change.run_at_us, change.nominal_us, change.run_time)
            self.update_job(job)

    def _update_if(self, job: Job, expected_us: int | None, times: Times | None = None) -> bool:
        """`update_job`, if the stored job still is due at ``expected_us`` (`None`: paused); ``times`` are set first.

        False: it is due at another time now. JobLookupError: it is gone. This default looks and then writes: the
        lock under which the scheduler calls a store of others makes that one step, for this process.
        """
        stored: Any = self.lookup_job(job.id)
        if stored is None:
            raise JobLookupError(job.id)
        # a store in memory may give out the stored job itself, whose time the caller has set already
        if (stored is not job or times is not None) and stored.run_at_us != expected_us:
            return False
        if times is not None:
            job._advance(*times)
        self.update_job(job)
        return True

    def _still_there(self, job_ids: Sequence[str]) -> set[str]:
        """Which of these jobs the store has. Asked after a pass removed jobs, when somebody wants to know."""
        return {job_id for job_id in job_ids if self.lookup_job(job_id) is not None}

    def _earliest_us(self) -> int | None:
        """When the earliest job that is not parked is due; `None`: none is active."""
        if self._parked:
            times_us = [job.run_at_us for job in self.get_all_jobs() if not self._is_parked(job)]
            return min((time_us for time_us in times_us if time_us is not None), default=None)
        earliest = self.get_next_run_time()
        return None if earliest is None else us_of(earliest)

    def _add_jobs(self, jobs: Iterable[Job]) -> None:
        """Add many jobs. ConflictingIdError: an id is taken (the jobs before it may have been added)."""
        for job in jobs:
            self.add_job(job)

    def _defer(self, jobs: Sequence[Job], until_us: int) -> bool:
        """Leave out jobs whose run could not be submitted from `_take_due` until then, without moving their run time.

        `False`: this store can't; the loop then skips them itself.
        """
        return False

    def _first(self, limit: int) -> list[Job]:
        """At most `limit` jobs: by run time, then paused ones; of one instant in an order that stays."""
        return self.get_all_jobs()[:limit]

    def _find_jobs(self, question: Question) -> list[Job]:
        """The jobs that a question is for, in the order of their ids."""
        parked = {one.job_id for one in self._get_parked()} if question.state is not None else ()
        return question.answer(self.get_all_jobs(), parked)

    def _count_jobs(self, question: Question) -> int:
        """How many jobs a question is for, whatever its limit."""
        return len(self._find_jobs(question._replace(limit=None)))

    def _count_due(self, now_us: int) -> int | None:
        """How many jobs are due and not parked, where that is cheap to tell; `None`: it is not."""
        return None

    def _get_parked(self) -> list[ParkedJob]:
        """The jobs that were set aside, with the reasons."""
        return list((self._parked or {}).values())

    def _count_parked(self) -> int:
        """How many jobs were set aside."""
        return len(self._get_parked())

    def _unpark(self, job_ids: Iterable[str] | None = None) -> list[str]:
        """Let parked jobs (`None`: all) be tried again; the ids that were parked."""
        parked = self._parked or {}
        ids = [job_id for job_id in (list(parked) if job_ids is None else job_ids) if job_id in parked]
        for job_id in ids:
            parked.pop(job_id, None)
        return ids

    def _park(self, change: Change) -> None:
        """Remember, in this process only, that a job is set aside; the stored job is left as it is."""
        if self._parked is None:
            self._parked = {}
        job = change.job
        self._parked[job.id] = ParkedJob(job.id, self._alias, change.park or "", change.expected_us, job)

    def _is_parked(self, job: Job) -> bool:
        """Whether this job is parked; one whose time was changed since is not any more."""
        parked = (self._parked or {}).get(job.id)
        if parked is None:
            return False
        if parked.run_at_us == job.run_at_us:
            return True
        self._unpark([job.id])
        return False

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


def refuse_empty(**given: str) -> None:
    """ValueError: a name that a store needs is empty."""
    for name, value in given.items():
        if not value:
            raise ValueError(f'The "{name}" parameter must not be empty')


_REASON_CHARACTERS = 1000


def park_reason(*parts: object) -> str:
    """The reason of parking as every database takes it: one line, at most 1000 characters, its middle left out.

    Reasons quote rows and exceptions of others. A NUL in one (PostgreSQL), or its length (MySQL, ZooKeeper), would
    make the write of the reason fail, and with it every pass over the store.
    """
    return shortened("".join(map(said, parts)), _REASON_CHARACTERS)
