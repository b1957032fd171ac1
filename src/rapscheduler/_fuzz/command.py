"""Runs a campaign in processes of its own, shows how it goes, and reports.

Every worker is a process: a crash of the compiled engine is a finding, not the end of the campaign. The number of the
group that a worker is at stands in shared memory, so that a crash can be told by its group. Progress is a ``rich``
bar where ``rich`` is installed and the output is a terminal, else a line now and then.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import queue
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from . import campaign, rules
from .peers import installed_peers
from .stores import places_of
from .tally import Disagreement, Tally
from .zonefiles import installed_releases

REPORT_EVERY_S = 0.5
LINE_EVERY_S = 10.0
MOST_SHOWN = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``fuzz``."""
    parser.add_argument(
        "--minutes", type=float, default=None, help="how long (default: 1, unless --cases is given)"
    )
    parser.add_argument("--cases", type=int, default=None, help="stop after about this many cases")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same cases (default: 1)")
    parser.add_argument("--processes", type=int, default=1, help="worker processes (default: 1)")
    parser.add_argument(
        "--group",
        choices=("triggers", "rules"),
        default="triggers",
        help="what is fuzzed: fire times of triggers, or stored jobs under rules of time that change",
    )
    parser.add_argument(
        "--stores",
        default="memory,sqlite",
        help="where the jobs of rules are stored: memory, sqlite, redis, redis:PORT, URLs of SQLAlchemy; by commas",
    )
    parser.add_argument(
        "--ways",
        default=",".join(rules.WAYS),
        help="how the change of rules comes; by commas, one that is named twice is drawn twice as often (default: all)",
    )
    parser.add_argument(
        "--tzdata",
        type=Path,
        action="append",
        default=[],
        metavar="FOLDER",
        help="for rules: a folder of zone files of another release, beside those of the machine and of tzdata",
    )
    parser.add_argument("--report", type=Path, default=None, help="write the figures to this file, as JSON")


def main(argv: Sequence[str] | None = None) -> int:
    """``python -m rapscheduler fuzz``; the exit code is 1 when there was a disagreement."""
    parser = argparse.ArgumentParser(
        prog="rapscheduler fuzz", description="Fuzz the triggers against oracles."
    )
    add_arguments(parser)
    return run(parser.parse_args(argv))


def run(options: argparse.Namespace) -> int:
    """Run a campaign with parsed options; returns the exit code."""
    from .. import _engine

    peers, missing = installed_peers() if options.group == "triggers" else ([], [])
    oracles = ["the walker", "the reference twin", *(f"{peer.name} {peer.version}" for peer in peers)]
    if options.group == "rules":
        names = ", ".join(release.name for release in installed_releases(options.tzdata))
        oracles = ["the walker and zoneinfo"]
        print(f"rules of {names}, and made-up ones · stores: {options.stores}")
    print(f"engine: {_engine.NAME} · seed {options.seed} · oracles: {', '.join(oracles)}")
    if missing:
        print(f"not installed, so not asked: {', '.join(missing)} (pip install {' '.join(missing)})")
    minutes = options.minutes if options.minutes is not None or options.cases is not None else 1.0
    show = _progress(minutes, options.cases)
    began_s = time.monotonic()
    try:
        tally = _run_workers(options, minutes, show)
    finally:
        show.close()
    took_s = time.monotonic() - began_s
    _print_report(tally, took_s)
    if options.report is not None:
        options.report.write_text(json.dumps(_figures(tally, took_s, options.seed, oracles), indent=2) + "\n")
    return 1 if tally.disagreements else 0


# --- workers --------------------------------------------------------------------------------------


