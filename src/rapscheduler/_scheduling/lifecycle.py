"""The states of a scheduler, and the one writer of them.

What lives here: `Lifecycle`, which says what each call does in each state, and forks. What must not: components, event
loops, listeners: `start_stop` starts and stops those, in the order that these states prescribe.

| state   | and      | `start()`       | `shutdown()`                    | `pause()`     | `resume()`    | new jobs |
| ------- | -------- | --------------- | ------------------------------- | ------------- | ------------- | -------- |
| STOPPED |          | STOPPED+starting| SchedulerNotRunningError        | as shutdown() | as shutdown() | wait     |
| STOPPED | starting | already running | remembered; done after the start| as shutdown() | as shutdown() | wait     |
| RUNNING |          | already running | STOPPED+stopping                | PAUSED        | nothing       | stored   |
| PAUSED  |          | already running | STOPPED+stopping                | nothing       | RUNNING       | stored   |
| STOPPED | stopping | already running | SchedulerNotRunningError        | as shutdown() | as shutdown() | wait     |

`starting` ends with RUNNING or PAUSED (or STOPPED, when something raised); `stopping` ends when every component is
closed. A shutdown in the middle of a pass is STOPPED+stopping at once; the pass ends, and whoever made it carries out
the rest (`take_end`). In a child of a fork nothing of this is under way (`fork_seen`). The state stays as it was, so
that changes still go to the stores; a `start()` is that of a stopped scheduler all the same.
"""

from __future__ import annotations

from os import getpid

from rapscheduler._hints import Any
from rapscheduler.errors import SchedulerAlreadyRunningError, SchedulerNotRunningError
from rapscheduler.job import forget_ids_of_parent

STATE_STOPPED = 0  #: constant indicating a scheduler's stopped state
STATE_RUNNING = 1  #: constant indicating a scheduler's running state (started and processing jobs)
STATE_PAUSED = 2  #: constant indicating a scheduler's paused state (started but not processing jobs)

STATE_NAMES = {STATE_STOPPED: "stopped", STATE_RUNNING: "running", STATE_PAUSED: "paused"}

#: how a shutdown was asked for: (wait, timeout in seconds)
Ending = tuple[bool, float | None]


class Lifecycle:
    """Where a scheduler stands. Read `state` freely; it is changed by the methods, most of which want `lock` held.

    `starting`, `stopping`: see the table; `_asked`: the shutdown that came while it started; `_end`: the one that
    waits for the end of a pass; `home_pid`: the process in which the scheduler was made or started; `seen_pid`: the
    last one in which its fork was noticed; `noticing`: pid -> the thread that sees to it; `_warned`: of what it was
    said that it leads to nothing in this child.
    """

    __slots__ = (
        "_asked",
        "_end",
        "_warned",
        "_warned_main",
        "home_pid",
        "lock",
        "noticing",
        "seen_pid",
        "starting",
        "state",
        "stopping",
    )

    def __init__(self, lock: Any) -> None:
        self.lock = lock
        self.state = STATE_STOPPED
        self.starting = self.stopping = False
        self._asked: dict[str, Any] | None = None
        self._end: Ending | None = None
        self.home_pid = self.seen_pid = getpid()
        self.noticing: dict[int, int] = {}
        self._warned: set[str] = set()
        self._warned_main = False
        forget_ids_of_parent()

    # Starting

    def begin_start(self, stopping: bool) -> None:
        """STOPPED becomes STOPPED+starting. `stopping`: a shutdown is still under way, as far as it is waited for."""
        if self.state != STATE_STOPPED or self.starting:
            raise SchedulerAlreadyRunningError
        if stopping:  # it would close what starts here
            raise SchedulerAlreadyRunningError("a shutdown is under way, and has to end first")
        self.starting = True

    def started(self, paused: bool) -> None:
        """The components run: RUNNING or PAUSED."""
        self.state = STATE_PAUSED if paused else STATE_RUNNING

    def start_ended(self) -> None:
        """What the start does under the lock is done."""
        self.starting = False

    def start_failed(self) -> None:
        """Nothing was started after all."""
        self.state = STATE_STOPPED
        self.starting = False
        self._asked = None

    def take_asked(self) -> dict[str, Any] | None:
        """The arguments of a shutdown that came during the start, which is to be made now."""
        asked, self._asked = self._asked, None
        return asked

    # Stopping

    def begin_stop(self, wait: bool, timeout: float | None) -> bool:
        """RUNNING or PAUSED becomes STOPPED+stopping; False: the scheduler just starts, and will stop after that."""
        if self.starting:
            self._asked = {"wait": wait} if timeout is None else {"wait": wait, "timeout": timeout}
            return False
        self._check_running()
        self.state = STATE_STOPPED
        self.stopping = True
        return True

    def stop_after_pass(self, wait: bool, timeout: float | None) -> None:
        """The rest of the shutdown has to wait until the pass that is under way has ended."""
        self._end = (wait, timeout)

    @property
    def waits_for_pass(self) -> bool:
        """Whether a shutdown waits for the end of a pass."""
        return self._end is not None

    def take_end(self) -> Ending | None:
        """The shutdown that waited for the end of a pass; whoever takes it carries it out."""
        end, self._end = self._end, None
        return end

    def stopped(self) -> None:
        """Every component is closed."""
        self.stopping = False

    def forget_stop(self) -> None:
        """A shutdown that waited for a pass of an event loop which is gone will never end."""
        self._end, self.stopping = None, False

    # Pausing

    def pause(self) -> bool:
        """RUNNING becomes PAUSED; False: it is already."""
        return self._change(STATE_PAUSED)

    def resume(self) -> bool:
        """PAUSED becomes RUNNING; False: it is already."""
        return self._change(STATE_RUNNING)

    def _change(self, state: int) -> bool:
        self._check_running()
        changed, self.state = self.state != state, state
        return changed

    def _check_running(self) -> None:
        if self.state == STATE_STOPPED:
            raise SchedulerNotRunningError

    # Forks: a child inherits a scheduler that says it runs, but none of its threads.

    @property
    def is_forked(self) -> bool:
        """Whether this process is a child, by a fork, of the one in which the scheduler was made or started."""
        return getpid() != self.home_pid

    def to_be_warned(self, change: str) -> bool:
        """Whether it has to be said, once per process and kind of change, that nothing runs jobs in this child."""
        if change in self._warned:
            return False
        self._warned.add(change)
        return True

    def main_ended(self) -> bool:
        """Whether it has to be said (once) that the main thread has ended, and no job runs any more."""
        warned, self._warned_main = self._warned_main, True
        return not warned

    def fork_seen(self, lock: Any) -> None:
        """In a forked child: forget what was under way in the parent, for it never ends here."""
        self.lock = lock
        self.starting = self.stopping = False
        self._asked = self._end = None
        self._warned.clear()
        forget_ids_of_parent()

    def leave_parent(self) -> None:
        """In a forked child: from now on this is the process of the scheduler, and it is stopped."""
        self.home_pid = getpid()
        self.state = STATE_STOPPED
