"""The zone files of the tzdata package, which end where a rule begins, are read as zoneinfo reads them.

Those of a system are mostly fat: every transition up to 2037 is written out, so nothing shows there.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from importlib import resources
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

pytestmark = pytest.mark.slow

STEP_S = 9 * 86400 + 3600
FIRST_S, LAST_S = (int(datetime(year, 1, 1, tzinfo=timezone.utc).timestamp()) for year in (1970, 2050))


def files(folder: Any = None, name: str = "") -> Iterator[tuple[str, Any]]:
    """(key, file) of every zone of the package."""
    for each in sorted((folder or resources.files("tzdata").joinpath("zoneinfo")).iterdir(), key=str):
        key = f"{name}/{each.name}".lstrip("/")
        if each.is_dir():
            yield from files(each, key)
        elif each.read_bytes()[:4] == b"TZif":
            yield key, each


def test_every_zone_of_the_package(engine: SimpleNamespace) -> None:
    chosen = list(files())[:: 1 if engine.NAME == "compiled" else 5]
    assert len(chosen) > 100
    wrong = []
    for key, file in chosen:
        with file.open("rb") as data:
            zone = ZoneInfo.from_file(data)
        table = engine.timezone.ZoneTable.from_tzif(file.read_bytes(), zone)
        for at_s in range(FIRST_S, LAST_S, STEP_S):
            offset = datetime.fromtimestamp(at_s, zone).utcoffset()
            assert offset is not None
            if table.offset_at(at_s) != offset.total_seconds():
                wrong.append((key, at_s))
                break
    assert wrong == []
