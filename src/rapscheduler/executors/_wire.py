"""Runs as texts: what goes to a worker of another engine (Celery, Dask), and what comes back.

Here: both directions, and making the call on the worker. Not here: how texts get there; who waits for them
(`_distant`). Everything is JSON by the codec of stored rows: arguments and results are what rows may hold, the callable
is a reference, and nothing is pickled. A run, one to a message:

    {"v": 1, "func": "myapp.tasks:send", "args": [...], "kwargs": {...}, "job": "nightly", "text": "send (trigger: …)",
     "alias": "default", "logger": "…", "grace_s": 60, "timeout_s": null, "run_us": …, "found_us": …,
     "run": [id, job id, scheduled_us, attempt], "reply": …}

The callable and the arguments are looked at where the call is made, so that whatever is wrong with them is an error of
that run. A failure comes back as the name of its class and its plain arguments; it becomes an exception of that class
if the class is known here already (nothing is imported for it, and no constructor of a program runs), else one that
has its name.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from datetime import timezone
from traceback import format_tb
from types import BuiltinFunctionType
from typing import Any

import orjson

from rapscheduler._instants import moment
from rapscheduler._quoting import said, short
from rapscheduler._runs import Run, this_process
from rapscheduler._serialization.callables import ANY_CALLABLE, CallableRule, find_callable
from rapscheduler._serialization.codec import MAX_BYTES
from rapscheduler._serialization.values import DUMPS_OPTION, pack_at, unpack
from rapscheduler.errors import DecodeError, EncodeError, LostValueError, UnrunnableJobError
from rapscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED, EVENT_JOB_MISSED, JobExecutionEvent
from rapscheduler.executors._home import Watched
from rapscheduler.executors._remote import Passport, Travelled
from rapscheduler.executors._run import drive, run_loop, submission_of

VERSION = 1
Document = dict[str, Any]
Tell = Callable[[str], None]

_under_way: dict[str, Run] = {}  # runs that this process makes for others, by id

_CODES = {"executed": EVENT_JOB_EXECUTED, "error": EVENT_JOB_ERROR, "missed": EVENT_JOB_MISSED}
_NAMES = {code: name for name, code in _CODES.items()}


def dumps(document: Document) -> str:
    """The text of a message."""
    return orjson.dumps({"v": VERSION, **document}, option=DUMPS_OPTION).decode()


def loads(text: Any) -> Document:
    """The message of a text. DecodeError: it is none of ours."""
    if type(text) is not str or len(text) > 4 * MAX_BYTES:
        raise DecodeError(f"a message about a run must be a text of JSON, got {short(text)}")
    try:
        document = orjson.loads(text)
    except (orjson.JSONDecodeError, RecursionError) as exc:
        raise DecodeError(f"a message about a run is no JSON: {exc}") from exc
    version = document.get("v") if type(document) is dict else None
    if version != VERSION:
        raise DecodeError(
            f"a message about a run has version {short(version)}, and this rapscheduler knows {VERSION}; have the same "
            "release in the scheduler and on its workers"
        )
    message: Document = document
    return message


# There


def order_of(job: Any, engine: str) -> Document:
    """What the runs of a job have in common. UnrunnableJobError: it can't be written down."""
    if not job.func_ref:
        raise UnrunnableJobError(
            f"job {job.id} can't go to a worker of {engine}: its callable {job.func!r} has no importable name; use a "
            "function of a module, or a thread pool"
        )
    try:
        args = pack_at(list(job._portable_args()), "args", True, ANY_CALLABLE)
        kwargs = pack_at(dict(job.kwargs), "kwargs", True, ANY_CALLABLE)
    except EncodeError as exc:
        raise UnrunnableJobError(f"job {job.id} can't go to a worker of {engine}: {exc}") from exc
    extras = getattr(job, "_extras", None) or {}
    return {
        "func": job.func_ref,
        "args": args,
        "kwargs": kwargs,
        "text": _plain(str(job)),
        "job": _plain(job.id),
        "grace_s": job.misfire_grace_time,
        "timeout_s": extras.get("timeout"),
    }


