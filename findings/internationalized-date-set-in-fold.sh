#!/usr/bin/env bash
# npm's @internationalized/date 3.12.4 (dates of React Aria): setting the seconds in the second of two equal hours goes back an hour.
#
# A ZonedDateTime knows which of the two it is; cycle() and add() keep to it, and Temporal's with(), whose polyfill (temporal-polyfill 1.0.8) is asked
# here, keeps the offset unless told otherwise. Seen, for 02:30 in Berlin on 25 October 2026, at +01:00: set({second: 5}) is 02:30:05 at +02:00,
# an hour before. set({}), and the first of the two, are right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --prefix "$folder" --silent --no-audit --no-fund --save-exact @internationalized/date@3.12.4 temporal-polyfill@1.0.8
cat >"$folder/look.mjs" <<'JS'
import { parseZonedDateTime } from '@internationalized/date';
import { Temporal } from 'temporal-polyfill';

const second = '2026-10-25T02:30:00+01:00[Europe/Berlin]';
const seen = {
  set: parseZonedDateTime(second).set({ second: 5 }).toString(),
  nothing: parseZonedDateTime(second).set({}).toString(),
  cycle: parseZonedDateTime(second).cycle('second', 5).toString(),
  first: parseZonedDateTime(second.replace('+01', '+02')).set({ second: 5 }).toString(),
  temporal: Temporal.ZonedDateTime.from(second).with({ second: 5 }).toString(),
};
const wanted = {
  set: '2026-10-25T02:30:05+02:00[Europe/Berlin]', // expected: +01:00
  nothing: '2026-10-25T02:30:00+01:00[Europe/Berlin]',
  cycle: '2026-10-25T02:30:05+01:00[Europe/Berlin]',
  first: '2026-10-25T02:30:05+02:00[Europe/Berlin]',
  temporal: '2026-10-25T02:30:05+01:00[Europe/Berlin]',
};
for (const name in wanted) {
  if (seen[name] !== wanted[name]) {
    console.log(`${name}: ${seen[name]} instead of ${wanted[name]}`);
    process.exitCode = 1;
  }
}
JS
node "$folder/look.mjs"
