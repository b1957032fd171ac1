"""What a scheduler tells its listeners: event codes (one bit each) and the classes that carry the details.

What lives here: codes and plain value classes. What must not: when an event is sent, or in which order.
The codes, classes and attributes are APScheduler's; ``EVENT_JOB_PARKED``, ``…_LOST``, ``…_STARTED``, ``…_RETRYING``,
``…_GAVE_UP``, the run of an event and the two fields that say why a run was missed are ours.
"""

from __future__ import annotations

from datetime import datetime

from rapscheduler._hints import Any

__all__ = (
    "EVENT_ALL",
    "EVENT_ALL_JOBS_REMOVED",
    "EVENT_EXECUTOR_ADDED",
    "EVENT_EXECUTOR_REMOVED",
    "EVENT_JOBSTORE_ADDED",
    "EVENT_JOBSTORE_REMOVED",
    "EVENT_JOB_ADDED",
    "EVENT_JOB_ERROR",
    "EVENT_JOB_GAVE_UP",
    "EVENT_JOB_EXECUTED",
    "EVENT_JOB_LOST",
    "EVENT_JOB_MAX_INSTANCES",
    "EVENT_JOB_MISSED",
    "EVENT_JOB_MODIFIED",
    "EVENT_JOB_PARKED",
    "EVENT_JOB_REMOVED",
    "EVENT_JOB_RETRYING",
    "EVENT_JOB_STARTED",
    "EVENT_JOB_SUBMITTED",
    "EVENT_SCHEDULER_LEADER_GAINED",
    "EVENT_SCHEDULER_LEADER_LOST",
    "EVENT_SCHEDULER_PAUSED",
    "EVENT_SCHEDULER_RESUMED",
    "EVENT_SCHEDULER_SHUTDOWN",
    "EVENT_SCHEDULER_START",
    "EVENT_SCHEDULER_STARTED",
    "JobEvent",
    "JobExecutionEvent",
    "JobLostEvent",
    "JobParkedEvent",
    "JobRunEvent",
    "JobSubmissionEvent",
    "SchedulerEvent",
)

EVENT_SCHEDULER_STARTED = EVENT_SCHEDULER_START = 2**0
EVENT_SCHEDULER_SHUTDOWN = 2**1
EVENT_SCHEDULER_PAUSED = 2**2
EVENT_SCHEDULER_RESUMED = 2**3
EVENT_EXECUTOR_ADDED = 2**4
EVENT_EXECUTOR_REMOVED = 2**5
EVENT_JOBSTORE_ADDED = 2**6
EVENT_JOBSTORE_REMOVED = 2**7
EVENT_ALL_JOBS_REMOVED = 2**8
EVENT_JOB_ADDED = 2**9
EVENT_JOB_REMOVED = 2**10
EVENT_JOB_MODIFIED = 2**11
EVENT_JOB_EXECUTED = 2**12
EVENT_JOB_ERROR = 2**13
EVENT_JOB_MISSED = 2**14
EVENT_JOB_SUBMITTED = 2**15
EVENT_JOB_MAX_INSTANCES = 2**16
EVENT_JOB_PARKED = 2**17
EVENT_JOB_LOST = 2**18
# 2**19 to 2**23 are for runs
EVENT_JOB_STARTED = 2**19
EVENT_JOB_RETRYING = 2**20
EVENT_JOB_GAVE_UP = 2**21
EVENT_SCHEDULER_LEADER_GAINED = 2**24
EVENT_SCHEDULER_LEADER_LOST = 2**25
# Without "started", which must be asked for: a program written for APScheduler would pay for it and not know it.
EVENT_ALL = (
    2**19 - 1
    | EVENT_JOB_RETRYING
    | EVENT_JOB_GAVE_UP
    | EVENT_SCHEDULER_LEADER_GAINED
    | EVENT_SCHEDULER_LEADER_LOST
)


class SchedulerEvent:
    """Something that happened to the scheduler itself.

    ``code``: one of the ``EVENT_*`` codes; ``alias``: the executor or job store concerned, if any.
    """

    def __init__(self, code: int, alias: str | None = None) -> None:
        self.code = code
        self.alias = alias

    def __repr__(self) -> str:
        return f"<{type(self).__name__} (code={self.code})>"


class JobEvent(SchedulerEvent):
    """Something that happened to a job. ``job_id``: its id; ``jobstore``: the alias of its job store."""

    def __init__(self, code: int, job_id: str, jobstore: str | None) -> None:
        self.code = code
        self.alias = None
        self.job_id = job_id
        self.jobstore = jobstore


