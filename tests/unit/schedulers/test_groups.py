"""`group=`: places and rates that jobs share."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from rapscheduler.events import EVENT_JOB_MAX_INSTANCES
from rapscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.testing import ManualScheduler

START = datetime(2025, 3, 1, tzinfo=timezone.utc)
WAIT_S = 60


@pytest.fixture
def go_on() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def two_jobs(scheduler: Any, go_on: threading.Event, **options: Any) -> list[Any]:
    return [
        scheduler.add_job(go_on.wait, "interval", hours=1, args=[WAIT_S], id=name, group="mail", **options)
        for name in "ab"
    ]


def test_max_instances_counts_over_the_group(go_on: threading.Event, caplog: Any) -> None:
    with BackgroundScheduler(timezone="UTC") as scheduler:
        a, b = two_jobs(scheduler, go_on)
        other = scheduler.add_job(go_on.wait, "interval", hours=1, args=[WAIT_S])
        first, second, third = a.run(), b.run(), other.run()
        assert second.state == "skipped" and third.state != "skipped"
        assert 'maximum number of running instances reached (group "mail", 1)' in caplog.text
        go_on.set()
        first.result(WAIT_S)
        third.result(WAIT_S)
        assert b.run().result(WAIT_S) is True


def test_the_scheduler_may_say_how_many(go_on: threading.Event, caplog: Any) -> None:
    with BackgroundScheduler({"apscheduler.groups.mail": "2"}, timezone="UTC") as scheduler:
        a, b = two_jobs(scheduler, go_on)
        c = scheduler.add_job(go_on.wait, "interval", hours=1, args=[WAIT_S], group="mail")
        runs = [a.run(), a.run(), b.run(), c.run()]
        go_on.set()
        assert [run.state == "skipped" for run in runs] == [False, True, False, True]
        assert "reached (1)" in caplog.text  # the job's own
        assert 'reached (group "mail", 2)' in caplog.text


def test_a_run_waits_for_the_end_of_another_job_of_its_group(go_on: threading.Event) -> None:
    with BackgroundScheduler(timezone="UTC") as scheduler:
        a, b = two_jobs(scheduler, go_on, overlap="queue_all")
        runs = [a.run(), b.run(), a.run()]
        assert [run.state for run in runs[1:]] == ["queued"] * 2
        go_on.set()
        assert [run.result(WAIT_S) for run in runs] == [True] * 3


def rate(**options: Any) -> tuple[Any, list[float], list[Any]]:
    scheduler = ManualScheduler(START, **options)
    begun: list[float] = []
    skipped: list[Any] = []
    scheduler.add_listener(skipped.append, EVENT_JOB_MAX_INSTANCES)
    scheduler.start()
    return scheduler, begun, skipped


def test_a_run_over_the_rate_is_skipped_and_told(caplog: Any) -> None:
    scheduler, begun, skipped = rate(limits={"mail": "2/minute"})

    def work() -> None:
        begun.append((scheduler.clock.now() - START).total_seconds())

    scheduler.add_job(work, "interval", seconds=20, group="mail")
    scheduler.add_job(work, "interval", seconds=20)
    scheduler.advance(120)
    assert (begun.count(60), len(begun), len(skipped)) == (1, 6 + 4, 2)
    assert 'as many runs of group "mail" as its rate allows (2/minute) were begun' in caplog.text


@pytest.mark.parametrize("text", ["2/minute", "2 / 1 minutes", "2/60 seconds"])
def test_runs_over_the_rate_wait_and_begin_when_it_allows(text: str) -> None:
    scheduler, begun, skipped = rate(limits={"mail": text})

    def work() -> None:
        begun.append((scheduler.clock.now() - START).total_seconds())

    for name in "abcde":
        scheduler.add_job(
            work, "date", run_date=START + timedelta(seconds=10.1), id=name, group="mail", overlap="queue_one"
        )
    scheduler.advance(3600)
    assert (begun, skipped) == ([10.1, 10.1, 70.1, 70.1, 130.1], [])
    assert scheduler.get_jobs() == []


def test_run_now_waits_too_and_the_window_slides() -> None:
    scheduler, begun, _ = rate(limits={"mail": "3/hour"})

    def work() -> None:
        begun.append((scheduler.clock.now() - START).total_seconds())

    job = scheduler.add_job(work, "interval", days=1, group="mail", overlap="queue_all")
    for minutes in (10, 20, 30):
        job.run()
        scheduler.advance(minutes * 60)
    runs = [job.run() for _ in range(4)]
    scheduler.advance(4 * 3600)
    assert begun == [0, 600, 1800, 3600, 4200, 5400, 7200]
    assert {run.state for run in runs} == {"done"}


def test_a_background_scheduler_looks_again_when_the_rate_allows() -> None:
    with BackgroundScheduler(timezone="UTC", limits={"mail": "1/second"}) as scheduler:
        job = scheduler.add_job(int, "interval", hours=1, group="mail", overlap="queue_all")
        assert [run.result(WAIT_S) for run in [job.run() for _ in range(3)]] == [0, 0, 0]


@pytest.mark.parametrize("text", ["10", "10/month", "0/minute", "1/0 minutes", "x/day", 10, None, "-1/day"])
def test_a_text_that_is_no_rate_is_named(text: Any) -> None:
    with pytest.raises(ValueError, match=r"limits\['mail'\]=.* is no rate: give how many runs"):
        BackgroundScheduler(limits={"mail": text})


@pytest.mark.parametrize("most", [0, -1, "x", True])
def test_a_number_of_places_that_is_none_is_named(most: Any) -> None:
    with pytest.raises(ValueError, match=r"groups\['mail'\]"):
        BackgroundScheduler(groups={"mail": most})


def test_settings_that_are_no_mappings_and_groups_that_are_no_texts_are_named() -> None:
    with pytest.raises(TypeError, match="Expected a mapping for limits"):
        BackgroundScheduler(limits="10/minute")
    with BackgroundScheduler() as scheduler, pytest.raises(TypeError, match="group must be a nonempty text"):
        scheduler.add_job(int, "interval", hours=1, group=3)


@pytest.mark.parametrize(
    ("limits", "options", "warns"),
    [
        ({"mail": "10/minute"}, {"shared": True}, 1),
        ({}, {"shared": True}, 0),
        ({"mail": "10/minute"}, {"acknowledge": "end"}, 0),
    ],
)
def test_a_rate_on_a_shared_store_is_told_to_be_one_of_each_scheduler(
    tmp_path: Any, caplog: Any, limits: Any, options: Any, warns: int
) -> None:
    store = SQLAlchemyJobStore(f"sqlite:///{tmp_path}/jobs.db", **options)
    with BackgroundScheduler(timezone="UTC", limits=limits, jobstores={"default": store}):
        assert caplog.text.count("begin several times as many runs of mail (10/minute)") == warns
