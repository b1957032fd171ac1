"""Each step of the engine with each of its allocations failing: it is done, or it is not begun.

``python failing_allocations.py`` runs every step again and again, with the first, the second, the third … allocation
failing, once that one alone and once all from it on, until nothing fails any more. The only exception is MemoryError.
Afterwards jobs are in table and index, or in neither, or due and taken; and a question that failed gets its answer when
it is asked once more. ``_testcapi`` makes allocations fail; some builds of Python come without it.
"""

from __future__ import annotations

import _testcapi
import faulthandler
import sys
from array import array
from collections.abc import Callable
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any

from rapscheduler import _engine, _zones
from rapscheduler._engine import (
    cron,
    cron_text,
    datetimes,
    due_index,
    interval,
    job_core,
    job_drafts,
    job_table,
    known_rows,
    planning,
    running,
    trigger,
)
from rapscheduler._engine import (
    timezone as zones,
)
from rapscheduler.jobstores.memory import MemoryJobStore

NOW = 1_762_066_800_000_000
HOUR = 3_600_000_000
UTC = timezone.utc
FIXED = zones.ZoneTable.fixed(0, UTC)
# Every one of the first, then some: a foreign zone is asked thousands of times.
PLACES = [*range(80), *(int(80 * 1.3**n) for n in range(1, 40))]


class Zone(tzinfo):
    """A foreign zone with summer time."""

    def utcoffset(self, dt: datetime | None) -> timedelta:
        return timedelta(hours=2 if dt is not None and 3 < dt.month < 10 else 1)

    def dst(self, dt: datetime | None) -> timedelta:
        return self.utcoffset(dt) - timedelta(hours=1)

    def fromutc(self, dt: datetime) -> datetime:
        return dt + self.utcoffset(dt)


class Source:
    """A quick one of a probed zone."""

    def cover(self, utc_s: int) -> Any:
        start_s = utc_s - utc_s % 10**6 - 10**6
        return [start_s, start_s + 10**6], [0, 3600], start_s + 3 * 10**6, False


class World:
    """Forty jobs in a store, of which thirty are due."""

    def __init__(self) -> None:
        self.store = MemoryJobStore()
        self.every = interval.IntervalCore(HOUR, FIXED, NOW - 30 * HOUR)
        self.made = [self.job(number) for number in range(40)]
        self.store._add_jobs(self.made)
        self.more = [self.job(number) for number in range(100, 140)]
        self.twin = self.job(7)
        self.counts = running.RunningCounts()

    def job(self, number: int) -> Any:
        job = job_core.JobCore()
        job.id, job.trigger, job.executor, job.func, job.args = f"j{number}", self.every, "default", print, ()
        job.coalesce, job.max_instances, job.misfire_grace_time = number % 2 == 0, 1, 60
        job._scheduler = self
        job._advance(NOW + (number - 30) * HOUR, None)
        return job

    @property
    def table(self) -> tuple[Any, Any]:
        return self.store._jobs, self.store._index

    def check(self) -> None:
        """Each job is in the table and due by its own time, or taken; or it is in neither."""
        self.store._restore()
        self.store._check()
        jobs, index = self.table
        assert all(job in index for job in jobs.values())
        there = len(index)
        entries = index.pop_due(2**62, 10**6)
        assert len(entries) == there == len(jobs)
        assert all(jobs[job.id] is job for job in entries)
        assert [job.run_at_us for job in entries] == sorted(job.run_at_us for job in entries)
        for job in entries:
            index.push(job, job.run_at_us)


def change_all(world: World) -> list[Any]:
    """Each kind of change."""
    changes = []
    for number, job in enumerate(world.made):
        how: dict[str, Any] = ({"run_at_us": NOW + 99 * HOUR, "nominal_us": NOW}, {"remove": True})[
            number % 2
        ]
        changes.append(planning.Change(job, job.run_at_us, **how))
    return changes


