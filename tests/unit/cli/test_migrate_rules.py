"""`rapscheduler migrate` under rules of time zones that have changed since a row was pickled."""

from __future__ import annotations

import pickle
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

from rapscheduler._instants import us_of
from rapscheduler._serialization.callables import ANY_CALLABLE
from rapscheduler._serialization.rows import JobRow
from rapscheduler.cli.migrate.convert import judge
from rapscheduler.testing.zone_folders import make_folder, read_zones_from, zones_read_from

pytestmark = pytest.mark.forgets_zones

WEST = "Test/West"
NINE = (2027, 1, 15, 9)
OLD = datetime(2027, 1, 15, 17, tzinfo=timezone.utc)
NEW = datetime(2027, 1, 15, 16, tzinfo=timezone.utc)


@pytest.fixture
def new_rules(tmp_path):
    """A function that lets the rules change."""
    old = make_folder(tmp_path / "old", {WEST: "PST8PDT,M3.2.0,M11.1.0"})
    # It was at -8 before, as the files of real zones say: they have transitions, not only a footer.
    new = make_folder(tmp_path / "new", {WEST: "MST7PST8,J2/0,J3/0"})
    with zones_read_from(old):
        yield lambda: read_zones_from(new)


def pickled(trigger, run_time=None):
    """The row of a job as APScheduler writes it, with its column."""
    zone = ZoneInfo(WEST)
    run_time = run_time or datetime(*NINE, tzinfo=zone)
    state = {
        "version": 1, "id": "a", "func": "os:getcwd", "trigger": trigger, "executor": "default", "args": (),
        "kwargs": {}, "name": "a", "misfire_grace_time": 1, "coalesce": True, "max_instances": 1,
        "next_run_time": run_time,
    }  # fmt: skip
    return JobRow("a", us_of(run_time), None, None, pickle.dumps(state))


@pytest.mark.parametrize("kind", ["cron", "date"])
def test_the_wall_time_wins_where_the_offset_has_changed(new_rules, kind):
    trigger = CronTrigger(hour=9, timezone=WEST) if kind == "cron" else DateTrigger(datetime(*NINE), WEST)
    row = pickled(trigger)
    assert row.run_at_us == us_of(OLD)
    new_rules()
    verdict = judge(row, ANY_CALLABLE, True)
    assert verdict.row.run_at_us == us_of(NEW)
    assert "keeps its wall time" in verdict.note


def test_nothing_is_said_where_nothing_has_changed(new_rules):
    verdict = judge(pickled(CronTrigger(hour=9, timezone=WEST)), ANY_CALLABLE, True)
    assert (verdict.row.run_at_us, verdict.note) == (us_of(OLD), "")


def test_elapsed_time_stays(new_rules):
    row = pickled(IntervalTrigger(hours=5, timezone=WEST))
    new_rules()
    assert judge(row, ANY_CALLABLE, True).row.run_at_us == us_of(OLD)


@pytest.mark.parametrize("by", [timedelta(minutes=7), timedelta(days=1), timedelta(hours=5)])
def test_a_job_that_somebody_moved_stays_where_it_is(new_rules, by):
    row = pickled(CronTrigger(hour=9, timezone=WEST))
    row = row._replace(run_at_us=us_of(OLD + by))
    new_rules()
    verdict = judge(row, ANY_CALLABLE, True)
    assert verdict.row.run_at_us == us_of(OLD + by)
    assert "isn't the one in the pickle" in verdict.note


def test_a_paused_job_stays_paused(new_rules):
    row = pickled(CronTrigger(hour=9, timezone=WEST))._replace(run_at_us=None)
    new_rules()
    assert judge(row, ANY_CALLABLE, True).row.run_at_us is None
