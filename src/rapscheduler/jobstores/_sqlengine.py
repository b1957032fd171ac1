"""An engine from the URL of an `SQLAlchemyJobStore`: what SQLite needs to serve several threads, and a crash.

What lives here: the choice of pool and the pragmas. What must not: tables, statements. An `engine=` of the user's is
taken as it is and never comes here.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import QueuePool


def engine_for(url: Any, options: dict[str, Any], sqlite_wal: bool) -> Any:
    """`create_engine`, with one connection for SQLite in memory and WAL mode for its files."""
    parsed = sa.engine.make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return sa.create_engine(url, **options)
    name = parsed.database or ":memory:"
    in_memory = name == ":memory:" or "mode=memory" in str(url)
    if in_memory and not {"poolclass", "pool", "creator"} & options.keys():
        # SQLAlchemy would give each thread a database of its own: one connection, used by one thread at a time
        options |= {"poolclass": QueuePool, "pool_size": 1, "max_overflow": 0}
        options["connect_args"] = {"check_same_thread": False} | options.get("connect_args", {})
    engine = sa.create_engine(url, **options)
    if sqlite_wal and not in_memory:
        sa.event.listen(engine, "connect", _use_wal)
    return engine


def _use_wal(connection: Any, record: Any) -> None:
    cursor = connection.cursor()
    try:
        cursor.execute("PRAGMA journal_mode=WAL").fetchall()
        cursor.execute("PRAGMA synchronous=NORMAL")
    except Exception:  # a read-only or locked file: the first write says so, with the cure
        pass
    finally:
        cursor.close()