def _run_workers(options: argparse.Namespace, minutes: float | None, show: _Progress) -> Tally:
    seed, parts, cases = options.seed, max(1, options.processes), options.cases
    what = (options.group, options.stores.split(","), options.ways.split(","), options.tzdata)
    context = multiprocessing.get_context("spawn")
    results: Any = context.Queue()
    at = [context.Value("q", part, lock=False) for part in range(parts)]
    share = None if cases is None else -(-cases // parts)
    seconds = None if minutes is None else minutes * 60
    arguments = [(what, seed, part, parts, share, seconds, results, at[part]) for part in range(parts)]
    workers = [context.Process(target=_work, args=each, daemon=True) for each in arguments]
    for worker in workers:
        worker.start()
    total = Tally()
    try:
        while workers:
            _gather(results, total, show)
            for index, worker in enumerate(workers):
                if not worker.is_alive():
                    worker.join()
                    _gather(results, total, show, wait=False)
                    if worker.exitcode:
                        total.disagreements.append(
                            _crash(options.group, seed, at[index].value, worker.exitcode)
                        )
            alive = [index for index, worker in enumerate(workers) if worker.is_alive()]
            workers, at = [workers[index] for index in alive], [at[index] for index in alive]
    except KeyboardInterrupt:
        print("\nstopped by the keyboard")
    finally:
        for worker in workers:
            worker.terminate()
    return total


def _gather(results: Any, total: Tally, show: _Progress, wait: bool = True) -> None:
    """Add up what the workers sent."""
    while True:
        try:
            total.add(results.get(timeout=REPORT_EVERY_S if wait else 0.05))
        except queue.Empty:
            break
        wait = False
    show.update(total)


def _crash(group: str, seed: int, number: int, exitcode: int) -> Disagreement:
    rest = ", [])" if group == "triggers" else ", places_of([…]), installed_releases())"
    room = "campaign" if group == "triggers" else "rules"
    line = f"# python -c 'from rapscheduler._fuzz.{room} import examine; examine({seed}, {number}{rest}'"
    return Disagreement(number, "the worker process", f"ended with exit code {exitcode}", "an answer", line)


def _work(
    what: tuple[str, list[str], list[str], list[Path]],
    seed: int,
    part: int,
    parts: int,
    cases: int | None,
    seconds: float | None,
    results: Any,
    at: Any,
) -> None:
    """In a worker: examine groups, send a tally twice a second."""
    until_s = None if seconds is None else time.monotonic() + seconds
    group, stores, ways, folders = what
    if group == "rules":
        releases = installed_releases(folders)
        found = rules.work(seed, part, parts, cases, until_s, places_of(stores), releases, ways)
    else:
        found = campaign.work(seed, part, parts, cases, until_s, installed_peers()[0])
    waiting, sent_s = Tally(), time.monotonic()
    parent = os.getppid()
    for number, tally in found:
        at.value = number + parts
        waiting.add(tally)
        if os.getppid() != parent:
            return  # the campaign was killed; nobody reads what we send
        if time.monotonic() - sent_s >= REPORT_EVERY_S:
            results.put(waiting)
            waiting, sent_s = Tally(), time.monotonic()
    results.put(waiting)
    results.close()
    results.join_thread()


# --- progress -------------------------------------------------------------------------------------


class _Progress:
    """Shows a tally: by lines, or by ``rich`` when ``bar`` is given."""

    def __init__(self, update: Callable[[Tally, float], None], close: Callable[[], None]) -> None:
        self.began_s = time.monotonic()
        self._update, self.close = update, close

    def update(self, tally: Tally) -> None:
        self._update(tally, time.monotonic() - self.began_s)


def _progress(minutes: float | None, cases: int | None) -> _Progress:
    if sys.stdout.isatty():
        try:
            return _rich_progress(minutes, cases)
        except ImportError:
            pass
    last_s = 0.0

    def print_line(tally: Tally, passed_s: float) -> None:
        nonlocal last_s
        if passed_s - last_s >= LINE_EVERY_S:
            last_s = passed_s
            print(f"{passed_s:6.0f} s  {summary(tally)}", flush=True)

    return _Progress(print_line, lambda: None)


def _rich_progress(minutes: float | None, cases: int | None) -> _Progress:
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    bar = Progress(BarColumn(bar_width=20), TimeElapsedColumn(), TextColumn("{task.description}"))
    task = bar.add_task("drawing the first cases", total=1.0)
    bar.start()

    def show(tally: Tally, passed_s: float) -> None:
        by_time = passed_s / (minutes * 60) if minutes else 0.0
        by_count = tally.cases / cases if cases else 0.0
        bar.update(task, completed=min(1.0, max(by_time, by_count)), description=summary(tally))

    return _Progress(show, bar.stop)


def summary(tally: Tally) -> str:
    """One line: what was examined so far."""
    return (
        f"{tally.cases:,} cases · {len(tally.zones)} zones · {tally.crossed:,} transitions crossed · "
        f"{len(tally.disagreements)} disagreements"
    )


# --- report ---------------------------------------------------------------------------------------


def _print_report(tally: Tally, took_s: float) -> None:
    print(f"{summary(tally)} · {tally.groups:,} triggers · {took_s:,.0f} s")
    print("by kind: " + ", ".join(f"{kind} {count:,}" for kind, count in tally.kinds.most_common()))
    for name in sorted({peer for peer, _ in tally.peers}):
        counts = {kind: count for (peer, kind), count in tally.peers.items() if peer == name}
        told = ", ".join(
            f"{kind} {count:,}" for kind, count in sorted(counts.items(), key=lambda each: -each[1])
        )
        print(f"{name}: {told}")
    for found in tally.disagreements[:MOST_SHOWN]:
        print(
            f"\nDISAGREEMENT in group {found.group_number}: {found.who} said {found.said}, right is {found.right}"
        )
        print(found.line)
    if len(tally.disagreements) > MOST_SHOWN:
        print(f"\n… and {len(tally.disagreements) - MOST_SHOWN} more")


def _figures(tally: Tally, took_s: float, seed: int, oracles: list[str]) -> dict[str, Any]:
    return {
        "seed": seed,
        "seconds": round(took_s, 1),
        "cases": tally.cases,
        "triggers": tally.groups,
        "zones": len(tally.zones),
        "transitions_crossed": tally.crossed,
        "oracles": oracles,
        "kinds": dict(tally.kinds),
        "peers": {f"{peer}: {kind}": count for (peer, kind), count in sorted(tally.peers.items())},
        "disagreements": [asdict(found) for found in tally.disagreements],
    }
