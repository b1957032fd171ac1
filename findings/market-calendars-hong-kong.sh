#!/usr/bin/env bash
# pandas_market_calendars 5.5.0 has Hong Kong's exchange twice, and the two disagree; each is wrong on some day.
#
# "HKEX" is its own calendar, "XHKG" the one of exchange_calendars 4.13.2, mirrored. The exchange was closed all day for typhoons on
# 1 September 2023 and 6 September 2024, and for a rainstorm on 8 September 2023.
# Seen: "HKEX" knows the two closed days of 2023 and trades on that of 2024, "XHKG" trades on the two of 2023 and knows that of 2024.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --quiet --disable-pip-version-check pandas_market_calendars==5.5.0 exchange_calendars==4.13.2
cat >"$folder/look.py" <<'PY'
import sys

import pandas_market_calendars

days = "2023-09-01", "2023-09-08", "2024-09-06"
seen = {
    name: [day for day in days if len(pandas_market_calendars.get_calendar(name).valid_days(day, day))]
    for name in ("HKEX", "XHKG")
}
wanted = {"HKEX": ["2024-09-06"], "XHKG": ["2023-09-01", "2023-09-08"]}  # expected: none
if seen != wanted:
    print("trades on", seen, "instead of", wanted)
sys.exit(seen != wanted)
PY
"$folder/venv/bin/python" "$folder/look.py"
