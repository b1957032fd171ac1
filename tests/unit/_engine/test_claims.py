"""Runs that may be closed before they begin, and the claims among them: found, begun, ended, by both engines."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest


@pytest.fixture
def world(engine: Any, make: Any) -> Any:
    """A table, what is held in it, and `hold(*ids)`: claims of one run each."""
    rooms = engine.claims

    class Table(rooms.OpenRuns):  # type: ignore[misc, name-defined]
        def _like(self, submission: Any) -> Any:
            return ("like", submission)

    class Claim(rooms.OpenRun):  # type: ignore[misc, name-defined]
        __slots__ = ()

        def _end(self) -> Any:
            return "the long way"

    class Held(rooms.Holding):  # type: ignore[misc, name-defined]
        now_s = 5.0

        def __init__(self) -> None:
            super().__init__()
            self.me, self.until_s, self.done = SimpleNamespace(epoch=1), 10.0, list[Any]()

        def steady_s(self) -> float:
            return self.now_s

        def wake(self) -> None:
            self.done.append("woken")

        def made_room(self, job: Any) -> None:
            self.done.append(job.id)

    table, held = Table(), Held()

    def submission_of(job_id: str, **values: Any) -> Any:
        job = make.job(make.interval(1), 5_000_000, id=job_id, **values)
        job._jobstore_alias = "store"
        return engine.planning.Submission(job, [5_000_000], 5_000_000)

    def hold(
        *ids: str, epoch: int = 1, several: bool = False, counts: bool = False, **values: Any
    ) -> list[Any]:
        submissions = [submission_of(job_id, **values) for job_id in ids]
        changes = [engine.planning.Change(one.job, 5_000_000, 6_000_000) for one in submissions]
        claims: list[Any] = held.hold_all(Claim, table, submissions, changes, epoch, print, several, counts)
        return claims

    return SimpleNamespace(
        rooms=rooms, table=table, held=held, hold=hold, claim=Claim, engine=engine, submission=submission_of
    )


def test_a_claim_is_begun_and_its_end_is_noted_once(world: Any) -> None:
    a, b = world.hold("a", "b")
    assert world.held._under_way == {("a", 5_000_000): a, ("b", 5_000_000): b}
    assert (a.expected_us, a.key, a.begun, a.now_us) == (6_000_000, ("a", 5_000_000), 0, print)
    assert a.begin_at_once() and a.begun == 1
    assert not a.end() and not a.end()
    assert world.held._ended == [a.key] and world.held._ended_now == 1
    assert world.held._under_way == {a.key: None, b.key: b}
    assert world.held.done == ["woken"]


def test_who_will_look_anyway_is_not_woken(world: Any) -> None:
    world.held.is_awake = True
    for claim in world.hold("a", "b"):
        claim.end()
    assert len(world.held._ended) == 2 and not world.held.done


def test_a_job_with_options_makes_room(world: Any) -> None:
    (claim,) = world.hold("a", _extras={"group": "g"})
    claim.end()
    assert world.held.done == ["a", "woken"]


@pytest.mark.parametrize("over", ["lease", "epoch"])
def test_nothing_begins_after_the_lease(world: Any, over: str) -> None:
    (claim,) = world.hold("a")
    if over == "lease":
        world.held.now_s = 10.0
    else:
        world.held.me.epoch = 2
    assert not claim.begin_at_once() and not world.held.may_go_on(claim)
    assert claim.lapsed and claim.begun == 0
    assert claim.end() == "the long way"


def test_nothing_begins_when_the_lease_is_lost_and_had_again_while_the_time_is_asked_for(world: Any) -> None:
    (claim,) = world.hold("a")

    def rejoins() -> float:
        world.held.me, world.held.until_s = SimpleNamespace(epoch=2), 20.0
        return 5.0

    world.held.steady_s = rejoins
    assert not claim.begin_at_once() and claim.lapsed and claim.begun == 0


def test_a_lease_that_is_lost_while_runs_are_held_leaves_none_to_the_next(world: Any) -> None:
    def lost(*args: Any) -> Any:
        world.held.me, world.held._under_way = SimpleNamespace(epoch=2), {}
        return world.claim(*args)

    submission = world.submission("a")
    change = world.engine.planning.Change(submission.job, 5_000_000, 6_000_000)
    (claim,) = world.held.hold_all(lost, world.table, [submission], [change], 1, print)
    assert world.held._under_way == {} and world.table.of(submission) is claim
    assert not claim.begin_at_once()


@pytest.mark.parametrize("call", ["begin_at_once", "end"])
def test_what_a_claim_is_of_may_be_taken_away_in_the_middle(world: Any, call: str) -> None:
    gone: list[Any] = []

    class Held(type(world.held)):  # type: ignore[misc]
        def steady_s(self) -> float:
            claim.claims = None
            return 5.0

        def made_room(self, job: Any) -> None:
            claim.claims = None

        def wake(self) -> None:
            assert not gone

        def __del__(self) -> None:
            gone.append(self)

    held, submission = Held(), world.submission("a", _extras={"group": "g"})
    change = world.engine.planning.Change(submission.job, 5_000_000, 6_000_000)
    (claim,) = held.hold_all(world.claim, world.table, [submission], [change], 1, print)
    held._under_way = {claim.key: claim}
    del held
    getattr(claim, call)()
    assert claim.claims is None and len(gone) == 1


def test_runs_of_an_epoch_that_is_over_are_not_under_way(world: Any) -> None:
    (claim,) = world.hold("a", epoch=0)
    assert world.held._under_way == {} and world.table.of(claim.submission) is claim
    assert not claim.begin_at_once()


def test_what_was_closed_is_not_begun(world: Any) -> None:
    (claim,) = world.hold("a")
    claim.closed = True
    assert not claim.begin_at_once() and not claim.lapsed and claim.end() is True
    (claim,) = world.hold("b")
    claim.kept = claim.closed = True
    assert not claim.begin_at_once() and claim.end() == "the long way"


@pytest.mark.parametrize("kind", ["several", "counts"])
def test_of_which_there_is_more_to_do_goes_the_long_way(world: Any, kind: str) -> None:
    (claim,) = world.hold("a", **{kind: True})
    assert (claim.several, claim.counts) == (kind == "several", kind == "counts")
    assert not claim.begin_at_once() and claim.end() == "the long way"
    assert world.table.of(claim.submission) is claim and not world.held._ended


def test_a_backlog_is_no_claim(world: Any) -> None:
    submission = world.submission("a")
    change = world.engine.planning.Change(submission.job, 5_000_000, remove=True)
    backlog = world.claim(world.table, submission, change)
    assert (
        backlog.several and backlog.claims is None and backlog.expected_us is None and backlog.now_us is None
    )
    assert not backlog.begin_at_once() and backlog.end() == "the long way"


def test_runs_of_one_job_are_found_and_forgotten_one_by_one(world: Any) -> None:
    (first,), (second,) = world.hold("a"), world.hold("a")
    table = world.table
    assert table.of(first.submission) is first and table.of(second.submission) is second
    again = world.submission("a")
    assert table.of(again) == ("like", again)
    assert table.of(world.submission("b")) is None
    second.closed = True
    assert table.forget(second) and table.forget(second)
    assert table._open == {"a": [first]}
    assert not table.forget(first) and table._open == {}
    table.put(first)
    assert table.of(first.submission) is first


def test_lists_that_are_not_as_long_are_an_error(world: Any) -> None:
    submission = world.submission("a")
    change = world.engine.planning.Change(submission.job, 5_000_000, 6_000_000)
    submissions = [submission] * 3

    def clears(*args: Any) -> Any:
        submissions.clear()
        return world.claim(*args)

    for kind, some, changes in ((world.claim, [submission], []), (clears, submissions, [change] * 3)):
        with pytest.raises((IndexError, ValueError)):
            world.held.hold_all(kind, world.table, some, changes, 1, print)


def test_what_a_subclass_has_to_bring(engine: Any) -> None:
    held = engine.claims.Holding()
    for call in (held.steady_s, held.wake, lambda: held.made_room(None)):
        with pytest.raises(NotImplementedError):
            call()
