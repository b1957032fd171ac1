"""What somebody who wants to know of runs makes of their price: a history in memory, an empty middleware.

Here: the same burst of due jobs with and without it, in turns, as processor time. Not here: the rows
(`rows_scheduler`).
"""

from __future__ import annotations

import gc
import statistics
import time
from typing import Any, ClassVar

from benchmarks.work_scheduler import AllDue, await_runs, expect

WAYS = ("nothing", "history", "middleware")


class DueKept(AllDue):
    """``count`` jobs due at one instant, ten threads: processor time of each way for a run, ``rounds`` in turns."""

    name = "due_kept"
    libraries: ClassVar[tuple[str, ...]] = ("rapscheduler",)

    def open(self, *, count: int, rounds: int) -> None:
        self.count, self.rounds = count, rounds

    def round(self) -> dict[str, Any]:
        started = time.perf_counter()
        costs: dict[str, list[float]] = {way: [] for way in WAYS}
        for number in range(self.rounds):
            for way in WAYS if number % 2 else WAYS[::-1]:
                costs[way].append(self._cpu_ns(way))
        facts: dict[str, Any] = {way: statistics.median(costs[way]) for way in WAYS}
        pairs = {way: list(zip(costs[way], costs["nothing"], strict=True)) for way in WAYS[1:]}
        facts["history_ratio"] = statistics.median(one / plain for one, plain in pairs["history"])
        facts["middleware_ns"] = statistics.median(one - plain for one, plain in pairs["middleware"])
        seconds = time.perf_counter() - started
        return {"seconds": seconds, "count": self.count * self.rounds * len(WAYS), "facts": facts}

    def _cpu_ns(self, way: str) -> float:
        scheduler = self.paused(**({"history": "memory"} if way == "history" else {}))
        if way == "middleware":
            scheduler.add_middleware(lambda run, call: call())
        self.add_due(scheduler, self.count, "interval")
        expect(self.count)
        gc.collect()
        began_s = time.process_time()
        scheduler.resume()
        await_runs()
        spent_s = time.process_time() - began_s
        self.end_scheduler()
        if way == "history":
            counts, kept = scheduler.count_runs(), min(self.count, 10_000)
            if counts != {"done": kept}:
                raise AssertionError(f"the history has {counts}, not {kept} runs that were done")
        return spent_s / self.count * 1e9
