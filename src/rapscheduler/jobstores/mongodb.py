"""Jobs in a MongoDB collection.

What lives here: `MongoDBJobStore`: documents and bulk writes. What must not: the contract (`_rowstore`). A document is
APScheduler's with two fields more: _id, next_run_time (seconds, null: paused), job_state (the job as JSON; what
APScheduler pickled stays as it is), nominal_us and parked, both absent or null in APScheduler's documents. A second
collection, <collection>.zones, keeps the rules of time zones under which run times were computed.

A batch is one bulk write: one round trip, each document changed atomically and only if it still is as it was read.
(A transaction over many documents would need a replica set.)
"""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
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
from ..errors import ConflictingIdError, JobLookupError
from ..job import Job
from ..util import datetime_to_utc_timestamp, maybe_ref, utc_timestamp_to_datetime
from ._forked import keep
from ._rowstore import NothingStoredError, RowStore
from ._sharing import leave, use
from .base import BaseJobStore, refuse_empty

try:
    from bson.binary import Binary
    from bson.codec_options import CodecOptions, DatetimeConversion
    from bson.int64 import Int64
    from pymongo import ASCENDING, DeleteOne, MongoClient, UpdateOne
    from pymongo.errors import BulkWriteError, DuplicateKeyError
except ImportError as exc:  # pragma: no cover
    raise ImportError(
        "MongoDBJobStore requires PyMongo installed: pip install rapscheduler[mongodb]"
    ) from exc

__all__ = (
    "BaseJobStore",
    "ConflictingIdError",
    "Job",
    "JobLookupError",
    "MongoDBJobStore",
    "datetime_to_utc_timestamp",
    "maybe_ref",
    "utc_timestamp_to_datetime",
)

_DUPLICATE_KEY = 11000
#: A document of others costs itself only: text that is no UTF-8 and times beyond datetime's range are read as they can
#: be, and a program's own classes for its client don't count here.
CODEC: Any = CodecOptions(
    document_class=dict,
    unicode_decode_error_handler="backslashreplace",
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
)


