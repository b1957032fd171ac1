"""Options that few jobs have: kept with the job wherever it is kept, and nothing where there are none."""

from __future__ import annotations

import io
import json
import pickle
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from rapscheduler._extras import EXTRAS
from rapscheduler._serialization.codec import decode
from rapscheduler._serialization.rows import job_from_row, row_from_job
from rapscheduler.errors import DecodeError
from rapscheduler.job import EXTRAS as NAMES
from rapscheduler.job import Job
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.triggers.interval import IntervalTrigger

GIVEN: dict[str, Any] = {
    "metadata": {"team": "ops", "tickets": [1, 2]},
    "on_lost": "skip",
    "owner": "billing",
    "tags": {"mail", "eu"},
    "timeout": timedelta(seconds=90),
}
SHOWN = {**GIVEN, "tags": frozenset({"mail", "eu"}), "timeout": 90.0}


def work() -> None:
    pass


def shown(job: Job) -> dict[str, Any]:
    return {name: getattr(job, name) for name in sorted(GIVEN)}


@pytest.fixture
def scheduler() -> Any:
    with BackgroundScheduler(timezone="UTC") as scheduler:
        yield scheduler


def added(scheduler: Any, **options: Any) -> Job:
    job: Job = scheduler.add_job(work, "interval", hours=1, **options)
    return job


def test_the_list_of_names_is_the_table_of_options() -> None:
    assert (
        set(EXTRAS)
        == NAMES
        == {
            *GIVEN,
            "group",
            "max_runs",
            "overlap",
            "retry",
            "retry_of",
            "runs_begun",
            "start_immediately",
        }
    )


def test_each_option_is_a_property_of_the_job(scheduler: Any) -> None:
    assert shown(added(scheduler, **GIVEN)) == SHOWN


def test_a_job_without_them_keeps_nothing_and_shows_the_defaults(scheduler: Any) -> None:
    job = added(scheduler)
    assert job._extras is None
    assert (job.owner, job.tags, job.metadata, job.timeout) == (None, frozenset(), {}, None)
    assert "extras" not in json.loads(row_from_job(job).data)


def test_what_is_the_default_is_not_kept(scheduler: Any) -> None:
    assert added(scheduler, owner=None, tags=[], metadata={}, timeout=None)._extras is None


def test_a_row_has_them_and_gives_them_back(scheduler: Any) -> None:
    row = row_from_job(added(scheduler, args=(), **GIVEN))
    assert json.loads(row.data)["extras"]["tags"] == ["eu", "mail"]
    assert shown(job_from_row(row, scheduler, "default")) == SHOWN


def test_a_row_in_another_order_is_read_the_same(scheduler: Any) -> None:
    document = json.loads(row_from_job(added(scheduler, **GIVEN)).data)
    again = json.dumps({key: document[key] for key in reversed(document)}).encode()
    assert decode(again)["extras"] == document["extras"]


def test_options_of_a_newer_version_are_kept(scheduler: Any) -> None:
    row = row_from_job(added(scheduler, owner="a"))
    row = row._replace(data=row.data.replace(b'"extras":{', b'"extras":{"later":[1],'))
    assert json.loads(row_from_job(job_from_row(row, scheduler, None)).data)["extras"] == {
        "owner": "a",
        "later": [1],
    }


@pytest.mark.parametrize("extras", [b"[1]", b'{"timeout":"x"}', b'{"owner":[]}', b'{"tags":"eu"}'])
def test_a_row_with_a_wrong_one_is_no_job(scheduler: Any, extras: bytes) -> None:
    data = row_from_job(added(scheduler, owner="a")).data.replace(b'{"owner":"a"}', extras)
    with pytest.raises(DecodeError, match="extras"):
        decode(data)


def test_modify_changes_some_and_takes_some_away(scheduler: Any) -> None:
    job = added(scheduler, tags={"a"}, timeout=5)
    job.modify(tags=None, owner="g")
    assert job._extras == {"timeout": 5, "owner": "g"}
    job.modify(timeout=None, owner=None, name="quiet")
    assert job._extras is None
    assert job.name == "quiet"


def test_nothing_is_changed_when_one_value_is_refused(scheduler: Any) -> None:
    job = added(scheduler, owner="g")
    with pytest.raises(TypeError, match="timeout must be a positive number of seconds"):
        job.modify(owner="h", timeout=-1)
    assert job._extras == {"owner": "g"}


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("tags", "eu"),
        ("tags", [1]),
        ("metadata", [1]),
        ("metadata", {1: 2}),
        ("owner", ""),
        ("timeout", 0),
        ("timeout", "5"),
    ],
)
def test_a_wrong_value_is_named(scheduler: Any, option: str, value: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=option):
        added(scheduler, **{option: value})
    assert scheduler.get_jobs() == []


def test_many_jobs_at_once_have_their_own_and_those_in_common(scheduler: Any) -> None:
    specs = [{"id": "a"}, {"id": "b", "tags": {"x"}}, {"id": "c", "owner": "other"}]
    jobs = scheduler.add_jobs(specs, func=work, trigger="interval", hours=1, owner="all")
    assert [job._extras for job in jobs] == [
        {"owner": "all"},
        {"owner": "all", "tags": ["x"]},
        {"owner": "other"},
    ]
    plain = scheduler.add_jobs(
        [{"id": "d"}, {"id": "e", "tags": ["t"]}, {"id": "f"}], func=work, hour=3, trigger="cron"
    )
    assert [job._extras for job in plain] == [None, {"tags": ["t"]}, None]


def test_an_export_has_them(scheduler: Any) -> None:
    job = added(scheduler, id="one", **GIVEN)
    text = io.StringIO()
    scheduler.export_jobs(text)
    job.remove()
    scheduler.import_jobs(io.StringIO(text.getvalue()))
    assert shown(scheduler.get_job("one")) == SHOWN


def test_a_pickled_job_has_them(scheduler: Any) -> None:
    assert shown(pickle.loads(pickle.dumps(added(scheduler, **GIVEN)))) == SHOWN


def test_the_shown_run_time_is_kept_beside_them(scheduler: Any) -> None:
    there = timezone(timedelta(hours=5))
    job = added(scheduler, owner="g", next_run_time=datetime(2099, 1, 1, tzinfo=there))
    assert job.next_run_time is not None and job.next_run_time.tzinfo is there
    job.modify(owner=None)
    assert job.next_run_time.tzinfo is there
    job.modify(owner="h")
    assert job.next_run_time.tzinfo is there
    job.modify(
        trigger=IntervalTrigger(hours=2, timezone="UTC"),
        next_run_time=datetime(2098, 1, 1, tzinfo=timezone.utc),
    )
    assert job.next_run_time == datetime(2098, 1, 1, tzinfo=timezone.utc)
    assert job.owner == "h"


def test_a_store_of_rows_keeps_them(tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/jobs.db"
    stores = {"default": {"type": "sqlalchemy", "url": url}}
    with BackgroundScheduler(timezone="UTC", jobstores=stores) as first:
        added(first, id="one", **GIVEN)
        first.modify_job("one", timeout=7)
    with BackgroundScheduler(timezone="UTC", jobstores=stores) as second:
        assert shown(second.get_job("one")) == {**SHOWN, "timeout": 7}
