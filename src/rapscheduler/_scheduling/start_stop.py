"""Start, stop, pause: what must happen in which order, and what is done when a part of it raises.

What lives here: that order. What must not: states (`lifecycle`), threads and event loops (each public scheduler brings
its own), scheduling rules. Components are started and stopped, and listeners told, outside of the lifecycle's lock.
"""

from __future__ import annotations

import sys
import threading
from functools import partial
from os import getpid
from time import monotonic

from rapscheduler._hints import Any
from rapscheduler._quoting import said
from rapscheduler._scheduling import catalogue, components
from rapscheduler._scheduling.forks import look_for_fork
from rapscheduler._scheduling.lifecycle import STATE_RUNNING, STATE_STOPPED, Ending
from rapscheduler._scheduling.ports import Scheduler
from rapscheduler.errors import ShutdownTimeoutError, ends_program, log_line
from rapscheduler.events import (
    EVENT_SCHEDULER_PAUSED,
    EVENT_SCHEDULER_RESUMED,
    EVENT_SCHEDULER_SHUTDOWN,
    EVENT_SCHEDULER_STARTED,
    SchedulerEvent,
)
from rapscheduler.util import TIMEOUT_MAX


def start(scheduler: Scheduler, paused: bool) -> None:
    """Start the components, schedule the pending jobs, change the state, tell the listeners."""
    look_for_fork(scheduler)
    _last_writes()  # a shutdown may come in the thread of the loop or in a signal handler, which load nothing
    lifecycle = scheduler._lifecycle
    with lifecycle.lock:
        if lifecycle.is_forked:
            scheduler._logger.info(
                "Scheduler was started before a fork; it is started anew in process %d", getpid()
            )
            lifecycle.leave_parent()
        lifecycle.begin_start(scheduler._is_stopping())
        try:
            scheduler._check_uwsgi()
            scheduler._prepare_loop()
        except BaseException:
            lifecycle.start_failed()
            raise
    started: list[Any] = []
    try:
        _start_components(scheduler, components.EXECUTOR, started)
        _start_components(scheduler, components.JOBSTORE, started)
        catalogue.enter_pending(scheduler, partial(_begin, scheduler, paused))
    except BaseException:
        for component in reversed(started):
            _guarded(scheduler, repr(component), components.closing, component)
            _guarded(scheduler, repr(component), component.shutdown)
        lifecycle.start_failed()
        raise
    scheduler._logger.info("Scheduler started")
    scheduler._dispatch_event(SchedulerEvent(EVENT_SCHEDULER_STARTED))
    asked = lifecycle.take_asked()
    if asked is not None:
        scheduler._logger.info("Scheduler was asked to shut down while it started")
        if lifecycle.state != STATE_STOPPED:
            scheduler.shutdown(**asked)
    elif lifecycle.state == STATE_RUNNING:
        scheduler.wakeup()


def _begin(scheduler: Scheduler, paused: bool) -> None:
    """Change the state; called with both locks held, when no job waits any more."""
    scheduler._lifecycle.started(paused)
    if scheduler._leadership is not None:
        scheduler._leadership.start()
    scheduler._start_loop()
    scheduler._lifecycle.start_ended()


def _start_components(scheduler: Scheduler, kind: components.Kind, started: list[Any]) -> None:
    table: dict[str, Any] = getattr(scheduler, kind.table)
    if "default" not in table:
        create = getattr(scheduler, f"_create_default_{kind.plugin}")
        components.add(scheduler, kind, create(), "default", {})
    for alias, component in list(table.items()):
        component.start(scheduler, alias)
        started.append(component)
        components.opened(scheduler, alias, component)


def shut_down(scheduler: Scheduler, wait: bool, timeout: float | None) -> bool:
    """Stop looking for due jobs, then stop the executors, then the stores, whatever one of them raises.

    Returns False when the stop was only noted: the scheduler is just starting, or a pass has to end first.
    """
    timeout = _checked_timeout(timeout)
    look_for_fork(scheduler)
    lifecycle = scheduler._lifecycle
    with lifecycle.lock:
        if not lifecycle.begin_stop(wait, timeout):
            return False
        if lifecycle.is_forked:
            wait = False  # what runs does so in the parent
            lifecycle.leave_parent()
        scheduler._backlogs.close()
        if scheduler._is_in_pass():
            # A listener, a job run inline, or a signal handler in the middle of a pass: locks of the pass may be held
            # by this very thread, so the rest has to wait until it has returned to `_process_jobs`.
            lifecycle.stop_after_pass(wait, timeout)
            return False
    stop_components(scheduler, (wait, timeout))
    return True


def _checked_timeout(timeout: Any) -> float | None:
    """Seconds that locks can wait; checked before anything is stopped."""
    if timeout is None:
        return None
    if not isinstance(timeout, int | float) or timeout != timeout:
        raise TypeError(f"timeout must be a number of seconds, or None to wait without end; got {timeout!r}")
    return min(max(0.0, timeout), TIMEOUT_MAX)