class MongoDBJobStore(RowStore):
    """Stores jobs in a MongoDB collection. Other keyword arguments go to :class:`~pymongo.mongo_client.MongoClient`.

    Plugin alias: ``mongodb``

    :param str database: the database
    :param str collection: the collection
    :param client: a :class:`~pymongo.mongo_client.MongoClient` to use instead of making one
    :param int pickle_protocol: accepted for APScheduler's sake; nothing is pickled
    :param allowed_callables: patterns such as ``["myapp.tasks:*"]`` of the callables that jobs may name
    """

    def __init__(
        self,
        database: str = "apscheduler",
        collection: str = "jobs",
        client: Any = None,
        pickle_protocol: int = pickle.HIGHEST_PROTOCOL,
        *,
        allowed_callables: Iterable[str] | str | None = None,
        **connect_args: Any,
    ) -> None:
        super().__init__(allowed_callables)
        refuse_empty(database=database, collection=collection)
        self.pickle_protocol = pickle_protocol
        connect_args.setdefault("w", 1)
        self._connect = None if client else partial(MongoClient, **connect_args)
        self._names = database, collection
        self._use(maybe_ref(client) if self._connect is None else self._connect())

    def _use(self, client: Any) -> None:
        database, collection = self._names
        self.client, self.collection = client, client[database][collection]
        try:
            self.collection = self.collection.with_options(codec_options=CODEC)
        except NotImplementedError:  # a mock
            pass
        self._zones = client[database][f"{collection}.zones"]
        self._closed = False

    @property
    def connection(self) -> Any:
        """The client, under its name of old."""
        warnings.warn(
            'The "connection" member is deprecated -- use "client" instead', DeprecationWarning, stacklevel=2
        )
        return self.client

    def shutdown(self) -> None:
        if leave(self.client, self):
            self.client.close()
            self._closed = True

    def _leave_parent(self) -> None:
        if self._connect is not None and not self._closed:  # PyMongo sees to one that was given
            keep(self.client)
            self._use(self._connect())

    def __repr__(self) -> str:
        return masked(f"<{type(self).__name__} (client={self.client})>")

    def _open(self, write: bool) -> None:
        if self._closed and self._connect is not None:  # the scheduler is started again
            self._use(self._connect())
        use(self.client, self)
        database, collection = self._names
        if not write:
            if collection not in self.client[database].list_collection_names():
                raise NothingStoredError(f"the database {database!r} has no collection {collection!r}")
            return
        # parked first: rows that wait for their migration, overdue for ever, are not looked at in every pass
        self.collection.create_index([("parked", ASCENDING), ("next_run_time", ASCENDING)])

    # Row operations

    def _read(self, ids: Sequence[str]) -> list[JobRow]:
        return self._find({"_id": {"$in": [raw_id(job_id) for job_id in ids]}})

    def _read_due(self, until_us: int, limit: int) -> list[JobRow]:
        due = {"next_run_time": {"$lte": seconds_around(until_us)[1]}, "parked": None}
        return self._find(due, sort=[("next_run_time", ASCENDING)], limit=limit)

    def _read_all(self) -> list[JobRow]:
        return self._find({})

    def _read_never_due(self) -> list[JobRow]:
        no_time = {"$ne": None, "$not": {"$lte": seconds_around(MAX_US)[1]}}
        return self._find({"next_run_time": no_time, "parked": None})

    def _read_parked(self) -> list[JobRow]:
        return self._find({"parked": {"$ne": None}})

    def _find(self, query: dict[str, Any], **options: Any) -> list[JobRow]:
        return [_row(document) for document in self.collection.find(query, **options)]

    def _earliest(self) -> int | None:
        document = self.collection.find_one(
            {"next_run_time": {"$ne": None}, "parked": None},
            projection=["next_run_time"],
            sort=[("next_run_time", ASCENDING)],
        )
        return us_from_seconds(document["next_run_time"]) if document else None

    def _insert(self, rows: Sequence[JobRow]) -> None:
        """All or none: what was written before a conflict is taken back."""
        documents = [{"_id": row.id} | _values(row) for row in rows]
        try:
            if len(documents) == 1:
                self.collection.insert_one(documents[0])
            else:
                self.collection.insert_many(documents, ordered=True)
        except DuplicateKeyError:
            raise ConflictingIdError(rows[0].id) from None
        except BulkWriteError as exc:
            errors = exc.details.get("writeErrors") or [{}]
            made = [row.id for row in rows[: exc.details.get("nInserted", 0)]]
            if made:
                self.collection.delete_many({"_id": {"$in": made}})
            if errors[0].get("code") != _DUPLICATE_KEY:
                raise
            raise ConflictingIdError(rows[errors[0]["index"]].id) from None

    def _replace(self, rows: Sequence[JobRow]) -> list[str]:
        return [
            row.id
            for row in rows
            if self.collection.update_one({"_id": row.id}, {"$set": _values(row)}).matched_count == 0
        ]

    def _replace_if(self, row: JobRow, expected_us: int | None) -> bool | None:
        due = {"_id": row.id, "next_run_time": _around(expected_us)}
        if self.collection.update_one(due, {"$set": _values(row)}).matched_count:
            return True
        return None if self.collection.find_one({"_id": row.id}, projection=["_id"]) is None else False

    def _delete(self, ids: Sequence[str]) -> list[str]:
        return [job_id for job_id in ids if self.collection.delete_one({"_id": job_id}).deleted_count == 0]

    def _clear(self) -> None:
        self.collection.delete_many({})

    def _change(self, changes: Sequence[RowChange]) -> None:
        writes: list[Any] = []
        for change in changes:
            still_due = {
                "_id": change.id,
                "next_run_time": _around(change.expected_us),
                "parked": None,
            }
            if change.parked is not None:
                writes.append(UpdateOne(still_due, {"$set": {"parked": change.parked}}))
            elif change.remove:
                writes.append(DeleteOne(still_due))
            else:
                times = {
                    "next_run_time": seconds_from_us(change.run_at_us),
                    "nominal_us": _int64(change.nominal_us),
                }
                writes.append(UpdateOne(still_due, {"$set": times}))
        self.collection.bulk_write(writes, ordered=False)

    def _set_parked(self, reasons: dict[str, str | None], seen: dict[str, bytes] | None = None) -> int | None:
        writes = []
        for job_id, reason in reasons.items():
            row: dict[str, Any] = {"_id": {"$eq": raw_id(job_id)}}
            if seen is not None:
                row["job_state"] = Binary(seen[job_id])
            writes.append(UpdateOne(row, {"$set": {"parked": reason}}))
        changed: int = self.collection.bulk_write(writes, ordered=False).matched_count
        return changed

    def _read_rules(self) -> dict[str, str]:
        return {str(document["_id"]): str(document.get("rules")) for document in self._zones.find({})}

    def _write_rules(self, rules: Mapping[str, str]) -> None:
        writes = [
            UpdateOne({"_id": zone}, {"$set": {"rules": text}}, upsert=True) for zone, text in rules.items()
        ]
        self._zones.bulk_write(writes, ordered=False)


def _values(row: JobRow) -> dict[str, Any]:
    return {
        "next_run_time": seconds_from_us(row.run_at_us),
        "job_state": Binary(row.data),
        "nominal_us": _int64(row.nominal_us),
        "parked": row.parked,
    }


def _int64(value: int | None) -> Any:
    return None if value is None else Int64(value)


def _around(time_us: int | None) -> Any:
    """What a stored time is compared with."""
    if time_us is None:
        return None
    least, greatest = seconds_around(time_us)
    return {"$gte": least, "$lte": greatest}


def _row(document: dict[str, Any]) -> JobRow:
    get = document.get
    return row_of(document["_id"], get("next_run_time"), get("nominal_us"), get("parked"), get("job_state"))
