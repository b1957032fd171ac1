"""What users get wrong, one row for each mistake: the exception class, the value that was wrong, what would be right.

The classes and the first words are APScheduler's (`tests/oracles` compares them); here is what is added to them.
"""

from __future__ import annotations

import copy
import functools
import pickle
import re
from datetime import datetime, time, timedelta, timezone

import pytest

from rapscheduler.errors import ConflictingIdError
from rapscheduler.executors.debug import DebugExecutor
from rapscheduler.jobstores.memory import MemoryJobStore
from rapscheduler.schedulers.asyncio import AsyncIOScheduler
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.testing import ManualScheduler
from rapscheduler.triggers.calendarinterval import CalendarIntervalTrigger
from rapscheduler.triggers.combining import AndTrigger, OrTrigger
from rapscheduler.triggers.cron import CronTrigger
from rapscheduler.triggers.date import DateTrigger
from rapscheduler.triggers.interval import IntervalTrigger
from rapscheduler.util import convert_to_datetime


def work(a, b=2):
    """A job with an argument."""


def pending():
    """A job that waits for the start of its scheduler."""
    return BackgroundScheduler(timezone="UTC").add_job(print, "interval", hours=1, id="waits")


AWARE = datetime(2025, 1, 1, tzinfo=timezone.utc)
cron = functools.partial(CronTrigger, timezone="UTC")
crontab = functools.partial(CronTrigger.from_crontab, timezone="UTC")
interval = functools.partial(IntervalTrigger, timezone="UTC")
calendar = functools.partial(CalendarIntervalTrigger, timezone="UTC")

