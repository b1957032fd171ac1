"""The brute-force walker: it visits real instants and asks of each whether its local time matches.

Rules of this room: written from the rule alone (the table in the user guide), before and without the engine; it
imports nothing of ours but the two plain rooms beside it. Seconds since the epoch everywhere; every fire time of a
cron schedule is a whole second.

The rule, word for word:

* a schedule fires at every instant whose local wall time matches all its fields;
* a wall time that does not exist never fires — with ``dst="shift"`` a schedule without rhythm whose matching wall times
  were skipped fires once, at the first instant after the gap;
* a wall time that comes a second time does not fire again for a schedule without rhythm — unless ``dst="both"``;
* rhythm means: the hour or the minute field begins with ``*``.

``every_second`` is the rule as one loop over seconds. ``fires`` is the same with skips that cannot be wrong: a UTC
day is skipped when no civil date that it touches matches; inside a day, ranges of constant offset are read off
``zoneinfo``.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from datetime import date, datetime, timedelta, timezone

from .schedule import Schedule
from .zones import DAY, ZoneView

FIRST_DAY = date(1970, 1, 1)
LAST_NUMBER = (date(9999, 12, 31) - FIRST_DAY).days


def every_second(schedule: Schedule, view: ZoneView, dst: str, lo_s: int, hi_s: int) -> list[int]:
    """Fire times in ``[lo_s, hi_s]``, each second asked by itself."""
    hours, minutes, seconds = schedule.times()

    def matches(local: datetime) -> bool:
        return (
            local.second in seconds
            and local.minute in minutes
            and local.hour in hours
            and schedule.on_date(local.date())
        )

    found = []
    before = view.local(lo_s - 1)
    for utc_s in range(lo_s, hi_s + 1):
        local = view.local(utc_s)
        fire = matches(local) and (local.fold == 0 or schedule.rhythm or dst == "both")
        if not fire and dst == "shift" and not schedule.rhythm:
            skipped = before.replace(tzinfo=None) + timedelta(seconds=1)
            while skipped < local.replace(tzinfo=None) and not fire:
                fire = matches(skipped)
                skipped += timedelta(seconds=1)
        if fire:
            found.append(utc_s)
        before = local
    return found


class Walker:
    """The fire times of one schedule in one zone."""

    def __init__(self, schedule: Schedule, view: ZoneView, dst: str) -> None:
        self.schedule = schedule
        self.view = view
        self.dst = dst
        self.rhythm = schedule.rhythm
        self.hours, self.minutes, self.seconds = schedule.times()
        self._dates: dict[int, bool] = {}

    def fires(self, lo_s: int, hi_s: int, limit: int | None = None) -> list[int]:
        """Fire times in ``[lo_s, hi_s]``, at most ``limit`` (then the window is not complete)."""
        found: list[int] = []
        for day in range(lo_s // DAY, hi_s // DAY + 1):
            if not any(self._on_date(number) for number in (day - 1, day, day + 1)):
                continue
            found += [fire_s for fire_s in self._fires_of_day(day) if lo_s <= fire_s <= hi_s]
            if limit is not None and len(found) >= limit:
                return found[:limit]
        return found

    def _on_date(self, number: int) -> bool:
        known = self._dates.get(number)
        if known is None:
            legal = 0 <= number <= LAST_NUMBER
            known = legal and self.schedule.on_date(FIRST_DAY + timedelta(days=number))
            self._dates[number] = known
        return known

    def _fires_of_day(self, day: int) -> list[int]:
        """The fire times of one UTC day."""
        found = []
        before = self.view.pieces(day - 1)[-1][2]
        for lo, hi, offset in self.view.pieces(day):
            fires = [wall - offset for wall in self.walls(lo + offset, hi + offset)]
            if self.dst != "both" and not self.rhythm:
                fires = [fire for fire in fires if not self._second_pass(fire)]
            gap = self.dst == "shift" and offset > before and not self.rhythm
            if gap and fires[:1] != [lo] and self.walls(lo + before, lo + offset):
                fires.insert(0, lo)
            found += fires
            before = offset
        return found

    def _second_pass(self, utc_s: int) -> bool:
        return self.view.local(utc_s).fold == 1

    def walls(self, lo_wall: int, hi_wall: int) -> list[int]:
        """Matching wall times in ``[lo_wall, hi_wall)``, in order."""
        found = []
        for number in range(lo_wall // DAY, (hi_wall - 1) // DAY + 1):
            if not self._on_date(number):
                continue
            for hour in self.hours:
                hour_wall = number * DAY + hour * 3600
                if hour_wall + 3600 <= lo_wall or hour_wall >= hi_wall:
                    continue
                for minute in self.minutes:
                    walls = [hour_wall + minute * 60 + second for second in self.seconds]
                    found += [wall for wall in walls if lo_wall <= wall < hi_wall]
        return found


class Window:
    """All the fire times between two instants, and the answers that follow from them. ``UNKNOWN`` is: beyond the
    window.

    ``start_us`` and ``end_us`` (both inclusive) are the trigger's dates; all arguments are microseconds.
    """

    UNKNOWN = -1

    def __init__(
        self, fires_s: list[int], lo_s: int, hi_s: int, start_us: int | None, end_us: int | None
    ) -> None:
        self.lo_us, self.hi_us = lo_s * 1_000_000, hi_s * 1_000_000 + 999_999
        self.start_us, self.end_us = start_us, end_us
        fires = [fire * 1_000_000 for fire in fires_s]
        first = 0 if start_us is None else bisect_left(fires, start_us)
        last = len(fires) if end_us is None else bisect_right(fires, end_us)
        self.fires = fires[first:last]

    def at_or_after(self, t_us: int) -> int | None:
        """The first fire time at or after an instant of the window."""
        index = bisect_left(self.fires, t_us)
        if index < len(self.fires):
            return self.fires[index]
        if self.end_us is not None and self.end_us <= self.hi_us:
            return None
        return self.UNKNOWN

    def before(self, t_us: int) -> int | None:
        """The last fire time strictly before an instant of the window."""
        index = bisect_left(self.fires, t_us)
        if index:
            return self.fires[index - 1]
        if self.start_us is not None and self.start_us >= self.lo_us:
            return None
        return self.UNKNOWN

    def next(self, previous_us: int | None, now_us: int) -> int | None:
        """The rule of ``get_next_fire_time``: after the previous fire time, or from ``now`` when that is earlier."""
        if previous_us is None:
            return self.at_or_after(now_us)
        return self.at_or_after(now_us if now_us < previous_us else previous_us + 1)


def utc(text: str) -> int:
    """Seconds since the epoch of an ISO time in UTC (for tests)."""
    return int(datetime.fromisoformat(text).replace(tzinfo=timezone.utc).timestamp())
