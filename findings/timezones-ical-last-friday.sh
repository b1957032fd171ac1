#!/usr/bin/env bash
# npm's timezones-ical-library 2.3.2: its VTIMEZONE blocks put the clock changes of Cairo, Gaza and Santiago a week off in some years.
#
# A change "on the last Thursday of October at 24:00" (Egypt) is on the Friday after, which may be 1 November; the block says the last Friday of
# October. Gaza's is the last Saturday up to the 30th, not the last one; Santiago's the first Sunday from the 2nd on, not the first one (tz database).
# Seen (read with ical.js 2.2.1): Cairo has +02:00 on 28 October 2024, Gaza +03:00 on 28 October 2026, Santiago -03:00 on 4 September
# 2024, -04:00 on 4 April 2029, each an hour off for a week. A week later, and in years without such a day, they are right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --prefix "$folder" --silent --no-audit --no-fund --save-exact timezones-ical-library@2.3.2 ical.js@2.2.1
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --quiet --disable-pip-version-check tzdata==2026.6
cat >"$folder/look.mjs" <<'JS'
import ICAL from 'ical.js';
import { tzlib_get_ical_block } from 'timezones-ical-library';

for (const line of process.argv.slice(2)) {
  const [name, noon] = line.split(' ');
  const calendar = ICAL.parse(`BEGIN:VCALENDAR\r\n${tzlib_get_ical_block(name)[0]}\r\nEND:VCALENDAR`);
  const zone = new ICAL.Timezone(new ICAL.Component(calendar).getFirstSubcomponent('vtimezone'));
  console.log(`${line} ${zone.utcOffset(ICAL.Time.fromDateTimeString(`${noon}T12:00:00`)) / 3600}`);
}
JS
cat >"$folder/look.py" <<'PY'
import subprocess
import sys
import zoneinfo
from datetime import datetime, timedelta

zoneinfo.reset_tzpath([])  # tzdata's files, not the machine's
wanted = {  # noon of a day: the block's offset and the zone's
    "Africa/Cairo 2024-10-28": (2, 3),
    "Asia/Gaza 2026-10-28": (3, 2),
    "America/Santiago 2024-09-04": (-3, -4),
    "America/Santiago 2029-04-04": (-4, -3),
    "Africa/Cairo 2024-11-04": (2, 2),
    "Africa/Cairo 2025-10-29": (3, 3),
    "Asia/Gaza 2026-11-04": (2, 2),
    "America/Santiago 2024-09-11": (-3, -3),
}
answer = subprocess.run(["node", "look.mjs", *wanted], capture_output=True, check=True, text=True, cwd=sys.argv[1]).stdout
seen = {}
for line in answer.splitlines():
    name, day, hours = line.split()
    there = datetime.fromisoformat(day + "T12:00:00").replace(tzinfo=zoneinfo.ZoneInfo(name))
    seen[f"{name} {day}"] = (int(hours), there.utcoffset() // timedelta(hours=1))
if seen != wanted:
    print(seen, "instead of", wanted)
sys.exit(seen != wanted)
PY
"$folder/venv/bin/python" "$folder/look.py" "$folder"
