"""Triggers whose written forms differ in one wall time only: the start of an interval, the date of a date trigger.

Here: the family of a trigger's piece of a row, and the recipe of a member. Not here: other written forms and what a
recipe is (`triggers`), what rows remember (`codec`).

Who adds jobs by alias gives no start, so each interval begins when it was added, and no two are written alike. What is
before and after the wall time is the family, read once as a whole, the usual way. A further member is the family's
numbers with another instant: the time has no character that JSON cares about, so the rest says what it said before.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from functools import partial
from zoneinfo import ZoneInfo

import orjson

from .._engine.datetimes import to_us
from .._instants import MAX_US, MIN_US
from .._zones import forgotten_with_rules
from .triggers import Recipe

_MARK = b'{"$datetime":"'
_LENGTHS = (19, 26)  # of 2026-01-31T07:00:00 and 2026-01-31T07:00:00.000001
_T = ord("T")
_PLACES = {"interval": "start_date", "date": "run_date"}  # where the wall time is
_PLAIN_KEYS = {"$datetime", "zone"}
_KEPT = 4096

Family = Callable[[datetime], Recipe]
_families: dict[tuple[bytes, bytes], Family | None] = {}
forgotten_with_rules(_families.clear)


def wall_time_in(piece: bytes) -> tuple[int, int] | None:
    """Where the first wall time of a piece is, if it looks like one that was written."""
    start = piece.find(_MARK) + len(_MARK)
    end = piece.find(b'"', start)
    if start < len(_MARK) or end - start not in _LENGTHS or piece[start + 10] != _T:
        return None
    return start, end


def member(family: Family, text: bytes) -> Recipe | None:
    """The recipe of the member with this wall time; None: it must be read as a whole."""
    try:
        wall = datetime.fromisoformat(text.decode("ascii"))
        return family(wall) if wall.tzinfo is None else None
    except (ValueError, OverflowError):  # it is no time, or no instant that we know, and has words of its own
        return None


def family_of(piece: bytes) -> Family | None:
    """The family of a trigger's piece, if one was found when a member was read."""
    place = wall_time_in(piece)
    return None if place is None else _families.get((piece[: place[0]], piece[place[1] :]))


def recipe_by_family(piece: bytes, whole: Callable[[bytes], Recipe | None]) -> Recipe | None:
    """The recipe of the piece of a row that holds its trigger, the same as ``whole(piece)``."""
    place = wall_time_in(piece)
    if place is None:
        return whole(piece)
    start, end = place
    key = (piece[:start], piece[end:])
    family = _families.get(key)
    recipe = None if family is None else member(family, piece[start:end])
    if recipe is None:
        recipe = whole(piece)
        if recipe is not None and key not in _families:
            if len(_families) >= _KEPT:
                _families.clear()
            _families[key] = _family_with(piece, start, recipe)
    return recipe


def _family_with(piece: bytes, start: int, recipe: Recipe) -> Family | None:
    """What makes recipes of triggers like this one, of a wall time; None: there is more to it."""
    document = orjson.loads(b"{" + piece[1:] + b"}")
    node = document["trigger"]
    place = _PLACES.get(node["type"], "")
    time = node.get(place)
    if type(time) is not dict or time.keys() != _PLAIN_KEYS:
        return None
    before = piece[:start]
    is_there = before.endswith(f'"{place}":'.encode() + _MARK) and before.count(b"{") == 2
    if not is_there or orjson.dumps(document) != b"{" + piece[1:] + b"}":  # a key may be there twice
        return None
    model = recipe()
    zone = model.zone
    tz = zone.tzinfo
    if not (type(tz) is ZoneInfo or tz is timezone.utc) or getattr(model, "_dates", None) is not None:
        return None
    make = model._maker()

    def family(wall: datetime) -> Recipe:
        time_us = to_us(wall, zone)
        if not MIN_US <= time_us <= MAX_US:
            raise OverflowError
        return partial(make, time_us)

    return family
