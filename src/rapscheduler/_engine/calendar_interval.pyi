from rapscheduler._engine.timezone import ZoneTable
from rapscheduler._engine.trigger import TriggerCore

class CalendarIntervalCore(TriggerCore):
    def __init__(
        self,
        zone: ZoneTable,
        month_step: int,
        day_step: int,
        time_s: int,
        start_days: int,
        end_days: int | None = None,
        jitter_us: int = 0,
    ) -> None: ...
    @property
    def month_step(self) -> int: ...
    @property
    def day_step(self) -> int: ...
    @property
    def time_s(self) -> int: ...
    @property
    def start_days(self) -> int: ...
    @property
    def end_days(self) -> int: ...
