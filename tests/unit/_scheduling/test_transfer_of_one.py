"""One job, one trigger as an object of JSON, and back: the form of a row, under the rules of `import_jobs`."""

from __future__ import annotations

import io
import json
import sys
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from rapscheduler import trigger_as_dict, trigger_from_dict
from rapscheduler.errors import ConflictingIdError, DecodeError, EncodeError
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.triggers.base import BaseTrigger
from rapscheduler.triggers.combining import OrTrigger
from rapscheduler.triggers.cron import CronTrigger
from rapscheduler.triggers.interval import IntervalTrigger

UTC = timezone.utc


def work(*args: Any, **kwargs: Any) -> None:
    """Called by jobs here."""


@pytest.fixture
def scheduler():
    made = BackgroundScheduler(timezone="UTC")
    made.add_jobstore("memory", "other")
    made.start(paused=True)
    yield made
    made.shutdown(wait=False)


def plain(entry: Any) -> Any:
    """As it comes back from a text."""
    return json.loads(json.dumps(entry))


def test_a_job_goes_to_an_object_and_back_whole(scheduler: Any) -> None:
    job = scheduler.add_job(
        work,
        "cron",
        hour=4,
        jitter=60,
        args=[1, (2, 3)],
        kwargs={"on": datetime(2026, 5, 1, tzinfo=UTC)},
        id="a",
        name="mine",
        misfire_grace_time=77,
        max_instances=3,
        coalesce=False,
        tags={"eu"},
        timeout=5,
        exclude="sat",
    )
    entry = plain(job.as_dict())
    again = scheduler.import_job(entry, "other")
    assert again.as_dict() == job.as_dict() == scheduler.export_job(job)
    for name in ("func", "args", "kwargs", "name", "misfire_grace_time", "max_instances", "coalesce", "tags"):
        assert getattr(again, name) == getattr(job, name)
    assert (again.trigger, again.next_run_time, again.timeout) == (job.trigger, job.next_run_time, 5)
    assert again.nominal_us == job.nominal_us
    assert [one.id for one in scheduler.get_jobs("other")] == ["a"]


def test_it_is_the_object_of_an_export(scheduler: Any) -> None:
    job = scheduler.add_job(work, "interval", hours=1, id="a")
    scheduler.pause_job("a")
    text = io.StringIO()
    scheduler.export_jobs(text)
    (written,) = json.loads(text.getvalue())["jobs"]
    assert written == plain(scheduler.get_job("a").as_dict())
    assert written["run_at_us"] is None
    assert scheduler.import_job(written, "other").next_run_time is None
    assert job.id == "a"


def test_without_a_time_the_trigger_says_when(scheduler: Any) -> None:
    job = scheduler.add_job(work, "cron", hour=4, id="a", next_run_time=datetime(2020, 1, 1, tzinfo=UTC))
    entry = job.as_dict()
    assert entry["run_at_us"] == 1_577_836_800_000_000
    del entry["run_at_us"], entry["nominal_us"]
    copy = scheduler.import_job({**entry, "id": "b"})
    assert copy.next_run_time == job.trigger.get_next_fire_time(None, datetime.now(UTC))


def test_before_the_start_it_has_no_time_and_the_defaults() -> None:
    scheduler = BackgroundScheduler(timezone="UTC", job_defaults={"misfire_grace_time": 9})
    entry = scheduler.add_job(work, "cron", hour=4, id="a").as_dict()
    assert "run_at_us" not in entry and entry["job"]["misfire_grace_time"] == 9
    other = BackgroundScheduler(timezone="UTC")
    job = other.import_job(entry)
    assert job.pending
    other.start(paused=True)
    try:
        assert other.get_job("a").next_run_time.hour == 4 and job.misfire_grace_time == 9
    finally:
        other.shutdown()


def test_an_id_that_is_taken(scheduler: Any) -> None:
    entry = scheduler.add_job(work, "cron", hour=4, id="a").as_dict()
    with pytest.raises(ConflictingIdError):
        scheduler.import_job(entry)
    with pytest.raises(ValueError, match="replace_existing='yes'"):
        scheduler.import_job(entry, replace_existing="yes")
    entry["job"]["name"] = "another"
    scheduler.import_job(entry, replace_existing=True)
    assert [job.name for job in scheduler.get_jobs()] == ["another"]


def test_no_module_is_imported_for_a_name_that_is_not_allowed(scheduler: Any) -> None:
    entry = scheduler.add_job(work, "cron", hour=4, id="a").as_dict()
    sys.modules.pop("this", None)
    bad = {**entry, "id": "b", "job": {**entry["job"], "func": "this:s"}}
    with pytest.raises(DecodeError, match="the job, 'b'"):
        scheduler.import_job(bad, allowed_callables=["shutil:*"])
    assert "this" not in sys.modules
    assert [job.id for job in scheduler.get_jobs()] == ["a"]


@pytest.mark.parametrize(
    "entry",
    [None, [], {}, {"id": "", "job": {}}, {"id": "a"}, {"id": "a", "job": {"v": 1}}, {"id": 1, "job": {}}],
)
def test_what_is_no_such_object_is_refused(scheduler: Any, entry: Any) -> None:
    with pytest.raises(DecodeError, match="the job"):
        scheduler.import_job(entry)
    assert scheduler.get_jobs() == []


def test_what_cannot_be_written_says_what(scheduler: Any) -> None:
    job = scheduler.add_job(lambda: None, "cron", hour=4)
    with pytest.raises(EncodeError, match="def"):
        job.as_dict()
    job = scheduler.add_job(work, "cron", hour=4, args=[object()])
    with pytest.raises(EncodeError, match=r"args\[0\]"):
        job.as_dict()


class Own(BaseTrigger):
    def get_next_fire_time(self, previous_fire_time: Any, now: datetime) -> datetime:
        return now + timedelta(hours=1)


@pytest.mark.parametrize(
    "trigger",
    [
        CronTrigger(hour=8, timezone="Europe/Berlin", exclude=["sat", "2026-12-24"], jitter=30),
        IntervalTrigger(hours=2, start_date="2026-01-01", timezone="UTC"),
        OrTrigger([CronTrigger(minute=5, timezone="UTC")], windows="08:00-09:00"),
    ],
    ids=["cron", "interval", "or"],
)
def test_a_trigger_alone(trigger: Any) -> None:
    form = plain(trigger_as_dict(trigger))
    assert trigger_from_dict(form) == trigger
    assert trigger_as_dict(trigger_from_dict(form)) == form


def test_triggers_that_cannot_be_written_or_read() -> None:
    with pytest.raises(EncodeError, match="register_type"):
        trigger_as_dict(Own())
    with pytest.raises(EncodeError, match=r"triggers\[0\]"):
        trigger_as_dict(OrTrigger([Own()]))
    with pytest.raises(DecodeError, match="isn't known in this process"):
        trigger_from_dict({"type": "os.system"})
    with pytest.raises(DecodeError):
        trigger_from_dict({"type": "cron", "hour": "99"})
