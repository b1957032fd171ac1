#!/usr/bin/env bash
# periodiq 0.14.0 (cron for Dramatiq): a task for 29 February runs on 1 March in the years without one.
#
# "0 0 29 2 *" is due every fourth year. Seen: from January 2026 on it comes on 1 March 2026, 1 March 2027, 29 February 2028,
# 1 March 2029. "0 0 31 * *" leaves the short months out, as it should.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --quiet --disable-pip-version-check periodiq==0.14.0 pendulum==3.3.0
cat >"$folder/look.py" <<'PY'
import sys

import pendulum
from periodiq import CronSpec


def four(line: str) -> list[str]:
    spec, day, days = CronSpec.parse(line), pendulum.datetime(2026, 1, 1), []
    for _ in range(4):
        day = spec.next_valid_date(day)
        days.append(day.to_date_string())
    return days


wanted = {
    "0 0 29 2 *": ["2026-03-01", "2027-03-01", "2028-02-29", "2029-03-01"],  # expected: 2028-02-29, 2032-02-29, ...
    "0 0 31 * *": ["2026-01-31", "2026-03-31", "2026-05-31", "2026-07-31"],
}
seen = {line: four(line) for line in wanted}
for line in wanted:
    if seen[line] != wanted[line]:
        print(line, "gives", seen[line], "instead of", wanted[line])
sys.exit(seen != wanted)
PY
"$folder/venv/bin/python" "$folder/look.py"
