"""The batch statements of the SQL store: one statement per kind of write, whatever the number of rows.

What lives here: INSERT, the move of times, the conditional DELETE and parking, for many rows, per database. What must
not: transactions, retries, the contract. Approach: `Batch` uses executemany, which SQLite, MySQL and others take as
it is; PostgreSQL gets arrays through unnest(), MariaDB a JSON document through JSON_TABLE(): one round trip and one
plan for the whole batch. Where a driver takes parameters by position, rows go to it as tuples: SQLAlchemy's own
treatment of named ones costs more than SQLite's insert.

Every write of a pass says "WHERE next_run_time = the time that was read AND parked IS NULL": a row that a user changed
in the meantime stays as the user left it. Equality of floats is exact here, both sides come from `seconds_from_us`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from zlib import crc32

import orjson
import sqlalchemy as sa

from .._collector import collector_paused
from .._serialization.rows import JobRow, RowChange, seconds_around, seconds_from_us
from ._sqlarrays import AROUND, SECONDS, int_array, text_array

_UNNEST_DRIVERS = ("psycopg", "psycopg2")
_MOST_OF_NAME = 50
#: storage options of a table in PostgreSQL: a row that moves on finds room in its page, and the server's log gets what
#: changed, not the whole row
ROOM = {"fillfactor": 70}


def batch_for(engine: Any, table: Any) -> Batch:
    """The statements for the engine's database."""
    if engine.dialect.name == "postgresql" and engine.dialect.driver in _UNNEST_DRIVERS:
        return PostgresBatch(engine, table)
    if engine.dialect.name in ("mysql", "mariadb"):
        return MariaDBBatch(engine, table)
    return Batch(engine, table)


def name_in_text(engine: Any, table: Any) -> str:
    """The table's quoted name as `sa.text` takes it: that doubles `%` itself, and takes `:word` for a parameter."""
    preparer = engine.dialect.identifier_preparer
    name: str = preparer.format_table(table)
    if getattr(preparer, "_double_percents", False):
        name = name.replace("%%", "%")
    return name.replace(":", "\\:")


def index_part(tablename: str) -> str:
    """The table's name in that of its index, which databases allow 64 characters at most."""
    if len(tablename) <= _MOST_OF_NAME:
        return tablename
    return f"{tablename[: _MOST_OF_NAME - 9]}_{crc32(tablename.encode()):08x}"


def row_values(row: JobRow) -> dict[str, Any]:
    """The columns of a row."""
    return {
        "id": row.id,
        "next_run_time": seconds_from_us(row.run_at_us),
        "nominal_us": row.nominal_us,
        "parked": row.parked,
        "job_state": row.data,
    }


class Batch:
    """executemany: the driver sends the rows."""

    def __init__(self, engine: Any, table: Any) -> None:
        columns = table.c
        still_due = sa.and_(
            columns.id == sa.bindparam("row_id"),
            columns.next_run_time.between(sa.bindparam("least"), sa.bindparam("greatest")),
            columns.parked.is_(None),
        )
        move = (
            table.update()
            .where(still_due)
            .values(next_run_time=sa.bindparam("run_at"), nominal_us=sa.bindparam("nominal"))
        )
        self._insert = _Many(
            engine, table.insert(), ("id", "next_run_time", "job_state", "nominal_us", "parked")
        )
        self._move = _Many(engine, move, ("run_at", "nominal", "row_id", "least", "greatest"))
        values = ("next_run_time", "nominal_us", "parked", "job_state")
        replace = (
            table.update()
            .where(columns.id == sa.bindparam("row_id"))
            .values({name: sa.bindparam(f"new_{name}") for name in values})
        )
        self._replace = _Many(engine, replace, (*(f"new_{name}" for name in values), "row_id"))
        self._remove = table.delete().where(still_due)
        self._park = table.update().where(still_due).values(parked=sa.bindparam("reason"))

    def prepare(self, connection: Any) -> None:
        """Look what the server can do; called once, when the store is opened."""

    def insert(self, connection: Any, rows: Sequence[JobRow]) -> None:
        with collector_paused(len(rows)):
            values = [
                (job_id, seconds_from_us(run_at_us), data, nominal_us, parked)
                for job_id, run_at_us, nominal_us, parked, data in rows
            ]
        self._insert.execute(connection, values)

    def replace(self, connection: Any, rows: Sequence[JobRow]) -> None:
        """Whole rows, which are there; nobody else may write them now."""
        values = [
            (seconds_from_us(run_at_us), nominal_us, parked, data, job_id)
            for job_id, run_at_us, nominal_us, parked, data in rows
        ]
        self._replace.execute(connection, values)

    def move(self, connection: Any, changes: Sequence[RowChange]) -> None:
        self._move.execute(
            connection,
            [
                (
                    seconds_from_us(change.run_at_us),
                    change.nominal_us,
                    change.id,
                    *seconds_around(change.expected_us),
                )
                for change in changes
            ],
        )

    def remove(self, connection: Any, changes: Sequence[RowChange]) -> None:
        connection.execute(self._remove, [_key(change) for change in changes])

    def park(self, connection: Any, changes: Sequence[RowChange]) -> None:
        connection.execute(self._park, [_key(change) | {"reason": change.parked} for change in changes])


