"""``rapscheduler dashboard URL``: a dashboard over a store, for this machine."""

from __future__ import annotations

import argparse
import sys

from rapscheduler.cli._answers import add_json, answer, command
from rapscheduler.cli._stores import add_store, opened
from rapscheduler.cli.places import place_for
from rapscheduler.dashboard._app import Dashboard
from rapscheduler.dashboard._servers import PORT, serve_here
from rapscheduler.dashboard._sources import StoreSource


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_store(parser)
    parser.add_argument(
        "--port", type=int, default=PORT, help=f"of 127.0.0.1; 0: any that is free (default: {PORT})"
    )
    parser.add_argument(
        "--allow-changes", action="store_true", help="jobs may be run, paused, rescheduled, removed"
    )
    add_json(parser)


@command
def run(arguments: argparse.Namespace) -> int:
    title = str(place_for(arguments.url, arguments.option))

    def tell(url: str) -> None:
        answer(arguments, {"url": url}, [f"{url} shows {title}; Ctrl-C ends it"])
        sys.stdout.flush()

    with opened(arguments, write=arguments.allow_changes) as store:
        dashboard = Dashboard(StoreSource(store, title), allow_changes=arguments.allow_changes)
        serve_here(dashboard, "127.0.0.1", arguments.port, tell)
    return 0
