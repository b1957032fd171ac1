"""A logger of another family (loguru's, structlog's, a program's own) as the scheduler calls loggers.

Here: the few calls of `logging.Logger` that the scheduler makes. Not here: formats, levels of others: every line is
handed on as a finished text, since such loggers do not know ``%`` and its arguments.
"""

from __future__ import annotations

import logging
from traceback import format_exception
from typing import Any

_NAMES = {10: "debug", 20: "info", 30: "warning", 40: "error", 50: "critical"}


class PlainLogger:
    """Calls ``debug``, ``info``, ``warning`` and ``error`` of ``given`` with one text; has its other attributes too."""

    NEEDED = ("debug", "info", "warning", "error")

    def __init__(self, given: Any) -> None:
        self._given = given

    def __getattr__(self, name: str) -> Any:
        return getattr(self._given, name)

    def isEnabledFor(self, level: int) -> bool:
        """Whether a line may be wanted: such a logger decides by itself, but nobody builds debug lines for nothing."""
        return level > logging.DEBUG

    def log(self, level: int, text: str, *args: Any, exc_info: Any = None) -> None:
        """Hand a line on, with the traceback of an exception below it."""
        line = text % args if args else text
        if exc_info:
            line = f"{line}\n{_traceback(exc_info)}"
        name = _NAMES.get(level, "error")
        getattr(self._given, name if hasattr(self._given, name) else "error")(line)

    def debug(self, text: str, *args: Any, **options: Any) -> None:
        """Nothing: see `isEnabledFor`."""

    def info(self, text: str, *args: Any, **options: Any) -> None:
        self.log(logging.INFO, text, *args, **options)

    def warning(self, text: str, *args: Any, **options: Any) -> None:
        self.log(logging.WARNING, text, *args, **options)

    def error(self, text: str, *args: Any, **options: Any) -> None:
        self.log(logging.ERROR, text, *args, **options)

    def critical(self, text: str, *args: Any, **options: Any) -> None:
        self.log(logging.CRITICAL, text, *args, **options)

    def exception(self, text: str, *args: Any, **options: Any) -> None:
        self.log(logging.ERROR, text, *args, **{"exc_info": True, **options})


def _traceback(exc_info: Any) -> str:
    import sys

    if isinstance(exc_info, BaseException):
        exc: Any = exc_info
    else:
        exc = exc_info[1] if isinstance(exc_info, tuple) else sys.exc_info()[1]
    return "" if exc is None else "".join(format_exception(type(exc), exc, exc.__traceback__)).rstrip()
