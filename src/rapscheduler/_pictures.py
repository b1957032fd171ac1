"""Pictures as SVG texts: a year of fire times as a heat map, a day of runs as a density. Light and dark by themselves.

What lives here: numbers -> SVG. What must not: triggers, jobs. A picture needs no font, script or file from elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from html import escape
from math import log10

LEVELS = 5  # of a heat map: none, and four for numbers that grow tenfold to the most
MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_STYLE = (
    "text{font:11px system-ui,sans-serif;fill:#545d69}.l0{fill:#eceef1}.l1{fill:#b9d6ef}.l2{fill:#74abd9}"
    ".l3{fill:#2f6fab}.l4{fill:#0b3a66}.bar{fill:#2f6fab}.axis{stroke:#c9ced6}.change{fill:none;stroke:#c2410c;stroke-width:1.6}"
    "@media(prefers-color-scheme:dark){text{fill:#a3acb8}.l0{fill:#262c33}.l1{fill:#1d4367}.l2{fill:#2b6ba6}"
    ".l3{fill:#5aa3e0}.l4{fill:#b4dbfb}.bar{fill:#6fb1f0}.axis{stroke:#3b424c}.change{stroke:#fb923c}}"
)
_CELL, _LEFT, _TOP = 13, 34, 40


def level(count: int, most: int) -> int:
    """0 to 4: where a count is between one and the most, by its logarithm."""
    if count <= 0:
        return 0
    if most <= 1:
        return LEVELS - 1
    return 1 + min(LEVELS - 2, int((LEVELS - 1) * log10(count) / log10(most)))


def _svg(width: int, height: int, title: str, parts: Sequence[str]) -> str:
    name = escape(title)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'role="img">'
        f"<title>{name}</title><style>{_STYLE}</style>"
        f'<text x="{_LEFT}" y="14">{name}</text>{"".join(parts)}</svg>\n'
    )


def year_svg(counts: Mapping[date, int], year: int, title: str, changes: Sequence[date] = ()) -> str:
    """A year, a column for each week; ``changes`` are days on which the clock changes, drawn with a frame."""
    first = date(year, 1, 1)
    most = max(counts.values(), default=0)
    weekdays = ((0, "Mon"), (2, "Wed"), (4, "Fri"), (6, "Sun"))
    parts = [f'<text x="0" y="{_TOP + number * _CELL + 10}">{name}</text>' for number, name in weekdays]
    for number in range((date(year, 12, 31) - first).days + 1):
        day = first + timedelta(days=number)
        column = (number + first.weekday()) // 7
        x, y = _LEFT + column * _CELL, _TOP + day.weekday() * _CELL
        count = counts.get(day, 0)
        tip = f"<title>{day:%a} {day.isoformat()}: {count}</title>"
        parts.append(
            f'<rect class="l{level(count, most)}" x="{x}" y="{y}" width="11" height="11" rx="2">{tip}</rect>'
        )
        if day in changes:
            parts.append(f'<rect class="change" x="{x - 1}" y="{y - 1}" width="13" height="13" rx="2"/>')
        if day.day == 1:
            parts.append(f'<text x="{x}" y="{_TOP - 6}">{MONTHS[day.month - 1]}</text>')
    return _svg(_LEFT + 54 * _CELL, _TOP + 7 * _CELL + 6, title, parts)


def day_svg(counts: Sequence[int], title: str) -> str:
    """A day in equal parts, a bar for the runs of each; the highest is told."""
    width, height = 960, 180
    base, most = height - 24, max(counts, default=0)
    step = width / max(1, len(counts))
    parts = [
        f'<line class="axis" x1="{_LEFT}" y1="{base}" x2="{_LEFT + width}" y2="{base}"/>',
        f'<text x="0" y="{_TOP - 4}">{most}</text>',
    ]
    parts += [
        f'<text x="{_LEFT + hour * width / 24 - 14:.0f}" y="{height - 8}">{hour:02}:00</text>'
        for hour in range(0, 25, 3)
    ]
    for number, count in enumerate(counts):
        if count:
            size = max(1.0, count / most * (base - _TOP))
            x, y, wide = _LEFT + number * step, base - size, max(0.6, step - 0.3)
            parts.append(
                f'<rect class="bar" x="{x:.2f}" y="{y:.2f}" width="{wide:.2f}" height="{size:.2f}"/>'
            )
    return _svg(_LEFT + width + 20, height, title, parts)


def year_text(counts: Mapping[date, int], year: int) -> list[str]:
    """The same heat map as lines of characters, Monday first."""
    marks = "·░▒▓█"
    first = date(year, 1, 1)
    most = max(counts.values(), default=0)
    heads = [" "] * 56
    lines = []
    for weekday, name in enumerate("Mon Tue Wed Thu Fri Sat Sun".split()):
        cells = [" "] * 54
        for number in range((date(year, 12, 31) - first).days + 1):
            day = first + timedelta(days=number)
            column = (number + first.weekday()) // 7
            if day.day == 1:
                heads[column : column + 3] = MONTHS[day.month - 1]
            if day.weekday() == weekday:
                cells[column] = marks[level(counts.get(day, 0), most)]
        lines.append(f"{name} {''.join(cells)}".rstrip())
    return [f"    {''.join(heads)}".rstrip(), *lines]
