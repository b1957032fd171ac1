#!/usr/bin/env bash
# npm's @sapphire/cron 1.2.1: asked in the last minute of a day, its next() answers with a time that has passed.
#
# next() is given a time and answers with the one after it, as it does at 23:58. Seen for 2 March 2026 at 23:59 (UTC): "* * * * *" is next due at
# 00:00 of the same day, "59 * * * *" at 00:59 of it, and "59 23 * * *" at 23:59, where it stands for ever: each answer asks for itself.
# "0 * * * *" from 23:00 goes on to the next day.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --prefix "$folder" --silent --no-audit --no-fund --save-exact @sapphire/cron@1.2.1
cat >"$folder/look.js" <<'JS'
const { Cron } = require('@sapphire/cron');

const cases = [
  ['* * * * *', '23:59', '02 00:00'], // expected: 03 00:00
  ['59 * * * *', '23:59', '02 00:59'], // expected: 03 00:59
  ['59 23 * * *', '23:59', '02 23:59'], // expected: 03 23:59
  ['58 23 * * *', '23:58', '03 23:58'],
  ['0 * * * *', '23:00', '03 00:00'],
];
for (const [line, from, wanted] of cases) {
  const next = new Cron(line).next(new Date(`2026-03-02T${from}:00Z`));
  const seen = next.toISOString().slice(8, 16).replace('T', ' ');
  if (seen !== wanted) {
    console.log(`${line} from ${from}: ${seen} instead of ${wanted}`);
    process.exitCode = 1;
  }
}
JS
TZ=UTC node "$folder/look.js"
