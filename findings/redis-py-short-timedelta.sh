#!/usr/bin/env bash
# redis-py 8.1.0 (with Redis 7.0.15): expire() with a timedelta of less than a second deletes the key at once.
#
# Its docstring allows a timedelta. Seen: only the whole seconds of it are sent; 900 milliseconds are 0, which for EXPIRE is "now", the answer is True and
# the key is gone; 1.9 seconds are one. pexpire() takes the same timedelta to the millisecond, set(ex=...) raises what the server says of 0.
# A lease that is renewed by expire() is given up instead. Needs a Redis server (REDIS_URL, or 127.0.0.1:6379); one key, deleted again.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --quiet --disable-pip-version-check redis==8.1.0
cat >"$folder/look.py" <<'PY'
import os
import sys
from datetime import timedelta
from uuid import uuid4

import redis

client = redis.Redis.from_url(os.environ.get("REDIS_URL", "redis://127.0.0.1:6379"))
key = f"finding:{uuid4()}"
short = timedelta(milliseconds=900)
try:
    client.set(key, "here", ex=60)
except redis.ConnectionError as error:
    sys.exit(f"NOT LOOKED AT: no Redis server answers: {error}")


def raised() -> str:
    try:
        client.set(key, "here", ex=short)
    except redis.ResponseError as error:
        return type(error).__name__
    return "nothing"


seen = {"expire": (client.expire(key, short), client.exists(key))}
client.set(key, "here")
seen["longer"] = client.expire(key, timedelta(seconds=1.9)), client.pttl(key) > 1000
client.set(key, "here", ex=60)
seen["pexpire"] = client.pexpire(key, short), client.exists(key)
seen["set"] = raised()
client.delete(key)
wanted = {
    "expire": (True, 0),  # expected: (True, 1)
    "longer": (True, False),  # expected: (True, True)
    "pexpire": (True, 1),
    "set": "ResponseError",
}
for name in wanted:
    if seen[name] != wanted[name]:
        print(name, "gives", seen[name], "instead of", wanted[name])
sys.exit(seen != wanted)
PY
"$folder/venv/bin/python" "$folder/look.py"
