#!/usr/bin/env bash
# arq 0.28.0, next_cron() with an aware datetime on the day the clocks go back, and forward.
#
# Seen: from 01:30 EDT an hourly cron (minute 0) goes to 02:00 EST: the run at 01:00 EST is left out, ninety
# minutes of real time pass; in spring it answers 02:30, a wall time that does not exist that day. Both stay silent.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check arq==0.28.0
cat >"$folder/look.py" <<'PY'
import sys
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

from arq.cron import next_cron

zone = ZoneInfo("America/New_York")
start = datetime(2026, 11, 1, 1, 30, tzinfo=zone)  # the first pass, EDT
hourly = next_cron(start, minute=0, second=0, microsecond=0)
waited = hourly.astimezone(timezone.utc) - start.astimezone(timezone.utc)
print("hourly, from 01:30 EDT:", hourly, "after", waited)  # 2026-11-01 02:00:00-05:00 after 1:30:00
spring = next_cron(datetime(2026, 3, 8, 1, 0, tzinfo=zone), hour=2, minute=30, second=0, microsecond=0)
exists = spring.astimezone(timezone.utc).astimezone(zone).replace(fold=0) == spring.replace(fold=0)
print("02:30 in spring:", spring, "exists:", exists)  # 2026-03-08 02:30:00-05:00 exists: False
sys.exit(not (str(waited) == "1:30:00" and str(spring) == "2026-03-08 02:30:00-05:00"))
PY
"$folder/venv/bin/python" "$folder/look.py"
