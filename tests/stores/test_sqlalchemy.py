"""What `SQLAlchemyJobStore` does beyond the contract: tables that exist already, engines, lost connections, advice."""

from __future__ import annotations

import logging
import sqlite3
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timezone
from types import ModuleType

import pytest
import sqlalchemy as sa
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore as TheirStore
from apscheduler.schedulers.background import BackgroundScheduler as TheirScheduler
from tests.stores.test_conformance_servers import fresh_name

from rapscheduler.errors import EncodeError
from rapscheduler.jobstores._sqllook import missing_columns
from rapscheduler.jobstores.base import Change, ConflictingIdError
from rapscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from rapscheduler.testing import ManualScheduler
from rapscheduler.testing.stores import SECOND_US, START_US, JobStoreFixtures, moment

FAR_US = 4_000_000_000 * SECOND_US  # APScheduler must not find anything due
THEIR_COLUMNS = ["id", "next_run_time", "job_state"]


def their_table(url, count=3):
    """A table as APScheduler 3.11.3 makes and fills it."""
    scheduler = TheirScheduler(timezone=timezone.utc)
    scheduler.add_jobstore(TheirStore(url))
    scheduler.start(paused=True)
    for number in range(count):
        scheduler.add_job(
            print, "interval", minutes=5, id=f"theirs{number}", next_run_time=moment(FAR_US + number)
        )
    scheduler.shutdown()


def raw_rows(path):
    with sqlite3.connect(path) as connection:
        return {
            row[0]: row[1:]
            for row in connection.execute("SELECT id, next_run_time, job_state FROM apscheduler_jobs")
        }


