#!/usr/bin/env bash
# workalendar 17.0.0: Japan has no substitute holidays, so its working days are wrong in most years.
#
# Japan's law on national holidays (article 3) makes the next working day a holiday when one falls on a Sunday, since 1973, and a day between
# two holidays one as well. Seen: Monday, 24 February 2025 (after the Emperor's birthday on Sunday) and 22 September 2026 (between
# two holidays) are working days; holidays 0.109 has both. The holidays themselves are there.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --quiet --disable-pip-version-check workalendar==17.0.0 holidays==0.109
cat >"$folder/look.py" <<'PY'
import sys
from datetime import date

import holidays
from workalendar.asia import Japan

japan, days = Japan(), (date(2025, 2, 24), date(2026, 9, 22))
seen = {
    "workalendar": [japan.is_working_day(day) for day in days],
    "holidays": [day not in holidays.country_holidays("JP") for day in days],
    "the holidays beside them": [japan.is_holiday(date(2025, 2, 23)), japan.is_holiday(date(2026, 9, 21)), japan.is_holiday(date(2026, 9, 23))],
}
wanted = {"workalendar": [True, True], "holidays": [False, False], "the holidays beside them": [True, True, True]}
if seen != wanted:
    print("working days:", seen, "instead of", wanted)
sys.exit(seen != wanted)
PY
"$folder/venv/bin/python" "$folder/look.py"
