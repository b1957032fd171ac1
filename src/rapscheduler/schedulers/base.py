"""The public face of every scheduler: APScheduler's methods, with bodies of a few lines.

What lives here: signatures, docstrings, the half-public names that other packages use, the state of a scheduler.
What must not: the work, which is done in ``rapscheduler._scheduling``; ways of sleeping, which the subclasses bring.

A subclass has to give ``wakeup()`` and ``shutdown()``, and must call ``_process_jobs()`` at once after the start, after
every ``wakeup()`` and when the seconds that the last call returned are over (``None``: only after a ``wakeup()``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, timedelta, tzinfo
from threading import RLock, get_ident
from types import FunctionType, MethodType, TracebackType

from rapscheduler._clock import SYSTEM, Clock, SystemClock, now_of
from rapscheduler._engine.desk import ELSEWHERE
from rapscheduler._engine.running import RunningCounts
from rapscheduler._hints import TYPE_CHECKING, Any, ClassVar, cast
from rapscheduler._instants import NEVER_US, SECOND_US, moment
from rapscheduler._scheduling import (
    catalogue,
    components,
    configuration,
    counter,
    drafts,
    plugins,
    start_stop,
)
from rapscheduler._scheduling.batch import unpark_waiting
from rapscheduler._scheduling.dispatcher import Dispatcher
from rapscheduler._scheduling.dueloop import DueLoop
from rapscheduler._scheduling.forks import look_for_fork
from rapscheduler._scheduling.lifecycle import (
    STATE_NAMES,
    STATE_PAUSED,
    STATE_RUNNING,
    STATE_STOPPED,
    Lifecycle,
)
from rapscheduler._scheduling.ports import is_hooked
from rapscheduler._scheduling.shelf import Shelves
from rapscheduler._zones import get_localzone
from rapscheduler.errors import (
    ConflictingIdError,
    JobLookupError,
    MaxInstancesReachedError,
    SchedulerAlreadyRunningError,
    SchedulerNotRunningError,
)
from rapscheduler.events import (
    EVENT_ALL,
    EVENT_ALL_JOBS_REMOVED,
    EVENT_EXECUTOR_ADDED,
    EVENT_EXECUTOR_REMOVED,
    EVENT_JOB_ADDED,
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MODIFIED,
    EVENT_JOB_REMOVED,
    EVENT_JOB_STARTED,
    EVENT_JOB_SUBMITTED,
    EVENT_JOBSTORE_ADDED,
    EVENT_JOBSTORE_REMOVED,
    EVENT_SCHEDULER_PAUSED,
    EVENT_SCHEDULER_RESUMED,
    EVENT_SCHEDULER_SHUTDOWN,
    EVENT_SCHEDULER_STARTED,
    JobEvent,
    JobSubmissionEvent,
    SchedulerEvent,
)
from rapscheduler.executors._home import Backlogs, Home, Watched
from rapscheduler.job import Job
from rapscheduler.jobstores.base import BaseJobStore, ParkedJob
from rapscheduler.schedulers._asking import Asking
from rapscheduler.triggers.base import BaseTrigger
from rapscheduler.util import (
    INFO,
    TIMEOUT_MAX,
    as_written,
    asbool,
    asint,
    astimezone,
    elsewhere,
    iscoroutinefunction_partial,
    maybe_ref,
    obj_to_ref,
    ref_to_obj,
    undefined,
)

if TYPE_CHECKING:
    import logging
    from contextvars import Context
    from typing import TypeVar

    from typing_extensions import Unpack

    from rapscheduler._fields import Changes, Shared
    from rapscheduler._runs import Run
    from rapscheduler._scheduling.cancelling import Cancellation
    from rapscheduler._scheduling.health import Health
    from rapscheduler._scheduling.leadership import Leadership
    from rapscheduler._typed import AddJob, RescheduleJob, ScheduledJob, like
    from rapscheduler.executors.base import BaseExecutor as BaseExecutor

    _F = TypeVar("_F", bound=Callable[..., Any])
    _S = TypeVar("_S", bound="BaseScheduler")
    adds, decorates = like(AddJob[Job].call), like(ScheduledJob.call)
    reschedules = like(RescheduleJob[Job].call)
else:
    adds = decorates = reschedules = as_written

__all__ = (
    "EVENT_ALL",
    "EVENT_ALL_JOBS_REMOVED",
    "EVENT_EXECUTOR_ADDED",
    "EVENT_EXECUTOR_REMOVED",
    "EVENT_JOBSTORE_ADDED",
    "EVENT_JOBSTORE_REMOVED",
    "EVENT_JOB_ADDED",
    "EVENT_JOB_MAX_INSTANCES",
    "EVENT_JOB_MODIFIED",
    "EVENT_JOB_REMOVED",
    "EVENT_JOB_SUBMITTED",
    "EVENT_SCHEDULER_PAUSED",
    "EVENT_SCHEDULER_RESUMED",
    "EVENT_SCHEDULER_SHUTDOWN",
    "EVENT_SCHEDULER_STARTED",
    "STATE_PAUSED",
    "STATE_RUNNING",
    "STATE_STOPPED",
    "TIMEOUT_MAX",
    "BaseExecutor",
    "BaseJobStore",
    "BaseScheduler",
    "BaseTrigger",
    "ConflictingIdError",
    "Job",
    "JobEvent",
    "JobLookupError",
    "JobSubmissionEvent",
    "MaxInstancesReachedError",
    "SchedulerAlreadyRunningError",
    "SchedulerEvent",
    "SchedulerNotRunningError",
    "asbool",
    "datetime",
    "timedelta",
    "get_localzone",
    "asint",
    "astimezone",
    "maybe_ref",
    "obj_to_ref",
    "ref_to_obj",
)

_CLASS_TABLES = {
    "trigger": "_trigger_classes",
    "executor": "_executor_classes",
    "jobstore": "_jobstore_classes",
}


class _ModuleClock(SystemClock):
    """The machine's clock, by this module's name ``datetime``, which tests replace."""

    __slots__ = ()

    def now_us(self) -> int:
        return now_of(datetime)

    def now(self, tz: tzinfo) -> datetime:
        return moment(now_of(datetime), tz)


_CLOCK = _ModuleClock()


if not TYPE_CHECKING:
    __getattr__ = elsewhere(__name__)


class BaseScheduler(Asking, ABC):
    """Abstract base class for all schedulers.

    Takes the following keyword arguments (or settings, see `configure`):

    :param str|logging.Logger logger: the logger to use, or a textual reference to one
        (default: ``rapscheduler.scheduler``)
    :param str|datetime.tzinfo timezone: the default time zone (default: the zone of this machine)
    :param int|float jobstore_retry_interval: the least number of seconds to wait before a job store that failed is
        asked again (default: 10)
    :param dict job_defaults: default values for new jobs: ``misfire_grace_time`` (1), ``coalesce`` (True) and
        ``max_instances`` (1)
    :param dict jobstores: alias -> job store instance or settings of one (``type`` or ``class``, and its options)
    :param dict executors: alias -> executor instance or settings of one

    :param leader: run jobs only while this scheduler has a lock that others of the program try for as well: a text such
        as ``"file:/run/app.lock"``, or a `rapscheduler.leader.LeaderLock`, see `docs/leader.md`
    :param leader_callback: called with True when this scheduler begins to lead, and with False when it ends
    :param dict groups: group -> how many runs of its jobs (``group=``) may be under way together
    :param dict limits: group -> how many runs of its jobs may begin in how long, such as ``"10/minute"``
    :param history: keep what became of the runs: ``"memory"``, ``"jobstore"``, a URL of SQLAlchemy or Redis, or a
        mapping with ``place`` (one of these), ``keep`` (runs), ``keep_days`` and ``tablename`` (default: none)
    :param Clock clock: what to ask for the time, e.g. a ``rapscheduler.testing.VirtualClock`` (default: the machine's)

    :ivar int state: ``STATE_STOPPED``, ``STATE_RUNNING`` or ``STATE_PAUSED``
    """

    # Plugins: alias -> something with load(), and the classes that have been loaded
    _trigger_plugins: ClassVar[Any] = plugins.trigger_plugins()
    _executor_plugins: ClassVar[Any] = plugins.executor_plugins()
    _jobstore_plugins: ClassVar[Any] = plugins.jobstore_plugins()
    _trigger_classes: ClassVar[dict[str, Any]] = {}
    _executor_classes: ClassVar[dict[str, Any]] = {}
    _jobstore_classes: ClassVar[dict[str, Any]] = {}

    timezone: tzinfo
    jobstore_retry_interval: float
    _logger: logging.Logger
    _leadership: Leadership | None = None  # with `leader=`
    _groups: Mapping[str, int] = {}
    _limits: Mapping[str, str] = {}
    _watches_wakeups: ClassVar[bool] = False  # a subclass of somebody else's has a `wakeup` of its own

    # Public API

    def __init__(self, gconfig: Mapping[str, Any] = {}, **options: Any) -> None:
        super().__init__()
        self._clock: Clock = _CLOCK
        self._executors: dict[str, Any] = {}
        self._executors_lock = self._create_lock()
        self._jobstores: dict[str, Any] = {}
        self._jobstores_lock = self._create_lock()
        self._dispatcher = self._create_dispatcher()
        self._listeners_lock = self._create_lock()
        self._history: Any = None
        self._watched = Watched(self._make_runbook, self._runs_asked)
        self._pending_jobs: list[drafts.Pending] = []
        self._job_defaults: dict[str, Any] = {}
        self._lifecycle = Lifecycle(self._create_lock())
        self._shelves = Shelves(self._jobstores, self._create_lock)
        # When the loop looks again; NEVER_US also while it looks: wake it for any job.
        self._wake_at_us = NEVER_US
        self._renew_loop()
        self._desk = counter.open_desk(self)
        self.configure(gconfig, **options)
        if Watched.asked:
            self._runs_asked()

    def __getstate__(self) -> Any:
        raise TypeError(
            "Schedulers cannot be serialized. Ensure that you are not passing a scheduler instance as an argument to "
            "a job, or scheduling an instance method where the instance contains a scheduler as an attribute."
        )

    def __enter__(self: _S) -> _S:
        """Start the scheduler unless it runs; leaving the block shuts it down and waits for running jobs."""
        if self.state == STATE_STOPPED:
            self.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        if self.state != STATE_STOPPED:
            self.shutdown()

    def configure(
        self,
        gconfig: Mapping[str, Any] = {},
        prefix: str | None = "apscheduler.",
        **options: Any,
    ) -> None:
        """Set the scheduler up anew. Only possible while it is stopped.

        :param gconfig: a flat mapping of settings with dotted names, e.g.
            ``{"apscheduler.job_defaults.max_instances": "3"}``; texts are converted
        :param prefix: takes the keys of ``gconfig`` that begin with it. With the default, keys that begin with
            ``rapscheduler.`` count as well
        :param options: settings by name, with the same content as nested mappings; they win
        :raises SchedulerAlreadyRunningError: if the scheduler is running
        """
        if self.state != STATE_STOPPED:
            raise SchedulerAlreadyRunningError
        self._configure(configuration.nested(gconfig, prefix, options))

    def start(self, paused: bool = False) -> None:
        """Start the executors and job stores, schedule the pending jobs and begin to process jobs.

        :param paused: process no jobs until `resume` is called
        :raises SchedulerAlreadyRunningError: if the scheduler is running
        :raises RuntimeError: if running under uWSGI with threads disabled
        """
        start_stop.start(self, paused)

    @abstractmethod
    def shutdown(self, wait: bool = True, timeout: float | None = None) -> None:
        """Stop processing jobs, then shut down the executors and job stores.

        Jobs that come due in the meantime are not advanced: they are found when the scheduler starts again.

        :param wait: wait until the jobs that run have ended
        :param timeout: wait this many seconds at most (`None`: as long as it takes)
        :raises SchedulerNotRunningError: if the scheduler has not been started
        """
        start_stop.shut_down(self, wait, timeout)

    def pause(self) -> None:
        """Stop processing jobs until `resume` is called; jobs that run go on.

        :raises SchedulerNotRunningError: if the scheduler has not been started
        """
        start_stop.pause(self)

    def resume(self) -> None:
        """Process jobs again.

        :raises SchedulerNotRunningError: if the scheduler has not been started
        """
        start_stop.resume(self)

    @property
    def state(self) -> int:
        """``STATE_STOPPED``, ``STATE_RUNNING`` or ``STATE_PAUSED``."""
        return self._lifecycle.state

    @property
    def running(self) -> bool:
        """True if the scheduler has been started and not shut down (also while it is paused)."""
        return self.state != STATE_STOPPED

    @property
    def is_leader(self) -> bool:
        """Whether this scheduler runs its jobs: it has been started here, and leads if it was given ``leader=``."""
        if self.state == STATE_STOPPED or self._lifecycle.is_forked:
            return False
        return self._leadership is None or self._leadership.holds()

    @property
    def leader_token(self) -> int | None:
        """A number that grows from leader to leader, to be checked where something is written; None: not the leader.

        Redis, ZooKeeper and etcd give one (fencing).
        """
        return None if self._leadership is None or not self.is_leader else self._leadership.lock.token

    def health(self) -> Health:
        """What a monitor wants to know, as plain values.

        Keys: ``state`` (text), ``alive`` (whether something will look for due jobs and can run them), ``reason`` (why
        not: a text, or None), and what the loop knows of itself, see `docs/guide.md`.
        """
        from rapscheduler._scheduling.health import health_of

        look_for_fork(self)
        reason = self._why_not_alive()
        report: dict[str, Any] = {"state": STATE_NAMES[self.state], "alive": reason is None, "reason": reason}
        wake_at_us = None if self._wake_at_us == NEVER_US else self._wake_at_us
        report.update(health_of(self, self._loop.figures, wake_at_us))
        return cast("Health", report)

    def peers(self) -> list[Any]:
        """The schedulers that work on this one's shared job stores, itself too, while it runs: host, pid, when it was
        heard of, how many runs it has under way (`SchedulerPeer`). Asks the stores."""
        from rapscheduler._scheduling import peers

        return peers.peers_of(self)

    def add_executor(self, executor: Any, alias: str = "default", **executor_opts: Any) -> None:
        """Add an executor; it is started at once when the scheduler runs.

        :param executor: an executor instance, or the alias of an executor plugin
        :param executor_opts: options of the plugin
        :raises ValueError: if there already is an executor by the given alias
        """
        components.add(self, components.EXECUTOR, executor, alias, executor_opts)
        if self.state != STATE_STOPPED:
            unpark_waiting(self, self._shelves, alias)
            self.wakeup()

    def remove_executor(self, alias: str, shutdown: bool = True) -> None:
        """Remove an executor and, unless told otherwise, shut it down."""
        components.remove(self, components.EXECUTOR, alias, shutdown)

    def add_jobstore(self, jobstore: Any, alias: str = "default", **jobstore_opts: Any) -> None:
        """Add a job store; it is started at once when the scheduler runs.

        :param jobstore: a job store instance, or the alias of a job store plugin
        :param jobstore_opts: options of the plugin
        :raises ValueError: if there already is a job store by the given alias
        """
        components.add(self, components.JOBSTORE, jobstore, alias, jobstore_opts)
        if self.state != STATE_STOPPED:
            self.wakeup()

    def remove_jobstore(self, alias: str, shutdown: bool = True) -> None:
        """Remove a job store and, unless told otherwise, shut it down."""
        components.remove(self, components.JOBSTORE, alias, shutdown)

    def add_listener(self, callback: Callable[[Any], Any], mask: int = EVENT_ALL) -> None:
        """Call ``callback(event)`` for every event whose code is in ``mask`` (an or of ``EVENT_*`` codes).

        :raises TypeError: if the callback can't be called, or the mask is no number
        """
        if not callable(callback):
            raise TypeError(
                f"a listener is called with each event, but {callback!r} can't be called; give a function"
            )
        if isinstance(mask, bool) or not isinstance(mask, int):
            raise TypeError(
                f"mask={mask!r} is no event code; give one of the EVENT_* constants of rapscheduler.events, or several "
                "joined by |"
            )
        if iscoroutinefunction_partial(callback):
            self._logger.warning(
                "The listener %r is a coroutine function, and listeners are not awaited: it will do nothing. Give a "
                "plain function; where it is called in an event loop, it may create a task",
                callback,
            )
        look_for_fork(self)
        with self._listeners_lock:
            self._dispatcher.add(callback, mask)
        if mask & EVENT_JOB_STARTED:
            self._watch_runs()

    def remove_listener(self, callback: Callable[[Any], Any]) -> None:
        """Stop calling a listener."""
        look_for_fork(self)
        with self._listeners_lock:
            self._dispatcher.remove(callback)
        if self._watched.every:
            self._watch_runs()

    @adds
    def add_job(
        self,
        func: Any,
        trigger: Any = None,
        args: Any = None,
        kwargs: Any = None,
        id: str | None = None,
        name: str | None = None,
        misfire_grace_time: Any = undefined,
        coalesce: Any = undefined,
        max_instances: Any = undefined,
        next_run_time: Any = undefined,
        jobstore: str = "default",
        executor: str = "default",
        replace_existing: Any = False,
        **trigger_args: Any,
    ) -> Job:
        """Add a job and wake the scheduler up if it is the next to run.

        :param func: the callable to run, or a textual reference to one (``"package.module:name"``)
        :param trigger: when to run it: a trigger, the alias of a trigger plugin, or ``None`` for once and now
        :param args: positional arguments to call it with
        :param kwargs: keyword arguments to call it with
        :param id: an identifier that is unique in the job store (default: a new random one)
        :param name: a description (default: the name of the callable)
        :param misfire_grace_time: how many seconds late a run may still start (``None``: any number)
        :param coalesce: run once instead of many times when several runs are due
        :param max_instances: how many runs of this job may be under way at the same time
        :param next_run_time: when to run first, regardless of the trigger; ``None`` adds the job as paused
        :param jobstore: alias of the job store to keep it in
        :param executor: alias of the executor to run it with
        :param replace_existing: True to replace a job of the same ``id``, as APScheduler does: its next run time is
            computed anew. ``"keep"`` to replace it but keep its next run time as long as its schedule is the same
        :param trigger_args: arguments of the trigger plugin; and the options that few jobs have, each a property of
            `Job` and kept with it: ``group``, ``max_runs``, ``metadata``, ``on_lost``,
            ``overlap``, ``owner``, ``retry``, ``start_immediately``, ``tags``, ``timeout``
        :raises ConflictingIdError: if the store has a job of this id and ``replace_existing`` is false
        """
        unseen = not (
            replace_existing or self._dispatcher.wants(EVENT_JOB_ADDED) or self._logger.isEnabledFor(INFO)
        )
        alike = (
            unseen
            and self._desk.learns
            and not kwargs
            and type(trigger) is str
            and trigger == "cron"
            and executor == "default"
            and misfire_grace_time is coalesce is max_instances is next_run_time is undefined
        )
        job: Any
        items: dict[str, Any] = {}
        if alike:
            job = self._desk.add_like(func, args, id, name, trigger_args, jobstore, self._clock.now_us())
            if job is not ELSEWHERE:
                self._wake_for(job.run_at_us)
                return job  # type: ignore[no-any-return]
            items = dict(trigger_args)
        look_for_fork(self, "a job was added")
        if isinstance(replace_existing, str):
            drafts.checked_replace(replace_existing)
        extras = drafts.take_extras(trigger_args) if trigger_args else None
        if type(trigger) is str and trigger_args.keys() <= drafts.LIMITS:
            drafts.warn_of_every_second(self, func, trigger, args, name or id)
        elif trigger_args and trigger is not None and not isinstance(trigger, str):
            drafts.warn_of_ignored(self, trigger, trigger_args)
        if isinstance(func, str):
            drafts.check_reference(self, jobstore, func)
        job = drafts.draft(
            self,
            func,
            self._create_trigger(trigger, trigger_args),
            args,
            kwargs,
            id,
            name,
            misfire_grace_time,
            coalesce,
            max_instances,
            next_run_time,
            executor,
            extras,
        )
        if alike:
            counter.teach(self, func, items, job)
        if unseen and self._desk.add(job, jobstore, self._clock.now_us()) is not ELSEWHERE:
            self._wake_for(job.run_at_us)
        else:
            catalogue.enter(self, job, jobstore, replace_existing)
        return job  # type: ignore[no-any-return]

    def add_jobs(self, specs: Iterable[Mapping[str, Any]], **shared: Unpack[Shared]) -> list[Job]:
        """Add many jobs with one call to each job store.

        Each spec maps names of `add_job`'s arguments (and of the trigger's) to values; ``shared`` holds those that
        all jobs have in common, e.g. ``add_jobs(({"args": (n,)} for n in range(1000)), func=check, trigger=hourly)``.

        All specs are checked before the first job is stored.

        :return: the jobs, in the order of the specs
        :raises ConflictingIdError: if an id is taken; jobs of other specs may have been added then
        """
        look_for_fork(self, "jobs were added")
        return catalogue.add_many(self, specs, shared)

    @decorates
    def scheduled_job(
        self,
        trigger: Any,
        args: Any = None,
        kwargs: Any = None,
        id: str | None = None,
        name: str | None = None,
        misfire_grace_time: Any = undefined,
        coalesce: Any = undefined,
        max_instances: Any = undefined,
        next_run_time: Any = undefined,
        jobstore: str = "default",
        executor: str = "default",
        **trigger_args: Any,
    ) -> Callable[[_F], _F]:
        """Decorator form of `add_job`; an existing job of the same ``id`` is replaced.

        The ``id`` should be given with a job store that keeps its jobs, or each start adds another job.
        """

        if isinstance(trigger, FunctionType | MethodType):
            raise TypeError(
                f"scheduled_job() needs to know when to run {trigger!r}: write @scheduler.scheduled_job('interval', "
                "minutes=5)"
            )

        add_job: Any = self.add_job

        def add(func: _F) -> _F:
            add_job(
                func,
                trigger,
                args,
                kwargs,
                id,
                name,
                misfire_grace_time,
                coalesce,
                max_instances,
                next_run_time,
                jobstore,
                executor,
                True,
                **trigger_args,
            )
            return func

        return add

    def modify_job(self, job_id: str, jobstore: str | None = None, **changes: Unpack[Changes]) -> Job:
        """Change values of a job; their names are those of `add_job`'s arguments.

        :param job_id: the identifier of the job
        :param jobstore: alias of the job store that has it (default: look in all)
        :return: the job
        :raises JobLookupError: if there is no such job
        """
        values: Any = changes
        job: Any = self._desk.modify(job_id, jobstore, values)
        if job is ELSEWHERE:
            look_for_fork(self, "a job was changed")
            from rapscheduler._scheduling import changing

            return changing.modify(self, job_id, jobstore, values)
        if self._dispatcher.mask & EVENT_JOB_MODIFIED:
            counter.tell_modified(self, job)
        self._wake_for(job.run_at_us)
        return job  # type: ignore[no-any-return]

    @reschedules
    def reschedule_job(
        self, job_id: str, jobstore: str | None = None, trigger: Any = None, **trigger_args: Any
    ) -> Job:
        """Give a job another trigger and compute its next run time from that.

        :return: the job
        :raises JobLookupError: if there is no such job
        """
        if trigger is None and jobstore is not None and jobstore not in self._jobstores:
            plugins.refuse_as_store(jobstore)
        trigger = self._create_trigger(trigger, trigger_args)
        job: Any = self._desk.reschedule(job_id, jobstore, trigger, self._clock.now_us())
        if job is ELSEWHERE:
            look_for_fork(self, "a job was changed")
            from rapscheduler._scheduling import changing

            return changing.reschedule(self, job_id, jobstore, trigger)
        if self._dispatcher.mask & EVENT_JOB_MODIFIED:
            counter.tell_modified(self, job)
        self._wake_for(job.run_at_us)
        return job  # type: ignore[no-any-return]

    def pause_job(self, job_id: str, jobstore: str | None = None) -> Job:
        """Keep a job from running until `resume_job` is called.

        :return: the job
        :raises JobLookupError: if there is no such job
        """
        job: Any = self._desk.pause(job_id, jobstore)
        if job is ELSEWHERE:
            return self.modify_job(job_id, jobstore, next_run_time=None)
        if self._backlogs:
            self._backlogs.cancel(job_id, job._jobstore_alias)
        if self._dispatcher.mask & EVENT_JOB_MODIFIED:
            counter.tell_modified(self, job)
        self._wake_for(job.run_at_us)
        return job  # type: ignore[no-any-return]

    def resume_job(self, job_id: str, jobstore: str | None = None) -> Job | None:
        """Let a paused job run again, or remove it when its schedule is over.

        :return: the job, or ``None`` if it was removed
        :raises JobLookupError: if there is no such job
        """
        job: Any = self._desk.resume(job_id, jobstore, self._clock.now_us())
        if job is ELSEWHERE:
            look_for_fork(self, "a job was changed")
            from rapscheduler._scheduling import changing

            return changing.resume(self, job_id, jobstore)
        if self._dispatcher.mask & EVENT_JOB_MODIFIED:
            counter.tell_modified(self, job)
        self._wake_for(job.run_at_us)
        return job  # type: ignore[no-any-return]

    def get_jobs(
        self,
        jobstore: str | None = None,
        pending: bool | None = None,
        *,
        prefix: str | None = None,
        tag: str | Iterable[str] | None = None,
        owner: str | None = None,
        state: str | None = None,
        after: str | None = None,
        limit: int | None = None,
    ) -> list[Job]:
        """The jobs of one job store or of all; while the scheduler is stopped, the jobs that wait for its start.

        With one of the arguments that follow ``pending`` the store answers, in the order of ids.

        :param pending: ignored, as in APScheduler
        :param prefix: what the id begins with
        :param tag: a tag that the job has, or several that it has all
        :param owner: see `sync_jobs`
        :param state: ``"scheduled"``, ``"paused"`` or ``"parked"``
        :param after: ids beyond this one: the last of the page before
        :param limit: the most jobs wanted
        """
        if pending is not None:
            import warnings

            warnings.warn(
                "get_jobs() ignores the 'pending' option: it gives the pending jobs exactly while the scheduler is "
                "stopped",
                DeprecationWarning,
                stacklevel=2,
            )
        look_for_fork(self)
        if (prefix, tag, owner, state, after, limit) == (None,) * 6:
            return catalogue.list_jobs(self, jobstore)
        from rapscheduler._scheduling import asking

        filters = {
            "prefix": prefix,
            "tag": tag,
            "owner": owner,
            "state": state,
            "after": after,
            "limit": limit,
        }
        return asking.find(self, jobstore, filters)

    def get_job(self, job_id: str, jobstore: str | None = None) -> Job | None:
        """The job with this identifier, or ``None``."""
        job: Any = self._desk.find(job_id, jobstore)
        if job is not ELSEWHERE:
            return job  # type: ignore[no-any-return]
        look_for_fork(self)
        try:
            return self._lookup_job(job_id, jobstore)[0]
        except JobLookupError:
            return None

    def remove_job(self, job_id: str, jobstore: str | None = None) -> None:
        """Remove a job.

        :raises JobLookupError: if there is no such job
        """
        alias = self._desk.remove(job_id, jobstore)
        if alias is ELSEWHERE:
            look_for_fork(self, "a job was removed")
            from rapscheduler._scheduling import changing

            changing.remove(self, job_id, jobstore)
        elif self._dispatcher.mask & EVENT_JOB_REMOVED or self._logger.isEnabledFor(INFO) or self._backlogs:
            counter.tell_removed(self, job_id, jobstore, alias)
        if self._watched.tracker is not None:
            from rapscheduler._scheduling.retrying import remove

            remove(self._watched.tracker, job_id, jobstore)

    def remove_all_jobs(self, jobstore: str | None = None) -> None:
        """Remove every job of one job store, or of all."""
        look_for_fork(self, "all jobs were removed")
        from rapscheduler._scheduling import changing

        changing.remove_all(self, jobstore)

    def print_jobs(self, jobstore: str | None = None, out: Any = None) -> None:
        """Write the jobs of one job store or of all as text to ``out`` (default: standard output)."""
        look_for_fork(self)
        catalogue.print_jobs(self, jobstore, out)

    def plot_day(self, day: date | None = None, jobstore: str | None = None) -> str:
        """Draw a day of all jobs: an SVG text, a bar for each five minutes, as high as the runs that begin in them.

        :param day: which one, in the scheduler's zone (default: today)
        :param jobstore: only the jobs of this store
        """
        from rapscheduler._scheduling.pictures import plot_day

        return plot_day(self, day, jobstore)

    def export_jobs(self, outfile: Any, jobstore: str | None = None) -> None:
        """Write the jobs of one job store or of all as JSON.

        :param outfile: path of the file, or a file object opened for text
        """
        from rapscheduler._scheduling import transfer

        look_for_fork(self)
        transfer.export_jobs(self, outfile, jobstore)

    def import_jobs(
        self, infile: Any, jobstore: str = "default", *, allowed_callables: Iterable[str] | str | None = None
    ) -> None:
        """Add the jobs that `export_jobs` wrote.

        Nothing is unpickled, and no module is imported for a name that isn't allowed. But jobs run what they name: for
        a file that others may have written, say which callables are yours.

        :param infile: path of the file, or a file object opened for text
        :param allowed_callables: patterns such as ``["myapp.tasks:*"]``, beside those of the store. Without any: those
            of the scheduler's other stores; when these have none either, the file may name any callable
        :raises ValueError: if the text is not such an export
        :raises ConflictingIdError: if the store has a job of the same id
        """
        from rapscheduler._scheduling import transfer

        look_for_fork(self, "jobs were added")
        transfer.import_jobs(self, infile, jobstore, allowed_callables)

    def export_job(self, job: Job) -> dict[str, Any]:
        """A job of this scheduler as an object of JSON: what `export_jobs` writes of it. `Job.as_dict` is the same.

        :return: ``id``, ``job`` (what the row of a store holds), and for a job that has been scheduled its times in µs:
            ``run_at_us`` (None: it is paused) and ``nominal_us``, which differs where there is a jitter
        :raises EncodeError: if its callable has no name to be found by, or a value can't be written
        """
        from rapscheduler._scheduling import transfer

        return transfer.export_job(self, job)

    def import_job(
        self,
        entry: Mapping[str, Any],
        jobstore: str = "default",
        replace_existing: Any = False,
        *,
        allowed_callables: Iterable[str] | str | None = None,
    ) -> Job:
        """Add a job from what `Job.as_dict` or `export_job` gave, or from one object of an `export_jobs`.

        It is due when the entry says; without ``run_at_us`` its trigger says when. Nothing is unpickled, and no module
        is imported for a name that isn't allowed.

        :param entry: such an object
        :param replace_existing: as `add_job` takes it
        :param allowed_callables: see `import_jobs`
        :raises ValueError: if it is no such object, or names a callable that isn't allowed
        :raises ConflictingIdError: if the store has a job of this id and ``replace_existing`` is false
        """
        from rapscheduler._scheduling import transfer

        look_for_fork(self, "a job was added")
        return transfer.import_job(self, entry, jobstore, replace_existing, allowed_callables)

    def get_parked_jobs(self, jobstore: str | None = None) -> list[ParkedJob]:
        """The jobs that were set aside because they can't be run, with the reasons."""
        look_for_fork(self)
        return catalogue.parked(self, jobstore)

    def resume_parked(self, job_id: str | None = None, jobstore: str | None = None) -> list[str]:
        """Try parked jobs again, one or all.

        :return: the ids of the jobs that were parked
        :raises JobLookupError: if ``job_id`` is given and that job is not parked
        """
        look_for_fork(self, "parked jobs were resumed")
        return catalogue.resume_parked(self, job_id, jobstore)

    # Runs

    def run_job(
        self,
        job_id: str,
        jobstore: str | None = None,
        *,
        args: Iterable[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
    ) -> Run:
        """Run a job now, beside its schedule, which stays as it is; paused jobs too.

        :param args: positional arguments in the place of the job's, for this run
        :param kwargs: keyword arguments in the place of the job's, for this run
        :return: the run; its state is ``skipped`` when as many runs of the job as allowed are under way
        :raises JobLookupError: if there is no such job
        :raises SchedulerNotRunningError: if the scheduler has not been started
        """
        from rapscheduler._scheduling.run_now import run_now

        return run_now(self, job_id, jobstore, args, kwargs)

    async def run_job_async(self, job_id: str, jobstore: str | None = None, **options: Any) -> Run:
        """`run_job`, whose look into the job store does not hold the event loop up."""
        import asyncio
        from functools import partial

        return await asyncio.to_thread(partial(self.run_job, job_id, jobstore, **options))

    def get_running(self) -> list[Run]:
        """The runs whose calls are under way, the longest first.

        Runs are kept from the first call of this on (or since somebody imported `current_run`, added a middleware,
        listens for ``EVENT_JOB_STARTED`` or keeps a history). Those begun before are left out.
        """
        from rapscheduler._scheduling.runbook import ask

        return ask(self).under_way()

    def get_runs(
        self,
        job_id: str | None = None,
        state: str | None = None,
        since: datetime | None = None,
        limit: int = 100,
    ) -> list[Run]:
        """Runs that ended, from the history, the latest first.

        :param since: only those that ended at or after this aware datetime
        :raises RuntimeError: if the scheduler keeps no history
        """
        return list(self._kept_history().read(job_id, state, since, limit))

    def count_runs(self, job_id: str | None = None, since: datetime | None = None) -> dict[str, int]:
        """How many runs ended in each state, from the history.

        :raises RuntimeError: if the scheduler keeps no history
        """
        return dict(self._kept_history().count(job_id, since))

    def _kept_history(self) -> Any:
        if self._history is None:
            raise RuntimeError(
                'This scheduler keeps no history; give it history="memory", or "jobstore", or a URL'
            )
        return self._history

    def cancel_run(self, run_id: str, timeout: float = 10.0) -> Cancellation:
        """Let a run end: a coroutine or greenlet is cancelled, a worker process ended, a queued run is not begun, a job
        in a thread sees ``current_run().cancelled``. A run that is not this scheduler's is looked for among the others
        of its shared stores, and ended by the one that makes it.

        :param timeout: seconds to wait for the answer of the others
        :return: what was done; true if the run was told to end
        :raises TypeError: if `run_id` is no text
        """
        from rapscheduler._scheduling import cancelling

        return cancelling.cancel_run(self, run_id, timeout)

    def add_middleware(self, middleware: Callable[[Run, Callable[[], Any]], Any]) -> None:
        """Make every run by ``middleware(run, call)``, which calls ``call()`` and gives what that returned.

        The one added first is the outermost. A coroutine function awaits ``call()``. It is not stored, and does not go
        to other processes.
        """
        if not callable(middleware):
            raise TypeError(
                f"a middleware is called with a run and its call, but {middleware!r} can't be called"
            )
        from rapscheduler._scheduling.runbook import watch

        book = self._watched.made()
        book.middleware = (*book.middleware, middleware)
        watch(self)

    def remove_middleware(self, middleware: Callable[[Run, Callable[[], Any]], Any]) -> None:
        """Stop calling a middleware. ValueError: it was not added."""
        from rapscheduler._scheduling.runbook import watch

        book = self._watched.made()
        kept = list(book.middleware)
        kept.remove(middleware)
        book.middleware = tuple(kept)
        watch(self)

    def _make_runbook(self) -> Any:
        from rapscheduler._scheduling.runbook import RunBook

        return RunBook(self)

    def _watch_runs(self) -> None:
        from rapscheduler._scheduling.runbook import watch

        watch(self)

    def _runs_asked(self) -> None:
        """Somebody imported `current_run`."""
        from rapscheduler._scheduling.runbook import ask

        ask(self)

    @abstractmethod
    def wakeup(self) -> None:
        """Make the scheduler look for due jobs now. May be called from any thread."""

    # For subclasses and other packages

    def _configure(self, config: dict[str, Any]) -> None:
        leader, callback = config.pop("leader", None), config.pop("leader_callback", None)
        settings = configuration.read_core(config, get_localzone)
        if settings.clock is not None and settings.clock is not self._clock:
            self._clock = settings.clock
            self._clock.call_when_moved(self._clock_was_moved)
        self._logger = settings.logger
        self._leadership = None
        if leader is not None or callback is not None:
            from rapscheduler._scheduling.leadership import leadership_of

            self._leadership = leadership_of(self, leader, callback)
        self.timezone = settings.timezone
        self.jobstore_retry_interval = settings.jobstore_retry_interval_s
        self._job_defaults = settings.job_defaults
        self._groups, self._limits = settings.groups, settings.limits
        self._limit_groups()
        if settings.history is not None or self._history is not None:
            from rapscheduler._scheduling.history import set_up

            set_up(self, settings.history)
        for kind, section in (
            (components.EXECUTOR, settings.executors),
            (components.JOBSTORE, settings.jobstores),
        ):
            getattr(self, kind.table).clear()
            add = self.add_executor if kind is components.EXECUTOR else self.add_jobstore
            for alias, value in section.items():
                add(components.from_settings(self, kind, alias, value), alias)

    def _clock_was_moved(self) -> None:
        if self._lifecycle.state == STATE_RUNNING:
            self.wakeup()

    def _create_default_executor(self) -> Any:
        """The executor that is added at the start when none has the alias "default"."""
        return self._create_plugin_instance("executor", "threadpool", {})

    def _create_default_jobstore(self) -> Any:
        """The job store that is added at the start when none has the alias "default"."""
        return self._create_plugin_instance("jobstore", "memory", {})

    def _lookup_executor(self, alias: str) -> Any:
        return components.look_up(self, components.EXECUTOR, alias)

    def _lookup_jobstore(self, alias: str) -> Any:
        store = self._jobstores.get(alias)
        return components.look_up(self, components.JOBSTORE, alias) if store is None else store

    def _lookup_job(self, job_id: str, jobstore_alias: str | None) -> tuple[Job, str | None]:
        try:
            return catalogue.find(self, job_id, jobstore_alias)
        except TypeError as exc:
            if isinstance(job_id, str):
                raise
            raise TypeError(f"A job is looked up by its id, a text such as job.id; got {job_id!r}") from exc

    def _dispatch_event(self, event: SchedulerEvent) -> None:
        """Tell an event to the listeners that want it."""
        self._dispatcher.dispatch(event)

    def home_of_executors(self) -> Home:
        """What executors may ask of this scheduler, see `Home`."""
        return Home(
            self._running_counts,
            SYSTEM.now_us if self._clock is _CLOCK else self._clock.now_us,
            self._wants,
            self._create_lock,
            self._run_context,
            self._outlives_main,
            self._backlogs,
            self._watched,
            self._dispatcher,
            self._tells_otherwise,
        )

    def _tells_otherwise(self) -> bool:
        """Whether somebody replaced the methods that tell events: of this object, in a subclass or in this class."""
        return self._is_hooked("_dispatch_event", "_wants")

    def _run_context(self) -> Context | None:
        """A copy of the context variables that a new run sees; `None`: those of whoever begins it."""
        return None

    def _outlives_main(self) -> bool:
        """Whether the loop goes on when the main thread has ended, so that its executors are needed still."""
        return False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._watches_wakeups = not cls.wakeup.__module__.startswith("rapscheduler.")

    def _wants(self, code: int) -> bool:
        """Whether a listener wants events of this code, or somebody looks at every event by a hook."""
        if (self._dispatcher.mask | self._dispatcher.asked) & code:
            return True
        return type(self)._dispatch_event is not _DISPATCH_EVENT or "_dispatch_event" in self.__dict__

    def _is_hooked(self, *names: str) -> bool:
        """Whether somebody replaced one of these methods: in a subclass, in this class or on this very object."""
        return any(is_hooked(self, _AS_WRITTEN, name) for name in names)

    @property
    def _listeners(self) -> list[tuple[Callable[[Any], Any], int]]:
        """The listeners with their masks; other packages read, change and replace this list."""
        return self._dispatcher.listeners

    @_listeners.setter
    def _listeners(self, listeners: list[tuple[Callable[[Any], Any], int]]) -> None:
        self._dispatcher.listeners[:] = listeners

    def _check_uwsgi(self) -> None:
        start_stop.check_uwsgi()

    def _real_add_job(self, job: Job, jobstore_alias: str, replace_existing: Any) -> None:
        catalogue.schedule(self, job, jobstore_alias, replace_existing)

    def _create_plugin_instance(self, type_: str, alias: str, constructor_kwargs: dict[str, Any]) -> Any:
        """An instance of a plugin. ``type_``: ``"trigger"``, ``"executor"`` or ``"jobstore"``."""
        classes = getattr(self, _CLASS_TABLES[type_])
        cls = classes.get(alias)
        if cls is None:
            cls = plugins.plugin_class(type_, alias, getattr(self, f"_{type_}_plugins"), classes)
        return plugins.create(cls, constructor_kwargs, drafts.JOB_NAMES if type_ == "trigger" else ())

    def _bring_rooms(self, of_rows: bool = False) -> None:
        import rapscheduler._scheduling.rooms_of_options  # (here, as it leads to rooms that call this)

        if of_rows:
            import rapscheduler._scheduling.rooms_of_rows  # noqa: F401

    def _create_trigger(self, trigger: Any, trigger_args: dict[str, Any]) -> Any:
        if trigger is None:
            trigger = "date"
        elif type(trigger) is not str:
            # The former is cheaper.
            if BaseTrigger in type(trigger).__mro__ or isinstance(trigger, BaseTrigger):
                return trigger
            if not isinstance(trigger, type) and plugins.fits("trigger", trigger):
                return trigger
            raise plugins.no_trigger(trigger)
        if trigger not in ("and", "or"):  # they have no zone of their own
            trigger_args.setdefault("timezone", self.timezone)
        return self._create_plugin_instance("trigger", trigger, trigger_args)

    def _renew_loop(self) -> None:
        """A loop that has made no pass, and counts of runs in which none is under way."""
        self._shelves.forget_calls()
        self._loop = DueLoop(self)
        self._running_counts = RunningCounts()
        self._limit_groups()
        self._backlogs = Backlogs()

    def _limit_groups(self) -> None:
        """Let the counts know how many runs of a group may be under way, and begin in a time."""
        self._running_counts.limits = dict(self._groups)
        self._running_counts.rates = None
        if self._limits:
            from rapscheduler._scheduling.rates import Rates

            self._running_counts.rates = Rates(self._limits, self._clock)

    def _leave_parent(self) -> None:
        """In a forked child: forget what is under way in the parent; see `forks`."""
        if self._leadership is not None:
            self._leadership.leave_parent()
        if self._history is not None:
            self._history.leave_parent()
        if self._watched.tracker is not None:
            self._watched.tracker.leave_parent()
            self._watch_runs()  # they are another process's now
        self._renew_loop()
        self._wake_at_us = NEVER_US

    def _create_dispatcher(self) -> Dispatcher:
        return Dispatcher(lambda: self._logger)

    def _callable_here(self, executor: Any) -> Any:
        """The executor, or a stand-in by which this thread may call it."""
        return executor

    def _create_lock(self) -> Any:
        """A reentrant lock of the kind that fits the way this scheduler runs."""
        return RLock()

    def _process_jobs(self) -> float | None:
        """Run what is due; the seconds until the next call, or ``None``: call after the next `wakeup` only."""
        self._wake_at_us = NEVER_US
        if self._lifecycle.is_forked:
            return None  # greenlets, and event loops, may go on in a forked child: the jobs are run in the parent
        try:
            wait_s = self._loop.run_once()
        finally:
            if self._lifecycle.waits_for_pass and self._loop.pass_ident is None:  # else that pass does it
                self._carry_out_end()
        if wait_s is not None:
            due_us = self._loop.due_us
            self._wake_at_us = self._clock.now_us() + round(wait_s * SECOND_US) if due_us is None else due_us
        return wait_s

    def _carry_out_end(self) -> bool:
        """Make the rest of a shutdown that waited for the end of a pass; False: there is none."""
        ending = self._lifecycle.take_end()
        if ending is not None:
            start_stop.stop_components(self, ending)
        return ending is not None

    def _let_run(self) -> None:
        """Called between two batches of a pass: runs that wait for this thread may begin. Must not take long."""

    def _wake_for(self, run_at_us: int | None) -> None:
        """Wake the loop if a job that is due then is due before the loop would look again.

        A `wakeup` that somebody overrode is called after every change, as on APScheduler.
        """
        if self._lifecycle.state == STATE_RUNNING and (
            (run_at_us is not None and run_at_us < self._wake_at_us)
            or self._watches_wakeups
            or "wakeup" in self.__dict__
        ):
            self.wakeup()

    def _prepare_loop(self) -> None:
        """Called when the start has begun and nothing is started yet; what this raises, the start raises."""

    def _start_loop(self) -> None:
        """Called when the components are started and the state has just changed, under the lock of the state."""

    def _is_stopping(self) -> bool:
        """Whether a shutdown is under way."""
        return self._lifecycle.stopping

    def _is_in_pass(self) -> bool:
        """Whether a shutdown in this thread has to wait until the pass that is under way has ended."""
        return get_ident() in self._loop.inside

    def _was_woken(self) -> bool:
        """Whether `wakeup` was called and no thread has looked yet; asked while a store hangs."""
        return False

    def _passing_elsewhere(self) -> bool:
        """Whether another thread makes a pass right now."""
        return self._loop.pass_ident not in (None, get_ident())

    def _settle_last(self, timeout: float | None) -> None:
        """Before the stores are closed: write what they have not taken."""
        from rapscheduler._scheduling import last_writes

        last_writes.settle_last(self, timeout)

    def _stop_loop(self, timeout: float | None) -> None:
        """Wait until no pass over the jobs is under way (unless it is this thread's); the state is STOPPED already."""
        if get_ident() not in self._loop.inside:
            self._loop.wait_idle(timeout)
        self._loop.stop_watches()

    def _why_not_alive(self) -> str | None:
        """Why nothing will call `_process_jobs`, or run what it finds; None: as far as one can tell, all is well."""
        if self.state == STATE_STOPPED:
            return "it is stopped"
        if self._lifecycle.is_forked:
            return f"it was started before os.fork(), in process {self._lifecycle.home_pid}"
        return start_stop.why_main_ended(self)


#: its methods as they are written here, whatever somebody puts in their place
_AS_WRITTEN = {**vars(Asking), **vars(BaseScheduler)}
_DISPATCH_EVENT = BaseScheduler._dispatch_event
