# ruff: noqa: E501 (tables of sentences)
"""`explain()`: the sentences, and the note about the next zone change that matters."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from rapscheduler.triggers.base import BaseTrigger
from rapscheduler.triggers.combining import AndTrigger, OrTrigger
from rapscheduler.triggers.cron import CronTrigger
from rapscheduler.triggers.date import DateTrigger
from rapscheduler.triggers.interval import IntervalTrigger

UTC = timezone.utc
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, "every second"),
        ({"minute": "*"}, "every minute"),
        ({"minute": "*/5"}, "every 5 minutes"),
        ({"minute": "*/7"}, "at every 7th minute from 0 to 56"),
        ({"minute": 5}, "5 minutes past every hour"),
        ({"minute": 0}, "every hour"),
        ({"hour": "*/2"}, "every 2 hours every day"),
        ({"hour": "*/2", "minute": 1}, "1 minute past every 2nd hour from 0 to 22 every day"),
        ({"hour": 0}, "at 00:00 every day"),
        ({"hour": "2,14", "minute": 30, "second": 5}, "at 02:30:05 and 14:30:05 every day"),
        ({"hour": "9-17", "minute": "*/10"}, "every 10 minutes from 09:00 to 17:59 every day"),
        ({"hour": "8,10,12", "minute": "15,45,50"}, "at the minutes 15, 45 and 50 in the hours 8, 10 and 12 every day"),
        ({"second": "*/15", "minute": "*", "hour": 3}, "every 15 seconds from 03:00 to 03:59 every day"),
        ({"second": "5,10", "minute": "1-4", "hour": 3}, "at the seconds 5 and 10 of the minutes 1 to 4 of the hour 3 every day"),
        ({"day_of_week": "mon-fri"}, "at 00:00 on Monday to Friday"),
        ({"day_of_week": "mon,fri", "month": "jun-aug"}, "at 00:00 on Monday and Friday in June to August"),
        ({"day": "1,15,last"}, "at 00:00 on the 1st and 15th and the last day of every month"),
        ({"day": "last-1,LW,3W,22"}, "at 00:00 on the 22nd, the last workday, the workday nearest to the 3rd and the day before the last of every month"),
        ({"day": "last-3"}, "at 00:00 on the 3rd day before the last of every month"),
        ({"day": "*/2", "month": "*/2"}, "at 00:00 on every 2nd day from the 1st to the 31st of every 2nd month from January to November"),
        ({"month": "*/2", "day_of_week": "mon"}, "at 00:00 on Monday in every 2nd month from January to November"),
        ({"week": "*/2", "day_of_week": "fri"}, "at 00:00 on Friday in every 2nd ISO week from 1 to 53"),
        ({"hour": "*/5", "minute": "5,10"}, "at the minutes 5 and 10 in every 5th hour from 0 to 20 every day"),
        ({"minute": "3-59/8", "hour": 5}, "at every 8th minute from 3 to 59 from 05:00 to 05:59 every day"),
        ({"day": 13, "day_of_week": "fri"}, "at 00:00 on the 13th of every month if that is a Friday"),
        ({"day": 13, "day_of_week": "fri", "day_or_weekday": True}, "at 00:00 on the 13th of every month or on Friday"),
        ({"month": 3, "day": "last fri,1st sun"}, "at 00:00 on the 1st Sunday and the last Friday of March"),
        ({"week": "1,10-20"}, "at 00:00 every day in ISO weeks 1 and 10 to 20"),
        ({"year": "2026,2030-2040/2", "month": 1}, "at 00:00 on the 1st of January in 2026 and every 2nd year from 2030 to 2040"),
    ],
)  # fmt: skip
def test_sentences(fields: dict, sentence: str) -> None:
    assert CronTrigger(timezone="UTC", **fields).explain(START) == f"{sentence}, UTC"


@pytest.mark.parametrize(
    ("zone", "fields", "note"),
    [
        ("Europe/Berlin", {"hour": 2, "minute": 30}, "not on 29 March 2026, when that hour is skipped"),
        ("Europe/Berlin", {"hour": "2,14", "minute": 30}, "not at 02:30 on 29 March 2026, when that hour is skipped"),
        ("Europe/Berlin", {"hour": "1-3", "minute": "*/20"}, "not from 02:00 to 03:00 on 29 March 2026, when that hour is skipped"),
        ("Europe/Berlin", {"hour": 2, "minute": 30, "dst": "shift"}, "on 29 March 2026 at 03:00, as that hour is skipped"),
        ("Europe/Berlin", {"month": 10, "day": "last sun", "hour": 2}, "only once on 25 October 2026, when that hour comes twice"),
        ("Europe/Berlin", {"month": 10, "day": "last sun", "hour": 2, "dst": "both"}, "twice on 25 October 2026, when that hour comes twice"),
        ("Europe/Berlin", {"month": 10, "day": "last sun", "hour": 2, "minute": "*/30"}, "twice from 02:00 to 03:00 on 25 October 2026, when that hour comes twice"),
        ("Australia/Lord_Howe", {"hour": 2, "minute": 15}, "not on 4 October 2026, when that time is skipped"),
        ("Europe/Berlin", {"hour": 2, "start_date": "2026-04-01"}, "only once on 25 October 2026, when that hour comes twice"),
    ],
)  # fmt: skip
def test_notes_about_the_next_zone_change_that_matters(zone: str, fields: dict, note: str) -> None:
    assert CronTrigger(timezone=zone, **fields).explain(START).endswith(f"; {note}")


@pytest.mark.parametrize(
    "fields",
    [
        {"hour": 12},
        {"minute": "*/5"},
        {"hour": 2, "end_date": "2026-02-01"},
        {"hour": 2, "month": 1},
        {"hour": 2, "day_of_week": "mon-fri"},
    ],
)
def test_no_note_when_no_zone_change_matters(fields: dict) -> None:
    assert ";" not in CronTrigger(timezone="Europe/Berlin", **fields).explain(START)


@pytest.mark.parametrize(
    ("length", "words"),
    [
        ({"weeks": 1}, "every week of elapsed time"),
        ({"weeks": 3}, "every 3 weeks of elapsed time"),
        ({"weeks": 1, "hours": 1}, "every 7 days 1 hour of elapsed time"),
        ({"minutes": 90}, "every 1 hour 30 minutes of elapsed time"),
        ({"seconds": 1}, "every second of elapsed time"),
        ({"seconds": 2.5}, "every 2.5 seconds of elapsed time"),
    ],
)
def test_lengths_of_time(length: dict, words: str) -> None:
    assert IntervalTrigger(**length, start_date=START, timezone="UTC").explain(START).startswith(words)


def test_limits_and_jitter_are_told() -> None:
    trigger = CronTrigger(
        hour=12, timezone="UTC", start_date="2026-02-01", end_date="2026-03-01 12:00:05", jitter=30
    )
    assert trigger.explain(START) == (
        "at 12:00 every day, UTC, from 1 February 2026 00:00, until 1 March 2026 12:00:05, up to 30 s late"
    )


def test_every_trigger_explains_itself() -> None:
    class Own(BaseTrigger):
        def get_next_fire_time(self, previous_fire_time, now):
            return None

        def __str__(self):
            return "own"

    noon = CronTrigger(hour=12, timezone="UTC")
    assert Own().explain() == "when own says so"
    assert OrTrigger([noon, Own()]).explain() == "at 12:00 every day, UTC; or when own says so"
    assert AndTrigger([noon, OrTrigger([noon, noon])]).explain() == (
        "when all of these agree: at 12:00 every day, UTC; and (at 12:00 every day, UTC; or at 12:00 every day, UTC)"
    )
    assert OrTrigger([]).explain() == "never"
    for trigger in (DateTrigger(START), IntervalTrigger(hours=1, timezone="UTC")):
        assert trigger.explain()
