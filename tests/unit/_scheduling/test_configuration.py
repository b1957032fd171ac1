"""Settings: three ways of writing them, coercion of texts, and advice."""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

import pytest

from rapscheduler._scheduling.configuration import nested, read_core
from rapscheduler.errors import SchedulerAlreadyRunningError
from rapscheduler.executors.pool import ThreadPoolExecutor
from rapscheduler.jobstores.memory import MemoryJobStore
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.testing import VirtualClock

FLAT = {
    "apscheduler.jobstores.extra": {"type": "memory"},
    "apscheduler.jobstores.default.class": "apscheduler.jobstores.memory:MemoryJobStore",
    "apscheduler.executors.default": {
        "class": "apscheduler.executors.pool:ThreadPoolExecutor",
        "max_workers": "20",
    },
    "apscheduler.executors.second.type": "debug",
    "apscheduler.job_defaults.coalesce": "false",
    "apscheduler.job_defaults.max_instances": "3",
    "apscheduler.timezone": "UTC",
    "apscheduler.jobstore_retry_interval": "2.5",
    "apscheduler.daemon": "no",
    "unrelated": 1,
}


def summary(scheduler):
    return (
        {alias: type(store) for alias, store in scheduler._jobstores.items()},
        {alias: type(executor).__name__ for alias, executor in scheduler._executors.items()},
        scheduler._job_defaults,
        scheduler.timezone,
        scheduler.jobstore_retry_interval,
        scheduler._daemon,
    )


EXPECTED = (
    {"extra": MemoryJobStore, "default": MemoryJobStore},
    {"default": "ThreadPoolExecutor", "second": "DebugExecutor"},
    {"misfire_grace_time": 1, "coalesce": False, "max_instances": 3},
    timezone.utc,
    2.5,
    False,
)


@pytest.mark.parametrize("prefix", ["apscheduler.", "rapscheduler."])
def test_flat_settings_with_either_prefix(prefix):
    flat = {key.replace("apscheduler.", prefix, 1): value for key, value in FLAT.items()}
    scheduler = BackgroundScheduler(flat)
    assert summary(scheduler) == EXPECTED
    assert scheduler._executors["default"]._pool._max_workers == 20


def test_keyword_settings():
    scheduler = BackgroundScheduler(
        jobstores={"extra": MemoryJobStore(), "default": {"type": "memory"}},
        executors={"default": ThreadPoolExecutor(20), "second": {"type": "debug"}},
        job_defaults={"coalesce": False, "max_instances": 3},
        timezone="UTC",
        jobstore_retry_interval=2.5,
        daemon=False,
    )
    assert summary(scheduler) == EXPECTED


def test_configure_afterwards_replaces_everything():
    scheduler = BackgroundScheduler(timezone="Asia/Tokyo", executors={"old": {"type": "debug"}})
    options = {"executors": {"default": {"type": "debug"}}}
    scheduler.configure(FLAT, **options)
    assert list(scheduler._executors) == ["default"]
    assert scheduler.timezone is timezone.utc
    scheduler.configure({"my.timezone": "Asia/Tokyo"}, prefix="my.")
    assert scheduler.timezone == ZoneInfo("Asia/Tokyo")
    scheduler.configure(options, prefix=None)
    scheduler.configure(options, prefix="")
    assert list(scheduler._executors) == ["default"]
    assert options == {"executors": {"default": {"type": "debug"}}}, (
        "the settings of the caller stay as they were"
    )


def test_not_while_it_runs():
    scheduler = BackgroundScheduler()
    scheduler.start()
    try:
        with pytest.raises(SchedulerAlreadyRunningError):
            scheduler.configure()
    finally:
        scheduler.shutdown()


def test_our_prefix_and_then_options_win():
    both = {"rapscheduler.timezone": "UTC", "apscheduler.timezone": "Asia/Tokyo"}
    assert nested(both, "apscheduler.", {}) == {"timezone": "UTC"}
    assert nested(both, "apscheduler.", {"timezone": "Asia/Tokyo"}) == {"timezone": "Asia/Tokyo"}
    assert nested(both, "rapscheduler.", {}) == {"timezone": "UTC"}


