"""Triggers read from rows that are written alike are equal, and each is its own."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import time_machine

from rapscheduler._serialization.triggers import pack_trigger, unpack_trigger
from rapscheduler.triggers.cron import CronTrigger
from rapscheduler.triggers.interval import IntervalTrigger

START = datetime(2025, 6, 1, tzinfo=timezone.utc)


def test_each_interval_trigger_is_its_own():
    node = pack_trigger(
        IntervalTrigger(minutes=5, start_date=START, end_date=START + timedelta(days=1), jitter=3)
    )
    first, second = unpack_trigger(node), unpack_trigger(node)
    assert first is not second
    assert first.__getstate__() == second.__getstate__()
    first.interval = timedelta(hours=1)
    assert second.interval == timedelta(minutes=5)
    assert unpack_trigger(node).__getstate__() == second.__getstate__()


def test_dates_of_another_zone_are_kept():
    elsewhere = timezone(timedelta(hours=5))
    node = pack_trigger(IntervalTrigger(minutes=5, start_date=START.astimezone(elsewhere), timezone="UTC"))
    for _ in range(2):
        assert unpack_trigger(node).start_date.utcoffset() == timedelta(hours=5)


def test_a_row_without_a_start_begins_when_it_is_read():
    node = {"type": "interval", "seconds": 77, "timezone": "UTC"}
    starts = []
    for moment in (START, START + timedelta(hours=1)):
        with time_machine.travel(moment, tick=False):
            starts.append(unpack_trigger(node).start_date)
    assert starts == [START + timedelta(seconds=77), START + timedelta(hours=1, seconds=77)]


def test_each_cron_trigger_is_its_own():
    options = {"start_date": START, "end_date": START + timedelta(days=9), "jitter": 5, "dst": "both"}
    node = pack_trigger(CronTrigger(hour=2, minute="*/7", timezone="Europe/Berlin", **options))
    first, second = unpack_trigger(node), unpack_trigger(node)
    assert first is not second
    assert pack_trigger(first) == pack_trigger(second) == node
    assert repr(first) == repr(second)
    first.jitter = 9
    assert (second.jitter, unpack_trigger(node).jitter) == (5, 5)
    second.jitter = None
    assert second.get_next_fire_time(None, START) == unpack_trigger(pack_trigger(second)).get_next_fire_time(
        None, START
    )
