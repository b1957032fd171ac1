"""Objects that do in every magic method what no object should, given to all that the engine does with objects.

``python hostile_objects.py SEED ROUNDS`` makes a world of triggers, jobs, a table, an index and counts, and asks the
engine about it by ids, numbers, datetimes, zones, texts and lists of classes whose every method may, before it answers,
change the world (by the engine's own functions), empty the list that is gone through, collect garbage or raise. Any
exception is a good answer. Now and then the index is looked at: it is whole, and what is due is in the table.
A bad memory access ends the program, under AddressSanitizer with a report.
"""

from __future__ import annotations

import faulthandler
import gc
import sys
from array import array
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta, timezone, tzinfo
from random import Random
from typing import Any
from weakref import ref

from rapscheduler import _engine, _zones
from rapscheduler._engine import (
    calendar,
    calendar_interval,
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

NOW = 1_762_066_800_000_000
DAY = 86_400_000_000
UTC = timezone.utc
RAISED = (ValueError, TypeError, KeyError, KeyboardInterrupt, MemoryError, SystemExit, RecursionError)
LEFT_ALONE = {
    "__new__", "__class__", "__init_subclass__", "__subclasshook__", "__class_getitem__", "__dir__", "__setattr__",
    "__delattr__", "__getstate__", "__sizeof__", "__getnewargs__", "__reduce__", "__reduce_ex__", "__doc__",
}  # fmt: skip


class World:
    """Everything that may be changed while the engine works, and the fuse that says when."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.fuse = 0
        self.depth = 0
        self.acts: Counter[str] = Counter()
        self.begin()

    def begin(self) -> None:
        """New triggers, jobs and tables."""
        self.fuse = 10**9
        self.zones = [self.zone() for _ in range(3)]
        self.triggers = [self.trigger() for _ in range(8)]
        self.jobs: dict[Any, Any] = {}
        self.index = due_index.DueIndex()
        self.counts = running.RunningCounts()
        self.taken: list[Any] = []
        self.lists: list[Any] = [self.triggers]
        for number in range(12):
            job_table.insert_job(self.job(number), self.jobs, self.index)

    def zone(self) -> Any:
        if self.random.random() < 0.3:
            return zones.ZoneTable.fixed(3600, UTC)
        if self.random.random() < 0.1:
            return _zones.zone_table(Zone())
        return zones.ZoneTable.probed(Source(), UTC, self.random.random() < 0.7, NOW // 1_000_000)

    def trigger(self) -> Any:
        zone, pick = self.random.choice(self.zones), self.random.randrange(4)
        if pick == 0:
            return interval.IntervalCore(self.random.randrange(1, 10**10), zone, NOW - DAY)
        if pick == 1:
            return calendar_interval.CalendarIntervalCore(zone, self.random.randrange(3), 1, 3600, 20_000)
        if pick == 2:
            return trigger.DateCore(NOW, zone)
        return self.kind_of_cron()(self.spec(), zone)

    def kind_of_cron(self) -> Any:
        if self.random.random() < 0.5:
            return cron.CronCore
        return type("Cron", (cron.CronCore,), {})  # a class that dies with its triggers

    def spec(self) -> Any:
        random = self.random
        years = ((2020, 2100, random.randrange(1, 4)),) if random.random() < 0.3 else None
        return cron.CronSpec.of(
            second=1 << random.randrange(60),
            hour=1 << random.randrange(24),
            day=1 << random.randrange(1, 29),
            years=years,
        )

    def job(self, number: Any) -> Any:
        job = job_core.JobCore()
        job.id = self.text(f"job {number}")
        job.trigger = self.random.choice(self.triggers)
        job.executor, job.coalesce = self.text("default"), self.random.random() < 0.5
        job.max_instances, job.misfire_grace_time = self.number(2), self.random.choice([None, self.number(5)])
        job.func, job.args, job.name = print, (Thing(), 1), "name"
        job._scheduler = Thing()
        run_us = NOW + self.random.randrange(-DAY, DAY)
        job._advance(run_us, run_us, self.random.choice([None, self.moment()]))
        return job

    # Values: plain ones, and such that act.

    def text(self, text: str) -> Any:
        return Text(text) if self.random.random() < 0.4 else text

    def number(self, number: int) -> Any:
        return self.random.choice([Int, Float, int, int])(number)

    def us(self) -> Any:
        us = NOW + self.random.randrange(-400, 4000) * DAY
        return Int(us) if self.random.random() < 0.4 else us

    def moment(self) -> Any:
        zone = self.random.choice([Zone(), UTC, self.random.choice(self.zones).tzinfo, None])
        kind = self.random.choice([Moment, datetime])
        return kind(2025, self.random.randrange(1, 13), 3, 4, 5, tzinfo=zone)

    def sequence(self, items: list[Any]) -> Any:
        made = self.random.choice([list, List, tuple, iter, list])(items)
        self.lists.append(made)
        return made

    # What happens in the middle.

    def act(self) -> None:
        """Called by every magic method."""
        self.fuse -= 1
        if self.fuse > 0 or self.depth > 1:
            return
        self.fuse = self.random.randrange(1, 25)
        self.depth += 1
        try:
            action = self.random.choice(ACTIONS)
            self.acts[action.__name__] += 1
            action(self)
        finally:
            self.depth -= 1

    def check(self) -> None:
        """The index is whole, and what is due is in the table."""
        self.fuse = 10**9
        self.index._check()
        there = {id(job) for job in self.jobs.values()}
        for job in self.index.pop_due(2**62, 10**6):
            assert id(job) in there, f"{job.id} is due and not in the table"


def raises(world: World) -> None:
    raise world.random.choice(RAISED)("as it likes")


def collects(world: World) -> None:
    gc.collect()
    world.junk = [bytearray(world.random.randrange(24, 300)) for _ in range(300)]  # type: ignore[attr-defined]


def changes_trigger(world: World) -> None:
    one = world.random.choice(world.triggers)
    if isinstance(one, cron.CronCore):
        one.__init__(world.spec(), world.zone())
    elif isinstance(one, interval.IntervalCore):
        one.__init__(world.random.randrange(1, 10**9), world.zone(), NOW)
    elif isinstance(one, calendar_interval.CalendarIntervalCore):
        one.__init__(world.zone(), 0, 2, 0, 19_000)
    else:
        one.__init__(NOW, world.zone())
    world.zones[:] = [world.zone() for _ in range(3)]
    collects(world)


def empties_lists(world: World) -> None:
    for one in world.lists:
        if isinstance(one, list):
            one.clear()
    world.triggers.extend(world.trigger() for _ in range(world.random.choice([0, 1, 8, 20])))
    if not world.triggers:
        world.triggers.append(trigger.TriggerCore(world.zones[0]))
    collects(world)


def changes_job(world: World) -> None:
    for job in list(world.jobs.values()):
        job.trigger = world.trigger()
        job.args, job.func, job.name, job._scheduler = (Thing(), 2), len, "other", Thing()
        job.max_instances, job._jobstore_alias, job.misfire_grace_time = Int(1), Thing(), Float(3)
    collects(world)


def deletes(world: World) -> None:
    for key in list(world.jobs)[:4]:
        job_table.delete_job(key, world.jobs, world.index)


def inserts(world: World) -> None:
    for number in range(world.random.randrange(40)):
        job_table.insert_job(world.job(number), world.jobs, world.index)


def clears(world: World) -> None:
    job_table.clear_table(world.jobs, world.index)


def pops(world: World) -> None:
    world.taken += world.index.pop_due(NOW, 5)


def looks(world: World) -> None:
    found = world.index.first(5)
    assert len(found) <= 5 and all(type(job.id) is not None for job in found)


def releases(world: World) -> None:
    for key in list(world.jobs):
        world.counts.release(key)


ACTIONS: list[Callable[[World], None]] = [
    raises, raises, collects, changes_trigger, changes_trigger, empties_lists, changes_job, deletes, inserts, clears,
    pops, looks, releases,
]  # fmt: skip

WORLD: World


def acting(base: type) -> Any:
    """A subclass whose every method acts first, and whose end does."""

    def wrapped(name: str) -> Callable[..., Any]:
        plain = getattr(base, name)

        def method(self: Any, *args: Any, **kwargs: Any) -> Any:
            WORLD.act()
            return plain(self, *args, **kwargs)

        return method

    names = [name for name in dir(base) if name not in LEFT_ALONE and callable(getattr(base, name))]
    body: dict[str, Any] = {
        name: wrapped(name) for name in names if name not in ("__init__", "fromkeys", "from_bytes")
    }
    for name in [name for name in body if isinstance(vars(base).get(name), (classmethod, staticmethod))]:
        del body[name]
    return type(f"Hostile{base.__name__}", (base,), body)


Text, Int, Float, List = acting(str), acting(int), acting(float), acting(list)
Dict, Moment, Delta = acting(dict), acting(datetime), acting(timedelta)


class Thing:
    """Acts when it dies, and a weak reference to it acts as well."""

    def __init__(self) -> None:
        self._watched = ref(self, lambda _: quietly(WORLD.act))
        WATCHES.append(self._watched)
        del WATCHES[:-500]

    def __del__(self) -> None:
        quietly(WORLD.act)

    def __eq__(self, other: object) -> bool:
        WORLD.act()
        return self is other

    def __hash__(self) -> int:
        WORLD.act()
        return 1


WATCHES: list[Any] = []


def quietly(call: Callable[[], None]) -> None:
    """Where an exception could go nowhere, it would only be printed."""
    try:
        call()
    except BaseException:
        return


class Zone(tzinfo):
    """Answers by the year, after it has acted; now and then something that no zone says."""

    def utcoffset(self, dt: datetime | None) -> Any:
        WORLD.act()
        if WORLD.random.random() < 0.01:
            return Delta(days=9)
        return timedelta(hours=1 if dt is None or dt.year % 2 else 2)

    def dst(self, dt: datetime | None) -> Any:
        return timedelta(0)

    def tzname(self, dt: datetime | None) -> str:
        return "X"

    def fromutc(self, dt: datetime) -> Any:
        WORLD.act()
        return dt + timedelta(hours=1 if dt.year % 2 else 2)


class Source:
    """What a probed zone asks: quick, so that many may be asked."""

    def cover(self, utc_s: int) -> Any:
        WORLD.act()
        step_s = 40 * 86400
        start_s, end_s = utc_s - utc_s % step_s - 3 * step_s, utc_s - utc_s % step_s + 4 * step_s
        starts = list(range(start_s, end_s, step_s))
        offsets = [at_s // step_s % 2 * 3600 for at_s in starts]
        if WORLD.random.random() < 0.02:
            offsets[0] = Int(7200)
        return WORLD.random.choice([tuple, list])((starts, offsets, end_s, False))


# What is asked of the engine.


def times_of_one(world: World) -> None:
    one = world.random.choice(world.triggers)
    one.get_next_fire_time(world.random.choice([None, world.moment()]), world.moment())
    one.next_fire_us(world.random.choice([None, world.us()]), world.us())
    one.latest_fire_us(world.us(), world.us())
    one.previous_fire_us(world.us())
    one.fill_fire_times(array("q", bytes(8 * 50)), world.us(), world.us())
    one.list_fire_times(world.us(), None, Int(300))


def times_of_many(world: World) -> None:
    several = world.sequence([*world.triggers, *world.triggers[:5]])
    trigger.next_fire_us_many(several, world.us(), array("q", bytes(8 * 64)))


def conversions(world: World) -> None:
    zone = world.random.choice(world.zones)
    datetimes.to_us(world.moment(), zone)
    datetimes.from_us(world.us(), zone)
    datetimes.from_us_many(world.sequence([world.us() for _ in range(20)]), zone)
    zone.transitions(NOW // 1_000_000, NOW // 1_000_000 + 10**8)
    zone.local(world.us() // 1_000_000)


def makers(world: World) -> None:
    zone = world.random.choice(world.zones)
    changes, offsets = [Int(1), world.random.choice([2, Liar(0)])], [Int(1), 2, world.number(3)]
    years = [(Int(2020), Int(2030), world.random.choice([1, Liar(0)]))]
    spec: Any = cron.CronSpec
    for make in (
        lambda: spec.of(second=Int(1), hour=Int(2), years=world.sequence(years), dst=world.text("once")),
        lambda: interval.IntervalCore(Liar(0), zone, Int(NOW), Liar(2**80)),
        lambda: calendar_interval.CalendarIntervalCore(zone, Liar(0), Liar(0), Int(3), Int(5)),
        lambda: calendar_interval.CalendarIntervalCore(
            zone, Int(0), Int(1), Liar(-3), Liar(10**9), Int(30_000)
        ),
        lambda: trigger.DateCore(Liar(-(2**70)), zone),
        lambda: zones.ZoneTable.from_transitions(world.sequence(changes), world.sequence(offsets), Zone()),
        lambda: calendar.days_from_civil(Liar(10**12), Int(3), Int(4)),
        lambda: due_index.DueIndex().push(due_index.DueEntry(), Liar(-(2**63))),
    ):
        try:
            made: Any = make()
        except Exception:
            continue
        if isinstance(made, cron.CronSpec):
            made = cron.CronCore(made, zone)
        if isinstance(made, trigger.TriggerCore):
            made.next_fire_us(None, NOW)
            made.previous_fire_us(NOW)


class Liar(int):
    """Is within all limits, if one asks it."""

    def __lt__(self, other: Any) -> bool:
        return True

    __le__ = __gt__ = __ge__ = __lt__

    def __bool__(self) -> bool:
        return True


def texts(world: World) -> None:
    fields = [cron_text.FieldBits(mask=world.random.getrandbits(62)) for _ in range(8)]
    plain = [cron_text.FieldBits(mask=2) for _ in range(8)]
    table = cron_text.TextTable(TextKind, world.sequence(plain), plain)
    for known in table.known:
        known[world.text("1")] = plain[0]
    day_or_weekday = world.random.choice([True, Int(1)])
    made = table.of_known("1", None, Text("1"), "1", None, "1", "1", None, day_or_weekday, world.text("once"))
    if made is not None:
        table.keep(made, "1", None, 1, "1", None, "1", "1", None, True, "once")
        cron_text.begin(cron.CronCore(world.spec(), world.zones[0]), made, world.zones[1])
    cron_text.alike(world.random.choice([one for one in world.triggers if isinstance(one, cron.CronCore)]))
    cron_text.ScheduleText(fields, True, "once")


class TextKind(cron_text.ScheduleText):  # type: ignore[misc]
    """A class of texts with a mind of its own."""

    def __new__(cls, *args: Any) -> Any:
        WORLD.act()
        return super().__new__(cls) if WORLD.random.random() < 0.8 else 5


class Kind(job_core.JobCore):  # type: ignore[misc]
    """A class of jobs with a mind of its own."""

    def __new__(cls, *args: Any) -> Any:
        WORLD.act()
        return super().__new__(cls) if WORLD.random.random() < 0.8 else "no job"

    def _foreign_zone(self) -> Any:
        WORLD.act()
        return WORLD.random.choice([None, 5, WORLD.zones[0]])


def table_work(world: World) -> None:
    numbers = [world.random.randrange(60) for _ in range(10)]
    job_table.insert_jobs([world.job(number) for number in numbers], world.jobs, world.index)
    for job in [world.job(numbers[0]), *list(world.jobs.values())[:3]]:
        job_table.find_job(job.id, world.jobs, world.index)
        job_table.replace_job(job, world.jobs, world.index)
        times = (world.us(), world.us(), world.moment())
        job_table.exchange_job(
            job, job.run_at_us, world.random.choice([None, times]), world.jobs, world.index
        )
        job_table.delete_job(world.text(f"job {numbers[1]}"), world.jobs, world.index)


def a_pass(world: World) -> None:
    due = world.index.pop_due(NOW, world.random.choice([3, 100]))
    plan = planning.plan_due(world.sequence(due), NOW, lambda: world.random.random() * 1.1)
    granted, _ = world.counts.acquire_runs(world.sequence(plan.submissions))
    planning.split_by_executor(plan.submissions, plan.changes)
    for one in granted:
        assert one.job is not None
        list(one.times_us())
        list(one.run_times)
        world.counts.release_run(one)
    changes = [*plan.changes, *(planning.Change(job, job.run_at_us, park="x") for job in due[:2])]
    job_table.settle_changes(world.sequence(changes), world.jobs, world.index)
    job_table.restore_taken(world.sequence(due), world.jobs, {}, world.index)


def jobs_attributes(world: World) -> None:
    job = Kind() if world.random.random() < 0.5 else world.job(99)
    for name in (
        "args",
        "func",
        "name",
        "trigger",
        "kwargs",
        "executor",
        "misfire_grace_time",
        "_jobstore_alias",
    ):
        setattr(job, name, (Thing(),))
        setattr(job, name, Thing())
        getattr(job, name)
    job.next_run_time = world.moment()
    str(job.next_run_time)
    job._complete(world.number(1), Int(1), 3)
    job_core.set_first_times(world.sequence([world.job(n) for n in range(5)]), NOW)
    job_core.hide_from_collector(job)
    job_core.show_to_collector(job)


def drafts(world: World) -> None:
    known = job_drafts.KnownDrafts(Kind, None, lambda: world.text("new"))
    facts = (print, "builtins:print", "print", "default", ..., ..., ...)
    spec = {"func": print, "hour": "3", "minute": 1, "args": (1,)}
    known.learn(spec, print, facts, 1, cron.CronCore(world.spec(), world.zones[0]))
    specs = [
        dict(spec),
        Dict(spec),
        {**spec, world.text("hour"): world.text("3")},
        {**spec, "id": world.text("i")},
    ]
    made: list[Any] = []
    known.draft_on(iter(world.sequence(specs * 3)), made, None)
    job_drafts.complete_jobs(made, world.number(1), True, 1)
    job_drafts.earliest_us(made)


def rows(world: World) -> None:
    data = b'{"$datetime":"2027-03-01T12:00:00"}'
    known = known_rows.KnownRows(Kind)
    job = world.job(1)
    for made in (interval.IntervalCore(5, world.zones[0], NOW), cron.CronCore(world.spec(), world.zones[0])):
        known.learn(data, 14, 33, job, made, ("_dates", None))
        known.learn(data, 0, 0, job, made)
    columns = [
        ("a", 1.5, None, None, data),
        (world.text("a"), 1.5, world.number(3), world.text("p"), data),
        world.sequence(["a", 1.5, None, None, data]),
    ]
    found = known_rows.rows_of(iter(world.sequence(columns * 3)), tuple, lambda *five: five)
    jobs: list[Any] = []
    rest = iter(world.sequence([*found, *columns]))
    while known.read_on(rest, jobs, None) is not None:
        known.learn(data, 14, 33, job, interval.IntervalCore(5, world.zones[0], NOW))


def counting(world: World) -> None:
    for _ in range(10):
        key = world.text("a")
        world.counts.acquire(key, world.number(3))
        world.counts.release(key)
        world.counts.count(key)


WORK: list[Callable[[World], None]] = [
    times_of_one, times_of_many, conversions, makers, texts, table_work, a_pass, jobs_attributes, drafts, rows,
    counting,
]  # fmt: skip


def main(seed: int, rounds: int) -> None:
    global WORLD
    WORLD = World.__new__(World)
    world = WORLD
    world.fuse, world.depth = 10**9, 0
    world.__init__(Random(seed))  # type: ignore[misc]
    raised: Counter[str] = Counter()
    for number in range(rounds):
        if number % 5 == 0:
            world.begin()
        work = WORK[number % len(WORK)]
        if "-v" in sys.argv:
            sys.stderr.write(f"{number}: {work.__name__}\n")
        world.fuse, world.depth = world.random.randrange(1, 12), 0
        try:
            work(world)
        except BaseException as error:
            raised[type(error).__name__] += 1
        world.lists[1:] = []
        if number % 5 == 4:
            world.check()
    acts = sum(world.acts.values())
    print(
        f"{rounds} rounds, {acts} acts of {len(world.acts)} kinds, raised {dict(raised)}, engine {_engine.NAME}"
    )


if __name__ == "__main__":
    faulthandler.enable()
    main(int(sys.argv[1]), int(sys.argv[2]))
