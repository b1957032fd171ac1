"""A program that uses the public names as its author's type checker sees them: `make types` checks it, a test runs it.

What is wrong on purpose (`mistakes`) is told to be ignored: a checker that finds nothing to ignore there says so.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

from rapscheduler import Retry, crontab, register_type
from rapscheduler.errors import JobLookupError
from rapscheduler.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MISSED,
    JobEvent,
    JobExecutionEvent,
)
from rapscheduler.executors.asyncio import AsyncIOExecutor
from rapscheduler.executors.debug import DebugExecutor
from rapscheduler.executors.pool import ProcessPoolExecutor, ThreadPoolExecutor
from rapscheduler.job import Job
from rapscheduler.jobstores.base import BaseJobStore, ParkedJob
from rapscheduler.jobstores.memory import MemoryJobStore
from rapscheduler.leader import FileLock, LeaderLock
from rapscheduler.schedulers.asyncio import AsyncIOScheduler
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.schedulers.base import BaseScheduler
from rapscheduler.schedulers.blocking import BlockingScheduler
from rapscheduler.testing import ManualScheduler
from rapscheduler.triggers.base import BaseTrigger
from rapscheduler.triggers.calendarinterval import CalendarIntervalTrigger
from rapscheduler.triggers.combining import AndTrigger, OrTrigger
from rapscheduler.triggers.cron import CronTrigger
from rapscheduler.triggers.date import DateTrigger
from rapscheduler.triggers.interval import IntervalTrigger

START = datetime(2025, 3, 1, tzinfo=timezone.utc)
BERLIN = ZoneInfo("Europe/Berlin")


@register_type
@dataclass
class Order:
    """What an argument of a stored job may be."""

    number: int
    paid: bool = False


class EveryOther(BaseTrigger):
    """A trigger of a program's own."""

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        return now if previous_fire_time is None else previous_fire_time + timedelta(days=2)


def triggers() -> list[BaseTrigger]:
    cron = CronTrigger(day_of_week="mon-fri", hour=7, minute="*/30", timezone=BERLIN, dst="once", jitter=5)
    line = CronTrigger.from_crontab("30 9 * * 1-5", timezone="America/New_York", dialect="vixie")
    interval = IntervalTrigger(weeks=1, hours=2, start_date=START, timezone="UTC")
    months = CalendarIntervalTrigger(months=1, hour=4, timezone=BERLIN)
    once = DateTrigger("2030-01-01 12:00", "UTC")
    both = AndTrigger([cron, interval], jitter=None)
    either = OrTrigger([line, months])
    return [cron, line, interval, months, once, both, either, EveryOther()]


def times(trigger: BaseTrigger) -> list[str]:
    first: datetime | None = trigger.get_next_fire_time(None, START)
    found: list[datetime] = list(trigger.fire_times(START, START + timedelta(days=60), limit=3))
    before: datetime | None = trigger.get_previous_fire_time(found[-1]) if found else first
    return [*(moment.isoformat() for moment in found), trigger.explain(START), str(before)]


def add(scheduler: BaseScheduler, func: Callable[..., Any]) -> list[Job]:
    job: Job = scheduler.add_job(func, "cron", hour=7, minute=30, args=[Order(1)], id="a", name="first")
    scheduler.add_job(func, IntervalTrigger(minutes=5), args=(Order(2),), kwargs={}, id="b", max_instances=3)
    scheduler.add_job(
        func, "date", run_date=START + timedelta(days=1), args=[Order(3)], misfire_grace_time=None
    )
    many: list[Job] = scheduler.add_jobs(
        ({"args": [Order(number)]} for number in range(3)), func=func, trigger=OrTrigger(triggers()[:1])
    )

    @scheduler.scheduled_job("interval", id="decorated", hours=1, coalesce=True)
    def decorated() -> int:
        return 1

    number: int = decorated()
    assert number == 1
    return [job, *many]


