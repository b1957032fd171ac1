"""The one room that chooses the engine.

What lives here: the list of the cellar's rooms and the decision, made once at import, whether each
``rapscheduler._engine.<room>`` is the compiled extension or its pure Python twin of ``rapscheduler._reference``.
What must not: any arithmetic, any import from the floors above.

``RAPSCHEDULER_ENGINE`` decides: ``auto`` (default) takes the compiled engine when all its modules are there and
else, with one log line, the reference; ``compiled`` insists; ``reference`` never loads an extension.
Only a *missing* extension falls back. One that is there and does not load raises: it would hide a broken build.
The rooms are never mixed: one engine serves the whole process.
"""

from __future__ import annotations

import importlib
import os
import sys
from importlib.util import find_spec

ROOMS = (
    "calendar",
    "timezone",
    "datetimes",
    "trigger",
    "cron",
    "cron_text",
    "interval",
    "calendar_interval",
    "due_index",
    "job_core",
    "planning",
    "job_table",
    "desk",
    "log_lines",
    "ledger",
    "running",
    "claims",
    "job_drafts",
    "known_rows",
)

#: compiled rooms that nothing needs before a scheduler is made: whoever imports one then gets the extension by its path
LATER = frozenset(("known_rows", "log_lines"))

_CURE = "Build it with `pip install .` (or, in a checkout, `python setup.py build_ext --inplace`)"


def _exists(package: str, room: str) -> bool:
    return find_spec(f"rapscheduler.{package}.{room}") is not None


def _missing_extensions() -> list[str]:
    """Rooms of which only the reference twin is there."""
    return [room for room in ROOMS if not _exists("_engine", room) and _exists("_reference", room)]


def _choose() -> str:
    """``"compiled"`` or ``"reference"``, by the environment and by what has been built."""
    wish = os.environ.get("RAPSCHEDULER_ENGINE", "") or "auto"
    if wish not in ("auto", "compiled", "reference"):
        raise ImportError(f"RAPSCHEDULER_ENGINE must be auto, compiled or reference, not {wish!r}")
    if wish == "reference":
        return wish
    missing = _missing_extensions()
    if not missing:
        return "compiled"
    names = ", ".join(missing)
    if wish == "compiled":
        raise ImportError(
            f"RAPSCHEDULER_ENGINE=compiled, but the compiled engine is missing ({names}). {_CURE}, "
            "or set RAPSCHEDULER_ENGINE=auto to run on the slower reference engine"
        )
    import logging

    logging.getLogger("rapscheduler").warning(
        "The compiled engine is missing (%s): running on the reference engine, which is many times slower. "
        "%s, or set RAPSCHEDULER_ENGINE=reference to choose it silently",
        names,
        _CURE,
    )
    return "reference"


def _open_rooms(name: str) -> None:
    """Make every room importable as ``rapscheduler._engine.<room>``."""
    package = "_engine" if name == "compiled" else "_reference"
    for room in ROOMS:
        if not _exists(package, room) or (name == "compiled" and room in LATER):
            continue
        try:
            module = importlib.import_module(f"rapscheduler.{package}.{room}")
        except ImportError as error:
            if name == "reference":
                raise
            raise ImportError(
                f"The compiled engine is there but does not load: rapscheduler._engine.{room}: {error}. "
                f"{_CURE}; RAPSCHEDULER_ENGINE=reference runs without it"
            ) from error
        sys.modules[f"{__name__}.{room}"] = module
        globals()[room] = module


def _seen_by_freezers() -> None:
    """Never called. Tools that freeze programs follow the imports they see: they find the reference engine by these."""
    from rapscheduler._reference import (  # noqa: F401
        calendar,
        calendar_interval,
        claims,
        cron,
        cron_text,
        datetimes,
        desk,
        due_index,
        interval,
        job_core,
        job_drafts,
        job_table,
        known_rows,
        ledger,
        log_lines,
        planning,
        running,
        timezone,
        trigger,
    )


NAME = _choose()
_open_rooms(NAME)
