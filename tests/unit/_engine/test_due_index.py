"""The due index against a plain sorted list, on both twins."""

from __future__ import annotations

import gc
import random
import weakref
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.conftest import load_engine

TIMES = st.one_of(st.integers(-5, 5), st.integers(-(2**62), 2**62))


def entries_of(engine: Any, count: int) -> list[Any]:
    class Entry(engine.due_index.DueEntry):
        __slots__ = ("__weakref__",)

    return [Entry() for _ in range(count)]


class AgainstSortedList(RuleBasedStateMachine):
    """Model: a list of (time, moment of the last push or update, entry), sorted when asked."""

    ENGINE = ""

    def __init__(self) -> None:
        super().__init__()
        engine = load_engine(self.ENGINE)
        self.entries = entries_of(engine, 24)
        self.index = engine.due_index.DueIndex()
        self.model: dict[int, tuple[int, int]] = {}
        self.moment = 0

    def order(self) -> list[int]:
        return sorted(self.model, key=lambda i: self.model[i])

    def stamp(self, i: int, time_us: int) -> None:
        self.moment += 1
        self.model[i] = (time_us, self.moment)

    @rule(i=st.integers(0, 23), time_us=TIMES)
    def push(self, i: int, time_us: int) -> None:
        if i in self.model:
            with pytest.raises(ValueError, match="update"):
                self.index.push(self.entries[i], time_us)
        else:
            self.index.push(self.entries[i], time_us)
            self.stamp(i, time_us)

    @rule(i=st.integers(0, 23), time_us=TIMES)
    def update(self, i: int, time_us: int) -> None:
        self.index.update(self.entries[i], time_us)
        self.stamp(i, time_us)

    @rule(i=st.integers(0, 23))
    def discard(self, i: int) -> None:
        assert self.index.discard(self.entries[i]) == (i in self.model)
        self.model.pop(i, None)

    @rule(now_us=TIMES, limit=st.integers(0, 30))
    def pop_due(self, now_us: int, limit: int) -> None:
        due = [i for i in self.order() if self.model[i][0] <= now_us]
        assert self.index.count_due(now_us) == len(due)
        got = [self.entries.index(entry) for entry in self.index.pop_due(now_us, limit)]
        assert got == due[:limit]
        for i in got:
            del self.model[i]

    @rule(limit=st.integers(-1, 30))
    def first(self, limit: int) -> None:
        got = [self.entries.index(entry) for entry in self.index.first(limit)]
        assert got == self.order()[: max(limit, 0)]

    @rule()
    @precondition(lambda self: len(self.model) > 20)
    def clear(self) -> None:
        self.index.clear()
        self.model.clear()

    @invariant()
    def same(self) -> None:
        self.index._check()
        assert len(self.index) == len(self.model)
        assert [entry in self.index for entry in self.entries] == [i in self.model for i in range(24)]
        first = self.order()[:1]
        expected = (self.model[first[0]][0], self.entries[first[0]]) if first else None
        assert self.index.peek() == expected


@pytest.mark.parametrize("name", ["compiled", "reference"])
def test_against_a_sorted_list(name: str) -> None:
    load_engine(name)  # skips when it is not there
    machine = type("Machine", (AgainstSortedList,), {"ENGINE": name})
    test = machine.TestCase("runTest")
    test.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
    test.runTest()


def test_many_entries_come_out_in_order(engine: Any) -> None:
    index = engine.due_index.DueIndex()
    entries = entries_of(engine, 5000)
    times_us = [(i * 7919) % 1009 for i in range(5000)]
    for entry, time_us in zip(entries, times_us, strict=True):
        index.push(entry, time_us)
    for i in range(0, 5000, 3):
        times_us[i] = (i * 31) % 997
        index.update(entries[i], times_us[i])
    index._check()
    firsts = {limit: index.first(limit) for limit in (1, 2, 5, 300, 4999, 5000, 9000)}
    index._check()
    out = index.pop_due(2000, 5000)
    assert all(found == out[:limit] for limit, found in firsts.items())
    assert len(out) == 5000 and len(index) == 0
    keys = {id(entry): time_us for entry, time_us in zip(entries, times_us, strict=True)}
    got = [keys[id(entry)] for entry in out]
    assert got == sorted(times_us)


