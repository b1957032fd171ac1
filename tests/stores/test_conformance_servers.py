"""The shipped contract of job stores on real servers. A missing server skips its class, and the summary says so."""

from __future__ import annotations

import os
from itertools import count
from uuid import uuid4

import pytest
from tests.stores import servers

from rapscheduler.errors import ConflictingIdError
from rapscheduler.testing.stores import JobStoreConformance

pytestmark = pytest.mark.servers
_number = count()


def fresh_name(prefix: str = "rapscheduler") -> str:
    """A name that no other run uses."""
    return f"{prefix}_test_{uuid4().hex[:8]}_{next(_number)}"


class SQLConformance(JobStoreConformance):
    """One table per test class, emptied after each test and dropped after the last."""

    keeps_rows = True
    server = ""
    driver = ""

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def table(cls, server_url):
        import sqlalchemy as sa

        cls.url = sa.engine.make_url(server_url(cls.server)).set(drivername=cls.driver)
        cls.name = fresh_name()
        yield
        engine = sa.create_engine(cls.url)
        with engine.begin() as connection:
            for table in (cls.name, f"{cls.name}_zones"):
                connection.execute(sa.text(f"DROP TABLE IF EXISTS {table}"))
        engine.dispose()

    def make_store(self):
        from rapscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore

        return SQLAlchemyJobStore(self.url, tablename=self.name)

    reopen = make_store


class TestPostgreSQLPsycopg(SQLConformance):
    server, driver = "postgresql", "postgresql+psycopg"


class TestPostgreSQLPsycopg2(SQLConformance):
    server, driver = "postgresql", "postgresql+psycopg2"


class TestMariaDB(SQLConformance):
    server, driver = "mariadb", "mysql+pymysql"


class TestRedis(JobStoreConformance):
    keeps_rows = True

    @pytest.fixture(autouse=True)
    def keys(self, server_url):
        self.url = server_url("redis")
        self.prefix = fresh_name()

    def make_store(self):
        from redis import Redis

        from rapscheduler.jobstores.redis import RedisJobStore

        return RedisJobStore(
            client=Redis.from_url(self.url),
            jobs_key=f"{self.prefix}.jobs",
            run_times_key=f"{self.prefix}.times",
        )

    reopen = make_store

    def test_a_connection_cut_by_the_server_is_replaced(self, store, make_job):
        from redis import Redis

        store.add_job(make_job("a", 1))
        admin = Redis.from_url(self.url)
        admin.client_kill_filter(_id=store.redis.client_id())
        store.add_job(make_job("b", 2))
        admin.client_kill_filter(_id=store.redis.client_id())
        assert [job.id for job in store.get_all_jobs()] == ["a", "b"]
        admin.close()

    def test_only_apschedulers_keys_are_used_by_plain_jobs(self, store, make_job):
        store.add_job(make_job("a", 1))
        keys = {key.decode() for key in store.redis.scan_iter(f"{self.prefix}.*")}
        assert keys == {f"{self.prefix}.jobs", f"{self.prefix}.times"}
        assert store.redis.zscore(f"{self.prefix}.times", "a") == 1_767_225_601.0

    def test_many_jobs_are_added_in_parts_all_or_none(self, store, make_job, monkeypatch):
        monkeypatch.setattr("rapscheduler.jobstores.redis._AT_ONCE", 10)
        store.add_job(make_job("35", 0, name="first"))
        with pytest.raises(ConflictingIdError):
            store._add_jobs([make_job(str(number), number) for number in range(50)])
        assert [job.name for job in store.get_all_jobs()] == ["first"]


class TestZooKeeper(JobStoreConformance):
    keeps_rows = makes_places = True

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def client(cls, server_url):
        from kazoo.client import KazooClient

        host, port = servers.host_and_port(server_url("zookeeper"))
        cls.shared = KazooClient(hosts=f"{host}:{port}")
        cls.shared.start(30)
        yield
        cls.shared.stop()
        cls.shared.close()

    @pytest.fixture(autouse=True)
    def tree(self, client):
        self.path = f"/{fresh_name()}"
        yield
        for path in (self.path, f"{self.path}.parked"):
            self.shared.delete(path, recursive=True)

    def make_store(self):
        from rapscheduler.jobstores.zookeeper import ZooKeeperJobStore

        return ZooKeeperJobStore(path=self.path, client=self.shared)

    reopen = make_store

    @pytest.mark.parametrize("end", ["/", "//"])
    def test_a_path_that_ends_in_a_slash_is_the_same_path(self, scheduler, make_job, end):
        from rapscheduler.jobstores.zookeeper import ZooKeeperJobStore

        store = ZooKeeperJobStore(path=self.path + end, client=self.shared)
        plain = self.make_store()
        for one in (store, plain):
            one.start(scheduler, "shelf")
        store._add_jobs([make_job("a", 0), make_job("b", 1)])
        store._set_parked({"b": "no reason"})
        for one in (store, plain):
            assert [job.id for job in one.get_all_jobs()] == ["a", "b"]
            assert [parked.reason for parked in one._get_parked()] == ["no reason"]
        assert sorted(self.shared.get_children(self.path)) == ["a", "b"]

    def test_the_root_is_refused(self):
        from rapscheduler.jobstores.zookeeper import ZooKeeperJobStore

        with pytest.raises(ValueError, match="below the root"):
            ZooKeeperJobStore(path="/", client=self.shared)


class TestEtcd(JobStoreConformance):
    keeps_rows = True

    @pytest.fixture(autouse=True)
    def tree(self, server_url):
        self.host, self.port = servers.host_and_port(server_url("etcd"))
        self.path = f"/{fresh_name()}"
        # etcd3 0.12 was generated for an older protobuf; its pure Python form still takes it
        os.environ.setdefault("PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION", "python")
        if "etcd" not in servers.required():
            pytest.importorskip("rapscheduler.jobstores.etcd", exc_type=ImportError)

    def make_store(self):
        from rapscheduler.jobstores.etcd import EtcdJobStore

        return EtcdJobStore(path=self.path, host=self.host, port=self.port)

    reopen = make_store
