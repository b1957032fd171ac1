"""Operations on a scheduler with a memory store: add, change, look up, a pass of the loop, dispatch, import.

The scheduler under test is a plain subclass of the library's ``BaseScheduler`` whose passes are called by hand
(``_process_jobs``, which both libraries have), unless threads are the subject: then it is the ``BackgroundScheduler``.
"""

from __future__ import annotations

import gc
import itertools
import logging
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from datetime import datetime, timedelta, timezone
from logging.handlers import QueueHandler
from queue import SimpleQueue
from typing import Any, ClassVar

from benchmarks.workloads import US, Unsupported, Workload, at, instants_us, job_crontab, nothing

OPERATIONS = ("modify", "reschedule", "pause", "resume", "remove", "look up")
_counter = itertools.count(1)
_target = 0
_done = threading.Event()


def tick() -> None:
    """The nearly empty job: counts itself, and tells when it was the last one."""
    if next(_counter) == _target:
        _done.set()


def expect(count: int) -> None:
    """Before a round: ``_done`` will be set by the ``count``-th run."""
    global _counter, _target
    _counter, _target = itertools.count(1), count
    _done.clear()


def await_runs(timeout_s: float = 600) -> None:
    if not _done.wait(timeout_s):
        raise TimeoutError(f"only {next(_counter) - 1} of {_target} runs within {timeout_s} s")


def resident_bytes() -> int:
    with open("/proc/self/statm") as stream:
        return int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class SchedulerWorkload(Workload):
    """Makes schedulers of the library, and ends those that it made."""

    def stepping(self, **options: Any) -> Any:
        """A started scheduler without a loop of its own: passes are made by calling ``_process_jobs()``."""
        base = self.module("schedulers.base").BaseScheduler

        class SteppingScheduler(base):  # type: ignore[misc, valid-type]
            def wakeup(self) -> None:
                pass

            def shutdown(self, wait: bool = True) -> None:
                super().shutdown(wait)

        made = SteppingScheduler(timezone="UTC", **options)
        made.start()
        return self._keep(made)

    def paused(self, **options: Any) -> Any:
        """A background scheduler that is started and paused."""
        made = self.module("schedulers.background").BackgroundScheduler(timezone="UTC", **options)
        made.start(paused=True)
        return self._keep(made)

    def _keep(self, scheduler: Any) -> Any:
        self.end_scheduler()
        self.scheduler = scheduler
        return scheduler

    def end_scheduler(self) -> None:
        scheduler = getattr(self, "scheduler", None)
        if scheduler is not None:
            self.scheduler = None
            scheduler.shutdown(wait=True)

    def close(self) -> None:
        self.end_scheduler()

    def null_executor(self) -> Any:
        """An executor that takes every run and does nothing: the loop alone is timed."""
        base = self.module("executors.base").BaseExecutor
        if self.library == "apscheduler":
            members: dict[str, Any] = {"submit_job": lambda self, job, run_times: None}
        else:
            members = {"_submit_batch": lambda self, submissions: []}
        members["_do_submit_job"] = lambda self, job, run_times: None
        return type("NullExecutor", (base,), members)()

    def triggers(self) -> tuple[Any, Any]:
        """CronTrigger and IntervalTrigger."""
        cron = self.module("triggers.cron").CronTrigger
        return cron, self.module("triggers.interval").IntervalTrigger


