"""``DateTrigger``: APScheduler's surface; one fire time, past or not."""

from __future__ import annotations

import pickle
from datetime import date, datetime, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytz
from apscheduler.triggers.date import DateTrigger as Theirs

from rapscheduler.triggers.date import DateTrigger

UTC = timezone.utc
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    "arguments",
    [
        {"run_date": "2026-01-01", "timezone": "Europe/Berlin"},
        {"run_date": "2026-01-01 05:00:00+02:00", "timezone": "Europe/Berlin"},
        {"run_date": datetime(2026, 1, 1, tzinfo=BERLIN)},
        {"run_date": datetime(2025, 10, 26, 2, 30, tzinfo=BERLIN, fold=1)},
        {"run_date": date(2026, 1, 1), "timezone": BERLIN},
        {"run_date": pytz.timezone("Europe/Berlin").localize(datetime(2026, 7, 1))},
    ],
)
def test_as_apscheduler(arguments: dict[str, Any]) -> None:
    ours, theirs = DateTrigger(**arguments), Theirs(**arguments)
    assert (repr(ours), str(ours)) == (repr(theirs), str(theirs))
    assert ours.__getstate__() == theirs.__getstate__()
    loaded = DateTrigger.__new__(DateTrigger)
    loaded.__setstate__(theirs.__getstate__())
    assert loaded.run_date == theirs.run_date
    assert loaded.run_date.fold == theirs.run_date.fold
    assert pickle.loads(pickle.dumps(ours)).run_date == ours.run_date
    for now in (datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)):
        assert ours.get_next_fire_time(None, now) == theirs.run_date
        assert ours.get_next_fire_time(theirs.run_date, now) is None


def test_without_a_date_it_is_now() -> None:
    before = datetime.now(UTC)
    trigger = DateTrigger(timezone=BERLIN)
    assert before <= trigger.run_date <= datetime.now(UTC)
    assert trigger.run_date.tzinfo is BERLIN


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"run_date": "x"}, ValueError),
        ({"run_date": 5}, TypeError),
        ({"run_date": "2026-01-01", "timezone": "Foo"}, KeyError),
        ({"timezone": 3}, TypeError),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        Theirs(**arguments)
    with pytest.raises(error):
        DateTrigger(**arguments)


def test_set_and_asked() -> None:
    trigger = DateTrigger("2026-01-01", "UTC")
    trigger.run_date = datetime(2027, 1, 1, tzinfo=BERLIN)
    assert trigger.get_previous_fire_time(datetime(2028, 1, 1, tzinfo=UTC)) == trigger.run_date
    assert trigger.get_previous_fire_time(trigger.run_date) is None
    assert list(trigger.fire_times(datetime(2026, 1, 1, tzinfo=UTC))) == [trigger.run_date]
    assert trigger.explain() == "once, at 2027-01-01 00:00:00 CET"
    with pytest.raises(ValueError, match="has no time zone"):
        trigger.run_date = datetime(2027, 1, 1)


def test_a_state_from_the_future_is_refused() -> None:
    with pytest.raises(ValueError, match="version 9 of DateTrigger, but only version 1 can"):
        DateTrigger.__new__(DateTrigger).__setstate__({"version": 9})
