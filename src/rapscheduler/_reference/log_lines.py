"""The two log lines of a run: who takes an INFO line, and the record of it, as `logging` would say, for less.

Here: `RunLines`, and what it is made of: `info_takers`, `line_values`. Not here: writing to streams
(`executors._lines`). `logging` is not imported before a line is asked for. Data: for each thread, the attributes of the
record that `logging` made for a text, and what it left for later.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from threading import current_thread, local
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rapscheduler._reference.planning import Submission

_INFO = 20  # the level
_NAMES_TASKS = sys.version_info >= (3, 12)
_known = local()
_REPLACEABLE = ("handle", "callHandlers", "makeRecord", "_log", "info", "isEnabledFor", "filter")
_MOST_PATTERNS = 100
_BEGUN = 'Running job "%s" (scheduled at %s)'
_ENDED = 'Job "%s" executed successfully'


def _is_usual(logger: Any) -> bool:
    """Whether nobody replaced how records are made and handed on."""
    import logging  # here: importing a scheduler does not load it

    return (
        type(logger) is logging.Logger
        and all(
            getattr(getattr(logging.Logger, name), "__globals__", None) is vars(logging)
            for name in _REPLACEABLE[:5]
        )
        and type(logging.LogRecord) is type
        and logging.getLogRecordFactory() is logging.LogRecord
        and vars(logger).keys().isdisjoint(_REPLACEABLE)
        and not logger.disabled
        and not logger.filters
    )


def info_takers(logger: Any) -> list[Any] | None:
    """The handlers that take an INFO line of this logger, which is not too quiet for it.

    None: the line has to go through `logging` itself, for somebody replaced a part of that, or there is no handler at
    all. Empty: nobody takes the line.
    """
    if not _is_usual(logger):
        return None
    takers, some = [], False
    while logger is not None:
        for handler in logger.handlers:
            some = True
            if handler.level <= _INFO:
                takers.append(handler)
        logger = logger.parent if logger.propagate else None
    return takers if some else None


def line_values(logger: Any, message: str, args: tuple[Any, ...]) -> dict[str, Any]:
    """The attributes of the record of an INFO line, from those of the one that `logging` made for the same text in
    this thread."""
    try:
        made = _known.made
    except AttributeError:
        made = _known.made = {}
    pattern: dict[str, Any] | None = made.get((logger, message))
    if pattern is None or pattern["threadName"] != current_thread().name or _in_task():
        if len(made) > _MOST_PATTERNS:
            made.clear()
        values = dict(vars(logger.makeRecord(logger.name, _INFO, __file__, 0, message, args, None, "info")))
        made[logger, message] = values.copy()
        return values
    values, now_ns = pattern.copy(), time.time_ns()
    created = now_ns / 1e9
    values["relativeCreated"] += (created - values["created"]) * 1000
    values["args"] = args
    values["created"] = created
    values["msecs"] = now_ns // 1_000_000 % 1000 + 0.0
    return values


def left_lines() -> list[Any]:
    """What this thread left for later: `RunLines` asks for a `flush` while there is anything in it."""
    try:
        left: list[Any] = _known.left
    except AttributeError:
        left = _known.left = []
    return left


class RunLines:
    """Tells the handlers of a logger of runs that simply run.

    :param write: called with `(handler, attributes of a record, later)` for a handler whose class is the
        `StreamHandler` or the `FileHandler` of `logging`, unless a handler before it was given the record: whether it
        wrote the line, or left it for `later`; else the handler is given the record
    :param flush: writes `left_lines()`, once a first line was told
    :param named: the text of a job whose own text can't be had
    :param failed: called with what a logger or a handler raised: no run fails for it
    """

    def __init__(
        self,
        write: Callable[[Any, dict[str, Any], bool], bool],
        flush: Callable[[], None],
        named: Callable[[Any], str],
        failed: Callable[[BaseException], None],
    ) -> None:
        self._write = write
        self._flush = flush
        self._named = named
        self._failed = failed

    def begun(self, logger: Any, submission: Submission) -> str:
        """The line before a run with one run time; the text of its job, for the line after it ("": nobody takes it)."""
        takers = info_takers(logger)
        if takers is not None and not takers:
            return ""
        text = self._text(submission.job)
        run_time = submission.run_time(0, submission._times_us[0])
        self._tell(logger, takers, _BEGUN, (text, run_time), False)
        if left_lines():
            self._flush()
        return text

    def ended(self, logger: Any, text: str, later: bool) -> None:
        """The line after a run that ended well. `later`: this thread will run another job, or `flush`, in a moment."""
        self._tell(logger, info_takers(logger), _ENDED, (text,), later)

    def _text(self, job: Any) -> str:
        try:
            return str(job)
        except Exception:  # of somebody else's trigger
            return self._named(job)

    def _tell(
        self, logger: Any, takers: list[Any] | None, message: str, args: tuple[Any, ...], later: bool
    ) -> None:
        """`logger.info(message, *args)`, when these are what `info_takers` says."""
        if takers is None:
            as_usual = logger.info  # the texts are on one line
            try:
                as_usual(message, *args)
            except BaseException as exc:
                self._failed(exc)
            return
        if not takers:
            return
        import logging  # as above

        values = line_values(logger, message, args)
        record: logging.LogRecord | None = None
        for handler in takers:
            if record is None:
                plain = type(handler) is logging.FileHandler or type(handler) is logging.StreamHandler
                if plain and self._write(handler, values, later):
                    continue
                record = logging.LogRecord.__new__(logging.LogRecord)
                record.__dict__ = values
            try:
                handler.handle(record)
            except BaseException as exc:
                self._failed(exc)


def forget_lines() -> None:
    """In a forked child: records of before name the parent."""
    global _known
    _known = local()


def _in_task() -> bool:
    """Whether records name the task of an event loop here."""
    return (
        _NAMES_TASKS and "asyncio" in sys.modules and sys.modules["asyncio"]._get_running_loop() is not None
    )
