"""pytest-benchmark over single rooms of the engine, compiled and reference: due index and zone look-ups."""

from __future__ import annotations

import importlib
import random
from typing import Any

import pytest

from rapscheduler import _engine

ENGINES = ["_reference", *(["_engine"] if _engine.NAME == "compiled" else [])]
COUNT = 100_000
SOURCE = random.Random(4)
TIMES = [SOURCE.randrange(10**9) for _ in range(COUNT)]


def _filled(package: str) -> tuple[Any, list[Any]]:
    room = importlib.import_module(f"rapscheduler.{package}.due_index")
    index, entries = room.DueIndex(), [room.DueEntry() for _ in range(COUNT)]
    for entry, run_at_us in zip(entries, TIMES, strict=True):
        index.push(entry, run_at_us)
    return index, entries


@pytest.mark.parametrize("package", ENGINES)
def bench_due_index_push(benchmark: Any, package: str) -> None:
    benchmark.pedantic(_filled, args=(package,), rounds=3)


@pytest.mark.parametrize("package", ENGINES)
def bench_due_index_move(benchmark: Any, package: str) -> None:
    index, entries = _filled(package)

    def move() -> None:
        for entry, run_at_us in zip(entries, reversed(TIMES), strict=True):
            index.update(entry, run_at_us)

    benchmark.pedantic(move, rounds=3)


@pytest.mark.parametrize("package", ENGINES)
def bench_due_index_pop(benchmark: Any, package: str) -> None:
    def filled() -> tuple[tuple[Any], dict[str, Any]]:
        return (_filled(package)[0],), {}

    def pop(index: Any) -> None:
        while index.pop_due(10**9, 1000):
            pass

    benchmark.pedantic(pop, setup=filled, rounds=3)
