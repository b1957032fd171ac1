"""Jobs added, looked up, changed, listed and removed, before and after the start, with both packages."""

from __future__ import annotations

import functools
import io
import pickle
import re
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from tests.oracles.differential import NOON, Package, Programs, Record, Told, compare, logged

programs = Programs()
LATER = NOON + timedelta(hours=3)


def work(*args, **kwargs):
    return args, kwargs


def two(a, b=2):
    return a + b


async def awaited():
    return 1


class Worker:
    def method(self, a=1):
        return a

    @classmethod
    def of_class(cls):
        return cls.__name__

    @staticmethod
    def static():
        return 1

    def __call__(self):
        return 2

    def __repr__(self):
        return "<Worker>"


def facts(job) -> list:
    """Everything a program can read of a job."""
    names = "id name func func_ref args kwargs trigger executor misfire_grace_time coalesce max_instances"
    values = {name: getattr(job, name, "unset") for name in names.split()}
    if len(values["id"]) == 32:
        values["id"] = "made up"
    values["next_run_time"] = getattr(job, "next_run_time", "unset")
    return [values, str(job).replace(job.id, "id"), job.pending]


def listed(scheduler, *args) -> str:
    out = io.StringIO()
    scheduler.print_jobs(*args, out=out)
    # ours: "shows ids" in docs/migration.md
    return re.sub(r" \[id: .*\]$", "", out.getvalue(), flags=re.MULTILINE)


CALLABLES = {
    "function": (two, {"args": (1,)}),
    "text": ("tests.oracles.test_programs_jobs:two", {"kwargs": {"a": 1}}),
    "built-in text": ("builtins:print", {"args": ["x"]}),
    "lambda": (lambda: 1, {}),
    "partial": (functools.partial(two, 1), {}),
    "bound": (Worker().method, {}),
    "class method": (Worker.of_class, {}),
    "static": (Worker.static, {}),
    "class": (Worker, {}),
    "object": (Worker(), {}),
    "builtin": (len, {"args": ["x"]}),
    "bound builtin": ([].append, {"args": ["x"]}),
}


@programs(
    {
        "object pending": "a reference to a callable object",
        "object": "a reference to a callable object",
        "bound builtin pending": "a reference to a method of a built-in object",
        "bound builtin": "a reference to a method of a built-in object",
    }
)
def callables(ap: Package, out: Record) -> None:
    scheduler = ap.scheduler()
    jobs = {
        label: scheduler.add_job(func, "date", id=label, **more) for label, (func, more) in CALLABLES.items()
    }
    for label, job in jobs.items():
        out(f"{label} pending", facts(job))
    scheduler.start(paused=True)
    for label, job in jobs.items():
        out(label, facts(job))
        out(f"{label} found", facts(scheduler.get_job(label))[1])
    scheduler.shutdown()


@programs({f"coalesce text {state}": "a text is read as in settings" for state in (None, True)})
def arguments_of_jobs(ap: Package, out: Record) -> None:
    for paused in (None, True):
        scheduler = ap.scheduler(
            job_defaults={"coalesce": False, "max_instances": 3, "misfire_grace_time": 7}
        )
        if paused:
            scheduler.start(paused=True)
        add = scheduler.add_job
        for label, options in {
            "plain": {},
            "id": {"id": "x", "name": "Y"},
            "empty id": {"id": ""},
            "args list": {"args": [1, 2]},
            "args set": {"args": {1}},
            "args iterator": {"args": iter((1, 2))},
            "args text": {"args": "ab"},
            "args dict": {"args": {"k": 1}},
            "kwargs pairs": {"kwargs": [("a", 1)]},
            "options": {"misfire_grace_time": 5, "coalesce": True, "max_instances": 9},
            "nones": {
                "misfire_grace_time": None,
                "coalesce": None,
                "name": None,
                "args": None,
                "kwargs": None,
            },
            "coalesce text": {"coalesce": "no"},
            "grace bool": {"misfire_grace_time": True, "max_instances": True},
            "next time": {"next_run_time": LATER},
            "next time text": {"next_run_time": "2025-06-03 04:05:06"},
            "next time naive": {"next_run_time": datetime(2025, 6, 3, 4)},
            "next time date": {"next_run_time": date(2025, 6, 3)},
            "next time none": {"next_run_time": None},
            "next time zone": {"next_run_time": LATER.astimezone(ZoneInfo("Asia/Tokyo"))},
            "executor": {"executor": "other"},
        }.items():
            job = add(work, "interval", hours=1, **options)
            out(f"{label} {paused}", facts(job))
            out(f"{label} {paused} func", [type(job.args), type(job.kwargs)])
        for label, trigger, options in (
            ("none", None, {}),
            ("date", "date", {"run_date": LATER}),
            ("past date", "date", {"run_date": "2020-01-01"}),
            ("date arguments without a trigger", None, {"run_date": LATER}),
            ("cron", "cron", {"hour": 1, "timezone": "Asia/Tokyo"}),
            ("ended", "cron", {"hour": 1, "end_date": "2020-01-01"}),
            ("instance", ap("triggers.cron:CronTrigger")(minute=1, timezone="UTC"), {}),
            ("calendar", "calendarinterval", {"days": 1, "start_date": "2025-07-01"}),
        ):
            out(f"trigger {label} {paused}", facts(add(work, trigger, **options)))
        out(f"listed {paused}", sorted(listed(scheduler).splitlines()))
        out(f"count {paused}", len(scheduler.get_jobs()))
        if paused:
            scheduler.shutdown()


