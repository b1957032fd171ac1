"""As `test_leaks`, of what knows jobs and their runs: kinds of jobs, rows, ledger, quick runs, middleware, desk."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from os import getpid
from types import SimpleNamespace

import pytest
from tests.unit._engine.test_leaks import NOW, compiled, left_behind, stays_flat, zone

__all__ = ["compiled", "left_behind"]
pytestmark = pytest.mark.slow


def wrong(call: Callable[..., object], *args: object) -> None:
    with suppress(Exception):
        call(*args)


def due(engine: SimpleNamespace, func: object, args: tuple[object, ...]) -> object:
    """A submission of one run."""
    job = engine.job_core.JobCore()
    trigger = engine.trigger.DateCore(NOW, zone(engine))
    job._fill(None, "j", func, "f", "n", args, {}, trigger, "default", None, True, 1)
    job._advance(NOW, None)
    (submission,) = engine.planning.plan_due([job], NOW).submissions
    return submission


def kinds_work(engine: SimpleNamespace) -> Callable[[], object]:
    """Jobs that share a kind and a trigger, hidden from the collector and shown again."""
    core, table, kept = engine.job_core, engine.job_table, zone(engine)
    spec = engine.cron.CronSpec.of(hour=8)

    class Cron(engine.cron.CronCore):
        __module__ = "rapscheduler.triggers.cron"

    def work() -> None:
        jobs, index = table.JobTable(), engine.due_index.DueIndex()
        for number in range(8):
            job = core.JobCore()
            trigger = Cron(spec, kept) if number % 2 else engine.interval.IntervalCore(60, kept, NOW)
            job._fill(
                None,
                f"j{number}",
                print,
                "print",
                f"n{number % 2}",
                (),
                {},
                trigger,
                "default",
                None,
                True,
                1,
            )
            job._advance(NOW + number, None)
            table.insert_job(job, jobs, index)
        jobs["j1"].name, jobs["j2"].args, jobs["j3"].executor = "another", ([],), "another"
        table.replace_job(jobs["j4"], jobs, index)
        table.exchange_job(jobs["j5"], NOW + 5, (NOW + 9, NOW, None), jobs, index)
        wrong(table.insert_job, None, jobs, index)
        wrong(table.insert_job, jobs["j1"], {}, None)
        wrong(table.replace_job, "j1", jobs, index)
        wrong(jobs["j1"]._fill, *range(12))
        table.delete_job("j6", jobs, index)
        table.clear_table(jobs, index)

    return work


def rows_work(engine: SimpleNamespace) -> Callable[[], object]:
    data = b'{"$datetime":"2027-03-01T12:00:00"}'
    columns = [(f"new{n}", 1.5, None, None, data) for n in range(5)]
    room, core = engine.known_rows, engine.job_core.JobCore
    job, made = core(), engine.interval.IntervalCore(60, zone(engine), NOW)
    job.name, job.coalesce = "name", True

    def work() -> None:
        known = room.KnownRows(core)
        assert known.learn(data, 14, 33, job, made)
        found: list[object] = []
        known.read_on(iter(room.rows_of(columns, tuple, len)), found, "all")
        for odd in ([None], [("x",)], ["x"], [(1, 2, 3, 4, 5)], 5):
            wrong(lambda odd=odd: known.read_on(iter(odd), [], "all"))
            wrong(room.rows_of, odd, tuple, len)
        wrong(known.learn, data, 40, 2, job, made)

    return work


def ledger_work(engine: SimpleNamespace) -> Callable[[], object]:
    """Runs that simply ran, that somebody followed, and that were dropped."""
    room = engine.ledger
    book = room.Ledger(3, "me", lambda: 5)

    def work() -> None:
        counts = engine.running.RunningCounts()
        submission = due(engine, len, ("abc",))
        assert engine.running.run_at_once(submission, lambda: 7, counts, book) == 3
        assert book.end(submission.kept)
        kept = room.Kept("j", None, "me", 1, 2)
        run = room.RunCore("j", None, 1, 1, None, "me")
        assert kept.id and run.id
        book.adopt(kept, run)
        book.drop(kept)
        book.add(kept)
        book.end(room.Kept("j", None, "me", 1, 2))
        run._wait_by(object())
        run._take_end("done", 5)
        run._close()
        for odd in (None, "x", 2**70):
            wrong(book.adopt, odd, odd)
            wrong(book.end, odd)
            wrong(room.Ledger, odd, "me", print)
            wrong(room.RunCore, odd, odd, odd, odd, odd, odd)
            wrong(run._take_end, odd, odd)
            wrong(room.Around, odd, odd, odd, odd, odd)
        assert len(book.newest()) <= 3

    return work


def quick_work(engine: SimpleNamespace) -> Callable[[], object]:
    """Quick runs that end well and that raise, plain ones and those with middleware around them."""
    running, room = engine.running, engine.ledger

    class Run(room.RunCore):
        def _settle(self, future: object) -> None:
            raise AssertionError

    def fails() -> None:
        raise ValueError("no")

    def passes(run: object, call: Callable[[], object]) -> object:
        told.append(run)
        return call()

    def refuses(run: object, call: Callable[[], object]) -> object:
        raise KeyError("no")

    def nothing(*args: object) -> None:
        pass

    current: ContextVar[object] = ContextVar("current")
    executor = SimpleNamespace(
        _scheduler=SimpleNamespace(_dispatch_event=nothing),
        _running=running.RunningCounts(),
        _now_us=lambda: 5,
        _home=SimpleNamespace(ears=None, watched=room.Watching(), backlogs=running.Closable()),
        _left_lines=False,
        _writes_later=False,
        _wants=lambda code: False,
        _logger=logging.getLogger("leaks"),
    )
    for name in ("_run_long", "_finish_run", "_run_lost", "_write_left"):
        setattr(executor, name, nothing)
    names = {"datetime": 1, "_DATETIME": 1}
    quick = running.QuickRuns(executor, lambda: 1, names, print, (nothing, nothing))
    live: set[object] = set()
    told: list[object] = []

    def work() -> None:
        for middleware in (None, (passes, passes), (passes, refuses)):
            around = None if middleware is None else room.Around(middleware, Run, current, live, "me")
            executor._home.watched.around = around
            executor._home.watched.ledger = room.Ledger(2, "me", lambda: 5) if middleware else None
            for func in (len, fails):
                quick.make(due(engine, func, ("abc",) if func is len else ()))
        assert len(told) == 2 * 3
        for odd in (None, "x", 5):
            wrong(quick.make, odd)
        told.clear()
        live.clear()

    return work


def desk_work(engine: SimpleNamespace) -> Callable[[], object]:
    class Owner:
        pass

    table, owner = zone(engine), Owner()
    every = engine.interval.IntervalCore(60_000_000, table, NOW)
    other = engine.interval.IntervalCore(30_000_000, table, NOW)

    def work() -> None:
        jobs, index = engine.job_table.JobTable(), engine.due_index.DueIndex()
        job = engine.job_core.JobCore()
        job._fill(owner, "it", print, "print", "n", (), {}, every, "default", None, True, 1)
        job._advance(NOW, None)
        engine.job_table.insert_job(job, jobs, index)
        store = SimpleNamespace(_parked={}, _taken=[])
        found, state, stores = (
            ("default", store, jobs, index),
            SimpleNamespace(state=1, home_pid=getpid()),
            {"default": store},
        )
        for judge in (lambda _: found, lambda _: None, lambda _: ("x",), lambda _: 1 / 0):
            desk = engine.desk.Desk(owner, state, stores, judge, {"name": str, "odd": lambda value: 1 / 0})
            wrong(desk.find, "it")
            wrong(desk.earliest)
            wrong(desk.modify, "it", None, {"name": "other"})
            wrong(desk.modify, "it", None, {"odd": 1})
            wrong(desk.pause, "it", None)
            wrong(desk.resume, "it", None, NOW)
            wrong(desk.reschedule, "it", None, other, NOW)
            for odd in (None, 5, ["it"], "x"):
                wrong(desk.modify, odd, odd, odd)
                wrong(desk.reschedule, odd, odd, odd, odd)
                wrong(desk.resume, odd, odd, odd)
            wrong(desk.remove, "it", None)

    return work


WORKS = [kinds_work, rows_work, ledger_work, quick_work, desk_work]
__all__ += [make.__name__ for make in WORKS]


@pytest.mark.parametrize("name", [make.__name__ for make in WORKS])
def test_blocks_and_references_stay_flat(compiled, name):
    stays_flat(__name__, name)
