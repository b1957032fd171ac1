"""``rapscheduler parked``: the jobs of a store that were set aside because they can't be run, and why.

A list is only a look: nothing is written, created or imported. Nor is anything imported to remove a row. To resume, the
store is opened after that look, which tries every parked row again, as the start of a scheduler does, and imports what
they name, if allowed_callables=… is not given or allows it. What can be read now comes back by itself. Nothing is run.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from functools import partial
from typing import Any

from rapscheduler._quoting import masked, one_line, said
from rapscheduler._serialization.rows import JobRow
from rapscheduler._states import PAUSED
from rapscheduler._views import iso
from rapscheduler.cli._answers import add_json, answer
from rapscheduler.cli._stores import add_options
from rapscheduler.cli.places import URLS, PlaceError, place_for
from rapscheduler.errors import JobLookupError
from rapscheduler.jobstores._rowstore import RowStore
from rapscheduler.schedulers.background import BackgroundScheduler


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "store", help=f"where the jobs are: {URLS}; or the plugin name of any other job store"
    )
    parser.add_argument(
        "option", nargs="*", help="of a plugin: its arguments as name=value, e.g. url=sqlite:///jobs.sqlite"
    )
    add_options(parser, "store_options")
    add_json(parser)
    parser.add_argument("--import", dest="modules", action="append", default=[], metavar="MODULE",
                        help="import this first (it registers types or plugins); may be repeated")  # fmt: skip
    parser.add_argument("--resume", action="append", default=[], metavar="ID", help="try this job again")
    parser.add_argument(
        "--remove", action="append", default=[], metavar="ID", help="delete this parked job for good"
    )


def _options(pairs: list[str]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise ValueError(
                f"{masked(pair)!r} is no store argument; write name=value, e.g. url=sqlite:///jobs.sqlite"
            )
        options[name] = int(value) if value.isdecimal() else value
    return options


def _moment(run_at_us: int | None) -> str:
    if run_at_us is None:
        return PAUSED
    return f"{datetime.fromtimestamp(run_at_us // 1_000_000, timezone.utc):%Y-%m-%d %H:%M:%S} UTC"


def _work(scheduler: BackgroundScheduler, arguments: argparse.Namespace) -> int:
    parked = {one.job_id for one in scheduler.get_parked_jobs()}
    wrong = 0
    for job_id in (*arguments.resume, *arguments.remove):
        if job_id not in parked:
            print(f"no parked job by the id of {one_line(job_id)}", file=sys.stderr)
            wrong = 1
    for job_id in parked.intersection(arguments.resume):
        try:
            scheduler.resume_parked(job_id)
            _tell(arguments, f"{one_line(job_id)}: resumed")
        except JobLookupError:
            _tell(arguments, f"{one_line(job_id)}: still can't be run")
            wrong = 1
    for job_id in parked.intersection(arguments.remove):
        try:
            scheduler.remove_job(job_id)
            _tell(arguments, f"{one_line(job_id)}: removed")
        except JobLookupError:
            _tell(arguments, f"{one_line(job_id)}: gone meanwhile")
    _show(arguments, [(one.job_id, one.run_at_us, one.reason) for one in scheduler.get_parked_jobs()])
    return wrong


def _tell(arguments: argparse.Namespace, text: str) -> None:
    """What was done; with --json standard output is for the document."""
    print(text, file=sys.stderr if arguments.json else sys.stdout)


def _show(arguments: argparse.Namespace, parked: list[tuple[str, int | None, str]]) -> None:
    lines = [
        f"{one_line(job_id)}  next run {_moment(run_at_us)}  {said(reason)}"
        for job_id, run_at_us, reason in parked
    ]
    found = [
        {"id": job_id, "next_run_time": iso(run_at_us), "reason": reason}
        for job_id, run_at_us, reason in parked
    ]
    answer(arguments, {"parked": found}, [*lines, f"{len(parked)} parked"])


def _makers(arguments: argparse.Namespace, scheduler: Any) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """What makes the store for a look, and what makes it for changes."""
    if "://" in arguments.store:
        place = place_for(arguments.store, [*arguments.option, *arguments.store_options])
        return partial(place._make, False), partial(place._make, True)
    options = _options([*arguments.option, *arguments.store_options])
    quiet = {"sqlite_wal": False} if arguments.store == "sqlalchemy" else {}
    make = partial(scheduler._create_plugin_instance, "jobstore", arguments.store)
    return partial(make, quiet | options), partial(make, options)


def _look(store: Any) -> list[JobRow] | None:
    """What is parked, without writing. None: this store can't be looked at. LookupError: nothing is stored there."""
    if not isinstance(store, RowStore):
        return None
    try:
        store._open(write=False)
        rows = store._read_parked()
    finally:
        store.shutdown()
    rows.sort(key=lambda row: (row.run_at_us is None, row.run_at_us or 0))
    return rows


def _remove(arguments: argparse.Namespace, store: Any) -> int:
    """Delete parked rows; nothing that they name is imported for it."""
    ids = arguments.remove
    try:
        store._open(write=True)
        parked = {row.id for row in store._read_parked()}
        there = [job_id for job_id in ids if job_id in parked]
        gone = set(store._delete(there)) if there else set[str]()
        for job_id in ids:
            if job_id not in parked:
                print(f"no parked job by the id of {one_line(job_id)}", file=sys.stderr)
            else:
                _tell(arguments, f"{one_line(job_id)}: {'gone meanwhile' if job_id in gone else 'removed'}")
        _show(arguments, [(row.id, row.run_at_us, row.parked or "") for row in store._read_parked()])
    finally:
        store.shutdown()
    return 0 if len(there) == len(ids) else 1


def run(arguments: argparse.Namespace) -> int:
    """Exit code 0; 1 when an id is not parked or still can't be run; 2 when the store can't be had."""
    if arguments.store == "memory":
        print(
            "a memory store is gone with its process; ask its scheduler for get_parked_jobs()",
            file=sys.stderr,
        )
        return 2
    try:
        for module in arguments.modules:
            importlib.import_module(module)
        scheduler = BackgroundScheduler(timezone="UTC")
        look, make = _makers(arguments, scheduler)
        parked = _look(look())
        if parked is not None and not (arguments.resume or arguments.remove):
            _show(arguments, [(row.id, row.run_at_us, row.parked or "") for row in parked])
            return 0
        if parked is not None and not arguments.resume:
            return _remove(arguments, make())
        scheduler.add_jobstore(make())
        scheduler.start(paused=True)
    except (PlaceError, ImportError, LookupError, TypeError, ValueError) as error:
        print(said(error), file=sys.stderr)
        return 2
    except Exception as error:  # of any driver, which says what failed; the traceback would hide it
        print(f"{type(error).__name__}: {said(error)}", file=sys.stderr)
        return 2
    try:
        return _work(scheduler, arguments)
    finally:
        scheduler.shutdown()
