"""Jobs as plain values, for whoever shows them: the command line, the dashboard.

What lives here: a stored row, or a job, as a mapping that can be written as JSON; rows of a store in the order of their
run times; changes of one row. What must not: printing, HTML. Nothing that a row names is imported for a look at it, so
that a store can be looked at from a machine that has not the program; arguments are shown as they are stored.

A view: ``id``, ``name``, ``func`` (texts), ``trigger`` (as `str`), ``next_run_time`` (ISO 8601 with offset, or None),
``state`` (one of `STATES`), ``reason`` (of what is parked or can't be read, else None), ``executor``,
``misfire_grace_time``, ``coalesce``, ``max_instances``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timezone, tzinfo
from functools import lru_cache
from typing import Any

import orjson

from rapscheduler._clock import SYSTEM
from rapscheduler._instants import MAX_US, SECOND_US, moment, us_of
from rapscheduler._quoting import said
from rapscheduler._serialization.codec import PICKLED
from rapscheduler._serialization.rows import JobRow, is_time
from rapscheduler._serialization.triggers import unpack_trigger
from rapscheduler._states import JOB_STATES, PARKED, PAUSED, SCHEDULED, UNREADABLE
from rapscheduler.errors import DecodeError

STATES = (*JOB_STATES, UNREADABLE)
ROUNDS = 20  # tries to change a row that its scheduler moves on at the same time
_OPTIONS = ("name", "func", "executor", "misfire_grace_time", "coalesce", "max_instances")


def document_of(row: JobRow) -> dict[str, Any]:
    """What the row holds, as stored. DecodeError: it is none of ours."""
    if row.data[:1] == b"\x80":
        raise DecodeError(PICKLED)
    try:
        document = orjson.loads(row.data)
    except (orjson.JSONDecodeError, RecursionError) as exc:
        raise DecodeError(f"the row isn't a job of rapscheduler: {said(exc)}") from exc
    if type(document) is not dict or not isinstance(document.get("func"), str):
        raise DecodeError("the row isn't a job of rapscheduler")
    return document


def trigger_of(row: JobRow) -> Any:
    """The trigger of a row. DecodeError: it can't be read."""
    return unpack_trigger(document_of(row).get("trigger"))


def iso(run_at_us: int | None, zone: tzinfo | None = None) -> str | None:
    """An instant as ISO 8601 text in a zone (UTC by default)."""
    if run_at_us is None or not is_time(run_at_us):
        return None
    try:
        return moment(run_at_us, zone or timezone.utc).isoformat()
    except (OverflowError, ValueError):
        return moment(run_at_us).isoformat()


def view_of_row(row: JobRow, whole: bool = False) -> dict[str, Any]:
    """The view of a row; ``whole``: with its arguments as stored, its schedule in words and its next fire times."""
    view: dict[str, Any] = {"id": str(row.id), **dict.fromkeys(_OPTIONS), "trigger": None}
    view["state"] = PAUSED if row.run_at_us is None else SCHEDULED
    view["reason"] = row.parked
    if row.parked is not None:
        view["state"] = PARKED
    zone = None
    try:
        document = document_of(row)
        view.update({name: document.get(name) for name in _OPTIONS})
        trigger = unpack_trigger(document.get("trigger"))
    except DecodeError as exc:
        if row.parked is None:
            view["state"], view["reason"] = UNREADABLE, str(exc)
    else:
        zone = zone_of(trigger)
        view["trigger"] = str(trigger)
        if whole:
            view["args"], view["kwargs"] = document.get("args"), document.get("kwargs")
            view["timezone"] = zone_name(trigger)
            view.update(schedule_view(trigger))
    view["next_run_time"] = iso(row.run_at_us, zone)
    return view


def state_of_job(job: Any) -> str:
    """Of a job of a scheduler in this process; one that waits for its start is scheduled."""
    return PAUSED if getattr(job, "next_run_time", job) is None else SCHEDULED


def has_words(job: Any, folded: Sequence[str]) -> bool:
    """Whether each of these (casefolded) words is in its id, name, callable or trigger."""
    text = f"{job.id}\n{job.name}\n{job.func_ref or repr(job.func)}".casefold()
    left = [word for word in folded if word not in text]
    return not left or all(word in str(job.trigger).casefold() for word in left)


def view_of_job(job: Any, whole: bool = False) -> dict[str, Any]:
    """The view of a job of a scheduler in this process."""
    run_time = getattr(job, "next_run_time", None)
    view: dict[str, Any] = {
        "id": job.id,
        "name": job.name,
        "func": job.func_ref or repr(job.func),
        "executor": job.executor,
        **{name: getattr(job, name, None) for name in _OPTIONS[3:]},
        "trigger": str(job.trigger),
        "state": state_of_job(job),
        "reason": None,
        "next_run_time": None if run_time is None else run_time.isoformat(),
    }
    if whole:
        view["args"] = [said(repr(value)) for value in job.args]
        view["kwargs"] = {str(name): said(repr(value)) for name, value in job.kwargs.items()}
        view["timezone"] = zone_name(job.trigger)
        view.update(schedule_view(job.trigger))
    return view


def zone_of(trigger: Any) -> tzinfo | None:
    zone = getattr(trigger, "timezone", None)
    return zone if isinstance(zone, tzinfo) else None


