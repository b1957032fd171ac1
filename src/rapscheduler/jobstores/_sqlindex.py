"""The index of the due rows: which one a database gets, and making it on a table that has none.

What lives here: that index. What must not: tables, statements of a pass.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateIndex

from .._quoting import said
from ._sqlbatch import index_part


def due_index(engine: Any, tablename: str) -> Any:
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
    """CREATE INDEX on a table that APScheduler made; another process may be doing the same."""
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
    return [index for index in table.indexes if str(index.name).endswith("_due") and index.name not in names]
