"""A foreign tzinfo by its answers: which offset holds when, found by asking it step by step.

What lives here: `Prober`, the ``source`` of a zone table, and `Stretch`, the asking. What must not: which zones are
asked (`_zones`), tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from itertools import count
from typing import Any

from rapscheduler._engine.timezone import CYCLE_S, HI_S, LO_S, ZoneTable

_EPOCH = datetime(1970, 1, 1)
_DAY_S = 86400
_FIRST_S = -62135596800 + 3 * _DAY_S  # what is asked of a tzinfo stays clear of the ends of the calendar
_LAST_S = 253402300799 - 3 * _DAY_S
_YEAR_1900_S = -2208988800
_YEAR_2100_S = 4102444800


class Prober:
    """What a foreign tzinfo has said so far; the ``source`` of a zone table.

    Without a lock: a tzinfo may call back while it is asked, or wait for another thread that asks it. Each call works
    on a stretch of its own and puts it in place when all was answered: what failed changes nothing, and of two at once
    one has worked for itself only.
    """

    def __init__(self, tz: tzinfo) -> None:
        self.plain = True  # fromutc() gives datetimes with the same tzinfo
        self._tz = tz
        self._known: tuple[list[int], list[int], int, bool] = ([], [], 0, False)

    def cover(self, utc_s: int) -> tuple[list[int], list[int], int, bool]:
        """Starts, offsets, end and cycle flag of all that is known, after probing as far as ``utc_s``."""
        stretch = Stretch(self._tz, *self._known)
        stretch.reach(min(max(utc_s, _FIRST_S), _LAST_S))
        self.plain = self.plain and stretch.plain
        self._known = known = stretch.known()
        return known


class Stretch:
    """The time through which a tzinfo was asked.

    ``_starts[i]`` is the instant from which ``_offsets[i]`` holds, up to the next one or ``_end_s``; between
    ``_starts[0]`` and ``_end_s`` every change is known that lasts longer than a step. No change lies within two days
    outside of these ends, so a fold never straddles one. With ``_cycle`` the last 400 years before ``_end_s`` repeat.
    """

    # how close we look: no real zone has gone back to its old offset within five days since 1900
    _STEP_S = 5 * _DAY_S
    _OLD_STEP_S = 120 * _DAY_S  # before 1900
    _FAR_STEP_S = 20 * _DAY_S  # from 2100 on there are only rules, and the shortest lasts a Ramadan
    _MARGIN_S = 2 * _DAY_S

    def __init__(
        self,
        tz: tzinfo,
        starts: Sequence[int] = (),
        offsets: Sequence[int] = (),
        end_s: int = 0,
        cycle: bool = False,
    ) -> None:
        self.plain = True
        self._tz = tz
        self._epoch = _EPOCH.replace(tzinfo=tz)
        self._last: timedelta | None = None
        self._last_s = 0
        self._starts, self._offsets = list(starts), list(offsets)
        self._end_s, self._cycle = end_s, cycle

    def known(self) -> tuple[list[int], list[int], int, bool]:
        """Starts, offsets, end and cycle flag."""
        return self._starts, self._offsets, self._end_s, self._cycle

    def reach(self, utc_s: int) -> None:
        """Ask as far as ``utc_s``."""
        if not self._starts:
            self._begin(utc_s)
        if utc_s < self._starts[0]:
            self._extend_back(utc_s - 400 * _DAY_S)
        if utc_s >= self._end_s and not self._cycle:
            self._extend(utc_s + 400 * _DAY_S)

    def offset_at(self, utc_s: int) -> int:
        """Seconds east of UTC by the tzinfo's own ``fromutc``. ValueError: it fails, or is no whole second."""
        asked = self._epoch + timedelta(0, min(max(utc_s, _FIRST_S), _LAST_S))
        try:
            wall: Any = self._tz.fromutc(asked)
            offset: timedelta
            if wall.tzinfo is self._tz:  # then the difference is that of the wall times
                offset = wall - asked
            else:
                self.plain = False
                offset = wall.replace(tzinfo=None) - asked.replace(tzinfo=None)
            same = offset == self._last  # mostly, and tens of thousands are asked for
        except MemoryError:  # says nothing about the zone
            raise
        except Exception as error:
            raise ValueError(
                f"The time zone {self._tz!r} cannot be used: it raised {type(error).__name__}: {error} when asked for "
                f"the local time of {asked.replace(tzinfo=None)} UTC. "
                "Use zoneinfo.ZoneInfo('Area/City') or datetime.timezone instead"
            ) from error
        return self._last_s if same else self._checked(offset, asked)

    def _checked(self, offset: timedelta, asked: datetime) -> int:
        if offset.microseconds or abs(offset) >= timedelta(days=1):
            raise ValueError(
                f"The time zone {self._tz!r} is off UTC by {offset} at {asked.replace(tzinfo=None)} UTC; only whole "
                "seconds and less than a day are possible. "
                "Use zoneinfo.ZoneInfo('Area/City') or datetime.timezone instead"
            )
        self._last, self._last_s = offset, offset.days * _DAY_S + offset.seconds
        return self._last_s

    def _begin(self, utc_s: int) -> None:
        start_s = self._quiet(max(utc_s - 400 * _DAY_S, _FIRST_S), -1)
        self._starts, self._offsets = [start_s], [self.offset_at(start_s)]
        self._end_s = start_s + 1
        self._extend(utc_s + 800 * _DAY_S)

    def _quiet(self, at_s: int, direction: int) -> int:
        """The first instant from ``at_s`` on, going back or forth, that is two days away from any change there."""
        while _FIRST_S < at_s < _LAST_S and self.offset_at(at_s) != self.offset_at(
            at_s + direction * self._MARGIN_S
        ):
            at_s += direction * self._MARGIN_S
        return at_s

    def _extend_back(self, start_s: int) -> None:
        start_s = self._quiet(max(start_s, _FIRST_S), -1)
        starts, offsets = [start_s], [self.offset_at(start_s)]
        self._scan(starts, offsets, start_s, self._starts[0])
        if starts[-1] == self._starts[0]:
            starts.pop()
            offsets.pop()
        if offsets[-1] == self._offsets[0]:
            del self._starts[0], self._offsets[0]
        if start_s <= _FIRST_S:
            starts[0] = LO_S
        self._starts[:0], self._offsets[:0] = starts, offsets

    def _extend(self, end_s: int) -> None:
        if end_s > _YEAR_2100_S + 60 * 366 * _DAY_S and self._find_cycle():
            return
        self._scan_to(self._quiet(min(end_s, _LAST_S), 1))
        if self._end_s >= _LAST_S:
            self._end_s = HI_S

    def _scan_to(self, end_s: int) -> None:
        if end_s > self._end_s:
            self._scan(self._starts, self._offsets, self._end_s - 1, end_s - 1)
            self._end_s = end_s

    def _find_cycle(self) -> bool:
        """See whether the offsets repeat every 400 years from 2100 on, as every yearly rule does; then keep one."""
        base_s = max(_YEAR_2100_S, self._end_s)
        self._scan_to(base_s + CYCLE_S + 3 * 366 * _DAY_S)
        last_s = self._starts[-1]
        if last_s > base_s + CYCLE_S:
            starts, offsets, end_s, cycle = self._starts[:-1], self._offsets[:-1], last_s, True
        elif last_s <= base_s:
            starts, offsets, end_s, cycle = self._starts, self._offsets, HI_S, False
        else:
            return False
        table = ZoneTable.from_transitions(self._starts[1:], self._offsets, self._tz)
        for at_s in count(self._end_s, 2003 * _DAY_S + 40_009):
            if at_s > _LAST_S:
                break
            same_s = at_s - ((at_s - last_s) // CYCLE_S + 1) * CYCLE_S if cycle else last_s
            if table.offset_at(same_s) != self.offset_at(at_s):
                return False
        self._starts, self._offsets, self._end_s, self._cycle = starts, offsets, end_s, cycle
        return True

    def _walk(self, at_s: int, end_s: int, step_s: int, offset_s: int) -> int:
        """Go in steps as long as the offset stays; the last instant asked. What is odd is left to `offset_at`.

        Tens of thousands of instants are asked here, most of the time that probing takes.
        """
        tz, offset, step = self._tz, timedelta(0, offset_s), timedelta(0, step_s)
        fromutc, asked = tz.fromutc, self._epoch + timedelta(0, at_s)
        try:
            for next_s in range(at_s + step_s, end_s + 1, step_s):
                asked += step
                wall = fromutc(asked)
                if wall.tzinfo is not tz or wall - asked != offset:
                    break
                at_s = next_s
        except MemoryError:  # says nothing about the zone
            raise
        except Exception:  # asked once more, for the words
            return at_s
        return at_s

    def _scan(self, starts: list[int], offsets: list[int], at_s: int, end_s: int) -> None:
        """Append the changes in ``at_s < t <= end_s``; ``offsets[-1]`` is the offset at ``at_s``."""
        while at_s < end_s:
            if at_s < _YEAR_1900_S:
                step_s, last_s = self._OLD_STEP_S, _YEAR_1900_S
            elif at_s < _YEAR_2100_S:
                step_s, last_s = self._STEP_S, _YEAR_2100_S
            else:
                step_s, last_s = self._FAR_STEP_S, _LAST_S
            at_s = self._walk(at_s, min(end_s, last_s), step_s, offsets[-1])
            next_s = min(at_s + step_s, end_s)
            if self.offset_at(next_s) == offsets[-1]:
                at_s = next_s
                continue
            while next_s - at_s > 1:  # the change is in at_s < t <= next_s
                middle_s = (at_s + next_s) // 2
                if self.offset_at(middle_s) == offsets[-1]:
                    at_s = middle_s
                else:
                    next_s = middle_s
            starts.append(next_s)
            offsets.append(self.offset_at(next_s))
            at_s = next_s
