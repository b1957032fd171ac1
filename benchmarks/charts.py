"""The saved figures as pictures: ours, the peer's and the target of each row, on a logarithmic scale.

Here: which rows can be drawn, reading their figures, the drawing, in the style of `rapscheduler._pictures` (light and
dark by itself, no file from elsewhere). Not here: measuring. Whatever is drawn stands in the table too, which is where
it is read from: a picture can't say other than the table does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from html import escape
from math import ceil, floor, log10
from pathlib import Path
from typing import Any, NamedTuple

from rapscheduler._pictures import _svg

NOT_OF_A_PEER = {"start"}  # their second column is ours, of another size
NO_OPERATION = {"late-curve"}  # drawn by `curves`
PROTOTYPE = "the bare prototype"
_UNITS = {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1.0}
_TIME = r"([\d.,]+) (ns|µs|ms|s)\b"
_RATE = r"([\d.,]+)/s\b"
_ROW, _TOP, _LABELS, _PLOT, _RATIOS = 24, 66, 330, 460, 120
_STYLE = (
    "<style>.ours{fill:#2f6fab}.miss{fill:#c2410c}.peer{fill:none;stroke:#545d69;stroke-width:1.8}"
    ".target{stroke:#1b1f24;stroke-width:2}.span{stroke:#b9d6ef;stroke-width:3}"
    "@media(prefers-color-scheme:dark){.ours{fill:#6fb1f0}.miss{fill:#fb923c}.peer{stroke:#a3acb8}"
    ".target{stroke:#e8eaed}.span{stroke:#1d4367}}</style>"
)


class Drawn(NamedTuple):
    """A row: figures as (least, most), in seconds or per second; None where there is none."""

    label: str
    ours: tuple[float, float]
    peer: tuple[float, float] | None
    target: float | None
    ratio: str
    missed: bool


def _seconds(text: str) -> list[float]:
    return [float(number.replace(",", "")) * _UNITS[unit] for number, unit in re.findall(_TIME, text)]


def _rates(text: str) -> list[float]:
    return [float(number.replace(",", "")) for number in re.findall(_RATE, text)]


def _span(text: str, read: Callable[[str], list[float]]) -> tuple[float, float] | None:
    """The first figure of a cell, or the two of a range."""
    found = read(text)
    if not found:
        return None
    return (found[0], found[1]) if " – " in text and len(found) > 1 else (found[0], found[0])


def drawn(lines: Iterable[dict[str, Any]], read: Callable[[str], list[float]]) -> list[Drawn]:
    """The rows that have such figures; those that are compared with nothing and have no target are left out."""
    rows = []
    for line in lines:
        result = line["result"]
        ours = _span(result["ours"], read)
        if line["key"] in NO_OPERATION:
            continue
        if ours is None or ": " in result["ours"] or (read is _seconds and _rates(result["ours"])):
            continue
        compared = line["key"] not in NOT_OF_A_PEER and PROTOTYPE not in line["work"]
        peer = _span(result["peer"], read) if compared else None
        # not the target of something else that the row measures too
        limit = re.match(r"[≤≥] .*?(?=, |$)", line["target"])
        target = _span(limit[0], read) if compared and limit is not None else None
        if peer is None and target is None:
            continue
        size = re.search(r"of ([\d,]+)$", result["peer"])
        label = line["work"] if size is None else f"{line['work']} (peer: {size[1]})"
        ratio = re.match(r"[\d.,]+×", result["ratio"])
        rows.append(
            Drawn(
                label, ours, peer, target and target[0], ratio[0] if ratio else "", result["passed"] is False
            )
        )
    return rows


def chart(rows: Sequence[Drawn], title: str, shown: Callable[[float], str]) -> str:
    """An SVG; ``shown`` writes a power of ten."""
    ends = [value for row in rows for pair in (row.ours, row.peer) if pair is not None for value in pair]
    ends += [row.target for row in rows if row.target is not None]
    low, high = floor(log10(min(ends))), ceil(log10(max(ends)))
    high = max(high, low + 1)

    def x(value: float) -> float:
        return _LABELS + (log10(value) - low) / (high - low) * _PLOT

    bottom = _TOP + len(rows) * _ROW
    parts = [_STYLE, _legend()]
    for power in range(low, high + 1):
        at = x(10.0**power)
        parts.append(f'<line class="axis" x1="{at:.1f}" y1="{_TOP - 8}" x2="{at:.1f}" y2="{bottom}"/>')
        parts.append(f'<text x="{at:.1f}" y="{bottom + 16}" text-anchor="middle">{shown(10.0**power)}</text>')
    for number, row in enumerate(rows):
        parts += _row(row, _TOP + number * _ROW + 8, x)
    return _svg(_LABELS + _PLOT + _RATIOS, bottom + 28, title, parts)


def _legend() -> str:
    y = 34
    theirs = "APScheduler 3.11.3, or the one named"
    return (
        f'<circle class="ours" cx="40" cy="{y}" r="5"/><text x="50" y="{y + 4}">ours</text>'
        f'<circle class="miss" cx="100" cy="{y}" r="5"/><text x="110" y="{y + 4}">ours, target missed</text>'
        f'<circle class="peer" cx="240" cy="{y}" r="5"/><text x="250" y="{y + 4}">{theirs}</text>'
        f'<line class="target" x1="470" y1="{y - 6}" x2="470" y2="{y + 6}"/><text x="478" y="{y + 4}">target</text>'
        f'<text x="{_LABELS + _PLOT + 14}" y="{y + 4}">ratio, at least</text>'
    )


def _row(row: Drawn, y: int, x: Callable[[float], float]) -> list[str]:
    mine, kind = x(row.ours[0]), "miss" if row.missed else "ours"
    parts = [f'<text x="{_LABELS - 10}" y="{y + 4}" text-anchor="end">{escape(row.label)}</text>']
    every = [*row.ours, *(row.peer or ())]
    if min(every) != max(every):
        parts.append(
            f'<line class="span" x1="{x(min(every)):.1f}" y1="{y}" x2="{x(max(every)):.1f}" y2="{y}"/>'
        )
    if row.target is not None:
        at = x(row.target)
        parts.append(f'<line class="target" x1="{at:.1f}" y1="{y - 7}" x2="{at:.1f}" y2="{y + 7}"/>')
    parts += [
        f'<circle class="peer" cx="{x(value):.1f}" cy="{y}" r="5"/>' for value in sorted(set(row.peer or ()))
    ]
    parts.append(f'<circle class="{kind}" cx="{mine:.1f}" cy="{y}" r="5"/>')
    if row.ours[1] != row.ours[0]:
        parts.append(f'<circle class="{kind}" cx="{x(row.ours[1]):.1f}" cy="{y}" r="5"/>')
    if row.ratio:
        parts.append(f'<text x="{_LABELS + _PLOT + 14}" y="{y + 4}">{escape(row.ratio)}</text>')
    return parts


def _time_text(seconds: float) -> str:
    for unit, size in _UNITS.items():
        if seconds < size * 999:
            return f"{round(seconds / size)} {unit}"
    return f"{round(seconds):,} s"


def write(folder: Path) -> None:
    """times.svg and rates.svg beside latest.json."""
    lines = json.loads((folder / "latest.json").read_text(encoding="utf-8"))["lines"]
    for name, read, title, shown in (
        (
            "times",
            _seconds,
            "What one operation takes: less is better, each line is ten times the one before",
            _time_text,
        ),
        ("rates", _rates, "How many in a second: more is better", lambda rate: f"{rate:,.0f}/s"),
    ):
        rows = drawn(lines, read)
        if rows:
            (folder / f"{name}.svg").write_text(chart(rows, title, shown), encoding="utf-8")


if __name__ == "__main__":
    write(Path(__file__).parent / "results")
