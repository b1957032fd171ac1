#!/usr/bin/env bash
# systemd 252.38 (Debian 12), OnCalendar: in Dublin the day on which the clocks go forward loses times hours after the change, in London it does not.
#
# Both have the same clocks: on 29 March 2026 one o'clock is two. "01,06:15" is due at 06:15 that day. Seen: London has it, Dublin goes on with the 30th;
# Casablanca, where two is three on 22 March, loses 03:15 of "02..03:15". In these two zones the tz database counts winter, or Ramadan, as the
# time that is set back, with a negative offset, so that a change forward is one into standard time. "06:15" alone is right.
# Needs Debian 12's package archive and its zone files; the packages are unpacked, not installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
if ! apt-get download --quiet=2 systemd=252.38-1~deb12u1 libsystemd-shared=252.38-1~deb12u1 >apt.log 2>&1; then
  cat apt.log >&2
  echo "NOT LOOKED AT: apt-get has no systemd 252.38-1~deb12u1 (Debian 12; apt-get update?)" >&2
  exit 1
fi
for package in *.deb; do dpkg-deb --extract "$package" unpacked; done
library=$(dirname "$(find unpacked -name "libsystemd-shared-252.so")")
export TZ=UTC LC_ALL=C LD_LIBRARY_PATH="$folder/$library"
failed=0
look() { # expression, instant (UTC), wanted
  local seen
  seen=$({ unpacked/usr/bin/systemd-analyze calendar --base-time="$2 UTC" "$1" 2>&1 || true; } | sed -n 's/.*Next elapse: ... \(.*\):00 UTC/\1/p')
  if [ "$seen" != "$3" ]; then
    echo "$1, $2: $seen instead of $3"
    failed=1
  fi
}
look "*-*-* 01,06:15 Europe/London" "2026-03-28 12:00:00" "2026-03-29 05:15"
look "*-*-* 01,06:15 Europe/Dublin" "2026-03-28 12:00:00" "2026-03-30 00:15" # expected: 2026-03-29 05:15
look "*-*-* 06:15 Europe/Dublin" "2026-03-28 12:00:00" "2026-03-29 05:15"
look "*-*-* 02..03:15 Africa/Casablanca" "2026-03-21 12:00:00" "2026-03-23 01:15" # expected: 2026-03-22 02:15
look "*-*-* 03:15 Africa/Casablanca" "2026-03-21 12:00:00" "2026-03-22 02:15"
exit "$failed"
