#!/usr/bin/env bash
# npm's cron 4.4.0: when the clocks go back at midnight a nightly job runs twice.
#
# Santiago, 4 April 2026: at midnight it is 23:00 again. Seen: "0 0 * * *" is due at that 23:00 (an hour that the line does not
# name) and at midnight. New York, where it is at two, is right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --prefix "$folder" --silent --no-audit --no-fund --save-exact cron@4.4.0
cat >"$folder/look.js" <<'JS'
const { CronTime } = require('cron');
const { DateTime } = require('luxon');

function times(line, zone, start, many) {
  const time = new CronTime(line, zone);
  const seen = [];
  let moment = DateTime.fromISO(start, { zone });
  for (let n = 0; n < many; n++) {
    moment = time.getNextDateFrom(moment, zone);
    seen.push(`${moment.toFormat('dd HH:mm')} ${moment.toUTC().toFormat('dd HH:mm')}`);
  }
  return seen.join(', ');
}

// "local UTC"; expected: 05 00:00 after 04 00:00
const wanted = {
  Santiago: '04 00:00 04 03:00, 04 23:00 05 03:00, 05 00:00 05 04:00',
  'New York': '01 01:30 01 05:30, 02 01:30 02 06:30',
};
const seen = {
  Santiago: times('0 0 * * *', 'America/Santiago', '2026-04-03T12:00:00', 3),
  'New York': times('30 1 * * *', 'America/New_York', '2026-11-01T00:00:00', 2),
};
for (const name in wanted) {
  if (seen[name] !== wanted[name]) {
    console.log(`${name}: ${seen[name]} instead of ${wanted[name]}`);
    process.exitCode = 1;
  }
}
JS
TZ=UTC node "$folder/look.js"