#: (call, exception class, what is named, what is advised)
TRIGGERS = [
    (lambda: cron(hour=24), ValueError, "'24' for field 'hour'", "give 0 to 23"),
    (lambda: cron(minute="61"), ValueError, "'61' for field 'minute'", "give 0 to 59"),
    (lambda: cron(year=1969), ValueError, "'1969' for field 'year'", "give 1970 to 9999"),
    (lambda: cron(week=54), ValueError, "'54' for field 'week'", "give 1 to 53"),
    (lambda: cron(day=32), ValueError, "'32' for field 'day'", "give 1 to 31"),
    (lambda: cron(day="6th fri"), ValueError, '"6th fri" for field "day"', "'2nd fri'"),
    (lambda: cron(day="last foo"), ValueError, 'weekday name "foo"', "mon, tue, wed"),
    (lambda: cron(month="foo"), ValueError, 'month name "foo"', "jan, feb, mar"),
    (lambda: cron(day_of_week=7), ValueError, "'7' for field 'day_of_week'", "0 is Monday, 6 is Sunday"),
    (lambda: cron(day_of_week="fri-mon"), ValueError, "'fri-mon'", "'fri-sun,mon'"),
    (lambda: cron(hour="22-2"), ValueError, "'22-2' for field 'hour'", "'22-23,0-2'"),
    (lambda: cron(second="*/0"), ValueError, "'*/0' for field 'second'", "'*/2'"),
    (lambda: cron(hour="*/24"), ValueError, "'*/24' for field 'hour'", "write hour=0; to count on"),
    (lambda: cron(timezone="UTC+3"), KeyError, "UTC+3", "timezone(datetime.timedelta(hours=3))"),
    (lambda: cron(timezone="GMT-03:30"), KeyError, "GMT-03:30", "(hours=-3, minutes=-30)"),
    (lambda: cron(timezone="CEST"), KeyError, "CEST", "such as 'Europe/Berlin'"),
    (lambda: cron(timezone="PST"), KeyError, "PST", "such as 'America/Los_Angeles'"),
    (lambda: cron(timezone="utc"), KeyError, "utc", "did you mean 'UTC'?"),
    (lambda: cron(timezone="berlin"), KeyError, "berlin", "did you mean 'Europe/Berlin'?"),
    (lambda: cron(timezone="New York"), KeyError, "New York", "did you mean 'America/New_York'?"),
    (lambda: cron(timezone="local"), KeyError, "local", "leave the time zone out"),
    (lambda: cron(hour=[]), ValueError, '"[]" for field "hour"', "of 0 to 23"),
    (lambda: cron(hour=[7, 24]), ValueError, "'24' for field 'hour'", "give 0 to 23"),
    (lambda: cron(hour=time(7)), ValueError, '"07:00:00"', "write hour=7, minute=0, second=0"),
    (lambda: cron(hour=1).fire_times("2025-01-01"), TypeError, "start='2025-01-01'", "give an aware one"),
    (lambda: cron(hour=1).fire_times(AWARE, limit="3"), TypeError, "limit='3'", "None for no limit"),
    (lambda: cron(hour=1).get_previous_fire_time("x"), TypeError, "before='x'", "give an aware one"),
    (lambda: cron(hour=1).explain("x"), TypeError, "start='x'", "give an aware one"),
    (lambda: interval(seconds=float("nan")), ValueError, "seconds=nan", "give numbers"),
    (
        lambda: IntervalTrigger(timedelta(hours=1)),
        TypeError,
        "weeks=datetime.timedelta",
        "delta.total_seconds()",
    ),
    (lambda: OrTrigger("cron"), TypeError, "triggers='cron'", "OrTrigger([trigger, trigger])"),
    (
        lambda: AndTrigger(cron(), cron()),
        TypeError,
        "is no list of triggers",
        "AndTrigger([trigger, trigger])",
    ),
    (lambda: OrTrigger([cron()], jitter="5"), TypeError, "jitter='5'", "jitter=30"),
    (lambda: ManualScheduler("2025-01-01"), ValueError, "'2025-01-01'", "give an offset with it"),
    (lambda: ManualScheduler(5), TypeError, "5 is no point in time", "give an aware datetime"),
    (lambda: ManualScheduler().advance("1h"), TypeError, "by='1h'", "a number of seconds"),
    (lambda: ManualScheduler().run_until("xx"), ValueError, "'xx'", "YYYY-MM-DD HH:MM:SS"),
    (lambda: ManualScheduler().run_until(5), TypeError, "5 is no point in time", "give an aware datetime"),
    (
        lambda: pending().next_run_time,
        AttributeError,
        "next_run_time is not set yet",
        "when its scheduler starts",
    ),
    (lambda: pending().coalesce, AttributeError, "coalesce is not set yet", "when its scheduler starts"),
    (lambda: pending().max_instances, AttributeError, "max_instances is not", "when its scheduler starts"),
    (lambda: copy.copy(pending()), AttributeError, "is not set yet", "when its scheduler starts"),
    (lambda: pickle.dumps(pending()), AttributeError, "is not set yet", "when its scheduler starts"),
    (lambda: cron(hour="x"), ValueError, '"x" for field "hour"', "of 0 to 23"),
    (lambda: cron(dst="twice"), ValueError, "'twice'", "'both'"),
    (lambda: crontab("* * *"), ValueError, "3", "5"),
    (lambda: crontab(5), TypeError, "not 5", "'0 9 * * mon-fri'"),
    (lambda: crontab("0 9 * * mon", dialect="unix"), ValueError, "'unix'", "vixie"),
    (lambda: cron(start_date="tomorrow"), ValueError, "'tomorrow' for start_date", "YYYY-MM-DD HH:MM:SS"),
    (lambda: cron(end_date="2025-02-30"), ValueError, "'2025-02-30' for end_date", "day is out of range"),
    (lambda: cron(end_date=5), TypeError, "end_date: int (5)", "give a datetime"),
    (lambda: cron(timezone="Europe/Berln"), KeyError, "Europe/Berln", "did you mean 'Europe/Berlin'?"),
    (lambda: cron(timezone="Nowhere/Land"), KeyError, "Nowhere/Land", "such as 'Europe/Berlin'"),
    (lambda: cron(timezone=5), TypeError, "int instead: 5", "such as 'Europe/Berlin'"),
    (lambda: cron(jitter=-1), ValueError, "jitter=-1", "give 0 or more seconds"),
    (lambda: cron(jitter="5"), TypeError, "jitter='5'", "jitter=30"),
    (lambda: interval(hours="5"), TypeError, "hours='5'", "give numbers"),
    (lambda: interval(hours=1e300), OverflowError, "hours=1e+300", "at most 999999999 days"),
    (lambda: interval(seconds=-5), ValueError, "not -5 s", "longer than zero"),
    (lambda: interval(seconds=1e-9), ValueError, "shorter than a microsecond", "seconds=0.000001"),
    (lambda: interval(start_date=time(1)), TypeError, "datetime.time(1, 0)", "give a datetime"),
    (lambda: calendar(), ValueError, "at least 1 day", "give years, months, weeks or days"),
    (lambda: calendar(days=-1), ValueError, "days=-1", "give 0 or more"),
    (lambda: calendar(days=1.5), TypeError, "days=1.5", "whole number"),
    (lambda: calendar(days=1, hour=24), ValueError, "not 24", "0..23"),
    (lambda: calendar(days=1, hour="3"), TypeError, "hour='3'", "whole number"),
    (lambda: calendar(days=1, start_date="x"), ValueError, "'x' for start_date", "write YYYY-MM-DD"),
    (lambda: calendar(days=1, end_date=5), TypeError, "end_date: int (5)", "give a date"),
    (
        lambda: calendar(days=1, start_date="2025-02-01", end_date="2025-01-01"),
        ValueError,
        "2025-01-01 is before 2025-02-01",
        "end_date cannot be earlier",
    ),
    (lambda: DateTrigger("x", "UTC"), ValueError, "'x' for run_date", "YYYY-MM-DD HH:MM:SS"),
    (lambda: DateTrigger([], "UTC"), TypeError, "list ([])", "give a datetime"),
    (lambda: AndTrigger([]), ValueError, "AndTrigger([])", "one trigger or more"),
    (lambda: OrTrigger([5]), TypeError, "triggers[0] is 5", "CronTrigger(hour=2)"),
    (
        lambda: convert_to_datetime("2025-01-01", None, "run_date"),
        ValueError,
        "'2025-01-01'",
        '"tz" argument',
    ),
]


