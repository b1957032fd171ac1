"""Counting runs under way, and making the plain calls, on both twins."""

from __future__ import annotations

import logging
import sys
import threading
from datetime import datetime
from types import SimpleNamespace
from typing import Any, ClassVar, NamedTuple

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


class Executing:
    """What `QuickRuns` asks of an executor, and what it was asked."""

    _left_lines = _writes_later = False

    def __init__(self, engine: Any, ears: Any = None) -> None:
        self.done: list[Any] = []
        self._running = engine.running.RunningCounts()
        self._now_us = lambda: 0
        self._logger = logging.getLogger("test.quick")
        self._home = SimpleNamespace(
            ears=ears, watched=SimpleNamespace(every=False), backlogs=SimpleNamespace(claims=False)
        )
        self._scheduler = SimpleNamespace(_dispatch_event=lambda event: self.done.append(("told", event)))
        self.names: dict[str, Any] = {"datetime": 1, "_DATETIME": 1}
        self.way, self.judged = 2 if ears else 1, 0

        self.taken = "text"
        self.lines = (
            lambda logger, submission: self.done.append("begun") or self.taken,
            lambda logger, text, later: self.done.append(("ended", text, later)),
        )

    def judge(self) -> int:
        self.judged += 1
        return self.way

    def _wants(self, code: int) -> bool:
        return code == EXECUTED

    def _run_long(self, submission: Any) -> None:
        self.done.append(("long", submission.job.id))

    def _finish_run(self, submission: Any, value: Any, error: Any) -> None:
        self.done.append(("finish", value, type(error)))

    def _run_lost(self, submission: Any, error: BaseException) -> None:
        self.done.append(("lost", str(error)))

    def _write_left(self) -> None:
        self.done.append("written")


EXECUTED = 1 << 12


class Told(NamedTuple):
    code: int
    job_id: str
    alias: str
    at_s: float
    value: Any


def event(code: int, job_id: str, alias: str, run_time: datetime, value: Any) -> Told:
    return Told(code, job_id, alias, run_time.timestamp(), value)


@pytest.fixture
def quick(engine: Any, make: Any) -> Any:
    """Runs a callable quickly: `(executor, run)`, the ears being those of a `Listening`."""
    listening = Listening(engine)
    executor = Executing(engine, listening.ears)
    listening.ears.mask = EXECUTED
    listening.listeners = [lambda told: executor.done.append(("heard", told))]
    quick_runs = engine.running.QuickRuns(executor, executor.judge, executor.names, event, executor.lines)

    def run(func: Any, **values: Any) -> list[Any]:
        given = {"misfire_grace_time": None, "max_instances": 1, **values}
        job = make.job(make.interval(1), 5_000_000, func=func, args=(), kwargs={}, **given)
        job._jobstore_alias = "store"
        (submission,) = engine.planning.plan_due([job], 5_000_000).submissions
        executor._running.acquire_runs([submission])
        executor.done.clear()
        quick_runs.make(submission)
        return [*executor.done, executor._running.count("j")]

    remembers = engine.running.__name__ != "rapscheduler._reference.running"  # that one judges each run
    return SimpleNamespace(executor=executor, run=run, listening=listening, remembers=remembers)


def test_a_quick_run_tells_one_event_and_gives_its_place_back(quick: Any) -> None:
    told = ("heard", (EXECUTED, "j", "store", 5.0, None))
    assert quick.run(lambda: None) == [told, 0]
    assert quick.run(lambda: 7) == [("heard", (EXECUTED, "j", "store", 5.0, 7)), 0]
    quick.listening.ears.held = {"j": 1}
    assert quick.run(lambda: None) == [0] and quick.listening.waiting == [told[1]]
    quick.listening.ears.mask = 0
    assert quick.run(lambda: 7) == [0]


