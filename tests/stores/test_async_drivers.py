"""Drivers that only an event loop can use are refused by one sentence with the URL that works."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from rapscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore


@pytest.mark.parametrize(
    ("url", "cure"),
    [
        ("postgresql+asyncpg://app:secret@db:5433/app?x=1", "postgresql+psycopg://app:***@db:5433/app?x=1"),
        ("postgresql+psycopg_async://app@db/app", "postgresql+psycopg://app@db/app"),
        ("sqlite+aiosqlite:///jobs.db", "sqlite:///jobs.db"),
        ("mysql+aiomysql://app@db/app", "mysql+pymysql://app@db/app"),
        ("mariadb+asyncmy://app@db/app", "mariadb+pymysql://app@db/app"),
    ],
)
def test_a_url_whether_its_driver_is_installed_or_not(url, cure):
    with pytest.raises(ValueError, match="is asynchronous, and a job store is asked from threads") as caught:
        SQLAlchemyJobStore(url)
    assert str(caught.value).startswith(url.partition("//")[0])
    assert f"url='{cure}'" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("inside", [False, True])
def test_an_async_engine_and_what_is_inside_of_it(inside):
    """`sync_engine` has the same driver: its statements end in MissingGreenlet in a thread."""
    pytest.importorskip("psycopg")
    asyncio = pytest.importorskip("sqlalchemy.ext.asyncio")
    engine = asyncio.create_async_engine("postgresql+psycopg://app:secret@db/app")
    with pytest.raises(TypeError, match="is asynchronous") as caught:
        SQLAlchemyJobStore(engine=engine.sync_engine if inside else engine)
    assert "url='postgresql+psycopg://app:***@db/app'" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_an_engine_of_the_same_url_is_taken():
    pytest.importorskip("psycopg")
    engine = sa.create_engine("postgresql+psycopg://app@db/app")
    assert SQLAlchemyJobStore(engine=engine).engine is engine
