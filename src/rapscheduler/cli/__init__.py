"""What people type: ``python -m rapscheduler COMMAND`` (or ``rapscheduler COMMAND``).

Here lives the choice of the command only. A command is a module with ``add_arguments(parser)`` and ``run(arguments) ->
exit code``; it is imported when it is asked for, so that ``--help`` and the others cost nothing.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

# command -> (module, one line of help)
COMMANDS = {
    "demo": ("rapscheduler.cli.demo", "run thousands of real crontab schedules and show how late they were"),
    "migrate": (
        "rapscheduler.cli.migrate",
        "convert the jobs that APScheduler 3.x stored, in place or into another store",
    ),
    "fuzz": (
        "rapscheduler._fuzz.command",
        "compare the triggers with independent oracles on random schedules",
    ),
    "parked": (
        "rapscheduler.cli.parked",
        "list the jobs of a store that can't be run, and why; resume or remove them",
    ),
}


def _overview() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="rapscheduler", description="APScheduler's API on a compiled core.")
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, (_, text) in COMMANDS.items():
        commands.add_parser(name, help=text, add_help=False)
    return parser


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    from rapscheduler._engine import NAME

    try:
        number = version("rapscheduler")
    except PackageNotFoundError:
        number = "(not installed)"
    return f"rapscheduler {number}, {NAME} engine"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code of the process."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] not in COMMANDS:
        _overview().parse_args(words)
        return 2
    name, rest = words[0], words[1:]
    module, text = COMMANDS[name]
    command = importlib.import_module(module)
    parser = argparse.ArgumentParser(prog=f"rapscheduler {name}", description=text)
    command.add_arguments(parser)
    code: int = command.run(parser.parse_intermixed_args(rest))
    return code
