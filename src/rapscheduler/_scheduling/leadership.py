"""One of many: the scheduler whose lock it is runs its jobs, the others move theirs on and stand by.

Here: the thread that tries for the lock and renews it, and the passes of a stand-by. Not here: locks (`leader`).

| state     | jobs in memory                              | jobs in a database    |
| --------- | ------------------------------------------- | --------------------- |
| undecided | stay due: nobody knows yet                  | are left alone        |
| stand-by  | are moved on without a run, `lag_s` late    | are left alone        |
| leader    | run                                         | run                   |

Undecided is who has had no answer of the lock since the start; one that then can't reach it is a stand-by.
A leader looks at its own clock, which nobody sets, before each batch: when the lease is over it runs nothing more,
whether or not the thread that renews it has noticed (a process that was stopped for a while has not).

What came due between the last pass of a leader and the first of the next must be run by the next one. So a leader marks
until when it ran what was due, where the lock has a place for that; a stand-by is `lag_s` behind, and once it has the
lock it moves on what is up to the mark, and runs the rest. Without a mark it begins at the moment of the take-over.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Thread
from typing import Any

from rapscheduler._clock import steady_s
from rapscheduler._instants import SECOND_US, moment
from rapscheduler._quoting import said
from rapscheduler._scheduling import storing
from rapscheduler._scheduling.lifecycle import STATE_RUNNING
from rapscheduler._scheduling.planning import plan_batch
from rapscheduler._scheduling.ports import Scheduler
from rapscheduler._scheduling.shelf import Shelf
from rapscheduler.errors import ends_program, log_line
from rapscheduler.events import (
    EVENT_SCHEDULER_LEADER_GAINED,
    EVENT_SCHEDULER_LEADER_LOST,
    SchedulerEvent,
)
from rapscheduler.leader import LeaderLock, leader_lock

BATCH = 512
LEAST_WAIT_S = 0.02
STOP_WAIT_S = 5.0


def leadership_of(scheduler: Any, leader: Any, callback: Any) -> Leadership | None:
    """Of the settings ``leader`` and ``leader_callback``."""
    lock = leader_lock(leader)
    if callback is not None and not callable(callback):
        raise TypeError(
            f"leader_callback={callback!r} can't be called; give a function that takes True or False"
        )
    if lock is None:
        scheduler._logger.warning("leader_callback is never called without leader=")
        return None
    return Leadership(scheduler, lock, callback)


class Leadership:
    """What a scheduler knows of its lock. `_held` and what belongs to it is written by the thread alone.

    `_passed_us`: until when the leader has run what was due; `_moved_us`: the latest due time that a stand-by has moved
    on; `_catch_up_us`: what was due until then is to be moved on before this leader runs anything.
    """

    def __init__(
        self, scheduler: Scheduler, lock: LeaderLock, callback: Callable[[bool], Any] | None
    ) -> None:
        self._scheduler = scheduler
        self.lock = lock
        self.callback = callback
        self._reset()

    def _reset(self) -> None:
        self._thread: Thread | None = None
        self._end = Event()
        self._decided = self._held = self._failing = self._told_lost = False
        self._until_s: float | None = None
        self._passed_us: int | None = None
        self._moved_us: int | None = None
        self._catch_up_us: int | None = None

    # The state

    def holds(self) -> bool:
        """Whether this scheduler is the leader right now."""
        return self._held and (self._until_s is None or steady_s() < self._until_s)

    # The thread

    def start(self) -> None:
        """Called when the scheduler has started."""
        self._reset()
        self._thread = Thread(target=self._serve, args=(self._end,), name="rapscheduler-leader", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float | None) -> None:
        """Let another lead. Called when nothing of this scheduler runs any more, as far as that was waited for."""
        thread, self._thread = self._thread, None
        self._end.set()
        if thread is not None:
            thread.join(STOP_WAIT_S if timeout_s is None else min(timeout_s + LEAST_WAIT_S, STOP_WAIT_S))

    def leave_parent(self) -> None:
        """In a forked child: the lock, and the thread, are the parent's."""
        self._reset()
        self.lock.leave_parent()

    def _serve(self, end: Event) -> None:
        try:
            while not end.is_set():
                if self._held:
                    self._renew()
                else:
                    self._try()
                end.wait(self.lock.interval_s)
        finally:
            if self._end is end:
                self._step_down(asked=True)

    def _try(self) -> None:
        began_s = steady_s()
        try:
            gained = self.lock.acquire()
            marked_us = self.lock.marked() if gained else None
        except BaseException as exc:
            self._failed(exc)
            return
        self._answered()
        if not gained:
            if not self._decided:
                self._decided = True
                log_line(
                    self._scheduler._logger.info,
                    "Another scheduler leads by %r: this one stands by, and runs none of its jobs",
                    self.lock,
                )
                self._scheduler.wakeup()
            return
        self._prolong(began_s)
        self._plan_catch_up(marked_us)
        self._decided = self._held = True
        self._tell(EVENT_SCHEDULER_LEADER_GAINED)
        self._scheduler.wakeup()

    def _plan_catch_up(self, marked_us: int | None) -> None:
        """Up to when what is due was another's."""
        if not self._decided:
            return  # nothing was moved on here, and nothing of before the start is anybody's
        now_us = self._scheduler._clock.now_us()
        self._catch_up_us = now_us if marked_us is None else min(marked_us, now_us)
        if marked_us is not None and self._moved_us is not None and marked_us < self._moved_us:
            log_line(
                self._scheduler._logger.warning,
                "What came due after %s and until %s may not have been run: the leader before ended, and it was "
                "noticed too late",
                moment(marked_us, self._scheduler.timezone),
                moment(self._moved_us, self._scheduler.timezone),
            )

    def _renew(self) -> None:
        began_s = steady_s()
        try:
            ours = self.lock.renew()
            if ours and not self.lock.marks_at_once and self._passed_us is not None:
                self.lock.mark(self._passed_us)
        except BaseException as exc:
            self._failed(exc)
            ours = self.holds()
            if ours:
                return
        if ours and self.holds():
            self._answered()
            self._prolong(began_s)
        else:
            self._step_down()

    def _prolong(self, began_s: float) -> None:
        self._until_s = None if self.lock.lease_s is None else began_s + self.lock.lease_s * 0.9

    def _step_down(self, asked: bool = False) -> None:
        held, leads = self._held, self.holds()
        self._held = False
        if leads and self._passed_us is not None:
            self._quietly(self.lock.mark, self._passed_us)
        self._quietly(self.lock.release)
        if held:
            if not asked:
                log_line(
                    self._scheduler._logger.error,
                    "This scheduler does not lead any more: %r was lost. It stands by, and runs none of its jobs",
                    self.lock,
                )
            self._tell(EVENT_SCHEDULER_LEADER_LOST)
            if not asked:
                self._scheduler.wakeup()

    def _quietly(self, action: Callable[..., Any], *args: Any) -> None:
        try:
            action(*args)
        except BaseException as exc:
            log_line(self._scheduler._logger.debug, "Error at the end of %r: %s", self.lock, said(exc))

    def _failed(self, exc: BaseException) -> None:
        if not self._failing:
            self._failing = True
            log_line(
                self._scheduler._logger.error,
                "The leader lock %r can't be asked: %s -- %s",
                self.lock,
                said(exc),
                self._meanwhile(),
            )

    def _meanwhile(self) -> str:
        if self._held:
            return "this scheduler leads until its lease is over"
        return "no job of this scheduler runs until it can" + ("" if self._decided else "; they stay due")

    def _answered(self) -> None:
        if self._failing:
            self._failing = False
            log_line(self._scheduler._logger.info, "The leader lock %r can be asked again", self.lock)

    def _tell(self, code: int) -> None:
        gained = code == EVENT_SCHEDULER_LEADER_GAINED
        if gained:
            log_line(self._scheduler._logger.info, "This scheduler leads, by %r", self.lock)
        self._scheduler._dispatch_event(SchedulerEvent(code))
        if self.callback is not None:
            try:
                self.callback(gained)
            except BaseException as exc:
                if ends_program(exc):
                    raise
                log_line(self._scheduler._logger.exception, "Error in leader_callback %r", self.callback)

    # Passes

    def may_run(self) -> bool:
        """Asked at the beginning of a pass: whether it is a leader's. One that has just become it catches up first."""
        if not self.holds():
            return False
        if self._catch_up_us is not None:
            until_us, self._catch_up_us = self._catch_up_us, None
            self._pass_over(until_us)
        return True

    def passed(self, began_us: int) -> None:
        """A leader's pass has ended that began then, and left nothing that was due."""
        self._passed_us = began_us
        if self.lock.marks_at_once and self.holds():
            self._quietly(self.lock.mark, began_us)

    def stand_by(self) -> float | None:
        """The pass of a stand-by; the seconds until the next (`None`: when something changes)."""
        if not self._decided:
            return None
        scheduler, lag_us = self._scheduler, round(self.lock.lag_s * SECOND_US)
        until_us = scheduler._clock.now_us() - lag_us
        self._pass_over(until_us)
        times = []
        for shelf in self._own_shelves():
            with shelf.lock:
                earliest_us = shelf.calls._earliest_us()
            if earliest_us is not None:
                times.append(earliest_us + lag_us - scheduler._clock.now_us())
        return max(LEAST_WAIT_S, min(times) / SECOND_US) if times else None

    def _own_shelves(self) -> list[Shelf]:
        """Those of jobs that no other scheduler can see."""
        return [
            shelf
            for shelf in self._scheduler._shelves.all()
            if getattr(shelf.store, "of_this_process", False)
        ]

    def _pass_over(self, until_us: int) -> None:
        """Move on, without a run, what is due until then."""
        scheduler = self._scheduler
        for shelf in self._own_shelves():
            while scheduler._lifecycle.state == STATE_RUNNING:
                with shelf.lock:
                    jobs = shelf.calls._take_due(until_us, BATCH)
                if not jobs:
                    break
                plan = plan_batch(jobs, until_us, scheduler.timezone)
                changes = [*plan.changes, *(change for change, _ in plan.parks)]
                due = [change.expected_us for change in changes if change.expected_us is not None]
                self._moved_us = max(due, default=self._moved_us)
                storing.settle(scheduler, shelf, changes)
                self._name_lost(changes)
                events: list[SchedulerEvent] = []
                storing.add_removals(scheduler, shelf, changes, events)
                for event in events:
                    scheduler._dispatch_event(event)
                if not changes:
                    break

    def _name_lost(self, changes: list[Any]) -> None:
        last = next((change for change in changes if change.remove), None)
        if last is not None and not self._told_lost:
            self._told_lost = True
            self._scheduler._logger.warning(
                "Job %r was due for the last time, and is gone from this stand-by without a run: only the leader runs "
                "jobs, if they were added there too. Give jobs that are added in one process only to a scheduler "
                "without leader=",
                last.job.id,
            )
