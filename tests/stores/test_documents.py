"""MongoDB and RethinkDB: the contract on real servers where one is given, and always on stand-ins in memory.

A stand-in is evidence about our code and the driver's query building, not about a server; docs/stores.md says so.
"""

from __future__ import annotations

import os
import threading

import pytest
from tests.stores import servers
from tests.stores.test_conformance_servers import fresh_name

from rapscheduler.errors import ConflictingIdError, EncodeError, JobLookupError
from rapscheduler.testing.stores import START_US, JobStoreConformance

try:
    from rethinkdb.errors import ReqlDriverError
except ImportError:
    ReqlDriverError = Exception


class TestMongoDBServer(JobStoreConformance):
    keeps_rows = makes_places = True
    pytestmark = pytest.mark.servers

    @pytest.fixture(autouse=True)
    def client(self, server_url):
        import pymongo

        self.name = fresh_name()
        self.url = server_url("mongodb")
        yield
        client = pymongo.MongoClient(self.url)
        client.drop_database(self.name)
        client.close()

    def make_store(self):
        from rapscheduler.jobstores.mongodb import MongoDBJobStore

        return MongoDBJobStore(database=self.name, host=self.url)

    reopen = make_store


class TestMongoDBStandIn(JobStoreConformance):
    keeps_rows = makes_places = True

    @pytest.fixture(autouse=True)
    def client(self, monkeypatch):
        if os.environ.get("CI"):
            import mongomock  # the extra `test` brings it: missing there, it is a failure
        else:
            mongomock = pytest.importorskip("mongomock")
        builder = mongomock.collection.BulkOperationBuilder
        add_update = builder.add_update

        # newer PyMongo passes it, mongomock doesn't know it
        def add_without_sort(self, *args, sort=None, **kwargs):
            return add_update(self, *args, **kwargs)

        monkeypatch.setattr(builder, "add_update", add_without_sort)
        self.client = mongomock.MongoClient()
        self.client.close = lambda: None

    def make_store(self):
        from rapscheduler.jobstores.mongodb import MongoDBJobStore

        return MongoDBJobStore(client=self.client)

    reopen = make_store


class TestRethinkDBServer(JobStoreConformance):
    keeps_rows = True
    longest_id = 127
    pytestmark = pytest.mark.servers

    @pytest.fixture(autouse=True)
    def database(self, server_url):
        self.host, self.port = servers.host_and_port(server_url("rethinkdb"))
        self.name = fresh_name()
        yield
        from rethinkdb import RethinkDB

        r = RethinkDB()
        connection = r.connect(host=self.host, port=self.port)
        r.db_drop(self.name).run(connection)
        connection.close()

    def make_store(self):
        from rapscheduler.jobstores.rethinkdb import RethinkDBJobStore

        return RethinkDBJobStore(database=self.name, host=self.host, port=self.port)

    reopen = make_store


