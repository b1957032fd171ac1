"""Where jobs are stored, named by a URL on the command line.

What lives here: URL and options -> a store of ours, and the sibling place in which `rapscheduler migrate` keeps the
rows as they were. What must not: conversion, reports. Drivers are imported when a URL asks for them. A sibling is the
same kind of place under another name: table, collection, key or path + suffix.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

from rapscheduler._quoting import masked, one_line, said
from rapscheduler._serialization.rows import JobRow
from rapscheduler.jobstores._rowstore import NothingStoredError

BATCH = 500  # rows read, converted and written at once
ORIGINALS = "originals"


class PlaceError(Exception):
    """A place that can't be used as asked; the text says what to do."""


class Place(ABC):
    """One place of jobs. ``store`` is opened by `open_store`; until then nothing has been written or created."""

    kind = ""
    options: ClassVar[Mapping[str, str]] = {}  # constructor argument -> default
    main_option = ""  # the option that a sibling's suffix goes to
    knows_times = True  # whether rows pickled by APScheduler tell their run time outside of the pickle

    def __init__(self, url: str, given: Mapping[str, str]) -> None:
        unknown = [name for name in given if name not in self.options]
        if unknown:
            names = ", ".join(self.options)
            raise PlaceError(
                f"{unknown[0]!r} is no option of a {self.kind} place; there are {names} (-o NAME=VALUE)"
            )
        self.url = url
        self.given: dict[str, Any] = dict(self.options) | dict(given)
        self.store: Any = None
        self._there = False

    def __str__(self) -> str:
        return one_line(f"{self._shown_url()} ({self.given[self.main_option]})")

    def _shown_url(self) -> str:
        """Without passwords."""
        return one_line(masked(self.url))

    def _host_and_port(self, port: int) -> tuple[str, int]:
        """Of a URL that names nothing but a server; ``port`` when it names none."""
        parts = urlsplit(self.url)
        if parts.path.strip("/") or parts.query:
            raise PlaceError(
                f"{self._shown_url()!r} has more than a host and a port; name the jobs with -o {self.main_option}=…"
            )
        try:
            return parts.hostname or "localhost", parts.port or port
        except ValueError as exc:
            raise PlaceError(f"{self._shown_url()!r} is no URL of a server: {said(exc)}") from None

    def same_as(self, other: Place) -> bool:
        return (self.url, self.given) == (other.url, other.given)

    def sibling(self, suffix: str) -> Place:
        """The same kind of place, with a suffix on its name."""
        names = {name: value for name, value in self.given.items() if value}
        names[self.main_option] = self._suffixed(names[self.main_option], suffix)
        return type(self)(self.url, names)

    def _suffixed(self, name: str, suffix: str) -> str:
        return f"{name}_{suffix}"

    def open_store(self, write: bool) -> None:
        """Connect. ``write=False``: nothing is created or altered, and `exists` may then be asked."""
        self.store = self._make(write)
        try:
            self.store._open(write)
        except NothingStoredError:
            self._there = False
        else:
            self._there = True

    @abstractmethod
    def _make(self, write: bool) -> Any:
        """The store, not opened."""

    def exists(self) -> bool:
        """Whether there was such a table, collection, key or path when it was opened."""
        return self._there

    def batches(self) -> Iterator[list[JobRow]]:
        """Every row, some at a time; rows may be changed meanwhile."""
        ids = self.ids()
        for first in range(0, len(ids), BATCH):
            yield self.store._read(ids[first : first + BATCH])

    @abstractmethod
    def ids(self) -> list[str]:
        """The id of every row."""

    def put_back(self, rows: Sequence[JobRow]) -> list[str]:
        """Write rows as APScheduler wrote them; returns the ids that do not exist any more."""
        missing: list[str] = self.store._replace(rows)
        return missing

    def drop(self) -> None:
        """Remove the place with all that is in it."""
        self.store._clear()

    def close(self) -> None:
        if self.store is not None:
            self.store.shutdown()
            self.store = None


class SQLPlace(Place):
    kind = "SQLAlchemy"
    options: ClassVar = {"tablename": "apscheduler_jobs", "tableschema": ""}
    main_option = "tablename"

    def __str__(self) -> str:
        import sqlalchemy

        shown = sqlalchemy.engine.make_url(self.url).render_as_string(hide_password=True)
        return one_line(f"{masked(shown)} (table {self.given['tablename']})")

    def _make(self, write: bool) -> Any:
        from rapscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore

        return SQLAlchemyJobStore(
            self.url,
            tablename=self.given["tablename"],
            tableschema=self.given["tableschema"] or None,
            sqlite_wal=write,
        )

    def ids(self) -> list[str]:
        import sqlalchemy

        column = self.store.jobs_t.c.id
        statement = sqlalchemy.select(column).order_by(column)
        with self.store.engine.connect() as connection:
            return list(connection.execute(statement).scalars())

    def drop(self) -> None:
        self.store.jobs_t.drop(self.store.engine, checkfirst=True)
        self.store._zones.drop(self.store.engine)


