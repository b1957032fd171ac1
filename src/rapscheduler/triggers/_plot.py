"""Pictures of a trigger: counts of its fire times for `_pictures`."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from typing import Any

from rapscheduler._pictures import year_svg


def zone_of(trigger: Any) -> tzinfo:
    """The zone in which days are counted; UTC for a trigger that has none."""
    zone = getattr(trigger, "timezone", None)
    return zone if isinstance(zone, tzinfo) else timezone.utc


def counts_of_year(trigger: Any, year: int) -> dict[date, int]:
    """Day -> number of fire times, of days that have some, in the zone of the trigger."""
    zone = zone_of(trigger)
    start, end = (
        datetime(year, 1, 1, tzinfo=zone),
        datetime(year + 1, 1, 1, tzinfo=zone) - timedelta.resolution,
    )
    return dict(Counter(one.astimezone(zone).date() for one in trigger.fire_times(start, end)))


def changes_of_year(zone: tzinfo, year: int) -> list[date]:
    """The days of a year that are not 24 hours long."""
    first, found = date(year, 1, 1), []
    for number in range(366):
        day = first + timedelta(days=number)
        begin, end = (datetime.combine(one, time(), zone) for one in (day, day + timedelta(days=1)))
        if begin.utcoffset() != end.utcoffset():
            found.append(day)
    return found


def plot_year(trigger: Any, year: int, title: str | None = None) -> str:
    """The SVG of a year."""
    zone = zone_of(trigger)
    name = f"{trigger if title is None else title}, {year}, {zone}"
    return year_svg(counts_of_year(trigger, year), year, name, changes_of_year(zone, year))
