"""The part of a question that is a range of ids, as conditions of a SELECT that is asked again with other values.

Here: `bounds` (the values), `within` (the conditions), `MOST` (the limit). Not here: what else is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

MOST = sa.bindparam("most", type_=sa.Integer())
_LAST = chr(0x10FFFF)


def bounds(prefix: str, after: str | None) -> dict[str, Any]:
    """What ids are compared with, by the names that `within` knows; none that is not needed."""
    values = {}
    if prefix:
        values["least"] = prefix
        beyond = _beyond(prefix)
        if beyond is not None:
            values["beyond"] = beyond
    if after is not None:
        values["after"] = after
    return values


def within(statement: Any, key: Any, values: Mapping[str, Any]) -> Any:
    """The statement, of the ids that these values bound; which of them there are matters, not what they are."""
    if "least" in values:
        statement = statement.where(key >= sa.bindparam("least"))
    if "beyond" in values:
        statement = statement.where(key < sa.bindparam("beyond"))
    if "after" in values:
        statement = statement.where(key > sa.bindparam("after"))
    return statement


def _beyond(prefix: str) -> str | None:
    """The first text after all that begin with this one; None: there is none."""
    rest = prefix.rstrip(_LAST)
    if not rest:
        return None
    code = ord(rest[-1]) + 1
    return rest[:-1] + chr(0xE000 if 0xD800 <= code < 0xE000 else code)
