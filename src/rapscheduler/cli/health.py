"""``rapscheduler health URL``: whether the jobs of a store are run, as far as the store tells. For probes.

Unhealthy: the store does not answer (exit code 2), or a job has been due for longer than ``--max-lag`` (exit code 1).
"""

from __future__ import annotations

import argparse

from rapscheduler._views import health_of_store
from rapscheduler.cli._answers import add_json, answer, command
from rapscheduler.cli._stores import add_store, opened

MAX_LAG_S = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_store(parser)
    parser.add_argument("--max-lag", type=float, default=MAX_LAG_S, metavar="SECONDS",
                        help=f"how long a job may have been due (default: {MAX_LAG_S:g})")  # fmt: skip
    parser.add_argument(
        "--max-parked", type=int, metavar="N", help="how many parked jobs are all right (default: any)"
    )
    add_json(parser)


@command
def run(arguments: argparse.Namespace) -> int:
    with opened(arguments) as store:
        report = health_of_store(store, arguments.max_lag, arguments.max_parked)
    lines = [
        f"{'ok' if report['ok'] else 'NOT OK'}: {report['reason'] or 'no job is late'}",
        f"late by {report['lag_s']:.1f} s, {report['parked']} parked, next run {report['next_run_time'] or 'never'}",
    ]
    answer(arguments, report, lines)
    return 0 if report["ok"] else 1
