"""The two log lines of a run that simply ran, as cheap as the handlers allow.

Here: writing to plain streams and files without a queue of threads at their lock. Not here: which lines there are,
their records and other handlers (`_engine.log_lines`), all other lines of a run (`_run`).

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
import threading
import time
from collections import deque
from datetime import datetime, timezone
from typing import Any
from weakref import WeakKeyDictionary

from rapscheduler._engine.log_lines import RunLines, forget_lines, left_lines
from rapscheduler._quoting import job_text
from rapscheduler.errors import line_failed
from rapscheduler.util import is_same_time, is_zone_info


def _own(method: Any) -> Any:
    """A function of `logging`; something that nothing is, when another stands in its place already."""
    return method if getattr(method, "__globals__", None) is vars(logging) else object()


_RECORD = logging.LogRecord  # somebody may put another thing in its place later
_EMIT, _FILE_EMIT = _own(logging.StreamHandler.emit), _own(logging.FileHandler.emit)
_FORMAT, _HANDLE = _own(logging.Handler.format), _own(logging.Handler.handle)
_REPLACED = frozenset(("emit", "handle", "format", "filter", "acquire", "release", "flush"))
_FORMATTER_METHODS = frozenset(("format", "formatTime", "formatMessage", "usesTime", "converter"))
_FORMATS = (_own(logging.Formatter.format), _own(logging.Formatter.formatTime))
_known = threading.local()
_pid = os.getpid()
_writers: WeakKeyDictionary[logging.Handler, _Writer] = WeakKeyDictionary()


def flush() -> None:
    """Write the lines that this thread left for later."""
    left = left_lines()
    while left:
        writer, handler = left.pop()
        writer.write_all(handler)


def _write(handler: Any, values: dict[str, Any], later: bool) -> bool:
    """Write the line of a record, if this is a plain stream."""
    if not _is_plain_stream(handler):
        return False
    writer = _writers.get(handler)
    if writer is None:
        writer = _writers.setdefault(handler, _Writer())
    writer.write(handler, values, later)
    return True


def _made(values: dict[str, Any]) -> logging.LogRecord:
    record = _RECORD.__new__(_RECORD)
    record.__dict__ = values
    return record


def _is_plain_stream(handler: logging.Handler) -> bool:
    """Whether a handler of these classes does nothing but write texts to a stream that is open."""
    return (
        not handler.filters
        and vars(handler).keys().isdisjoint(_REPLACED)
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
        or not vars(formatter).keys().isdisjoint(_FORMATTER_METHODS)
        or logging.Formatter.format is not _FORMATS[0]
        or logging.Formatter.formatTime is not _FORMATS[1]
    ):
        return handler.format(_made(values.copy()))
    values["message"] = values["msg"] % _texts(values["args"])
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


def _texts(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Arguments of a line with the run time, which is often that of the line before, as its text."""
    if len(args) != 2 or type(args[1]) is not datetime:
        return args
    known, text = getattr(_known, "moment", (None, ""))
    if known is None or not is_same_time(args[1], known):
        text = str(args[1])
        if type(args[1].tzinfo) is timezone or is_zone_info(args[1].tzinfo):
            _known.moment = args[1], text
    return args[0], text


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
            left_lines().append((self, handler))
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


#: what tells of the runs of every executor
RUN_LINES = RunLines(_write, flush, job_text, line_failed)


def look_for_fork() -> None:
    """When an executor starts: another thread of the parent may have been writing; the records name the parent.

    By pid, because handlers of `os.register_at_fork` do not run in every child (uWSGI forks in C).
    """
    global _known, _pid
    if _pid != os.getpid():
        _pid = os.getpid()
        _known = threading.local()
        forget_lines()
        _writers.clear()
