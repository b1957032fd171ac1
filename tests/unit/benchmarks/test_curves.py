"""The two curves of the benchmarks: their points are those that were measured, on two logarithmic scales."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from benchmarks import curves
from benchmarks.curves import Curve, among, lateness, nines_text, picture, scale, time_text
from benchmarks.soak import Ledger
from benchmarks.work_curves import DueAmong, Lateness

SVG = "{http://www.w3.org/2000/svg}"


def line(key: str, details: dict[str, Any]) -> dict[str, Any]:
    return {"key": key, "work": key, "result": {"ours": "", "details": details}}


def test_points_are_read_off_the_details() -> None:
    points = {"points": [[0.5, 0.001], [0.01, 0.02]]}
    slow = {"count": 1000, "period_s": 1, "lateness": {"rapscheduler": points, "apscheduler": points}}
    much = {"count": 1_000_000, "period_s": 60, "lateness": {"rapscheduler": points}}
    found = lateness([line("a", much), line("other", {}), line("b", slow)])
    assert [(one.label, one.kind) for one in found] == [
        ("rapscheduler, 1,000 runs/s", 0),
        ("rapscheduler, 16,667 runs/s", 1),
        ("APScheduler 3.11.3, 1,000 runs/s", 2),
    ]
    assert found[0].points == [(2.0, 0.001), (100.0, 0.02)]
    costs = {"rapscheduler": [[100, 1e-6], [1000, 2e-6]], "apscheduler": [[100, 1e-4]]}
    ours, theirs = among([line("among", {"among": costs})])
    assert (ours.kind, ours.points, theirs.kind) == (0, [(100, 1e-6), (1000, 2e-6)], 2)


def test_places_are_logarithmic_and_labels_are_text() -> None:
    hostile = "<script>&"
    curve = Curve(hostile, 0, [(10.0, 1e-3), (100.0, 1e-2), (1000.0, 1e-1)])
    text = picture([curve], "t", scale([10, 1000], nines_text, "x"), scale([1e-3, 1e-1], time_text, "y"))
    root = ElementTree.fromstring(text)
    drawn = [one.get("points", "").split() for one in root.iter(f"{SVG}polyline")]
    (left, middle, right) = [tuple(map(float, pair.split(","))) for pair in drawn[0]]
    assert middle == pytest.approx(((left[0] + right[0]) / 2, (left[1] + right[1]) / 2))
    assert left[0] < right[0] and left[1] > right[1]
    texts = [one.text for one in root.iter(f"{SVG}text")]
    assert {hostile, "90%", "99%", "99.9%", "1 ms", "10 ms", "100 ms"} <= set(texts)
    assert "prefers-color-scheme:dark" in text


def test_so_many_runs_give_so_many_points() -> None:
    work = Lateness("rapscheduler", count=1, period_s=1, seconds=0)
    work.soak = type("Soak", (), {"ledger": Ledger(1, 0, 1_000_000)})()
    work.soak.ledger.late[0] = 989
    work.soak.ledger.late[100] = 11
    points = dict(work._points(1000))
    assert points[0.5] == pytest.approx(50e-6) and points[10**-2] == pytest.approx(5.05e-3)
    assert min(points) * 1000 >= 10


@pytest.mark.parametrize("library", ["rapscheduler", "apscheduler"])
def test_all_due_jobs_are_run_and_no_other(library: str) -> None:
    work = DueAmong(library, count=300)
    waiting = {job.id: job.next_run_time for job in work.scheduler.get_jobs()}
    assert work.round()["count"] == 100 and len(set(work.ids)) == 100
    moved = {job.id for job in work.scheduler.get_jobs() if job.next_run_time != waiting[job.id]}
    assert moved <= set(work.ids)
    work.close()


def test_the_curves_in_the_repository_are_those_of_its_figures(tmp_path: Path) -> None:
    results = Path(curves.__file__).parent / "results"
    (tmp_path / "latest.json").write_text(
        (results / "latest.json").read_text(encoding="utf-8"), encoding="utf-8"
    )
    curves.write(tmp_path)
    for name in ("lateness.svg", "among.svg"):
        made = (tmp_path / name).read_text(encoding="utf-8")
        assert made == (results / name).read_text(encoding="utf-8"), "python -m benchmarks.curves"
        root = ElementTree.fromstring(made)
        classes = {one.get("class") for one in root.iter(f"{SVG}polyline")}
        assert {"c0", "c2"} <= classes and len(made) < 12_000, name
