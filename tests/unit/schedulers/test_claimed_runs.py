"""Runs of a shared store that nobody listens to are claimed, asked whether they begin, and told when they ended."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import datetime, timedelta, timezone
from itertools import pairwise

import pytest

from rapscheduler._engine import planning
from rapscheduler._scheduling import claims, keeper
from rapscheduler._scheduling.claims import Claim
from rapscheduler._scheduling.lifecycle import STATE_RUNNING
from rapscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED, EVENT_JOB_MISSED
from rapscheduler.executors.base import BaseExecutor
from rapscheduler.jobstores._shared import WAITING, Peer, Refused, RunRow
from rapscheduler.schedulers.asyncio import AsyncIOScheduler
from rapscheduler.schedulers.background import BackgroundScheduler

sa = pytest.importorskip("sqlalchemy")
SQLAlchemyJobStore = pytest.importorskip("rapscheduler.jobstores.sqlalchemy").SQLAlchemyJobStore
made = []
OUTCOMES = EVENT_JOB_EXECUTED | EVENT_JOB_ERROR | EVENT_JOB_MISSED


def work():
    made.append(1)


async def work_in_loop():
    made.append(1)


@pytest.fixture
def begun(monkeypatch):
    made.clear()
    asked, at_once, begin = [], Claim.begin_at_once, Claim.begin

    def begin_at_once(self):
        begins = at_once(self)
        if begins or self.lapsed:
            asked.append(self.key)
        return begins

    monkeypatch.setattr(Claim, "begin", lambda self, i: asked.append(self.key) or begin(self, i))
    monkeypatch.setattr(Claim, "begin_at_once", begin_at_once)
    return asked


def left(store):
    with store.engine.connect() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(store._shared.all_runs)).scalar()


def test_in_a_pool_of_threads(tmp_path, begun):
    store = SQLAlchemyJobStore(f"sqlite:///{tmp_path}/jobs.db", shared=True)
    with BackgroundScheduler(timezone="UTC", jobstores={"default": store}) as scheduler:
        scheduler.add_job(work, "date", id="a", misfire_grace_time=None)
        until_s = time.monotonic() + 20
        while not (made and left(store) == 0) and time.monotonic() < until_s:
            time.sleep(0.02)
        assert [job_id for job_id, _ in begun] == ["a"]
        assert (made, left(store)) == ([1], 0)


@pytest.mark.parametrize("func", [work, work_in_loop])
def test_in_an_event_loop(tmp_path, begun, func):
    store = SQLAlchemyJobStore(f"sqlite:///{tmp_path}/jobs.db", shared=True)

    async def main():
        scheduler = AsyncIOScheduler(timezone="UTC", jobstores={"default": store})
        scheduler.start()
        scheduler.add_job(func, "date", id="a", misfire_grace_time=None)
        until_s = time.monotonic() + 20
        while not (made and left(store) == 0) and time.monotonic() < until_s:
            await asyncio.sleep(0.02)
        await scheduler.shutdown_async()

    asyncio.run(main())
    assert [job_id for job_id, _ in begun] == ["a"]
    assert (made, left(store)) == ([1], 0)


def fail():
    made.append(1)
    raise ValueError("as it should")


@pytest.mark.parametrize(
    ("func", "grace_s", "outcome", "long"),
    [
        (work, None, EVENT_JOB_EXECUTED, []),
        (work, 60, EVENT_JOB_EXECUTED, []),
        (work, 1, EVENT_JOB_MISSED, ["a"]),
        (fail, None, EVENT_JOB_ERROR, []),
        (work_in_loop, None, EVENT_JOB_EXECUTED, []),
    ],
)
def test_a_claim_is_begun_once_by_the_stores_clock_whatever_comes_of_it(
    tmp_path, monkeypatch, begun, func, grace_s, outcome, long
):
    """What simply ran takes no run loop: that was three quarters of what a worker did for a claimed run."""
    ways, events, told = [], [], threading.Event()
    run_long = BaseExecutor._run_long
    monkeypatch.setattr(
        BaseExecutor, "_run_long", lambda self, one: ways.append(one.job.id) or run_long(self, one)
    )
    store = SQLAlchemyJobStore(f"sqlite:///{tmp_path}/jobs.db", shared=True)
    with BackgroundScheduler(timezone="UTC", jobstores={"default": store}) as scheduler:
        scheduler.add_listener(lambda event: (events.append(event), told.set()), OUTCOMES)
        due = datetime.now(timezone.utc) - timedelta(seconds=20)
        scheduler.add_job(func, "date", run_date=due, id="a", misfire_grace_time=grace_s)
        assert told.wait(20)
        assert len(scheduler._running_counts) == 0
    assert [event.code for event in events] == [outcome]
    assert [job_id for job_id, _ in begun] == ["a"] and ways == long
    assert len(made) == (outcome != EVENT_JOB_MISSED) and left(store) == 0


def test_a_claim_whose_lease_is_over_is_not_begun_but_handed_back(tmp_path, monkeypatch):
    made.clear()
    begin, asked = Claim.begin_at_once, threading.Event()

    def begin_late(claim):
        if not asked.is_set():
            claim.claims.until_s = 0.0
        asked.set()
        return begin(claim)

    monkeypatch.setattr(Claim, "begin_at_once", begin_late)
    store = SQLAlchemyJobStore(f"sqlite:///{tmp_path}/jobs.db", shared=True, poll_interval=0.05, lease=1)
    with BackgroundScheduler(timezone="UTC", jobstores={"default": store}) as scheduler:
        again = threading.Event()
        scheduler.add_listener(lambda event: again.set(), OUTCOMES)
        scheduler.add_job(work, "date", id="a", misfire_grace_time=None)
        assert asked.wait(20) and again.wait(20)  # by whoever is there, and that is this one
    assert (made, left(store)) == ([1], 0)


@pytest.mark.parametrize("expelled", [False, True])
def test_who_takes_over_very_many_runs_keeps_its_lease_meanwhile(tmp_path, monkeypatch, expelled):
    """Else others take them over from it, with as much to do, and so on; or it sees that this has happened."""
    store = SQLAlchemyJobStore(f"sqlite:///{tmp_path}/jobs.db", shared=True, lease=3)
    store.start(BackgroundScheduler(timezone="UTC"), "default")
    kept, now_s, looks = keeper.Keeper(store._scheduler, "default", store), [1000.0], []
    rows, look = store._shared, store._shared.look
    for module in (keeper, claims):
        monkeypatch.setattr(module, "steady_s", lambda: now_s[0])

    def looked(me):
        looks.append(now_s[0])
        if expelled and len(looks) == 3:
            rows.leave(me)
        return look(me)

    def slowly(*told):
        now_s[0] += 0.01

    monkeypatch.setattr(rows, "look", looked)
    monkeypatch.setattr(kept, "_tell_lost", slowly)
    rows.join(kept.me)
    with store.engine.begin() as connection:
        run = {"run_us": 1, "from_us": 1, "last_us": 1, "owner": "dead", "epoch": 1}
        connection.execute(rows.runs_t.insert(), [run | {"job_id": f"gone{i}"} for i in range(1000)])
    kept._look()  # which finds them
    if expelled:
        assert len(kept._ended) < 1000 and not kept._is_alive()
    else:
        assert len(kept._ended) == 1000 and kept.holds_lease()
        assert len(looks) > 3 and max(b - a for a, b in pairwise(looks)) < 3
    store.shutdown()


def test_the_end_waits_for_what_is_on_its_way_to_the_store(tmp_path, monkeypatch):
    """It is in no list any more, and not written yet: else a process that ends then leaves it to be run again."""
    made.clear()
    store = SQLAlchemyJobStore(f"sqlite:///{tmp_path}/jobs.db", shared=True, poll_interval=60)
    scheduler = BackgroundScheduler(timezone="UTC", jobstores={"default": store})
    scheduler.start()
    kept, going, may_go, joined = store._claims, threading.Event(), threading.Event(), []
    write, join = store._shared.write, kept._thread.join

    def slowly(*told):
        going.set()
        assert may_go.wait(20)
        return write(*told)

    monkeypatch.setattr(store._shared, "write", slowly)
    monkeypatch.setattr(
        kept._thread, "join", lambda timeout=None: joined.append(timeout) or may_go.set() or join(20)
    )
    scheduler.add_job(work, "date", id="a", misfire_grace_time=None)
    assert going.wait(20)
    scheduler.shutdown()
    assert joined[0] == keeper.END_WAIT_S and left(store) == 0


@pytest.fixture
def kept(tmp_path):
    """What keeps the claims of a scheduler, without its thread; it has joined."""
    store = SQLAlchemyJobStore(f"sqlite:///{tmp_path}/jobs.db", shared=True)
    store.start(BackgroundScheduler(timezone="UTC"), "default")
    kept = keeper.Keeper(store._scheduler, "default", store)
    store._shared.join(kept.me)
    yield kept
    store.shutdown()


def put_runs(store, owner, epoch, number, **values):
    run = {"run_us": 1, "from_us": 1, "last_us": 1, "owner": owner, "epoch": epoch} | values
    with store.engine.begin() as connection:
        connection.execute(
            store._shared.runs_t.insert(), [run | {"job_id": f"run{i}"} for i in range(number)]
        )


@pytest.mark.parametrize("breaks_at", ["take_over", "between"])
def test_runs_of_the_dead_stay_theirs_when_taking_them_over_breaks_off(kept, monkeypatch, breaks_at):
    """Else those with on_lost="skip" are run again, and nobody hears that any were cut off."""
    number, told, broken = 2 * keeper.AT_ONCE, [], []
    put_runs(kept.store, "dead", 3, number)
    monkeypatch.setattr(kept, "_tell_lost", lambda run, job, died, reason: told.append((run.job_id, died)))
    take_over, read = kept.rows.take_over, kept.store._read

    def answer_lost(*whose):
        taken = take_over(*whose)
        if not broken:
            broken.append(taken)
            raise ConnectionError("the server was restarted")
        return taken

    def read_once(ids):
        if len(told) == keeper.AT_ONCE and not broken:
            broken.append(ids)
            raise ConnectionError("the server was restarted")
        return read(ids)

    monkeypatch.setattr(kept.rows, "take_over", answer_lost if breaks_at == "take_over" else take_over)
    monkeypatch.setattr(kept.store, "_read", read if breaks_at == "take_over" else read_once)
    with pytest.raises(ConnectionError):
        kept._look()
    for _ in range(2):  # that it has runs which it does not know is believed when it is seen twice
        kept._look()
    assert sorted({job_id for job_id, _ in told}) == sorted(f"run{i}" for i in range(number))
    assert len(told) == number and {died.id for _, died in told} == {"dead"}
    kept._look()
    assert kept._unheard is None


def test_runs_that_were_taken_over_are_kept_while_the_store_does_not_answer(kept, monkeypatch):
    """Else they are nobody's: the store has them for this scheduler, which knows them, and does not begin them."""
    submitted, asked = [], []
    kept._look()
    kept._under_way.update(dict.fromkeys(waiting := [(f"run{i}", 1) for i in range(3)]))
    kept._waiting = [(RunRow(*key, 1, 1, None), object()) for key in waiting]
    monkeypatch.setattr(
        kept, "_is_submitted", lambda run, job: submitted.append((run.job_id, run.run_us)) or True
    )

    def deaf(me):
        asked.append(me)
        raise ConnectionError("the server was restarted")

    with monkeypatch.context() as patch, pytest.raises(ConnectionError):
        patch.setattr(kept.rows, "look", deaf)
        kept._beat_at_s = 0.0
        kept._submit_waiting()
    assert asked and not submitted
    kept._submit_waiting()
    assert submitted == waiting and not kept._waiting


