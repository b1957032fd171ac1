"""What the engine works on stays whole, whatever runs in the middle, and objects that nobody initialised say so.

Each case in a process of its own: what went wrong was that freed memory, or none, was read or written.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from rapscheduler import _engine

PRELUDE = """
import gc, logging, sys, threading, weakref
from datetime import timezone
from os import getpid
from types import SimpleNamespace
from rapscheduler._engine import (
    cron, cron_text, desk, due_index, interval, job_core, job_table, ledger, log_lines, planning, running
)
from rapscheduler._engine.timezone import ZoneTable

ZONE = ZoneTable.fixed(0, timezone.utc)

def job(id, trigger=None, run_us=5, **values):
    made = job_core.JobCore()
    made.id, made.name, made.args, made.func = id, "name", (), print
    made.trigger = trigger or interval.IntervalCore(10, ZONE, 0)
    made.kwargs, made.executor, made.coalesce, made.max_instances = {}, "default", True, 1
    made.misfire_grace_time = None
    for name, value in values.items():
        setattr(made, name, value)
    made._advance(run_us, run_us)
    return made

def refuses(kinds, call, *args):
    try:
        call(*args)
    except kinds:
        return
    raise AssertionError("no error")

class Bomb:
    '''Garbage whose end acts, and is garbage again, until the action was done `times` times.'''
    armed = False
    def __init__(self, act, times):
        self.me, self.act, self.times = self, act, times
    def __del__(self):
        if Bomb.armed and self.times > 0:
            Bomb(self.act, self.times - 1)
            self.act(self.times)

def with_bombs(call, act, times=1):
    gc.collect()
    gc.disable()
    Bomb(act, times)
    Bomb.armed = True
    gc.set_threshold(1, 1, 1)
    gc.enable()
    try:
        return call()
    finally:
        Bomb.armed = False
        gc.set_threshold(0)
"""

CASES = {
    "a line is written as the name of the thread is asked for": """
logger, more = logging.getLogger("test"), []

class Thread(threading.Thread):
    @property
    def name(self):
        for number in range(more.pop() if more else 0):
            log_lines.line_values(logger, f"other {number}", ())
        return "mine"
    @name.setter
    def name(self, value):
        pass

def work():
    log_lines.line_values(logger, "first", ())
    more.append(150)  # all are forgotten after a hundred
    seen.append(log_lines.line_values(logger, "first", ("x",)))

seen = []
thread = Thread(target=work)
thread.start()
thread.join()
assert not more
assert [(one["msg"], one["args"], one["threadName"]) for one in seen] == [("first", ("x",), "mine")], seen
""",
    "a ledger without any place": """
for keep in (0, -1):
    refuses(ValueError, ledger.Ledger, keep, "me", lambda: 1)
""",
    "a run forgets what is kept of it": """
book = ledger.Ledger(5, "me", lambda: 5)
def forget():
    submission.kept = None
(submission,) = planning.plan_due([job("a", func=forget)], 10).submissions
assert running.run_at_once(submission, lambda: 7, running.RunningCounts(), book) is None
assert not book.under_way() and [one.job_id for one in book.newest()] == ["a"]
""",
    "quick runs that nobody initialised": """
(submission,) = planning.plan_due([job("a")], 10).submissions
refuses(AttributeError, running.QuickRuns.__new__(running.QuickRuns).make, submission)
""",
    "what is around a call and was not initialised": """
lost = []
executor = SimpleNamespace(
    _scheduler=SimpleNamespace(), _running=running.RunningCounts(), _now_us=lambda: 5,
    _home=SimpleNamespace(ears=None, watched=ledger.Watching(), backlogs=running.Closable()),
    _left_lines=False, _run_lost=lambda *what: lost.append(what),
)
names = {"datetime": 1, "_DATETIME": 1}
quick = running.QuickRuns(executor, lambda: 1, names, print, (print, print))
executor._home.watched.around = ledger.Around.__new__(ledger.Around)
(submission,) = planning.plan_due([job("a")], 10).submissions
quick.make(submission)
assert lost and lost[0][0] is submission
""",
    "a table of texts whose second initialisation fails": """