def zone_name(trigger: Any) -> str | None:
    """The name of its time zone, if it has one that is known by name."""
    name = getattr(zone_of(trigger), "key", None)
    return name if isinstance(name, str) else None


def schedule_view(trigger: Any, start: datetime | None = None, limit: int = 10) -> dict[str, Any]:
    """``words`` and the next ``fires``; of a trigger that raises, what it said instead."""
    start = start or datetime.now(timezone.utc)
    try:
        fires = [one.isoformat() for one in trigger.fire_times(start, limit=limit)]
        return {"words": trigger.explain(start), "fires": fires}
    except Exception as exc:  # of anybody's trigger
        return {"words": f"{type(exc).__name__}: {said(exc)}", "fires": []}


def rows_in_order(store: Any, limit: int | None, wanted: Callable[[JobRow], bool] | None) -> list[JobRow]:
    """Rows by run time, then paused ones, then parked ones. Of a store with many, the first are read alone."""
    if limit is not None and wanted is None:
        rows: list[JobRow] = store._read_due(MAX_US, limit)
        if len(rows) >= limit:
            return rows[:limit]
    found: Iterable[JobRow] = store._read_all()
    ordered = sorted(found if wanted is None else filter(wanted, found), key=_order)
    return ordered if limit is None else ordered[:limit]


def _order(row: JobRow) -> tuple[bool, bool, int, str]:
    return row.parked is not None, row.run_at_us is None, row.run_at_us or 0, str(row.id)


def wanted_by(words: Sequence[str], states: Sequence[str]) -> Callable[[JobRow], bool] | None:
    """A row in one of these states (any, if none are given) that has every word in its id, or in what it holds."""
    if not words and not states:
        return None
    folded = [word.casefold() for word in words]

    def wanted(row: JobRow) -> bool:
        if folded:
            text = _searched(row)
            if not all(word in text for word in folded):
                return False
        return not states or view_of_row(row)["state"] in states

    return wanted


def _searched(row: JobRow) -> str:
    """Id, name, callable and trigger, folded. Many rows are asked, so triggers that are written alike are read once."""
    try:
        document = document_of(row)
        trigger = _trigger_text(orjson.dumps(document.get("trigger")))
        texts = [str(row.id), str(document.get("name")), document["func"], trigger]
    except DecodeError:
        texts = [str(row.id)]
    return "\n".join(texts).casefold()


@lru_cache(maxsize=4096)
def _trigger_text(node: bytes) -> str:
    try:
        return str(unpack_trigger(orjson.loads(node)))
    except DecodeError:
        return ""


class ChangeError(LookupError):
    """A job that can't be changed as asked; the text says why."""


def pause_row(row: JobRow, now_us: int) -> JobRow:
    return row._replace(run_at_us=None, nominal_us=None)


def run_row_now(row: JobRow, now_us: int) -> JobRow:
    return row._replace(run_at_us=now_us, nominal_us=None)


def resume_row(row: JobRow, now_us: int) -> JobRow:
    """With the next fire time from now on. ChangeError: the trigger has none."""
    trigger = trigger_of(row)
    now = moment(now_us)
    nominal = trigger._next_nominal(None, now)
    if nominal is None:
        raise ChangeError("its trigger has no fire time any more; remove it, or give it another schedule")
    run_at_us, nominal_us = us_of(trigger._dispatch_time(nominal, now)), us_of(nominal)
    return row._replace(run_at_us=run_at_us, nominal_us=None if nominal_us == run_at_us else nominal_us)


def change_row(store: Any, job_id: str, change: Callable[[JobRow, int], JobRow]) -> JobRow:
    """Change one row where its scheduler may be at work. ChangeError: there is none, or it is set aside."""
    for _ in range(ROUNDS):
        row = row_by_id(store, job_id)
        if row.parked is not None:
            raise ChangeError(f"it is parked ({row.parked}); see `rapscheduler parked`")
        try:
            new = change(row, SYSTEM.now_us())
        except DecodeError as exc:
            raise ChangeError(str(exc)) from exc
        if store._replace_if(new, row.run_at_us):
            return new
    raise ChangeError("it was changed by others at every try; try again")


def row_by_id(store: Any, job_id: str) -> JobRow:
    """ChangeError: no row has this id."""
    rows = store._read([job_id])
    if not rows:
        raise ChangeError("there is no job by this id")
    row: JobRow = rows[0]
    return row


def health_of_store(store: Any, max_lag_s: float, max_parked: int | None = None) -> dict[str, Any]:
    """``ok``, ``reason`` (None: well), ``lag_s`` of the earliest job, ``next_run_time``, ``parked`` (how many)."""
    now_us = SYSTEM.now_us()
    rows = store._read_due(now_us, 1)
    earliest_us = rows[0].run_at_us if rows else store._earliest()
    parked = store._count_parked()
    lag_s = max(0.0, (now_us - earliest_us) / SECOND_US) if rows and earliest_us is not None else 0.0
    reason = None
    if lag_s > max_lag_s:
        reason = f"a job has been due for {lag_s:.0f} s, more than {max_lag_s:g}: does a scheduler run?"
    elif max_parked is not None and parked > max_parked:
        reason = f"{parked} jobs are parked, more than {max_parked}: `rapscheduler parked` says why"
    return {
        "ok": reason is None,
        "reason": reason,
        "lag_s": lag_s,
        "next_run_time": iso(earliest_us),
        "parked": parked,
    }
