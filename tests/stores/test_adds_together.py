"""Threads that add at once share a write, and none of them can tell: each has its own job, error and event."""

from __future__ import annotations

import os
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import pytest
import sqlalchemy as sa
from tests.stores import shared_stores
from tests.stores.test_conformance_servers import fresh_name

from rapscheduler.errors import ConflictingIdError
from rapscheduler.events import EVENT_JOB_ADDED
from rapscheduler.jobstores import _together
from rapscheduler.schedulers.background import BackgroundScheduler

SOON = datetime.now(timezone.utc) + timedelta(days=1)
LONG_S = 60


def store_of(url):
    name = fresh_name()
    yield shared_stores.make_store(url, name, shared=False)
    shared_stores.drop(url, name)


@pytest.fixture(params=shared_stores.KINDS)
def any_store(request, url_of):
    yield from store_of(url_of(request.param))


@pytest.fixture
def sqlite(url_of):
    yield from store_of(url_of("sqlite"))


def started(store):
    scheduler = BackgroundScheduler(timezone="UTC", jobstores={"default": store})
    scheduler.start(paused=True)
    return scheduler


class Writes:
    """What the store is asked to insert, as lists of ids; the first is held until ``go`` is set."""

    def __init__(self, store, monkeypatch, fault=None):
        self.store, self.fault = store, fault
        self.seen = []
        self.go, self.begun = threading.Event(), threading.Event()
        self.queued = threading.Semaphore(0)
        self.plain = store._insert
        store._writes_at_once, store._line = 1, None
        store._insert = self.insert
        queued = self.queued

        class Counted(_together._Waiting):
            __slots__ = ()

            def __init__(self, row):
                super().__init__(row)
                queued.release()

        monkeypatch.setattr(_together, "_Waiting", Counted)

    def insert(self, rows):
        ids = [row.id for row in rows]
        self.seen.append(ids)
        if len(self.seen) == 1:
            self.begun.set()
            assert self.go.wait(LONG_S)
        if self.fault is not None:
            self.fault(ids)
        self.plain(rows)

    def await_queue(self, number):
        for _ in range(number):
            assert self.queued.acquire(timeout=LONG_S)
        with self.store._line.lock:  # in which they queue up
            pass


def add(scheduler, job_id):
    try:
        return scheduler.add_job(print, "date", run_date=SOON, id=job_id).id
    except BaseException as exc:
        return exc


def added_at_once(scheduler, writes, ids):
    """What becomes of adds of which the first is held in its write until all others wait, in this order."""
    with ThreadPoolExecutor(len(ids)) as pool:
        calls = [pool.submit(add, scheduler, ids[0])]
        assert writes.begun.wait(LONG_S)
        for job_id in ids[1:]:
            calls.append(pool.submit(add, scheduler, job_id))
            writes.await_queue(1)
        writes.go.set()
        return [call.result(LONG_S) for call in calls]


def ids_in(scheduler):
    return sorted(job.id for job in scheduler.get_jobs())


def test_who_comes_while_a_write_is_made_shares_the_next(any_store, monkeypatch):
    scheduler, told = started(any_store), []
    scheduler.add_listener(lambda event: told.append((event.job_id, threading.get_ident())), EVENT_JOB_ADDED)
    writes, ids = Writes(any_store, monkeypatch), ["d", "b", "a", "c", "e"]
    assert added_at_once(scheduler, writes, ids) == ids
    assert writes.seen == [["d"], ["a", "b", "c", "e"]]
    assert ids_in(scheduler) == sorted(job_id for job_id, _ in told) == sorted(ids)
    assert len({ident for _, ident in told}) == len(ids)  # each in the thread of its call
    scheduler.shutdown()


