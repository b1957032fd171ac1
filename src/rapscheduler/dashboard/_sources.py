"""What the dashboard shows and changes: a scheduler of this process, or a store that others schedule.

Both answer with views (`rapscheduler._views`) and plain values, and may block: they are asked in a thread. What must
not be here: HTML, HTTP. LookupError (`ChangeError`): what was asked for is not there, or can't be done.
"""

from __future__ import annotations

import json
import threading
import traceback
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from heapq import merge, nsmallest
from itertools import islice
from time import sleep
from typing import Any, TypeVar

from rapscheduler import _stored_runs, _views
from rapscheduler._instants import moment
from rapscheduler._quoting import said
from rapscheduler._runs import this_process
from rapscheduler._scheduling.asking import first as first_jobs
from rapscheduler._serialization.rows import JobRow, is_time
from rapscheduler._serialization.triggers import trigger_json
from rapscheduler._states import PARKED, PAUSED, RUN_STATES
from rapscheduler._stored_runs import NothingKeptError
from rapscheduler._views import ChangeError
from rapscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED
from rapscheduler.jobstores._rowstore import RowStore

REMEMBERED = 200
MOST_LIVE = 100  # runs under way that are listed
SEARCHED = 50_000  # rows that a search looks through, by run time
# In the process of a scheduler: how many jobs are shown, or looked at by a search, before its loop may have the
# interpreter, and for how long it may.
SHOWN_AT_ONCE, SOUGHT_AT_ONCE = 16, 64
BREATH_S = 50e-6

T = TypeVar("T")


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

    def next_up(self, shown: int, timed: int) -> tuple[list[dict[str, Any]], list[int]]:
        """Views of the first jobs, and the run times (µs since the epoch) of those and of more."""
        with self._lock:
            found = rows(self.store, max(shown, timed), [], [])
        return [_views.view_of_row(row) for row in found[:shown]], _times_us(found[:timed])

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
            _views.change_row(self.store, job_id, changes[action])


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


def rows(store: Any, limit: int, words: list[str], states: list[str], at_once: int = 0) -> list[Any]:
    wanted = _views.wanted_by(words, states)
    if wanted is None:
        return _views.rows_in_order(store, limit, None)
    looked_at = letting_run(_views.rows_in_order(store, SEARCHED, None), at_once)
    return list(islice((row for row in looked_at if wanted(row)), limit))


