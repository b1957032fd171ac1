"""Jobs in a RethinkDB table.

What lives here: `RethinkDBJobStore`: documents and queries. What must not: the contract (`_rowstore`). A document is
APScheduler's with two fields more: id, next_run_time (seconds, null: paused), job_state (binary: the job as JSON; what
APScheduler pickled stays as it is), nominal_us (text, because RethinkDB's numbers are doubles) and parked, both absent
or null in APScheduler's documents.

A batch is one query: a for_each whose parts replace one document each, atomically and only if it still is as it was
read. A connection of the driver serves one thread at a time, so queries go through a lock.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Sequence
from threading import RLock
from typing import Any

from .._serialization.rows import NO_TIME_US, JobRow, RowChange, seconds_from_us, us_from_seconds
from ..errors import ConflictingIdError, JobLookupError
from ..job import Job
from ..util import datetime_to_utc_timestamp, maybe_ref, utc_timestamp_to_datetime
from ._rowstore import RowStore
from .base import BaseJobStore

try:
    from rethinkdb import RethinkDB
    from rethinkdb.errors import ReqlDriverError
except ImportError as exc:  # pragma: no cover
    raise ImportError(
        "RethinkDBJobStore requires rethinkdb installed: pip install rapscheduler[rethinkdb]"
    ) from exc

__all__ = (
    "BaseJobStore",
    "ConflictingIdError",
    "Job",
    "JobLookupError",
    "RethinkDBJobStore",
    "datetime_to_utc_timestamp",
    "maybe_ref",
    "utc_timestamp_to_datetime",
)

_INDEX = "next_run_time"


class RethinkDBJobStore(RowStore):
    """Stores jobs in a RethinkDB database. Other keyword arguments go to ``rethinkdb.connect``.

    Plugin alias: ``rethinkdb``

    :param str database: the database
    :param str table: the table
    :param client: a :class:`rethinkdb.net.Connection` to use instead of making one
    :param int pickle_protocol: accepted for APScheduler's sake; nothing is pickled
    :param allowed_callables: patterns such as ``["myapp.tasks:*"]`` of the callables that jobs may name
    """

    def __init__(
        self,
        database: str = "apscheduler",
        table: str = "jobs",
        client: Any = None,
        pickle_protocol: int = pickle.HIGHEST_PROTOCOL,
        *,
        allowed_callables: Iterable[str] | str | None = None,
        **connect_args: Any,
    ) -> None:
        super().__init__(allowed_callables)
        if not database:
            raise ValueError('The "database" parameter must not be empty')
        if not table:
            raise ValueError('The "table" parameter must not be empty')
        self.database = database
        self.table_name = table
        self.client = client
        self.pickle_protocol = pickle_protocol
        self.connect_args = connect_args
        self.r = RethinkDB()
        self.table = self.r.db(database).table(table)
        self.conn: Any = None
        self._lock = RLock()

    def shutdown(self) -> None:
        if self.conn is not None:  # else it could not be had
            self.conn.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} (connection={self.conn})>"

    def _open(self) -> None:
        r = self.r
        self.conn = maybe_ref(self.client) or r.connect(db=self.database, **self.connect_args)
        if self.database not in self._run(r.db_list()):
            self._run(r.db_create(self.database))
        if self.table_name not in self._run(r.db(self.database).table_list()):
            self._run(r.db(self.database).table_create(self.table_name))
        if _INDEX not in self._run(self.table.index_list()):
            self._run(self.table.index_create(_INDEX))
        self._run(self.table.index_wait(_INDEX))

    def _run(self, query: Any, again: bool = True) -> Any:
        """The answer; on a connection that was lost ``again`` lets the query be sent once more on a new one."""
        with self._lock:
            try:
                return self._answer(query)
            except ReqlDriverError:
                if not again:
                    raise
                self.conn.reconnect(noreply_wait=False)
                return self._answer(query)

    def _answer(self, query: Any) -> Any:
        answer = query.run(self.conn)
        return answer if isinstance(answer, (dict, list, str, int, float, type(None))) else list(answer)

    # Row operations

    def _read(self, ids: Sequence[str]) -> list[JobRow]:
        return self._rows(self.table.get_all(*ids)) if ids else []

    def _read_due(self, until_us: int, limit: int) -> list[JobRow]:
        until = seconds_from_us(until_us)
        due = self.table.between(self.r.minval, until, index=_INDEX, right_bound="closed").order_by(
            index=_INDEX
        )
        return self._rows(due.filter(self._not_parked).limit(limit))

    def _read_all(self) -> list[JobRow]:
        return self._rows(self.table)

    def _read_parked(self) -> list[JobRow]:
        return self._rows(self.table.filter(lambda row: row["parked"].default(None).ne(None)))

    def _rows(self, query: Any) -> list[JobRow]:
        return [_row(document) for document in self._run(query)]

    @staticmethod
    def _not_parked(row: Any) -> Any:
        return row["parked"].default(None).eq(None)

    def _earliest(self) -> int | None:
        first = self._run(self.table.order_by(index=_INDEX).filter(self._not_parked).limit(1).pluck(_INDEX))
        return us_from_seconds(first[0][_INDEX]) if first else None

    def _insert(self, rows: Sequence[JobRow]) -> None:
        """All or none: what was written beside a conflict is taken back."""
        documents = [{"id": row.id} | self._values(row) for row in rows]
        result = self._run(self.table.insert(documents, conflict="error", return_changes=True), again=False)
        if not result["errors"]:
            return
        made = {change["new_val"]["id"] for change in result.get("changes", ())}
        if made:
            self._run(self.table.get_all(*made).delete())
        if "Duplicate primary key" not in result.get("first_error", ""):
            raise RuntimeError(f"RethinkDB refused the job: {result.get('first_error')}")
        raise ConflictingIdError(next(row.id for row in rows if row.id not in made))

    def _replace(self, rows: Sequence[JobRow]) -> list[str]:
        missing = []
        for row in rows:
            result = self._run(self.table.get(row.id).update(self._values(row)))
            if result["skipped"]:
                missing.append(row.id)
            elif result["errors"]:
                raise RuntimeError(f"RethinkDB refused the job: {result.get('first_error')}")
        return missing

    def _replace_if(self, row: JobRow, expected_us: int | None) -> bool | None:
        expected, values = seconds_from_us(expected_us), self._values(row)
        result = self._run(
            self.table.get(row.id).update(
                lambda old: self.r.branch(old[_INDEX].default(None).eq(expected), values, {})
            )
        )
        if result["errors"]:
            raise RuntimeError(f"RethinkDB refused the job: {result.get('first_error')}")
        if result["replaced"]:
            return True
        found = self._read([row.id])  # unchanged: it had these values already, or is due at another time
        if not found:
            return None
        return seconds_from_us(found[0].run_at_us) == expected and found[0].data == row.data

    def _delete(self, ids: Sequence[str]) -> list[str]:
        return [
            job_id for job_id in ids if not self._run(self.table.get(job_id).delete(), again=False)["deleted"]
        ]

    def _clear(self) -> None:
        self._run(self.table.delete())

    def _change(self, changes: Sequence[RowChange]) -> None:
        r, table = self.r, self.table
        parts = [
            {
                "id": change.id,
                "expected": seconds_from_us(change.expected_us),
                "remove": change.remove and change.parked is None,
                "values": {"parked": change.parked} if change.parked is not None else _times(change),
            }
            for change in changes
        ]

        def written(part: Any, row: Any) -> Any:
            still_due = row.ne(None).and_(
                row[_INDEX].default(None).eq(part["expected"]), row["parked"].default(None).eq(None)
            )
            return r.branch(still_due, r.branch(part["remove"], None, row.merge(part["values"])), row)

        self._run(
            r.expr(parts).for_each(
                lambda part: table.get(part["id"]).replace(lambda row: written(part, row), durability="hard")
            )
        )

    def _set_parked(self, reasons: dict[str, str | None], seen: dict[str, bytes] | None = None) -> int | None:
        r, table = self.r, self.table
        parts: list[dict[str, Any]] = [{"id": i, "parked": reason} for i, reason in reasons.items()]
        if seen is None:
            self._run(
                r.expr(parts).for_each(lambda part: table.get(part["id"]).update({"parked": part["parked"]}))
            )
            return None
        for part in parts:
            part["seen"] = r.binary(seen[part["id"]])

        def written(part: Any, row: Any) -> Any:
            same = row["job_state"].default(None).eq(part["seen"])
            return r.branch(same, {"parked": part["parked"]}, {})

        self._run(
            r.expr(parts).for_each(lambda part: table.get(part["id"]).update(lambda row: written(part, row)))
        )
        return None

    def _values(self, row: JobRow) -> dict[str, Any]:
        return {
            "next_run_time": seconds_from_us(row.run_at_us),
            "job_state": self.r.binary(row.data),
            "nominal_us": None if row.nominal_us is None else str(row.nominal_us),
            "parked": row.parked,
        }


def _times(change: RowChange) -> dict[str, Any]:
    return {
        "next_run_time": seconds_from_us(change.run_at_us),
        "nominal_us": None if change.nominal_us is None else str(change.nominal_us),
    }


def _row(document: dict[str, Any]) -> JobRow:
    nominal: Any = document.get("nominal_us")
    try:
        nominal_us = None if nominal is None else int(nominal)
    except (TypeError, ValueError):
        nominal_us = NO_TIME_US
    state = document.get("job_state")
    return JobRow(
        document["id"],
        us_from_seconds(document.get("next_run_time")),
        nominal_us,
        document.get("parked"),
        bytes(state) if isinstance(state, bytes) else b"",
    )