def test_the_key_is_the_index_s_own(engine: Any) -> None:
    index = engine.due_index.DueIndex()
    (entry,) = entries_of(engine, 1)
    entry.run_at_us = 5
    index.push(entry, 7)
    assert entry.run_at_us == 5
    assert index.peek() == (7, entry)
    entry.run_at_us = None
    assert entry.run_at_us is None
    assert index.peek() == (7, entry)


@pytest.mark.parametrize(
    ("time_us", "error"), [("1", TypeError), (None, TypeError), (1.5, TypeError), (2**63, OverflowError)]
)
def test_refuses_what_is_no_time(engine: Any, time_us: Any, error: type[Exception]) -> None:
    index = engine.due_index.DueIndex()
    (entry,) = entries_of(engine, 1)
    with pytest.raises(error):
        index.push(entry, time_us)
    with pytest.raises(error):
        index.update(entry, time_us)
    assert len(index) == 0
    if time_us is not None:
        with pytest.raises(error):
            entry.run_at_us = time_us


def test_an_entry_of_another_index_is_not_taken(engine: Any) -> None:
    one, other = engine.due_index.DueIndex(), engine.due_index.DueIndex()
    (entry,) = entries_of(engine, 1)
    one.push(entry, 1)
    assert entry not in other
    assert not other.discard(entry)
    with pytest.raises(ValueError, match="already"):
        other.push(entry, 1)
    with pytest.raises(ValueError, match="already"):
        other.update(entry, 1)
    one._check()
    other._check()


def test_references_are_given_back(engine: Any) -> None:
    index = engine.due_index.DueIndex()
    entries = entries_of(engine, 100)
    refs = [weakref.ref(entry) for entry in entries]
    for i, entry in enumerate(entries):
        index.push(entry, i)
    del entry
    entries.clear()
    gc.collect()
    assert all(ref() is not None for ref in refs)
    index.pop_due(49, 100)
    gc.collect()
    assert [ref() is None for ref in refs] == [True] * 50 + [False] * 50
    index.clear()
    gc.collect()
    assert all(ref() is None for ref in refs)


def test_a_look_at_the_first_holds_them_and_takes_nothing(engine: Any) -> None:
    index = engine.due_index.DueIndex()
    entries = entries_of(engine, 40)
    for i, entry in enumerate(entries):
        index.push(entry, -i)
    found = index.first(10)
    assert found == entries[:-11:-1] and len(index) == 40
    refs = [weakref.ref(entry) for entry in entries]
    del entry
    entries.clear()
    index.clear()
    gc.collect()
    assert sum(ref() is not None for ref in refs) == 10
    found.clear()
    gc.collect()
    assert all(ref() is None for ref in refs)


def test_an_index_in_a_cycle_is_collected(engine: Any) -> None:
    class Holder(engine.due_index.DueEntry):
        pass

    index = engine.due_index.DueIndex()
    holder = Holder()
    holder.index = index
    ref = weakref.ref(holder)
    index.push(holder, 1)
    del index, holder
    gc.collect()
    assert ref() is None


def test_entries_outlive_their_index(engine: Any) -> None:
    index = engine.due_index.DueIndex()
    entries = entries_of(engine, 3)
    for entry in entries:
        index.push(entry, 1)
    index.clear()
    del index
    fresh = engine.due_index.DueIndex()
    for entry in entries:
        fresh.push(entry, 2)
    assert len(fresh) == 3


# What the collector is told of (compiled; the reference's are Python's own)


def tracked_of(holder: Any) -> list[Any]:
    """What it tells of; with an object that is not tracked the collector does nothing."""
    return [one for one in gc.get_referents(holder) if gc.is_tracked(one)]