@programs({"running lines": "an executor that is not there"})
def changes(ap: Package, out: Record) -> None:
    change_a_job(ap, out, started=False)
    change_a_job(ap, out, started=True)


def change_a_job(ap: Package, out: Record, started: bool) -> None:
    scheduler = ap.scheduler()
    told = Told()
    with logged(ap) as lines:
        scheduler.add_listener(told)
        if started:
            scheduler.start(paused=True)
        word = "running" if started else "pending"
        job = scheduler.add_job(two, "interval", args=(1,), hours=1, id="a", name="first")
        steps = {
            "name": lambda: scheduler.modify_job("a", name="second"),
            "args": lambda: job.modify(args=[4], kwargs={"b": 1}),
            "func": lambda: job.modify(func="tests.oracles.test_programs_jobs:work"),
            "func and name": lambda: job.modify(func=two, args=[1], kwargs={}, name="third"),
            "options": lambda: job.modify(misfire_grace_time=4, coalesce=False, max_instances=2),
            "next time": lambda: job.modify(next_run_time=LATER),
            "next time text": lambda: job.modify(next_run_time="2025-07-01 00:00:00"),
            "trigger": lambda: job.modify(trigger=ap("triggers.date:DateTrigger")(LATER)),
            "reschedule": lambda: job.reschedule("cron", hour="*/4"),
            "reschedule default": lambda: scheduler.reschedule_job("a"),
            "reschedule instance": lambda: scheduler.reschedule_job(
                "a", trigger=ap("triggers.interval:IntervalTrigger")(hours=2, timezone="UTC")
            ),
            "pause": job.pause,
            "resume": job.resume,
            "reschedule paused": lambda: job.pause().reschedule("interval", hours=5),
            "executor": lambda: job.modify(executor="other"),
            "nothing": lambda: job.modify(),
        }
        for label, step in steps.items():
            result = out.attempt(f"{word} modified {label} result", step)
            out(f"{word} modified {label}", [facts(job), result is job])
        refused = {
            "id": {"id": "b"},
            "unknown": {"foo": 1},
            "args": {"args": 5},
            "args text": {"args": "x"},
            "too many": {"args": (1, 2, 3)},
            "kwargs": {"kwargs": 5},
            "kwargs list": {"kwargs": [("a", 1)]},
            "surplus": {"kwargs": {"z": 1}},
            "name": {"name": ""},
            "name type": {"name": 5},
            "func": {"func": 5},
            "func text": {"func": "nowhere:x"},
            "trigger": {"trigger": "cron"},
            "executor": {"executor": 5},
            "grace": {"misfire_grace_time": 0},
            "grace text": {"misfire_grace_time": "5"},
            "instances": {"max_instances": 0},
            "instances text": {"max_instances": "5"},
            "time": {"next_run_time": 5},
            "time text": {"next_run_time": "x"},
            "two": {"name": "refused", "max_instances": -1},
        }
        for label, change in refused.items():
            out.attempt(f"{word} refused {label}", lambda change=change: job.modify(**change))
            out(f"{word} refused {label} after", facts(job))
        out.attempt(f"{word} reschedule unknown", lambda: job.reschedule("foo"))
        out.attempt(f"{word} reschedule arguments", lambda: job.reschedule("interval", foo=3))
        for name in ("modify_job", "reschedule_job", "pause_job", "resume_job", "remove_job"):
            out.attempt(f"{word} {name} unknown id", lambda name=name: getattr(scheduler, name)("zzz"))
            if started:
                out.attempt(
                    f"{word} {name} unknown store", lambda name=name: getattr(scheduler, name)("a", "x")
                )
        out.attempt(f"{word} get unknown", lambda: scheduler.get_job("zzz"))
        out(f"{word} removed", job.remove())
        out.attempt(f"{word} removed twice", job.remove)
        scheduler.add_job(work, "date", run_date="2020-01-01", id="over", next_run_time=None)
        out.attempt(
            f"{word} resume what is over" if started else f"{word} resume",
            lambda: scheduler.resume_job("over"),
        )
        out(f"{word} left", [job.id for job in scheduler.get_jobs()])
    out(f"{word} told", told.names())
    out(f"{word} lines", lines)
    if started:
        scheduler.shutdown()


