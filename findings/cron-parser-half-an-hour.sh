#!/usr/bin/env bash
# npm's cron-parser 5.10.6: where the clocks change by half an hour, a line for every quarter of an hour loses 45 minutes, both times.
#
# Lord Howe, 4 October 2026: 02:00 becomes 02:30, at 15:30 UTC; 5 April: 02:00 becomes 01:30, at 15:00 UTC. Its README promises
# correct transitions. Seen in spring: 15:15, 16:00 UTC; 02:30 and 02:45 exist and are left out. In autumn: 14:45, 15:30 UTC; New York's
# second hour from one to two is not left out. The same line in UTC has every quarter.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --prefix "$folder" --silent --no-audit --no-fund --save-exact cron-parser@5.10.6
cat >"$folder/look.js" <<'JS'
const { CronExpressionParser } = require('cron-parser');

function times(tz, currentDate, many) {
  const line = CronExpressionParser.parse('*/15 * * * *', { currentDate, tz });
  return Array.from({ length: many }, () => line.next().toDate().toISOString().slice(11, 16)).join(' ');
}

const wanted = {
  spring: '15:15 16:00 16:15', // expected: 15:15 15:30 15:45
  autumn: '14:45 15:30 15:45', // expected: 14:45 15:00 15:15
  'New York': '05:45 06:00 06:15',
  UTC: '15:15 15:30 15:45',
};
const seen = {
  spring: times('Australia/Lord_Howe', '2026-10-03T15:10:00Z', 3),
  autumn: times('Australia/Lord_Howe', '2026-04-04T14:40:00Z', 3),
  'New York': times('America/New_York', '2026-11-01T05:40:00Z', 3),
  UTC: times('UTC', '2026-10-03T15:10:00Z', 3),
};
for (const name in wanted) {
  if (seen[name] !== wanted[name]) {
    console.log(`${name}: ${seen[name]} instead of ${wanted[name]}`);
    process.exitCode = 1;
  }
}
JS
TZ=UTC node "$folder/look.js"
