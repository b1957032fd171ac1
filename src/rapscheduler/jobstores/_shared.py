"""What a store brings whose runs are claimed: by several schedulers, or by one that wants to know what a crash cut off.

Here: `SharedRows`, the port between a database and `_scheduling.claims`, its values, and what users say of it. Not
here: a database's language; when anything is called.

A scheduler is a row: id, epoch, host, pid, when it started and when it was heard of last (the database's clock), its
lease in seconds. A run under way is a row: job id and first run time, which no two runs share, and whose it is, by
scheduler and epoch. Whoever is not heard of for a lease loses its row, and its runs to whoever removed it, in one
transaction. From then on nothing that is written under that epoch finds anything.
"""

from __future__ import annotations

import os
import socket
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from copy import copy
from functools import partial
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import uuid4

from .._collector import OF_A_CLAIM, collector_paused
from .._serialization.reading import jobs_from_rows
from .._serialization.rows import JobRow, RowChange
from ..job import Job
from ..util import asbool
from ._requests import Requests

LEASE_S = 30.0
POLL_S = 1.0
LEAST_LEASE_S = 1.0
NOBODY = ""  # the owner of runs that were handed back
WAITING = "~"  # the owner of runs in line: each waits until as many of its job, or group, have ended
ANY_PLACES = 1_000_000_000  # of a job whose runs may overlap
_MOST_OF_GROUP = 150  # characters of its name, in a key

RunKey = tuple[str, int]  # job id, first run time (µs)
# the first run time that did not end; whose it is: `None`, who writes it, else `NOBODY` or `WAITING`
LeftRun = tuple[RunKey, int, str | None]


class Me:
    """One scheduler on one store. `epoch` counts how often it joined."""

    def __init__(self, lease_s: float) -> None:
        self.id = uuid4().hex
        self.epoch = 1
        self.host = socket.gethostname()[:191]
        self.pid = os.getpid()
        self.lease_s = lease_s

    def again(self) -> Me:
        """The same scheduler when it joins once more. Whoever is writing for the epoch before goes on with that."""
        me = copy(self)
        me.epoch += 1
        return me


class Peer(NamedTuple):
    """A scheduler as the store knows it; times in µs of the store's clock. `running`: its runs under way."""

    id: str
    epoch: int
    host: str
    pid: int
    started_us: int
    heard_us: int
    lease_s: float
    running: int = 0

    def is_over(self, now_us: int) -> bool:
        """Whether its lease is."""
        return now_us > self.heard_us + int(self.lease_s * 1_000_000)


class Look(NamedTuple):
    """What a heartbeat found. `alive`: this scheduler still has its row; `owners`: (id, epoch) of those with runs."""

    alive: bool
    now_us: int
    peers: list[Peer]
    owners: list[tuple[str, int]]


class ClaimRow(NamedTuple):
    """A run to be claimed and what becomes of its job.

    `places`: it is claimed while other schedulers have fewer runs of this job under way; and, if its job has a group,
    while they and the rows before this one have fewer of that than `group_places`. Nothing is claimed of a job or group
    of which runs are in line. What is not claimed gets in line while fewer than `waits` runs of its job are, or in the
    place of those (`replaces`), with its run times since `from_us`.
    """

    change: RowChange
    run_us: int
    last_us: int
    places: int
    group: str | None = None
    group_places: int = 0
    waits: int = 0
    replaces: bool = False
    from_us: int = 0


class InLine(NamedTuple):
    """A run in line that may begin while its job has fewer than `places` runs under way, of everybody, and its group
    fewer than `group_places`."""

    job_id: str
    run_us: int
    places: int
    group: str | None = None
    group_places: int = 0


# As `rows.new_row`: this takes all fields.
new_claim: Callable[[tuple[Any, ...]], ClaimRow] = partial(tuple.__new__, ClaimRow)


class RunRow(NamedTuple):
    """A run under way. `from_us`: the first of its run times that did not end; `data`: of a job that is out of its
    table, for this was its last run."""

    job_id: str
    run_us: int
    from_us: int
    last_us: int
    data: bytes | None
    group: str | None = None


