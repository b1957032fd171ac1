#!/usr/bin/env bash
# npm's @datasert/cronjs-matcher 1.4.0: an hourly line has the same instant twice when the clocks go forward, and lacks an hour when they go back.
#
# Seen for "0 * * * *" in Berlin, 29 March 2026: 00:00, 01:00, 01:00, 02:00 UTC; on 25 October 00:00, 02:00 UTC, where two hours of real time
# pass. A day that a zone leaves out doubles too: "0 12 * * *" in Apia is due twice at noon of 31 December 2011. In UTC the line is right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --prefix "$folder" --silent --no-audit --no-fund --save-exact @datasert/cronjs-matcher@1.4.0
cat >"$folder/look.js" <<'JS'
const { getFutureMatches } = require('@datasert/cronjs-matcher');

const cases = [
  ['0 * * * *', 'Europe/Berlin', '2026-03-28T23:30:00Z', '29 00:00, 29 01:00, 29 01:00, 29 02:00'], // expected: 00:00 01:00 02:00 03:00
  ['0 * * * *', 'Europe/Berlin', '2026-10-24T23:30:00Z', '25 00:00, 25 02:00, 25 03:00, 25 04:00'], // expected: 00:00 01:00 02:00 03:00
  ['0 12 * * *', 'Pacific/Apia', '2011-12-29T12:00:00Z', '29 22:00, 30 22:00, 30 22:00, 31 22:00'], // expected: each once
  ['0 * * * *', 'UTC', '2026-03-28T23:30:00Z', '29 00:00, 29 01:00, 29 02:00, 29 03:00'],
];
for (const [line, timezone, startAt, wanted] of cases) {
  const times = getFutureMatches(line, { startAt, timezone, matchCount: 4, formatInTimezone: false });
  const seen = times.map((time) => time.slice(8, 16).replace('T', ' ')).join(', ');
  if (seen !== wanted) {
    console.log(`${line} in ${timezone}: ${seen} instead of ${wanted}`);
    process.exitCode = 1;
  }
}
JS
TZ=UTC node "$folder/look.js"
