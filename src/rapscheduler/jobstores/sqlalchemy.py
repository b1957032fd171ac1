"""Jobs in a table of a SQL database, through SQLAlchemy 1.4 or newer.

What lives here: `SQLAlchemyJobStore`: engine, table, transactions. What must not: the contract (`_rowstore`), the
batch statements of single databases (`_sqlbatch`).

The table is APScheduler's with two nullable columns more, added to an existing table at start:

    id             VARCHAR(191)  primary key
    next_run_time  FLOAT(25)     seconds since the epoch (a double); NULL: paused
    job_state      BLOB          the job as JSON; what APScheduler pickled stays as it is and is parked
    nominal_us     BIGINT        the trigger's time in µs where jitter moved next_run_time; else NULL
    parked         TEXT          why the job is set aside; NULL: it isn't

The index of the due rows leaves parked ones out, so that thousands of them, overdue for ever, cost a pass nothing. A
second table, <table>_zones, keeps the rules of time zones under which run times were computed; who uses which table of
the database stands in one more (`_sqlpresence`).

A pass of the loop reads its due rows with one SELECT and writes all it decided in one transaction, which moves the
times only and never rewrites job_state.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from time import sleep
from typing import TYPE_CHECKING, Any, TypeVar

from .._collector import MANY, collector_paused
from .._instants import MAX_US
from .._quoting import masked, said
from .._serialization.rows import NO_TIME_US, JobRow, RowChange, rows_of, seconds_around, us_from_seconds
from ..errors import ConflictingIdError, JobLookupError
from ..job import Job
from ..util import datetime_to_utc_timestamp, elsewhere, maybe_ref, utc_timestamp_to_datetime
from ._shared import LEASE_S, POLL_S, sharing
from .base import BaseJobStore

try:
    import sqlalchemy as sa
    from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
    from sqlalchemy.schema import CreateColumn
except ImportError as exc:  # pragma: no cover
    raise ImportError(
        "SQLAlchemyJobStore requires SQLAlchemy installed: pip install rapscheduler[sqlalchemy]"
    ) from exc

from . import _sqlbatch, _sqlindex, _sqllook
from ._sqlbulk import SQLBulk
from ._sqlengine import checked, committing_alone, engine_for, gate_for, leave_connections, writes_at_once
from ._sqlerrors import cure_of, is_transient
from ._sqlfind import SQLFinder
from ._sqlpresence import notes_of
from ._sqltags import SQLTags, TagsTable
from ._sqlzones import ZonesTable, ids_naming, in_parts

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
_COMPARE_DATA = ("sqlite", "postgresql", "mysql", "mariadb", "mssql")  # others may not compare binary values
_RETRY_DELAY_S = 0.05
_READ_AT_ONCE = 500  # ids in one IN (...)


if not TYPE_CHECKING:
    __getattr__ = elsewhere(__name__)


class SQLAlchemyJobStore(SQLBulk, SQLTags, SQLFinder):
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
    :param shared: whether other schedulers may work on the table at the same time (PostgreSQL, MySQL 8, MariaDB 10.6,
        SQLite files): each run is claimed by one of them, see *More than one process* in the documentation
    :param acknowledge: ``"submit"``: a run counts as made when an executor took it; ``"end"``: when it ended, and what
        a crash cut off runs again (``shared`` implies it)
    :param lease: seconds after which a scheduler that is not heard of is taken for dead
    :param poll_interval: seconds after which what others changed is seen at the latest
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
        shared: Any = False,
        acknowledge: str = "submit",
        lease: Any = LEASE_S,
        poll_interval: Any = POLL_S,
    ) -> None:
        super().__init__(allowed_callables)
        self.pickle_protocol = pickle_protocol
        metadata = maybe_ref(metadata) or sa.MetaData()
        if engine:
            self.engine = checked(maybe_ref(engine))
        elif url:
            self.engine = engine_for(url, dict(engine_options or {}), sqlite_wal)
        else:
            raise ValueError('Need either "engine" or "url" defined, such as url="sqlite:///jobs.sqlite"')
        if not tablename or not isinstance(tablename, str):
            raise ValueError(f"tablename={tablename!r} is no name; leave it out for 'apscheduler_jobs'")
        due_index, parked_index = _sqlindex.indexes(self.engine, tablename)
        # 25 bits: an 8-byte float everywhere
        self.jobs_t = sa.Table(
            tablename,
            metadata,
            sa.Column("id", _sqllook.ID_TYPE, primary_key=True),
            sa.Column("next_run_time", sa.Float(25), index=due_index is None),
            sa.Column("job_state", sa.LargeBinary, nullable=False),
            sa.Column("nominal_us", sa.BigInteger, nullable=True),
            sa.Column("parked", sa.Text, nullable=True),
            *(one for one in (due_index, parked_index) if one is not None),
            schema=tableschema,
            postgresql_with=_sqlbatch.ROOM,
        )
        self._zones = ZonesTable(tablename, metadata, tableschema)
        self._tags = TagsTable(self, metadata, tableschema)
        self._missing: list[Any] = []  # columns that a look at a table of APScheduler's doesn't find
        self._row_select = _sqllook.row_select(self.jobs_t)
        self._batch = _sqlbatch.batch_for(self.engine, self.jobs_t)
        self._gate: Any = gate_for(self.engine)
        self._quick = committing_alone(self.engine)
        self._writes_at_once = writes_at_once(self.engine)
        self._told: set[str] = set()
        options = sharing(shared, acknowledge, lease, poll_interval)
        if options is not None:
            from ._sqlclaims import shared_for

            self._shared = shared_for(self, metadata, tableschema, options)

    def shutdown(self) -> None:
        self.engine.dispose()

    def _leave_parent(self) -> None:
        leave_connections(self.engine)

    def _notes(self) -> Any:
        return notes_of(self)

    def __repr__(self) -> str:
        return masked(f"<{type(self).__name__} (url={self.engine.url})>")

    def _id_problem(self, job_id: str) -> str | None:
        return _sqllook.id_problem(self.engine, self.jobs_t, job_id)

    # The table

    def _open(self, write: bool) -> None:
        table = self.jobs_t
        if write:
            self._make_table()
            self._missing = []
        else:
            _sqllook.find_table(self.engine, table)
            self._zones.find(self.engine)
            self._missing = _sqllook.missing_columns(self.engine, table)
        self._row_select = _sqllook.row_select(table, self._missing)
        self._tags.reopened(write)

    def _make_table(self) -> None:
        table = self.jobs_t
        _sqlindex.make_table(self.engine, table)
        self._zones.make(self.engine, self._logger, self._alias)
        for column in _sqllook.missing_columns(self.engine, table):
            self._add_column(column)
        _sqlindex.make(self.engine, table, self._logger, self._alias)
        with self.engine.connect() as connection:
            self._batch.prepare(connection)
        if self._shared is not None:
            self._shared.open()

    def _add_column(self, column: Any) -> None:
        """ALTER TABLE; another process may be doing the same."""
        dialect = self.engine.dialect
        verb = "ADD" if dialect.name in ("mssql", "oracle") else "ADD COLUMN"
        name = _sqlbatch.name_in_text(self.engine, column.table)
        statement = f"ALTER TABLE {name} {verb} {CreateColumn(column).compile(dialect=dialect)}"
        try:
            with self.engine.begin() as connection:
                connection.execute(sa.text(statement))
        except SQLAlchemyError:
            if column in _sqllook.missing_columns(self.engine, column.table, (column.name,)):
                self._logger.error(
                    "Job store %r needs a column it may not add; run: %s",
                    self._alias,
                    statement.replace("\\:", ":"),
                )
                raise

    # Transactions

    def _transact(self, work: Callable[[Any], T], retries: list[bool] | None = None, begin: Any = None) -> T:
        """Run ``work(connection)`` in one transaction (by ``begin``); once more when the connection was lost or the
        database chose it as the loser. ``retries`` gets an item for that: the first commit may have been made."""
        try:
            with self._gate, (begin or self.engine.begin)() as connection:
                result = work(connection)
        except DBAPIError as exc:
            self._advise(exc)
            if not is_transient(exc):
                raise
        else:
            if self._told:
                self._told.clear()
            return result
        if retries is not None:
            retries.append(True)
        sleep(_RETRY_DELAY_S)
        with self._gate, (begin or self.engine.begin)() as connection:
            return work(connection)

    def _telling(self, work: Callable[[Any], T]) -> Callable[[Any], T]:
        """Work whose outcome other schedulers want to hear of."""
        return work if self._shared is None else self._shared.telling(work)

    def _advise(self, exc: DBAPIError) -> None:
        """Log the cure of a permanent error, once until something works again."""
        cure = cure_of(exc)
        if cure is not None and cure not in self._told:
            self._told.add(cure)
            self._logger.error("Job store %r: %s -- %s", self._alias, said(exc.orig), cure)

    # Row operations

    def _read(self, ids: Sequence[str]) -> list[JobRow]:
        rows: list[JobRow] = []
        for first in range(0, len(ids), _READ_AT_ONCE):
            part = ids[first : first + _READ_AT_ONCE]
            column = self.jobs_t.c.id
            plain = [job_id for job_id in part if type(job_id) is str]
            wanted = [_sqllook.is_row(column, job_id) for job_id in part if type(job_id) is not str]
            if plain:
                wanted.append(column == plain[0] if len(plain) == 1 else column.in_(plain))
            rows += self._select(self._row_select.where(sa.or_(*wanted)))
        return rows

    def _read_due(self, until_us: int, limit: int) -> list[JobRow]:
        columns = self.jobs_t.c
        return self._select(
            self._row_select.where(
                columns.next_run_time <= seconds_around(until_us)[1], columns.parked.is_(None)
            )
            .order_by(columns.next_run_time)
            .limit(limit)
        )

    def _read_all(self) -> list[JobRow]:
        return self._select(self._row_select, many=True)

    def _read_never_due(self) -> list[JobRow]:
        """Texts and bytes of SQLite sort after all numbers; so does nan in PostgreSQL."""
        columns, last = self.jobs_t.c, seconds_around(MAX_US)[1]
        return self._select(self._row_select.where(columns.next_run_time > last, columns.parked.is_(None)))

    def _read_parked(self) -> list[JobRow]:
        return self._select(self._row_select.where(self._row_select.selected_columns.parked.is_not(None)))

    def _earliest(self) -> int | None:
        columns = self.jobs_t.c
        statement = (
            sa.select(sa.type_coerce(columns.next_run_time, sa.types.NullType()))
            .where(columns.next_run_time.is_not(None), columns.parked.is_(None))
            .order_by(columns.next_run_time)
            .limit(1)
        )
        try:
            return us_from_seconds(self._transact(lambda connection: connection.execute(statement).scalar()))
        except DBAPIError as exc:
            if not _sqllook.is_unreadable_text(self.engine, exc):
                raise
            return NO_TIME_US

    def _insert(self, rows: Sequence[JobRow]) -> None:
        retries: list[bool] = []

        def insert(connection: Any) -> None:
            self._batch.insert(connection, rows)

        work = self._telling(self._with_tags(rows, insert, new=True))
        alone = work is insert and not self.engine.dispatch.begin
        try:
            self._transact(work, retries, self._quick if alone else None)
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
                values = _sqlbatch.row_values(row)
                update = table.update().where(table.c.id == values.pop("id")).values(**values)
                if connection.execute(update).rowcount == 0 and not self._exists(connection, row.id):
                    missing.append(row.id)
            return missing

        return self._transact(self._telling(self._with_tags(rows, work)))

    def _replace_if(self, row: JobRow, expected_us: int | None) -> bool | None:
        table, values = self.jobs_t, _sqlbatch.row_values(row)
        mine = table.c.id == values.pop("id")
        time = table.c.next_run_time
        due = time.is_(None) if expected_us is None else time.between(*seconds_around(expected_us))
        update = table.update().where(mine, due).values(**values)
        look = sa.select(time).where(mine)

        def work(connection: Any) -> bool | None:
            if connection.execute(update).rowcount == 1:
                return True
            found = connection.execute(look).first()
            if found is None:
                return None
            # MySQL may count a row that already had these values as not updated
            return us_from_seconds(found[0]) == expected_us and self.engine.dialect.name in (
                "mysql",
                "mariadb",
            )

        done: bool | None = self._transact(self._telling(self._with_tags([row], work)))
        return done

    def _exists(self, connection: Any, job_id: str) -> bool:
        """MySQL counts a row that already had these values as not updated."""
        statement = sa.select(self.jobs_t.c.id).where(self.jobs_t.c.id == job_id)
        return connection.execute(statement).first() is not None

    def _clear(self) -> None:
        def work(connection: Any) -> None:
            connection.execute(self.jobs_t.delete())
            if self._tags.ready:
                self._tags.clear(connection)

        self._transact(work)

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
                self._forget_tags(connection, [change.id for change in removed])
            if parked:
                self._batch.park(connection, parked)

        self._transact(work)

    def _set_parked(self, reasons: dict[str, str | None], seen: dict[str, bytes] | None = None) -> int | None:
        odd = [job_id for job_id in reasons if type(job_id) is not str]
        if odd:
            rest = {job_id: reason for job_id, reason in reasons.items() if type(job_id) is str}
            changed: int = self._transact(lambda connection: self._park_odd(connection, odd, reasons))
            return changed + ((self._set_parked(rest, seen) or 0) if rest else 0)
        update = self.jobs_t.update().values(parked=sa.bindparam("reason"))
        statement = update.where(self.jobs_t.c.id == sa.bindparam("row_id"))
        values: list[dict[str, Any]] = [{"row_id": i, "reason": reasons[i]} for i in sorted(reasons)]
        if seen is not None and self.engine.dialect.name in _COMPARE_DATA:
            statement = statement.where(self.jobs_t.c.job_state == sa.bindparam("seen"))
            for value in values:
                value["seen"] = seen[value["row_id"]]
        count: int = self._transact(lambda connection: connection.execute(statement, values)).rowcount
        return count

    def _park_odd(self, connection: Any, ids: Sequence[str], reasons: dict[str, str | None]) -> int:
        """Rows whose id is no text are found one by one, and no data is compared. How many there were."""
        table, changed = self.jobs_t, 0
        for job_id in ids:
            update = table.update().where(_sqllook.is_row(table.c.id, job_id)).values(parked=reasons[job_id])
            changed += connection.execute(update).rowcount
        return changed

    def _read_rules(self) -> dict[str, str]:
        return self._transact(self._zones.read)

    def _write_rules(self, rules: Mapping[str, str]) -> None:
        self._zones.put(self._transact, rules)

    def _read_naming(self, texts: Sequence[bytes]) -> Iterator[list[JobRow]]:
        ids = self._transact(lambda connection: ids_naming(connection, self.jobs_t, texts))
        return map(self._read, in_parts(ids))

    def _select(self, statement: Any, many: bool = False, values: Any = None) -> list[JobRow]:
        try:
            return self._select_plain(statement, many, values)
        except DBAPIError as exc:
            if not _sqllook.is_unreadable_text(self.engine, exc):
                raise
        careful = _sqllook.careful(statement, self.jobs_t, self._missing)
        found = self._transact(lambda connection: connection.execute(careful, values).all())
        return [_sqllook.row_of_careful(one) for one in found]

    def _select_plain(self, statement: Any, many: bool, values: Any) -> list[JobRow]:
        def work(connection: Any) -> list[JobRow]:
            found = connection.execute(statement, values)
            with collector_paused(MANY if many else 0):  # the rows are here, or come from a file
                return rows_of(found.all())

        begins = values is None or self.engine.dispatch.begin
        return self._transact(work, None, None if begins else self._quick)
