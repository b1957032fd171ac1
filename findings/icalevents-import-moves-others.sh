#!/usr/bin/env bash
# Importing icalevents 0.3.1 changes what recurring-ical-events 3.8.2 answers in the same program.
#
# icalevents tells icalendar 7.3.2, at import and for everybody, to make its zones with pytz. RFC 5545, 3.3.5: a time that comes twice is the first one.
# Seen, of a daily event at 02:30 in Berlin: 25 October is at 00:30 UTC, after the import, with nothing of icalevents used, at 01:30 UTC.
# P1D from noon over 29 March, a nominal day (3.8.5.3), ends at noon, and then at 13:00.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --quiet --disable-pip-version-check \
  icalevents==0.3.1 recurring-ical-events==3.8.2 icalendar==7.3.2 tzdata==2026.6
cat >"$folder/look.py" <<'PY'
import importlib
import sys
from datetime import datetime, timezone

import icalendar
import recurring_ical_events


def times(first: str, duration: str, key: str) -> list[str]:
    lines = (
        *("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//example//EN", "BEGIN:VEVENT", "UID:1@example.com", "DTSTAMP:20260101T000000Z"),
        *(f"DTSTART;TZID=Europe/Berlin:{first}", f"DURATION:{duration}", "RRULE:FREQ=DAILY;COUNT=3", "END:VEVENT", "END:VCALENDAR", ""),
    )
    calendar = icalendar.Calendar.from_ical("\r\n".join(lines))
    window = datetime(2026, 1, 1, tzinfo=timezone.utc), datetime(2027, 1, 1, tzinfo=timezone.utc)
    found = [event[key].dt.astimezone(timezone.utc) for event in recurring_ical_events.of(calendar).between(*window)]
    return [f"{time:%d %H:%M}" for time in sorted(found)]


def look() -> list[list[str]]:
    return [times("20261024T023000", "PT1H", "DTSTART"), times("20260327T120000", "P1D", "DTEND")]


before = look()
importlib.import_module("icalevents.icalevents")
seen = before, look()
wanted = (
    [["24 00:30", "25 00:30", "26 01:30"], ["28 11:00", "29 10:00", "30 10:00"]],
    [["24 00:30", "25 01:30", "26 01:30"], ["28 11:00", "29 11:00", "30 10:00"]],  # expected: as before
)
if seen != wanted:
    print(seen, "instead of", wanted)
sys.exit(seen != wanted)
PY
"$folder/venv/bin/python" "$folder/look.py"
