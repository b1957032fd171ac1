"""What users get wrong, one row for each mistake: the exception class, the value that was wrong, what would be right.

The classes and the first words are APScheduler's (`tests/oracles` compares them); here is what is added to them.
"""

from __future__ import annotations

import functools
import re
from datetime import time

import pytest

from rapscheduler.errors import ConflictingIdError
from rapscheduler.executors.debug import DebugExecutor
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.triggers.calendarinterval import CalendarIntervalTrigger
from rapscheduler.triggers.combining import AndTrigger, OrTrigger
from rapscheduler.triggers.cron import CronTrigger
from rapscheduler.triggers.date import DateTrigger
from rapscheduler.triggers.interval import IntervalTrigger
from rapscheduler.util import convert_to_datetime


def work(a, b=2):
    """A job with an argument."""


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
    (lambda: cron(hour="*/24"), ValueError, "'*/24' for field 'hour'", "a step of at most 23"),
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
    (lambda: interval(seconds=-5), ValueError, "seconds=86395", "longer than zero"),
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
