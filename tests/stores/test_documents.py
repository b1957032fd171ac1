"""MongoDB and RethinkDB: the contract on real servers where one is given, and always on stand-ins in memory.

A stand-in is evidence about our code and the driver's query building, not about a server; docs/stores.md says so.
"""

from __future__ import annotations

import os

import pytest
from tests.stores import servers
from tests.stores.test_conformance_servers import fresh_name

from rapscheduler.testing.stores import JobStoreConformance


class TestMongoDBServer(JobStoreConformance):
    keeps_rows = True
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
    keeps_rows = True

    @pytest.fixture(autouse=True)
    def client(self, monkeypatch):
        if os.environ.get("CI"):
            import mongomock  # the extra `test` brings it: missing there, it is a failure
        else:
            mongomock = pytest.importorskip("mongomock")
        builder = mongomock.collection.BulkOperationBuilder
        add_update = builder.add_update

        def add_without_sort(
            self, *args, sort=None, **kwargs
        ):  # newer PyMongo passes it, mongomock doesn't know it
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
    keeps_rows = True

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
