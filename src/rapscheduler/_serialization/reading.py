"""Many rows -> jobs: what rows have in common is read once, and the engine makes the others like it.

What lives here: `jobs_from_rows`. What must not: what a row says (``rows``, ``codec``), stores, parking.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .._engine.known_rows import KnownRows
from ..errors import DecodeError
from ..job import Job
from ..triggers.cron import CronTrigger
from ..triggers.date import DateTrigger
from ..triggers.interval import IntervalTrigger
from .callables import CallableRule
from .codec import _CUTS, _NO_CALL, _PIECE_BYTES, _alike, _kin, _references
from .families import wall_time_in
from .rows import JobRow, job_from_row

_FEW = 64


def jobs_from_rows(
    rows: Sequence[JobRow],
    scheduler: Any,
    alias: str | None,
    rule: CallableRule,
    unread: Callable[[JobRow, DecodeError], None],
) -> list[Job]:
    """The jobs of the rows that can be read, in their order; the others are told to ``unread``."""
    jobs: list[Job] = []
    found: dict[str, Callable[..., Any]] = {}
    known, rest, in_vain = KnownRows(Job), iter(rows), 0
    while (row := known.read_on(rest, jobs, None)) is not None:
        try:
            job = job_from_row(row, scheduler, alias, rule, found)
        except DecodeError as exc:
            unread(row, exc)
            continue
        jobs.append(job)
        # where hardly any two rows are alike, looking for what they share is not worth it
        if len(rows) > 1 and 4 * in_vain < _FEW + len(jobs):
            in_vain += not _learned(known, row.data, job)
    return jobs


def _learned(known: KnownRows, data: bytes, job: Job) -> bool:
    place = place_of_difference(data)
    if place is None:
        return False
    trigger = job.trigger
    kind = type(trigger)
    if kind is IntervalTrigger:
        return known.learn(data, *place, job, trigger, ("_dates", None))
    return (kind is DateTrigger or kind is CronTrigger) and known.learn(data, *place, job, trigger)


def place_of_difference(data: bytes) -> tuple[int, int] | None:
    """Where a row that was read may differ from others without saying anything but another wall time of its trigger:
    from, to; (0, 0): nowhere, but its bytes say it all. None: it has arguments, or more must be looked at."""
    trigger_at = data.find(_CUTS[0])
    if trigger_at <= 0 or len(data) > _PIECE_BYTES or _NO_CALL not in data:
        return None
    if data[:trigger_at] not in _references:  # what follows in other rows comes first in this one
        return None
    piece = data[trigger_at:]
    place = wall_time_in(piece)
    if place is not None and (piece[: place[0]], piece[place[1] :]) in _kin:
        return trigger_at + place[0], trigger_at + place[1]
    return (0, 0) if piece in _alike else None
