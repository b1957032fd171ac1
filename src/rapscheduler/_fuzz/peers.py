"""Other schedulers as oracles: APScheduler 3.11, cronsim and croniter, where they are installed.

A peer is asked for the first fire time at or after an instant. Its answer is compared with the walker's; a difference
must fall into one of the named classes below, or it counts as a disagreement. Each class is justified in
``docs/compare.md``. ``classify`` looks only at facts: the instants, the fire times that the walker found for every
``dst`` rule, and the transitions near by; so a class can't hide a difference in calm times.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import import_module, metadata
from typing import Any

from .draw import Question
from .schedule import Term
from .walker import Walker, Window
from .zones import DAY, EPOCH

SECOND = 1_000_000
CLASSES = {
    "drops-step-after-name": "APScheduler ignores the step of a range of names (`jan-dec/2`, `mon-fri/2`)",
    "answers-before-now": "the peer answers an instant before the one asked about, around a fold",
    "answers-a-time-that-does-not-exist": "the peer answers a wall time inside a gap",
    "fires-where-nothing-matches": "the wall time at the peer's instant does not match the fields, near a transition",
    "second-pass": "the peer fires in both passes of a fold, as `dst='both'` does",
    "no-shift": "the peer skips what `dst='shift'` runs after the gap",
    "shift": "the peer runs a skipped time after the gap, as `dst='shift'` does",
    "gap-skips": "the peer misses a matching wall time after, or on the day of, a gap",
    "fold-skips": "the peer misses a matching wall time in or after a fold",
    "gap-fires-early": "the peer reckons with the offset before a gap and is early",
    "star-or": "croniter reads OR or AND off the set of days; standard cron off the first character of the field",
    "float-clock": "croniter counts seconds in a float, which has no microseconds in the far future",
    "year-limit": "the peer gives up before the year 9999",
}
FAR_FUTURE_US = int((datetime(2100, 1, 1) - datetime(1970, 1, 1)).total_seconds()) * SECOND


class Refused(Exception):
    """The peer does not take this schedule."""


@dataclass(frozen=True)
class Peer:
    name: str
    version: str
    dialects: tuple[str, ...]
    ask: Callable[[Question, datetime], datetime | None]


def installed_peers() -> tuple[list[Peer], list[str]]:
    """The peers at hand, and the names of those that are not installed."""
    known = (
        ("apscheduler", "apscheduler.triggers.cron", ("fields",), _ask_apscheduler),
        ("cronsim", "cronsim", ("vixie",), _ask_cronsim),
        ("croniter", "croniter", ("vixie",), _ask_croniter),
    )
    found, missing = [], []
    for name, module, dialects, ask in known:
        try:
            import_module(module)
        except ImportError:
            missing.append(name)
        else:
            found.append(Peer(name, metadata.version(name), dialects, ask))
    return found, missing


def _ask_apscheduler(asked: Question, now: datetime) -> datetime | None:
    cron: Any = import_module("apscheduler.triggers.cron")
    try:
        trigger = cron.CronTrigger(**asked.schedule.arguments(), timezone=now.tzinfo)
    except ValueError as error:
        raise Refused(str(error)) from error
    answer: datetime | None = trigger.get_next_fire_time(None, now)
    return answer


def _ask_cronsim(asked: Question, now: datetime) -> datetime | None:
    cronsim: Any = import_module("cronsim")
    try:
        search = cronsim.CronSim(asked.schedule.expression(), _just_before(now))
    except cronsim.CronSimError as error:
        raise Refused(str(error)) from error
    answer: datetime | None = next(search, None)
    return answer


def _ask_croniter(asked: Question, now: datetime) -> datetime | None:
    croniter: Any = import_module("croniter")
    try:
        search = croniter.croniter(asked.schedule.expression(), _just_before(now))
        answer: datetime | None = search.get_next(datetime)
    except croniter.CroniterBadDateError:
        return None
    except croniter.CroniterError as error:
        raise Refused(str(error)) from error
    return answer


def _star_beside_a_restriction(asked: Question) -> bool:
    """Are day and weekday both more than ``*``, and does one of them hold a ``*`` or every day there is?"""
    schedule = asked.schedule
    day, weekday = schedule.effective("day"), schedule.effective("day_of_week")
    if (Term("any"),) in (day, weekday):
        return False
    every = all(schedule.has("day", n) for n in range(1, 32)) or all(
        schedule.has_weekday(n) for n in range(7)
    )
    return every or any(term.kind == "any" for term in day + weekday)


def _just_before(now: datetime) -> datetime:
    """One microsecond earlier as an instant: these peers answer what comes after, not at, the time they are given."""
    utc = now.astimezone(EPOCH.tzinfo) - timedelta(microseconds=1)
    return utc.astimezone(now.tzinfo)


# --- comparing ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Difference:
    peer: str
    kind: str | None
    asked: str
    answer: str
    right: str


class PeerCheck:
    """One question put to the peers. Bounds of the trigger are left out: only APScheduler has them."""

    def __init__(self, asked: Question) -> None:
        self.asked = asked
        self.fires = {dst: self._walk(dst) for dst in {"both", "shift", asked.dst}}
        self.window = Window(self.fires[asked.dst], asked.lo_s, asked.hi_s, None, None)
        self.changes = asked.view.changes_between(asked.lo_s - 2 * DAY, asked.hi_s + 2 * DAY)

    def _walk(self, dst: str) -> list[int]:
        return Walker(self.asked.schedule, self.asked.view, dst).fires(self.asked.lo_s, self.asked.hi_s)

    def compare(self, peer: Peer, now_us: int) -> Difference | bool:
        """True: the same answer. False: nothing to compare. Else the difference, with its class or None."""
        right = self.window.next(None, now_us)
        if right is None or right == Window.UNKNOWN:
            return False
        now = (EPOCH + timedelta(microseconds=now_us)).astimezone(self.asked.view.tzinfo)
        try:
            answer = peer.ask(self.asked, now)
        except Refused:
            return False
        except OverflowError:
            answer = None
        answer_us = (
            None if answer is None else (answer.astimezone(EPOCH.tzinfo) - EPOCH) // timedelta(microseconds=1)
        )
        if answer_us == right and self._exists(answer):
            return True
        kind = self.classify(peer.name, now_us, answer, answer_us, right)
        shown = (EPOCH + timedelta(microseconds=right)).astimezone(self.asked.view.tzinfo)
        return Difference(peer.name, kind, now.isoformat(), str(answer), shown.isoformat())

    def _exists(self, answer: datetime | None) -> bool:
        """Does the wall time that the peer answered exist?"""
        if answer is None:
            return True
        there = answer.astimezone(EPOCH.tzinfo).astimezone(self.asked.view.tzinfo)
        return there.replace(tzinfo=None, fold=0) == answer.replace(tzinfo=None, fold=0)

    def classify(
        self, peer: str, now_us: int, answer: datetime | None, answer_us: int | None, right: int
    ) -> str | None:
        text = " ".join(self.asked.schedule.arguments().values())
        if peer == "apscheduler" and re.search(r"[a-z]{3}-[a-z]{3}/", text):
            return "drops-step-after-name"
        if peer == "croniter" and _star_beside_a_restriction(self.asked):
            return "star-or"
        if peer == "croniter" and now_us > FAR_FUTURE_US:
            return "float-clock"
        if answer_us is None:
            return "year-limit" if now_us > FAR_FUTURE_US else None
        near = [change for change in self.changes if self._near(change[0], now_us, max(answer_us, right))]
        if not near:
            return None
        if not self._exists(answer):
            return "answers-a-time-that-does-not-exist"
        return self._class_near_a_change(now_us, answer_us, right, near)

    @staticmethod
    def _near(change_s: int, now_us: int, until_us: int) -> bool:
        return now_us - 26 * 3600 * SECOND <= change_s * SECOND <= until_us + 26 * 3600 * SECOND

    def _class_near_a_change(
        self, now_us: int, answer_us: int, right: int, near: list[tuple[int, int, int]]
    ) -> str | None:
        answer_s, right_s = answer_us // SECOND, right // SECOND
        gap = any(after > before for _, before, after in near)
        if answer_us < now_us:
            return "answers-before-now"
        if answer_s not in self.fires["both"]:
            if any(answer_s == change for change, _, _ in near) and answer_s in self.fires["shift"]:
                return "shift"
            return "gap-fires-early" if gap and answer_us < right else "fires-where-nothing-matches"
        if answer_us < right:
            return "second-pass" if self.asked.view.local(answer_s).fold else None
        if right_s not in self.fires["both"]:
            return "no-shift"
        return "gap-skips" if gap else "fold-skips"