def _key(change: RowChange) -> dict[str, Any]:
    least, greatest = seconds_around(change.expected_us)
    return {"row_id": change.id, "least": least, "greatest": greatest}


class _Many:
    """A statement for many rows: parameters by position where the driver takes them in this order, else by name."""

    def __init__(self, engine: Any, statement: Any, names: tuple[str, ...]) -> None:
        self._statement, self._names = statement, names
        compiled = statement.compile(dialect=engine.dialect)
        by_position = compiled.positional and tuple(compiled.positiontup or ()) == names
        self._text = str(compiled) if by_position else None

    def execute(self, connection: Any, rows: list[tuple[Any, ...]]) -> None:
        if self._text is not None:
            connection.exec_driver_sql(self._text, rows)
        else:
            connection.execute(self._statement, [dict(zip(self._names, row, strict=True)) for row in rows])


class PostgresBatch(Batch):
    """Arrays of columns and unnest(): one statement per batch."""

    def __init__(self, engine: Any, table: Any) -> None:
        super().__init__(engine, table)
        name = name_in_text(engine, table)
        around = AROUND.format(column="t.next_run_time", us="v.expected")
        due = f"t.id = v.id AND {around} AND t.parked IS NULL"
        keys = "CAST(:ids AS text[]), CAST(:expected AS int8[])"
        rows = (
            "unnest(CAST(:ids AS text[]), CAST(:run_at AS float8[]), CAST(:nominal AS int8[]), "
            "CAST(:parked AS text[]), CAST(:data AS bytea[]))"
        )
        self._insert_one = table.insert()
        self._insert_many = sa.text(
            f"INSERT INTO {name} (id, next_run_time, nominal_us, parked, job_state) SELECT * FROM {rows}"
        )
        self._replace_many = sa.text(
            f"UPDATE {name} AS t SET next_run_time = v.run_at, nominal_us = v.nominal, parked = v.parked, "
            f"job_state = v.data FROM {rows} AS v (id, run_at, nominal, parked, data) WHERE t.id = v.id"
        )
        self._move_many = sa.text(
            f"UPDATE {name} AS t SET next_run_time = {SECONDS.format('v.run_at')}, nominal_us = v.nominal "
            f"FROM unnest({keys}, CAST(:run_at AS int8[]), CAST(:nominal AS int8[])) "
            f"AS v (id, expected, run_at, nominal) WHERE {due}"
        )
        self._remove_many = sa.text(
            f"DELETE FROM {name} AS t USING unnest({keys}) AS v (id, expected) WHERE {due}"
        )
        self._park_many = sa.text(
            f"UPDATE {name} AS t SET parked = v.reason FROM unnest({keys}, CAST(:parked AS text[])) "
            f"AS v (id, expected, reason) WHERE {due}"
        )

    def insert(self, connection: Any, rows: Sequence[JobRow]) -> None:
        if len(rows) == 1:
            connection.execute(self._insert_one, row_values(rows[0]))
        else:
            connection.execute(self._insert_many, _columns(rows))

    def replace(self, connection: Any, rows: Sequence[JobRow]) -> None:
        connection.execute(self._replace_many, _columns(rows))

    def move(self, connection: Any, changes: Sequence[RowChange]) -> None:
        values = _keys(changes) | {
            "run_at": int_array([change.run_at_us for change in changes]),
            "nominal": int_array([change.nominal_us for change in changes]),
        }
        connection.execute(self._move_many, values)

    def remove(self, connection: Any, changes: Sequence[RowChange]) -> None:
        connection.execute(self._remove_many, _keys(changes))

    def park(self, connection: Any, changes: Sequence[RowChange]) -> None:
        connection.execute(
            self._park_many, _keys(changes) | {"parked": text_array([change.parked for change in changes])}
        )


