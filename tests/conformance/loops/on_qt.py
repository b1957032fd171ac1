"""The contract in Qt's event loop; RAPSCHEDULER_TEST_QT names the binding."""

from __future__ import annotations

import os
import threading
from importlib import import_module

import pytest

BINDING = os.environ.get("RAPSCHEDULER_TEST_QT", "PySide6")
QtCore = import_module(f"{BINDING}.QtCore")

from tests.conformance.loops.contract import LoopContract  # noqa: E402
from tests.conformance.scheduler_contract import TIMEOUT_S  # noqa: E402

from rapscheduler.schedulers import qt  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def app():
    app = QtCore.QCoreApplication([])
    yield app
    app.processEvents()


class TestQtScheduler(LoopContract):
    def make(self, **options):
        return qt.QtScheduler(**options)

    def in_loop(self, function):
        return function()

    def later(self, seconds, function):
        QtCore.QTimer.singleShot(round(seconds * 1000), function)

    def wait(self, event):
        loop, result = QtCore.QEventLoop(), []
        door = qt._Door()

        def watch():
            result.append(event.wait(TIMEOUT_S))
            door.called.emit(loop.quit)

        threading.Thread(target=watch, daemon=True).start()
        loop.exec()
        return result[0]

    def test_it_uses_the_binding_of_the_program(self):
        assert qt.qtcore is QtCore
