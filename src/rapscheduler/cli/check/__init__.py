"""``rapscheduler check PATH``: whether a program of APScheduler will run here, before it is switched.

What lives here: the command: which files, in which order it is told, the steps at the end. Reading is `sources` and
`requirements`; stored jobs are judged as `rapscheduler migrate` does, dry. Nothing of the project is imported or run.
"""

from __future__ import annotations

import argparse
import ast
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rapscheduler._quoting import said
from rapscheduler.cli._answers import CommandError, add_json, answer, command
from rapscheduler.cli.check import requirements, sources
from rapscheduler.cli.check.rules import BREAKS, DIFFERS, OLD_ROWS, SAME
from rapscheduler.cli.check.sources import Finding
from rapscheduler.cli.places import place_for

SKIPPED = {"node_modules", "site-packages", "__pycache__", "build", "dist", "venv", "env"}
_PAGE = "docs/migration.md"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", help="a project's folder, or one file")
    parser.add_argument(
        "--jobs", metavar="URL", action="append", default=[], help="where its jobs are stored; only read"
    )
    parser.add_argument(
        "-o", "--option", metavar="NAME=VALUE", action="append", default=[], help="of the stores"
    )
    parser.add_argument("--all", action="store_true", help="list what stays the same, too")
    add_json(parser)


@command
def run(arguments: argparse.Namespace) -> int:
    """Exit code 0: it will run; 1: something has to be changed, or a stored job would be refused."""
    root = Path(arguments.path)
    if not root.exists():
        raise CommandError(f"there is no {said(root)}")
    findings, unread, files, keeps_rows, imports = _look(root)
    stored = [_judged(url, arguments.option) for url in arguments.jobs]
    counts = Counter(one.kind for one in findings)
    steps = _steps(findings, stored, keeps_rows, imports)
    document = {
        "files": files,
        "unread": unread,
        "counts": {kind: counts[kind] for kind in (BREAKS, DIFFERS, SAME)},
        "findings": [{**one._asdict(), "row": None if one.row is None else str(one.row)} for one in findings],
        "stored": stored,
        "steps": steps,
    }
    answer(arguments, document, _lines(arguments, document, findings))
    return 1 if counts[BREAKS] or any(one["refused"] for one in stored) else 0


def _look(root: Path) -> tuple[list[Finding], list[dict[str, str]], int, bool, bool]:
    findings: list[Finding] = []
    unread: list[dict[str, str]] = []
    trees: dict[str, ast.AST] = {}
    for path in _files(root):
        shown = str(path.relative_to(root)) if root.is_dir() else str(path)
        if requirements.is_requirements(path):
            findings += requirements.look(path, shown)
        if path.suffix != ".py":
            continue
        tree = sources.parsed(path, shown)
        if isinstance(tree, str):
            unread.append({"file": shown, "reason": said(tree)})
        else:
            trees[shown] = tree
    methods = sources.methods_of(trees.values())
    found = [sources.look(tree, shown, methods) for shown, tree in trees.items()]
    findings += [one for source in found for one in source.findings]
    findings.sort(key=lambda one: one[:2])
    keeps_rows, imports = any(one.keeps_rows for one in found), any(one.imports for one in found)
    return findings, unread, len(trees) + len(unread), keeps_rows, imports


def _files(root: Path) -> Iterator[Path]:
    if root.is_file():
        yield root
        return
    for place, folders, names in os.walk(root):
        folders[:] = sorted(
            one for one in folders
            if not (one.startswith(".") or one in SKIPPED or os.path.exists(os.path.join(place, one, "pyvenv.cfg")))
        )  # fmt: skip
        for name in sorted(names):
            path = Path(place, name)
            if path.suffix == ".py" or requirements.is_requirements(path):
                yield path


def _judged(url: str, options: list[str]) -> dict[str, Any]:
    """What `rapscheduler migrate` would do with the jobs of a store."""
    from rapscheduler._serialization.callables import ANY_CALLABLE
    from rapscheduler.cli.migrate.convert import CONVERTED, OURS, REFUSED, judge

    place = place_for(url, options)
    counts: Counter[str] = Counter()
    refused: list[dict[str, str]] = []
    try:
        place.open_store(write=False)
        if not place.exists():
            raise CommandError(f"there are no jobs at {place}")
        for rows in place.batches():
            for row in rows:
                verdict = judge(row, ANY_CALLABLE, place.knows_times)
                counts[verdict.kind] += 1
                if verdict.kind == REFUSED:
                    refused.append({"id": str(verdict.id), "reason": verdict.note})
        return {
            "place": str(place),
            "to_convert": counts[CONVERTED],
            "converted": counts[OURS],
            "refused": refused,
        }
    finally:
        place.close()


def _steps(
    findings: list[Finding], stored: list[dict[str, Any]], keeps_rows: bool, imports: bool
) -> list[str]:
    steps = []
    breaks = list(dict.fromkeys(f"{one.file}:{one.line}" for one in findings if one.kind == BREAKS))
    if breaks:
        shown = ", ".join(breaks[:5]) + (f" and {len(breaks) - 5} more" if len(breaks) > 5 else "")
        steps.append(f"Change what is not here: {shown}")
    requirers = sorted({one.what for one in findings if one.text == "requires apscheduler itself"})
    if requirers:
        steps.append(
            f"Install the distribution that stands in for apscheduler, as {', '.join(requirers)} "
            f"require{'s' if len(requirers) == 1 else ''} it ({_PAGE}, Packages that require apscheduler)"
        )
    elif imports or findings:
        steps.append(
            "Require rapscheduler in place of apscheduler, and call rapscheduler.install_as_apscheduler() before the "
            "first import, or change the imports"
        )
    to_convert = sum(one["to_convert"] for one in stored)
    refused = sum(len(one["refused"]) for one in stored)
    if refused:
        steps.append(
            f"Mend the {refused} stored jobs that are refused (above), or register_type() their classes"
        )
    if to_convert:
        steps.append(
            f"Stop the program, then convert its {to_convert} stored jobs: rapscheduler migrate URL --commit"
        )
    elif keeps_rows and not stored:
        steps.append(
            "It keeps jobs in a database: look at them with --jobs URL, convert them with rapscheduler migrate"
        )
    return steps or ["Nothing: it does not touch APScheduler"]


def _lines(arguments: argparse.Namespace, document: dict[str, Any], findings: list[Finding]) -> Iterator[str]:
    for one in findings:
        if one.kind != SAME or arguments.all:
            row = f"\n    {one.row}" if one.row is not None else ""
            yield f"{one.file}:{one.line}: {one.kind}: {said(one.what)} {one.text}{row}"
    for one in document["unread"]:
        yield f"{one['file']}: can't be read: {one['reason']}"
    for store in document["stored"]:
        counted = f"{store['to_convert']} jobs to convert, {store['converted']} are ours"
        yield f"{store['place']}: {counted}, {len(store['refused'])} refused ({OLD_ROWS})"
        for job in store["refused"]:
            yield f"    {said(job['id'])}: {said(job['reason'])}"
    counts = document["counts"]
    yield (
        f"{document['files']} files: {counts[BREAKS]} to change, {counts[DIFFERS]} worth a look, "
        f"{counts[SAME]} names that are as they were{'' if arguments.all else ' (--all lists them)'}"
    )
    yield "Steps:"
    for number, step in enumerate(document["steps"], 1):
        yield f"  {number}. {step}"