class Refused(NamedTuple):
    """Ids of what was not claimed: `gone`, due at another time, paused or taken by another; `busy`, run elsewhere as
    often as allowed; `waiting`, in line now (the jobs of both were moved on). `replaced`: runs that were in line, and
    are not any more, for these took their place."""

    gone: frozenset[str] = frozenset()
    busy: frozenset[str] = frozenset()
    waiting: frozenset[str] = frozenset()
    replaced: tuple[RunKey, ...] = ()

    @property
    def out(self) -> frozenset[str]:
        """All that was not claimed."""
        return self.gone | self.busy | self.waiting


class Counts:
    """How many runs are under way or in line, by job and by group, where that is counted in Python."""

    def __init__(self) -> None:
        self.of_jobs, self.of_groups = Counter[str](), Counter[str]()
        self.in_line, self.in_line_of_groups = Counter[str](), Counter[str]()

    def add(self, job_id: str, group: str | None, is_waiting: bool, number: int = 1) -> None:
        jobs, groups = (
            (self.in_line, self.in_line_of_groups) if is_waiting else (self.of_jobs, self.of_groups)
        )
        jobs[job_id] += number
        if group is not None:
            groups[group] += number

    def has_place(self, job_id: str, places: int, group: str | None, group_places: int) -> bool:
        return self.of_jobs[job_id] < places and (group is None or self.of_groups[group] < group_places)

    def claimed(self, rows: Sequence[ClaimRow]) -> Refused:
        """Give places to one row after another, as `SharedRows.claim` says."""
        busy, waiting = set[str](), set[str]()
        for one in rows:
            job_id, group = one.change.id, one.group
            if group is None and self.of_jobs.get(job_id, 0) < one.places and job_id not in self.in_line:
                continue  # the most
            is_behind = self.in_line[job_id] or (group is not None and self.in_line_of_groups[group])
            if not is_behind and self.has_place(job_id, one.places, group, one.group_places):
                if group is not None:
                    self.of_groups[group] += 1
            elif one.waits and (one.replaces or self.in_line[job_id] < one.waits):
                waiting.add(job_id)
                if group is not None:
                    self.in_line_of_groups[group] += 1
            else:
                busy.add(job_id)
        return Refused(frozenset(), frozenset(busy), frozenset(waiting))

    def begun(self, rows: Sequence[InLine]) -> list[InLine]:
        """Those of a line that have a place, one after another."""
        found = []
        for one in rows:
            if self.has_place(one.job_id, one.places, one.group, one.group_places):
                self.add(one.job_id, one.group, False)
                found.append(one)
        return found


def group_key(group: str) -> str:
    """A group as stores keep it."""
    plain = group.encode("utf-8", "replace").decode().replace("\0", "?")
    if plain == group and len(group) <= _MOST_OF_GROUP:
        return group
    return f"{plain[: _MOST_OF_GROUP - 33]}#{sha256(group.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"


