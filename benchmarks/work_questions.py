"""Questions for a page of the jobs of a store with very many: by prefix, tags, state, from an id on; and how many.

One job in fifty has tags, one in 2,500 is paused. The peer has `get_jobs()` and what its user writes behind
it, a filter in Python.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timezone
from statistics import median
from typing import Any

from benchmarks.work_stores import URLS, StoreWorkload
from benchmarks.workloads import nothing

PAGE = 20
PEER_COUNT = 10_000  # it loads all of them for each question: a million would take a minute or more
AT_ONCE = 50_000
KINDS = ("mail", "poll", "report", "sync")
DUE = datetime(2100, 1, 1, tzinfo=timezone.utc)
QUESTIONS: dict[str, dict[str, Any]] = {
    "prefix": {"prefix": "report-0001", "limit": PAGE},
    "tag": {"tag": "eu", "limit": PAGE},
    "two tags": {"tag": ["eu", "customer-7"], "limit": PAGE},
    "paused": {"state": "paused", "limit": PAGE},
    "paused, tag": {"state": "paused", "tag": "us", "limit": PAGE},
    "scheduled": {"state": "scheduled", "limit": PAGE},
    "next page": {"after": "poll-0001001", "limit": PAGE},
}
COUNTS: dict[str, dict[str, Any]] = {
    "count": {},
    "count of a tag": {"tag": "eu"},
    "count of two tags": {"tag": ["eu", "customer-7"]},
    "count of paused": {"state": "paused"},
}
_FILTERS: dict[str, Callable[[Any], bool]] = {
    "prefix": lambda job: job.id.startswith("report-0001"),
    "tag": lambda job: "eu" in tags_of(job.id),
    "two tags": lambda job: {"eu", "customer-7"}.issubset(tags_of(job.id)),
    "paused": lambda job: job.next_run_time is None,
    "paused, tag": lambda job: job.next_run_time is None and "us" in tags_of(job.id),
    "scheduled": lambda job: job.next_run_time is not None,
    "next page": lambda job: job.id > "poll-0001001",
    "count": lambda job: True,
}
_FILTERS |= {"count of a tag": _FILTERS["tag"], "count of two tags": _FILTERS["two tags"]}
_FILTERS |= {"count of paused": _FILTERS["paused"]}


def tags_of(job_id: str) -> list[str]:
    """Of one job in fifty: one of two tags, and one of ten."""
    number = int(job_id[-7:])
    return [] if number % 50 else ["us" if number % 100 else "eu", f"customer-{number // 50 % 9}"]


class StoreQuestions(StoreWorkload):
    """Each of QUESTIONS and COUNTS; of the peer one, for it loads all jobs for each. Facts: seconds of CPU for each,
    the median of several, and what adding took."""

    name = "store_questions"

    def open(self, *, backend: str, count: int) -> None:
        super().open(backend=backend, count=count, peer_count=PEER_COUNT)
        self.added, self.adding_s = 0, 0.0
        self.stepping(jobstores={"default": self.store()})

    def store(self) -> Any:
        return (
            self.module("jobstores.memory").MemoryJobStore() if self.backend == "memory" else super().store()
        )

    def clear(self) -> None:
        self.table = f"bench_questions_{self.library}"
        if self.backend == "memory":
            return
        super().clear()
        if self.backend in URLS:
            import sqlalchemy

            engine = sqlalchemy.create_engine(URLS[self.backend])
            with engine.begin() as connection:
                connection.execute(sqlalchemy.text(f"drop table if exists {self.table}_tags"))
            engine.dispose()

    def add_until(self, count: int) -> None:
        started = time.perf_counter()
        trigger = self.triggers()[1](hours=1, start_date=DUE, timezone=timezone.utc)
        while self.added < count:
            numbers = range(self.added, min(count, self.added + AT_ONCE))
            specs = [self.spec(number, trigger) for number in numbers]
            if self.library == "rapscheduler":
                self.scheduler.add_jobs(specs)
            else:
                for spec in specs:
                    self.scheduler.add_job(**spec)
            self.added = numbers.stop
        self.adding_s += time.perf_counter() - started

    def spec(self, number: int, trigger: Any) -> dict[str, Any]:
        job_id = f"{KINDS[number % len(KINDS)]}-{number:07}"
        due = None if number % 5000 in (7, 50) else DUE
        made = {"func": nothing, "trigger": trigger, "id": job_id, "next_run_time": due}
        if self.library == "rapscheduler" and tags_of(job_id):
            made["tags"] = tags_of(job_id)
        return made

    def ask(self, name: str) -> Any:
        """The ids of a page, or how many jobs there are."""
        if self.library == "rapscheduler":
            if name in COUNTS:
                return self.scheduler.count_jobs(**COUNTS[name])
            return [job.id for job in self.scheduler.get_jobs(**QUESTIONS[name])]
        found = [job.id for job in self.scheduler.get_jobs() if _FILTERS[name](job)]
        return len(found) if name in COUNTS else sorted(found)[:PAGE]

    def answers(self) -> dict[str, Any]:
        """Of as many jobs as the peer has; the others are added afterwards."""
        self.add_until(min(self.count, PEER_COUNT))
        return {name: self.ask(name) for name in (*QUESTIONS, *COUNTS)}

    def prepare(self) -> None:
        self.add_until(self.count)

    def round(self) -> dict[str, Any]:
        self.prepare()
        times, started = {}, time.perf_counter()
        ours = self.library == "rapscheduler"
        for name in (*QUESTIONS, *COUNTS) if ours else ("tag",):
            self.ask(name)  # an index may be made by the first question
            used = []
            for _ in range(25 if ours else 3):
                before_s = time.process_time()
                self.ask(name)
                used.append(time.process_time() - before_s)
            times[name] = median(used)
        seconds = time.perf_counter() - started
        return {"seconds": seconds, "count": 1, "facts": {"cpu_s": times, "adding_s": self.adding_s}}
