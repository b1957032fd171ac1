#!/usr/bin/env bash
# An event with RDATE and no RRULE: of five iCalendar engines one has its three dates.
#
# RFC 5545, 3.8.5.2: RDATE adds to the recurrence set, DTSTART is the first one of it. An event of 1 January with RDATEs of the 5th and 7th is on three days.
# Seen: ical 14.3.1 (Python) and ical.js 2.2.1 (npm) leave out the 1st; icalevents 0.3.1 (Python) and node-ical 0.27.2 (npm) have only the
# 1st, without a word. recurring-ical-events 3.8.2 has all three.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --prefix "$folder" --silent --no-audit --no-fund --save-exact ical.js@2.2.1 node-ical@0.27.2
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --quiet --disable-pip-version-check \
  ical==14.3.1 icalevents==0.3.1 recurring-ical-events==3.8.2 icalendar==7.3.2 tzdata==2026.6
cat >"$folder/event.ics" <<'ICS'
BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//example//EN
BEGIN:VEVENT
UID:1@example.com
DTSTAMP:20260101T000000Z
SUMMARY:three times
DTSTART:20260101T200000Z
DURATION:PT1H
RDATE:20260105T200000Z,20260107T200000Z
END:VEVENT
END:VCALENDAR
ICS
sed -i 's/$/\r/' "$folder/event.ics"
cat >"$folder/look.mjs" <<'JS'
import { readFileSync } from 'node:fs';
import ICAL from 'ical.js';
import nodeIcal from 'node-ical';

const text = readFileSync('event.ics', 'utf8');
const days = [];
const dates = new ICAL.Event(new ICAL.Component(ICAL.parse(text)).getFirstSubcomponent('vevent')).iterator();
for (let date; (date = dates.next()); ) days.push(date.day);
console.log(`ical.js ${days}`);

const window = { from: new Date('2026-01-01'), to: new Date('2026-02-01') };
const event = Object.values(nodeIcal.sync.parseICS(text)).find((part) => part.type === 'VEVENT');
console.log(`node-ical ${nodeIcal.expandRecurringEvent(event, window).map((one) => one.start.getUTCDate())}`);
JS
cat >"$folder/look.py" <<'PY'
import pathlib
import subprocess
import sys
import warnings
from datetime import datetime, timezone

import icalendar
import recurring_ical_events
from ical.calendar_stream import IcsCalendarStream
from icalevents.icalparser import parse_events

warnings.simplefilter("ignore")
text = pathlib.Path(sys.argv[1], "event.ics").read_bytes().decode()
window = datetime(2026, 1, 1, tzinfo=timezone.utc), datetime(2026, 2, 1, tzinfo=timezone.utc)
answer = subprocess.run(["node", "look.mjs"], capture_output=True, check=True, text=True, cwd=sys.argv[1]).stdout
seen = {line.split()[0]: [int(day) for day in line.split()[1].split(",")] for line in answer.splitlines()}
seen["ical"] = sorted(event.dtstart.day for event in IcsCalendarStream.calendar_from_ics(text).timeline.overlapping(*window))
seen["icalevents"] = sorted(event.start.day for event in parse_events(text, *window))
seen["recurring-ical-events"] = sorted(
    event["DTSTART"].dt.day for event in recurring_ical_events.of(icalendar.Calendar.from_ical(text)).between(*window)
)
wanted = {  # expected: [1, 5, 7] of all
    "ical": [5, 7],
    "ical.js": [5, 7],
    "icalevents": [1],
    "node-ical": [1],
    "recurring-ical-events": [1, 5, 7],
}
if seen != wanted:
    print(seen, "instead of", wanted)
sys.exit(seen != wanted)
PY
TZ=UTC "$folder/venv/bin/python" "$folder/look.py" "$folder"
