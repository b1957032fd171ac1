"""What runs when, what is missed, what is told and logged: passes over the jobs with the clock moved by hand."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from tests.oracles.differential import NOON, Package, Programs, Record, Told, at, compare, logged

programs = Programs()
HOUR = timedelta(hours=1)


class Run:
    """A scheduler, what its jobs did, what its listener was told."""

    def __init__(self, ap: Package, **options) -> None:
        self.done: list = []
        self.told = Told()
        self.scheduler = ap.scheduler(**options)
        self.scheduler.add_listener(self.told)

    def work(self, name="x"):
        self.done.append(name)
        return name

    def fail(self):
        raise ValueError("as asked")

    def passes(self, out: Record, label: str) -> None:
        wait = self.scheduler._process_jobs()
        out(f"{label}: wait", None if wait is None else round(wait, 3))
        out(f"{label}: done", self.done[:])
        out(f"{label}: told", self.told.in_any_order())
        times = {each.id: each.next_run_time for each in self.scheduler.get_jobs()}
        out(f"{label}: times", times)
        self.done.clear()
        self.told.events.clear()


@programs()
def on_time(ap: Package, out: Record) -> None:
    run = Run(ap)
    with at() as clock, logged(ap) as lines:
        add = run.scheduler.add_job
        add(run.work, "date", ["date"], run_date=NOON + HOUR, id="date")
        add(run.work, "interval", ["interval"], minutes=25, id="interval")
        add(run.work, "cron", ["cron"], minute="*/20", id="cron")
        add(run.fail, "cron", minute=30, id="fail")
        add(run.work, None, ["now"], id="now")
        run.scheduler.start()
        run.passes(out, "first")
        for minutes in (19, 1, 5, 5, 30, 60):
            clock.shift(minutes * 60)
            run.passes(out, f"at {clock_text()}")
        run.scheduler.remove_all_jobs()
        run.passes(out, "empty")
        run.scheduler.shutdown()
    out("lines", lines)


def clock_text() -> str:
    return datetime.now(timezone.utc).strftime("%H:%M")


@programs()
def late(ap: Package, out: Record) -> None:
    """A freeze of ten minutes: every combination of grace and coalescing."""
    for coalesce in (True, False):
        for grace in (None, 1, 90, 3600):
            run = Run(ap)
            label = f"coalesce {coalesce} grace {grace}"
            with at() as clock, logged(ap) as lines:
                run.scheduler.start()
                options = {"coalesce": coalesce, "misfire_grace_time": grace}
                run.scheduler.add_job(run.work, "interval", ["interval"], minutes=3, id="i", **options)
                run.scheduler.add_job(run.work, "cron", ["cron"], minute="*/4", id="c", **options)
                run.scheduler.add_job(
                    run.work, "date", ["date"], run_date=NOON + timedelta(minutes=1), id="d", **options
                )
                run.scheduler.add_job(run.work, "date", ["past"], run_date="2025-06-01", id="p", **options)
                run.passes(out, f"{label} first")
                clock.shift(600.25)
                run.passes(out, f"{label} frozen")
                run.scheduler.shutdown()
            out(f"{label} lines", sorted(lines))  # jobs are removed after the batch


@programs()
def states(ap: Package, out: Record) -> None:
    """Start, pause, resume, shut down: in order, twice, and too early."""
    run = Run(ap)
    scheduler = run.scheduler
    with logged(ap) as lines:
        out("new", [scheduler.state, scheduler.running])
        for name in ("shutdown", "pause", "resume"):
            out.attempt(f"{name} too early", getattr(scheduler, name))
        scheduler.add_job(run.work, "cron", minute="*", id="a")
        scheduler.start(paused=True)
        out("paused", [scheduler.state, scheduler.running])
        out.attempt("start twice", scheduler.start)
        out.attempt("configure while running", scheduler.configure)
        run.passes(out, "paused pass")
        scheduler.resume()
        out("resumed", scheduler.state)
        out.attempt("resume twice", scheduler.resume)
        run.passes(out, "resumed pass")
        scheduler.pause()
        out.attempt("pause twice", scheduler.pause)
        out("paused again", scheduler.state)
        out.attempt("shutdown", scheduler.shutdown)
        out("stopped", [scheduler.state, scheduler.running])
        out.attempt("shutdown twice", scheduler.shutdown)
        out.attempt("pause stopped", scheduler.pause)
        out("jobs of a stopped one", scheduler.get_jobs())
        out.attempt("start again", scheduler.start)
        run.passes(out, "again")
        scheduler.shutdown(wait=False)
    out("lines", lines)


@programs({"heard": "executed may come before submitted"})
def listeners(ap: Package, out: Record) -> None:
    events = ap("events")
    run = Run(ap)
    scheduler = run.scheduler
    heard: dict = {"jobs": [], "executed": [], "none": [], "default": []}
    callbacks = {name: (lambda event, name=name: heard[name].append(event.code)) for name in heard}

    def broken(event):
        raise ValueError("no")

    with at() as clock, logged(ap) as lines:
        scheduler.add_listener(broken, events.EVENT_JOB_ADDED)
        scheduler.add_listener(callbacks["jobs"], events.EVENT_JOB_ADDED | events.EVENT_JOB_REMOVED)
        scheduler.add_listener(callbacks["executed"], events.EVENT_JOB_EXECUTED | events.EVENT_JOB_ERROR)
        scheduler.add_listener(callbacks["none"], 0)
        scheduler.add_listener(callbacks["default"])
        scheduler.start()
        scheduler.add_job(run.work, "interval", minutes=1, id="a")
        scheduler.add_job(run.fail, "interval", minutes=1, id="b")
        clock.shift(60)
        scheduler._process_jobs()
        scheduler.pause_job("a")
        scheduler.resume_job("a")
        scheduler.remove_listener(callbacks["default"])
        scheduler.remove_listener(callbacks["none"])
        scheduler.remove_job("a")
        scheduler.remove_all_jobs()
        scheduler.add_executor("debug", "two")
        scheduler.remove_executor("two")
        scheduler.shutdown()
    out("heard", heard)
    out("told", run.told.in_any_order())
    out("lines", lines)


@programs()
def executors(ap: Package, out: Record) -> None:
    run = Run(ap, executors={"default": {"type": "debug"}, "two": {"type": "debug"}})
    scheduler = run.scheduler
    with at(), logged(ap) as lines:
        scheduler.start()
        scheduler.add_job(run.work, None, ["two"], executor="two", id="two")
        run.passes(out, "two")
        out.attempt("taken", lambda: scheduler.add_executor("debug", "two"))
        out.attempt("unknown", lambda: scheduler.add_executor("nothing", "x"))
        out.attempt("no executor", lambda: scheduler.add_executor(5, "x"))
        out.attempt("class", lambda: scheduler.add_executor(ap("executors.debug:DebugExecutor"), "x"))
        out.attempt("options", lambda: scheduler.add_executor("debug", "x", foo=1))
        out.attempt("remove", lambda: scheduler.remove_executor("two"))
        out.attempt("remove twice", lambda: scheduler.remove_executor("two"))
        scheduler.add_executor(ap("executors.debug:DebugExecutor")(), "three")
        scheduler.add_job(run.work, None, ["three"], executor="three", id="three")
        run.passes(out, "three")
        scheduler.shutdown()
    out("lines", lines)


@programs()
def instances(ap: Package, out: Record) -> None:
    """An executor that only takes note: its runs never end."""

    class Slow(ap("executors.base:BaseExecutor")):
        def __init__(self):
            super().__init__()
            self.taken = []

        def _do_submit_job(self, job, run_times):
            self.taken.append((job.id, run_times))

    slow = Slow()
    run = Run(ap, executors={"default": slow})
    scheduler = run.scheduler
    with at() as clock, logged(ap) as lines:
        scheduler.start()
        scheduler.add_job(run.work, "interval", minutes=1, id="one")
        scheduler.add_job(run.work, "interval", minutes=1, id="two", max_instances=2)
        for minute in (1, 2, 3):
            clock.shift(60)
            run.passes(out, f"minute {minute}")
        slow._run_job_success("one", [])
        slow._run_job_error("two", ValueError("broken"))
        clock.shift(60)
        run.passes(out, "after two ended")
        scheduler.shutdown()
    out("taken", slow.taken)
    out("lines", lines)


OWN_CHANGE = "a change that a job makes to itself while the loop is at it"


@programs(
    {
        "minute: wait": OWN_CHANGE,
        "minute: times": OWN_CHANGE,
        "later: wait": OWN_CHANGE,
        "later: told": OWN_CHANGE,
        "later: times": OWN_CHANGE,
    }
)
def changes_in_jobs(ap: Package, out: Record) -> None:
    """Jobs that add and change jobs, themselves included. (One that removes itself in a pass ends the loop there.)"""
    run = Run(ap)
    scheduler = run.scheduler
    with at() as clock:
        scheduler.start()
        scheduler.add_job(lambda: scheduler.pause_job("b") and None, "interval", minutes=1, id="b")
        scheduler.add_job(
            lambda: scheduler.reschedule_job("c", None, "interval", hours=2) and None,
            "interval",
            minutes=1,
            id="c",
        )
        scheduler.add_job(
            lambda: scheduler.add_job(run.work, None, ["new"], id="n") and None, "date", run_date=NOON, id="d"
        )
        run.passes(out, "first")
        run.passes(out, "second")
        clock.shift(60)
        run.passes(out, "minute")
        clock.shift(60)
        run.passes(out, "later")
        scheduler.shutdown()


@programs()
def own_components(ap: Package, out: Record) -> None:
    """A store and an executor written to APScheduler's contracts."""
    lookup, conflict = ap("jobstores.base:JobLookupError"), ap("jobstores.base:ConflictingIdError")
    calls = []

    class ListStore(ap("jobstores.base:BaseJobStore")):
        def __init__(self):
            super().__init__()
            self.jobs = {}

        def start(self, scheduler, alias):
            super().start(scheduler, alias)
            calls.append(f"start {alias}")

        def shutdown(self):
            calls.append("shutdown")

        def lookup_job(self, job_id):
            return self.jobs.get(job_id)

        def get_due_jobs(self, now):
            due = [job for job in self.jobs.values() if job.next_run_time and job.next_run_time <= now]
            return sorted(due, key=lambda job: job.next_run_time)

        def get_next_run_time(self):
            return min((job.next_run_time for job in self.jobs.values() if job.next_run_time), default=None)

        def get_all_jobs(self):
            jobs = list(self.jobs.values())
            self._fix_paused_jobs_sorting(jobs)
            return jobs

        def add_job(self, job):
            if job.id in self.jobs:
                raise conflict(job.id)
            calls.append(f"add {job.id}")
            self.jobs[job.id] = job

        def update_job(self, job):
            if job.id not in self.jobs:
                raise lookup(job.id)
            calls.append(f"update {job.id}")
            self.jobs[job.id] = job

        def remove_job(self, job_id):
            if job_id not in self.jobs:
                raise lookup(job_id)
            calls.append(f"remove {job_id}")
            del self.jobs[job_id]

        def remove_all_jobs(self):
            self.jobs.clear()

    class Inline(ap("executors.base:BaseExecutor")):
        def start(self, scheduler, alias):
            super().start(scheduler, alias)
            calls.append(f"executor {alias}")

        def shutdown(self, wait=True):
            calls.append(f"executor shutdown {wait}")

        def _do_submit_job(self, job, run_times):
            calls.append(f"submit {job.id} {len(run_times)}")
            events = ap("executors.base:run_job")(job, job._jobstore_alias, run_times, self._logger.name)
            self._run_job_success(job.id, events)

    with at() as clock:
        run = Run(ap, jobstores={"default": ListStore()}, executors={"default": Inline()})
        scheduler = run.scheduler
        scheduler.add_job(run.work, "interval", minutes=1, id="a")
        scheduler.start()
        scheduler.add_job(run.work, None, id="b")
        out.attempt("conflict", lambda: scheduler.add_job(run.work, None, id="a"))
        scheduler.add_job(run.work, "interval", hours=1, id="p", next_run_time=None)
        out("ids", [each.id for each in scheduler.get_jobs()])
        run.passes(out, "first")
        clock.shift(180)
        run.passes(out, "late")
        scheduler.modify_job("a", name="changed")
        scheduler.remove_job("p")
        out.attempt("unknown", lambda: scheduler.remove_job("p"))
        scheduler.shutdown()
    out("calls", calls)


@programs.parametrize()
def test_as_there(program, differs):
    compare(program, differs)
