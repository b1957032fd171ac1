"""Coroutine jobs in asyncio's event loop, all due at once, and a heartbeat that tells how long the loop was busy.

The heartbeat sleeps a millisecond, again and again; how much later than that it wakes is the delay any other task of
the loop would have had.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from datetime import datetime, timezone
from typing import Any

from benchmarks.workloads import Workload

BEAT_S = 0.001
_counter = itertools.count(1)
_target = 0
_done: Any = None  # asyncio.Event of the round


async def tick() -> None:
    """The nearly empty coroutine: counts itself, and tells when it was the last one."""
    if next(_counter) == _target:
        _done.set()


class CoroutinesDueAtOnce(Workload):
    """``count`` coroutine jobs with interval triggers: from resume to the end of the last run, or its event."""

    name = "coroutines_due_at_once"

    def open(self, *, count: int, peer_count: int, listens: bool = False) -> None:
        """``listens``: there is a listener for executed and error."""
        self.listens = listens
        self.count = count if self.library == "rapscheduler" else min(count, peer_count)

    def round(self) -> dict[str, Any]:
        return asyncio.run(self._round())

    async def _round(self) -> dict[str, Any]:
        global _counter, _target, _done
        _counter, _target, _done = itertools.count(1), self.count, asyncio.Event()
        scheduler = self.module("schedulers.asyncio").AsyncIOScheduler(timezone="UTC")
        interval = self.module("triggers.interval").IntervalTrigger
        heard, heard_all = itertools.count(1), asyncio.Event()

        def hear(event: Any) -> None:
            if next(heard) == self.count:
                heard_all.set()

        if self.listens:
            codes = self.module("events")
            scheduler.add_listener(hear, codes.EVENT_JOB_EXECUTED | codes.EVENT_JOB_ERROR)
        scheduler.start(paused=True)
        due = datetime.now(timezone.utc).replace(microsecond=0)
        for _ in range(self.count):
            trigger = interval(hours=1, start_date=due, timezone=timezone.utc)
            scheduler.add_job(tick, trigger, next_run_time=due, misfire_grace_time=None)
        late_s: list[float] = []
        heart = asyncio.create_task(self._beat(late_s))
        await asyncio.sleep(0.01)
        late_s.clear()
        start = time.perf_counter()
        scheduler.resume()
        await _done.wait()
        if self.listens:
            await heard_all.wait()
        seconds = time.perf_counter() - start
        await asyncio.sleep(0.01)
        heart.cancel()
        scheduler.shutdown(wait=False)
        late_s.sort()
        facts = {
            "count": self.count,
            "beats": len(late_s),
            "late_p50_ms": late_s[len(late_s) // 2] * 1e3,
            "late_p99_ms": late_s[int(len(late_s) * 0.99)] * 1e3,
            "late_max_ms": late_s[-1] * 1e3,
        }
        return {"seconds": seconds, "count": self.count, "facts": facts}

    async def _beat(self, late_s: list[float]) -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(BEAT_S)
            late_s.append(time.perf_counter() - before - BEAT_S)