class AddJobs(SchedulerWorkload):
    """``add_job`` one by one, trigger by alias as people write it; ``bulk``: one call of ``add_jobs``."""

    name = "add_jobs"

    def open(self, *, count: int, kind: str = "cron", bulk: bool = False, peer_count: int = 20_000) -> None:
        self.count = count if self.library == "rapscheduler" else min(count, peer_count)
        self.kind, self.bulk = kind, bulk
        if bulk and not hasattr(self.module("schedulers.base").BaseScheduler, "add_jobs"):
            raise Unsupported(f"{self.library} has no add_jobs")

    def answers(self) -> list[list[int]]:
        now = at(instants_us(1)[0], timezone.utc)
        scheduler = self.stepping()
        chain = []
        for i in range(0, 1440, 7):
            trigger = scheduler.add_job(nothing, "cron", **job_crontab(i)).trigger
            chain.append(int(trigger.get_next_fire_time(None, now).timestamp()) * US)
        self.end_scheduler()
        return [sorted(set(chain))]

    def _arguments(self, i: int) -> dict[str, Any]:
        return job_crontab(i) if self.kind == "cron" else {"seconds": 60 + i % 60}

    def prepare(self) -> None:
        self.paused()
        self.before = resident_bytes()

    def run(self) -> int:
        scheduler, kind = self.scheduler, self.kind
        if self.bulk:
            specs = ({"func": nothing, "trigger": kind, **self._arguments(i)} for i in range(self.count))
            scheduler.add_jobs(specs)
            return self.count
        add, arguments = scheduler.add_job, self._arguments
        for i in range(self.count):
            add(nothing, kind, **arguments(i))
        return self.count

    def facts(self) -> dict[str, Any]:
        return {"bytes_per_job": (resident_bytes() - self.before) / self.count, "count": self.count}


class Collect(SchedulerWorkload):
    """A full collection of garbage while ``count`` cron jobs are in memory; nothing is frozen."""

    name = "collect"

    def open(self, *, count: int, peer_count: int = 20_000) -> None:
        self.count = count if self.library == "rapscheduler" else min(count, peer_count)
        scheduler = self.paused()
        for i in range(self.count):
            scheduler.add_job(nothing, "cron", **job_crontab(i))

    def run(self) -> int:
        gc.collect()
        return 1

    def facts(self) -> dict[str, Any]:
        return {"tracked": len(gc.get_objects()), "count": self.count}


class ChangeJobs(SchedulerWorkload):
    """One of OPERATIONS on jobs picked at random among ``count``; 1,000 a round."""

    name = "change_jobs"
    picked = 1000

    def open(self, *, operation: str, count: int, peer_count: int = 20_000) -> None:
        self.operation = operation
        self.count = count if self.library == "rapscheduler" else min(count, peer_count)
        scheduler = self.paused()
        for i in range(self.count):
            scheduler.add_job(nothing, "interval", seconds=3600 + i % 600, id=str(i))
        self.source = random.Random(3)
        self.names = itertools.count()

    def prepare(self) -> None:
        self.ids = [str(i) for i in self.source.sample(range(self.count), self.picked)]
        _, interval = self.triggers()
        if self.operation == "resume":
            for job_id in self.ids:
                self.scheduler.pause_job(job_id)
        self.triggers_ready = [interval(seconds=1800 + i, timezone=timezone.utc) for i in range(self.picked)]

    def run(self) -> int:
        scheduler = self.scheduler
        if self.operation == "modify":
            for job_id in self.ids:
                scheduler.modify_job(job_id, name="changed")
        elif self.operation == "reschedule":
            for job_id, trigger in zip(self.ids, self.triggers_ready, strict=True):
                scheduler.reschedule_job(job_id, trigger=trigger)
        elif self.operation == "pause":
            for job_id in self.ids:
                scheduler.pause_job(job_id)
        elif self.operation == "resume":
            for job_id in self.ids:
                scheduler.resume_job(job_id)
        elif self.operation == "remove":
            for job_id in self.ids:
                scheduler.remove_job(job_id)
        else:
            for job_id in self.ids:
                scheduler.get_job(job_id)
        return self.picked

    def facts(self) -> dict[str, Any]:
        if self.operation == "remove":
            for job_id in self.ids:
                self.scheduler.add_job(nothing, "interval", seconds=3600, id=job_id)
        elif self.operation == "pause":
            for job_id in self.ids:
                self.scheduler.resume_job(job_id)
        return {"count": self.count}


