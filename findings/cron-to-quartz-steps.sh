#!/usr/bin/env bash
# npm's cron-to-quartz 1.4.15: with the weekdays' numbers it counts up the steps between them, and Sunday as 7 becomes 8.
#
# Quartz counts weekdays 1-7 from Sunday, cron 0-7 with Sunday at both ends, so numbers go up by one and a step stays what it is. Seen: "*/2" (Sunday,
# Tuesday, Thursday, Saturday) becomes "*/3", in Quartz Sunday, Wednesday, Saturday; "1-5/2" becomes "2-6/3", Monday and Thursday without
# Wednesday and Friday. "7" becomes "8", which no day is. "0" and "1-5" are right, and a step in the day of the month stays.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --prefix "$folder" --silent --no-audit --no-fund --save-exact cron-to-quartz@1.4.15
cat >"$folder/look.js" <<'JS'
const { getQuartz } = require('cron-to-quartz');

const wanted = {
  '0 0 * * */2': '0 0 0 ? * */3 *', // expected: 0 0 0 ? * */2 *, or 1,3,5,7
  '0 0 * * 1-5/2': '0 0 0 ? * 2-6/3 *', // expected: 0 0 0 ? * 2-6/2 *
  '0 0 * * 7': '0 0 0 ? * 8 *', // expected: 0 0 0 ? * 1 *
  '0 0 * * 0': '0 0 0 ? * 1 *',
  '0 0 * * 1-5': '0 0 0 ? * 2-6 *',
  '0 0 */2 * *': '0 0 0 */2 * ? *',
};
for (const line in wanted) {
  const seen = getQuartz(line).map((fields) => fields.join(' ')).join('; ');
  if (seen !== wanted[line]) {
    console.log(`${line}: ${seen} instead of ${wanted[line]}`);
    process.exitCode = 1;
  }
}
JS
TZ=UTC node "$folder/look.js"
