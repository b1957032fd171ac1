"""``rapscheduler demo``: crontab lines and intervals, really run. Adds the jobs, runs them, and accounts for every run.

Each run measures its own lateness: a job is given the grid on which it fires, so that it knows by the clock alone when
it should have started, whatever the scheduler says. At the end the fire times that each trigger names between the start
and the job's next run time are counted again, and must equal the runs.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import signal
import sys
import time
from array import array
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from types import FrameType
from typing import Any

from rapscheduler._engine import NAME as ENGINE
from rapscheduler._instants import us_of
from rapscheduler.cli.demo.display import Display, open_display
from rapscheduler.cli.demo.schedules import MINUTE_US, Drawn, Schedules, draw, read_corpus
from rapscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED
from rapscheduler.schedulers.background import BackgroundScheduler

# One int for each run: (start of the run in µs) << 26 | lateness in µs (below a minute, so it fits). An int is nothing
# that the garbage collector must look at, and list.append is atomic.
RUNS: list[int] = []
_LATE_BITS = 26
_LATE_MASK = (1 << _LATE_BITS) - 1


def fire(phase_us: int, period_us: int, _append: Any = RUNS.append, _clock: Any = time.time_ns) -> None:
    """The job: notes when it started and how long after its place on the grid."""
    now_us = _clock() // 1000
    _append(now_us << _LATE_BITS | (now_us - phase_us) % period_us)


@dataclass
class Account:
    """What one demo did. Times in seconds unless the name says otherwise."""

    jobs: int = 0
    crontab_jobs: int = 0
    adding_s: float = 0.0
    bytes_per_job: float = 0.0
    added_us: int = 0
    running_s: float = 0.0
    expected: int = 0
    earlier: int = 0
    late_us: array[int] = field(default_factory=lambda: array("q"))
    trouble: Counter[str] = field(default_factory=Counter)
    interrupted: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--jobs", type=int, default=100_000, help="how many jobs (default: 100000)")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long they run (default: 10)")
    parser.add_argument("--seed", type=int, default=1, help="draws other schedules (default: 1)")
    parser.add_argument("--plain", action="store_true", help="lines instead of a live display")


def _resident_bytes() -> int:
    """Memory of this process; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm") as stream:
            return int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        try:
            import resource
        except ImportError:
            return 0
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def _now_us() -> int:
    return time.time_ns() // 1000


class _Stop:
    """Set by the first interrupt; the demo looks at it between its steps and ends with the table."""

    def __init__(self) -> None:
        self.asked = False
        self._previous: Any = None

    def __enter__(self) -> _Stop:
        def ask(signum: int, frame: FrameType | None) -> None:
            self.asked = True

        self._previous = signal.signal(signal.SIGINT, ask)
        return self

    def __exit__(self, *ignored: object) -> None:
        signal.signal(signal.SIGINT, self._previous)


def _add(
    scheduler: BackgroundScheduler,
    schedules: Schedules,
    arguments: argparse.Namespace,
    display: Display,
    stop: _Stop,
) -> tuple[Account, list[Any]]:
    """Adds the jobs one by one to the running scheduler; the clock runs for making the trigger and ``add_job``."""
    account = Account()
    jobs: list[Any] = []
    before = _resident_bytes()
    started = time.perf_counter()
    add = scheduler.add_job
    for drawn in draw(schedules, arguments.jobs, arguments.seed):
        jobs.append(add(fire, drawn.trigger, args=(drawn.phase_us, drawn.period_us)))
        if len(jobs) % 500 == 0:
            # a thread that only computes leaves the interpreter to the others every 5 ms at best
            time.sleep(0.001)
        if len(jobs) % 5000 == 0:
            elapsed = time.perf_counter() - started
            display.advance("adding", len(jobs), arguments.jobs, f"{len(jobs) / elapsed:,.0f} jobs/s")
            if stop.asked:
                break
    account.adding_s = time.perf_counter() - started
    account.jobs = len(jobs)
    account.crontab_jobs = sum(job.args[1] == MINUTE_US and job.args[0] == 0 for job in jobs)
    account.bytes_per_job = max(0, _resident_bytes() - before) / max(1, len(jobs))
    return account, jobs


def _run(
    scheduler: BackgroundScheduler, account: Account, seconds: float, display: Display, stop: _Stop
) -> None:
    """Lets the jobs run, then pauses the scheduler and waits until what was handed out has run."""
    account.added_us = _now_us()
    started = time.monotonic()
    shown = len(RUNS)
    while (elapsed := time.monotonic() - started) < seconds and not stop.asked:
        time.sleep(0.25)
        fires = len(RUNS)
        latest = sorted(value & _LATE_MASK for value in RUNS[shown:fires])
        facts = f"{fires:,} fires"
        if latest:
            facts += f", p99 lateness {latest[len(latest) * 99 // 100] / 1000:.1f} ms"
        shown = fires
        display.advance("running", min(elapsed + 0.25, seconds), seconds, facts)
    scheduler.pause()
    account.running_s = time.monotonic() - started
    still = -1
    while still != len(RUNS):
        still = len(RUNS)
        time.sleep(0.2)


