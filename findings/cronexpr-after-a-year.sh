#!/usr/bin/env bash
# cronexpr 0.30.0 (Python, supertinycron in C): where the next day is more than a year off it answers with midnight of a day that the line
# does not name.
#
# Day and weekday must both match there. Seen: "0 12 13 * 5", Friday the 13th at noon, goes from 13 August 2027 to Monday, 14 August 2028 at midnight, and
# only then to 13 October 2028; "0 0 31 * 0" (Sunday the 31st) from 31 October 2027 to Wednesday, 1 November 2028. Nearer ones are right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --quiet --disable-pip-version-check cronexpr==0.30.0
cat >"$folder/look.py" <<'PY'
import sys
from datetime import datetime, timezone

import cronexpr

cases = (
    ("0 0 12 13 * 5", (2027, 8, 13, 12), "Mon 2028-08-14 00:00"),  # expected: Fri 2028-10-13 12:00
    ("0 0 0 31 * 0", (2027, 10, 31), "Wed 2028-11-01 00:00"),  # expected: Sun 2028-12-31 00:00
    ("0 0 12 13 * 5", (2026, 11, 13, 12), "Fri 2027-08-13 12:00"),
    ("0 0 12 29 2 *", (2028, 2, 29, 12), "Sun 2032-02-29 12:00"),
)
failed = False
for line, last, wanted in cases:
    seen = f"{cronexpr.next_fire(line, datetime(*last, tzinfo=timezone.utc)):%a %Y-%m-%d %H:%M}"
    if seen != wanted:
        failed = True
        print(line, last, "gives", seen, "instead of", wanted)
sys.exit(failed)
PY
"$folder/venv/bin/python" "$folder/look.py"
