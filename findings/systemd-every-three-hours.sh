#!/usr/bin/env bash
# systemd 252.38 (Debian 12), OnCalendar: every three hours has no next time once the clocks go forward at midnight.
#
# systemd.time(7) has "00/3:10" (0, 3, ... 21 o'clock, ten past) and a zone at the end. Seen, for Cairo on 23 April 2026, whose midnight is skipped: from 21:10 on
# the answer is an error, EDEADLK, and no time at all, where 03:10 is next; Beirut, Santiago and Havana likewise, with steps of two, four
# or six hours, too. Written "03..23/3" or with few hours, "00,03", it goes on; so it does in Berlin, where the gap is at two, and in UTC.
# Needs Debian 12's package archive and its zone files (Egypt's rules are of 2023); the packages are unpacked, not installed.
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
look() { # expression, instant (UTC), wanted: the next time, or "error"
  local seen
  seen=$({ unpacked/usr/bin/systemd-analyze calendar --base-time="$2 UTC" "$1" 2>&1 || true; } |
    sed -n -e 's/.*Next elapse: ... \(.*\):00 UTC/\1/p' -e 's/.*Resource deadlock avoided/error/p')
  if [ "$seen" != "$3" ]; then
    echo "$1, $2: $seen instead of $3"
    failed=1
  fi
}
look "*-*-* 00/3:10 Africa/Cairo" "2026-04-23 16:30:00" "2026-04-23 19:10"
look "*-*-* 00/3:10 Africa/Cairo" "2026-04-23 19:30:00" error # expected: 2026-04-24 00:10
look "*-*-* 00/6:10 Africa/Cairo" "2026-04-23 19:30:00" error # expected: 2026-04-24 03:10
look "*-*-* 00/2:10 Africa/Cairo" "2026-04-23 20:30:00" error # expected: 2026-04-23 23:10
look "*-*-* 00/4:10 Africa/Cairo" "2026-04-23 19:30:00" error # expected: 2026-04-24 01:10
look "*-*-* 00/3:10 Asia/Beirut" "2026-03-28 20:00:00" error # expected: 2026-03-29 00:10
look "*-*-* 00/3:10 America/Santiago" "2026-09-06 02:00:00" error # expected: 2026-09-06 06:10
look "*-*-* 00/3:10 America/Havana" "2026-03-08 03:00:00" error # expected: 2026-03-08 07:10
look "*-*-* 00,03:10 Africa/Cairo" "2026-04-23 19:30:00" "2026-04-24 00:10"
look "*-*-* 03..23/3:10 Africa/Cairo" "2026-04-23 19:30:00" "2026-04-24 00:10"
look "*-*-* 00/3:10 Africa/Cairo" "2026-04-24 00:30:00" "2026-04-24 03:10"
look "*-*-* 00/3:10 Europe/Berlin" "2026-03-28 23:30:00" "2026-03-29 01:10"
look "*-*-* 00/3:10 UTC" "2026-04-23 19:30:00" "2026-04-23 21:10"
exit "$failed"
