"""The demo's schedules: crontab expressions over real zones, weighted by how often each was drawn, and intervals.

The corpus (``crontab_corpus.tsv``) holds expressions composed by a script of ours (``benchmarks/crontab_corpus.py``),
with standard weekday numbers (0 and 7 are Sunday) and the count of each. What can't be scheduled is left out, and
said so.
"""

from __future__ import annotations

import random
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from rapscheduler.errors import CrontabWarning
from rapscheduler.triggers.cron import CronTrigger
from rapscheduler.triggers.interval import IntervalTrigger

CORPUS = Path(__file__).with_name("crontab_corpus.tsv")
# All of today's offsets are whole minutes, so a five-field expression fires at second 0 of a minute, in any zone.
ZONES = (
    "UTC", "America/New_York", "America/Los_Angeles", "America/Sao_Paulo", "America/St_Johns", "America/Caracas",
    "Europe/London", "Europe/Berlin", "Europe/Moscow", "Africa/Cairo", "Africa/Casablanca", "Africa/Johannesburg",
    "Asia/Tehran", "Asia/Kolkata", "Asia/Kathmandu", "Asia/Shanghai", "Asia/Tokyo", "Australia/Adelaide",
    "Australia/Lord_Howe", "Antarctica/Troll", "Pacific/Auckland", "Pacific/Chatham", "Pacific/Apia",
)  # fmt: skip
PERIODS_S = (1, 2, 5, 10, 15, 30, 60)
# Intervals of a larger demo are longer, so that the fires per second stay what two cores can run beside a display.
MOST_FIRES_PER_S = 12_000
CRONTAB_SHARE = 0.15  # of which every fifth fires at each full minute, all at one instant
MINUTE_US = 60_000_000


@dataclass
class Schedules:
    """The expressions that can be scheduled, and why the others were left out.

    left_out: reason -> how many distinct expressions.
    """

    crontabs: list[str] = field(default_factory=list)
    weights: list[int] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def seen(self) -> int:
        return len(self.crontabs) + sum(self.left_out.values())


def _reason(text: str, error: Exception | None) -> str:
    if error is None:
        return "never fires"
    if re.search(r"\b(L|LW|\d+W)\b|#|\?", text.upper()):
        return "uses L, W, # or ?, which are not of this dialect"
    return "not a crontab expression"


def read_corpus(path: Path = CORPUS) -> Schedules:
    """The corpus sorted into what can be scheduled and what not."""
    found = Schedules()
    now = datetime.now(timezone.utc)
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        count, _, text = line.partition("\t")
        try:
            with warnings.catch_warnings():  # that some lines are dead in standard cron is no matter here
                warnings.simplefilter("ignore", CrontabWarning)
                trigger = CronTrigger.from_crontab(text, timezone.utc, dialect="vixie")
            fires = trigger.get_next_fire_time(None, now)
        except ValueError as error:
            found.left_out[_reason(text, error)] += 1
            continue
        if fires is None:
            found.left_out[_reason(text, None)] += 1
            continue
        found.crontabs.append(text)
        found.weights.append(int(count))
    return found


@dataclass(frozen=True)
class Drawn:
    """One job of the demo: its trigger, and the grid on which it fires: at ``phase_us`` + k * ``period_us``."""

    trigger: Any
    phase_us: int
    period_us: int


def draw(schedules: Schedules, count: int, seed: int) -> Iterator[Drawn]:
    """``count`` jobs, a share of them from the corpus; the same for the same seed."""
    source = random.Random(seed)
    zones: list[tzinfo] = [ZoneInfo(name) for name in ZONES]
    crontabs = round(count * CRONTAB_SHARE)
    scale = _scale(count - crontabs)
    texts = source.choices(schedules.crontabs, schedules.weights, k=crontabs)
    kinds: list[str | None] = [*texts, *[None] * (count - crontabs)]
    source.shuffle(kinds)
    base = datetime.now(timezone.utc) - timedelta(hours=1)
    base_us = round(base.timestamp() * 1_000_000)
    for text in kinds:
        zone = source.choice(zones)
        if text is not None:
            yield Drawn(CronTrigger.from_crontab(text, zone, dialect="vixie"), 0, MINUTE_US)
        else:
            period_us = source.choice(PERIODS_S) * scale * 1_000_000
            phase_us = base_us + source.randrange(period_us)
            start = datetime.fromtimestamp(phase_us // 1_000_000, zone) + timedelta(
                microseconds=phase_us % 1_000_000
            )
            interval = IntervalTrigger(seconds=period_us // 1_000_000, start_date=start, timezone=zone)
            yield Drawn(interval, phase_us, period_us)


def _scale(intervals: int) -> int:
    """By what the periods are multiplied to stay below MOST_FIRES_PER_S."""
    fires_per_s = intervals * sum(1 / period for period in PERIODS_S) / len(PERIODS_S)
    return max(1, round(fires_per_s / MOST_FIRES_PER_S))
