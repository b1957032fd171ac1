"""The rows of the pool of worker processes."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.measure import Bench, show_s
from benchmarks.rows import Result, Row

APS = "apscheduler"


def _ratio(name: str, count: int, least: float, rounds: int) -> Callable[[Bench], Result]:
    def measure(bench: Bench) -> Result:
        timings = bench.run(name, {"count": count}, ("rapscheduler", APS), rounds=rounds, once=True)
        ours, theirs = timings["rapscheduler"], timings[APS]
        ratio = theirs.ratio_to(ours)
        shown = (f"{show_s(ours.median_s)}/job", f"{show_s(theirs.median_s)}/job", f"{ratio:.3g}×")
        return Result(*shown, ratio >= least, {"count": count})

    return measure


ROWS = [
    Row(
        "processes",
        "3k due, process pool of 2, a listener",
        "≥ 10 ×",
        _ratio("due_in_processes", 3_000, 10, 7),
    ),
    Row(
        "processes",
        "one run after another, process pool",
        "≥ 1 ×",
        _ratio("one_by_one_in_processes", 200, 1, 5),
    ),
]
