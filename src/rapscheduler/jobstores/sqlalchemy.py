"""Jobs in a table of a SQL database, through SQLAlchemy 1.4 or newer.

What lives here: `SQLAlchemyJobStore`: engine, table, transactions. What must not: the contract (`_rowstore`), the
batch statements of single databases (`_sqlbatch`).

The table is APScheduler's with two nullable columns more, added to an existing table at start:

    id             VARCHAR(191)  primary key
    next_run_time  FLOAT(25)     seconds since the epoch (a double); NULL: paused
    job_state      BLOB          the job as JSON; what APScheduler pickled stays as it is and is parked
    nominal_us     BIGINT        the trigger's time in µs where jitter moved next_run_time; else NULL
    parked         TEXT          why the job is set aside; NULL: it isn't

The index of the due rows leaves parked ones out, so that thousands of them, overdue for ever, cost a pass nothing.

A pass of the loop reads its due rows with one SELECT and writes all it decided in one transaction, which moves the
times only and never rewrites job_state.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Sequence
from time import sleep
from typing import Any, TypeVar

from .._collector import MANY, collector_paused
from .._serialization.rows import JobRow, RowChange, new_row, seconds_from_us, us_from_seconds
from ..errors import ConflictingIdError, JobLookupError
from ..job import Job
from ..util import datetime_to_utc_timestamp, maybe_ref, utc_timestamp_to_datetime
from ._rowstore import RowStore
from .base import BaseJobStore

try:
    import sqlalchemy as sa
    from sqlalchemy.dialects import mysql
    from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
    from sqlalchemy.schema import CreateColumn, CreateIndex
except ImportError as exc:  # pragma: no cover
    raise ImportError(
        "SQLAlchemyJobStore requires SQLAlchemy installed: pip install rapscheduler[sqlalchemy]"
    ) from exc

from . import _sqlbatch
from ._sqlengine import engine_for

__all__ = (
    "BaseJobStore",
    "ConflictingIdError",
    "Job",
    "JobLookupError",
    "SQLAlchemyJobStore",
    "datetime_to_utc_timestamp",
    "maybe_ref",
    "utc_timestamp_to_datetime",
)

T = TypeVar("T")
# 191 characters: the longest key of MySQL's utf8mb4 tables; without the collation MySQL takes "a" and "A" for one id
_MYSQL_ID_TYPE = mysql.VARCHAR(191, charset="utf8mb4", collation="utf8mb4_bin")
_ID_TYPE = sa.Unicode(191).with_variant(_MYSQL_ID_TYPE, "mysql").with_variant(_MYSQL_ID_TYPE, "mariadb")
_COMPARE_DATA = ("sqlite", "postgresql", "mysql", "mariadb", "mssql")  # others may not compare binary values
_RETRY_DELAY_S = 0.05
_READ_AT_ONCE = 500  # ids in one IN (...)
_CONFLICTS = (
    "40001",
    "40P01",
    1213,
    1205,
)  # serialization failure and deadlock: PostgreSQL and others; MySQL
_CURES = (
    (
        ("no such table", "doesn't exist", "does not exist", "undefinedtable"),
        "start the scheduler again to create it",
    ),
    (
        ("readonly", "read-only", "read only"),
        "make the database writable, or point the store at the primary server",
    ),
    (
        ("disk is full", "disk full", "no space left"),
        "free space on the database's disk; jobs stay due until then",
    ),
    (
        ("data too long for column 'job_state'",),
        "a MySQL BLOB holds 64 KiB: MODIFY job_state LONGBLOB, or pass the job a key to its data",
    ),
    (
        ("data too long for column 'id'", "value too long for type character varying"),
        "an id may have 191 characters here: give the job a shorter one",
    ),
    (
        ("permission denied", "command denied"),
        "GRANT SELECT, INSERT, UPDATE, DELETE on the table to this user",
    ),
)


class SQLAlchemyJobStore(RowStore):
    """Stores jobs in a database table using SQLAlchemy; the table is created if it doesn't exist.

    Plugin alias: ``sqlalchemy``

    :param str url: connection string
    :param engine: an :class:`~sqlalchemy.engine.Engine` to use instead of creating one from ``url``
    :param str tablename: name of the table
    :param metadata: a :class:`~sqlalchemy.schema.MetaData` to use instead of a new one
    :param int pickle_protocol: accepted for APScheduler's sake; nothing is pickled
    :param str tableschema: name of the (existing) schema that the table is in
    :param dict engine_options: keyword arguments of :func:`~sqlalchemy.create_engine` (ignored if ``engine`` is given)
    :param allowed_callables: patterns such as ``["myapp.tasks:*"]`` of the callables that jobs may name
    :param sqlite_wal: put SQLite files opened by ``url`` into WAL mode with ``synchronous=NORMAL``: commits survive a
        crash of the process; after a power failure the last ones may be missing, the file is never damaged
    """

    def __init__(
        self,
        url: Any = None,
        engine: Any = None,
        tablename: str = "apscheduler_jobs",
        metadata: Any = None,
        pickle_protocol: int = pickle.HIGHEST_PROTOCOL,
        tableschema: str | None = None,
        engine_options: dict[str, Any] | None = None,
        *,
        allowed_callables: Iterable[str] | str | None = None,
        sqlite_wal: bool = True,
    ) -> None:
        super().__init__(allowed_callables)
        self.pickle_protocol = pickle_protocol
        metadata = maybe_ref(metadata) or sa.MetaData()
        if engine:
            self.engine = maybe_ref(engine)
        elif url:
            self.engine = engine_for(url, dict(engine_options or {}), sqlite_wal)
        else:
            raise ValueError('Need either "engine" or "url" defined')
        due_index = self._due_index(tablename)
        # 25 bits: an 8-byte float everywhere
        self.jobs_t = sa.Table(
            tablename,
            metadata,
            sa.Column("id", _ID_TYPE, primary_key=True),
            sa.Column("next_run_time", sa.Float(25), index=due_index is None),
            sa.Column("job_state", sa.LargeBinary, nullable=False),
            sa.Column("nominal_us", sa.BigInteger, nullable=True),
            sa.Column("parked", sa.Text, nullable=True),
            *(() if due_index is None else (due_index,)),
            schema=tableschema,
        )
        columns = self.jobs_t.c
        self._row_select = sa.select(
            columns.id, columns.next_run_time, columns.nominal_us, columns.parked, columns.job_state
        )
        self._batch = _sqlbatch.batch_for(self.engine, self.jobs_t)
        self._told: set[str] = set()

    def shutdown(self) -> None:
        self.engine.dispose()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} (url={self.engine.url})>"

    # The table

    def _due_index(self, tablename: str) -> Any:
        """Of the rows that are not parked, by run time; None for a database that has only plain indexes."""
        database = self.engine.dialect.name
        name = f"ix_{_sqlbatch.index_part(tablename)}_due"
        if database in ("sqlite", "postgresql"):
            options: dict[str, Any] = {f"{database}_where": sa.text("parked IS NULL")}
            return sa.Index(name, "next_run_time", **options)
        if database in ("mysql", "mariadb"):
            options = {f"{database}_length": {"parked": 1}}
            return sa.Index(name, "parked", "next_run_time", **options)
        return None

    def _open(self) -> None:
        table = self.jobs_t
        try:
            table.create(self.engine, checkfirst=True)
        except SQLAlchemyError:
            if not sa.inspect(self.engine).has_table(table.name, schema=table.schema):
                raise
            # another process created it between our check and our CREATE
        for column in self._missing_columns():
            self._add_column(column)
        for index in self._missing_indexes():
            self._add_index(index)
        with self.engine.connect() as connection:
            self._batch.prepare(connection)

    def _missing_columns(self) -> list[Any]:
        present = {
            column["name"]
            for column in sa.inspect(self.engine).get_columns(self.jobs_t.name, schema=self.jobs_t.schema)
        }
        return [self.jobs_t.c[name] for name in ("nominal_us", "parked") if name not in present]

    def _add_column(self, column: Any) -> None:
        """ALTER TABLE; another process may be doing the same."""
        dialect = self.engine.dialect
        verb = "ADD" if dialect.name in ("mssql", "oracle") else "ADD COLUMN"
        name = _sqlbatch.name_in_text(self.engine, self.jobs_t)
        statement = f"ALTER TABLE {name} {verb} {CreateColumn(column).compile(dialect=dialect)}"
        try:
            with self.engine.begin() as connection:
                connection.execute(sa.text(statement))
        except SQLAlchemyError:
            if column in self._missing_columns():
                self._logger.error(
                    "Job store %r needs a column it may not add; run: %s",
                    self._alias,
                    statement.replace("\\:", ":"),
                )
                raise

    def _missing_indexes(self) -> list[Any]:
        found = sa.inspect(self.engine).get_indexes(self.jobs_t.name, schema=self.jobs_t.schema)
        names = {index["name"] for index in found}
        return [
            index
            for index in self.jobs_t.indexes
            if str(index.name).endswith("_due") and index.name not in names
        ]

    def _add_index(self, index: Any) -> None:
        """CREATE INDEX on a table that APScheduler made; another process may be doing the same."""
        try:
            index.create(self.engine)
        except SQLAlchemyError as exc:
            if index in self._missing_indexes():
                statement = str(CreateIndex(index).compile(dialect=self.engine.dialect))
                self._logger.warning(
                    "Job store %r would be faster with an index it may not create: %s (%s)",
                    self._alias,
                    " ".join(statement.split()),
                    exc,
                )

    # Transactions

    def _transact(self, work: Callable[[Any], T], retries: list[bool] | None = None) -> T:
        """Run ``work(connection)`` in one transaction; once more when the connection was lost or the database chose
        it as the loser of a conflict. ``retries`` gets an item for that: the first commit may have been made."""
        try:
            with self.engine.begin() as connection:
                result = work(connection)
        except DBAPIError as exc:
            self._advise(exc)
            if not _is_transient(exc):
                raise
        else:
            if self._told:
                self._told.clear()
            return result
        if retries is not None:
            retries.append(True)
        sleep(_RETRY_DELAY_S)
        with self.engine.begin() as connection:
            return work(connection)

    def _advise(self, exc: DBAPIError) -> None:
        """Log the cure of a permanent error, once until something works again."""
        text = str(exc.orig).lower()
        for words, cure in _CURES:
            if any(word in text for word in words) and cure not in self._told:
                self._told.add(cure)
                self._logger.error("Job store %r: %s -- %s", self._alias, exc.orig, cure)

    # Row operations

    def _read(self, ids: Sequence[str]) -> list[JobRow]:
        rows: list[JobRow] = []
        for first in range(0, len(ids), _READ_AT_ONCE):
            part = ids[first : first + _READ_AT_ONCE]
            column = self.jobs_t.c.id
            rows += self._select(
                self._row_select.where(column == part[0] if len(part) == 1 else column.in_(part))
            )
        return rows

    def _read_due(self, until_us: int, limit: int) -> list[JobRow]:
        columns = self.jobs_t.c
        return self._select(
            self._row_select.where(
                columns.next_run_time <= seconds_from_us(until_us), columns.parked.is_(None)
            )
            .order_by(columns.next_run_time)
            .limit(limit)
        )

    def _read_all(self) -> list[JobRow]:
        return self._select(self._row_select, many=True)

    def _read_parked(self) -> list[JobRow]:
        return self._select(self._row_select.where(self.jobs_t.c.parked.is_not(None)))

    def _earliest(self) -> int | None:
        columns = self.jobs_t.c
        statement = (
            sa.select(columns.next_run_time)
            .where(columns.next_run_time.is_not(None), columns.parked.is_(None))
            .order_by(columns.next_run_time)
            .limit(1)
        )
        return us_from_seconds(self._transact(lambda connection: connection.execute(statement).scalar()))

    def _insert(self, rows: Sequence[JobRow]) -> None:
        retries: list[bool] = []
        try:
            self._transact(lambda connection: self._batch.insert(connection, rows), retries)
        except IntegrityError:
            if retries and self._already_written(rows):
                return  # the commit had been made before the connection was lost
            taken = self._first_taken(rows)
            if taken is None:
                raise
            raise ConflictingIdError(taken) from None

    def _first_taken(self, rows: Sequence[JobRow]) -> str | None:
        """The first of these ids that the table has, as the database compares ids: MySQL may take `a` for `A`."""
        found = {row.id for row in self._read([row.id for row in rows])}
        if not found:
            return None
        same = next((row.id for row in rows if row.id in found), None)
        return same or next((row.id for row in rows if self._read([row.id])), None)

    def _replace(self, rows: Sequence[JobRow]) -> list[str]:
        table = self.jobs_t

        def work(connection: Any) -> list[str]:
            missing = []
            for row in rows:
                values = _values(row)
                update = table.update().where(table.c.id == values.pop("id")).values(**values)
                if connection.execute(update).rowcount == 0 and not self._exists(connection, row.id):
                    missing.append(row.id)
            return missing

        return self._transact(work)

    def _replace_if(self, row: JobRow, expected_us: int | None) -> bool | None:
        table, expected = self.jobs_t, seconds_from_us(expected_us)
        values = _values(row)
        mine = table.c.id == values.pop("id")
        update = table.update().where(mine, table.c.next_run_time == expected).values(**values)
        look = sa.select(table.c.next_run_time).where(mine)

        def work(connection: Any) -> bool | None:
            if connection.execute(update).rowcount == 1:
                return True
            found = connection.execute(look).first()
            if found is None:
                return None
            # MySQL may count a row that already had these values as not updated
            return found[0] == expected and self.engine.dialect.name in ("mysql", "mariadb")

        return self._transact(work)

    def _exists(self, connection: Any, job_id: str) -> bool:
        """MySQL counts a row that already had these values as not updated."""
        statement = sa.select(self.jobs_t.c.id).where(self.jobs_t.c.id == job_id)
        return connection.execute(statement).first() is not None

    def _delete(self, ids: Sequence[str]) -> list[str]:
        table = self.jobs_t

        def work(connection: Any) -> list[str]:
            return [
                job_id
                for job_id in ids
                if connection.execute(table.delete().where(table.c.id == job_id)).rowcount == 0
            ]

        return self._transact(work)

    def _clear(self) -> None:
        self._transact(lambda connection: connection.execute(self.jobs_t.delete()))

    def _change(self, changes: Sequence[RowChange]) -> None:
        # By id, so that two processes lock rows in one order and cannot deadlock.
        ordered = sorted(changes, key=lambda change: change.id)
        moved = [change for change in ordered if change.parked is None and not change.remove]
        removed = [change for change in ordered if change.parked is None and change.remove]
        parked = [change for change in ordered if change.parked is not None]

        def work(connection: Any) -> None:
            if moved:
                self._batch.move(connection, moved)
            if removed:
                self._batch.remove(connection, removed)
            if parked:
                self._batch.park(connection, parked)

        self._transact(work)

    def _set_parked(self, reasons: dict[str, str | None], seen: dict[str, bytes] | None = None) -> int | None:
        columns = self.jobs_t.c
        statement = self.jobs_t.update().where(columns.id == sa.bindparam("row_id"))
        statement = statement.values(parked=sa.bindparam("reason"))
        values: list[dict[str, Any]] = [{"row_id": i, "reason": reasons[i]} for i in sorted(reasons)]
        if seen is not None and self.engine.dialect.name in _COMPARE_DATA:
            statement = statement.where(columns.job_state == sa.bindparam("seen"))
            for value in values:
                value["seen"] = seen[value["row_id"]]
        changed: int = self._transact(lambda connection: connection.execute(statement, values)).rowcount
        return changed

    def _select(self, statement: Any, many: bool = False) -> list[JobRow]:
        def work(connection: Any) -> list[JobRow]:
            found = connection.execute(statement)
            with collector_paused(MANY if many else 0):  # the rows are here, or come from a file
                return [
                    new_row((job_id, us_from_seconds(seconds), nominal_us, parked, data))
                    for job_id, seconds, nominal_us, parked, data in found.all()
                ]

        return self._transact(work)


def _values(row: JobRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "next_run_time": seconds_from_us(row.run_at_us),
        "nominal_us": row.nominal_us,
        "parked": row.parked,
        "job_state": row.data,
    }


def _is_transient(exc: DBAPIError) -> bool:
    if exc.connection_invalidated:
        return True
    cause: Any = exc.orig
    code = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None) or (cause.args or (None,))[0]
    return code in _CONFLICTS
