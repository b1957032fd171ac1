"""What runs in the threads of a scheduler was imported by whoever started the scheduler, or added the job.

A first import holds the lock of its module. A child that is forked meanwhile has the lock and not the thread, and waits
for ever when it comes to the same import.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import json, sys, threading

found = set()

class Finder:
    def find_spec(self, name, path=None, target=None):
        if threading.current_thread() is not threading.main_thread():
            found.add(name)

sys.meta_path.insert(0, Finder())
from rapscheduler import events
from rapscheduler.schedulers.background import BackgroundScheduler

heard = []
changed = threading.Condition()

def hear(event):
    with changed:
        heard.append((event.job_id, event.code))
        changed.notify_all()

def wait_for(job_id, word, many=1):
    pair = (job_id, getattr(events, "EVENT_JOB_" + word))
    with changed:
        assert changed.wait_for(lambda: heard.count(pair) >= many, timeout=60), pair

options = json.loads(sys.argv[1])
scheduler = BackgroundScheduler(timezone="UTC", jobstore_retry_interval=0.1, **options)
RUNS = ("EXECUTED", "ERROR", "MAX_INSTANCES", "REMOVED", "RETRYING", "GAVE_UP", "PARKED")
mask = 0
for word in RUNS:
    mask |= getattr(events, "EVENT_JOB_" + word)
scheduler.add_listener(hear, mask)

def add(job_id, func, **options):
    options.setdefault("trigger", "interval")
    if options["trigger"] == "interval":
        options["seconds"] = 0.1
    scheduler.add_job(func, id=job_id, **options)

"""
END = """
scheduler.shutdown()
print(json.dumps(sorted(found)))
"""
TASKS = """
import types
from rapscheduler.runs import RetryLater

def ask_again():
    raise RetryLater(0.05)

async def wait():
    await nothing()

@types.coroutine
def nothing():
    yield
"""
SQLITE = {"type": "sqlalchemy", "url": "sqlite:///{folder}/jobs.db"}
STORES = {
    "memory": None,
    "sqlite": SQLITE,
    "shared": {**SQLITE, "shared": True, "lease": 5, "poll_interval": 0.2},
}
SETTINGS = {"groups": {"few": 1}, "limits": {"rare": "1/second", "slow": "2/second"}}
PLAIN = """
add("interval", "builtins:int")
add("cron", "builtins:int", trigger="cron", second="*", jitter=0.1, timezone="Europe/Berlin")
add("fails", "operator:truediv", args=[1, 0])
scheduler.start()
wait_for("interval", "EXECUTED", 3)
wait_for("cron", "EXECUTED")
wait_for("fails", "ERROR", 3)
"""
#: what a job has: how it is added, and what is waited for
OPTIONS = {
    "max_runs": ("'builtins:int', max_runs=3", "'REMOVED'"),
    "queue_one": ("'time:sleep', args=[0.25], overlap='queue_one'", "'EXECUTED', 3"),
    "cancel_other": ("'time:sleep', args=[0.25], overlap='cancel_other'", "'EXECUTED', 3"),
    "group": ("'time:sleep', args=[0.25], group='few'", "'MAX_INSTANCES'"),
    "limit": ("'builtins:int', group='rare'", "'MAX_INSTANCES'"),
    "waits_for_limit": ("'builtins:int', group='slow', overlap='queue_all'", "'EXECUTED', 2"),
    "after_end": ("'builtins:int', after='end'", "'EXECUTED', 3"),
    "retry": ("'operator:truediv', args=[1, 0], retry={'attempts': 2, 'first': 0.05}", "'GAVE_UP'"),
    "timeout": ("'time:sleep', args=[0.25], timeout=0.1", "'ERROR'"),
    "ask_again": ("'tasks:ask_again'", "'RETRYING'"),
    "coroutine": ("'tasks:wait'", "'EXECUTED'"),
    "no_executor": ("'builtins:int', executor='none'", "'PARKED'"),
}


def imported(folder: Path, program: str, store: str = "memory", **options: object) -> list[str]:
    """What the threads of a scheduler import that runs a program."""
    (folder / "tasks.py").write_text(TASKS)
    if STORES[store] is not None:
        options["jobstores"] = {"default": STORES[store]}
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            PROGRAM + program + END,
            json.dumps({**SETTINGS, **options}).replace("{folder}", str(folder)),
        ],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), *filter(None, sys.path)])},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, [line for line in done.stderr.splitlines() if "Error" in line][-9:]
    names: list[str] = json.loads(done.stdout.splitlines()[-1])
    return names


@pytest.mark.parametrize("store", STORES)
def test_the_loop_and_its_workers_import_nothing(store: str, tmp_path: Path) -> None:
    assert imported(tmp_path, PLAIN, store) == []


@pytest.mark.parametrize("option", OPTIONS)
def test_a_job_in_memory_brings_what_its_runs_need(option: str, tmp_path: Path) -> None:
    given, waits = OPTIONS[option]
    program = f"scheduler.start()\nadd('one', {given})\nwait_for('one', {waits})\n"
    assert imported(tmp_path, program) == []


@pytest.mark.parametrize(
    "change",
    [
        "scheduler.modify_job('one', max_runs=2)",
        "scheduler.modify_jobs({'max_runs': 2}, ids=['one'])",
        "scheduler.reschedule_job('one', trigger='interval', seconds=0.1, after='end')",
    ],
)
def test_so_does_a_change_of_one(change: str, tmp_path: Path) -> None:
    program = f"""
add("one", "builtins:int", next_run_time=None)
scheduler.start()
{change}
scheduler.resume_job("one")
wait_for("one", "EXECUTED", 2)
"""
    assert imported(tmp_path, program) == []


@pytest.mark.parametrize("store", [name for name, settings in STORES.items() if settings])
def test_a_store_that_may_have_such_jobs_brings_all_of_it(store: str, tmp_path: Path) -> None:
    adds = [f"add('{name}', {given})" for name, (given, _) in OPTIONS.items()]
    waits = [f"wait_for('{name}', {waits})" for name, (_, waits) in OPTIONS.items()]
    imported(tmp_path, "\n".join(["import tasks, asyncio", "scheduler.start(paused=True)", *adds]), store)
    found = imported(tmp_path, "\n".join(["import tasks, asyncio", "scheduler.start()", *waits]), store)
    assert found == []


@pytest.mark.parametrize("place", ["memory", "jobstore"])
def test_a_history_is_kept_without_an_import(place: str, tmp_path: Path) -> None:
    program = "scheduler.start()\nadd('one', 'builtins:int')\nwait_for('one', 'EXECUTED', 3)\n"
    store = "sqlite" if place == "jobstore" else "memory"
    assert imported(tmp_path, program, store, history=place) == []


def test_worker_processes_are_run_without_an_import(tmp_path: Path) -> None:
    program = "add('one', 'builtins:int')\nscheduler.start()\nwait_for('one', 'EXECUTED', 3)\n"
    pool = {"type": "processpool", "max_workers": 1}
    assert imported(tmp_path, program, executors={"default": pool}) == []