def test_what_is_more_than_one_event_goes_on_elsewhere(quick: Any) -> None:
    def fail() -> None:
        raise SystemExit(3)

    async def later() -> None:
        pass

    waiting = later()
    assert quick.run(fail) == [("finish", None, SystemExit), 1]
    quick.executor._running.release("j")
    assert quick.run(lambda: waiting) == [("finish", waiting, type(None)), 1]
    quick.executor._running.release("j")
    assert quick.run(print, misfire_grace_time=-6) == [("long", "j"), 1]
    waiting.close()


def test_an_event_that_can_not_be_made_is_a_lost_run(quick: Any) -> None:
    class Value:
        @property
        def __await__(self) -> None:
            raise ValueError("no")

    assert quick.run(Value)[0] == ("lost", "no")


@pytest.mark.parametrize("hook", ["attribute", "scheduler", "class", "clock", "every", "claims"])
def test_there_are_no_quick_runs_while_somebody_hooks_in(quick: Any, hook: str) -> None:
    executor = quick.executor
    assert quick.run(lambda: None)[0][0] == "heard"
    assert quick.run(lambda: None)[0][0] == "heard"
    if hook in ("attribute", "scheduler", "class"):
        executor.way = 0
        owner = {"attribute": executor, "scheduler": executor._scheduler, "class": Executing}[hook]
        owner.hook = 1
    elif hook == "clock":
        executor.names["datetime"] = 2
    else:
        setattr(executor._home.watched if hook == "every" else executor._home.backlogs, hook, True)
    try:
        assert quick.run(lambda: None) == [("long", "j"), 1]
    finally:
        if hook == "class":
            del Executing.hook  # type: ignore[attr-defined]
    if quick.remembers:
        assert executor.judged == 1 + (hook in ("attribute", "scheduler", "class"))


def test_a_way_in_between_asks_and_tells_the_scheduler(quick: Any) -> None:
    quick.executor.way = 1
    assert quick.run(lambda: None) == [("told", (EXECUTED, "j", "store", 5.0, None)), 0]
    quick.executor._left_lines = True
    assert quick.run(lambda: None)[0] == "written"


def test_a_run_at_info_has_its_two_lines(quick: Any, caplog: pytest.LogCaptureFixture) -> None:
    executor = quick.executor
    told = ("heard", (EXECUTED, "j", "store", 5.0, None))
    assert quick.run(lambda: None) == [told, 0]
    caplog.set_level(logging.INFO, "test.quick")
    assert quick.run(lambda: None) == ["begun", ("ended", "text", False), told, 0]
    executor.taken = ""
    assert quick.run(lambda: None) == ["begun", told, 0]
    executor.taken, Executing._writes_later = "text", True
    try:
        assert quick.run(lambda: None) == ["begun", ("ended", "text", True), told, 0] and executor._left_lines
    finally:
        Executing._writes_later = False
    assert quick.run(int.__abs__)[:2] == ["begun", ("finish", None, TypeError)]
    executor._running.release("j")
    logging.getLogger("test.quick").setLevel(logging.WARNING)
    assert quick.run(lambda: None) == ["written", told, 0]


def test_the_level_is_asked_of_a_logger_that_is_not_plain(quick: Any) -> None:
    class Always(logging.Logger):
        def isEnabledFor(self, level: int) -> bool:
            return True

    quick.executor._logger = Always("always")
    assert quick.run(lambda: None)[0] == "begun"
    quick.executor._logger = logger = logging.getLogger("test.quick.own")
    assert quick.run(lambda: None)[0][0] == "heard"
    logger.isEnabledFor = lambda level: True  # type: ignore[method-assign]
    try:
        assert quick.run(lambda: None)[0] == "begun"
    finally:
        del logger.isEnabledFor
    assert quick.run(lambda: None)[0][0] == "heard"
    logger.disabled, logger.level = True, logging.INFO
    try:
        assert quick.run(lambda: None)[0][0] == "heard"
    finally:
        logger.disabled, logger.level = False, logging.NOTSET