def test_unknown_runs_are_read_many_at_once(kept):
    """Of a claim whose answer was lost: a statement for each took longer than the lease."""
    from tests.stores.shared_stores import asked

    number = 2 * keeper.AT_ONCE
    put_runs(kept.store, kept.me.id, kept.me.epoch, number)
    with asked(kept.store) as seen:
        for _ in range(2):
            kept._look()
    assert len(kept._ended) == number
    assert len(seen) < 50


def test_a_run_whose_lease_was_lost_after_it_was_claimed_is_not_begun(kept):
    """Between the claim and the submission, which may be long: another executor comes first, the process stands still.
    The next epoch has a lease, and the run is somebody else's."""
    job = kept.scheduler.add_job(work, "date", id="a", max_instances=1)
    kept._look()
    one, change = planning.Submission(job, [1], 1), planning.Change(job, 1, remove=True)
    assert kept.claim([(one, change)], []) is not None
    claimed_as = kept.claimed_as
    kept.rows.leave(kept.me)
    kept.expelled()
    kept.rows.join(kept.me)
    kept._look()
    assert kept.holds_lease()
    claim = kept.hold(one, change, claimed_as)
    assert not claim.begin(0) and not claim.begin_at_once()
    claim.end()
    assert kept.has_ended() and not kept.flush()


