"""``rapscheduler cancel URL RUN_ID…``: runs of schedulers that share a store, told to end by those who make them."""

from __future__ import annotations

import argparse

from rapscheduler._stored_runs import NothingKeptError, cancel_in, claims_of
from rapscheduler.cli._answers import CommandError, add_json, answer, command
from rapscheduler.cli._stores import add_store, opened


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_store(parser)
    parser.add_argument(
        "ids", metavar="RUN_ID", nargs="+", help="ids of runs: run.id, event.run_id, current_run().id"
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="how long to wait for answers (default: 10)",
    )
    add_json(parser)


@command
def run(arguments: argparse.Namespace) -> int:
    """Exit code 1: one of the runs was not told to end."""
    with opened(arguments, must_exist=False) as store:
        try:
            rows = claims_of(store)
            found = [cancel_in(rows, run_id, arguments.timeout) for run_id in arguments.ids]
        except NothingKeptError as exc:
            raise CommandError(str(exc)) from None
    answer(arguments, {"runs": found}, [one["what"] for one in found])
    return 0 if all(one["done"] for one in found) else 1
