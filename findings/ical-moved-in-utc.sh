#!/usr/bin/env bash
# ical 14.3.1 (Python, of Home Assistant's calendars): an occurrence that was moved is there twice if its RECURRENCE-ID is in UTC.
#
# RFC 5545, 3.8.4.4: the event with the RECURRENCE-ID stands for that occurrence. Seen: of a rule in UTC the old one, of 2 January, and the moved one, of
# 10 January, are both in the timeline. With TZID, with a floating time and with a date the old one is gone, as it should be.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --quiet --disable-pip-version-check ical==14.3.1 tzdata==2026.6
cat >"$folder/look.py" <<'PY'
import sys
import zoneinfo

from ical.calendar_stream import IcsCalendarStream


def days(kind: str, end: str) -> list[str]:
    event = "BEGIN:VEVENT", "UID:1@example.com", "DTSTAMP:20260101T000000Z"
    lines = (
        *("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//example//EN"),
        *(*event, f"DTSTART{kind}:20260101{end}", "RRULE:FREQ=DAILY;COUNT=3", "END:VEVENT"),
        *(*event, f"RECURRENCE-ID{kind}:20260102{end}", f"DTSTART{kind}:20260110{end}", "END:VEVENT", "END:VCALENDAR", ""),
    )
    calendar = IcsCalendarStream.calendar_from_ics("\r\n".join(lines))
    return [f"{event.dtstart:%d}" for event in calendar.timeline_tz(zoneinfo.ZoneInfo("UTC"))]


cases = {"UTC": ("", "T200000Z"), "TZID": (";TZID=Europe/Berlin", "T200000"), "floating": ("", "T200000"), "date": (";VALUE=DATE", "")}
seen = {name: days(*case) for name, case in cases.items()}
moved = ["01", "03", "10"]
wanted = {"UTC": ["01", "02", "03", "10"], "TZID": moved, "floating": moved, "date": moved}  # expected: the same four times
if seen != wanted:
    print(seen, "instead of", wanted)
sys.exit(seen != wanted)
PY
"$folder/venv/bin/python" "$folder/look.py"