def stop_components(scheduler: Scheduler, ending: Ending) -> None:
    """The second half of a shutdown: the state is STOPPED, now everything else follows."""
    try:
        _stop_components(scheduler, *ending)
    finally:
        scheduler._lifecycle.stopped()
    log_line(scheduler._logger.info, "Scheduler has been shut down")
    scheduler._dispatch_event(SchedulerEvent(EVENT_SCHEDULER_SHUTDOWN))


def _stop_components(scheduler: Scheduler, wait: bool, timeout: float | None) -> None:
    deadline_s = None if timeout is None else monotonic() + timeout
    _guarded(scheduler, "the loop", scheduler._stop_loop, timeout)
    if timeout is not None and scheduler._passing_elsewhere():
        log_line(
            scheduler._logger.warning,
            "Shutting down the loop without waiting any longer: it was looking for due jobs still after %g s; "
            "a job store, or a listener, takes that long",
            timeout,
        )
    scheduler._backlogs.close()  # what the last pass has just submitted
    _guarded(scheduler, "the loop", _last_writes().put_back, scheduler, _left_s(deadline_s))
    for alias, executor in list(scheduler._executors.items()):
        executor = scheduler._callable_here(executor)
        _guarded(scheduler, f'executor "{alias}"', _stop_executor, executor, wait, deadline_s)
    _guarded(scheduler, "the loop", scheduler._settle_last, _left_s(deadline_s))
    for alias, store in list(scheduler._jobstores.items()):
        _guarded(scheduler, f'job store "{alias}"', components.closing, store)
        _guarded(scheduler, f'job store "{alias}"', _stop_store, store, _left_s(deadline_s))
    if scheduler._leadership is not None:
        _guarded(scheduler, "the leader lock", scheduler._leadership.stop, _left_s(deadline_s))


def _stop_store(store: Any, timeout_s: float | None) -> None:
    """Close a store; in a thread of its own when time is short, for clients that wait for their server."""
    if timeout_s is None or getattr(store, "answers_at_once", False):
        store.shutdown()
        return
    last_writes = _last_writes()
    error = last_writes.tried(max(last_writes.LEAST_WAIT_S, timeout_s), store.shutdown)
    if isinstance(error, TimeoutError):
        raise ShutdownTimeoutError(f"it is not closed yet: {error}")
    if error is not None:
        raise error


def _last_writes() -> Any:
    """The room of last writes, which no program needs that only adds jobs."""
    from rapscheduler._scheduling import last_writes

    return last_writes


def _left_s(deadline_s: float | None) -> float | None:
    return None if deadline_s is None else max(0.0, deadline_s - monotonic())


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


def _guarded(scheduler: Scheduler, what: str, action: Any, *args: Any) -> None:
    """One component that can't be stopped must not keep the others running."""
    try:
        action(*args)
    except ShutdownTimeoutError as exc:
        log_line(
            scheduler._logger.warning, "Shutting down %s without waiting any longer: %s", what, said(exc)
        )
    except BaseException as exc:
        if ends_program(exc):
            raise
        log_line(scheduler._logger.exception, "Error shutting down %s", what)


def pause(scheduler: Scheduler) -> None:
    look_for_fork(scheduler, "the scheduler was paused")
    with scheduler._lifecycle.lock:
        if not scheduler._lifecycle.pause():
            return
    scheduler._logger.info("Paused scheduler job processing")
    scheduler._dispatch_event(SchedulerEvent(EVENT_SCHEDULER_PAUSED))


def resume(scheduler: Scheduler) -> None:
    look_for_fork(scheduler, "the scheduler was resumed")
    with scheduler._lifecycle.lock:
        if not scheduler._lifecycle.resume():
            return
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


def why_main_ended(scheduler: Scheduler) -> str | None:
    """That the end of the main thread has closed an executor, or None."""
    for alias, executor in list(scheduler._executors.items()):
        if getattr(executor, "_has_ended", bool)():
            return f'the main thread has ended, and executor "{alias}" with it'
    return None


def warn_if_main_ended(scheduler: Scheduler) -> None:
    """Say once that jobs can't run any more, if a thread of the user's goes on and could think that they do."""
    going_on = None if threading.main_thread().is_alive() else _going_on()
    if going_on is not None and scheduler._lifecycle.main_ended():
        scheduler._logger.warning(
            "The main thread has ended, so Python has closed the pools that run jobs: no job of this scheduler runs "
            "any more, though the thread %r goes on. Let the main thread wait for it (thread.join()), or give "
            "the scheduler daemon=False and shut it down at the end",
            going_on.name,
        )


def _going_on() -> threading.Thread | None:
    """A thread for which Python waits at its end, and that belongs to no pool; None: there is none."""
    pools = getattr(sys.modules.get("concurrent.futures.thread"), "_threads_queues", ())
    for thread in threading.enumerate():
        if thread.daemon or thread is threading.main_thread() or thread is threading.current_thread():
            continue
        if thread not in pools and not getattr(thread, "serves_pool", False):
            return thread
    return None
