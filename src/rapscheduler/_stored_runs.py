"""What became of the runs of a store, who works on it and what is under way, as plain values, for whoever shows them.

What lives here: the history and the tables of claims that lie beside the jobs, found without a scheduler; one frame of
`rapscheduler top`. What must not: printing, HTML, jobs by themselves (`_views`). Nothing is created, nor
written but by `cancel_in`: what is not there is a `NothingKeptError`, whose text says how it would be.

A run is `Run.as_dict()`. A peer: ``host``, ``pid``, ``alive``, ``started``, ``heard`` (ISO 8601, by the store's clock),
``silent_s`` (since it was heard of), ``lease_s``, ``running`` (how many runs), ``runs`` (the first of them: ``job_id``,
``run_time``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from rapscheduler import _views
from rapscheduler._clock import SYSTEM
from rapscheduler._instants import MAX_US, SECOND_US
from rapscheduler._quoting import said
from rapscheduler._runs import Run
from rapscheduler._scheduling.cancelling import cancel_elsewhere
from rapscheduler._states import RUN_STATES, TROUBLES
from rapscheduler.jobstores._rowstore import NothingStoredError

SHOWN_RUNS = 20  # of a peer
MOST_UNDER_WAY = 1000
NEAR = 500  # runs of the job, before and after a run, among which its other attempts are looked for
MOST_COUNTED = 1000  # due jobs
MOST_ROWS = 10  # of a part of a frame
WINDOW = timedelta(hours=1)  # of the runs that a frame counts

_AGO = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604_800}


class NothingKeptError(LookupError):
    """There is no history, or nobody shares the store; the text says how there would be."""


def since(text: str, now: datetime | None = None) -> datetime:
    """``90s``, ``15m``, ``2h``, ``3d``, ``1w`` ago, or an ISO 8601 time (UTC, if it names no offset). ValueError."""
    ago = _AGO.fullmatch(text.strip())
    try:
        if ago is not None:
            return (now or datetime.now(timezone.utc)) - timedelta(seconds=float(ago[1]) * _SECONDS[ago[2]])
        found = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except (ValueError, OverflowError):
        raise ValueError(
            f"{text!r} is no time: write how long ago (90s, 15m, 2h, 3d) or a date (2025-03-01, 2025-03-01T09:30)"
        ) from None
    return found if found.tzinfo is not None else found.replace(tzinfo=timezone.utc)


# the history


def history_of(store: Any, name: str | None = None) -> tuple[Any, str]:
    """The place of the history beside the jobs of an open store, and its name; `name`: of its table or key.

    :raises NothingKeptError: there is none
    """
    if hasattr(store, "engine"):
        names = [name] if name else [f"{store.jobs_t.name}_history", "rapscheduler_history"]
        found = next((one for one in names if _has_table(store.engine, one)), None)
    elif hasattr(store, "redis"):
        names = [name] if name else [f"{store.jobs_key}.history", "rapscheduler.history"]
        found = next((one for one in names if store.redis.exists(one)), None)
    else:
        raise NothingKeptError(
            f"a {type(store).__name__} has no history beside it; name the database or the Redis that history= names"
        )
    if found is None:
        raise NothingKeptError(
            f'there is no history there ({" or ".join(names)}): a scheduler keeps one with history="jobstore", and '
            "writes it when the first run has ended"
        )
    if hasattr(store, "engine"):
        from rapscheduler.jobstores._history_sql import SqlPlace

        return SqlPlace(store.engine, found, make=False), found
    from rapscheduler.jobstores._history_redis import RedisPlace

    return RedisPlace(store.redis, found, 0), found


def _has_table(engine: Any, name: str, schema: str | None = None) -> bool:
    import sqlalchemy as sa

    from rapscheduler.jobstores._sqllook import find_table

    try:
        find_table(engine, sa.Table(name, sa.MetaData(), schema=schema))
    except NothingStoredError:
        return False
    return True


def runs_of(
    place: Any, job_id: str | None, state: str | None, after: datetime | None, limit: int
) -> list[dict[str, Any]]:
    """Runs that ended, the latest first. ValueError: there is no such state."""
    if state is not None and state not in RUN_STATES:
        raise ValueError(f"state {state!r} is none of {', '.join(RUN_STATES)}")
    return [Run.of(record).as_dict() for record in place.read(job_id, state, _us(after), limit)]


def in_full(run: Run, place: Any) -> dict[str, Any]:
    """One run: ``lateness`` (seconds), ``attempts`` (all at this call, by number, itself too) and ``traceback`` (None)
    besides what `runs_of` says. `place`: a history, or None."""
    again = run.attempt > 1 or run.retry_us is not None
    calls = [run]
    if again and place is not None:
        near = place.near(run.job_id, run.id, NEAR)
        calls += [Run.of(one) for one in near if one.scheduled_us == run.scheduled_us and one.id != run.id]
    calls.sort(key=lambda one: one.attempt)
    attempts = [one.as_dict() for one in calls]
    return {**run.as_dict(), "lateness": run.lateness, "attempts": attempts, "traceback": None}


def run_in(place: Any, run_id: str) -> dict[str, Any]:
    """`in_full`, of a run that ended. LookupError: it is not in this history."""
    record = place.find(run_id)
    if record is None:
        raise LookupError(f"there is no run {said(run_id)} in the history; it may be older than what is kept")
    return in_full(Run.of(record), place)


def _us(time: datetime | None) -> int | None:
    return None if time is None else round(time.timestamp() * SECOND_US)


# who works on it


def peers_of(store: Any) -> dict[str, Any]:
    """``time`` (of the store), ``peers``, ``left``: runs whose scheduler is not there, for others to take over.

    :raises NothingKeptError: nobody shares it
    """
    return peers_in(claims_of(store))


def peers_in(rows: Any) -> dict[str, Any]:
    """The same of the `claims_of` a store."""
    now_us, found = rows.peers()
    under_way: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for owner, epoch, job_id, run_us in rows.under_way(MOST_UNDER_WAY):
        one = {"job_id": job_id, "run_time": _views.iso(run_us)}
        under_way.setdefault((owner, epoch), []).append(one)
    peers = []
    for peer in found:
        runs = under_way.pop((peer.id, peer.epoch), [])
        peers.append(_peer(peer, now_us, runs))
    peers.sort(key=lambda one: (not one["alive"], one["host"], one["pid"]))
    return {
        "time": _views.iso(now_us),
        "peers": peers,
        "left": [one for runs in under_way.values() for one in runs],
    }


def _peer(peer: Any, now_us: int, runs: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "host": peer.host,
        "pid": peer.pid,
        "alive": not peer.is_over(now_us),
        "started": _views.iso(peer.started_us),
        "heard": _views.iso(peer.heard_us),
        "silent_s": round(max(0, now_us - peer.heard_us) / SECOND_US, 3),
        "lease_s": peer.lease_s,
        "running": peer.running,
        "runs": runs[:SHOWN_RUNS],
    }


def claims_of(store: Any) -> Any:
    """The claims of an open store (`SharedRows`). NothingKeptError: nobody shares it."""
    rows = getattr(store, "_shared", None)
    if rows is None and hasattr(store, "engine"):
        from rapscheduler.jobstores._sqlclaims import claims_beside

        try:
            rows = claims_beside(store)
        except ValueError as exc:
            raise NothingKeptError(str(exc)) from None
    if hasattr(store, "redis"):
        from rapscheduler.jobstores._redisshared import RedisShared

        rows = rows or RedisShared(store, {})
        if not rows.is_there():
            raise NothingKeptError(
                f"no scheduler shares these jobs now (there is no key {rows.schedulers_key}); one with "
                "RedisJobStore(…, shared=True) makes it"
            )
    if rows is None:
        raise NothingKeptError(
            f"the schedulers of a {type(store).__name__} are not known; they are where SQLAlchemyJobStore or "
            "RedisJobStore(…, shared=True) keeps the jobs"
        )
    tables: list[Any] = [getattr(rows, name, None) for name in ("schedulers_t", "runs_t")]
    tables.append(getattr(getattr(rows, "packs", None), "table", None))
    if any(table is not None and not _has_table(rows._engine, table.name, table.schema) for table in tables):
        raise NothingKeptError(
            f"no scheduler shares these jobs (there is no table {tables[0].name}); "
            "SQLAlchemyJobStore(…, shared=True) makes it"
        )
    return rows


def cancel_in(rows: Any, run_id: str, timeout: float) -> dict[str, Any]:
    """Ask those who share the `claims_of` a store to let a run end, and wait for their answers for so many seconds:
    ``id``, ``done``, ``outcome``, ``who``, ``asked``, ``silent`` and, in words, ``what``.

    :raises NothingKeptError: its schedulers are too old to be asked
    """
    if not rows.requests.are_there():
        raise NothingKeptError(
            "the schedulers on this store can't be asked to cancel a run (there is no table "
            f"{rows.requests.table.name}): start one of this version of rapscheduler, which makes it"
        )
    found = cancel_elsewhere(rows, run_id, timeout)
    own = {name: getattr(found, name) for name in ("outcome", "who", "asked", "silent")}
    return {"id": run_id, "done": bool(found), **own, "what": str(found)}


# a frame of `top`


def frame_of(store: Any, history: str | None = None) -> dict[str, Any]:
    """``time``, ``health``, ``due`` (how many, at most `MOST_COUNTED`), ``late`` and ``next`` (views of jobs),
    ``running``, ``schedulers`` (None where nobody shares the store), ``ended`` (state -> count) and ``failures`` (runs)
    of the last hour (None where no history is kept), ``missing`` (why something is None)."""
    now_us = SYSTEM.now_us()
    due = store._read_due(now_us, MOST_COUNTED)
    late = [
        {**_views.view_of_row(row), "late_s": (now_us - row.run_at_us) / SECOND_US} for row in due[:MOST_ROWS]
    ]
    upcoming = [row for row in store._read_due(MAX_US, len(due) + MOST_ROWS) if row.run_at_us > now_us]
    frame: dict[str, Any] = {
        "time": _views.iso(now_us),
        "health": _views.health_of_store(store, 60.0),
        "due": len(due),
        "late": late,
        "next": [_views.view_of_row(row) for row in upcoming[:MOST_ROWS]],
        "missing": [],
    }
    frame.update(_part(frame, lambda: _work_of(store), ("running", "schedulers")))
    frame.update(_part(frame, lambda: _past_of(store, history), ("ended", "failures")))
    return frame


def _part(frame: dict[str, Any], ask: Callable[[], dict[str, Any]], names: Sequence[str]) -> dict[str, Any]:
    try:
        return ask()
    except NothingKeptError as exc:
        frame["missing"].append(said(exc))
        return dict.fromkeys(names)


def _work_of(store: Any) -> dict[str, Any]:
    found = peers_of(store)
    running = [
        {**run, "host": peer["host"], "pid": peer["pid"], "alive": peer["alive"]}
        for peer in found["peers"]
        for run in peer["runs"]
    ]
    return {"running": running, "schedulers": found["peers"]}


def _past_of(store: Any, history: str | None) -> dict[str, Any]:
    place, _ = history_of(store, history)
    after = datetime.now(timezone.utc) - WINDOW
    ended = place.count(None, _us(after))
    failures = [
        run for state in TROUBLES if ended.get(state) for run in runs_of(place, None, state, after, MOST_ROWS)
    ]
    failures.sort(key=lambda run: str(run["ended"]), reverse=True)
    return {"ended": ended, "failures": failures[:MOST_ROWS]}
