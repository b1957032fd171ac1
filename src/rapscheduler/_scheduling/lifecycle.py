"""Start, stop, pause: the states of a scheduler and what must happen between them.

What lives here: the order of things when a scheduler starts and stops. What must not: threads and event loops (each
public scheduler brings its own), scheduling rules.

States: STOPPED -> RUNNING | PAUSED -> STOPPED. ``_state_lock`` guards the change of state only; components are
started and stopped, and listeners told, outside of it. While ``_stopping`` is true the state is STOPPED already and
the components are not: no start is possible yet. While ``_starting`` is true the state still is STOPPED; a
``shutdown()`` that comes then (from a listener, a signal or another thread) is remembered in ``_stop_asked`` and
carried out at the end of the start.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from threading import get_ident
from time import monotonic
from typing import TYPE_CHECKING, Any

from rapscheduler._scheduling import catalogue, components, last_writes
from rapscheduler.errors import SchedulerAlreadyRunningError, SchedulerNotRunningError, ShutdownTimeoutError
from rapscheduler.events import (
    EVENT_SCHEDULER_PAUSED,
    EVENT_SCHEDULER_RESUMED,
    EVENT_SCHEDULER_SHUTDOWN,
    EVENT_SCHEDULER_STARTED,
    SchedulerEvent,
)
from rapscheduler.util import TIMEOUT_MAX

if TYPE_CHECKING:
    from rapscheduler.schedulers.base import BaseScheduler

STATE_STOPPED = 0  #: constant indicating a scheduler's stopped state
STATE_RUNNING = 1  #: constant indicating a scheduler's running state (started and processing jobs)
STATE_PAUSED = 2  #: constant indicating a scheduler's paused state (started but not processing jobs)


def start(scheduler: BaseScheduler, paused: bool) -> None:
    """Start the components, schedule the pending jobs, change the state, tell the listeners."""
    with scheduler._state_lock:
        if scheduler.state == STATE_STOPPED:
            leave_parent(scheduler)
        if scheduler.state != STATE_STOPPED or scheduler._starting:
            warn_if_forked(scheduler)
            raise SchedulerAlreadyRunningError
        if scheduler._is_stopping():  # it would close what starts here
            raise SchedulerAlreadyRunningError("a shutdown is under way, and has to end first")
        scheduler._check_uwsgi()
        scheduler._prepare_loop()
        scheduler._starting = True
    started: list[Any] = []
    try:
        _start_components(scheduler, components.EXECUTOR, started)
        _start_components(scheduler, components.JOBSTORE, started)
        catalogue.enter_pending(scheduler, partial(_begin, scheduler, paused))
    except BaseException:
        for component in reversed(started):
            _guarded(scheduler, repr(component), component.shutdown)
        scheduler._starting = False
        scheduler._stop_asked = None
        raise
    scheduler._logger.info("Scheduler started")
    scheduler._dispatch_event(SchedulerEvent(EVENT_SCHEDULER_STARTED))
    asked, scheduler._stop_asked = scheduler._stop_asked, None
    if asked is not None:
        scheduler._logger.info("Scheduler was asked to shut down while it started")
        if scheduler.state != STATE_STOPPED:
            scheduler.shutdown(**asked)
    elif scheduler.state == STATE_RUNNING:
        scheduler.wakeup()


def _begin(scheduler: BaseScheduler, paused: bool) -> None:
    """Change the state; called with both locks held, when no job waits any more."""
    scheduler.state = STATE_PAUSED if paused else STATE_RUNNING
    try:
        scheduler._start_loop()
    except BaseException:
        scheduler.state = STATE_STOPPED
        raise
    scheduler._starting = False


def _start_components(scheduler: BaseScheduler, kind: components.Kind, started: list[Any]) -> None:
    table: dict[str, Any] = getattr(scheduler, kind.table)
    if "default" not in table:
        create = getattr(scheduler, f"_create_default_{kind.plugin}")
        components.add(scheduler, kind, create(), "default", {})
    for alias, component in list(table.items()):
        component.start(scheduler, alias)
        started.append(component)


def shut_down(scheduler: BaseScheduler, wait: bool, timeout: float | None) -> bool:
    """Stop looking for due jobs, then stop the executors, then the stores, whatever one of them raises.

    Returns False when the stop was only noted: the scheduler is just starting, or a pass has to end first.
    """
    timeout = _checked_timeout(timeout)
    with scheduler._state_lock:
        if scheduler._starting:
            scheduler._stop_asked = {"wait": wait}
            if timeout is not None:
                scheduler._stop_asked["timeout"] = timeout
            return False
        if scheduler.state == STATE_STOPPED:
            raise SchedulerNotRunningError
        leave_parent(scheduler)
        scheduler.state = STATE_STOPPED
        scheduler._stopping = True
        if scheduler._is_in_pass():
            # A listener, a job run inline, or a signal handler in the middle of a pass: locks of the pass may be held
            # by this very thread, so the rest has to wait until it has returned to `_process_jobs`.
            scheduler._end_after_pass = (wait, timeout)
            return False
    stop_components(scheduler, wait, timeout)
    return True


def _checked_timeout(timeout: Any) -> float | None:
    """Seconds that locks can wait; checked before anything is stopped."""
    if timeout is None:
        return None
    if not isinstance(timeout, int | float) or timeout != timeout:
        raise TypeError(f"timeout must be a number of seconds, or None to wait without end; got {timeout!r}")
    return min(max(0.0, timeout), TIMEOUT_MAX)


def stop_components(scheduler: BaseScheduler, wait: bool, timeout: float | None) -> None:
    """The second half of a shutdown: the state is STOPPED, now everything else follows."""
    try:
        _stop_components(scheduler, wait, timeout)
    finally:
        scheduler._stopping = False
    scheduler._logger.info("Scheduler has been shut down")
    scheduler._dispatch_event(SchedulerEvent(EVENT_SCHEDULER_SHUTDOWN))


def _stop_components(scheduler: BaseScheduler, wait: bool, timeout: float | None) -> None:
    deadline_s = None if timeout is None else monotonic() + timeout
    _guarded(scheduler, "the loop", scheduler._stop_loop, timeout)
    if timeout is not None and scheduler._loop.pass_ident not in (None, get_ident()):
        scheduler._logger.warning(
            "Shutting down the loop without waiting any longer: it was looking for due jobs still after %g s; "
            "a job store, or a listener, takes that long",
            timeout,
        )
    for alias, executor in list(scheduler._executors.items()):
        executor = scheduler._callable_here(executor)
        _guarded(scheduler, f'executor "{alias}"', _stop_executor, executor, wait, deadline_s)
    left_s = None if deadline_s is None else max(0.0, deadline_s - monotonic())
    _guarded(scheduler, "the loop", last_writes.settle_last, scheduler._loop, left_s)
    for alias, store in list(scheduler._jobstores.items()):
        _guarded(scheduler, f'job store "{alias}"', store.shutdown)


def _stop_executor(executor: Any, wait: bool, deadline_s: float | None) -> None:
    if deadline_s is None or not wait:
        executor.shutdown(wait)
        return
    left_s = max(0.0, deadline_s - monotonic())
    if _takes_timeout(executor):
        executor.shutdown(wait, timeout=left_s)
    else:
        executor.shutdown(wait=left_s > 0)


def _takes_timeout(executor: Any) -> bool:
    from inspect import Parameter, signature

    parameters = signature(executor.shutdown).parameters
    return "timeout" in parameters or any(p.kind is Parameter.VAR_KEYWORD for p in parameters.values())


def _guarded(scheduler: BaseScheduler, what: str, action: Any, *args: Any) -> None:
    """One component that can't be stopped must not keep the others running."""
    try:
        action(*args)
    except ShutdownTimeoutError as exc:
        scheduler._logger.warning("Shutting down %s without waiting any longer: %s", what, exc)
    except Exception:
        scheduler._logger.exception("Error shutting down %s", what)


