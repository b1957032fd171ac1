"""The public face of every scheduler: APScheduler's methods, with bodies of a few lines.

What lives here: signatures, docstrings, the half-public names that other packages use, the state of a scheduler.
What must not: the work, which is done in ``rapscheduler._scheduling``; ways of sleeping, which the subclasses bring.

A subclass has to give ``wakeup()`` and ``shutdown()``, and must call ``_process_jobs()`` at once after the start, after
every ``wakeup()`` and when the seconds that the last call returned are over (``None``: only after a ``wakeup()``).
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from datetime import tzinfo
from threading import RLock, get_ident
from types import TracebackType
from typing import Any, ClassVar, TypeVar

from rapscheduler._clock import Clock, SystemClock
from rapscheduler._engine.running import RunningCounts
from rapscheduler._scheduling import (
    catalogue,
    changing,
    components,
    configuration,
    drafts,
    lifecycle,
    plugins,
    transfer,
)
from rapscheduler._scheduling.dispatcher import Dispatcher
from rapscheduler._scheduling.dueloop import DueLoop
from rapscheduler._scheduling.lifecycle import STATE_PAUSED, STATE_RUNNING, STATE_STOPPED
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
from rapscheduler.executors.base import BaseExecutor
from rapscheduler.job import Job
from rapscheduler.jobstores.base import BaseJobStore, ParkedJob
from rapscheduler.triggers.base import BaseTrigger
from rapscheduler.util import (
    TIMEOUT_MAX,
    asbool,
    asint,
    astimezone,
    iscoroutinefunction_partial,
    maybe_ref,
    obj_to_ref,
    ref_to_obj,
    undefined,
)

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
    "asint",
    "astimezone",
    "maybe_ref",
    "obj_to_ref",
    "ref_to_obj",
)

F = TypeVar("F", bound=Callable[..., Any])
S = TypeVar("S", bound="BaseScheduler")

NEVER_US = 2**63 - 1
_CLASS_TABLES = {
    "trigger": "_trigger_classes",
    "executor": "_executor_classes",
    "jobstore": "_jobstore_classes",
}


def __getattr__(name: str) -> Any:
    """Names that APScheduler's module has too, and that are not needed here: imported when somebody asks."""
    if name == "MemoryJobStore":
        from rapscheduler.jobstores.memory import MemoryJobStore

        return MemoryJobStore
    if name == "ThreadPoolExecutor":
        from rapscheduler.executors.pool import ThreadPoolExecutor

        return ThreadPoolExecutor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class BaseScheduler(ABC):
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

    # Public API

    def __init__(self, gconfig: Mapping[str, Any] = {}, **options: Any) -> None:
        super().__init__()
        self.state: int = STATE_STOPPED
        self._clock: Clock = SystemClock()
        self._executors: dict[str, Any] = {}
        self._executors_lock = self._create_lock()
        self._jobstores: dict[str, Any] = {}
        self._jobstores_lock = self._create_lock()
        self._dispatcher = self._create_dispatcher()
        self._listeners_lock = self._create_lock()
        self._pending_jobs: list[drafts.Pending] = []
        self._job_defaults: dict[str, Any] = {}
        self._state_lock = self._create_lock()
        self._store_locks: dict[int, Any] = {}
        self._starting = self._stopping = False
        self._stop_asked: dict[str, Any] | None = None
        self._end_after_pass: tuple[bool, float | None] | None = None  # a shutdown() in the middle of a pass
        self._fork_count = lifecycle.fork_count()
        self._fork_warned = 0
        self._wake_at_us = (
            NEVER_US  # when the loop looks again; NEVER_US also while it looks: wake it for any job
        )
        self._renew_loop()
        self.configure(gconfig, **options)

    def __getstate__(self) -> Any:
        raise TypeError(
            "Schedulers cannot be serialized. Ensure that you are not passing a scheduler instance as an argument to "
            "a job, or scheduling an instance method where the instance contains a scheduler as an attribute."
        )

    def __enter__(self: S) -> S:
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
        lifecycle.start(self, paused)

    @abstractmethod
    def shutdown(self, wait: bool = True, timeout: float | None = None) -> None:
        """Stop processing jobs, then shut down the executors and job stores.

        Jobs that come due in the meantime are not advanced: they are found when the scheduler starts again.

        :param wait: wait until the jobs that run have ended
        :param timeout: wait this many seconds at most (`None`: as long as it takes)
        :raises SchedulerNotRunningError: if the scheduler has not been started
        """
        lifecycle.shut_down(self, wait, timeout)

    def pause(self) -> None:
        """Stop processing jobs until `resume` is called; jobs that run go on.

        :raises SchedulerNotRunningError: if the scheduler has not been started
        """
        lifecycle.pause(self)

    def resume(self) -> None:
        """Process jobs again.

        :raises SchedulerNotRunningError: if the scheduler has not been started
        """
        lifecycle.resume(self)

    @property
    def running(self) -> bool:
        """True if the scheduler has been started and not shut down (also while it is paused)."""
        return self.state != STATE_STOPPED

    def health(self) -> dict[str, Any]:
        """What a monitor wants to know, as plain values.

        Keys: ``state`` (text), ``alive`` (whether something will look for due jobs: False for a loop that is dead or
        was left behind in another process by a fork), and what the loop knows of itself, see `docs/guide.md`.
        """
        states = {STATE_STOPPED: "stopped", STATE_RUNNING: "running", STATE_PAUSED: "paused"}
        report: dict[str, Any] = {"state": states[self.state], "alive": self._is_alive()}
        report.update(self._loop.health())
        return report

    def add_executor(self, executor: Any, alias: str = "default", **executor_opts: Any) -> None:
        """Add an executor; it is started at once when the scheduler runs.

        :param executor: an executor instance, or the alias of an executor plugin
        :param executor_opts: options of the plugin
        :raises ValueError: if there already is an executor by the given alias
        """
        components.add(self, components.EXECUTOR, executor, alias, executor_opts)
        if self.state != STATE_STOPPED:
            self._loop.executor_added(alias)
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
        """Call ``callback(event)`` for every event whose code is in ``mask`` (an or of ``EVENT_*`` codes)."""
        if iscoroutinefunction_partial(callback):
            self._logger.warning(
                "The listener %r is a coroutine function, and listeners are not awaited: it will do nothing. Give a "
                "plain function; where it is called in an event loop, it may create a task",
                callback,
            )
        with self._listeners_lock:
            self._dispatcher.add(callback, mask)

    def remove_listener(self, callback: Callable[[Any], Any]) -> None:
        """Stop calling a listener."""
        with self._listeners_lock:
            self._dispatcher.remove(callback)

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
        :param trigger_args: arguments of the trigger plugin
        :raises ConflictingIdError: if the store has a job of this id and ``replace_existing`` is false
        """
        if isinstance(replace_existing, str):
            drafts.checked_replace(replace_existing)
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
        )
        catalogue.enter(self, job, jobstore, replace_existing)
        return job

    def add_jobs(self, specs: Iterable[Mapping[str, Any]], **shared: Any) -> list[Job]:
        """Add many jobs with one call to each job store.

        Each spec maps names of `add_job`'s arguments (and of the trigger's) to values; ``shared`` holds those that
        all jobs have in common, e.g. ``add_jobs(({"args": (n,)} for n in range(1000)), func=check, trigger=hourly)``.

        All specs are checked before the first job is stored.

        :return: the jobs, in the order of the specs
        :raises ConflictingIdError: if an id is taken; jobs of other specs may have been added then
        """
        return catalogue.add_many(self, specs, shared)

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
    ) -> Callable[[F], F]:
        """Decorator form of `add_job`; an existing job of the same ``id`` is replaced.

        The ``id`` should be given with a job store that keeps its jobs, or each start adds another job.
        """

        def add(func: F) -> F:
            self.add_job(
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

    def modify_job(self, job_id: str, jobstore: str | None = None, **changes: Any) -> Job:
        """Change values of a job; their names are those of `add_job`'s arguments.

        :param job_id: the identifier of the job
        :param jobstore: alias of the job store that has it (default: look in all)
        :return: the job
        :raises JobLookupError: if there is no such job
        """
        return changing.modify(self, job_id, jobstore, changes)

    def reschedule_job(
        self, job_id: str, jobstore: str | None = None, trigger: Any = None, **trigger_args: Any
    ) -> Job:
        """Give a job another trigger and compute its next run time from that.

        :return: the job
        :raises JobLookupError: if there is no such job
        """
        return changing.reschedule(self, job_id, jobstore, self._create_trigger(trigger, trigger_args))

    def pause_job(self, job_id: str, jobstore: str | None = None) -> Job:
        """Keep a job from running until `resume_job` is called.

        :return: the job
        :raises JobLookupError: if there is no such job
        """
        return self.modify_job(job_id, jobstore, next_run_time=None)

    def resume_job(self, job_id: str, jobstore: str | None = None) -> Job | None:
        """Let a paused job run again, or remove it when its schedule is over.

        :return: the job, or ``None`` if it was removed
        :raises JobLookupError: if there is no such job
        """
        return changing.resume(self, job_id, jobstore)

    def get_jobs(self, jobstore: str | None = None, pending: bool | None = None) -> list[Job]:
        """The jobs of one job store or of all; while the scheduler is stopped, the jobs that wait for its start.

        :param pending: ignored, as in APScheduler
        """
        if pending is not None:
            import warnings

            warnings.warn(
                "get_jobs() ignores the 'pending' option: it gives the pending jobs exactly while the scheduler is "
                "stopped",
                DeprecationWarning,
                stacklevel=2,
            )
        return catalogue.list_jobs(self, jobstore)

    def get_job(self, job_id: str, jobstore: str | None = None) -> Job | None:
        """The job with this identifier, or ``None``."""
        try:
            return self._lookup_job(job_id, jobstore)[0]
        except JobLookupError:
            return None

    def remove_job(self, job_id: str, jobstore: str | None = None) -> None:
        """Remove a job.

        :raises JobLookupError: if there is no such job
        """
        catalogue.remove(self, job_id, jobstore)

    def remove_all_jobs(self, jobstore: str | None = None) -> None:
        """Remove every job of one job store, or of all."""
        catalogue.remove_all(self, jobstore)

    def print_jobs(self, jobstore: str | None = None, out: Any = None) -> None:
        """Write the jobs of one job store or of all as text to ``out`` (default: standard output)."""
        catalogue.print_jobs(self, jobstore, out)

    def export_jobs(self, outfile: Any, jobstore: str | None = None) -> None:
        """Write the jobs of one job store or of all as JSON.

        :param outfile: path of the file, or a file object opened for text
        """
        transfer.export_jobs(self, outfile, jobstore)

    def import_jobs(self, infile: Any, jobstore: str = "default") -> None:
        """Add the jobs that `export_jobs` wrote.

        :param infile: path of the file, or a file object opened for text
        :raises ValueError: if the text is not such an export
        :raises ConflictingIdError: if the store has a job of the same id
        """
        transfer.import_jobs(self, infile, jobstore)

    def get_parked_jobs(self, jobstore: str | None = None) -> list[ParkedJob]:
        """The jobs that were set aside because they can't be run, with the reasons."""
        return catalogue.parked(self, jobstore)

    def resume_parked(self, job_id: str | None = None, jobstore: str | None = None) -> list[str]:
        """Try parked jobs again, one or all.

        :return: the ids of the jobs that were parked
        :raises JobLookupError: if ``job_id`` is given and that job is not parked
        """
        return catalogue.resume_parked(self, job_id, jobstore)

    @abstractmethod
    def wakeup(self) -> None:
        """Make the scheduler look for due jobs now. May be called from any thread."""

    # For subclasses and other packages

    def _configure(self, config: dict[str, Any]) -> None:
        settings = configuration.read_core(config)
        self._logger = settings.logger
        self.timezone = settings.timezone
        self.jobstore_retry_interval = settings.jobstore_retry_interval_s
        self._job_defaults = settings.job_defaults
        for kind, section in (
            (components.EXECUTOR, settings.executors),
            (components.JOBSTORE, settings.jobstores),
        ):
            getattr(self, kind.table).clear()
            add = self.add_executor if kind is components.EXECUTOR else self.add_jobstore
            for alias, value in section.items():
                add(components.from_settings(self, kind, alias, value), alias)

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
        return catalogue.find(self, job_id, jobstore_alias)

    def _dispatch_event(self, event: SchedulerEvent) -> None:
        """Tell an event to the listeners that want it."""
        self._dispatcher.dispatch(event)

    def _wants(self, code: int) -> bool:
        """Whether a listener wants events of this code, or a subclass looks at every event by itself."""
        if type(self)._dispatch_event is not BaseScheduler._dispatch_event:
            return True
        return self._dispatcher.mask & code != 0

    @property
    def _listeners(self) -> list[tuple[Callable[[Any], Any], int]]:
        """The listeners with their masks; other packages read this list."""
        return self._dispatcher.listeners

    def _check_uwsgi(self) -> None:
        lifecycle.check_uwsgi()

    def _real_add_job(self, job: Job, jobstore_alias: str, replace_existing: Any) -> None:
        catalogue.schedule(self, job, jobstore_alias, replace_existing)

    @property
    def _adds_in_groups(self) -> bool:
        """Whether many jobs may go to a store in one call: not when a subclass wants to see each."""
        return type(self)._real_add_job is BaseScheduler._real_add_job

    @property
    def _makes_triggers(self) -> bool:
        """Whether triggers of the same arguments may be made alike: not when a subclass wants to make each."""
        makers = (self._create_trigger, self._create_plugin_instance)
        own = (BaseScheduler._create_trigger, BaseScheduler._create_plugin_instance)
        return tuple(getattr(maker, "__func__", None) for maker in makers) == own

    def _create_plugin_instance(self, type_: str, alias: str, constructor_kwargs: dict[str, Any]) -> Any:
        """An instance of a plugin. ``type_``: ``"trigger"``, ``"executor"`` or ``"jobstore"``."""
        classes = getattr(self, _CLASS_TABLES[type_])
        cls = classes.get(alias)
        if cls is None:
            cls = plugins.plugin_class(type_, alias, getattr(self, f"_{type_}_plugins"), classes)
        return plugins.create(cls, constructor_kwargs)

    def _create_trigger(self, trigger: Any, trigger_args: dict[str, Any]) -> Any:
        if trigger is None:
            trigger = "date"
        elif type(trigger) is not str:
            if BaseTrigger in type(trigger).__mro__ or isinstance(
                trigger, BaseTrigger
            ):  # the former is cheaper
                return trigger
            if not isinstance(trigger, type) and plugins.fits("trigger", trigger):
                return trigger
            raise TypeError(
                f"Expected a trigger instance or string, got {type(trigger).__name__} instead: {trigger!r}; give a "
                'trigger, its alias such as "cron", or nothing to run at once'
            )
        if trigger not in ("and", "or"):  # they have no zone of their own
            trigger_args.setdefault("timezone", self.timezone)
        return self._create_plugin_instance("trigger", trigger, trigger_args)

    def _renew_loop(self) -> None:
        """A loop that has made no pass, and counts of runs in which none is under way."""
        self._loop = DueLoop(self)
        self._running_counts = RunningCounts()

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
        try:
            wait_s = self._loop.run_once()
        finally:
            if self._end_after_pass is not None and self._loop.pass_ident is None:  # else that pass does it
                asked, self._end_after_pass = self._end_after_pass, None
                if asked is not None:
                    lifecycle.stop_components(self, *asked)
        if wait_s is not None:
            self._wake_at_us = self._clock.now_us() + round(wait_s * 1_000_000)
        return wait_s

    def _let_run(self) -> None:
        """Called between two batches of a pass: runs that wait for this thread may begin. Must not take long."""

    def _wake_for(self, run_at_us: int | None) -> None:
        """Wake the loop if a job that is due then is due before the loop would look again."""
        if self.state == STATE_RUNNING and run_at_us is not None and run_at_us < self._wake_at_us:
            lifecycle.warn_if_forked(self)
            self.wakeup()

    def _prepare_loop(self) -> None:
        """Called when the start has begun and nothing is started yet; what this raises, the start raises."""

    def _start_loop(self) -> None:
        """Called when the components are started and the state has just changed, under the lock of the state."""

    def _is_stopping(self) -> bool:
        """Whether a shutdown is under way."""
        return self._stopping

    def _is_in_pass(self) -> bool:
        """Whether a shutdown in this thread has to wait until the pass that is under way has ended."""
        return self._loop.pass_ident == get_ident()

    def _stop_loop(self, timeout: float | None) -> None:
        """Wait until no pass over the jobs is under way (unless it is this thread's); the state is STOPPED already."""
        if self._loop.pass_ident != get_ident():
            self._loop.wait_idle(timeout)

    def _is_alive(self) -> bool:
        """Whether something will call `_process_jobs`, as far as one can tell."""
        return self.state != STATE_STOPPED and not lifecycle.forked(self)
