"""The rows of the scheduler core with a memory store. Where a million is too much for the peer, it does fewer.

The peer's cost per job grows with the number of jobs, so a peer that does fewer is flattered, never wronged; how many
each did stands in the details.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.measure import Bench, show_s
from benchmarks.rows import Result, Row
from benchmarks.work_scheduler import OPERATIONS

APS = "apscheduler"
BOTH = ("rapscheduler", APS)
Measure = Callable[[Bench], Result]


def _size(bench: Bench, count: int) -> int:
    return min(count, 20_000) if bench.quick else count


def _flat(small: float, large: float, allowed: float = 0.2) -> bool:
    """Whether the cost per operation stays within ``allowed`` from few jobs to many."""
    return large <= small * (1 + allowed)


def _add(
    count: int, kind: str, limit_s: float | None, bulk: bool = False, peer_count: int = 20_000
) -> Measure:
    def measure(bench: Bench) -> Result:
        size = _size(bench, count)
        params = {"count": size, "kind": kind, "bulk": bulk, "peer_count": peer_count}
        timings = bench.run("add_jobs", params, BOTH, rounds=3, once=True)
        ours, theirs = timings["rapscheduler"], timings[APS]
        details: dict[str, Any] = {"count": size, "facts": ours.facts, "peer_facts": theirs.facts}
        passed = limit_s is None or ours.median_s <= limit_s
        if theirs.unsupported:
            return Result(show_s(ours.median_s), "–", "", passed, details)
        return Result(
            show_s(ours.median_s), show_s(theirs.median_s), f"{theirs.ratio_to(ours):.3g}×", passed, details
        )

    return measure


def _add_flat(bench: Bench) -> Result:
    sizes = (_size(bench, 100_000) // 4, _size(bench, 100_000), _size(bench, 1_000_000))
    costs = {}
    for size in sizes:
        timings = bench.run("add_jobs", {"count": size}, ("rapscheduler",), rounds=3, once=True)
        costs[size] = timings["rapscheduler"].median_s
    shown = " · ".join(f"{size:,}: {show_s(cost)}" for size, cost in costs.items())
    return Result(shown, "", "", _flat(costs[sizes[1]], costs[sizes[2]]), {"cost_s": costs})


def _memory(bench: Bench) -> Result:
    count = _size(bench, 1_000_000)
    params = {"count": count, "kind": "cron", "peer_count": 100_000}
    timings = bench.run("add_jobs", params, BOTH, rounds=1, fresh=True)
    ours, theirs = (timings[library].facts["bytes_per_job"] for library in BOTH)
    return Result(
        f"{ours:,.0f} B", f"{theirs:,.0f} B", f"{theirs / ours:.3g}×", ours <= 300, {"count": count}
    )


def _collect(bench: Bench) -> Result:
    count = _size(bench, 1_000_000)
    timings = bench.run("collect", {"count": count}, BOTH, rounds=5)
    ours, theirs = timings["rapscheduler"], timings[APS]
    peer = f"{show_s(theirs.median_s)} of {theirs.facts['count']:,}"
    details = {"facts": ours.facts, "peer_facts": theirs.facts}
    return Result(show_s(ours.median_s), peer, "", ours.median_s <= 0.015, details)


def _change(operation: str, least: float) -> Measure:
    """``least`` times as quick as the peer with 10,000 jobs; with a million 0.6 of that, as its 10,000 are few."""

    def measure(bench: Bench) -> Result:
        large, small = _size(bench, 1_000_000), 10_000
        few = bench.run("change_jobs", {"operation": operation, "count": small}, BOTH, rounds=5)
        many = bench.run("change_jobs", {"operation": operation, "count": large}, ("rapscheduler",), rounds=5)
        ours, theirs, at_large = few["rapscheduler"], few[APS], many["rapscheduler"].median_s
        text = f"{show_s(at_large)} of {large:,}; {show_s(ours.median_s)} of {small:,}"
        details = {"small_s": ours.median_s, "large_s": at_large, "large": large}
        peer = f"{show_s(theirs.median_s)} of {small:,}"
        ratio, at_million = theirs.ratio_to(ours), theirs.median_s / at_large
        passed = ratio >= least and at_million >= 0.625 * least
        return Result(text, peer, f"{ratio:.3g}× · {at_million:.3g}×", passed, details)

    return measure


def _listing(count: int) -> Measure:
    def measure(bench: Bench) -> Result:
        size = _size(bench, count)
        timings = bench.run("list_jobs", {"count": size}, BOTH, rounds=7)
        ours, theirs = timings["rapscheduler"], timings[APS]
        ratio = theirs.ratio_to(ours)
        return Result(
            f"{show_s(ours.median_s)}/job",
            f"{show_s(theirs.median_s)}/job",
            f"{ratio:.3g}×",
            ratio >= 1,
            {"count": size},
        )

    return measure


def _due(count: int, peer_count: int, least: float | None) -> Measure:
    def measure(bench: Bench) -> Result:
        size = _size(bench, count)
        peers = BOTH if peer_count else ("rapscheduler",)
        params = {"count": size, "peer_count": min(peer_count or 1, size)}
        timings = bench.run("due_at_once", params, peers, rounds=3, once=True)
        ours = timings["rapscheduler"]
        passed = ours.median_s <= 2e-6
        if APS not in timings:
            return Result(f"{show_s(ours.median_s)}/job", "–", "", passed, {"count": size})
        ratio = timings[APS].ratio_to(ours)
        details = {"count": size, "peer_count": params["peer_count"]}
        passed = passed and (least is None or ratio >= least)
        return Result(
            f"{show_s(ours.median_s)}/job",
            f"{show_s(timings[APS].median_s)}/job",
            f"{ratio:.3g}×",
            passed,
            details,
        )

    return measure


def _told(told: str, least: float) -> Measure:
    """20,000 due at once, and somebody hears of each."""

    def measure(bench: Bench) -> Result:
        size = _size(bench, 20_000)
        timings = bench.run("due_at_once", {"count": size, "told": told}, BOTH, rounds=5, once=True)
        ours, theirs = timings["rapscheduler"], timings[APS]
        ratio = theirs.ratio_to(ours)
        shown = (f"{show_s(ours.median_s)}/job", f"{show_s(theirs.median_s)}/job", f"{ratio:.3g}×")
        return Result(*shown, ratio >= least, {"count": size})

    return measure


def _kept(count: int, what: str) -> Measure:
    """What a run costs with a history in memory, or with a middleware, beside what it costs without."""

    def measure(bench: Bench) -> Result:
        size = _size(bench, count)
        params = {"count": size, "rounds": 3 if bench.quick else 15}
        timings = bench.run("due_kept", params, ("rapscheduler",), rounds=1, fresh=True)
        facts = timings["rapscheduler"].facts
        shown = f"{show_s(facts[what] / 1e9)}/job, CPU; without {show_s(facts['nothing'] / 1e9)}"
        if what == "history":
            return Result(shown, "–", f"{facts['history_ratio']:.3g}×", facts["history_ratio"] <= 1.5, facts)
        more_s = facts["middleware_ns"] / 1e9
        return Result(shown, "–", f"+{show_s(more_s)}", more_s <= 0.4e-6, facts)

    return measure


def _loop(count: int, limit_s: float, peer: bool) -> Measure:
    def measure(bench: Bench) -> Result:
        size = _size(bench, count)
        timings = bench.run(
            "loop_alone", {"count": size}, BOTH if peer else ("rapscheduler",), rounds=3, once=True
        )
        ours = timings["rapscheduler"]
        passed = ours.median_s <= limit_s
        if not peer:
            return Result(f"{show_s(ours.median_s)}/job", "–", "", passed, {"count": size})
        ratio = f"{timings[APS].ratio_to(ours):.3g}×"
        return Result(
            f"{show_s(ours.median_s)}/job",
            f"{show_s(timings[APS].median_s)}/job",
            ratio,
            passed,
            {"count": size},
        )

    return measure


def _nothing(bench: Bench) -> Result:
    size = _size(bench, 1_000_000)
    timings = bench.run("nothing_due", {"count": size}, BOTH, rounds=5)
    ours, theirs = timings["rapscheduler"], timings[APS]
    ratio = f"{theirs.ratio_to(ours):.3g}×"
    passed = ours.median_s <= 5e-6 and theirs.ratio_to(ours) >= 2
    return Result(show_s(ours.median_s), show_s(theirs.median_s), ratio, passed, {"count": size})


def _steady(large: int, period_s: int) -> Measure:
    def measure(bench: Bench) -> Result:
        count, seconds = (50_000, 5) if bench.quick else (large, 90)
        params = {"count": count, "seconds": seconds, "period_s": period_s}
        timings = bench.run("steady", params, ("rapscheduler",), rounds=1, fresh=True)
        facts = timings["rapscheduler"].facts
        wrong = facts["skipped"] + facts["doubled"] + facts["missing"]
        late, share = facts["late_p99_ms"], facts["cpu_share"]
        text = f"{wrong} skipped or doubled, p99 {late:.2f} ms, {share:.0%} of a core"
        facts.pop("rss_samples", None)
        return Result(text, "–", "", wrong == 0 and late <= 5 and share <= 0.25, facts)

    return measure


def _import(bench: Bench) -> Result:
    timings = bench.run("import", {}, BOTH, rounds=3, once=True)
    ours, theirs = timings["rapscheduler"], timings[APS]
    text = f"{show_s(ours.median_s)}, {ours.facts['modules']} modules"
    peer = f"{show_s(theirs.median_s)}, {theirs.facts['modules']} modules"
    return Result(text, peer, f"{theirs.ratio_to(ours):.3g}×", ours.median_s <= 0.040)


ROWS = [
    Row("loop", "the loop alone, per due job of 100k", "≤ 0.5 µs", _loop(100_000, 0.5e-6, True)),
    Row("loop", "the loop alone, per due job of 1M", "≤ 1 µs", _loop(1_000_000, 1e-6, False)),
    Row("add", "add_job cron, 100k", "≤ 5 µs", _add(100_000, "cron", 5e-6)),
    Row("add", "add_job cron, 1M", "≤ 5 µs", _add(1_000_000, "cron", 5e-6)),
    Row("add", "add_job cron, flat in n", "±20 %", _add_flat),
    Row("add", "add_job interval, 100k", "–", _add(100_000, "interval", None)),
    Row("add", "add_jobs(iterable), cron, 100k", "≤ 2 µs", _add(100_000, "cron", 2e-6, bulk=True)),
    Row("memory", "memory per cron job, all included", "≤ 300 B", _memory),
    Row("memory", "a full collection beside 1M cron jobs", "≤ 15 ms", _collect),
    *(
        Row("change", f"{operation}, 10k and 1M", target, _change(operation, least))
        for operation in OPERATIONS
        for least, target in ((4, "≥ 4 × · ≥ 2.5 ×") if operation == "look up" else (8, "≥ 8 × · ≥ 5 ×"),)
    ),
    Row("list", "get_jobs(), 20k", "≥ 1 ×", _listing(20_000)),
    Row("list", "get_jobs(), 200k", "≥ 1 ×", _listing(200_000)),
    Row("due", "100k due at one instant, ten threads", "≤ 2 µs/job, ≥ 25×", _due(100_000, 100_000, 25)),
    Row("due", "1M due at one instant, ten threads", "≤ 2 µs/job", _due(1_000_000, 0, None)),
    Row("told", "20k due, ten threads, a listener for executed and error", "≥ 25 ×", _told("listener", 25)),
    Row("told", "20k due, ten threads, INFO into a file", "≥ 8 ×", _told("file", 8)),
    Row("told", "20k due, ten threads, INFO into a handler that drops", "≥ 12 ×", _told("drop", 12)),
    Row("told", "20k due, ten threads, INFO into a QueueHandler", "≥ 12 ×", _told("queue", 12)),
    Row("kept", "20k due, ten threads, history=memory", "≤ 1.5 × without", _kept(20_000, "history")),
    Row("kept", "100k due, ten threads, history=memory", "≤ 1.5 × without", _kept(100_000, "history")),
    Row("kept", "20k due, ten threads, an empty middleware", "≤ 0.4 µs more", _kept(20_000, "middleware")),
    Row("nothing", "a pass with nothing due among 1M", "≤ 5 µs, ≥ 2 ×", _nothing),
    Row("steady", "1M jobs, each every 60 s", "0 skipped, p99 ≤ 5 ms, ≤ 25 % core", _steady(1_000_000, 60)),
    Row("steady", "5M jobs, each every 300 s", "0 skipped, p99 ≤ 5 ms, ≤ 25 % core", _steady(5_000_000, 300)),
    Row("import", "import of the background scheduler", "≤ 40 ms", _import),
]