@programs()
def identifiers(ap: Package, out: Record) -> None:
    scheduler = ap.scheduler()
    first = scheduler.add_job(work, "interval", hours=1, id="a", name="first")
    scheduler.add_job(work, "interval", hours=2, id="b", name="second", replace_existing=True)
    scheduler.add_job(work, "interval", hours=3, id="b", name="third", replace_existing=True)
    scheduler.add_job(work, "interval", hours=4, id="c", name="plain")
    scheduler.add_job(work, "interval", hours=5, id="c", name="replacing", replace_existing=True)
    out("pending", listed(scheduler))
    told = Told()
    scheduler.add_listener(told)
    scheduler.start(paused=True)
    out("started", listed(scheduler))
    out.attempt("conflict", lambda: scheduler.add_job(work, "interval", hours=1, id="a"))
    out("unchanged", listed(scheduler))
    out(
        "replaced",
        facts(scheduler.add_job(work, "cron", hour=1, id="a", name="fourth", replace_existing=True)),
    )
    out("listed", listed(scheduler))
    out("first", first.name)
    out("told", told.names())
    fifth = scheduler.add_job(work, "date", run_date=LATER)
    out("made up", [len(fifth.id), fifth.id.isalnum(), fifth == scheduler.get_job(fifth.id), fifth == 5])
    scheduler.remove_all_jobs()
    out("empty", [listed(scheduler), scheduler.get_jobs(), scheduler.get_job("a")])
    scheduler.shutdown()


@programs()
def several_stores(ap: Package, out: Record) -> None:
    memory = ap("jobstores.memory:MemoryJobStore")
    scheduler = ap.scheduler(jobstores={"default": memory(), "two": {"type": "memory"}})
    told = Told()
    scheduler.add_listener(told)
    scheduler.add_job(work, "date", run_date=LATER, id="a", jobstore="two")
    scheduler.add_job(work, "date", run_date=LATER + timedelta(1), id="b")
    out("pending", [listed(scheduler), listed(scheduler, "two")])
    out("pending of one", [job.id for job in scheduler.get_jobs("two")])
    scheduler.start(paused=True)
    scheduler.add_job(work, "date", run_date=LATER, id="a")
    scheduler.add_jobstore("memory", "three")
    scheduler.add_job(work, "date", run_date=NOON, id="c", jobstore="three")
    scheduler.add_job(work, "date", run_date=LATER, id="d", jobstore="three", next_run_time=None)
    out("listed", listed(scheduler))
    out(
        "of one",
        [[job.id for job in scheduler.get_jobs(alias)] for alias in ("default", "two", "three", "four")],
    )
    out("found", [scheduler.get_job("a")._jobstore_alias, scheduler.get_job("a", "two")._jobstore_alias])
    out.attempt("wrong store", lambda: scheduler.modify_job("c", "two", name="x"))
    scheduler.pause_job("a", "two")
    scheduler.remove_job("a", "default")
    out("after", listed(scheduler))
    out.attempt("unknown store", lambda: scheduler.add_job(work, "date", jobstore="nowhere"))
    out("removed", scheduler.remove_jobstore("three"))
    out.attempt("removed twice", lambda: scheduler.remove_jobstore("three"))
    scheduler.remove_all_jobs("two")
    out("left", listed(scheduler))
    out.attempt("taken", lambda: scheduler.add_jobstore("memory", "two"))
    out.attempt("unknown", lambda: scheduler.add_jobstore("nothing", "x"))
    out.attempt("no store", lambda: scheduler.add_jobstore(5, "x"))
    out.attempt("options", lambda: scheduler.add_jobstore("memory", "x", foo=1))
    out("told", told.names())
    scheduler.shutdown()


@programs({"done": "jobs that are due at one instant, in memory"})
def order(ap: Package, out: Record) -> None:
    """Jobs of one run time, added in another order than that of their ids."""
    scheduler = ap.scheduler()
    done = []
    for word in ("c", "a", "d", "b"):
        scheduler.add_job(done.append, "date", run_date=NOON, id=word, args=(word,))
        scheduler.add_job(work, "interval", hours=1, start_date=LATER, id=f"later {word}")
        scheduler.add_job(work, "interval", hours=1, id=f"paused {word}", next_run_time=None)
    out("pending", [job.id for job in scheduler.get_jobs()])
    scheduler.start(paused=True)
    out("listed", [job.id for job in scheduler.get_jobs()])
    scheduler.resume()
    scheduler._process_jobs()
    out("done", done)
    scheduler.shutdown()


