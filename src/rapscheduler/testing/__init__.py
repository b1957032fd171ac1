"""For tests of programs that schedule: a clock that stands still and a scheduler that moves when told.

    from datetime import datetime, timedelta, timezone
    from rapscheduler.testing import ManualScheduler

    scheduler = ManualScheduler(datetime(2025, 3, 1, tzinfo=timezone.utc))
    scheduler.add_job(send_report, "cron", hour=7)
    scheduler.start()
    scheduler.advance(timedelta(days=2))       # send_report has run twice, in this thread

Nothing sleeps, no thread is started, and the same program gives the same runs in the same order each time.
"""

from __future__ import annotations

from rapscheduler._clock import Clock
from rapscheduler.testing._clock import VirtualClock
from rapscheduler.testing._manual import ManualScheduler

__all__ = ("Clock", "ManualScheduler", "VirtualClock")
