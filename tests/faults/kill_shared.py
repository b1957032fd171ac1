"""Several schedulers on one shared store; one of them is killed, or stopped for three leases, again and again.

    python -m tests.faults.kill_shared --store postgresql --minutes 1

Interval jobs of which every slot is to be run (coalesce off, no grace time) work in four processes. Each writes a line
when a run ended (X id µs pid) or was told as left out (M id µs pid). Every `EVERY_S` one process is hit: SIGKILL, and
a new one is started, or SIGSTOP for three leases, then SIGCONT. Afterwards: a run is lost if the store is past its
time and nobody made it or told that it is left out; one made twice must have been made by a process that was hit.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from tests.stores.shared_stores import drop, make_store, runs_of

from rapscheduler._instants import us_of
from rapscheduler.events import EVENT_JOB_EXECUTED, EVENT_JOB_LOST, EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED
from rapscheduler.schedulers.background import BackgroundScheduler

SCHEDULERS = 4
LEASE_S = 2.0
EVERY_S = 5.0
TABLE = "rapscheduler_killshared"


def work() -> None:
    """What every job does."""
    time.sleep(0.05)


def scheduler_on(url: str) -> BackgroundScheduler:
    store = make_store(url, TABLE, lease=LEASE_S)
    return BackgroundScheduler(timezone="UTC", jobstores={"default": store}, jobstore_retry_interval=0.2)


def live(url: str, log: str) -> None:
    """One process, until it is killed; with SIGTERM it shuts down."""
    lines = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def tell(event: Any) -> None:
        word = {EVENT_JOB_EXECUTED: "X", EVENT_JOB_LOST: "L"}.get(event.code, "M")
        times = getattr(event, "scheduled_run_times", None) or [event.scheduled_run_time]
        for moment in times:
            os.write(lines, f"{word} {event.job_id} {us_of(moment)} {os.getpid()}\n".encode())

    scheduler = scheduler_on(url)
    scheduler.add_listener(
        tell, EVENT_JOB_EXECUTED | EVENT_JOB_LOST | EVENT_JOB_MAX_INSTANCES | EVENT_JOB_MISSED
    )
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(1))
    scheduler.start()
    while not ended:
        time.sleep(0.1)
    scheduler.shutdown()


class SharedKillTest:
    """`jobs` interval jobs, every second; hits until `minutes` are over."""

    def __init__(self, url: str, jobs: int, folder: Path, seed: int = 0) -> None:
        self.url, self.jobs, self.log = url, jobs, folder / "log"
        self.random = random.Random(seed)
        self.hit: set[int] = set()
        self.hits = {"SIGKILL": 0, "SIGSTOP": 0}
        self.processes: list[subprocess.Popen[bytes]] = []
        self.start = datetime.now(timezone.utc) + timedelta(seconds=2)

    def carry_out(self, minutes: float) -> str:
        drop(self.url, TABLE)
        filler = scheduler_on(self.url)
        filler.start(paused=True)
        options = {"seconds": 1, "coalesce": False, "misfire_grace_time": None, "max_instances": 100}
        added = filler.add_jobs(
            [{"func": work, "id": f"job{n}", "start_date": self._first(n)} for n in range(self.jobs)],
            trigger="interval",
            **options,
        )
        self.firsts = {job.id: us_of(job.next_run_time) for job in added}
        filler.shutdown()
        try:
            for _ in range(SCHEDULERS):
                self._begin()
            end_s = time.monotonic() + minutes * 60
            while time.monotonic() < end_s:
                time.sleep(EVERY_S)
                self._hit_one()
            time.sleep(LEASE_S + 3)
            for process in self.processes:
                process.terminate()
            for process in self.processes:
                process.wait(60)
            return self._account()
        finally:
            for process in self.processes:
                process.kill()
            drop(self.url, TABLE)

    def _first(self, number: int) -> datetime:
        """Spread over a second, so that a hit meets some in the middle."""
        return self.start + timedelta(seconds=number / self.jobs)

    def _begin(self) -> None:
        command = [sys.executable, "-m", "tests.faults.kill_shared", "--live", self.url, str(self.log)]
        self.processes.append(subprocess.Popen(command))

    def _hit_one(self) -> None:
        process = self.processes.pop(self.random.randrange(len(self.processes)))
        self.hit.add(process.pid)
        if self.random.random() < 0.5:
            self.hits["SIGKILL"] += 1
            process.kill()
            process.wait()
            self._begin()
            return
        self.hits["SIGSTOP"] += 1
        process.send_signal(signal.SIGSTOP)
        time.sleep(3 * LEASE_S)
        process.send_signal(signal.SIGCONT)
        self.processes.append(process)

    def _account(self) -> str:
        made: dict[tuple[str, int], list[int]] = defaultdict(list)
        told: set[tuple[str, int]] = set()
        lost_told = 0
        for line in self.log.read_text().splitlines():
            word, job_id, time_us, pid = line.split()
            if word == "X":
                made[job_id, int(time_us)].append(int(pid))
            elif word == "M":
                told.add((job_id, int(time_us)))
            else:
                lost_told += 1
        store = make_store(self.url, TABLE)
        store.start(None, "default")
        due_us = {job.id: job.run_at_us for job in store.get_all_jobs()}
        left = runs_of(store)
        store.shutdown()
        slots = [(i, us) for i, end_us in due_us.items() for us in range(self.firsts[i], end_us, 1_000_000)]
        lost = [slot for slot in slots if slot not in made and slot not in told and slot not in left]
        twice = [slot for slot, pids in made.items() if len(pids) > 1]
        wrong = [slot for slot in twice if self.hit.isdisjoint(made[slot])]
        report = (
            f"{self.hits}; {len(due_us)} of {self.jobs} jobs, {len(slots):,} runs due, {len(lost)} lost, "
            f"{len(told)} told as left out, {lost_told} told as cut off, {len(twice)} made twice "
            f"({len(wrong)} by processes that were not hit)"
        )
        if lost or wrong or len(due_us) < self.jobs:
            raise SystemExit(f"{report}\nlost: {lost[:10]}\ntwice: {wrong[:10]}")
        return report


def main() -> None:
    from tests.stores import servers

    if sys.argv[1:2] == ["--live"]:
        live(*sys.argv[2:4])
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--store", choices=("sqlite", "postgresql", "mariadb", "redis"), default="postgresql")
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/jobs.db" if options.store == "sqlite" else servers.given_url(options.store)
        if url is None:
            print(f"{options.store}: NOT RUN, no server; set {servers.url_variable(options.store)}")
            return
        test = SharedKillTest(str(url), options.jobs, Path(folder), options.seed)
        print(f"{options.store}: {test.carry_out(options.minutes)}")


if __name__ == "__main__":
    main()
