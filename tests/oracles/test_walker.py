"""The brute-force walker against facts known by hand, and its skips against asking every second."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import zoneinfo
from datetime import date, datetime, time
from pathlib import Path
from random import Random

import pytest

from rapscheduler._fuzz.draw import draw_question
from rapscheduler._fuzz.plain import CalendarInterval, Interval
from rapscheduler._fuzz.schedule import ANY, Field, Schedule, Term, one, span
from rapscheduler._fuzz.walker import Walker, Window, every_second, utc
from rapscheduler._fuzz.zones import DAY, ODD_ZONES, zone_view

pytestmark = pytest.mark.slow

STAR5: Field = (Term("any", step=5),)

# zone, schedule, dst, window of local dates, the fire times in UTC
FACTS = [
    # New York, 9 March 2025: 02:00 to 03:00 does not exist; 2 November: 01:00 to 02:00 comes twice
    ("America/New_York", {"hour": one(2), "minute": one(30)}, "once", "2025-03-08", "2025-03-11",
     ["2025-03-08T07:30", "2025-03-10T06:30"]),
    ("America/New_York", {"hour": one(2), "minute": one(30)}, "shift", "2025-03-08", "2025-03-11",
     ["2025-03-08T07:30", "2025-03-09T07:00", "2025-03-10T06:30"]),
    ("America/New_York", {"hour": one(0)}, "once", "2025-03-09", "2025-03-11",
     ["2025-03-09T05:00", "2025-03-10T04:00"]),
    ("America/New_York", {"hour": one(1), "minute": one(30)}, "once", "2025-11-02", "2025-11-03", ["2025-11-02T05:30"]),
    ("America/New_York", {"hour": one(1), "minute": one(30)}, "both", "2025-11-02", "2025-11-03",
     ["2025-11-02T05:30", "2025-11-02T06:30"]),
    ("America/New_York", {"minute": one(30)}, "once", "2025-11-02", "2025-11-02T05",
     ["2025-11-02T04:30", "2025-11-02T05:30", "2025-11-02T06:30", "2025-11-02T07:30", "2025-11-02T08:30",
      "2025-11-02T09:30"]),
    # Lord Howe: half an hour. 2025-10-05 02:00 becomes 02:30; 2025-04-06 02:00 becomes 01:30
    ("Australia/Lord_Howe", {"hour": one(2), "minute": (Term("range", 0, 0), Term("range", 30, 30))}, "once",
     "2025-10-05", "2025-10-06", ["2025-10-04T15:30"]),
    ("Australia/Lord_Howe", {"hour": one(1), "minute": one(45)}, "once", "2025-04-06", "2025-04-07",
     ["2025-04-05T14:45"]),
    ("Australia/Lord_Howe", {"hour": one(1), "minute": one(45)}, "both", "2025-04-06", "2025-04-07",
     ["2025-04-05T14:45", "2025-04-05T15:15"]),
    # Apia had no 30 December 2011
    ("Pacific/Apia", {"hour": one(12)}, "once", "2011-12-29", "2012-01-01", ["2011-12-29T22:00", "2011-12-30T22:00"]),
    ("Pacific/Apia", {"day": one(30), "hour": one(12)}, "shift", "2011-12-29", "2012-01-01", ["2011-12-30T10:00"]),
    # day=1 in Berlin does fire on 1 April
    ("Europe/Berlin", {"day": one(1)}, "once", "2025-03-01", "2025-05-02",
     ["2025-02-28T23:00", "2025-03-31T22:00", "2025-04-30T22:00"]),
    # Troll: two hours, 2025-03-30 01:00 becomes 03:00
    ("Antarctica/Troll", {"hour": span(1, 3), "minute": one(15)}, "once", "2025-03-30", "2025-03-31",
     ["2025-03-30T01:15"]),
    # far beyond the tables: Berlin, 30 March 7777 is the last Sunday of March
    ("Europe/Berlin", {"hour": one(2)}, "shift", "7777-03-29", "7777-04-01",
     ["7777-03-29T01:00", "7777-03-30T01:00", "7777-03-31T00:00"]),
]  # fmt: skip


def local_s(zone: str, text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone_view(zone).tzinfo).timestamp())


@pytest.mark.parametrize(("zone", "fields", "dst", "begin", "end", "expected"), FACTS)
def test_known_fire_times(zone, fields, dst, begin, end, expected):
    walker = Walker(Schedule(fields), zone_view(zone), dst)
    assert walker.fires(
        local_s(zone, begin), local_s(zone, end) - 1 if "T" not in end else local_s(zone, end)
    ) == [utc(text) for text in expected]


@pytest.mark.parametrize("seed", range(12))
def test_skipping_days_loses_nothing(seed):
    """Around a transition, the walker gives what asking every second gives."""
    random = Random(seed)
    question = draw_question(
        random, random.choice(["Australia/Lord_Howe", "Antarctica/Troll", "Africa/Casablanca"])
    )
    middle = random.choice(question.view.transitions())
    walker = Walker(question.schedule, question.view, question.dst)
    lo_s, hi_s = middle - 8000, middle + 8000
    assert walker.fires(lo_s, hi_s) == every_second(
        question.schedule, question.view, question.dst, lo_s, hi_s
    )


DATES = [
    (Schedule({"day": (Term("last"),)}), "2024-02-29", True),
    (Schedule({"day": (Term("nth", 5, 0),)}), "2025-03-31", True),
    (Schedule({"day": (Term("last_weekday", 0, 4),)}), "2025-03-28", True),
    (Schedule({"day": (Term("last_weekday", 0, 4),)}), "2025-03-21", False),
    (Schedule({"week": one(1)}), "2024-12-30", True),
    (Schedule({"day": one(13), "day_of_week": one(4)}), "2025-06-13", True),
    (Schedule({"day": one(13), "day_of_week": one(4)}), "2025-06-20", False),
    (Schedule({"minute": one(0), "hour": one(0), "day": one(13), "month": ANY, "day_of_week": one(5)}, "vixie"),
     "2025-06-20", True),
    (Schedule({"day": (Term("any", step=2),), "month": ANY, "day_of_week": one(5)}, "vixie"),
     "2025-06-20", False),
    (Schedule({"day_of_week": span(5, 1)}, "vixie"), "2025-06-22", True),
    (Schedule({"day_of_week": span(5, 7)}, "vixie"), "2025-06-22", True),
    (Schedule({"day_of_week": one(1), "day": (Term("none"),)}, "quartz"), "2025-06-22", True),
    (Schedule({"day": (Term("near", 1),)}, "quartz"), "2025-06-02", True),
    (Schedule({"day": (Term("near", 31),)}, "quartz"), "2025-08-29", True),
    (Schedule({"day": (Term("near", 31),)}, "quartz"), "2025-06-30", False),
    (Schedule({"day": (Term("last_workday"),)}, "quartz"), "2025-08-29", True),
    (Schedule({"day": (Term("last", 2),)}, "quartz"), "2025-02-26", True),
]  # fmt: skip


@pytest.mark.parametrize(("schedule", "day", "expected"), DATES)
def test_dates_that_match(schedule, day, expected):
    assert schedule.on_date(date.fromisoformat(day)) is expected


TEXTS = [
    (Schedule({"minute": STAR5, "hour": span(22, 2)}, "vixie"), "*/5 22-2 * * *"),
    (Schedule({"day_of_week": (Term("range", 5, 1, named=True),)}, "vixie"), "* * * * fri-mon"),
    (
        Schedule(
            {
                "second": one(0),
                "minute": (Term("range", 5, 5, 10, open=True),),
                "day_of_week": (Term("none"),),
            },
            "quartz",
        ),
        "0 5/10 * * * ?",
    ),
    (Schedule({"day": (Term("none"),), "day_of_week": (Term("nth", 3, 4),)}, "quartz"), "* * * ? * 6#3"),
    (
        Schedule({"month": (Term("range", 1, 6, 2, named=True),), "day": (Term("nth", 2, 1),)}),
        "jan-jun/2 2nd tue",
    ),
]


@pytest.mark.parametrize(("schedule", "text"), TEXTS)
def test_texts(schedule, text):
    if schedule.dialect == "fields":
        assert " ".join(schedule.arguments().values()) == text
    else:
        assert schedule.expression() == text


def test_unset_fields():
    """Below the lowest set field the minimum, above it ``*``."""
    assert Schedule({"month": one(3)}).times() == ([0], [0], [0])
    assert len(Schedule({"minute": one(3)}).times()[0]) == 24
    assert Schedule({"day": ANY}).rhythm is False
    assert Schedule({"minute": one(3)}).rhythm is True


def test_window_answers():
    window = Window([10, 20, 30], 0, 40, 11_000_000, 30_000_000)
    assert window.fires == [20_000_000, 30_000_000]
    assert window.next(None, 0) == 20_000_000
    assert window.next(20_000_000, 20_000_000) == 30_000_000
    assert window.next(30_000_000, 20_000_000) == 20_000_000, "an earlier now wins"
    assert window.next(None, 30_000_001) is None
    assert window.before(20_000_000) is None
    assert Window([10], 0, 40, None, None).next(None, 11_000_000) == Window.UNKNOWN


def test_plain_interval():
    rule = Interval(7, 100, 200)
    assert [rule.next(None, now) for now in (0, 100, 101, 107, 197, 201)] == [100, 100, 107, 107, 198, None]
    assert (rule.next(103, 0), rule.latest(103, 150), rule.before(100), rule.before(108)) == (
        110,
        145,
        None,
        107,
    )


def test_plain_calendar_interval():
    rule = CalendarInterval(0, 1, 0, 0, time(2, 30), date(2025, 1, 30), None, "Europe/Berlin")
    view = zone_view(rule.zone)
    chain = rule.chain(view, rule.start)
    days = [view.local(next(chain) // 1_000_000).date().isoformat() for _ in range(3)]
    assert days == ["2025-01-30", "2025-04-30", "2025-05-30"], "no 30 February; 30 March 02:30 does not exist"


@pytest.mark.skipif(shutil.which("zdump") is None, reason="zdump is not installed")
@pytest.mark.parametrize("key", ODD_ZONES[:12])
def test_pieces_miss_no_transition(key):
    """The ranges that the walker reads off ``zoneinfo`` change exactly where ``zdump`` says that the offset
    changes.
    """
    path = next((Path(root, key) for root in zoneinfo.TZPATH if Path(root, key).exists()), None)
    if path is None:
        pytest.skip(f"{key} is not in the system's tz database")
    lines = subprocess.run(
        ["zdump", "-v", "-c", "1970,2050", str(path)], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split() for line in lines.splitlines() if "gmtoff=" in line]
    told = [(parsed_s(row), int(row[-1].removeprefix("gmtoff="))) for row in rows]
    changes = [
        b
        for a, b in itertools.pairwise(told)
        if b[0] == a[0] + 1 and a[1] != b[1] and utc("1970-01-03") < b[0]
    ]
    view = zone_view(key)
    for instant, offset in changes:
        pieces = view.pieces((instant - 1) // DAY) + view.pieces(instant // DAY)
        assert any(hi == instant and before != offset for _, hi, before in pieces)
        assert any(lo == instant and after == offset for lo, _, after in pieces)
    days = {instant // DAY for instant, _ in changes}
    calm = [day for day in range(utc("1970-01-03") // DAY, utc("2049-12-30") // DAY, 3) if day not in days]
    assert all(len(view.pieces(day)) == 1 for day in calm)


def parsed_s(row: list[str]) -> int:
    """The instant of one line of ``zdump -v``: ``path Sun Mar 9 07:00:00 2025 UT = …``."""
    return int(datetime.strptime(" ".join(row[2:6]) + " +0000", "%b %d %H:%M:%S %Y %z").timestamp())
