"""Claims of runs in SQL.

Here: `SQLShared` for SQLite, MySQL and MariaDB, and any driver of PostgreSQL; `PostgresShared`, which claims a batch in
one statement. Not here: the tables of claims (`_sqlmembers`); who claims what, and when (`_scheduling.claims`).

PostgreSQL, MySQL 8 and MariaDB 10.6 lock due rows and skip locked ones: what is taken keeps its transaction until it is
claimed. A scheduler that stands still in between loses that connection after a lease, by the server's clock (not in
MySQL, which has no such limit). SQLite has one lock for the file, which is held while a claim is written, and not while
it is planned: there a claim compares.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError

from .._collector import OF_A_CLAIM, collector_paused
from .._serialization.rows import JobRow, RowChange, row_of, seconds_around, us_from_seconds
from ._shared import ClaimRow, Me, Refused, RunKey
from ._sqlarrays import AROUND, SECONDS, int_array, text_array
from ._sqlbatch import name_in_text
from ._sqlerrors import is_transient
from ._sqlmembers import DATABASES, SQLMembers
from ._sqlnews import PostgreSQLListener, channel_of

_AT_ONCE = 500


def shared_for(store: Any, metadata: Any, schema: str | None, options: dict[str, Any]) -> SQLShared:
    """The claims of an `SQLAlchemyJobStore`. ValueError: this database has no way to keep them."""
    dialect = store.engine.dialect
    if dialect.name not in DATABASES:
        raise ValueError(
            f"shared=True and acknowledge='end' are for PostgreSQL, MySQL, MariaDB and SQLite, not for {dialect.name}"
        )
    if dialect.name == "sqlite" and store.engine.url.database in (None, "", ":memory:"):
        raise ValueError(
            "shared=True and acknowledge='end' need a file: SQLite in memory ends with its process"
        )
    fast = dialect.name == "postgresql" and dialect.driver in ("psycopg", "psycopg2")
    made: SQLShared = (PostgresShared if fast else SQLShared)(store, metadata, schema)
    for name, value in options.items():
        setattr(made, name, value)
    return made


def claims_beside(store: Any) -> SQLShared:
    """The claims beside the jobs of a store that was opened for a look; its tables may be missing. ValueError: this
    database has none."""
    return shared_for(store, sa.MetaData(), store.jobs_t.schema, {})


class SQLShared(SQLMembers):
    """Portable statements."""

    def __init__(self, store: Any, metadata: Any, schema: str | None) -> None:
        super().__init__(store, metadata, schema)
        self._taken: Any = None  # the connection that holds what was taken, and its transaction
        self._rows: list[JobRow] = []

    def take(self, me: Me, until_us: int, limit: int) -> list[JobRow]:
        self.let_go()
        columns = self._jobs.c
        statement = (
            self._store._row_select.where(
                columns.next_run_time <= seconds_around(until_us)[1], columns.parked.is_(None)
            )
            .order_by(columns.next_run_time)
            .limit(limit)
        )
        if not self._locks:
            self._rows = self._store._select(statement)
            return self._rows
        statement = statement.with_for_update(skip_locked=True, of=self._jobs)
        if self._engine.dialect.name == "postgresql":
            limit_ms = int(me.lease_s * 1000)
            statement = statement.where(
                sa.text(
                    f"(SELECT set_config('idle_in_transaction_session_timeout', '{limit_ms}', true)) IS NOT NULL"
                )
            )
        try:
            self._rows = self._locked(statement, me, limit)
        except DBAPIError as exc:
            self._store._advise(exc)
            if not is_transient(exc):
                raise
            self._rows = self._locked(statement, me, limit)
        if not self._rows:
            self.let_go()
        return self._rows

    def _locked(self, statement: Any, me: Me, limit: int) -> list[JobRow]:
        connection, transaction = self._begin()
        try:
            if getattr(connection.dialect, "is_mariadb", False):
                limit_s = max(1, int(me.lease_s))
                connection.exec_driver_sql(f"SET SESSION idle_transaction_timeout = {limit_s}")
            found = connection.execute(statement)
            with collector_paused(OF_A_CLAIM * limit):
                rows = [row_of(*columns) for columns in found.all()]
        except BaseException:
            connection.close()
            raise
        self._taken = connection, transaction
        return rows

    def _begin(self) -> tuple[Any, Any]:
        connection = self._engine.connect()
        try:
            if self._engine.dialect.name in ("mysql", "mariadb"):  # or gaps between due rows would be locked
                connection = connection.execution_options(isolation_level="READ COMMITTED")
            transaction = connection.begin()
            if self._engine.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
        except BaseException:
            connection.close()
            raise
        return connection, transaction

    def let_go(self) -> None:
        taken, self._taken, self._rows = self._taken, None, []
        if taken is not None:
            taken[0].close()  # which rolls back

    def claim(self, me: Me, rows: Sequence[ClaimRow], others: Sequence[RowChange]) -> Refused | None:
        data = {row.id: row.data for row in self._rows} if any(one.change.remove for one in rows) else {}
        refused = self._claim_or_again(me, rows, others, data)
        over = [
            one.change.id for one in rows if one.change.remove and b'"tags":' in data.get(one.change.id, b"")
        ]
        if over and refused is not None:
            self._store._transact(lambda connection: self._store._forget_tags(connection, over))
        return refused

    def _claim_or_again(
        self, me: Me, rows: Sequence[ClaimRow], others: Sequence[RowChange], data: dict[str, bytes]
    ) -> Refused | None:
        taken, self._taken, self._rows = self._taken, None, []
        try:
            return self._claim(taken or self._begin(), me, rows, others, data, taken is not None)
        except (
            IntegrityError
        ):  # a user set a job back to a run time that is under way: that one is not claimed again
            known = {
                (row.job_id, row.run_us) for row in self.read([(one.change.id, one.run_us) for one in rows])
            }
            if not known:
                raise
            twice = [one for one in rows if (one.change.id, one.run_us) in known]
            rows = [one for one in rows if (one.change.id, one.run_us) not in known]
            others = [*others, *(one.change for one in twice)]
            refused = self._claim(self._begin(), me, rows, others, data, False)
            ids = {one.change.id for one in twice}
            return refused and Refused(refused.gone, refused.busy | ids)
        except DBAPIError as exc:
            self._store._advise(exc)
            if exc.connection_invalidated or not is_transient(exc):
                raise  # it may have been written: the keeper finds what the store has for us
            return self._claim(self._begin(), me, rows, others, data, False)

    def _claim(
        self,
        taken: tuple[Any, Any],
        me: Me,
        rows: Sequence[ClaimRow],
        others: Sequence[RowChange],
        data: dict[str, bytes],
        locked: bool,
    ) -> Refused | None:
        connection, transaction = taken
        try:
            refused = self._write_claims(connection, me, rows, others, data, locked)
            if refused is not None:
                transaction.commit()
            return refused
        finally:
            connection.close()

    def _write_claims(
        self,
        connection: Any,
        me: Me,
        rows: Sequence[ClaimRow],
        others: Sequence[RowChange],
        data: dict[str, bytes],
        locked: bool,
    ) -> Refused | None:
        schedulers = self.schedulers_t
        mine = sa.select(schedulers.c.pid).where(self._is(schedulers, me))
        if self._locks:
            mine = mine.with_for_update(read=True)
        if connection.execute(mine).first() is None:
            return None
        gone = frozenset() if locked else self._not_due(connection, [one.change for one in rows])
        busy = self._busy(connection, me, rows) - gone if rows else frozenset()
        rows = [one for one in rows if one.change.id not in gone]
        changes = sorted([*(one.change for one in rows), *others], key=lambda change: change.id)
        batch = self._store._batch
        for write, part in (
            (batch.move, [one for one in changes if one.parked is None and not one.remove]),
            (batch.remove, [one for one in changes if one.parked is None and one.remove]),
            (batch.park, [one for one in changes if one.parked is not None]),
        ):
            if part:
                write(connection, part)
        values = [
            {
                "job_id": one.change.id,
                "run_us": one.run_us,
                "from_us": one.run_us,
                "last_us": one.last_us,
                "owner": me.id,
                "epoch": me.epoch,
                "job_state": data.get(one.change.id) if one.change.remove else None,
            }
            for one in rows
            if one.change.id not in busy
        ]
        if values:
            connection.execute(self.runs_t.insert(), values)
        return Refused(gone, busy)

    def _not_due(self, connection: Any, changes: Sequence[RowChange]) -> frozenset[str]:
        """Jobs that are no more as they were taken."""
        columns = self._jobs.c
        if self._locks:
            statement = sa.select(columns.id, columns.next_run_time).with_for_update(skip_locked=True)
        else:
            statement = sa.select(columns.id, columns.next_run_time)
        found: dict[str, Any] = {}
        for first in range(0, len(changes), _AT_ONCE):
            ids = [change.id for change in changes[first : first + _AT_ONCE]]
            where = statement.where(columns.id.in_(ids), columns.parked.is_(None))
            found.update((job_id, due) for job_id, due in connection.execute(where))
        return frozenset(
            change.id
            for change in changes
            if change.id not in found or us_from_seconds(found[change.id]) != change.expected_us
        )

    def _busy(self, connection: Any, me: Me, rows: Sequence[ClaimRow]) -> frozenset[str]:
        """Jobs that others run as often as allowed."""
        columns = self.runs_t.c
        statement = (
            sa.select(columns.job_id, sa.func.count())
            .where(sa.or_(columns.owner != me.id, columns.epoch != me.epoch))
            .group_by(columns.job_id)
        )
        elsewhere: dict[str, int] = dict(tuple(row) for row in connection.execute(statement))
        return frozenset(one.change.id for one in rows if elsewhere.get(one.change.id, 0) >= one.places)


class PostgresShared(SQLShared):
    """A batch is claimed by one statement over arrays, and acknowledged by one."""

    def __init__(self, store: Any, metadata: Any, schema: str | None) -> None:
        super().__init__(store, metadata, schema)
        jobs, runs, schedulers = (
            name_in_text(self._engine, table) for table in (self._jobs, self.runs_t, self.schedulers_t)
        )
        due = AROUND.format(column="t.next_run_time", us="v.expected") + " AND t.parked IS NULL"
        self._claim_many = sa.text(
            f"""
            WITH me AS MATERIALIZED (SELECT pid FROM {schedulers} WHERE id = :me AND epoch = :epoch FOR SHARE),
            elsewhere AS MATERIALIZED (
                SELECT job_id, count(*) AS runs FROM {runs} WHERE owner <> :me OR epoch <> :epoch GROUP BY job_id),
            v AS MATERIALIZED (
                SELECT u.*, COALESCE(elsewhere.runs, 0) AS busy
                FROM unnest(CAST(:ids AS text[]), CAST(:expected AS int8[]), CAST(:run_at AS int8[]),
                            CAST(:nominal AS int8[]), CAST(:removed AS int8[]), CAST(:run_us AS int8[]),
                            CAST(:last_us AS int8[]), CAST(:places AS int8[]))
                AS u (id, expected, run_at, nominal, removed, run_us, last_us, places)
                LEFT JOIN elsewhere ON elsewhere.job_id = u.id),
            moved AS (
                UPDATE {jobs} AS t SET next_run_time = {SECONDS.format("v.run_at")}, nominal_us = v.nominal FROM v
                WHERE v.removed IS NULL AND EXISTS (SELECT 1 FROM me) AND t.id = v.id AND {due} RETURNING t.id),
            removed AS (
                DELETE FROM {jobs} AS t USING v WHERE v.removed = 1 AND EXISTS (SELECT 1 FROM me) AND t.id = v.id
                AND {due} RETURNING t.id, t.job_state),
            done AS (SELECT id, CAST(NULL AS bytea) AS job_state FROM moved
                     UNION ALL SELECT id, job_state FROM removed),
            put AS (
                INSERT INTO {runs} (job_id, run_us, from_us, last_us, owner, epoch, job_state)
                SELECT v.id, v.run_us, v.run_us, v.last_us, :me, :epoch, done.job_state FROM v JOIN done USING (id)
                WHERE v.busy < v.places ON CONFLICT DO NOTHING RETURNING job_id)
            SELECT v.id, done.id IS NOT NULL, (SELECT count(*) FROM me)
            FROM v LEFT JOIN done USING (id) LEFT JOIN put ON put.job_id = v.id WHERE put.job_id IS NULL
            """
        )
        self._notify = sa.select(sa.func.pg_notify(channel_of(self._jobs), ""))
        self._delete_many = sa.text(
            f"DELETE FROM {runs} AS t USING unnest(CAST(:ids AS text[]), CAST(:times AS int8[])) AS v (id, us) "
            "WHERE t.job_id = v.id AND t.run_us = v.us AND t.owner = :me AND t.epoch = :epoch"
        )

    def _write_claims(
        self,
        connection: Any,
        me: Me,
        rows: Sequence[ClaimRow],
        others: Sequence[RowChange],
        data: dict[str, bytes],
        locked: bool,
    ) -> Refused | None:
        if others or not rows:
            refused = super()._write_claims(connection, me, (), others, data, locked=True)
            if refused is None or not rows:
                return refused
        changes = [one.change for one in rows]
        values = {
            "me": me.id,
            "epoch": me.epoch,
            "ids": text_array([change.id for change in changes]),
            "expected": int_array([change.expected_us for change in changes]),
            "run_at": int_array([change.run_at_us for change in changes]),
            "nominal": int_array([change.nominal_us for change in changes]),
            "removed": int_array([1 if change.remove else None for change in changes]),
            "run_us": int_array([one.run_us for one in rows]),
            "last_us": int_array([one.last_us for one in rows]),
            "places": int_array([one.places for one in rows]),
        }
        found = connection.execute(self._claim_many, values).all()
        if found and not found[0][2]:
            return None
        return Refused(
            frozenset(job_id for job_id, busy, _ in found if not busy),
            frozenset(job_id for job_id, busy, _ in found if busy),
        )

    def _delete_runs(self, connection: Any, me: Me, keys: Sequence[RunKey]) -> None:
        values = {
            "me": me.id,
            "epoch": me.epoch,
            "ids": text_array([job_id for job_id, _ in keys]),
            "times": int_array([run_us for _, run_us in keys]),
        }
        connection.execute(self._delete_many, values)

    def _leave_runs(self, connection: Any, me: Me, left: Sequence[tuple[RunKey, int, bool]]) -> None:
        super()._leave_runs(connection, me, left)
        if any(nobody for _, _, nobody in left):
            connection.execute(self._notify)

    def telling(self, work: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def both(connection: Any) -> Any:
            result = work(connection)
            connection.execute(self._notify)
            return result

        return both

    def listen(self, told: Callable[[], Any]) -> Any:
        return PostgreSQLListener(self._engine, channel_of(self._jobs), told)
