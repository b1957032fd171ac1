"""``rapscheduler parked``: the jobs of a store that were set aside because they can't be run, and why.

A list is only a look: nothing is written, created or imported. To resume or to remove, the store is opened, which tries
every parked row again, as the start of a scheduler does; what can be read now comes back by itself. Nothing is run.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from datetime import datetime, timezone
from typing import Any

from rapscheduler.cli.places import PlaceError, look_at, names_no_file
from rapscheduler.errors import JobLookupError
from rapscheduler.schedulers.background import BackgroundScheduler


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("store", help="plugin name of the job store: sqlalchemy, redis, mongodb, …")
    parser.add_argument(
        "option", nargs="*", help="its arguments as name=value, e.g. url=sqlite:///jobs.sqlite"
    )
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
                f"{pair!r} is no store argument; write name=value, e.g. url=sqlite:///jobs.sqlite"
            )
        options[name] = int(value) if value.isdecimal() else value
    return options


def _moment(run_at_us: int | None) -> str:
    if run_at_us is None:
        return "paused"
    return f"{datetime.fromtimestamp(run_at_us // 1_000_000, timezone.utc):%Y-%m-%d %H:%M:%S} UTC"


def _work(scheduler: BackgroundScheduler, arguments: argparse.Namespace) -> int:
    parked = {one.job_id for one in scheduler.get_parked_jobs()}
    wrong = 0
    for job_id in (*arguments.resume, *arguments.remove):
        if job_id not in parked:
            print(f"no parked job by the id of {job_id}", file=sys.stderr)
            wrong = 1
    for job_id in parked.intersection(arguments.resume):
        try:
            scheduler.resume_parked(job_id)
            print(f"{job_id}: resumed")
        except JobLookupError:
            print(f"{job_id}: still can't be run")
            wrong = 1
    for job_id in parked.intersection(arguments.remove):
        try:
            scheduler.remove_job(job_id)
            print(f"{job_id}: removed")
        except JobLookupError:
            print(f"{job_id}: gone meanwhile")
    _show([(one.job_id, one.run_at_us, one.reason) for one in scheduler.get_parked_jobs()])
    return wrong


def _show(parked: list[tuple[str, int | None, str]]) -> None:
    for job_id, run_at_us, reason in parked:
        print(f"{job_id}  next run {_moment(run_at_us)}  {reason}")
    print(f"{len(parked)} parked")


def _look(store: Any) -> bool:
    """List what is parked, without writing; False: this store can't be looked at. PlaceError: there is none."""
    try:
        place = look_at(store)
        if place is None:
            return False
        if not place.goes_when_empty and not place.exists():
            raise PlaceError(
                f"nothing is stored in {store!r}: {place.kind} has no {place.given[place.main_option]!r}"
            )
        rows = place.parked()
    finally:
        store.shutdown()
    rows.sort(key=lambda row: (row.run_at_us is None, row.run_at_us or 0))
    _show([(row.id, row.run_at_us, row.parked or "") for row in rows])
    return True


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
        options = _options(arguments.option)
        if arguments.store == "sqlalchemy" and "url" in options and names_no_file(options["url"]):
            raise LookupError(f"there is no database at {options['url']}")
        scheduler = BackgroundScheduler(timezone="UTC")
        if not (arguments.resume or arguments.remove):
            quiet = {"sqlite_wal": False} if arguments.store == "sqlalchemy" else {}
            if _look(scheduler._create_plugin_instance("jobstore", arguments.store, quiet | options)):
                return 0
        scheduler.add_jobstore(arguments.store, **options)
        scheduler.start(paused=True)
    except (ImportError, LookupError, TypeError, ValueError, PlaceError) as error:
        print(error, file=sys.stderr)
        return 2
    except Exception as error:  # of any driver, which says what failed; the traceback would hide it
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2
    try:
        return _work(scheduler, arguments)
    finally:
        scheduler.shutdown()
