"""Quick runs on both twins: made, told and given back by the engine, unless somebody hooks in."""

from __future__ import annotations

import logging
from datetime import datetime
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from tests.unit._engine.test_running import Listening


class Executing:
    """What `QuickRuns` asks of an executor, and what it was asked."""

    _left_lines = _writes_later = False

    def __init__(self, engine: Any, ears: Any = None) -> None:
        self.done: list[Any] = []
        self._running = engine.running.RunningCounts()
        self._now_us = lambda: 0
        self._logger = logging.getLogger("test.quick")
        self._home = SimpleNamespace(
            ears=ears, watched=engine.ledger.Watching(), backlogs=backlogs_of(engine)
        )
        self._scheduler = SimpleNamespace(_dispatch_event=lambda event: self.done.append(("told", event)))
        self.names: dict[str, Any] = {"datetime": 1, "_DATETIME": 1}
        self.way, self.judged = 2 if ears else 1, 0
        self.meanwhile: Any = bool  # what comes between a look and its answer
        self.taken = "text"
        self.lines = (
            lambda logger, submission: self.done.append("begun") or self.taken,
            lambda logger, text, later: self.done.append(("ended", text, later)),
        )

    def judge(self) -> int:
        self.judged += 1
        way = self.way
        self.meanwhile()
        return way

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


class Claim:
    """What is asked of the claim of a run, and what it was told."""

    now_us = None

    def __init__(self, begins: bool) -> None:
        self.begins, self.ended = begins, 0

    def begin_at_once(self) -> bool:
        return self.begins

    def end(self) -> None:
        self.ended += 1


def backlogs_of(engine: Any) -> Any:
    class Backlogs(engine.running.Closable):  # type: ignore[misc, name-defined]
        claim: Any = None

        def of(self, submission: Any) -> Any:
            return self.claim

    return Backlogs()


class Fields(NamedTuple):
    code: int
    job_id: str
    alias: str
    at_s: float
    value: Any


class Told(Fields):
    kept: Any = None


def event(code: int, job_id: str, alias: str, run_time: datetime, value: Any) -> Told:
    if isinstance(value, Exception):
        raise value
    return Told(code, job_id, alias, run_time.timestamp(), value)


@pytest.fixture
def quick(engine: Any, make: Any) -> Any:
    """Runs a callable quickly: `(executor, run)`, the ears being those of a `Listening`."""
    listening = Listening(engine)
    executor = Executing(engine, listening.ears)
    listening.ears.mask = EXECUTED
    listening.listeners = [lambda told: executor.done.append(("heard", told))]
    runs = engine.running.QuickRuns(executor, executor.judge, executor.names, event, executor.lines)

    def run(func: Any, **values: Any) -> list[Any]:
        values = {"misfire_grace_time": None, "max_instances": 1, **values}
        job = make.job(make.interval(1), 5_000_000, func=func, args=(), kwargs={}, **values)
        job._jobstore_alias = "store"
        (submission,) = engine.planning.plan_due([job], 5_000_000).submissions
        executor._running.acquire_runs([submission])
        executor.done.clear()
        given.runs.make(submission)
        return [*executor.done, executor._running.count("j")]

    remembers = engine.running.__name__ != "rapscheduler._reference.running"  # that one judges each run
    given = SimpleNamespace(executor=executor, run=run, runs=runs, listening=listening, remembers=remembers)
    return given


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
    assert quick.run(lambda: ValueError("no"))[0] == ("lost", "no")


def test_a_value_that_can_not_be_looked_at_is_a_failure(quick: Any) -> None:
    class Value:
        @property
        def __await__(self) -> None:
            raise ValueError("no")

    ((what, value, error), count) = quick.run(Value)
    assert (what, type(value), error, count) == ("finish", Value, ValueError, 1)


def test_a_claimed_run_is_begun_and_ended_by_its_claim(engine: Any, quick: Any) -> None:
    told, backlogs = ("heard", (EXECUTED, "j", "store", 5.0, None)), quick.executor._home.backlogs
    backlogs.claims = True
    assert quick.run(lambda: None) == [told, 0]  # this one has no claim
    backlogs.claim = claim = Claim(True)
    ledger = quick.executor._home.watched.ledger = engine.ledger.Ledger(9, "me", lambda: 3)
    claim.now_us = lambda: 5_000_001  # type: ignore[assignment]
    assert quick.run(lambda: None, misfire_grace_time=1)[1] == 0 and claim.ended == 1
    assert [kept.started_us for kept in ledger.newest()] == [3]  # by its own clock, not the claim's
    claim.now_us = lambda: 9_000_000  # type: ignore[assignment]
    assert quick.run(lambda: None, misfire_grace_time=1) == [("long", "j"), 1] and claim.ended == 1


