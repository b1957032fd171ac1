"""What a drawn schedule leaves out, as plain data, and what it means, by the plainest possible code.

Rules of this room: as `schedule`'s; it imports nothing of ours but the reference twin's `Skips`, which it fills with
numbers that it works out by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

from .._reference import trigger as reference_trigger
from .schedule import WEEKDAYS

_DAY_S = 86_400
_FIRST, _LAST = date(1970, 1, 1), date(2199, 12, 31)  # beyond, only weekdays can be left out


@dataclass(frozen=True)
class LeftOut:
    """Weekdays (0: Monday), spans of days (both ends in), and the spans of seconds of a day that are in (none: all)."""

    weekdays: tuple[int, ...] = ()
    spans: tuple[tuple[date, date], ...] = ()
    windows: tuple[tuple[int, int], ...] = ()

    def has(self, wall: datetime) -> bool:
        """Is this wall time left out?"""
        day, at_s = wall.date(), wall.hour * 3600 + wall.minute * 60 + wall.second
        if day.weekday() in self.weekdays or any(first <= day <= last for first, last in self.spans):
            return True
        return bool(self.windows) and not any(from_s <= at_s < to_s for from_s, to_s in self.windows)

    def arguments(self) -> dict[str, list[str]]:
        """For the public trigger."""
        exclude = [WEEKDAYS[weekday] for weekday in self.weekdays]
        exclude += [f"{first}/{last}" if first < last else str(first) for first, last in self.spans]
        return {"exclude": exclude, "windows": [f"{_clock(a)}-{_clock(b)}" for a, b in self.windows]}

    def skips(self) -> Any:
        """For the reference twin."""
        mask = sum(1 << weekday for weekday in self.weekdays)
        days = [
            first + timedelta(days=i) for first, last in self.spans for i in range((last - first).days + 1)
        ]
        if not days:
            return reference_trigger.Skips(0, b"", mask, self.windows)
        begin, count = min(days), (max(days) - min(days)).days + 1
        bits = bytearray((count + 7) // 8)
        for i in range(8 * len(bits)):
            day = begin + timedelta(days=i)
            if day in days or day.weekday() in self.weekdays:
                bits[i // 8] |= 1 << i % 8
        return reference_trigger.Skips((begin - _FIRST).days, bytes(bits), mask, self.windows)


def draw_left_out(random: Random, walls: list[datetime]) -> LeftOut | None:
    """None in three of four draws; spans of days lie around some of the wall times."""
    if not walls or random.random() < 0.75:
        return None
    weekdays = tuple(sorted(random.sample(range(7), random.choice((0, 0, 1, 2, 4)))))
    spans = []
    for wall in random.choices(walls, k=random.choice((0, 1, 2))):
        if not _FIRST.year <= wall.year <= _LAST.year:
            continue
        first = wall.date() + timedelta(days=random.choice((-2, -1, 0, 0, 1)))
        last = first + timedelta(days=random.choice((0, 0, 1, 9)))
        if first >= _FIRST and last <= _LAST:
            spans.append((first, last))
    edges = sorted({0, _DAY_S, *(_second_of(random.choice(walls), random) for _ in range(4))})
    windows = [pair for pair in zip(edges[::2], edges[1::2], strict=False) if pair[0] < pair[1]]
    return LeftOut(weekdays, tuple(spans), tuple(windows) if random.random() < 0.5 else ())


def _second_of(wall: datetime, random: Random) -> int:
    at_s = wall.hour * 3600 + wall.minute * 60 + wall.second
    return min(max(at_s + random.choice((-3600, -60, -1, 0, 0, 1, 60, 3600)), 0), _DAY_S)


def _clock(at_s: int) -> str:
    return f"{at_s // 3600:02}:{at_s // 60 % 60:02}:{at_s % 60:02}"
