"""Ids that are too long or odd, on every store: stored and found again, or refused with the value and the cure."""

from __future__ import annotations

from typing import Any

import pytest
from tests.stores.test_odd_rows import STORES, make_rig

from rapscheduler.errors import EncodeError, JobLookupError
from rapscheduler.testing.stores import JobStoreFixtures

IDS = {
    "space": " ",
    "spaces before": "  a",
    "slash": "a/b",
    "slashes": "//",
    "dot": ".",
    "dots": "..",
    "percent": "%2F%",
    "lines": "a\r\nb",
    "control": "\x01\x1b\x7f",
    "beyond the BMP": "\U0001f600" * 31,
    "no characters of ZooKeeper": "\uf8ff\ufff0",
    "composed": "\u00e9",
    "decomposed": "e\u0301",
    "NUL": "a\0b",
    "longest of SQL": "x" * 191,
    "too long for SQL": "é" * 192,
    "too long for nodes": "y" * 5000,
    "huge": "z" * 1_000_000,
    "half a character": "\ud800",
}
REFUSED = {
    "half a character": STORES,
    "NUL": ("postgresql", "rethinkdb"),
    "longest of SQL": ("rethinkdb",),
    "too long for SQL": ("postgresql", "mariadb", "rethinkdb"),
    "too long for nodes": ("postgresql", "mariadb", "rethinkdb", "zookeeper", "etcd"),
    "huge": ("postgresql", "mariadb", "rethinkdb", "zookeeper", "etcd"),
}


@pytest.fixture
def rig(request: pytest.FixtureRequest, tmp_path: Any, scratch: Any, monkeypatch: Any) -> Any:
    made = make_rig(request.param, request.getfixturevalue, tmp_path, scratch, monkeypatch)
    yield made
    made.close()


class TestIds(JobStoreFixtures):
    @pytest.mark.servers
    @pytest.mark.parametrize("rig", STORES, indirect=True)
    def test_an_id_is_kept_as_it_is_or_refused(
        self,
        make_job: Any,
        scheduler: Any,
        rig: Any,
        request: Any,
    ) -> None:
        kind = request.node.callspec.params["rig"]
        store = rig.make_store()
        store.start(scheduler, "shelf")
        store.add_job(make_job("other"))
        for name, job_id in IDS.items():
            assert store.lookup_job(job_id) is None, name
            with pytest.raises(JobLookupError):
                store.remove_job(job_id)
            job = make_job(job_id)
            if kind in REFUSED.get(name, ()):
                for add in (store._check_storable, store.add_job, lambda one: store._add_jobs([one])):
                    with pytest.raises(EncodeError, match="id can't be stored: '") as error:
                        add(job)
                    assert len(str(error.value)) < 400 and repr(job_id[:40])[1:-1] in str(error.value), name
                with pytest.raises(JobLookupError):
                    store.update_job(job)
                assert store.lookup_job(job_id) is None, name
            else:
                store.add_job(job)
                assert store.lookup_job(job_id).id == job_id, name
                assert job_id in {one.id for one in store.get_all_jobs()}, name
                store.update_job(job)
                store.remove_job(job_id)
            assert [one.id for one in store.get_all_jobs()] == ["other"], name

    @pytest.mark.servers
    @pytest.mark.parametrize("rig", ["postgresql", "mariadb"], indirect=True)
    def test_a_column_that_somebody_made_wider_takes_longer_ids(
        self,
        make_job: Any,
        scheduler: Any,
        rig: Any,
    ) -> None:
        store = rig.make_store()
        store.start(scheduler, "shelf")
        verb = "ALTER COLUMN id TYPE" if rig.engine.name == "postgresql" else "MODIFY id"
        with rig.engine.begin() as connection:
            connection.execute(rig.sa.text(f"ALTER TABLE {rig.name} {verb} VARCHAR(255)"))
        store.add_job(make_job("x" * 255))
        assert store.lookup_job("x" * 255) is not None
        with pytest.raises(EncodeError, match="has 256 characters; in this table an id may have 255"):
            store.add_job(make_job("x" * 256))