def test_a_taken_id_is_an_error_of_its_own_call_only(any_store, monkeypatch):
    scheduler = started(any_store)
    scheduler.add_job(print, "date", run_date=SOON, id="b")
    writes = Writes(any_store, monkeypatch)
    first, a, b, c = added_at_once(scheduler, writes, ["first", "a", "b", "c"])
    assert (first, a, c) == ("first", "a", "c")
    assert isinstance(b, ConflictingIdError) and str(b) == str(ConflictingIdError("b"))
    assert writes.seen == [["first"], ["a", "b", "c"], ["a", "c"]]
    assert ids_in(scheduler) == ["a", "b", "c", "first"]
    scheduler.shutdown()


def test_of_two_with_one_id_the_first_to_come_has_it(any_store, monkeypatch):
    scheduler = started(any_store)
    writes = Writes(any_store, monkeypatch)
    outcomes = added_at_once(scheduler, writes, ["first", "same", "same", "other", "first"])
    assert outcomes[:2] == ["first", "same"] and outcomes[3] == "other"
    assert all(isinstance(outcomes[place], ConflictingIdError) for place in (2, 4))
    assert ids_in(scheduler) == ["first", "other", "same"]
    scheduler.shutdown()


def test_what_replaces_another_does_so_in_a_batch_too(any_store, monkeypatch):
    scheduler = started(any_store)
    scheduler.add_job(print, "date", run_date=SOON, id="b", name="old")
    writes = Writes(any_store, monkeypatch)

    def replace(scheduler, job_id):
        options = {"id": job_id, "name": "new", "replace_existing": True}
        return scheduler.add_job(print, "date", run_date=SOON, **options).id

    monkeypatch.setitem(globals(), "add", replace)
    assert added_at_once(scheduler, writes, ["first", "a", "b", "c"]) == ["first", "a", "b", "c"]
    assert {job.id: job.name for job in scheduler.get_jobs()} == dict.fromkeys(
        ["first", "a", "b", "c"], "new"
    )
    scheduler.shutdown()


def test_a_row_that_is_refused_costs_its_own_call_only(any_store, monkeypatch):
    def refuse(ids):
        if "b" in ids:
            raise OSError("no b here")

    scheduler = started(any_store)
    writes = Writes(any_store, monkeypatch, refuse)
    first, a, b, c = added_at_once(scheduler, writes, ["first", "a", "b", "c"])
    assert (first, a, c) == ("first", "a", "c") and isinstance(b, OSError)
    assert sorted(map(len, writes.seen)) == [1, 1, 1, 1, 3]
    assert ids_in(scheduler) == ["a", "c", "first"]
    scheduler.shutdown()


def test_a_batch_whose_answer_is_lost_was_written_and_no_id_was_taken(any_store, monkeypatch):
    scheduler = started(any_store)
    writes = Writes(any_store, monkeypatch)
    plain = writes.plain

    def lose(rows):
        plain(rows)
        if len(rows) > 1:
            raise ConnectionError("gone")

    writes.plain = lose
    assert added_at_once(scheduler, writes, ["first", "a", "b"]) == ["first", "a", "b"]
    assert ids_in(scheduler) == ["a", "b", "first"]
    scheduler.shutdown()


def test_an_interrupt_of_who_writes_for_others_is_its_own(sqlite, monkeypatch):
    def interrupt(ids):
        if len(ids) > 1:
            raise KeyboardInterrupt

    scheduler = started(sqlite)
    writes = Writes(sqlite, monkeypatch, interrupt)
    first, leader, b, c = added_at_once(scheduler, writes, ["first", "a", "b", "c"])
    assert isinstance(leader, KeyboardInterrupt) and (first, b, c) == ("first", "b", "c")
    assert ids_in(scheduler) == ["b", "c", "first"]
    assert add(scheduler, "later") == "later" and not sqlite._line.writing
    scheduler.shutdown()


