"""No room grows unseen: a file over 450 lines was looked at by somebody and is named here with the reason."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 450
# path -> why it is still one room
LARGE = {
    "src/rapscheduler/util.py": "APScheduler's small conversions, each under its name",
    "ext/rapscheduler/_engine/cron.pyx": "one search, forwards and backwards, on the masks of one spec",
    "ext/rapscheduler/_engine/job_core.pyx": "one object: its values, and whether the collector may skip it",
    "ext/rapscheduler/_engine/running.pyx": "a quick run from its judgement to its event, and who counts it",
    "ext/rapscheduler/_engine/timezone.pyx": "one table: its TZif reader, its POSIX footer and its look-ups",
    "ext/rapscheduler/_engine/trigger.pyx": "what all schedules share: the questions, and what they leave out",
    "src/rapscheduler/schedulers/base.py": "the public face: mostly docstrings",
    "src/rapscheduler/testing/stores.py": "one conformance suite, one class that implementers inherit",
    "tests/fuzz/hostile_objects.py": "one world, in which everything may change everything else",
    "tests/stores/test_shared.py": "one protocol between processes, from claim to take-over",
    "tests/stores/reql.py": "one stand-in of a server: its connections, and its terms one by one",
    "tests/stores/test_migrate.py": "one command against six kinds of store",
    "tests/unit/schedulers/test_delays.py": "one harness, whose runs end when the test says so",
    "tests/unit/schedulers/test_base.py": "tests follow the methods of base.py in their order",
}


def _lines(path: Path) -> int:
    with path.open("rb") as stream:
        return sum(1 for _ in stream)


def _grown() -> dict[str, int]:
    files = [
        path
        for room in ("src", "ext", "tests", "benchmarks")
        for path in (ROOT / room).rglob("*")
        if path.suffix in {".py", ".pyx", ".pxd", ".pyi"}
    ]
    return {str(path.relative_to(ROOT)): _lines(path) for path in files if _lines(path) > LIMIT}


def test_files_over_the_limit_are_named() -> None:
    assert {path: lines for path, lines in _grown().items() if path not in LARGE} == {}


def test_no_reason_outlives_its_file() -> None:
    """A file that has shrunk again may grow past the limit again only with a reason of that day."""
    assert set(LARGE) - set(_grown()) == set()
