#!/usr/bin/env bash
# npm's timezonecomplete 5.15.1, Period in local time: asked for the next of its own answers, it leaves the step after a clock change for good.
#
# A period of a day from 02:30 in Berlin, RegularLocalTime: on 29 March 2026 that time does not exist, it is due at 03:30. findFirst() has 02:30 from the
# 30th on. Seen: findNext(), fed with each last answer, stays at 03:30 on the 30th, 31st and after, boundaries that isBoundary() denies.
# One missing night moves a job for ever.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --prefix "$folder" --silent --no-audit --no-fund --save-exact timezonecomplete@5.15.1 tzdata@1.0.51
cat >"$folder/look.js" <<'JS'
const { DateTime, Period, PeriodDst, days } = require('timezonecomplete');

const zone = 'Europe/Berlin';
const nightly = new Period(new DateTime(`2026-03-28T02:30:00 ${zone}`), days(1), PeriodDst.RegularLocalTime);
const short = (moment) => moment.toString().slice(8, 16);

const first = [28, 29, 30, 31].map((day) => nightly.findFirst(new DateTime(`2026-03-${day}T00:00:00 ${zone}`)));
const next = [first[0]];
while (next.length < 4) next.push(nightly.findNext(next[next.length - 1]));
const seen = {
  findFirst: first.map(short).join(' '),
  findNext: next.map(short).join(' '),
  isBoundary: next.map((moment) => nightly.isBoundary(moment)).join(' '),
};
const wanted = {
  findFirst: '28T02:30 29T03:30 30T02:30 31T02:30',
  findNext: '28T02:30 29T03:30 30T03:30 31T03:30', // expected: as findFirst
  isBoundary: 'true true false false', // expected: true, four times
};
for (const name in wanted) {
  if (seen[name] !== wanted[name]) {
    console.log(`${name}: ${seen[name]} instead of ${wanted[name]}`);
    process.exitCode = 1;
  }
}
JS
node "$folder/look.js"
