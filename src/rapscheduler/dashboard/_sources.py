"""What the dashboard shows and changes: a scheduler of this process, or a store that others schedule.

Both answer with views (`rapscheduler._views`) and plain values, and may block: they are asked in a thread. What must
not be here: HTML, HTTP. LookupError (`ChangeError`): what was asked for is not there, or can't be done.
"""

from __future__ import annotations

import json
import threading
import traceback
from collections import deque
from datetime import datetime, timezone
from typing import Any

from rapscheduler import _stored_runs, _views
from rapscheduler._clock import SYSTEM
from rapscheduler._instants import moment
from rapscheduler._quoting import said
from rapscheduler._runs import STATES, this_process
from rapscheduler._serialization.triggers import trigger_json
from rapscheduler._stored_runs import NothingKeptError
from rapscheduler._views import ChangeError
from rapscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED
from rapscheduler.jobstores._rowstore import RowStore

REMEMBERED = 200
MOST_LIVE = 100  # runs under way that are listed
SEARCHED = 50_000  # rows that a search looks through, by run time


class StoreSource:
    """A store by itself; who schedules its jobs is somewhere else."""

    kind = "store"

    def __init__(self, store: Any, title: str) -> None:
        self.store, self.title = store, title
        self._lock = threading.RLock()  # drivers differ in what they allow
        self._history: Any = None  # once it was found
        self._claims: Any = None

    def page(self, first: int, count: int, words: list[str], states: list[str]) -> list[dict[str, Any]]:
        """Views ``first`` to ``first + count``, by run time."""
        with self._lock:
            return [_views.view_of_row(row) for row in rows(self.store, first + count, words, states)[first:]]

    def job(self, job_id: str) -> dict[str, Any]:
        with self._lock:
            return _views.view_of_row(_views.row_by_id(self.store, job_id), whole=True)

    def parked(self) -> list[dict[str, Any]]:
        with self._lock:
            return [_views.view_of_row(row) for row in self.store._read_parked()]

    def failures(self) -> list[dict[str, Any]] | None:
        return None

    def health(self) -> dict[str, Any]:
        with self._lock:
            return _views.health_of_store(self.store, 60.0)

    def runs(
        self, first: int, count: int, job_id: str | None, state: str | None, after: datetime | None
    ) -> list[dict[str, Any]]:
        """Runs ``first`` to ``first + count``, the latest first. NothingKeptError: no history is kept."""
        with self._lock:
            return _stored_runs.runs_of(self._place(), job_id, state, after, first + count)[first:]

    def run(self, run_id: str) -> dict[str, Any]:
        """One run, `_stored_runs.in_full`. LookupError: nothing is known of it."""
        with self._lock:
            return _stored_runs.run_in(self._place(), run_id)

    def under_way(self) -> list[dict[str, Any]]:
        """Runs that have not ended, as far as they are known and can be cancelled here."""
        return []

    def cancel(self, run_id: str) -> None:
        raise ChangeError(
            "a run is cancelled by the scheduler that makes it; mount the dashboard in its program"
        )

    def _place(self) -> Any:
        if self._history is None:
            self._history, _ = _stored_runs.history_of(self.store)
        return self._history

    def schedulers(self) -> dict[str, Any]:
        """``peers``, ``left``, and ``notes``: texts, e.g. why nobody is known."""
        with self._lock:
            try:
                if self._claims is None:
                    self._claims = _stored_runs.claims_of(self.store)
            except NothingKeptError as exc:
                return {"peers": [], "left": [], "notes": [str(exc)]}
            return {**_stored_runs.peers_in(self._claims), "notes": []}

    def mark(self) -> str:
        """Changes when what the first page shows has changed, a run has ended, or schedulers come and go."""
        with self._lock:
            return str([row[:4] for row in self.store._read_due(1 << 60, 30)]) + mark_of_work(self)

    def change(self, action: str, job_id: str, trigger: Any = None) -> None:
        with self._lock:
            if action == "remove":
                if self.store._delete([job_id]):
                    raise ChangeError("there is no job by this id")
                return
            changes: dict[str, Any] = {
                "pause": _views.pause_row,
                "resume": _views.resume_row,
                "run": _views.run_row_now,
                "reschedule": lambda row, now_us: _views.resume_row(_with_trigger(row, trigger), now_us),
            }
            _views.change_row(self.store, job_id, changes[action], SYSTEM.now_us())


