"""Runs under way of PostgreSQL, many in a row: whoever looks finds them, whatever becomes of some of them."""

from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa
from tests.stores import shared_stores
from tests.stores.shared_stores import make_store
from tests.stores.shared_worker import work
from tests.stores.test_conformance_servers import fresh_name
from tests.stores.test_shared import until

from rapscheduler._serialization.rows import RowChange
from rapscheduler.jobstores import _sqlpacks
from rapscheduler.jobstores._shared import NOBODY, WAITING, ClaimRow, Me, Refused
from rapscheduler.jobstores._sqlshared import SQLShared
from rapscheduler.testing import ManualScheduler

DUE, DUE_US, LATER_US = "2026-01-01 00:00:00+00:00", 1_767_225_600_000_000, 1_767_225_660_000_000
COUNT = 2 * _sqlpacks.IN_PACK + 2


@pytest.fixture
def url(server_url):
    return server_url("postgresql")


@pytest.fixture
def store(url):
    table = fresh_name()
    store = make_store(url, table, lease=60)
    with ManualScheduler() as scheduler:
        store.start(scheduler, "shelf")
        jobs = []
        for number in range(COUNT):
            jobs.append(scheduler.add_job(work, "date", run_date=DUE, args=["x"], id=f"job{number:03}"))
            jobs[-1]._jobstore_alias = "shelf"
        store._add_jobs(jobs)
        yield store
    store.shutdown()
    shared_stores.drop(url, table)


def joined(store):
    me = Me(60)
    store._shared.join(me)
    return me


def claims_of(rows, remove=False, places=1):
    next_us = None if remove else LATER_US
    return [
        ClaimRow(
            RowChange(row.id, row.run_at_us, next_us, None, remove), row.run_at_us, row.run_at_us, places
        )
        for row in rows
    ]


@pytest.fixture
def me(store):
    return joined(store)


@pytest.fixture
def keys(store, me):
    """Of runs that were claimed, all of them in packs."""
    taken = store._shared.take(me, DUE_US, COUNT)
    assert store._shared.claim(me, claims_of(taken), []) == Refused()
    assert count(store, store._shared.runs_t) == 0
    assert count(store, store._shared.packs.table) == 3
    return sorted((row.id, row.run_at_us) for row in taken)


def count(store, table):
    with store.engine.connect() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(table)).scalar()


