"""Peers give the same answer before their clock starts: comparing chains of fire times, and naming known differences.

A difference is *known* when it has a class here; every other one stops the benchmark. The classes are those of
docs/compare.md:

    dst    the fire time lies within 27 hours of a change of the zone's utc offset. The libraries follow different rules
           there (ours: docs/design.md; APScheduler 3.11.3 also skips or doubles runs beside the change itself).
    skip   APScheduler 3.11.3 only: a fire time it leaves out although it exists, when the offset has changed since the
           one before (`day=1` in New York skips 1 April every year).
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

from benchmarks.workloads import US

NEAR = timedelta(hours=27)


class DifferentAnswers(AssertionError):
    """A peer's answer differs from ours and no known class explains it."""


def _near_change(us: int, zone: ZoneInfo) -> bool:
    moment = datetime.fromtimestamp(us // US, timezone.utc)
    return (moment - NEAR).astimezone(zone).utcoffset() != (moment + NEAR).astimezone(zone).utcoffset()


def _offset_changed_before(us: int, chain: list[int], zone: ZoneInfo) -> bool:
    """Whether the zone's offset at ``us`` is another than at the fire time before it in ``chain``."""
    place = chain.index(us)
    before = chain[place - 1] if place else us - 31 * 86400 * US
    offsets = [
        datetime.fromtimestamp(t // US, timezone.utc).astimezone(zone).utcoffset() for t in (before, us)
    ]
    return offsets[0] != offsets[1]


def _class_of(us: int, mine: list[int], library: str, zone: ZoneInfo) -> str | None:
    """The name of the known class that explains why only one side has the fire time ``us``."""
    if _near_change(us, zone):
        return "dst"
    if library == "apscheduler" and us in mine and _offset_changed_before(us, mine, zone):
        return "skip"
    return None


def compare_answers(ours: Any, theirs: Any, library: str, label: str, zone: str = "UTC") -> dict[str, int]:
    """Compares lists of chains (µs). Returns how many answers differ by known class; raises DifferentAnswers otherwise.

    Chains are compared as sets over the time that both cover, so that one difference does not shift all the rest.
    """
    known: dict[str, int] = {}
    if ours is None or theirs is None:
        return known
    if len(ours) != len(theirs):
        raise DifferentAnswers(f"{label}: {len(ours)} chains here, {len(theirs)} there")
    table = ZoneInfo(zone)
    for mine, other in zip(ours, theirs, strict=True):
        if not mine or not other:
            raise DifferentAnswers(f"{label}: an empty chain: ours {mine[:3]}, theirs {other[:3]}")
        end = min(mine[-1], other[-1])
        for us in sorted({us for us in mine if us <= end} ^ {us for us in other if us <= end}):
            explained = _class_of(us, mine, library, table)
            if explained is None:
                side = "only ours" if us in mine else "only theirs"
                moment = datetime.fromtimestamp(us // US, timezone.utc).astimezone(table)
                raise DifferentAnswers(
                    f"{label}: {moment.isoformat()} is {side}, and no known difference explains it"
                )
            known[explained] = known.get(explained, 0) + 1
    return known
