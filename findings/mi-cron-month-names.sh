#!/usr/bin/env bash
# npm's @cheap-glitch/mi-cron 1.0.1 (and its successor @fregante/mi-cron 2.0.1): a month given by name is the month before.
#
# crontab(5), which the README names, counts months 1 to 12 and takes the first three letters as well: "jul" is 7. Seen: "jan" is 0 and is due
# in December, from where it does not go on, "jul" in June, "dec" in November; "jan-mar" has no March. Numbers, and the names of weekdays, are
# right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --prefix "$folder" --silent --no-audit --no-fund --save-exact @cheap-glitch/mi-cron@1.0.1 @fregante/mi-cron@2.0.1
cat >"$folder/look.mjs" <<'JS'
import first from '@cheap-glitch/mi-cron';
import { parseCron } from '@fregante/mi-cron';

const wanted = {
  '0 0 1 jan *': '2026-12-01 2026-12-01', // expected: 2027-01-01 2028-01-01
  '0 0 1 jul *': '2026-06-01', // expected: 2026-07-01
  '0 0 1 dec *': '2026-11-01', // expected: 2026-12-01
  '0 0 1 jan-mar *': '2026-02-01 2026-12-01', // expected: 2026-02-01 2026-03-01
  '0 0 1 7 *': '2026-07-01',
  '0 0 * * mon': '2026-01-05',
};
for (const [name, parse] of [['1.0.1', first.parseCron], ['2.0.1', parseCron]])
  for (const line in wanted) {
    const days = [];
    let from = new Date('2026-01-01T00:00:00Z');
    for (const _ of wanted[line].split(' ')) days.push((from = parse.nextDate(line, from)).toISOString().slice(0, 10));
    if (days.join(' ') !== wanted[line]) {
      console.log(`${name}, ${line}: ${days.join(' ')} instead of ${wanted[line]}`);
      process.exitCode = 1;
    }
  }
JS
TZ=UTC node "$folder/look.mjs"
