"""Tags as the indexes of stores keep them, and owners among them: a key each, and which of them a row has.

Here: keys. Not here: an index (`_sqltags`, `_redistags`). Two tags may have one key, for it has a longest length: what
an index finds is read and looked at.
"""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from .._serialization.rows import JobRow
from ._question import OWNED

LENGTH = 191  # of a key, in characters
EXTRAS = b'"extras":'  # is in the data of each row with keys


def key_of(tag: str) -> str:
    """A tag, or an owner behind `OWNED`, as it is kept; no NUL is in it."""
    return tag.encode("utf-8", "replace").decode().replace("\0", "?")[:LENGTH]


def keys_in(row: JobRow) -> list[str]:
    """The keys of a row, each once, in order; none of a row that can't be read, or whose id is none of ours."""
    if EXTRAS not in row.data or type(row.id) is not str:
        return []
    return sorted({key_of(tag) for tag in _tags_in(row.data)})


def pairs_of(rows: Sequence[JobRow]) -> list[tuple[str, str]]:
    """(key, id) of rows with tags or an owner."""
    return [(key, row.id) for row in rows if EXTRAS in row.data for key in keys_in(row)]


def _tags_in(data: bytes) -> list[str]:
    try:
        extras = orjson.loads(data).get("extras")
    except (ValueError, AttributeError):
        return []
    if type(extras) is not dict:
        return []
    tags, owner = extras.get("tags"), extras.get("owner")
    found = [tag for tag in tags if type(tag) is str] if type(tags) is list else []
    return [*found, OWNED + owner] if type(owner) is str else found
