"""What APScheduler calls on its own overridable methods, action by action, is called here too, but for the table below.

Subclasses of both packages count the calls of every method that APScheduler's class has; a program of every action runs
over both. The table is that of docs/migration.md.
"""

from __future__ import annotations

import importlib
import inspect
import io
import logging
import threading
from collections import defaultdict
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

# Helpers of one implementation: the store classes refuse an override of theirs (tests/unit/test_as_on_apscheduler.py).
_INNER = {
    "Memory._get_job_index",
    "SQL._get_jobs",
    "SQL._reconstitute_job",
    "Cron._increment_field_value",
    "Cron._set_field_value",
}
# Called by the get_next_fire_time that a class inherits, not by the one it reaches with super(), as the spies do.
_BY_INHERITED = {"Cron._apply_jitter"}
# Called there and not here, after a run: docs/migration.md, "Methods that subclasses override". A job that is over is
# removed by its store, and EVENT_JOB_REMOVED tells it; which action it falls into is a matter of threads.
_NOT_AFTER_RUNS = {"Scheduler.remove_job"}
_CLASSES = {
    "Scheduler": "schedulers.background:BackgroundScheduler",
    "Memory": "jobstores.memory:MemoryJobStore",
    "SQL": "jobstores.sqlalchemy:SQLAlchemyJobStore",
    "Threads": "executors.pool:ThreadPoolExecutor",
    "Interval": "triggers.interval:IntervalTrigger",
    "Cron": "triggers.cron:CronTrigger",
    "Or": "triggers.combining:OrTrigger",
}
# Each of these answers "look again", at a moment of its own: whether a pass is made within one action or the next is
# a matter of threads.
_OF_PASSES = (
    "_process_jobs",
    "get_due_jobs",
    "get_next_run_time",
    "update_job",
    "submit_job",
    "_do_submit_job",
)


def _class_of(package: str, name: str) -> Any:
    module, _, attribute = _CLASSES[name].partition(":")
    return getattr(importlib.import_module(f"{package}.{module}"), attribute)


def _methods(name: str) -> list[str]:
    cls = _class_of("apscheduler", name)
    return [n for n in dir(cls) if not n.startswith("__") and inspect.isfunction(getattr(cls, n))]


class Program:
    """Every action once, over the classes of one package; ``calls``: action -> names that were called."""

    def __init__(self, package: str) -> None:
        self.package = package
        self.calls: dict[str, set[str]] = defaultdict(set)
        self.action = ""
        self.ran = threading.Event()

    def spied(self, name: str) -> Any:
        cls = _class_of(self.package, name)
        body = {method: self._spy(cls, name, method) for method in _methods(name) if hasattr(cls, method)}
        return type(f"Spied{name}", (cls,), {n: m for n, m in body.items() if f"{name}.{n}" not in _INNER})

    def _spy(self, cls: type, name: str, method: str) -> Any:
        def spy(obj: Any, *args: Any, **kwargs: Any) -> Any:
            self.calls[self.action].add(f"{name}.{method}")
            return getattr(cls, method)(obj, *args, **kwargs)

        return spy

    def run_once(self, action: str, scheduler: Any, trigger: Any, **options: Any) -> None:
        """Add a job and wait until it ran, or was missed."""
        self.action = action
        self.ran.clear()
        scheduler.add_job(self.ran.set, trigger, id=action, **options)
        assert self.ran.wait(30)

    def wait_for(self, name: str) -> None:
        """Until the scheduler's thread has called this."""
        look = threading.Event()
        for _ in range(3000):
            if any(name in called for called in tuple(self.calls.values())):
                return
            look.wait(0.01)
        raise AssertionError(f"{self.package}: {name} was not called")

    def run(self) -> dict[str, set[str]]:
        interval, cron, either = self.spied("Interval"), self.spied("Cron"), self.spied("Or")
        scheduler = self.spied("Scheduler")(timezone="UTC")
        far, near = {"timezone": "UTC", "hours": 1}, datetime.now(timezone.utc) + timedelta(seconds=0.2)

        def act(name: str) -> Any:
            self.action = name
            return scheduler

        act("add_jobstore").add_jobstore(self.spied("Memory")(), "default")
        act("add_executor").add_executor(self.spied("Threads")(2), "default")
        act("add_job before start").add_job(print, interval(**far), id="early")
        act("start").start(paused=True)
        act("resume").resume()
        act("add_job").add_job(print, interval(**far), id="a")
        act("add_job again").add_job(print, interval(**far), id="a", replace_existing=True)
        act("get_job").get_job("a")
        act("get_jobs").get_jobs()
        act("modify_job").modify_job("a", name="n")
        act("reschedule_job").reschedule_job("a", trigger=interval(**{**far, "hours": 2}))
        act("pause_job").pause_job("a")
        act("resume_job").resume_job("a")
        act("print_jobs").print_jobs(out=io.StringIO())
        act("add_listener").add_listener(print, 1 << 40)
        self.run_once("run date", scheduler, "date")
        self.run_once("run interval", scheduler, interval(seconds=60, start_date=near, timezone="UTC"))
        self.run_once("run cron", scheduler, cron(second="*", timezone="UTC"))
        self.run_once("run or", scheduler, either([interval(seconds=60, timezone="UTC", start_date=near)]))
        act("remove_job").remove_job("a")
        act("add_jobstore running").add_jobstore(self.spied("SQL")("sqlite:///:memory:"), "sql")
        act("sql add_job").add_job(print, "interval", hours=1, id="s", jobstore="sql")
        self.wait_for("SQL.get_due_jobs")  # a pass looks at the new store, before it is removed
        act("sql get_job").get_job("s", "sql")
        act("sql get_jobs").get_jobs("sql")
        act("sql modify_job").modify_job("s", "sql", name="n")
        act("sql remove_job").remove_job("s", "sql")
        act("sql remove_all_jobs").remove_all_jobs("sql")
        act("remove_jobstore").remove_jobstore("sql")
        act("add_executor running").add_executor(self.spied("Threads")(1), "other")
        act("remove_executor").remove_executor("other")
        act("remove_all_jobs").remove_all_jobs()
        act("pause").pause()
        act("shutdown").shutdown()
        return self.calls


@pytest.fixture(scope="module")
def both() -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    logging.disable(logging.CRITICAL)
    try:
        return Program("apscheduler").run(), Program("rapscheduler").run()
    finally:
        logging.disable(logging.NOTSET)


def test_what_apscheduler_calls_is_called(both):
    theirs, ours = both
    missing = {
        (action, name)
        for action, names in theirs.items()
        for name in names - ours.get(action, set()) - _INNER - _BY_INHERITED
        if name.rpartition(".")[2] not in _OF_PASSES and not name.startswith(("Threads._run_job", "Memory."))
    }
    assert {
        each for each in missing if not (each[0].startswith("run ") and each[1] in _NOT_AFTER_RUNS)
    } == set()


def test_in_all_every_method_is_called_that_apscheduler_calls(both):
    theirs, ours = (set().union(*calls.values()) for calls in both)
    assert theirs - ours - _INNER - _BY_INHERITED == set()


def test_the_methods_that_exist_there_exist_here():
    missing = {
        f"{name}.{method}"
        for name in _CLASSES
        for method in _methods(name)
        if not hasattr(_class_of("rapscheduler", name), method)
    }
    assert missing == _INNER
