"""The frame of the benchmarks works on small sizes: workloads run and check their work, rows are named and shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from benchmarks import __main__ as command
from benchmarks import pace, rows
from benchmarks.measure import Timing, beside, geometric_mean, show_s
from benchmarks.peers.environments import source_of
from benchmarks.rows import Line, Result, as_markdown
from benchmarks.soak import BUCKET_US, BUCKETS, Ledger
from benchmarks.workloads import (
    EXPRESSIONS,
    ZONES,
    Unsupported,
    Workload,
    distinct_crontabs,
    instants_us,
    registry,
)

SMALL: dict[str, list[dict[str, Any]]] = {
    "cron_next": [
        {"expression": one.name, "zone": zone, "steps": 3} for one in EXPRESSIONS for zone in ZONES
    ],
    "interval_next": [{"zone": "UTC", "steps": 3}],
    "calendar_interval_next": [{"zone": "America/New_York", "steps": 3}],
    "many_fire_times": [
        {"expression": "02:00 daily", "zone": "UTC", "form": form, "count": 300}
        for form in ("int64", "datetime")
    ],
    "many_triggers": [{"count": 50}],
    "parse_crontab": [{"again": again, "count": 20} for again in (False, True)],
    "late_job": [{"kind": kind, "backlog": 100} for kind in ("interval", "cron")],
    "add_jobs": [{"count": 50}, {"count": 50, "kind": "interval"}, {"count": 50, "bulk": True}],
    "collect": [{"count": 50}],
    "list_jobs": [{"count": 50}],
    "change_jobs": [
        {"operation": name, "count": 1000}
        for name in ("modify", "reschedule", "pause", "resume", "remove", "look up")
    ],
    "due_at_once": [{"count": 50, "told": told} for told in ("", "listener", "file", "drop", "queue")],
    "due_kept": [{"count": 50, "rounds": 1}],
    "coroutines_due_at_once": [{"count": 50, "peer_count": 50}],
    "loop_alone": [{"count": 50}],
    "nothing_due": [{"count": 50}],
    "due_among": [{"count": 200}],
    "store_fires": [{"backend": "sqlite", "count": 20}],
    "store_adds": [{"backend": "sqlite", "count": 20}],
    "store_adds_one_by_one": [{"backend": "sqlite", "count": 20, "threads": 2}],
    "store_loads": [{"backend": "sqlite", "count": 20, "apart": apart} for apart in (False, True)],
    "store_start": [{"backend": "sqlite", "count": 20}],
    "store_questions": [{"backend": backend, "count": 1200} for backend in ("memory", "sqlite")],
    "due_in_processes": [{"count": 20}],
    "one_by_one_in_processes": [{"count": 5}],
}
CASES = [(name, params) for name, cases in SMALL.items() for params in cases]
# Real minutes or other processes: run by hand.
LONG = {"steady", "lateness", "import", "page_open"}


def test_every_workload_has_a_small_case_here() -> None:
    assert set(SMALL) | LONG == set(registry())


@pytest.mark.parametrize(("name", "params"), CASES, ids=[f"{name} {params}" for name, params in CASES])
def test_workload_runs_and_agrees_with_apscheduler(name: str, params: dict[str, Any]) -> None:
    from benchmarks.answers import compare_answers

    answers = {}
    for library in ("rapscheduler", "apscheduler"):
        try:
            workload = registry()[name](library, **params)
        except Unsupported:
            assert library == "apscheduler"
            continue
        try:
            answers[library] = workload.answers()
            assert workload.round()["count"] > 0
        finally:
            workload.close()
    if len(answers) == 2:
        zone = params.get("zone", "UTC")
        compare_answers(answers["rapscheduler"], answers["apscheduler"], "apscheduler", name, zone)


def test_a_library_without_the_operation_is_unsupported() -> None:
    with pytest.raises(Unsupported, match="cronsim"):
        registry()["add_jobs"]("cronsim", count=1)


def test_a_module_that_is_not_built_is_unsupported() -> None:
    with pytest.raises(Unsupported, match="lunar is not built"):
        Workload("rapscheduler").module("triggers.lunar")


def test_data_is_the_same_in_every_process_and_different_for_every_seed() -> None:
    assert instants_us(5) == instants_us(5) != instants_us(5, seed=9)
    assert len(set(distinct_crontabs(200))) == 200
    assert distinct_crontabs(3, seed=1) != distinct_crontabs(3, seed=2)


def test_a_ratio_is_the_median_over_the_rounds_not_of_the_medians() -> None:
    ours = Timing("rapscheduler", [1.0, 10.0, 1.0])
    theirs = Timing("apscheduler", [5.0, 30.0, 4.0])
    assert theirs.ratio_to(ours) == 4.0
    assert geometric_mean([1.0, 100.0]) == pytest.approx(10.0)


def test_beside_another_commit_more_than_one_is_slower() -> None:
    ours = Timing("rapscheduler", [2.0, 3.0, 8.0], [1.0, 1.0, 2.0])
    base = Timing("base", [1.0, 2.0, 2.0], [2.0, 2.0, 2.0])
    seen = beside("work", ours, base)
    assert (seen.wall, seen.cpu, seen.rounds) == (2.0, 0.5, 3)
    assert str(seen) == "work: CPU 0.500 ×, wall 2.000 × of the base (3 rounds)"
    base.unsupported = "it has no such operation"
    assert str(beside("work", ours, base)) == "work: it has no such operation"


def test_a_commit_that_is_none_is_refused_by_name() -> None:
    with pytest.raises(SystemExit, match="no such commit: 'nosuch'"):
        source_of("nosuch")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(85e-9, "85 ns"), (1.24e-6, "1.24 µs"), (0.25e-3, "250 µs"), (0.0031, "3.1 ms"), (2.5, "2.5 s")],
)
def test_durations_are_shown_with_their_unit(seconds: float, text: str) -> None:
    assert show_s(seconds) == text


def test_the_table_shows_pass_miss_and_not_built() -> None:
    results = (Result("1", passed=True), Result("2", passed=False), Result("not built"))
    lines = [Line("key", "work", "target", result, "now", False, 1.25) for result in results]
    verdicts = [
        [cell.strip() for cell in row.split("|")[-3:-1]] for row in as_markdown(lines).splitlines()[2:]
    ]
    assert verdicts == [["pass", "1.2"], ["MISS", "1.2"], ["not built", "1.2"]]


def test_saved_rows_are_kept_replaced_or_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "RESULTS", tmp_path)
    lines = [
        Line("add", work, "–", Result("1 s"), "now", False) for work in ("kept", "again", "renamed since")
    ]
    known = {("add", "kept"), ("add", "again")}
    rows.save(lines, {(line.key, line.work) for line in lines})
    rows.save([Line("add", "again", "–", Result("2 s"), "now", False)], known)
    table = (tmp_path / "latest.md").read_text()
    assert "| kept | – | 1 s |" in table
    assert "| again | – | 2 s |" in table
    assert "renamed since" not in table


def test_a_slower_machine_has_a_larger_factor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "_median_ns", lambda call: 2 * pace.CALLS[call])
    assert pace.machine_factor() == pytest.approx(2)


def test_unknown_rows_are_refused_by_name() -> None:
    with pytest.raises(SystemExit, match=r"no such row: moon; there are: cron,"):
        command.main(["--rows", "moon"])


def test_rows_are_listed_with_their_targets(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--list", "--rows", "cron"]) == 0
    assert "≥ 120×" in capsys.readouterr().out


def test_the_ledger_of_the_soak_tells_skipped_from_doubled(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger(count=2, base_us=1_000_000, period_us=10_000_000)
    clock_us = iter([1_000_010, 11_000_120, 6_000_000, 6_000_001, 41_000_000])
    monkeypatch.setattr("benchmarks.soak.time.time_ns", lambda: next(clock_us) * 1000)
    assert ledger.phase_us(1) == 5_000_000
    for job in (0, 0):  # slots 0 and 1, on time
        ledger.note(job)
    for job in (1, 1):  # slot 0 twice
        ledger.note(job)
    ledger.note(0)  # slot 4, after slot 1
    assert (ledger.skipped, ledger.doubled, ledger.runs()) == (2, 1, 5)
    assert ledger.late_ms(1.0) == 3 * BUCKET_US / 1000
    assert len(ledger.late) == BUCKETS
