#!/usr/bin/env bash
# cron-descriptor 2.2.1 says a step as if it were an interval.
#
# "*/90" in the minute field is minute 0 of every hour for every cron (the step is larger than the field), "*/7" starts anew each
# hour (..., 49, 56, 00). Seen: "Every 90 minutes" and "Every 7 minutes"; hours likewise ("*/5" is 0, 5, 10, 15, 20, then 0).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check cron-descriptor==2.2.1
cat >"$folder/look.py" <<'PY'
import sys

from cron_descriptor import get_description

wanted = {
    "*/90 * * * *": "Every 90 minutes",
    "*/7 * * * *": "Every 7 minutes",
    "0 */5 * * *": "Every 5 hours",
}
seen = {line: get_description(line) for line in wanted}
for line, words in seen.items():
    print(f"{line:14} {words}")
sys.exit(not all(seen[line].startswith(words) for line, words in wanted.items()))
PY
"$folder/venv/bin/python" "$folder/look.py"
