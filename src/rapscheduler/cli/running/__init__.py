"""``rapscheduler run …``: a process that does nothing but schedule; or stored jobs made due now.

    rapscheduler run myapp.jobs:scheduler       the scheduler of a module, or of a function that makes one
    rapscheduler run --config scheduler.toml    one made of settings (and of RAPSCHEDULER_… in the environment)
    rapscheduler run --crontab FILE             runs the commands of a crontab, as cron in a container would
    rapscheduler run URL ID…                    makes stored jobs due now

What lives here: the choice between these, and ``--reload``. What must not: how a scheduler is served until a signal
(`serve`), settings (`settings`), commands (`commands`).
"""

from __future__ import annotations

import argparse
import logging
import sys
from typing import Any

from rapscheduler.cli._answers import CommandError, add_json, command
from rapscheduler.cli._stores import add_options

END_TIMEOUT_S = 30.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "target", nargs="?", help="module:name of a scheduler (or of what makes one), or a store's URL"
    )
    parser.add_argument("ids", metavar="ID", nargs="*", help="with a URL: jobs to make due now")
    add_options(parser)
    parser.add_argument("--config", metavar="FILE", help="settings in TOML, see docs/command-line.md")
    parser.add_argument("--crontab", metavar="FILE", help="run the commands of this crontab")
    parser.add_argument("--dialect", choices=("vixie", "cronie"), default="vixie", help="of the crontab")
    parser.add_argument("--user-column", action=argparse.BooleanOptionalAction, default=None,
                        help="the crontab's sixth column is a user")  # fmt: skip
    parser.add_argument("--tz", metavar="ZONE", help="time zone of the crontab (default: this machine's)")
    parser.add_argument("--seed", help="what ~ of the crontab is drawn from")
    parser.add_argument("--timeout", type=float, metavar="SECONDS",
                        help="end a command of the crontab that runs longer (default: never)")  # fmt: skip
    parser.add_argument("--stop-timeout", type=float, default=END_TIMEOUT_S, metavar="SECONDS",
                        help=f"how long running jobs have at the end (default: {END_TIMEOUT_S:g})")  # fmt: skip
    parser.add_argument(
        "--reload", action="store_true", help="begin anew when a source file changes (to develop)"
    )
    parser.add_argument("--log-level", default="INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR"))
    add_json(parser)


@command
def run(arguments: argparse.Namespace) -> int:
    target = arguments.target
    if target and "://" in target:
        return _make_due(arguments)
    given = [one for one in (target, arguments.config, arguments.crontab) if one]
    if len(given) != 1 or arguments.ids:
        raise CommandError("give one of module:name, --config FILE, --crontab FILE, or a store's URL and ids")
    if arguments.reload:
        from rapscheduler.cli.running.reloading import supervise

        return supervise(sys.argv[1:])
    if "" not in sys.path:
        sys.path.insert(0, "")
    _log(arguments)
    from rapscheduler.cli.running.serve import serve

    return serve(_scheduler(arguments), arguments.stop_timeout)


def _make_due(arguments: argparse.Namespace) -> int:
    from rapscheduler.cli.changes import changed, made_due

    if not arguments.ids:
        raise CommandError("name the jobs to make due now, by their ids")
    arguments.url = arguments.target
    return changed(arguments, made_due)


def _log(arguments: argparse.Namespace) -> None:
    """A program that has set logging up keeps it."""
    if arguments.json:
        from rapscheduler.cli.running.log_lines import JSONFormatter

        handler = logging.StreamHandler()
        handler.setFormatter(JSONFormatter())
        logging.basicConfig(level=arguments.log_level, handlers=[handler])
    else:
        logging.basicConfig(
            level=arguments.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
        )


def _scheduler(arguments: argparse.Namespace) -> Any:
    if arguments.crontab:
        from rapscheduler.cli.running.commands import scheduler_of_crontab

        arguments.file = arguments.crontab
        return scheduler_of_crontab(arguments)
    if arguments.config:
        from rapscheduler.cli.running.settings import scheduler_of_settings

        return scheduler_of_settings(arguments.config)
    from rapscheduler.cli.running.serve import scheduler_named

    return scheduler_named(arguments.target)