def add(**options):
    return lambda scheduler: scheduler.add_job(
        **{"func": print, "id": "there", "replace_existing": True, **options}
    )


def modify(**changes):
    return lambda scheduler: scheduler.modify_job("taken", **changes)


JOBS = [
    (add(func=5), TypeError, "got 5", "a callable or a textual reference"),
    (add(func="x"), ValueError, "'x'", "'package.module:function'"),
    (add(func="nowhere:x"), LookupError, "nowhere:x", "No module named 'nowhere'"),
    (add(func="os:nothing"), LookupError, "os:nothing", "no attribute 'nothing'"),
    (add(func=work), ValueError, "not been supplied: a", "work(a, b=2)"),
    (add(func=work, args=(1, 2, 3)), ValueError, "given in args: 3", "work(a, b=2)"),
    (add(func=work, args=(1,), kwargs={"a": 1}), ValueError, "both args and kwargs: a", "work(a, b=2)"),
    (add(func=work, args=(1,), kwargs={"z": 1}), ValueError, "keyword arguments: z", "work(a, b=2)"),
    (add(args=5), TypeError, "args=5", "args=(5,)"),
    (add(kwargs=5), TypeError, "kwargs=5", "names of keyword arguments to their values"),
    (add(id=5), TypeError, "got 5", "a nonempty string"),
    (add(name=""), TypeError, "got ''", "a nonempty string"),
    (add(misfire_grace_time=0), TypeError, "got 0", "None or a positive integer (of seconds)"),
    (add(misfire_grace_time="5"), TypeError, "got '5'", "None or a positive integer (of seconds)"),
    (add(max_instances=1.5), TypeError, "got 1.5", "a positive integer"),
    (add(executor=5), TypeError, "got 5", "alias of an executor"),
    (add(jobstore="nowhere"), KeyError, "nowhere", "there are: default"),
    (add(jobstore="defualt"), KeyError, "defualt", "did you mean 'default'?"),
    (add(next_run_time="soon"), ValueError, "'soon' for next_run_time", "YYYY-MM-DD HH:MM:SS"),
    (add(next_run_time=5), TypeError, "next_run_time: int (5)", "give a datetime"),
    (add(trigger="corn"), LookupError, '"corn"', "did you mean 'cron'?"),
    (add(trigger="nothing"), LookupError, '"nothing"', "known are: and, calendarinterval, cron"),
    (add(trigger=5), TypeError, "int instead: 5", '"cron"'),
    (add(trigger="interval", hour=1), TypeError, "'hour'", "takes: weeks, days, hours"),
    (add(trigger="cron", arg=[1]), TypeError, "'arg'", "did you mean 'args'?"),
    (
        add(trigger="cron", hour=1, max_instance=3),
        TypeError,
        "'max_instance'",
        "did you mean 'max_instances'?",
    ),
    (
        add(trigger="interval", seconds=1, retries=3),
        TypeError,
        "'retries'",
        "did you mean 'retry'?",
    ),
    (add(labels=["a"]), TypeError, "'labels'", "did you mean 'tags'?"),
    (add(queue="slow"), TypeError, "'queue'", "and add_job() itself: func, trigger"),
    (add(trigger="cron", hours=3), TypeError, "'hours'", "an argument of trigger='interval'"),
    (add(seconds=3), TypeError, "'seconds'", "an argument of trigger='interval'"),
    (add(trigger="cron", weekday="mon"), TypeError, "'weekday'", "did you mean 'day_of_week'?"),
    (add(trigger="cron", hour=2, tz="UTC"), TypeError, "'tz'", "did you mean 'timezone'?"),
    (add(trigger="0 7 * * *"), LookupError, '"0 7 * * *"', "CronTrigger.from_crontab('0 7 * * *')"),
    (add(trigger="@daily"), LookupError, '"@daily"', "CronTrigger.from_crontab('@daily')"),
    (add(trigger="every 5 minutes"), LookupError, '"every 5 minutes"', "'interval', minutes=5"),
    (add(trigger="cron", args="0 7 * * *"), ValueError, "args='0 7 * * *'", "from_crontab('0 7 * * *')"),
    (add(func=None), TypeError, "got None", "without calling it"),
    (add(trigger=work), TypeError, "function instead", "the callable comes first"),
    (add(coalesce="maybe"), ValueError, "coalesce='maybe'", "give True or False"),
    (add(misfire_grace_time=timedelta(minutes=5)), TypeError, "timedelta(seconds=300)", "give 300"),
    (lambda scheduler: scheduler.add_listener(5), TypeError, "5 can't be called", "give a function"),
    (lambda scheduler: scheduler.add_listener(work, "error"), TypeError, "mask='error'", "EVENT_*"),
    (lambda scheduler: scheduler.scheduled_job(work), TypeError, "scheduled_job()", "'interval', minutes=5"),
    (lambda scheduler: scheduler.get_job(scheduler.get_job("taken")), TypeError, "id=taken", "job.id"),
    (lambda scheduler: scheduler.print_jobs(out=5), TypeError, "out=5", "a file opened for text"),
    (add(trigger="cron", hour=25), ValueError, "'25' for field 'hour'", "give 0 to 23"),
    (add(replace_existing="yes"), ValueError, "'yes'", 'True, False or "keep"'),
    (add(id="taken", replace_existing=False), ConflictingIdError, "(taken)", "replace_existing=True"),
    (modify(id="other"), ValueError, "'taken'", "add a job with id='other'"),
    (modify(colour="red"), AttributeError, "colour", "modifiable are func, args"),
    (modify(name=5), TypeError, "got 5", "a nonempty string"),
    (modify(args=5), TypeError, "got 5", "args=(5,)"),
    (modify(kwargs=[1]), TypeError, "got [1]", "from names of arguments to values"),
    (modify(func=5), TypeError, "got 5", "a callable or a textual reference"),
    (modify(trigger="cron"), TypeError, "'cron'", "reschedule_job()"),
    (modify(executor=5), TypeError, "got 5", "alias of an executor"),
    (modify(max_instances=0), TypeError, "got 0", "a positive integer"),
    (modify(misfire_grace_time=-1), TypeError, "got -1", "None or a positive integer"),
    (lambda scheduler: scheduler.add_executor(5, "x"), TypeError, "int instead: 5", "'threadpool'"),
    (
        lambda scheduler: scheduler.add_executor(DebugExecutor, "x"),
        TypeError,
        "DebugExecutor",
        "give an object",
    ),
    (lambda scheduler: scheduler.add_executor("theadpool", "x"), LookupError, '"theadpool"', "'threadpool'"),
    (lambda scheduler: scheduler.add_jobstore(5, "x"), TypeError, "int instead: 5", "'memory'"),
    (lambda scheduler: scheduler.add_jobstore("memory"), ValueError, '"default"', "give another alias"),
    (lambda scheduler: scheduler.add_jobstore("memory", "x", url=1), TypeError, "'url'", "takes: nothing"),
    (lambda scheduler: scheduler.remove_executor("x"), KeyError, "x", "there are: default"),
]

