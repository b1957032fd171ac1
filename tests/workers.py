"""Tests in several processes (pytest-xdist): what is run in one piece, in which order, and what may be missing.

A piece is a class or the functions of a file, so that its fixtures are set up once. A test that makes zoneinfo forget
its zones is no part of its file's piece: those are handed out when everything else has been.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

# Pieces that take longest, longest first: begun early, they do not keep the last process alone at the end.
LONGEST = (
    "tests/faults/",
    "tests/fuzz/",
    "tests/conformance/",
    "tests/stores/",
    "tests/oracles/",
    "tests/recipes/",
)

# The modules of extra `test-all` that `test` does without.
OPTIONAL = frozenset(
    "axe_core_python celery dask distributed kombu django django_apscheduler etcd3 fastapi flask flask_apscheduler"
    " gevent grpc httpx importlinter IPython kazoo"
    " mongomock numpy pandas pendulum psycopg psycopg2 pymongo pymysql bson PyQt6"
    " PySide6 redis rethinkdb telegram tornado twisted uvloop".split()
)


def tell(config: Any, ids: list[str]) -> None:
    """In a process of many: tell the first one which tests are no part of their file's piece."""
    Path(config.workerinput["apart"], config.workerinput["workerid"]).write_text(
        "\n".join(ids), encoding="utf-8"
    )


def piece(nodeid: str, apart: frozenset[str] = frozenset()) -> str:
    """The piece that a test belongs to."""
    place = nodeid.partition("[")[0].rpartition("::")[0]
    return f"{place} apart" if nodeid in apart else place


def scheduling(config: pytest.Config, log: Any) -> Any:
    """xdist's way of handing out pieces, ours for what a piece is, in the order of the collection."""
    from xdist.scheduler import LoadScopeScheduling

    apart: list[frozenset[str]] = []

    class Pieces(LoadScopeScheduling):  # type: ignore[misc,unused-ignore]
        def _split_scope(self, nodeid: str) -> str:
            if not apart:  # every process has collected by now, and all have found the same
                told = next(Path(config._rapscheduler_apart.name).iterdir())  # type: ignore[attr-defined]
                apart.append(frozenset(told.read_text(encoding="utf-8").splitlines()))
            return piece(nodeid, apart[0])

    config.option.loadscopereorder = False
    return Pieces(config, log)


def rank(nodeid: str) -> int:
    return next((index for index, place in enumerate(LONGEST) if nodeid.startswith(place)), len(LONGEST))


def everything_is_required() -> bool:
    """Whether a missing package is a failure (CI)."""
    return os.environ.get("RAPSCHEDULER_REQUIRE_ALL", "") not in ("", "0")


def missing_package(error: BaseException | None) -> str | None:
    """The optional package whose absence is the cause of this error, if it may be missing."""
    while error is not None and not everything_is_required():
        if isinstance(error, ModuleNotFoundError) and error.name:
            name = error.name.partition(".")[0]
            return name if name in OPTIONAL else None
        error = error.__cause__
    return None


def skipped_for(report: Any, path: Path, name: str) -> None:
    """Turn a failed report into a skip that names the package."""
    report.outcome = "skipped"
    report.longrepr = (str(path), 0, f"Skipped: {name} is not installed: `make test-all` installs it")


def summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Loud lines at the end of the run: what was left out, and the cure."""
    missing = sorted(name for name in OPTIONAL if name not in sys.modules and find_spec(name) is None)
    lines = []
    if "not slow" in config.getoption("markexpr", ""):
        lines.append("NOT RUN: tests that take long (`make test-all`, or ARGS='-m slow')")
    if missing:
        lines.append(f"NOT INSTALLED, so tests of these were skipped: {', '.join(missing)} (`make test-all`)")
    if lines:
        terminalreporter.section("left out", bold=True)
    for line in lines:
        terminalreporter.write_line(line, yellow=True, bold=True)
