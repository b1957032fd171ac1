"""That a scheduler uses a store is noted there, and a second one that comes is warned.

Here: `Present`, when notes are written, and the warning. Not here: what is written how (`jobstores._presence`).

A pass writes a note when it first comes to a store, after what was due, and again every `BEAT_S`: so a scheduler that
is paused, or that was never started, is not there for others. Nothing of it is in the way: an error is nobody's, a
store that hangs or failed is not asked, and who could not be noted in `TRIES` never is. Schedulers of one
`leader=` run one at a time and note nothing; nor do those of `rapscheduler.testing`, for whom a month is a moment.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from rapscheduler._clock import steady_s
from rapscheduler._quoting import one_line
from rapscheduler._scheduling.last_writes import tried
from rapscheduler._scheduling.lifecycle import STATE_RUNNING
from rapscheduler._scheduling.ports import Scheduler
from rapscheduler._scheduling.shelf import Shelf
from rapscheduler.errors import ends_program
from rapscheduler.jobstores._presence import User, this_user

BEAT_S = 30.0
TRIES, AGAIN_S = 3, 1.0  # a file of SQLite may be locked just now
LEAVE_S = 0.5  # for the last note of a shutdown

_here: set[str] = set()  # ids of this process's that were not shut down


class Present:
    """One scheduler on one store. `notes`: None when they can't be written there."""

    def __init__(self, store: Any) -> None:
        self.me = this_user(claims=store._claims is not None)
        self.notes: Any = store._notes()
        self.failing = False
        self._noted, self._next_s, self._tries = False, 0.0, TRIES
        _here.add(self.me.id)

    def is_of_here(self) -> bool:
        return self.me.pid == os.getpid()

    def wait_s(self) -> float | None:
        """Seconds until there is something to write."""
        return None if self.notes is None else max(0.0, self._next_s - steady_s())

    def write(self, scheduler: Scheduler, shelf: Shelf) -> None:
        self._next_s = steady_s() + BEAT_S
        try:
            with shelf.door:
                others = self.notes.renew(self.me) if self._noted else self.notes.arrive(self.me)
        except BaseException as exc:
            if ends_program(exc):
                raise
            self.failing = True
            if not self._noted:
                self._tries -= 1
                self._next_s = steady_s() + AGAIN_S
            if not self._tries:
                self.notes = None
            return
        self.failing = False
        if not self._noted:
            _warn(scheduler, shelf, [one for one in others if _is_there(one, self.me)])
            self._noted = True

    def leave(self) -> None:
        if self._noted and not self.failing and self.is_of_here():
            tried(LEAVE_S, lambda: self.notes.leave(self.me))
        _here.discard(self.me.id)


def _is_there(other: User, me: User) -> bool:
    """Whether this one would run what we run. Of this process only those count that were not shut down."""
    if other.claims and me.claims:
        return False
    if (other.host, other.pid, other.born) == (me.host, me.pid, me.born):
        return other.id in _here
    return True


def _warn(scheduler: Scheduler, shelf: Shelf, others: Sequence[User]) -> None:
    if not others:
        return
    first = others[0]
    more = "" if len(others) == 1 else f" (and by {len(others) - 1} more)"
    scheduler._logger.warning(
        "Job store %r is used by another scheduler, in process %d on %s%s, heard of %.0f s ago, and is not shared by "
        "both: each of them runs its jobs. Give the store shared=True in every process, or every scheduler leader=…, "
        'as "More than one process" in the documentation says',
        shelf.alias,
        first.pid,
        one_line(first.host),
        more,
        first.heard_s,
    )


def keep(scheduler: Scheduler, shelves: Sequence[Shelf], wait_s: float | None) -> float | None:
    """Write the notes that are due, at the end of a pass; seconds until the next pass, which may come earlier so."""
    if scheduler._leadership is not None or scheduler._lifecycle.state != STATE_RUNNING:
        return wait_s
    if scheduler._clock.__class__.__module__.startswith("rapscheduler.testing"):
        return wait_s
    for shelf in shelves:
        store = shelf.store
        if getattr(type(store), "_notes", None) is None or not (
            shelf.hangs_since_us is shelf.retry_at_s is None
        ):
            continue
        present = store._present
        if present is None or not present.is_of_here():
            present = store._present = Present(store)
        left_s = present.wait_s()
        if left_s == 0.0:
            present.write(scheduler, shelf)
            left_s = present.wait_s()
        if left_s is not None:
            wait_s = left_s if wait_s is None else min(wait_s, left_s)
    return wait_s


def leave(store: Any) -> None:
    """It is about to be closed."""
    present, store._present = store._present, None
    if present is not None:
        present.leave()