def settle(world: World) -> Callable[[], Any]:
    world.store._take_due(NOW, 30)
    changes = change_all(world)
    return lambda: world.store._settle(changes)


def plan(world: World) -> Callable[[], Any]:
    taken = world.store._take_due(NOW, 30)
    return lambda: len(planning.plan_due(taken, NOW).changes)


def acquire(world: World) -> Callable[[], Any]:
    submissions = planning.plan_due(world.store._take_due(NOW, 30), NOW).submissions

    def step() -> None:
        try:
            world.counts.acquire_runs(submissions)
        except MemoryError:
            assert len(world.counts) == 0 and not any(one.counted for one in submissions)
            raise

    return step


def restore(world: World) -> Callable[[], Any]:
    world.store._take_due(NOW, 30)
    return world.store._restore


def exchange(world: World) -> Callable[[], Any]:
    job = world.made[7]
    found_us = job.run_at_us
    return lambda: job_table.exchange_job(job, found_us, (NOW + 5 * HOUR, NOW, None), *world.table)


def exchange_other(world: World) -> Callable[[], Any]:
    """A taken job is replaced by another one: a push."""
    old, table = world.made[7], world.table
    table[1].discard(old)
    world.store._taken = [old]
    return lambda: job_table.exchange_job(world.twin, world.twin.run_at_us, None, *table)


def replace(world: World) -> Callable[[], Any]:
    return lambda: job_table.replace_job(world.twin, *world.table)


def insert_one(world: World) -> Callable[[], Any]:
    return lambda: job_table.insert_job(world.more[0], *world.table)


def insert_taken_id(world: World) -> Callable[[], Any]:
    return lambda: job_table.insert_jobs([*world.more, world.twin], *world.table)


def pop(world: World) -> Callable[[], Any]:
    def step() -> None:
        world.store._taken = world.table[1].pop_due(NOW, 10**9)

    return step


def drafts(world: World) -> Callable[[], Any]:
    known = job_drafts.KnownDrafts(job_core.JobCore, None, lambda: "new")
    spec = {"func": print, "hour": "3", "minute": 1, "args": (1,)}
    made = cron.CronCore(cron.CronSpec.of(hour=8), FIXED)
    known.learn(spec, print, (print, "builtins:print", "print", "default", ..., ..., ...), 1, made)
    return lambda: known.draft_on(iter([spec] * 5), [], "all")


def rows(world: World) -> Callable[[], Any]:
    """Rows of columns, and jobs of rows that differ in a wall time."""
    data = b'{"$datetime":"2027-03-01T12:00:00"}'
    known = known_rows.KnownRows(job_core.JobCore)
    job, made = job_core.JobCore(), interval.IntervalCore(HOUR, FIXED, NOW)
    job.name, job.coalesce = "name", True
    known.learn(data, 14, 33, job, made)
    columns = [(f"new{n}", 1.5, None, None, data) for n in range(5)]

    def step() -> Any:
        found = known_rows.rows_of(columns, tuple, print)
        made: list[Any] = []
        return known.read_on(iter(found), made, "all"), len(made)

    return step


def texts(world: World) -> Callable[[], Any]:
    parts = [cron_text.FieldBits(mask=2) for _ in range(8)]

    def step() -> Any:
        table = cron_text.TextTable(cron_text.ScheduleText, parts, parts)
        for known in table.known:
            known["1"] = parts[0]
        text = table.of_known("1", None, "1", "1", None, "1", "1", None, True, "once")
        table.keep(text, "1", None, "1", "1", None, "1", "1", None, True, "once")
        return text.spec == cron_text.ScheduleText(parts, True, "once").spec

    return step


