"""What people type: ``python -m rapscheduler COMMAND`` (or ``rapscheduler COMMAND``).

Here lives the choice of the command only. A command is a module with ``add_arguments(parser)`` and ``run(arguments) ->
exit code``; it is imported when it is asked for, so that ``--help`` and the others cost nothing. A module of several
commands reads ``arguments.command``; one that hands its words on has ``run_words(words)`` instead.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from rapscheduler.cli._output import secrets_hidden

# command -> (module, one line of help)
COMMANDS = {
    "demo": (
        "rapscheduler.cli.demo",
        "run thousands of crontab lines and intervals and show how late they were",
    ),
    "next": ("rapscheduler.cli.schedules", "the next fire times of a line of cron"),
    "explain": ("rapscheduler.cli.schedules", "what a line of cron means, in words"),
    "calendar": ("rapscheduler.cli.calendars", "a year of a line of cron as a picture, in characters or SVG"),
    "crontab": ("rapscheduler.cli.crontab_files", "each line of a crontab file: when next, and in words"),
    "jobs": ("rapscheduler.cli.jobs", "list the jobs of a store"),
    "show": ("rapscheduler.cli.jobs", "one job of a store: its schedule in words, its next fire times"),
    "add": ("rapscheduler.cli.adding", "add a job to a store"),
    "pause": ("rapscheduler.cli.changes", "pause jobs of a store"),
    "resume": ("rapscheduler.cli.changes", "let paused jobs of a store run again"),
    "remove": ("rapscheduler.cli.changes", "remove jobs of a store"),
    "run": ("rapscheduler.cli.running", "run a scheduler; or, with a store's URL and ids, make jobs due now"),
    "runs": ("rapscheduler.cli.history", "the runs that ended, from the history of a store"),
    "cancel": ("rapscheduler.cli.cancelling", "tell runs of schedulers that share a store to end"),
    "peers": ("rapscheduler.cli.peers", "the schedulers that share a store, and what each runs"),
    "top": ("rapscheduler.cli.top", "a live view of a store: due, running, late, failed, who is there"),
    "health": ("rapscheduler.cli.health", "whether the jobs of a store are run: exit code 0 or 1"),
    "dashboard": ("rapscheduler.cli.dashboards", "a dashboard over a store, in a browser of this machine"),
    "export": ("rapscheduler.cli.transfers", "write the jobs of a store as JSON"),
    "import": ("rapscheduler.cli.transfers", "add exported jobs to a store"),
    "exec": (
        "rapscheduler.cli.execute",
        "run a program that imports apscheduler, unchanged, on rapscheduler",
    ),
    "check": ("rapscheduler.cli.check", "whether a program of APScheduler will run here, and what to change"),
    "migrate": (
        "rapscheduler.cli.migrate",
        "convert the jobs that APScheduler 3.x stored, in place or into another store",
    ),
    "parked": (
        "rapscheduler.cli.parked",
        "list the jobs of a store that can't be run, and why; resume or remove them",
    ),
    "fuzz": (
        "rapscheduler._fuzz.command",
        "compare the triggers with independent oracles on random schedules",
    ),
}


def _overview() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rapscheduler",
        description="APScheduler's API on a compiled core.",
        epilog="rapscheduler COMMAND --help has the details. Stores are named by a URL: sqlite:///jobs.db, "
        "postgresql+psycopg://…, redis://, mongodb://, rethinkdb://, zookeeper://, etcd://",
    )
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
    if not words:
        _overview().print_help()
        return 0
    if words[0] not in COMMANDS:
        _overview().parse_args(words)
        return 2
    if words[0] != "exec" and any("=" in word or ":" in word for word in words):  # it may hold a password
        with secrets_hidden(words):
            return _run(words[0], words[1:])
    return _run(words[0], words[1:])


def _run(name: str, words: Sequence[str]) -> int:
    module, text = COMMANDS[name]
    command = importlib.import_module(module)
    if hasattr(command, "run_words"):  # what follows are the words of another program
        return int(command.run_words(list(words)))
    parser = argparse.ArgumentParser(prog=f"rapscheduler {name}", description=text)
    parser.set_defaults(command=name)
    command.add_arguments(parser)
    return int(command.run(parser.parse_intermixed_args(words)))
