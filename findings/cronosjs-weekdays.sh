#!/usr/bin/env bash
# npm's cronosjs 1.7.1: the weekdays 0-7 are Sunday only.
#
# Its README allows 0-7 in the field, as crontab(5) does: 0 and 7 are Sunday, the range is every day. Seen: "0 0 * * 0-7" is due once a week;
# "0-6" and "1-7" are every day.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --prefix "$folder" --silent --no-audit --no-fund --save-exact cronosjs@1.7.1
cat >"$folder/look.js" <<'JS'
const { CronosExpression } = require('cronosjs');

const days = (line) =>
  CronosExpression.parse(line, { timezone: 'UTC' })
    .nextNDates(new Date('2026-01-01T00:00:00Z'), 3)
    .map((day) => day.toISOString().slice(5, 10))
    .join(' ');

const wanted = {
  '0 0 * * 0-7': '01-04 01-11 01-18', // expected: 01-02 01-03 01-04
  '0 0 * * 0-6': '01-02 01-03 01-04',
  '0 0 * * 1-7': '01-02 01-03 01-04',
};
for (const line in wanted) {
  const seen = days(line);
  if (seen !== wanted[line]) {
    console.log(`${line}: ${seen} instead of ${wanted[line]}`);
    process.exitCode = 1;
  }
}
JS
TZ=UTC node "$folder/look.js"
