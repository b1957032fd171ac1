"""Counting runs under way, and making the plain calls, on both twins."""

from __future__ import annotations

import sys
import threading
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest


def test_counts(engine: Any) -> None:
    counts = engine.running.RunningCounts()
    assert [counts.acquire("a", 2) for _ in range(3)] == [True, True, False]
    assert (counts.count("a"), counts.count("b"), len(counts)) == (2, 0, 1)
    counts.release("b")
    counts.release("a")
    assert counts.acquire("a", 2)
    for _ in range(5):
        counts.release("a")
    assert counts.count("a") == 0 and len(counts) == 0


def test_counting_submissions(engine: Any, make: Any) -> None:
    counts = engine.running.RunningCounts()
    job = make.job(make.interval(1), 0, max_instances=2)
    runs = [engine.planning.Submission(job, [0], 0) for _ in range(3)]
    granted, refused = counts.acquire_runs(runs)
    assert (granted, refused) == (runs[:2], runs[2:])
    assert [one.counted for one in runs] == [True, True, False]
    for _ in range(3):
        counts.release_run(runs[0])
        counts.release_run(runs[2])
    assert counts.count("j") == 1


def test_counting_is_atomic_among_threads(engine: Any) -> None:
    counts = engine.running.RunningCounts()
    highest: list[int] = []
    start = threading.Barrier(8)

    def work() -> None:
        start.wait()
        for _ in range(2000):
            if counts.acquire("a", 3):
                highest.append(counts.count("a"))
                counts.release("a")

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert highest and max(highest) <= 3
    assert counts.count("a") == 0 and len(counts) == 0


def test_a_plain_run_is_made_at_once(engine: Any, make: Any) -> None:
    calls: list[Any] = []

    def func(*args: Any, **kwargs: Any) -> str:
        calls.append((args, kwargs))
        return "done"

    values = {"func": func, "misfire_grace_time": 2}
    job = make.job(make.interval(1), 5_000_000, args=(1,), kwargs={"x": 2}, **values)
    bare = make.job(make.interval(1), 5_000_000, args=(), kwargs={}, **values)
    listed = make.job(make.interval(1), 5_000_000, args=[3], kwargs={}, **values)
    run, not_begun = engine.running.run_at_once, engine.running.NotBegun
    counts = engine.running.RunningCounts()
    for one in (job, bare, listed):
        (submission,) = engine.planning.plan_due([one], 5_000_000).submissions
        assert run(submission, lambda: 7_000_000, counts) == "done"
        assert run(submission, lambda: 7_000_001, counts) is not_begun  # past its grace
        one.misfire_grace_time = None
        assert run(submission, lambda: 9_000_000, counts) == "done"
    assert calls == [((1,), {"x": 2})] * 2 + [((), {})] * 2 + [((3,), {})] * 2
    several = engine.planning.Submission(job, [1, 2], 5)
    assert run(several, lambda: 2, counts) is not_begun


def test_a_plain_run_gives_its_place_back_only_when_there_is_nothing_to_tell(engine: Any, make: Any) -> None:
    counts, outcomes = engine.running.RunningCounts(), [None, "told", ValueError("told")]

    def func() -> Any:
        assert counts.count("j") == 1  # not before it has ended
        outcome = outcomes.pop(0)
        if isinstance(outcome, ValueError):
            raise outcome
        return outcome

    job = make.job(make.interval(1), 0, func=func, args=(), kwargs={}, misfire_grace_time=1, max_instances=1)
    (submission,) = engine.planning.plan_due([job], 0).submissions
    run = engine.running.run_at_once
    counts.acquire_runs([submission])
    assert run(submission, lambda: 1_000_001, counts) is engine.running.NotBegun and counts.count("j") == 1
    assert run(submission, lambda: 0, counts) is None and counts.count("j") == 0
    counts.acquire_runs([submission])
    assert run(submission, lambda: 0, counts) == "told" and counts.count("j") == 1
    with pytest.raises(ValueError, match="told"):
        run(submission, lambda: 0, counts)
    assert counts.count("j") == 1


def test_what_a_plain_run_raises_comes_through(engine: Any, make: Any) -> None:
    def fail() -> None:
        raise SystemExit(3)

    job = make.job(make.interval(1), 0, func=fail, args=(), kwargs={}, misfire_grace_time=None)
    (submission,) = engine.planning.plan_due([job], 0).submissions
    with pytest.raises(SystemExit):
        engine.running.run_at_once(submission, lambda: 0, engine.running.RunningCounts())