SETTINGS = [
    ({"timezone": "Nowhere"}, KeyError, "Nowhere", "'Europe/Berlin'"),
    ({"jobstores": {"default": {"url": "x"}}}, ValueError, "{'url': 'x'}", "'memory'"),
    ({"executors": {"default": {"max_workers": 5}}}, ValueError, "{'max_workers': 5}", "'threadpool'"),
    ({"executors": {"default": 5}}, TypeError, "int instead: 5", "instance or dict"),
    ({"executors": {"default": {"type": "processpol"}}}, LookupError, '"processpol"', "'processpool'"),
    ({"jobstores": 5}, TypeError, "int instead: 5", "jobstores={'name': …}"),
    (
        {"job_defaults": {"coalesce": "maybe"}},
        ValueError,
        "job_defaults['coalesce']='maybe'",
        "true or false",
    ),
    (
        {"job_defaults": {"max_instances": "x"}},
        ValueError,
        "job_defaults['max_instances']='x'",
        "a whole number",
    ),
    ({"jobstore_retry_interval": "x"}, ValueError, "jobstore_retry_interval='x'", "give a number"),
    ({"jobstore_retry_interval": -1}, ValueError, "jobstore_retry_interval=-1", "0 or more"),
    ({"jobstore_retry_interval": float("nan")}, ValueError, "jobstore_retry_interval=nan", "0 or more"),
    (
        {"executors": {"default": {"type": "threadpool", "max_workers": "x"}}},
        ValueError,
        "max_workers='x'",
        "such as max_workers=10",
    ),
    (
        {"jobstores": {"default": {"type": "sqlalchemy", "url": "postgres://a@b/c"}}},
        Exception,
        "postgres",
        "postgresql+psycopg://user:password@host/database",
    ),
    ({"logger": "nowhere"}, ValueError, "'nowhere'", '"module:name"'),
]


