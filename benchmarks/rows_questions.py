"""Pages of a million jobs, in memory and in databases: CPU of our process for each question."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.measure import Bench, show_s
from benchmarks.rows import Result, Row
from benchmarks.work_questions import PEER_COUNT, QUESTIONS

APS = "apscheduler"
MOST_S = 0.002


def _told(times: dict[str, float]) -> str:
    return ", ".join(f"{name} {show_s(used_s)}" for name, used_s in times.items())


def _questions(backend: str) -> Callable[[Bench], Result]:
    def measure(bench: Bench) -> Result:
        params = {"backend": backend, "count": 4000 if bench.quick else 1_000_000}
        timings = bench.run("store_questions", params, ("rapscheduler", APS), rounds=1, once=True)
        ours, theirs = timings["rapscheduler"].facts, timings[APS]
        passed = max(ours["cpu_s"][name] for name in QUESTIONS) <= MOST_S
        if theirs.unsupported:
            return Result(_told(ours["cpu_s"]), f"– ({theirs.unsupported})", "", passed, ours)
        peer_s = min(theirs.facts["cpu_s"].values())
        peer = f"get_jobs() and a filter in Python, among {min(params['count'], PEER_COUNT):,}: from {show_s(peer_s)}"
        details = {"ours": ours, "peer": theirs.facts} | params
        return Result(_told(ours["cpu_s"]), peer, "", passed, details)

    return measure


ROWS = [
    Row(
        "questions",
        f"20 of a million jobs, {backend}: CPU of a question",
        "≤ 2 ms each page",
        _questions(key),
    )
    for backend, key in (("memory", "memory"), ("SQLite", "sqlite"), ("PostgreSQL", "postgresql"))
]
