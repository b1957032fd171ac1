"""What a monitor wants to know of the loop, as plain values.

Here: reading it off the loop, the stores and the executors. Not here: changing anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rapscheduler._scheduling.lifecycle import STATE_STOPPED
from rapscheduler._scheduling.loopstate import StoreState
from rapscheduler._scheduling.storing import guard

if TYPE_CHECKING:
    from rapscheduler._scheduling.dueloop import DueLoop
    from rapscheduler.schedulers.base import BaseScheduler

SECOND_US = 1_000_000


def health_of(loop: DueLoop) -> dict[str, Any]:
    """What the loop knows of itself, as plain values; asks the stores, unless the scheduler is stopped.

    `last_pass_age_s`: seconds since the last pass began; `passes`, `submitted`, `clock_jumps`: counts since the
    start; `lag_s`: how late the earliest due job is; `due`: how many jobs are due now, by store (None: the store
    can't tell cheaply); `parked`: how many are set aside, by store; `queued`: runs waiting for a worker, by
    executor (None: it can't tell); `failing_stores`: aliases of stores that are left alone for now, or that raised
    just now when they were asked; `unsettled`: changes that wait for such a store.
    """
    scheduler = loop._scheduler
    now_us = scheduler._clock.now_us()
    report: dict[str, Any] = {
        "last_pass_age_s": None
        if loop._last_pass_s is None
        else max(0.0, scheduler._clock.monotonic() - loop._last_pass_s),
        "passes": loop._passes,
        "submitted": loop._submitted,
        "clock_jumps": loop._clock_jumps,
        "lag_s": 0.0,
        "due": {},
        "parked": {},
        "queued": {},
        "failing_stores": [],
        "unsettled": 0,
    }
    for state in loop._current_states():
        report["unsettled"] += len(state.unsettled)
        if state.retry_at_s is not None:
            report["failing_stores"].append(state.alias)
        elif scheduler.state != STATE_STOPPED:  # else it may not be open
            _add_store(scheduler, report, state, now_us)
    for alias, executor in list(scheduler._executors.items()):
        depth = getattr(executor, "_queue_depth", None)
        report["queued"][alias] = depth() if depth is not None else None
    return report


def _add_store(scheduler: BaseScheduler, report: dict[str, Any], state: StoreState, now_us: int) -> None:
    try:
        with guard(scheduler, state.store):
            earliest_us = state.calls._earliest_us()
            due, parked = state.calls._count_due(now_us), len(state.calls._get_parked())
    except Exception as exc:  # who asks how things are must hear of the others too
        scheduler._logger.warning("Error asking job store %r for its health: %s", state.alias, exc)
        report["failing_stores"].append(state.alias)
        return
    report["due"][state.alias], report["parked"][state.alias] = due, parked
    if earliest_us is not None and earliest_us < now_us:
        report["lag_s"] = max(report["lag_s"], (now_us - earliest_us) / SECOND_US)
