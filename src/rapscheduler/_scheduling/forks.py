"""In a child of a fork: what a scheduler and its parts leave behind in the parent, before anything else is done here.

Here: noticing a fork, the order of what follows, and what is said. Not here: whether it was said already
(`lifecycle`), and what each part does: its method `_leave_parent`. That of a store drops what is connected and does not
close it, for the parent goes on using it. That of an executor, and of a scheduler class, forgets threads, tasks and
timers: they stayed in the parent, also where `Thread.is_alive()` still says True. None of them may ask anybody or wait
for anything.

Locks may have been held at the fork by threads that do not exist here, so all of them are made anew.
"""

from __future__ import annotations

from os import getpid
from threading import get_ident
from time import sleep

from rapscheduler._hints import Any
from rapscheduler._scheduling.lifecycle import STATE_STOPPED
from rapscheduler._scheduling.ports import Scheduler
from rapscheduler.errors import ends_program

_LOOK_S = 0.001


def look_for_fork(scheduler: Scheduler, change: str | None = None) -> None:
    """Called first in every public call. `change`: what the call does, when it leads to nothing in a forked child.

    By pid, because handlers of `os.register_at_fork` do not run in every child (uWSGI forks in C).
    """
    if getpid() != scheduler._lifecycle.home_pid:
        _noticed(scheduler, change)


def _noticed(scheduler: Scheduler, change: str | None) -> None:
    """This process is not the one in which the scheduler was made or started."""
    lifecycle, pid = scheduler._lifecycle, getpid()
    if lifecycle.seen_pid != pid:
        if lifecycle.noticing.setdefault(pid, get_ident()) == get_ident():
            try:
                _leave_parent(scheduler)
            finally:
                lifecycle.seen_pid = pid
        while lifecycle.seen_pid != pid:  # another thread of this child was faster
            sleep(_LOOK_S)
    if lifecycle.state == STATE_STOPPED:
        lifecycle.leave_parent()
    elif change is not None and lifecycle.to_be_warned(change):
        scheduler._logger.warning(
            "This scheduler was started before os.fork(), so nothing runs its jobs in process %d, where %s. Start it "
            "after the fork (with gunicorn --preload: in the post_fork hook), or call start() here; only a scheduler "
            "that runs elsewhere on the same database may see the change, when it looks next",
            pid,
            change,
        )


def _leave_parent(scheduler: Scheduler) -> None:
    create_lock = scheduler._create_lock
    scheduler._lifecycle.fork_seen(create_lock())
    scheduler._executors_lock = create_lock()
    scheduler._jobstores_lock = create_lock()
    scheduler._listeners_lock = create_lock()
    scheduler._dispatcher.leave_parent()
    scheduler._shelves.leave_parent()
    scheduler._leave_parent()
    for part in [*scheduler._executors.values(), *scheduler._jobstores.values()]:
        leave: Any = getattr(part, "_leave_parent", None)
        if leave is None:
            continue
        try:
            leave()
        except BaseException as exc:
            if ends_program(exc):
                raise
            scheduler._logger.exception("Error while %r left what is the parent process's", part)
