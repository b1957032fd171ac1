"""Two sets of time zone rules for one zone: of releases of the tz database, or made up.

Rules of this room: ``zoneinfo`` alone says what a file means; nothing of ours is imported but the plain view of it.
A *release* is a folder of zone files. One of them is *in force* when ``zoneinfo`` reads that folder and no other.
"""

from __future__ import annotations

import struct
import zoneinfo
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from importlib import resources
from pathlib import Path
from random import Random

from .zones import DAY, EPOCH, ZoneView

MADE_UP = "Made/Up"
# By the release notes of 2022 to 2026; looking for changes in all 600 zones takes minutes.
CHANGED_LATELY = (
    "Africa/Cairo", "Africa/Casablanca", "Africa/El_Aaiun", "America/Asuncion", "America/Edmonton", "America/Havana",
    "America/Inuvik", "America/Nuuk", "America/Rainy_River", "America/Scoresbysund", "America/Vancouver",
    "America/Winnipeg", "America/Yellowknife", "Antarctica/Casey", "Antarctica/Vostok", "Asia/Almaty", "Asia/Amman",
    "Asia/Beirut", "Asia/Damascus", "Asia/Gaza", "Asia/Hebron", "Asia/Qostanay", "Asia/Tehran", "Canada/Central",
    "Canada/Pacific", "Europe/Chisinau", "Europe/Kyiv", "America/Chihuahua", "America/Ojinaga", "America/Mexico_City",
    "America/Ciudad_Juarez", "America/Coyhaique", "Asia/Manila",
)  # fmt: skip
YEARS = (2000, 2040)
STEPS_S = (900, 1800, 3600, 3600, 3600, 7200, 10800)


@dataclass(frozen=True)
class Release:
    """A folder of zone files, and what it calls itself."""

    name: str
    folder: Path


@dataclass
class Change:
    """A zone whose rules change from one release to another.

    ``edges``: the instants (s) at which the two begin, or cease, to differ.
    """

    key: str
    old: Release
    new: Release
    old_view: ZoneView
    new_view: ZoneView
    edges: list[int]


def put_in_force(release: Release) -> None:
    """From now on ``zoneinfo`` reads this release, for zones that nobody holds yet."""
    zoneinfo.reset_tzpath(to=[str(release.folder)])
    zoneinfo.ZoneInfo.clear_cache()


@contextmanager
def rules_put_back() -> Iterator[None]:
    """Whatever is put in force inside, afterwards the machine's own rules are."""
    before = zoneinfo.TZPATH
    try:
        yield
    finally:
        zoneinfo.reset_tzpath(to=before)
        zoneinfo.ZoneInfo.clear_cache()


def installed_releases(folders: Sequence[Path] = ()) -> list[Release]:
    """Releases of different content: the machine's own, that of the ``tzdata`` package, and some folders."""
    found: dict[str, Release] = {}
    paths = [Path(path) for path in zoneinfo.TZPATH]
    try:
        paths.append(Path(str(resources.files("tzdata").joinpath("zoneinfo"))))
    except ImportError:
        pass
    for path in [*paths, *folders]:
        if (path / "Europe" / "Berlin").is_file():
            name = _name_of(path)
            found.setdefault(name, Release(name, path))
    return list(found.values())


def _name_of(folder: Path) -> str:
    """``2026f``: what the release says in ``tzdata.zi``; else the name of the folder."""
    text = folder / "tzdata.zi"
    if text.is_file():
        with text.open(encoding="ascii", errors="replace") as file:
            first = file.readline().split()
        if first[:2] == ["#", "version"] and len(first) > 2:
            return first[2]
    return str(folder)


def changed_zones(old: Release, new: Release) -> list[str]:
    """Of the zones whose rules changed lately, those that both releases have, with other bytes."""
    pairs = [(key, old.folder / key, new.folder / key) for key in CHANGED_LATELY]
    return [
        key
        for key, one, other in pairs
        if one.is_file() and other.is_file() and one.read_bytes() != other.read_bytes()
    ]


@lru_cache(maxsize=4096)
def _view_of(release: Release, key: str) -> tuple[ZoneView, list[int]]:
    """A zone by a release, and its transitions of the years that the jobs live in."""
    put_in_force(release)
    view = ZoneView(key)
    return view, view.transitions_of(*YEARS)


