"""Clients: shared by two stores, an answer that is lost, first starts at once, a server that does not answer."""

from __future__ import annotations

import logging
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.stores import servers
from tests.stores.test_conformance_servers import fresh_name

from rapscheduler.errors import ConflictingIdError
from rapscheduler.jobstores.base import BaseJobStore
from rapscheduler.jobstores.memory import MemoryJobStore
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.testing.stores import JobStoreFixtures

pytestmark = pytest.mark.servers
NODES = ("zookeeper", "etcd")


def make_client(kind: str, url: str) -> Any:
    host, port = servers.host_and_port(url)
    if kind == "etcd":
        import etcd3

        return etcd3.client(host=host, port=port)
    from kazoo.client import KazooClient

    return KazooClient(hosts=f"{host}:{port}")


def make_store(kind: str, client: Any, path: str) -> Any:
    if kind == "etcd":
        pytest.importorskip("rapscheduler.jobstores.etcd", exc_type=ImportError)
        from rapscheduler.jobstores.etcd import EtcdJobStore

        return EtcdJobStore(path=path, client=client)
    from rapscheduler.jobstores.zookeeper import ZooKeeperJobStore

    return ZooKeeperJobStore(path=path, client=client, close_connection_on_exit=True)


@pytest.fixture(autouse=True)
def _protobuf(monkeypatch: Any) -> None:
    monkeypatch.setenv("PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION", "python")


class TestClients(JobStoreFixtures):
    @pytest.mark.parametrize("kind", NODES)
    def test_two_stores_share_a_client(
        self, kind: str, server_url: Any, make_job: Any, scheduler: Any
    ) -> None:
        client = make_client(kind, server_url(kind))
        one, other = (make_store(kind, client, f"/{fresh_name('shared')}") for _ in range(2))
        for store in (one, other):
            store.start(scheduler, "shelf")
            store.add_job(make_job("a"))
        one.shutdown()
        assert [job.id for job in other.get_all_jobs()] == ["a"]
        other.add_job(make_job("b"))
        other.remove_all_jobs()
        other.shutdown()  # closes the client
        if kind == "zookeeper":
            assert not client.connected
        else:
            with pytest.raises(ValueError, match="closed"):
                client.get("/x")

    def test_two_stores_share_a_client_of_mongodb(self, make_job: Any, scheduler: Any) -> None:
        mongomock = pytest.importorskip("mongomock")
        from rapscheduler.jobstores.mongodb import MongoDBJobStore

        client, closed = mongomock.MongoClient(), []
        client.close = lambda: closed.append(1)
        one, other = MongoDBJobStore(client=client), MongoDBJobStore(collection="others", client=client)
        for store in (one, other):
            store.start(scheduler, "shelf")
        one.shutdown()
        assert closed == []
        other.shutdown()
        assert closed == [1]

    @pytest.mark.parametrize("kind", NODES)
    @pytest.mark.parametrize("made", [True, False])
    @pytest.mark.parametrize("many", [False, True])
    def test_an_insert_whose_answer_was_lost(
        self, kind: str, made: bool, many: bool, server_url: Any, make_job: Any, scheduler: Any
    ) -> None:
        """It counts if it was made, and is made again if it was not: no error, no conflict with itself."""
        store = make_store(kind, make_client(kind, server_url(kind)), f"/{fresh_name('lost')}")
        store.start(scheduler, "shelf")
        store.add_job(make_job("taken"))
        losses = lose_answers(kind, store, made)
        jobs = [make_job("a"), make_job("b")]
        if many:
            store._add_jobs(jobs)
        else:
            for job in jobs:
                store.add_job(job)
        assert losses == [1]
        assert {job.id for job in store.get_all_jobs()} == {"taken", "a", "b"}
        losses.clear()
        with pytest.raises(ConflictingIdError):
            store._add_jobs([make_job("c"), make_job("taken")])
        assert store.lookup_job("c") is None
        losses.append(1)
        store.remove_all_jobs()
        store.shutdown()

    @pytest.mark.parametrize("kind", NODES)
    def test_an_insert_that_never_gets_an_answer_is_an_error_of_the_client(
        self, kind: str, server_url: Any, make_job: Any, scheduler: Any
    ) -> None:
        store = make_store(kind, make_client(kind, server_url(kind)), f"/{fresh_name('lost')}")
        store.start(scheduler, "shelf")
        lose_answers(kind, store, made=False, always=True)
        with pytest.raises(Exception, match="") as error:
            store.add_job(make_job("a"))
        assert type(error.value).__name__ in ("ConnectionLoss", "ConnectionFailedError")
        store.shutdown()

    @pytest.mark.parametrize("kind", NODES)
    def test_two_first_starts_at_once(
        self, kind: str, server_url: Any, make_job: Any, scheduler: Any
    ) -> None:
        url = server_url(kind)
        for round_ in range(3):
            path, gate = f"/{fresh_name('first')}/{round_}", threading.Barrier(4)
            stores = [make_store(kind, make_client(kind, url), path) for _ in range(4)]

            def first(number: int, stores: Any = stores, gate: Any = gate) -> None:
                gate.wait(30)
                stores[number].start(scheduler, "shelf")
                stores[number].add_job(make_job(f"job {number}"))
                stores[number]._write_rules({"Europe/Berlin": "same"})

            with ThreadPoolExecutor(4) as pool:
                list(pool.map(first, range(4)))
            assert len(stores[0].get_all_jobs()) == 4
            assert stores[1]._read_rules()["Europe/Berlin"] == "same"
            stores[0].remove_all_jobs()
            for store in stores:
                store.shutdown()


