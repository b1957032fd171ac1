"""Two things of a shared store that take their time: many schedules each second, and how soon others hear of a new job.

    python -m benchmarks.shared_seconds each-second --url postgresql+psycopg://… --schedules 1000 5000
    python -m benchmarks.shared_seconds wake-up --url postgresql+psycopg://… redis://…

``each-second``: interval jobs of one second, coalesce off, spread over it, in two processes for `--seconds`; then how
often each job was made is compared with how often the store says that it was due. ``wake-up``: one process
adds jobs that are due now, and is paused; another one makes them: milliseconds from the call of `add_job` to the run,
by the monotonic clock, which processes of one machine share.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from datetime import datetime, timedelta, timezone
from typing import Any

NAME = "rapscheduler_bench_seconds"
MODULE = "benchmarks.shared_seconds"
made: Counter[str] = Counter()
begun_s: dict[str, float] = {}


def tick(job_id: str) -> None:
    """What each job of every second does."""
    made[job_id] += 1


def note(job_id: str) -> None:
    """What a job does whose beginning is timed."""
    begun_s[job_id] = time.monotonic()


def store_of(url: str) -> Any:
    if url.startswith("redis:"):
        from redis import Redis

        from rapscheduler.jobstores.redis import RedisJobStore

        keys = {"jobs_key": f"{{{NAME}}}.jobs", "run_times_key": f"{{{NAME}}}.times"}
        return RedisJobStore(client=Redis.from_url(url), shared=True, **keys)
    from rapscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore

    return SQLAlchemyJobStore(url, tablename=NAME, shared=True)


def scheduler_of(url: str) -> Any:
    from rapscheduler.schedulers.background import BackgroundScheduler

    return BackgroundScheduler(timezone="UTC", jobstores={"default": store_of(url)})


def live(url: str) -> None:
    """A scheduler until a line comes on the input; then what it made goes to the output."""
    scheduler = scheduler_of(url)
    scheduler.start()
    print("ready", flush=True)
    sys.stdin.readline()
    scheduler.shutdown()
    print(json.dumps([made, begun_s]), flush=True)


def begin(url: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", MODULE, "live", "--url", url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "ready"
    return process


def end(process: subprocess.Popen[str]) -> tuple[Counter[str], dict[str, float]]:
    told, _ = process.communicate("stop\n", timeout=60)
    counts, times = json.loads(told)
    return Counter(counts), times


def each_second(url: str, schedules: int, seconds: float) -> str:
    """How it went, as a line."""
    filler = scheduler_of(url)
    filler.start(paused=True)
    filler.remove_all_jobs()
    start = datetime.now(timezone.utc) + timedelta(seconds=8)  # when both are there
    specs = [
        {"id": f"job{i}", "args": [f"job{i}"], "start_date": start + timedelta(seconds=i / schedules)}
        for i in range(schedules)
    ]
    options = {"coalesce": False, "misfire_grace_time": None, "max_instances": 1000, "seconds": 1}
    firsts = {
        job.id: job.next_run_time for job in filler.add_jobs(specs, func=tick, trigger="interval", **options)
    }
    processes = [begin(url), begin(url)]
    time.sleep(max(0.0, (start - datetime.now(timezone.utc)).total_seconds()) + seconds)
    looked = datetime.now(timezone.utc)
    late_s = max((looked - job.next_run_time).total_seconds() for job in filler.get_jobs())
    found = [end(process)[0] for process in processes]
    made_of = found[0] + found[1]
    due = {job.id: round((job.next_run_time - firsts[job.id]).total_seconds()) for job in filler.get_jobs()}
    rows = filler._jobstores["default"]._shared
    left = rows.read([(job_id, run_us) for _, _, job_id, run_us in rows.under_way(1_000_000)])
    for run in left:  # claimed, and not begun when its scheduler ended
        made_of[run.job_id] += (run.last_us - run.from_us) // 1_000_000 + 1
    filler.remove_all_jobs()
    filler.shutdown()
    wrong = sum(made_of[job_id] != count for job_id, count in due.items())
    shares = " + ".join(f"{sum(one.values()):,}" for one in found)
    return (
        f"{schedules:,} each second, {seconds:g} s: {sum(due.values()):,} due, {shares} made, {len(left)} "
        f"handed back at the end, {wrong} jobs whose count "
        f"differs, the latest {max(0.0, late_s):.2f} s behind"
    )


def wake_up(url: str, count: int) -> str:
    """How it went, as a line."""
    adder = scheduler_of(url)
    adder.start(paused=True)
    adder.remove_all_jobs()
    process = begin(url)
    time.sleep(1)
    called_s = {}
    for number in range(count):
        job_id = f"job{number}"
        called_s[job_id] = time.monotonic()
        adder.add_job(note, "date", id=job_id, args=[job_id], misfire_grace_time=None)
        time.sleep(0.02)
    time.sleep(3)
    times = end(process)[1]
    adder.remove_all_jobs()
    adder.shutdown()
    took = sorted((times[job_id] - called_s[job_id]) * 1000 for job_id in called_s)
    return (
        f"{url.partition(':')[0]}: from add_job to the run in another process, {count} jobs: median "
        f"{took[len(took) // 2]:.1f} ms, 99th percentile {took[int(len(took) * 0.99)]:.1f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("each-second", "wake-up", "live"))
    server = os.environ.get(
        "RAPSCHEDULER_TEST_POSTGRESQL_URL", "postgresql+psycopg://postgres@127.0.0.1:5432/test"
    )
    parser.add_argument("--url", nargs="+", default=[server])
    parser.add_argument("--schedules", type=int, nargs="+", default=[1000, 5000])
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--count", type=int, default=300)
    options = parser.parse_args()
    if options.what == "live":
        live(options.url[0])
        return
    for url in options.url:
        if options.what == "wake-up":
            print(wake_up(url, options.count), flush=True)
            continue
        for schedules in options.schedules:
            print(each_second(url, schedules, options.seconds), flush=True)


if __name__ == "__main__":
    main()
