"""Many schedulers on one table: each due time once, whoever dies, stops or leaves; and what a claim costs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from datetime import datetime, timedelta, timezone

import pytest
import sqlalchemy as sa
from tests.stores import shared_stores, shared_worker
from tests.stores.shared_stores import KINDS, make_store, runs_of
from tests.stores.shared_worker import work
from tests.stores.test_conformance_servers import fresh_name

from rapscheduler._serialization.rows import RowChange
from rapscheduler.errors import ConflictingIdError, UnrunnableJobError
from rapscheduler.events import EVENT_JOB_EXECUTED, EVENT_JOB_LOST, EVENT_JOB_MISSED
from rapscheduler.jobstores._shared import ClaimRow, Me, Refused
from rapscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.testing import ManualScheduler

LEASE_S = 1.5


def scheduler_on(url, table, lease_s=LEASE_S, workers=10, **options):
    """A scheduler on a shared table, by a configuration of texts."""
    own = shared_stores.settings(url, table) | {
        "shared": "true",
        "lease": str(lease_s),
        "poll_interval": "0.2",
    }
    settings = {
        "apscheduler.timezone": "UTC",
        "apscheduler.jobstore_retry_interval": "0.2",
        "apscheduler.executors.default.type": "threadpool",
        "apscheduler.executors.default.max_workers": str(workers),
    } | {f"apscheduler.jobstores.default.{name}": value for name, value in own.items()}
    return BackgroundScheduler(settings | options)


@pytest.fixture(params=KINDS)
def url(request, url_of):
    return url_of(request.param)


@pytest.fixture
def table(url):
    name = fresh_name()
    yield name
    shared_stores.drop(url, name)


@pytest.fixture
def log(tmp_path, monkeypatch):
    path = tmp_path / "log"
    monkeypatch.setenv(shared_worker.LOG, str(path))
    return path


@pytest.fixture
def on(url, table):
    """``on(...)`` — a scheduler, shut down after the test."""
    made = []

    def on(**options):
        made.append(scheduler_on(url, table, **options))
        return made[-1]

    yield on
    for scheduler in made:
        with suppress(Exception):
            scheduler.shutdown()


@pytest.fixture
def processes(url, table, log):
    """``processes(n)`` — so many processes with a scheduler each; killed after the test."""
    started = []

    def start(number):
        for _ in range(number):
            command = [sys.executable, "-m", "tests.stores.shared_worker", str(url), table, str(LEASE_S)]
            started.append(
                subprocess.Popen(
                    command, env=os.environ | {"PYTHONPATH": "src:.", shared_worker.LOG: str(log)}
                )
            )
        return started

    yield start
    for process in started:
        process.kill()
        process.wait()


def until(condition, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that in time"
        time.sleep(0.02)


def soon(seconds):
    return datetime.now(timezone.utc) + timedelta(seconds=seconds)


def test_each_due_time_once_by_whoever_comes_first(on, log):
    schedulers = [on() for _ in range(3)]
    seen, missed = [], []
    for scheduler in schedulers:
        scheduler.add_listener(
            lambda event: seen.append((event.job_id, event.scheduled_run_time)), EVENT_JOB_EXECUTED
        )
        scheduler.add_listener(missed.append, EVENT_JOB_MISSED)
        scheduler.start()
    for number in range(20):
        options = {"id": f"every{number}", "args": [f"every{number}"], "misfire_grace_time": None}
        schedulers[number % 3].add_job(
            work, "interval", seconds=1, coalesce=False, max_instances=9, **options
        )
        options = {"id": f"once{number}", "args": [f"once{number}"], "misfire_grace_time": None}
        schedulers[number % 3].add_job(work, "date", run_date=soon(1), **options)
    until(lambda: len(seen) >= 100)
    for scheduler in schedulers:
        scheduler.shutdown()
    times = Counter(seen)
    assert set(times.values()) == {1}
    assert sum(job_id.startswith("once") for job_id, _ in times) == 20
    assert not missed
    for number in range(20):
        own = sorted(time for job_id, time in times if job_id == f"every{number}")
        steps = {later - earlier for earlier, later in zip(own, own[1:], strict=False)}
        assert steps == {timedelta(seconds=1)}  # and none is left out


def test_the_runs_of_a_process_that_was_killed_begin_again_and_are_told(on, processes, log, table):
    watching = on()
    lost = []
    watching.add_listener(lost.append, EVENT_JOB_LOST)
    watching.start(paused=True)
    for number in range(3):
        watching.add_job(work, "date", args=[f"long{number}", 3], id=f"long{number}", misfire_grace_time=None)
    watching.add_job(work, "date", args=["skipped", 3], id="skipped", misfire_grace_time=None, on_lost="skip")
    (process,) = processes(1)
    until(lambda: len(shared_worker.lines(log)) == 4)
    peers = {peer.pid: peer for peer in watching.peers()}
    assert peers.keys() == {os.getpid(), process.pid}
    assert peers[process.pid].running == 4
    assert peers[process.pid].alive
    assert [peer.pid for peer in peers.values() if peer.me] == [os.getpid()]
    assert watching.get_jobs() == []
    process.kill()
    killed_s = time.time()
    watching.resume()
    until(lambda: sum(word == "E" for word, *_ in shared_worker.lines(log)) == 3)
    again = {
        job_id: at for word, job_id, pid, at in shared_worker.lines(log) if word == "B" and pid == os.getpid()
    }
    assert again.keys() == {"long0", "long1", "long2"}
    assert max(again.values()) - killed_s <= LEASE_S + 2
    assert {(event.job_id, event.pid, event.rerun) for event in lost} == {
        ("long0", process.pid, True),
        ("long1", process.pid, True),
        ("long2", process.pid, True),
        ("skipped", process.pid, False),
    }
    watching.shutdown()
    assert runs_of(watching._jobstores["default"]) == set()


def test_a_process_that_stands_still_for_three_leases_begins_nothing_that_others_have(on, processes, log):
    one = on()
    one.start(paused=True)
    (process,) = processes(1)
    until(lambda: len(one.peers()) == 2)
    for number in range(30):  # ten run, twenty wait behind them
        options = {"args": [f"job{number}", 1.0], "id": f"job{number}", "misfire_grace_time": None}
        one.add_job(work, "date", **options)
    until(lambda: len(shared_worker.lines(log)) >= 10)
    os.kill(process.pid, signal.SIGSTOP)
    begun = {job_id for word, job_id, *_ in shared_worker.lines(log) if word == "B"}
    one.resume()
    time.sleep(3 * LEASE_S)
    os.kill(process.pid, signal.SIGCONT)
    until(lambda: len({job_id for word, job_id, *_ in shared_worker.lines(log) if word == "E"}) == 30)
    time.sleep(0.5)
    runs = Counter(job_id for word, job_id, *_ in shared_worker.lines(log) if word == "B")
    assert runs.keys() == {f"job{number}" for number in range(30)}
    assert {job_id for job_id, number in runs.items() if number > 1} <= begun  # those under way in it
    assert max(runs.values()) <= 2
    # it joined again
    until(lambda: sorted(peer.pid for peer in one.peers()) == sorted([os.getpid(), process.pid]))


def test_a_clean_shutdown_hands_back_what_was_not_begun(on, log):
    first, second = on(workers=1), on()
    second.start(paused=True)
    first.start()
    lost = []
    second.add_listener(lost.append, EVENT_JOB_LOST)
    jobs = [{"func": work, "id": f"job{number}", "args": [f"job{number}", 0.5]} for number in range(2)]
    first.add_jobs([one | {"trigger": "date", "misfire_grace_time": None} for one in jobs])
    until(lambda: len(shared_worker.lines(log)) >= 1)
    first.shutdown()
    second.resume()
    until(lambda: sum(word == "E" for word, *_ in shared_worker.lines(log)) == 2, LEASE_S + 2)
    assert max(Counter(job_id for word, job_id, *_ in shared_worker.lines(log) if word == "B").values()) == 1
    assert lost == []


def test_max_instances_holds_in_all_of_them(on, log):
    one, two = on(), on()
    skipped = []
    for scheduler in (one, two):
        scheduler.start()
        scheduler.add_listener(skipped.append, 1 << 16)
    one.add_job(work, "interval", seconds=1, args=["slow", 1.4], id="slow", misfire_grace_time=None)
    until(lambda: sum(word == "E" for word, *_ in shared_worker.lines(log)) >= 3)
    one.remove_job("slow")
    words = [word for word, *_ in shared_worker.lines(log)]
    assert "".join(words).rstrip("B") in ("BE" * (len(words) // 2), "BE" * (len(words) // 2) + "B")
    assert skipped


def _cut_off_run(make, log, seconds=30):
    """A job whose run was under way in a process that was killed."""
    pid = os.fork()
    if pid == 0:
        try:
            dying = make()
            dying.start()
            dying.add_job(work, "date", args=["cut", seconds], id="cut", misfire_grace_time=None)
            time.sleep(30)
        finally:  # whatever is raised, no second pytest goes on here
            os._exit(1)
    until(lambda: len(shared_worker.lines(log)) == 1)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def test_a_single_scheduler_gets_the_same_by_acknowledge_end(url, table, log):
    def scheduler():
        store = make_store(url, table, shared=False, acknowledge="end", lease=LEASE_S)
        return BackgroundScheduler(timezone="UTC", jobstores={"default": store})

    _cut_off_run(scheduler, log)
    after = scheduler()
    after.start()
    until(lambda: len(shared_worker.lines(log)) == 2, LEASE_S + 2)
    after.shutdown(wait=False)


def test_one_that_ends_hands_back_what_it_took_over_and_could_not_begin(url, table, log, caplog):
    _cut_off_run(lambda: scheduler_on(url, table), log)
    refusing = scheduler_on(url, table)
    refusing.start()
    asked = []

    def refuse(submissions):
        asked.append(len(submissions))
        return [(one, RuntimeError("no room")) for one in submissions]

    refusing._executors["default"]._submit_batch = refuse
    until(lambda: len(asked) >= 2, LEASE_S + 5)
    began_s = time.monotonic()
    refusing.shutdown()
    assert time.monotonic() - began_s < 4  # nothing that is under way holds it up
    assert caplog.text.count("once more -- trying again") == 1  # told once, not each second
    after = scheduler_on(url, table)
    after.start()
    until(lambda: len(shared_worker.lines(log)) == 2, LEASE_S + 2)
    after.shutdown(wait=False)


def test_a_run_of_the_dead_that_can_not_be_made_is_told_as_lost(url, table, log):
    _cut_off_run(lambda: scheduler_on(url, table), log)
    after, lost = scheduler_on(url, table), []
    after.add_listener(lost.append, EVENT_JOB_LOST)
    after.start()
    after._executors["default"]._submit_batch = lambda submissions: [
        (one, UnrunnableJobError("it has no callable")) for one in submissions
    ]
    until(lambda: [event.rerun for event in lost][-1:] == [False], LEASE_S + 5)
    assert {event.job_id for event in lost} == {"cut"}
    until(lambda: after.peers()[0].running == 0)
    after.shutdown()


@pytest.mark.parametrize("retried", [True, False])
def test_a_take_over_whose_answer_was_lost_is_told_all_the_same(on, log, retried):
    """Whether the store asks again by itself, and hears that there is nothing left, or the keeper does."""
    _cut_off_run(lambda: on(lease_s=60), log, seconds=4)
    after, lost, answers = on(), [], []
    after.add_listener(lost.append, EVENT_JOB_LOST)
    after.start()
    store = after._jobstores["default"]
    rows = store._shared
    take_over = rows.take_over

    def deaf(me, owner, epoch):
        answers.append(take_over(me, owner, epoch))
        if len(answers) > 1 or not answers[0]:
            return answers[-1]
        if retried:
            return []
        raise ConnectionError("the server was restarted")

    rows.take_over = deaf
    for peer in rows.peers()[1]:
        if peer.lease_s == 60:
            shared_stores.let_lapse(store, peer)
    until(lambda: lost)
    assert (lost[0].job_id, lost[0].rerun, len(answers[0])) == ("cut", True, 1)
    until(lambda: len(shared_worker.lines(log)) >= 2)


def test_a_job_added_elsewhere_is_heard_of_at_once_on_postgresql_and_redis(on, log):
    """Elsewhere, and when a notification is lost, within `poll_interval`."""
    one, other = on(), on(**{"apscheduler.jobstores.default.poll_interval": "3"})
    one.start(paused=True)
    if one._jobstores["default"]._claims._listener is None:
        assert one._jobstores["default"].engine.dialect.name in ("sqlite", "mysql")
        pytest.skip("no notifications here")
    other.start()
    assert other._jobstores["default"]._claims._listener.hears.wait(10)
    time.sleep(0.3)
    took = []
    for number in range(5):
        began = time.time()
        one.add_job(work, "date", args=[f"job{number}"], id=f"job{number}", misfire_grace_time=None)
        until(lambda: len(shared_worker.lines(log)) == 2 * number + 2)  # noqa: B023
        took.append(shared_worker.lines(log)[-1][3] - began)
    assert min(took) < 1  # of a poll every three seconds; timed by `benchmarks`, not here


class TestRows:
    """The operations, without schedulers."""

    @pytest.fixture
    def store(self, url, table):
        store = make_store(url, table, lease=LEASE_S)
        with ManualScheduler() as scheduler:
            store.start(scheduler, "shelf")
            for number in range(50):
                job = scheduler.add_job(work, "date", run_date=self.DUE, args=["x"], id=f"job{number:02}")
                job._jobstore_alias = "shelf"
                store.add_job(job)
            yield store
        store.shutdown()

    DUE, DUE_US = "2026-01-01 00:00:00+00:00", 1_767_225_600_000_000

    def claims(self, rows, remove=True, places=1):
        next_us = None if remove else self.DUE_US + 1_000_000
        return [
            ClaimRow(
                RowChange(row.id, row.run_at_us, next_us, None, remove, None),
                row.run_at_us,
                row.run_at_us,
                places,
            )
            for row in rows
        ]

    def member(self, store):
        me = Me(LEASE_S)
        store._shared.join(me)
        return me

    def test_late_writes_of_one_whose_lease_is_over_change_nothing(self, store):
        rows = store._shared
        slow, quick = self.member(store), self.member(store)
        taken = rows.take(slow, self.DUE_US, 10)
        assert rows.claim(slow, self.claims(taken), []) == Refused()
        keys = [(row.id, row.run_at_us) for row in taken]
        assert sorted(rows.own(slow)) == sorted(keys)
        assert rows.take_over(quick, slow.id, slow.epoch) == []  # it is alive
        shared_stores.let_lapse(store, slow)
        over = rows.take_over(quick, slow.id, slow.epoch)
        assert sorted((run.job_id, run.run_us) for run in over) == sorted(keys)
        assert all(run.data == row.data for run, row in zip(sorted(over), sorted(taken), strict=True))
        rows.write(slow, keys, [])
        assert sorted(rows.own(quick)) == sorted(keys)
        taken = rows.take(slow, self.DUE_US, 10)
        assert rows.claim(slow, self.claims(taken), []) is None
        assert not rows.look(slow).alive
        assert len(rows.take(quick, self.DUE_US, 100)) == 40
        rows.let_go()

    def test_what_one_has_taken_others_are_not_given(self, store, url, table):
        other = make_store(url, table)
        one, two = self.member(store), self.member(store)
        first = store._shared.take(one, self.DUE_US, 20)
        second = other._shared.take(two, self.DUE_US, 50)
        gone = other._shared.claim(two, self.claims(second), [])
        refused = store._shared.claim(one, self.claims(first), [])
        assert gone is not None and refused is not None
        got = [{row.id for row in first} - refused.gone, {row.id for row in second} - gone.gone]
        assert not got[0] & got[1]
        assert len(got[0] | got[1]) == 50
        other._shared.let_go()
        other.shutdown()

    def test_a_job_that_was_changed_in_between_is_not_claimed(self, store):
        me = self.member(store)
        taken = store._shared.take(me, self.DUE_US, 3)
        store._shared.let_go()
        store.remove_job(taken[0].id)
        assert store._shared.claim(me, self.claims(taken), []) == Refused(gone=frozenset([taken[0].id]))

    def test_as_many_runs_as_allowed_elsewhere_and_the_same_run_again(self, store):
        one, two = self.member(store), self.member(store)
        (row,) = store._shared.take(one, self.DUE_US, 1)
        assert store._shared.claim(one, self.claims([row], remove=False), []) == Refused()
        (later,) = [found for found in store._read([row.id]) if found.run_at_us == self.DUE_US + 1_000_000]
        busy = Refused(busy=frozenset([row.id]))
        change = RowChange(row.id, later.run_at_us, self.DUE_US, None, False, None)
        assert store._shared.claim(two, [ClaimRow(change, later.run_at_us, later.run_at_us, 1)], []) == busy
        # it was moved on all the same, here to where it was, and that run is under way
        assert store._shared.claim(one, self.claims([row], remove=False, places=5), []) == busy
        assert store._shared.own(one) == [(row.id, row.run_at_us)]

    @pytest.mark.parametrize("size", [1, 50])
    def test_a_batch_is_claimed_and_told_in_few_statements_whatever_its_size(self, store, size):
        me, rows = self.member(store), store._shared
        with shared_stores.asked(store) as seen:
            taken = rows.take(me, self.DUE_US, size)
            assert rows.claim(me, self.claims(taken), []) == Refused()
            rows.write(me, [(row.id, row.run_at_us) for row in taken], [])
        if hasattr(store, "redis"):
            assert [verb for verb in seen if verb != "SCRIPT LOAD"].count("EVALSHA") == 3 + seen.count(
                "SCRIPT LOAD"
            )
        else:  # one more of a mere SELECT in SQLite
            database = store.engine.dialect.name
            assert seen.count("COMMIT") == {"sqlite": 3}.get(database, 2)
            statements = [verb for verb in seen if verb != "COMMIT"]
            assert len(statements) <= {"postgresql": 3}.get(database, 9)
        assert rows.own(me) == []

    def test_an_id_that_is_taken_is_so_still(self, store):
        job = store.lookup_job("job00")
        with pytest.raises(ConflictingIdError):
            store.add_job(job)


def test_a_store_that_is_not_shared_makes_no_tables_and_starts_no_thread(tmp_path):
    store = SQLAlchemyJobStore(f"sqlite:///{tmp_path}/jobs.db")
    scheduler = BackgroundScheduler(jobstores={"default": store})
    scheduler.start()
    assert store._shared is store._claims is None
    assert not [
        name for name in sa.inspect(store.engine).get_table_names() if "runs" in name or "schedulers" in name
    ]
    assert scheduler.peers() == []
    assert not scheduler._backlogs.claims
    scheduler.shutdown()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"shared": "perhaps"}, "write true or false"),
        ({"acknowledge": "begin"}, 'neither "submit"'),
        ({"shared": True, "lease": "soon"}, "no number of seconds"),
        ({"shared": True, "lease": 0.1}, "1 seconds or more"),
        ({"shared": True, "url": "sqlite://"}, "need a file"),
    ],
)
def test_what_can_not_be_is_refused_with_the_cure(tmp_path, options, said):
    with pytest.raises(ValueError, match=said):
        SQLAlchemyJobStore(**({"url": f"sqlite:///{tmp_path}/jobs.db"} | options))
