"""Transition tables equal what ``zdump`` prints, for every zone of the installed tz database.

``zdump`` (tzcode, here the C library's copy) reads the same files with other code: a transition it prints and we
don't have, or the other way round, is a bug in one of the two. It also goes beyond the last entry of the files, by
the POSIX footer; so do we.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import zoneinfo
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from types import SimpleNamespace

import pytest

from rapscheduler import _engine

pytestmark = pytest.mark.slow

ODD_ZONES = (
    "Africa/Casablanca",
    "Africa/Monrovia",
    "America/Caracas",
    "America/New_York",
    "America/St_Johns",
    "Antarctica/Troll",
    "Asia/Gaza",
    "Asia/Pyongyang",
    "Australia/Lord_Howe",
    "Europe/Dublin",
    "Pacific/Apia",
    "Pacific/Chatham",
    "Pacific/Kwajalein",
)
WINDOWS = ((1830, 2040), (2436, 2440), (9000, 9003))  # of years; zdump walks through them in half days
EPOCH = datetime(1970, 1, 1)


def _folder() -> str:
    folder = next(
        (path for path in zoneinfo.TZPATH if os.path.isfile(os.path.join(path, "Europe/Berlin"))), None
    )
    if shutil.which("zdump") is None or folder is None:
        pytest.skip(
            "no zdump (Debian: package libc-bin) or no tz database on this machine: tables not compared"
        )
    return folder


def _seconds(text: str) -> int:
    """``+HH[MM[SS]]`` or ``HH[:MM[:SS]]``."""
    digits = re.sub(r"[^0-9]", "", text).ljust(6, "0")
    size = int(digits[:2]) * 3600 + int(digits[2:4]) * 60 + int(digits[4:])
    return -size if text[0] == "-" else size


def _printed(folder: str, zones: list[str], first_year: int, last_year: int) -> str:
    paths = [os.path.join(folder, zone) for zone in zones]
    command = ["zdump", "-i", "-c", f"{first_year},{last_year}", *paths]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def zdump(
    folder: str, zones: list[str], first_year: int, last_year: int
) -> dict[str, list[tuple[int, int, int]]]:
    """``(utc_s, offset before, offset after)`` of every zone in ``first_year <= year < last_year``."""
    found: dict[str, list[tuple[int, int, int]]] = {}
    with ThreadPoolExecutor(2) as pool:
        halves = pool.map(
            lambda part: _printed(folder, part, first_year, last_year), (zones[::2], zones[1::2])
        )
        lines = [line for half in halves for line in half.splitlines() if line]
    for line in lines:
        if line.startswith("TZ="):
            changes = found[os.path.relpath(line[4:-1], folder)] = []
            before_s = None
            continue
        day, time, offset, *_ = line.split("\t")
        after_s = _seconds(offset)
        if before_s is not None and after_s != before_s:
            wall_s = int((datetime.fromisoformat(day) - EPOCH).total_seconds()) + _seconds(time)
            changes.append((wall_s - after_s, before_s, after_s))
        before_s = after_s
    return found


def _zones(folder: str) -> dict[str, bytes]:
    """The content of each zone file, one name for those that are equal."""
    contents: dict[bytes, str] = {}
    for zone in sorted(zoneinfo.available_timezones()):
        path = os.path.join(folder, zone)
        if os.path.isfile(path):
            with open(path, "rb") as file:
                contents.setdefault(file.read(), zone)
    return {zone: content for content, zone in contents.items()}


def test_every_transition_of_every_zone(engine: SimpleNamespace) -> None:
    folder = _folder()
    contents = _zones(folder)
    assert len(contents) > 250
    zones = list(contents)
    # the tables of the compiled one are all compared
    if engine.NAME == "reference" and _engine.NAME == "compiled":
        zones = sorted({*zones[::20], *(zone for zone in ODD_ZONES if zone in contents)})
    tables = {
        zone: engine.timezone.ZoneTable.from_tzif(contents[zone], zoneinfo.ZoneInfo(zone)) for zone in zones
    }
    compared = 0
    for first_year, last_year in WINDOWS:
        start_s, end_s = ((datetime(year, 1, 1) - EPOCH).days * 86400 for year in (first_year, last_year))
        printed = zdump(folder, zones, first_year, last_year)
        assert set(printed) == set(zones)
        for zone in zones:
            ours = [change for change in tables[zone].transitions(start_s, end_s) if change[0] != start_s]
            assert ours == printed[zone], zone
            compared += len(ours)
    assert compared > len(zones) * 20
