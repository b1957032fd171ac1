#!/usr/bin/env bash
# The distributions crontab 1.0.5 and python-crontab 3.4.0 install the same import name, one as a package, one as a module.
#
# Seen: pip installs both without a word; "import crontab" then always gives crontab's package, whatever the order, so a program
# written for python-crontab gets another class of the same name, CronTab, and fails on its first argument.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check crontab==1.0.5 python-crontab==3.4.0
cat >"$folder/look.py" <<'PY'
import sys
from importlib.metadata import files

import crontab

print([str(f) for name in ("crontab", "python-crontab") for f in files(name) if str(f) in ("crontab.py", "crontab/__init__.py")])
print("what is imported has CronItem, as python-crontab:", hasattr(crontab, "CronItem"))  # False
try:
    crontab.CronTab(tab="* * * * * true\n")  # python-crontab's way to read a text
    seen = "accepted"
except TypeError as error:
    seen = f"TypeError: {error}"
print(seen)
sys.exit(hasattr(crontab, "CronItem") or not seen.startswith("TypeError"))
PY
"$folder/venv/bin/python" "$folder/look.py"
