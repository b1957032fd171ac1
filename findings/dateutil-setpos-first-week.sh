#!/usr/bin/env bash
# python-dateutil 2.9.0.post0, rrule: BYSETPOS of a weekly rule counts the first week from DTSTART, not from its first day.
#
# Weeks begin on WKST (RFC 5545, 3.3.10), Monday here. The first week of a rule that begins on Thursday, 1 January 2026 is 29 December to
# 4 January; "BYDAY=MO,SU;BYSETPOS=1" takes its Monday, which is before DTSTART: the rule's first day is Monday, 5 January.
# Seen: Sunday, 4 January, the second of that week's set; from then on Mondays. With COUNT every later day moves by one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --quiet --disable-pip-version-check python-dateutil==2.9.0.post0
cat >"$folder/look.py" <<'PY'
import sys
from datetime import datetime

from dateutil.rrule import rrulestr

rule = rrulestr("FREQ=WEEKLY;WKST=MO;BYDAY=MO,SU;BYSETPOS=1;COUNT=3", dtstart=datetime(2026, 1, 1, 9))
seen = [f"{day:%a %m-%d}" for day in rule]
wanted = ["Sun 01-04", "Mon 01-05", "Mon 01-12"]  # expected: Mon 01-05, Mon 01-12, Mon 01-19
if seen != wanted:
    print("gives", seen, "instead of", wanted)
sys.exit(seen != wanted)
PY
"$folder/venv/bin/python" "$folder/look.py"