def _plain(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


class Order:
    """A run, as its worker reads it, in the shape of a job."""

    def __init__(self, document: Document, rule: CallableRule) -> None:
        self._document, self._rule = document, rule
        try:
            self.id, self.text, self.alias = document["job"], document["text"], document["alias"]
            self.misfire_grace_time = document["grace_s"]
            self.passport = Passport(document["run_us"], *document["run"])
            self.reply: Any = document["reply"]
            self._extras = {"timeout": document["timeout_s"]}
        except (KeyError, TypeError, ValueError) as exc:
            raise DecodeError(f"a message about a run lacks something: {exc!r}") from exc

    @property
    def func(self) -> Any:
        """The callable, if the list of allowed ones has it. DecodeError: it has not, or there is none."""
        reference = self._document["func"]
        problem = self._rule.problem(reference) if type(reference) is str else "its callable is no text"
        if problem is not None:
            raise DecodeError(f"this worker does not make the call: {problem}")
        return find_callable(reference, self._rule)

    @property
    def args(self) -> Any:
        return unpack(self._document["args"], self._rule)

    @property
    def kwargs(self) -> Any:
        return unpack(self._document["kwargs"], self._rule)

    def __str__(self) -> str:
        return str(self.text)

    def perform(self, tell: Tell) -> str:
        """Make the call, in time or not at all; the message of its end. `tell` is given those of before."""
        run_us, logger = self.passport.run_us, logging.getLogger(self._document["logger"])
        submission = submission_of(
            self, self.alias, [moment(run_us, timezone.utc)], self._document["found_us"]
        )
        away = _Away(self.passport, tell)
        watched = Watched(lambda: away)
        watched.every = True
        try:
            try:
                (event,) = drive(run_loop(submission, logger, watched=watched))
            finally:
                _under_way.pop(self.passport.id, None)
        except BaseException as exc:  # not the job's own: a log handler, or a bug of ours
            event = JobExecutionEvent(
                EVENT_JOB_ERROR, self.id, self.alias, submission.run_times[0], exception=exc
            )
            event.traceback = "".join(format_tb(exc.__traceback__))
        return dumps({**self._ended(event), "overdue": away.late})

    def _ended(self, event: JobExecutionEvent) -> Document:
        run = event.run
        ended = {
            "kind": "ended",
            "id": self.passport.id,
            "who": this_process(),
            "started_us": None if run is None else run.started_us,
            "code": _NAMES[event.code],
            "traceback": None if event.traceback is None else _plain(event.traceback),
            "lateness_s": event.lateness_s,
            "cause": event.cause,
        }
        if event.exception is not None:
            ended["error"] = _error_node(event.exception)
        elif event.retval is not None:
            try:
                ended["value"] = pack_at(event.retval, "what the job returned", True)
            except EncodeError as exc:
                lost = LostValueError(f"what the job left behind could not be brought from its worker: {exc}")
                ended.update(code="error", error=_error_node(lost), traceback="")
        return ended


def end_here(run_id: str) -> bool:
    """Let a run end that this process makes, as far as that is possible (a coroutine is interrupted, `current_run()` of
    a thread says so); whether it makes it. From any thread."""
    run = _under_way.get(run_id)
    if run is None:
        return False
    run.cancelled, run.reason = True, "cancelled by cancel_run()"
    stop = run.stop
    if stop is not None:
        stop()
    return True


class _Away(Travelled):
    """The run, in the process where its call is made. `late`: why it is told as over although its thread goes on."""

    def __init__(self, passport: Passport, tell: Tell) -> None:
        super().__init__((passport,))
        self._tell = tell
        self.late: str | None = None

    def begin(self, run: Run) -> bool:
        super().begin(run)
        _under_way[run.id] = run
        self._tell(dumps({"kind": "begun", "id": run.id, "who": run.who}))
        return True

    def overdue(self, run: Run) -> None:
        self.late = run.reason
        self._tell(dumps({"kind": "overdue", "id": run.id, "reason": run.reason}))


def _error_node(exc: BaseException) -> Document:
    cls = type(exc)
    text = _plain(said(exc))
    node: Document = {"module": cls.__module__, "class": cls.__qualname__, "text": text}
    args: Any = exc.args
    if cls.__module__ == "builtins":
        args = exc.__reduce__()[1]  # an OSError keeps its path elsewhere
    try:
        node["args"] = pack_at(list(args), "args", True)
        state = {name: value for name, value in vars(exc).items() if not name.startswith("__")}
        node["state"] = pack_at(state, "state", True)
    except EncodeError:
        pass  # its class and its text do
    return node


# And back


def event_of(
    ended: Document, job_id: str, alias: str | None, run_time: Any, wanted_run: Run | None
) -> JobExecutionEvent:
    """The event of a run that ended. DecodeError: it can't be read."""
    try:
        code = _CODES[ended["code"]]
        event = JobExecutionEvent(
            code, job_id, alias, run_time, traceback=ended["traceback"], lateness_s=ended["lateness_s"],
            cause=ended["cause"],
        )  # fmt: skip
        event._run_id = ended["id"]
        if code == EVENT_JOB_ERROR:
            event.exception = error_of(ended["error"])
        elif code == EVENT_JOB_EXECUTED:
            event.retval = unpack(ended.get("value"))
        if wanted_run is not None:
            wanted_run.started_us, wanted_run.who = ended["started_us"], ended["who"]
    except (KeyError, TypeError) as exc:
        raise DecodeError(f"the message of its end lacks something: {exc!r}") from exc
    return event


def error_of(node: Document) -> BaseException:
    """The exception of a node."""
    module, name, text = str(node["module"]), str(node["class"]), str(node["text"])
    cls = _known_class(module, name)
    if cls is not None and "args" in node:
        try:
            args = unpack(node["args"])
            if module == "builtins":
                return cls(*args)
            made = cls.__new__(cls, *args)
            made.args = tuple(args)
            vars(made).update(unpack(node.get("state") or {}))
            return made
        except Exception:
            pass  # as one whose class is not known
    stand_in: type[LostValueError] = type(
        name.rpartition(".")[2] or "Exception",
        (LostValueError,),
        {"__module__": module, "__qualname__": name, "__doc__": "What a job raised on its worker."},
    )
    return stand_in(text)


def _known_class(module: str, name: str) -> type[BaseException] | None:
    """An exception class that is there already, looked up without running anything."""
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, "__dict__", {}).get(part) if isinstance(found, type(sys) | type) else None
    if not isinstance(found, type) or not issubclass(found, BaseException):
        return None
    return found if type(found.__new__) is BuiltinFunctionType else None
