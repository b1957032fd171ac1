"""Job stores used through a scheduler and by themselves, and the scheduler of asyncio, with both packages."""

from __future__ import annotations

import asyncio
import tempfile
from datetime import timedelta
from pathlib import Path

from tests.oracles.differential import NOON, Package, Programs, Record, Told, at, compare, logged

programs = Programs()
HOUR = timedelta(hours=1)
done: list = []


def work(*args, **kwargs):
    done.append(args)
    return len(args)


class Worker:
    def method(self):
        return 1

    @classmethod
    def of_class(cls):
        return 1


async def awaited(value):
    await asyncio.sleep(0)
    return value


def broken():
    raise LookupError("as asked")


def times(store) -> list:
    return [[job.id, job.next_run_time, job.name, str(job.trigger)] for job in store.get_all_jobs()]


@programs()
def by_themselves(ap: Package, out: Record) -> None:
    """The public methods of a store, called as a program may call them."""
    for name, make in {
        "memory": ap("jobstores.memory:MemoryJobStore"),
        "sqlite": lambda: ap("jobstores.sqlalchemy:SQLAlchemyJobStore")(url="sqlite://"),
    }.items():
        with at(NOON) as clock:
            store = make()
            scheduler = ap.scheduler(jobstores={"default": store})
            scheduler.start(paused=True)
            for word, hours in (("d", 3), ("a", 2), ("c", 1)):
                scheduler.add_job(work, "interval", hours=hours, id=word)
            scheduler.add_job(work, "interval", hours=9, id="p", next_run_time=None)
            out(f"{name} all", times(store))
            out(f"{name} next", store.get_next_run_time())
            out(f"{name} due", [job.id for job in store.get_due_jobs(NOON + 2 * HOUR)])
            out(f"{name} none due", store.get_due_jobs(NOON))
            job = store.lookup_job("a")
            out(f"{name} found", [str(job), job._jobstore_alias if name != "memory" else None, job.pending])
            out(f"{name} not found", store.lookup_job("zzz"))
            out.attempt(f"{name} add again", lambda store=store, job=job: store.add_job(job))
            out.attempt(f"{name} remove unknown", lambda store=store: store.remove_job("zzz"))
            scheduler.remove_job("c")
            out.attempt(f"{name} update removed", lambda s=store, j=job: (s.remove_job("a"), s.update_job(j)))
            out(f"{name} left", times(store))
            clock.shift(4 * 3600)
            scheduler.resume()
            scheduler._process_jobs()
            out(f"{name} after a pass", times(store))
            store.remove_all_jobs()
            out(f"{name} empty", [times(store), store.get_next_run_time()])
            scheduler.shutdown()


HELD = "what a job in a store may hold"


@programs(
    {
        "first method": HELD,
        "second method": HELD,
        "first argument": HELD,
        "second argument": HELD,
        "lambda pending": "are refused by the scheduler's start",
    }
)
def on_disk(ap: Package, out: Record) -> None:
    """A program that is started twice with one database."""
    with tempfile.TemporaryDirectory() as folder, at(NOON) as clock, logged(ap) as lines:
        url = f"sqlite:///{Path(folder) / 'jobs.sqlite'}"
        for round_ in ("first", "second"):
            scheduler = ap.scheduler(jobstores={"default": {"type": "sqlalchemy", "url": url}})
            told = Told()
            scheduler.add_listener(told)
            scheduler.add_job(work, "interval", [1], hours=1, id="replaced", replace_existing=True)
            if round_ == "first":
                out.attempt("lambda pending", lambda s=scheduler: type(s.add_job(lambda: 1, id="l")).__name__)
                scheduler.remove_all_jobs()
                scheduler.add_job(work, "cron", hour=3, id="kept", misfire_grace_time=None)
                scheduler.add_job(work, "date", [2], run_date=NOON + HOUR, id="date", misfire_grace_time=3600)
                scheduler.add_job(work, "interval", hours=1, id="paused", next_run_time=None)
            scheduler.start()
            out(f"{round_} jobs", times(scheduler._jobstores["default"]))
            scheduler._process_jobs()
            for what, func in {
                "lambda": lambda: 1,
                "nested": lambda: Worker,
                "class method": Worker.of_class,
            }.items():
                out.attempt(
                    f"{round_} {what}",
                    lambda s=scheduler, f=func: type(s.add_job(f, "cron", hour=1, id="c")).__name__,
                )
            own = Worker()  # what a store can hold: see the guide to job stores
            out.attempt(
                f"{round_} method",
                lambda s=scheduler, o=own: bool(s.add_job(o.method, "cron", hour=1, id="m")),
            )
            out.attempt(
                f"{round_} argument",
                lambda s=scheduler, o=own: bool(s.add_job(work, "cron", [o], hour=1, id="o")),
            )
            for word in "mo":
                scheduler.get_job(word) and scheduler.remove_job(word)
            out.attempt(f"{round_} conflict", lambda s=scheduler: s.add_job(work, "cron", hour=1, id="kept"))
            out(
                f"{round_} told",
                sorted(event for event in told.names() if not event.startswith(("512", "1024"))),
            )
            out(f"{round_} done", done[:])
            done.clear()
            scheduler.shutdown()
            clock.shift(5400)
    out("levels", sorted({" ".join(line.split()[:2]) for line in lines}))


@programs()
def in_asyncio(ap: Package, out: Record) -> None:
    """Coroutine functions and plain ones in the event loop, started from a coroutine."""
    events = ap("events")
    told = Told()

    async def main():
        ended = asyncio.Semaphore(0)
        scheduler = ap("schedulers.asyncio:AsyncIOScheduler")(timezone="UTC")

        def listen(event):
            told(event)
            ended.release()

        scheduler.add_listener(listen, events.EVENT_JOB_EXECUTED | events.EVENT_JOB_ERROR)
        scheduler.add_job(awaited, args=["x"], id="a")
        scheduler.start()
        out("state", [scheduler.state, type(scheduler._lookup_executor("default")).__name__])
        scheduler.add_job(broken, id="b")
        scheduler.add_job(work, args=[1], id="c")
        for _ in "abc":
            await asyncio.wait_for(ended.acquire(), 10)
        scheduler.pause()
        out("paused", scheduler.state)
        scheduler.shutdown()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return scheduler.state

    with logged(ap) as lines:
        out("stopped", asyncio.run(main()))
    done.clear()
    ended = sorted([data["job_id"], data["retval"], str(data["exception"])] for _, data in told.events)
    out("ended", ended)
    out("lines", sorted({line for line in lines if "executors" in line}))


@programs.parametrize()
def test_as_there(program, differs):
    compare(program, differs)