@programs()
def decorator(ap: Package, out: Record) -> None:
    scheduler = ap.scheduler()

    @scheduler.scheduled_job(
        "interval", id="tick", minutes=5, args=(1,), misfire_grace_time=3, coalesce=False
    )
    def tick(n):
        return n

    @scheduler.scheduled_job(ap("triggers.cron:CronTrigger")(hour=3, timezone="UTC"), name="nightly")
    def tock():
        return 2

    out("callable", [tick(3), tock()])
    jobs = scheduler.get_jobs()
    out("pending", [facts(job)[1] for job in jobs])
    scheduler.start(paused=True)
    scheduler.scheduled_job("interval", id="tick", hours=5, args=(2,))(tick)
    out("replaced", [facts(scheduler.get_job("tick"))[1], len(scheduler.get_jobs())])
    scheduler.shutdown()


BAD_JOBS = {
    "func": {"func": 5},
    "func none": {"func": None},
    "func text": {"func": "x"},
    "func module": {"func": "nowhere:x"},
    "func name": {"func": "os:nowhere"},
    "trigger": {"trigger": "nothing"},
    "trigger type": {"trigger": 5},
    "trigger class": {"trigger": datetime},
    "trigger arguments": {"trigger": "interval", "foo": 1},
    "trigger value": {"trigger": "cron", "hour": 25},
    "trigger date": {"run_date": "x"},
    "trigger zone": {"trigger": "cron", "timezone": "Nowhere/Land"},
    "args": {"args": 5},
    "args surplus": {"func": two, "args": (1, 2, 3)},
    "args missing": {"func": two},
    "args twice": {"func": two, "args": (1,), "kwargs": {"a": 2}},
    "kwargs": {"kwargs": 5},
    "kwargs surplus": {"func": two, "args": (1,), "kwargs": {"z": 2}},
    "kwargs list": {"kwargs": [1]},
    "id": {"id": 5},
    "id bytes": {"id": b"x"},
    "name": {"name": 5},
    "name empty": {"name": ""},
    "grace": {"misfire_grace_time": 0},
    "grace negative": {"misfire_grace_time": -1},
    "grace float": {"misfire_grace_time": 1.5},
    "grace text": {"misfire_grace_time": "1"},
    "instances": {"max_instances": 0},
    "instances none": {"max_instances": None},
    "instances float": {"max_instances": 2.0},
    "instances text": {"max_instances": "2"},
    "time": {"next_run_time": 5},
    "time text": {"next_run_time": "tomorrow"},
    "executor": {"executor": 5},
    "executor none": {"executor": None},
    "store": {"jobstore": "nowhere"},
    "surplus": {"colour": "red"},
}


@programs()
def bad_jobs(ap: Package, out: Record) -> None:
    scheduler = ap.scheduler()
    for word in ("pending", "running"):
        if word == "running":
            scheduler.start(paused=True)
        for label, options in BAD_JOBS.items():
            if (word, label) == ("pending", "store"):
                continue
            out.attempt(
                f"{word} {label}", lambda options=options: scheduler.add_job(**{"func": work, **options})
            )
        out(f"{word} left", listed(scheduler))
    out.attempt("no func", lambda: scheduler.add_job())
    out.attempt("decorated", lambda: scheduler.scheduled_job("nothing")(work))
    scheduler.shutdown()


@programs()
def pickled_jobs(ap: Package, out: Record) -> None:
    scheduler = ap.scheduler()
    worker = Worker()
    scheduler.start(paused=True)
    for label, func, more in (
        ("function", two, {"args": (1,)}),
        ("text", "tests.oracles.test_programs_jobs:two", {"kwargs": {"a": 1}}),
        ("bound", worker.method, {}),
        ("class method", Worker.of_class, {}),
    ):
        job = scheduler.add_job(func, "cron", hour=3, timezone="UTC", id=label, name=label, **more)
        state = job.__getstate__()
        out(f"{label} state", {**state, "trigger": str(state["trigger"])})
        again = pickle.loads(pickle.dumps(job))
        out(
            f"{label} again",
            [again == job, str(again), repr(again), again.func_ref, again.args, again.kwargs],
        )
    other = ap("job:Job").__new__(ap("job:Job"))
    other.__setstate__(state)
    out("restored", [str(other), other == job])
    out.attempt("newer", lambda: other.__setstate__({**state, "version": 99}))
    job = scheduler.add_job(lambda: 1, "date", id="lambda")
    out.attempt("lambda", job.__getstate__)
    out.attempt("scheduler", lambda: pickle.dumps(scheduler))
    out.attempt("hash", lambda: hash(job))
    out.attempt("attribute", lambda: setattr(job, "colour", "red"))
    scheduler.shutdown()


@programs.parametrize()
def test_as_there(program, differs):
    compare(program, differs)