parts = [cron_text.FieldBits(mask=2) for _ in range(8)]
table = cron_text.TextTable(cron_text.ScheduleText, parts, parts)
refuses(ValueError, table.__init__, cron_text.ScheduleText, (), ())
assert table.of_known(*[None] * 8, True, "once").parts == tuple(parts)
""",
    "a shared trigger of a class of others is being freed": """
class Cron(cron.CronCore):
    __module__ = "rapscheduler.triggers.others"

spec, jobs, index = cron.CronSpec.of(hour=3), job_table.JobTable(), due_index.DueIndex()

def add(id, told=None):
    trigger = Cron(spec, ZONE)
    watched = weakref.ref(trigger, told) if told else None
    made = job(id, trigger)
    del trigger
    assert job_table.insert_job(made, jobs, index)
    return watched

watched = add("a", lambda _: add("b"))
job_table.delete_job("a", jobs, index)
assert list(jobs) == ["b"]
for number in range(100):
    add(str(number))
for one in jobs.values():
    assert one.trigger.spec is spec and one.trigger.zone is ZONE
    assert type(one.trigger) is Cron
""",
    "entries come while an index is cleared": """
index, entry = due_index.DueIndex(), due_index.DueEntry()

def act(_):
    if entry not in index:
        index.clear()
        index.push(entry, 5)

with_bombs(index.clear, act)
assert entry in index or index.push(entry, 5) is None
assert len(index) == 1 and entry in index
index._check()
""",
    "jobs come while a table is cleared": """
for fuse in range(40):
    jobs, index, made, left = job_table.JobTable(), due_index.DueIndex(), [], [fuse]

    def act(_):
        held.extend([] for _ in range(90))  # the next list has to be allocated
        left[0] -= 1
        if left[0] == 0:
            made.append(job("new"))
            assert job_table.insert_job(made[-1], jobs, index)
            held.extend([] for _ in range(90))

    for number in range(10):
        assert job_table.insert_job(job(f"old {number}"), jobs, index)
    held = [[] for _ in range(90)]
    taken = with_bombs(lambda: job_table.clear_table(jobs, index), act, 40)
    assert len(taken) >= 10
    for one in made:  # it is taken, or in both
        assert (one in taken) + (jobs.get("new") is one) == 1, fuse
        assert (one in index) == ("new" in jobs), fuse
    index._check()
""",
    "a job is taken out while it is given another trigger": """
class Owner:
    '''What has the desk.'''

def drain(kinds):  # they are kept: the next one has to be allocated
    for number in range(32):
        kinds.append(job_core.JobCore())
        executor = f"executor {len(kinds)}"
        kinds[-1]._fill(None, "x", print, "print", "x", (), {}, it.trigger, executor, None, True, 1)

kinds = []

for fuse in range(12):
    jobs, index, owner = job_table.JobTable(), due_index.DueIndex(), Owner()
    store, left = SimpleNamespace(_parked={}, _taken=[]), [fuse]
    table = "default", store, jobs, index
    one = desk.Desk(owner, SimpleNamespace(state=1, home_pid=getpid()), {"default": store}, lambda _: table, {})
    it = job("it", _scheduler=owner)
    assert job_table.insert_job(it, jobs, index)
    trigger = interval.IntervalCore(7, ZONE, 0)
    assert one.find("it") is it
    drain(kinds)

    def act(_):
        left[0] -= 1
        if left[0] == 0 and "it" in jobs:
            job_table.delete_job("it", jobs, index)

    with_bombs(lambda: one.reschedule("it", None, trigger, 11), act, 40)
    assert (it in index) == ("it" in jobs), fuse
    index._check()
""",
}


@pytest.mark.parametrize("what", CASES)
def test_it_stays_whole(what: str) -> None:
    if " while " in what and _engine.NAME != "compiled":
        pytest.skip("the reference engine is Python: the collector may run between any two steps of it")
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + CASES[what] + "\nprint('done')"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["done"]), done.stderr
