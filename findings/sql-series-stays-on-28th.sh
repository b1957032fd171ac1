#!/usr/bin/env bash
# PostgreSQL 18.7 (npm's @electric-sql/pglite 0.5.17) and DuckDB 1.5.6 (@duckdb/node-api), generate_series: a month's last day becomes the 28th, for good.
#
# The step is added to the last answer, not counted from the start. Seen in both, from 31 January by months: 28 February, 28 March, 28 April. From
# 02:30 of 28 March 2026 in Berlin by days: 03:30 on the 29th, where 02:30 does not exist, and on all days after it, also with PostgreSQL's own
# argument for the zone. Start + n * step has 31 March, and 02:30 on 30 March, in both.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --prefix "$folder" --silent --no-audit --no-fund --save-exact @electric-sql/pglite@0.5.17 @duckdb/node-api@1.5.6-r.1
cat >"$folder/look.mjs" <<'JS'
import { DuckDBInstance } from '@duckdb/node-api';
import { PGlite } from '@electric-sql/pglite';

const postgresql = new PGlite();
await postgresql.query("set time zone 'Europe/Berlin'");
const duckdb = await (await DuckDBInstance.create(':memory:')).connect();
await duckdb.run("set timezone = 'Europe/Berlin'");
const engines = {
  PostgreSQL: async (from, day) => {
    const form = day ? 'DD. HH24:MI' : 'DD.MM';
    const { rows } = await postgresql.query(`select string_agg(to_char(moment, '${form}'), ' ' order by moment) said from ${from} found(moment)`);
    return rows[0].said;
  },
  DuckDB: async (from, day) => {
    const form = day ? '%d. %H:%M' : '%d.%m';
    const query = `select string_agg(strftime(moment, '${form}'), ' ' order by moment) from ${from} found(moment)`;
    return (await duckdb.runAndReadAll(query)).getRows()[0][0];
  },
};
const start = "timestamptz '2026-03-28 02:30:00+01'";
const end = "timestamptz '2026-03-31 00:00:00+02'";
const months = "generate_series(timestamp '2026-01-31', timestamp '2026-04-30', interval '1 month')";
const days = `generate_series(${start}, ${end}, interval '1 day')`;
const counted = (first, step, n) => `(select ${first} + n * interval '${step}' from unnest(array[${n}]) numbers(n))`;
const drifting = { months: '31.01 28.02 28.03 28.04', days: '28. 02:30 29. 03:30 30. 03:30' };
const right = { months: '31.01 28.02 31.03 30.04', days: '28. 02:30 29. 03:30 30. 02:30' };
const cases = [
  ['PostgreSQL', months, drifting.months], // expected: right.months
  ['PostgreSQL', days, drifting.days], // expected: right.days
  ['PostgreSQL', days.replace(')', ", 'Europe/Berlin')"), drifting.days], // expected: right.days
  ['DuckDB', `unnest(${months})`, drifting.months], // expected: right.months
  ['DuckDB', `unnest(${days})`, drifting.days], // expected: right.days
];
for (const engine in engines) {
  cases.push([engine, counted("timestamp '2026-01-31'", '1 month', '0, 1, 2, 3'), right.months]);
  cases.push([engine, counted(start, '1 day', '0, 1, 2'), right.days]);
}
for (const [engine, from, wanted] of cases) {
  const seen = await engines[engine](from, wanted.includes(':'));
  if (seen !== wanted) {
    console.log(`${engine}, ${from}: ${seen} instead of ${wanted}`);
    process.exitCode = 1;
  }
}
JS
node "$folder/look.mjs"