def test_a_limit_that_is_no_number_leaves_no_place_taken(engine: Any, make: Any) -> None:
    counts = engine.running.RunningCounts()
    runs = [
        engine.planning.Submission(make.job(make.interval(1), 0, id=name, max_instances=limit), [0], 0)
        for name, limit in (("a", 1), ("b", None))
    ]
    with pytest.raises(TypeError):
        counts.acquire_runs(runs)
    assert len(counts) == 0 and [one.counted for one in runs] == [False, False]


def test_a_job_that_may_overlap_is_counted_and_never_kept_back(engine: Any, make: Any) -> None:
    counts = engine.running.RunningCounts()
    job = make.job(make.interval(1), 0, max_instances=1)
    job._extras = {"overlap": "allow"}
    runs = [engine.planning.Submission(job, [0], 0) for _ in range(3)]
    assert counts.acquire_runs(runs) == (runs, []) and counts.acquire_job(job)
    assert counts.count("j") == 4
    job._extras = {"overlap": "queue_one"}
    assert not counts.acquire_job(job)


def test_a_group_is_counted_over_its_jobs(engine: Any, make: Any) -> None:
    counts = engine.running.RunningCounts()
    jobs = [make.job(make.interval(1), 0, id=name, max_instances=2) for name in "abc"]
    for job in jobs:
        job._extras = {"group": "mail"}
    assert [counts.acquire_job(job) for job in jobs] == [True, True, False]
    counts.release("a")
    assert counts.acquire_job(jobs[2]) and not counts.acquire_job(jobs[0])
    counts.limits["mail"] = 4
    assert [counts.acquire_job(jobs[0]) for _ in range(3)] == [True, True, False]  # its own limit
    assert [counts.count(name) for name in "abc"] == [2, 1, 1]
    assert (counts.count_group("mail"), counts.count_group("other")) == (4, 0)
    jobs[0]._extras = {"group": "other"}
    assert not counts.acquire_job(jobs[0])


def test_who_waits_hears_of_each_place_that_is_given_back(engine: Any, make: Any) -> None:
    counts = engine.running.RunningCounts()
    assert counts.freed is None
    freed: list[str] = []
    counts.freed = freed.append
    job = make.job(make.interval(1), 0)
    submission = engine.planning.Submission(job, [0], 0)
    counts.acquire_runs([submission])
    counts.release_run(submission)
    counts.acquire("a", 1)
    counts.release("a")
    assert freed == ["j", "a"]


def test_a_rate_is_asked_for_each_run_of_a_group_that_has_a_place(engine: Any, make: Any) -> None:
    class Rates:
        answers: ClassVar = [True, False, True]
        asked: ClassVar[list[str]] = []

        def take(self, group: str) -> bool:
            self.asked.append(group)
            return self.answers.pop(0)

    counts = engine.running.RunningCounts()
    assert counts.rates is None
    counts.rates = Rates()
    job = make.job(make.interval(1), 0, max_instances=2)
    assert counts.acquire_job(job) and not Rates.asked
    job._extras = {"group": "mail"}
    assert [counts.acquire_job(job) for _ in range(2)] == [True, False]  # the second has no place
    counts.release("j")
    assert [counts.acquire_job(job) for _ in range(2)] == [False, True]
    assert (Rates.asked, counts.count("j")) == (["mail"] * 3, 2)


class Listening:
    """A dispatcher of the engine's, and what it was told."""

    def __init__(self, engine: Any) -> None:
        class Ears(engine.running.Ears):  # type: ignore[misc]
            def who_wants(ears, code: int) -> tuple[Any, ...]:
                self.asked += 1
                ears.by_code = {**ears.by_code, code: tuple(self.listeners)}
                return ears.by_code[code]

            def hold_back(ears, event: Any) -> bool:
                self.waiting.append(event)
                return True

            def failed(ears, error: BaseException) -> None:
                self.failures.append(error)

        self.asked = 0
        self.listeners: list[Any] = []
        self.waiting: list[Any] = []
        self.failures: list[BaseException] = []
        self.ears = Ears()


def test_ears_tell_every_listener_and_look_them_up_once(engine: Any) -> None:
    listening, told = Listening(engine), []

    def fail(event: Any) -> None:
        told.append("fail")
        raise SystemExit(event.code)

    listening.listeners = [fail, told.append]
    event = SimpleNamespace(code=4)
    listening.ears.dispatch(event)
    listening.ears.tell(event)
    assert told == ["fail", event, "fail", event] and listening.asked == 1
    assert [error.args for error in listening.failures] == [(4,), (4,)]  # type: ignore[comparison-overlap]
    listening.ears.held = {"a": 1}
    listening.ears.dispatch(event)
    assert listening.waiting == [event] and len(told) == 4
