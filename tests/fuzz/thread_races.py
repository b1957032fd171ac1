"""A program: four threads fill fire times of shared triggers, zones and schedules, without the interpreter's lock.

    LD_PRELOAD=libtsan.so python tests/fuzz/thread_races.py      as `make sanitize` does, on an engine built for it

ThreadSanitizer ends it with 66 when two threads touch one word and neither is told to (`_words.pxd`). Without it the
program compares what the threads got with what one thread gets.
"""

from __future__ import annotations

import array
import threading
from datetime import datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from rapscheduler import _engine
from rapscheduler.triggers.calendarinterval import CalendarIntervalTrigger
from rapscheduler.triggers.cron import CronTrigger
from rapscheduler.triggers.interval import IntervalTrigger

BERLIN = ZoneInfo("Europe/Berlin")
START = datetime(2025, 11, 2, 12, tzinfo=BERLIN)
NOW_US = 1_762_066_800_000_000
THREADS, ROUNDS, TIMES = 4, 12, 300


class Probed(tzinfo):
    """A zone of somebody else's, which the engine has to ask."""

    def utcoffset(self, when: datetime | None) -> timedelta | None:
        return None if when is None else when.replace(tzinfo=BERLIN).utcoffset()

    def dst(self, when: datetime | None) -> timedelta | None:
        return None if when is None else when.replace(tzinfo=BERLIN).dst()

    def tzname(self, when: datetime | None) -> str:
        return "probed"


def triggers() -> list:
    probed = Probed()
    return [
        CronTrigger.from_crontab("*/7 3 * * mon-fri", timezone=BERLIN),
        CronTrigger.from_crontab("*/7 3 * * mon-fri", timezone=probed),
        CronTrigger.from_crontab("30 2 29 2 *", timezone=BERLIN),
        CronTrigger(day="last", hour=2, minute=30, timezone=probed),
        CronTrigger(day=30, month=2, timezone=BERLIN),
        IntervalTrigger(minutes=7, start_date=START, timezone=BERLIN),
        CalendarIntervalTrigger(days=3, hour=2, start_date=START.date(), timezone=BERLIN),
        CalendarIntervalTrigger(months=1, hour=2, start_date=START.date(), timezone=probed),
    ]


def work(shared: list, number: int, found: dict) -> None:
    buffer = array.array("q", bytes(8 * TIMES))
    for turn in range(ROUNDS):
        for index in range(len(shared)):
            which = (index + number) % len(shared)
            start_us = NOW_US + ((number * 7919 + turn * 104729) % 4000) * 3 * 86_400_000_000
            count = shared[which].fill_fire_times(buffer, start_us)
            found[number, turn, which] = list(buffer[:count])
            shared[which].get_next_fire_time(None, datetime.fromtimestamp(start_us / 1e6, BERLIN))
            shared[which].previous_fire_us(start_us)


def main() -> None:
    together: dict = {}
    shared = triggers()
    threads = [threading.Thread(target=work, args=(shared, number, together)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    alone: dict = {}
    for number in range(THREADS):
        work(triggers(), number, alone)
    assert together == alone and len(alone) == THREADS * ROUNDS * len(shared)
    print(f"{len(alone)} fills by {THREADS} threads on the {_engine.NAME} engine: the same as by one")


if __name__ == "__main__":
    main()