def test_a_claim_that_is_being_written_when_the_lease_is_lost_is_written_for_that_lease(kept, monkeypatch):
    """For the next one it would be of nobody that others could know."""
    job, epochs, claim = kept.scheduler.add_job(work, "date", id="a", max_instances=1), [], kept.rows.claim
    kept._look()

    def loses_it(me, *batch):
        kept.expelled()
        epochs.append(me.epoch)
        return claim(me, *batch)

    monkeypatch.setattr(kept.rows, "claim", loses_it)
    kept.claim([(planning.Submission(job, [1], 1), planning.Change(job, 1))], [])
    assert (epochs, kept.me.epoch, kept.claimed_as) == ([1], 2, 1)


def test_how_far_a_backlog_has_come_is_told_again_when_the_store_did_not_answer(kept, monkeypatch):
    """Else, if this process dies, what had ended of it is run again."""
    job = kept.scheduler.add_job(work, "date", id="a", max_instances=1)
    kept._look()
    claim = kept.hold(planning.Submission(job, [1, 2, 3], 1), planning.Change(job, 1), 1, several=True)
    assert claim.begin(0) and claim.begin(1)
    told, write = [], kept.rows.write

    def deaf(*runs):
        raise ConnectionError("the server was restarted")

    with monkeypatch.context() as patch, pytest.raises(ConnectionError):
        patch.setattr(kept.rows, "write", deaf)
        kept.flush()
    monkeypatch.setattr(
        kept.rows, "write", lambda me, ended, left: told.append(left) or write(me, ended, left)
    )
    assert kept.flush()
    assert told == [[(("a", 1), 2, None)]]


