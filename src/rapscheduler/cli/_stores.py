"""The store that a command is about: one URL, and options for the names inside of it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rapscheduler.cli._answers import CommandError
from rapscheduler.cli.places import URLS, place_for


def add_store(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL", help=f"where the jobs are: {URLS}")
    add_options(parser)


def add_options(parser: argparse.ArgumentParser, dest: str = "option") -> None:
    parser.add_argument(
        "-o", "--option", dest=dest, metavar="NAME=VALUE", action="append", default=[],
        help="of the store: tablename=…, tableschema=…, jobs_key=…, database=…, collection=…, path=…",
    )  # fmt: skip


@contextmanager
def opened(arguments: argparse.Namespace, write: bool = False, must_exist: bool = True) -> Iterator[Any]:
    """The store, closed afterwards. Without ``write`` nothing is created or altered. CommandError: there is none;
    without ``must_exist`` what lies beside the jobs can be looked at where there are none."""
    place = place_for(arguments.url, arguments.option)
    try:
        place.open_store(write=False)
        if must_exist and not place.exists():
            raise CommandError(
                f"there are no jobs at {place}; mind the URL, or name them with -o {place.main_option}=…"
            )
        if write:
            place.close()
            place.open_store(write=True)
        yield place.store
    finally:
        place.close()


def add_ids(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ids", metavar="ID", nargs="+", help="ids of jobs, as `rapscheduler jobs` lists them")