def check(call, cls, named, advised):
    with pytest.raises(cls, match=re.escape(named)) as caught:
        call()
    assert advised in str(caught.value)


@pytest.mark.parametrize(("call", "cls", "named", "advised"), TRIGGERS)
def test_triggers(call, cls, named, advised):
    check(call, cls, named, advised)


@pytest.fixture(scope="module")
def scheduler():
    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.start(paused=True)
    scheduler.add_job(print, "interval", hours=1, id="taken")
    yield scheduler
    scheduler.shutdown()


@pytest.mark.parametrize(("call", "cls", "named", "advised"), JOBS)
def test_jobs(scheduler, call, cls, named, advised):
    check(lambda: call(scheduler), cls, named, advised)
    assert [job.id for job in scheduler.get_jobs()] == ["taken"]
    assert list(scheduler._executors) == list(scheduler._jobstores) == ["default"]


@pytest.mark.parametrize(("settings", "cls", "named", "advised"), SETTINGS)
def test_settings(settings, cls, named, advised):
    check(lambda: BackgroundScheduler(**settings), cls, named, advised)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda s: s.add_job(work, "cron", args=[1], id="bare cron"), "bare cron"),
        (
            lambda s: s.add_job(work, "interval", args=[1], timezone="UTC", id="bare interval"),
            "bare interval",
        ),
        (
            lambda s: s.add_job(print, "date", run_date="2999-01-01", executor="defualt"),
            "'default'",
        ),
        (lambda s: s.modify_job("taken", executor="nowhere"), "'nowhere'"),
        (lambda s: s.get_jobs("defualt"), "did you mean 'default'?"),
    ],
)
def test_what_apscheduler_accepts_in_silence_is_told_once(caplog, call, named):
    with BackgroundScheduler(timezone="UTC") as scheduler:
        scheduler.add_job(print, "interval", hours=1, id="taken")
        call(scheduler)
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 1 and named in warnings[0]


def test_a_schedule_that_was_given_a_field_is_not_warned_of(caplog):
    with BackgroundScheduler(timezone="UTC") as scheduler:
        scheduler.add_job(work, "cron", args=[1], second="*", id="meant")
        scheduler.add_job(work, "interval", args=[1], seconds=1, id="meant too")
    assert not [record for record in caplog.records if record.levelname == "WARNING"]
    assert scheduler._listeners == []


def test_a_refused_listener_is_not_kept():
    scheduler = BackgroundScheduler(timezone="UTC")
    with pytest.raises(TypeError):
        scheduler.add_listener(work, "error")
    scheduler.add_listener(print)
    assert [listener for listener, _ in scheduler._listeners] == [print]


