"""``rapscheduler runs URL``: what became of runs, from the history beside the jobs of a store. It writes nothing."""

from __future__ import annotations

import argparse
from typing import Any

from rapscheduler._states import RUN_STATES
from rapscheduler._stored_runs import NothingKeptError, history_of, runs_of, since
from rapscheduler.cli._answers import CommandError, add_json, answer, command, table
from rapscheduler.cli._stores import add_store, opened

_LIMIT = 50
_MOST = 1_000_000


def add_history(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--history", metavar="NAME", help="table or key of the history, if it was given a name"
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_store(parser)
    add_history(parser)
    parser.add_argument("--job", metavar="ID", help="only runs of this job")
    parser.add_argument("--state", choices=RUN_STATES, help="only runs that ended so")
    parser.add_argument(
        "--since", metavar="WHEN", help="only what ended since: 15m, 2h, 3d ago, or a date (UTC)"
    )
    parser.add_argument("--limit", type=int, default=_LIMIT, metavar="N",
                        help=f"how many; 0: all (default: {_LIMIT})")  # fmt: skip
    add_json(parser)


@command
def run(arguments: argparse.Namespace) -> int:
    try:
        after = None if arguments.since is None else since(arguments.since)
    except ValueError as exc:
        raise CommandError(f"--since: {exc}") from None
    limit = arguments.limit if arguments.limit > 0 else _MOST
    with opened(arguments, must_exist=False) as store:
        try:
            place, name = history_of(store, arguments.history)
        except NothingKeptError as exc:
            raise CommandError(str(exc)) from None
        found = runs_of(place, arguments.job, arguments.state, after, limit + 1)
    more, found = len(found) > limit, found[:limit]
    lines = table(
        ("ended (UTC)", "job", "state", "due", "took", "try", "by", "why"), [_line(one) for one in found]
    )
    lines.append(
        f"the latest {len(found)} in {name}; --limit 0 for all"
        if more
        else f"{len(found)} run{'' if len(found) == 1 else 's'} in {name}"
    )
    answer(arguments, {"runs": found, "more": more, "history": name}, lines)
    return 0


def _line(one: dict[str, Any]) -> tuple[Any, ...]:
    took = None if one["duration"] is None else f"{one['duration']:.3f} s"
    why = one["error"] or one["reason"]
    return (
        clock(one["ended"]), one["job_id"], one["state"], clock(one["scheduled_time"]), took, one["attempt"],
        one["who"], why,
    )  # fmt: skip


def clock(text: str | None) -> str | None:
    """A time of ours (ISO 8601, UTC) to the second."""
    return None if text is None else text[:19].replace("T", " ")
