"""``rapscheduler pause|resume|remove URL ID…``: changes of stored rows; nothing that they name is imported.

A change is written only if the row still is due when it was read, so a scheduler at work on the store is not
overwritten. A scheduler that sleeps learns of a change when it looks at the store next.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from rapscheduler._quoting import one_line, said
from rapscheduler._views import ChangeError, change_row, pause_row, resume_row, run_row_now, view_of_row
from rapscheduler.cli._answers import add_json, answer, command
from rapscheduler.cli._stores import add_ids, add_store, opened


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_store(parser)
    add_ids(parser)
    add_json(parser)


@command
def run(arguments: argparse.Namespace) -> int:
    """Exit code 1: one of the jobs could not be changed."""
    return changed(arguments, {"pause": _paused, "resume": _resumed, "remove": _removed}[arguments.command])


def changed(arguments: argparse.Namespace, change: Callable[[Any, str], str]) -> int:
    """Make one change to each id; a line and an entry for each."""
    done: list[dict[str, Any]] = []
    with opened(arguments, write=True) as store:
        for job_id in arguments.ids:
            try:
                done.append({"id": job_id, "done": True, "what": change(store, job_id)})
            except ChangeError as exc:
                done.append({"id": job_id, "done": False, "what": str(exc)})
    lines = [f"{one_line(one['id'])}: {said(one['what'])}" for one in done]
    answer(arguments, {"jobs": done}, lines)
    return 0 if all(one["done"] for one in done) else 1


def _paused(store: Any, job_id: str) -> str:
    change_row(store, job_id, pause_row)
    return "paused"


def _resumed(store: Any, job_id: str) -> str:
    row = change_row(store, job_id, resume_row)
    return f"runs next at {view_of_row(row)['next_run_time']}"


def _removed(store: Any, job_id: str) -> str:
    if store._delete([job_id]):
        raise ChangeError("there is no job by this id")
    return "removed"


def made_due(store: Any, job_id: str) -> str:
    change_row(store, job_id, run_row_now)
    return "is due now; its scheduler runs it when it looks at the store next"