class TestOnSQLite(JobStoreFixtures):
    @pytest.fixture(autouse=True)
    def file(self, tmp_path):
        self.path = tmp_path / "jobs.db"
        self.url = f"sqlite:///{self.path}"

    def make_store(self):
        return SQLAlchemyJobStore(self.url)

    def test_the_table_is_apschedulers_and_two_columns_more(self, store):
        columns = {
            column["name"]: column for column in sa.inspect(store.engine).get_columns("apscheduler_jobs")
        }
        assert list(columns) == [*THEIR_COLUMNS, "nominal_us", "parked"]
        assert columns["nominal_us"]["nullable"] and columns["parked"]["nullable"]
        indexed = sa.inspect(store.engine).get_indexes("apscheduler_jobs")
        assert [(index["name"], index["column_names"]) for index in indexed] == [
            ("ix_apscheduler_jobs_due", ["next_run_time"]),
            ("ix_apscheduler_jobs_parked", ["id"]),
        ]

    def test_rows_of_apscheduler_stay_untouched_and_are_parked_with_advice(self, scheduler, caplog):
        their_table(self.url)
        before = raw_rows(self.path)
        store = self.make_store()
        store.start(scheduler, "shelf")
        with caplog.at_level(logging.ERROR):
            assert store._take_due(FAR_US + SECOND_US, 100) == []
        assert "3 rows pickled by APScheduler" in caplog.text
        assert "rapscheduler migrate" in caplog.text
        assert [one.job_id for one in store._get_parked()] == ["theirs0", "theirs1", "theirs2"]
        assert store._earliest_us() is None
        assert raw_rows(self.path) == before
        store.shutdown()
        # and APScheduler still runs them
        theirs = TheirScheduler(timezone=timezone.utc)
        theirs.add_jobstore(TheirStore(self.url))
        theirs.start(paused=True)
        assert len(theirs.get_jobs()) == 3
        theirs.shutdown()

    @pytest.mark.parametrize("replace", [True, "keep"])
    def test_the_cure_that_is_told_of_a_job_without_its_function_is_one(self, monkeypatch, replace):
        module = ModuleType("module_of_parked_jobs")
        module.work = module.later = print
        monkeypatch.setitem(sys.modules, module.__name__, module)
        with ManualScheduler(moment(START_US)) as scheduler:
            scheduler.add_jobstore(self.make_store(), "shelf")
            scheduler.add_job("module_of_parked_jobs:work", "interval", minutes=1, id="a", jobstore="shelf")
        del module.work
        with ManualScheduler(moment(START_US)) as scheduler:
            scheduler.add_jobstore(self.make_store(), "shelf")
            assert scheduler.get_jobs() == []
            (parked,) = scheduler.get_parked_jobs()
            assert "restore it under this name, or replace the job: add_job(" in parked.reason
            again = "module_of_parked_jobs:later"
            scheduler.add_job(
                again, "interval", minutes=1, id="a", jobstore="shelf", replace_existing=replace
            )
            assert scheduler.get_parked_jobs() == []
            assert scheduler.get_job("a").func_ref == again

    def test_a_pass_does_not_look_at_parked_rows(self, scheduler, make_job):
        """In a table of ours and in one that APScheduler made, whose rows wait for `rapscheduler migrate`."""
        their_table(self.url, 1)
        store = self.make_store()
        store.start(scheduler, "shelf")
        plans: list[str] = []

        def explain(connection, cursor, text, parameters, context, executemany):
            if text.startswith("SELECT"):
                rows = connection.connection.driver_connection.execute(
                    f"EXPLAIN QUERY PLAN {text}", parameters
                )
                plans.extend(row[3] for row in rows)

        sa.event.listen(store.engine, "before_cursor_execute", explain)
        store._take_due(START_US, 10)
        store._earliest_us()
        store.shutdown()
        assert [plan.split("(")[0] for plan in plans] == [
            "SEARCH apscheduler_jobs USING INDEX ix_apscheduler_jobs_due ",
            "SEARCH apscheduler_jobs USING INDEX ix_apscheduler_jobs_due ",
        ]

    def test_a_missing_right_to_create_the_index_is_no_reason_not_to_start(self, scheduler, caplog):
        their_table(self.url, 1)
        store = self.make_store()

        def refuse(connection, cursor, text, parameters, context, executemany):
            if text.lstrip().startswith("CREATE INDEX"):
                raise sa.exc.ProgrammingError(text, {}, Exception("permission denied"))

        sa.event.listen(store.engine, "before_cursor_execute", refuse)
        with caplog.at_level(logging.WARNING):
            store.start(scheduler, "shelf")
        assert "CREATE INDEX ix_apscheduler_jobs_due" in caplog.text
        store.shutdown()

    def test_columns_are_added_by_one_of_many_that_start_together(self, scheduler):
        their_table(self.url, 1)
        stores = [self.make_store() for _ in range(4)]
        ready = threading.Barrier(4)

        def start(store):
            ready.wait(10)
            store.start(scheduler, "shelf")
            return len(missing_columns(store.engine, store.jobs_t))

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(start, stores)) == [0, 0, 0, 0]

    def test_the_table_is_made_by_one_of_many_that_start_together(self, scheduler):
        stores = [self.make_store() for _ in range(4)]
        ready = threading.Barrier(4)

        def start(store):
            ready.wait(10)
            store.start(scheduler, "shelf")

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(start, stores))
        assert sa.inspect(stores[0].engine).has_table("apscheduler_jobs")

    @pytest.mark.parametrize(("options", "mode"), [({}, "wal"), ({"sqlite_wal": False}, "delete")])
    def test_files_opened_by_url_are_in_wal_mode(self, scheduler, options, mode):
        store = SQLAlchemyJobStore(self.url, **options)
        with store.engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == mode
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == (1 if mode == "wal" else 2)
        store.shutdown()

    def test_an_engine_of_the_program_is_used_as_it_is(self, scheduler):
        engine = sa.create_engine(self.url)
        store = SQLAlchemyJobStore(engine=engine)
        assert store.engine is engine
        with engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "delete"

    def test_engine_options_metadata_and_names_are_taken(self, scheduler):
        metadata = sa.MetaData()
        store = SQLAlchemyJobStore(
            self.url, tablename="my_jobs", metadata=metadata, engine_options={"poolclass": sa.pool.NullPool}
        )
        store.start(scheduler, "shelf")
        assert metadata.tables["my_jobs"] is store.jobs_t
        assert sa.inspect(store.engine).has_table("my_jobs")
        assert isinstance(store.engine.pool, sa.pool.NullPool)
        assert repr(store) == f"<SQLAlchemyJobStore (url={self.url})>"
        with pytest.raises(ValueError, match='"engine" or "url"'):
            SQLAlchemyJobStore()

    def test_a_lost_connection_is_retried_once_and_a_commit_made_before_it_counts(self, store, make_job):
        lose = iter([True])

        def commit(connection):
            if next(lose, False):
                connection.connection.dbapi_connection.commit()
                raise sa.exc.OperationalError("COMMIT", {}, Exception("gone"), connection_invalidated=True)

        sa.event.listen(store.engine, "commit", commit)
        store.add_job(make_job("a", 1))
        assert [job.id for job in store.get_all_jobs()] == ["a"]
        with pytest.raises(ConflictingIdError):
            store.add_job(make_job("a", 2))

    def test_a_settled_batch_may_be_written_twice(self, store, make_job):
        store._add_jobs([make_job("a", 0), make_job("b", 0)])
        due = store._take_due(START_US, 10)
        later_us = START_US + 60 * SECOND_US
        changes = [Change(due[0], START_US, later_us, later_us), Change(due[1], START_US, remove=True)]
        store._settle(changes)
        store._settle(changes)
        assert [(job.id, job.run_at_us) for job in store.get_all_jobs()] == [("a", later_us)]

    def test_a_permanent_error_is_explained_once(self, store, make_job, caplog):
        store.jobs_t.drop(store.engine)
        for _ in range(3):
            with pytest.raises(sa.exc.OperationalError):
                store.add_job(make_job("a", 1))
        assert caplog.text.count("start the scheduler again to create it") == 1
        store.jobs_t.create(store.engine)
        store.add_job(make_job("a", 1))

    def test_a_read_only_file_is_explained(self, scheduler, make_job, caplog):
        first = self.make_store()
        first.start(scheduler, "shelf")
        first.shutdown()
        store = SQLAlchemyJobStore(f"sqlite:///file:{self.path}?mode=ro&uri=true")
        store.start(scheduler, "shelf")
        with pytest.raises(sa.exc.OperationalError):
            store.add_job(make_job("a", 1))
        assert "make the database writable" in caplog.text

    def test_many_adders_of_one_id_in_many_processes_worth_of_stores(self, scheduler, make_job):
        stores = [self.make_store() for _ in range(4)]
        stores[0].start(scheduler, "shelf")
        ready = threading.Barrier(4)

        def add(store):
            store._scheduler, store._alias = scheduler, "shelf"
            ready.wait(10)
            won = 0
            for number in range(10):
                try:
                    store.add_job(make_job(f"job{number}", 1))
                    won += 1
                except ConflictingIdError:
                    pass
            return won

        with ThreadPoolExecutor(4) as pool:
            assert sum(pool.map(add, stores)) == 10

    def test_a_value_that_cannot_be_stored_fails_when_the_job_is_added(self, store, make_job):
        with pytest.raises(EncodeError) as caught:
            store.add_job(make_job("a", 1, kwargs={"opts": [1, {"x": object()}]}))
        assert caught.value.path == "kwargs['opts'][1]['x']"
        assert store.get_all_jobs() == []

    def test_only_allowed_callables_are_stored_and_restored(self, scheduler, make_job):
        store = self.make_store()
        store.start(scheduler, "shelf")
        store.add_job(make_job("a", 0))
        store.shutdown()
        strict = SQLAlchemyJobStore(self.url, allowed_callables=["myapp.*:*"])
        strict.start(scheduler, "shelf")
        with pytest.raises(EncodeError, match="allowed_callables"):
            strict.add_job(make_job("b", 0))
        assert strict._take_due(START_US, 10) == []
        assert "allowed_callables" in strict._get_parked()[0].reason

    @pytest.mark.parametrize(
        "garbage", [("nan", None), ("1e999", None), ("'soon'", None), ("0", "'x'"), ("0", "1e300")]
    )
    def test_times_that_are_no_times_park_the_row(self, store, make_job, garbage):
        store.add_job(make_job("bad", 0))
        store.add_job(make_job("good", 0))
        run_at, nominal = garbage
        with store.engine.begin() as connection:
            connection.exec_driver_sql(
                f"UPDATE apscheduler_jobs SET next_run_time = {-1e300 if run_at == '0' else run_at}, "
                f"nominal_us = {nominal or 'NULL'} WHERE id = 'bad'"
                if run_at != "nan"
                else "UPDATE apscheduler_jobs SET next_run_time = -1e999 WHERE id = 'bad'"
            )
        assert [job.id for job in store._take_due(START_US, 10)] == ["good"]
        assert [job.id for job in store.get_all_jobs()] == ["good"]
        assert store.lookup_job("bad") is None
        assert [one.job_id for one in store._get_parked()] == ["bad"]


