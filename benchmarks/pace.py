"""How fast this machine is at this moment, beside the one on which the targets were measured.

Targets are times of one machine; this one may be slower, and shared: the same row takes twice as long at another hour.
So beside each row stands what three calls of the standard library take at that moment, in units of what they took
there.
"""

from __future__ import annotations

import statistics
from datetime import datetime, timezone
from timeit import Timer
from zoneinfo import ZoneInfo

from benchmarks.measure import geometric_mean

_NAMES = {
    "now": datetime.now,
    "fromtimestamp": datetime.fromtimestamp,
    "utc": timezone.utc,
    "zone": ZoneInfo("America/New_York"),
    "moment": datetime(2025, 6, 1, 12, tzinfo=ZoneInfo("America/New_York")),
}
# the call, and its nanoseconds on the machine of the targets
CALLS = {"now(utc)": 135.0, "fromtimestamp(1748779200, zone)": 190.0, "moment.timestamp()": 370.0}
ROUNDS, CALLS_PER_ROUND = 7, 2000


def _median_ns(call: str) -> float:
    rounds = Timer(call, globals=_NAMES).repeat(ROUNDS, CALLS_PER_ROUND)
    return statistics.median(rounds) / CALLS_PER_ROUND * 1e9


def machine_factor() -> float:
    """How many times longer this machine takes now (1.0: as the machine of the targets; 2.0: twice as long)."""
    return geometric_mean([_median_ns(call) / there_ns for call, there_ns in CALLS.items()])
