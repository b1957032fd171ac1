"""What a monitor wants to know of the loop, as plain values.

Here: reading the loop's figures (`dueloop`), the shelves and the executors. Imported when somebody asks. Not here:
changing anything.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypedDict

from rapscheduler._instants import SECOND_US, moment
from rapscheduler._quoting import said
from rapscheduler._scheduling.dueloop import Figures
from rapscheduler._scheduling.lifecycle import STATE_STOPPED
from rapscheduler._scheduling.ports import Parts
from rapscheduler._scheduling.shelf import Shelf
from rapscheduler.errors import ends_program


class Health(TypedDict):
    """What `health()` answers; `health_of` says what each means."""

    state: str
    alive: bool
    reason: str | None
    last_pass_age_s: float | None
    wake_at: datetime | None
    passes: int
    submitted: int
    clock_jumps: int
    lag_s: float
    due: dict[str, int | None]
    parked: dict[str, int]
    queued: dict[str, int | None]
    failing_stores: list[str]
    hanging_stores: dict[str, datetime]
    unsettled: int
    tzdata: dict[str, str | None]


def health_of(scheduler: Parts, figures: Figures, wake_at_us: int | None) -> dict[str, Any]:
    """What the loop knows of itself, as plain values; asks the stores, unless the scheduler is stopped or runs in
    the parent of this process.

    `last_pass_age_s`: seconds since the last pass began, which grows while nothing is due; `wake_at`: when the loop
    looks again at the latest (an aware datetime; None: when a job is added). A loop is ill when `wake_at` is over and
    no pass comes, or when `lag_s` grows. `passes`, `submitted`, `clock_jumps`: counts since the start; `lag_s`: how
    late the earliest due job is; `due`: how many jobs are due now, by store (None: the store can't tell cheaply);
    `parked`: how many are set aside, by store; `queued`: runs waiting for a worker, by executor (None: it can't tell);
    `failing_stores`: aliases of stores that are left alone for now, or that raised just now when they were asked, or
    that do not answer; `hanging_stores`: of the latter, alias -> since when (an aware datetime); `unsettled`: changes
    that wait for such a store; `tzdata`: the folder or package that the rules of time zones come from, and the version
    of the tz database in it.
    """
    from rapscheduler._rules import data_in_use  # a rare need

    clock = scheduler._clock
    now_us, last_pass_s = clock.now_us(), figures.last_pass_s
    report: dict[str, Any] = {
        "last_pass_age_s": None if last_pass_s is None else max(0.0, clock.monotonic() - last_pass_s),
        "wake_at": None if wake_at_us is None else moment(wake_at_us, scheduler.timezone),
        "passes": figures.passes,
        "submitted": figures.submitted,
        "clock_jumps": figures.clock_jumps,
        "lag_s": 0.0,
        "due": {},
        "parked": {},
        "queued": {},
        "failing_stores": [],
        "hanging_stores": {},
        "unsettled": 0,
        "tzdata": data_in_use(getattr(scheduler.timezone, "key", None) or "Etc/UTC"),
    }
    forked = scheduler._lifecycle.is_forked
    for shelf in scheduler._shelves.all():
        report["unsettled"] += len(shelf.unsettled)
        if shelf.hangs_since_us is not None:
            report["unsettled"] += len(shelf.writing)
        if shelf.retry_at_s is not None:
            report["failing_stores"].append(shelf.alias)
        elif scheduler._lifecycle.state != STATE_STOPPED and not forked:  # else it may not be open
            _add_store(scheduler, report, shelf, now_us)
    for alias, executor in list(scheduler._executors.items()):
        depth = getattr(executor, "_queue_depth", None)
        report["queued"][alias] = depth() if depth is not None else None
    return report


def _add_store(scheduler: Parts, report: dict[str, Any], shelf: Shelf, now_us: int) -> None:
    def figures() -> tuple[int | None, int | None, int]:
        with shelf.lock:
            calls = shelf.calls
            return calls._earliest_us(), calls._count_due(now_us), calls._count_parked()

    try:
        if shelf.answers_at_once:
            earliest_us, due, parked = figures()
        else:
            from rapscheduler._scheduling.hangs import ask_aside

            earliest_us, due, parked = ask_aside(shelf, figures, now_us)
    except BaseException as exc:  # who asks how things are must hear of the others too
        if ends_program(exc):
            raise
        since_us = getattr(exc, "hangs_since_us", None)
        if since_us is not None:
            report["hanging_stores"][shelf.alias] = moment(since_us, scheduler.timezone)
        if since_us is None or since_us == now_us:  # else it was said before
            scheduler._logger.warning("Error asking job store %r for its health: %s", shelf.alias, said(exc))
        report["failing_stores"].append(shelf.alias)
        return
    report["due"][shelf.alias], report["parked"][shelf.alias] = due, parked
    if earliest_us is not None and earliest_us < now_us:
        report["lag_s"] = max(report["lag_s"], (now_us - earliest_us) / SECOND_US)
