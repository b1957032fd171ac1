"""Groups over all schedulers of a store: `max_instances` and `groups=` count the runs of all."""

from __future__ import annotations

import os
import threading
from collections import Counter

import pytest
import sqlalchemy as sa
from tests.stores import shared_stores, shared_worker, test_shared
from tests.stores.shared_stores import make_store
from tests.stores.shared_worker import work
from tests.stores.test_shared import (  # noqa: F401 (fixtures)
    LEASE_S,
    log,
    on,
    processes,
    soon,
    table,
    until,
    url,
)

from rapscheduler._serialization.rows import RowChange
from rapscheduler.events import EVENT_JOB_LOST, EVENT_JOB_MAX_INSTANCES
from rapscheduler.jobstores._shared import ClaimRow, Counts, Refused, group_key
from rapscheduler.testing import ManualScheduler

LONG = "a group of " + "many words, " * 30


def most_at_once(log):  # noqa: F811
    """How many of the runs that a log tells were under way together, at most."""
    now = most = 0
    for word, *_ in sorted(shared_worker.lines(log), key=lambda line: (line[3], line[0] == "B")):
        now += 1 if word == "B" else -1
        most = max(most, now)
    return most


class TestOfRows:
    """The operations, without schedulers."""

    store, member = test_shared.TestRows.store, test_shared.TestRows.member
    DUE, DUE_US = test_shared.TestRows.DUE, test_shared.TestRows.DUE_US

    def rows(self, taken, group, group_places, places=1):
        return [
            ClaimRow(
                RowChange(row.id, row.run_at_us, row.run_at_us + 1_000_000, None),
                row.run_at_us,
                row.run_at_us,
                places,
                group and group_key(group),
                group_places,
            )
            for row in taken
        ]

    def mine(self, store, me):
        return sorted(job_id for job_id, _ in store._shared.own(me))

    @pytest.mark.parametrize("group", ["mail", "two words", 'q"uo:te%', LONG])
    def test_the_runs_of_others_and_those_before_in_the_batch_count(self, store, group):
        one, two = self.member(store), self.member(store)
        rows = store._shared
        taken = rows.take(one, self.DUE_US, 4)
        ids = [row.id for row in taken]
        refused = rows.claim(one, self.rows(taken, group, 3), [])
        assert refused == Refused(busy=frozenset(ids[3:]))
        assert self.mine(store, one) == sorted(ids[:3])
        taken = rows.take(two, self.DUE_US, 5)
        other, several, none = taken[0], taken[1:4], taken[4]
        claims = [
            *self.rows(several, group, 5),
            *self.rows([other], "another", 1),
            *self.rows([none], None, 0),
        ]
        assert rows.claim(two, claims, []) == Refused(busy=frozenset([several[2].id]))
        assert self.mine(store, two) == sorted(row.id for row in (other, none, *several[:2]))
        rows.write(one, [(ids[0], self.DUE_US), (ids[1], self.DUE_US), (ids[2], self.DUE_US)], [])
        taken = rows.take(one, self.DUE_US, 2)
        assert rows.claim(one, self.rows(taken, group, 3), []) == Refused(busy=frozenset([taken[1].id]))

    def test_a_job_without_a_place_of_its_own_takes_none_of_its_group(self, store):
        one, two = self.member(store), self.member(store)
        rows = store._shared
        first = rows.take(one, self.DUE_US, 1)
        assert rows.claim(one, self.rows(first, None, 0), []) == Refused()
        again = store._read([first[0].id])
        rows.let_go()
        taken = rows.take(two, self.DUE_US, 1)
        claims = [*self.rows(again, "mail", 1), *self.rows(taken, "mail", 1)]
        assert rows.claim(two, claims, []).busy == {again[0].id}
        assert self.mine(store, two) == [taken[0].id]

    def test_a_group_goes_with_its_run_to_whoever_takes_it_over(self, store):
        died, one, two = (self.member(store) for _ in range(3))
        rows = store._shared
        assert rows.claim(died, self.rows(rows.take(died, self.DUE_US, 1), "mail", 1), []) == Refused()
        shared_stores.let_lapse(store, died)
        (run,) = rows.take_over(one, died.id, died.epoch)
        taken = rows.take(two, self.DUE_US, 1)
        busy = Refused(busy=frozenset([taken[0].id]))
        assert rows.claim(two, self.rows(taken, "mail", 1), []) == busy
        rows.write(one, [], [((run.job_id, run.run_us), run.from_us, "")])  # handed back: somebody begins it
        taken = rows.take(two, self.DUE_US, 1)
        assert rows.claim(two, self.rows(taken, "mail", 1), []).busy == {taken[0].id}
        rows.take_over(two, "", 0)
        rows.write(two, [(run.job_id, run.run_us)], [])
        taken = rows.take(one, self.DUE_US, 1)
        assert rows.claim(one, self.rows(taken, "mail", 1), []) == Refused()

    @pytest.mark.parametrize("size", [2, 50])
    def test_a_batch_with_groups_is_claimed_in_few_statements_whatever_its_size(self, store, size):
        me, rows = self.member(store), store._shared
        with shared_stores.asked(store) as seen:
            taken = rows.take(me, self.DUE_US, size)
            claims = [*self.rows(taken[::2], "mail", 99), *self.rows(taken[1::2], "other", 99)]
            assert rows.claim(me, claims, []) == Refused()
            rows.write(me, [(row.id, row.run_at_us) for row in taken], [])
        if hasattr(store, "redis"):
            assert seen.count("EVALSHA") == 3 + seen.count("SCRIPT LOAD")
        else:
            database = store.engine.dialect.name
            assert seen.count("COMMIT") == {"sqlite": 3}.get(database, 2)
            assert len([verb for verb in seen if verb != "COMMIT"]) <= {"postgresql": 3}.get(database, 10)

    def test_those_who_claim_at_one_moment_count_each_other(self, store, url, table):  # noqa: F811
        """Two that have taken different jobs of a group, of which one may run."""
        others = [make_store(url, table) for _ in range(3)]
        members = [self.member(store) for _ in others]
        claimed = []

        def claim(other, me, ready):
            mine = 0
            for _ in range(5):
                taken = other._shared.take(me, self.DUE_US, 1)
                ready.wait()
                refused = other._shared.claim(me, self.rows(taken, "mail", 2 - mine, places=9), [])
                claimed.append([row.id for row in taken if row.id not in refused.busy | refused.gone])
                mine += len(claimed[-1])

        ready = threading.Barrier(len(others))
        threads = [
            threading.Thread(target=claim, args=(other, me, ready))
            for other, me in zip(others, members, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(claimed) == 15
        assert len(shared_stores.runs_of(store)) == sum(map(len, claimed)) == 2
        for other in others:
            other._shared.let_go()
            other.shutdown()


def test_a_table_of_runs_from_before_there_were_groups_gets_their_column(url, table):  # noqa: F811
    if shared_stores.is_redis(url):
        return  # its lines of runs had none, and are read as they are
    first, then = (make_store(url, table) for _ in range(2))
    with ManualScheduler() as scheduler:
        first.start(scheduler, "shelf")
        runs = first._shared.runs_t
        with first.engine.begin() as connection:
            name = first.engine.dialect.identifier_preparer.format_table(runs)
            connection.execute(sa.text(f"ALTER TABLE {name} DROP COLUMN job_group"))
        first.shutdown()
        then.start(scheduler, "shelf")
        with then.engine.connect() as connection:
            assert connection.execute(sa.select(runs.c.job_group)).all() == []
        then.shutdown()


def test_one_row_after_another_gets_a_place():
    change = lambda job_id: RowChange(job_id, 0, 1, None)  # noqa: E731
    rows = [
        ClaimRow(change("a"), 0, 0, 1, "g", 3),
        ClaimRow(change("b"), 0, 0, 1, "g", 3),
        ClaimRow(change("c"), 0, 0, 1, "g", 2),
        ClaimRow(change("d"), 0, 0, 1),
    ]
    counts = Counts()
    counts.add("a", "g", False)
    assert counts.claimed(rows) == Refused(busy=frozenset(["a", "c"]))
    counts = Counts()
    counts.add("d", None, False)
    assert counts.claimed(rows) == Refused(busy=frozenset(["c", "d"]))


def test_groups_that_are_kept_short_stay_apart():
    assert group_key("mail") == "mail"
    keys = {group_key(group) for group in (LONG, LONG + "x", "a\0b", "a?b", "\ud800")}
    assert len(keys) == 5 and max(map(len, keys)) <= 150


def grouped(scheduler, number, seconds, **options):
    name = f"mail{number}"
    scheduler.add_job(
        work,
        "date",
        run_date=soon(0.5),
        args=[name, seconds],
        id=name,
        group="mail",
        misfire_grace_time=None,
        **options,
    )


def test_max_instances_of_a_group_holds_in_all_of_them(on, processes, log):  # noqa: F811
    watching = on()
    skipped = []
    watching.add_listener(skipped.append, EVENT_JOB_MAX_INSTANCES)
    watching.start()
    processes(2)
    until(lambda: len(watching.peers()) == 3)
    for number in range(9):
        watching.add_job(
            work,
            "interval",
            seconds=1,
            args=[f"mail{number}", 0.7],
            id=f"mail{number}",
            group="mail",
            max_instances=2,
            misfire_grace_time=None,
        )
    until(lambda: sum(word == "E" for word, *_ in shared_worker.lines(log)) >= 12, 60)
    watching.remove_all_jobs()
    until(lambda: Counter(word for word, *_ in shared_worker.lines(log))["B"] == _ends(log))
    assert most_at_once(log) == 2
    assert len({pid for _, _, pid, _ in shared_worker.lines(log)}) > 1


def _ends(log):  # noqa: F811
    return sum(word == "E" for word, *_ in shared_worker.lines(log))


def test_a_run_of_a_process_that_was_killed_keeps_its_place_until_it_was_made(on, processes, log):  # noqa: F811
    watching = on()
    lost, skipped = [], []
    watching.add_listener(lost.append, EVENT_JOB_LOST)
    watching.add_listener(skipped.append, EVENT_JOB_MAX_INSTANCES)
    watching.start(paused=True)
    grouped(watching, 0, 2.0)
    (process,) = processes(1)
    until(lambda: len(shared_worker.lines(log)) == 1)
    grouped(watching, 1, 0.0)
    process.kill()
    process.wait()
    watching.resume()
    until(lambda: [event.job_id for event in skipped] == ["mail1"], LEASE_S + 20)
    until(lambda: _ends(log) == 1, LEASE_S + 20)
    assert [event.job_id for event in lost] == ["mail0"]
    grouped(watching, 2, 0.0)
    until(lambda: _ends(log) == 2)
    assert [line[1:3] for line in shared_worker.lines(log) if line[0] == "E"] == [
        ("mail0", os.getpid()),
        ("mail2", os.getpid()),
    ]
