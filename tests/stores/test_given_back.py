"""Connections of a pool that others use are as they were when they come back to it, and lost ones are made anew."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from tests.stores import shared_stores
from tests.stores.test_adds_together import add, started
from tests.stores.test_conformance_servers import fresh_name

from rapscheduler._serialization.rows import RowChange
from rapscheduler.errors import ConflictingIdError
from rapscheduler.jobstores._shared import ClaimRow, Me, Refused
from rapscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from rapscheduler.testing import ManualScheduler


def joined_with_a_job(store):
    """A scheduler's place among those of a store that has one due job, and its rows."""
    with ManualScheduler() as scheduler:
        store.start(scheduler, "shelf")
        job = scheduler.add_job(print, "date", run_date="2026-01-01 00:00:00+00:00", id="job")
        job._jobstore_alias = "shelf"
        store.add_job(job)
    me, rows = Me(30.0), store._shared
    rows.join(me)
    return me, rows


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
@pytest.mark.parametrize("attribute", ["isolation_level", "autocommit"])
def test_what_somebody_sets_on_connections_stays_after_an_add_and_a_question(server_url, driver, attribute):
    """Else the transactions of a program that shares its engine with the store lose their isolation."""
    url = sa.engine.make_url(server_url("postgresql")).set(drivername=f"postgresql+{driver}")
    engine, name = sa.create_engine(url, pool_size=1, max_overflow=0), fresh_name()
    serializable = {"psycopg": 4, "psycopg2": 3}[driver]

    @sa.event.listens_for(engine, "connect")
    def prepare(connection, record):
        setattr(connection, attribute, serializable if attribute == "isolation_level" else True)

    def seen():
        with engine.connect() as connection:
            made = connection.connection.dbapi_connection
            level = connection.execute(sa.text("SHOW transaction_isolation")).scalar()
            return level, made.autocommit, made.isolation_level

    wanted = seen()
    scheduler = started(SQLAlchemyJobStore(engine=engine, tablename=name))
    assert seen() == wanted
    assert add(scheduler, "a") == "a" and seen() == wanted
    assert [job.id for job in scheduler.get_jobs(prefix="a")] == ["a"] and seen() == wanted
    assert isinstance(add(scheduler, "a"), ConflictingIdError) and seen() == wanted
    scheduler.shutdown()
    shared_stores.drop(server_url("postgresql"), name)


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_a_question_whose_connection_is_lost_is_asked_again(server_url, driver):
    url = sa.engine.make_url(server_url("postgresql")).set(drivername=f"postgresql+{driver}")
    engine, name = sa.create_engine(url, pool_size=1, max_overflow=0), fresh_name()
    scheduler = started(SQLAlchemyJobStore(engine=engine, tablename=name))
    assert add(scheduler, "a") == "a"
    other = sa.create_engine(url)
    for _ in range(2):
        with engine.connect() as connection:
            number = connection.connection.dbapi_connection.info.backend_pid
        with other.connect() as connection:
            connection.execute(sa.text(f"SELECT pg_terminate_backend({number})"))
        assert [job.id for job in scheduler.get_jobs(prefix="a")] == ["a"]
        with engine.connect() as connection:
            assert not connection.connection.dbapi_connection.autocommit
    other.dispose()
    scheduler.shutdown()
    shared_stores.drop(server_url("postgresql"), name)


@pytest.mark.parametrize("outcome", ["claimed", "nothing due", "let go", "lease over", "raised"])
@pytest.mark.parametrize("autocommits", [False, True])
def test_a_claim_leaves_the_sessions_of_mariadb_as_they_were(server_url, outcome, autocommits):
    engine, name = sa.create_engine(server_url("mariadb"), pool_size=1, max_overflow=0), fresh_name()

    @sa.event.listens_for(engine, "connect")
    def prepare(connection, record):
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE")
            cursor.execute("SET SESSION idle_transaction_timeout = 77")
        connection.autocommit(autocommits)

    def seen():
        with engine.connect() as connection:
            asked = "SELECT @@SESSION.tx_isolation, @@SESSION.idle_transaction_timeout, @@SESSION.autocommit"
            return tuple(connection.execute(sa.text(asked)).one())

    assert seen() == ("SERIALIZABLE", 77, int(autocommits))
    store = SQLAlchemyJobStore(engine=engine, tablename=name, shared=True)
    me, rows = joined_with_a_job(store)
    due_us = 0 if outcome == "nothing due" else 2_000_000_000_000_000
    taken = rows.take(me, due_us, 10)
    assert len(taken) == (outcome != "nothing due")
    other = sa.create_engine(
        server_url("mariadb"), connect_args={"init_command": "SET lock_wait_timeout = 5"}
    )
    # A gap between due rows is not locked, whatever the session's isolation is.
    with other.begin() as connection:
        connection.execute(sa.text("SET SESSION innodb_lock_wait_timeout = 5"))
        connection.execute(
            store.jobs_t.insert().values(id="i", next_run_time=1.0, job_state=b"", parked="why")
        )
    other.dispose()
    if outcome == "let go":
        rows.let_go()
    elif taken:
        change = RowChange("job", taken[0].run_at_us, None, None, True)
        claims = [ClaimRow(change, change.expected_us, change.expected_us, 1)]
        if outcome == "raised":
            with pytest.raises(sa.exc.SQLAlchemyError):
                rows.claim(me, [claims[0]._replace(group="g" * 1000)], [])
        else:
            found = rows.claim(me if outcome == "claimed" else me.again(), claims, [])
            assert found == (Refused() if outcome == "claimed" else None)
    assert seen() == ("SERIALIZABLE", 77, int(autocommits))
    assert len(rows.own(me)) == (outcome == "claimed")
    store.shutdown()
    shared_stores.drop(server_url("mariadb"), name)


def test_what_mariadb_ended_while_it_was_held_does_not_come_back(server_url):
    engine, name = sa.create_engine(server_url("mariadb"), pool_size=1, max_overflow=0), fresh_name()
    store = SQLAlchemyJobStore(engine=engine, tablename=name, shared=True)
    me, rows = joined_with_a_job(store)
    assert rows.take(me, 2_000_000_000_000_000, 10)
    number = rows._taken[0].connection.thread_id()
    other = sa.create_engine(server_url("mariadb"))
    with other.connect() as connection:
        connection.execute(sa.text(f"KILL {number}"))
    other.dispose()
    rows.let_go()
    assert [row.id for row in rows.take(me, 2_000_000_000_000_000, 10)] == ["job"]
    store.shutdown()
    shared_stores.drop(server_url("mariadb"), name)
