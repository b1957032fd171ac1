"""Groups of cases for the triggers that are not cron: interval, calendar-interval, date, and, or.

The rules are those of ``plain`` and, for combinations of cron triggers, the walker's fire times put together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import time, timedelta
from random import Random
from typing import Any

from .draw import Question, draw_middle, draw_question, draw_zone, with_left_out
from .groups import Call, CronGroup, Group, expected_datetime, moment, public_cron, reference_zone
from .leftouts import LeftOut, draw_left_out
from .plain import LAST_US, CalendarInterval, Interval
from .walker import Walker, Window
from .zones import DAY, EPOCH, zone_view

SECOND = 1_000_000
INTERVALS = (
    1,
    333,
    100_000,
    SECOND,
    1_500_000,
    7 * SECOND,
    60 * SECOND,
    61 * SECOND,
    3600 * SECOND,
    DAY * SECOND,
)


def draw_group(random: Random) -> Group:
    """Mostly cron, the others now and then."""
    kind = random.random()
    if kind < 0.8:
        return CronGroup(with_left_out(random, draw_question(random)))
    if kind < 0.86:
        return draw_interval(random)
    if kind < 0.93:
        return draw_calendar(random)
    if kind < 0.95:
        return draw_date(random)
    return draw_combined(random)


def _near(random: Random, middle_us: int, reach_us: int) -> int:
    """An instant at, just beside, or around another."""
    away = random.choice((0, 1, -1, SECOND, -SECOND, 3600 * SECOND, random.randint(-reach_us, reach_us)))
    return min(max(middle_us + away, 3 * DAY * SECOND), LAST_US - 2 * DAY * SECOND)


@dataclass
class RuleGroup:
    """What interval, calendar-interval and date groups share: instants to ask about, and calls with one right
    answer.
    """

    zone: str
    instants: tuple[int, ...]
    crossed: int

    def next_call(self, previous_us: int | None, now_us: int, random: Random) -> Call:
        method = random.choice(("next_fire_us", "get_next_fire_time"))
        return method, (previous_us, now_us)

    def right(self, call: Call) -> int | None:
        raise NotImplementedError

    def knows(self, call: Call) -> bool:
        return True

    def wrong(self, call: Call, answer: Any) -> str | None:
        right: int | str | None = self.right(call)
        if call[0] == "get_next_fire_time":
            right = expected_datetime(self.right(call), self.zone)
        return None if answer == right else repr(right)

    def simpler(self) -> Iterator[Group]:
        yield from ()


@dataclass
class IntervalGroup(RuleGroup):
    rule: Interval

    @property
    def code(self) -> str:
        end = "" if self.rule.end_us is None else f", end_date={_datetime_code(self.rule.end_us)}"
        start = f"start_date={_datetime_code(self.rule.start_us)}{end}"
        return f"IntervalTrigger(seconds={self.rule.interval_us / SECOND!r}, {start}, timezone={self.zone!r})"

    def subjects(self) -> dict[str, Any]:
        from .._reference.interval import IntervalCore
        from ..triggers.interval import IntervalTrigger

        rule = self.rule
        public = IntervalTrigger(
            seconds=rule.interval_us / SECOND,
            start_date=moment(rule.start_us, self.zone),
            end_date=moment(rule.end_us, self.zone),
            timezone=self.zone,
        )
        twin = IntervalCore(rule.interval_us, reference_zone(self.zone), rule.start_us, rule.end_us)
        return {"rapscheduler": public, "twin": twin}

    def calls(self, random: Random) -> list[Call]:
        made: list[Call] = []
        for now in self.instants:
            on_grid = self.rule.before(now) if random.random() < 0.7 else None
            previous = on_grid if on_grid is not None else random.choice(self.instants)
            made.append(self.next_call(None, now, random))
            made.append(self.next_call(previous, now, random))
            made.append(("previous_fire_us", (now,)))
            if previous <= now:
                made.append(("latest_fire_us", (previous, now)))
        return made

    def right(self, call: Call) -> int | None:
        method, arguments = call
        if method == "previous_fire_us":
            return self.rule.before(*arguments)
        if method == "latest_fire_us":
            return self.rule.latest(*arguments)
        return self.rule.next(*arguments)


def draw_interval(random: Random) -> IntervalGroup:
    zone = draw_zone(random)
    middle_us = draw_middle(random, zone_view(zone)) * SECOND
    interval_us = random.choice(INTERVALS) * random.choice((1, 1, 2, 7, 24, 366))
    reach_us = random.choice((3 * interval_us, 400 * interval_us, 30 * DAY * SECOND))
    start_us = _near(random, middle_us, reach_us)
    end_us = max(start_us, _near(random, middle_us, reach_us)) if random.random() < 0.3 else None
    instants = tuple(_near(random, random.choice((middle_us, start_us)), reach_us) for _ in range(12))
    return IntervalGroup(zone, instants, 1, Interval(interval_us, start_us, end_us))


@dataclass
class CalendarGroup(RuleGroup):
    rule: CalendarInterval

    @property
    def code(self) -> str:
        return f"CalendarIntervalTrigger({', '.join(f'{k}={v!r}' for k, v in self._texts().items())})"

    def _texts(self) -> dict[str, Any]:
        rule = self.rule
        steps = {"years": rule.years, "months": rule.months, "weeks": rule.weeks, "days": rule.days}
        at = {"hour": rule.at.hour, "minute": rule.at.minute, "second": rule.at.second}
        end = {} if rule.end is None else {"end_date": rule.end.isoformat()}
        return steps | at | {"start_date": rule.start.isoformat(), **end, "timezone": self.zone}

    def subjects(self) -> dict[str, Any]:
        from .._reference.calendar_interval import CalendarIntervalCore
        from ..triggers.calendarinterval import CalendarIntervalTrigger

        rule = self.rule
        twin = CalendarIntervalCore(
            reference_zone(self.zone),
            rule.years * 12 + rule.months,
            rule.weeks * 7 + rule.days,
            rule.at.hour * 3600 + rule.at.minute * 60 + rule.at.second,
            (rule.start - EPOCH.date()).days,
            None if rule.end is None else (rule.end - EPOCH.date()).days,
        )
        return {"rapscheduler": CalendarIntervalTrigger(**self._texts()), "twin": twin}

    def calls(self, random: Random) -> list[Call]:
        view, made = zone_view(self.zone), []
        for now in self.instants:
            previous = self.rule.before(view, now)
            made.append(self.next_call(None, now, random))
            if previous is not None:
                made.append(self.next_call(previous, now, random))
                made.append(("latest_fire_us", (self.rule.next(view, None, 0), now)))
            any_time = random.choice(self.instants)
            # Before its start there is no chain to be in.
            if view.local(any_time // SECOND).date() >= self.rule.start:
                made.append(self.next_call(any_time, now, random))
            made.append(("previous_fire_us", (now,)))
        return made

    def right(self, call: Call) -> int | None:
        method, arguments = call
        view = zone_view(self.zone)
        if method == "previous_fire_us":
            return self.rule.before(view, *arguments)
        if method == "latest_fire_us":
            return self.rule.before(view, arguments[1] + 1)
        return self.rule.next(view, *arguments)


def draw_calendar(random: Random) -> CalendarGroup:
    zone = draw_zone(random)
    view = zone_view(zone)
    middle_s = draw_middle(random, view)
    local = view.local(middle_s + random.choice((-3600, -1, 0, 60, random.randint(-DAY, DAY))))
    at = time(local.hour, random.choice((0, 30, local.minute)), random.choice((0, 0, 0, local.second)))
    years, months, weeks, days = random.choice(
        ((0, 0, 0, 1), (0, 1, 0, 0), (1, 0, 0, 0), (0, 0, 1, 0), (0, 6, 0, 0), (0, 1, 0, 1), (4, 0, 0, 0),
         (0, random.randint(1, 14), random.randint(0, 2), random.randint(0, 9)),
         (0, 0, 0, random.randint(1, 90)),
         (random.randint(0, 2), random.randint(0, 5), random.randint(0, 3), random.randint(1, 40)))
    )  # fmt: skip
    day = local.date()
    if random.random() < 0.4:
        # Ends of months are where dates are missing.
        day = day.replace(day=1) - timedelta(days=random.choice((1, 1, 2)))
    back = random.choice((0, 1, 7, 28, 31, 364, 365, 366, 1461))
    day -= timedelta(days=min(back, day.toordinal() - EPOCH.date().toordinal() - 3))
    end = day + timedelta(days=random.randint(0, 1500)) if random.random() < 0.3 and day.year < 9990 else None
    reach_us = random.choice((2, 40, 800)) * DAY * SECOND
    instants = tuple(_near(random, middle_s * SECOND, reach_us) for _ in range(8))
    return CalendarGroup(zone, instants, 1, CalendarInterval(years, months, weeks, days, at, day, end, zone))


@dataclass
class DateGroup(RuleGroup):
    run_us: int

    @property
    def code(self) -> str:
        return f"DateTrigger({_datetime_code(self.run_us)}, timezone={self.zone!r})"

    def subjects(self) -> dict[str, Any]:
        from .._reference.trigger import DateCore
        from ..triggers.date import DateTrigger

        public = DateTrigger(moment(self.run_us, self.zone), timezone=self.zone)
        return {"rapscheduler": public, "twin": DateCore(self.run_us, reference_zone(self.zone))}

    def calls(self, random: Random) -> list[Call]:
        made: list[Call] = [("previous_fire_us", (now,)) for now in self.instants]
        return made + [("next_fire_us", (random.choice((None, self.run_us)), now)) for now in self.instants]

    def right(self, call: Call) -> int | None:
        method, arguments = call
        if method == "previous_fire_us":
            return self.run_us if self.run_us < arguments[0] else None
        return self.run_us if arguments[0] is None else None


def draw_date(random: Random) -> DateGroup:
    zone = draw_zone(random)
    run_us = _near(random, draw_middle(random, zone_view(zone)) * SECOND, DAY * SECOND)
    return DateGroup(zone, tuple(_near(random, run_us, DAY * SECOND) for _ in range(4)), 1, run_us)


@dataclass
class CombinedGroup:
    """``AndTrigger`` or ``OrTrigger`` over cron triggers of one zone: what they have in common, or together."""

    name: str
    parts: tuple[Question, ...]
    left_out: LeftOut | None = None  # by the combination itself

    def __post_init__(self) -> None:
        first = self.parts[0]
        self.zone, self.crossed = first.zone, first.crossed
        fires = [
            set(Walker(part.schedule, part.view, part.dst).fires(first.lo_s, first.hi_s))
            for part in self.parts
        ]
        together = set.intersection(*fires) if self.name == "AndTrigger" else set.union(*fires)
        if self.left_out is not None:
            together = {fire for fire in together if not self.left_out.has(first.view.local(fire))}
        self.window = Window(sorted(together), first.lo_s, first.hi_s, None, None)

    @property
    def code(self) -> str:
        options = "".join(f", {name}={value!r}" for name, value in self._options().items())
        return f"{self.name}([{', '.join(CronGroup(part).code for part in self.parts)}]{options})"

    def _options(self) -> dict[str, Any]:
        return {} if self.left_out is None else dict(self.left_out.arguments())

    def subjects(self) -> dict[str, Any]:
        from ..triggers import combining

        parts = [public_cron(part) for part in self.parts]
        return {"rapscheduler": getattr(combining, self.name)(parts, **self._options())}

    def calls(self, random: Random) -> list[Call]:
        made: list[Call] = []
        for now in self.parts[0].instants:
            made.append(("get_next_fire_time", (None, now)))
            if self.window.fires:
                made.append(("get_next_fire_time", (random.choice(self.window.fires), now)))
        return [call for call in made if self.window.next(*call[1]) not in (None, Window.UNKNOWN)]

    def knows(self, call: Call) -> bool:
        return True

    def wrong(self, call: Call, answer: Any) -> str | None:
        right = expected_datetime(self.window.next(*call[1]), self.zone)
        return None if answer == right else repr(right)

    def simpler(self) -> Iterator[Group]:
        if self.left_out is not None:
            yield replace(self, left_out=None)


def draw_combined(random: Random) -> Group:
    """Two schedules in one window; for ``and`` the second is the first with fewer fields, so that they meet."""
    first = replace(draw_question(random, asked=6), start_us=None, end_us=None)
    if random.random() < 0.5:
        second = replace(draw_question(random, first.zone), start_us=None, end_us=None)
        second = replace(second, lo_s=first.lo_s, hi_s=first.hi_s)
        return CombinedGroup("OrTrigger", (first, second), _left_out(random, first))
    fields = {name: terms for name, terms in first.schedule.fields.items() if random.random() < 0.6}
    loose = replace(first.schedule, fields=fields or first.schedule.fields)
    if first.schedule.dialect != "fields":
        loose = first.schedule
    return CombinedGroup("AndTrigger", (first, replace(first, schedule=loose)), _left_out(random, first))


def _left_out(random: Random, first: Question) -> LeftOut | None:
    return draw_left_out(random, [first.view.local(us // SECOND) for us in first.instants])


def _datetime_code(us: int) -> str:
    return f"datetime.fromisoformat({(EPOCH + timedelta(microseconds=us)).isoformat()!r})"