class TestInMemory(JobStoreFixtures):
    def make_store(self):
        return SQLAlchemyJobStore("sqlite:///:memory:")

    def test_all_threads_see_one_database(self, store, make_job):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda number: store.add_job(make_job(str(number), number)), range(20)))
            counts = list(pool.map(lambda _: len(store.get_all_jobs()), range(8)))
        assert counts == [20] * 8


@pytest.mark.parametrize(
    ("server", "driver"),
    [("", ""), ("postgresql", "+psycopg"), ("postgresql", "+psycopg2"), ("mariadb", "mysql+pymysql")],
)
class TestNamesOfTables(JobStoreFixtures):
    @pytest.fixture
    def engine(self, request, server, driver):
        if not server:
            yield sa.create_engine("sqlite://", poolclass=sa.StaticPool)
            return
        url = sa.engine.make_url(request.getfixturevalue("server_url")(server))
        engine = sa.create_engine(url.set(drivername=f"{server}{driver}" if driver[0] == "+" else driver))
        yield engine
        engine.dispose()

    def use(self, engine, name, scheduler, make_job):
        store = SQLAlchemyJobStore(engine=engine, tablename=name)
        store.start(scheduler, "shelf")
        try:
            store._add_jobs([make_job("a", 0), make_job("b", 1), make_job("c", 2), make_job("d", None)])
            a, b, c = store._take_due(START_US + 9 * SECOND_US, 10)
            changes = [
                Change(a, START_US, START_US + 60 * SECOND_US),
                Change(b, START_US + SECOND_US, remove=True),
                Change(c, START_US + 2 * SECOND_US, park="no reason"),
            ]
            store._settle(changes)
            assert [job.id for job in store.get_all_jobs()] == ["c", "a", "d"]
            return [one.reason for one in store._get_parked()]
        finally:
            store.jobs_t.drop(store.engine)

    @pytest.mark.parametrize("end", ["%", " :id", "100%%", '"quoted"', ".dotted"])
    def test_any_name_will_do(self, engine, end, scheduler, make_job):
        assert self.use(engine, fresh_name() + end, scheduler, make_job) == ["no reason"]

    def test_columns_are_added_whatever_the_name(self, engine, scheduler, make_job):
        name = f"{fresh_name()} %:x"
        table = sa.Table(
            name,
            sa.MetaData(),
            sa.Column("id", sa.Unicode(191), primary_key=True),
            sa.Column("next_run_time", sa.Float(25)),
            sa.Column("job_state", sa.LargeBinary, nullable=False),
        )
        table.create(engine)
        assert self.use(engine, name, scheduler, make_job) == ["no reason"]

    def test_long_names_that_differ_at_their_end_do_not_share_an_index(self, engine, scheduler):
        begin = (fresh_name() + "_" * 60)[:60]
        stores = [SQLAlchemyJobStore(engine=engine, tablename=begin + end) for end in "ab"]
        try:
            for store in stores:
                store.start(scheduler, "shelf")
            names = {
                index["name"]
                for store in stores
                for index in sa.inspect(engine).get_indexes(store.jobs_t.name)
                if index["name"].endswith("_due")
            }
            assert len(names) == 2 and max(map(len, names)) <= 63
        finally:
            for store in stores:
                store.jobs_t.drop(engine)


