"""Jobs in memory: the dict and the index change together, on both twins."""

from __future__ import annotations

import random
from typing import Any

import pytest


def stored(engine: Any, *jobs: Any) -> tuple[dict[str, Any], Any]:
    index = engine.due_index.DueIndex()
    for job in jobs:
        if job.run_at_us is not None:
            index.push(job, job.run_at_us)
    return {job.id: job for job in jobs}, index


def test_settling(engine: Any, make: Any) -> None:
    change = engine.planning.Change
    names = "moved removed paused parked taken_moved user_moved gone replaced kept"
    made = {name: make.job(make.interval(1), 10, id=name) for name in names.split()}
    jobs, index = stored(engine, *made.values())
    index.discard(made["taken_moved"])
    made["user_moved"].run_at_us = 77
    del jobs["gone"]
    jobs["replaced"] = make.job(make.interval(1), 10, id="replaced")
    jobs["kept"] = make.job(make.interval(1), 10, id="kept")
    changes = {
        "moved": change(made["moved"], 10, 20, 19),
        "removed": change(made["removed"], 10, remove=True),
        "paused": change(made["paused"], 10),
        "parked": change(made["parked"], 10, park="why"),
        "taken_moved": change(made["taken_moved"], 10, 20, 20),
        "user_moved": change(made["user_moved"], 10, 20, 20),
        "gone": change(made["gone"], 10, 20, 20),
        "replaced": change(made["replaced"], 10, remove=True),
        "kept": change(made["kept"], 10, 20, 20),
    }
    parks = engine.job_table.settle_changes(list(changes.values()), jobs, index)
    assert parks == [changes["parked"]]
    assert (made["moved"].run_at_us, made["moved"].nominal_us) == (20, 19)
    assert made["taken_moved"].run_at_us == 20 and made["taken_moved"] in index
    assert "removed" not in jobs and made["removed"] not in index
    assert made["paused"].run_at_us is None and made["paused"] not in index
    assert made["parked"].run_at_us == 10 and made["parked"] not in index and "parked" in jobs
    assert made["user_moved"].run_at_us == 77  # what a user changed in the meantime stands
    assert made["gone"].run_at_us == 10
    assert "replaced" in jobs
    # the run under way is the new job's too
    assert (jobs["kept"].run_at_us, made["kept"].run_at_us) == (20, 10)
    index._check()


def test_what_was_taken_and_not_settled_goes_back(engine: Any, make: Any) -> None:
    made = {
        name: make.job(make.interval(1), 10, id=name) for name in ("due", "paused", "parked", "gone", "there")
    }
    jobs, index = stored(engine, *made.values())
    taken = index.pop_due(10, 9)
    made["paused"].run_at_us = None
    del jobs["gone"]
    index.push(made["there"], 12)
    engine.job_table.restore_taken(taken, jobs, {"parked": 1}, index)
    assert sorted(name for name, job in made.items() if job in index) == ["due", "there"]
    index._check()


def test_the_two_halves_of_a_store_in_memory_change_together(engine: Any, make: Any) -> None:
    jobs: dict[str, Any] = {}
    index = engine.due_index.DueIndex()
    first, second = make.job(make.interval(1), 10), make.job(make.interval(1), 20)
    assert engine.job_table.replace_job(first, jobs, index) is None and len(index) == 0
    assert engine.job_table.insert_job(first, jobs, index)
    assert not engine.job_table.insert_job(second, jobs, index)
    assert engine.job_table.replace_job(second, jobs, index) is first
    assert first not in index and index.peek() == (20, second)
    second.run_at_us = None
    assert engine.job_table.replace_job(second, jobs, index) is second and second not in index
    second.run_at_us = 5
    assert engine.job_table.replace_job(second, jobs, index) is second and second in index
    assert engine.job_table.delete_job("j", jobs, index) is second and second not in index and jobs == {}
    assert engine.job_table.delete_job("j", jobs, index) is None
    # removed jobs stay removed
    assert engine.job_table.replace_job(second, jobs, index) is None and len(index) == 0


def test_many_go_in_together_or_not_at_all(engine: Any, make: Any) -> None:
    there = make.job(make.interval(1), 10, id="there")
    jobs, index = stored(engine, there)
    new = [make.job(make.interval(1), 20 + i, id=f"new{i}") for i in range(3)]
    clash = make.job(make.interval(1), 5, id="there")
    assert engine.job_table.insert_jobs([*new, clash], jobs, index) == "there"
    assert engine.job_table.insert_jobs([*new, new[0]], jobs, index) == "new0"
    with pytest.raises(ValueError, match="in a store already"):
        del jobs["there"]
        engine.job_table.insert_jobs([*new, there], jobs, index)
    assert not jobs and len(index) == 1
    assert engine.job_table.insert_jobs(new, jobs, index) is None
    assert list(jobs.values()) == new and all(job in index for job in new)
    index._check()


