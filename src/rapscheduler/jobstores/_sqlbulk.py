"""Many rows replaced or deleted in one transaction of a few statements, whatever their number.

Here: which of them fit (read under a lock), and what became of each. Not here: the statements of a batch (`_sqlbatch`).

SQLite's one lock is taken before rows are read; PostgreSQL, MySQL and MariaDB lock the rows. Another database may have
no such lock: there each row is compared and replaced by a statement of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from .._serialization.rows import JobRow, us_from_seconds
from ._rowbulk import RowBulk

_AT_ONCE = 500  # ids in one IN (...)
_LOCKING = ("postgresql", "mysql", "mariadb")


class SQLBulk(RowBulk):
    """A part of `SQLAlchemyJobStore`."""

    engine: Any
    jobs_t: Any
    _batch: Any
    _transact: Any
    _telling: Any
    _with_tags: Any
    _forget_tags: Any

    def _replace_many_if(self, rows: Sequence[tuple[JobRow, int | None]]) -> list[bool | None]:
        if self.engine.dialect.name not in ("sqlite", *_LOCKING):
            return super()._replace_many_if(rows)

        def work(connection: Any) -> list[bool | None]:
            due = self._locked(connection, [row.id for row, _ in rows])
            answers = [
                us_from_seconds(due[row.id]) == expected_us if row.id in due else None
                for row, expected_us in rows
            ]
            fitting = [row for (row, _), fits in zip(rows, answers, strict=True) if fits]
            if fitting:
                self._batch.replace(connection, sorted(fitting, key=lambda row: row.id))
            return answers

        tagged = self._with_tags([row for row, _ in rows], work)
        answers: list[bool | None] = self._transact(self._telling(tagged))
        return answers

    def _delete(self, ids: Sequence[str]) -> list[str]:
        columns = self.jobs_t.c

        def work(connection: Any) -> list[str]:
            missing: list[str] = []
            for first in range(0, len(ids), _AT_ONCE):
                part = ids[first : first + _AT_ONCE]
                if len(part) > 1:
                    found = self._locked(connection, part)
                    connection.execute(self.jobs_t.delete().where(columns.id.in_(sorted(found))))
                    part = [job_id for job_id in part if job_id not in found]
                    if not self._may_take_another_id():
                        missing += part
                        continue
                missing += [job_id for job_id in part if self._deleted(connection, job_id) == 0]
            self._forget_tags(connection, ids)
            return missing

        missing: list[str] = self._transact(work)
        return missing

    def _deleted(self, connection: Any, job_id: str) -> int:
        count: int = connection.execute(self.jobs_t.delete().where(self.jobs_t.c.id == job_id)).rowcount
        return count

    def _may_take_another_id(self) -> bool:
        """Whether the database may take `a` for `A`, as APScheduler's tables in MySQL do."""
        return self.engine.dialect.name not in ("sqlite", "postgresql")

    def _locked(self, connection: Any, ids: Sequence[str]) -> dict[str, Any]:
        """The run times of these rows as they are stored, by id; nobody else may change them now."""
        columns = self.jobs_t.c
        # A write of nothing takes the lock, whoever began the transaction, and how.
        if self.engine.dialect.name == "sqlite":
            connection.execute(self.jobs_t.update().where(sa.false()).values(parked=None))
        time = sa.type_coerce(columns.next_run_time, sa.types.NullType())
        select = sa.select(columns.id, time).where(columns.id.in_(sorted(ids)))
        if self.engine.dialect.name in _LOCKING:
            select = select.order_by(columns.id).with_for_update()
        return {str(job_id): due for job_id, due in connection.execute(select)}