def mark_of_work(source: Any) -> str:
    """What the pages of runs and schedulers change with: the last run, who is there, who runs how much."""
    try:
        last = [one["id"] for one in source.runs(0, 1, None, None, None)]
    except NothingKeptError:
        last = []
    work = source.schedulers()
    there = [(one["host"], one["pid"], one["alive"], one["running"]) for one in work["peers"]]
    live = [(one["id"], one["state"]) for one in source.under_way()]
    return str((last, live, there, work["notes"], len(work["left"])))


def _with_trigger(row: Any, trigger: Any) -> Any:
    document = {**_views.document_of(row), "trigger": json.loads(trigger_json(trigger, True))}
    document.pop("run_zone", None)
    return row._replace(data=json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode())


def rows(store: Any, limit: int, words: list[str], states: list[str]) -> list[Any]:
    wanted = _views.wanted_by(words, states)
    if wanted is None:
        return _views.rows_in_order(store, limit, None)
    found = [row for row in _views.rows_in_order(store, SEARCHED, None) if wanted(row)]
    return found[:limit]


class SchedulerSource:
    """A scheduler in this process. Errors and missed runs are remembered from now on; runs that went well are not asked
    for, as nobody is to pay for them."""

    kind = "scheduler"

    def __init__(self, scheduler: Any) -> None:
        self.scheduler, self.title = scheduler, type(scheduler).__name__
        self._failures: deque[dict[str, Any]] = deque(maxlen=REMEMBERED)
        scheduler.add_listener(self._remember, EVENT_JOB_ERROR | EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES)

    def _remember(self, event: Any) -> None:
        what = {EVENT_JOB_ERROR: "error", EVENT_JOB_MISSED: "missed"}.get(event.code, "too many at once")
        exception = getattr(event, "exception", None)
        times = getattr(event, "scheduled_run_times", None)
        run_time = getattr(event, "scheduled_run_time", None) or (times[0] if times else None)
        self._failures.append(
            {
                "id": event.job_id,
                "run": getattr(event, "run_id", None),
                "what": what,
                "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
                "run_time": None if run_time is None else run_time.isoformat(),
                "error": None if exception is None else f"{type(exception).__name__}: {said(exception)}",
                "traceback": _traceback(event),
            }
        )

    def page(self, first: int, count: int, words: list[str], states: list[str]) -> list[dict[str, Any]]:
        limit = first + count
        views: list[dict[str, Any]] = []
        for alias, store in list(self.scheduler._jobstores.items()):
            if isinstance(store, RowStore) and self.scheduler.running:
                views += [
                    {**_views.view_of_row(row), "store": alias} for row in rows(store, limit, words, states)
                ]
            else:
                views += [{**view, "store": alias} for view in self._jobs(alias, limit, words, states)]
        views.sort(key=lambda view: (view["state"] != "scheduled", _instant(view), view["id"]))
        return views[first:limit]

    def _jobs(self, alias: str, limit: int, words: list[str], states: list[str]) -> list[dict[str, Any]]:
        jobs = self.scheduler.get_jobs(alias)
        if not words and not states:
            return [_views.view_of_job(job) for job in jobs[:limit]]
        found = []
        for job in jobs[:SEARCHED]:
            view = _views.view_of_job(job)
            text = "\n".join(str(view[key]) for key in ("id", "name", "func", "trigger")).casefold()
            if all(word.casefold() in text for word in words) and (not states or view["state"] in states):
                found.append(view)
                if len(found) == limit:
                    break
        return found

    def job(self, job_id: str) -> dict[str, Any]:
        job = self.scheduler.get_job(job_id)
        if job is None:
            found = [view for view in self.parked() if view["id"] == job_id]
            if not found:
                raise ChangeError("there is no job by this id")
            return found[0]
        view = _views.view_of_job(job, whole=True)
        view["failures"] = [one for one in reversed(self._failures) if one["id"] == job_id][:5]
        return view

    def parked(self) -> list[dict[str, Any]]:
        views = []
        for one in self.scheduler.get_parked_jobs() if self.scheduler.running else ():
            view: dict[str, Any] = {"id": one.job_id, "name": None, "func": None, "trigger": None}
            if one.job is not None:
                view = _views.view_of_job(one.job)
            run_time = None if one.run_at_us is None else moment(one.run_at_us).isoformat()
            views.append({**view, "state": "parked", "reason": one.reason, "next_run_time": run_time})
        return views

    def failures(self) -> list[dict[str, Any]] | None:
        return list(reversed(self._failures))

    def health(self) -> dict[str, Any]:
        report: dict[str, Any] = self.scheduler.health()
        return {"ok": report["alive"], **report}

    def runs(
        self, first: int, count: int, job_id: str | None, state: str | None, after: datetime | None
    ) -> list[dict[str, Any]]:
        if state is not None and state not in STATES:
            raise ValueError(f"state {said(state)!r} is none of {', '.join(STATES)}")
        try:
            found = self.scheduler.get_runs(job_id, state, after, first + count)
        except RuntimeError as exc:
            raise NothingKeptError(str(exc)) from None
        return [one.as_dict() for one in found[first:]]

    def run(self, run_id: str) -> dict[str, Any]:
        history = self.scheduler._history
        place = None if history is None else history.written()
        live = self._live().get(run_id)
        if live is not None:
            view = _stored_runs.in_full(live, place)
        elif place is None:
            raise NothingKeptError(
                f"run {said(run_id)} is not under way, and this scheduler keeps no history of those that ended"
            )
        else:
            view = _stored_runs.run_in(place, run_id)
        heard = (one["traceback"] for one in self._failures if one["run"] == run_id)
        return {**view, "traceback": next(heard, None)}

    def _live(self) -> dict[str, Any]:
        tracker = self.scheduler._watched.tracker  # None: nobody asked for runs yet, and this does not
        return {} if tracker is None else dict(tracker.live)

    def under_way(self) -> list[dict[str, Any]]:
        runs = [run for run in self._live().values() if not run.is_over]
        return [run.as_dict() for run in sorted(runs, key=lambda run: run.id)[:MOST_LIVE]]

    def cancel(self, run_id: str) -> None:
        if not self.scheduler.cancel_run(run_id):
            raise ChangeError(f"run {said(run_id)} is not under way here")

    def schedulers(self) -> dict[str, Any]:
        peers: list[dict[str, Any]] = []
        left: list[dict[str, Any]] = []
        for alias, store in list(self.scheduler._jobstores.items()):
            claims = getattr(store, "_claims", None)
            if claims is not None:
                found = _stored_runs.peers_in(claims.rows)
                peers += [{**one, "store": alias} for one in found["peers"]]
                left += [{**one, "store": alias} for one in found["left"]]
        return {"peers": peers, "left": left, "notes": self._notes_of_schedulers(bool(peers))}

    def _notes_of_schedulers(self, shares: bool) -> list[str]:
        this = f"{self.title} {this_process()}"
        if self.scheduler._leadership is not None:
            token = self.scheduler.leader_token
            with_token = "" if token is None else f", with the token {token}"
            leads = (
                f"leads{with_token}"
                if self.scheduler.is_leader
                else "does not lead: another one runs these jobs"
            )
            return [f"{this} {leads}."]
        if not shares:
            return [f"{this} is alone: none of its job stores is shared (shared=True)."]
        return []

    def mark(self) -> str:
        views = self.page(0, 30, [], [])
        last = self._failures[-1]["time"] if self._failures else ""
        jobs = [(one["id"], one["state"], one["next_run_time"]) for one in views]
        return str((jobs, last, self.scheduler.state)) + mark_of_work(self)

    def change(self, action: str, job_id: str, trigger: Any = None) -> None:
        if action == "run":
            self.scheduler.modify_job(job_id, next_run_time=datetime.now(timezone.utc))
        elif action == "reschedule":
            self.scheduler.reschedule_job(job_id, trigger=trigger)
        else:
            getattr(
                self.scheduler, {"pause": "pause_job", "resume": "resume_job", "remove": "remove_job"}[action]
            )(job_id)


def _instant(view: dict[str, Any]) -> float:
    return (
        float("inf")
        if view["next_run_time"] is None
        else datetime.fromisoformat(view["next_run_time"]).timestamp()
    )


def _traceback(event: Any) -> str | None:
    """As Python prints it; the event has the stack only."""
    exception = getattr(event, "exception", None)
    if exception is None:
        return None
    stack = getattr(event, "traceback", None)
    if not isinstance(stack, str):
        return "".join(traceback.format_exception(exception))
    head = "Traceback (most recent call last):\n" if stack else ""
    return head + stack + "".join(traceback.format_exception_only(exception))