class RedisPlace(Place):
    kind = "Redis"
    options: ClassVar = {"jobs_key": "apscheduler.jobs", "run_times_key": "apscheduler.run_times"}
    main_option = "jobs_key"

    def _suffixed(self, name: str, suffix: str) -> str:
        return f"{name}.{suffix}"

    def sibling(self, suffix: str) -> Place:
        other = super().sibling(suffix)
        other.given["run_times_key"] = self._suffixed(self.given["run_times_key"], suffix)
        return other

    def _make(self, write: bool) -> Any:
        from redis import Redis

        from rapscheduler.jobstores.redis import RedisJobStore

        return RedisJobStore(client=Redis.from_url(self.url), **self.given)

    def exists(self) -> bool:
        # A store that is shared may have no jobs but those whose last run is under way.
        jobs = self.given["jobs_key"]
        return bool(self.store.redis.exists(jobs, f"{jobs}.schedulers"))

    def ids(self) -> list[str]:
        keys = self.store.redis.hkeys(self.given["jobs_key"])
        return sorted(key.decode("utf-8", "surrogateescape") for key in keys)


class MongoPlace(Place):
    kind = "MongoDB"
    options: ClassVar = {"database": "apscheduler", "collection": "jobs"}
    main_option = "collection"

    def _make(self, write: bool) -> Any:
        from pymongo import MongoClient

        from rapscheduler.jobstores.mongodb import MongoDBJobStore

        return MongoDBJobStore(client=MongoClient(self.url), **self.given)

    def ids(self) -> list[str]:
        return [document["_id"] for document in self.store.collection.find({}, {"_id": 1}).sort("_id")]


class RethinkDBPlace(Place):
    kind = "RethinkDB"
    options: ClassVar = {"database": "apscheduler", "table": "jobs"}
    main_option = "table"

    def _make(self, write: bool) -> Any:
        from rapscheduler.jobstores.rethinkdb import RethinkDBJobStore

        host, port = self._host_and_port(28015)
        user, password = _credentials(self.url)
        return RethinkDBJobStore(
            **self.given, host=host, port=port, user=user or "admin", password=password or ""
        )

    def ids(self) -> list[str]:
        return sorted(document["id"] for document in self.store._run(self.store.table.pluck("id")))


class NodePlace(Place):
    """ZooKeeper and etcd: all nodes are read at once, as the stores do in every pass."""

    options: ClassVar = {"path": "/apscheduler"}
    main_option = "path"
    knows_times = False

    def _suffixed(self, name: str, suffix: str) -> str:
        return f"{name}.{suffix}"

    def open_store(self, write: bool) -> None:
        super().open_store(write)
        self.store._fetch(None)  # the store learns the nodes whose names APScheduler wrote in another way

    def ids(self) -> list[str]:
        return sorted(self.store._fetch(None))

    def batches(self) -> Iterator[list[JobRow]]:
        rows = self.store._read_all()
        for first in range(0, len(rows), BATCH):
            yield rows[first : first + BATCH]

    def put_back(self, rows: Sequence[JobRow]) -> list[str]:
        from rapscheduler.jobstores._nodestore import Write

        values = {row.id: row.data for row in rows}  # the bytes alone, without our line of times
        missing: list[str] = self.store._rewrite(
            values, lambda job_id, node: Write(job_id, node, values[job_id], None)
        )
        return missing


class ZooKeeperPlace(NodePlace):
    kind = "ZooKeeper"

    def _make(self, write: bool) -> Any:
        from rapscheduler.jobstores.zookeeper import ZooKeeperJobStore

        # as Kazoo takes it: several hosts, and a path that is the root of all others
        hosts = self.url.split("://", 1)[1].rstrip("/")
        return ZooKeeperJobStore(hosts=hosts, close_connection_on_exit=True, **self.given)


class EtcdPlace(NodePlace):
    kind = "etcd"

    def _suffixed(self, name: str, suffix: str) -> str:
        return f"/{suffix}/{name.lstrip('/')}"  # APScheduler takes all keys that begin with its path for jobs

    def _make(self, write: bool) -> Any:
        from rapscheduler.jobstores.etcd import EtcdJobStore

        host, port = self._host_and_port(2379)
        user, password = _credentials(self.url)
        names: dict[str, Any] = {} if user is None else {"user": user, "password": password}
        return EtcdJobStore(host=host, port=port, **names, **self.given)

    def exists(self) -> bool:
        return bool(self.ids())


def _credentials(url: str) -> tuple[str | None, str | None]:
    parts = urlsplit(url)
    user, password = parts.username, parts.password
    return user and unquote(user), password and unquote(password)


_KINDS: dict[str, type[Place]] = {
    "redis": RedisPlace,
    "rediss": RedisPlace,
    "unix": RedisPlace,
    "mongodb": MongoPlace,
    "mongodb+srv": MongoPlace,
    "rethinkdb": RethinkDBPlace,
    "zookeeper": ZooKeeperPlace,
    "etcd": EtcdPlace,
}
URLS = (
    "an SQLAlchemy URL (sqlite:///jobs.db, postgresql+psycopg://…), redis://, mongodb://, rethinkdb://, "
    "zookeeper:// or etcd://"
)


def place_for(url: str, options: Sequence[str] = ()) -> Place:
    """The place of a URL and ``name=value`` options. Raises `PlaceError`."""
    given: dict[str, str] = {}
    for option in options:
        name, equals, value = option.partition("=")
        if not equals:
            raise PlaceError(
                f"{masked(option)!r} isn't an option: write -o NAME=VALUE, e.g. -o tablename=my_jobs"
            )
        given[name.strip()] = value
    scheme, separator, _ = url.partition("://")
    if not separator:
        raise PlaceError(f"{masked(url)!r} isn't a URL of jobs: give {URLS}")
    return _KINDS.get(scheme, SQLPlace)(url, given)
