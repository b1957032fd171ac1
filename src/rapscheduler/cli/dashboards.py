"""``rapscheduler dashboard URL``: a dashboard over a store, for this machine."""

from __future__ import annotations

import argparse

from rapscheduler.cli._answers import add_json, answer, command
from rapscheduler.cli._stores import add_store, opened
from rapscheduler.cli.places import place_for

PORT = 8642


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
    from rapscheduler.dashboard._app import Dashboard
    from rapscheduler.dashboard._servers import server
    from rapscheduler.dashboard._sources import StoreSource

    title = str(place_for(arguments.url, arguments.option))
    with opened(arguments, write=arguments.allow_changes) as store:
        dashboard = Dashboard(StoreSource(store, title), allow_changes=arguments.allow_changes)
        with server(dashboard, "127.0.0.1", arguments.port) as serving:
            url = f"http://127.0.0.1:{serving.server_port}/"
            answer(arguments, {"url": url}, [f"{url} shows {title}; Ctrl-C ends it"])
            _flush()
            try:
                serving.serve_forever()
            except KeyboardInterrupt:
                pass
    return 0


def _flush() -> None:
    import sys

    sys.stdout.flush()
