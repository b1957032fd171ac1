"""The port: what the rooms of this floor ask of a scheduler, and what a scheduler class may override.

Here: names, each with one line. Not here: bodies. `BaseScheduler` has all of them; the rooms are written against this
port and against the parts, never against a class of the floor above.

Hooks are called on the scheduler itself, by name, so an override in a subclass counts, and one that was put on an
instance (a mock) counts from the next call on. A shortcut around a hook is taken only where `is_hooked` says that
nobody overrode it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo

from rapscheduler._clock import Clock
from rapscheduler._engine.desk import Desk
from rapscheduler._engine.running import RunningCounts
from rapscheduler._hints import TYPE_CHECKING, Any, Protocol
from rapscheduler._scheduling.dispatcher import Dispatcher
from rapscheduler._scheduling.lifecycle import Lifecycle
from rapscheduler._scheduling.shelf import Shelves
from rapscheduler.events import SchedulerEvent
from rapscheduler.executors._home import Backlogs, Watched
from rapscheduler.job import Job

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from rapscheduler._fields import Changes


def is_hooked(obj: Any, written: Mapping[str, Any], name: str) -> bool:
    """Whether somebody put another method in the place of the one that was written: in a class, or on the object."""
    return name in vars(obj) or getattr(type(obj), name) is not written[name]


class Parts(Protocol):
    """What a scheduler is made of, for the rooms that do its work. Read; each has its owner."""

    timezone: tzinfo  # the default zone of jobs
    jobstore_retry_interval: float  # seconds
    _logger: Any
    _clock: Clock
    _lifecycle: Lifecycle
    _dispatcher: Dispatcher
    _shelves: Shelves
    _executors: dict[str, Any]  # alias -> executor; `components` changes it
    _jobstores: dict[str, Any]  # alias -> store; `components` changes it
    _executors_lock: Any
    _jobstores_lock: Any  # of the table of stores, and of jobs that wait for the start
    _listeners_lock: Any
    _leadership: Any  # `leadership.Leadership`, or None
    _backlogs: Backlogs
    _watched: Watched  # who keeps runs
    _running_counts: RunningCounts
    _pending_jobs: list[tuple[Job, str, Any]]  # those that wait for the start, with their places
    _job_defaults: dict[str, Any]
    _desk: Desk  # the quick way to jobs in memory, see `counter`


class Scheduler(Parts, Protocol):
    """The hooks."""

    def wakeup(self) -> None:
        """Look for due jobs now."""

    def shutdown(self, wait: bool = ..., timeout: float | None = ...) -> None:
        """Stop, as the scheduler's own kind does it."""

    def get_jobs(self, jobstore: str | None = None) -> list[Job]:
        """The jobs, as the user sees them."""

    def modify_job(self, job_id: str, jobstore: str | None = None, **changes: Unpack[Changes]) -> Job:
        """Change a job, for those who pause, resume and reschedule it too."""

    def remove_job(self, job_id: str, jobstore: str | None = None) -> None:
        """Remove a job and tell it."""

    def _real_add_job(self, job: Job, jobstore_alias: str, replace_existing: Any) -> None:
        """Put one new job into its store."""

    def _dispatch_event(self, event: SchedulerEvent) -> None:
        """Tell an event."""

    def _wants(self, code: int) -> bool:
        """Whether anybody wants events of this code."""

    def _wake_for(self, run_at_us: int | None) -> None:
        """Wake the loop if this time comes before its next look."""

    def _create_trigger(self, trigger: Any, trigger_args: dict[str, Any]) -> Any:
        """A trigger of what `add_job` was given."""

    def _create_plugin_instance(self, type_: str, alias: str, constructor_kwargs: dict[str, Any]) -> Any:
        """An instance of a plugin."""

    def _create_default_executor(self) -> Any:
        """The executor "default" of a scheduler that was given none."""

    def _create_default_jobstore(self) -> Any:
        """The job store "default" of a scheduler that was given none."""

    def _lookup_executor(self, alias: str) -> Any:
        """The executor of this alias. KeyError: there is none."""

    def _lookup_jobstore(self, alias: str) -> Any:
        """The job store of this alias. KeyError: there is none."""

    def _lookup_job(self, job_id: str, jobstore_alias: str | None) -> tuple[Job, str | None]:
        """A job and the alias of its store. JobLookupError: there is none."""

    def _is_hooked(self, *names: str) -> bool:
        """Whether one of these hooks was overridden by somebody."""

    def _bring_rooms(self, of_rows: bool = False) -> None:
        """Load what the runs of jobs with options need, or of any job in a store of rows; see `rooms_of_options`."""

    def _was_woken(self) -> bool:
        """Whether somebody called `wakeup` while a store hangs, so that the thread which it wakes does not look."""

    def _process_jobs(self) -> float | None:
        """Make a pass; the seconds until the next (None: only after a `wakeup`)."""

    def _callable_here(self, executor: Any) -> Any:
        """The executor, or a stand-in by which this thread may call it."""

    def _let_run(self) -> None:
        """Between two batches: runs that wait for this thread may begin."""

    def _check_uwsgi(self) -> None:
        """RuntimeError: this process can have no threads."""

    def _prepare_loop(self) -> None:
        """The start begins."""

    def _start_loop(self) -> None:
        """The state has changed; under the lock."""

    def _stop_loop(self, timeout: float | None) -> None:
        """Wait until no pass is under way."""

    def _create_lock(self) -> Any:
        """A reentrant lock of the scheduler's kind."""

    def _leave_parent(self) -> None:
        """In a forked child: forget the passes, runs, threads and timers of the parent process."""

    def _is_stopping(self) -> bool:
        """Whether a shutdown is under way that will end."""

    def _is_in_pass(self) -> bool:
        """Whether a shutdown in this thread has to wait for the end of a pass."""

    def _passing_elsewhere(self) -> bool:
        """Whether another thread makes a pass right now."""

    def _settle_last(self, timeout: float | None) -> None:
        """Write what stores have not taken, before they are closed."""