def test_a_job_is_exchanged_only_while_the_old_one_is_due_as_expected(engine: Any, make: Any) -> None:
    exchange = engine.job_table.exchange_job
    old, new = make.job(make.interval(1), 10), make.job(make.interval(1), 30)
    jobs, index = stored(engine, old)
    assert exchange(new, 9, None, jobs, index) is False and jobs["j"] is old
    assert exchange(new, None, (40, 39, None), jobs, index) is False and new.run_at_us == 30
    assert exchange(new, 10, (40, 39, None), jobs, index) is True
    assert jobs["j"] is new and index.peek() == (40, new) and new.nominal_us == 39 and old not in index
    assert exchange(new, 40, (None, None, None), jobs, index) is True and len(index) == 0
    assert exchange(new, 40, (50, 50, None), jobs, index) is False and new.run_at_us is None
    new.run_at_us = 60  # given a time in place
    assert exchange(new, 40, None, jobs, index) is True and index.peek() == (60, new)
    assert exchange(make.job(make.interval(1), 1, id="other"), 1, None, jobs, index) is None
    index._check()


def test_clearing_takes_everything_out_of_both(engine: Any, make: Any) -> None:
    made = [make.job(make.interval(1), due, id=str(due)) for due in (10, 20, None)]
    jobs, index = stored(engine, *made)
    assert engine.job_table.clear_table(jobs, index) == made
    assert jobs == {} and len(index) == 0
    for job in made:  # they can be used again
        assert engine.job_table.insert_job(job, jobs, index)
    assert len(jobs) == 3 and len(index) == 2


def test_a_job_that_is_written_back_unmoved_keeps_its_turn(engine: Any, make: Any) -> None:
    table = engine.job_table
    made = [make.job(make.interval(1), 10, id=str(number)) for number in range(4)]
    jobs, index = stored(engine, *made)
    assert table.replace_job(made[0], jobs, index) is made[0]
    assert table.exchange_job(made[1], 10, None, jobs, index)
    assert table.exchange_job(made[2], 10, (10, 10, None), jobs, index)
    assert index.pop_due(10, 9) == made
    index.push(made[0], 99)  # left out until then: its run time is still 10
    assert table.replace_job(made[0], jobs, index) is made[0]
    assert index.peek() == (10, made[0])
    index._check()


def test_finding_a_job(engine: Any, make: Any) -> None:
    find = engine.job_table.find_job
    jobs, index = stored(engine, *(make.job(make.interval(1), number, id=str(number)) for number in range(9)))
    paused = jobs["p"] = make.job(make.interval(1), None, id="p")
    jobs["strange"] = "no job"
    assert [find(job_id, jobs, index) for job_id in ("4", "8", "p", "9", 4, "strange")] == [
        jobs["4"],
        jobs["8"],
        paused,
        None,
        None,
        "no job",
    ]
    assert find("p", jobs, engine.due_index.DueIndex()) is paused
    with pytest.raises(TypeError, match="unhashable"):
        find([], jobs, index)


def test_jobs_are_listed_by_time_and_id(engine: Any, make: Any) -> None:
    source = random.Random(7)
    jobs = {}
    for i in range(600):
        job_id = source.choice(("a", "ä", "", "𝄞")) + str(source.randrange(10**6))
        at_us = source.choice((None, 5, source.randrange(9), -(10**15), source.randrange(10**17)))
        jobs[job_id] = make.job(make.interval(1), at_us, id=job_id)
        if i == 0:
            assert engine.job_table.list_jobs(jobs) == [jobs[job_id]]
    order = sorted(jobs.values(), key=lambda job: (job.run_at_us is None, job.run_at_us or 0, job.id))
    assert [job.id for job in engine.job_table.list_jobs(jobs)] == [job.id for job in order]
    assert engine.job_table.list_jobs({}) == []
    paused = {text: make.job(make.interval(1), None, id=text) for text in "cab"}
    assert [job.id for job in engine.job_table.list_jobs(paused)] == ["a", "b", "c"]
    with pytest.raises(TypeError, match="holds jobs"):
        engine.job_table.list_jobs({"a": 1, "b": 2})
