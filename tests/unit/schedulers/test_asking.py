"""Questions to the catalogue, changes of many jobs, a declared set of jobs, awaited calls: in memory and in SQL."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from rapscheduler.errors import ConflictingIdError
from rapscheduler.jobstores.memory import MemoryJobStore
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.triggers.calendarinterval import CalendarIntervalTrigger
from rapscheduler.triggers.combining import AndTrigger, OrTrigger
from rapscheduler.triggers.cron import CronTrigger
from rapscheduler.triggers.date import DateTrigger
from rapscheduler.triggers.interval import IntervalTrigger

URLS = {
    "sqlite": "sqlite://",
    "postgresql": os.environ.get("ASKING_POSTGRESQL", "postgresql+psycopg://postgres@127.0.0.1:5432/test"),
    "mysql": os.environ.get("ASKING_MYSQL", "mysql+pymysql://root@127.0.0.1:3306/test"),
}


class Listing(MemoryJobStore):
    """A store of somebody who overrides what lists the jobs."""

    def get_all_jobs(self) -> list[Any]:
        return [job for job in super().get_all_jobs() if job.id != "hidden"]


def _store(kind: str) -> Any:
    if kind in ("memory", "listing"):
        return MemoryJobStore() if kind == "memory" else Listing()
    pytest.importorskip("sqlalchemy")
    from rapscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore

    try:
        store = SQLAlchemyJobStore(URLS[kind], tablename=f"asking_{uuid4().hex[:12]}")
        with store.engine.connect():
            pass
    except Exception as exc:
        pytest.skip(f"{kind} can't be reached: {exc}")
    return store


@pytest.fixture(params=["memory", "listing", "sqlite", "postgresql", "mysql"])
def scheduler(request: Any) -> Iterator[BackgroundScheduler]:
    store = _store(request.param)
    made = BackgroundScheduler(timezone="UTC", jobstores={"default": store})
    made.start(paused=True)
    yield made
    made.remove_all_jobs()
    made.shutdown()
    if hasattr(store, "engine"):
        store.jobs_t.drop(store.engine, checkfirst=True)
        store._zones.drop(store.engine)
        store._tags.drop(store.engine)


def fill(scheduler: BackgroundScheduler) -> None:
    for i in range(6):
        scheduler.add_job(print, "cron", hour=i, id=f"mail-{i}", tags={"mail", "eu" if i % 2 else "us"})
    scheduler.add_job(print, "cron", hour=3, id="Mail-X", name='"eu"', owner="me")
    scheduler.add_job(print, "cron", hour=3, id="stock", next_run_time=None)


def ids(jobs: list[Any]) -> list[str]:
    return [job.id for job in jobs]


def test_the_store_answers(scheduler: BackgroundScheduler) -> None:
    fill(scheduler)
    assert ids(scheduler.get_jobs(prefix="mail-")) == [f"mail-{i}" for i in range(6)]
    assert ids(scheduler.get_jobs(prefix="mail-", limit=2)) == ["mail-0", "mail-1"]
    assert ids(scheduler.get_jobs(prefix="mail-", after="mail-1", limit=2)) == ["mail-2", "mail-3"]
    assert ids(scheduler.get_jobs(limit=2)) == ["Mail-X", "mail-0"]
    assert ids(scheduler.get_jobs(tag="eu")) == ["mail-1", "mail-3", "mail-5"]
    assert ids(scheduler.get_jobs(tag={"eu", "mail"}, limit=2)) == ["mail-1", "mail-3"]
    assert ids(scheduler.get_jobs(state="paused")) == ["stock"]
    assert ids(scheduler.get_jobs(owner="me")) == ["Mail-X"]
    assert ids(scheduler.get_jobs("default", prefix="s", state="scheduled")) == []
    assert scheduler.get_jobs(state="parked") == [] and scheduler.get_jobs(limit=0) == []
    assert scheduler.get_jobs(prefix="mail-\U0010ffff") == []
    assert len(scheduler.get_jobs()) == 8
    counts = [scheduler.count_jobs(**f) for f in ({}, {"prefix": "mail"}, {"state": "paused"}, {"tag": "us"})]
    assert counts == [8, 6, 1, 3]


def test_many_jobs_are_changed(scheduler: BackgroundScheduler) -> None:
    fill(scheduler)
    assert scheduler.pause_jobs(tag="eu") == ["mail-1", "mail-3", "mail-5"]
    assert scheduler.count_jobs(state="paused") == 4
    assert scheduler.resume_jobs(["mail-1", "gone"]) == ["mail-1"]
    assert scheduler.modify_jobs({"name": "letters"}, prefix="mail-") == [f"mail-{i}" for i in range(6)]
    assert scheduler.get_job("mail-4").name == "letters"
    assert scheduler.remove_jobs(state="paused") == ["mail-3", "mail-5", "stock"]
    assert scheduler.count_jobs() == 5


def test_tags_from_an_iterator_are_those_of_every_look(scheduler: BackgroundScheduler) -> None:
    """Read twice, they would be none the second time: that is every job."""
    fill(scheduler)
    assert scheduler.remove_jobs(tag=(tag for tag in ("mail", "eu"))) == ["mail-1", "mail-3", "mail-5"]
    assert scheduler.count_jobs() == 5


@pytest.mark.parametrize(
    ("ask", "named", "advised"),
    [
        (lambda scheduler: scheduler.count_jobs(tags="x"), "'tags' is no filter", "did you mean 'tag'?"),
        (lambda scheduler: scheduler.pause_jobs(colour="x"), "'colour' is no filter", "'prefix', 'tag'"),
        (lambda scheduler: scheduler.get_jobs(tag=5), "tag=5", "such as 'eu' or ['eu', 'mail']"),
        (lambda scheduler: scheduler.get_jobs(tag=b"eu"), "tag=b'eu'", "such as 'eu' or ['eu', 'mail']"),
        (lambda scheduler: scheduler.get_jobs(after=7, prefix="a"), "after=7", "jobs[-1].id"),
        (lambda scheduler: scheduler.count_jobs(after=7), "after=7", "jobs[-1].id"),
        (lambda scheduler: scheduler.get_jobs(prefix=b"a"), "prefix=b'a'", "begin with, such as 'mail-'"),
        (lambda scheduler: scheduler.get_jobs(owner=7), "owner=7", "sync_jobs()"),
        (lambda scheduler: scheduler.get_jobs(state="Pause"), "state='Pause'", "did you mean 'paused'?"),
        (lambda scheduler: scheduler.get_jobs(state=["paused"]), "state=['paused']", "'scheduled', 'paused'"),
        (lambda scheduler: scheduler.get_jobs(limit=-1), "limit=-1", "leave it out for all"),
        (lambda scheduler: scheduler.add_job(print, "cron", hour=1, tags=5), "got 5", "{'eu'}"),
        (lambda scheduler: scheduler.add_job(print, "cron", hour=1, tags=b"eu"), "got b'eu'", "{'eu'}"),
        (lambda scheduler: scheduler.add_job(print, "cron", hour=1, tags="mail"), "got 'mail'", "{'mail'}"),
        (lambda scheduler: scheduler.pause_jobs(5), "ids=5", "pause_jobs(['a', 'b'])"),
        (lambda scheduler: scheduler.modify_jobs(["taken"]), "['taken']", "{'max_instances': 2}"),
        (lambda scheduler: scheduler.cancel_run("x", "soon"), "'soon'", "timeout=10"),
        (lambda scheduler: scheduler.cancel_run("x", None), "None", "timeout=10"),
        (lambda scheduler: scheduler.cancel_run("x", float("nan")), "nan", "timeout=10"),
    ],
)
def test_what_makes_no_sense_is_named_with_its_cure(ask: Any, named: str, advised: str) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        ask(BackgroundScheduler(timezone="UTC"))
    assert named in str(caught.value) and advised in str(caught.value)


def test_a_declared_set_of_jobs(scheduler: BackgroundScheduler) -> None:
    scheduler.add_job(print, "cron", hour=1, id="other")
    specs = [{"func": print, "trigger": "cron", "hour": i, "id": f"b{i}", "args": [i]} for i in range(4)]
    assert scheduler.sync_jobs(specs, owner="billing") == (["b0", "b1", "b2", "b3"], [], [], [])
    scheduler.pause_job("b0")
    before = scheduler.get_job("b2").next_run_time
    specs = [
        specs[0],
        specs[1] | {"hour": 9},
        specs[2] | {"args": ["x"], "name": "new"},
        {"func": print, "trigger": "interval", "hours": 1, "start_date": "2026-01-01", "id": "b9"},
    ]
    synced = scheduler.sync_jobs(specs, owner="billing")
    assert (synced.added, synced.changed, synced.kept, synced.removed) == (
        ["b9"],
        ["b1", "b2"],
        ["b0"],
        ["b3"],
    )
    assert scheduler.get_job("b0").next_run_time is None
    assert scheduler.get_job("b1").next_run_time.hour == 9
    assert scheduler.get_job("b2").next_run_time == before and scheduler.get_job("b2").args == ("x",)
    assert scheduler.sync_jobs(specs, owner="billing").kept == ["b0", "b1", "b2", "b9"]
    with pytest.raises(ConflictingIdError):
        scheduler.sync_jobs([{"func": print, "trigger": "cron", "id": "other"}], owner="billing")
    assert scheduler.sync_jobs([], owner="billing").removed == ["b0", "b1", "b2", "b9"]
    assert ids(scheduler.get_jobs()) == ["other"]
    for bad in ([{"func": print}], [{"func": print, "id": "a"}, {"func": print, "id": "a"}]):
        with pytest.raises(ValueError, match="id of its own"):
            scheduler.sync_jobs(bad, owner="billing")


def test_awaited(scheduler: BackgroundScheduler) -> None:
    async def main() -> None:
        job = await scheduler.add_job_async(print, "cron", hour=1, id="a")
        await scheduler.pause_job_async("a")
        assert (await scheduler.get_job_async("a")).next_run_time is None
        await scheduler.resume_job_async("a")
        await scheduler.modify_job_async("a", name="n")
        await scheduler.reschedule_job_async("a", trigger="cron", hour=2)
        assert [one.name for one in await scheduler.get_jobs_async()] == ["n"]
        await scheduler.remove_job_async("a")
        assert await scheduler.get_job_async(job.id) is None

    asyncio.run(main())


def test_pending_jobs_are_asked_too() -> None:
    scheduler = BackgroundScheduler(timezone="UTC")
    fill(scheduler)
    assert ids(scheduler.get_jobs(tag="eu", limit=1)) == ["mail-1"]
    assert scheduler.count_jobs(state="paused") == 1 and scheduler.count_jobs(state="scheduled") == 7


@pytest.mark.parametrize(
    ("filters", "error"),
    [
        ({"state": "done"}, ValueError), ({"limit": -1}, ValueError), ({"prefix": 5}, TypeError),
        ({"tag": [5]}, TypeError), ({"owner": 5}, TypeError),
    ],
)  # fmt: skip
def test_filters_that_make_no_sense(filters: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=next(iter(filters))):
        BackgroundScheduler(timezone="UTC").get_jobs(**filters)


def test_all_jobs_are_never_meant_by_mistake() -> None:
    scheduler = BackgroundScheduler(timezone="UTC")
    with pytest.raises(ValueError, match="every job"):
        scheduler.remove_jobs()
    with pytest.raises(TypeError, match="one id"):
        scheduler.pause_jobs("a")
    with pytest.raises(TypeError, match="not both"):
        scheduler.pause_jobs(["a"], prefix="b")


def test_equal_triggers_compare_equal() -> None:
    makers: list[Any] = [
        lambda hour: CronTrigger(hour=hour, timezone="UTC", exclude="sat"),
        lambda hour: IntervalTrigger(hours=hour, start_date="2026-01-01", timezone="UTC"),
        lambda hour: CalendarIntervalTrigger(days=1, hour=hour, start_date="2026-01-01", timezone="UTC"),
        lambda hour: DateTrigger(f"2026-01-01 0{hour}:00:00", timezone="UTC"),
        lambda hour: OrTrigger([CronTrigger(hour=hour, timezone="UTC")]),
        lambda hour: AndTrigger([CronTrigger(hour=hour, timezone="UTC")]),
    ]
    for make in makers:
        assert make(1) == make(1) and make(1) != make(2) and hash(make(1)) == hash(make(1))
    assert len({type(make(1)): make(1) for make in makers}) == len({make(1) for make in makers}) == 6
    assert CronTrigger(hour=1, timezone="UTC") != CronTrigger(hour=1, timezone="Europe/Berlin")
