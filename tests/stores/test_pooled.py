"""Stores behind a pooler that gives each transaction to another connection (pgbouncer): what they say, what works."""

from __future__ import annotations

import logging
from collections import Counter
from contextlib import contextmanager
from datetime import datetime, timezone
from threading import Event

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from tests.stores import shared_stores
from tests.stores.test_conformance_servers import fresh_name
from tests.stores.test_shared import until

from rapscheduler._instants import us_of
from rapscheduler._serialization.rows import RowChange
from rapscheduler.events import EVENT_JOB_EXECUTED
from rapscheduler.jobstores._shared import ClaimRow, Me, Refused
from rapscheduler.jobstores._sqlerrors import cure_of, is_transient
from rapscheduler.jobstores._sqlnews import PostgreSQLListener, channel_of
from rapscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.testing import ManualScheduler

#: what the log names as the cure
CURED = {"engine_options": {"connect_args": {"prepare_threshold": None}}}
EPOCH = datetime(2025, 1, 1, tzinfo=timezone.utc)
UNTIL_US = 2_000_000_000_000_000


class Unprepared(Exception):
    def __init__(self, text: str, sqlstate: str) -> None:
        super().__init__(text)
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("text", "sqlstate"),
    [
        ('prepared statement "_pg3_1" does not exist', "26000"),
        ('prepared statement "_pg3_1" already exists', "42P05"),
    ],
)
def test_a_prepared_statement_of_another_connection(text, sqlstate):
    error = DBAPIError("SELECT 1", {}, Unprepared(text, sqlstate))
    assert "prepare_threshold" in cure_of(error) and is_transient(error)


def test_a_table_that_is_not_there_is_another_thing():
    error = DBAPIError("SELECT 1", {}, Unprepared('relation "jobs" does not exist', "42P01"))
    assert "start the scheduler again" in cure_of(error) and not is_transient(error)


def work():
    """Nothing: what counts is that it ran."""


