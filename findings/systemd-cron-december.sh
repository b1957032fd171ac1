#!/usr/bin/env bash
# systemd-cron 1.15.19-5 (Debian 12; crontabs become systemd timers): October is not in its list of months, so December's jobs run in November.
#
# Its crontab(5) has month names by their first three letters, weekdays 0-7 with Sunday at both ends, and day *or* weekday. Seen, in the OnCalendar
# of its timers: "nov" is month 10, "dec" is 11, "oct" gives no timer; "0-7" is Sunday alone, "5-7" no weekday at all, which is every day;
# the 13th and Friday is "Fri *-*-13", in systemd the Fridays that are a 13th. Numbers of months, "sep", "7" alone and "1-5/2" are right.
# What it can't read ("oct", "5-7") it logs as garbled. Needs Debian 12's package archive; the package is unpacked, not installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
if ! apt-get download --quiet=2 systemd-cron=1.15.19-5 >apt.log 2>&1; then
  cat apt.log >&2
  echo "NOT LOOKED AT: apt-get has no systemd-cron 1.15.19-5 (Debian 12; apt-get update?)" >&2
  exit 1
fi
dpkg-deb --extract systemd-cron_*.deb package
mkdir timers
cat >look.py <<'PY'
import importlib.machinery
import importlib.util
import itertools
import sys
from pathlib import Path

path = "package/lib/systemd/system-generators/systemd-crontab-generator"
loader = importlib.machinery.SourceFileLoader("generator", path)
generator = importlib.util.module_from_spec(importlib.util.spec_from_loader("generator", loader))
loader.exec_module(generator)
generator.TARGET_DIR = generator.TIMERS_DIR = "timers"
numbers = itertools.count()
logged = []
generator.log = lambda level, message: logged.append(message)


def calendar(line: str) -> str:
    Path("crontab").write_text(f"{line} true\n")
    (job,) = generator.parse_crontab("crontab", withuser=False)
    name = f"job-{next(numbers)}"
    generator.generate_timer_unit(job, unit_name=name)
    timer = Path("timers", f"{name}.timer")
    if not timer.exists():
        return "none"
    (found,) = [one for one in timer.read_text().splitlines() if one.startswith("OnCalendar=")]
    return found.removeprefix("OnCalendar=").strip()


wanted = {
    "0 0 1 dec *": "*-11-1 0:0:00",  # expected: *-12-1
    "0 0 1 nov *": "*-10-1 0:0:00",  # expected: *-11-1
    "0 0 1 oct *": "none",  # expected: *-10-1
    "0 0 1 sep *": "*-9-1 0:0:00",
    "0 0 1 12 *": "*-12-1 0:0:00",
    "0 0 * * 0-7": "Sun *-*-* 0:0:00",  # expected: *-*-*
    "0 0 * * 5-7": "*-*-* 0:0:00",  # expected: Sun,Fri,Sat *-*-*
    "0 0 * * 7": "Sun *-*-* 0:0:00",
    "0 0 * * 1-5/2": "Mon,Wed,Fri *-*-* 0:0:00",
    "0 0 13 * 5": "Fri *-*-13 0:0:00",  # expected: two of them, Fri *-*-* and *-*-13
}
failed = False
for line in wanted:
    seen = calendar(line)
    if seen != wanted[line]:
        print(f"{line}: {seen!r} instead of {wanted[line]!r}")
        failed = True
if len(logged) != 2 or not all(message.startswith("garbled time") for message in logged):
    print("logged", logged)
    failed = True
sys.exit(failed)
PY
python3 -W ignore look.py
