"""Run as a program: calls everything public in the compiled rooms with everything it does not expect.

``python hostile_calls.py SEED ROUNDS``: prints the call before it is made (to stderr, the last line stays when the
process dies) and counts. Objects that were never initialised (``cls.__new__(cls)``) are among the values: pickle and
copy make such ones.
"""

from __future__ import annotations

import array
import faulthandler
import importlib
import sys
from datetime import datetime, timedelta, timezone
from random import Random
from zoneinfo import ZoneInfo

from rapscheduler import _engine

UTC = timezone.utc
PLAIN = [
    None, 0, 1, -1, 5, 60, 2**31, 2**62, 2**63 - 1, -(2**63), 2**70, 1.5, float("nan"), "", "x", "once", b"", b"TZif2",
    True, [], [None], [1, 2], (), (1, 2, 3), {}, {"x": None}, {1}, UTC, ZoneInfo("Europe/Berlin"), datetime(2025, 1, 1),
    datetime(2025, 1, 1, tzinfo=UTC), datetime.max, datetime.min.replace(tzinfo=UTC), timedelta(1), object(), int, len,
    array.array("q", [1, 2, 3]), array.array("b", b"12345678"), memoryview(b"12345678"), bytearray(8),
    range(3), iter([None]),
]  # fmt: skip


def values() -> tuple[list[object], list[object]]:
    """(things to call and to hand over, classes), from all compiled rooms."""
    found, classes = list(PLAIN), []
    for room in _engine.ROOMS:
        module = importlib.import_module(f"rapscheduler._engine.{room}")
        for name in dir(module):
            thing = getattr(module, name)
            if getattr(thing, "__module__", "").startswith("rapscheduler._engine") and isinstance(
                thing, type
            ):
                classes.append(thing)
    for cls in classes:
        try:
            found += [cls.__new__(cls), [cls.__new__(cls)]]
        except Exception:  # some refuse to be made without arguments
            continue
    zone_class = importlib.import_module("rapscheduler._engine.timezone").ZoneTable
    zone = zone_class.from_transitions([0, 10**9], [0, 3600, 0], UTC, "CET-1CEST,M3.5.0,M10.5.0/3")
    cron = importlib.import_module("rapscheduler._engine.cron")
    spec = cron.CronSpec.of(hour=1, dst="shift")
    found += [zone, spec, cron.CronCore(spec, zone), [cron.CronCore(spec, zone)]]
    return found, classes


def callables(found: list[object], classes: list[object]) -> list[object]:
    """Functions of the rooms, classes, and methods and descriptors of objects, right ones and uninitialised ones."""
    made: list[object] = list(classes)
    for room in _engine.ROOMS:
        module = importlib.import_module(f"rapscheduler._engine.{room}")
        made += [
            thing for name, thing in vars(module).items() if callable(thing) and not name.startswith("__")
        ]
    for thing in found:
        cls = type(thing)
        if cls.__module__.startswith("rapscheduler._engine"):
            names = [
                name
                for name in dir(cls)
                if name not in ("__class__", "__init_subclass__", "__subclasshook__")
            ]
            made += [(thing, name) for name in names]
    return made


def shown(thing: object) -> str:
    """Without ``repr`` of our own classes, which may be what is tried."""
    if isinstance(thing, tuple) and len(thing) == 2:
        return f"{type(thing[0]).__name__}.{thing[1]}"
    ours = type(thing).__module__.startswith("rapscheduler._engine") or isinstance(thing, list)
    return type(thing).__name__ if ours else f"{thing!r:.60}"


def main(seed: int, rounds: int) -> None:
    random = Random(seed)
    found, classes = values()
    targets = callables(found, classes)
    refused = 0
    for number in range(rounds):
        target = targets[number % len(targets)] if number < 3 * len(targets) else random.choice(targets)
        arguments = [random.choice(found) for _ in range(random.choice((0, 1, 1, 2, 2, 3, 4, 6)))]
        if "-v" in sys.argv:
            sys.stderr.write(f"{number}: {shown(target)} {[shown(each) for each in arguments]}\n")
        try:
            if isinstance(target, tuple):
                target = getattr(*target)
            if callable(target):
                target(*arguments)
        except Exception:
            refused += 1
    print(f"{rounds} calls of {len(targets)} targets, {refused} refused, engine {_engine.NAME}")


if __name__ == "__main__":
    faulthandler.enable()
    main(int(sys.argv[1]), int(sys.argv[2]))
