"""Zone files that were read again: what is made by name follows them, and who holds an old object keeps its rules."""

from __future__ import annotations

from datetime import datetime, timezone
from zoneinfo import ZoneInfo

import pytest

from rapscheduler._zones import rules_changes, rules_version
from rapscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from rapscheduler.testing import ManualScheduler
from rapscheduler.testing._rules_of_time import noop
from rapscheduler.testing.zone_folders import make_folder, read_zones_from, zones_read_from
from rapscheduler.triggers.cron import CronTrigger
from rapscheduler.triggers.date import DateTrigger

pytestmark = pytest.mark.forgets_zones

WEST = "Test/West"
NOW = datetime(2027, 1, 14, 20, tzinfo=timezone.utc)


@pytest.fixture
def folders(tmp_path):
    """Vancouver's January before and after 2026."""
    old = make_folder(tmp_path / "old", {WEST: "PST8PDT,M3.2.0,M11.1.0"})
    new = make_folder(tmp_path / "new", {WEST: "<-07>7"})
    with zones_read_from(old):
        yield old, new


def hour_of(trigger):
    """The hour of the next fire time, in UTC: 17 under the old rules, 16 under the new ones."""
    return trigger.get_next_fire_time(None, NOW).astimezone(timezone.utc).hour


@pytest.mark.parametrize(
    "make",
    [
        lambda: CronTrigger(hour=9, timezone=WEST),
        lambda: CronTrigger.from_crontab("0 9 * * *", timezone=WEST),
        lambda: CronTrigger.from_crontab(f"CRON_TZ={WEST} 0 9 * * *", dialect="vixie"),
        lambda: DateTrigger("2027-01-15 09:00", WEST),
        lambda: CronTrigger(hour=9, timezone=ZoneInfo(WEST)),
    ],
    ids=["cron", "crontab", "CRON_TZ", "date", "object"],
)
def test_a_new_trigger_follows_the_files(folders, make):
    held = make()
    assert hour_of(held) == 17
    read_zones_from(folders[1])
    assert hour_of(make()) == 16
    assert hour_of(held) == 17
    read_zones_from(folders[0])
    assert hour_of(make()) == 17


def test_a_held_zone_goes_on_with_its_rules(folders):
    held = ZoneInfo(WEST)
    CronTrigger(hour=9, timezone=WEST)
    read_zones_from(folders[1])
    assert hour_of(CronTrigger(hour=9, timezone=WEST)) == 16
    assert hour_of(CronTrigger(hour=9, timezone=held)) == 17


def test_reading_the_same_rules_again_changes_nothing(folders):
    CronTrigger(hour=9, timezone=WEST)
    version = rules_version()
    read_zones_from(folders[0])
    assert rules_version() == version
    assert hour_of(CronTrigger(hour=9, timezone=WEST)) == 17


def test_changes_are_told_from_the_first_rules_to_the_last(folders):
    CronTrigger(hour=9, timezone=WEST)
    version = rules_version()
    for folder in (folders[1], folders[0], folders[1]):
        read_zones_from(folder)
        rules_version()
    (change,) = rules_changes(version)
    at_s = int(NOW.timestamp())
    assert (change.key, change.old.offset_at(at_s), change.new.offset_at(at_s)) == (WEST, -28800, -25200)


def test_a_file_that_is_gone_leaves_what_was_read(folders, tmp_path):
    held = CronTrigger(hour=9, timezone=WEST)
    read_zones_from(tmp_path / "nothing")
    rules_version()
    assert hour_of(held) == 17


@pytest.fixture
def scheduler(tmp_path):
    scheduler = ManualScheduler(
        NOW, jobstores={"default": SQLAlchemyJobStore(f"sqlite:///{tmp_path}/jobs.db")}, timezone=WEST
    )
    yield scheduler
    scheduler.shutdown()


