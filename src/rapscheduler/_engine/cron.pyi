from collections.abc import Iterable
from typing import Any

from rapscheduler._engine.timezone import ZoneTable
from rapscheduler._engine.trigger import TriggerCore

ALL_SECONDS: int
ALL_HOURS: int
ALL_DAYS: int
ALL_MONTHS: int
ALL_WEEKS: int
ALL_WEEKDAYS: int

class CronSpec:
    @classmethod
    def of(
        cls,
        second: int = ...,
        minute: int = ...,
        hour: int = ...,
        day: int = ...,
        month: int = ...,
        week: int = ...,
        weekday: int = ...,
        years: Iterable[tuple[int, int, int]] | None = None,
        last_day_offsets: int = 0,
        nth_weekdays: int = 0,
        nearest_workdays: int = 0,
        day_any: bool = False,
        day_or_weekday: bool = False,
        rhythm: bool = False,
        dst: str = "once",
    ) -> CronSpec: ...
    @property
    def second(self) -> int: ...
    @property
    def minute(self) -> int: ...
    @property
    def hour(self) -> int: ...
    @property
    def day(self) -> int: ...
    @property
    def month(self) -> int: ...
    @property
    def week(self) -> int: ...
    @property
    def weekday(self) -> int: ...
    @property
    def years(self) -> tuple[tuple[int, int, int], ...] | None: ...
    @property
    def last_day_offsets(self) -> int: ...
    @property
    def nth_weekdays(self) -> int: ...
    @property
    def nearest_workdays(self) -> int: ...
    @property
    def day_any(self) -> bool: ...
    @property
    def day_or_weekday(self) -> bool: ...
    @property
    def rhythm(self) -> bool: ...
    @property
    def dst(self) -> str: ...
    def __reduce__(self) -> tuple[Any, ...]: ...

class CronCore(TriggerCore):
    _text: Any
    def __init__(
        self,
        spec: CronSpec,
        zone: ZoneTable,
        start_us: int | None = None,
        end_us: int | None = None,
        jitter_us: int = 0,
    ) -> None: ...
    @property
    def spec(self) -> CronSpec: ...