class TestRethinkDBStandIn(JobStoreConformance):
    keeps_rows = makes_places = True
    longest_id = 127

    @pytest.fixture(autouse=True)
    def database(self):
        reql = pytest.importorskip("tests.stores.reql", exc_type=ImportError)
        self.database = reql.Database()
        self.connection = reql.Connection

    def make_store(self):
        from rapscheduler.jobstores.rethinkdb import RethinkDBJobStore

        return RethinkDBJobStore(client=self.connection(self.database))

    reopen = make_store

    def test_it_can_be_started_again_after_a_shutdown(self, store, make_job, scheduler, monkeypatch):
        store.client = None  # a connection of the test's own stays closed
        monkeypatch.setattr(store.r, "connect", lambda **given: self.connection(self.database))
        super().test_it_can_be_started_again_after_a_shutdown(store, make_job, scheduler)

    def test_a_pass_is_two_queries(self, store, make_job):
        from rapscheduler.jobstores.base import Change
        from rapscheduler.testing.stores import START_US

        store._add_jobs([make_job(str(number), 0) for number in range(50)])
        before = self.database.queries
        due = store._take_due(START_US, 50)
        store._settle([Change(job, START_US, START_US + 60_000_000, START_US + 60_000_000) for job in due])
        assert len(due) == 50
        assert self.database.queries - before == 2

    def reconnected(self, store, monkeypatch):
        """The store with a connection of its own making."""
        store.client = None
        monkeypatch.setattr(store.r, "connect", lambda **given: self.connection(self.database))
        store.start(None, "shelf")
        return store

    @pytest.mark.parametrize("own", [True, False])
    def test_it_goes_on_after_a_renewal_that_failed(self, store, make_job, monkeypatch, own):
        if own:
            self.reconnected(store, monkeypatch)
        store.add_job(make_job("a", 0))
        self.database.down = True
        for _ in range(3):
            with pytest.raises(ReqlDriverError):
                store._take_due(START_US, 9)
            with pytest.raises(ReqlDriverError):
                store.add_job(make_job("b", 0))
        self.database.down = False
        store.add_job(make_job("c", 0))
        assert [job.id for job in store._take_due(START_US, 9)] == ["a", "c"]

    @pytest.mark.parametrize("own", [True, False])
    def test_a_lost_connection_is_not_noticed(self, store, make_job, monkeypatch, own):
        if own:
            self.reconnected(store, monkeypatch)
        calls = [
            lambda: store.add_job(make_job("a", 0)),
            lambda: store._add_jobs([make_job("b", 0), make_job("c", 0)]),
            store.get_all_jobs,
        ]
        for call in calls:
            store.conn.lose()
            call()
        store.conn.close(noreply_wait=False)  # known to be closed: renewed before anything is sent
        store.remove_job("b")
        assert [job.id for job in store.get_all_jobs()] == ["a", "c"]

    def test_two_first_starts_at_once_make_one_table(self, scheduler, make_job, caplog):
        self.database.twins = True
        first, second = self.make_store(), self.make_store()
        first.start(scheduler, "shelf")
        first.add_job(make_job("a", 0))
        second.start(scheduler, "shelf")
        assert [job.id for job in second.get_all_jobs()] == ["a"]
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert "may be dropped" in caplog.text

    def test_jobs_of_the_second_table_are_not_lost(self, store, scheduler, make_job):
        from tests.stores import reql

        store._add_jobs([make_job("a", 0), make_job("b", 0)])
        tables = self.database.databases["apscheduler"]
        other = reql.Stored("jobs")
        other.documents["b"] = tables[0].documents.pop("b")
        tables.append(other)
        second = self.make_store()
        second.start(scheduler, "shelf")
        assert {job.id for job in second.get_all_jobs()} == {"a", "b"}

    def test_what_another_process_just_made_is_no_error(self, store, scheduler, monkeypatch):
        from tests.stores.reql import Evaluator as evaluator

        for name in ("do_db_list", "do_table_list"):  # it looked a moment before the other made it
            monkeypatch.setattr(evaluator, name, lambda *given: [])
        self.make_store().start(scheduler, "shelf")

    def test_a_start_waits_for_the_table(self, store, scheduler, make_job):
        store.add_job(make_job("a", 0))
        self.database.unavailable = True
        other = self.make_store()
        other.start(scheduler, "shelf")
        assert [job.id for job in other.get_all_jobs()] == ["a"]

    @pytest.mark.parametrize("odd", ["x" * 128, "\u00e9" * 64, "a\0b"])
    def test_an_id_beyond_the_limit_is_refused_with_all_others(self, store, make_job, odd):
        with pytest.raises(EncodeError, match=r"127 bytes|NUL"):
            store._add_jobs([make_job("a", 0), make_job(odd, 0), make_job("b", 0)])
        with pytest.raises(EncodeError, match=r"127 bytes|NUL"):
            store.add_job(make_job(odd, 0))
        assert store.get_all_jobs() == []
        assert store.lookup_job(odd) is None
        for change in (store.remove_job, lambda job_id: store._update_if(make_job(job_id, 0), START_US)):
            with pytest.raises(JobLookupError):
                change(odd)
        store.add_job(make_job("\u00e9" * 63 + "x", 0))  # the limit itself

    def test_a_document_that_the_server_refuses_keeps_none(self, store, make_job, monkeypatch):
        monkeypatch.setattr("rapscheduler.jobstores.rethinkdb._problem", lambda job_id: None)
        with pytest.raises(RuntimeError, match="too long"):
            store._add_jobs([make_job("a", 0), make_job("x" * 128, 0), make_job("b", 0)])
        assert store.get_all_jobs() == []

    def test_many_are_added_in_parts_all_or_none(self, store, make_job, monkeypatch):
        monkeypatch.setattr("rapscheduler.jobstores.rethinkdb._AT_ONCE", 10)
        monkeypatch.setattr("tests.stores.reql.MOST_OF_ARRAY", 20)
        store.add_job(make_job("35", 0, name="first"))
        with pytest.raises(ConflictingIdError):
            store._add_jobs([make_job(str(number), number) for number in range(50)])
        assert [job.name for job in store.get_all_jobs()] == ["first"]
        store._add_jobs([make_job(f"many-{number}", number) for number in range(50)])
        assert len(store._still_there([f"many-{number}" for number in range(50)])) == 50

    def test_two_stores_on_one_connection_take_turns(self, store, scheduler, make_job):
        from rapscheduler.jobstores.rethinkdb import RethinkDBJobStore

        other = RethinkDBJobStore(client=store.conn, table="others")
        other.start(scheduler, "other")

        def add(one):
            for number in range(30):
                one.add_job(make_job(str(number), 0))

        threads = [threading.Thread(target=add, args=[one]) for one in (store, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert store.conn.overlaps == 0
        assert [len(one.get_all_jobs()) for one in (store, other)] == [30, 30]

    def test_shutdown_does_not_wait_for_a_query_that_hangs(self, store, monkeypatch):
        monkeypatch.setattr("rapscheduler.jobstores._reql._CLOSE_WAIT_S", 0.01)
        standing, go_on = threading.Event(), threading.Event()

        def hang():
            with store._link._lock:
                standing.set()
                go_on.wait(60)

        thread = threading.Thread(target=hang)
        thread.start()
        standing.wait(60)
        connection = store.conn
        store.shutdown()  # would wait for ever
        assert not connection.open
        go_on.set()
        thread.join()
        store.start(None, "shelf")


@pytest.mark.parametrize(
    ("module", "name", "parameter"),
    [
        ("mongodb", "MongoDBJobStore", "database"),
        ("mongodb", "MongoDBJobStore", "collection"),
        ("rethinkdb", "RethinkDBJobStore", "database"),
        ("rethinkdb", "RethinkDBJobStore", "table"),
        ("zookeeper", "ZooKeeperJobStore", "path"),
        ("redis", "RedisJobStore", "jobs_key"),
        ("redis", "RedisJobStore", "run_times_key"),
    ],
)
def test_empty_names_are_refused(module, name, parameter):
    store = getattr(pytest.importorskip(f"rapscheduler.jobstores.{module}"), name)
    with pytest.raises(ValueError, match=f'"{parameter}" parameter must not be empty'):
        store(**{parameter: ""})


def test_a_client_of_the_stores_own_is_made_anew_after_a_shutdown(monkeypatch):
    import mongomock

    from rapscheduler.jobstores import mongodb

    made = []

    class Client(mongomock.MongoClient):
        def __init__(self, **given):
            made.append(given)
            super().__init__()

    monkeypatch.setattr(mongodb, "MongoClient", Client)
    store = mongodb.MongoDBJobStore("db", "c", host="there")
    first = store.client
    store.start(None, "shelf")
    assert store.client is first
    store.shutdown()
    store.start(None, "shelf")
    assert store.client is not first and store.collection.database.client is store.client
    assert made == [{"host": "there", "w": 1}] * 2
