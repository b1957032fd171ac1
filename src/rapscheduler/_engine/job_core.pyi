from collections.abc import Iterable
from datetime import datetime
from typing import Any

from rapscheduler._engine.due_index import DueEntry
from rapscheduler._engine.timezone import ZoneTable

UTC_ZONE: ZoneTable

def utc_us(moment: datetime) -> int: ...
def is_native(trigger: Any) -> bool: ...
def set_first_times(jobs: Iterable[Any], now_us: int) -> list[Any]: ...
def hide_from_collector(job: JobCore) -> None: ...
def show_to_collector(job: JobCore) -> None: ...

class JobCore(DueEntry):
    _scheduler: Any
    _jobstore_alias: str | None
    id: str
    func: Any
    func_ref: str | None
    name: str
    args: Any
    kwargs: Any
    trigger: Any
    executor: str
    misfire_grace_time: int | None
    coalesce: bool
    max_instances: int
    nominal_us: int | None
    next_run_time: datetime | None
    def _advance(
        self, run_at_us: int | None, nominal_us: int | None, run_time: datetime | None = None
    ) -> None: ...
    def _fill(
        self,
        scheduler: Any,
        id: str,
        func: Any,
        func_ref: str | None,
        name: str,
        args: Any,
        kwargs: Any,
        trigger: Any,
        executor: str,
        grace: Any = ...,
        coalesce: Any = ...,
        max_instances: Any = ...,
    ) -> None: ...
    def _complete(self, grace: int | None, coalesce: bool, max_instances: int) -> bool: ...
    def _zone(self) -> ZoneTable: ...
    def _foreign_zone(self) -> ZoneTable: ...
