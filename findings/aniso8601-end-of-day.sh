#!/usr/bin/env bash
# aniso8601 10.0.1: midnight at the end of a day, 24:00, becomes the midnight at its beginning.
#
# ISO 8601 (of 2004, 4.2.3, and again since the amendment of 2022) writes the end of a day as 24:00, the same instant as 00:00 of the next day; ciso8601
# 2.3.3 reads it so. Seen: aniso8601 takes "2026-12-31T24:00" and answers 31 December, 00:00, a day early and in another year;
# an interval of that whole day, "2026-12-31T00:00/2026-12-31T24:00", is empty, one that lasts a day from there ends where it should begin.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --quiet --disable-pip-version-check aniso8601==10.0.1 ciso8601==2.3.3
cat >"$folder/look.py" <<'PY'
import sys

from aniso8601 import parse_datetime, parse_interval
from ciso8601 import parse_datetime as other

seen = {
    "moment": str(parse_datetime("2026-12-31T24:00")),
    "other": str(other("2026-12-31T24:00")),
    "day": " to ".join(map(str, parse_interval("2026-12-31T00:00/2026-12-31T24:00"))),
    "after": " to ".join(map(str, parse_interval("2026-12-31T24:00/P1D"))),
}
wanted = {
    "moment": "2026-12-31 00:00:00",  # expected: 2027-01-01 00:00:00
    "other": "2027-01-01 00:00:00",
    "day": "2026-12-31 00:00:00 to 2026-12-31 00:00:00",  # expected: to 2027-01-01 00:00:00
    "after": "2026-12-31 00:00:00 to 2027-01-01 00:00:00",  # expected: 2027-01-01 00:00:00 to 2027-01-02 00:00:00
}
for name in wanted:
    if seen[name] != wanted[name]:
        print(name, "gives", seen[name], "instead of", wanted[name])
sys.exit(seen != wanted)
PY
"$folder/venv/bin/python" "$folder/look.py"