class ListJobs(SchedulerWorkload):
    """``get_jobs()`` of ``count`` cron jobs, in the order of their run times."""

    name = "list_jobs"

    def open(self, *, count: int, peer_count: int = 20_000) -> None:
        self.count = count if self.library == "rapscheduler" else min(count, peer_count)
        scheduler = self.paused()
        cron, _ = self.triggers()
        for i in range(self.count):
            scheduler.add_job(nothing, cron(**job_crontab(i), timezone=timezone.utc))

    def run(self) -> int:
        self.listed = self.scheduler.get_jobs()
        return self.count

    def facts(self) -> dict[str, Any]:
        keys = [(job.next_run_time, job.id) for job in self.listed]
        if keys != sorted(keys) or len(keys) != self.count:
            raise AssertionError("get_jobs() gave other jobs, or another order")
        return {"count": self.count}


class AllDue(SchedulerWorkload):
    """``count`` jobs that are due at one instant."""

    def add_due(self, scheduler: Any, count: int, kind: str) -> None:
        cron, interval = self.triggers()
        due = datetime.now(timezone.utc).replace(microsecond=0)
        for i in range(count):
            if kind == "cron":
                trigger = cron(**job_crontab(i), timezone=timezone.utc)
            else:
                trigger = interval(hours=1, start_date=due, timezone=timezone.utc)
            scheduler.add_job(tick, trigger, next_run_time=due, misfire_grace_time=None)


class DueAtOnce(AllDue):
    """All due at one instant, ten threads, an empty function, interval triggers: from resume to the last run."""

    name = "due_at_once"

    def open(self, *, count: int, peer_count: int = 20_000, told: str = "") -> None:
        """``told``: who hears of the runs: a "listener", or at INFO a log "file", a handler that "drop"s, a "queue"."""
        self.count = count if self.library == "rapscheduler" else min(count, peer_count)
        self.told = told
        self.folder = tempfile.TemporaryDirectory()
        self.handlers: dict[str, Any] = {
            "file": lambda: logging.FileHandler(self.folder.name + "/log"),
            "drop": Dropping,
            "queue": lambda: QueueHandler(SimpleQueue()),
        }

    def prepare(self) -> None:
        scheduler = self.paused()
        self.add_due(scheduler, self.count, "interval")
        expect(self.count)
        self.heard = itertools.count(1)
        self.heard_all = threading.Event()
        if self.told == "listener":
            codes = self.module("events")
            scheduler.add_listener(self.hear, codes.EVENT_JOB_EXECUTED | codes.EVENT_JOB_ERROR)
        elif self.told:
            self.handler = self.handlers[self.told]()
            self.handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
            logging.getLogger().addHandler(self.handler)
            logging.getLogger().setLevel(logging.INFO)

    def hear(self, event: Any) -> None:
        if next(self.heard) == self.count:
            self.heard_all.set()

    def run(self) -> int:
        self.scheduler.resume()
        await_runs()
        if self.told == "listener" and not self.heard_all.wait(600):
            raise TimeoutError("not every run was told")
        return self.count

    def facts(self) -> dict[str, Any]:
        self.end_scheduler()
        if self.told not in ("", "listener"):
            logging.getLogger().removeHandler(self.handler)
            logging.getLogger().setLevel(logging.WARNING)
            self.handler.close()
        if self.told == "file":
            with open(self.handler.baseFilename) as stream:
                lines = sum("executed successfully" in line for line in stream)
            os.remove(self.handler.baseFilename)
            if lines != self.count:
                raise AssertionError(f"{lines} of {self.count} runs are in the log")
        return {"count": self.count}

    def close(self) -> None:
        super().close()
        self.folder.cleanup()


class Dropping(logging.Handler):
    """Takes every record, and drops it."""

    def emit(self, record: logging.LogRecord) -> None:
        pass


