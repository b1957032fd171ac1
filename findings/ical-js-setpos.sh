#!/usr/bin/env bash
# npm's ical.js 2.2.1: BYSETPOS of a weekly or daily rule, and BYWEEKNO, are read and then not looked at.
#
# RFC 5545, 3.3.10 allows both. Seen, from a DTSTART that is of the rule: "the last working day of each week" is every working day, "the last
# of two times of a day" is both, "Monday of week 20" is every Monday but that one. BYSETPOS by month works; what else it can't do raises.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --prefix "$folder" --silent --no-audit --no-fund --save-exact ical.js@2.2.1
cat >"$folder/look.js" <<'JS'
const cases = [
  // expected: 01-02, 01-09, 01-16
  ['FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1', '2026-01-02T09', '01-02T09 01-05T09 01-06T09'],
  // expected: 17 o'clock only
  ['FREQ=DAILY;BYHOUR=9,17;BYSETPOS=-1', '2026-01-01T17', '01-01T17 01-02T09 01-02T17'],
  // expected: 11 May 2026, 17 May 2027, 15 May 2028
  ['FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO', '2026-05-11T09', '05-18T09 05-25T09 06-01T09'],
  ['FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1', '2026-01-30T09', '01-30T09 02-27T09 03-31T09'],
];
import('ical.js').then(({ default: ICAL }) => {
  for (const [rule, start, wanted] of cases) {
    const days = ICAL.Recur.fromString(rule).iterator(ICAL.Time.fromDateTimeString(`${start}:00:00`));
    const seen = Array.from({ length: 3 }, () => days.next().toString().slice(5, 13)).join(' ');
    if (seen !== wanted) {
      console.log(`${rule}: ${seen} instead of ${wanted}`);
      process.exitCode = 1;
    }
  }
});
JS
TZ=UTC node "$folder/look.js"
