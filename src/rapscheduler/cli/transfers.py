"""``rapscheduler export URL`` and ``rapscheduler import URL FILE``: jobs as JSON, as `export_jobs` writes them.

An export is made of the rows: nothing that they name is imported. Jobs that are parked go along as they are; rows that
are no jobs of ours can't, are named, and make the exit code 1. An import finds every callable first, as a job whose
function is missing would not run.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from rapscheduler._quoting import one_line, said
from rapscheduler._scheduling.transfer import entry_of_row, write_export
from rapscheduler._views import document_of, trigger_of
from rapscheduler.cli._answers import CommandError, add_json, answer, command
from rapscheduler.cli._stores import add_store, opened
from rapscheduler.cli.places import place_for
from rapscheduler.errors import ConflictingIdError, DecodeError
from rapscheduler.events import EVENT_JOB_ADDED


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_store(parser)
    if parser.get_default("command") == "export":
        parser.add_argument("file", nargs="?", default="-", help="where to write (default: standard output)")
    else:
        parser.add_argument(
            "file", help="what `rapscheduler export` or export_jobs() wrote; - for standard input"
        )
        parser.add_argument("--allow", metavar="PATTERN", action="append",
                            help="accept only these callables, e.g. 'myapp.tasks:*'")  # fmt: skip
    add_json(parser)


@command
def run(arguments: argparse.Namespace) -> int:
    return _export(arguments) if arguments.command == "export" else _import(arguments)


def _export(arguments: argparse.Namespace) -> int:
    with opened(arguments) as store:
        rows = store._read_all()
    entries, triggers, refused = [], [], []
    for row in sorted(rows, key=lambda one: (one.run_at_us is None, one.run_at_us or 0, str(one.id))):
        try:
            document_of(row)
            triggers.append(trigger_of(row))
            entries.append(entry_of_row(row))
        except DecodeError as exc:
            refused.append({"id": str(row.id), "reason": said(exc)})
    if arguments.file == "-":
        write_export(sys.stdout, entries, triggers)
    else:
        with open(arguments.file, "w", encoding="utf-8") as out:
            write_export(out, entries, triggers)
        answer(arguments, {"exported": len(entries), "refused": refused}, [f"{len(entries)} jobs exported"])
    for one in refused:
        print(f"{one_line(one['id'])}: {one['reason']}", file=sys.stderr)
    return 1 if refused else 0


def _import(arguments: argparse.Namespace) -> int:
    from rapscheduler.schedulers.background import BackgroundScheduler

    if "" not in sys.path:
        sys.path.insert(0, "")
    scheduler = BackgroundScheduler(timezone="UTC")
    store = place_for(arguments.url, arguments.option)._make(write=True)
    scheduler.add_jobstore(store)
    scheduler.start(paused=True)
    added: list[str] = []
    scheduler.add_listener(lambda event: added.append(event.job_id), EVENT_JOB_ADDED)
    try:
        source: Any = sys.stdin if arguments.file == "-" else arguments.file
        scheduler.import_jobs(source, allowed_callables=arguments.allow)
    except ConflictingIdError as exc:
        raise CommandError(f"{said(exc.args[0])}; nothing was imported") from exc
    finally:
        scheduler.shutdown()
    answer(arguments, {"imported": added}, [f"{len(added)} jobs imported"])
    return 0
