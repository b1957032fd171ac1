"""``rapscheduler top URL``: a store as it is now, again and again; ``--once`` prints it once.

What lives here: the parts of a frame as tables, printed as lines, or drawn by rich over the whole terminal. What must
not: where the values come from (`_stored_runs`). Ctrl-C ends it with exit code 0 and leaves the terminal as it was. A
store that does not answer is said, and asked again.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from rapscheduler._quoting import said, shortened
from rapscheduler._stored_runs import MOST_COUNTED, MOST_ROWS, frame_of
from rapscheduler.cli._answers import WIDEST, CommandError, add_json, answer, command, table
from rapscheduler.cli._stores import add_store, opened
from rapscheduler.cli.history import add_history, clock
from rapscheduler.cli.peers import HEADS, line
from rapscheduler.cli.places import place_for

INTERVAL_S = 2.0
_LEAST_S = 0.2


class Part(NamedTuple):
    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[Any]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_store(parser)
    add_history(parser)
    parser.add_argument("--once", action="store_true", help="print one frame (as it is without a terminal)")
    parser.add_argument("--interval", type=float, default=INTERVAL_S, metavar="SECONDS",
                        help=f"between two looks (default: {INTERVAL_S:g})")  # fmt: skip
    add_json(parser)


@command
def run(arguments: argparse.Namespace) -> int:
    """Exit code 0, also after Ctrl-C."""
    if not arguments.interval >= _LEAST_S:
        raise CommandError(
            f"--interval {arguments.interval:g} is too short: give {_LEAST_S:g} seconds or more"
        )
    title = str(place_for(arguments.url, arguments.option))
    with opened(arguments) as store:
        frame = {"store": title, **frame_of(store, arguments.history)}
        if arguments.once or arguments.json or not sys.stdout.isatty():
            answer(arguments, frame, _lines(frame))
            return 0
        try:
            _watch(arguments, store, title, frame)
        except KeyboardInterrupt:
            pass
    return 0


def _watch(arguments: argparse.Namespace, store: Any, title: str, frame: dict[str, Any]) -> None:
    try:
        from rich.console import Console
        from rich.live import Live
    except ImportError:
        raise CommandError(
            "the live view is drawn by rich (pip install 'rapscheduler[demo]'); --once prints one frame"
        ) from None
    with Live(_drawn(frame), console=Console(file=sys.stdout), screen=True, auto_refresh=False) as live:
        while True:
            live.update(_drawn(frame), refresh=True)
            time.sleep(arguments.interval)
            try:
                frame = {"store": title, **frame_of(store, arguments.history)}
            except Exception as exc:  # the database is away
                problem = f"the store does not answer: {type(exc).__name__}: {said(exc)}"
                frame = {**frame, "problem": problem}


def _summary(frame: dict[str, Any]) -> str:
    health = frame["health"]
    due = f"{frame['due']}{'+' if frame['due'] >= MOST_COUNTED else ''}"
    words = [
        "ok" if health["ok"] else f"NOT OK: {health['reason']}",
        f"{due} due",
        f"late by {health['lag_s']:.1f} s",
        f"{health['parked']} parked",
        f"next {clock(health['next_run_time']) or 'never'}",
    ]
    return " · ".join(words)


def _parts(frame: dict[str, Any]) -> Iterator[Part]:
    """What there is to show; a part without rows is left out."""
    late = [
        (one["id"], clock(one["next_run_time"]), f"{one['late_s']:.1f} s", one["func"])
        for one in frame["late"]
    ]
    yield Part("Due, and not begun", ("id", "due", "late", "calls"), late)
    running = [
        (
            one["job_id"],
            clock(one["run_time"]),
            f"{one['host']}:{one['pid']}",
            "" if one["alive"] else "not heard of",
        )
        for one in frame["running"] or ()
    ]
    yield Part("Running", ("id", "due (UTC)", "by", ""), running[:MOST_ROWS])
    upcoming = [(one["id"], one["next_run_time"], one["trigger"], one["func"]) for one in frame["next"]]
    yield Part("Next", ("id", "next run", "trigger", "calls"), upcoming)
    failures = [
        (clock(one["ended"]), one["job_id"], one["state"], one["error"] or one["reason"])
        for one in frame["failures"] or ()
    ]
    yield Part("Failures of the last hour", ("ended (UTC)", "id", "state", "why"), failures)
    yield Part("Schedulers", HEADS, [line(one) for one in frame["schedulers"] or ()])


def _notes(frame: dict[str, Any]) -> list[str]:
    ended = frame["ended"]
    counts = ", ".join(f"{count} {state}" for state, count in sorted((ended or {}).items())) or "none"
    notes = [] if ended is None else [f"ended in the last hour: {counts}"]
    return [*notes, *frame["missing"]]


def _lines(frame: dict[str, Any]) -> Iterator[str]:
    yield f"{frame['store']} at {clock(frame['time'])} UTC"
    yield _summary(frame)
    for part in _parts(frame):
        if part.rows:
            yield ""
            yield part.title
            yield from table(part.heads, part.rows)
    yield ""
    yield from _notes(frame)


def _drawn(frame: dict[str, Any]) -> Any:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    well = frame["health"]["ok"] and "problem" not in frame
    drawn: list[Any] = [
        Text(f"{frame['store']} at {clock(frame['time'])} UTC; Ctrl-C ends it", style="dim"),
        Text(said(frame.get("problem") or _summary(frame)), style="bold green" if well else "bold red"),
    ]
    for part in _parts(frame):
        if not part.rows:
            continue
        shown = Table(
            *part.heads, title=part.title, title_justify="left", title_style="bold", box=None, pad_edge=False
        )
        for row in part.rows:
            shown.add_row(*(Text("-" if one is None else shortened(said(one), WIDEST)) for one in row))
        drawn += [Text(""), shown]
    return Group(*drawn, Text(""), *(Text(said(note), style="dim") for note in _notes(frame)))
