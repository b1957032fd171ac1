"""Jobs in a RethinkDB table.

What lives here: `RethinkDBJobStore`: documents and queries. What must not: the contract (`_rowstore`). A document is
APScheduler's with two fields more: id, next_run_time (seconds, null: paused), job_state (binary: the job as JSON; what
APScheduler pickled stays as it is), nominal_us (text, because RethinkDB's numbers are doubles) and parked, both absent
or null in APScheduler's documents. A second table, <table>_zones, keeps the rules of time zones under which run times
were computed.

A batch is one query: `replace` on the documents of its ids, each changed atomically and only if it still is as it was
read, with what is to become of them bound once (a `for_each` of single replaces took ten times as long). The connection
itself is `_reql`'s.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .._instants import MAX_US
from .._quoting import masked
from .._serialization.rows import (
    JobRow,
    RowChange,
    raw_id,
    row_of,
    seconds_around,
    seconds_from_us,
    us_from_seconds,
)
from ..errors import ConflictingIdError, EncodeError, JobLookupError
from ..job import Job
from ..util import datetime_to_utc_timestamp, maybe_ref, utc_timestamp_to_datetime
from ._ids import too_long, unwritable, with_nul
from ._rowstore import NothingStoredError, RowStore
from .base import BaseJobStore, refuse_empty

try:
    from rethinkdb import RethinkDB
    from rethinkdb.errors import ReqlDriverError, ReqlOpFailedError

    from ._reql import Link
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
_AT_ONCE = 5000  # documents in one query; RethinkDB takes arrays of 100,000 elements at most
_MOST_OF_ID = 127  # bytes of a primary key
_WAIT_S = 30  # for a table that is not available yet, as just after the start of the server


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
        refuse_empty(database=database, table=table)
        self.database = database
        self.table_name = table
        self.client = client
        self.pickle_protocol = pickle_protocol
        self.connect_args = connect_args
        self.r = RethinkDB()
        self.table = self.r.db(database).table(table)
        self._zones = self.r.db(database).table(f"{table}_zones")
        self._link: Any = None

    @property
    def conn(self) -> Any:
        """The connection, under its name of old."""
        return None if self._link is None else self._link.connection

    def shutdown(self) -> None:
        if self._link is not None:  # else it could not be had
            self._link.close()

    def _leave_parent(self) -> None:
        if self._link is not None:
            self._link.leave_parent()

    def __repr__(self) -> str:
        return masked(f"<{type(self).__name__} (connection={self.conn})>")

    def _open(self, write: bool) -> None:
        r, database = self.r, self.database
        given = maybe_ref(self.client)
        self._link = Link(given, lambda: r.connect(db=database, **self.connect_args))
        if database not in self._run(r.db_list()):
            self._make(write, r.db_create(database), f"there is no database {database!r}")
        if self.table_name not in self._run(r.db(database).table_list()):
            table = r.db(database).table_create(self.table_name)
            self._make(write, table, f"the database {database!r} has no table {self.table_name!r}")
        if write:
            self._merge_twins(self.table_name)
        self._run(self.table.wait(timeout=_WAIT_S))
        if write:
            self._index()
            zones = f"{self.table_name}_zones"
            if zones not in self._run(r.db(database).table_list()):
                self._unless_made(r.db(database).table_create(zones))
            self._merge_twins(zones)

    def _make(self, write: bool, query: Any, missing: str) -> None:
        if not write:
            raise NothingStoredError(missing)
        self._unless_made(query)

    def _unless_made(self, query: Any) -> None:
        """Make something; another process may be doing the same."""
        try:
            self._run(query)
        except ReqlOpFailedError as exc:
            if "already exists" not in str(exc):
                raise

    def _merge_twins(self, name: str) -> None:
        """Two first starts at once may make two tables of one name, which then nothing can be done with by its name."""
        r, database = self.r, self.r.db(self.database)
        configs = r.db("rethinkdb").table("table_config")
        found = self._run(configs.filter({"db": self.database, "name": name}))
        for twin in sorted(one["id"] for one in found)[1:]:
            spare = f"{name}_{str(twin).replace('-', '_')}"
            self._run(configs.get(twin).update({"name": spare}))
            for one in (spare, name):
                self._run(database.table(one).wait(timeout=_WAIT_S))
            self._run(database.table(name).insert(database.table(spare), conflict="error"))
            self._logger.warning(
                "The database %r had two tables %r, made by two first starts at once; one was renamed %r, its rows "
                "were copied, and it may be dropped",
                self.database,
                name,
                spare,
            )

    def _index(self) -> None:
        if _INDEX not in self._run(self.table.index_list()):
            self._unless_made(self.table.index_create(_INDEX))
        self._run(self.table.index_wait(_INDEX))

    def _run(self, query: Any, again: bool = True) -> Any:
        """The answer; on a connection that was lost ``again`` lets the query be sent once more on a new one."""
        return self._link.run(query, again)

    def _id_problem(self, job_id: str) -> str | None:
        return _problem(job_id)

    # Row operations

    def _read(self, ids: Sequence[str]) -> list[JobRow]:
        keys = [raw_id(job_id) for job_id in ids if _problem(job_id) is None]
        rows: list[JobRow] = []
        for first in range(0, len(keys), _AT_ONCE):
            rows += self._rows(self.table.get_all(*keys[first : first + _AT_ONCE]))
        return rows

    def _read_due(self, until_us: int, limit: int) -> list[JobRow]:
        until = seconds_around(until_us)[1]
        due = self.table.between(self.r.minval, until, index=_INDEX, right_bound="closed").order_by(
            index=_INDEX
        )
        return self._rows(due.filter(self._not_parked).limit(limit))

    def _read_all(self) -> list[JobRow]:
        return self._rows(self.table)

    def _read_never_due(self) -> list[JobRow]:
        """Texts, dates and bytes are sorted after all numbers."""
        last = seconds_around(MAX_US)[1]
        late = self.table.between(last, self.r.maxval, index=_INDEX, left_bound="open")
        return self._rows(late.filter(self._not_parked))

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
        _check_ids(rows)
        for first in range(0, len(rows), _AT_ONCE):
            part = rows[first : first + _AT_ONCE]
            try:
                self._insert_part(part)
            except Exception:
                self._take_back([row.id for row in rows[:first]])
                raise

    def _insert_part(self, rows: Sequence[JobRow]) -> None:
        documents = [{"id": row.id} | self._values(row) for row in rows]
        insert, lost = self.table.insert(documents, conflict="error", return_changes=True), False
        try:
            result = self._run(insert, again=False)
        except ReqlDriverError:
            result, lost = self._run(insert, again=False), True
        if not result["errors"] or (lost and self._already_written(rows)):
            return
        # a refused document is among the changes too, with nothing new
        made = {change["new_val"]["id"] for change in result.get("changes", ()) if change["new_val"]}
        self._take_back(list(made))
        if "Duplicate primary key" not in result.get("first_error", ""):
            raise RuntimeError(f"RethinkDB refused the job: {result.get('first_error')}")
        raise ConflictingIdError(next(row.id for row in rows if row.id not in made))

    def _take_back(self, ids: Sequence[str]) -> None:
        for first in range(0, len(ids), _AT_ONCE):
            self._run(self.table.get_all(*ids[first : first + _AT_ONCE]).delete())

    def _replace(self, rows: Sequence[JobRow]) -> list[str]:
        _check_ids(rows)
        parts = {row.id: self._values(row) for row in rows}
        found = self._written(parts, lambda part, row: row.merge(part))
        if found == len(parts):
            return []
        present = {row.id for row in self._read(list(parts))}
        return [job_id for job_id in parts if job_id not in present]

    def _replace_if(self, row: JobRow, expected_us: int | None) -> bool | None:
        if _problem(row.id) is not None:
            return None
        values, due = self._values(row), self._due(expected_us)
        result = self._run(
            self.table.get(row.id).update(lambda old: self.r.branch(due(old, None), values, {}))
        )
        if result["errors"]:
            raise RuntimeError(f"RethinkDB refused the job: {result.get('first_error')}")
        if result["replaced"]:
            return True
        found = self._read([row.id])  # unchanged: it had these values already, or is due at another time
        if not found:
            return None
        same_time = seconds_from_us(found[0].run_at_us) == seconds_from_us(expected_us)
        return same_time and found[0].data == row.data

    def _due(self, expected_us: int | None) -> Any:
        if expected_us is None:
            return lambda row, part: row[_INDEX].default(None).eq(None)
        least, greatest = seconds_around(expected_us)
        return lambda row, part: self._between(row, least, greatest)

    def _between(self, row: Any, least: Any, greatest: Any) -> Any:
        """Values of other types are sorted before or after all numbers."""
        time = row[_INDEX].default(None)
        return time.ge(least).and_(time.le(greatest))

    def _delete(self, ids: Sequence[str]) -> list[str]:
        return [
            job_id
            for job_id in ids
            if _problem(job_id) is not None
            or not self._run(self.table.get(raw_id(job_id)).delete(), again=False)["deleted"]
        ]

    def _clear(self) -> None:
        self._run(self.table.delete())

    def _change(self, changes: Sequence[RowChange]) -> None:
        r = self.r
        parts = {}
        for change in changes:
            least, greatest = seconds_around(change.expected_us)
            parts[change.id] = {
                "least": least,
                "greatest": greatest,
                "remove": change.remove and change.parked is None,
                "values": {"parked": change.parked} if change.parked is not None else _times(change),
            }

        def written(part: Any, row: Any) -> Any:
            still_due = self._between(row, part["least"], part["greatest"]).and_(
                row["parked"].default(None).eq(None)
            )
            return r.branch(still_due, r.branch(part["remove"], None, row.merge(part["values"])), row)

        self._written(parts, written)

    def _set_parked(self, reasons: dict[str, str | None], seen: dict[str, bytes] | None = None) -> int | None:
        r = self.r
        parts: dict[str, dict[str, Any]] = {}
        for job_id, reason in reasons.items():
            if type(job_id) is str:
                parts[job_id] = {"parked": reason, "seen": None if seen is None else r.binary(seen[job_id])}
            else:  # an id that is no text is no name of a part
                self._run(self.table.get(raw_id(job_id)).update({"parked": reason}))

        def written(part: Any, row: Any) -> Any:
            parked = row.merge({"parked": part["parked"]})
            if seen is None:
                return parked
            return r.branch(row["job_state"].default(None).eq(part["seen"]), parked, row)

        self._written(parts, written)
        return None

    def _read_rules(self) -> dict[str, str]:
        if f"{self.table_name}_zones" not in self._run(self.r.db(self.database).table_list()):
            return {}
        return {document["id"]: document["rules"] for document in self._run(self._zones)}

    def _write_rules(self, rules: Mapping[str, str]) -> None:
        documents = [{"id": zone, "rules": text} for zone, text in rules.items()]
        self._run(self._zones.insert(documents, conflict="replace"))

    def _written(self, parts: dict[str, Any], written: Any) -> int:
        """Replace the documents of these ids by ``written(part, document)``; how many documents there are."""
        found, ids = 0, list(parts)
        for first in range(0, len(ids), _AT_ONCE):
            some = ids[first : first + _AT_ONCE]
            bound = self.r.expr({job_id: parts[job_id] for job_id in some})
            result = self._run(bound.do(self._replaced(some, written)))
            if result["errors"]:
                raise RuntimeError(f"RethinkDB refused a job: {result.get('first_error')}")
            found += result["replaced"] + result["unchanged"] + result["deleted"]
        return found

    def _replaced(self, ids: Sequence[str], written: Any) -> Any:
        """The function of the parts, for `do`; the driver looks at its parameters, so it has one."""
        documents = self.table.get_all(*ids)
        return lambda bound: documents.replace(lambda row: written(bound[row["id"]], row), durability="hard")

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


def _problem(job_id: str) -> str | None:
    """Why RethinkDB can't have this id; such a job isn't there."""
    if type(job_id) is not str:
        return None  # it was found there
    size = len(job_id.encode("utf-8", "surrogatepass"))
    return (
        unwritable(job_id)
        or with_nul(job_id, "RethinkDB")
        or too_long(job_id, size, _MOST_OF_ID, "bytes", "RethinkDB")
    )


def _check_ids(rows: Sequence[JobRow]) -> None:
    for row in rows:
        problem = _problem(row.id)
        if problem is not None:
            raise EncodeError(f"id can't be stored: {problem}", "id")


def _row(document: dict[str, Any]) -> JobRow:
    get, nominal_us = document.get, document.get("nominal_us")
    if isinstance(nominal_us, str):
        try:
            nominal_us = int(nominal_us)
        except ValueError:
            pass
    return row_of(document["id"], get("next_run_time"), nominal_us, get("parked"), get("job_state"))
