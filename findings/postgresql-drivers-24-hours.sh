#!/usr/bin/env bash
# Four drivers of PostgreSQL send 24 hours as a day, which is another length: psycopg 3.3.9, psycopg2 2.9.13, asyncpg 0.32.0, pg8000 1.31.6.
#
# PostgreSQL keeps days and hours of an interval apart, as a day may have 23 or 25 hours; Python's timedelta has 24 of them. Seen (PostgreSQL 15.20), in a
# session whose zone is Berlin, from noon on 28 March 2026: plus timedelta(hours=23) and plus timedelta(hours=24) are the same instant in all
# four, and "interval '24 hours'", read and sent back, is "1 day". In a session of UTC they are an hour apart.
# Needs a PostgreSQL server (PGHOST, PGPORT, PGUSER, PGPASSWORD, or postgres at 127.0.0.1); nothing is written to it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --quiet --disable-pip-version-check \
  "psycopg[binary]==3.3.9" psycopg2-binary==2.9.13 asyncpg==0.32.0 pg8000==1.31.6
cat >"$folder/look.py" <<'PY'
import asyncio
import os
import sys
from datetime import timedelta

import asyncpg
import pg8000.dbapi
import psycopg
import psycopg2

where = {
    "host": os.environ.get("PGHOST", "127.0.0.1"),
    "port": int(os.environ.get("PGPORT", "5432")),
    "user": os.environ.get("PGUSER", "postgres"),
    "password": os.environ.get("PGPASSWORD"),
}
SUM = "select extract(epoch from timestamptz '2026-03-28 11:00 UTC' + {}::interval)::bigint"
BACK = "select {}::interval::text"
HOURS = "select interval '24 hours'"
NOON = 1774695600


def asked(connection, zone: str) -> tuple:
    with connection:
        cursor = connection.cursor()

        def one(query, *values):
            cursor.execute(query.format("%s"), values)
            return cursor.fetchone()[0]

        cursor.execute(f"set time zone '{zone}'")
        hours = [(one(SUM, timedelta(hours=hours)) - NOON) // 3600 for hours in (23, 24)]
        return *hours, one(BACK, one(HOURS))


async def asked_asyncpg(zone: str) -> tuple:
    connection = await asyncpg.connect(**where, server_settings={"TimeZone": zone})
    hours = [(await connection.fetchval(SUM.format("$1"), timedelta(hours=hours)) - NOON) // 3600 for hours in (23, 24)]
    back = await connection.fetchval(BACK.format("$1"), await connection.fetchval(HOURS))
    await connection.close()
    return *hours, back


try:
    psycopg.connect(**where, connect_timeout=5).close()
except psycopg.OperationalError as error:
    sys.exit(f"NOT LOOKED AT: no PostgreSQL server answers: {error}")
failed = False
for zone, wanted in (
    ("Europe/Berlin", (23, 23, "1 day")),  # expected: (23, 24, "24:00:00")
    ("UTC", (23, 24, "1 day")),  # expected: (23, 24, "24:00:00")
):
    seen = {
        "psycopg": asked(psycopg.connect(**where), zone),
        "psycopg2": asked(psycopg2.connect(**where), zone),
        "asyncpg": asyncio.run(asked_asyncpg(zone)),
        "pg8000": asked(pg8000.dbapi.connect(**where), zone),
    }
    for name, answer in seen.items():
        if answer != wanted:
            print(f"{name}, {zone}: {answer} instead of {wanted}")
            failed = True
sys.exit(failed)
PY
"$folder/venv/bin/python" "$folder/look.py"