def test_an_interrupt_of_who_waits_leaves_the_line(sqlite, monkeypatch):
    scheduler = started(sqlite)
    writes = Writes(sqlite, monkeypatch)
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(add, scheduler, "first")
        assert writes.begun.wait(LONG_S)

        class Interrupted(_together._Waiting):
            __slots__ = ()

            def __init__(self, row):
                super().__init__(row)
                self.turn = Turn()

        class Turn:
            def acquire(self, timeout):
                raise KeyboardInterrupt

        monkeypatch.setattr(_together, "_Waiting", Interrupted)
        assert isinstance(add(scheduler, "waits"), KeyboardInterrupt)
        assert not sqlite._line.queue and len(sqlite._line.inside) == 1
        writes.go.set()
        assert call.result(LONG_S) == "first"
    assert ids_in(scheduler) == ["first"] and not sqlite._line.writing
    scheduler.shutdown()


class Interrupting:
    """Where the next call of a method ends by an interrupt, before or after it was made."""

    def __init__(self, plain, after):
        self.plain, self.after, self.armed = plain, after, True

    def __call__(self, *args):
        armed, self.armed = self.armed, False
        if armed and not self.after:
            raise KeyboardInterrupt
        value = self.plain(*args)
        if armed:
            raise KeyboardInterrupt
        return value


class Line(_together._Line):
    """One whose methods may be replaced."""


class Queue(deque):
    pass


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("where", ["pass_on", "popleft"])
def test_an_interrupt_of_who_passes_on_leaves_nobody_behind(sqlite, monkeypatch, where, after):
    """Nobody waits for ever, and the one write that there is can be had again."""
    monkeypatch.setattr(_together, "_PATIENCE_S", 0.2)
    monkeypatch.setattr(_together, "_Line", Line)
    scheduler = started(sqlite)
    writes = Writes(sqlite, monkeypatch)
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(add, scheduler, "first")
        assert writes.begun.wait(LONG_S)
        line = sqlite._line
        line.queue = Queue()
        owner = line if where == "pass_on" else line.queue
        setattr(owner, where, Interrupting(getattr(owner, where), after))
        second = pool.submit(add, scheduler, "second")
        writes.await_queue(1)
        writes.go.set()
        assert isinstance(first.result(LONG_S), KeyboardInterrupt)
        assert second.result(LONG_S) == "second"
        assert pool.submit(add, scheduler, "third").result(LONG_S) == "third"
    assert ids_in(scheduler) == ["first", "second", "third"]
    assert not line.writing and not line.inside and not line.queue
    scheduler.shutdown()


def test_a_call_from_inside_of_another_does_not_wait_for_it(sqlite, monkeypatch):
    scheduler, inner = started(sqlite), []

    def nested(ids):
        if ids == ["outer"]:
            inner.append(add(scheduler, "inner"))

    writes = Writes(sqlite, monkeypatch, nested)
    writes.go.set()
    assert add(scheduler, "outer") == "outer" and inner == ["inner"]
    assert ids_in(scheduler) == ["inner", "outer"]
    scheduler.shutdown()


def test_who_waits_too_long_writes_by_itself(sqlite, monkeypatch):
    """A write that hangs behind a lock of the database keeps nobody from adding."""
    monkeypatch.setattr(_together, "_PATIENCE_S", 0.01)
    scheduler = started(sqlite)
    writes = Writes(sqlite, monkeypatch)
    with ThreadPoolExecutor(2) as pool:
        held = pool.submit(add, scheduler, "held")
        assert writes.begun.wait(LONG_S)
        assert pool.submit(add, scheduler, "other").result(LONG_S) == "other"
        assert ids_in(scheduler) == ["other"]
        writes.go.set()
        assert held.result(LONG_S) == "held"
    assert ids_in(scheduler) == ["held", "other"]
    scheduler.shutdown()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process.*fork:DeprecationWarning")
