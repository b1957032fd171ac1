"""Tags as the indexes of stores keep them: a key each, and which of them a row has.

Here: keys. Not here: an index (`_sqltags`, `_redistags`). Two tags may have one key, for it has a longest length: what
an index finds is read and looked at.
"""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from .._serialization.rows import JobRow

LENGTH = 191  # of a key, in characters
NAMED = b'"tags":'  # is in the data of each row with tags


def key_of(tag: str) -> str:
    """A tag as it is kept; no NUL is in it."""
    return tag.encode("utf-8", "replace").decode().replace("\0", "?")[:LENGTH]


def keys_in(row: JobRow) -> list[str]:
    """The keys of a row's tags, each once, in order; none of a row that can't be read, or whose id is none of ours."""
    if NAMED not in row.data or type(row.id) is not str:
        return []
    return sorted({key_of(tag) for tag in _tags_in(row.data)})


def pairs_of(rows: Sequence[JobRow]) -> list[tuple[str, str]]:
    """(key, id) of rows with tags."""
    return [(key, row.id) for row in rows for key in keys_in(row)]


def _tags_in(data: bytes) -> list[str]:
    try:
        extras = orjson.loads(data).get("extras")
        tags = extras.get("tags") if type(extras) is dict else None
    except (ValueError, AttributeError):
        return []
    return [tag for tag in tags if type(tag) is str] if type(tags) is list else []
