"""Who takes an INFO line, and the record of it, as `logging` would say, for less.

Here: `info_takers`, `line_values`. Not here: which lines there are, writing them (`executors._lines`). `logging` is not
imported before a line is asked for. Data: for each thread, the attributes of the record that `logging` made for a text.
"""

from __future__ import annotations

import sys
import time
from threading import current_thread, local
from typing import Any

_INFO = 20  # the level
_NAMES_TASKS = sys.version_info >= (3, 12)
_known = local()
_REPLACEABLE = ("handle", "callHandlers", "makeRecord", "_log", "info", "isEnabledFor", "filter")
_MOST_PATTERNS = 100


def _is_usual(logger: Any) -> bool:
    """Whether nobody replaced how records are made and handed on."""
    import logging  # here: importing a scheduler does not load it

    return (
        type(logger) is logging.Logger
        and all(
            getattr(getattr(logging.Logger, name), "__globals__", None) is vars(logging)
            for name in _REPLACEABLE[:5]
        )
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


def forget_lines() -> None:
    """In a forked child: records of before name the parent."""
    global _known
    _known = local()


def _in_task() -> bool:
    """Whether records name the task of an event loop here."""
    return (
        _NAMES_TASKS and "asyncio" in sys.modules and sys.modules["asyncio"]._get_running_loop() is not None
    )
