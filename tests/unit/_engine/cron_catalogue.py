"""The catalogue of zone changes, as data: zone, fields, local time asked from, the fire times that must follow.

Gaps and folds of every size at every time of day; each was worked out by hand from the rule of the zone.
"""

from __future__ import annotations

from typing import Any

ALL_HOURS, ALL_MINUTES, ALL_DAYS = list(range(24)), list(range(60)), list(range(1, 32))
DAILY = {"minute": 0, "hour": 0}

CATALOGUE: dict[str, tuple[str, dict[str, Any], str, list[str]]] = {
    "New York, midnight after the gap": (
        "America/New_York",
        {"minute": 0, "hour": 0},
        "2025-03-09T00:00:01",
        ["2025-03-10T00:00:00-04:00", "2025-03-11T00:00:00-04:00"],
    ),
    "Berlin, Monday after the gap": (
        "Europe/Berlin",
        {**DAILY, "weekday": 0},
        "2025-03-25",
        ["2025-03-31T00:00:00+02:00", "2025-04-07T00:00:00+02:00"],
    ),
    "Berlin, 1 April": (
        "Europe/Berlin",
        {**DAILY, "day": 1},
        "2025-03-02",
        ["2025-04-01T00:00:00+02:00", "2025-05-01T00:00:00+02:00"],
    ),
    "Auckland, January asked in winter": (
        "Pacific/Auckland",
        {**DAILY, "day": 1, "month": 1},
        "2025-07-01",
        ["2026-01-01T00:00:00+13:00", "2027-01-01T00:00:00+13:00"],
    ),
    "Lord Howe, in the gap of 30 minutes": (
        "Australia/Lord_Howe",
        {"minute": 15, "hour": 2},
        "2025-10-04",
        ["2025-10-04T02:15:00+10:30", "2025-10-06T02:15:00+11:00"],
    ),
    "Lord Howe, shifted by 15 minutes": (
        "Australia/Lord_Howe",
        {"minute": 15, "hour": 2, "dst": "shift"},
        "2025-10-04",
        ["2025-10-04T02:15:00+10:30", "2025-10-05T02:30:00+11:00", "2025-10-06T02:15:00+11:00"],
    ),
    "Lord Howe, once in the fold of 30 minutes": (
        "Australia/Lord_Howe",
        {"minute": 45, "hour": 1},
        "2025-04-05T12:00",
        ["2025-04-06T01:45:00+11:00", "2025-04-07T01:45:00+10:30"],
    ),
    "Lord Howe, both passes": (
        "Australia/Lord_Howe",
        {"minute": 45, "hour": 1, "dst": "both"},
        "2025-04-05T12:00",
        ["2025-04-06T01:45:00+11:00", "2025-04-06T01:45:00+10:30", "2025-04-07T01:45:00+10:30"],
    ),
    "Troll, two skipped hours": (
        "Antarctica/Troll",
        {"minute": 30, "hour": [0, 1, 2, 3]},
        "2025-03-30T00:30",
        ["2025-03-30T00:30:00+00:00", "2025-03-30T03:30:00+02:00", "2025-03-31T00:30:00+02:00"],
    ),
    "Troll, two skipped matches shift to one": (
        "Antarctica/Troll",
        {"minute": 30, "hour": [1, 2], "dst": "shift"},
        "2025-03-30",
        ["2025-03-30T03:00:00+02:00", "2025-03-31T01:30:00+02:00"],
    ),
    "Troll, the instant after the gap matches itself": (
        "Antarctica/Troll",
        {"minute": 0, "hour": [1, 3], "dst": "shift"},
        "2025-03-30",
        ["2025-03-30T03:00:00+02:00", "2025-03-31T01:00:00+02:00"],
    ),
    "Chatham, gap at 02:45": (
        "Pacific/Chatham",
        {"minute": [0, 45], "hour": 3},
        "2025-09-28",
        ["2025-09-28T03:45:00+13:45", "2025-09-29T03:00:00+13:45"],
    ),
    "Chatham, fold at 03:45": (
        "Pacific/Chatham",
        {"minute": [0, 45], "hour": 3},
        "2025-04-06",
        ["2025-04-06T03:00:00+13:45", "2025-04-06T03:45:00+12:45", "2025-04-07T03:00:00+12:45"],
    ),
    "St John's, gap one minute past midnight": (
        "America/St_Johns",
        {"minute": [0, 30], "hour": 0},
        "2010-03-13T12:00",
        ["2010-03-14T00:00:00-03:30", "2010-03-15T00:00:00-02:30", "2010-03-15T00:30:00-02:30"],
    ),
    "St John's, fold back into the day before": (
        "America/St_Johns",
        {"minute": [0, 30], "hour": [0, 23]},
        "2010-11-06T23:00",
        [
            "2010-11-06T23:00:00-02:30",
            "2010-11-06T23:30:00-02:30",
            "2010-11-07T00:00:00-02:30",
            "2010-11-07T00:30:00-03:30",
            "2010-11-07T23:00:00-03:30",
        ],
    ),
    "Apia, the missing 30 December": (
        "Pacific/Apia",
        {"minute": 0, "hour": 9},
        "2011-12-29",
        ["2011-12-29T09:00:00-10:00", "2011-12-31T09:00:00+14:00"],
    ),
    "Apia, the missing day shifted": (
        "Pacific/Apia",
        {"minute": 0, "hour": 9, "dst": "shift"},
        "2011-12-29",
        ["2011-12-29T09:00:00-10:00", "2011-12-31T00:00:00+14:00", "2011-12-31T09:00:00+14:00"],
    ),
    "Apia, 30 December by name": (
        "Pacific/Apia",
        {**DAILY, "day": 30, "month": 12},
        "2010-12-01",
        ["2010-12-30T00:00:00-10:00", "2012-12-30T00:00:00+14:00"],
    ),
    "Apia, a rhythm does not fire on the missing day": (
        "Pacific/Apia",
        {"minute": 0, "hour": ALL_HOURS, "weekday": 4, "rhythm": True},
        "2011-12-24",
        ["2012-01-06T00:00:00+14:00"],
    ),
    "Kwajalein, a day that came twice": (
        "Pacific/Kwajalein",
        {"minute": 0, "hour": 12},
        "1969-09-29",
        ["1969-09-29T12:00:00+11:00", "1969-09-30T12:00:00+11:00", "1969-10-01T12:00:00-12:00"],
    ),
    "Caracas, fold of half an hour": (
        "America/Caracas",
        {"minute": 45, "hour": 2},
        "2007-12-08T12:00",
        ["2007-12-09T02:45:00-04:00", "2007-12-10T02:45:00-04:30"],
    ),
    "Caracas, gap of half an hour": (
        "America/Caracas",
        {"minute": 45, "hour": 2},
        "2016-04-30",
        ["2016-04-30T02:45:00-04:30", "2016-05-02T02:45:00-04:00"],
    ),
    "Pyongyang, fold to the evening before": (
        "Asia/Pyongyang",
        {"minute": 45, "hour": 23},
        "2015-08-14",
        ["2015-08-14T23:45:00+09:00", "2015-08-15T23:45:00+08:30"],
    ),
    "Pyongyang, gap up to midnight": (
        "Asia/Pyongyang",
        {"minute": 45, "hour": 23},
        "2018-05-03T12:00",
        ["2018-05-03T23:45:00+08:30", "2018-05-05T23:45:00+09:00"],
    ),
    "Pyongyang, shifted over midnight": (
        "Asia/Pyongyang",
        {"minute": 45, "hour": 23, "dst": "shift"},
        "2018-05-03T12:00",
        ["2018-05-03T23:45:00+08:30", "2018-05-05T00:00:00+09:00", "2018-05-05T23:45:00+09:00"],
    ),
    "Casablanca, after Ramadan": (
        "Africa/Casablanca",
        {"minute": 30, "hour": 2},
        "2025-04-05",
        ["2025-04-05T02:30:00+00:00", "2025-04-07T02:30:00+01:00"],
    ),
    "Casablanca, before Ramadan": (
        "Africa/Casablanca",
        {"minute": 30, "hour": 2},
        "2025-02-22",
        ["2025-02-22T02:30:00+01:00", "2025-02-23T02:30:00+01:00", "2025-02-24T02:30:00+00:00"],
    ),
    "Sao Paulo, gap at midnight does not fire on the next day": (
        "America/Sao_Paulo",
        {"minute": 0, "hour": ALL_HOURS, "weekday": 5, "rhythm": True},
        "2018-11-03T23:00",
        ["2018-11-03T23:00:00-03:00", "2018-11-10T00:00:00-02:00"],
    ),
    "Berlin, the rule goes on in the year 2999": (
        "Europe/Berlin",
        {"minute": 30, "hour": 2, "dst": "shift"},
        "2999-03-30",
        ["2999-03-30T02:30:00+01:00", "2999-03-31T03:00:00+02:00", "2999-04-01T02:30:00+02:00"],
    ),
    "Berlin, a rhythm keeps on through the fold": (
        "Europe/Berlin",
        {"minute": [0, 30], "hour": ALL_HOURS, "rhythm": True},
        "2025-10-26T02:00",
        [
            "2025-10-26T02:00:00+02:00",
            "2025-10-26T02:30:00+02:00",
            "2025-10-26T02:00:00+01:00",
            "2025-10-26T02:30:00+01:00",
            "2025-10-26T03:00:00+01:00",
        ],
    ),
    "Berlin, times of day come once in the fold": (
        "Europe/Berlin",
        {"minute": [0, 30], "hour": [2, 3]},
        "2025-10-26T02:00",
        ["2025-10-26T02:00:00+02:00", "2025-10-26T02:30:00+02:00", "2025-10-26T03:00:00+01:00"],
    ),
}
