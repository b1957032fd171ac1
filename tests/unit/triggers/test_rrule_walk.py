"""Rules near clock changes against a walk through all minutes: no dateutil, no table of ours, only `zoneinfo`."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from random import Random
from zoneinfo import ZoneInfo

import pytest

pytest.importorskip("dateutil.rrule")

from rapscheduler.triggers.rrule import RRuleTrigger

UTC = timezone.utc
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
DAYS = 3  # walked, from the start on
NAMES = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
CHANGES = [
    ("Europe/Berlin", datetime(2026, 3, 29, 1)),
    ("Europe/Berlin", datetime(2026, 10, 25, 1)),
    ("Australia/Lord_Howe", datetime(2026, 4, 4, 15)),  # half an hour
    ("Australia/Lord_Howe", datetime(2026, 10, 3, 15, 30)),
    ("America/Havana", datetime(2026, 3, 8, 5)),  # midnight is skipped
    ("America/Sao_Paulo", datetime(2019, 2, 17, 2)),  # the last hour of a day comes twice
    ("Antarctica/Troll", datetime(2026, 10, 25, 1)),  # two hours
    ("Pacific/Apia", datetime(2011, 12, 30, 10)),  # a day is skipped
    ("Asia/Tokyo", datetime(2026, 5, 1)),
]


class Rule:
    """A drawn rule: its text, and what it means."""

    def __init__(self, draw: Random) -> None:
        name, change = draw.choice(CHANGES)
        self.zone = ZoneInfo(name)
        self.change = change.replace(tzinfo=UTC)
        self.start = (self.change + draw.randrange(-30, 31) * 5 * MINUTE).astimezone(self.zone)
        self.first = self.start.replace(tzinfo=None, fold=0)
        self.freq = draw.choice(("MINUTELY", "HOURLY", "DAILY", "WEEKLY"))
        self.interval = draw.choice((5, 10, 15, 45, 60) if self.freq == "MINUTELY" else (1, 1, 2, 3))
        self.hours = self._some(draw, range(24), 8)
        self.minutes = self._some(draw, range(0, 60, 5), 3)
        self.days = self._some(draw, range(7), 4)
        self.count = draw.choice((None, None, draw.randrange(1, 9)))
        text = f"RRULE:FREQ={self.freq};INTERVAL={self.interval}"
        for key, numbers in (("BYHOUR", self.hours), ("BYMINUTE", self.minutes)):
            text += f";{key}={','.join(map(str, numbers))}" if numbers else ""
        text += f";BYDAY={','.join(NAMES[day] for day in self.days)}" if self.days else ""
        text += f";COUNT={self.count}" if self.count else ""
        self.until: datetime | None = None
        if not self.count and draw.random() < 0.6:
            value, self.until = self._near(draw)
            text += f";UNTIL={value}"
        self.out, self.more = self._list(draw), self._list(draw)
        for key, values in (("EXDATE", self.out), ("RDATE", self.more)):
            text += f"\n{key}:{','.join(values)}" if values else ""
        self.text = text

    def _some(self, draw: Random, values: range, most: int) -> list[int]:
        return sorted(draw.sample(values, draw.randint(1, most))) if draw.random() < 0.4 else []

    def _near(self, draw: Random) -> tuple[str, datetime]:
        """A text of a date near the change, and its instant."""
        at = self.change + draw.randrange(-30, 60) * 5 * MINUTE
        if draw.random() < 0.5:
            return f"{at:%Y%m%dT%H%M%S}Z", at
        wall = at.astimezone(self.zone).replace(tzinfo=None, fold=0)
        if draw.random() < 0.3:
            wall += draw.randrange(-20, 20) * 5 * MINUTE  # may be one that is skipped
        return f"{wall:%Y%m%dT%H%M%S}", self.instant(wall)

    def _list(self, draw: Random) -> dict[str, datetime]:
        return dict(self._near(draw) for _ in range(draw.choice((0, 0, 1, 4))))

    def instant(self, wall: datetime) -> datetime:
        first, second = (wall.replace(tzinfo=self.zone, fold=fold).astimezone(UTC) for fold in (0, 1))
        if wall >= self.first and first < self.start.astimezone(UTC) <= second:
            return second
        return first

    def has(self, wall: datetime) -> bool:
        days = (wall.date() - self.first.date()).days
        if self.freq == "WEEKLY":
            steps, weekdays = (days + self.first.weekday()) // 7, self.days or [self.first.weekday()]
        else:
            steps, weekdays = days, self.days or range(7)
        if self.freq in ("HOURLY", "MINUTELY"):
            steps, hours = days * 24 + wall.hour - self.first.hour, self.hours or range(24)
        else:
            hours = self.hours or [self.first.hour]
        minutes = self.minutes or [self.first.minute]
        if self.freq == "MINUTELY":
            steps = (wall - self.first) // MINUTE
            minutes = self.minutes or range(60)
        return (
            steps % self.interval == 0
            and wall.minute in minutes
            and wall.hour in hours
            and wall.weekday() in weekdays
        )

    def walls(self) -> list[datetime]:
        return [wall for n in range(DAYS * 288) if self.has(wall := self.first + n * 5 * MINUTE)][
            : self.count
        ]

    def fires(self) -> list[datetime]:
        ats = {self.instant(wall) for wall in self.walls()}
        if self.until:
            ats = {at for at in ats if at <= self.until}
        return sorted(ats.union(self.more.values()).difference(self.out.values()))


@pytest.mark.parametrize("seed", range(12))
def test_rules_near_clock_changes(seed: int) -> None:
    draw = Random(f"rules near clock changes {seed}")
    for _ in range(20):
        rule = Rule(draw)
        begin, end = rule.change - 3 * DAY, rule.start.astimezone(UTC) + (DAYS - 2) * DAY
        right = [at for at in rule.fires() if begin <= at <= end]
        try:
            trigger = RRuleTrigger(rule.text, rule.start)
        except ValueError as error:  # such as every 60 minutes from 3:05 on, but at 3:10
            assert ("empty set" in str(error) or "no time" in str(error)) and not rule.walls(), rule.text
            continue
        what = f"{rule.text!r} from {rule.start.isoformat()} fold={rule.start.fold} in {rule.zone}"
        assert [at.astimezone(UTC) for at in trigger.fire_times(begin, end)] == right, what
        for _ in range(2):
            now = (
                rule.change
                + draw.randrange(-40, 90) * 5 * MINUTE
                + draw.choice((-1, 0, 1)) * timedelta(seconds=1)
            )
            if now > end:
                continue
            after = trigger.get_next_fire_time(None, now)
            before = trigger.get_previous_fire_time(now)
            assert next((at for at in right if at >= now), end) == (
                end if after is None or after.astimezone(UTC) > end else after.astimezone(UTC)
            ), (what, now)
            assert [at for at in right if at < now][-1:] == (
                [] if before is None else [before.astimezone(UTC)]
            ), (what, now)
