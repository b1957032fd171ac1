"""Who uses the tables of a database: one table for all stores in it.

    rapscheduler_presence  id, store (the name of its table), host, pid, born, claims, started, heartbeat

Times are seconds, by the database's clock. SQLite is not waited for when another process writes to the file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from ._presence import LEASE_S, Notes, User
from ._sqlengine import names_memory
from ._sqlmembers import NOW

TABLE = "rapscheduler_presence"
_SQLITE_WAIT_MS = 50

T = TypeVar("T")


def notes_of(store: Any) -> SQLNotes | None:
    """The notes of an `SQLAlchemyJobStore`; None: its database has no clock that we know, or ends with its process."""
    dialect = store.engine.dialect.name
    if dialect not in NOW or (dialect == "sqlite" and names_memory(store.engine.url)):
        return None
    return SQLNotes(store.engine, store._gate, store.jobs_t)


class SQLNotes(Notes):
    """`gate`: what a transaction is made in."""

    def __init__(self, engine: Any, gate: Any, jobs: Any) -> None:
        self._engine, self._gate, self._store = engine, gate, jobs.name[:191]
        self.table = sa.Table(
            TABLE,
            sa.MetaData(),
            sa.Column("id", sa.String(32), primary_key=True),
            sa.Column("store", sa.Unicode(191), nullable=False),
            sa.Column("host", sa.Unicode(191), nullable=False),
            sa.Column("pid", sa.BigInteger, nullable=False),
            sa.Column("born", sa.String(32), nullable=False),
            sa.Column("claims", sa.Integer, nullable=False),
            sa.Column("started", sa.Float(53), nullable=False),
            sa.Column("heartbeat", sa.Float(53), nullable=False),
            schema=jobs.schema,
        )
        self._now = sa.literal_column(NOW[engine.dialect.name], sa.Float(53))

    def _transact(self, work: Callable[[Any], T]) -> T:
        with self._gate, self._engine.begin() as connection:
            if self._engine.dialect.name != "sqlite":
                return work(connection)
            wait_ms = int(connection.exec_driver_sql("PRAGMA busy_timeout").scalar() or 0)
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {_SQLITE_WAIT_MS}")
            try:
                return work(connection)
            finally:
                connection.exec_driver_sql(f"PRAGMA busy_timeout = {wait_ms}")

    def arrive(self, me: User) -> list[User]:
        if not self._transact(lambda one: sa.inspect(one).has_table(TABLE, schema=self.table.schema)):
            try:
                self._transact(self.table.create)
            except SQLAlchemyError:
                pass  # another process was faster; or what follows can't be done either
        return self._transact(lambda connection: self._arrive(connection, me))

    def _arrive(self, connection: Any, me: User) -> list[User]:
        columns = self.table.c
        fields = (columns.id, columns.host, columns.pid, columns.born, columns.claims, columns.heartbeat)
        mine = sa.select(*fields, self._now).where(columns.store == self._store, columns.id != me.id)
        found = connection.execute(mine.order_by(columns.started)).all()
        users, gone = [], []
        for user_id, host, pid, born, claims, heard, now in found:
            age_s = float(now) - float(heard)
            user = User(str(user_id), str(host), int(pid), str(born), bool(claims), max(0.0, age_s))
            if age_s > LEASE_S or user.is_gone():
                gone.append(user.id)
            else:
                users.append(user)
        if gone:
            connection.execute(self.table.delete().where(columns.id.in_(gone)))
        self._insert(connection, me)
        return users

    def _insert(self, connection: Any, me: User) -> None:
        values = {"id": me.id, "host": me.host, "pid": me.pid, "born": me.born, "claims": int(me.claims)}
        times = {"started": self._now, "heartbeat": self._now}
        connection.execute(self.table.insert().values(store=self._store, **values, **times))

    def renew(self, me: User) -> None:
        update = self.table.update().where(self.table.c.id == me.id).values(heartbeat=self._now)

        def work(connection: Any) -> None:
            if connection.execute(update).rowcount == 0:  # it was taken for gone
                self._insert(connection, me)

        self._transact(work)

    def leave(self, me: User) -> None:
        delete = self.table.delete().where(self.table.c.id == me.id)
        self._transact(lambda connection: connection.execute(delete))
