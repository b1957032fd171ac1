"""Errors of databases: which ones are worth another try, and the cures of those that are not.

What lives here: words and codes of databases. What must not: statements, logging.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.exc import DBAPIError

# serialization failure and deadlock: PostgreSQL and others; MySQL
_CONFLICTS = ("40001", "40P01", 1213, 1205)
# a prepared statement that the server does not know, or knows already: psycopg's, behind a pooler of transactions
_POOLED = ("26000", "42P05")
_POOLED_CURE = (
    "a pooler gives each transaction to another connection, where prepared statements are unknown: give the store "
    "engine_options={'connect_args': {'prepare_threshold': None}}"
)
_CURES = (
    (
        ("no such table", "doesn't exist", "does not exist", "undefinedtable"),
        "start the scheduler again to create it",
    ),
    (
        ("readonly", "read-only", "read only"),
        "make the database writable, or point the store at the primary server",
    ),
    (
        ("disk is full", "disk full", "no space left"),
        "free space on the database's disk; jobs stay due until then",
    ),
    (
        ("data too long for column 'job_state'",),
        "a MySQL BLOB holds 64 KiB: MODIFY job_state LONGBLOB, or pass the job a key to its data",
    ),
    (
        ("data too long for column 'id'", "value too long for type character varying"),
        "an id may have 191 characters here: give the job a shorter one",
    ),
    (
        ("permission denied", "command denied"),
        "GRANT SELECT, INSERT, UPDATE, DELETE on the table to this user",
    ),
)


def cure_of(exc: DBAPIError) -> str | None:
    """What to do about a permanent error, if that is known."""
    if _code(exc) in _POOLED:
        return _POOLED_CURE
    text = str(exc.orig).lower()
    return next((cure for words, cure in _CURES if any(word in text for word in words)), None)


def is_transient(exc: DBAPIError) -> bool:
    """Whether the connection was lost, or the database chose this transaction as the loser of a conflict."""
    if exc.connection_invalidated:
        return True
    code = _code(exc)
    return code in _CONFLICTS or code in _POOLED


def _code(exc: DBAPIError) -> Any:
    """What the database calls this error."""
    cause: Any = exc.orig
    return getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None) or (cause.args or (None,))[0]
