"""Functions that stored jobs name."""

from __future__ import annotations

RUNS: list[str] = []


def note(key: str) -> None:
    RUNS.append(key)