class TestPgbouncer:
    """psycopg prepares a statement that it has seen five times, on whatever connection it was given then."""

    @pytest.fixture
    def url(self, server_url):
        """With new connections to the server: none knows a statement of another test."""
        import psycopg

        url = server_url("pgbouncer")
        console = sa.engine.make_url(url).set(database="pgbouncer", drivername="postgresql")
        with psycopg.connect(console.render_as_string(hide_password=False), autocommit=True) as connection:
            connection.execute("RECONNECT")
        return url

    @pytest.fixture
    def table(self, server_url):
        name = fresh_name()
        yield name
        shared_stores.drop(server_url("postgresql"), name)

    @pytest.fixture
    def store(self, url, table, scratch):
        """``store(...)`` — one on the table, with a pool of its own."""

        def make(**options):
            made = SQLAlchemyJobStore(url, tablename=table, **options)
            made.start(ManualScheduler(EPOCH), "default")
            scratch(made.shutdown)
            return made

        return make

    @pytest.fixture
    def other_connection(self, url, scratch):
        """Within it, transactions get another connection than the one that was used last."""
        engine = sa.create_engine(url, connect_args=CURED["engine_options"]["connect_args"])
        scratch(engine.dispose)

        @contextmanager
        def held():
            with engine.begin() as connection:
                connection.execute(sa.text("SELECT 1"))  # pgbouncer gives away what came back last
                yield

        return held

    def test_a_statement_that_the_connection_does_not_know(self, store, other_connection, caplog):
        jobs = store()
        for _ in range(7):
            assert jobs.get_due_jobs(EPOCH) == []
        with other_connection():
            assert jobs.get_due_jobs(EPOCH) == []  # the second try
            assert jobs.get_due_jobs(EPOCH) == []
        assert self.told(caplog) == ["26000"]

    def test_a_statement_that_the_connection_knows_already(self, store, caplog):
        one, other = store(), store()
        for jobs in (one, other):
            for _ in range(7):
                assert jobs.get_due_jobs(EPOCH) == []
        assert self.told(caplog) == ["42P05"]

    def test_a_shared_store_takes_at_the_second_try(self, store, other_connection, caplog):
        jobs = store(shared=True)
        rows, me = self.shared(jobs)
        for _ in range(7):
            self.take_and_claim(rows, me)
        with other_connection():
            self.take_and_claim(rows, me)
        assert self.told(caplog) == ["26000"]

    def test_a_claim_that_was_rolled_back_is_written_again(self, store, other_connection, caplog):
        jobs = store(shared=True)
        rows, me = self.shared(jobs)
        due_us = us_of(EPOCH)
        nowhere = ClaimRow(RowChange("nowhere", due_us, due_us + 1, None), due_us, due_us, 1)
        for _ in range(7):
            assert rows.claim(me, [nowhere], []) == Refused(gone=frozenset(["nowhere"]))
        with other_connection():
            self.take_and_claim(rows, me)
        assert self.told(caplog) == ["26000"]
        assert rows.own(me) == [("a", us_of(EPOCH))]

    def test_with_the_cure_nothing_is_said(self, store, other_connection, caplog):
        one, other = store(**CURED), store(**CURED)
        for jobs in (one, other):
            for _ in range(7):
                assert jobs.get_due_jobs(EPOCH) == []
        with other_connection():
            assert one.get_due_jobs(EPOCH) == []
        assert self.told(caplog) == []

    def test_schedulers_that_share_work_by_polling_although_no_notification_comes(self, url, table, scratch):
        schedulers, seen = [], []
        for _ in range(2):
            jobs = SQLAlchemyJobStore(url, tablename=table, shared=True, poll_interval=0.2, **CURED)
            made = BackgroundScheduler(timezone="UTC", jobstores={"default": jobs})
            made.add_listener(
                lambda event: seen.append((event.job_id, event.scheduled_run_time)), EVENT_JOB_EXECUTED
            )
            schedulers.append(made)
            scratch(made.shutdown)
        adder, runner = schedulers
        runner.start()
        adder.start(paused=True)
        told, heard = [], Event()
        listener = PostgreSQLListener(
            jobs.engine, channel_of(jobs.jobs_t), lambda: (told.append(1), heard.set())
        )
        scratch(listener.stop)
        assert heard.wait(60) and told == [1]  # when it began to listen
        for number in range(20):
            adder.add_job(work, "date", run_date=datetime.now(timezone.utc), id=f"job{number}")
        until(lambda: len(seen) >= 20, 60)
        assert told == [1]
        adder.resume()
        adder.add_job(
            work,
            "interval",
            seconds=0.2,
            id="both",
            coalesce=False,
            misfire_grace_time=None,
            max_instances=99,
        )
        until(lambda: len(seen) >= 35, 60)
        for scheduler in schedulers:
            scheduler.pause()
        assert set(Counter(seen).values()) == {1}

    def told(self, caplog):
        """SQLSTATEs of the lines that name the cure."""
        lines = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
        assert all(
            "engine_options={'connect_args': {'prepare_threshold': None}}" in line for line in lines
        ), lines
        return ["26000" if "does not exist" in line else "42P05" for line in lines]

    def shared(self, jobs):
        """The rows of a shared store with a job that is due, and a member. No scheduler of it has any threads."""
        me = Me(30.0)
        jobs._shared.join(me)
        with ManualScheduler(EPOCH) as scheduler:
            job = scheduler.add_job(work, "interval", seconds=1, id="a", next_run_time=EPOCH)
            job._jobstore_alias = "default"
            jobs.add_job(job)
        return jobs._shared, me

    def take_and_claim(self, rows, me):
        """The job's run is under way, and the job is due again."""
        (row,) = rows.take(me, UNTIL_US, 10)
        change = RowChange(row.id, row.run_at_us, row.run_at_us + 1_000_000, None)
        assert rows.claim(me, [ClaimRow(change, row.run_at_us, row.run_at_us, 1)], []) == Refused()