def test_a_stored_row_and_what_is_written_over_it_follow_without_a_pass(folders, scheduler):
    scheduler.start()
    scheduler.add_job(noop, "cron", hour=9, id="a", timezone=WEST)
    read_zones_from(folders[1])
    assert hour_of(scheduler.get_job("a").trigger) == 16
    moved = scheduler.reschedule_job("a", trigger="cron", hour=10, timezone=WEST)
    assert moved.next_run_time.astimezone(timezone.utc).hour == 17
    assert hour_of(scheduler.get_job("a").trigger) == 17


@pytest.mark.parametrize("change", [{"name": "another"}, {"kwargs": {"a": 1}}])
def test_a_modified_job_keeps_its_wall_time(folders, tmp_path, change):
    url = f"sqlite:///{tmp_path}/jobs.db"
    first = ManualScheduler(NOW, jobstores={"default": SQLAlchemyJobStore(url)})
    first.start()
    first.add_job(noop, CronTrigger(hour=9, timezone=WEST), id="a")
    first.shutdown()
    read_zones_from(folders[1])
    second = ManualScheduler(NOW, jobstores={"default": SQLAlchemyJobStore(url)})
    second.start()
    second.modify_job("a", **change)
    assert second.get_job("a").next_run_time == datetime(2027, 1, 15, 16, tzinfo=timezone.utc)
    second.add_job(noop, CronTrigger(hour=9, timezone=WEST), id="a", replace_existing="keep")
    assert second.get_job("a").next_run_time == datetime(2027, 1, 15, 16, tzinfo=timezone.utc)
    second.shutdown()


def test_the_default_zone_of_a_running_scheduler_follows(folders):
    scheduler = ManualScheduler(NOW, timezone=WEST)
    scheduler.start()
    scheduler.add_job(noop, "cron", hour=9, id="before")
    scheduler.advance(0)
    read_zones_from(folders[1])
    scheduler.advance(0)
    scheduler.add_job(noop, "cron", hour=9, id="after")
    assert {job.next_run_time.astimezone(timezone.utc).hour for job in scheduler.get_jobs()} == {16}
    scheduler.shutdown()


def test_jobs_that_wait_for_the_start_follow(folders):
    scheduler = ManualScheduler(NOW, timezone=WEST)
    scheduler.add_job(noop, CronTrigger(hour=9, timezone=WEST), id="a")
    read_zones_from(folders[1])
    scheduler.start()
    scheduler.advance(0)
    assert scheduler.get_job("a").next_run_time.astimezone(timezone.utc).hour == 16
    scheduler.shutdown()


def test_an_export_is_imported_under_other_rules(folders, tmp_path):
    file = tmp_path / "jobs.json"
    first = ManualScheduler(NOW)
    first.start()
    first.add_job(noop, CronTrigger(hour=9, timezone=WEST), id="a")
    first.add_job(noop, "interval", hours=5, timezone=WEST, id="b")
    elapsed = first.get_job("b").next_run_time
    first.export_jobs(str(file))
    first.shutdown()
    read_zones_from(folders[1])
    second = ManualScheduler(NOW)
    second.start()
    second.import_jobs(str(file))
    assert second.get_job("a").next_run_time == datetime(2027, 1, 15, 16, tzinfo=timezone.utc)
    assert second.get_job("b").next_run_time == elapsed
    second.shutdown()


def test_health_names_the_source_of_the_rules(folders):
    (folders[1] / "tzdata.zi").write_text("# version 2026f\n# redo posix_only\n")
    scheduler = ManualScheduler(NOW, timezone=WEST)
    assert scheduler.health()["tzdata"] == {"source": str(folders[0]), "version": None}
    read_zones_from(folders[1])
    assert scheduler.health()["tzdata"] == {"source": str(folders[1]), "version": "2026f"}


def test_a_zone_that_counts_leap_seconds_warns(folders):
    make_folder(folders[0], {"right/West": "PST8PDT,M3.2.0,M11.1.0"})
    with pytest.warns(UserWarning, match=r"right/West.*use 'West'"):
        CronTrigger(hour=9, timezone="right/West")
