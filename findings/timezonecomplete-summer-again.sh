#!/usr/bin/env bash
# npm's timezonecomplete 5.15.1: from UTC, Egypt has no summer time since 2023 and Haiti none since 2017; into UTC both have it.
#
# Both began again after some years without one. Its data, tzdata 1.0.51 (tz database 2026d), have the rules. Seen: noon UTC on 1 July 2026 is 14:00 in
# Cairo, and 14:00 in Cairo is 11:00 UTC: there and back loses an hour, each summer. Port-au-Prince likewise; New York, and Cairo in winter, are right.
# Its README wants one answer on all platforms, and says that clock changes were the reason to write it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --prefix "$folder" --silent --no-audit --no-fund --save-exact timezonecomplete@5.15.1 tzdata@1.0.51
cat >"$folder/look.js" <<'JS'
const { DateTime, TimeZone } = require('timezonecomplete');

function thereAndBack(zone, moment) {
  const there = new DateTime(`${moment} UTC`).toZone(TimeZone.zone(zone)).toString();
  return `${there.slice(11, 16)}, ${new DateTime(there).toZone(TimeZone.utc()).toString().slice(11, 16)}`;
}

const wanted = {
  'Africa/Cairo 2026-07-01T12:00:00': '14:00, 11:00', // expected: 15:00, 12:00
  'Africa/Cairo 2023-07-01T12:00:00': '14:00, 11:00', // expected: 15:00, 12:00
  'Africa/Cairo 2026-01-01T12:00:00': '14:00, 12:00',
  'America/Port-au-Prince 2026-07-01T12:00:00': '07:00, 11:00', // expected: 08:00, 12:00
  'America/Port-au-Prince 2015-07-01T12:00:00': '08:00, 12:00',
  'America/New_York 2026-07-01T12:00:00': '08:00, 12:00',
};
for (const question in wanted) {
  const seen = thereAndBack(...question.split(' '));
  if (seen !== wanted[question]) {
    console.log(`${question}: ${seen} instead of ${wanted[question]}`);
    process.exitCode = 1;
  }
}
JS
node "$folder/look.js"
