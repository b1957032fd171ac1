#!/usr/bin/env bash
# pyawscron 1.0.7 (schedules of AWS EventBridge): a schedule on day 31 raises as soon as its search comes to a month without one.
#
# Expected: the next 31st (31 December), as EventBridge gives it: months without that day are left out.
# Seen: ValueError: day is out of range for month.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check pyawscron==1.0.7 python-dateutil==2.9.0.post0
cat >"$folder/look.py" <<'PY'
import sys
from datetime import datetime, timezone

from pyawscron import AWSCron

cron = "0 0 31 * ? *"  # minute hour day month weekday year
october = AWSCron.get_next_n_schedule(1, datetime(2026, 10, 1, tzinfo=timezone.utc), cron)
print("from 1 October: ", october[0])  # 2026-10-31 00:00:00+00:00
try:
    november = AWSCron.get_next_n_schedule(1, datetime(2026, 11, 1, tzinfo=timezone.utc), cron)
    seen = str(november[0])
except ValueError as error:
    seen = f"ValueError: {error}"
print("from 1 November:", seen)  # ValueError: day is out of range for month
sys.exit(seen != "ValueError: day is out of range for month")
PY
"$folder/venv/bin/python" "$folder/look.py"
