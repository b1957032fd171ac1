"""A day of all jobs as a picture: how many runs begin in each five minutes.

What lives here: counting fire times. What must not: SVG (`_pictures`). Paused jobs don't count; neither does a job
whose trigger raises, which the title tells.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

from rapscheduler._pictures import day_svg
from rapscheduler.errors import ends_program

if TYPE_CHECKING:
    from rapscheduler._scheduling.ports import Scheduler

PART_S = 300


def plot_day(scheduler: Scheduler, day: date | None, alias: str | None) -> str:
    """The SVG of a day in the scheduler's zone."""
    zone = scheduler.timezone
    day = datetime.now(zone).date() if day is None else day
    start = datetime.combine(day, time(), zone)
    end = datetime.combine(day + timedelta(days=1), time(), zone) - timedelta.resolution
    counts = [0] * (86_400 // PART_S)
    total = unknown = 0
    for job in scheduler.get_jobs(alias):
        if getattr(job, "next_run_time", start) is None:
            continue
        try:
            for fire in job.trigger.fire_times(start, end):
                wall = fire.astimezone(zone)
                counts[(wall.hour * 3600 + wall.minute * 60 + wall.second) // PART_S] += 1
                total += 1
        except BaseException as exc:  # of anybody's trigger
            if ends_program(exc):
                raise
            unknown += 1
    more = f", without {unknown} jobs whose triggers can't tell" if unknown else ""
    return day_svg(counts, f"{total} runs on {day:%A} {day.isoformat()}, {zone}, in parts of 5 minutes{more}")