def test_a_text_for_coalesce_is_read_as_in_settings():
    with BackgroundScheduler(timezone="UTC") as scheduler:
        job = scheduler.add_job(print, "interval", hours=1, coalesce="false")
        assert job.coalesce is False
        assert job.modify(coalesce="yes").coalesce is True


#: (call, exception class, what is named, what is advised)
PLACES = [
    (
        lambda s: s.add_job(work, "date", "2030-01-01"),
        ValueError,
        "args='2030-01-01'",
        "run_date='2030-01-01'",
    ),
    (lambda s: s.add_job(print, kwargs={1: 2}), TypeError, "{1: 2}", "write '1'"),
    (lambda s: s.add_job(print, datetime(2030, 1, 1)), TypeError, "2030", 'trigger="date", run_date='),
    (
        lambda s: s.add_job(print, timedelta(hours=1)),
        TypeError,
        "timedelta",
        'trigger="interval", seconds=3600',
    ),
    (lambda s: s.add_job(print, DateTrigger), TypeError, "DateTrigger", "write DateTrigger(…)"),
    (lambda s: s.add_job(print, "interval", hours=-2), ValueError, "-7200 s", "start_date"),
    (lambda s: s.reschedule_job("known", "cron", hour=2), TypeError, "'cron'", "write trigger='cron'"),
    (lambda s: s.add_executor(MemoryJobStore(), "x"), TypeError, "MemoryJobStore", "call add_jobstore()"),
    (lambda s: s.add_jobstore(DebugExecutor(), "x"), TypeError, "DebugExecutor", "call add_executor()"),
    (
        lambda s: s.add_jobstore(MemoryJobStore, "x"),
        TypeError,
        "MemoryJobStore",
        "give an object, MemoryJobStore(…)",
    ),
    (lambda s: s.add_jobstore("sqlalchemy", "x"), ValueError, '"url"', 'url="sqlite:///jobs.sqlite"'),
    (
        lambda s: s.add_jobstore("sqlalchemy", "x", url="sqllite:///x"),
        Exception,
        "sqllite",
        "did you mean 'sqlite'?",
    ),
    (
        lambda s: s.add_jobstore("sqlalchemy", "x", url="sqlite+aiosqlite:///jobs.db"),
        ValueError,
        "sqlite+aiosqlite:// is asynchronous",
        "url='sqlite:///jobs.db'",
    ),
    (
        lambda s: s.add_jobstore("sqlalchemy", "x", url="sqlite://", tablename=""),
        ValueError,
        "tablename=''",
        "leave it out",
    ),
    (
        lambda s: s.add_jobstore("sqlalchemy", "x", url="sqlite://", allowed_callables=5),
        TypeError,
        "allowed_callables=5",
        "['myapp.tasks:*']",
    ),
    (
        lambda s: BackgroundScheduler(jobstores={"a": "memory"}),
        TypeError,
        "'memory'",
        "write {'type': 'memory'}",
    ),
    (lambda s: BackgroundScheduler(executors={"a": 5}), TypeError, "5", "{'type': 'threadpool'}"),
    (lambda s: AsyncIOScheduler(event_loop=5), TypeError, "event_loop=5", "asyncio.new_event_loop()"),
]


@pytest.mark.parametrize(("call", "cls", "named", "advised"), PLACES)
def test_what_belongs_elsewhere_is_told_where(call, cls, named, advised):
    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.add_job(print, "interval", hours=1, id="known")
    with pytest.raises(cls) as caught:
        call(scheduler)
    assert named in str(caught.value) and advised in str(caught.value)


def test_what_is_accepted_though_it_is_probably_meant_otherwise_is_told(caplog):
    scheduler = BackgroundScheduler(timezone="UTC")
    job = scheduler.add_job(print, interval(hours=1), args="abc", max_instance=3)
    assert job.args == ("a", "b", "c")  # as on APScheduler
    assert "the 3 letters of args='abc', one by one; for one text write args=('abc',)" in caplog.text
    assert "ignores max_instance: the trigger is given as an object" in caplog.text
    assert "did you mean 'max_instances'?" in caplog.text
    caplog.clear()
    scheduler.add_job(print, interval(hours=1), args="a")
    scheduler.add_job(print, "interval", hours=1, args=("abc",))
    scheduler.add_job(print, interval(hours=1), tags={"x"})
    assert caplog.text == ""
