"""A collection that starts while a job is being freed meets a job with no reference left, and passes it over.

Each case in a process of its own, since what went wrong was that the job was freed twice.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

PRELUDE = """
import gc, time, weakref
from rapscheduler.schedulers.background import BackgroundScheduler

ended = []

class Value:
    '''Its end is work enough for the collector to look at all that there is.'''
    def __init__(self):
        self.names = {}
    def __call__(self, *args, **kwargs):
        pass
    def __del__(self):
        work()

def work(*args):
    ended.append(True)
    [[i] for i in range(2000)]
    gc.collect()

scheduler = BackgroundScheduler(timezone="UTC")
scheduler.start()
for i in range(500):
    scheduler.add_job(print, "interval", hours=1, id=str(i))

def add(func=print, **options):
    return scheduler.add_job(func, "interval", hours=1, id="it", **options)
"""
END = """
assert ended
del ended[:]
scheduler.shutdown()
print("done")
"""
JOBS = {
    "an argument": "add(args=[Value()])",
    "a keyword argument": "add(kwargs={'end': Value()})",
    "a callable object": "add(Value())",
    "many": "for _ in range(20): add(args=[Value()], replace_existing=True)",
}
REMOVED = {name: f"{code}\nscheduler.remove_job('it')" for name, code in JOBS.items()} | {
    "a job that has run": "ran = scheduler.add_job(callable, args=[Value()]).id\n"
    "while scheduler.get_job(ran) or not ended: time.sleep(0.01)",
    "a weak reference": "told = weakref.ref(add(args=[[]]), work)\nscheduler.remove_job('it')",
    "a cleared store": "add(args=[Value()])\nscheduler.remove_all_jobs()",
}


@pytest.mark.parametrize("what", REMOVED)
def test_a_collection_meets_a_job_that_is_being_freed(what: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + REMOVED[what] + END],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["done"]), done.stderr
