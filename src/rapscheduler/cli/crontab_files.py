"""``rapscheduler crontab FILE``: each line of a crontab file, when it fires next, in words, and what cron would do."""

from __future__ import annotations

import argparse
import sys
import warnings
from datetime import datetime, timezone
from typing import Any

from rapscheduler import crontab
from rapscheduler._quoting import said
from rapscheduler.cli._answers import CommandError, add_json, answer, command, table
from rapscheduler.errors import CrontabError, CrontabWarning


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", help="a crontab file; - for standard input (crontab -l | rapscheduler crontab -)"
    )
    parser.add_argument(
        "--tz", metavar="ZONE", help="time zone, until CRON_TZ= or TZ= (default: this machine's)"
    )
    parser.add_argument(
        "--dialect", choices=crontab.DIALECTS, default="vixie", help="whose file (default: vixie)"
    )
    parser.add_argument("--user-column", action=argparse.BooleanOptionalAction, default=None,
                        help="the sixth column is a user (default: as in /etc/crontab and cron.d)")  # fmt: skip
    parser.add_argument("--seed", help="what H and ~ are drawn from")
    add_json(parser)


def read(arguments: argparse.Namespace) -> tuple[list[crontab.CrontabEntry], list[str]]:
    """The entries of the file, and the advice of it. CommandError: it can't be read."""
    from pathlib import Path

    source: Any = f"{sys.stdin.read()}\n" if arguments.file == "-" else Path(arguments.file)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            entries = crontab.read(
                source, arguments.dialect, arguments.user_column, arguments.tz, seed=arguments.seed
            )
        except CrontabError:
            raise
        except (OSError, KeyError, ValueError) as exc:
            raise CommandError(said(exc)) from exc
    return entries, [str(one.message) for one in caught if issubclass(one.category, CrontabWarning)]


@command
def run(arguments: argparse.Namespace) -> int:
    """Exit code 1: there are lines that can't be read."""
    try:
        entries, advice = read(arguments)
    except CrontabError as exc:
        problems = [{"line": line, "problem": problem} for line, problem in exc.problems]
        answer(arguments, {"problems": problems}, said_lines(exc))
        return 1
    now = datetime.now(timezone.utc)
    found = [_line(one, now) for one in entries]
    rows = [(one["line"], one["next"] or "at the start", one["command"], one["words"]) for one in found]
    answer(
        arguments,
        {"lines": found, "warnings": advice},
        [*table(("line", "next", "command", "means"), rows), *advice],
    )
    return 0


def said_lines(error: CrontabError) -> list[str]:
    return [f"line {line}: {said(problem)}" for line, problem in error.problems]


def _line(entry: crontab.CrontabEntry, now: datetime) -> dict[str, Any]:
    trigger = entry.trigger
    upcoming = None if trigger is None else next(iter(trigger.fire_times(now, limit=1)), None)
    return {
        "line": entry.line,
        "next": None if upcoming is None else upcoming.isoformat(),
        "words": "once, when the scheduler starts" if trigger is None else trigger.explain(now),
        "command": entry.command,
        "user": entry.user,
        "timezone": str(entry.timezone),
    }
