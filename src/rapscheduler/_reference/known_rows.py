"""Rows of what a database gives, and jobs made of rows that are like known ones.

Here: the rows, and the face of the quick way. Not here: what a row says. `_serialization.rows` states that, and makes
all jobs on this engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any


def rows_of(found: Iterable[Any], kind: Any, look: Callable[..., Any]) -> list[Any]:
    """Rows of (id, seconds, nominal µs, parked, data), by `look`; the other twin makes plain ones of `kind`."""
    return [look(*columns) for columns in found]


class KnownRows:
    """Makes jobs of rows that are like known ones. This twin knows none."""

    def __init__(self, kind: Any) -> None:
        pass

    def learn(
        self, data: bytes, start: int, end: int, job: Any, trigger: Any, adds: tuple[Any, ...] = ()
    ) -> bool:
        """Remember what a row's data meant; whether it can be."""
        return False

    def read_on(self, rows: Iterator[Any], jobs: list[Any], end: Any) -> Any:
        """Append jobs of the rows of an iterator until one is not known; that one, or `end` when there are no more."""
        return next(rows, end)
