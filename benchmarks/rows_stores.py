"""The rows of the stores, on the servers of this machine; a server that is not there is said so, not passed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.measure import Bench, show_s
from benchmarks.rows import Result, Row

APS = "apscheduler"
BOTH = ("rapscheduler", APS)
Measure = Callable[[Bench], Result]


def _size(bench: Bench, count: int) -> int:
    return min(count, 2000) if bench.quick else count


def _per_second(name: str, backend: str, count: int, least: float, peer_count: int = 500) -> Measure:
    """Operations per second against a lower limit."""

    def measure(bench: Bench) -> Result:
        size = _size(bench, count)
        params = {"backend": backend, "count": size, "peer_count": min(peer_count, size)}
        timings = bench.run(name, params, BOTH, rounds=3, once=True)
        ours, theirs = timings["rapscheduler"], timings[APS]
        rate = 1 / ours.median_s
        details: dict[str, Any] = {"count": size, "rate": rate}
        if theirs.unsupported:
            return Result(f"{rate:,.0f}/s", f"– ({theirs.unsupported})", "", rate >= least, details)
        details["peer_rate"] = 1 / theirs.median_s
        ratio = f"{theirs.ratio_to(ours):.3g}×"
        return Result(f"{rate:,.0f}/s", f"{1 / theirs.median_s:,.0f}/s", ratio, rate >= least, details)

    return measure


def _start(backend: str) -> Measure:
    def measure(bench: Bench) -> Result:
        size = _size(bench, 100_000)
        params = {"backend": backend, "count": size, "peer_count": min(1000, size)}
        timings = bench.run("store_start", params, BOTH, rounds=3, once=True)
        ours, theirs = timings["rapscheduler"], timings[APS]
        peer = f"{show_s(theirs.median_s)} with {params['peer_count']:,}"
        return Result(show_s(ours.median_s), peer, "", ours.median_s <= 0.5, {"count": size})

    return measure


def _adds(backend: str, threads: int, count: int, least: float | None) -> Measure:
    """Jobs added one by one, in threads: how many times the peer's."""

    def measure(bench: Bench) -> Result:
        size = count // 10 if bench.quick else count
        params = {"backend": backend, "count": size, "peer_count": size // 5, "threads": threads}
        timings = bench.run("store_adds_one_by_one", params, BOTH, rounds=9, once=True)
        ours, theirs = timings["rapscheduler"], timings[APS]
        rate = f"{1 / ours.median_s:,.0f}/s"
        if theirs.unsupported:
            return Result(rate, f"– ({theirs.unsupported})", "", None, {"count": size})
        ratio = theirs.ratio_to(ours)
        passed = None if least is None else ratio >= least
        return Result(rate, f"{1 / theirs.median_s:,.0f}/s", f"{ratio:.3g}×", passed, {"count": size})

    return measure


def _loads(apart: bool, least: float) -> Measure:
    """Stored jobs read by ``get_jobs``: how many times the peer's."""

    def measure(bench: Bench) -> Result:
        size = _size(bench, 50_000)
        params = {"backend": "sqlite", "count": size, "peer_count": min(size, 2000), "apart": apart}
        timings = bench.run("store_loads", params, BOTH, rounds=7, once=True)
        ours, theirs = timings["rapscheduler"], timings[APS]
        ratio = theirs.ratio_to(ours)
        rates = [f"{1 / one.median_s:,.0f}/s" for one in (ours, theirs)]
        return Result(*rates, f"{ratio:.3g}×", ratio >= least, {"count": size})

    return measure


# (backend, jobs, how many times the peer's with eight threads at once, which share commits)
_ADDS = (("sqlite", 2000, 9), ("postgresql", 1000, 3), ("mariadb", 1000, None), ("redis", 2000, 4))
_FIRES = (("sqlite", 20_000, 15_000), ("postgresql", 20_000, 10_000), ("mariadb", 20_000, 8_000))

ROWS = [
    *(
        Row(
            "sql",
            f"{backend} store, fires committed",
            f"≥ {least:,}/s",
            _per_second("store_fires", backend, count, least),
        )
        for backend, count, least in _FIRES
    ),
    Row(
        "redis",
        "Redis store, fires committed",
        "≥ 30,000/s",
        _per_second("store_fires", "redis", 20_000, 30_000),
    ),
    *(
        Row(
            "adds",
            f"add_job one by one, {backend}, {threads} thread{'s' * (threads > 1)}",
            f"≥ {least}×" if least and threads > 1 else "–",
            _adds(backend, threads, count, least if threads > 1 else None),
        )
        for backend, count, least in _ADDS
        for threads in (1, 8)
    ),
    Row("bulk", "bulk add, SQLite", "≥ 50,000/s", _per_second("store_adds", "sqlite", 50_000, 50_000)),
    Row(
        "bulk", "bulk add, PostgreSQL", "≥ 25,000/s", _per_second("store_adds", "postgresql", 50_000, 25_000)
    ),
    Row(
        "bulk",
        "load stored jobs, SQLite",
        "≥ 150,000/s",
        _per_second("store_loads", "sqlite", 50_000, 150_000, 1000),
    ),
    Row("loads", "load stored jobs, SQLite, triggers alike", "≥ 5×", _loads(False, 5)),
    Row("loads", "load stored jobs, SQLite, each with a start of its own", "≥ 5×", _loads(True, 5)),
    Row("start", "start with 100k stored, SQLite: first due job runs", "≤ 0.5 s", _start("sqlite")),
    Row("start", "start with 100k stored, PostgreSQL: first due job runs", "≤ 0.5 s", _start("postgresql")),
]
