"""What jobs are asked for when the rules of time change under them, and when each then has to run.

Rules of this room: as for the walker, nothing of ours is imported but the plain rooms: the right answers come from the
walker, from ``plain`` and from ``zoneinfo``.

The rule, word for word: until the change a job runs at the fire times by the old rules. Its next run is then kept as
a *wall time*; it runs when the new rules show that wall time (where they skip it, from the end of the gap on; where
they show it twice, in one of the passes), and goes on by the new rules from there. No wall time that has run by the
old rules runs again; a wall time that the old rules skipped may run or not. A schedule with a rhythm goes on from the
instant at which somebody looks, or from its next run if that was before: it follows the clock, not the wall time.
Elapsed time (intervals) knows no rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from random import Random
from typing import Protocol

from .draw import DST_MODES, draw_schedule
from .plain import CalendarInterval
from .schedule import Schedule
from .walker import Walker
from .zonefiles import Change
from .zones import DAY, EPOCH, ZoneView

MOST_FIRES = 16  # of a job before the change, and twice as many after it: each is a transaction of the store
BEYOND_S = 40 * DAY  # so far after the end of the window a next fire time is looked for
INTERVALS_S = (1800, 5400, 3600 * 7, DAY, 3 * DAY)


@dataclass(frozen=True)
class Times:
    """When things happen (s): the job is made, the rules change, a scheduler runs again, nobody looks any more."""

    made_s: int
    changed_s: int
    back_s: int
    end_s: int


@dataclass(frozen=True)
class Runs:
    """The runs by the old rules, and by the new ones those that must and those that may be.

    ``one_of``: one of these must be, where the new rules show the wall time of the next run twice.
    """

    before: list[int]
    must: list[int]
    may: list[int]
    moved: bool = False  # the change matters to the next run
    one_of: tuple[int, ...] = ()

    def is_told(self, change: Change) -> bool:
        """Whether zoneinfo gives back each instant from its wall time, so that an event can tell it."""
        told = ((self.before, change.old_view), ([*self.before, *self.may], change.new_view))
        return all(view.local(at_s).timestamp() == at_s for instants, view in told for at_s in instants)

    def wrong(self, before: Sequence[int], after: Sequence[int]) -> str | None:
        """What is wrong with the runs that there were."""
        if list(before) != self.before:
            return f"before the change: {texts(before)}, right is {texts(self.before)}"
        if any(later <= earlier for earlier, later in zip(after, after[1:], strict=False)):
            return f"after the change, doubled or out of order: {texts(after)}"
        lost, extra = sorted(set(self.must) - set(after)), sorted(set(after) - set(self.may))
        if self.one_of and len(set(self.one_of) & set(after)) != 1:
            return f"after the change: {texts(after)}, of {texts(self.one_of)} not one"
        if lost or extra:
            return f"after the change: {texts(after)}, lost {texts(lost)}, not to be run {texts(extra)}"
        return None


def texts(instants: Sequence[int]) -> str:
    """Instants as people read them."""
    shown = [(EPOCH + timedelta(seconds=at_s)).strftime("%Y-%m-%dT%H:%M:%SZ") for at_s in instants[:8]]
    return f"[{', '.join(shown)}{', …' if len(instants) > 8 else ''}]"


class Wish(Protocol):
    """One job."""

    @property
    def code(self) -> str:
        """The trigger as Python source, for ``timezone=zone``."""
        ...

    def runs(self, change: Change, times: Times) -> Runs | None:
        """What is right; None: too much of it, or nothing that shows anything."""
        ...


# --- the rule ---------------------------------------------------------------------------------------


def wall_of(at_s: int, view: ZoneView) -> datetime:
    """The wall time of an instant, with its fold."""
    return view.local(at_s).replace(tzinfo=None)


def instant_of(wall: datetime, view: ZoneView) -> int:
    """The instant of a wall time; of one that is skipped, by the offset before (PEP 495)."""
    found = [_by_zoneinfo(wall.replace(fold=fold), view) for fold in (wall.fold, 1 - wall.fold)]
    shown = wall.replace(fold=0)
    # Right after the last transition of a file zoneinfo takes wall times for a fold that the rule has in other years.
    return next((at_s for at_s in found if wall_of(at_s, view).replace(fold=0) == shown), found[0])


def _by_zoneinfo(wall: datetime, view: ZoneView) -> int:
    moment = wall.replace(tzinfo=view.tzinfo).astimezone(timezone.utc)
    return int((moment - EPOCH) // timedelta(seconds=1))


def begin_of(wall: datetime, view: ZoneView) -> int:
    """The instant from which a wall time is looked for: its own, or the end of the gap that it is in."""
    at_s = instant_of(wall, view)
    if wall_of(at_s, view).replace(fold=0) == wall.replace(fold=0):
        return at_s
    early_s, late_s = (_by_zoneinfo(wall.replace(fold=fold), view) for fold in (1, 0))
    return next(
        lo
        for day in range(early_s // DAY, late_s // DAY + 1)
        for lo, _, _ in view.pieces(day)
        if early_s < lo <= late_s and view.offset(lo - 1) != view.offset(lo)
    )


def _stands_for(at_s: int, walker: Walker) -> datetime:
    """The wall time that a fire time stands for: its own, or the last in the gap that moved it (``dst="shift"``)."""
    wall = wall_of(at_s, walker.view)
    before_s, after_s = walker.view.offset(at_s - 1), walker.view.offset(at_s)
    if walker.walls(at_s + after_s, at_s + after_s + 1):
        return wall
    return datetime(1970, 1, 1) + timedelta(seconds=walker.walls(at_s + before_s, at_s + after_s)[-1])


@dataclass(frozen=True)
class CronWish:
    """A cron job; ``set_wall``: somebody has set its next run to this wall time."""

    schedule: Schedule
    dst: str
    set_wall: datetime | None = None

    @property
    def code(self) -> str:
        if self.schedule.dialect == "fields":
            fields = [f"{name}={text!r}" for name, text in self.schedule.arguments().items()]
            return f"CronTrigger({', '.join([*fields, f'dst={self.dst!r}'])}, timezone=zone){self._next()}"
        line = f"{self.schedule.expression()!r}, zone, {self.schedule.dialect!r}"
        return f"CronTrigger.from_crontab({line}, dst={self.dst!r}){self._next()}"

    def _next(self) -> str:
        return f", next_run_time={self.set_wall}" if self.set_wall else ""

    def runs(self, change: Change, times: Times) -> Runs | None:
        """As in the rule; with a rhythm, what is after the change may run whatever the clock shows."""
        hours, minutes, seconds = self.schedule.times()
        if len(hours) * len(minutes) * len(seconds) > 2 * MOST_FIRES:
            return None  # too much on a single day, without walking it
        old = Walker(self.schedule, change.old_view, self.dst)
        new = Walker(self.schedule, change.new_view, self.dst)
        if self.set_wall is not None:
            return self._runs_from(self.set_wall, old, new, times)
        before = old.fires(times.made_s, times.changed_s, MOST_FIRES)
        following = old.fires(times.changed_s + 1, times.end_s + BEYOND_S, 1)
        if len(before) == MOST_FIRES or not following:
            return None
        done_s = _again(before[-1] if before else times.made_s - 1, change)
        first_s = begin_of(_stands_for(following[0], old), change.new_view)
        if self.schedule.rhythm:
            done_s = min(done_s, times.changed_s)
            first_s = min(following[0], times.back_s + 1)
        lo_s = min(first_s, done_s, times.changed_s) - 1
        fires = new.fires(lo_s, times.end_s, 2 * MOST_FIRES)
        if len(fires) == 2 * MOST_FIRES:
            return None
        return _after(before, following[0], first_s, done_s, fires, change)

    def _runs_from(self, wall: datetime, old: Walker, new: Walker, times: Times) -> Runs | None:
        """What somebody has set runs at that wall time, and the schedule goes on from there."""
        set_s, first_s = instant_of(wall, old.view), instant_of(wall, new.view)
        if old.fires(set_s, set_s) or new.fires(set_s, set_s):
            return None  # nobody can tell it from a time of the schedule's own
        if old.view.offset(set_s) == new.view.offset(set_s):
            first_s = set_s  # it stays, also as a second pass
        fires = [first_s, *new.fires(first_s + 1, times.end_s, 2 * MOST_FIRES)]
        return Runs([], fires, fires, set_s != first_s) if len(fires) <= 2 * MOST_FIRES else None


def _again(at_s: int, change: Change) -> int:
    """The instant at which the new rules show the wall time that the old ones showed at an instant."""
    return instant_of(wall_of(at_s, change.old_view), change.new_view)


def _after(
    before: list[int], next_s: int, first_s: int, done_s: int, fires: list[int], change: Change
) -> Runs | None:
    """The runs of a schedule whose next time was ``next_s`` by the old rules, from its fire times by the new ones.

    Where both rules say the same of ``next_s``, it stays, also as a second pass that the new rules have made of it.
    """
    one_of: tuple[int, ...] = ()
    if change.old_view.offset(next_s) == change.new_view.offset(next_s):
        if next_s not in fires:
            one_of = (next_s, *(fire for fire in fires if first_s <= fire < next_s))[:2]
        first_s = next_s
    must = [fire for fire in fires if fire >= first_s]
    may = sorted({*must, *one_of, *(fire for fire in fires if fire > done_s)})
    if one_of and next_s > max(fires, default=0):
        return None  # beyond the window
    return Runs(before, must, may, next_s != first_s, one_of) if before or must else None


@dataclass(frozen=True)
class CalendarWish:
    """A job every so many days of the calendar, from the day on which it is made."""

    rule: CalendarInterval

    @property
    def code(self) -> str:
        counts = ", ".join(f"{name}={count}" for name, count in self.arguments().items())
        return f"CalendarIntervalTrigger({counts}, start_date='{self.rule.start}', timezone=zone)"

    def arguments(self) -> dict[str, int]:
        """Of the trigger: how often, and at what time of day."""
        rule = self.rule
        counts = {"years": rule.years, "months": rule.months, "weeks": rule.weeks, "days": rule.days}
        return {**counts, "hour": rule.at.hour, "minute": rule.at.minute, "second": rule.at.second}

    def _fires(self, view: ZoneView, lo_s: int, hi_s: int) -> list[int]:
        found = []
        for fire_us in self.rule.chain(view, self.rule.start):
            if fire_us > hi_s * 1_000_000:
                break
            if fire_us >= lo_s * 1_000_000:
                found.append(fire_us // 1_000_000)
        return found

    def runs(self, change: Change, times: Times) -> Runs | None:
        before = self._fires(change.old_view, times.made_s, times.changed_s)
        following = self._fires(change.old_view, times.changed_s + 1, times.end_s + BEYOND_S)
        if not following:
            return None
        first_s = begin_of(wall_of(following[0], change.old_view), change.new_view)
        done_s = _again(before[-1] if before else times.made_s - 1, change)
        fires = self._fires(change.new_view, min(first_s, done_s), times.end_s)
        return _after(before, following[0], first_s, done_s, fires, change)


@dataclass(frozen=True)
class DateWish:
    """A job for one wall time."""

    wall: datetime

    @property
    def code(self) -> str:
        return f"DateTrigger('{self.wall}', zone)"

    def runs(self, change: Change, times: Times) -> Runs | None:
        old_s = instant_of(self.wall, change.old_view)
        if wall_of(old_s, change.old_view) != self.wall or not times.made_s <= old_s:
            return None  # it does not exist by the rules by which it is written, or is over
        if old_s <= times.changed_s:
            return Runs([old_s], [], [])
        new_s = instant_of(self.wall, change.new_view)
        if max(old_s, new_s) > times.end_s:
            return None
        if change.old_view.offset(old_s) == change.new_view.offset(old_s) and old_s != new_s:
            return Runs([], [], sorted((old_s, new_s)), False, (old_s, new_s))
        return Runs([], [new_s], [new_s], old_s != new_s)


@dataclass(frozen=True)
class IntervalWish:
    """A job every so much elapsed time."""

    every_s: int
    start_s: int

    @property
    def code(self) -> str:
        start = f"datetime.fromtimestamp({self.start_s}, timezone.utc)"
        return f"IntervalTrigger(seconds={self.every_s}, start_date={start}, timezone=zone)"

    def runs(self, change: Change, times: Times) -> Runs | None:
        fires = range(self.start_s, times.end_s + 1, self.every_s)
        before = [fire for fire in fires if times.made_s <= fire <= times.changed_s]
        after = [fire for fire in fires if fire > times.changed_s]
        return Runs(before, after, after) if 0 < len(before) + len(after) <= 2 * MOST_FIRES else None


# --- drawing ----------------------------------------------------------------------------------------


def draw_times(random: Random, change: Change) -> Times:
    """The moment of the change mostly comes before the rules differ, as releases should; else between, or after."""
    edge_s = random.choice(change.edges)
    ahead_s = random.choice(
        (0, 1, -1, 1800, 3600, 7200, random.randint(0, 3 * DAY), random.randint(0, 3 * DAY))
    )
    changed_s = edge_s - ahead_s if random.random() < 0.8 else edge_s + random.randint(0, 2 * DAY)
    made_s = changed_s - random.choice((3600, DAY, 3 * DAY, random.randint(0, 9 * DAY)))
    back_s = changed_s + random.choice((0, 0, 0, 600, 3600, 3 * 3600, DAY, random.randint(0, 3 * DAY)))
    end_s = max(edge_s, back_s) + random.choice((DAY, 3 * DAY, random.randint(DAY, 9 * DAY)))
    return Times(made_s, changed_s, back_s, end_s)


def draw_wish(random: Random, change: Change, times: Times) -> Wish:
    """A job that is mostly aimed at the hours around the change, or around where the rules begin to differ."""
    view = random.choice((change.old_view, change.new_view))
    near_s = random.choice((times.changed_s, times.back_s, random.choice(change.edges), times.end_s - DAY))
    aim = wall_of(near_s + random.randint(-4 * 3600, 30 * 3600), view).replace(fold=0)
    if random.random() < 0.5:
        aim = aim.replace(minute=random.choice((0, 15, 30)), second=0)
    kind = random.random()
    if kind < 0.72:
        schedule, dst = draw_schedule(random, aim), random.choice(DST_MODES)
        wall = aim if random.random() < 0.1 and _is_ahead(aim, change, times) else None
        return CronWish(schedule, dst, wall)
    if kind < 0.82:
        return DateWish(aim)
    if kind < 0.94:
        start = wall_of(times.made_s, change.old_view).date() - timedelta(days=random.randint(0, 3))
        return CalendarWish(_draw_calendar(random, aim.time(), start, change.key))
    return IntervalWish(random.choice(INTERVALS_S), times.made_s + random.randint(0, DAY))


def _is_ahead(wall: datetime, change: Change, times: Times) -> bool:
    """Whether somebody may set this time: it comes after the change, and both rules have it."""
    for view in (change.old_view, change.new_view):
        at_s = instant_of(wall, view)
        if wall_of(at_s, view) != wall or at_s > times.end_s:
            return False
    return instant_of(wall, change.old_view) > times.changed_s


def _draw_calendar(random: Random, at: time, start: date, zone: str) -> CalendarInterval:
    years, months, weeks, days = random.choice(
        ((0, 0, 0, 1), (0, 0, 0, 1), (0, 0, 0, 2), (0, 0, 1, 0), (0, 1, 0, 0))
    )
    return CalendarInterval(years, months, weeks, days, at, start, None, zone)
