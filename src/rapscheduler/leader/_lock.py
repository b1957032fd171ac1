"""What a lock is that says who leads. Here: its face. Not here: kinds of locks, which are modules of their own."""

from __future__ import annotations

from abc import ABC, abstractmethod

DEFAULT_NAME = "rapscheduler"
DEFAULT_LEASE_S = 10.0
_NOTICED_S = 2.0  # from the end of a lease until somebody else has the lock, at most


class LeaderLock(ABC):
    """A lock that at most one process has. Its methods are called by one thread of the scheduler that it belongs to.

    :ivar float interval_s: seconds between two tries of a stand-by, and between two renewals of the leader
    :ivar float|None lease_s: for so long after the beginning of the last renewal that succeeded the lock is ours,
        whatever happens; `None`: until the process ends
    :ivar float lag_s: a stand-by moves its jobs on so many seconds after they were due: as long as it may take to
        notice that a leader died, where `mark` tells the next one what was run; else 0
    :ivar token: a number that grows from leader to leader, for whoever guards a resource (fencing), or `None`
    """

    interval_s: float = 1.0
    lease_s: float | None = DEFAULT_LEASE_S
    lag_s: float = 0.0
    token: int | None = None

    def _set_lease(self, lease_s: float) -> None:
        """A lease of this length, kept by a server: it is renewed in time for three tries that fail."""
        self.lease_s = lease_s
        self.interval_s = min(LeaderLock.interval_s, lease_s / 4)
        self.lag_s = lease_s + _NOTICED_S

    @abstractmethod
    def acquire(self) -> bool:
        """Try once, without waiting. Whatever it raises is logged, and it is tried again."""

    @abstractmethod
    def renew(self) -> bool:
        """Whether the lock still is ours; prolongs a lease. An error counts as False once the lease is over."""

    @abstractmethod
    def release(self) -> None:
        """Let another have it, and close what is connected. Called at the end also when it is not ours."""

    def mark(self, us: int) -> None:
        """Note for the next leader that what was due until then was run. Called after passes and renewals."""

    def marked(self) -> int | None:
        """What the leader before noted; asked when the lock was acquired. `None`: nothing."""
        return None

    #: whether `mark` takes a microsecond, so that it may be called after every pass
    marks_at_once = False

    def leave_parent(self) -> None:
        """In a forked child: forget what is connected, without closing it."""
