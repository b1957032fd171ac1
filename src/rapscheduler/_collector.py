"""The garbage collector, kept out of the way while very many objects are made.

What lives here: when and how long it pauses. What must not: calls that wait (a database, a lock, a user's iterator):
while one thread pauses the collector, no other thread has one.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["MANY", "OF_A_CLAIM", "collector_paused"]

MANY = 10_000
#: objects that are made for a job whose run is claimed, and outlive the batch: its row, itself, its run, the claim
OF_A_CLAIM = 10


@contextmanager
def collector_paused(count: int) -> Iterator[None]:
    """No collection while ``count`` rows or jobs are made: none of them is garbage, and looking costs a third.

    Fewer than ``MANY`` are not worth it.
    """
    if count < MANY or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