class JobSubmissionEvent(JobEvent):
    """A job was handed to its executor. ``scheduled_run_times``: the run times of this run (aware datetimes)."""

    def __init__(
        self, code: int, job_id: str, jobstore: str | None, scheduled_run_times: list[datetime]
    ) -> None:
        self.code = code
        self.alias = None
        self.job_id = job_id
        self.jobstore = jobstore
        self.scheduled_run_times = scheduled_run_times


class JobExecutionEvent(JobEvent):
    """One run of a job ended, failed or was missed.

    ``scheduled_run_time``: when it was due; ``retval``: what the job returned; ``exception``, ``traceback`` (text):
    what it raised. For a missed run, ``lateness_s`` is how many seconds too late the run was found or started, and
    ``cause`` says why: ``"downtime"`` (nobody looked for due jobs: stopped, paused, busy or asleep) or
    ``"queue wait"`` (it was submitted in time, but all workers of the executor were busy),
    ``"shutdown"`` or ``"cancelled"`` (it waited, and was not made).
    ``run``: the `Run`, where somebody asked for runs beforehand, else None; ``attempt``: 1, or more for a retry.
    """

    kept: Any = None  # what a ledger has of the run, where nobody followed it
    _run: Any = None
    _run_id: str | None = None

    @property
    def run(self) -> Any:
        if self._run is None and self.kept is not None:
            from rapscheduler._runs import followed

            self._run = followed(self.kept)
            self._run.retval = self.retval
        return self._run

    @run.setter
    def run(self, run: Any) -> None:
        self._run = run

    @property
    def run_id(self) -> str:
        """The id of the run (a UUIDv7); the event makes one where nobody had asked for it before."""
        if self._run_id is None:
            from rapscheduler._runs import new_run_id

            known = self.kept or self._run
            self._run_id = new_run_id() if known is None else known.id
        return self._run_id

    @property
    def attempt(self) -> int:
        return 1 if self._run is None else int(self._run.attempt)

    @property
    def retry_at(self) -> datetime | None:
        """When it is tried again (UTC); None: it is not."""
        return None if self._run is None else self._run.retry_at

    def __getstate__(self) -> dict[str, Any]:
        known = self.kept or self._run
        name = self._run_id if known is None else known.id
        return {**self.__dict__, "_run": None, "kept": None, "_run_id": name}

    def __init__(
        self,
        code: int,
        job_id: str,
        jobstore: str | None,
        scheduled_run_time: datetime,
        retval: Any = None,
        exception: BaseException | None = None,
        traceback: str | None = None,
        lateness_s: float | None = None,
        cause: str | None = None,
    ) -> None:
        self.code = code
        self.alias = None
        self.job_id = job_id
        self.jobstore = jobstore
        self.scheduled_run_time = scheduled_run_time
        self.retval = retval
        self.exception = exception
        self.traceback = traceback
        self.lateness_s = lateness_s
        self.cause = cause


class JobRunEvent(JobEvent):
    """A run began (``EVENT_JOB_STARTED``). ``run``: the `Run`; ``run_id``: its id."""

    def __init__(self, code: int, run: Any) -> None:
        self.code = code
        self.alias = None
        self.job_id = run.job_id
        self.jobstore = run.alias
        self.run = run
        self.run_id = run.id


class JobParkedEvent(JobEvent):
    """A job can't be run and was set aside in its store. ``reason``: a sentence that says why and names the cure."""

    def __init__(self, code: int, job_id: str, jobstore: str | None, reason: str) -> None:
        self.code = code
        self.alias = None
        self.job_id = job_id
        self.jobstore = jobstore
        self.reason = reason


class JobLostEvent(JobEvent):
    """A run was under way in a scheduler of a shared store that died, or that did not renew its lease.

    ``scheduled_run_time``: when it was due; ``host``, ``pid``: where it was under way; ``rerun``: whether it runs
    again, in the scheduler that tells this.
    """

    def __init__(
        self,
        code: int,
        job_id: str,
        jobstore: str | None,
        scheduled_run_time: datetime,
        host: str | None,
        pid: int | None,
        rerun: bool,
    ) -> None:
        self.code = code
        self.alias = None
        self.job_id = job_id
        self.jobstore = jobstore
        self.scheduled_run_time = scheduled_run_time
        self.host = host
        self.pid = pid
        self.rerun = rerun
