"""Runs that ended, in a table of SQLAlchemy. Ids sort by time, so the primary key is the order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    delete,
    func,
    select,
)

from rapscheduler._runs import Record
from rapscheduler.jobstores._sqlengine import engine_for, leave_connections
from rapscheduler.jobstores._sqlindex import make_table

_MOST_DELETED = 5000


class SqlPlace:
    """A table, which is made when there is none, unless it is only looked at."""

    def __init__(self, place: Any, tablename: str, make: bool = True) -> None:
        self._engine = engine_for(place, {}, False) if isinstance(place, str) else place
        self._table = Table(
            tablename,
            MetaData(),
            Column("id", String(36), primary_key=True),
            Column("job_id", String(191), nullable=False),
            Column("jobstore", String(191)),
            Column("attempt", Integer, nullable=False),
            Column("state", String(16), nullable=False),
            Column("scheduled_us", BigInteger, nullable=False),
            Column("started_us", BigInteger),
            Column("ended_us", BigInteger, nullable=False),
            Column("retry_us", BigInteger),
            Column("who", String(191)),
            Column("error", String(1000)),
            Column("reason", String(1000)),
            Index(f"ix_{tablename}_job", "job_id", "id"),
            Index(f"ix_{tablename}_ended", "ended_us"),
        )
        if make:
            make_table(self._engine, self._table)
        self._insert = self._table.insert()

    def write(self, records: list[Record]) -> None:
        rows = [record._asdict() for record in records]
        with self._engine.begin() as connection:
            connection.execute(self._insert, rows)

    def leave_parent(self) -> None:
        leave_connections(self._engine)

    def _wanted(self, query: Any, job_id: str | None, state: str | None, since_us: int | None) -> Any:
        columns = self._table.c
        if job_id is not None:
            query = query.where(columns.job_id == job_id)
        if state is not None:
            query = query.where(columns.state == state)
        return query if since_us is None else query.where(columns.ended_us >= since_us)

    def _columns(self) -> list[Any]:
        return [self._table.c[name] for name in Record._fields]

    def read(
        self, job_id: str | None, state: str | None, since_us: int | None, limit: int
    ) -> Iterable[Record]:
        query = self._wanted(select(*self._columns()), job_id, state, since_us)
        with self._engine.connect() as connection:
            rows = connection.execute(query.order_by(self._table.c.id.desc()).limit(limit)).fetchall()
        return [Record(*row) for row in rows]

    def find(self, run_id: str) -> Record | None:
        query = select(*self._columns()).where(self._table.c.id == run_id)
        with self._engine.connect() as connection:
            row = connection.execute(query).fetchone()
        return None if row is None else Record(*row)

    def near(self, job_id: str, run_id: str, count: int) -> Iterable[Record]:
        """Through the index of (job_id, id), however many runs the job has."""
        ids = self._table.c.id
        of_job = select(*self._columns()).where(self._table.c.job_id == job_id)
        before = of_job.where(ids < run_id).order_by(ids.desc()).limit(count)
        after = of_job.where(ids >= run_id).order_by(ids).limit(count + 1)
        with self._engine.connect() as connection:
            rows = [*reversed(connection.execute(before).fetchall()), *connection.execute(after)]
        return [Record(*row) for row in rows]

    def count(self, job_id: str | None, since_us: int | None) -> dict[str, int]:
        state = self._table.c.state
        query = self._wanted(select(state, func.count()), job_id, None, since_us).group_by(state)
        with self._engine.connect() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def sweep(self, before_us: int) -> None:
        """Delete what ended before, a piece at a time."""
        columns = self._table.c
        while True:
            with self._engine.begin() as connection:
                old = select(columns.id).where(columns.ended_us < before_us).limit(_MOST_DELETED)
                ids = [row[0] for row in connection.execute(old)]
                if ids:
                    connection.execute(delete(self._table).where(columns.id.in_(ids)))
            if len(ids) < _MOST_DELETED:
                return
