"""Zone tables of both twins for tests, from the same TZif bytes, each read once."""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

from rapscheduler._zones import _tzif

# Odd ones first: half hours, two hours, :45, one minute past midnight, missing days, yearly whims, no rule at all.
ODD_ZONES = (
    "Australia/Lord_Howe",
    "Antarctica/Troll",
    "Pacific/Chatham",
    "America/St_Johns",
    "Pacific/Apia",
    "America/Caracas",
    "Asia/Pyongyang",
    "Africa/Casablanca",
    "America/Sao_Paulo",
    "Pacific/Kwajalein",
    "Europe/Dublin",
    "Africa/Monrovia",
    "America/New_York",
    "Europe/Berlin",
    "Pacific/Auckland",
    "UTC",
)


@cache
def _data(key: str) -> bytes:
    data = _tzif(key)
    assert data is not None, f"the tz database has no {key}"
    return data


_tables: dict[tuple[str, str], Any] = {}


def table(engine: SimpleNamespace, key: str) -> Any:
    """The engine's ZoneTable of a zone of the tz database."""
    if (engine.NAME, key) not in _tables:
        _tables[engine.NAME, key] = engine.timezone.ZoneTable.from_tzif(_data(key), ZoneInfo(key))
    return _tables[engine.NAME, key]
