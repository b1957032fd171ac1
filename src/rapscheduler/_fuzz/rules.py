"""The group "rules": the rules of a zone change under stored jobs, and every run is held against the walker.

A *play* is a zone with old and new rules, the moments of ``Times``, a store, the way in which the change comes, and
some jobs. It is played on a virtual clock by the real loop and the real stores. A *case* is one job of a play.

Ways: ``restart`` (the scheduler is shut down, and another begins on the same store by the new rules), ``export`` (the
jobs are written to JSON, and read by the new rules into an empty store), ``running`` (the scheduler goes on; somebody
has called ``ZoneInfo.clear_cache()``).
"""

from __future__ import annotations

import io
import logging
import tempfile
import time
import warnings
import zoneinfo
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from .stores import Place
from .tally import Disagreement, Tally
from .wishes import (
    CalendarWish,
    CronWish,
    DateWish,
    IntervalWish,
    Runs,
    Times,
    Wish,
    draw_times,
    draw_wish,
    texts,
)
from .zonefiles import Change, Release, change_of, changed_zones, draw_made_up, put_in_force, rules_put_back
from .zones import EPOCH

JOBS = 20  # of a play
MADE_UP_SHARE = 0.4
WAYS = ("restart", "export", "running")
_QUIET = logging.getLogger("rapscheduler.fuzz.rules")
_QUIET.setLevel(logging.CRITICAL + 1)


@dataclass(frozen=True)
class Play:
    """What is played, but for the zone files."""

    change: Change
    times: Times
    way: str
    wishes: dict[str, Wish]  # by job id
    right: dict[str, Runs]

    def __str__(self) -> str:
        at = texts([self.times.made_s, self.times.changed_s, self.times.back_s, self.times.end_s])
        change = f"{self.change.old.name} -> {self.change.new.name}"
        return f"zone={self.change.key!r}, {change}, {self.way}; made, changed, back, end: {at}"


def tick() -> None:
    """What the jobs do."""


def draw_play(random: Random, releases: Sequence[Release], folder: Path, ways: Sequence[str] = WAYS) -> Play:
    """A play with as many jobs as its window allows."""
    change = _draw_change(random, releases, folder)
    times = draw_times(random, change)
    wishes: dict[str, Wish] = {}
    right: dict[str, Runs] = {}
    for number in range(3 * JOBS):
        wish = draw_wish(random, change, times)
        runs = wish.runs(change, times)
        if runs is not None and len(wishes) < JOBS and runs.is_told(change):
            wishes[f"job {number}"], right[f"job {number}"] = wish, runs
    return Play(change, times, random.choice(ways), wishes, right)


def _draw_change(random: Random, releases: Sequence[Release], folder: Path) -> Change:
    if len(releases) > 1 and random.random() >= MADE_UP_SHARE:
        for _ in range(20):
            old, new = random.sample(list(releases), 2)
            keys = changed_zones(old, new)
            change = change_of(old, new, random.choice(keys)) if keys else None
            if change is not None:
                return change
    return draw_made_up(random, folder)


# --- playing ----------------------------------------------------------------------------------------


def _moment(at_s: int) -> datetime:
    return EPOCH + timedelta(seconds=at_s)


def _trigger(wish: Wish, key: str) -> Any:
    """The public trigger, in the zone as it is in force."""
    from ..errors import CrontabWarning
    from ..triggers import calendarinterval, cron, date, interval

    zone = zoneinfo.ZoneInfo(key)
    if isinstance(wish, DateWish):
        return date.DateTrigger(str(wish.wall), zone)
    if isinstance(wish, IntervalWish):
        return interval.IntervalTrigger(seconds=wish.every_s, start_date=_moment(wish.start_s), timezone=zone)
    if isinstance(wish, CalendarWish):
        counts: dict[str, Any] = wish.arguments()
        return calendarinterval.CalendarIntervalTrigger(**counts, start_date=wish.rule.start, timezone=zone)
    assert isinstance(wish, CronWish)
    dialect: Any = wish.schedule.dialect
    dst: Any = wish.dst
    if dialect == "fields":
        arguments: dict[str, Any] = dict(wish.schedule.arguments())
        return cron.CronTrigger(**arguments, timezone=zone, dst=dst)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CrontabWarning)
        return cron.CronTrigger.from_crontab(wish.schedule.expression(), zone, dialect, dst=dst)


