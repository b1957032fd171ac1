"""A film strip of the demo, docs/pictures/demo.svg: what it really prints, in three frames one below the other.

    python docs/film.py --jobs 100000 --seconds 10      # runs the demo, and draws it

Here: running it, cutting its lines into frames, drawing them as a terminal shows them, light and dark, no file from
elsewhere. The lines are those of `--plain`; nothing in them is changed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

PICTURE = Path(__file__).parent / "pictures" / "demo.svg"
_LINE, _PAD, _CHAR, _GAP = 18, 12, 7.5, 10
_STYLE = (
    "text{font:12.5px ui-monospace,monospace;fill:#1b1f24;white-space:pre}.faint{fill:#545d69}"
    ".frame{fill:#f3f4f6;stroke:#c9ced6}@media(prefers-color-scheme:dark)"
    "{text{fill:#e8eaed}.faint{fill:#a3acb8}.frame{fill:#1f242a;stroke:#3b424c}}"
)


class Said(NamedTuple):
    """A line of the demo, and when it came: seconds after its start."""

    at_s: float
    text: str


def watched(command: Sequence[str]) -> list[Said]:
    """What a command prints, line by line. CalledProcessError: it failed; 1 is the demo's word for a skipped run, which
    its account shows."""
    begun = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8") as process:
        assert process.stdout is not None
        said = [Said(time.monotonic() - begun, line.rstrip("\n")) for line in process.stdout]
    if process.returncode not in (0, 1):
        raise subprocess.CalledProcessError(process.returncode, command)
    return said


def frames(said: Sequence[Said], prompt: str) -> list[tuple[str, list[str]]]:
    """(caption, lines): while jobs are added, while they run, and the account at the end."""
    adding = [one for one in said if one.text.startswith("adding:")]  # 5,000 jobs a line, at most
    running = [one for one in said if one.text.startswith("running:")]
    table = said[
        next(number for number, one in enumerate(said) if one.text.startswith("rapscheduler demo")) :
    ]
    return [
        (f"after {adding[0].at_s:.0f} s", [prompt, *(one.text for one in adding[:1])]),
        (f"after {running[-1].at_s:.0f} s", [prompt, *(one.text for one in (*adding, *running))]),
        ("the account", [one.text for one in table]),
    ]


def strip(pictures: Sequence[tuple[str, Sequence[str]]], title: str) -> str:
    """An SVG: frames from top to bottom, each with its caption."""
    width = round(max(len(line) for _, lines in pictures for line in lines) * _CHAR + 2 * _PAD)
    parts, top = [], 0
    for caption, lines in pictures:
        height = len(lines) * _LINE + 2 * _PAD
        parts.append(f'<text class="faint" x="2" y="{top + 14}">{escape(caption)}</text>')
        top += 20
        parts.append(f'<rect class="frame" x="1" y="{top}" width="{width - 2}" height="{height}" rx="6"/>')
        parts += [
            f'<text x="{_PAD}" y="{top + _PAD + 13 + number * _LINE}">{escape(line)}</text>'
            for number, line in enumerate(lines)
        ]
        top += height + _GAP
    name = escape(title)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {top}" width="{width}" height="{top}" '
        f'role="img"><title>{name}</title><style>{_STYLE}</style>{"".join(parts)}</svg>\n'
    )


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Run the demo and draw it.")
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--to", type=Path, default=PICTURE)
    asked = parser.parse_args(argv)
    words = ["demo", "--jobs", str(asked.jobs), "--seconds", f"{asked.seconds:g}", "--plain"]
    said = watched([sys.executable, "-m", "rapscheduler", *words])
    title = f"rapscheduler demo: {asked.jobs:,} jobs for {asked.seconds:g} seconds"
    asked.to.write_text(strip(frames(said, f"$ rapscheduler {' '.join(words)}"), title), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
