"""What programs for APScheduler do to it from outside: patch its names, put methods on objects, go through slots."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import threading
from datetime import datetime, timedelta, timezone
from typing import Any
from unittest.mock import MagicMock, patch
from zoneinfo import ZoneInfo

import pytest

from rapscheduler.events import EVENT_JOB_EXECUTED, EVENT_JOB_MISSED
from rapscheduler.executors.base import BaseExecutor
from rapscheduler.executors.pool import ThreadPoolExecutor
from rapscheduler.jobstores.memory import MemoryJobStore
from rapscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.testing import ManualScheduler
from rapscheduler.triggers.calendarinterval import CalendarIntervalTrigger
from rapscheduler.triggers.cron import CronTrigger
from rapscheduler.triggers.date import DateTrigger
from rapscheduler.triggers.interval import IntervalTrigger

TOKYO = ZoneInfo("Asia/Tokyo")


class Lines:
    """A logger that is none: the methods people know, one text each."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def debug(self, text: str) -> None:
        self.lines.append(text)

    info = warning = error = debug


@pytest.mark.parametrize(
    ("module", "make"),
    [
        ("schedulers.base", lambda: BackgroundScheduler()),
        ("triggers.cron", lambda: CronTrigger(hour=1)),
        ("triggers.date", lambda: DateTrigger("2030-01-01")),
        ("triggers.interval", lambda: IntervalTrigger(hours=1)),
    ],
)
def test_the_local_zone_is_that_of_the_patched_name(module, make):
    with patch(f"rapscheduler.{module}.get_localzone", return_value=TOKYO):
        made = make()
    zone = made.run_date.tzinfo if isinstance(made, DateTrigger) else made.timezone
    assert zone == TOKYO


def test_the_time_is_that_of_the_patched_datetime():
    then = datetime(2031, 5, 6, 7, tzinfo=timezone.utc)
    fake = MagicMock(now=lambda tz=None: then.astimezone(tz))
    with patch("rapscheduler.triggers.interval.datetime", fake):
        assert IntervalTrigger(hours=1, timezone="UTC").start_date == then + timedelta(hours=1)
        assert IntervalTrigger(hours=1, start_date=then).start_date == then
    with patch("rapscheduler.triggers.date.datetime", fake):
        assert DateTrigger(timezone="UTC").run_date == then
        assert DateTrigger(then).run_date == then
    ran = threading.Event()
    with (
        patch("rapscheduler.schedulers.base.datetime", fake),
        BackgroundScheduler(timezone="UTC") as scheduler,
    ):
        assert scheduler.add_job(print, "cron", hour=9).next_run_time == then.replace(hour=9)
        scheduler.add_job(ran.set, "date", run_date=then, misfire_grace_time=None)
        assert ran.wait(30)


def test_a_run_is_late_by_the_patched_datetime_of_the_executors():
    then = datetime(2031, 5, 6, 7, tzinfo=timezone.utc)
    codes, told = [], threading.Event()

    def listen(event):
        codes.append(event.code)
        told.set()

    with (
        patch("rapscheduler.executors.base.datetime", MagicMock(now=lambda tz=None: then.astimezone(tz))),
        BackgroundScheduler(timezone="UTC") as scheduler,
    ):
        scheduler.add_listener(listen, EVENT_JOB_EXECUTED | EVENT_JOB_MISSED)
        scheduler.add_job(int, misfire_grace_time=60)
        assert told.wait(30)
    assert codes == [EVENT_JOB_MISSED]


def test_a_logger_of_another_family_is_told_whole_lines():
    logger = Lines()
    with BackgroundScheduler(timezone="UTC", logger=logger) as scheduler:
        scheduler.add_job(print, "interval", hours=1, name="a job")
        try:
            raise ValueError("what happened")
        except ValueError:
            scheduler._logger.exception("An error with %s", "arguments")
    assert 'Added job "a job" to job store "default"' in logger.lines
    assert any(
        line.startswith("An error with arguments\n") and "what happened" in line for line in logger.lines
    )
    with pytest.raises(TypeError, match="logger=5 is no logger"):
        BackgroundScheduler(logger=5)


def test_a_job_and_the_triggers_list_their_attributes():
    with BackgroundScheduler(timezone="UTC") as scheduler:
        job = scheduler.add_job(print, "interval", hours=1)
        seen = {name: getattr(job, name) for name in job.__slots__}
    assert {"id", "func", "trigger", "next_run_time", "coalesce", "_jobstore_alias"} <= set(seen)
    for trigger in (
        CronTrigger(hour=1, timezone="UTC"),
        DateTrigger("2030-01-01", "UTC"),
        IntervalTrigger(hours=1, timezone="UTC"),
        CalendarIntervalTrigger(days=1, timezone="UTC"),
    ):
        assert all(hasattr(trigger, name) for name in trigger.__slots__)


