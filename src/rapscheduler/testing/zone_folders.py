"""Made-up zone folders: TZif files, and a process that reads its zones from one folder and then from another.

What lives here: writing files, and telling ``zoneinfo`` where to read. What must not: schedules, stores.
"""

from __future__ import annotations

import re
import struct
import zoneinfo
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

__all__ = ["make_folder", "read_zones_from", "tzif", "zones_read_from"]

_STANDARD = re.compile(r"(?:<[^>]*>|[A-Za-z]+)([+-]?\d+)")


def tzif(footer: str) -> bytes:
    """The bytes of a zone file whose POSIX rule, such as ``PST8PDT,M3.2.0,M11.1.0``, holds at all times."""
    match = _STANDARD.match(footer)
    if match is None:
        raise ValueError(f"{footer!r} is no POSIX time zone rule such as 'CET-1CEST,M3.5.0,M10.5.0/3'")
    body = struct.pack(">lBB", -3600 * int(match[1]), 0, 0) + b"LMT\0"
    head = b"TZif2" + b"\0" * 15 + struct.pack(">6l", 0, 0, 0, 0, 1, 4)
    return head + body + head + body + b"\n" + footer.encode() + b"\n"


def make_folder(folder: Path, rules: Mapping[str, str]) -> Path:
    """Write a zone folder: a file for each key, with its POSIX rule."""
    for key, footer in rules.items():
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(tzif(footer))
    return folder


def read_zones_from(*folders: str | Path) -> None:
    """From now on this process reads its zones from these folders, and has read them again."""
    zoneinfo.reset_tzpath([str(folder) for folder in folders])
    zoneinfo.ZoneInfo.clear_cache()


@contextmanager
def zones_read_from(*folders: str | Path) -> Iterator[None]:
    """`read_zones_from` for the block; more calls of it may be made inside."""
    before = zoneinfo.TZPATH
    read_zones_from(*folders)
    try:
        yield
    finally:
        read_zones_from(*before)