def _columns(rows: Sequence[JobRow]) -> dict[str, Any]:
    return {
        "ids": [row.id for row in rows],
        "run_at": [seconds_from_us(row.run_at_us) for row in rows],
        "nominal": [row.nominal_us for row in rows],
        "parked": [row.parked for row in rows],
        "data": [row.data for row in rows],
    }


def _keys(changes: Sequence[RowChange]) -> dict[str, Any]:
    return {
        "ids": text_array([change.id for change in changes]),
        "expected": int_array([change.expected_us for change in changes]),
    }


class MariaDBBatch(Batch):
    """JSON_TABLE() of MariaDB 10.6 or newer; older ones, and MySQL, get executemany: a round trip for each row."""

    def __init__(self, engine: Any, table: Any) -> None:
        super().__init__(engine, table)
        self._engine, self._table = engine, table
        self._statements: dict[str, Any] = {}

    def prepare(self, connection: Any) -> None:
        dialect = connection.dialect
        if not getattr(dialect, "is_mariadb", False) or tuple(dialect.server_version_info or ())[:2] < (
            10,
            6,
        ):
            return
        # Ids are compared in the table's own collation, or its primary key could not be used.
        found = connection.execute(
            sa.text(
                "SELECT character_set_name, collation_name FROM information_schema.columns WHERE column_name = 'id' "
                "AND table_name = :name AND table_schema = COALESCE(:folder, DATABASE())"
            ),
            {"name": self._table.name, "folder": self._table.schema},
        ).first()
        if found is not None and all(re.fullmatch(r"\w+", str(word)) for word in found):
            self._statements = self._texts(*found)

    def _texts(self, charset: str, collation: str) -> dict[str, Any]:
        name = name_in_text(self._engine, self._table)
        id_type = f"VARCHAR(191) CHARACTER SET {charset}"
        due = (
            f"t.id = v.id COLLATE {collation} AND t.next_run_time BETWEEN v.least AND v.greatest "
            "AND t.parked IS NULL"
        )

        def joined(more: str = "") -> str:
            columns = f"id {id_type} PATH '$[0]', least DOUBLE PATH '$[1]', greatest DOUBLE PATH '$[2]'{more}"
            # the batch first, then the table by its key, whatever the planner thinks of the batch's size
            return f"JSON_TABLE(:batch, '$[*]' COLUMNS ({columns})) AS v STRAIGHT_JOIN {name} AS t"

        reason = ", reason TEXT PATH '$[3]'"
        times = ", run_at DOUBLE PATH '$[3]', nominal BIGINT PATH '$[4]'"
        return {
            "move": sa.text(
                f"UPDATE {joined(times)} SET t.next_run_time = v.run_at, t.nominal_us = v.nominal WHERE {due}"
            ),
            "remove": sa.text(f"DELETE t FROM {joined()} WHERE {due}"),
            "park": sa.text(f"UPDATE {joined(reason)} SET t.parked = v.reason WHERE {due}"),
        }

    def move(self, connection: Any, changes: Sequence[RowChange]) -> None:
        if not self._statements:
            super().move(connection, changes)
            return
        rows = [
            (
                change.id,
                *seconds_around(change.expected_us),
                seconds_from_us(change.run_at_us),
                change.nominal_us,
            )
            for change in changes
        ]
        connection.execute(self._statements["move"], {"batch": _json(rows)})

    def remove(self, connection: Any, changes: Sequence[RowChange]) -> None:
        if not self._statements:
            super().remove(connection, changes)
            return
        rows = [(change.id, *seconds_around(change.expected_us)) for change in changes]
        connection.execute(self._statements["remove"], {"batch": _json(rows)})

    def park(self, connection: Any, changes: Sequence[RowChange]) -> None:
        if not self._statements:
            super().park(connection, changes)
            return
        rows = [(change.id, *seconds_around(change.expected_us), change.parked) for change in changes]
        connection.execute(self._statements["park"], {"batch": _json(rows)})


def _json(rows: list[tuple[Any, ...]]) -> str:
    return orjson.dumps(rows).decode()