def test_who_joins_anew_believes_nothing_of_the_epoch_before(kept):
    """Its own runs were told as those of a dead scheduler, whose runs it had been about to take over."""
    kept._unheard, kept._strangers = Peer("dead", 3, "there", 7, 0, 0, 30.0), {("run0", 1)}
    kept._refused.add(("run0", 1))
    kept.rows.leave(kept.me)
    kept._look()
    assert kept.me.epoch == 2 and kept.holds_lease()
    assert (kept._unheard, kept._strangers, kept._refused) == (None, set(), set())


@pytest.mark.parametrize("breaks_at", ["write", "in_line"])
def test_an_error_of_the_store_does_not_make_it_forget_the_line(kept, monkeypatch, breaks_at):
    """Until somebody looks again by the clock."""
    key, looks, in_line = ("run0", 1), [], kept.rows.in_line
    kept._work()
    kept._under_way[key] = None
    kept._ended.append(key)
    kept._line.due = True

    def deaf(*runs):
        raise ConnectionError("the server was restarted")

    monkeypatch.setattr(kept, "_poll", lambda: None)
    with monkeypatch.context() as patch, pytest.raises(ConnectionError):
        patch.setattr(kept.rows, breaks_at, deaf)
        kept._work()
    monkeypatch.setattr(kept.rows, "in_line", lambda: looks.append(kept.has_ended()) or in_line())
    kept._work()
    assert looks == [True]
    kept._work()
    assert len(looks) == 1


