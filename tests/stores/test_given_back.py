"""PostgreSQL's connections that do without a transaction of ours are as they were, and lost ones are made anew."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from tests.stores import shared_stores
from tests.stores.test_adds_together import add, started
from tests.stores.test_conformance_servers import fresh_name

from rapscheduler.errors import ConflictingIdError
from rapscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore


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
