#!/usr/bin/env bash
# polars 2.1.0: a time that a calendar day or month brings into a gap goes back an hour, so that midnights land on the day before.
#
# offset_by() says that it follows RFC 5545, where a time that does not exist is read with the offset from before the gap (3.3.5): 02:30 of 29 March
# 2026 in Berlin is 03:30. Seen: 01:30, from offset_by("1d") and in datetime_range(). Days of a range in Santiago, where the clocks go forward at midnight:
# 5 September, 5 September at 23:00, 7 September; counted by date, one day is there twice and one is missing. replace_time_zone() raises on such a time.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --quiet --disable-pip-version-check polars==2.1.0 tzdata==2026.6
cat >"$folder/look.py" <<'PY'
import sys
from datetime import datetime

import polars


def days(start: datetime, end: datetime, zone: str, step: str = "1d") -> list[str]:
    found = polars.datetime_range(start, end, step, time_zone=zone, eager=True)
    return [moment.strftime("%m-%d %H:%M") for moment in found]


before = polars.Series([datetime(2026, 3, 28, 2, 30)]).dt.replace_time_zone("Europe/Berlin")
try:
    polars.Series([datetime(2026, 3, 29, 2, 30)]).dt.replace_time_zone("Europe/Berlin")
    raised = False
except polars.exceptions.ComputeError:
    raised = True
seen = {
    "offset": [moment.strftime("%m-%d %H:%M") for moment in before.dt.offset_by("1d")],
    "nights": days(datetime(2026, 3, 28, 2, 30), datetime(2026, 3, 30, 2, 30), "Europe/Berlin"),
    "months": days(datetime(2026, 1, 29, 2, 30), datetime(2026, 4, 29, 2, 30), "Europe/Berlin", "1mo"),
    "midnights": days(datetime(2026, 9, 5), datetime(2026, 9, 7), "America/Santiago"),
    "raised": raised,
}
wanted = {
    "offset": ["03-29 01:30"],  # expected: 03-29 03:30
    "nights": ["03-28 02:30", "03-29 01:30", "03-30 02:30"],  # expected: 03-29 03:30
    "months": ["01-29 02:30", "02-28 02:30", "03-29 01:30", "04-29 02:30"],  # expected: 03-29 03:30
    "midnights": ["09-05 00:00", "09-05 23:00", "09-07 00:00"],  # expected: 09-06 01:00
    "raised": True,
}
for name in wanted:
    if seen[name] != wanted[name]:
        print(name, "gives", seen[name], "instead of", wanted[name])
sys.exit(seen != wanted)
PY
"$folder/venv/bin/python" "$folder/look.py"
