"""How much the stores ask of their servers: statements, commits and round trips per batch, whatever its size."""

from __future__ import annotations

from contextlib import contextmanager
from typing import ClassVar

import pytest
import sqlalchemy as sa
from tests.stores.test_conformance_servers import fresh_name

from rapscheduler.jobstores.base import Change
from rapscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from rapscheduler.testing import ManualScheduler
from rapscheduler.testing.stores import SECOND_US, START_US, JobStoreFixtures, noop
from rapscheduler.testing.zone_folders import make_folder, read_zones_from, zones_read_from
from rapscheduler.triggers.cron import CronTrigger

LATER_US = START_US + 3600 * SECOND_US


@contextmanager
def counted(engine):
    """What reaches the driver in the block: verbs of the statements, and commits."""
    seen: list[str] = []

    def statement(connection, cursor, text, parameters, context, executemany):
        seen.append(text.split()[0].upper())

    def commit(connection):
        seen.append("COMMIT")

    sa.event.listen(engine, "before_cursor_execute", statement)
    sa.event.listen(engine, "commit", commit)
    try:
        yield seen
    finally:
        sa.event.remove(engine, "before_cursor_execute", statement)
        sa.event.remove(engine, "commit", commit)


DRIVERS = {
    "sqlite": None,
    "postgresql+psycopg": "postgresql",
    "postgresql+psycopg2": "postgresql",
    "mysql+pymysql": "mariadb",
}


class TestSQL(JobStoreFixtures):
    @pytest.fixture(params=DRIVERS)
    def store(self, request, scheduler, tmp_path):
        server = DRIVERS[request.param]
        name = fresh_name()
        url = f"sqlite:///{tmp_path}/jobs.db"
        if server is not None:
            url = sa.engine.make_url(request.getfixturevalue("server_url")(server)).set(
                drivername=request.param
            )
        store = SQLAlchemyJobStore(url, tablename=name)
        store.start(scheduler, "shelf")
        yield store
        store.jobs_t.drop(store.engine)
        store._zones.drop(store.engine)
        store.shutdown()

    def test_the_batch_reaches_the_driver_as_one_call_or_one_document(self, store, make_job):
        """MariaDB gets a batch in one round trip, like PostgreSQL; SQLite has no round trips."""
        store._add_jobs([make_job(f"job{number}", 0) for number in range(50)])
        due = store._take_due(START_US, 50)
        many: list[bool] = []
        sa.event.listen(store.engine, "before_cursor_execute", lambda *call: many.append(call[-1]))
        store._settle([Change(job, START_US, LATER_US, LATER_US) for job in due[:20]])
        store._settle([Change(job, START_US, remove=True) for job in due[20:30]])
        store._settle([Change(job, START_US, park="why") for job in due[30:]])
        assert many == [store.engine.dialect.name == "sqlite"] * 3
        assert {one.reason for one in store._get_parked()} == {"why"}

    @pytest.mark.parametrize("size", [1, 200])
    def test_a_pass_is_one_select_and_one_transaction(self, store, make_job, size):
        store._add_jobs([make_job(f"job{number}", 0) for number in range(size)])
        with counted(store.engine) as seen:
            due = store._take_due(START_US, size)
        assert len(due) == size
        assert seen.count("SELECT") == 1
        assert len(seen) <= 2
        with counted(store.engine) as seen:
            store._settle([Change(job, START_US, LATER_US, LATER_US) for job in due])
        assert seen == ["UPDATE", "COMMIT"]
        assert store._earliest_us() == LATER_US

    def test_a_mixed_batch_is_three_statements_in_one_transaction(self, store, make_job):
        store._add_jobs([make_job(f"job{number:02}", 0) for number in range(30)])
        due = store._take_due(START_US, 30)
        changes = [Change(job, START_US, LATER_US, LATER_US) for job in due[:10]]
        changes += [Change(job, START_US, remove=True) for job in due[10:20]]
        changes += [Change(job, START_US, park="why") for job in due[20:]]
        with counted(store.engine) as seen:
            store._settle(changes)
        assert sorted(seen) == ["COMMIT", "DELETE", "UPDATE", "UPDATE"]
        assert len(store._get_parked()) == 10

    def test_what_is_gone_is_asked_by_one_select_and_a_change_written_by_one_update(self, store, make_job):
        store._add_jobs([make_job(f"job{number}", 0) for number in range(200)])
        due = store._take_due(START_US, 200)
        store._settle([Change(job, START_US, remove=True) for job in due[1:]])
        with counted(store.engine) as seen:
            assert store._still_there([job.id for job in due]) == {due[0].id}
        assert seen.count("SELECT") == 1
        with counted(store.engine) as seen:
            assert store._update_if(due[0], START_US, (LATER_US, LATER_US, None))
        assert seen == ["UPDATE", "COMMIT"]

    def test_many_jobs_are_added_by_one_insert(self, store, make_job):
        jobs = [make_job(f"job{number}", number) for number in range(200)]
        with counted(store.engine) as seen:
            store._add_jobs(jobs)
        assert seen == ["INSERT", "COMMIT"]

    def test_a_pass_never_rewrites_the_job(self, store, make_job):
        store.add_job(make_job("a", 0))
        statements: list[str] = []
        sa.event.listen(
            store.engine, "before_cursor_execute", lambda c, cursor, text, *rest: statements.append(text)
        )
        job = store._take_due(START_US, 1)[0]
        store._settle([Change(job, START_US, LATER_US, LATER_US)])
        assert not any("job_state" in text for text in statements if text.startswith("UPDATE"))


