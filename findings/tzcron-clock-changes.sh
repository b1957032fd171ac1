#!/usr/bin/env bash
# tzcron 1.0.0 (cron schedules "with time zones"): its iterator raises on the days when clocks change.
#
# Seen: a daily schedule at 02:30 in New York ends in NonExistentTimeError at the change in spring, one at 01:30 in
# AmbiguousTimeError in autumn; the schedule can't be taken further from there. (Fields: minute hour day month weekday year.)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check tzcron==1.0.0 pytz==2026.6 python-dateutil==2.9.0.post0
cat >"$folder/look.py" <<'PY'
import sys
from datetime import datetime

import pytz
import tzcron


def third(line: str, start: datetime) -> str:
    schedule = tzcron.Schedule(line, pytz.timezone("America/New_York"), start)
    try:
        for _ in range(3):
            moment = next(schedule)
    except (pytz.NonExistentTimeError, pytz.AmbiguousTimeError) as error:
        return type(error).__name__
    return str(moment)


spring = third("30 2 * * * *", datetime(2026, 3, 6, 12, tzinfo=pytz.utc))
autumn = third("30 1 * * * *", datetime(2026, 10, 30, 12, tzinfo=pytz.utc))
print("spring:", spring)  # NonExistentTimeError
print("autumn:", autumn)  # AmbiguousTimeError
sys.exit((spring, autumn) != ("NonExistentTimeError", "AmbiguousTimeError"))
PY
"$folder/venv/bin/python" "$folder/look.py"
