"""Importing the background scheduler stays light: modules are counted, not timed, in a fresh process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from rapscheduler._engine import NAME

# Drivers and heavy rooms of the standard library: a plain background scheduler should not pay for them.
FORBIDDEN = (
    "asyncio", "concurrent.futures", "dataclasses", "importlib.metadata", "importlib.resources", "multiprocessing",
    "pickle", "inspect", "email", "tempfile", "logging", "queue", "zoneinfo", "random", "contextvars",
    "rapscheduler.executors.base",
    "orjson", "sqlalchemy", "redis", "pymongo", "kazoo", "etcd3", "grpc", "rethinkdb", "gevent", "tornado",
    "twisted", "rich", "pytz", "dateutil", "PySide6",
)  # fmt: skip
# What the reference engine uses, and the compiled one does not.
OF_THE_REFERENCE = ("typing", "re", "enum", "struct", "traceback")
# What `.pth` files of an environment may have imported (editable installs do): not counted, so that the number is the
# same in every environment.
BEFORE = "collections, contextlib, functools, importlib.machinery, importlib.util, keyword, operator, types, warnings"
# Modules beyond those; APScheduler 3.11.3 brings 203. The reference engine imports more.
LIMIT = 71 if NAME == "compiled" else 120


def _imported(module: str) -> set[str]:
    """Names of the modules that importing ``module`` adds."""
    code = (
        f"import sys, {BEFORE}; before = set(sys.modules); import {module}; print(*set(sys.modules) - before)"
    )
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(path for path in sys.path if path))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    return set(done.stdout.split())


@pytest.fixture(scope="module")
def imported() -> set[str]:
    return _imported("rapscheduler.schedulers.background")


def test_no_driver_and_no_heavy_room_is_imported(imported: set[str]) -> None:
    forbidden = {*FORBIDDEN, *(OF_THE_REFERENCE if NAME == "compiled" else ())}
    assert sorted(imported & forbidden) == []


def test_the_number_of_modules_is_bounded(imported: set[str]) -> None:
    assert len(imported) <= LIMIT, sorted(imported)


def test_the_counter_sees_what_is_imported() -> None:
    assert "concurrent.futures" in _imported("concurrent.futures")
