"""Two curves of the saved figures: how late runs are, and what a due job costs among more and more that wait.

Here: the points in the details of the rows (`rows_curves`), the drawing on two logarithmic scales, in the style of
`rapscheduler._pictures`. Not here: measuring; the figures of the table (`charts`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from html import escape
from math import ceil, floor, log10
from pathlib import Path
from typing import Any, NamedTuple

from rapscheduler._pictures import _svg

Point = tuple[float, float]
NAMES = {"rapscheduler": "rapscheduler", "apscheduler": "APScheduler 3.11.3"}
_LEFT, _TOP, _WIDTH, _HEIGHT, _RIGHT = 70, 40, 480, 250, 250
_STYLE = (
    "<style>.c0,.c1,.c2{fill:none;stroke-width:2}.c0{stroke:#2f6fab}.c1{stroke:#74abd9;stroke-dasharray:6 3}"
    ".c2{stroke:#545d69;stroke-dasharray:2 3}@media(prefers-color-scheme:dark){.c0{stroke:#6fb1f0}"
    ".c1{stroke:#2b6ba6}.c2{stroke:#a3acb8}}</style>"
)


class Curve(NamedTuple):
    """Points by x; ``kind``: 0 and 1 are ours, 2 the peer's."""

    label: str
    kind: int
    points: list[Point]


class Scale(NamedTuple):
    """A logarithmic axis: powers of ten, as people read them."""

    low: int
    high: int
    shown: Callable[[float], str]
    name: str

    def at(self, value: float) -> float:
        """0 to 1."""
        return (log10(value) - self.low) / (self.high - self.low)

    def ticks(self) -> Iterable[float]:
        return (10.0**power for power in range(self.low, self.high + 1))


def scale(values: Iterable[float], shown: Callable[[float], str], name: str) -> Scale:
    every = list(values)
    low = floor(log10(min(every)))
    return Scale(low, max(low + 1, ceil(log10(max(every)))), shown, name)


def picture(curves: Sequence[Curve], title: str, x: Scale, y: Scale) -> str:
    def place(point: Point) -> Point:
        return _LEFT + x.at(point[0]) * _WIDTH, _TOP + (1 - y.at(point[1])) * _HEIGHT

    bottom = _TOP + _HEIGHT
    parts = [_STYLE]
    for value in x.ticks():
        at = _LEFT + x.at(value) * _WIDTH
        parts.append(f'<line class="axis" x1="{at:.1f}" y1="{_TOP}" x2="{at:.1f}" y2="{bottom}"/>')
        parts.append(
            f'<text x="{at:.1f}" y="{bottom + 16}" text-anchor="middle">{escape(x.shown(value))}</text>'
        )
    for value in y.ticks():
        at = _TOP + (1 - y.at(value)) * _HEIGHT
        parts.append(f'<line class="axis" x1="{_LEFT}" y1="{at:.1f}" x2="{_LEFT + _WIDTH}" y2="{at:.1f}"/>')
        parts.append(
            f'<text x="{_LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{escape(y.shown(value))}</text>'
        )
    parts.append(f'<text x="{_LEFT + _WIDTH}" y="{bottom + 34}" text-anchor="end">{escape(x.name)}</text>')
    parts.append(f'<text x="{_LEFT}" y="{_TOP - 8}">{escape(y.name)}</text>')
    for curve in curves:
        places = [place(point) for point in curve.points]
        line = " ".join(f"{left:.1f},{top:.1f}" for left, top in places)
        parts.append(f'<polyline class="c{curve.kind}" points="{line}"/>')
    return _svg(_LEFT + _WIDTH + _RIGHT, bottom + 44, title, [*parts, *_legend(curves)])


def _legend(curves: Sequence[Curve]) -> Iterable[str]:
    left = _LEFT + _WIDTH + 16
    for number, curve in enumerate(curves):
        y = _TOP + 12 + number * 22
        yield f'<polyline class="c{curve.kind}" points="{left},{y} {left + 26},{y}"/>'
        yield f'<text x="{left + 34}" y="{y + 4}">{escape(curve.label)}</text>'


def time_text(seconds: float) -> str:
    """A power of ten."""
    for unit, size in (("ns", 1e-9), ("µs", 1e-6), ("ms", 1e-3)):
        if seconds < size * 999:
            return f"{round(seconds / size)} {unit}"
    return f"{round(seconds):,} s"


def nines_text(one_in: float) -> str:
    """What share of the runs is not later, when one in so many is: 10 -> 90%."""
    return f"{100 - 100 / one_in:.10g}%"


def lateness(lines: Iterable[dict[str, Any]]) -> list[Curve]:
    """(one in so many runs is later, by how many seconds)."""
    found = []
    for line in lines:
        details = line["result"].get("details", {})
        for library, facts in details.get("lateness", {}).items():
            rate = details["count"] / details["period_s"]
            kind = 2 if library != "rapscheduler" else 0 if rate < 5000 else 1
            points = [(1 / share, late_s) for share, late_s in facts["points"]]
            found.append(Curve(f"{NAMES[library]}, {rate:,.0f} runs/s", kind, points))
    return sorted(found, key=lambda one: (one.kind, one.label))


def among(lines: Iterable[dict[str, Any]]) -> list[Curve]:
    """(how many jobs, seconds for a due one)."""
    found = [
        line["result"]["details"]["among"] for line in lines if "among" in line["result"].get("details", {})
    ]
    return [
        Curve(NAMES[library], 0 if library == "rapscheduler" else 2, [(size, cost) for size, cost in points])
        for one in found
        for library, points in one.items()
    ]


def write(folder: Path) -> None:
    """lateness.svg and among.svg beside latest.json, where it has their points."""
    lines = json.loads((folder / "latest.json").read_text(encoding="utf-8"))["lines"]
    title = "How late runs are: so many of them are not later than this"
    _write(folder / "lateness.svg", lateness(lines), title, nines_text, "share of the runs")
    title = "What one due job costs the loop, among so many that wait"
    _write(folder / "among.svg", among(lines), title, lambda size: f"{size:,.0f}", "jobs")


def _write(path: Path, curves: list[Curve], title: str, shown: Callable[[float], str], name: str) -> None:
    points = [point for curve in curves for point in curve.points]
    if points:
        x = scale((point[0] for point in points), shown, name)
        y = scale((point[1] for point in points), time_text, "")
        path.write_text(picture(curves, title, x, y), encoding="utf-8")


if __name__ == "__main__":
    write(Path(__file__).parent / "results")
