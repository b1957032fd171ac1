from rapscheduler._engine.timezone import ZoneTable
from rapscheduler._engine.trigger import TriggerCore

MAX_INTERVAL_US: int

class IntervalCore(TriggerCore):
    def __init__(
        self, interval_us: int, zone: ZoneTable, start_us: int, end_us: int | None = None, jitter_us: int = 0
    ) -> None: ...
    @property
    def interval_us(self) -> int: ...
    @property
    def anchor_us(self) -> int: ...
    def missed_slots(self, from_us: int, at_us: int) -> int: ...
