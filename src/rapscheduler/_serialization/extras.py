"""Options that few jobs have, as rows have them.

Here: reading them, and remembering calls that have nothing else but tags and an owner, which many jobs share. Not here:
what they mean (`_extras`), the rest of a row (`codec`).
"""

from __future__ import annotations

from typing import Any

from ..errors import DecodeError
from .values import unpack

_KEPT = 8192
_BYTES = 4096  # of a piece that is remembered
_ALIKE = frozenset({"tags", "owner"})  # nobody changes what they hold
#: the piece of a call without arguments -> its extras (shared: copy them)
known_extras: dict[bytes, dict[str, Any]] = {}


def read_extras(node: Any) -> dict[str, Any] | None:
    """Those of a newer version are kept as they are."""
    from .._extras import EXTRAS, plain

    extras = unpack(node)
    if type(extras) is not dict or not all(type(key) is str for key in extras):
        raise DecodeError("'extras' in the row must be an object")
    try:
        return plain({name: extras[name] for name in EXTRAS if name in extras}, extras)
    except (TypeError, ValueError) as exc:
        raise DecodeError(f"'extras' in the row: {exc}") from exc


def extras_of(piece: bytes, call: dict[str, Any]) -> dict[str, Any] | None:
    """The extras of a call, which was read from this piece; remembered when it has nothing but tags and an owner."""
    extras = read_extras(call["extras"])
    alone = len(call) == 3 and not call["args"] and not call["kwargs"]  # no zone of its runs, either
    if extras and alone and extras.keys() <= _ALIKE and len(piece) <= _BYTES:
        if len(known_extras) >= _KEPT:
            known_extras.clear()
        known_extras[piece] = extras.copy()
    return extras
