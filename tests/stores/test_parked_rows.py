"""Whoever asks how many jobs are parked (`health()`, each page of the dashboard) reads no others."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from tests.stores import shared_stores
from tests.stores.test_conformance_servers import fresh_name

from rapscheduler.schedulers.background import BackgroundScheduler


@pytest.fixture(params=shared_stores.KINDS)
def store(request, url_of):
    url, name = url_of(request.param), fresh_name()
    made = shared_stores.make_store(url, name, shared=False)
    scheduler = BackgroundScheduler(timezone="UTC", jobstores={"default": made})
    scheduler.start(paused=True)
    scheduler.add_jobs(
        ({"id": f"job{number:04}"} for number in range(300)), func=print, trigger="cron", hour=7
    )
    made._set_parked({"job0007": "one", "job0123": "another"})
    yield made
    scheduler.shutdown()
    shared_stores.drop(url, name)


def test_they_are_counted(store):
    assert store._count_parked() == len(store._read_parked()) == 2
    assert store._scheduler.health()["parked"] == {"default": 2}
    store._set_parked({"job0007": None, "job0123": None})
    assert store._count_parked() == 0


@contextmanager
def plans_of(engine):
    """What the database means to do for each SELECT; PostgreSQL as if the table were large."""
    plans = []

    def explain(connection, cursor, text, parameters, context, executemany):
        if not text.startswith("SELECT"):
            return
        raw = connection.connection.cursor()
        if engine.dialect.name == "postgresql":
            raw.execute("SET LOCAL enable_seqscan = off")
        words = "EXPLAIN QUERY PLAN" if engine.dialect.name == "sqlite" else "EXPLAIN"
        raw.execute(f"{words} {text}", parameters)
        plans.append(str(raw.fetchall()))
        raw.close()

    sa.event.listen(engine, "before_cursor_execute", explain)
    yield plans
    sa.event.remove(engine, "before_cursor_execute", explain)


def test_a_database_uses_an_index_for_it(store):
    if not hasattr(store, "engine"):
        pytest.skip("Redis has a hash of them")
    index = "_due" if store.engine.dialect.name in ("mysql", "mariadb") else "_parked"
    with plans_of(store.engine) as plans:
        store._count_parked()
        store._read_parked()
    assert len(plans) == 2 and all(index in plan for plan in plans), plans
