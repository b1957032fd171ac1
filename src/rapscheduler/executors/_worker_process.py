"""What runs in a worker process of ours: batches of tasks, one after another.

Here: the life of the process, making a task, what is said of it. Not here: pipes (`_pipes`), the run loop (`_run`), the
parcels in which events travel (`_remote`).

Rule: what belongs to the user travels as bytes inside of the messages and is read where its failure has an owner, so no
argument, value or exception ends the process or spoils the rest of a batch. A call that simply returned needs no event
here: the other side makes it. Everything else (it raised, it is late, it is to be awaited, INFO is logged here, the run
has an identity) goes through the run loop, which takes over from where the call is. Callables are looked up once.
"""

from __future__ import annotations

import logging
import pickle
import signal
from collections.abc import Callable
from datetime import datetime, timezone
from functools import partial
from multiprocessing.reduction import ForkingPickler
from time import perf_counter_ns
from typing import Any
from zoneinfo import ZoneInfo

from rapscheduler._clock import SYSTEM
from rapscheduler._engine.planning import is_late
from rapscheduler._instants import moment
from rapscheduler.events import EVENT_JOB_EXECUTED, JobExecutionEvent
from rapscheduler.executors._home import Watched
from rapscheduler.executors._pipes import FarEnd
from rapscheduler.executors._remote import Passport, RemoteJob, packed, travelling
from rapscheduler.executors._run import advance_begun, drive, run_loop, submission_of
from rapscheduler.util import ref_to_obj

READY, BROKEN, OVER, ASKED = -1, -2, -3, -4  # instead of the place of a task
RUN, CALL = 0, 1  # kinds of orders
VALUE, PICKLED, LOST = 0, 1, 2  # payloads; others are None and lists of parcels
ATOMS = frozenset((bool, bytes, float, int, str, type(None)))

_callables: dict[str, Callable[..., Any]] = {}


def pickled(value: Any) -> bytes:
    """A value of the user's as bytes."""
    return bytes(ForkingPickler.dumps(value, 5))


def serve(far: Any, initializer: Callable[..., object] | None, initargs: tuple[Any, ...]) -> None:
    """The life of a worker process."""
    signal.signal(signal.SIGINT, _leave_to_parent)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    line = FarEnd(far)
    try:
        if initializer is not None:
            try:
                initializer(*initargs)
            except BaseException as exc:
                logging.getLogger("rapscheduler.executors").critical(
                    "Exception in initializer of a worker process; the pool can't run jobs", exc_info=exc
                )
                line.reply(pickle.dumps((BROKEN, 0, f"its initializer failed: {exc!r}")))
                return line.ring()
        line.reply(pickle.dumps((READY, 0, None)))
        line.ring()
        while True:
            batch = line.next_batch()
            if batch is None:
                return None
            for place, order in enumerate(batch):
                if not line.begins():
                    break
                line.reply(pickle.dumps((place, *made(order, partial(_asked, line, place))), 5))
            line.reply(pickle.dumps((OVER, 0, None)))
            line.ring()
    except BrokenPipeError:
        return None  # nobody is there to hear of it


def _leave_to_parent(number: int, frame: Any) -> None:
    """Ctrl-C reaches every process of a terminal; what becomes of the runs says the one with the scheduler."""


def _asked(line: FarEnd, place: int) -> str:
    """The text of a job, which few runs need, and which takes longer to make than to ask for once in a while."""
    line.reply(pickle.dumps((ASKED, place, None)))
    line.ring()
    (text,) = line.next_batch() or (b"?",)
    return text.decode()


def made(order: bytes, text: str | Callable[[], str]) -> tuple[int, Any]:
    """Make a task: how many microseconds it took, and what is said of it. `text`: the job in words."""
    began_ns = perf_counter_ns()
    payload: Any
    try:
        kind, *what = pickle.loads(order)
        payload = _called(*what) if kind == CALL else _ran(text, *what)
    except BaseException as exc:  # not the job's own: a log handler, a time zone that can't be read here
        payload = LOST, repr(exc)
    return (perf_counter_ns() - began_ns) // 1000, payload


def _called(call: bytes) -> bytes:
    try:
        fn, args, kwargs = pickle.loads(call)
        outcome = (True, fn(*args, **kwargs))
    except BaseException as exc:
        outcome = (False, exc)
    try:
        return pickled(outcome)
    except BaseException as exc:
        return pickled(
            (False, RuntimeError(f"what the call left behind can't be written by pickle: {exc!r}"))
        )


def _callable(ref: str) -> Callable[..., Any]:
    found = _callables.get(ref)
    if found is None:
        found = _callables[ref] = ref_to_obj(ref)
    return found


def _ran(
    text: str | Callable[[], str],
    job_id: str,
    func_ref: str,
    call: bytes | None,
    run_us: int,
    zone: Any,
    grace_s: Any,
    found_us: int,
    alias: str | None,
    logger_name: str,
    passport: Passport | None,
) -> Any:
    """Make a run."""
    logger = logging.getLogger(logger_name)
    value, error, begun = None, None, False
    if (
        passport is None
        and not Watched.asked
        and not logger.isEnabledFor(logging.INFO)
        and not is_late(run_us, SYSTEM.now_us(), grace_s)
    ):
        begun = True
        try:
            func = _callable(func_ref)
            if call is None:
                value = func()
            else:
                args, kwargs = pickle.loads(call)
                value = func(*args, **kwargs)
            if not hasattr(value, "__await__"):
                return _said(value, job_id, alias, zone, run_us)
        except BaseException as exc:
            error = exc
    job = RemoteJob(call, func_ref, job_id, grace_s, text if callable(text) else partial(str, text))
    submission = submission_of(job, alias, [_run_time(zone, run_us)], found_us)
    watched = None if begun else travelling(() if passport is None else (passport,))
    loop = run_loop(submission, logger, watched=watched, begun=begun)
    try:
        events = drive(loop, advance_begun(loop, value, error) if begun else None)
        return [packed(event) for event in events]
    finally:
        error = None  # it holds this frame


def _run_time(zone: Any, run_us: int) -> datetime:
    if isinstance(zone, datetime):
        return zone
    return moment(run_us, timezone.utc if zone is None else ZoneInfo(zone))


def _said(value: Any, job_id: str, alias: str | None, zone: Any, run_us: int) -> Any:
    """What is said of a run that ended well."""
    if value is None:
        return None
    if type(value) in ATOMS:
        return VALUE, value
    try:
        return (
            PICKLED,
            pickled((value, None)),
            f"it returned an object of the class {type(value).__qualname__}",
        )
    except BaseException:  # of a __reduce__ of the user's; `packed` says what
        run_time = _run_time(zone, run_us)
        return [packed(JobExecutionEvent(EVENT_JOB_EXECUTED, job_id, alias, run_time, value))]
