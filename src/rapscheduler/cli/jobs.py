"""``rapscheduler jobs URL`` and ``rapscheduler show URL ID``: a look at stored jobs; it writes and imports nothing."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from rapscheduler._quoting import said
from rapscheduler._states import SCHEDULED
from rapscheduler._views import STATES, ChangeError, row_by_id, rows_in_order, view_of_row, wanted_by
from rapscheduler.cli._answers import add_json, answer, command, table
from rapscheduler.cli._stores import add_ids, add_store, opened

SORTS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "id": lambda view: view["id"],
    "name": lambda view: (str(view["name"]), view["id"]),
    "func": lambda view: (str(view["func"]), view["id"]),
}
_LIMIT = 50


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_store(parser)
    if parser.get_default("command") == "show":
        add_ids(parser)
    else:
        parser.add_argument("--filter", metavar="TEXT", action="append", default=[],
                            help="only jobs with this in id, name, callable or trigger; may be repeated")  # fmt: skip
        parser.add_argument(
            "--state", choices=STATES, action="append", default=[], help="only jobs in this state"
        )
        parser.add_argument(
            "--sort", choices=("next", *SORTS), default="next", help="order (default: next run)"
        )
        parser.add_argument("--limit", type=int, default=_LIMIT, metavar="N",
                            help=f"how many; 0: all (default: {_LIMIT})")  # fmt: skip
    add_json(parser)


@command
def run(arguments: argparse.Namespace) -> int:
    return _show(arguments) if arguments.command == "show" else _list(arguments)


def _list(arguments: argparse.Namespace) -> int:
    wanted = wanted_by(arguments.filter, arguments.state)
    limit = arguments.limit if arguments.limit > 0 else None
    with opened(arguments) as store:
        if arguments.sort == "next":
            asked = None if limit is None else limit + 1
            views = [view_of_row(row) for row in rows_in_order(store, asked, wanted)]
        else:
            views = sorted(map(view_of_row, rows_in_order(store, None, wanted)), key=SORTS[arguments.sort])
    more = limit is not None and len(views) > limit
    views = views[:limit]
    rows = [
        (one["id"], one["next_run_time"] if one["state"] == SCHEDULED else one["state"],
         one["trigger"], one["func"], one["name"])
        for one in views
    ]  # fmt: skip
    lines = table(("id", "next run", "trigger", "calls", "name"), rows)
    lines.append(
        f"the first {len(views)}; --limit 0 for all"
        if more
        else f"{len(views)} job{'' if len(views) == 1 else 's'}"
    )
    answer(arguments, {"jobs": views, "more": more}, lines)
    return 0


def _show(arguments: argparse.Namespace) -> int:
    """Exit code 1: an id is not there."""
    views, missing = [], []
    with opened(arguments) as store:
        for job_id in arguments.ids:
            try:
                views.append(view_of_row(row_by_id(store, job_id), whole=True))
            except ChangeError:
                missing.append(job_id)
    lines: list[str] = []
    for view in views:
        fires = view.pop("fires", [])
        lines += [
            f"{key.replace('_', ' '):20}{said(value)}" for key, value in view.items() if value is not None
        ]
        lines += [f"{'fires' if not number else '':20}{one}" for number, one in enumerate(fires)]
        view["fires"] = fires
        lines.append("")
    lines += [f"no job by the id of {said(one)}" for one in missing]
    answer(arguments, {"jobs": views, "missing": missing}, lines)
    return 1 if missing else 0
