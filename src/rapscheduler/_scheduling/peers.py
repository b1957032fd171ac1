"""The schedulers on the shared stores of one, as users see them.

Here: `SchedulerPeer`, `peers_of`. Not here: who keeps a lease, and how (`keeper`), the values of stores
(`jobstores._shared`).
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from rapscheduler._instants import moment
from rapscheduler._scheduling.ports import Scheduler


class SchedulerPeer(NamedTuple):
    """A scheduler that works on a shared store. `started`, `heard`: aware datetimes of the store's clock; `running`:
    how many runs it has under way, those that wait for a worker too; `alive`: its lease is not over; `me`: this one."""

    jobstore: str
    host: str
    pid: int
    started: datetime
    heard: datetime
    running: int
    alive: bool
    me: bool


def peers_of(scheduler: Scheduler) -> list[SchedulerPeer]:
    """Everybody on the shared stores of a scheduler. Raises what a store raises."""
    zone, found = scheduler.timezone, []
    for alias, store in list(scheduler._jobstores.items()):
        claims = getattr(store, "_claims", None)
        if claims is None:
            continue
        now_us, peers = claims.rows.peers()
        found += [
            SchedulerPeer(
                alias,
                one.host,
                one.pid,
                moment(one.started_us, zone),
                moment(one.heard_us, zone),
                one.running,
                not one.is_over(now_us),
                one.id == claims.me.id,
            )
            for one in peers
        ]
    return found