def lose_answers(kind: str, store: Any, made: bool, always: bool = False) -> list[int]:
    """The first insert's answer (or every one's) is lost, after or before it was made; counts the losses."""
    losses: list[int] = []

    def lose(commit: Any, error: BaseException) -> Any:
        if losses and not always:
            return commit()
        losses.append(1)
        if made:
            commit()
        raise error

    client = store.client
    if kind == "etcd":
        from etcd3.exceptions import ConnectionFailedError

        plain = client.transaction

        def transaction(compare: Any, success: Any, failure: Any) -> Any:
            def commit() -> Any:
                return plain(compare=compare, success=success, failure=failure)

            return lose(commit, ConnectionFailedError()) if compare else commit()

        client.transaction = transaction
        return losses
    from kazoo.exceptions import ConnectionLoss

    make = client.transaction

    def begin() -> Any:
        request = make()
        plain_commit = request.commit
        creates = request.operations

        def commit() -> Any:
            if any(type(one).__name__ == "Create" for one in creates):
                return lose(plain_commit, ConnectionLoss())
            return plain_commit()

        request.commit = commit
        return request

    client.transaction = begin
    return losses


# A server that does not answer


class Slow(MemoryJobStore):
    """A store whose client waits for its server when it is closed."""

    calls_may_overlap = True

    def __init__(self) -> None:
        super().__init__()
        self.answers = threading.Event()

    def get_next_run_time(self) -> Any:  # so that it is no store in memory
        return super().get_next_run_time()

    def shutdown(self) -> None:
        self.answers.wait(60)


@pytest.mark.parametrize("timeout", [0, 0.5])
def test_a_store_that_can_not_be_closed_takes_no_longer_than_the_shutdown_may(
    timeout: float, caplog: Any
) -> None:
    slow = Slow()
    scheduler = BackgroundScheduler()
    scheduler.add_jobstore(slow, "slow")
    scheduler.start()
    begun_s = time.monotonic()
    scheduler.shutdown(timeout=timeout)
    assert time.monotonic() - begun_s < 20
    (record,) = [one for one in caplog.records if one.levelno == logging.WARNING]
    assert 'Shutting down job store "slow" without waiting any longer' in record.message
    slow.answers.set()


def test_zookeeper_is_left_in_time_when_its_server_has_stopped(caplog: Any) -> None:
    """A server that takes connections and says nothing."""
    pytest.importorskip("kazoo")
    from rapscheduler.jobstores.zookeeper import ZooKeeperJobStore

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        store: BaseJobStore = ZooKeeperJobStore(
            hosts=f"127.0.0.1:{silent.getsockname()[1]}", close_connection_on_exit=True
        )
        store._open = lambda write: None  # type: ignore[attr-defined]
        store._read_all = store._read = store._read_due = lambda *args: []  # type: ignore[attr-defined]
        store._read_rules = lambda: {"*": "1"}  # type: ignore[attr-defined]
        store.client.start_async()  # type: ignore[attr-defined]
        scheduler = BackgroundScheduler()
        scheduler.add_jobstore(store)
        scheduler.start()
        begun_s = time.monotonic()
        scheduler.shutdown(timeout=1)
        assert time.monotonic() - begun_s < 5


def test_documents_that_can_not_be_decoded_are_read_as_they_can_be() -> None:
    pytest.importorskip("pymongo")
    import bson

    from rapscheduler.jobstores.mongodb import CODEC

    good = bson.encode({"_id": "odd", "next_run_time": 5.0, "job_state": b"x"})
    not_utf8 = bson.encode({"_id": "od\x01", "parked": "why"}).replace(b"od\x01", b"od\xff")
    late = bson.encode({"_id": "late", "next_run_time": bson.Int64(1 << 60)}).replace(
        b"\x12next", b"\x09next"
    )
    with pytest.raises(Exception):  # noqa: B017
        bson.decode(not_utf8)
    with pytest.raises(Exception):  # noqa: B017
        bson.decode(late)
    assert bson.decode(good, CODEC)["_id"] == "odd"
    assert bson.decode(not_utf8, CODEC)["_id"] == "od\\xff"
    from rapscheduler._serialization.rows import NO_TIME_US
    from rapscheduler.jobstores.mongodb import _row

    document = bson.decode(late, CODEC)
    assert _row(document).run_at_us == NO_TIME_US
