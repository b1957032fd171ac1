"""Odd values in every column of every store, written past the store as another program would write them.

What lives here: the values, and one `Rig` for each kind of store, which puts a value into a column of a row. What must
not: what is right then (`test_odd_rows`). A value that a database doesn't take (`NotTaken`) is no case there.
"""

from __future__ import annotations

import datetime
import decimal
import json
import math
import uuid
from typing import Any

COLUMNS = ("id", "next_run_time", "job_state", "nominal_us", "parked")

#: what a column may hold where the database keeps types: (name, value)
VALUES: dict[str, Any] = {
    "null": None,
    "true": True,
    "false": False,
    "zero": 0,
    "small": 5,
    "negative": -5,
    "most of 64 bits": (1 << 63) - 1,
    "least of 64 bits": -(1 << 63),
    "before the calendar": -(10**14),
    "beyond the calendar": 10**14,
    "between two microseconds": 1_767_225_600.000_000_4,
    "fraction": 0.5,
    "great": 1e300,
    "great and negative": -1e300,
    "nan": math.nan,
    "inf": math.inf,
    "-inf": -math.inf,
    "no text": "",
    "text": "x",
    "text of a number": "12",
    "text of no number": "1e999",
    "text with NUL": "a\0b",
    "long text": "x" * 5000,
    "text beyond the BMP": "\U0001f600",
    "no bytes": b"",
    "bytes": b"\xff\xfe",
    "bytes with NUL": b"\0",
    "pickle": b"\x80\x04K\x05.",
    "bytes of JSON": b'{"v": 1}',
    "deep JSON": b"[" * 5000,
    "list": [1, 2],
    "dict": {"a": 1},
    "nested": {"a": [{"b": None}]},
    "date": datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc),
}
NOT_UTF8 = b"\xff\xfea"


class NotTaken(Exception):
    """The database refuses this value in this column."""


