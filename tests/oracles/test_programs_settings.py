"""Schedulers configured in all three ways, rightly and wrongly; jobs exported and imported; threads that run."""

from __future__ import annotations

import io
import logging
import threading
from datetime import timedelta, timezone
from zoneinfo import ZoneInfo

import pytz
from tests.oracles.differential import NOON, Package, Programs, Record, Told, compare, logged

programs = Programs()


def settings_of(scheduler) -> list:
    defaults = dict(scheduler._job_defaults)
    components = [
        [type(each).__name__ for each in table.values()] + list(table)
        for table in (scheduler._executors, scheduler._jobstores)
    ]
    return [
        str(scheduler.timezone),
        defaults,
        scheduler.jobstore_retry_interval,
        *components,
        scheduler._logger.name,
    ]


def flat(ap: Package) -> dict:
    return {
        "apscheduler.jobstores.default": {"type": "memory"},
        "apscheduler.jobstores.two.type": "memory",
        "apscheduler.executors.default": {
            "class": f"{ap.name}.executors.pool:ThreadPoolExecutor",
            "max_workers": "4",
        },
        "apscheduler.executors.three.type": "threadpool",
        "apscheduler.executors.three.max_workers": "2",
        "apscheduler.job_defaults.coalesce": "false",
        "apscheduler.job_defaults.max_instances": "3",
        "apscheduler.job_defaults.misfire_grace_time": "9",
        "apscheduler.timezone": "UTC",
        "apscheduler.jobstore_retry_interval": "2.5",
        "other.timezone": "Asia/Tokyo",
        "timezone": "Europe/Berlin",
    }


@programs()
def three_ways(ap: Package, out: Record) -> None:
    make = ap("schedulers.background:BackgroundScheduler")
    nested = {
        "jobstores": {"default": {"type": "memory"}, "two": ap("jobstores.memory:MemoryJobStore")()},
        "executors": {
            "default": {"type": "threadpool", "max_workers": 3},
            "debug": {"class": f"{ap.name}.executors.debug:DebugExecutor"},
        },
        "job_defaults": {"coalesce": False, "max_instances": 3, "misfire_grace_time": 9},
        "timezone": "Asia/Tokyo",
        "jobstore_retry_interval": 5,
    }
    out("options", settings_of(make(**nested)))
    out("flat", settings_of(make(flat(ap))))
    out(
        "flat and options",
        settings_of(make(flat(ap), timezone="Europe/Berlin", job_defaults={"coalesce": True})),
    )
    scheduler = make()
    scheduler.configure(flat(ap))
    out("configured", settings_of(scheduler))
    scheduler.configure({"x.timezone": "Asia/Tokyo", "x.job_defaults.coalesce": "no"}, prefix="x.")
    out("prefix", settings_of(scheduler))
    for prefix in ("", None):
        scheduler.configure({"timezone": "Asia/Tokyo", "job_defaults.coalesce": "no"}, prefix=prefix)
        out(f"prefix {prefix!r}", settings_of(scheduler))
    scheduler.configure()
    out("defaults", settings_of(scheduler))
    for zone in (
        "UTC",
        timezone.utc,
        ZoneInfo("Europe/Berlin"),
        pytz.timezone("Asia/Tokyo"),
        None,
        timezone(timedelta(hours=2)),
    ):
        out(f"zone {zone!r}", settings_of(make(timezone=zone)))
    out("logger", settings_of(make(logger=logging.getLogger("mine"))))
    out("logger text", settings_of(make(logger="logging:root")))


NO_MAPPING = "that are no mapping"