def look(scheduler: BaseScheduler, job: Job) -> tuple[Any, ...]:
    scheduler.modify_job("a", name="renamed", misfire_grace_time=30)
    scheduler.reschedule_job("a", trigger="cron", hour=6)
    scheduler.pause_job("a")
    resumed: Job | None = scheduler.resume_job("a")
    job.modify(max_instances=2).pause().resume()
    found: Job | None = scheduler.get_job("a")
    assert found is not None and resumed is not None
    moment: datetime | None = found.next_run_time
    grace: int | None = found.misfire_grace_time
    names: tuple[str, str, str | None] = (found.id, found.name, found.func_ref)
    parked: list[ParkedJob] = scheduler.get_parked_jobs()
    tried: list[str] = scheduler.resume_parked()
    health = scheduler.health()
    alive: tuple[bool, str | None, list[str]] = health["alive"], health["reason"], health["failing_stores"]
    out = io.StringIO()
    scheduler.print_jobs(out=out)
    said = ""
    try:
        scheduler.remove_job("nobody")
    except JobLookupError as error:
        said = str(error)
    return moment, grace, names, parked, tried, alive, out.getvalue(), said, len(scheduler.get_jobs())


def listen(scheduler: BaseScheduler) -> list[str]:
    heard: list[str] = []

    def hear(event: JobEvent) -> None:
        job_id: str = event.job_id
        outcome = event.exception if isinstance(event, JobExecutionEvent) else None
        heard.append(f"{event.code} {job_id} {outcome}")

    scheduler.add_listener(hear, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR | EVENT_JOB_MISSED)
    return heard


def locks() -> list[LeaderLock]:
    from rapscheduler.leader import RedisLock  # which needs a driver

    return [FileLock("/tmp/app.lock"), RedisLock("redis://localhost/0")]


def changed(scheduler: BaseScheduler, func: Callable[..., Any]) -> list[Any]:
    """Every way to say when, and the values of a job."""
    job = scheduler.add_job(
        func, trigger="interval", minutes=5, args=[Order(4)], id="c", tags={"x"}, on_lost="skip", retry=3
    )
    job.reschedule("calendarinterval", months=1, spread="hash", jitter=60).modify(owner="me", timeout=3)
    scheduler.reschedule_job("c", "default", "cron", hour="*/2", minute=[0, 30], month={1, 7}, dst="shift")
    scheduler.reschedule_job("c", trigger="and", triggers=[EveryOther()])
    scheduler.add_job(func, id="now", start_immediately=True, args=[Order(4)], replace_existing="keep")
    read: dict[str, Any] = {"trigger": "interval", "hours": 3, "args": [Order(4)], "id": "read"}
    scheduler.add_job(func, **read)
    alias, fields = str(read["trigger"]), {"hours": 1}
    scheduler.add_job(func, alias, [Order(5)], name="read too", **dict[str, Any](fields))
    trigger: BaseTrigger = job.trigger
    again: Callable[..., Any] = job.func
    tags: frozenset[str] = job.tags
    retry: Retry | None = job.retry
    return [trigger, again, tags, retry, job.on_lost, job.owner, job.timeout, [*job.args], {**job.kwargs}]


async def awaited(scheduler: AsyncIOScheduler, func: Callable[..., Any]) -> list[Job]:
    job: Job = await scheduler.add_job_async(func, "interval", minutes=5, id="d")
    await scheduler.reschedule_job_async("d", trigger="cron", hour=3)
    return [job, await scheduler.modify_job_async("d", name="e"), await scheduler.pause_job_async("d")]


class Counting(BackgroundScheduler):
    """A program's own scheduler, which hands on what it was given."""

    added = 0

    def add_job(self, *args: Any, **kwargs: Any) -> Job:
        self.added += 1
        return super().add_job(*args, **kwargs)

    def reschedule_job(self, *args: Any, **kwargs: Any) -> Job:
        return super().reschedule_job(*args, **kwargs)


class Named(BackgroundScheduler):
    """The same with APScheduler's arguments."""

    def add_job(
        self,
        func: Any,
        trigger: Any = None,
        args: Any = None,
        kwargs: Any = None,
        id: str | None = None,
        name: str | None = None,
        misfire_grace_time: Any = 1,
        coalesce: Any = True,
        max_instances: Any = 1,
        next_run_time: Any = None,
        jobstore: str = "default",
        executor: str = "default",
        replace_existing: Any = False,
        **trigger_args: Any,
    ) -> Job:
        return super().add_job(func, trigger, args, kwargs, id, name or "named", **trigger_args)


def schedulers() -> list[BaseScheduler]:
    store: BaseJobStore = MemoryJobStore()
    executors = {"default": ThreadPoolExecutor(4), "debug": DebugExecutor(), "cpu": ProcessPoolExecutor(2)}
    return [
        BackgroundScheduler(jobstores={"default": store}, executors=executors, timezone=BERLIN, daemon=False),
        BlockingScheduler({"apscheduler.timezone": "UTC"}),
        AsyncIOScheduler(executors={"default": AsyncIOExecutor()}, job_defaults={"coalesce": True}),
    ]


