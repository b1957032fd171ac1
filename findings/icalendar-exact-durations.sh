#!/usr/bin/env bash
# icalendar 7.3.2 writes PT24H back as P1D, which is another duration, and ends an event of PT24H after 25 hours.
#
# RFC 5545, 3.3.6 and 3.8.2.5: days and weeks are of the calendar, hours, minutes and seconds are exact. An event of 24 hours from noon on the
# day before New York's clocks go back ends at 11:00; an alarm 24 hours before something is not one "a day" before.
# Seen: its end is noon, 25 hours on, and to_ical() has DURATION:P1D and TRIGGER:-P1D: a calendar that is only read and written changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --quiet --disable-pip-version-check icalendar==7.3.2 tzdata==2026.6
cat >"$folder/look.py" <<'PY'
import sys
from datetime import timezone

from icalendar import Calendar

lines = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//example//example//EN
BEGIN:VEVENT
UID:1@example.org
DTSTAMP:20260101T000000Z
DTSTART;TZID=America/New_York:20261031T120000
DURATION:PT24H
BEGIN:VALARM
ACTION:DISPLAY
DESCRIPTION:soon
TRIGGER:-PT24H
END:VALARM
END:VEVENT
END:VCALENDAR
"""
calendar = Calendar.from_ical(lines.replace("\n", "\r\n"))
event = calendar.events[0]
seen = [line for line in calendar.to_ical().decode().splitlines() if line.startswith(("DURATION", "TRIGGER"))]
seen.append(str(event.end.astimezone(timezone.utc) - event.start.astimezone(timezone.utc)))
wanted = ["DURATION:P1D", "TRIGGER:-P1D", "1 day, 1:00:00"]  # expected: DURATION:PT24H, TRIGGER:-PT24H, 1 day, 0:00:00
if seen != wanted:
    print("gives", seen, "instead of", wanted)
sys.exit(seen != wanted)
PY
"$folder/venv/bin/python" "$folder/look.py"
