#!/usr/bin/env bash
# npm's bree 9.2.9 checks a cron line with cron-validate 1.5.3 and runs it with @breejs/later 4.2.0, and the two read 7 differently.
#
# In crontab(5) 0 and 7 are Sunday. Seen: bree takes "0 0 * * 7" as valid, and its job is due on Saturdays; "5-7" is Friday and Saturday.
# "0", and "sun", are Sunday. Day and weekday of one line must both match: "0 0 13 * 5" is Friday the 13th, not each Friday and 13th.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --prefix "$folder" --silent --no-audit --no-fund --save-exact bree@9.2.9 @breejs/later@4.2.0 cron-validate@1.5.3
cat >"$folder/look.js" <<'JS'
const Bree = require('bree');
const later = require('@breejs/later');

async function days(line) {
  const bree = new Bree({ root: false, logger: false, timezone: 'UTC', jobs: [{ name: 'tidy', path: () => {}, cron: line }] });
  await bree.init();
  later.date.UTC();
  const next = later.schedule(bree.config.jobs[0].interval).next(2, new Date('2026-01-01T00:00:01Z'));
  return next.map((day) => day.toUTCString().slice(0, 11)).join(' ');
}

const wanted = {
  '0 0 * * 7': 'Sat, 03 Jan Sat, 10 Jan', // expected: Sun, 04 Jan Sun, 11 Jan
  '0 0 * * 5-7': 'Fri, 02 Jan Sat, 03 Jan',
  '0 0 * * 0': 'Sun, 04 Jan Sun, 11 Jan',
  '0 0 13 * 5': 'Fri, 13 Feb Fri, 13 Mar', // expected: Fri, 02 Jan Fri, 09 Jan
};
(async () => {
  for (const line in wanted) {
    const seen = await days(line);
    if (seen !== wanted[line]) {
      console.log(`${line}: ${seen} instead of ${wanted[line]}`);
      process.exitCode = 1;
    }
  }
})();
JS
TZ=UTC node "$folder/look.js"
