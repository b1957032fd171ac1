#!/usr/bin/env bash
# arrow 1.4.0, Arrow.range: one night of changing clocks moves all days after it.
#
# A daily range from 7 March 2026, 02:30, New York meets a time that does not exist on the 8th. shift(days=n) moves that one day to 03:30.
# Seen: range("day") gives 03:30 for the 8th and for every day after, although it counts days from the start (a range by months comes
# back to its 31st). In Santiago, where midnight is skipped, midnights of a range turn into one o'clock for good.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --quiet --disable-pip-version-check arrow==1.4.0
cat >"$folder/look.py" <<'PY'
import sys

from arrow import Arrow


def four(day: Arrow) -> list[str]:
    return [moment.format("MM-DD HH:mm") for moment in Arrow.range("day", day, limit=4)]


start = Arrow(2026, 3, 7, 2, 30, tzinfo="America/New_York")
seen = {
    "range": four(start),
    "shift": [start.shift(days=days).format("MM-DD HH:mm") for days in range(4)],
    "midnights": four(Arrow(2026, 9, 5, tzinfo="America/Santiago")),
    "months": [day.format("MM-DD") for day in Arrow.range("month", Arrow(2026, 1, 31), limit=3)],
}
wanted = {
    "range": ["03-07 02:30", "03-08 03:30", "03-09 03:30", "03-10 03:30"],  # expected: as shift
    "shift": ["03-07 02:30", "03-08 03:30", "03-09 02:30", "03-10 02:30"],
    "midnights": ["09-05 00:00", "09-06 01:00", "09-07 01:00", "09-08 01:00"],  # expected: 00:00 on the 7th and 8th
    "months": ["01-31", "02-28", "03-31"],
}
for name in wanted:
    if seen[name] != wanted[name]:
        print(name, "gives", seen[name], "instead of", wanted[name])
sys.exit(seen != wanted)
PY
"$folder/venv/bin/python" "$folder/look.py"
