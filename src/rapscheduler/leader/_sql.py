"""Locks of a session: PostgreSQL's advisory locks and MySQL's GET_LOCK, each on a connection of its own.

The server releases them when the session ends. One that dies with its whole machine is noticed by TCP keep-alive, which
is set for the session to some seconds. Behind a pooler that gives a session's statements to several connections
(pgbouncer in transaction mode) the lock is found not to be ours at the next look, and no leader stays.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, ClassVar

try:
    import sqlalchemy as sa
    from sqlalchemy.pool import NullPool
except ImportError as exc:  # pragma: no cover
    raise ImportError(
        "a leader lock of a SQL database needs SQLAlchemy: pip install rapscheduler[sqlalchemy]"
    ) from exc

from rapscheduler.leader._lock import DEFAULT_NAME, LeaderLock

_KEEP_ALIVE = (("tcp_keepalives_idle", 5), ("tcp_keepalives_interval", 2), ("tcp_keepalives_count", 3))


class _SessionLock(LeaderLock):
    """``where``: a URL or an engine; ``name``: of the lock, which all schedulers of one program share."""

    connect_args: ClassVar[dict[str, Any]] = {}

    def __init__(self, where: Any, name: str = DEFAULT_NAME) -> None:
        self.name = name
        if isinstance(where, str):
            where = sa.create_engine(
                self._url(where), poolclass=NullPool, connect_args=dict(self.connect_args)
            )
        self._engine = where
        self._connection: Any = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} ({self._engine.url!r}, {self.name!r})>"

    @staticmethod
    def _url(text: str) -> str:
        return text

    def _ask(self, text: str, **values: Any) -> Any:
        return self._connection.execute(sa.text(text), values).scalar()

    def _connect(self) -> None:
        connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        connection.detach()  # of a pool that was given with its engine
        self._connection = connection

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except Exception:  # it was lost, and the lock with it
                pass

    def acquire(self) -> bool:
        try:
            if self._connection is None:
                self._connect()
                self._prepare()
            return bool(self._take())
        except BaseException:
            self._close()
            raise

    def renew(self) -> bool:
        try:
            if self._connection is not None and self._is_ours():
                return True
        except BaseException:
            self._close()
            raise
        self._close()
        return False

    def release(self) -> None:
        if self._connection is not None:
            try:
                self._give_back()  # the server may take a moment to notice that the session ended
            except Exception:  # it was lost, and the lock with it
                pass
        self._close()

    def leave_parent(self) -> None:
        _of_parents.append(self._connection)
        self._connection = None

    def _prepare(self) -> None:
        """Settings of the session."""

    def _take(self) -> Any:
        raise NotImplementedError

    def _give_back(self) -> None:
        raise NotImplementedError

    def _is_ours(self) -> bool:
        raise NotImplementedError


class PostgreSQLLock(_SessionLock):
    """``leader="postgresql://user@host/db#name"``: a session-level advisory lock."""

    connect_args: ClassVar[dict[str, Any]] = {
        "connect_timeout": 5,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": 8000,
    }

    def __init__(self, where: Any, name: str = DEFAULT_NAME) -> None:
        super().__init__(where, name)
        digest = blake2b(f"rapscheduler.leader:{name}".encode(), digest_size=8).digest()
        self.key = int.from_bytes(digest, "big", signed=True)

    @staticmethod
    def _url(text: str) -> str:
        scheme, rest = text.split(":", 1)
        return text if "+" in scheme else f"postgresql+psycopg:{rest}"

    def _prepare(self) -> None:
        for name, value in _KEEP_ALIVE:
            self._ask(f"SELECT set_config('{name}', :value, false)", value=str(value))

    def _take(self) -> Any:
        return self._ask("SELECT pg_try_advisory_lock(:key)", key=self.key)

    def _give_back(self) -> None:
        self._ask("SELECT pg_advisory_unlock(:key)", key=self.key)

    def _is_ours(self) -> bool:
        high, low = self.key >> 32 & 0xFFFFFFFF, self.key & 0xFFFFFFFF
        return bool(
            self._ask(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid = pg_backend_pid() AND "
                "classid = CAST(:high AS bigint)::oid AND objid = CAST(:low AS bigint)::oid AND objsubid = 1 AND "
                "database = (SELECT oid FROM pg_database WHERE datname = current_database())",
                high=high,
                low=low,
            )
        )


class MySQLLock(_SessionLock):
    """``leader="mysql://user@host/db#name"``: a lock of GET_LOCK, of MySQL or MariaDB."""

    connect_args: ClassVar[dict[str, Any]] = {"connect_timeout": 5, "read_timeout": 8, "write_timeout": 8}

    def __init__(self, where: Any, name: str = DEFAULT_NAME) -> None:
        super().__init__(where, name)
        self._lock_name = f"rapscheduler.leader:{name}"
        if len(self._lock_name) > 64:
            self._lock_name = f"rapscheduler.leader:{blake2b(name.encode(), digest_size=16).hexdigest()}"

    @staticmethod
    def _url(text: str) -> str:
        scheme, rest = text.split(":", 1)
        return text if "+" in scheme else f"{scheme}+pymysql:{rest}"

    def _take(self) -> Any:
        return self._ask("SELECT GET_LOCK(:name, 0)", name=self._lock_name) == 1

    def _give_back(self) -> None:
        self._ask("SELECT RELEASE_LOCK(:name)", name=self._lock_name)

    def _is_ours(self) -> bool:
        return bool(self._ask("SELECT IS_USED_LOCK(:name) = CONNECTION_ID()", name=self._lock_name))


_of_parents: list[Any] = []
