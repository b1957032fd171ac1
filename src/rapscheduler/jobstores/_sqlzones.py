"""The rules of time zones beside a table of jobs, and looking for the rows that name one.

What lives here: `ZonesTable`, and the SELECT of rows whose data contain one of some texts. What must not: transactions,
what the rules are for (``_scheduling.stored_rules``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.schema import CreateTable

from .._quoting import said
from ._sqlbatch import index_part

_AT_ONCE = 4000
_MOST_FINDS = 16  # texts that the database looks for; of more, it gives all rows


class ZonesTable:
    """Two columns: the name of a zone, its rules. A store works without it, but its jobs don't follow the rules."""

    def __init__(self, tablename: str, metadata: Any, schema: str | None) -> None:
        self._table = sa.Table(
            f"{index_part(tablename)}_zones",
            metadata,
            sa.Column("zone", sa.String(191), primary_key=True),
            sa.Column("rules", sa.Text, nullable=False),
            schema=schema,
        )
        self._is_there = True

    def make(self, engine: Any, logger: Any, alias: str | None) -> None:
        table = self._table
        try:
            table.create(engine, checkfirst=True)
            self._is_there = True
        except SQLAlchemyError as exc:
            # unless another process created it between our check and our CREATE
            self.find(engine)
            if not self._is_there:
                statement = str(CreateTable(table).compile(dialect=engine.dialect))
                logger.warning(
                    "Job store %r can't keep its jobs at their wall times when the rules of time zones change, without "
                    "a table that it may not create: %s (%s)",
                    alias,
                    " ".join(statement.split()),
                    said(exc),
                )

    def find(self, engine: Any) -> None:
        """See whether it is there; nothing is made."""
        self._is_there = sa.inspect(engine).has_table(self._table.name, schema=self._table.schema)

    def drop(self, engine: Any) -> None:
        self._table.drop(engine, checkfirst=True)

    def read(self, connection: Any) -> dict[str, str]:
        if not self._is_there:
            return {}
        columns = self._table.c
        return dict(connection.execute(sa.select(columns.zone, columns.rules)).all())

    def put(self, transact: Callable[[Callable[[Any], None]], None], rules: Mapping[str, str]) -> None:
        """Put these beside those that are there."""
        if not self._is_there:
            return
        try:
            transact(lambda connection: self._write(connection, rules))
        except IntegrityError:  # another process wrote one of them in between
            transact(lambda connection: self._write(connection, rules))

    def _write(self, connection: Any, rules: Mapping[str, str]) -> None:
        table = self._table
        known = self.read(connection)
        for zone, text in sorted(rules.items()):
            if zone not in known:
                connection.execute(table.insert().values(zone=zone, rules=text))
            elif known[zone] != text:
                connection.execute(table.update().where(table.c.zone == zone).values(rules=text))


def ids_naming(connection: Any, table: Any, texts: Sequence[bytes]) -> Sequence[str]:
    """The ids of the rows that have a run time and whose data contain one of the texts.

    A database that can't look into binary data, or has too many texts to look for, gives others as well.
    """
    finds = [_contains(connection.dialect.name, table.c.job_state, text) for text in texts]
    statement = sa.select(table.c.id).where(table.c.next_run_time.is_not(None))
    if len(finds) <= _MOST_FINDS and not any(found is None for found in finds):
        statement = statement.where(sa.or_(*finds))
    ids: Sequence[str] = connection.execute(statement).scalars().all()
    return ids


def in_parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """As many ids at once as are to be looked at together."""
    return (ids[first : first + _AT_ONCE] for first in range(0, len(ids), _AT_ONCE))


def _contains(database: str, column: Any, text: bytes) -> Any:
    part = sa.literal(text, sa.LargeBinary)
    if database == "sqlite":
        return sa.func.instr(column, part) > 0
    if database in ("mysql", "mariadb"):
        return sa.func.locate(part, column) > 0
    if database == "postgresql":
        return sa.func.position(part.op("IN")(column)) > 0
    return None
