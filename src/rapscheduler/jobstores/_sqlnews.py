"""Hearing of changes that others make in a shared table of PostgreSQL, at once.

Here: `news_of`, the statement that tells, and `PostgreSQLListener`. A pooler between us and the server delivers no
notification. A message is the seconds of the earliest job as its transaction saw them, so that whoever hears of a job
that is due looks for due jobs at once, and asks nothing before. It is empty when there is no job, or from an older
version.
"""

from __future__ import annotations

import selectors
from typing import Any
from zlib import crc32

import sqlalchemy as sa

from .._serialization.rows import is_time, us_from_seconds
from ._listening import LOOK_S, Listener


def channel_of(table: Any) -> str:
    """The name under which schedulers on this table tell each other of news."""
    return f"rapscheduler_{crc32(f'{table.schema}.{table.name}'.encode()):08x}"


def news_of(table: Any) -> Any:
    """The statement that tells the others, when its transaction is committed."""
    columns = table.c
    seconds = sa.type_coerce(columns.next_run_time, sa.types.NullType())
    earliest = sa.select(sa.cast(seconds, sa.Text)).where(
        columns.next_run_time.is_not(None), columns.parked.is_(None)
    )
    earliest = earliest.order_by(columns.next_run_time).limit(1)
    return sa.select(sa.func.pg_notify(channel_of(table), earliest.scalar_subquery()))


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
                    if selector.select(LOOK_S):
                        news = _news(connection)
                        if news:
                            self._told(_earliest_us(news))
        finally:
            connection.close()


def _earliest_us(news: list[str | bytes]) -> int | None:
    """When the earliest job is due, as the messages have it; `None`: one of them doesn't say."""
    try:
        times_us = [us_from_seconds(float(text)) for text in news]
    except ValueError:
        return None
    known = [time_us for time_us in times_us if time_us is not None and is_time(time_us)]
    return min(known) if len(known) == len(news) else None


def _news(connection: Any) -> list[str | bytes]:
    """The notifications that have come: psycopg 3, or psycopg2. Raises when the connection was closed."""
    line = getattr(connection, "pgconn", None)
    if line is None or not hasattr(line, "consume_input"):
        connection.poll()
        told = [one.payload for one in connection.notifies]
        del connection.notifies[:]
        return told
    line.consume_input()
    return [one.extra for one in iter(line.notifies, None)]