@lru_cache(maxsize=4096)
def change_of(old: Release, new: Release, key: str) -> Change | None:
    """How the rules of a zone change between two releases; None: they do not, in these years."""
    old_view, old_changes = _view_of(old, key)
    new_view, new_changes = _view_of(new, key)
    edges = edges_of(old_view, new_view, sorted({*old_changes, *new_changes}))
    return Change(key, old, new, old_view, new_view, edges) if edges else None


def edges_of(old: ZoneView, new: ZoneView, changes: Sequence[int]) -> list[int]:
    """Where, of all the instants at which either changes, the two begin or cease to differ."""
    edges, differ = [], False
    for at_s in changes:
        if (old.offset(at_s) != new.offset(at_s)) != differ:
            differ = not differ
            edges.append(at_s)
    return edges


# --- made-up rules ---


def draw_made_up(random: Random, folder: Path) -> Change:
    """Few transitions around some day, and the same with one thing changed, written to two folders."""
    while True:
        changes, offsets = _draw_rules(random)
        other = _with_a_change(random, list(changes), list(offsets))
        if other is not None:
            break
    releases = []
    for name, rules in (("old", (changes, offsets)), ("new", other)):
        path = folder / name / MADE_UP
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(tzif(*rules))
        releases.append(Release(f"made up {rules}", folder / name))
    if random.random() < 0.5:
        releases.reverse()
    views = []
    for release in releases:
        put_in_force(release)
        views.append(ZoneView(MADE_UP))
    edges = edges_of(views[0], views[1], sorted({*changes, *other[0]}))
    return Change(MADE_UP, releases[0], releases[1], views[0], views[1], edges)


def _draw_rules(random: Random) -> tuple[list[int], list[int]]:
    """(instants, offsets), as in ``tzif``."""
    begin = int((datetime(random.randint(2001, 2035), 1, 1, tzinfo=EPOCH.tzinfo) - EPOCH).total_seconds())
    at_s = begin + random.randint(0, 360) * DAY
    changes, offsets = [], [random.randint(-44, 52) * 900]
    for _ in range(random.choice((0, 1, 1, 2, 3))):
        changes.append(at_s + random.randint(0, 95) * 900)
        offsets.append(offsets[-1] + _step(random))
        at_s += random.randint(3, 120) * DAY
    return changes or [at_s], offsets if changes else [*offsets, offsets[0] + _step(random)]


def _step(random: Random) -> int:
    return random.choice(STEPS_S) * random.choice((1, -1))


def _with_a_change(
    random: Random, changes: list[int], offsets: list[int]
) -> tuple[list[int], list[int]] | None:
    """The rules with a transition moved, left out or added, or another offset; None: nothing came of it."""
    index = random.randrange(len(changes))
    kind = random.choice(("move", "drop", "offset", "offset", "add"))
    if kind == "move":
        changes[index] += random.choice((3600, 7200, 900, DAY, 7 * DAY, 28 * DAY)) * random.choice((1, -1))
    elif kind == "drop":
        del changes[index], offsets[index + 1]
    elif kind == "offset":
        step = _step(random)
        for later in range(index + 1, len(offsets) if random.random() < 0.5 else index + 2):
            offsets[later] += step
    else:
        changes.append(changes[-1] + random.randint(3, 60) * DAY)
        offsets.append(offsets[-1] + _step(random))
    apart = all(later - earlier >= 2 * DAY for earlier, later in zip(changes, changes[1:], strict=False))
    return (changes, offsets) if apart and all(abs(offset) < DAY for offset in offsets) else None


def tzif(changes: Sequence[int], offsets: Sequence[int]) -> bytes:
    """A zone file (RFC 9636, version 2): ``offsets[0]`` at first, ``offsets[i + 1]`` from ``changes[i]`` on."""

    def block(width: str, times: Sequence[int], types: Sequence[int]) -> bytes:
        head = struct.pack(">4sc15x6l", b"TZif", b"2", 0, 0, 0, len(times), len(types), 4)
        indices = bytes(range(1, len(types))) if times else b""
        infos = b"".join(struct.pack(">lBB", offset, 0, 0) for offset in types)
        return head + struct.pack(f">{len(times)}{width}", *times) + indices + infos + b"MUT\0"

    return block("l", (), offsets[:1]) + block("q", changes, offsets) + b"\n\n"
