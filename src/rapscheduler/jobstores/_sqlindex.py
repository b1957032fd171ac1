"""Making a table that is missing; the index of the due rows, and that of the parked ones: which a database gets, and
making them on a table without. Another process may be doing the same.

What lives here: these indexes. What must not: columns, statements of a pass.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateIndex

from .._quoting import said
from ._sqlbatch import index_part

_OURS = ("_due", "_parked")


def make_table(engine: Any, table: Any) -> None:
    """CREATE TABLE, if there is none."""
    try:
        table.create(engine, checkfirst=True)
    except SQLAlchemyError:
        if not sa.inspect(engine).has_table(table.name, schema=table.schema):
            raise  # else another process created it between our check and our CREATE


def indexes(engine: Any, tablename: str) -> tuple[Any, Any]:
    """Of the due rows, of the parked ones; None where there is no such index."""
    return _due_index(engine, tablename), _parked_index(engine, tablename)


def _parked_index(engine: Any, tablename: str) -> Any:
    """Of the rows that are parked, so that whoever asks how many there are reads no others; a row that is not parked is
    not in it, and costs nothing. None: the index of the due rows finds them too, or there are only plain indexes."""
    database = engine.dialect.name
    if database not in ("sqlite", "postgresql"):
        return None
    options: dict[str, Any] = {f"{database}_where": sa.text("parked IS NOT NULL")}
    return sa.Index(f"ix_{index_part(tablename)}_parked", "id", **options)


def _due_index(engine: Any, tablename: str) -> Any:
    """Of the rows that are not parked, by run time; None for a database that has only plain indexes."""
    database = engine.dialect.name
    name = f"ix_{index_part(tablename)}_due"
    if database in ("sqlite", "postgresql"):
        options: dict[str, Any] = {f"{database}_where": sa.text("parked IS NULL")}
        return sa.Index(name, "next_run_time", **options)
    if database in ("mysql", "mariadb"):
        options = {f"{database}_length": {"parked": 1}}
        return sa.Index(name, "parked", "next_run_time", **options)
    return None


def make(engine: Any, table: Any, logger: Any, alias: str | None) -> None:
    """CREATE INDEX on a table that APScheduler made."""
    for index in _missing(engine, table):
        try:
            index.create(engine)
        except SQLAlchemyError as exc:
            if index in _missing(engine, table):
                statement = str(CreateIndex(index).compile(dialect=engine.dialect))
                logger.warning(
                    "Job store %r would be faster with an index it may not create: %s (%s)",
                    alias,
                    " ".join(statement.split()),
                    said(exc),
                )


def _missing(engine: Any, table: Any) -> list[Any]:
    found = sa.inspect(engine).get_indexes(table.name, schema=table.schema)
    names = {index["name"] for index in found}
    return [index for index in table.indexes if str(index.name).endswith(_OURS) and index.name not in names]
