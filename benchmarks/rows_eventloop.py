"""The rows of the event loops."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.measure import Bench, show_s
from benchmarks.rows import Result, Row

APS = "apscheduler"


def _coroutines(listens: bool, least: float) -> Callable[[Bench], Result]:
    def measure(bench: Bench) -> Result:
        count = 10_000 if bench.quick else 100_000
        params = {"count": count, "peer_count": count, "listens": listens}
        timings = bench.run("coroutines_due_at_once", params, ("rapscheduler", APS), rounds=3, once=True)
        ours, theirs = timings["rapscheduler"], timings[APS]
        late_ms, their_late_ms = ours.facts["late_p99_ms"], theirs.facts["late_p99_ms"]
        ratio = theirs.ratio_to(ours)
        return Result(
            f"{show_s(ours.median_s)}/job, loop late p99 {late_ms:.1f} ms",
            f"{show_s(theirs.median_s)}/job, p99 {their_late_ms:,.0f} ms",
            f"{ratio:.3g}×",
            ratio >= least and late_ms < 10,
            {"facts": ours.facts, "peer_facts": theirs.facts},
        )

    return measure


ROWS = [
    Row("asyncio", "100k coroutine jobs due at one instant", "≥ 10×, p99 < 10 ms", _coroutines(False, 10)),
    Row("asyncio", "100k coroutine jobs due, a listener", "≥ 15×, p99 < 10 ms", _coroutines(True, 15)),
]