def test_a_ledger_keeps_a_quick_run(engine: Any, quick: Any) -> None:
    ledger = quick.executor._home.watched.ledger = engine.ledger.Ledger(9, "me", lambda: 3)
    assert quick.run(lambda: None) == [("heard", (EXECUTED, "j", "store", 5.0, None)), 0]
    (kept,) = ledger.newest()
    assert (kept.job_id, kept.scheduled_us, kept.started_us, kept.ended_us) == ("j", 5_000_000, 3, 3)
    assert quick.executor.done[0][1].kept is kept and ledger.under_way() == []
    quick.listening.ears.mask = 0
    assert quick.run(lambda: 7) == [0] and len(ledger) == 2


def test_a_ledger_hears_elsewhere_of_a_run_that_failed(engine: Any, quick: Any) -> None:
    ledger = quick.executor._home.watched.ledger = engine.ledger.Ledger(9, "me", lambda: 3)
    assert quick.run(len) == [("finish", None, TypeError), 1]
    assert len(ledger) == 0 and [kept.job_id for kept in ledger.under_way()] == ["j"]


def test_the_end_of_a_run_that_somebody_follows_is_told_elsewhere(engine: Any, quick: Any) -> None:
    ledger = quick.executor._home.watched.ledger = engine.ledger.Ledger(9, "me", lambda: 3)

    def work() -> int:
        ledger.adopt(ledger.under_way()[0], "a follower")
        return 7

    assert quick.run(work) == [("finish", 7, type(None)), 1]
    assert len(ledger) == 0


@pytest.mark.parametrize("hook", ["attribute", "scheduler", "class", "clock", "every", "claims"])
def test_there_are_no_quick_runs_while_somebody_hooks_in(quick: Any, hook: str) -> None:
    executor = quick.executor
    assert quick.run(lambda: None)[0][0] == "heard"
    assert quick.run(lambda: None)[0][0] == "heard"
    if hook in ("attribute", "scheduler", "class"):
        executor.way = 0
        owner, name = {
            "attribute": (executor, "_run_job_success"),
            "scheduler": (executor._scheduler, "_wants"),
            "class": (Executing, "hook"),
        }[hook]
        setattr(owner, name, 1)
    elif hook == "clock":
        executor.names["datetime"] = 2
    elif hook == "every":
        executor._home.watched.every = True
    else:
        executor._home.backlogs.claims, executor._home.backlogs.claim = True, Claim(False)
    try:
        assert quick.run(lambda: None) == [("long", "j"), 1]
    finally:
        if hook == "class":
            del Executing.hook  # type: ignore[attr-defined]
    if quick.remembers:
        assert executor.judged == 1 + (hook in ("attribute", "scheduler", "class"))


@pytest.mark.parametrize("name", ["_run_job_success", "_wants"])
def test_a_hook_is_seen_that_came_as_another_attribute_went(quick: Any, name: str) -> None:
    """As patches do in tests that follow each other: there are as many attributes as before."""
    executor = quick.executor
    owner = executor if name == "_run_job_success" else executor._scheduler
    owner.other = 1
    assert quick.run(lambda: None)[0][0] == "heard"
    del owner.other
    executor.way = 0
    setattr(owner, name, 1)
    assert quick.run(lambda: None) == [("long", "j"), 1]
    executor.way = 2
    delattr(owner, name)
    assert quick.run(lambda: None)[0][0] == "heard"


def test_a_judgement_that_comes_late_does_not_stand(quick: Any) -> None:
    """Another thread has judged since, and seen a hook."""
    executor, seen = quick.executor, []

    def hook_in() -> None:
        executor.meanwhile, executor.way = bool, 0
        executor._run_job_success = 1
        seen.extend(quick.run(lambda: None))

    executor.meanwhile = hook_in
    quick.run(lambda: None)
    assert seen == [("long", "j"), 1]
    assert quick.run(lambda: None)[0] == ("long", "j")


@pytest.mark.parametrize("value", [None, 7])
@pytest.mark.parametrize("failing", ["the event", "the last line"])
def test_who_hears_of_a_lost_run_gives_its_place_back(
    engine: Any, caplog: pytest.LogCaptureFixture, quick: Any, failing: str, value: Any
) -> None:
    """A place that was given back before it was lost would be given back twice: it is that of another run."""

    def fail(*given: Any) -> None:
        raise ValueError("no")

    executor = quick.executor
    lines = (lambda logger, submission: "text", fail if failing == "the last line" else print)
    made = fail if failing == "the event" else event
    quick.runs = engine.running.QuickRuns(executor, executor.judge, executor.names, made, lines)
    caplog.set_level(logging.INFO, "test.quick")
    assert quick.run(lambda: value) == [("lost", "no"), 1]


def test_a_way_in_between_asks_and_tells_the_scheduler(quick: Any) -> None:
    quick.executor.way = 1
    assert quick.run(lambda: None) == [("told", (EXECUTED, "j", "store", 5.0, None)), 0]


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
