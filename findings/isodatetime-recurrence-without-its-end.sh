#!/usr/bin/env bash
# metomi-isodatetime 1!3.2.0 (the dates of Cylc): a recurrence that ends on a 31st does not have its end, once its repetitions are counted.
#
# Its README: "Rn/PnM/end" is repeated monthly, n times, ending there. Seen: "R/P1M/2026-05-31T00Z", without a number, goes back 31 May,
# 30 April, 30 March; "R3/P1M/2026-05-31T00Z" is 30 March, 30 April, 30 May: the only day that was named is left out, and the object says that its
# end point, 31 May, is not valid in it. Leap days likewise, through "R5/P1Y/2028-02-29T00Z". An end on a 15th is right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --quiet --disable-pip-version-check 'metomi-isodatetime==1!3.2.0'
cat >"$folder/look.py" <<'PY'
import itertools
import sys

from metomi.isodatetime.parsers import TimeRecurrenceParser


def days(text: str) -> str:
    return " ".join(str(moment)[:10] for moment in itertools.islice(TimeRecurrenceParser().parse(text), 5))


counted = TimeRecurrenceParser().parse("R3/P1M/2026-05-31T00Z")
seen = {
    "open": days("R/P1M/2026-05-31T00Z"),
    "counted": days("R3/P1M/2026-05-31T00Z"),
    "15th": days("R3/P1M/2026-05-15T00Z"),
    "leap": days("R5/P1Y/2028-02-29T00Z"),
    "end": f"{str(counted.end_point)[:10]} {counted.get_is_valid(counted.end_point)}",
}
wanted = {
    "open": "2026-05-31 2026-04-30 2026-03-30 2026-02-28 2026-01-28",
    "counted": "2026-03-30 2026-04-30 2026-05-30",  # expected: to end on 2026-05-31
    "15th": "2026-03-15 2026-04-15 2026-05-15",
    "leap": "2024-02-29 2025-02-28 2026-02-28 2027-02-28 2028-02-28",  # expected: to end on 2028-02-29
    "end": "2026-05-31 False",  # expected: True
}
for name in wanted:
    if seen[name] != wanted[name]:
        print(name, "gives", seen[name], "instead of", wanted[name])
sys.exit(seen != wanted)
PY
"$folder/venv/bin/python" "$folder/look.py"