def _fires_between(drawn: Any, after_us: int, before_us: int) -> int:
    """How many fire times of a job lie in (after_us, before_us), from its trigger alone."""
    phase_us: int = drawn.args[0]
    period_us: int = drawn.args[1]
    if (phase_us, period_us) != (0, MINUTE_US):
        return (before_us - 1 - phase_us) // period_us - (after_us - phase_us) // period_us
    if before_us - after_us > 86_400_000_000:
        # The next run is more than a day away, and the demo runs for seconds: look only at what it could have run.
        before_us = min(before_us, _now_us() + 1_000_000)
    count = 0
    moment = datetime.fromtimestamp(after_us // 1_000_000, drawn.trigger.timezone)
    while True:
        moment = drawn.trigger.get_next_fire_time(moment, moment)
        if moment is None or us_of(moment) >= before_us:
            return count
        count += us_of(moment) > after_us


def _settle(account: Account, jobs: list[Any]) -> None:
    """Compares the runs with the fire times that the triggers name."""
    for value in RUNS:
        started_us, late_us = value >> _LATE_BITS, value & _LATE_MASK
        if started_us - late_us > account.added_us:
            account.late_us.append(late_us)
        else:
            account.earlier += 1  # came due while the jobs were being added
    for job in jobs:
        if job.next_run_time is not None:
            account.expected += _fires_between(job, account.added_us, us_of(job.next_run_time))


def _rows(account: Account, schedules: Schedules) -> list[tuple[str, str]]:
    late = sorted(account.late_us)
    runs = len(late)

    def at(share: float) -> str:
        return f"{late[min(runs - 1, int(runs * share))] / 1000:.2f} ms" if late else "–"

    left_out = (
        "; ".join(f"{count} × {reason}" for reason, count in schedules.left_out.most_common()) or "none"
    )
    trouble = ", ".join(f"{count} {what}" for what, count in account.trouble.items())
    difference = account.expected - runs
    return [
        ("engine", ENGINE),
        (
            "jobs",
            f"{account.jobs:,} ({account.crontab_jobs:,} crontab, {account.jobs - account.crontab_jobs:,} intervals)",
        ),
        ("added", f"{account.jobs / max(account.adding_s, 1e-9):,.0f} jobs/s"),
        ("memory", f"{account.bytes_per_job:,.0f} bytes/job"),
        ("fires", f"{runs:,} in {account.running_s:.1f} s ({runs / max(account.running_s, 1e-9):,.0f}/s)"),
        ("lateness p50 · p99 · max", f"{at(0.5)} · {at(0.99)} · {at(1)}"),
        ("skipped", f"{max(0, difference):,}" + (f" ({trouble})" if trouble else "")),
        ("doubled", f"{max(0, -difference):,}"),
        ("fires while adding", f"{account.earlier:,}, not in the figures above"),
        ("expressions left out", f"{sum(schedules.left_out.values())} of {schedules.seen}: {left_out}"),
    ]


def run(arguments: argparse.Namespace) -> int:
    """Exit code 0 when every fire time was run exactly once, 1 otherwise."""
    if arguments.jobs < 1 or arguments.seconds <= 0:
        print("--jobs must be at least 1 and --seconds above 0", file=sys.stderr)
        return 2
    RUNS.clear()
    # Runs that are late are counted and shown at the end; a line for each would make the others late.
    logger = logging.getLogger("rapscheduler")
    level = logger.level
    logger.setLevel(logging.ERROR)
    scheduler = BackgroundScheduler(timezone="UTC")
    trouble: Counter[str] = Counter()
    names = {EVENT_JOB_ERROR: "errors", EVENT_JOB_MISSED: "missed", EVENT_JOB_MAX_INSTANCES: "still running"}
    scheduler.add_listener(lambda event: trouble.update([names[event.code]]), sum(names))
    with open_display(arguments.plain) as display, _Stop() as stop:
        schedules = read_corpus()
        scheduler.start()
        try:
            account, jobs = _add(scheduler, schedules, arguments, display, stop)
            account.trouble = trouble
            # What a program with so many jobs does once they are added: a full collection, which the display's garbage
            # brings about, else looks at every one of them, and all threads wait 50 to 100 ms for it.
            gc.freeze()
            if not stop.asked:
                _run(scheduler, account, arguments.seconds, display, stop)
                _settle(account, jobs)
        finally:
            scheduler.shutdown(wait=True)
            gc.unfreeze()
            logger.setLevel(level)
        title = "rapscheduler demo" + (" (interrupted)" if stop.asked else "")
        display.table(title, _rows(account, schedules))
    return 0 if account.expected == len(account.late_us) else 1


__all__ = ["Drawn", "add_arguments", "fire", "run"]