@contextmanager
def _scheduler(at_s: int, place: Place) -> Iterator[tuple[Any, list[tuple[str, int]]]]:
    """A scheduler on the store that runs, and the list of its runs: (job id, scheduled for)."""
    from ..events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED, EVENT_JOB_MISSED, EVENT_JOB_PARKED
    from ..testing import ManualScheduler

    scheduler = ManualScheduler(_moment(at_s), logger=_QUIET)
    runs: list[tuple[str, int]] = []

    def note(event: Any) -> None:
        if event.code != EVENT_JOB_EXECUTED:
            raise AssertionError(f"{event!r} of {event.job_id}")
        runs.append((event.job_id, int(event.scheduled_run_time.timestamp())))

    scheduler.add_listener(note, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR | EVENT_JOB_MISSED | EVENT_JOB_PARKED)
    scheduler.add_jobstore(place.store())
    scheduler.start()
    try:
        yield scheduler, runs
    finally:
        scheduler.shutdown()


def _add_jobs(scheduler: Any, play: Play) -> None:
    zone = zoneinfo.ZoneInfo(play.change.key)
    for job_id, wish in play.wishes.items():
        options: dict[str, Any] = {}
        if isinstance(wish, CronWish) and wish.set_wall is not None:
            options["next_run_time"] = wish.set_wall.replace(tzinfo=zone)
        scheduler.add_job(
            tick,
            _trigger(wish, play.change.key),
            id=job_id,
            misfire_grace_time=None,
            coalesce=False,
            **options,
        )


def runs_of(play: Play, place: Place) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """Play it: the runs before and after the change."""
    times, document = play.times, io.StringIO()
    put_in_force(play.change.old)
    with _scheduler(times.made_s, place) as (scheduler, before):
        _add_jobs(scheduler, play)
        scheduler.run_until(_moment(times.changed_s))
        if play.way == "running":
            count = len(before)
            put_in_force(play.change.new)
            scheduler.clock.set(_moment(times.back_s))  # as if nobody had looked
            scheduler.run_until(_moment(times.end_s))
            return before[:count], before[count:]
        if play.way == "export":
            scheduler.export_jobs(document)
            scheduler.remove_all_jobs()
            document.seek(0)
    put_in_force(play.change.new)
    with _scheduler(times.back_s, place) as (scheduler, after):
        if play.way == "export":
            scheduler.import_jobs(document)
        scheduler.run_until(_moment(times.end_s))
    return before, after


def wrong_jobs(play: Play, place: Place) -> dict[str, str]:
    """What is wrong with the runs of each job."""
    try:
        place.empty()
        before, after = runs_of(play, place)
    except Exception as error:
        return dict.fromkeys(play.wishes, f"{type(error).__name__}: {error}")
    wrong = {}
    for job_id, right in play.right.items():
        found = right.wrong(
            [at_s for ran_id, at_s in before if ran_id == job_id],
            [at_s for ran_id, at_s in after if ran_id == job_id],
        )
        if found is not None:
            wrong[job_id] = found
    return wrong


# --- campaign ---------------------------------------------------------------------------------------


def examine(
    seed: int, number: int, places: Sequence[Place], releases: Sequence[Release], ways: Sequence[str] = WAYS
) -> Tally:
    """Draw one play, play it, compare the runs of all its jobs."""
    random = Random(f"rules/{seed}/{number}")
    tally = Tally(groups=1)
    with rules_put_back(), tempfile.TemporaryDirectory() as folder:
        play = draw_play(random, releases, Path(folder), ways)
        place = random.choice([place for place in places if place.takes(play.way)])
        tally.cases = len(play.wishes)
        tally.crossed = sum(runs.moved for runs in play.right.values())
        tally.zones = {play.change.key}
        tally.kinds[f"{place.name} {play.way}"] = tally.cases
        for job_id, found in wrong_jobs(play, place).items():
            alone = Play(
                play.change, play.times, play.way, {job_id: play.wishes[job_id]}, {job_id: play.right[job_id]}
            )
            again = wrong_jobs(alone, place).get(job_id, f"only beside the others: {found}")
            line = f"# {play.wishes[job_id].code}; {play}; {place.name}"
            tally.disagreements.append(
                Disagreement(number, f"{place.name} {play.way}", again, "the walker", line)
            )
    return tally


def work(
    seed: int,
    part: int,
    parts: int,
    cases: int | None,
    until_s: float | None,
    places: Sequence[Place],
    releases: Sequence[Release],
    ways: Sequence[str] = WAYS,
) -> Iterator[tuple[int, Tally]]:
    """Examine every ``parts``-th play from ``part`` on, until enough cases or the time (monotonic) is over."""
    number, done = part, 0
    while (cases is None or done < cases) and (until_s is None or time.monotonic() < until_s):
        tally = examine(seed, number, places, releases, ways)
        done += tally.cases
        yield number, tally
        number += parts
