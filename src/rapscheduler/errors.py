"""Every exception class of the project, in one family.

What lives here: classes and their words. What must not: decisions about when to raise.
Approach: each class keeps the built-in ancestor and the message text that APScheduler 3.x gives it (programs match
on both) and survives pickling. The public modules re-export the classes where APScheduler has them.
"""

from __future__ import annotations

import sys
import threading

from rapscheduler._hints import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = (
    "ConflictingIdError",
    "CoroutineJobError",
    "CrontabError",
    "CrontabWarning",
    "CrontabWeekdayWarning",
    "DecodeError",
    "EncodeError",
    "HorizonError",
    "InterpreterEndingError",
    "JobLookupError",
    "LostRunError",
    "LostValueError",
    "MaxInstancesReachedError",
    "NoResultError",
    "RapschedulerError",
    "RunCancelledError",
    "RunTimeoutError",
    "SchedulerAlreadyRunningError",
    "SchedulerNotRunningError",
    "SettingTypeError",
    "ShutdownTimeoutError",
    "TransientJobError",
    "UnrunnableJobError",
)


class RapschedulerError(Exception):
    """The family: ``except RapschedulerError`` catches what this project raises by its own classes."""


class _JobIdError(RapschedulerError, KeyError):
    """An error about one job id; ``job_id`` keeps the id that the message is about."""

    _text = "{}"

    def __init__(self, job_id: object) -> None:
        super().__init__(self._text.format(job_id))
        self.job_id = job_id

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.job_id,)


class JobLookupError(_JobIdError):
    """The job store has no job with the given id."""

    _text = "No job by the id of {} was found"


class ConflictingIdError(_JobIdError):
    """The job store already has a job with the given id; ``replace_existing=True`` would overwrite it."""

    _text = "Job identifier ({}) conflicts with an existing job; give another id, or replace_existing=True"


class TransientJobError(RapschedulerError, ValueError):
    """A job whose callable has no importable name was given to a store that writes jobs down."""

    def __init__(self, job_id: object) -> None:
        super().__init__(
            f"Job ({job_id}) cannot be added to this job store because a reference to the "
            "callable could not be determined."
        )
        self.job_id = job_id

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.job_id,)


class MaxInstancesReachedError(RapschedulerError):
    """An executor was given a job that already runs ``max_instances`` times."""

    def __init__(self, job: Any) -> None:
        super().__init__(
            f'Job "{job.id}" has already reached its maximum number of instances ({job.max_instances})'
        )
        self.job_id = job.id
        self.max_instances = job.max_instances

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (type(self), self.args, self.__dict__)


class SchedulerAlreadyRunningError(RapschedulerError):
    """``start()`` or ``configure()`` was called on a scheduler that runs."""

    def __str__(self) -> str:
        return ": ".join(("Scheduler is already running", *map(str, self.args)))


class SchedulerNotRunningError(RapschedulerError):
    """``shutdown()``, ``pause()`` or ``resume()`` was called on a scheduler that does not run."""

    def __str__(self) -> str:
        return "Scheduler is not running"


class ShutdownTimeoutError(RapschedulerError, TimeoutError):
    """Jobs were still running when the ``timeout`` of ``shutdown(wait=True, timeout=…)`` was over."""


class LostValueError(RapschedulerError, RuntimeError):
    """What a job in another process returned or raised could not be brought back."""


class LostRunError(RapschedulerError, RuntimeError):
    """A run went to the workers of another engine (Celery, Dask), and its end was not heard of: a worker that died,
    a result that did not come in time. Whether the call was made, or still is, nobody here knows."""


class NoResultError(RapschedulerError, RuntimeError):
    """`Run.result` was asked of a run that was missed, skipped, cancelled or lost."""


class RunCancelledError(RapschedulerError):
    """A run was cancelled by `cancel_run`, or has to end; raised in a job by `Run.check`."""


class RunTimeoutError(RapschedulerError, TimeoutError):
    """A run took longer than the ``timeout`` of its job."""


class CoroutineJobError(RapschedulerError, TypeError):
    """A coroutine function was given to an executor that would never await it."""


class HorizonError(RapschedulerError, ValueError):
    """The triggers of an `AndTrigger` agree on no time within its horizon."""


class CrontabWarning(UserWarning):
    """A crontab line does not do here what it does in the daemons of standard cron."""


class CrontabWeekdayWarning(CrontabWarning):
    """`from_crontab` was given weekday numbers that standard cron reads differently (0 is Monday here)."""


class CrontabError(RapschedulerError, ValueError):
    """A crontab file can't be read; ``problems`` are (number of the line, what is wrong with it) of every bad line."""

    def __init__(self, place: str, problems: list[tuple[int, str]]) -> None:
        lines = [f"line {number}: {problem}" for number, problem in problems]
        count = f"{len(lines)} lines can't be read, " if len(lines) > 1 else ""
        super().__init__(f"{place}: {count}{'; '.join(lines)}")
        self.place, self.problems = place, problems

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.place, self.problems)


class SettingTypeError(RapschedulerError, TypeError, AttributeError):
    """A setting that must be a mapping is something else (APScheduler gives an AttributeError by accident)."""


class UnrunnableJobError(RapschedulerError, ValueError):
    """An executor will never be able to run this job; the scheduler parks it."""


class EncodeError(RapschedulerError, ValueError):
    """A job holds a value that can't be written down; ``path`` says where, e.g. ``kwargs['on'].started``."""

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(message)
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (*self.args, self.path)


class DecodeError(RapschedulerError, ValueError):
    """Stored bytes are not a job of ours: damaged, from a newer version, or naming something not allowed."""


def _rebuilt(cls: type[RapschedulerError], args: tuple[Any, ...], state: dict[str, Any]) -> RapschedulerError:
    """Rebuild an unpickled error whose constructor takes something that can't travel (a job)."""
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class InterpreterEndingError(RuntimeError):
    """An executor takes no more runs because the interpreter is ending, or its event loop has ended."""


def ends_program(exc: BaseException) -> bool:
    """Whether what user code raised is meant for the program: Ctrl-C and exits of signal handlers, killed greenlets.

    A `SystemExit` in any other thread only means that thread, and the thread is ours. What asyncio cancels is never a
    thread of ours.
    """
    asyncio = sys.modules.get("asyncio")
    if isinstance(exc, Exception) or (asyncio is not None and isinstance(exc, asyncio.CancelledError)):
        return False
    greenlet = sys.modules.get("greenlet")
    if greenlet is not None and isinstance(exc, greenlet.GreenletExit):
        return True
    return threading.current_thread() is threading.main_thread()


def log_line(line: Callable[..., Any], *args: Any, **options: Any) -> None:
    """Write a line of the log where nothing may be raised: a thread of ours would end, or something be left undone.

    `line`: the method of a logger. What that, or a handler or filter of the user's, raises is shown as `logging` shows
    the errors of its handlers. The record names the place that calls this, where the logger is one of `logging`.
    """
    logging = sys.modules.get("logging")
    if logging is not None and type(getattr(line, "__self__", None)) is logging.Logger:
        options["stacklevel"] = 2
    try:
        line(*args, **options)
    except BaseException as exc:
        line_failed(exc)


def line_failed(exc: BaseException) -> None:
    """What writing a line raised is shown, unless it is meant for the program."""
    if ends_program(exc):
        raise exc
    if sys.stderr is not None:
        from contextlib import suppress
        from traceback import print_exception

        with suppress(Exception):  # it is closed, say: there is nowhere else to show it
            print_exception(type(exc), exc, exc.__traceback__)