def test_a_child_waits_for_no_thread_of_its_parent(sqlite, monkeypatch):
    scheduler = started(sqlite)
    row = sqlite._row_of(scheduler.add_job(print, "date", run_date=SOON, id="before"))
    writes = Writes(sqlite, monkeypatch)
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(add, scheduler, "held")
        assert writes.begun.wait(LONG_S)
        pid = os.fork()
        if pid == 0:
            done = []
            sqlite._insert = done.append
            try:
                sqlite._insert_one(row)
            finally:
                os._exit(0 if done == [[row]] else 1)
        assert os.waitpid(pid, 0)[1] == 0
        writes.go.set()
        assert held.result(LONG_S) == "held"
    scheduler.shutdown()


@pytest.mark.parametrize("at_once", [1, 2, 4])
def test_many_threads_lose_and_double_nothing(any_store, at_once):
    any_store._writes_at_once, any_store._line = at_once, None
    scheduler = started(any_store)
    wanted = {f"{thread}-{number}" for thread in range(8) for number in range(12)}

    def work(thread):
        taken = 0
        for number in range(12):
            taken += isinstance(add(scheduler, f"shared-{number}"), ConflictingIdError)
            assert add(scheduler, f"{thread}-{number}") == f"{thread}-{number}"
        return taken

    with ThreadPoolExecutor(8) as pool:
        taken = sum(pool.map(work, range(8)))
    assert taken == 7 * 12
    assert set(ids_in(scheduler)) == wanted | {f"shared-{number}" for number in range(12)}
    line = any_store._line
    assert not line.writing and not line.inside and not line.queue
    scheduler.shutdown()


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
@pytest.mark.parametrize("hooked", [False, True])
def test_postgresql_is_asked_once_for_an_add(server_url, driver, hooked):
    """Without BEGIN and COMMIT, unless somebody does something at the begin of transactions."""
    from rapscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore

    name = fresh_name()
    url = sa.engine.make_url(server_url("postgresql")).set(drivername=f"postgresql+{driver}")
    store = SQLAlchemyJobStore(url, tablename=name)
    scheduler, by_itself = started(store), []
    if hooked:
        sa.event.listen(store.engine, "begin", lambda connection: None)
    sa.event.listen(
        store.engine,
        "before_cursor_execute",
        lambda connection, *call: by_itself.append(connection.connection.dbapi_connection.autocommit),
    )
    assert add(scheduler, "a") == "a"
    assert by_itself == [not hooked]
    assert isinstance(add(scheduler, "a"), ConflictingIdError)
    del by_itself[:]
    scheduler.pause_job("a")
    assert not any(by_itself)  # the connection is as it was
    scheduler.remove_job("a")
    scheduler.shutdown()
    shared_stores.drop(server_url("postgresql"), name)


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
@pytest.mark.parametrize("event", ["connect", "checkout"])
def test_a_connection_that_somebody_has_prepared_takes_an_add(server_url, driver, event):
    """Such as by setting its search path: it comes with a transaction under way."""
    from rapscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore

    url = sa.engine.make_url(server_url("postgresql")).set(drivername=f"postgresql+{driver}")
    engine, name = sa.create_engine(url, poolclass=sa.pool.NullPool), fresh_name()

    @sa.event.listens_for(engine, event)
    def prepare(connection, *details):
        connection.cursor().execute("SET search_path TO public")

    scheduler = started(SQLAlchemyJobStore(engine=engine, tablename=name))
    assert add(scheduler, "a") == "a"
    assert isinstance(add(scheduler, "a"), ConflictingIdError) and ids_in(scheduler) == ["a"]
    scheduler.shutdown()
    shared_stores.drop(server_url("postgresql"), name)


def test_an_engine_with_a_level_of_isolation_keeps_it(server_url):
    from rapscheduler.jobstores._sqlengine import committing_alone

    url = server_url("postgresql")
    for engine in (
        sa.create_engine(url, isolation_level="SERIALIZABLE"),
        sa.create_engine(url).execution_options(isolation_level="SERIALIZABLE"),
        sa.create_engine("sqlite://"),
    ):
        assert committing_alone(engine) is None
        engine.dispose()
