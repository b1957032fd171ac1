"""What became of runs, on both twins: a ring of the latest, those under way, and ids that are made when asked for."""

from __future__ import annotations

import uuid
from types import SimpleNamespace
from typing import Any

import pytest


def test_an_id_may_be_made_later_than_its_turn(engine: Any) -> None:
    turn, later = engine.ledger.new_turn(), engine.ledger.new_run_id()
    early = engine.ledger.id_of(turn)
    assert early < later and engine.ledger.id_of(turn) != early
    assert engine.ledger.id_of(turn)[:18] == early[:18]


@pytest.fixture
def world(engine: Any, make: Any) -> Any:
    """`ran(func)`: a run by way of `run_at_once`, and what the ledger has of it."""
    clock = SimpleNamespace(us=1_000)
    counts = engine.running.RunningCounts()
    ledger = engine.ledger.Ledger(3, "me", lambda: clock.us)

    def ran(func: Any = lambda: None, job_id: str = "j") -> Any:
        job = make.job(
            make.interval(1), 500, func=func, args=(), kwargs={}, misfire_grace_time=None, max_instances=1
        )
        job.id, job._jobstore_alias = job_id, "store"
        (submission,) = engine.planning.plan_due([job], 500).submissions
        submission.alias = "store"
        counts.acquire_runs([submission])
        world.value = engine.running.run_at_once(submission, lambda: clock.us, counts, ledger)
        return submission.kept

    world = SimpleNamespace(ledger=ledger, ran=ran, counts=counts, clock=clock, value=None)
    return world


def test_ids_sort_by_time_and_are_version_7(engine: Any) -> None:
    ids = [engine.ledger.new_run_id() for _ in range(3000)]
    assert ids == sorted(set(ids))
    assert {uuid.UUID(one).version for one in ids} == {7}
    assert {uuid.UUID(one).variant for one in ids} == {uuid.RFC_4122}


def test_a_run_that_simply_ran_is_a_few_numbers(world: Any) -> None:
    def work() -> None:
        world.clock.us = 1_700

    kept = world.ran(work)
    assert (kept.job_id, kept.jobstore, kept.who, kept.state, kept.attempt) == ("j", "store", "me", "done", 1)
    assert (kept.scheduled_us, kept.started_us, kept.ended_us) == (500, 1_000, 1_700)
    assert (kept.error, kept.reason, kept.retry_us, kept.run, kept.task) == (None, None, None, None, None)
    assert world.ledger.newest() == [kept] and world.ledger.under_way() == []
    assert world.counts.count("j") == 0


@pytest.mark.parametrize("grace_s", [5, None])
def test_the_clock_is_asked_once_for_the_beginning(engine: Any, make: Any, grace_s: int | None) -> None:
    """Of a run that may be late too: it began at the time at which it was found not to be."""
    ticks = iter(range(1_001, 1_010))
    now_us = ticks.__next__
    ledger, counts = engine.ledger.Ledger(3, "me", now_us), engine.running.RunningCounts()
    job = make.job(
        make.interval(1), 500, func=int, args=(), kwargs={}, misfire_grace_time=grace_s, max_instances=1
    )
    job.id = "j"
    (submission,) = engine.planning.plan_due([job], 500).submissions
    assert engine.running.run_at_once(submission, now_us, counts, ledger) == 0
    (kept,) = ledger.under_way()
    assert (kept.started_us, next(ticks)) == (1_001, 1_002)


def test_the_id_is_made_when_asked_for_and_has_its_place_among_the_others(engine: Any, world: Any) -> None:
    before = engine.ledger.new_run_id()
    first, second = world.ran(), world.ran()
    after = engine.ledger.new_run_id()
    assert not first.has_id
    assert before < first.id < second.id < after
    assert first.has_id and first.id == first.id


def test_so_many_are_kept_and_the_oldest_gives_way(world: Any) -> None:
    kept = [world.ran() for _ in range(2)]
    assert world.ledger.newest() == kept[::-1] and len(world.ledger) == 2
    world.ledger.add("a record")
    assert world.ledger.newest() == ["a record", *kept[::-1]]
    for number in range(10):
        world.ledger.add(number)
        assert world.ledger.newest()[0] == number and len(world.ledger) == len(world.ledger.newest()) == 3
    assert world.ledger.newest() == [9, 8, 7] and world.ledger.keep == 3


def test_one_that_raises_or_leaves_something_is_not_over(world: Any) -> None:
    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        world.ran(fail)
    kept = world.ran(lambda: 7, "k")
    assert world.value == 7 and world.counts.count("k") == 1
    assert kept in world.ledger.under_way() and len(world.ledger.under_way()) == 2
    world.ledger.drop(kept)
    world.ledger.drop(kept)
    assert kept not in world.ledger.under_way() and kept.ended_us is None
    other = world.ran(lambda: 7, "l")
    assert world.ledger.end(other) and world.ledger.newest() == [other]


def test_who_follows_a_run_is_to_be_told_its_end(world: Any) -> None:
    def work() -> None:
        (kept,) = world.ledger.under_way()
        assert world.ledger.adopt(kept, "first") == world.ledger.adopt(kept, "second") == "first"
        assert world.ledger.under_way() == []

    kept = world.ran(work)
    assert kept.run == "first" and world.value is None
    assert world.ledger.newest() == [] and world.counts.count("j") == 1  # both are up to who follows it
    assert not world.ledger.end(kept)


def test_one_that_has_ended_is_nobodys_to_follow(world: Any) -> None:
    kept = world.ran()
    assert world.ledger.adopt(kept, "late") is None and kept.run is None


def test_what_was_under_way_is_the_parents(world: Any) -> None:
    kept, under_way = world.ran(), world.ran(lambda: 7, "k")
    world.ledger.leave_parent("child")
    assert world.ledger.under_way() == [] and world.ledger.newest() == [kept]
    assert under_way.who == "me" and world.ran(job_id="c").who == "child"


def test_nobody_watches_before_somebody_says_so(engine: Any) -> None:
    watching = engine.ledger.Watching()
    assert watching.every is False and watching.ledger is None
    watching.ledger = ledger = engine.ledger.Ledger(1, "me", lambda: 0)
    assert watching.ledger is ledger
