"""What an open page of the dashboard does to the scheduler beside it."""

from __future__ import annotations

from benchmarks.measure import Bench, show_s
from benchmarks.rows import Result, Row


def _page_open(bench: Bench) -> Result:
    params = {"count": 1_000_000, "period_s": 60, "seconds": 10, "pairs": 6}
    if bench.quick:
        params = {"count": 50_000, "period_s": 60, "seconds": 4, "pairs": 2}
    facts = bench.run("page_open", params, ("rapscheduler",), rounds=1, fresh=True)["rapscheduler"].facts
    without, with_page = facts["p99_ms"]
    text = (
        f"p99 {without:.2f} ms, with the page {with_page:.2f} ms; a look {show_s(facts['look_s']['page'])}, "
        f"the stream's {show_s(facts['look_s']['mark'])} of CPU"
    )
    return Result(text, "–", f"{facts['ratio']:.3g}×", facts["ratio"] <= 1.2, facts)


ROWS = [Row("page", "1M jobs, each every 60 s, the dashboard open", "p99 ≤ 1.2 × that without", _page_open)]
