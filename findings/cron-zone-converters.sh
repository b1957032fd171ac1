#!/usr/bin/env bash
# Two npm packages that carry a cron line into another zone lose the day: local-crontab 0.1.8 and crontzconvert 1.1.1.
#
# Monday 03:00 in Tokyo is Sunday 18:00 UTC. Seen: local-crontab never touches the weekday, its line is Monday 18:00 UTC, a day late;
# Friday 20:00 in Phoenix becomes Friday 03:00 UTC, a day early. crontzconvert moves the weekday of one hour, but of "12,18" on Monday (21:00
# on Monday and 03:00 on Tuesday in Tokyo) it makes "3,21" on Monday: the second one comes a day early. Neither says that it can't.
# (Tokyo and Phoenix have no summer time, so this is the same all year.)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --prefix "$folder" --silent --no-audit --no-fund --save-exact local-crontab@0.1.8 crontzconvert@1.1.1
cat >"$folder/look.js" <<'JS'
const { localCrontabToUtcCrontabs } = require('local-crontab');
const { convert } = require('crontzconvert');

const cases = [
  [localCrontabToUtcCrontabs('0 3 * * 1', 'Asia/Tokyo').join(), '0 18 * * 1'], // expected: 0 18 * * 0
  [localCrontabToUtcCrontabs('0 20 * * 5', 'America/Phoenix').join(), '0 3 * * 5'], // expected: 0 3 * * 6
  [localCrontabToUtcCrontabs('0 12 * * 1', 'Asia/Tokyo').join(), '0 3 * * 1'],
  [convert('0 0 12,18 * * 1', 'UTC', 'Asia/Tokyo'), '0 0 3,21 * * 1'], // expected: two lines, of Monday and Tuesday, or an error
  [convert('0 0 18 * * 1', 'UTC', 'Asia/Tokyo'), '0 0 3 * * 2'],
];
for (const [seen, wanted] of cases)
  if (seen !== wanted) {
    console.log(`${seen} instead of ${wanted}`);
    process.exitCode = 1;
  }
JS
TZ=UTC node "$folder/look.js"