class TestOnMariaDB(JobStoreFixtures):
    @pytest.fixture
    def store(self, scheduler, server_url):
        """A table whose ids MySQL compares without regard to case, as APScheduler makes it."""
        engine = sa.create_engine(server_url("mariadb"))
        name = fresh_name()
        with engine.begin() as connection:
            connection.exec_driver_sql(
                f"CREATE TABLE {name} (id VARCHAR(191) COLLATE utf8mb4_general_ci PRIMARY KEY, next_run_time DOUBLE, "
                "job_state BLOB NOT NULL) CHARACTER SET utf8mb4"
            )
        store = SQLAlchemyJobStore(engine=engine, tablename=name)
        store.start(scheduler, "shelf")
        yield store
        store.jobs_t.drop(engine)
        store.shutdown()

    def test_ids_that_are_one_to_the_database_are_a_conflict(self, store, make_job):
        store.add_job(make_job("Nightly", 0))
        with pytest.raises(ConflictingIdError, match="nightly"):
            store.add_job(make_job("nightly", 0))
        with pytest.raises(ConflictingIdError, match="NIGHTLY"):
            store._add_jobs([make_job("other", 0), make_job("NIGHTLY", 0)])
        assert [job.id for job in store.get_all_jobs()] == ["Nightly"]

    def test_what_is_too_long_is_told_by_its_column(self, store, make_job, caplog):
        with caplog.at_level(logging.ERROR), pytest.raises(sa.exc.DataError):
            store.add_job(make_job("a", 0, args=["x" * 70_000]))
        (line,) = [record.getMessage() for record in caplog.records]
        assert "MODIFY job_state LONGBLOB" in line

    def test_an_id_that_is_too_long_is_refused_before_the_server_is_asked(self, store, make_job):
        store.add_job(make_job("a" * 191, 0))
        with pytest.raises(EncodeError, match=r"has 192 characters.* may have 191"):
            store.add_job(make_job("a" * 192, 0))
        assert [job.id for job in store.get_all_jobs()] == ["a" * 191]


