"""Hearing of changes that others make in a shared table of PostgreSQL, at once.

Here: `PostgreSQLListener`. A pooler between us and the server delivers no notification.
"""

from __future__ import annotations

import selectors
from typing import Any
from zlib import crc32

from ._listening import LOOK_S, Listener


def channel_of(table: Any) -> str:
    """The name under which schedulers on this table tell each other of news."""
    return f"rapscheduler_{crc32(f'{table.schema}.{table.name}'.encode()):08x}"


class PostgreSQLListener(Listener):
    """By LISTEN."""

    def _listen(self) -> None:
        pooled = self._source.raw_connection()
        connection = getattr(pooled, "driver_connection", None) or pooled.connection
        pooled.detach()
        try:
            connection.rollback()
            connection.autocommit = True
            connection.cursor().execute(f"LISTEN {self._channel}")
            self.hears.set()
            self._told()  # what came before
            with selectors.DefaultSelector() as selector:
                selector.register(connection.fileno(), selectors.EVENT_READ)
                while not self._end.is_set():
                    if selector.select(LOOK_S) and _news(connection):
                        self._told()
        finally:
            connection.close()


def _news(connection: Any) -> bool:
    """Whether a notification has come: psycopg 3, or psycopg2. Raises when the connection was closed."""
    line = getattr(connection, "pgconn", None)
    if line is None or not hasattr(line, "consume_input"):
        connection.poll()
        news = bool(connection.notifies)
        del connection.notifies[:]
        return news
    line.consume_input()
    news = False
    while line.notifies() is not None:
        news = True
    return news
