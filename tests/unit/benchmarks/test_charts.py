"""The charts of the benchmarks draw what the table says, and nothing that it does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from benchmarks import charts
from benchmarks.charts import Drawn, _rates, _seconds, chart, drawn

SVG = "{http://www.w3.org/2000/svg}"


def line(
    key: str, work: str, target: str, ours: str, peer: str, ratio: str = "", passed: Any = True
) -> dict[str, Any]:
    result = {"ours": ours, "peer": peer, "ratio": ratio, "passed": passed}
    return {"key": key, "work": work, "target": target, "result": result}


def test_figures_are_read_off_the_table() -> None:
    (row,) = drawn([line("add", "add_job", "≤ 5 µs", "6.71 µs", "194 µs", "28.9×", False)], _seconds)
    assert row.label == "add_job" and row.ratio == "28.9×" and row.missed
    assert row.ours == pytest.approx((6.71e-6, 6.71e-6)) and row.peer == pytest.approx((194e-6, 194e-6))
    assert row.target == pytest.approx(5e-6)
    (row,) = drawn(
        [line("cron", "next", "≥ 120×, mean ≥ 250×", "92.7 ns – 198 ns", "15.2 µs – 131 µs")], _seconds
    )
    assert row.ours == pytest.approx((92.7e-9, 198e-9)) and row.peer == pytest.approx((15.2e-6, 131e-6))
    assert row.target is None
    (row,) = drawn([line("sql", "fires", "≥ 8,000/s", "31,554/s", "939/s")], _rates)
    assert (row.ours[0], row.peer, row.target) == (31554, (939, 939), 8000)
    (row,) = drawn(
        [
            line(
                "change",
                "pause",
                "≤ 3 µs, flat",
                "3.85 µs of 1,000,000; 3.9 µs of 10,000",
                "11.4 µs of 10,000",
            )
        ],
        _seconds,
    )
    assert row.label == "pause (peer: 10,000)" and row.ours == pytest.approx((3.85e-6, 3.85e-6))


@pytest.mark.parametrize(
    "one",
    [
        line("x", "not built", "≤ 5 µs", "not built", ""),
        line("x", "compared with nothing", "–", "5 µs", "–"),
        line("x", "several sizes", "±20 %", "25,000: 8.42 µs · 100,000: 5.2 µs", ""),
        line("x", "bytes", "≤ 450 B", "440 B", "3,348 B"),
        line("sql", "a rate", "≥ 8,000/s", "31,554/s", "939/s"),
        line("start", "start", "≥ 2×", "60.8 ms", "13.9 ms with 1,000"),
        line(
            "cron",
            "next cron fire beside the bare prototype",
            "≤ 1.5 × 56–105 ns",
            "92.7 ns – 198 ns",
            "56–105 ns",
        ),
    ],
    ids=lambda one: one["work"],
)
def test_what_is_no_time_beside_another_is_left_out(one: dict[str, Any]) -> None:
    assert drawn([one], _seconds) == []


def test_a_target_of_something_else_is_not_drawn() -> None:
    (row,) = drawn([line("asyncio", "jobs", "≥ 10×, p99 < 10 ms", "5.77 µs/job", "102 µs/job")], _seconds)
    assert row.target is None


def places(root: ElementTree.Element, kind: str) -> list[float]:
    found = [
        one
        for one in root.iter()
        if one.get("class") == kind and float(one.get("cy") or one.get("y2") or 0) > 60
    ]
    return [float(one.get("cx") or one.get("x1") or 0) for one in found]


def test_places_are_logarithmic() -> None:
    hostile = "<script>&"
    rows = [
        Drawn(hostile, (1e-6, 1e-6), (1e-4, 1e-4), 1e-5, "100×", False),
        Drawn("b", (1e-5, 1e-5), None, 1e-6, "", True),
    ]
    text = chart(rows, "title", charts._time_text)
    root = ElementTree.fromstring(text)
    (ours,), (peer,), (missed,) = places(root, "ours"), places(root, "peer"), places(root, "miss")
    assert missed - ours == pytest.approx(peer - missed) and peer > missed > ours
    assert places(root, "target") == [missed, ours]
    assert hostile in [one.text for one in root.iter(f"{SVG}text")] and "prefers-color-scheme:dark" in text
    assert {"1 µs", "10 µs", "100 µs"} <= {one.text for one in root.iter(f"{SVG}text")}


def test_the_charts_in_the_repository_are_those_of_its_figures(tmp_path: Path) -> None:
    results = Path(charts.__file__).parent / "results"
    (tmp_path / "latest.json").write_text(
        (results / "latest.json").read_text(encoding="utf-8"), encoding="utf-8"
    )
    charts.write(tmp_path)
    for name in ("times.svg", "rates.svg"):
        made = (tmp_path / name).read_text(encoding="utf-8")
        assert made == (results / name).read_text(encoding="utf-8"), "python -m benchmarks.charts"
    lines = json.loads((results / "latest.json").read_text(encoding="utf-8"))["lines"]
    assert len(drawn(lines, _seconds)) >= 20 and len(drawn(lines, _rates)) >= 5
