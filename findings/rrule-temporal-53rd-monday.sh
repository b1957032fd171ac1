#!/usr/bin/env bash
# npm's rrule-temporal 2.2.8: the 53rd Monday of a year that has 52 is one of another year.
#
# "FREQ=YEARLY;BYDAY=53MO" is due only in years with 53 Mondays (RFC 5545, 3.3.10: dates that do not exist are left out): 30 December 2024,
# 31 December 2029. Seen: a day each year, the first Monday of the year after; -53MO gives the last Monday of the year before.
# "5FR" by month is right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --prefix "$folder" --silent --no-audit --no-fund --save-exact rrule-temporal@2.2.8
cat >"$folder/look.js" <<'JS'
const { RRuleTemporal } = require('rrule-temporal');

const days = (rule) =>
  new RRuleTemporal({ rruleString: `DTSTART:20210101T090000Z\nRRULE:${rule};COUNT=3` })
    .all()
    .map((day) => day.toString().slice(0, 10))
    .join(' ');

const wanted = {
  'FREQ=YEARLY;BYDAY=53MO': '2022-01-03 2023-01-02 2024-01-01', // expected: 2024-12-30 2029-12-31 2035-12-31
  'FREQ=YEARLY;BYDAY=-53MO': '2021-12-27 2022-12-26 2024-01-01', // expected: 2024-01-01 2029-01-01 2035-01-01
  'FREQ=MONTHLY;BYDAY=5FR': '2021-01-29 2021-04-30 2021-07-30',
};
for (const rule in wanted) {
  const seen = days(rule);
  if (seen !== wanted[rule]) {
    console.log(`${rule}: ${seen} instead of ${wanted[rule]}`);
    process.exitCode = 1;
  }
}
JS
TZ=UTC node "$folder/look.js"
