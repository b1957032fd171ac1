"""How much work a value of others may ask for: what is counted, and the most that is accepted.

What lives here: limits, and the counting. What must not: how values are written, what happens when there are too many.

A row costs at most in proportion to its length, whatever is in it. Two things would cost more. Keys of one hash: each
is compared with all before it, and the hashes of numbers (and of what is made of numbers) can be chosen; those of texts
and bytes can't, Python draws them anew in each process. And parts that are shared, in a pickle: forty tuples, each of
twice the one before, are a few hundred bytes, and 2⁴⁰ of them when somebody walks them, as hash(), repr() and == do.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any

MAX_CONTAINERS = 100_000  # lists, objects and tagged values of one job
MAX_PARTS = 2_000_000  # items of all of them
FEW_KEYS = 64  # so many may all collide
# keys of one set or dict that are no texts: their order in the table can be chosen too
MAX_NUMBER_KEYS = 20_000
MAX_COLLISIONS = 10_000  # comparisons of keys of the same hash
MAX_VISITS = 400_000  # parts of a pickle, counted once for each place that they are in
MAX_VISIT_DEPTH = 100


def crowded(keys: Iterable[Any]) -> str | None:
    """Why these can't be the keys of one dict or set, or ``None``. TypeError: one of them can't be hashed."""
    numbers = [key for key in keys if type(key) is not str and type(key) is not bytes]
    if len(numbers) <= FEW_KEYS:
        return None
    if len(numbers) > MAX_NUMBER_KEYS:
        return f"a set or dict has more than {MAX_NUMBER_KEYS} keys that are no texts; use a list, or texts as keys"
    collisions = 0
    for _, alike in groupby(sorted(map(hash, numbers))):
        count = sum(1 for _ in alike)
        collisions += count * (count - 1) // 2
    if collisions > MAX_COLLISIONS:
        return f"a set or dict has keys that take {collisions} comparisons, as their hashes are the same; use a list"
    return None


def containers_in(node: Any) -> int:
    """How many lists and objects a tree of JSON has."""
    count, waiting = 0, [node]
    while waiting:
        part = waiting.pop()
        if type(part) is list:
            count += 1
            waiting += part
        elif type(part) is dict:
            count += 1
            waiting += part.values()
    return count
