"""Looking at a table, which creates and alters nothing.

What lives here: whether there is a file and a table, which columns of ours it lacks, and the SELECT of its rows,
whatever types they hold. What must not: anything that writes.

SQLite keeps any type in any column, and text that is no UTF-8, which its driver can't read: then the SELECT is made
once more with every column's type beside its bytes (`careful`), and a row whose id is not text is found by both.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from .._serialization.rows import JobRow, OddId, row_of
from ._ids import too_long, unwritable, with_nul
from ._rowstore import NothingStoredError

ID_LENGTH = 191  # characters: the longest key of MySQL's utf8mb4 tables
# without the collation MySQL takes "a" and "A" for one id
_MYSQL_ID_TYPE = mysql.VARCHAR(ID_LENGTH, charset="utf8mb4", collation="utf8mb4_bin")
ID_TYPE = sa.Unicode(ID_LENGTH).with_variant(_MYSQL_ID_TYPE, "mysql").with_variant(_MYSQL_ID_TYPE, "mariadb")


def find_table(engine: Any, table: Any) -> None:
    """NothingStoredError: there is no such table. SQLite is not asked for a file that it would create."""
    url = engine.url
    name = url.database or ""
    is_file = url.get_backend_name() == "sqlite" and name not in ("", ":memory:") and "file:" not in name
    if is_file and not Path(name).exists():
        raise NothingStoredError(f"there is no database at {url!r}")
    if not sa.inspect(engine).has_table(table.name, schema=table.schema):
        raise NothingStoredError(f"{url!r} has no table {table.name!r}")


def missing_columns(engine: Any, table: Any, names: Sequence[str] = ("nominal_us", "parked")) -> list[Any]:
    """The columns of ours that a table of APScheduler's, or of an earlier version, lacks; of these `names`."""
    present = {column["name"] for column in sa.inspect(engine).get_columns(table.name, schema=table.schema)}
    return [table.c[name] for name in names if name not in present]


def id_problem(engine: Any, table: Any, job_id: str) -> str | None:
    """Why the table can't have this id; None: it can, or it was found there."""
    if type(job_id) is not str:
        return None
    problem = unwritable(job_id)
    if problem is None and engine.dialect.name == "postgresql":
        problem = with_nul(job_id, "PostgreSQL")
    if problem is None and len(job_id) > ID_LENGTH and engine.dialect.name != "sqlite":
        most = _id_length(engine, table) or ID_LENGTH
        return too_long(job_id, len(job_id), most, "characters", "this table")
    return problem


def _id_length(engine: Any, table: Any) -> int:
    """How many characters an id may have in the table as it is; 0: there is none yet, or it does not say."""
    try:
        columns = sa.inspect(engine).get_columns(table.name, schema=table.schema)
    except sa.exc.SQLAlchemyError:
        return 0
    return next((getattr(one["type"], "length", 0) or 0 for one in columns if one["name"] == "id"), 0)


def row_select(table: Any, missing: Collection[Any] = ()) -> Any:
    """The SELECT of whole rows, with NULL for columns that are missing, as the driver gives them: SQLAlchemy's
    conversions would raise for a value of another type than the column's."""
    lacking = {column.name for column in missing}
    chosen = (
        sa.null().label(one.name) if one.name in lacking else sa.type_coerce(one, sa.types.NullType())
        for one in _columns(table)
    )
    return sa.select(*chosen).select_from(table)


def _columns(table: Any) -> tuple[Any, ...]:
    columns = table.c
    return columns.id, columns.next_run_time, columns.nominal_us, columns.parked, columns.job_state


def is_unreadable_text(engine: Any, exc: Exception) -> bool:
    """Whether a SELECT failed since a text is no UTF-8."""
    return engine.dialect.name == "sqlite" and "decode to UTF-8" in str(exc)


def careful(statement: Any, table: Any, missing: Collection[Any] = ()) -> Any:
    """The SELECT of rows as (type, value) of each column, texts as bytes: SQLite only."""
    lacking = {column.name for column in missing}
    chosen: list[Any] = []
    for one in _columns(table):
        kind = sa.null() if one.name in lacking else sa.func.typeof(one)
        plain = sa.null() if one.name in lacking else sa.type_coerce(one, sa.types.NullType())
        value = sa.case((kind == "text", sa.cast(one, sa.types.BLOB)), else_=plain)
        chosen += (kind.label(f"{one.name}_type"), sa.type_coerce(value, sa.types.NullType()).label(one.name))
    return statement.with_only_columns(*chosen)


def row_of_careful(found: Sequence[Any]) -> JobRow:
    """The row of what `careful` found."""
    kinds, values = (
        found[::2],
        [_text(kind, value) for kind, value in zip(found[::2], found[1::2], strict=True)],
    )
    job_id = values[0]
    if type(job_id) is bytes:
        job_id = OddId.of(job_id, (kinds[0], job_id))
    return row_of(job_id, *values[1:])


def _text(kind: Any, value: Any) -> Any:
    if kind != "text" or value is None:
        return value
    try:
        return bytes(value).decode()
    except UnicodeDecodeError:
        return bytes(value)


def is_row(column: Any, job_id: str) -> Any:
    """The condition that finds the row of one id."""
    if type(job_id) is not OddId:
        return column == job_id
    raw = job_id.raw
    if type(raw) is not tuple:
        if type(raw) is not bytes:
            return sa.type_coerce(column, sa.types.NullType()) == raw
        raw = ("blob", raw)
    kind, value = raw
    as_bytes = sa.type_coerce(sa.cast(column, sa.types.BLOB), sa.types.LargeBinary())
    return sa.and_(sa.func.typeof(column) == kind, as_bytes == value)
