#!/usr/bin/env bash
# rq-scheduler 0.14.0: use_local_timezone changes nothing, cron strings always are of the machine's zone.
#
# Its README explains the option of cron() by "Interpret hours in the local timezone", False unless asked, and wants UTC everywhere else. Seen on
# a machine of New York, for "0 9 1 1 *": 14:00 UTC both ways, which is nine o'clock there; without the option nine in UTC was asked for.
# Only the zone that the same instant is shown in differs.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --quiet --disable-pip-version-check rq-scheduler==0.14.0 rq==3.0.0 crontab==1.0.5 tzdata==2026.6
cat >"$folder/look.py" <<'PY'
import sys
import warnings
from datetime import timezone

from rq_scheduler.utils import get_next_scheduled_time

warnings.simplefilter("ignore")
seen = [f"{get_next_scheduled_time('0 9 1 1 *', local).astimezone(timezone.utc):%H:%M}" for local in (False, True)]
wanted = ["14:00", "14:00"]  # expected: 09:00, 14:00
if seen != wanted:
    print("gives", seen, "instead of", wanted)
sys.exit(seen != wanted)
PY
TZ=America/New_York "$folder/venv/bin/python" "$folder/look.py"