def pause(scheduler: BaseScheduler) -> None:
    with scheduler._state_lock:
        if scheduler.state == STATE_STOPPED:
            raise SchedulerNotRunningError
        if scheduler.state == STATE_PAUSED:
            return
        scheduler.state = STATE_PAUSED
    scheduler._logger.info("Paused scheduler job processing")
    scheduler._dispatch_event(SchedulerEvent(EVENT_SCHEDULER_PAUSED))


def resume(scheduler: BaseScheduler) -> None:
    with scheduler._state_lock:
        if scheduler.state == STATE_STOPPED:
            raise SchedulerNotRunningError
        if scheduler.state == STATE_RUNNING:
            return
        scheduler.state = STATE_RUNNING
    scheduler._logger.info("Resumed scheduler job processing")
    scheduler._dispatch_event(SchedulerEvent(EVENT_SCHEDULER_RESUMED))
    scheduler.wakeup()


def check_uwsgi() -> None:
    """RuntimeError: this process is a uWSGI worker without threads, so nothing would ever run."""
    if not getattr(sys.modules.get("uwsgi"), "has_threads", True):
        raise RuntimeError(
            "The scheduler seems to be running under uWSGI, but threads have been disabled. "
            "Start uWSGI with the --enable-threads option, otherwise no job can run."
        )


# Forks. A child of os.fork() inherits a scheduler that says it runs, but none of its threads.

_fork_count = 0


def _after_fork_in_child() -> None:
    global _fork_count
    _fork_count += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


def fork_count() -> int:
    """How many forks there are between this process and the one that imported this module."""
    return _fork_count


def forked(scheduler: BaseScheduler) -> bool:
    """Whether this process is a child, by ``os.fork()``, of the one in which the scheduler was made or started."""
    return scheduler._fork_count != _fork_count


def warn_if_forked(scheduler: BaseScheduler) -> None:
    """Say once per process that a scheduler that was started before a fork does nothing in the child."""
    if forked(scheduler) and scheduler._fork_warned != _fork_count:
        scheduler._fork_warned = _fork_count
        scheduler._logger.warning(
            "This scheduler was started before os.fork(), so nothing runs its jobs in process %d. Start it after the "
            "fork (with gunicorn --preload: in the post_fork hook), or call shutdown() and start() here",
            os.getpid(),
        )


def leave_parent(scheduler: BaseScheduler) -> None:
    """In a forked child: forget the pass and the runs that were under way in the parent; they never end here."""
    if forked(scheduler):
        scheduler._fork_count = _fork_count
        scheduler._starting = scheduler._stopping = False
        scheduler._end_after_pass = None
        scheduler._renew_loop()