def ask(world: World) -> Callable[[], Any]:
    """A zone that has to be asked each time."""
    made = cron.CronCore(cron.CronSpec.of(second=1, minute=1), zones.ZoneTable.probed(Source(), UTC, True, 0))
    buffer = array("q", bytes(8 * 30))

    def step() -> Any:
        asked = [made.next_fire_us(None, at_s * 1_000_000) for at_s in (10**6, 10**9)]
        asked.append(trigger.next_fire_us_many([made] * 3, NOW, buffer))
        asked.append(made.fill_fire_times(buffer, NOW))
        return [*asked, len(made.list_fire_times(NOW, None, 20)), made.previous_fire_us(NOW)]

    return step


def foreign_zone(world: World) -> Callable[[], Any]:
    """A zone of a class that nobody knows."""
    table = _zones.zone_table(Zone())
    at_s = iter(range(2_000_000_000, 10**10, 6 * 10**6))
    return lambda: table.offset_at(next(at_s)) in (3600, 7200)


def zone_made(world: World) -> Callable[[], Any]:
    return lambda: zones.ZoneTable.from_transitions(
        [1, 5], [0, 3600, 7200], UTC, "CET-1CEST,M3.5.0,M10.5.0/3"
    ).offset_at(NOW // 1_000_000)


def conversions(world: World) -> Callable[[], Any]:
    return lambda: (
        [datetimes.to_us(one, FIXED) for one in datetimes.from_us_many([NOW, NOW + 1], FIXED)],
        datetimes.to_us(datetime(2025, 1, 1, tzinfo=Zone()), FIXED),
    )


STEPS: dict[str, Callable[[World], Callable[[], Any]]] = {
    "take": lambda world: lambda: world.store._take_due(NOW, 30),
    "add many": lambda world: lambda: world.store._add_jobs(world.more),
    "delete": lambda world: lambda: job_table.delete_job("j3", *world.table),
    "clear": lambda world: lambda: job_table.clear_table(*world.table),
    "count": lambda world: lambda: world.counts.acquire("a", 10**9),
    "push": lambda world: lambda: due_index.DueIndex().push(due_index.DueEntry(), 5),
    "spec": lambda world: lambda: cron.CronSpec.of(hour=5, years=[(2020, 2030, 1)]).hour,
    "settle": settle,
    "plan": plan,
    "acquire": acquire,
    "restore": restore,
    "exchange": exchange,
    "exchange other": exchange_other,
    "replace": replace,
    "insert": insert_one,
    "insert taken id": insert_taken_id,
    "pop": pop,
    "drafts": drafts,
    "rows": rows,
    "texts": texts,
    "ask": ask,
    "foreign zone": foreign_zone,
    "zone": zone_made,
    "conversions": conversions,
}


# Those that change nothing.
QUESTIONS = (plan, drafts, rows, texts, ask, foreign_zone, zone_made, conversions)


def fails(step: Callable[[], Any], first: int, last: int) -> bool:
    """Whether it failed, with the allocations from `first` to before `last` (0: for ever) failing."""
    failed = False
    _testcapi.set_nomemory(first, last)
    try:
        step()
    except MemoryError:
        failed = True
    finally:
        _testcapi.remove_mem_hooks()
    return failed


def tried(make: Callable[[World], Callable[[], Any]], first: int, last: int) -> bool:
    """One step in a world of its own; whether it failed."""
    world = World()
    step = make(world)
    failed = fails(step, first, last)
    world.check()
    if failed and make in QUESTIONS:
        assert step() == make(World())(), "the answer is another one after it failed once"
    return failed


def main() -> None:
    cases = 0
    for name, make in STEPS.items():
        for alone in (True, False):
            for first in PLACES:
                if "-v" in sys.argv:
                    sys.stderr.write(
                        f"{name}: allocation {first}{' alone' if alone else ' and all after it'}\n"
                    )
                cases += 1
                if not tried(make, first, first + 1 if alone else 0) and first > 30:
                    break
            else:
                raise AssertionError(f"{name} fails at its {PLACES[-1]}th allocation")
    print(f"{cases} cases of {len(STEPS)} steps, engine {_engine.NAME}")


if __name__ == "__main__":
    faulthandler.enable()
    main()