class TestOnPostgreSQL(JobStoreFixtures):
    @pytest.fixture(params=["psycopg", "psycopg2"])
    def store(self, request, scheduler, server_url):
        url = sa.engine.make_url(server_url("postgresql")).set(drivername=f"postgresql+{request.param}")
        store = SQLAlchemyJobStore(url, tablename=fresh_name())
        store.start(scheduler, "shelf")
        yield store
        store.jobs_t.drop(store.engine)
        store.shutdown()

    def test_a_connection_cut_by_the_server_is_replaced(self, store, make_job):
        store.add_job(make_job("a", 1))
        admin = sa.create_engine(store.engine.url)
        with admin.begin() as connection:
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query LIKE "
                f"'%{store.jobs_t.name}%'".replace("%", "%%")
            )
        admin.dispose()
        assert [job.id for job in store.get_all_jobs()] == ["a"]

    def test_a_schema_is_used(self, store, scheduler, make_job):
        name = fresh_name()
        with store.engine.begin() as connection:
            connection.exec_driver_sql(f"CREATE SCHEMA {name}")
        other = SQLAlchemyJobStore(engine=store.engine, tablename="jobs", tableschema=name)
        other.start(scheduler, "shelf")
        other._add_jobs([make_job("a", 0), make_job("b", 1)])
        due = other._take_due(START_US, 10)
        other._settle([Change(due[0], START_US, remove=True)])
        assert [job.id for job in other.get_all_jobs()] == ["b"]
        with store.engine.begin() as connection:
            connection.exec_driver_sql(f"DROP SCHEMA {name} CASCADE")