@pytest.mark.parametrize("name", ["get_due_jobs", "get_next_run_time", "update_job"])
def test_what_is_put_on_a_store_is_called_also_after_the_start(name):
    store = MemoryJobStore()
    scheduler = ManualScheduler(jobstores={"default": store})
    scheduler.start()
    ran = []
    scheduler.add_job(ran.append, "interval", args=[1], minutes=1)
    with patch.object(store, name, wraps=getattr(store, name)) as put:
        scheduler.advance(90)
    assert put.called and ran == [1]
    scheduler.advance(60)
    assert ran == [1, 1]


@pytest.mark.parametrize("name", ["submit_job", "_do_submit_job"])
def test_what_is_put_on_an_executor_is_called(name):
    executor = ThreadPoolExecutor(2)
    ran = threading.Event()
    with BackgroundScheduler(timezone="UTC", executors={"default": executor}) as scheduler:
        with patch.object(executor, name, wraps=getattr(executor, name)) as put:
            scheduler.add_job(ran.set)
            assert ran.wait(30)
        assert put.called


def test_what_is_put_on_a_scheduler_is_called():
    scheduler = ManualScheduler()
    scheduler.start()
    scheduler._dispatch_event = MagicMock()
    scheduler._real_add_job = MagicMock(wraps=scheduler._real_add_job)
    scheduler.add_jobs([{"id": "a"}, {"id": "b"}], func=print, trigger="interval")
    assert scheduler._real_add_job.call_count == 2
    assert {call.args[0].job_id for call in scheduler._dispatch_event.call_args_list} == {"a", "b"}


def test_tasks_that_a_coroutine_leaves_behind_end_or_are_named(caplog, monkeypatch):
    import rapscheduler.executors._run as run

    ended = []

    async def leaves(seconds):
        async def rest():
            await asyncio.sleep(seconds)
            ended.append(seconds)

        leaves.task = asyncio.create_task(rest())

    run.awaited(leaves(0.001))
    assert ended == [0.001] and not caplog.records
    monkeypatch.setattr(run, "LEFT_TASKS_S", 0.01)
    run.awaited(leaves(1000))
    assert ended == [0.001] and "left 1 tasks behind" in caplog.text


def test_an_export_has_the_keys_of_apscheduler():
    out = io.StringIO()
    ManualScheduler().export_jobs(out)
    assert {"version", "scheduler_version", "jobs"} <= set(json.loads(out.getvalue()))
    out.seek(0)
    ManualScheduler().import_jobs(out)


def test_a_thread_is_given_its_connection_of_sqlite_in_memory_again():
    sa = pytest.importorskip("sqlalchemy")
    from rapscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore

    store = SQLAlchemyJobStore("sqlite://")
    store.start(ManualScheduler(), "default")
    with store.engine.connect() as outer:
        assert outer.execute(sa.text("select 1")).scalar() == 1
        with store.engine.connect() as inner:
            assert inner.connection.dbapi_connection is outer.connection.dbapi_connection
        assert store.lookup_job("nobody") is None
    found = []
    other = threading.Thread(target=lambda: found.append(store.get_all_jobs()))
    other.start()
    other.join(30)
    assert found == [[]]


class Paris(ZoneInfo):
    """As pendulum's zones are."""


class FixedHour(timezone.__base__):  # a tzinfo of another family
    def utcoffset(self, moment):
        return timedelta(hours=1)

    def dst(self, moment):
        return timedelta(0)

    def tzname(self, moment):
        return "one"


@pytest.mark.parametrize(
    ("zone", "shown"), [(Paris("Europe/Paris"), "Europe/Paris"), (FixedHour(), "UTC+01:00")]
)
def test_zones_of_other_families_are_stored_by_key_or_offset(zone, shown):
    pytest.importorskip("sqlalchemy")
    scheduler = ManualScheduler(
        jobstores={"default": {"type": "sqlalchemy", "url": "sqlite://"}}, timezone=zone
    )
    scheduler.start()
    scheduler.add_job(print, CronTrigger(hour=3, timezone=zone), id="a")
    scheduler.add_job(print, "date", run_date=datetime(2030, 1, 1, tzinfo=zone), id="b")
    assert str(scheduler.get_job("a").trigger.timezone) == shown
    assert scheduler.get_job("b").trigger.run_date == datetime(2030, 1, 1, tzinfo=zone)


def test_executors_have_homes_of_schedulers_they_do_not_know():
    class Plain(BaseExecutor):
        def _do_submit_job(self, job, run_times):
            raise NotImplementedError

    executor = Plain()
    executor.start(object(), "x")
    assert logging.getLogger("rapscheduler.executors.x") is executor._logger