class LoopAlone(AllDue):
    """One pass over ``count`` due cron jobs: due, next, re-heap, run time as a datetime, hand-off to nobody."""

    name = "loop_alone"

    def open(self, *, count: int, peer_count: int = 20_000) -> None:
        self.count = count if self.library == "rapscheduler" else min(count, peer_count)

    def prepare(self) -> None:
        scheduler = self.stepping(executors={"default": self.null_executor()})
        self.add_due(scheduler, self.count, "cron")
        self.left = sum(job.next_run_time <= datetime.now(timezone.utc) for job in scheduler.get_jobs())
        if self.left != self.count:
            raise AssertionError(f"{self.left} of {self.count} jobs are due before the pass")
        # some jobs are due again at the minute, which a slow pass may see
        self.began = datetime.now(timezone.utc)

    def run(self) -> int:
        self.scheduler._process_jobs()
        return self.count

    def facts(self) -> dict[str, Any]:
        due = sum(job.next_run_time <= self.began for job in self.scheduler.get_jobs())
        self.end_scheduler()
        if due:
            raise AssertionError(f"{due} jobs are still due after the pass")
        return {"count": self.count}


class NothingDue(SchedulerWorkload):
    """A pass of the loop with nothing due among ``count`` jobs."""

    name = "nothing_due"

    def open(self, *, count: int, peer_count: int = 20_000) -> None:
        self.count = count if self.library == "rapscheduler" else min(count, peer_count)
        scheduler = self.stepping()
        later = datetime.now(timezone.utc) + timedelta(days=1)
        _, interval = self.triggers()
        for i in range(self.count):
            start = later + timedelta(seconds=i % 1000)
            scheduler.add_job(nothing, interval(hours=1, start_date=start, timezone=timezone.utc))

    def run(self) -> int:
        once = self.scheduler._process_jobs
        for _ in range(100):
            once()
        return 100


class Import(Workload):
    """Importing the background scheduler in a new interpreter, without that interpreter's own start; median of ten.

    Compiled files are in a cache of our own, filled by the first import: as installed packages have it, whatever
    PYTHONDONTWRITEBYTECODE says here.
    """

    name = "import"
    code: ClassVar[str] = (
        "import sys, time; before = set(sys.modules); t = time.perf_counter(); import {0}.schedulers.background;"
        "print(time.perf_counter() - t, len(set(sys.modules) - before))"
    )

    def open(self) -> None:
        self.modules = 0
        self.folder = tempfile.TemporaryDirectory()
        self.environment = {**os.environ, "PYTHONPYCACHEPREFIX": self.folder.name}
        self.environment.pop("PYTHONDONTWRITEBYTECODE", None)
        self._once()

    def _once(self) -> float:
        command = [sys.executable, "-c", self.code.format(self.library)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=self.environment)
        seconds, modules = done.stdout.split()
        self.modules = int(modules)
        return float(seconds)

    def round(self) -> dict[str, Any]:
        times = sorted(self._once() for _ in range(10))
        return {"seconds": times[len(times) // 2], "count": 1, "facts": {"modules": self.modules}}

    def close(self) -> None:
        self.folder.cleanup()


class Steady(SchedulerWorkload):
    """``count`` jobs, each every ``period_s``: see ``soak``, which this shares with ``make soak``."""

    name = "steady"
    libraries: ClassVar[tuple[str, ...]] = ("rapscheduler",)

    def open(self, *, count: int, seconds: float, period_s: int = 60) -> None:
        self.count, self.seconds, self.period_s = count, seconds, period_s

    def prepare(self) -> None:
        from benchmarks.soak import Soak  # here and not earlier: its first slot begins soon after

        background = self.module("schedulers.background").BackgroundScheduler
        self.soak = Soak(background, self.triggers()[1], self.count, self.period_s)

    def round(self) -> dict[str, Any]:
        self.prepare()
        used, started = time.process_time(), time.perf_counter()
        report = self.soak.run(self.seconds, lambda sample: None)
        return {
            "seconds": time.perf_counter() - started,
            "cpu": time.process_time() - used,
            "count": max(1, report.runs),
            "facts": report.as_dict(),
        }
