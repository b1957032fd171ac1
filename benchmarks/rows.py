"""What a row of the table is: the work, the target, what was measured, and whether it is met. Saving and printing."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from benchmarks import charts, curves
from benchmarks.measure import Bench
from benchmarks.pace import machine_factor

RESULTS = Path(__file__).parent / "results"


@dataclass
class Result:
    """One measured line. ``passed`` is None where there is nothing to pass (a comparison, or a part not built)."""

    ours: str
    peer: str = ""
    ratio: str = ""
    passed: bool | None = None
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """One row of the targets. ``key`` is what ROWS= names; rows share a key when they come from one measurement."""

    key: str
    work: str
    target: str
    measure: Callable[[Bench], Result]


@dataclass
class Line:
    """A row with its result, as it is printed and saved."""

    key: str
    work: str
    target: str
    result: Result
    measured_at: str
    quick: bool
    machine_factor: float | None = None  # see `pace`

    @property
    def verdict(self) -> str:
        if self.result.ours == "not built":
            return "not built"
        return {True: "pass", False: "MISS", None: "–"}[self.result.passed]


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    model = ""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
    except OSError:
        pass
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": model or platform.processor(),
        "cores": os.cpu_count(),
        "commit": done.stdout.strip(),
    }


_HEAD = ("row", "work", "target", "ours", "peer", "ratio", "", "machine")


def _cells(line: Line) -> tuple[str, ...]:
    result = line.result
    pace = "" if line.machine_factor is None else f"{line.machine_factor:.1f}"
    return (line.key, line.work, line.target, result.ours, result.peer, result.ratio, line.verdict, pace)


def as_markdown(lines: list[Line]) -> str:
    rows = [_HEAD, ("---",) * len(_HEAD), *(_cells(line) for line in lines)]
    return "\n".join("| " + " | ".join(cell.replace("|", "/") for cell in row) + " |" for row in rows) + "\n"


def save(lines: list[Line], known: set[tuple[str, str]]) -> None:
    """Merges the lines into results/latest.json and writes results/latest.md and the charts.

    Rows not run now keep what they had; those that are not ``known`` (key and work of every row there is) go.
    """
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / "latest.json"
    kept = json.loads(path.read_text())["lines"] if path.exists() else []
    fresh = {(line.key, line.work) for line in lines}
    merged = [one for one in kept if (one["key"], one["work"]) in known - fresh]
    merged += [asdict(line) | {"machine": machine()} for line in lines]
    merged.sort(key=lambda one: (one["key"], one["work"]))
    path.write_text(json.dumps({"lines": merged}, indent=1, ensure_ascii=False) + "\n")
    shown = [Line(**{**one, "result": Result(**one["result"])}) for one in _without_machine(merged)]
    facts = machine()
    head = (
        f"Python {facts['python']}, {facts['cores']} cores, {facts['processor']}; last run {_now()}. "
        "*machine*: how many times longer three calls of the standard library took when the row was measured "
        "than on the machine of the targets.\n\n"
    )
    (RESULTS / "latest.md").write_text(head + as_markdown(shown))
    charts.write(RESULTS)
    curves.write(RESULTS)


def _without_machine(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in one.items() if key != "machine"} for one in lines]


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def measured(row: Row, result: Result, quick: bool) -> Line:
    return Line(row.key, row.work, row.target, result, _now(), quick, machine_factor())