@pytest.mark.parametrize(("free", "begins"), [(0, 0), (2, 2), (64, 5)])
def test_no_more_of_the_line_begin_here_than_there_is_room_for(kept, monkeypatch, free, begins):
    """Others may have places for them; and the pass does not take it for its own room."""
    begun = []
    put_runs(kept.store, WAITING, 0, 5)  # of jobs that were removed
    monkeypatch.setattr(type(kept.scheduler._lifecycle), "state", STATE_RUNNING)
    monkeypatch.setattr(kept._line, "_begin", lambda run, *job: begun.append(run))
    monkeypatch.setattr(kept, "free", lambda limit: min(limit, free))
    kept._line.at_s, kept._is_full = 0.0, False
    kept._line.look(False)
    assert len(begun) == begins and not kept._is_full
    assert len(kept.rows.own(kept.me)) == begins


def test_jobs_that_are_parked_by_a_pass_need_no_look_at_the_runs_under_way(kept):
    from tests.stores.shared_stores import asked

    job = kept.scheduler.add_job(work, "date", id="a", max_instances=1)
    kept._look()
    with asked(kept.store) as seen:
        assert kept.claim([], [planning.Change(job, 1, park="can't run")]) == Refused()
    assert seen.count("SELECT") == 1  # whether it has its lease


def test_what_an_expelled_scheduler_had_to_tell_is_not_told_of_the_next_epoch(kept):
    """Others have had the run since, and handed it back: it goes on here."""
    key = ("run0", 1)
    kept._under_way[key] = None
    kept._ended.append(key)
    kept._left.append((key, 1, True))
    kept.rows.leave(kept.me)
    kept.expelled()
    kept.rows.join(kept.me)
    put_runs(kept.store, kept.me.id, kept.me.epoch, 1)
    kept._under_way[key] = None
    assert not kept.flush()
    assert kept.rows.own(kept.me) == [key] and kept.known() == {key}


def test_a_run_ends_once_however_often_it_is_told(kept):
    job = kept.scheduler.add_job(work, "date", id="a")
    submission = planning.Submission(job, [1], 1)
    claim = kept.hold(submission, planning.Change(job, 1), kept.me.epoch)
    kept._look()
    assert claim.begin(0)
    for _ in range(2):
        claim.end()
    assert list(kept._ended) == [("a", 1)] and not kept.has_ended()
    kept.flush()
    assert kept.has_ended()


def test_news_that_say_when_the_earliest_job_is_due_wake_the_loop_before_anybody_asks(kept, monkeypatch):
    """A question, and a keeper that is writing, would come between a job that is due and its run."""
    woken, asked = [], []
    monkeypatch.setattr(kept.scheduler, "_wake_for", woken.append)
    monkeypatch.setattr(kept.store, "_earliest_us", lambda: asked.append(1) or 2_000_000_000_000_000)
    kept._look()
    kept._poll()  # now and then it asks, for a message may be lost
    assert (len(asked), len(woken)) == (1, 1)
    kept._told(1_700_000_000_000_000)
    ahead_us = woken[1] - kept.scheduler._clock.now_us() - (1_700_000_000_000_000 - kept.now_us())
    assert abs(ahead_us) < 60_000_000  # by the store's clock
    kept._poll()
    assert (len(asked), len(woken)) == (1, 2)
    kept._told()  # of an older version
    kept._poll()
    assert (len(asked), len(woken)) == (2, 3)
