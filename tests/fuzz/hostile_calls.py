"""Run as a program: calls everything public in the compiled rooms with everything it does not expect.

``python hostile_calls.py SEED ROUNDS``: prints the call before it is made (to stderr, the last line stays when the
process dies) and counts. Objects that were never initialised (``cls.__new__(cls)``) are among the values: pickle and
copy make such ones. So are whole ones of the rooms that keep things: what they ask (a judge, a clock, an executor)
answers with any of the values.
"""

from __future__ import annotations

import array
import faulthandler
import importlib
import io
import logging
import sys
from contextvars import ContextVar
from datetime import datetime, timedelta, timezone
from os import getpid
from random import Random
from types import SimpleNamespace
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


class Odd:
    """Any attribute, and any answer; it is told what to answer with later."""

    def __init__(self, random: Random, answers: list[object]) -> None:
        self.__dict__.update(random=random, answers=answers)

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        return self.random.choice(self.answers)

    def __call__(self, *args: object, **kwargs: object) -> object:
        return self.random.choice(self.answers)


def whole(random: Random, answers: list[object], zone: object) -> list[object]:
    """Objects that were initialised, some by what answers anything."""
    rooms = {room: importlib.import_module(f"rapscheduler._engine.{room}") for room in _engine.ROOMS}
    odd, running, book = Odd(random, answers), rooms["running"], rooms["ledger"]
    trigger = rooms["interval"].IntervalCore(60_000_000, zone, 0)
    jobs, index, made = rooms["job_table"].JobTable(), rooms["due_index"].DueIndex(), []
    for number in range(5):
        job = rooms["job_core"].JobCore()
        job._fill(None, str(number), len, "len", "name", ((),), {}, trigger, "default", None, True, 1)
        job._advance(5 + number, None)
        rooms["job_table"].insert_job(job, jobs, index)
        made.append(job)
    submissions = rooms["planning"].plan_due(made, 10**9).submissions
    ledger = book.Ledger(2, "me", lambda: 5)
    kept = book.Kept("id", None, "me", 1, 2)
    run = book.RunCore("id", None, 1, 1, None, "me")
    current: ContextVar[object] = ContextVar("current")
    around = book.Around((odd,), book.RunCore, current, set(), "me")
    watching = book.Watching()
    store = SimpleNamespace(_parked={}, _taken=[])
    found = ("default", store, jobs, index)
    desks = [
        rooms["desk"].Desk(
            SimpleNamespace(),
            SimpleNamespace(state=1, home_pid=getpid()),
            {"default": store},
            judge,
            {"name": odd},
        )
        for judge in (lambda _: found, odd)
    ]
    executor = SimpleNamespace(
        _running=running.RunningCounts(), _now_us=lambda: 5, _home=SimpleNamespace(
            ears=None, watched=watching, backlogs=running.Closable()), _left_lines=False, _run_lost=odd,
        _run_long=odd, _finish_run=odd, _wants=odd, _scheduler=odd, _writes_later=False, _logger=odd, _write_left=odd,
    )  # fmt: skip
    executors = [executor, SimpleNamespace(**vars(executor) | {"_now_us": odd})]
    names = {"datetime": 1, "_DATETIME": 1}
    quick = [running.QuickRuns(one, lambda: 1, names, odd, (odd, odd)) for one in executors]
    known = rooms["known_rows"].KnownRows(rooms["job_core"].JobCore)
    drafts = rooms["job_drafts"].KnownDrafts(rooms["job_core"].JobCore, None, odd)
    table, lines = rooms["claims"].OpenRuns(), rooms["log_lines"].RunLines
    changes = [rooms["planning"].Change(one.job, 5, 6) for one in submissions]
    holdings, claims = [], []
    for clock in (lambda: 5.0, odd):
        held = type("Held", (rooms["claims"].Holding,), {"steady_s": staticmethod(clock), "made_room": odd})()
        held.me, held.until_s, held.is_awake = SimpleNamespace(epoch=1), 10.0, True
        holdings.append(held)
        claims += held.hold_all(rooms["claims"].OpenRun, table, submissions, changes, 1, odd)
    logger = logging.Logger("hostile")
    logger.handlers = [logging.NullHandler(), logging.StreamHandler(io.StringIO())]
    found_all = [
        table,
        *holdings,
        *claims,
        *changes,
        logger,
        lines(lambda *args: False, odd, odd, odd),
        lines(odd, odd, odd, odd),
        ledger,
        kept,
        run,
        around,
        watching,
        jobs,
        index,
        *desks,
        *quick,
        known,
        drafts,
        executor._running,
    ]
    return [*found_all, *made, *submissions, odd, [odd], found, iter([("id", 1.0, None, None, b"{}")])]


def values(random: Random) -> tuple[list[object], list[object]]:
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
    found += whole(random, found, zone)
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
    """Without ``repr`` of what is made of our own classes, which may be what is tried."""
    if isinstance(thing, tuple) and len(thing) == 2:
        return f"{type(thing[0]).__name__}.{thing[1]}"
    known = isinstance(thing, type) or any(thing is one for one in PLAIN)
    return f"{thing!r:.60}" if known else getattr(thing, "__name__", type(thing).__name__)


def main(seed: int, rounds: int) -> None:
    random = Random(seed)
    found, classes = values(random)
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