def test_the_collector_is_told_of_what_it_tracks_and_of_nothing_else(engine: Any, make: Any) -> None:
    if engine.NAME == "reference":
        pytest.skip("the reference twin hides nothing")
    index, table = engine.due_index.DueIndex(), engine.job_table.JobTable()
    jobs = [make.job(make.interval(1), 0, id=str(i), func=print, args=(), kwargs={}) for i in range(200)]
    for job in jobs:
        engine.job_table.insert_job(job, table, index)
    assert tracked_of(index) == tracked_of(table) == []
    source, args = random.Random(5), [(), ([],)]
    for _ in range(3000):
        job = source.choice(jobs)
        kind = source.randrange(4)
        if kind == 0:
            job.args = source.choice(args)
        elif kind == 1:
            engine.job_table.replace_job(job, table, index)
        elif kind == 2 and job in index:
            index.discard(job)
        elif kind == 3:
            index.update(job, source.randrange(50))
        if _ % 100 == 0:
            told = tracked_of(index)
            assert sorted(entry.id for entry in told) == sorted(
                entry.id for entry in jobs if gc.is_tracked(entry) and entry in index
            )
            told = tracked_of(table)
            assert {entry.id for entry in told} == {entry.id for entry in jobs if gc.is_tracked(entry)}
    for job in jobs:
        engine.job_table.delete_job(job.id, table, index)
    assert gc.get_referents(index, table) == []


def test_a_store_with_fewer_jobs_than_are_tracked_goes_through_its_own(engine: Any, make: Any) -> None:
    """Each of many stores went through the tracked jobs of all: seconds for a collection."""
    if engine.NAME == "reference":
        pytest.skip("the reference twin hides nothing")

    def store(count: int, args: tuple[Any, ...]) -> tuple[Any, Any, list[Any]]:
        index, table = engine.due_index.DueIndex(), engine.job_table.JobTable()
        jobs = [
            make.job(make.interval(1), 0, id=str(i), func=print, args=args, kwargs={}) for i in range(count)
        ]
        engine.job_table.insert_jobs(jobs, table, index)
        return index, table, jobs

    others = store(40, ([],))
    index, table, jobs = store(30, ())
    assert others and not any(map(gc.is_tracked, jobs))
    assert sorted(map(id, gc.get_referents(table))) == sorted(map(id, jobs))
    assert sorted(map(id, gc.get_referents(index))) == sorted(map(id, jobs))


@pytest.mark.parametrize("where", ["id", "name", "executor", "attribute"])
@pytest.mark.parametrize("late", [False, True])
def test_a_cycle_through_what_a_job_carries_beside_its_call_is_found(
    engine: Any, make: Any, where: str, late: bool
) -> None:
    class Text(str):
        pass

    class Carrying(engine.job_core.JobCore):
        pass

    plain = make.job(make.interval(1), 0, id="text", func=print, args=(), kwargs={})
    job, text = Carrying(), Text("text")
    for name in ("id", "func", "args", "kwargs", "trigger"):
        setattr(job, name, getattr(plain, name))
    job.name = job.executor = "text"
    job.run_at_us = 0
    text.job = job  # type: ignore[attr-defined]
    index, table = engine.due_index.DueIndex(), engine.job_table.JobTable()
    if not late:
        setattr(job, where, text)
    engine.job_table.insert_job(job, table, index)
    setattr(job, where, text)
    gone = weakref.ref(text)
    del job, text, table, index
    gc.collect()
    assert gone() is None


def test_a_cycle_through_one_of_many_jobs_is_found(engine: Any, make: Any) -> None:
    class Text(str):
        __slots__ = ()

    for job_id in ("own", Text("own")):
        index, table = engine.due_index.DueIndex(), engine.job_table.JobTable()
        jobs = [make.job(make.interval(1), 0, id=str(i), func=print, args=(), kwargs={}) for i in range(50)]
        jobs.append(make.job(make.interval(1), 0, id=job_id, func=print, args=([index, table],), kwargs={}))
        paused = make.job(make.interval(1), None, id="paused", func=print, args=([index, table],), kwargs={})
        engine.job_table.insert_jobs([*jobs, paused], table, index)
        held = [weakref.ref(job) for job in jobs]
        del jobs, paused, index
        gc.collect()
        assert held[-1]() is not None and held[-1]().args[0][1] is table  # type: ignore[union-attr]
        del table
        gc.collect()
        assert [ref() for ref in held] == [None] * 51