def mistakes() -> None:
    """Never called."""
    from rapscheduler import Foo  # type: ignore[attr-defined]  # pyright: ignore
    from rapscheduler.leader import NoLock  # type: ignore[attr-defined]  # pyright: ignore
    from rapscheduler.schedulers.background import Scheduler  # type: ignore[attr-defined]  # pyright: ignore
    from rapscheduler.triggers.cron import CornTrigger  # type: ignore[attr-defined]  # pyright: ignore

    NoLock(Scheduler(), CornTrigger())
    CronTrigger(hour=1, dst="twice")  # type: ignore[arg-type]  # pyright: ignore
    crontab.read("", dialect="fcron")  # type: ignore[arg-type]  # pyright: ignore
    Foo()
    scheduler, trigger = BackgroundScheduler(), CronTrigger(hour=1)
    scheduler.add_job(print, "cron", hours=3)  # type: ignore[call-overload]  # pyright: ignore
    scheduler.add_job(print, "cron", hour=3, dst="twice")  # type: ignore[call-overload]  # pyright: ignore
    scheduler.add_job(print, "interval", minute=3)  # type: ignore[call-overload]  # pyright: ignore
    scheduler.add_job(print, hour=3)  # type: ignore[call-overload]  # pyright: ignore
    scheduler.add_job(print, trigger, hour=3)  # type: ignore[call-overload]  # pyright: ignore
    scheduler.add_job(print, "date", run_date=3)  # type: ignore[call-overload]  # pyright: ignore
    scheduler.add_job(print, "cron", on_lost="again")  # type: ignore[call-overload]  # pyright: ignore
    scheduler.add_job(print, "cron", args=1)  # type: ignore[call-overload]  # pyright: ignore
    scheduler.add_job(print, "cron", replace_existing="keeps")  # type: ignore[call-overload]  # pyright: ignore
    scheduler.add_jobs([], func=print, minutez=5)  # type: ignore[call-arg]  # pyright: ignore
    scheduler.reschedule_job("a", trigger="cron", hours=3)  # type: ignore[call-overload]  # pyright: ignore
    scheduler.modify_job("a", nam="b")  # type: ignore[call-arg]  # pyright: ignore
    scheduler.modify_job("a", misfire_grace_time="b")  # type: ignore[arg-type]  # pyright: ignore
    IntervalTrigger(minutes=5, spread="random")  # type: ignore[arg-type]  # pyright: ignore
    Retry(wait="always")  # type: ignore[arg-type]  # pyright: ignore
    job = scheduler.add_job(print)
    job.reschedule("interval", hour=3)  # type: ignore[call-overload]  # pyright: ignore
    job.modify(max_instance=3)  # type: ignore[call-arg]  # pyright: ignore
    job.tags = frozenset()  # type: ignore[misc]  # pyright: ignore
    scheduler.health()["lively"]  # type: ignore[typeddict-item]  # pyright: ignore
    scheduler.scheduled_job("cron", hours=3)  # type: ignore[call-overload]  # pyright: ignore

    @scheduler.scheduled_job("cron", hour=3, spread="hash")
    def work(number: int = 0) -> int:
        return number

    work("one")  # type: ignore[arg-type]  # pyright: ignore


def main() -> None:
    done: list[Order] = []
    scheduler = ManualScheduler(START)
    heard = listen(scheduler)
    jobs = add(scheduler, done.append)
    scheduler.start()
    print(look(scheduler, jobs[0]))
    print(changed(scheduler, done.append))
    counting, named = Counting(), Named()
    counting.scheduled_job("interval", hours=1)(triggers)
    assert counting.added == 1 and named.add_job(triggers, "cron", None, None, "x", hour=3).name == "named"
    scheduler.advance(timedelta(days=2))
    assert done and heard
    scheduler.shutdown(wait=True)
    for trigger in triggers():
        print(*times(trigger), sep="\n")
    entries = crontab.read("MAILTO=me\n0 9 * * 1-5 /usr/bin/true\n", timezone="UTC")
    print([entry.trigger.explain(START) for entry in entries if entry.trigger], len(schedulers()))


if __name__ == "__main__":
    main()
