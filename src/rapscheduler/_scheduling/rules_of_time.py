"""Stored run times follow the rules of time zones.

What lives here: noticing that rules have changed while the process lives, and moving the jobs of stores that keep jobs.
What must not: where a run time goes (``triggers._wall_times``), how rules are written (``_rules``), stores of rows
(``stored_rules``).

A store of rows keeps the rules beside its jobs and is followed when it is opened. Every store is followed while the
process lives: when zone files were read again (``ZoneInfo.clear_cache()``), the next pass moves what has to move.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from logging import INFO, WARNING
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from rapscheduler._engine.timezone import ZoneTable
from rapscheduler._quoting import one_line
from rapscheduler._scheduling.ports import Scheduler
from rapscheduler._scheduling.shelf import Shelf
from rapscheduler._zones import RulesChange, rules_changes, rules_version
from rapscheduler.errors import DecodeError
from rapscheduler.events import EVENT_JOB_MODIFIED, JobEvent
from rapscheduler.triggers._wall_times import follow, zones_of

if TYPE_CHECKING:
    from rapscheduler._scheduling.stored_rules import OlderRules


def opened(scheduler: Scheduler, alias: str, store: Any) -> None:
    """A store was started: let its jobs follow the rules in force."""
    if hasattr(store, "_read_rules"):
        from rapscheduler._scheduling.stored_rules import follow_rows

        zones, moved = follow_rows(store, scheduler._clock)
        _tell(scheduler, alias, zones, moved)


def follow_changes(scheduler: Scheduler, version: int) -> int:
    """Let the jobs of all stores follow what has changed in this process since that version; today's version."""
    now, changes = rules_version(), rules_changes(version)
    _renew_default_zone(scheduler, changes)
    for shelf in scheduler._shelves.all():
        try:
            with shelf.door:
                _follow_shelf(scheduler, shelf, changes)
        except Exception:
            scheduler._logger.exception(
                "Error moving the jobs of job store %r to the new rules of time zones", shelf.alias
            )
    return now


def _follow_shelf(scheduler: Scheduler, shelf: Shelf, changes: list[RulesChange]) -> None:
    if hasattr(shelf.store, "_read_rules"):
        opened(scheduler, shelf.alias, shelf.store)
    else:
        _follow_jobs(scheduler, shelf, changes)


def _renew_default_zone(scheduler: Scheduler, changes: list[RulesChange]) -> None:
    zone: Any = scheduler.timezone
    if type(zone) is ZoneInfo and any(zone.key == change.key for change in changes):
        scheduler.timezone = ZoneInfo(zone.key)


def _follow_jobs(scheduler: Scheduler, shelf: Shelf, changes: list[RulesChange]) -> None:
    """A store that has jobs rather than rows: their triggers hold the old zones, or were read with the new ones."""
    stale = {change.old: change.key for change in changes}
    from rapscheduler._scheduling.stored_rules import OlderRules

    rules = OlderRules({change.key: change.old for change in changes})
    moved = []
    for job in shelf.store.get_all_jobs():
        try:
            if any(rules(zone) is not None for zone in zones_of(job.trigger)) and _follow_job(
                scheduler, shelf, job, stale, rules
            ):
                moved.append(job.id)
        except Exception:
            scheduler._logger.exception(
                'Error moving job "%s" to the new rules of its time zone', one_line(job.id)
            )
    _tell(scheduler, shelf.alias, [change.key for change in changes], moved)


def _follow_job(
    scheduler: Scheduler, shelf: Shelf, job: Any, stale: Mapping[ZoneTable, str], rules: OlderRules
) -> bool:
    due_us, nominal_us, trigger = job.run_at_us, job.nominal_us, job.trigger
    is_stale = any(zone in stale for zone in zones_of(trigger))
    if is_stale:
        from rapscheduler._serialization.triggers import pack_trigger, unpack_trigger
        from rapscheduler._serialization.values import Unwritable

        try:
            trigger = unpack_trigger(pack_trigger(trigger))
        except (Unwritable, DecodeError):  # a class of the program's, with zones of its own
            return False
    by_us = 0
    if due_us is not None and nominal_us is not None:
        # a store that pickles has read an aware datetime by the new rules
        by_us = follow(trigger, nominal_us, scheduler._clock.now_us(), rules, not is_stale) - nominal_us
    renewed = trigger is not job.trigger
    if renewed:
        job._take_over({"trigger": trigger})
    if not by_us:
        if renewed:
            shelf.calls._update_if(job, due_us)
        return False
    assert due_us is not None and nominal_us is not None
    moved: bool = shelf.calls._update_if(job, due_us, (due_us + by_us, nominal_us + by_us, None))
    return moved


def _tell(scheduler: Scheduler, alias: str, zones: Iterable[str], moved: list[str]) -> None:
    names = ", ".join(zones)
    if names:
        scheduler._logger.log(
            WARNING if moved else INFO,
            "The rules of %s have changed: %d jobs in job store %r were moved to keep their wall times",
            one_line(names),
            len(moved),
            alias,
        )
    if moved and scheduler._wants(EVENT_JOB_MODIFIED):
        for job_id in moved:
            scheduler._dispatch_event(JobEvent(EVENT_JOB_MODIFIED, job_id, alias))
