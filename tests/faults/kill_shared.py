"""Several schedulers on one shared store; one of them is killed, stopped or cut off for three leases, again and again.

    python -m tests.faults.kill_shared --store postgresql --minutes 1 --jobs 200

Interval jobs of which every slot is to be run (coalesce off, ten minutes' grace) work in four processes, whose clocks
are up to an hour off. Each has a way of its own to the server (SQLite: none). Every `EVERY_S` one of them is hit, in
turn by one of `HITS`: SIGKILL, and another is started in its place; SIGSTOP, then SIGCONT; its connections closed and
refused; nothing passes them, and then all of it does.

Each process writes lines (word, job, µs of the slot, pid, seconds): B as a run begins, E as it ends; X when that was
told, O when it was told as left out for max_instances, M as missed, L (and whose it was) as cut off. Afterwards: a run
is lost if the store is past its time and nobody made it or told that it is left out (a process that is killed in the
middle of a backlog tells nothing of what of it had ended: its lines E are counted then); one made twice must have been
made by a process that was hit; nobody missed any; jobs of one instance never ran twice at a time, but for what goes on
in a process that was hit; what was cut off was told within the lease and two seconds, at the 99th percentile.
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
from collections import Counter, defaultdict
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa
from tests.faults.proxy import Proxy
from tests.stores.shared_stores import drop, make_store, runs_of

from rapscheduler._instants import us_of
from rapscheduler.events import EVENT_JOB_EXECUTED, EVENT_JOB_LOST, EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED
from rapscheduler.schedulers.background import BackgroundScheduler

#: by how much the clock of each process is off
CLOCKS_S = (-3600, -1200, 1200, 3600)
HITS = ("SIGKILL", "SIGSTOP", "cut off", "stalled")
LEASE_S = 2.0
LATE_S = 2.0  # after the lease, at most
EVERY_S = 5.0
AT_ONCE = 200  # jobs a second, at most
TABLE = "rapscheduler_killshared"
LOG = "RAPSCHEDULER_TEST_KILL_LOG"
PORTS = {"postgresql": 5432, "mysql": 3306, "redis": 6379}
WORDS = {EVENT_JOB_EXECUTED: "X", EVENT_JOB_LOST: "L", EVENT_JOB_MAX_INSTANCES: "O", EVENT_JOB_MISSED: "M"}


def work(job_id: str, seconds: float) -> None:
    """What every job does."""
    write("B", job_id, 0)
    time.sleep(seconds)
    write("E", job_id, 0)


def write(word: str, job_id: str, time_us: int, whose: int = 0) -> None:
    lines = os.open(os.environ[LOG], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(lines, f"{word} {job_id} {time_us} {os.getpid()} {time.monotonic()} {whose}\n".encode())
    os.close(lines)


def scheduler_on(url: str) -> BackgroundScheduler:
    store = make_store(url, TABLE, lease=LEASE_S)
    return BackgroundScheduler(timezone="UTC", jobstores={"default": store}, jobstore_retry_interval=0.2)


def tell(event: Any) -> None:
    for moment in getattr(event, "scheduled_run_times", None) or [event.scheduled_run_time]:
        write(WORDS[event.code], event.job_id, us_of(moment), getattr(event, "pid", None) or 0)


def live(url: str, clock_s: float) -> None:
    """One process, until it is killed; with SIGTERM it shuts down."""
    import time_machine

    time_machine.travel(datetime.now(timezone.utc) + timedelta(seconds=clock_s), tick=True).start()
    scheduler = scheduler_on(url)
    scheduler.add_listener(tell, sum(WORDS))
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(1))
    scheduler.start()
    while not ended:
        time.sleep(0.1)
    scheduler.shutdown()


class Line(NamedTuple):
    word: str
    slot: tuple[str, int]
    pid: int
    at_s: float
    whose: int


class Place:
    """One of the four: a process at a time, its way to the server, its clock."""

    def __init__(self, url: str, clock_s: float) -> None:
        self.url, self.clock_s, self.proxy = url, clock_s, None
        parsed = sa.engine.make_url(url)
        if parsed.host is not None:
            port = parsed.port or PORTS[parsed.get_backend_name()]
            self.proxy = Proxy(parsed.host, port)
            there = parsed.set(host="127.0.0.1", port=self.proxy.port)
            self.url = there.render_as_string(hide_password=False)
        self.begin()

    def begin(self) -> None:
        command = [sys.executable, "-m", "tests.faults.kill_shared", "--live", self.url, str(self.clock_s)]
        with Path(os.environ[LOG] + ".said").open("ab") as said:
            self.process = subprocess.Popen(command, stderr=said)

    def hit(self, how: str) -> None:
        process, proxy = self.process, self.proxy
        if how == "SIGKILL":
            process.kill()
            process.wait()
            self.begin()
        elif how == "SIGSTOP":
            process.send_signal(signal.SIGSTOP)
            time.sleep(3 * LEASE_S)
            process.send_signal(signal.SIGCONT)
        elif proxy is not None:
            (proxy.cut if how == "cut off" else proxy.stall)()
            time.sleep(3 * LEASE_S)
            proxy.heal()


class SharedKillTest:
    """`jobs` interval jobs, every second, or as seldom as makes `AT_ONCE` a second of them, one in ten of which may run
    once at a time; hits until `minutes` are over."""

    def __init__(self, url: str, jobs: int, folder: Path, seed: int = 0) -> None:
        self.url, self.jobs, self.log = url, jobs, folder / "log"
        self.every_s = max(1, round(jobs / AT_ONCE))
        os.environ[LOG] = str(self.log)
        self.seed, self.random = seed, random.Random(seed)
        self.hit_s: dict[int, list[tuple[float, float]]] = defaultdict(list)  # by pid: seconds of both clocks
        self.hits: Counter[str] = Counter()
        self.places: list[Place] = []
        self.start = datetime.now(timezone.utc) + timedelta(seconds=2)

    def carry_out(self, minutes: float) -> str:
        drop(self.url, TABLE)
        self._add_jobs()
        try:
            self.places = [Place(self.url, clock_s) for clock_s in CLOCKS_S]
            end_s = time.monotonic() + minutes * 60
            while time.monotonic() < end_s:
                time.sleep(EVERY_S)
                self._hit_one()
            time.sleep(LEASE_S + 3)
            for place in self.places:
                place.process.terminate()
            for place in self.places:
                place.process.wait(60)
            return self._account()
        finally:
            for place in self.places:
                place.process.kill()
            drop(self.url, TABLE)

    def _add_jobs(self) -> None:
        filler = scheduler_on(self.url)
        filler.start(paused=True)
        options = {"seconds": self.every_s, "coalesce": False, "misfire_grace_time": 600}
        specs = []
        for number in range(self.jobs):  # spread over the interval, so that a hit meets some in the middle
            start = self.start + timedelta(seconds=self.every_s * number / self.jobs)
            name, seconds, instances = ("alone", 0.7, 1) if number % 10 == 0 else ("job", 0.05, 100)
            job_id = f"{name}{number}"
            specs.append(
                {"id": job_id, "args": [job_id, seconds], "max_instances": instances, "start_date": start}
            )
        added = filler.add_jobs(specs, func=work, trigger="interval", **options)
        self.firsts = {job.id: us_of(job.next_run_time) for job in added}
        filler.shutdown()

    def _hit_one(self) -> None:
        place = self.random.choice(self.places)
        ways = HITS if place.proxy is not None else HITS[:2]
        how = ways[(self.hits.total() + self.seed) % len(ways)]
        self.hits[how] += 1
        self.hit_s[place.process.pid].append((time.monotonic(), time.time()))
        place.hit(how)

    def _account(self) -> str:
        lines = [self._line(text) for text in self.log.read_text().splitlines()]
        made: dict[tuple[str, int], list[int]] = defaultdict(list)
        for line in lines:
            if line.word == "X":
                made[line.slot].append(line.pid)
        told = {line.slot for line in lines if line.word in "OM"}
        due_us, spans = self._stored()
        every_us = self.every_s * 1_000_000
        left = {(i, us) for i, first_us, last_us in spans for us in range(first_us, last_us + 1, every_us)}
        slots = [(i, us) for i, end_us in due_us.items() for us in range(self.firsts[i], end_us, every_us)]
        twice = [slot for slot, pids in made.items() if len(pids) > 1]
        missing = [slot for slot in slots if slot not in made and slot not in told and slot not in left]
        untold = self._untold(lines)
        lost = [slot for slot in missing if untold[slot[0]] < sum(one[0] == slot[0] for one in missing)]
        late_s, by_itself = self._take_overs(lines)
        p99_s = late_s[int(len(late_s) * 0.99)] if late_s else 0.0
        wrong = {
            "lost": lost,
            "jobs that are gone": self.jobs - len(due_us),
            "made twice by processes that were not hit": [s for s in twice if not self._any_hit(made[s])],
            "missed": [line.slot for line in lines if line.word == "M"],
            "over max_instances": self._crowded(lines),
            "take-overs too late": [second for second in late_s if p99_s > LEASE_S + LATE_S][-10:],
        }
        report = (
            f"{dict(self.hits)}; {len(due_us)} jobs, {len(slots):,} runs due, {len(lost)} lost, "
            f"{len(told)} told as left out, {len(late_s)} told as cut off (after {p99_s:.1f} s, p99), "
            f"{len(twice)} made twice by processes that were hit; {by_itself} cut off that were well, but late; "
            f"{len(missing) - len(lost)} made and not told by processes that were killed"
        )
        if any(wrong.values()):
            print("\n".join(Path(os.environ[LOG] + ".said").read_text().splitlines()[-100:]), file=sys.stderr)
            raise SystemExit(
                f"{report}\n" + "\n".join(f"{what}: {found}" for what, found in wrong.items() if found)
            )
        return report

    @staticmethod
    def _line(text: str) -> Line:
        word, job_id, time_us, pid, at_s, whose = text.split()
        return Line(word, (job_id, int(time_us)), int(pid), float(at_s), int(whose))

    def _stored(self) -> tuple[dict[str, int], list[tuple[str, int, int]]]:
        """When each job is due next; the runs under way, each with its first and its last run time."""
        store = make_store(self.url, TABLE)
        store.start(None, "default")
        due_us = {job.id: job.run_at_us for job in store.get_all_jobs()}
        left = [(run.job_id, run.run_us, run.last_us) for run in store._shared.read(sorted(runs_of(store)))]
        store.shutdown()
        return due_us, left

    def _any_hit(self, pids: list[int]) -> bool:
        return not self.hit_s.keys().isdisjoint(pids)

    def _untold(self, lines: list[Line]) -> Counter[str]:
        """How many runs of each job ended in processes that were hit, and were told by nobody."""
        untold: Counter[str] = Counter()
        for line in lines:
            if line.word in "EX" and line.pid in self.hit_s:
                untold[line.slot[0]] += 1 if line.word == "E" else -1
        return untold

    def _take_overs(self, lines: list[Line]) -> tuple[list[float], int]:
        """Seconds from the hit until a run was told as cut off, in order; how many runs were cut off without a hit.

        A process that is hit claims nothing until it is well: a run that was due later was claimed afterwards."""
        took, by_itself = [], 0
        for line in lines:
            if line.word != "L":
                continue
            before = [hit for hit in self.hit_s.get(line.whose, ()) if hit[0] < line.at_s]
            if before and line.slot[1] <= max(before)[1] * 1_000_000:
                took.append(line.at_s - max(before)[0])
            else:
                by_itself += 1
        return sorted(took), by_itself

    def _crowded(self, lines: list[Line]) -> list[tuple[str, float]]:
        """Beginnings of jobs of one instance while another ran, in a process that was never hit."""
        running: dict[str, set[int]] = defaultdict(set)
        found = []
        for line in lines:
            job_id = line.slot[0]
            if not job_id.startswith("alone") or line.word not in "BE":
                continue
            others = {pid for pid in running[job_id] if pid not in self.hit_s}
            if line.word == "E":
                running[job_id].discard(line.pid)
            else:
                if others:
                    found.append((job_id, line.at_s))
                running[job_id].add(line.pid)
        return found


def main() -> None:
    from tests.stores import servers

    if sys.argv[1:2] == ["--live"]:
        live(sys.argv[2], float(sys.argv[3]))
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
        print(f"{options.store}: {test.carry_out(options.minutes)}", flush=True)


if __name__ == "__main__":
    main()
