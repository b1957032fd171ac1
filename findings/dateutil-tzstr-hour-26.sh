#!/usr/bin/env bash
# python-dateutil 2.9.0.post0, tz.tzstr: a change at 26 o'clock happens a day early.
#
# "IST-2IDT,M3.4.4/26,M10.5.0" stands at the end of Asia/Jerusalem in tzdata: the clocks go forward 26 hours after midnight of the fourth
# Thursday of March, that is Friday at two (POSIX, TZ; hours to 24, and RFC 8536, 3.3.1, to 167). In 2026: 27 March, 00:00 UTC.
# Seen: zoneinfo has it so; dateutil changes on Thursday at two, so that for a day its times are an hour off. It takes the 26 without a word.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --quiet --disable-pip-version-check python-dateutil==2.9.0.post0 tzdata==2026.6
cat >"$folder/look.py" <<'PY'
import sys
from datetime import datetime, timedelta, timezone
from importlib.resources import files
from zoneinfo import ZoneInfo

from dateutil.tz import tzstr

text = files("tzdata").joinpath("zoneinfo/Asia/Jerusalem").read_bytes().splitlines()[-1].decode()


def forward(zone) -> str:
    hour = datetime(2026, 3, 20, tzinfo=timezone.utc)
    while hour.astimezone(zone).utcoffset() == timedelta(hours=2):
        hour += timedelta(hours=1)
    return f"{hour:%m-%d %H:%M}"


seen = text, forward(ZoneInfo("Asia/Jerusalem")), forward(tzstr(text))
wanted = "IST-2IDT,M3.4.4/26,M10.5.0", "03-27 00:00", "03-26 00:00"
if seen != wanted:
    print("gives", seen, "instead of", wanted)
sys.exit(seen != wanted)
PY
"$folder/venv/bin/python" "$folder/look.py"
