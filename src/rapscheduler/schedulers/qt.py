"""The scheduler that runs in a Qt event loop: PySide6, PyQt6, PySide2 or PyQt5, whichever the program has imported.

What is posted from other threads comes in by a queued signal of an object that lives in the thread of `start`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from math import ceil
from threading import get_ident
from typing import TYPE_CHECKING, Any

from rapscheduler.schedulers._eventloop import EventLoopScheduler
from rapscheduler.schedulers.base import BaseScheduler
from rapscheduler.util import elsewhere

__all__ = ("BaseScheduler", "QtScheduler")

BINDINGS = ("PySide6", "PyQt6", "PySide2", "PyQt5")


if not TYPE_CHECKING:
    __getattr__ = elsewhere(__name__)


def _load_qtcore() -> Any:
    """QtCore of the binding that the program uses, or of the first that is installed."""
    for name in sorted(BINDINGS, key=lambda name: f"{name}.QtCore" not in sys.modules):
        try:
            return import_module(f"{name}.QtCore")
        except ImportError:
            continue
    raise ImportError(
        f"QtScheduler requires one of {', '.join(BINDINGS)} installed: pip install rapscheduler[qt]"
    )


qtcore = _load_qtcore()
QTimer = qtcore.QTimer
_QObject: Any = qtcore.QObject
_Signal = getattr(qtcore, "Signal", None) or qtcore.pyqtSignal


class _Door(_QObject):  # type: ignore[misc]
    """Calls what it is sent, in the thread in which it was made."""

    called = _Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.called.connect(self._call, qtcore.Qt.ConnectionType.QueuedConnection)

    def _call(self, callback: Callable[[], Any]) -> None:
        callback()


class QtScheduler(EventLoopScheduler):
    """A scheduler that runs in the Qt event loop of the thread that starts it."""

    _door: Any = None
    _timer: Any = None
    _home_ident: int | None = None  # the thread of the loop

    def _find_loop(self) -> None:
        if self._home_ident != get_ident():
            self._door, self._timer = _Door(), None
            self._home_ident = get_ident()

    def _leave_loop(self) -> None:
        self._door = self._timer = self._home_ident = None

    def _post(self, callback: Callable[..., Any], *args: Any) -> None:
        if self._door is None:
            raise RuntimeError("this scheduler has not been started")
        self._door.called.emit(lambda: self._guarded(callback, *args))

    def _guarded(self, callback: Callable[..., Any], *args: Any) -> None:
        try:
            callback(*args)
        except Exception:  # PyQt ends the program when a slot raises
            self._logger.exception("Error in the event loop of the scheduler")

    def _in_loop(self) -> bool:
        return self._home_ident == get_ident()

    def _loop_runs(self) -> bool:
        return self._door is not None and qtcore.QCoreApplication.instance() is not None

    def _set_timer(self, seconds: float) -> Any:
        if self._timer is None:
            self._timer = QTimer()
            self._timer.setSingleShot(True)
            self._timer.setTimerType(qtcore.Qt.TimerType.PreciseTimer)
            self._timer.timeout.connect(lambda: self._guarded(self._tick))
        self._timer.start(ceil(seconds * 1000))
        return self._timer

    def _cancel_timer(self, handle: Any) -> None:
        handle.stop()
