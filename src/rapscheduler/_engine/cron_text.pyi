from collections.abc import Iterable
from typing import Any, TypeVar

from rapscheduler._engine.cron import CronCore, CronSpec
from rapscheduler._engine.timezone import ZoneTable

_Trigger = TypeVar("_Trigger", bound=CronCore)

class FieldBits:
    def __init__(
        self,
        mask: int = 0,
        years: tuple[tuple[int, int, int], ...] | None = None,
        last_days: int = 0,
        nth_weekdays: int = 0,
        nearest_workdays: int = 0,
        every: bool = False,
        starred: bool = False,
    ) -> None: ...
    @property
    def mask(self) -> int: ...
    @property
    def years(self) -> tuple[tuple[int, int, int], ...] | None: ...
    @property
    def last_days(self) -> int: ...
    @property
    def nth_weekdays(self) -> int: ...
    @property
    def nearest_workdays(self) -> int: ...
    @property
    def every(self) -> bool: ...
    @property
    def starred(self) -> bool: ...

class ScheduleText:
    def __init__(self, parts: Iterable[Any], day_or_weekday: Any, dst: str) -> None: ...
    @property
    def parts(self) -> tuple[Any, ...]: ...
    @property
    def spec(self) -> CronSpec: ...
    @property
    def day_or_weekday(self) -> bool: ...
    @property
    def dst(self) -> str: ...

class TextTable:
    def __init__(self, kind: type[Any], stars: Iterable[Any], minima: Iterable[Any]) -> None: ...
    @property
    def known(self) -> tuple[dict[str, Any], ...]: ...
    def of_known(
        self,
        year: Any,
        month: Any,
        day: Any,
        week: Any,
        day_of_week: Any,
        hour: Any,
        minute: Any,
        second: Any,
        day_or_weekday: Any,
        dst: Any,
    ) -> Any: ...
    def find(
        self,
        year: Any,
        month: Any,
        day: Any,
        week: Any,
        day_of_week: Any,
        hour: Any,
        minute: Any,
        second: Any,
        day_or_weekday: Any,
        dst: Any,
    ) -> Any: ...
    def keep(self, schedule: ScheduleText, *values: Any) -> None: ...

def begin(trigger: CronCore, text: ScheduleText, zone: ZoneTable) -> None: ...
def alike(trigger: _Trigger) -> _Trigger: ...
