"""The rules of a zone as a text that can be kept and compared, and back.

What lives here: the written form of a zone's offsets from 2000 to 2100, and where the rules in force come from. What
must not: where a text is kept, what follows from a change. The form: the offset in seconds at the beginning, then
"seconds since the last change:new offset" for each change, as in "3600 7347600:7200 18144000:3600". Equal texts are
equal rules.
"""

from __future__ import annotations

import warnings
import zoneinfo
from datetime import tzinfo
from importlib import import_module
from pathlib import Path

from rapscheduler._engine.timezone import ZoneTable

__all__ = ["FIRST_S", "LAST_S", "data_in_use", "read_rules", "rules_text", "warn_of_leap_seconds"]

FIRST_S = 946684800  # 2000-01-01; jobs of the scheduler are due later
LAST_S = 4102444800  # 2100-01-01
_MOST_CHANGES = 10_000


def rules_text(table: ZoneTable) -> str:
    """The rules of a zone as a text."""
    words, last_s = [str(table.offset_at(FIRST_S))], FIRST_S
    for at_s, _, offset_s in table.transitions(FIRST_S + 1, LAST_S):
        words.append(f"{at_s - last_s}:{offset_s}")
        last_s = at_s
    return " ".join(words)


def read_rules(text: str, zone: tzinfo) -> ZoneTable:
    """The table of rules that were written down, for a zone. ValueError: this is no such text."""
    first, *changes = text.split(" ")
    if len(changes) > _MOST_CHANGES:
        raise ValueError("too many changes of a zone")
    at_s, utc_s, offsets = FIRST_S, [], [int(first)]
    for change in changes:
        delta, _, offset = change.partition(":")
        at_s += int(delta)
        utc_s.append(at_s)
        offsets.append(int(offset))
    return ZoneTable.from_transitions(utc_s, offsets, zone)


def warn_of_leap_seconds(key: str) -> None:
    """Say that a zone is one of the right/… tree."""
    warnings.warn(
        f"the files of right/… count leap seconds, which Python does not, and end with the list of these: "
        f"{key!r} is off by half a minute, and by its summer time after its last entry; use "
        f"{key.removeprefix('right/')!r} (for the machine's zone: link /etc/localtime to that file)",
        UserWarning,
        stacklevel=2,
    )


def data_in_use(key: str = "Etc/UTC") -> dict[str, str | None]:
    """Where ``zoneinfo`` finds a zone: ``source`` (a folder, or "tzdata package"; None: nowhere) and ``version``.

    The version is that of the IANA tz database, such as "2026b"; None: the folder does not tell it.
    """
    for folder in zoneinfo.TZPATH:
        if (Path(folder) / key).is_file():
            return {"source": str(folder), "version": _version_of(Path(folder))}
    try:
        package = import_module("tzdata")
    except ImportError:
        return {"source": None, "version": None}
    return {"source": "tzdata package", "version": package.IANA_VERSION}


def _version_of(folder: Path) -> str | None:
    """What ``zic`` and distributions leave beside the files: "# version 2026b", or a file of the version alone."""
    for name in ("tzdata.zi", "+VERSION", "version"):
        try:
            with open(folder / name, encoding="ascii", errors="replace") as file:
                return file.readline(100).removeprefix("# version").strip() or None
        except OSError:
            continue
    return None