def test_a_run_job_success_that_is_put_on_a_running_executor_gets_the_events():
    executor = ThreadPoolExecutor(1)
    ran = threading.Event()
    with BackgroundScheduler(timezone="UTC", executors={"default": executor}) as scheduler:
        real = executor._run_job_success
        seen: list[Any] = []

        def put(job_id, events):
            seen.append((job_id, [event.code for event in events]))
            real(job_id, events)
            ran.set()

        executor._run_job_success = put
        scheduler.add_job(int, id="quiet")
        assert ran.wait(30)
    assert seen == [("quiet", [EVENT_JOB_EXECUTED])]


class LateCron(CronTrigger):
    def _apply_jitter(self, next_fire_time, jitter, now):
        return next_fire_time + timedelta(seconds=5)


class LateInterval(IntervalTrigger):
    def _apply_jitter(self, next_fire_time, jitter, now):
        return next_fire_time + timedelta(seconds=jitter)


def test_the_apply_jitter_of_a_subclass_is_called():
    start = datetime(2026, 1, 1, tzinfo=timezone.utc)
    assert LateCron(second=0, timezone="UTC").get_next_fire_time(None, start) == start + timedelta(seconds=5)
    plain = LateInterval(minutes=1, start_date=start, timezone="UTC")
    assert plain.get_next_fire_time(None, start) == start  # without a jitter it isn't, on APScheduler either
    late = LateInterval(minutes=1, start_date=start, timezone="UTC", jitter=7)
    assert late.get_next_fire_time(None, start) == start + timedelta(seconds=7)
    assert list(LateCron(second=0, timezone="UTC").fire_times(start, limit=1)) == [start]  # nominal


def test_a_job_runs_when_the_apply_jitter_of_its_trigger_says():
    scheduler = ManualScheduler()
    scheduler.start()
    ran = []
    scheduler.add_listener(lambda event: ran.append(event.scheduled_run_time), EVENT_JOB_EXECUTED)
    scheduler.add_job(int, LateCron(second=30, timezone="UTC"))
    scheduler.advance(120)
    assert [moment.second for moment in ran] == [35, 35]


def test_overridden_methods_of_a_scheduler_are_called_by_its_others():
    class Own(BackgroundScheduler):
        def __init__(self, *args, **kwargs):
            self.calls = []
            super().__init__(*args, **kwargs)

        def wakeup(self):
            self.calls.append("wakeup")
            super().wakeup()

        def modify_job(self, job_id, jobstore=None, **changes):
            self.calls.append(("modify", job_id, sorted(changes)))
            return super().modify_job(job_id, jobstore, **changes)

        def _lookup_executor(self, alias):
            self.calls.append(("executor", alias))
            return super()._lookup_executor(alias)

        def _lookup_jobstore(self, alias):
            self.calls.append(("jobstore", alias))
            return super()._lookup_jobstore(alias)

    with Own(timezone="UTC") as scheduler:
        scheduler.add_job(print, "interval", hours=1, id="first")
        for change, wanted in (
            (lambda: scheduler.add_job(print, "interval", hours=2, id="a"), "wakeup"),
            (lambda: scheduler.pause_job("a"), ("modify", "a", ["next_run_time"])),
            (lambda: scheduler.resume_job("a"), ("modify", "a", ["next_run_time"])),
            (
                lambda: scheduler.reschedule_job("a", trigger="interval", hours=3),
                ("modify", "a", ["next_run_time", "trigger"]),
            ),
            (
                lambda: (scheduler.add_jobstore("memory", "m"), scheduler.remove_jobstore("m")),
                ("jobstore", "m"),
            ),
            (
                lambda: (scheduler.add_executor("debug", "d"), scheduler.remove_executor("d")),
                ("executor", "d"),
            ),
        ):
            scheduler.calls.clear()
            change()
            assert wanted in scheduler.calls
        job = scheduler.get_job("a")
        assert job.trigger.interval == timedelta(hours=3)
        assert timedelta(hours=2) < job.next_run_time - datetime.now(timezone.utc) <= timedelta(hours=3)


@pytest.mark.parametrize("name", ["_get_jobs", "_reconstitute_job"])
def test_helpers_of_apschedulers_stores_that_nobody_would_call_are_refused(name):
    with pytest.raises(TypeError, match=rf"Own\.{name} would never be called.*lookup_job"):
        type("Own", (SQLAlchemyJobStore,), {name: lambda self: None})
    own = dict.fromkeys((name, "lookup_job", "get_due_jobs", "get_all_jobs"), lambda self, *args: None)
    assert type("Own", (SQLAlchemyJobStore,), own).lookup_job(None) is None


def test_the_order_of_paused_jobs_is_a_stores_own_hook():
    class Own(SQLAlchemyJobStore):
        def _fix_paused_jobs_sorting(self, jobs):
            jobs.reverse()

    scheduler = ManualScheduler(jobstores={"default": Own("sqlite:///:memory:")})
    scheduler.start()
    for hours in (1, 2):
        scheduler.add_job(print, "interval", hours=hours, id=str(hours))
    assert [job.id for job in scheduler.get_jobs()] == ["2", "1"]