def as_bytes(value: Any) -> bytes:
    """A value for a store that keeps bytes only."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    try:
        return json.dumps(value).encode()
    except TypeError:
        raise NotTaken from None


class SQLRig:
    """``values`` go into the columns by UPDATE."""

    def __init__(self, url: Any, name: str) -> None:
        import sqlalchemy as sa

        self.sa = sa
        self.name = name
        self.url = url
        self.engine = sa.create_engine(url)

    def make_store(self) -> Any:
        from rapscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore

        return SQLAlchemyJobStore(self.url, tablename=self.name)

    def values(self) -> dict[str, Any]:
        numeric = {"a decimal": decimal.Decimal("1.5")} if self.engine.name != "sqlite" else {}
        return VALUES | numeric | {"text that is no UTF-8": NOT_UTF8}

    def put(self, column: str, name: str, value: Any) -> None:
        shown = ":value"
        if name == "text that is no UTF-8":
            if self.engine.name != "sqlite":
                raise NotTaken
            shown = "CAST(:value AS TEXT)"
        try:
            with self.engine.begin() as connection:
                text = self.sa.text(f"UPDATE {self.name} SET {column} = {shown} WHERE id = 'odd'")
                connection.execute(text, {"value": value})
        except self.sa.exc.SQLAlchemyError:
            raise NotTaken from None
        except (OverflowError, ValueError, TypeError):  # of drivers
            raise NotTaken from None

    def close(self) -> None:
        with self.engine.begin() as connection:
            for name in (self.name, f"{self.name}_zones"):
                connection.execute(self.sa.text(f"DROP TABLE IF EXISTS {name}"))
        self.engine.dispose()


class RedisRig:
    def __init__(self, url: str, name: str) -> None:
        import redis

        self.redis = redis
        self.client = redis.Redis.from_url(url)
        self.url, self.name = url, name
        self.jobs, self.times = f"{name}.jobs", f"{name}.times"

    def make_store(self) -> Any:
        from rapscheduler.jobstores.redis import RedisJobStore

        client = self.redis.Redis.from_url(self.url)
        return RedisJobStore(client=client, jobs_key=self.jobs, run_times_key=self.times)

    def values(self) -> dict[str, Any]:
        return VALUES

    def put(self, column: str, name: str, value: Any) -> None:
        client = self.client
        if column == "next_run_time":
            if type(value) not in (int, float):
                raise NotTaken
            try:
                client.zadd(self.times, {"odd": value})
            except self.redis.exceptions.RedisError:
                raise NotTaken from None
            return
        data = as_bytes(value)
        if column == "id":
            score = client.zscore(self.times, "odd")
            client.hset(self.jobs, data, client.hget(self.jobs, "odd"))
            client.hdel(self.jobs, "odd")
            client.zadd(self.times, {data: score})
            client.zrem(self.times, "odd")
        else:
            key = {"job_state": "", "nominal_us": ".nominal", "parked": ".parked"}[column]
            client.hset(self.jobs + key, "odd", data)

    def close(self) -> None:
        for key in self.client.keys(f"{self.name}*"):
            self.client.delete(key)
        self.client.close()


class NodeRig:
    """The head of a node is JSON; its times hold what JSON can say."""

    def values(self) -> dict[str, Any]:
        huge = {"beyond 64 bits": 1 << 80, "no JSON": b"{", "no object": b"5\n{}", "empty": b"\n"}
        return VALUES | huge

    def put(self, column: str, name: str, value: Any) -> None:
        if column == "id":
            self.rename(as_bytes(value))
        elif column == "parked":
            self.write(True, as_bytes(value))
        elif column == "job_state":
            self.write(False, as_bytes(value))
        else:
            if isinstance(value, (bytes, datetime.datetime)) or (
                isinstance(value, float) and not math.isfinite(value)
            ):
                raise NotTaken
            head, data = self.read().split(b"\n", 1)
            changed = json.loads(head) | {column: value}
            self.write(False, json.dumps(changed).encode() + b"\n" + data)

    def rename(self, name: bytes) -> None:
        raise NotImplementedError

    def read(self) -> bytes:
        raise NotImplementedError

    def write(self, parked: bool, value: bytes) -> None:
        raise NotImplementedError


class ZooKeeperRig(NodeRig):
    def __init__(self, client: Any, name: str) -> None:
        self.client, self.path = client, f"/{name}"

    def make_store(self) -> Any:
        from rapscheduler.jobstores.zookeeper import ZooKeeperJobStore

        return ZooKeeperJobStore(path=self.path, client=self.client)

    def rename(self, name: bytes) -> None:
        from urllib.parse import quote

        shown = quote(name, safe="")
        if not shown or len(shown) > 3000 or shown in (".", ".."):
            raise NotTaken
        self.client.create(f"{self.path}/{shown}", self.read())
        self.client.delete(f"{self.path}/odd")

    def read(self) -> bytes:
        value: bytes = self.client.get(f"{self.path}/odd")[0]
        return value

    def write(self, parked: bool, value: bytes) -> None:
        if parked:
            self.client.create(f"{self.path}.parked/odd", value)
        else:
            self.client.set(f"{self.path}/odd", value)

    def close(self) -> None:
        for path in (self.path, f"{self.path}.parked", f"{self.path}.zones"):
            if self.client.exists(path):
                self.client.delete(path, recursive=True)


class EtcdRig(NodeRig):
    def __init__(self, host: str, port: int, name: str) -> None:
        import etcd3

        self.host, self.port, self.path = host, port, f"/{name}"
        self.client = etcd3.client(host=host, port=port)

    def make_store(self) -> Any:
        from rapscheduler.jobstores.etcd import EtcdJobStore

        return EtcdJobStore(path=self.path, host=self.host, port=self.port)

    def rename(self, name: bytes) -> None:
        self.client.put(f"{self.path}/".encode() + name, self.read())
        self.client.delete(f"{self.path}/odd")

    def read(self) -> bytes:
        value: bytes = self.client.get(f"{self.path}/odd")[0]
        return value

    def write(self, parked: bool, value: bytes) -> None:
        self.client.put(f"{self.path}{'.parked' if parked else ''}/odd", value)

    def close(self) -> None:
        for folder in (f"{self.path}/", f"{self.path}.parked/", f"/rapscheduler.zones{self.path}/"):
            self.client.delete_prefix(folder)
        self.client.close()


class MongoRig:
    """mongomock: PyMongo's own code, documents in memory."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.collection = client["apscheduler"]["jobs"]

    def make_store(self) -> Any:
        from rapscheduler.jobstores.mongodb import MongoDBJobStore

        return MongoDBJobStore(client=self.client)

    def values(self) -> dict[str, Any]:
        from bson import Decimal128, Int64, ObjectId

        return VALUES | {
            "object id": ObjectId("65a000000000000000000001"),
            "long": Int64(5),
            "decimal": Decimal128("1.5"),
        }

    def put(self, column: str, name: str, value: Any) -> None:
        if column == "next_run_time" and name == "decimal":
            raise NotTaken  # mongomock can't compare it
        if column != "id":
            self.collection.update_one({"_id": "odd"}, {"$set": {column: value}})
            return
        if isinstance(value, (list, type(None))) or name in ("nested", "date", "decimal"):
            raise NotTaken  # an _id is no array; mongomock takes null for none, and doesn't find the others again
        document = self.collection.find_one({"_id": "odd"})
        self.collection.delete_one({"_id": "odd"})
        self.collection.insert_one(document | {"_id": value})

    def close(self) -> None:
        self.collection.delete_many({})


class RethinkDBRig:
    """The stand-in: documents in memory."""

    def __init__(self) -> None:
        from tests.stores import reql

        self.reql, self.database = reql, reql.Database()

    def make_store(self) -> Any:
        from rapscheduler.jobstores.rethinkdb import RethinkDBJobStore

        return RethinkDBJobStore(client=self.reql.Connection(self.database))

    def values(self) -> dict[str, Any]:
        return VALUES | {"uuid": str(uuid.UUID(int=5))}

    def put(self, column: str, name: str, value: Any) -> None:
        if isinstance(value, float) and not math.isfinite(value):
            raise NotTaken  # "Non-finite number"
        documents = self.database.documents("apscheduler", "jobs")
        if column != "id":
            documents[self.reql.key_of("odd")][column] = value
            return
        if value is None or isinstance(value, dict):
            raise NotTaken  # "Primary keys must be either a number, string, bool, pseudotype or array"
        if isinstance(value, str) and ("\0" in value or len(value) > self.reql.MOST_OF_KEY):
            raise NotTaken
        documents[self.reql.key_of(value)] = documents.pop(self.reql.key_of("odd")) | {"id": value}

    def close(self) -> None:
        pass
