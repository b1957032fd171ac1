"""An engine from the URL of an `SQLAlchemyJobStore`: what SQLite needs to serve several threads, and a crash.

What lives here: the choice of pool and the pragmas. What must not: tables, statements. An `engine=` of the user's is
taken as it is and never comes here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from threading import local
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import QueuePool
from sqlalchemy.pool.base import _ConnectionFairy

from ._forked import ForkGate, keep

_IDLE = 0  # of libpq's states of a transaction


def engine_for(url: Any, options: dict[str, Any], sqlite_wal: bool) -> Any:
    """`create_engine`, with one connection for SQLite in memory and WAL mode for its files. ValueError: the URL
    names an asynchronous driver."""
    parsed = sa.engine.make_url(url)
    if parsed.drivername.partition("+")[2] in _ASYNC_DRIVERS:
        raise ValueError(_async_said(f"{parsed.drivername}:// is", parsed))
    if parsed.get_backend_name() != "sqlite":
        try:
            return sa.create_engine(url, **options)
        except (ImportError, sa.exc.NoSuchModuleError) as exc:
            raise _with_cure(exc, parsed.drivername) from exc
    memory = names_memory(parsed)
    if memory and not {"poolclass", "pool", "creator"} & options.keys():
        # SQLAlchemy would give each thread a database of its own: one connection, used by one thread at a time
        options |= {"poolclass": _OneConnection, "pool_size": 1, "max_overflow": 0}
        options["connect_args"] = {"check_same_thread": False} | options.get("connect_args", {})
    engine = sa.create_engine(url, **options)
    if sqlite_wal and not memory:
        sa.event.listen(engine, "connect", _use_wal)
    return engine


def checked(engine: Any) -> Any:
    """An engine of the user's. TypeError: it is asynchronous, or the inside of one that is."""
    if getattr(getattr(engine, "dialect", None), "is_async", False):
        raise TypeError(_async_said(f"engine={engine!r} is", engine.url))
    return engine


def _async_said(what: str, url: Any) -> str:
    """Why, and the URL that would do."""
    name = url.drivername.partition("+")[0]
    cure = url.set(drivername=_SYNC_DRIVERS.get(name, name)).render_as_string(hide_password=True)
    return (
        f"{what} asynchronous, and a job store is asked from threads, also by AsyncIOScheduler: give it "
        f"url={cure!r}, or an engine of create_engine() for that URL; sync_engine of an AsyncEngine has the same "
        "driver, and does not work in threads either"
    )


def gate_for(engine: Any) -> Any:
    """What a transaction is made in: for a file of SQLite no connection is open at a fork."""
    if engine.dialect.name == "sqlite" and not names_memory(engine.url):
        return ForkGate(engine.dispose)
    return nullcontext()


def writes_at_once(engine: Any) -> int:
    """How many transactions that add jobs are worth making at a time: a database of SQLite has one writer; servers
    share the write to their disk among a few, and each transaction costs the same whatever it adds."""
    return 1 if engine.dialect.name == "sqlite" else 4


def committing_alone(engine: Any) -> Any:
    """What stands for `engine.begin` where one statement needs no transaction around it, so that PostgreSQL is
    asked once, not for BEGIN and COMMIT too; None: other databases, and where somebody has set how these are made."""
    dialect = engine.dialect
    is_set = (
        getattr(dialect, "_on_connect_isolation_level", None)
        or "isolation_level" in engine.get_execution_options()
    )
    if dialect.name != "postgresql" or dialect.driver not in ("psycopg", "psycopg2") or is_set:
        return None
    return partial(_one_statement, engine)


@contextmanager
def _one_statement(engine: Any) -> Iterator[Any]:
    """A connection for one statement. It stays in its transaction if it comes in one: somebody does something to
    connections when they are made or taken from the pool. That is also why the driver is told: SQLAlchemy would give
    the connection back with the server's isolation level, whatever somebody had set."""
    with engine.connect() as connection:
        driver = connection.connection.dbapi_connection
        changes = not driver.autocommit and driver.info.transaction_status == _IDLE
        try:
            if changes:
                driver.autocommit = True
            with connection.begin():
                yield connection
        finally:
            if changes:
                if not driver.closed and driver.info.transaction_status == _IDLE:
                    driver.autocommit = False
                else:  # it can't be set back: nobody gets this connection again
                    connection.invalidate()


def leave_connections(engine: Any) -> None:
    """In a forked child: leave them to the parent; a database in memory was copied, and is this process's own."""
    if engine.dialect.name != "sqlite" or not names_memory(engine.url):
        keep(engine.pool)
        engine.dispose(close=False)


def names_memory(url: Any) -> bool:
    return (url.database or ":memory:") == ":memory:" or "mode=memory" in str(url)


#: how the databases are called whose drivers our extras bring; `postgres` is what hosting providers write
_DRIVERS = {
    "postgres": ("postgresql+psycopg", "postgresql"),
    "postgresql": ("postgresql+psycopg", "postgresql"),
    "mysql": ("mysql+pymysql", "mysql"),
    "mariadb": ("mariadb+pymysql", "mysql"),
}


_ASYNC_DRIVERS = frozenset(
    ("asyncpg", "psycopg_async", "aiosqlite", "aiomysql", "asyncmy", "aioodbc", "oracledb_async")
)
_SYNC_DRIVERS = {name: scheme for name, (scheme, _) in _DRIVERS.items()} | {
    "mssql": "mssql+pyodbc",
    "oracle": "oracle+oracledb",
}


def _with_cure(exc: Exception, drivername: str) -> Exception:
    """The error of a URL whose dialect or driver is not there, with the URL that works."""
    name = drivername.partition("+")[0]
    if name not in _DRIVERS:
        from rapscheduler._advice import nearest

        return type(exc)(f"{exc}{nearest(name, (*_DRIVERS, 'sqlite', 'oracle', 'mssql'))}")
    scheme, extra = _DRIVERS[name]
    return type(exc)(
        f"{exc}; write the URL as {scheme}://user:password@host/database, and install its driver: "
        f"pip install 'rapscheduler[{extra}]'"
    )


class _OneConnection(QueuePool):
    """One connection, for one thread at a time; a thread that has it already is given it again, as by SQLAlchemy."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._of_thread: Any = local()  # `current`: a weak reference to what this thread has

    def connect(self) -> Any:
        current = getattr(self._of_thread, "current", None)
        fairy = None if current is None else current()
        return (
            fairy._checkout_existing()
            if fairy is not None
            else _ConnectionFairy._checkout(self, self._of_thread)
        )

    def _do_return_conn(self, record: Any) -> None:
        self._of_thread.__dict__.pop("current", None)
        super()._do_return_conn(record)


def _use_wal(connection: Any, record: Any) -> None:
    cursor = connection.cursor()
    try:
        cursor.execute("PRAGMA journal_mode=WAL").fetchall()
        cursor.execute("PRAGMA synchronous=NORMAL")
    except Exception:  # a read-only or locked file: the first write says so, with the cure
        pass
    finally:
        cursor.close()
