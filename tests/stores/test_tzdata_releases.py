"""What 2026 changed, with the real files: two releases of the PyPI package `tzdata`, side by side.

`.ci/tzdata` puts them into build/tzdata; where they are missing these tests are skipped, or fail when
RAPSCHEDULER_REQUIRE_TZDATA=1.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from rapscheduler.events import EVENT_JOB_EXECUTED
from rapscheduler.jobstores.memory import MemoryJobStore
from rapscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from rapscheduler.testing import ManualScheduler
from rapscheduler.testing.stores import noop
from rapscheduler.testing.zone_folders import read_zones_from, zones_read_from
from rapscheduler.triggers.calendarinterval import CalendarIntervalTrigger
from rapscheduler.triggers.cron import CronTrigger
from rapscheduler.triggers.date import DateTrigger

pytestmark = pytest.mark.forgets_zones

RELEASES = ("2025.3", "2026.6")
FOLDER = Path(__file__).parents[2] / "build" / "tzdata"
ZONES = ("Africa/Casablanca", "America/Vancouver", "America/Winnipeg", "America/Edmonton", "Europe/Berlin")
KINDS = {
    "cron": lambda zone: CronTrigger(hour=9, timezone=zone),
    "date": lambda zone: DateTrigger("2027-01-15 09:00:00", zone),
    "calendar interval": lambda zone: CalendarIntervalTrigger(
        days=1, hour=9, start_date="2027-01-15", timezone=zone
    ),
}


@pytest.fixture(params=["forwards", "backwards"])
def releases(request):
    folders = [FOLDER / release / "tzdata" / "zoneinfo" for release in RELEASES]
    if not all(folder.is_dir() for folder in folders):
        words = f"no releases {RELEASES} of tzdata in {FOLDER}; run .ci/tzdata"
        if os.environ.get("RAPSCHEDULER_REQUIRE_TZDATA") == "1":
            pytest.fail(words)
        pytest.skip(words)
    if request.param == "backwards":
        folders.reverse()
    with zones_read_from(folders[0]):
        yield folders


def test_the_two_releases_differ(releases):
    """Else the tests below show nothing: all zones but one have another clock in January 2027."""
    before = {zone: datetime(2027, 1, 15, 9, tzinfo=ZoneInfo(zone)).utcoffset() for zone in ZONES}
    read_zones_from(releases[1])
    after = {zone: datetime(2027, 1, 15, 9, tzinfo=ZoneInfo(zone)).utcoffset() for zone in ZONES}
    assert [zone for zone in ZONES if before[zone] == after[zone]] == ["Europe/Berlin"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("lives_on", [False, True], ids=["stored", "in memory"])
def test_nine_stays_nine_and_comes_once(releases, zone, kind, lives_on, tmp_path):
    def started(store):
        scheduler = ManualScheduler("2027-01-14T22:00:00Z", jobstores={"default": store})
        scheduler.start()
        return scheduler

    url = f"sqlite:///{tmp_path}/jobs.db"
    scheduler = started(MemoryJobStore() if lives_on else SQLAlchemyJobStore(url))
    scheduler.add_job(noop, KINDS[kind](zone), id="nine", misfire_grace_time=None)
    scheduler.advance(0)
    if not lives_on:
        scheduler.shutdown()
    read_zones_from(releases[1])
    if not lives_on:
        scheduler = started(SQLAlchemyJobStore(url))
    runs = []
    scheduler.add_listener(lambda event: runs.append(event.scheduled_run_time), EVENT_JOB_EXECUTED)
    scheduler.run_until("2027-01-15T22:00:00Z")
    assert [f"{run.astimezone(ZoneInfo(zone)):%d %H:%M}" for run in runs] == ["15 09:00"]
    scheduler.shutdown()
