#!/usr/bin/env bash
# python-dateutil 2.9.0.post0, rrule: weekdays with and without a number in one BYDAY are never met together.
#
# BYDAY is a list, each of its values adds days (RFC 5545, 3.3.10): "FR,1MO" by month is every Friday and the first Monday.
# Seen: "FREQ=MONTHLY;BYDAY=FR" and "FREQ=MONTHLY;BYDAY=1MO" give their days, "FREQ=MONTHLY;BYDAY=FR,1MO" none at all, silently:
# a day has to be both. "FR,1FR" gives first Fridays only.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --quiet --disable-pip-version-check python-dateutil==2.9.0.post0
cat >"$folder/look.py" <<'PY'
import sys
from datetime import datetime

from dateutil.rrule import rrulestr


def days(rule: str) -> list[str]:
    return [f"{day:%m-%d}" for day in rrulestr(f"{rule};UNTIL=20260131T235959", dtstart=datetime(2026, 1, 1, 9))]


wanted = {
    "FREQ=MONTHLY;BYDAY=FR": ["01-02", "01-09", "01-16", "01-23", "01-30"],
    "FREQ=MONTHLY;BYDAY=1MO": ["01-05"],
    "FREQ=MONTHLY;BYDAY=FR,1MO": [],  # expected: the six days of the two above
    "FREQ=MONTHLY;BYDAY=FR,1FR": ["01-02"],  # expected: the five Fridays
}
seen = {rule: days(rule) for rule in wanted}
for rule in wanted:
    if seen[rule] != wanted[rule]:
        print(rule, "gives", seen[rule], "instead of", wanted[rule])
sys.exit(seen != wanted)
PY
"$folder/venv/bin/python" "$folder/look.py"
