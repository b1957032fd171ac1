"""``python -m benchmarks``: the rows of the targets, measured and printed; ``make bench`` calls it.

--rows cron,parse   only these (``--list`` names them)
--quick             smaller sizes, fewer rounds: a try, not a figure
--here              peers from the running environment where it has the pinned version
--no-save           leave benchmarks/results alone
--base COMMIT       each row also beside ourselves at that commit (compiled once): ours / base, CPU and wall
"""

from __future__ import annotations

import argparse
import sys

from benchmarks import (
    rows_curves,
    rows_dashboard,
    rows_eventloop,
    rows_processes,
    rows_questions,
    rows_scheduler,
    rows_stores,
    rows_triggers,
)
from benchmarks.measure import Bench, NotBuilt
from benchmarks.rows import Result, Row, measured, save

ALL: list[Row] = [
    *rows_triggers.ROWS,
    *rows_scheduler.ROWS,
    *rows_processes.ROWS,
    *rows_eventloop.ROWS,
    *rows_stores.ROWS,
    *rows_questions.ROWS,
    *rows_curves.ROWS,
    *rows_dashboard.ROWS,
]


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure the rows of the targets."
    )
    parser.add_argument("--rows", default="", help="comma-separated keys; all when left out")
    parser.add_argument("--list", action="store_true", help="name the rows and end")
    parser.add_argument("--quick", action="store_true", help="smaller and fewer: a try, not a figure")
    parser.add_argument("--here", action="store_true", help="use peers installed here in the pinned version")
    parser.add_argument("--no-save", action="store_true", help="do not write benchmarks/results")
    parser.add_argument("--base", default="", metavar="COMMIT", help="also beside ourselves at that commit")
    return parser.parse_args(argv)


def _chosen(keys: str) -> list[Row]:
    wanted = [key.strip() for key in keys.split(",") if key.strip()]
    unknown = sorted(set(wanted) - {row.key for row in ALL})
    if unknown:
        known = ", ".join(dict.fromkeys(row.key for row in ALL))
        raise SystemExit(f"no such row: {', '.join(unknown)}; there are: {known}")
    return [row for row in ALL if not wanted or row.key in wanted]


def _tell_base(bench: Bench) -> None:
    for beside in bench.beside_base:
        print(f"{'':12}{beside}", flush=True)
    bench.beside_base.clear()


def main(argv: list[str] | None = None) -> int:
    arguments = _arguments(argv)
    chosen = _chosen(arguments.rows)
    if arguments.list:
        for row in chosen:
            print(f"{row.key:15} {row.work:50} {row.target}")
        return 0
    lines = []
    bench = Bench(here=arguments.here, quick=arguments.quick, base=arguments.base)
    try:
        for row in chosen:
            try:
                result = row.measure(bench)
            except NotBuilt as reason:
                result = Result("not built", details={"why": str(reason)})
            line = measured(row, result, arguments.quick)
            lines.append(line)
            verdict = f"[{line.verdict}]"
            print(f"{verdict:12}{row.work} — target {row.target}: ours {result.ours}", end="")
            print(f"; peer {result.peer}; {result.ratio}" if result.peer else f" {result.ratio}", flush=True)
            _tell_base(bench)
    finally:
        bench.close()
    if not arguments.no_save:
        save(lines, {(row.key, row.work) for row in ALL})
    missed = sum(line.result.passed is False for line in lines)
    print(f"{len(lines)} rows, {missed} missed" + (" (quick: not figures)" if arguments.quick else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
