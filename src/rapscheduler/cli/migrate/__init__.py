"""``rapscheduler migrate SOURCE [TARGET]``: jobs that APScheduler 3.x pickled become rows of ours.

What lives here: the command and the order of its writes. What must not: one row's conversion (`convert`, over the
restricted unpickler of ``_serialization.legacy``), databases (`places`), texts of reports (`report`).

A dry run unless ``--commit`` is given: then nothing is created, altered or written anywhere. In place, a batch's rows
are first copied, as they are, to a sibling place ("…_originals"), then replaced; so a run that is cut short can be run
again at any point, and ``--restore`` puts the copies back. ``--drop-originals`` removes them. Into a TARGET the
source is only read. What can't be converted is left as it is and reported; nothing is ever deleted for it.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from rapscheduler._clock import SYSTEM
from rapscheduler._quoting import said
from rapscheduler._scheduling.stored_rules import OlderRules, changed_rules, follow_rows, renew_rules
from rapscheduler._serialization.callables import CallableRule
from rapscheduler._serialization.legacy import is_pickled
from rapscheduler._serialization.rows import JobRow
from rapscheduler.cli.migrate.convert import CONVERTED, OURS, REFUSED, Verdict, judge
from rapscheduler.cli.migrate.report import Report, progress
from rapscheduler.cli.places import ORIGINALS, URLS, Place, PlaceError, place_for

_DRY = (
    "Nothing was written: this was a dry run. Stop what runs on these jobs, then run it again with --commit."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="SOURCE", help=f"where APScheduler's jobs are: {URLS}")
    parser.add_argument("target", metavar="TARGET", nargs="?", help="where to put them (default: in place)")
    parser.add_argument(
        "--commit", action="store_true", help="write; without it, only say what would be done"
    )
    parser.add_argument(
        "-o",
        "--option",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="of SOURCE, e.g. tablename=jobs",
    )
    parser.add_argument(
        "-t", "--target-option", metavar="NAME=VALUE", action="append", default=[], help="of TARGET"
    )
    parser.add_argument(
        "--import",
        dest="modules",
        metavar="MODULE",
        action="append",
        default=[],
        help="import this first: a module that calls rapscheduler.register_type() on the classes in your jobs",
    )
    parser.add_argument(
        "--allow",
        metavar="PATTERN",
        action="append",
        help="accept only these callables, e.g. 'myapp.tasks:*'",
    )
    parser.add_argument("--report", metavar="FILE", help="write every job's fate to this file, as JSON")
    after = parser.add_mutually_exclusive_group()
    after.add_argument("--restore", action="store_true", help="put the rows back as APScheduler wrote them")
    after.add_argument(
        "--drop-originals", action="store_true", help="remove the copies of an earlier --commit"
    )


def run(arguments: argparse.Namespace) -> int:
    """0: everything is or can be converted; 1: something was refused; 2: nothing could be done."""
    places: list[Place] = []
    try:
        return _run(arguments, places)
    except PlaceError as exc:
        print(f"rapscheduler migrate: {said(exc)}", file=sys.stderr)
    except Exception as exc:  # of any driver, which says what failed; the traceback would hide it
        reason = f"{type(exc).__name__}: {said(exc)}"
        print(f"rapscheduler migrate: {reason}\nRun it again: what was converted stays so.", file=sys.stderr)
    finally:
        for place in places:
            place.close()
    return 2


def _run(arguments: argparse.Namespace, places: list[Place]) -> int:
    _import(arguments.modules)
    if arguments.report:
        _check_writable(arguments.report)
    source = place_for(arguments.source, arguments.option)
    target = place_for(arguments.target, arguments.target_option) if arguments.target else None
    if target is not None and target.same_as(source):
        target = None
    if target is not None and (arguments.restore or arguments.drop_originals):
        raise PlaceError(
            "with a TARGET there are no copies: SOURCE itself was left as it is; leave TARGET out, or drop SOURCE "
            "with the tools of its database"
        )
    places += [source] if target is None else [source, target]
    if arguments.drop_originals or arguments.restore:
        return (_drop if arguments.drop_originals else _restore)(arguments, source, places)
    return _migrate(arguments, source, target, places)


def _check_writable(path: str) -> None:
    """PlaceError: the report could not be written; better told before the work than after it."""
    try:
        with open(path, "a", encoding="utf-8"):
            pass
    except OSError as exc:
        raise PlaceError(f"--report {path}: {exc}") from exc


def _import(modules: Sequence[str]) -> None:
    if "" not in sys.path:
        sys.path.insert(0, "")
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError as exc:
            raise PlaceError(f"--import {module}: {exc}; run this where your program is found") from exc


def _open_existing(place: Place, write: bool) -> None:
    """Open a place that must be there already; writing only after that was seen."""
    place.open_store(write=False)
    if not place.exists():
        raise PlaceError(
            f"there are no jobs at {place}; look for another name with -o ({', '.join(place.options)})"
        )
    if write:
        place.close()
        place.open_store(write=True)


def _migrate(arguments: argparse.Namespace, source: Place, target: Place | None, places: list[Place]) -> int:
    write = arguments.commit
    _open_existing(source, write and target is None)
    goal = target or source.sibling(ORIGINALS)
    if target is None:
        places.append(goal)
    if write or target is not None:
        goal.open_store(write)
    filled = source if target is None else target
    if write:
        follow_rows(filled.store, SYSTEM)
    older = OlderRules(changed_rules(source.store._read_rules())[1])
    rule = CallableRule(arguments.allow)
    to = str(target) if target is not None else f"the same place; the rows as they were: {goal}"
    report = Report(str(source), to, write)
    with progress(len(source.ids())) as advance:
        for rows in source.batches():
            now_us = SYSTEM.now_us()
            verdicts = [judge(older.moved(row, now_us), rule, source.knows_times) for row in rows]
            if target is not None:
                verdicts = _copy(target, verdicts, write)
            elif write:
                _replace(source, goal, rows, verdicts)
            for verdict in verdicts:
                report.add(verdict)
            advance(len(rows))
    if write:
        renew_rules(filled.store, SYSTEM)
    words = {
        CONVERTED: "converted" if write else "can be converted",
        OURS: "were converted before" if target is None else "were there already",
        REFUSED: "refused",
    }
    _tell(arguments, report, words)
    if write and target is None and report.ids[CONVERTED]:
        print(
            f"\nThe rows as they were are kept in {goal}: --restore puts them back, --drop-originals removes them."
        )
    return 1 if report.refused else 0


def _tell(arguments: argparse.Namespace, report: Report, words: dict[str, str]) -> None:
    report.print(words, sys.stdout)
    if arguments.report:
        report.save(arguments.report)
    if not report.written:
        print(f"\n{_DRY}")


def _replace(source: Place, originals: Place, rows: Sequence[JobRow], verdicts: Sequence[Verdict]) -> None:
    """Copy what APScheduler wrote, then put ours in its place. A job removed meanwhile stays removed."""
    made = [verdict.row for verdict in verdicts if verdict.kind == CONVERTED and verdict.row is not None]
    if not made:
        return
    by_id = {row.id: row._replace(parked=None) for row in rows}
    _keep(originals, [by_id[row.id] for row in made])
    source.store._replace(made)


def _keep(originals: Place, rows: Sequence[JobRow]) -> None:
    """Insert copies; one that is there from a run before is renewed (APScheduler ran again in between)."""
    kept = {row.id: row.data for row in originals.store._read([row.id for row in rows])}
    fresh = [row for row in rows if row.id not in kept]
    renewed = [row for row in rows if row.id in kept and kept[row.id] != row.data]
    if fresh:
        originals.store._insert(fresh)
    if renewed:
        originals.store._replace(renewed)


def _copy(target: Place, verdicts: Sequence[Verdict], write: bool) -> list[Verdict]:
    """Put converted rows and rows of ours into another store, but those that it has already."""
    ready = {verdict.id: verdict for verdict in verdicts if verdict.row is not None}
    present: dict[str, bytes] = {}
    if write or target.exists():
        present = {row.id: row.data for row in target.store._read(list(ready))} if ready else {}
    told: list[Verdict] = []
    fresh: list[JobRow] = []
    for verdict in verdicts:
        row = verdict.row
        if row is None:
            told.append(verdict)
        elif row.id not in present:
            fresh.append(row)
            told.append(verdict._replace(kind=CONVERTED))
        elif present[row.id] == row.data:
            told.append(verdict._replace(kind=OURS))
        else:
            note = "the target has another job under this id; remove that one, or leave this one out"
            told.append(Verdict(row.id, REFUSED, None, note))
    if fresh and write:
        target.store._insert(fresh)
    return told


def _restore(arguments: argparse.Namespace, source: Place, places: list[Place]) -> int:
    originals = source.sibling(ORIGINALS)
    places.append(originals)
    _open_existing(source, arguments.commit)
    _open_existing(originals, False)
    report = Report(str(originals), str(source), arguments.commit)
    restored = set(originals.ids())
    for rows in originals.batches():
        here = {row.id: row for row in source.store._read([row.id for row in rows])}
        wanted = [row for row in rows if row.id in here and here[row.id].data != row.data]
        if wanted and arguments.commit:
            source.put_back(wanted)
        for row in rows:
            same = row.id not in here or here[row.id].data == row.data
            report.add(Verdict(row.id, OURS if same else CONVERTED, row))
    for rows in source.batches():
        parked = {row.id: None for row in rows if row.parked is not None and is_pickled(row.data)}
        if parked and arguments.commit:
            source.store._set_parked(parked)  # in etcd APScheduler would take the reasons for jobs
        for row in rows:
            if row.id not in restored and not is_pickled(row.data):
                note = "rapscheduler made this job; APScheduler 3.x deletes rows that it can't read: move it first"
                report.add(Verdict(row.id, REFUSED, None, note))
    verb = "put back" if arguments.commit else "can be put back"
    _tell(
        arguments, report, {CONVERTED: verb, OURS: "unchanged or removed since", REFUSED: "not APScheduler's"}
    )
    return 1 if report.refused else 0


def _drop(arguments: argparse.Namespace, source: Place, places: list[Place]) -> int:
    originals = source.sibling(ORIGINALS)
    places.append(originals)
    _open_existing(originals, False)
    count = len(originals.ids())
    if arguments.commit:
        originals.drop()
        print(f"removed {count:,} rows as APScheduler wrote them, kept in {originals}")
    else:
        print(f"{count:,} rows as APScheduler wrote them are kept in {originals}\n\n{_DRY}")
    return 0
