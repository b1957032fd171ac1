"""`IntervalTrigger(…, after="end")` as a value: what it says, how it is kept, what is refused. Runs: `test_delays`."""

from __future__ import annotations

import pickle
from datetime import datetime, timedelta, timezone
from typing import Any

import orjson
import pytest

from rapscheduler._serialization.triggers import trigger_json, unpack_trigger
from rapscheduler.triggers.combining import AndTrigger, OrTrigger
from rapscheduler.triggers.cron import CronTrigger
from rapscheduler.triggers.interval import IntervalTrigger

START = datetime(2026, 1, 1, tzinfo=timezone.utc)


def delayed(**options: Any) -> IntervalTrigger:
    return IntervalTrigger(minutes=10, start_date=START, timezone="UTC", after="end", **options)


def test_it_says_so() -> None:
    trigger = delayed()
    assert trigger.after == "end"
    assert str(trigger) == "interval[0:10:00 after each run]"
    assert repr(trigger).endswith("after='end', timezone='UTC')>")
    assert (
        trigger.explain(START) == "10 minutes after the end of each run, the first at 2026-01-01 00:00:00 UTC"
    )
    plain = IntervalTrigger(minutes=10, start_date=START, timezone="UTC")
    assert plain.after is None and plain != trigger and plain.skips is None
    assert "after" not in str(plain) and "after" not in plain.__getstate__()


def test_written_and_read_back_it_is_equal() -> None:
    trigger = delayed(exclude="sat", jitter=5)
    node = orjson.loads(trigger_json(trigger))
    assert node["after"] == "end"
    for again in (unpack_trigger(node), pickle.loads(pickle.dumps(trigger))):
        assert again == trigger and again.after == "end"
    trigger.exclude = None
    assert trigger.after == "end"


def test_alone_it_answers_as_if_each_run_ended_when_it_began() -> None:
    trigger = delayed()
    late = START + timedelta(minutes=3)
    assert trigger.get_next_fire_time(None, START) == START
    assert trigger.get_next_fire_time(late, late) == late + timedelta(minutes=10)
    assert list(trigger.fire_times(START, limit=3)) == [START + n * timedelta(minutes=10) for n in range(3)]


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="after='start'"):
        IntervalTrigger(minutes=10, after="start")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        CronTrigger(hour=1, after="end")  # type: ignore[call-arg]
    for kind in (AndTrigger, OrTrigger):
        with pytest.raises(ValueError, match="counts from the end of runs"):
            kind([CronTrigger(hour=1), delayed()])

    class Own(IntervalTrigger):
        def get_next_fire_time(self, previous_fire_time: Any, now: datetime) -> datetime:
            return now

    with pytest.raises(ValueError, match="own get_next_fire_time"):
        Own(minutes=10, after="end")