@pytest.mark.parametrize(
    ("options", "cls", "text"),
    [
        ({"timezone": "Europe/Berln"}, KeyError, "did you mean 'Europe/Berlin'"),
        ({"timezone": 5}, TypeError, "Expected tzinfo, got int instead"),
        ({"job_defaults": 5}, TypeError, "Expected a mapping for job_defaults, got int instead: 5"),
        ({"job_defaults": 5}, AttributeError, "job_defaults"),
        ({"job_defaults": {"max_instances": "many"}}, ValueError, "many"),
        ({"job_defaults": {"coalesce": "maybe"}}, ValueError, "maybe"),
        ({"jobstores": [1]}, AttributeError, "jobstores"),
        ({"executors": 5}, AttributeError, "executors"),
        (
            {"jobstores": {"a": 5}},
            TypeError,
            "Expected job store instance or dict for jobstores['a'], got int instead",
        ),
        (
            {"jobstores": {"a": {}}},
            ValueError,
            'Cannot create job store "a" -- either "type" or "class" must be defined',
        ),
        ({"jobstores": {"a": {"type": "memory", "z": 1}}}, TypeError, "unexpected keyword argument 'z'"),
        ({"jobstores": {"a": {"type": "nope"}}}, LookupError, 'No jobstore by the name "nope" was found'),
        ({"jobstores": {"a": {"class": "os:nope"}}}, LookupError, "Error resolving reference os:nope"),
        (
            {"executors": {"a": "debug"}},
            TypeError,
            "Expected executor instance or dict for executors['a'], got str",
        ),
        (
            {"executors": {"a": {}}},
            ValueError,
            'Cannot create executor "a" -- either "type" or "class" must be',
        ),
        ({"jobstore_retry_interval": "x"}, ValueError, "x"),
        ({"daemon": "maybe"}, ValueError, "maybe"),
        ({"logger": "foo"}, ValueError, "Invalid reference 'foo'"),
        ({"gconfig": 5}, AttributeError, "gconfig"),
        ({"gconfig": {"apscheduler.a": 1, "apscheduler.a.b": 2}}, TypeError, "'a' to be a section"),
    ],
)
def test_mistakes(options, cls, text):
    with pytest.raises(cls) as caught:
        BackgroundScheduler(**options)
    assert text in str(caught.value)


def test_settings_that_nobody_knows_are_named_in_one_line(caplog):
    BackgroundScheduler(timezon="UTC", my_own_thing=1, job_defaults={"max_instance": 3})
    messages = [record.getMessage() for record in caplog.records]
    assert messages == [
        "The job default 'max_instance' is ignored; did you mean 'max_instances'?",
        "Settings that this scheduler does not know, and ignores: 'my_own_thing', 'timezon'; did you mean 'timezone'?",
    ]
    caplog.clear()
    BackgroundScheduler(
        {"flask.debug": 1, "apscheduler.jobstores.x.type": "memory"}, timezone="UTC", daemon=True
    )
    assert not caplog.records  # what a program keeps beside our settings is its own


def test_the_clock_is_passed_in():
    clock = VirtualClock(datetime(2030, 1, 1, tzinfo=timezone.utc))
    scheduler = BackgroundScheduler(timezone="UTC", clock=clock)
    scheduler.start(paused=True)
    try:
        job = scheduler.add_job(print, "interval", hours=1)
        assert job.next_run_time >= datetime(2030, 1, 1, tzinfo=timezone.utc)
        scheduler.add_job(print, "cron", hour=5, id="morning")
        assert scheduler.get_job("morning").next_run_time == datetime(2030, 1, 1, 5, tzinfo=timezone.utc)
    finally:
        scheduler.shutdown()
    with pytest.raises(TypeError, match="clock=5 is no Clock"):
        BackgroundScheduler(clock=5)


def test_a_clock_that_is_moved_wakes_the_scheduler():
    clock = VirtualClock(datetime(2030, 1, 1, tzinfo=timezone.utc))
    ran = threading.Event()
    with BackgroundScheduler(timezone="UTC", clock=clock) as scheduler:
        scheduler.add_job(ran.set, "cron", hour=5)
        assert not ran.is_set()
        clock.advance(5 * 3600)
        assert ran.wait(30)


def test_the_logger():
    assert BackgroundScheduler()._logger.name == "rapscheduler.scheduler"
    mine = logging.getLogger("mine")
    assert BackgroundScheduler(logger=mine)._logger is mine
    assert BackgroundScheduler(logger="logging:root")._logger is logging.root


def test_what_a_subclass_knows_is_left_to_it():
    config = {"event_loop": 1, "timezone": "UTC"}
    read_core(config)
    assert config == {"event_loop": 1}
