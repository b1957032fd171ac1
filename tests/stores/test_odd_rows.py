"""Whole rows with an odd value: each column, each value, each store. The odd row costs itself, and nothing else.

A row is readable, or parked, or named in the log as one that can't be parked; the others are given by every call.
`python -m pytest tests/stores/test_odd_rows.py -s` prints the counts.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any

import pytest
from tests.stores import odd_rows, servers
from tests.stores.odd_rows import COLUMNS, NotTaken
from tests.stores.test_conformance_servers import fresh_name

from rapscheduler._instants import MAX_US, MIN_US
from rapscheduler.jobstores.base import Change
from rapscheduler.testing.stores import SECOND_US, START_US, JobStoreFixtures

pytestmark = pytest.mark.slow

STORES = ("sqlite", "postgresql", "mariadb", "redis", "zookeeper", "etcd", "mongodb", "rethinkdb")
LATER_US = START_US + 3600 * SECOND_US
OFF_GRID_S = START_US / SECOND_US + 2**-22  # the next float after a whole number of microseconds
GOOD = ["good-1", "good-2"]


@pytest.fixture
def rig(request: pytest.FixtureRequest, tmp_path: Any, scratch: Any, monkeypatch: Any) -> Any:
    made = make_rig(request.param, request.getfixturevalue, tmp_path, scratch, monkeypatch)
    yield made
    made.close()


def make_rig(kind: str, fixture: Any, tmp_path: Any, scratch: Any, monkeypatch: Any) -> Any:
    if kind == "sqlite":
        return odd_rows.SQLRig(f"sqlite:///{tmp_path}/jobs.db", "odd_jobs")
    if kind == "mongodb":
        mongomock = pytest.importorskip("mongomock")
        client = mongomock.MongoClient()
        client.close = lambda: None
        let_sort(mongomock, monkeypatch)
        return odd_rows.MongoRig(client)
    if kind == "rethinkdb":
        pytest.importorskip("tests.stores.reql", exc_type=ImportError)
        return odd_rows.RethinkDBRig()
    url, name = fixture("server_url")(kind), fresh_name("odd")
    if kind in ("postgresql", "mariadb"):
        return odd_rows.SQLRig(url, name)
    if kind == "redis":
        return odd_rows.RedisRig(url, name)
    host, port = servers.host_and_port(url)
    if kind == "etcd":
        monkeypatch.setenv("PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION", "python")
        pytest.importorskip("rapscheduler.jobstores.etcd", exc_type=ImportError)
        return odd_rows.EtcdRig(host, port, name)
    from kazoo.client import KazooClient

    client = KazooClient(hosts=f"{host}:{port}")
    client.start(30)
    scratch(client.close)
    scratch(client.stop)
    return odd_rows.ZooKeeperRig(client, name)


def let_sort(mongomock: Any, monkeypatch: Any) -> None:
    """Newer PyMongo passes `sort`, which mongomock doesn't know."""
    builder = mongomock.collection.BulkOperationBuilder
    add_update = builder.add_update

    def add_without_sort(self: Any, *args: Any, sort: Any = None, **kwargs: Any) -> Any:
        return add_update(self, *args, **kwargs)

    monkeypatch.setattr(builder, "add_update", add_without_sort)


class TestOddRows(JobStoreFixtures):
    @pytest.mark.servers
    @pytest.mark.parametrize("column", COLUMNS)
    @pytest.mark.parametrize("rig", STORES, indirect=True)
    def test_an_odd_row_costs_itself_only(self, rig, column, make_job, scheduler, caplog):
        counts: Counter[str] = Counter()
        maker = rig.make_store()
        maker.start(scheduler, "shelf")
        for name, value in rig.values().items():
            maker._add_jobs([make_job("good-1", 0), make_job("odd", 0), make_job("good-2", 1)])
            try:
                rig.put(column, name, value)
            except NotTaken:
                counts["not taken by the database"] += 1
            else:
                caplog.clear()
                counts[fate(rig.make_store(), scheduler, caplog, f"{column} = {name}")] += 1
            maker.remove_all_jobs()
        maker.shutdown()
        print(f"\n{type(rig).__name__} {column}: {dict(counts)}")
        assert counts["readable"] + counts["parked"] + counts["named"] > 0

    @pytest.mark.servers
    @pytest.mark.parametrize("rig", STORES, indirect=True)
    @pytest.mark.parametrize("what", ["settle", "remove", "park", "pause", "modify"])
    def test_a_time_between_two_microseconds_is_a_time(self, rig, what, make_job, scheduler):
        store = rig.make_store()
        store.start(scheduler, "shelf")
        store.add_job(make_job("odd", 5))
        rig.put("next_run_time", "off grid", OFF_GRID_S)
        now_us = store._earliest_us()
        assert now_us == START_US  # a clock that stands at what the store says finds the job due
        (job,) = store._take_due(now_us, 9)
        if what == "settle":
            store._settle([Change(job, now_us, LATER_US, LATER_US)])
            assert store._earliest_us() == LATER_US
        elif what == "remove":
            store._settle([Change(job, now_us, remove=True)])
            assert store.lookup_job("odd") is None
        elif what == "park":
            store._settle([Change(job, now_us, park="why")])
            assert [one.reason for one in store._get_parked()] == ["why"]
        elif what == "pause":
            assert store._update_if(job, now_us, (None, None, None))
            assert store.lookup_job("odd").next_run_time is None
        else:
            job.name = "changed"
            assert store._update_if(job, now_us)
            assert store.lookup_job("odd").name == "changed"
        assert store._take_due(now_us, 9) == [] or what == "modify"


def fate(store: Any, scheduler: Any, caplog: Any, case: str) -> str:
    """What became of the odd row. Asserts that the good ones are there and run."""
    with caplog.at_level(logging.ERROR):
        store.start(scheduler, "shelf")
        earliest_us = store._earliest_us()
        assert earliest_us is not None and MIN_US <= earliest_us <= MAX_US, case
        taken = take_all(store, case)
        assert set(GOOD) <= set(taken), case
        jobs = [job.id for job in store.get_all_jobs()]
        assert set(GOOD) <= set(jobs), case
        assert store.lookup_job("good-1").id == "good-1", case
        parked = [one.job_id for one in store._get_parked()]
        for job_id in GOOD:
            store.remove_job(job_id)
        earliest_us = store._earliest_us()
        assert earliest_us is None or MIN_US <= earliest_us <= MAX_US, case
    named = [record.getMessage() for record in caplog.records if "passed over" in record.getMessage()]
    others = [job_id for job_id in jobs if job_id not in GOOD]
    assert len(others) + len([one for one in parked if one not in others]) + len(named) == 1, case
    if not type(store).__name__.startswith("ZooKeeper"):
        store.shutdown()
    return "readable" if others else ("parked" if parked else "named")


def take_all(store: Any, case: str) -> list[str]:
    """The jobs that are due, taken one by one as a loop with small batches would, each moved to a later time."""
    taken: list[str] = []
    for _ in range(9):
        due = store._take_due(START_US + 9 * SECOND_US, 1)
        if not due:
            return taken
        taken.append(due[0].id)
        store._settle([Change(due[0], due[0].run_at_us, LATER_US, LATER_US)])
    raise AssertionError(f"{case}: {taken} comes again and again")
