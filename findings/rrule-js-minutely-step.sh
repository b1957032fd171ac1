#!/usr/bin/env bash
# npm's rrule 2.8.1 and rrule-rust 3.1.1: every 90 minutes, but only from nine to eleven, loses its step at night.
#
# From 09:00 every 90 minutes comes to 09:00 again each day (sixteen steps), so "FREQ=MINUTELY;INTERVAL=90;BYHOUR=9,10,11" is 09:00 and
# 10:30 every day. Seen: 10:00 and 11:30 on the second day, in both; dateutil, of which rrule is a port, has 09:00 and 10:30.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --prefix "$folder" --silent --no-audit --no-fund --save-exact rrule@2.8.1 rrule-rust@3.1.1
cat >"$folder/look.js" <<'JS'
const { rrulestr } = require('rrule');
const { RRuleSet } = require('rrule-rust');

const rule = 'DTSTART:20260101T090000Z\nRRULE:FREQ=MINUTELY;INTERVAL=90;BYHOUR=9,10,11;COUNT=4';
const wanted = '01 09:00, 01 10:30, 02 10:00, 02 11:30'; // expected: 02 09:00, 02 10:30
const seen = {
  rrule: rrulestr(rule).all().map((time) => time.toISOString().replace(/^.{8}(..)T(.{5}).*$/, '$1 $2')),
  'rrule-rust': RRuleSet.fromString(rule).all().map((time) => time.toString().replace(/^.{6}(..)T(..)(..).*$/, '$1 $2:$3')),
};
for (const name in seen) {
  if (seen[name].join(', ') !== wanted) {
    console.log(`${name}: ${seen[name].join(', ')} instead of ${wanted}`);
    process.exitCode = 1;
  }
}
JS
TZ=UTC node "$folder/look.js"