@programs({"stores": NO_MAPPING, "executors": NO_MAPPING, "defaults": NO_MAPPING, "gconfig": NO_MAPPING})
def bad_settings(ap: Package, out: Record) -> None:
    make = ap("schedulers.background:BackgroundScheduler")
    for label, options in {
        "zone": {"timezone": "Nowhere/Land"},
        "zone type": {"timezone": 5},
        "executor type": {"executors": {"default": 5}},
        "executor unknown": {"executors": {"default": {"type": "nothing"}}},
        "executor no type": {"executors": {"default": {"max_workers": 3}}},
        "executor arguments": {"executors": {"default": {"type": "threadpool", "foo": 3}}},
        "executor class": {"executors": {"default": {"class": "nowhere:x"}}},
        "executor store": {"executors": {"default": ap("jobstores.memory:MemoryJobStore")()}},
        "store type": {"jobstores": {"default": 5}},
        "store unknown": {"jobstores": {"default": {"type": "nothing"}}},
        "store no type": {"jobstores": {"default": {}}},
        "store class": {"jobstores": {"default": {"class": "json:nothing"}}},
        "store executor": {"jobstores": {"default": ap("executors.debug:DebugExecutor")()}},
        "stores": {"jobstores": 5},
        "executors": {"executors": [1]},
        "defaults": {"job_defaults": 5},
        "coalesce": {"job_defaults": {"coalesce": "maybe"}},
        "instances": {"job_defaults": {"max_instances": "many"}},
        "grace": {"job_defaults": {"misfire_grace_time": "x"}},
        "retry": {"jobstore_retry_interval": "x"},
        "logger": {"logger": "nowhere"},
        "logger reference": {"logger": "nowhere:x"},
        "daemon": {"daemon": "maybe"},
    }.items():
        result = out.attempt(label, lambda options=options: type(make(**options)).__name__)
        assert isinstance(result, Exception), label
    out.attempt("gconfig", lambda: make(5))
    scheduler = ap.scheduler(job_defaults={"max_instances": 0})
    scheduler.start(paused=True)
    out.attempt("defaults at the first job", lambda: scheduler.add_job(len, "date", [""]))
    scheduler.shutdown()


def collect(*args):
    return args


@programs({"pending export": "`export_jobs` before the start"})
def exported_and_imported(ap: Package, out: Record) -> None:
    for started in (False, True):
        word = "running" if started else "pending"
        source, target, file = ap.scheduler(), ap.scheduler(), io.StringIO()
        if started:
            source.start(paused=True)
            target.start(paused=True)
        source.add_job(collect, "cron", [1, "x"], {}, "a", "first", hour=3)
        source.add_job(collect, "interval", id="b", hours=3, start_date=NOON, max_instances=4, coalesce=False)
        if started:
            source.add_job(collect, "date", id="c", next_run_time=None)
        out.attempt(f"{word} export", lambda source=source, file=file: source.export_jobs(file))
        if not started:
            continue
        out(f"{word} text", file.getvalue()[:1])
        file.seek(0)
        target.import_jobs(file)
        out(
            f"{word} jobs",
            [[job.id, str(job), list(job.args), job.kwargs, job.name] for job in target.get_jobs()],
        )
        if started:
            source.shutdown()
            target.shutdown()


@programs()
def in_threads(ap: Package, out: Record) -> None:
    """A background scheduler with real threads: everything that ends, in the order of the job ids."""
    names = ("ran", "failed", "listed", "loud")
    told, ended, events = Told(), threading.Semaphore(0), ap("events")
    scheduler = ap("schedulers.background:BackgroundScheduler")(timezone="UTC")

    def listen(event):
        told(event)
        ended.release()

    def fail():
        raise KeyError("no")

    scheduler.add_listener(listen, events.EVENT_JOB_EXECUTED | events.EVENT_JOB_ERROR)
    with logged(ap) as lines:
        scheduler.add_job(collect, args=[1], id=names[0])
        scheduler.start()
        out("thread", [scheduler._thread.daemon, scheduler._thread.name, scheduler.state])
        scheduler.add_job(fail, id=names[1])
        scheduler.add_job(collect, args=[[2]], id=names[2])
        scheduler.add_job("tests.oracles.test_programs_settings:collect", id=names[3])
        assert all(ended.acquire(timeout=10) for _ in names)
        scheduler.shutdown()
    out(
        "ended",
        [
            [d["job_id"], d["retval"], d["exception"]]
            for _, d in sorted(told.events, key=lambda e: e[1]["job_id"])
        ],
    )
    out("lines", sorted({line for line in lines if "Next wakeup" not in line and "No jobs" not in line}))
    out("state", [scheduler.state, scheduler.running])


@programs.parametrize()
def test_as_there(program, differs):
    compare(program, differs)