def waits_for(store, table):
    """Whether a statement that names this table waits for a lock."""
    with store.engine.connect() as connection:
        asked = sa.text("SELECT query FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        return any(table in query for query in connection.execute(asked).scalars())


def left_of(store):
    """What is under way: rows of runs, packs."""
    return count(store, store._shared.runs_t), count(store, store._shared.packs.table)


def ended(store, me, keys):
    """Tell it until it is written; how often that was asked for."""
    asked = 0
    while keys:
        keys, asked = store._shared.write(me, keys, []), asked + 1
    return asked


def test_whoever_looks_finds_the_runs_in_packs(store, me, keys):
    rows = store._shared
    assert sorted(rows.own(me)) == keys
    (peer,) = rows.peers()[1]
    assert peer.running == COUNT
    assert [tuple(one) for one in rows.under_way(5)] == [(me.id, me.epoch, *key) for key in keys[:5]]
    assert rows.look(me).owners == [(me.id, me.epoch)]
    (run,) = rows.read([keys[7]])
    assert run[:4] == (*keys[7], DUE_US, DUE_US) and run.data is None
    assert not rows.has_news()


def test_packs_whose_runs_have_all_ended_are_deleted_at_once(store, me, keys):
    assert ended(store, me, keys) == 1
    assert left_of(store) == (0, 0)


def test_the_rest_of_a_pack_gets_rows_when_it_takes_long(store, me, keys):
    quick, slow = keys[:70] + keys[73:], keys[70:73]
    assert ended(store, me, quick) == 3  # the others might have ended in the meantime
    assert left_of(store)[0] == 3 and sorted(store._shared.own(me)) == slow
    assert ended(store, me, slow) == 1
    assert left_of(store) == (0, 0)


def test_what_ends_while_others_wait_for_it_needs_no_rows(store, me, keys):
    later = store._shared.write(me, keys[:10], [])
    assert sorted(later) == keys[:10]
    assert ended(store, me, [*later, *keys[10:]]) == 1
    assert left_of(store) == (0, 0)


def test_a_run_that_is_handed_back_is_nobodys_and_the_others_stay(store, me, keys):
    rows = store._shared
    assert rows.write(me, keys[:2], [(keys[5], DUE_US, "")]) == []
    assert rows.has_news()
    assert sorted(rows.own(me)) == [key for key in keys[2:] if key != keys[5]]
    other = joined(store)
    assert [run[:2] for run in rows.take_over(other, NOBODY, 0)] == [keys[5]]


def test_all_are_handed_back_by_a_few_statements(store, me, keys):
    """At the end of a scheduler, which is not waited for very long."""
    rows = store._shared
    with shared_stores.asked(store) as seen:
        rows.write(me, [], [(key, DUE_US + 1, "") for key in keys])
    assert len([verb for verb in seen if verb != "COMMIT"]) == 3  # unpacked, handed back, and told
    over = rows.take_over(joined(store), NOBODY, 0)
    assert sorted(run[:3] for run in over) == [(*key, DUE_US + 1) for key in keys]


@pytest.mark.parametrize("remove", [False, True])
def test_the_runs_of_the_dead_are_taken_over_with_what_their_jobs_were(store, me, remove):
    rows = store._shared
    taken = rows.take(me, DUE_US, COUNT)
    assert rows.claim(me, claims_of(taken, remove), []) == Refused()
    assert left_of(store) == (0, 3)
    other = joined(store)
    assert rows.take_over(other, me.id, me.epoch) == []  # it is alive
    shared_stores.let_lapse(store, me)
    over = {run.job_id: run for run in rows.take_over(other, me.id, me.epoch)}
    assert {job_id: run.data for job_id, run in over.items()} == {
        row.id: row.data if remove else None for row in taken
    }
    assert rows.own(me) == [] and len(rows.own(other)) == COUNT
    keys = [run[:2] for run in over.values()]
    rows.write(me, keys, [])  # too late: they are not its any more
    assert len(rows.own(other)) == COUNT
    assert ended(store, other, keys) == 1
    assert left_of(store) == (0, 0)


def test_runs_in_packs_count_and_are_not_claimed_twice(store, me, keys):
    other = joined(store)
    changes = [RowChange(job_id, LATER_US, LATER_US + 1, None) for job_id, _ in keys[:20]]
    busy = frozenset(job_id for job_id, _ in keys[:20])
    assert store._shared.claim(
        other, [ClaimRow(one, LATER_US, LATER_US, 1) for one in changes], []
    ) == Refused(busy=busy)
    again = [one._replace(expected_us=LATER_US + 1) for one in changes]
    assert store._shared.claim(me, [ClaimRow(one, DUE_US, DUE_US, 5) for one in again], []) == Refused(
        busy=busy
    )
    assert sorted(store._shared.own(me)) == keys


@pytest.mark.parametrize("places", [1, 5])
def test_runs_in_packs_are_not_claimed_twice_by_those_that_may_wait_either(store, me, keys, places):
    """Their job was set back to a run that is under way: a row of its own beside the pack was begun once more."""
    back = [RowChange(job_id, LATER_US, LATER_US + 1, None) for job_id, _ in keys[:2]]
    claims = [ClaimRow(one, DUE_US, DUE_US, places, waits=1, from_us=DUE_US) for one in back]
    assert store._shared.claim(joined(store), claims, []) == Refused(
        busy=frozenset(job_id for job_id, _ in keys[:2])
    )
    assert sorted(store._shared.own(me)) == keys and left_of(store)[0] == 0


def test_few_runs_get_rows(store, me):
    taken = store._shared.take(me, DUE_US, _sqlpacks.LEAST - 1)
    assert store._shared.claim(me, claims_of(taken), []) == Refused()
    assert left_of(store) == (_sqlpacks.LEAST - 1, 0)
    assert ended(store, me, [(row.id, row.run_at_us) for row in taken]) == 1


@pytest.fixture
def unanswered(store, me, monkeypatch):
    """All runs were claimed, and the answer to that was lost."""

    def deaf(*claimed):
        raise ConnectionError("the server was restarted")

    taken = store._shared.take(me, DUE_US, COUNT)
    with monkeypatch.context() as patch, pytest.raises(ConnectionError):
        patch.setattr(store._shared._book, "claimed", deaf)
        store._shared.claim(me, claims_of(taken), [])


@pytest.mark.usefixtures("unanswered")
def test_a_claim_whose_answer_was_lost_is_ended_all_the_same(store, me):
    keys = sorted(store._shared.own(me))
    assert len(keys) == COUNT and left_of(store) == (0, 3)
    assert ended(store, me, keys[:5]) == 1
    assert sorted(store._shared.own(me)) == keys[5:]
    assert ended(store, me, keys[5:]) == 1
    assert left_of(store) == (0, 0)


@pytest.mark.usefixtures("unanswered")
def test_a_claim_whose_answer_was_lost_is_handed_back_all_the_same(store, me):
    """Else others take it for a run that was cut off: one with on_lost="skip" is lost, though it was never begun."""
    first, *others = sorted(store._shared.own(me))
    store._shared.write(me, [], [(first, DUE_US, NOBODY)])
    assert store._shared.has_news() and sorted(store._shared.own(me)) == others
    assert [run[:2] for run in store._shared.take_over(joined(store), NOBODY, 0)] == [first]


def test_a_run_that_is_told_twice_does_not_end_another_one_of_its_pack(store, me, keys):
    told = [*keys[: _sqlpacks.IN_PACK - 1], keys[0]]
    assert ended(store, me, told) == 3
    assert sorted(store._shared.own(me)) == keys[_sqlpacks.IN_PACK - 1 :]


def test_packs_that_somebody_unpacked_are_ended_too(store, me, keys):
    store._transact(lambda connection: store._shared.packs.unpack(connection, me.id, me.epoch))
    assert left_of(store) == (COUNT, 0)
    assert ended(store, me, keys) == 1
    assert left_of(store) == (0, 0)


def test_a_write_whose_first_answer_was_lost_is_made_again(store, me, keys, monkeypatch):
    transact, tries = store._transact, []

    def twice(work, *more):
        tries.append(transact(work, *more))
        return transact(work, *more)

    monkeypatch.setattr(store, "_transact", twice)
    for part in (keys[:3], keys[:3], keys[:3], keys[3:]):
        store._shared.write(me, part, [])
    assert tries and left_of(store) == (0, 0)


def test_batches_whose_groups_have_runs_that_may_wait_and_others_do_not_wait_for_each_other(
    store, me, url, monkeypatch
):
    """Each held the groups of its runs that may wait, and asked for those of the other."""
    second = make_store(url, store.jobs_t.name, lease=60)
    second.start(store._scheduler, "second")
    both, errors, answers = (store, second), [], {}
    members = [me, joined(second)]
    first_is_half_done, second_too = threading.Event(), threading.Event()
    write, groups = SQLShared._write_claims, store._shared.groups_t.name

    def half_by_half(shared, *told):
        answer = write(shared, *told)
        if shared is second._shared:
            second_too.set()
        else:
            first_is_half_done.set()
            until(lambda: second_too.is_set() or waits_for(store, groups))
        return answer

    monkeypatch.setattr(SQLShared, "_write_claims", half_by_half)
    for one in both:
        monkeypatch.setattr(one, "_advise", errors.append)

    def claim(number, names):
        rows = both[number]._shared
        may_wait, may_not = claims_of(rows.take(members[number], DUE_US, 2))
        batch = [
            may_wait._replace(group=names[0], group_places=5, waits=1, from_us=DUE_US),
            may_not._replace(group=names[1], group_places=5),
        ]
        answers[number] = rows.claim(members[number], batch, [])

    threads = [threading.Thread(target=claim, args=one) for one in enumerate(["ba", "ab"])]
    threads[0].start()
    assert first_is_half_done.wait(20)
    threads[1].start()
    for thread in threads:
        thread.join(20)
    assert (answers, errors) == ({0: Refused(), 1: Refused()}, [])
    second.shutdown()


def test_a_run_in_line_that_somebody_begins_at_that_moment_is_not_told_as_replaced(store, me):
    rows = store._shared
    (row,) = rows.take(me, DUE_US, 1)
    rows.let_go()
    runs, answers = rows.runs_t, []
    waits = {"job_id": row.id, "run_us": 1, "from_us": 1, "last_us": 1, "owner": WAITING, "epoch": 0}
    with store.engine.begin() as connection:
        connection.execute(runs.insert().values(waits))
    (claim,) = claims_of([row])
    claim = claim._replace(waits=1, replaces=True, from_us=DUE_US)
    thread = threading.Thread(target=lambda: answers.append(rows.claim(me, [claim], [])))
    with store.engine.begin() as connection:
        connection.execute(runs.update().values(owner="another", epoch=1))
        thread.start()
        until(lambda: waits_for(store, runs.name))
    thread.join(20)
    assert answers == [Refused(waiting=frozenset([row.id]))]


def test_who_joins_anew_has_no_packs_of_the_epoch_before(store, me, keys):
    """Others have their runs; what was known of them stayed until the process ended."""
    store._shared.write(me, keys[:3], [])
    book = store._shared._book
    assert all(book._mine) and book._waits
    store._shared.leave(me)
    store._shared.join(me.again())
    assert not any(book._mine[1:]) and not book._waits


def test_the_groups_of_a_batch_are_locked_once_whether_its_runs_may_wait_or_not(store, me):
    rows = store._shared
    may_wait, may_not = claims_of(rows.take(me, DUE_US, 2))
    batch = [
        may_wait._replace(group="a", group_places=5, waits=1, from_us=DUE_US),
        may_not._replace(group="b", group_places=5),
    ]
    with shared_stores.asked(store) as seen:
        assert rows.claim(me, batch, []) == Refused()
    assert seen.count("INSERT") == 2, seen  # versions of both groups, and the run that might have waited
