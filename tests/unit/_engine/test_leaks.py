"""Every kernel in a loop: the interpreter's blocks, the references to the arguments and the process stay flat.

A leak of one object per call would show as thousands of blocks. The loops do what is usual and what fails: an error
path that forgets a reference is the usual leak of compiled code.
"""

from __future__ import annotations

import array
import ast
import gc
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from tests.conftest import load_engine

pytestmark = pytest.mark.slow

ROUNDS = 1500
NOW = 1_762_066_800_000_000
TZIF = next((path for path in (Path("/usr/share/zoneinfo/America/New_York"),) if path.is_file()), None)
BERLIN = ZoneInfo("Europe/Berlin")
AT = datetime(2025, 11, 2, 12, tzinfo=BERLIN)


@pytest.fixture
def compiled() -> SimpleNamespace:
    """The kernels; the reference leaves its memory to the interpreter."""
    return load_engine("compiled")


def zone(engine: SimpleNamespace):
    changes = [NOW // 1_000_000 + day * 86400 for day in range(-40, 40)]
    offsets = [3600 + 1800 * (index % 3) for index in range(81)]
    return engine.timezone.ZoneTable.from_transitions(changes, offsets, BERLIN, "CET-1CEST,M3.5.0,M10.5.0/3")


def zone_work(engine: SimpleNamespace) -> Callable[[], object]:
    table, maker = zone(engine), engine.timezone.ZoneTable

    def work() -> None:
        fresh = maker.from_transitions([0, 100], [0, 3600, 0], BERLIN)
        fresh.range_at(50)
        maker.fixed(3600, BERLIN).local(1)
        table.range_at(NOW // 1_000_000)
        table.offset_at(NOW // 1_000_000 + 10**9)
        table.local(NOW // 1_000_000)
        table.transitions(NOW // 1_000_000, NOW // 1_000_000 + 10**7)
        for broken in (b"TZif", b"TZif2" + bytes(60), b""):
            with suppress(ValueError):
                maker.from_tzif(broken, BERLIN)
        for footer in ("nonsense", "CET-1CEST,M3.5.0", ""):
            with suppress(ValueError):
                maker.from_transitions([5], [0, 1], BERLIN, footer)

    return work


def tzif_work(engine: SimpleNamespace) -> Callable[[], object]:
    data = TZIF.read_bytes() if TZIF else b"TZif"

    def work() -> None:
        for part in (data, data[:-20], data[: len(data) // 2]):
            with suppress(ValueError):
                engine.timezone.ZoneTable.from_tzif(part, BERLIN)

    return work


def datetimes_work(engine: SimpleNamespace) -> Callable[[], object]:
    table, rooms = zone(engine), engine.datetimes
    moments = (
        AT,
        AT.astimezone(timezone.utc),
        AT.replace(tzinfo=None),
        AT.astimezone(timezone(timedelta(hours=3))),
    )

    def work() -> None:
        for moment in moments:
            rooms.from_us(rooms.to_us(moment, table), table)
        rooms.from_us_many([NOW, NOW + 1, NOW + 10**15], table)
        for wrong in (2**62, -(2**62), None, "x"):
            with suppress(ValueError, OverflowError, TypeError):
                rooms.from_us(wrong, table)
            with suppress(ValueError, OverflowError, TypeError):
                rooms.from_us_many([NOW, wrong], table)
        with suppress(TypeError):
            rooms.to_us("x", table)

    return work


def cron(engine: SimpleNamespace, jitter_us: int = 0):
    spec = engine.cron.CronSpec.of(
        second=1, minute=1 << 30, hour=1 << 2, nth_weekdays=1 << 35, day=0, dst="shift"
    )
    return engine.cron.CronCore(spec, zone(engine), NOW - 10**14, NOW + 10**15, jitter_us)


def asked(trigger) -> Callable[[], object]:
    """Everything that can be asked of a trigger, rightly and wrongly."""
    buffer = array.array("q", bytes(8 * 10))

    def work() -> None:
        fire = trigger.get_next_fire_time(None, AT)
        trigger.get_next_fire_time(fire, AT)
        trigger.next_fire_us(None, NOW)
        trigger.next_fire_us(NOW, NOW + 1)
        trigger.previous_fire_us(NOW)
        trigger.latest_fire_us(NOW, NOW + 10**12)
        trigger.fill_fire_times(buffer, NOW, NOW + 10**13)
        trigger.list_fire_times(NOW, None, 5)
        for wrong in ("x", None, 2**70, AT.replace(tzinfo=None), b"123"):
            with suppress(ValueError, OverflowError, TypeError, AttributeError):
                trigger.get_next_fire_time(wrong, wrong)
            with suppress(ValueError, OverflowError, TypeError):
                trigger.next_fire_us(wrong, wrong)
            with suppress(ValueError, OverflowError, TypeError, BufferError):
                trigger.fill_fire_times(wrong, NOW)
            with suppress(ValueError, OverflowError, TypeError):
                trigger.list_fire_times(wrong, wrong, 5)

    return work


def cron_work(engine: SimpleNamespace) -> Callable[[], object]:
    plain, jittered = asked(cron(engine)), asked(cron(engine, 5_000_000))

    def work() -> None:
        plain()
        jittered()
        spec = cron(engine).spec
        assert pickle.loads(pickle.dumps(spec)) == spec
        for wrong in (
            {"second": 1 << 60},
            {"dst": "never"},
            {"years": [(1, 2)]},
            {"hour": "x"},
            {"years": 5},
        ):
            with suppress(ValueError, OverflowError, TypeError):
                engine.cron.CronSpec.of(**wrong)

    return work


def interval_work(engine: SimpleNamespace) -> Callable[[], object]:
    table = zone(engine)
    trigger = engine.interval.IntervalCore(60_000_000, table, NOW - 10**12, NOW + 10**15, 1_000_000)
    ask = asked(trigger)

    def work() -> None:
        ask()
        trigger.missed_slots(NOW, NOW + 10**9)
        engine.interval.IntervalCore(1, table, NOW)
        for wrong in (0, -1, "x", 2**70):
            with suppress(ValueError, OverflowError, TypeError):
                engine.interval.IntervalCore(wrong, table, NOW)

    return work


def calendar_interval_work(engine: SimpleNamespace) -> Callable[[], object]:
    table, maker = zone(engine), engine.calendar_interval.CalendarIntervalCore
    ask = asked(maker(table, 1, 2, 9000, 20_000, 21_000, 1_000_000))

    def work() -> None:
        ask()
        for wrong in (
            (table, 0, 0, 0, 0),
            (table, 1, 0, 86400, 0),
            (None, 1, 0, 0, 0),
            (table, 1, 0, 0, 10**9),
        ):
            with suppress(ValueError, OverflowError, TypeError):
                maker(*wrong)

    return work


def many_work(engine: SimpleNamespace) -> Callable[[], object]:
    triggers = [cron(engine) for _ in range(5)] + [engine.trigger.DateCore(NOW, zone(engine))]
    buffer = array.array("q", bytes(8 * 6))

    def work() -> None:
        engine.trigger.next_fire_us_many(triggers, NOW, buffer)
        for wrong in ([*triggers, "x"], None, [None]):
            with suppress(ValueError, TypeError):
                engine.trigger.next_fire_us_many(wrong, NOW, buffer)

    return work


def due_index_work(engine: SimpleNamespace) -> Callable[[], object]:
    class Entry(engine.due_index.DueEntry):
        pass

    index = engine.due_index.DueIndex()

    def work() -> None:
        entries = [Entry() for _ in range(8)]
        for number, entry in enumerate(entries):
            index.push(entry, NOW + number % 3)
        index.update(entries[0], NOW + 9)
        index.discard(entries[1])
        index.peek()
        index.first(3)
        index.pop_due(NOW, 2)
        with suppress(ValueError, KeyError):
            index.push(entries[0], NOW)
        for wrong in (None, 2**70, "x"):
            with suppress(ValueError, TypeError, OverflowError, KeyError):
                index.push(Entry(), wrong)
        index.pop_due(NOW + 100, 100)
        assert len(index) == 0

    return work


def counts_work(engine: SimpleNamespace) -> Callable[[], object]:
    counts = engine.running.RunningCounts()

    def work() -> None:
        for number in range(6):
            counts.acquire(f"job {number}", 2)
            counts.acquire(f"job {number}", 1)
        for number in range(6):
            counts.release(f"job {number}")
        assert len(counts) == 0

    return work


def loop_work(engine: SimpleNamespace) -> Callable[[], object]:
    """A pass of the loop over jobs in memory: take, decide, count, settle."""

    class Raising(engine.interval.IntervalCore):
        def get_next_fire_time(self, previous_fire_time, now):
            raise ValueError("no")

    table = zone(engine)
    every = engine.interval.IntervalCore(1_000_000, table, NOW - 10**9)
    counts = engine.running.RunningCounts()

    def work() -> None:
        jobs, index = {}, engine.due_index.DueIndex()
        for number, trigger in enumerate(
            (every, cron(engine), engine.trigger.DateCore(NOW, table), Raising(5, table, 0))
        ):
            job = engine.job_core.JobCore()
            job.id, job.trigger, job.executor = f"job {number}", trigger, "default"
            job.coalesce, job.max_instances = number % 2 == 0, 1
            job._advance(NOW - 5_000_000, NOW - 5_000_000)
            engine.job_table.insert_job(job, jobs, index)
        due = index.pop_due(NOW, 10)
        plan = engine.planning.plan_due(due, NOW)
        runs, _ = counts.acquire_runs(plan.submissions)
        engine.job_table.settle_changes(plan.changes, jobs, index)
        for submission in runs:
            assert submission.run_times
            counts.release_run(submission)
        engine.job_table.restore_taken(plan.foreign, jobs, {}, index)
        for wrong in (None, [None], ["x"]):
            with suppress(TypeError, ValueError, AttributeError):
                engine.planning.plan_due(wrong, NOW)
        engine.job_table.delete_job("job 0", jobs, index)

    return work


WORKS = [
    loop_work,
    zone_work,
    tzif_work,
    datetimes_work,
    cron_work,
    interval_work,
    calendar_interval_work,
    many_work,
    due_index_work,
    counts_work,
]


@pytest.mark.parametrize("name", [make.__name__ for make in WORKS])
def test_blocks_and_references_stay_flat(compiled, name):
    stays_flat(__name__, name)


def stays_flat(module: str, name: str) -> None:
    """After a warm-up, a thousand rounds leave no block and no reference to an argument behind.

    In a process of its own: here threads of other tests may be making objects.
    """
    program = f"from {module} import *; print(left_behind({name}))"
    paths = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    left = ast.literal_eval(done.stdout.splitlines()[-1])
    least = [min(column) for column in zip(*left, strict=True)]
    assert max(least) < ROUNDS // 30, f"blocks, references left per {ROUNDS // 3} rounds: {left}"


def left_behind(make: Callable[[SimpleNamespace], Callable[[], object]]) -> list[list[int]]:
    work = make(load_engine("compiled"))
    for _ in range(30):
        work()
    left = []
    for _ in range(8):  # caches grow at first; a leak grows every time
        before = measured()
        for _ in range(ROUNDS // 3):
            work()
        left.append([after - earlier for earlier, after in zip(before, measured(), strict=True)])
    return left


def measured() -> tuple[int, int, int, int]:
    gc.collect()
    return sys.getallocatedblocks(), sys.getrefcount(BERLIN), sys.getrefcount(AT), sys.getrefcount(NOW)


def resident_kb() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
@pytest.mark.skipif("ASAN_OPTIONS" in os.environ, reason="AddressSanitizer keeps freed memory in quarantine")
def test_memory_outside_of_the_interpreter_stays_flat(compiled):
    """Arrays that the kernels allocate themselves (transitions, the heap) are given back."""

    def work() -> None:
        changes = list(range(0, 20_000_000, 10_000))
        compiled.timezone.ZoneTable.from_transitions(
            changes, [n % 7 for n in range(len(changes) + 1)], BERLIN
        )
        index = compiled.due_index.DueIndex()
        for number in range(2000):
            index.push(compiled.due_index.DueEntry(), number)

    for _ in range(20):
        work()
    before = resident_kb()
    for _ in range(300):
        work()
    assert resident_kb() - before < 6000, "300 rounds of about 60 kB"
