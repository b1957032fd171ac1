"""The rows whose figures are curves; the points lie in the details, for `curves` to draw."""

from __future__ import annotations

from typing import Any

from benchmarks.measure import Bench, show_s
from benchmarks.rows import Result, Row

APS = "apscheduler"
SIZES = (100, 1000, 10_000, 100_000, 1_000_000)
MOST_OF_PEER = 100_000


BOTH = ("rapscheduler", APS)


def _late(facts: dict[str, Any]) -> str:
    return f"p99 {facts['p99_ms']:.2f} ms"


def _lateness(count: int, period_s: int, seconds: float, libraries: tuple[str, ...]) -> Any:
    def measure(bench: Bench) -> Result:
        if bench.quick:
            size, length = min(count, 20_000), min(seconds, 3.0)
        else:
            size, length = count, seconds
        params = {"count": size, "period_s": period_s, "seconds": length}
        timings = bench.run("lateness", params, libraries, rounds=1, fresh=True)
        found = {library: timing.facts for library, timing in timings.items()}
        ours, theirs = found["rapscheduler"], found.get(APS)
        passed = ours["wrong"] == 0 and (theirs is None or ours["p99_ms"] <= theirs["p99_ms"])
        details = {"count": size, "period_s": period_s, "lateness": found}
        return Result(_late(ours), "–" if theirs is None else _late(theirs), "", passed, details)

    return measure


def _among(bench: Bench) -> Result:
    """One due job among more and more that are not."""
    costs: dict[str, dict[int, float]] = {library: {} for library in BOTH}
    for size in SIZES[:4] if bench.quick else SIZES:
        libraries = BOTH if size <= (10_000 if bench.quick else MOST_OF_PEER) else BOTH[:1]
        timings = bench.run("due_among", {"count": size}, libraries, rounds=5)
        for library, timing in timings.items():
            costs[library][size] = timing.median_s
    ours, theirs = (list(costs[library].items()) for library in BOTH)
    size, cost = ours[-1]
    peer_size, peer_cost = theirs[-1]
    ratio = peer_cost / costs["rapscheduler"][peer_size]
    details = {"among": {library: list(found.items()) for library, found in costs.items()}}
    shown = f"{show_s(cost)}/job of {size:,}", f"{show_s(peer_cost)}/job of {peer_size:,}"
    return Result(*shown, f"{ratio:.3g}×", ratio >= 20, details)


ROWS = [
    Row("late-curve", "how late, 1,000 jobs, each every second", "≤ the peer", _lateness(1000, 1, 20, BOTH)),
    Row(
        "late-curve",
        "how late, 250k jobs, each every 15 s",
        "0 skipped",
        _lateness(250_000, 15, 30, BOTH[:1]),
    ),
    Row("among", "a due job among those that wait", "≥ 20 ×", _among),
]
