"""Claims of runs in SQL.

Here: `SQLShared` for SQLite, MySQL and MariaDB, and any driver of PostgreSQL. Not here: a batch in one statement
(`_sqlclaims`), the tables of claims (`_sqlmembers`); who claims what, and when (`_scheduling.claims`).

PostgreSQL, MySQL 8 and MariaDB 10.6 lock due rows and skip locked ones: what is taken keeps its transaction until it is
claimed. A scheduler that stands still in between loses that connection after a lease, by the server's clock (not in
MySQL, which has no such limit). SQLite has one lock for the file, which is held while a claim is written, and not while
it is planned: there a claim compares.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from .._collector import OF_A_CLAIM, collector_paused
from .._serialization.rows import JobRow, RowChange, rows_of, seconds_around, us_from_seconds
from ._shared import WAITING, ClaimRow, Counts, InLine, Me, Refused, RunKey, RunRow
from ._sqlerrors import is_transient
from ._sqlmembers import SQLMembers, run_row

_AT_ONCE = 500
# MariaDB has such a limit of sessions only: what it was is put back
_LIMIT = "SET @rapscheduler = @@SESSION.idle_transaction_timeout, @@SESSION.idle_transaction_timeout = {}"
_NO_LIMIT = "SET SESSION idle_transaction_timeout = @rapscheduler"


def groups_of(rows: Sequence[ClaimRow]) -> list[str]:
    """In the order in which they are locked."""
    return sorted({one.group for one in rows if one.group is not None})


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
        connection, transaction = self._begin(me)
        try:
            found = connection.execute(statement)
            with collector_paused(OF_A_CLAIM * limit):
                rows = rows_of(found.all())
        except BaseException:
            self._give_back(connection)
            raise
        self._taken = connection, transaction
        return rows

    def _begin(self, me: Me) -> tuple[Any, Any]:
        connection = self._engine.connect()
        try:
            transaction = connection.begin()
            if self._engine.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            elif self._engine.dialect.name in ("mysql", "mariadb"):
                if self._limits:
                    connection.exec_driver_sql(_LIMIT.format(max(1, int(me.lease_s))))
                # or gaps between due rows would be locked; of this transaction only
                connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
                if self._autocommits(connection):
                    connection.exec_driver_sql("START TRANSACTION")
        except BaseException:
            self._give_back(connection)
            raise
        return connection, transaction

    def _autocommits(self, connection: Any) -> bool:
        detect = getattr(self._engine.dialect, "detect_autocommit_setting", None)
        return detect is None or bool(detect(connection.connection.dbapi_connection))

    def _give_back(self, connection: Any) -> None:
        """Close a connection, as it was: it may be of a pool that others use. What is open is rolled back."""
        try:
            if self._limits and not connection.invalidated:
                connection.exec_driver_sql(_NO_LIMIT)
        except SQLAlchemyError:
            connection.invalidate()
        finally:
            connection.close()

    @property
    def _limits(self) -> bool:
        """Whether the server ends a connection that stands still in a transaction, when a session says so."""
        return bool(getattr(self._engine.dialect, "is_mariadb", False))

    def let_go(self) -> None:
        taken, self._taken, self._rows = self._taken, None, []
        if taken is not None:
            self._give_back(taken[0])

    def claim(self, me: Me, rows: Sequence[ClaimRow], others: Sequence[RowChange]) -> Refused | None:
        data = {row.id: row.data for row in self._rows} if any(one.change.remove for one in rows) else {}
        refused = self._claim_or_again(me, rows, others, data)
        over = []
        if data and b'"tags":' in b"".join(data.values()):
            over = [
                one.change.id
                for one in rows
                if one.change.remove and b'"tags":' in data.get(one.change.id, b"")
            ]
        if over and refused is not None:
            self._store._transact(lambda connection: self._store._forget_tags(connection, over))
        return refused

    def _claim_or_again(
        self, me: Me, rows: Sequence[ClaimRow], others: Sequence[RowChange], data: dict[str, bytes]
    ) -> Refused | None:
        taken, self._taken, self._rows = self._taken, None, []
        try:
            return self._claim(taken or self._begin(me), me, rows, others, data, taken is not None)
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
            refused = self._claim(self._begin(me), me, rows, others, data, False)
            ids = {one.change.id for one in twice}
            return refused and refused._replace(busy=refused.busy | ids)
        except DBAPIError as exc:
            self._store._advise(exc)
            if exc.connection_invalidated or not is_transient(exc):
                raise  # it may have been written: the keeper finds what the store has for us
            return self._claim(self._begin(me), me, rows, others, data, False)

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
            self._give_back(connection)

    def _write_claims(
        self,
        connection: Any,
        me: Me,
        rows: Sequence[ClaimRow],
        others: Sequence[RowChange],
        data: dict[str, bytes],
        locked: bool,
        groups: Sequence[str] | None = None,
    ) -> Refused | None:
        """`groups`: those to be locked, if not those of `rows` only."""
        schedulers = self.schedulers_t
        mine = sa.select(schedulers.c.pid).where(self._is(schedulers, me))
        if self._locks:
            mine = mine.with_for_update(read=True)
        if connection.execute(mine).first() is None:
            return None
        groups = groups_of(rows) if groups is None else groups
        if groups:
            self._lock_groups(connection, groups)
        gone = frozenset() if locked else self._not_due(connection, [one.change for one in rows])
        rows = [one for one in rows if one.change.id not in gone]
        answer = Refused()
        if rows:
            in_full = bool(groups or any(one.waits for one in rows))
            answer = self._count(connection, me, in_full).claimed(rows)
        twice = self._in_packs(connection, rows)  # else the key of their row says so
        busy, waiting = answer.busy | twice, answer.waiting - twice
        replaced = self._leave_line(connection, [one for one in rows if one.change.id in waiting])
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
                "from_us": one.from_us if one.change.id in waiting else one.run_us,
                "last_us": one.last_us,
                "owner": WAITING if one.change.id in waiting else me.id,
                "epoch": 0 if one.change.id in waiting else me.epoch,
                "job_group": one.group,
                "job_state": data.get(one.change.id) if one.change.remove else None,
            }
            for one in rows
            if one.change.id not in busy
        ]
        if values:
            connection.execute(self.runs_t.insert(), values)
        return Refused(gone, busy, waiting, replaced)

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

    def _lock_groups(self, connection: Any, groups: Sequence[str]) -> None:
        """Who claims runs of these groups does it after this transaction. SQLite's lock is there already."""
        database, table = self._engine.dialect.name, self.groups_t
        if database == "sqlite":
            return
        values = [{"name": group, "version": 1} for group in groups]
        more, insert = table.c.version + 1, (postgresql if database == "postgresql" else mysql).insert(table)
        if database == "postgresql":
            statement = insert.values(values).on_conflict_do_update(
                index_elements=[table.c.name], set_={"version": more}
            )
        else:
            statement = insert.values(values).on_duplicate_key_update(version=more)
        connection.execute(statement)

    def _count(self, connection: Any, me: Me | None, in_full: bool) -> Counts:
        """The runs of all, but for `me`'s: one look. `in_full`: with their groups, and those in line by themselves."""
        columns, counts = self.all_runs.c, Counts()
        by = (columns.job_id, columns.job_group, columns.owner) if in_full else (columns.job_id,)
        statement = sa.select(sa.func.count(), *by).group_by(*by)
        if me is not None:
            statement = statement.where(sa.or_(columns.owner != me.id, columns.epoch != me.epoch))
        for number, job_id, *more in connection.execute(statement):
            group, owner = more or (None, None)
            counts.add(job_id, group, owner == WAITING, number)
        return counts

    def _in_packs(self, connection: Any, rows: Sequence[ClaimRow]) -> frozenset[str]:
        """Jobs whose run is under way already, in a pack: a user set them back to its run time."""
        if self.packs is None or not rows:
            return frozenset()
        columns = self.all_runs.c
        find = sa.select(columns.job_id, columns.run_us).where(
            columns.job_id.in_([one.change.id for one in rows])
        )
        known = {tuple(key) for key in connection.execute(find)}
        return frozenset(one.change.id for one in rows if (one.change.id, one.run_us) in known)

    # Runs in line

    def _leave_line(self, connection: Any, rows: Sequence[ClaimRow]) -> tuple[RunKey, ...]:
        """Remove the runs from the line whose places others take; they get news of a run that cancels theirs."""
        ids = [one.change.id for one in rows if one.replaces]
        if not ids:
            return ()
        columns = self.runs_t.c
        theirs = sa.and_(columns.owner == WAITING, columns.job_id.in_(ids))
        find = sa.select(columns.job_id, columns.run_us).where(theirs)
        if self._locks:  # one that somebody begins at this moment is in line no more
            find = find.order_by(columns.run_us, columns.job_id).with_for_update()
        found = connection.execute(find).all()
        if found:
            connection.execute(self.runs_t.delete().where(theirs))
        self._tell(connection)
        return tuple((str(job_id), int(run_us)) for job_id, run_us in found)

    def _tell(self, connection: Any) -> None:
        """The others want to hear of this transaction; here they look now and then."""

    def in_line(self) -> list[RunRow]:
        columns = self.runs_t.c
        waiting = columns.owner == WAITING
        first = sa.select(columns.job_id, sa.func.min(columns.run_us).label("run_us"))
        part = first.where(waiting).group_by(columns.job_id).subquery()
        statement = (
            self._run_select(self.runs_t)
            .join(part, sa.and_(part.c.job_id == columns.job_id, part.c.run_us == columns.run_us))
            .where(waiting)
            .order_by(columns.run_us, columns.job_id)
        )
        found = self._transact(lambda connection: connection.execute(statement).all())
        return [run_row(*row) for row in found]

    def begin(self, me: Me, rows: Sequence[InLine]) -> list[RunRow]:
        table, columns = self.runs_t, self.runs_t.c
        schedulers = self.schedulers_t

        def work(connection: Any) -> list[RunRow]:
            self._lock_groups(connection, sorted({one.group or "" for one in rows}))
            mine = sa.select(schedulers.c.pid).where(self._is(schedulers, me))
            if connection.execute(mine).first() is None:
                return []
            found = []
            for one in self._count(connection, None, True).begun(rows):
                key = sa.and_(columns.job_id == one.job_id, columns.run_us == one.run_us)
                take = table.update().where(key, columns.owner == WAITING)
                if connection.execute(take.values(owner=me.id, epoch=me.epoch)).rowcount:
                    found += [
                        run_row(*row) for row in connection.execute(self._run_select(self.runs_t).where(key))
                    ]
            return found

        begun: list[RunRow] = self._transact(work, alone=True)
        return begun
