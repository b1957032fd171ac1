#!/usr/bin/env bash
# croniters 0.2.1 (croniter in Rust, "a drop-in replacement"): "0 0 1,31 * *" leaves out 1 March.
#
# It is the rule of croniter 6.0.0, which croniter 7.0.0 mended. Seen from January 2026 on: 31 January, 1 February, 31 March. A day of the list that February
# does not have (29, 30 or 31) costs the 1st of the month after; "1,15,31" loses it too, "1,28" and "1" do not.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for name in croniters==0.2.1 croniter==6.0.0 croniter==7.0.0; do
  python3 -m venv "$folder/$name"
  "$folder/$name/bin/python" -m pip install --quiet --quiet --disable-pip-version-check "$name"
done
cat >"$folder/look.py" <<'PY'
import importlib
import sys
from datetime import datetime

name, _, version = sys.argv[1].partition("==")
croniter = importlib.import_module(name).croniter


def days(line: str) -> str:
    ahead = croniter(line, datetime(2026, 1, 31, 12))
    return " ".join(f"{ahead.get_next(datetime):%m-%d}" for _ in range(3))


right = {"0 0 1,31 * *": "02-01 03-01 03-31", "0 0 1,15,31 * *": "02-01 02-15 03-01", "0 0 1,28 * *": "02-01 02-28 03-01"}
wrong = {"0 0 1,31 * *": "02-01 03-31 04-01", "0 0 1,15,31 * *": "02-01 02-15 03-15"}  # expected: right
wanted = right if version == "7.0.0" else {**right, **wrong}
seen = {line: days(line) for line in wanted}
if seen != wanted:
    print(sys.argv[1], seen, "instead of", wanted)
sys.exit(seen != wanted)
PY
for name in croniters==0.2.1 croniter==6.0.0 croniter==7.0.0; do
  "$folder/$name/bin/python" "$folder/look.py" "$name"
done
