"""One asv class for each workload whose history is worth watching; the operations are the workloads'."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, ClassVar

# asv imports this file alone, from its own copy of the repository: let it find the workloads beside it.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.work_scheduler import AddJobs, DueAtOnce, LoopAlone
from benchmarks.work_triggers import CronNext, ParseCrontab
from benchmarks.workloads import EXPRESSIONS, ZONES, Workload

OURS = "rapscheduler"


class _Timed:
    """asv calls ``setup``, times ``time_run``, calls ``teardown``."""

    number = 1
    workload: Workload

    def time_run(self, *params: Any) -> None:
        self.workload.run()

    def teardown(self, *params: Any) -> None:
        self.workload.close()


class CronNextSuite(_Timed):
    """The next cron fire."""

    params: ClassVar = ([one.name for one in EXPRESSIONS], list(ZONES))
    param_names: ClassVar = ["expression", "zone"]
    number = 20

    def setup(self, expression: str, zone: str) -> None:
        self.workload = CronNext(OURS, expression=expression, zone=zone)


class ParseSuite(_Timed):
    """Parsing a crontab expression, cold and again."""

    params: ClassVar = [False, True]
    param_names: ClassVar = ["again"]

    def setup(self, again: bool) -> None:
        self.workload = ParseCrontab(OURS, again=again)
        self.workload.prepare()


class AddSuite(_Timed):
    """Adding 20,000 jobs, and what each takes."""

    params: ClassVar = ["cron", "interval"]
    param_names: ClassVar = ["kind"]

    def setup(self, kind: str) -> None:
        self.workload = AddJobs(OURS, count=20_000, kind=kind)
        self.workload.prepare()

    def track_bytes_per_job(self, kind: str) -> float:
        self.workload.run()
        return float(self.workload.facts()["bytes_per_job"])


class LoopSuite(_Timed):
    """A pass over 20,000 due jobs, to nobody and to ten threads."""

    params: ClassVar = ["alone", "threads"]
    param_names: ClassVar = ["executor"]

    def setup(self, executor: str) -> None:
        self.workload = (LoopAlone if executor == "alone" else DueAtOnce)(OURS, count=20_000)
        self.workload.prepare()