class SchedulerSource:
    """A scheduler in this process. Errors and missed runs are remembered from now on; runs that went well are not asked
    for, as nobody is to pay for them."""

    kind = "scheduler"

    def __init__(self, scheduler: Any) -> None:
        self.scheduler, self.title = scheduler, type(scheduler).__name__
        self._failures: deque[dict[str, Any]] = deque(maxlen=REMEMBERED)
        scheduler.add_listener(self._remember, EVENT_JOB_ERROR | EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES)

    def close(self) -> None:
        """Listen no longer. What is remembered can still be asked for."""
        self.scheduler.remove_listener(self._remember)

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
        return self._views(self._found(first + count, words, states)[first:])

    def next_up(self, shown: int, timed: int) -> tuple[list[dict[str, Any]], list[int]]:
        """As of a store."""
        found = self._found(max(shown, timed), [], [])
        return self._views(found[:shown]), _times_us([one for _, one in found[:timed]])

    def _views(self, found: list[tuple[str, Any]]) -> list[dict[str, Any]]:
        reasons = self._parked_elsewhere()
        return [
            {**_view(one, reasons.get((alias, one.id))), "store": alias}
            for alias, one in letting_run(found, SHOWN_AT_ONCE)
        ]

    def _found(self, limit: int, words: list[str], states: list[str]) -> list[tuple[str, Any]]:
        """By run time, then those that have none: alias of the store, and a row, or a job where there are no rows."""
        listed = [
            [(alias, one) for one in self._listed(alias, store, limit, words, states)]
            for alias, store in self._stores()
        ]
        return list(islice(merge(*listed, key=_run_order), limit)) if len(listed) != 1 else listed[0]

    def _stores(self) -> list[tuple[str, Any]]:
        """Aliases and stores, also of jobs that wait for the start: their store (None) may come then."""
        scheduler = self.scheduler
        stores = list(scheduler._jobstores.items())
        if scheduler.running:
            return stores
        waiting = {alias: None for _, alias, _ in list(scheduler._pending_jobs)}
        return list({**waiting, **dict(stores)}.items())

    def _listed(
        self, alias: str, store: Any, limit: int, words: list[str], states: list[str]
    ) -> Iterable[Any]:
        scheduler = self.scheduler
        if isinstance(store, RowStore) and scheduler.running:
            return rows(store, limit, words, states, SOUGHT_AT_ONCE)
        jobs: Iterable[Any]
        if states in ([PAUSED], [PARKED]) and scheduler.running:
            jobs = scheduler.get_jobs(alias, state=states[0], limit=SEARCHED if words else limit)
        else:
            parked = self._parked_elsewhere() if states else {}
            # Scheduled ones come first, but for what is set aside; jobs that wait for the start are in one list anyway.
            is_search = words or (states and not scheduler.running)
            jobs = first_jobs(scheduler, alias, SEARCHED if is_search else limit + len(parked))
            if states:
                jobs = [
                    job
                    for job in jobs
                    if _views.state_of_job(job) in states and (alias, job.id) not in parked
                ]
        if words:
            folded = [word.casefold() for word in words]
            jobs = (job for job in letting_run(jobs, SOUGHT_AT_ONCE) if _views.has_words(job, folded))
        return islice(jobs, limit)

    def _parked_elsewhere(self) -> dict[tuple[str, str], str]:
        """Alias and id of jobs that are set aside in stores that don't write it down, and why."""
        if not self.scheduler.running:
            return {}
        return {
            (alias, one.job_id): one.reason
            for alias, store in list(self.scheduler._jobstores.items())
            if not isinstance(store, RowStore)
            for one in self.scheduler.get_parked_jobs(alias)
        }

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
            views.append({**view, "state": PARKED, "reason": one.reason, "next_run_time": run_time})
        return views

    def failures(self) -> list[dict[str, Any]] | None:
        return list(reversed(self._failures))

    def health(self) -> dict[str, Any]:
        report: dict[str, Any] = self.scheduler.health()
        return {"ok": report["alive"], **report}

    def runs(
        self, first: int, count: int, job_id: str | None, state: str | None, after: datetime | None
    ) -> list[dict[str, Any]]:
        if state is not None and state not in RUN_STATES:
            raise ValueError(f"state {said(state)!r} is none of {', '.join(RUN_STATES)}")
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
        watched = self.scheduler._watched
        if watched.ledger is not None:
            watched.made().follow()
        # None: nobody asked for runs yet
        return {} if watched.tracker is None else {run.id: run for run in list(watched.tracker.live)}

    def under_way(self) -> list[dict[str, Any]]:
        runs = [run for run in self._live().values() if not run.is_over]
        return [run.as_dict() for run in nsmallest(MOST_LIVE, runs, key=lambda run: run.id)]

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
        last = self._failures[-1]["time"] if self._failures else ""
        jobs = [(one.id, one.run_at_us) for _, one in self._found(30, [], [])]
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


def _view(one: Any, parked: str | None) -> dict[str, Any]:
    if isinstance(one, JobRow):
        return _views.view_of_row(one)
    view = _views.view_of_job(one)
    return view if parked is None else {**view, "state": PARKED, "reason": parked}


def _times_us(found: Iterable[Any]) -> list[int]:
    """Run times of rows, or of jobs, but of what is set aside."""
    return [
        one.run_at_us
        for one in found
        if one.run_at_us is not None and getattr(one, "parked", None) is None and is_time(one.run_at_us)
    ]


def _run_order(found: tuple[str, Any]) -> tuple[bool, int]:
    _, one = found
    has_none = one.run_at_us is None or getattr(one, "parked", None) is not None
    return has_none, one.run_at_us or 0


def letting_run(items: Iterable[T], at_once: int) -> Iterator[T]:
    """These, with a sleep after so many: whoever works on them in the process of a scheduler would keep the interpreter
    from its loop for a switch interval (5 ms) at a time. 0: there is no scheduler in this process."""
    for number, one in enumerate(items, 1):
        yield one
        if at_once and number % at_once == 0:
            sleep(BREATH_S)


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