class TestRedis(JobStoreFixtures):
    @pytest.fixture
    def store(self, scheduler, server_url):
        redis = pytest.importorskip("redis")
        from rapscheduler.jobstores.redis import RedisJobStore

        prefix = fresh_name()
        store = RedisJobStore(
            client=redis.Redis.from_url(server_url("redis")),
            jobs_key=f"{prefix}.jobs",
            run_times_key=f"{prefix}.times",
        )
        store.start(scheduler, "shelf")
        yield store
        store.remove_all_jobs()
        store.shutdown()

    @contextmanager
    def round_trips(self, store, monkeypatch):
        """The number of times something is sent to the server in the block."""
        from redis.connection import AbstractConnection

        sent: list[int] = []
        original = AbstractConnection.send_packed_command

        def send(connection, command, check_health=True):
            sent.append(1)
            return original(connection, command, check_health)

        with monkeypatch.context() as patch:
            patch.setattr(AbstractConnection, "send_packed_command", send)
            yield sent

    @pytest.mark.parametrize("size", [1, 200])
    def test_a_pass_is_two_round_trips(self, store, make_job, monkeypatch, size):
        store._add_jobs([make_job(f"job{number}", 0) for number in range(size)])
        warm = store._take_due(START_US, size)  # loads the scripts
        store._settle([Change(job, START_US, START_US, START_US) for job in warm])
        with self.round_trips(store, monkeypatch) as sent:
            due = store._take_due(START_US, size)
            store._settle([Change(job, START_US, LATER_US, LATER_US) for job in due])
        assert len(due) == size
        assert len(sent) == 2


@pytest.mark.forgets_zones
class TestRulesOfTime:
    """What a start costs when the rules of time zones have changed, and when they have not."""

    ZONES: ClassVar = [f"Test/Z{number}" for number in range(50)]
    OLD = "PST8PDT,M3.2.0,M11.1.0"

    @pytest.fixture(params=DRIVERS)
    def opened(self, request, tmp_path):
        """``opened()``: statements of a start on 1,000 jobs in fifty zones, and the rows written by UPDATEs."""
        server, name = DRIVERS[request.param], fresh_name()
        url = f"sqlite:///{tmp_path}/jobs.db"
        if server is not None:
            url = sa.engine.make_url(request.getfixturevalue("server_url")(server)).set(
                drivername=request.param
            )
        self.folder = make_folder(tmp_path / "zones", dict.fromkeys(self.ZONES, self.OLD))

        def opened(jobs=()):
            store = SQLAlchemyJobStore(url, tablename=name)
            scheduler = ManualScheduler("2027-01-14T20:00:00Z", jobstores={"default": store})
            with counted(store.engine) as seen:
                scheduler.start()
            scheduler.add_jobs(jobs)
            times = {job.id: job.next_run_time for job in scheduler.get_jobs()}
            scheduler.shutdown()
            return [verb for verb in seen if verb in ("SELECT", "UPDATE", "INSERT", "DELETE")], times

        with zones_read_from(self.folder):
            opened(
                {"func": noop, "trigger": CronTrigger(hour=9, timezone=zone), "id": f"{zone} {number}"}
                for zone in self.ZONES
                for number in range(20)
            )
            yield opened
        store = SQLAlchemyJobStore(url, tablename=name)
        store.jobs_t.drop(store.engine)
        store._zones.drop(store.engine)
        store.shutdown()

    def test_only_what_moves_is_written(self, opened):
        unchanged, before = opened()
        assert set(unchanged) == {"SELECT"}
        make_folder(self.folder, {"Test/Z7": "<-07>7"})
        read_zones_from(self.folder)
        changed, after = opened()
        moved = {job_id for job_id in before if before[job_id] != after[job_id]}
        assert moved == {f"Test/Z7 {number}" for number in range(20)}
        # one look for the rows and one read of them; one batch of times; the rules
        assert changed.count("SELECT") <= unchanged.count("SELECT") + 3
        assert changed.count("UPDATE") == 2
        assert set(changed) == {"SELECT", "UPDATE"}
        assert opened()[0] == unchanged