class SharedRows(ABC):
    """The operations, each atomic. `Me` says for whom; what is written for an epoch that is over changes nothing."""

    lease_s: float = LEASE_S
    poll_s: float = POLL_S
    shared: bool = True  # False: claims of one scheduler
    requests: Requests

    @abstractmethod
    def open(self) -> None:
        """Make what is missing. RuntimeError: this database can't."""

    @abstractmethod
    def join(self, me: Me) -> None:
        """Add the row of a scheduler."""

    @abstractmethod
    def look(self, me: Me) -> Look:
        """Renew the lease, and see who is there."""

    @abstractmethod
    def leave(self, me: Me) -> None:
        """Remove the row of a scheduler; runs that are still its are taken over at once."""

    @abstractmethod
    def take(self, me: Me, until_us: int, limit: int) -> list[JobRow]:
        """Due rows, earliest first, which nobody else is given until `claim` or `let_go`, if the database can lock."""

    @abstractmethod
    def claim(self, me: Me, rows: Sequence[ClaimRow], others: Sequence[RowChange]) -> Refused | None:
        """Move the jobs on, and write their runs as under way; `others` are changed without a run. `None`: the lease
        of this scheduler is over, and nothing was written. Those of a group come with `group_places` that don't
        grow from one row to the next."""

    @abstractmethod
    def let_go(self) -> None:
        """What was taken and not claimed is free again. Called by the thread that took it."""

    @abstractmethod
    def write(self, me: Me, ended: Sequence[RunKey], left: Sequence[LeftRun]) -> Sequence[RunKey]:
        """Runs that ended; and runs with the first of their run times that did not, and whose they are from now on.
        What it returns was not written: it is to be told once more, soon, with what ends till then."""

    @abstractmethod
    def in_line(self) -> list[RunRow]:
        """The first run in line of each job, the earliest first."""

    @abstractmethod
    def begin(self, me: Me, rows: Sequence[InLine]) -> list[RunRow]:
        """Of these runs in line, those that have a place, which are `me`'s from now on."""

    @abstractmethod
    def take_over(self, me: Me, owner: str, epoch: int) -> list[RunRow]:
        """Take the runs of a scheduler whose lease is over, or that is not there; nothing if it is heard of again."""

    @abstractmethod
    def own(self, me: Me) -> list[RunKey]:
        """The runs that the store has for this scheduler."""

    @abstractmethod
    def read(self, keys: Sequence[RunKey]) -> list[RunRow]:
        """Runs under way."""

    @abstractmethod
    def peers(self) -> tuple[int, list[Peer]]:
        """The store's time, and everybody with a row."""

    def under_way(self, limit: int) -> list[tuple[str, int, str, int]]:
        """Owner, epoch, job id and first run time of the runs under way, of everybody, the earliest first; for those
        who look. Nothing, where a store can't tell."""
        return []

    @abstractmethod
    def has_news(self) -> frozenset[str]:
        """`NOBODY`, if runs were handed back; `WAITING`, if runs are in line."""

    def telling(self, work: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """The work of a transaction that others want to hear of; here they look now and then."""
        return work

    def listen(self, told: Callable[..., Any]) -> Any:
        """Call this, in a thread of its own, when others have written; what has `stop()`, or `None`: that can't be."""
        return None


def take_to_claim(store: Any, me: Me, now_us: int, limit: int) -> list[Job]:
    """Due jobs of a `RowStore`, kept from others until they are claimed or let go; what can't be read is parked first,
    by another connection, so nothing may be locked then."""
    unread: list[JobRow] = []
    for _ in range(3):
        rows = store._shared.take(me, now_us, limit + len(store._unparkable))
        with collector_paused(OF_A_CLAIM * len(rows)):
            jobs = jobs_from_rows(
                rows, store._scheduler, store._alias, store._rule, lambda row, _: unread.append(row)
            )
        unreadable = [row for row in unread if row.id not in store._unparkable]
        if not unreadable:
            return jobs[:limit]
        unread.clear()
        store._shared.let_go()
        store._jobs(unreadable)
    return []


def sharing(shared: Any, acknowledge: Any, lease: Any, poll_interval: Any) -> dict[str, Any] | None:
    """What users say of it, checked: the attributes of `SharedRows`, or `None` for a store that claims nothing."""
    is_shared = asbool(shared)
    if acknowledge not in ("submit", "end"):
        raise ValueError(f'acknowledge={acknowledge!r} is neither "submit" (as APScheduler) nor "end"')
    if not is_shared and acknowledge == "submit":
        return None
    lease_s, poll_s = _seconds("lease", lease, LEAST_LEASE_S), _seconds("poll_interval", poll_interval, 0.01)
    return {"lease_s": lease_s, "poll_s": poll_s, "shared": is_shared}


def _seconds(name: str, value: Any, least: float) -> float:
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name}={value!r} is no number of seconds") from None
    if not least <= seconds <= 1e6:
        raise ValueError(f"{name}={value!r} must be {least:g} seconds or more (and less than 1,000,000)")
    return seconds
