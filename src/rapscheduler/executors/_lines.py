"""The two log lines of a run that simply ran, as cheap as the handlers allow.

Here: a record made from one that `logging` made in this thread before, and writing to plain streams and files without
a queue of threads at their lock. Not here: which lines there are, all other lines of a run (`_run`).

Levels, logger names, texts and thread names are those of `Logger.info`. Where anything of it was replaced (the class of
the logger, the factory of records, a method of a handler), `logging` goes its own way, also when that was done before
this room was opened, as programs do between importing a scheduler and making one. To a plain `StreamHandler` or
`FileHandler` one thread writes at a time; what others have to write meanwhile is taken along, in their order, with the
next write: nobody waits for a disk, and a line is there at the latest when the write that is under way has ended. The
last line of a run is written together with the first one of the next, when the worker has that at hand.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections import deque
from typing import Any
from weakref import WeakKeyDictionary

from rapscheduler._engine.planning import Submission
from rapscheduler._quoting import one_line

_INFO = logging.INFO


def _own(method: Any) -> Any:
    """A function of `logging`; something that nothing is, when another stands in its place already."""
    return method if getattr(method, "__globals__", None) is vars(logging) else object()


_FACTORY = logging.LogRecord
_EMIT, _FILE_EMIT = _own(logging.StreamHandler.emit), _own(logging.FileHandler.emit)
_FORMAT, _HANDLE = _own(logging.Handler.format), _own(logging.Handler.handle)
_REPLACED = frozenset(("emit", "handle", "format", "filter", "acquire", "release", "flush"))
_LOGGER_METHODS = frozenset(
    ("handle", "filter", "callHandlers", "makeRecord", "info", "_log", "isEnabledFor")
)
_HANDLES = (
    _own(logging.Logger.handle),
    _own(logging.Logger.callHandlers),
    _own(logging.Logger.makeRecord),
    _own(logging.Logger._log),
)
_FORMATTER_METHODS = frozenset(("format", "formatTime", "formatMessage", "usesTime", "converter"))
_FORMATS = (_own(logging.Formatter.format), _own(logging.Formatter.formatTime))
_NAMES_TASKS = sys.version_info >= (3, 12)
_MOST_PATTERNS = 100
_known = threading.local()
_pid = os.getpid()
_writers: WeakKeyDictionary[logging.Handler, _Writer] = WeakKeyDictionary()


def is_taken(logger: Any) -> bool:
    """Whether an INFO line goes anywhere."""
    if not logger.isEnabledFor(_INFO):
        return False
    if type(logger) is not logging.Logger or logger.filters or not _is_plain(logger):
        return True
    return _takers(logger) is not None


def line_begun(logger: Any, submission: Submission) -> str:
    """The line before a run with one run time; the text of its job, for the line after it."""
    text = _text(submission.job)
    run_us = next(iter(submission.times_us()))
    _info(logger, 'Running job "%s" (scheduled at %s)', text, submission.run_time(0, run_us))
    flush()
    return text


def line_ended(logger: Any, text: str, later: bool = False) -> None:
    """The line after a run that ended well. `later`: this thread will run another job, or `flush`, in a moment."""
    _info(logger, 'Job "%s" executed successfully', text, later=later)


def _text(job: Any) -> str:
    try:
        return str(job)
    except Exception:  # of somebody else's trigger
        return one_line(job.id)


def flush() -> None:
    """Write the lines that this thread left for later."""
    left = _left()
    while left:
        writer, handler = left.pop()
        writer.write_all(handler)


def _left() -> list[tuple[_Writer, logging.Handler]]:
    try:
        left: list[tuple[_Writer, logging.Handler]] = _known.left
    except AttributeError:
        left = _known.left = []
    return left


def _info(logger: Any, message: str, *args: Any, later: bool = False) -> None:
    """`logger.info(message, *args)`."""
    as_usual = logger.info
    if type(logger) is not logging.Logger or not _is_plain(logger):
        as_usual(message, *args)
        return
    handlers = _takers(logger)
    if not handlers and not logger.filters:
        if handlers is not None:
            as_usual(message, *args)  # no handler at all: `logging` has something to say about that
        return
    values = _values(logger, message, args)
    record: logging.LogRecord | None = None
    if logger.filters:
        record = _made(values)
        passed: Any = logger.filter(record)
        if not passed:
            return
        record = passed if isinstance(passed, logging.LogRecord) else record
    for handler in handlers or ():
        if record is None and _is_plain_stream(handler):
            writer = _writers.get(handler)
            if writer is None:
                writer = _writers.setdefault(handler, _Writer())
            writer.write(handler, values, later)
        else:
            if record is None:
                record = _made(values)
            handler.handle(record)


def _is_plain(logger: logging.Logger) -> bool:
    """Whether nobody replaced how records are made and handed on."""
    cls = logging.Logger
    return (
        _LOGGER_METHODS.isdisjoint(vars(logger))
        and cls.handle is _HANDLES[0]
        and cls.callHandlers is _HANDLES[1]
        and cls.makeRecord is _HANDLES[2]
        and cls._log is _HANDLES[3]
        and logging.getLogRecordFactory() is _FACTORY
        and not logger.disabled
    )


def _takers(logger: logging.Logger) -> list[logging.Handler] | None:
    """The handlers that take INFO; None: there are some, and none takes it."""
    takers: list[logging.Handler] = []
    some = False
    current: logging.Logger | None = logger
    while current is not None:
        for handler in current.handlers:
            some = True
            if handler.level <= _INFO:
                takers.append(handler)
        current = current.parent if current.propagate else None
    return takers if takers or not some else None


def _values(logger: logging.Logger, message: str, args: tuple[Any, ...]) -> dict[str, Any]:
    """The attributes of a record, from those of the one that `logging` made for the same line in this thread."""
    try:
        made = _known.made
    except AttributeError:
        made = _known.made = {}
    pattern: dict[str, Any] | None = made.get((logger, message))
    if pattern is None or pattern["threadName"] != threading.current_thread().name or _in_task():
        values = dict(vars(logger.makeRecord(logger.name, _INFO, __file__, 0, message, args, None, "info")))
        if len(made) > _MOST_PATTERNS:
            made.clear()
        made[logger, message] = values.copy()
        return values
    now_ns = time.time_ns()
    values = pattern.copy()
    values["args"] = args
    values["created"] = created = now_ns / 1e9
    values["msecs"] = now_ns // 1_000_000 % 1000 + 0.0
    values["relativeCreated"] += (created - pattern["created"]) * 1000
    return values


def _made(values: dict[str, Any]) -> logging.LogRecord:
    record = _FACTORY.__new__(_FACTORY)
    record.__dict__ = values
    return record


def _in_task() -> bool:
    """Whether records name the task of an event loop here."""
    return (
        _NAMES_TASKS and "asyncio" in sys.modules and sys.modules["asyncio"]._get_running_loop() is not None
    )


def _is_plain_stream(handler: logging.Handler) -> bool:
    """Whether a handler does nothing but write texts to a stream that is open."""
    kind = type(handler)
    return (
        (kind is logging.FileHandler or kind is logging.StreamHandler)
        and not handler.filters
        and _REPLACED.isdisjoint(vars(handler))
        and logging.StreamHandler.emit is _EMIT
        and logging.FileHandler.emit is _FILE_EMIT
        and logging.Handler.format is _FORMAT
        and logging.Handler.handle is _HANDLE
        and getattr(handler, "stream", None) is not None
    )


def _formatted(handler: logging.Handler, values: dict[str, Any]) -> str:
    """`handler.format(record)` of the record with these attributes."""
    formatter = handler.formatter
    if (
        type(formatter) is not logging.Formatter
        or type(formatter._style) is not logging.PercentStyle
        or getattr(formatter._style, "_defaults", None)
        or not _FORMATTER_METHODS.isdisjoint(vars(formatter))
        or logging.Formatter.format is not _FORMATS[0]
        or logging.Formatter.formatTime is not _FORMATS[1]
    ):
        return handler.format(_made(values.copy()))
    values["message"] = values["msg"] % values["args"]
    if formatter.usesTime():
        key = (formatter, formatter.datefmt, int(values["created"]))
        known, text = getattr(_known, "second", (None, ""))
        if known != key:
            zoned = formatter.converter(values["created"])
            text = time.strftime(formatter.datefmt or formatter.default_time_format, zoned)
            _known.second = key, text
        if not formatter.datefmt and formatter.default_msec_format:
            text = formatter.default_msec_format % (text, values["msecs"])
        values["asctime"] = text
    return formatter._style._fmt % values


class _Writer:
    """What is to be written to one handler, and whoever writes it."""

    __slots__ = ("_busy", "_waiting")

    def __init__(self) -> None:
        self._busy = threading.Lock()
        self._waiting: deque[tuple[str, dict[str, Any]]] = deque()

    def write(self, handler: Any, values: dict[str, Any], later: bool) -> None:
        """Write a record, or leave it for the next write of this thread (or of another, whichever comes first)."""
        try:
            text = _formatted(handler, values) + handler.terminator
        except Exception:
            handler.handleError(_made(values))
            return
        self._waiting.append((text, values))
        if later:
            _left().append((self, handler))
        else:
            self.write_all(handler)

    def write_all(self, handler: Any) -> None:
        """Write what is waiting, unless another thread is about to."""
        while self._waiting and self._busy.acquire(blocking=False):
            try:
                self._write_all(handler)
            finally:
                self._busy.release()

    def _write_all(self, handler: Any) -> None:
        waiting = self._waiting
        handler.acquire()
        try:
            texts: list[str] = []
            values: dict[str, Any] = {}
            while waiting:
                text, values = waiting.popleft()
                texts.append(text)
            if not texts:
                return
            try:
                if handler.stream is None:  # closed meanwhile: it opens its file again by itself, or not
                    handler.emit(_made(values))
                    return
                handler.stream.write("".join(texts))
                handler.stream.flush()
            except RecursionError:
                raise
            except Exception:
                handler.handleError(_made(values))
        finally:
            handler.release()


def look_for_fork() -> None:
    """When an executor starts: another thread of the parent may have been writing; the records name the parent.

    By pid, because handlers of `os.register_at_fork` do not run in every child (uWSGI forks in C).
    """
    global _known, _pid
    if _pid != os.getpid():
        _pid = os.getpid()
        _known = threading.local()
        _writers.clear()
